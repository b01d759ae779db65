"""Losses of runs not yet made, under every draw of a fit."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float, Real, Shaped
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from nstar.fits.fitting import Fit
from nstar.fits.groups import in_group
from nstar.fits.mixture import Average, Posterior
from nstar.predictions.refusals import suggest_command
from nstar.predictions.tiling import map_tiles, pad_points
from nstar.runs.observations import Observations
from nstar.samplers import density
from nstar.samplers.density import Skeleton, split
from nstar.samplers.randomness import generator, keys
from nstar.types import (
    Array,
    Extended,
    Inputs,
    Key,
    Kind,
    Law,
    Params,
    Varying,
)

KEY = "%key"  # name of each draw's random key, among its unknowns
POINTS = (32,)  # computed at a time
POINTS_EACH = (4,)  # the same, where points differ by draw
NOTHING_ELSE: Mapping[str, float] = MappingProxyType({})


def loss(
    fit: Posterior,
    N: ArrayLike | None = None,
    D: ArrayLike | None = None,
    *,
    x: Mapping[str, ArrayLike] = NOTHING_ELSE,
    seed: int = 0,
    group: str | None = None,
) -> xr.Dataset:
    """Loss of runs (N, D): `loss` of the law, `measured` with run noise.

    `loss` is the law's own, without any scatter; `measured` adds the run's noise and,
    where the law has it, the scatter of its budget about the trend.

    Args:
        fit: a fit whose law predicts a loss, or an average of such.
        N: parameters, (point,); D: tokens, likewise.
        x: other inputs of the law by name, (point,) each.  Those not given are as in
            the law's reference run, and C follows from N and D by the fit's cost; a law
            that reads neither N nor D needs neither.
        seed: of the run noise.
        group: of a pooled fit, one of its groups or "next", one not seen yet.

    Returns:
        Draws with dimensions (draw, point); those of an average say their `law`.

    Raises:
        ValueError: the law has no loss, there is no such group, an input is missing, or N
            and D are not positive.

    Examples:
        >>> nstar.predict(fit, N=[7e9, 50e9], D=[1.4e11, 3.3e12])["loss"].mean("draw")
    """
    fit = in_group(fit, group)
    if isinstance(fit, Average):
        draws_of_parts = [
            loss(f, N, D, x=x, seed=seed + i) for i, f in enumerate(fit.parts)
        ]
        mixed = xr.concat(
            draws_of_parts, "draw", join="exact", combine_attrs="override"
        )
        return mixed.assign_coords(law=("draw", fit.law_of_draw))
    law = fit.law
    if law.response.kind is not Kind.LOSS:
        msg = f"the {type(law).__name__} law has no loss; fit a loss surface or isoFLOP profiles{suggest_command(law)}"
        raise ValueError(msg)
    inputs = _inputs(fit, N, D, x)
    clean, _, measured = _responses(fit, inputs, seed)
    values = [law.response.unlink(v)[0] for v in (clean, measured)]
    named = zip(("loss", "measured"), values, strict=True)
    data = {name: (("draw", "point"), v) for name, v in named}
    coords = {name: ("point", inputs[name]) for name in ("N", "D") if name in inputs}
    return xr.Dataset(data, coords, attrs={"unit": fit.runs.loss_unit, "seed": seed})


def responses(
    fit: Posterior,
    N: ArrayLike | None = None,
    D: ArrayLike | None = None,
    *,
    x: Mapping[str, ArrayLike] = NOTHING_ELSE,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "draw point ..."], Float[np.ndarray, "draw point ..."]]:
    """Response of runs on the law's own scale, (draw, point): expected, and measured.

    The first is the centre of the run's noise: where the law has budgets it includes the
    scatter of the run's budget, which runs of one budget share.

    Raises:
        ValueError: as `loss`, but the law may predict another response.
    """
    responses_of_parts = [
        _responses(part, _inputs(part, N, D, x), seed + i)[1:]
        for i, part in enumerate(fit.parts)
    ]
    expected, measured = zip(*responses_of_parts, strict=True)
    return _concatenate(expected), _concatenate(measured)


def _responses(
    fit: Fit, inputs: Inputs, seed: int
) -> tuple[Float[np.ndarray, "draw point ..."], ...]:
    """Response of the law, centre of the run's noise, and measured response, (draw, point)."""
    with jax.enable_x64(True):
        skeleton, numbers = split(fit.law, fit.noise)
        random = generator(seed)
        clean, expected = _map_draws(_loss, skeleton, numbers, fit, inputs, random)
        measured = density.measured(fit.noise, expected, fit.draws, inputs, random)
        return np.asarray(clean), np.asarray(expected), np.asarray(measured)[:, 0]


def _inputs(
    fit: Fit, N: ArrayLike | None, D: ArrayLike | None, x: Mapping[str, ArrayLike]
) -> dict[str, Float[np.ndarray, " point"]]:
    """Inputs of the law for each run, (point,) each: those given, and defaults for others."""
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


