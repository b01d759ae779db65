"""A predictive distribution of one loss that fits on a line, and its scores once the loss is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nstar.intervals import Interval
from nstar.scores import LEVELS

STEP = 1 / 400  # the ends of 50, 80, 90 and 95 % are then among the probabilities
PROBS = np.arange(STEP, 1 - STEP / 2, STEP)
WIDEST = float(PROBS[-1] - PROBS[0])  # probability of the widest interval that is kept
POINTS, REACH = 161, 100.0  # of the density: as many, over as many half widths
KEPT = 9  # significant digits


class Scored(NamedTuple):
    """How good a forecast was; on the log of the loss, where 0.01 is one percent."""

    error: float  # log of the median less that of what came
    pit: float  # probability of a loss at most what came; uniform if forecasts hold
    crps: float
    interval_score: float  # of the 90 % interval
    log_density: float
    held: dict[str, bool]  # whether the interval of each level held what came

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return self._asdict() | {"interval_score": {"0.9": self.interval_score}}


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
        """Keep what can be scored later of draws of a loss and of its density.

        Args:
            draws: of the loss, (draw,).
            log_density: of the log loss, from losses (point,).

        Raises:
            ValueError: a draw is not positive and finite, or all are the same.
        """
        quantiles = kept(draws)
        low, middle, high = np.interp([0.16, 0.5, 0.84], PROBS, np.log(quantiles))
        if not high > low:
            msg = f"a forecast that may be scored has some spread, but every draw of the loss is {quantiles[0]:g}"
            raise ValueError(msg)
        u = np.linspace(-1.0, 1.0, POINTS) * np.arcsinh(REACH)
        at = _rounded(np.exp(middle + np.sinh(u) * (high - low) / 2))
        return cls(quantiles, at, _rounded(log_density(at)))

    def interval(self, prob: float) -> Interval:
        """Median and equal-tailed interval.

        Raises:
            ValueError: it is wider than what was kept.
        """
        return interval(self.quantiles, prob)

    def scored(self, loss: float) -> Scored:
        r"""Hold the forecast against the loss that came.

        The interval score is eq. 43 of Gneiting & Raftery (2007).  Beyond a hundred half widths from the median the log
        density is held at what it is there.
        """
        from scipy.interpolate import PchipInterpolator

        q, y = np.log(self.quantiles), float(np.log(loss))
        low, high = np.log(self.interval(0.9)[1:])
        outside = max(low - y, 0.0) + max(y - high, 0.0)
        at = np.clip(y, *np.log(self.losses[[0, -1]]))
        density = PchipInterpolator(np.log(self.losses), self.log_density)
        return Scored(
            error=float(np.interp(0.5, PROBS, q)) - y,
            pit=float(np.interp(y, q, PROBS, left=0.0, right=1.0)),
            crps=_crps(q, y),
            interval_score=float(high - low + 2 / 0.1 * outside),
            log_density=float(density(at)),
            held={str(level): self._holds(level, loss) for level in LEVELS},
        )

    def _holds(self, level: float, loss: float) -> bool:
        _, low, high = self.interval(level)
        return low <= loss <= high

    def as_json(self) -> dict[str, list[float]]:
        """Plain data; read back as it is."""
        names = ("quantiles", "losses", "log_density")
        return {name: getattr(self, name).tolist() for name in names}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> "Frozen":
        """Read what `as_json` wrote."""
        return cls(**{name: np.asarray(v, dtype=float) for name, v in said.items()})


def _crps(q: np.ndarray, y: float) -> float:
    r"""Integrate the quantile score (Gneiting & Ranjan 2011) by trapezoids.

    $$ 2 \int_0^1 (1\{y < q_p\} - p)(q_p - y)\,dp $$

    The integrand ends at zero, unless y lies beyond the quantiles that were kept.
    """
    inner = np.sum(((y < q) - PROBS) * (q - y))
    ends = max(q[0] - y, 0.0) + max(y - q[-1], 0.0)
    return float(2 * STEP * (inner + ends / 2))


def kept(draws: np.ndarray) -> np.ndarray:
    """Quantiles of draws of a loss at `PROBS`, to nine digits.

    Raises:
        ValueError: a draw is not positive and finite.
    """
    bad = ~(np.isfinite(draws) & (np.asarray(draws) > 0))
    if bad.any():
        msg = f"{int(bad.sum())} of {len(draws)} draws give no finite positive loss there, so nothing can be forecast: ask for a run nearer the data, or take another law"
        raise ValueError(msg)
    return _rounded(np.quantile(draws, PROBS))


def interval(quantiles: np.ndarray, prob: float) -> Interval:
    """Read median and bounds off quantiles at `PROBS`.

    Raises:
        ValueError: the interval is wider than what was kept.
    """
    if not 0 < prob <= WIDEST + 1e-12:
        msg = f"prob {prob:g}: a frozen forecast holds intervals of up to {WIDEST:.3g}"
        raise ValueError(msg)
    ends = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    return Interval(*(float(v) for v in np.interp(ends, PROBS, quantiles)))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.array([float(f"{v:.{KEPT}g}") for v in values])
