"""A predictive distribution of one loss that fits on a line, and its scores once the loss is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nstar.answers import Document
from nstar.intervals import Interval
from nstar.scores import LEVELS

STEP = 1 / 400  # the ends of 50, 80, 90 and 95 % are then among the probabilities
PROBS = np.arange(STEP, 1 - STEP / 2, STEP)
WIDEST = float(PROBS[-1] - PROBS[0])  # probability of the widest interval that is kept
POINTS, REACH = 161, 100.0  # of the density: as many, over as many half widths
DIGITS = 9  # significant digits


class Scores(NamedTuple):
    """Scores of a forecast, on the log of the loss, where 0.01 is one percent."""

    error: float  # log of the median less log of the measured loss
    pit: float  # probability of a loss at most that measured; uniform if calibrated
    crps: float
    interval_score: float  # of the 90 % interval
    log_density: float
    covered: dict[str, bool]  # by level: whether its interval contains the loss

    def as_json(self) -> Document:
        """Plain data."""
        scores = self._asdict()
        covered = scores.pop("covered")
        return scores | {
            "interval_score": {"0.9": self.interval_score},
            "held": covered,
        }


@dataclass(frozen=True, eq=False)
class Frozen:
    """Quantiles of a loss at `PROBS`, and the log density of its logarithm at some losses."""

    quantiles: np.ndarray  # of the loss, rising
    losses: np.ndarray  # rising
    log_density: np.ndarray  # of the log loss, at those

    @classmethod
    def of(
        cls, draws: np.ndarray, log_density: Callable[[np.ndarray], np.ndarray]
    ) -> "Frozen":
        """Summarise draws of a loss, and its density, so that they can be scored later.

        Args:
            draws: of the loss, (draw,).
            log_density: of the log loss, from losses (point,).

        Raises:
            ValueError: a draw is not positive and finite, or all are the same.
        """
        quantiles = rounded_quantiles(draws)
        low, middle, high = np.interp([0.16, 0.5, 0.84], PROBS, np.log(quantiles))
        if not high > low:
            msg = f"a forecast that may be scored has some spread, but every draw of the loss is {quantiles[0]:g}"
            raise ValueError(msg)
        u = np.linspace(-1.0, 1.0, POINTS) * np.arcsinh(REACH)
        at = _rounded(np.exp(middle + np.sinh(u) * (high - low) / 2))
        return cls(quantiles, at, _rounded(log_density(at)))

    def interval(self, prob: float) -> Interval:
        """Median and equal-tailed interval of the loss.

        Raises:
            ValueError: it is wider than the quantiles that are stored.
        """
        return interval(self.quantiles, prob)

    def score(self, loss: float) -> Scores:
        r"""Score the forecast by the measured loss.

        The interval score is eq. 43 of Gneiting & Raftery (2007).  Beyond a hundred half
        widths from the median the log density is constant.
        """
        from scipy.interpolate import PchipInterpolator

        q, y = np.log(self.quantiles), float(np.log(loss))
        low, high = np.log(self.interval(0.9)[1:])
        outside = max(low - y, 0.0) + max(y - high, 0.0)
        at = np.clip(y, *np.log(self.losses[[0, -1]]))
        density = PchipInterpolator(np.log(self.losses), self.log_density)
        return Scores(
            error=float(np.interp(0.5, PROBS, q)) - y,
            pit=float(np.interp(y, q, PROBS, left=0.0, right=1.0)),
            crps=_crps(q, y),
            interval_score=float(high - low + 2 / 0.1 * outside),
            log_density=float(density(at)),
            covered={str(level): self._contains(level, loss) for level in LEVELS},
        )

    def _contains(self, level: float, loss: float) -> bool:
        _, low, high = self.interval(level)
        return low <= loss <= high

    def as_json(self) -> dict[str, list[float]]:
        """Plain data; read back as it is."""
        names = ("quantiles", "losses", "log_density")
        return {name: getattr(self, name).tolist() for name in names}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Frozen":
        """Read what `as_json` wrote."""
        return cls(**{name: np.asarray(v, dtype=float) for name, v in document.items()})


def _crps(q: np.ndarray, y: float) -> float:
    r"""Integrate the quantile score (Gneiting & Ranjan 2011) by trapezoids.

    $$ 2 \int_0^1 (1\{y < q_p\} - p)(q_p - y)\,dp $$

    The integrand ends at zero, unless y lies beyond the quantiles that were kept.
    """
    inner = np.sum(((y < q) - PROBS) * (q - y))
    ends = max(q[0] - y, 0.0) + max(y - q[-1], 0.0)
    return float(2 * STEP * (inner + ends / 2))


def rounded_quantiles(draws: np.ndarray) -> np.ndarray:
    """Quantiles of draws of a loss, (draw,), at `PROBS`, rounded to nine digits.

    Raises:
        ValueError: a draw is not positive and finite.
    """
    bad = ~(np.isfinite(draws) & (np.asarray(draws) > 0))
    if bad.any():
        msg = f"{int(bad.sum())} of {len(draws)} draws give no finite positive loss there, so nothing can be forecast: ask for a run nearer the data, or take another law"
        raise ValueError(msg)
    return _rounded(np.quantile(draws, PROBS))


def interval(quantiles: np.ndarray, prob: float) -> Interval:
    """Interpolate median and bounds from quantiles at `PROBS`.

    Raises:
        ValueError: the interval is wider than the quantiles that are stored.
    """
    if not 0 < prob <= WIDEST + 1e-12:
        msg = f"prob {prob:g}: a frozen forecast holds intervals of up to {WIDEST:.3g}"
        raise ValueError(msg)
    ends = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    return Interval(*(float(v) for v in np.interp(ends, PROBS, quantiles)))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.array([float(f"{v:.{DIGITS}g}") for v in values])
