"""Do measured optima lie on a line?  The slope of log D* in log C, low and high, by ladder.

    uv run --group bench python benchmarks/optima_slopes.py

Every route that carries a line of small optima on asks for too few tokens where the slope
rises with compute, and for too many where it falls.  Writes
benchmarks/results/optima_slopes.md.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from commits import commit
from ladders import ladders
from nstar.runs.optima import measured_optima

FOLDER = Path(__file__).parent
FEWEST = 6  # optima, to fit a parabola with some left over
ABOUT = """# Slopes of measured optima

Measured optima (vertices of parabolas, `nstar.runs.optima.measured_optima`) of every development ladder that has budgets; slopes of log D* in log C by least squares over the lower and the upper half, and the change of slope per decade of compute from a parabola, with its standard error. Commit {commit}; `python benchmarks/optima_slopes.py`.

| ladder | optima | decades | slope, lower half | slope, upper half | change per decade |
| --- | --- | --- | --- | --- | --- |
"""
READ = """
**What it says.** On Chinchilla's and Llama 3's ladders the slope rises by about a tenth with every decade, at six to nine times its standard error: a line through the smaller budgets asks for too few tokens at the larger ones, by whichever route the optima are read. Porian's ladders, which change one thing at a time, say what may be behind it: with the warm-up of long training, which small runs barely outlast (`long`), the slope rises; with a short one and untuned rates it is about straight; with rates and batches tuned for each size (`tuned/short`) it falls. So the bend is of how the small runs were trained, not of the law alone (Porian et al. 2024, arXiv:2406.19146), and its sign cannot be foretold from a table of N, D and losses: of the ladders here it rises on five by more than two standard errors, falls on two, and does not tell on seven. nstar therefore corrects nothing; its lines and surfaces may bend, and their intervals hold both signs (`optima.md`).
"""


class Slopes(NamedTuple):
    """How log D* runs with log C."""

    optima: int
    decades: float
    low: float
    high: float
    change: float  # of the slope, per decade
    error: float  # standard error of it

    def row(self, name: str) -> str:
        """A line of the table."""
        return f"| {name} | {self.optima} | {self.decades:.1f} | {self.low:.2f} | {self.high:.2f} | {self.change:+.3f} ± {self.error:.3f} |"


def slopes(C: np.ndarray, D: np.ndarray) -> Slopes:
    """Measure slopes from budgets and optimal tokens, (budget,) each."""
    order = np.argsort(C)
    x, y = np.log10(C[order]), np.log10(D[order])
    half, design = len(x) // 2, np.vander(x - x.mean(), 3)
    parabola, *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ parabola
    variance = rest @ rest / (len(x) - 3) * np.linalg.inv(design.T @ design)[0, 0]
    low, high = (
        np.polyfit(x[i], y[i], 1)[0] for i in (slice(half + 1), slice(half, None))
    )
    return Slopes(
        len(x), float(np.ptp(x)), low, high, 2 * parabola[0], 2 * variance**0.5
    )


def main() -> None:
    """Measure every ladder and write the page."""
    warnings.simplefilter("ignore")
    rows = []
    for ladder in ladders():
        if "budget" not in ladder.runs:
            continue
        optima = measured_optima(ladder.runs)
        if len(optima) >= FEWEST:
            rows.append(slopes(optima["C"], optima["D"]).row(ladder.name))
    page = ABOUT.format(commit=commit()) + "\n".join(rows) + "\n" + READ
    (FOLDER / "results" / "optima_slopes.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
