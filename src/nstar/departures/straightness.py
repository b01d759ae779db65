"""The coverage of laws whose form is taken as exact, as measured on the public ladders."""

from typing import Any

from nstar.departures import discrepancy
from nstar.departures.bending import bendable, is_bent, straight

LET_IT_BEND = "let it bend (--discrepancy waves) where time allows"
# of held-out runs: benchmarks/results/extrapolation.md, "nstar coupled"
SURFACE = (
    "the law's form is taken as exact: on the public ladders 90 % intervals of such a fit held "
    f"75 % of runs one decade beyond those it saw, and 70 % two; {LET_IT_BEND}"
)
# of measured optima: benchmarks/results/optima.md, "straight line"
LINE = (
    "the line of optima is taken as a power law exactly: on the public ladders 90 % intervals of "
    f"such a fit held 80 % of optima one decade beyond those it saw, and 39 % two; {LET_IT_BEND}"
)


def taken_as_exact(law: Any) -> str:
    """Warning about the coverage of a law that could bend and does not; else empty."""
    if is_bent(law) or not bendable(straight(law)):
        return ""
    return SURFACE if discrepancy.bendable(straight(law)) else LINE
