"""Where a loss first falls to a target along a line of budgets, under every draw."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from nstar.verdicts import Check, Status


class Crossings(NamedTuple):
    """The first budget at which each draw reaches a target."""

    C: Float[np.ndarray, " draw"]  # FLOP; infinite where no budget reaches it
    repaired: float  # share of draws whose loss rose somewhere along the line
    below: float  # share that has reached it at the smallest budget already

    @property
    def reached(self) -> float:
        """Probability that some budget of the line reaches the target."""
        return float(np.isfinite(self.C).mean())

    def budget(self, prob: float) -> float:
        """Least budget that reaches it with this probability; infinite if none does."""
        return float(np.quantile(self.C, prob, method="inverted_cdf"))

    def quantiles(self, prob: float) -> dict[str, float | None]:
        """Median and equal-tailed interval of the budget; None where it is not reached."""
        levels = {"median": 0.5, "lower": (1 - prob) / 2, "upper": (1 + prob) / 2}
        return {name: finite(self.budget(p)) for name, p in levels.items()}


def finite(value: float) -> float | None:
    """The value as plain data, None where it is infinite or not a number."""
    return float(value) if np.isfinite(value) else None


def never_rising(losses: ArrayLike) -> tuple[Float[np.ndarray, "... budget"], float]:
    """Losses that never rise along the last axis, and the share of draws repaired.

    More compute can always be left unspent, so where the loss of a draw rises with the
    budget it is replaced by the least loss so far.
    """
    original = np.asarray(losses, dtype=float)
    least = np.minimum.accumulate(original, axis=-1)
    return least, float(np.any(original > least, axis=-1).mean())


def crossings(C: ArrayLike, losses: ArrayLike, target: float | ArrayLike) -> Crossings:
    """Find the first crossing of a target under every draw.

    Args:
        C: budgets, rising, (budget,).
        losses: loss of what each budget buys, (draw, budget).
        target: loss to reach, one or (draw,).  Between two budgets the loss is taken for
            straight in log C.
    """
    log_C = np.log(np.asarray(C, dtype=float))
    line, repaired = never_rising(losses)
    targets = np.broadcast_to(np.asarray(target, dtype=float), len(line))
    reached = line <= targets[:, None]
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), len(log_C))
    right = np.clip(first, 1, len(log_C) - 1)
    rows = np.arange(len(line))
    above, under = line[rows, right - 1], line[rows, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.nan_to_num((above - targets) / (above - under), nan=1.0)
    log_crossing = log_C[right - 1] + np.clip(share, 0.0, 1.0) * (
        log_C[right] - log_C[right - 1]
    )
    log_crossing = np.where(first == 0, log_C[0], log_crossing)
    crossing = np.where(first == len(log_C), np.inf, np.exp(log_crossing))
    return Crossings(crossing, repaired, float((first == 0).mean()))


def check_early(crossing: Crossings, chance: float, what: str) -> list[Check]:
    """Warn where the target is met already at the smallest value that was tried.

    Args:
        crossing: the first value at which each draw meets it.
        chance: probability with which it is to be met.
        what: name of the value: budget, tokens.
    """
    if crossing.below <= 1 - chance:
        return []
    detail = (
        f"{crossing.below:.3g} of draws have reached it at the least {what} looked at, {crossing.C.min():.3g}: "
        "less may do; is the target in the unit of what was fitted? If so, ask for a harder one"
    )
    return [Check("target above the search", Status.REVIEW, detail)]
