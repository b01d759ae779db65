"""Where a loss first falls to a target along a line of budgets, under every draw."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nstar.verdicts import Check, Status


class Crossings(NamedTuple):
    """The first budget at which each draw reaches a target."""

    C: np.ndarray  # FLOP, (draw,); infinite where no budget reaches it
    repaired: float  # share of draws whose loss rose somewhere along the line
    below: float  # share that has reached it at the smallest budget already

    @property
    def reached(self) -> float:
        """Probability that some budget of the line reaches the target."""
        return float(np.isfinite(self.C).mean())

    def budget(self, prob: float) -> float:
        """Least budget that reaches it with this probability; infinite if none does."""
        return float(np.quantile(self.C, prob, method="inverted_cdf"))


def falling(losses: ArrayLike) -> tuple[np.ndarray, float]:
    """Losses that never rise along the last axis, and the share of draws repaired.

    More compute can always be left unspent, so a draw whose loss rises with the budget
    is read as staying where it was.
    """
    given = np.asarray(losses, dtype=float)
    least = np.minimum.accumulate(given, axis=-1)
    return least, float(np.any(given > least, axis=-1).mean())


def crossings(C: ArrayLike, losses: ArrayLike, target: float | ArrayLike) -> Crossings:
    """Find the first crossing of a target under every draw.

    Args:
        C: budgets, rising, (budget,).
        losses: loss of what each budget buys, (draw, budget).
        target: loss to reach, one or (draw,).  Between two budgets the loss is taken for
            straight in log C.
    """
    log_C = np.log(np.asarray(C, dtype=float))
    line, repaired = falling(losses)
    goal = np.broadcast_to(np.asarray(target, dtype=float), len(line))
    there = line <= goal[:, None]
    first = np.where(there.any(axis=1), there.argmax(axis=1), len(log_C))
    right = np.clip(first, 1, len(log_C) - 1)
    rows = np.arange(len(line))
    above, under = line[rows, right - 1], line[rows, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.nan_to_num((above - goal) / (above - under), nan=1.0)
    at = log_C[right - 1] + np.clip(share, 0.0, 1.0) * (log_C[right] - log_C[right - 1])
    at = np.where(first == 0, log_C[0], at)
    found = np.where(first == len(log_C), np.inf, np.exp(at))
    return Crossings(found, repaired, float((first == 0).mean()))


def check_early(found: Crossings, chance: float, what: str) -> list[Check]:
    """Say where a target was met before anything was looked at.

    Args:
        found: where each draw meets it.
        chance: with which it is to be met.
        what: is looked along: budget, tokens.
    """
    if found.below <= 1 - chance:
        return []
    detail = (
        f"{found.below:.3g} of draws have reached it at the least {what} looked at, {found.C.min():.3g}: "
        "less may do; is the target in the unit of what was fitted? If so, ask for a harder one"
    )
    return [Check("target above the search", Status.REVIEW, detail)]