def _map_draws(
    program: Callable[..., tuple[Array, ...]],
    skeleton: Skeleton,
    numbers: Any,
    fit: Fit,
    x: Inputs,
    random: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    """Evaluate a compiled program on every draw, each with its own random key.

    Points are padded and draws are tiled, so that few compiled programs serve all sizes.
    """
    count, width = len(next(iter(fit.draws.values()))), len(next(iter(x.values())))
    draw_keys = keys(random, count)
    points = pad_points(x)

    def evaluate(part: Any) -> Any:
        return program(skeleton, numbers, part, points)

    tiles = map_tiles(evaluate, {**fit.draws, KEY: draw_keys}, sizes=(1,))
    return tuple(v[:, :width] for v in tiles)


@partial(jax.jit, static_argnums=0, compiler_options=density.ONCE)
def _loss(
    skeleton: Skeleton,
    numbers: Any,
    draws: Mapping[str, Shaped[Array, "draw ..."]],
    x: Inputs,
) -> tuple[Float[Array, "draw point ..."], Float[Array, "draw point ..."]]:
    """Response of the law, and the centre of the noise, with the scatter of the budget."""
    law, _ = skeleton.fill(numbers)

    def evaluate(draw: Mapping[str, Array]) -> tuple[Array, Array]:
        params = {name: value for name, value in draw.items() if name != KEY}
        key = jax.random.wrap_key_data(jnp.asarray(draw[KEY]))
        expected = _expected(law, params, x, key)
        if isinstance(law, Varying):
            return jnp.log(law.loss(params, x["N"], x["D"])), expected
        return expected, expected

    return jax.vmap(evaluate)(draws)


def _expected(law: Law, params: Params, x: Inputs, key: Key) -> Array:
    """Expected response of new runs, each on a new budget where the law has budgets."""
    if isinstance(law, Varying):
        return law.draw_expected(key, params, x["N"], x["D"])
    return law.expected(params, x)


def log_density(
    fit: Posterior, runs: Observations, *, seed: int = 0
) -> Float[np.ndarray, " run"]:
    """Log predictive density of measured runs, (run,).

    The density of the response under the noise, on the law's scale, averaged over the
    draws.  It is of each run alone, although errors of the law are common to many runs.

    Raises:
        ValueError: the runs lack an input of the law.
    """
    densities = [_log_density(part, runs, seed) for part in fit.components]
    return logsumexp(densities, axis=0, b=np.array(fit.weights)[:, None])


def _log_density(fit: Fit, runs: Observations, seed: int) -> Float[np.ndarray, " run"]:
    law = fit.law
    reads = ("N", "D") if isinstance(law, Varying) else law.inputs
    x = _inputs(fit, None, None, {name: runs[name] for name in reads if name in runs})
    y = law.response.link(*(runs[name] for name in law.response.columns))
    with jax.enable_x64(True):
        skeleton, numbers = split(law, fit.noise)
        _, expected = _map_draws(_loss, skeleton, numbers, fit, x, generator(seed))
        densities = density.likelihoods(fit.noise, expected, fit.draws, x, y)
    densities = np.where(
        np.isnan(densities), -np.inf, densities
    )  # a draw without a finite loss
    return logsumexp(densities, axis=0) - np.log(len(densities))


def loss_of_draws(
    fit: Posterior,
    N: Real[Array, "draw point"],
    D: Real[Array, "draw point"],
) -> Float[np.ndarray, "draw point"]:
    """Loss of the law where runs differ by draw: N, D and the loss are (draw, point)."""
    parts = zip(
        fit.parts,
        fit.shared_out(np.asarray(N)),
        fit.shared_out(np.asarray(D)),
        strict=True,
    )
    return _concatenate([_law_loss(*part, 0) for part in parts])


def law_loss(
    fit: Posterior, N: Real[np.ndarray, " point"], D: Real[np.ndarray, " point"]
) -> Float[np.ndarray, "draw point"]:
    """Loss of runs (N, D), (point,) each, without any scatter: (draw, point)."""
    return _concatenate([_law_loss(part, N, D, None) for part in fit.parts])


def _concatenate(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate the draws of several laws; those of one law are not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _law_loss(
    fit: Fit,
    N: Real[np.ndarray, "... point"],
    D: Real[np.ndarray, "... point"],
    of_draws: int | None,
) -> Float[np.ndarray, "draw point"]:
    skeleton, numbers = split(fit.law, fit.noise)

    def program(draws: Params, N: Array, D: Array) -> tuple[Array]:
        return (_loss_at(skeleton, of_draws, numbers, draws, N, D),)

    sizes = POINTS if of_draws is None else POINTS_EACH
    return map_tiles(program, fit.draws, N, D, sizes=sizes)[0]


@partial(jax.jit, static_argnums=(0, 1))
def _loss_at(
    skeleton: Skeleton,
    of_draws: int | None,
    numbers: Any,
    draws: Params,
    N: Real[Array, "... point"],
    D: Real[Array, "... point"],
) -> Float[Array, "draw point"]:
    law, _ = skeleton.fill(numbers)
    return jax.vmap(law.loss, (0, of_draws, of_draws))(draws, N, D)
