"""Which discrepancy a law can carry: waves on a surface's loss, or on a line's optimum."""

from typing import Any

from nstar import bent_lines, discrepancy
from nstar.bent_lines import Lined
from nstar.discrepancy import PARTS, Bent
from nstar.laws.line import Straight
from nstar.pooling import Pooled
from nstar.types import Inputs, Law


def bendable(law: Any) -> bool:
    """Say whether a law can bend and does not yet."""
    return discrepancy.bendable(law) or (isinstance(law, Lined) and not is_bent(law))


def is_bent(law: Any) -> bool:
    """Say whether a law, pooled or not, carries a discrepancy."""
    law = law.law if isinstance(law, Pooled) else law
    lined = isinstance(law, Lined) and not isinstance(law.trend, Straight)
    return lined or isinstance(law, Bent)


def bend(law: Any, x: Inputs) -> Any:
    """Let a law bend about the design of these runs.

    Raises:
        ValueError: it has neither a loss of (N, D) above a floor nor a line of optima.
    """
    if isinstance(law, Lined) and not is_bent(law):
        return bent_lines.bow(law, x)
    return discrepancy.bend(law, x)


def straight(law: Law) -> Law:
    """Return the law without its groups and its discrepancy."""
    law = law.law if isinstance(law, Pooled) else law
    if isinstance(law, Bent):
        return law.law
    return bent_lines.straighten(law) if isinstance(law, Lined) else law


def amplitudes(law: Any) -> set[str]:
    """Names of what the discrepancy adds to a law's unknowns, weights apart."""
    if isinstance(law, Lined):
        return {bent_lines.UNKNOWN}
    return {f"bend_{part}" for part in PARTS} if discrepancy.bendable(law) else set()
