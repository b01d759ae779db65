"""What a fit says of runs not yet made, under every draw."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.special import logsumexp

from nstar.fits.fitting import Fit
from nstar.fits.groups import in_group
from nstar.fits.mixture import Average, Posterior
from nstar.predictions.refusals import instead
from nstar.predictions.tiling import filled, tiled
from nstar.runs.observations import Observations
from nstar.samplers import density
from nstar.samplers.density import Skeleton, split
from nstar.samplers.randomness import generator, keys
from nstar.types import (
    Array,
    Extended,
    Inputs,
    Kind,
    Law,
    Varying,
)

KEY = "%key"  # of a draw, beside its unknowns
POINTS = (32,)  # whose losses are worked out at a time
POINTS_EACH = (4,)  # the same, where every draw has points of its own
NOTHING_ELSE: Mapping[str, Array] = MappingProxyType({})


def loss(
    fit: Posterior,
    N: Array | None = None,
    D: Array | None = None,
    *,
    x: Mapping[str, Array] = NOTHING_ELSE,
    seed: int = 0,
    group: str | None = None,
) -> xr.Dataset:
    """Loss of runs (N, D): `loss` of the law, `measured` as it would be seen.

    `loss` is the law's own, without any scatter; `measured` adds the run's noise and,
    where the law has it, the scatter of its budget about the trend.

    Args:
        fit: a fit whose law predicts a loss, or an average of such.
        N: parameters, (point,); D: tokens, likewise.
        x: what else the law reads of a run, by name, (point,) each.  What is not given
            is as in the law's reference run, and C follows from N and D by the fit's
            cost; a law that reads neither N nor D needs neither.
        seed: of the run noise.
        group: of a pooled fit, one of its groups or "next", one not seen yet.

    Returns:
        Draws with dimensions (draw, point); those of an average say their `law`.

    Raises:
        ValueError: no loss, no such group, an input lacks, or N and D are not positive.
    """
    fit = in_group(fit, group)
    if isinstance(fit, Average):
        each = [loss(f, N, D, x=x, seed=seed + i) for i, f in enumerate(fit.parts)]
        mixed = xr.concat(each, "draw", join="exact", combine_attrs="override")
        return mixed.assign_coords(law=("draw", fit.law_of_draw))
    law = fit.law
    if law.response.kind is not Kind.LOSS:
        msg = f"the {type(law).__name__} law has no loss; fit a loss surface or isoFLOP profiles{instead(law)}"
        raise ValueError(msg)
    inputs = _inputs(fit, N, D, x)
    clean, _, measured = _responses(fit, inputs, seed)
    values = [law.response.unlink(v)[0] for v in (clean, measured)]
    pairs = zip(("loss", "measured"), values, strict=True)
    data = {name: (("draw", "point"), v) for name, v in pairs}
    coords = {name: ("point", inputs[name]) for name in ("N", "D") if name in inputs}
    return xr.Dataset(data, coords, attrs={"unit": fit.runs.loss_unit, "seed": seed})


def responses(
    fit: Posterior,
    N: Array | None = None,
    D: Array | None = None,
    *,
    x: Mapping[str, Array] = NOTHING_ELSE,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Response of runs on the law's own scale, (draw, point): expected, and measured.

    The first is what the run's own noise is about: where the law has budgets, with the
    scatter of the run's budget, which runs of one budget share.

    Raises:
        ValueError: as `loss` raises; the law may be of another response.
    """
    each = [
        _responses(part, _inputs(part, N, D, x), seed + i)[1:]
        for i, part in enumerate(fit.parts)
    ]
    expected, measured = zip(*each, strict=True)
    return _joined(expected), _joined(measured)


def _responses(fit: Fit, inputs: Inputs, seed: int) -> tuple[np.ndarray, ...]:
    """Response of the law, what noise is about, and what is measured, (draw, point)."""
    with jax.enable_x64(True):
        skeleton, numbers = split(fit.law, fit.noise)
        random = generator(seed)
        clean, expected = _each_draw(_loss, skeleton, numbers, fit, inputs, random)
        made = density.measured(fit.noise, expected, fit.draws, inputs, random)
        return np.asarray(clean), np.asarray(expected), np.asarray(made)[:, 0]


def _inputs(
    fit: Fit, N: Array | None, D: Array | None, x: Mapping[str, Array]
) -> dict[str, np.ndarray]:
    """Complete what the law reads of each run."""
    law, given = fit.law, {"N": N, "D": D, **x}
    columns = {
        n: np.atleast_1d(v).astype(float) for n, v in given.items() if v is not None
    }
    shape = np.broadcast_shapes(*(v.shape for v in columns.values()))
    columns = {n: np.broadcast_to(v, shape) for n, v in columns.items()}
    if "N" in columns and "D" in columns:
        N, D = columns["N"], columns["D"]
        if not (np.all(N > 0) and np.all(D > 0)):
            msg = f"N and D must be positive, got N = {N.tolist()}, D = {D.tolist()}"
            raise ValueError(msg)
        usual = law.usual(N, D) if isinstance(law, Extended) else {}
        usual = {"C": fit.runs.cost.flop(N, D), **usual}
        columns = {n: np.broadcast_to(v, shape) for n, v in usual.items()} | columns
    reads = ("N", "D") if isinstance(law, Varying) else law.inputs
    missing = [name for name in reads if name not in columns]
    if missing:
        msg = f"the {type(law).__name__} law needs {', '.join(missing)} of each run to predict its loss"
        raise ValueError(msg)
    return {name: np.asarray(v, dtype=float) for name, v in columns.items()}


