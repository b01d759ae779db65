"""Fit a law of a schedule to curves: its posterior by importance sampling about the mode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from nstar.curves import scatter
from nstar.curves.annealing_area import AnnealingArea
from nstar.curves.laws import ScheduleLaw, Unknowns
from nstar.curves.multi_power import MultiPower
from nstar.curves.progress import Paths, Scale, gather
from nstar.curves.reading import Curve
from nstar.curves.scatter import Seen
from nstar.curves.schedules import Schedule
from nstar.curves.sizes import Sized
from nstar.samplers import importance, modes
from nstar.types import Array
from nstar.verdicts import Check, Status
from nstar.wording import alternatives

LAWS: Mapping[str, ScheduleLaw] = {
    "multi_power": MultiPower(),
    "multi_power_published": MultiPower(paced=False),
    "annealing_area": AnnealingArea(),
}
POINTS = 60  # of a curve that are fitted, each the mean of its neighbours
FEWEST = 25  # of a curve where there are many
ALL_POINTS = 700
JUMP = 0.02  # change of the learning rate, as a share, across which no mean is taken
SIZE_OFF = (
    0.02  # log loss by which a size not seen is off, by its distance in a factor of e
)
COUNTS = 512, 1536  # draws about the mode, and about the weighted draws' mean
ROUNDS = 4  # of them at most, each about the last one's draws
ENOUGH = 200  # effective draws, with which no more are made
DRAWS = 500  # that answers are worked out for
FEW = 100  # effective draws below which a fit is for review


class Sizes(NamedTuple):
    """Sizes of curves in parameters: the lowest curve's, and the largest rate of each."""

    lowest: float
    peaks: Mapping[float, float]

    def beyond(self, size: float) -> float:
        """How far a size is from the nearest of the curves, in its logarithm."""
        return min(abs(float(np.log(size / other))) for other in self.peaks)

    def place(
        self, schedule: Schedule, size: float, peak: float
    ) -> tuple[Schedule, float]:
        """A schedule as if its size's peak were that of all, and the log of its size."""
        of_its_size = self.peaks.get(size, schedule.peak)
        return schedule.times(peak / of_its_size), float(np.log(size / self.lowest))


@dataclass(frozen=True)
class CurveFit:
    """The posterior of a law of a schedule, and the curves it was learned from."""

    law: ScheduleLaw
    name: str
    curves: tuple[Curve, ...]
    scale: Scale
    sizes: Sizes | None  # of curves of several
    seen: Seen
    draws: dict[str, Float[np.ndarray, " draw"]]
    effective: float  # draws, of those weighed
    seed: int

    def checks(self) -> list[Check]:
        """Check whether the posterior was drawn well."""
        few = self.effective < FEW
        detail = f"{self.effective:.0f} effective draws of {sum(COUNTS)}"
        if few:
            detail += "; the curves leave the law's unknowns a crooked posterior: give curves of another schedule, or fewer steps of warm-up"
        return [Check("draws", Status.REVIEW if few else Status.PASS, detail)]

    def law_at(
        self,
        schedules: Sequence[Schedule],
        points: Sequence[np.ndarray],
        sizes: Sequence[float | None],
    ) -> Paths:
        """Trace schedules in the units of this fit.

        Raises:
            ValueError: the curves are of several sizes, and one that is not said is asked for.
        """
        return _paths(schedules, points, sizes, self.scale, self.sizes)

    @cached_property
    def runs(self) -> dict[str, int]:
        """Index of each run by name."""
        return {curve.run: i for i, curve in enumerate(self.curves)}


