"""The course of a run from a law of its schedule: from other curves' fit, or its priors."""

import jax
import numpy as np
from threadpoolctl import threadpool_limits

from nstar.curves import scatter
from nstar.curves.fitting import LAWS, CurveFit, draw_losses
from nstar.curves.progress import Scale, gather
from nstar.curves.schedules import Schedule
from nstar.curves.watch_alarm import End, end_of
from nstar.curves.watch_shapes import MEAN, SD, Course, noise_of_run

LAW = "multi_power"  # whose priors serve where there are no curves
DRAWS = 500
NOISES = 16
# A law is off by 0.4 to 1 % at worst (Luo et al. 2025, table 2), and near a change of the
# learning rate longer than for a point: in log loss, and remembered for a share of the way.
OFF = 4e-3
MEMORY = 0.3
FIRST = 0.01  # of a run, at which a law begins where no warm-up is recorded


def expect_by_law(
    fit: CurveFit,
    schedule: Schedule,
    steps: float,
    way: np.ndarray,
    count: np.ndarray,
) -> tuple[Course, End]:
    """Say a run's course from curves of the same model under other schedules.

    The second is the law's forecast of the end, as measured.

    Args:
        fit: of those that have ended.
        schedule: of the run, whole.
        steps: of the whole run.
        way: places as shares of it, (place,).
        count: measurements that each is the mean of, (place,).
    """
    places = np.append(way, 1.0)[: len(way) + (way[-1] < 1)]
    ((losses, measured),) = draw_losses(fit, [schedule], [places * steps], [None])
    log = np.log(losses)
    white = float(np.median(fit.draws["log_white"]))
    course = _gaussian(log[:, : len(way)] - log[:, -1:], way, count, white)
    return course, end_of(measured[:, -1])


def expect_by_prior(
    schedule: Schedule, steps: float, loss: float, way: np.ndarray, count: np.ndarray
) -> Course:
    """Say a run's course from the priors of a law of its schedule alone.

    Args:
        schedule: of the run, whole.
        steps: of the whole run.
        loss: about the one at its end.
        way: places as shares of the run, (place,).
        count: measurements that each is the mean of, (place,).
    """
    law = LAWS[LAW]
    priors = law.priors(loss)
    random = np.random.default_rng(0)
    draws = {
        n: p.mean + p.sd * random.standard_normal(DRAWS) for n, p in priors.items()
    }
    places = np.append(way, 1.0)[: len(way) + (way[-1] < 1)]
    begin = min(max(schedule.warm, FIRST * steps), float(places[0]) * steps)
    paths = gather([schedule], [places * steps], Scale(steps, schedule.peak, begin))
    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        log = jax.jit(jax.vmap(lambda p: scatter.log_law(law.parts(p, paths))[0]))(
            draws
        )
    log = np.asarray(log)
    return _gaussian(log[:, : len(way)] - log[:, -1:], way, count, None)


def _gaussian(
    excess: np.ndarray, way: np.ndarray, count: np.ndarray, white: float | None
) -> Course:
    """Take draws of a course, (draw, place), for Gaussian, and add a run's noise to it."""
    mean, covariance = excess.mean(0), np.cov(excess, rowvar=False)
    shocks = np.random.default_rng(0).standard_normal((NOISES // 2, len(MEAN)))
    draws = MEAN + SD * np.concatenate([shocks, -shocks])
    noise = noise_of_run(draws, way, mean, count, white)
    off = OFF**2 * np.exp(-np.abs(way[:, None] - way[None]) / MEMORY)
    return Course(
        way,
        np.broadcast_to(mean, (NOISES, len(way))),
        covariance + off + noise,
        np.full(NOISES, -np.log(NOISES)),
    )
