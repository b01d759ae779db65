"""Whether a run has left its forecast: a test that may be looked at after every point.

Under the forecast the log loss is Gaussian for each component, and its innovations given
the past are independent.  A departure is a step of the loss, or a part of what is still to
fall that does not come, begun at any earlier place and of a normal size; the mixture of
these against the forecast is a martingale that starts at one, so that over the whole run it
exceeds 1/alpha with a probability of at most alpha (Ville 1939; Ramdas et al. 2023,
arXiv:2210.01948).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from scipy.stats import norm

from nstar.curves.watch_shapes import Course

DEPARTS = 0.1  # probability that a run leaves its forecast, before it is seen
STEP = 3.0  # sd of a step, in sds of the forecast of the end
TOGETHER = 256  # runs that are followed at a time


class End(NamedTuple):
    """The forecast of a run's log loss at its end, as measured there: normal."""

    mean: float
    sd: float


def end_of(losses: Float[np.ndarray, " draw"]) -> End:
    """A normal of log loss with the median of draws and the width of their 90 % interval."""
    low, middle, high = np.quantile(np.log(losses), [0.05, 0.5, 0.95])
    return End(float(middle), float((high - low) / 2 / norm.ppf(0.95)))


class Ends(NamedTuple):
    """A mixture of normals of the log loss at the end."""

    weight: Float[np.ndarray, "*runs part"]  # sums to one
    mean: Float[np.ndarray, "*runs part"]
    sd: Float[np.ndarray, "*runs part"]

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Draws of the log loss, (draw,), of one run."""
        random = np.random.default_rng(seed)
        part = random.choice(len(self.weight), count, p=self.weight)
        return self.mean[part] + self.sd[part] * random.standard_normal(count)

    def log_density(self, log_loss: np.ndarray) -> np.ndarray:
        """Log density at log losses, (point,), of one run."""
        z = (log_loss[:, None] - self.mean) / self.sd
        return logsumexp(
            -(z**2) / 2 - np.log(self.sd * np.sqrt(2 * np.pi)), axis=1, b=self.weight
        )


class Departure(NamedTuple):
    """What a run's departure is, if it has departed."""

    chance: np.ndarray  # that it has, (run,)
    onset: np.ndarray  # index of the place where it most likely began, (run,)
    size: np.ndarray  # of the log loss at the last place, (run,)


class Followed(NamedTuple):
    """Runs followed along their way."""

    log_e: Float[np.ndarray, "run place"]  # of the e-value after each place
    ends: Ends  # given all of it
    departure: Departure


class _Alternatives(NamedTuple):
    """Departures by one unit: (place, alternative), and at the end, (alternative,)."""

    along: np.ndarray
    at_end: np.ndarray
    sd: np.ndarray
    onset: np.ndarray  # place


def follow(
    course: Course, end: End, log_loss: Float[np.ndarray, "run place"]
) -> Followed:
    """Follow runs along the first places of their course.

    Args:
        course: what is expected, at these places and perhaps later ones.
        end: the forecast of the end.
        log_loss: measured, of runs that share the forecast.
    """
    lots = [
        _follow(course, end, log_loss[i : i + TOGETHER])
        for i in range(0, len(log_loss), TOGETHER)
    ]
    return Followed(
        np.concatenate([lot.log_e for lot in lots]),
        Ends(
            *(
                np.concatenate(part)
                for part in zip(*(lot.ends for lot in lots), strict=True)
            )
        ),
        Departure(
            *(
                np.concatenate(part)
                for part in zip(*(lot.departure for lot in lots), strict=True)
            )
        ),
    )


def _follow(course: Course, end: End, log_loss: np.ndarray) -> Followed:
    runs, places = log_loss.shape
    other = _alternatives(course, end, places)
    log_null, log_other, means, sds = [], [], [], []
    ratio = np.empty((len(course.mean), runs, places))
    size = np.empty((len(course.mean), len(other.sd), runs))
    for s, (mean, covariance) in enumerate(
        zip(course.mean, course.covariance, strict=True)
    ):
        both = covariance[:places, :places] + end.sd**2
        root = np.linalg.cholesky(both)
        white = solve_triangular(
            root,
            np.column_stack(
                [
                    (log_loss - end.mean - mean[:places]).T,
                    other.along,
                    np.full(places, end.sd**2),
                ]
            ),
            lower=True,
        )
        z, w, a = white[:, :runs], white[:, runs:-1], white[:, -1]
        density = -0.5 * np.cumsum(z**2, 0) - np.cumsum(np.log(np.diag(root)))[:, None]
        log_null.append(course.weight[s] + density.T)
        squares = 1 + other.sd**2 * np.cumsum(w**2, 0)  # (place, alternative)
        products = np.cumsum(
            w[:, :, None] * z[:, None, :], 0
        )  # (place, alternative, run)
        gain = (other.sd**2 / squares)[..., None] * products**2
        gain = 0.5 * (gain - np.log(squares)[..., None])
        ratio[s] = (logsumexp(gain, axis=1) - np.log(gain.shape[1])).T
        # the end given all places: under the forecast, and under each departure
        known, left = end.mean + a @ z, end.sd**2 - a @ a
        spread = other.sd**2 / squares[-1]
        shift = (
            spread[:, None] * products[-1]
        )  # of the departure's size, (alternative, run)
        by_end = other.at_end - a @ w
        means += [known[None], known + shift * by_end[:, None]]
        variance = np.append(left, left + spread * by_end**2)
        sds.append(np.sqrt(np.maximum(variance, 1e-14)))
        log_other.append(log_null[-1][:, -1] + gain[-1] - np.log(len(gain[-1])))
        size[s] = shift * other.along[-1][:, None]
    null = np.stack(log_null)  # (component, run, place)
    log_e = logsumexp(null + ratio, axis=0) - logsumexp(null, axis=0)
    parts = np.stack(
        [
            np.vstack([n[:, -1] + np.log(1 - DEPARTS), o + np.log(DEPARTS)])
            for n, o in zip(null, log_other, strict=True)
        ]
    )
    weight = np.exp(
        parts - logsumexp(parts, axis=(0, 1))
    )  # (component, 1 + alternative, run)
    departed = weight[:, 1:]
    chance = departed.sum((0, 1))
    share = departed / chance
    by_onset = np.stack([share[:, other.onset == i].sum((0, 1)) for i in range(places)])
    flat = weight.reshape(-1, runs).T
    ends = Ends(
        flat, np.concatenate(means).T, np.broadcast_to(np.concatenate(sds), flat.shape)
    )
    departure = Departure(chance, by_onset.argmax(0), np.sum(share * size, axis=(0, 1)))
    return Followed(log_e, ends, departure)


def _alternatives(course: Course, end: End, places: int) -> _Alternatives:
    """Steps, and falls that do not come, from every place."""
    expected = np.exp(course.weight) @ course.mean
    steps = np.tril(np.ones((places, places)))
    fallen = np.maximum(expected[:places] - expected[:places, None], 0.0)
    return _Alternatives(
        np.column_stack([steps, np.tril(fallen)]),
        np.append(np.ones(places), expected[:places]),
        np.repeat([STEP * end.sd, 1.0], places),
        np.tile(np.arange(places), 2),
    )
