"""From draws to what a person reads: a median and an equal-tailed interval."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jaxtyping import Real
    from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """Median and equal-tailed credible bounds."""

    median: float
    lower: float
    upper: float

    def as_json(self) -> dict[str, float]:
        """Plain numbers."""
        return {"median": self.median, "lower": self.lower, "upper": self.upper}


def interval(draws: "Real[ArrayLike, '*draws']", prob: float) -> Interval:
    """Quantiles of the draws at 1/2 and (1 -+ prob)/2.

    Raises:
        ValueError: prob does not lie between 0 and 1.
    """
    import numpy as np  # commands that list what nstar ships do without

    if not 0 < prob < 1:
        msg = f"prob must lie between 0 and 1, got {prob}"
        raise ValueError(msg)
    tail = (1 - prob) / 2
    low, middle, high = np.quantile(np.asarray(draws), [tail, 0.5, 1 - tail])
    return Interval(float(middle), float(low), float(high))


def credible_level(draws: "Real[ArrayLike, '*draws']", value: float) -> float:
    """Probability of the smallest equal-tailed interval that holds the value; NaN if none."""
    import numpy as np

    if not (np.isfinite(value) and np.all(np.isfinite(np.asarray(draws)))):
        return float("nan")
    below = float(np.mean(np.asarray(draws) < value))
    return abs(2 * below - 1)