def _each_draw(
    program: Callable[..., Any],
    skeleton: Skeleton,
    numbers: Any,
    fit: Fit,
    x: Inputs,
    random: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    """Call a program of one draw on every draw with a random key of its own.

    Points are filled up and draws taken in tiles, so that few programs serve all.
    """
    count, width = len(next(iter(fit.draws.values()))), len(next(iter(x.values())))
    each = keys(random, count)
    points = filled(x)

    def rows(part: Any) -> Any:
        return program(skeleton, numbers, part, points)

    found = tiled(rows, {**fit.draws, KEY: each}, sizes=(1,))
    return tuple(v[:, :width] for v in found)


@partial(jax.jit, static_argnums=0, compiler_options=density.ONCE)
def _loss(
    skeleton: Skeleton, numbers: Any, draws: Any, x: Inputs
) -> tuple[Array, Array]:
    """Response of the law, and what noise is about: that of the run's own budget."""
    law, _ = skeleton.fill(numbers)

    def one(params: Any) -> tuple[Array, Array]:
        expected = _expected(law, params, x, jax.random.wrap_key_data(params[KEY]))
        if isinstance(law, Varying):
            return jnp.log(law.loss(params, x["N"], x["D"])), expected
        return expected, expected

    return jax.vmap(one)(draws)


def _expected(law: Law, params: Any, x: Inputs, key: Array) -> Array:
    """Expected response of new runs, on a budget of their own where the law has budgets."""
    if isinstance(law, Varying):
        return law.draw_expected(key, params, x["N"], x["D"])
    return law.expected(params, x)


def log_density(fit: Posterior, runs: Observations, *, seed: int = 0) -> np.ndarray:
    """Log predictive density of runs as they were measured, (run,).

    The noise's density of the response, on the law's scale, averaged over the draws:
    of each run by itself, though what the law gets wrong is common to many.

    Raises:
        ValueError: the runs lack what the law reads.
    """
    each = [_log_density(part, runs, seed) for part in fit.components]
    return logsumexp(each, axis=0, b=np.array(fit.weights)[:, None])


def _log_density(fit: Fit, runs: Observations, seed: int) -> np.ndarray:
    law = fit.law
    reads = ("N", "D") if isinstance(law, Varying) else law.inputs
    x = _inputs(fit, None, None, {name: runs[name] for name in reads if name in runs})
    y = law.response.link(*(runs[name] for name in law.response.columns))
    with jax.enable_x64(True):
        skeleton, numbers = split(law, fit.noise)
        _, expected = _each_draw(_loss, skeleton, numbers, fit, x, generator(seed))
        each = density.likelihoods(fit.noise, expected, fit.draws, x, y)
    each = np.where(np.isnan(each), -np.inf, each)  # a draw that gives no loss there
    return logsumexp(each, axis=0) - np.log(len(each))


def loss_each(fit: Posterior, N: Array, D: Array) -> np.ndarray:
    """Loss where every draw has runs of its own: N, D and the answer are (draw, point)."""
    each = zip(fit.parts, fit.shared_out(N), fit.shared_out(D), strict=True)
    return _joined([_law_loss(*one, 0) for one in each])


def law_loss(fit: Posterior, N: Array, D: Array) -> np.ndarray:
    """Loss of runs (N, D), (point,) each, without any scatter: (draw, point)."""
    return _joined([_law_loss(part, N, D, None) for part in fit.parts])


def _joined(each: Sequence[np.ndarray]) -> np.ndarray:
    """Draws of every law, one after the other; large ones are not copied for nothing."""
    return each[0] if len(each) == 1 else np.concatenate(each)


def _law_loss(fit: Fit, N: Array, D: Array, of_draws: int | None) -> np.ndarray:
    skeleton, numbers = split(fit.law, fit.noise)

    def program(draws: Any, N: Array, D: Array) -> tuple[Array]:
        return (_loss_at(skeleton, of_draws, numbers, draws, N, D),)

    sizes = POINTS if of_draws is None else POINTS_EACH
    return tiled(program, fit.draws, N, D, sizes=sizes)[0]


@partial(jax.jit, static_argnums=(0, 1))
def _loss_at(
    skeleton: Skeleton,
    of_draws: int | None,
    numbers: Any,
    draws: Any,
    N: Array,
    D: Array,
) -> Array:
    law, _ = skeleton.fill(numbers)
    return jax.vmap(law.loss, (0, of_draws, of_draws))(draws, N, D)