def fit_curves(
    curves: Sequence[Curve], law: str = "multi_power", *, seed: int = 0
) -> CurveFit:
    """Fit a law to curves that share a recipe and data, and differ by schedule or size.

    Args:
        curves: as `read_curves` has them.
        law: multi_power, multi_power_published or annealing_area.
        seed: the same seed gives the same draws.

    Raises:
        ValueError: there is no such law, or too little of the curves is after the warm-up.
    """
    if law not in LAWS:
        msg = f"law {law!r}: {alternatives(law, LAWS)}"
        raise ValueError(msg)
    scale = Scale(
        max(c.schedule.end for c in curves),
        max(c.schedule.peak for c in curves),
        float(np.median([c.begin for c in curves])),
    )
    lowest = min(curves, key=lambda c: float(c.loss.min()))
    sizes, rule = None, LAWS[law]
    if lowest.size is not None and len({c.size for c in curves}) > 1:
        peaks: dict[float, float] = {}
        for c in curves:
            if c.size is not None:
                peaks[c.size] = max(peaks.get(c.size, 0.0), c.schedule.peak)
        sizes, rule = Sizes(lowest.size, peaks), Sized(rule)
    most = max(FEWEST, min(POINTS, ALL_POINTS // len(curves)))
    means = [_means(curve, most, scale) for curve in curves]
    schedules, points = [c.schedule for c in curves], [m[0] for m in means]
    paths = _paths(schedules, points, [c.size for c in curves], scale, sizes)
    size = paths.there.shape[1]

    def pad(values: np.ndarray, by: float) -> np.ndarray:
        return np.concatenate([values, np.full(size - len(values), by)])

    log_loss, count, extra = (
        np.stack([pad(m[i], by) for m in means])
        for i, by in ((1, 0.0), (2, 1.0), (3, 0.0))
    )
    slope = np.stack([pad(_slope(m[0], m[1]), 0.0) for m in means])
    seen = Seen(paths, log_loss, count, extra, slope)
    priors = rule.priors(float(lowest.loss.min())) | scatter.priors()
    names = tuple(priors)
    mean, sd = np.array(list(priors.values())).T
    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        u, effective = _sample(rule, names, (mean, sd), seen, seed)
    draws = {name: mean[i] + sd[i] * u[:, i] for i, name in enumerate(names)}
    return CurveFit(
        rule, law, tuple(curves), scale, sizes, seen, draws, effective, seed
    )


def _paths(
    schedules: Sequence[Schedule],
    points: Sequence[np.ndarray],
    sizes: Sequence[float | None],
    scale: Scale,
    several: Sizes | None,
) -> Paths:
    if several is None:
        return gather(schedules, points, scale)
    stated = [size for size in sizes if size is not None]
    if len(stated) < len(sizes):
        msg = "the curves are of several sizes: say the new run's parameters, as in --params 400M"
        raise ValueError(msg)
    placed = [
        several.place(schedule, size, scale.peak)
        for schedule, size in zip(schedules, stated, strict=True)
    ]
    logs = np.array([log_size for _, log_size in placed])
    return gather([schedule for schedule, _ in placed], points, scale, logs)


def draw_losses(
    fit: CurveFit,
    schedules: Sequence[Schedule],
    points: Sequence[np.ndarray],
    of: Sequence[str | None],
    *,
    sizes: Sequence[float | None] | None = None,
    seed: int = 0,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw losses at steps of runs: as the run would have it, and as measured there.

    Args:
        fit: of curves.
        schedules: of each run, whole.
        points: steps of each, rising, (step,).
        of: the run of the fit that each continues; None for a new one.
        sizes: parameters of each new run, where the curves are of several sizes.
        seed: of the draws.

    Returns:
        For each run the loss without and with a measurement's noise, (draw, step).
    """
    known = [None if run is None else fit.curves[fit.runs[run]].size for run in of]
    stated = known if sizes is None else sizes
    every = [k or n for k, n in zip(known, stated, strict=True)]
    paths = fit.law_at(schedules, points, every)
    index = np.array([-1 if run is None else fit.runs[run] for run in of])
    random = np.random.default_rng([fit.seed, seed])
    draws = len(next(iter(fit.draws.values())))
    shocks = random.standard_normal((draws, *paths.there.shape))
    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        logs = np.asarray(
            _continued(fit.law, fit.draws, paths, index, fit.seen, shocks)
        )
    if fit.sizes is not None:  # all runs of a draw are off together
        beyond = [fit.sizes.beyond(n) for n in every if n is not None]
        off = SIZE_OFF * random.standard_normal(draws)
        logs = logs + off[:, None, None] * np.array(beyond)[:, None]
    white = np.exp(fit.draws["log_white"])[:, None, None]
    noisy = logs + white * random.standard_normal(logs.shape)
    counts = [len(p) for p in points]
    return [
        (np.exp(logs[:, i, :n]), np.exp(noisy[:, i, :n])) for i, n in enumerate(counts)
    ]


def _sample(
    law: ScheduleLaw,
    names: tuple[str, ...],
    bells: tuple[np.ndarray, np.ndarray],
    seen: Seen,
    seed: int,
) -> tuple[np.ndarray, float]:
    """Draw the unknowns in sds from their priors' means, (draw, unknown)."""

    def slopes(u: np.ndarray, requested: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = u.reshape(-1, u.shape[-1])
        value, slope = _slopes(law, names, bells, seen, flat)
        return (
            np.asarray(value).reshape(u.shape[:-1]),
            np.asarray(slope).reshape(u.shape),
        )

    def energies(u: np.ndarray) -> np.ndarray:
        values = _energies(law, names, bells, seen, u[0])
        return np.nan_to_num(np.asarray(values), nan=np.inf)[None]

    (peak,) = modes.find(slopes, np.zeros((1, len(names))))
    about = modes.Mode(*(part[None] for part in peak.mode))
    for _ in range(ROUNDS):
        pair = modes.Mode(*(np.stack([part, part], axis=1) for part in about))
        u, log_weight = importance.draw_weighted(energies, COUNTS, pair, [seed])
        weight = np.exp(log_weight[0] - log_weight[0].max())
        weight /= weight.sum()
        effective = float(1 / np.sum(weight**2))
        if effective > ENOUGH:
            break
        about = importance.proposal_from_weights(about, u, log_weight)
    places = (np.arange(DRAWS) + 0.5) / DRAWS
    picked = np.searchsorted(np.cumsum(weight), places).clip(max=len(weight) - 1)
    shuffled = np.random.default_rng(seed).permutation(picked)
    return u[0, shuffled], effective


def _energy(
    law: ScheduleLaw,
    names: tuple[str, ...],
    bells: tuple[Array, Array],
    seen: Seen,
    u: Array,
) -> Array:
    p: Unknowns = {
        name: bells[0][i] + bells[1][i] * u[i] for i, name in enumerate(names)
    }
    parts = law.parts(p, seen.paths)
    return 0.5 * jnp.sum(u**2) - scatter.log_likelihood(p, parts, seen)


@partial(jax.jit, static_argnums=(0, 1))
def _slopes(
    law: ScheduleLaw,
    names: tuple[str, ...],
    bells: tuple[Array, Array],
    seen: Seen,
    u: Array,
) -> tuple[Array, Array]:
    one = jax.value_and_grad(lambda v: _energy(law, names, bells, seen, v))
    return jax.lax.map(one, u)


@partial(jax.jit, static_argnums=(0, 1))
def _energies(
    law: ScheduleLaw,
    names: tuple[str, ...],
    bells: tuple[Array, Array],
    seen: Seen,
    u: Array,
) -> Array:
    return jax.lax.map(lambda v: _energy(law, names, bells, seen, v), u)


@partial(jax.jit, static_argnums=0)
def _continued(
    law: ScheduleLaw,
    draws: Unknowns,
    paths: Paths,
    of: Array,
    seen: Seen,
    shocks: Array,
) -> Array:
    def one(args: tuple[Unknowns, Array]) -> Array:
        p, shock = args
        there, before = law.parts(p, paths), law.parts(p, seen.paths)
        return scatter.continued(p, there, paths, of, before, seen, shock)

    return jax.lax.map(one, (draws, shocks))


def _slope(step: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
    """How fast a loss falls by log step, (point,), of a parabola through the curve."""
    bend, slope, _ = np.polyfit(np.log(step), log_loss, 2)
    return np.abs(2 * bend * np.log(step) + slope)


def _means(
    curve: Curve, most: int, scale: Scale
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Average neighbours: steps, log losses, how many and extra sd, each (point,).

    Bins widen with the logarithm of the step and never straddle a jump of the learning
    rate; along a straight line a mean is the value in the middle.
    """
    step, lr = curve.step, curve.schedule.at(curve.step)
    if len(step) <= most:
        ones = np.ones(len(step))
        return step, np.log(curve.loss), ones, curve.extra
    way = np.log(step / step[0] + 1e-12) / np.log(step[-1] / step[0]) + step / step[-1]
    marks = np.searchsorted(way, np.linspace(way[0], way[-1], most + 1)[1:-1])
    jumps = np.flatnonzero(np.abs(np.diff(lr)) > JUMP * scale.peak) + 1
    edges = np.unique(np.concatenate([[0], marks, jumps]))
    count = np.diff(edges, append=len(step)).astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, edges) / count

    return (
        mean(step),
        mean(np.log(curve.loss)),
        count,
        np.sqrt(mean(curve.extra**2) / count),
    )
