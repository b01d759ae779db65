"""Laws of the loss along a schedule, for one draw of their unknowns."""

from typing import NamedTuple, Protocol

import jax.numpy as jnp

from nstar.curves.progress import LOWEST, Paths
from nstar.types import Array

type Unknowns = dict[str, Array]


class Bell(NamedTuple):
    """A normal prior."""

    mean: float
    sd: float


class Parts(NamedTuple):
    """The loss of curves, by where it comes from, (curve, point)."""

    progress: Array  # the floor and what more training takes off
    decay: Array  # what decay has taken off
    start: Array  # slope of the loss by the log of what the warm-up is worth


class ScheduleLaw(Protocol):
    """How the loss of a run follows from its learning rates."""

    def priors(self, loss: float) -> dict[str, Bell]:
        """Priors of the unknowns, by the lowest loss measured."""
        ...

    def parts(self, p: Unknowns, paths: Paths) -> Parts:
        """The loss at every point, and what decay took off it."""
        ...


def powers(loss: float) -> dict[str, Bell]:
    """Priors that the laws share: a floor, and a power of progress at the longest run's end."""
    log = jnp.log
    return {
        "log_floor": Bell(float(log(0.9 * loss)), 0.1),
        "log_progress": Bell(float(log(0.1 * loss)), 0.7),
        "log_alpha": Bell(float(log(0.45)), 0.3),
        "log_warmup": Bell(-0.1, 0.3),  # worth of the warm-up, to its area
        "log_decay": Bell(float(log(0.04 * loss)), 0.3),  # of all the learning rate
    }


def travel(p: Unknowns, paths: Paths) -> tuple[Array, Array, Array]:
    """Floor and power of progress, its slope by the warm-up, and the area so far.

    Progress is the area under a power of the learning rate, its `pace`; Luo et al. and
    Tissue et al. have the first power.

    Returns:
        Loss and slope, (curve, point), and the area of the learning rate, (curve, place).
    """
    area = _area(paths, paths.rate)
    pace = p.get("pace")
    progress = (
        area
        if pace is None
        else _area(paths, jnp.maximum(paths.rate, LOWEST**2) ** pace)
    )
    begin = jnp.take_along_axis(progress, paths.begin[:, None], 1)
    after = jnp.take_along_axis(progress, paths.point, 1) - begin
    worth = begin * jnp.exp(p["log_warmup"])
    alpha = jnp.exp(p["log_alpha"])
    term = jnp.exp(p["log_progress"]) * (worth + after) ** -alpha
    slope = -alpha * term * worth / (worth + after)
    return jnp.exp(p["log_floor"]) + term, slope, area


def decays(paths: Paths, power: Array | float = 1.0) -> tuple[Array, Array]:
    """Falls of a power of the learning rate after the warm-up, and the rate after each, (curve, place - 1)."""
    height = jnp.maximum(paths.rate, LOWEST**2) ** power
    fall = height[:, :-1] - height[:, 1:]
    after = jnp.arange(fall.shape[1]) >= paths.begin[:, None]
    return jnp.where(after, fall, 0.0), jnp.maximum(paths.rate[:, 1:], LOWEST)


def lag(paths: Paths, along: Array) -> Array:
    """How far each point lies behind each fall, in `along`, (curve, point, place - 1)."""
    middle = (along[:, 1:] + along[:, :-1]) / 2
    at = jnp.take_along_axis(along, paths.point, 1)
    return jnp.maximum(at[:, :, None] - middle[:, None, :], 0.0)


def _area(paths: Paths, height: Array) -> Array:
    width = paths.step[:, 1:] - paths.step[:, :-1]
    parts = width * (height[:, 1:] + height[:, :-1]) / 2
    return jnp.pad(jnp.cumsum(parts, axis=1), ((0, 0), (1, 0)))
