"""What a mixture is chosen for: a weighted sum of losses, their mean, or the worst."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.mixtures.reading import require_name

MEAN, WORST = "mean", "worst"
TERM = re.compile(r"^(?:(?P<weight>\d*\.?\d+(?:e-?\d+)?)\s*\*\s*)?(?P<loss>.+)$")


@dataclass(frozen=True)
class Target:
    """Losses with weights; the worst of them, where it says so."""

    text: str
    losses: tuple[str, ...]
    weights: tuple[float, ...]
    worst: bool = False

    def of(self, losses: Float[np.ndarray, "*rows loss"]) -> Float[np.ndarray, "*rows"]:
        """The target, from its losses in their order."""
        return losses.max(axis=-1) if self.worst else losses @ np.array(self.weights)


def parse_target(text: str, known: Sequence[str]) -> Target:
    """Read `pile_cc`, `0.5*pile_cc+0.5*github`, `mean` or `worst`.

    Args:
        text: as people write it.
        known: the table's losses.

    Raises:
        ValueError: it names no loss of the table, or one of them twice.
    """
    chosen = text.strip()
    if chosen in (MEAN, WORST) and chosen not in known:
        n = len(known)
        return Target(chosen, tuple(known), (1 / n,) * n, worst=chosen == WORST)
    losses, weights = [], []
    for part in chosen.split("+"):
        match = TERM.match(part.strip())
        if match is None:
            msg = f"--target {text!r}: expected a loss, a weighted sum such as 0.5*{known[0]}+0.5*{known[-1]}, mean or worst"
            raise ValueError(msg)
        losses.append(require_name(match["loss"].strip(), known, "--target: loss"))
        weights.append(float(match["weight"] or 1.0))
    if len(set(losses)) < len(losses) or not sum(weights) > 0:
        msg = f"--target {text!r}: name each loss once, with weights above zero"
        raise ValueError(msg)
    return Target(chosen, tuple(losses), tuple(weights))
