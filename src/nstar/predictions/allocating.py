"""N* and D* of budgets under every draw: closed where a law knows them, else searched."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from nstar.costs.cost_line import WIDENED, WIDEST, of_runs, optimum
from nstar.departures.bending import amplitudes
from nstar.departures.discrepancy import Bent
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.predictions.refusals import suggest_command
from nstar.predictions.tiling import map_tiles
from nstar.samplers import density
from nstar.samplers.density import Skeleton, split
from nstar.samplers.randomness import generator
from nstar.types import Allocation, Array, Cost, Law, Number, Params, Scattered, Surface

BUDGETS = (4,)  # searched at a time
POINTS = (32,)  # of a line in closed form, computed at a time
AT_EDGE = 0.01  # in log D/N: an optimum this near an end of the search is on it

type Optima = tuple[  # N* and D*
    Float[np.ndarray, "draw budget"], Float[np.ndarray, "draw budget"]
]


def optima(fit: Posterior, C: ArrayLike, cost: Cost | None = None) -> Optima:
    """N* and D* on the law's line, (draw, budget) each: closed where known, else searched.

    A surface with a discrepancy is searched within `search_window(fit)`.

    Args:
        fit: a fit or an average.
        C: budgets, FLOP, (budget,).
        cost: FLOP of a run; the cost of the fitted runs unless given.

    Raises:
        ValueError: the law has neither an allocation nor a loss.
    """
    return _concatenate(_optima_of_law(part, C, cost) for part in fit.parts)


def _optima_of_law(fit: Fit, C: ArrayLike, cost: Cost | None) -> Optima:
    span = search_window(fit) if isinstance(fit.law, Bent) else WIDEST
    return _optima(fit, fit.law, C, span, cost)


def require_allocation(fit: Posterior) -> None:
    """Refuse a fit with a law that has no N* and D*, before anything is computed.

    Raises:
        ValueError: a law has neither an allocation nor a loss.
    """
    for part in fit.components:
        if not isinstance(part.law, Allocation | Surface):
            msg = f"the {type(part.law).__name__} law says nothing of N* and D*{suggest_command(part.law)}"
            raise ValueError(msg)


def straight_optima(fit: Posterior, C: ArrayLike) -> Optima:
    """N* and D* of the law without its discrepancy, (draw, budget) each."""
    return _concatenate(_straight_optima_of_law(part, C) for part in fit.parts)


def _straight_optima_of_law(fit: Fit, C: ArrayLike) -> Optima:
    if not isinstance(fit.law, Bent):
        return _optima(fit, fit.straight, C, WIDEST)
    zeros = np.zeros(len(next(iter(fit.draws.values()))))
    unbent = fit.draws | dict.fromkeys(amplitudes(fit.straight), zeros)
    return _optima(fit, fit.law, C, WIDEST, draws=unbent)  # by the bent law's program


def _concatenate(
    pairs: Iterable[Optima],
) -> Optima:
    """Concatenate draws of N* and D* of the laws of an average, (draw, budget) each."""
    N, D = zip(*pairs, strict=True)
    return np.concatenate(N), np.concatenate(D)


def search_window(fit: Fit, widened: float = WIDENED) -> tuple[float, float]:
    """Least and most tokens per parameter to search: those of the runs, widened."""
    return of_runs(fit.runs["N"], fit.runs["D"], widened)


def on_edge(
    log_ratio: Float[Array, "*optima"], ends: tuple[float, float]
) -> Bool[Array, "*optima"]:
    """Whether each optimum, log D*/N*, lies at an end of the tokens per parameter searched."""
    low, high = np.log(ends)
    return (log_ratio <= low + AT_EDGE) | (log_ratio >= high - AT_EDGE)


def _optima(
    fit: Fit,
    law: Law,
    C: ArrayLike,
    span: tuple[float, float],
    cost: Cost | None = None,
    draws: Mapping[str, np.ndarray] | None = None,
) -> Optima:
    runs_cost = cost is None or cost == fit.runs.cost  # as closed forms assume
    draws = fit.draws if draws is None else draws
    with jax.enable_x64(True):
        skeleton, numbers = split(law, fit.noise)
        if isinstance(law, Allocation) and runs_cost:
            values = map_tiles(
                partial(_line, skeleton, numbers), draws, C, sizes=POINTS
            )
        elif isinstance(law, Surface):
            line_cost = cost or fit.runs.cost

            def search(draws: Params, C: Array) -> tuple[Array, Array]:
                return _search(skeleton, line_cost, numbers, draws, C, span)

            values = map_tiles(search, draws, C, sizes=BUDGETS)
        else:
            msg = f"the {type(law).__name__} law says nothing of N* and D*{suggest_command(law)}"
            raise ValueError(msg)
        N, D = (np.exp(np.asarray(v)) for v in values)
    return N, D


@partial(jax.jit, static_argnums=0)
def _line(
    skeleton: Skeleton, numbers: Any, draws: Params, C: Float[Array, " budget"]
) -> tuple[Float[Array, "draw budget"], Float[Array, "draw budget"]]:
    law, _ = skeleton.fill(numbers)
    return jax.vmap(lambda p: law.log_optimum(p, C))(draws)


@partial(jax.jit, static_argnums=(0, 1))
def _search(
    skeleton: Skeleton,
    cost: Cost,
    numbers: Any,
    draws: Params,
    C: Float[Array, " budget"],
    span: tuple[Number, Number],
) -> tuple[Float[Array, "draw budget"], Float[Array, "draw budget"]]:
    law, _ = skeleton.fill(numbers)

    def optimum_of_draw(params: Params) -> tuple[Array, Array]:
        surface = partial(law.loss, params)
        return jax.vmap(lambda c: optimum(surface, cost, c, span))(C)

    return jax.lax.map(optimum_of_draw, draws, batch_size=256)


def measured_optima(fit: Posterior, C: ArrayLike, *, seed: int = 0) -> Optima | None:
    """N* and D* where the optimum of a new budget would be measured, (draw, budget).

    None where the law, or one of an average's, does not say how measured optima scatter.
    """
    optima_of_parts = [_measured(part, C, seed + i) for i, part in enumerate(fit.parts)]
    known = [pair for pair in optima_of_parts if pair is not None]
    return _concatenate(known) if len(known) == len(optima_of_parts) else None


def _measured(fit: Fit, C: ArrayLike, seed: int) -> Optima | None:
    if not isinstance(fit.law, Scattered):
        return None
    law, C, random = fit.law, np.asarray(C, float), generator(seed)
    x = {name: np.asarray(v) for name, v in law.probes(C).items()}
    draws = fit.draws
    columns = len(law.response.columns)
    trailing = (columns,) if columns > 1 else ()
    zeros = np.zeros((len(next(iter(draws.values()))), *x["C"].shape, *trailing))
    with jax.enable_x64(True):
        noise = density.measured(fit.noise, zeros, draws, x, random)[:, 0]
    columns_of_draws = {name: v[:, None] for name, v in draws.items() if v.ndim == 1}
    line = _optima(fit, law, C, WIDEST)
    offsets = law.off_line(columns_of_draws, C, noise, random)
    # the far tail of a Student-t overflows
    N, D = (
        a * np.exp(np.clip(b, -300, 300)) for a, b in zip(line, offsets, strict=True)
    )
    return N, D
