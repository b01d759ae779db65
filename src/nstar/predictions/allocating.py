"""N* and D* of budgets under every draw: closed where a law knows them, else searched."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from nstar.costs.cost_line import WIDENED, WIDEST, of_runs, optimum
from nstar.departures.bending import amplitudes
from nstar.departures.discrepancy import Bent
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.predictions.refusals import instead
from nstar.predictions.tiling import tiled
from nstar.samplers import density
from nstar.samplers.density import Skeleton, split
from nstar.samplers.randomness import generator
from nstar.types import Allocation, Array, Cost, Law, Scattered, Surface

BUDGETS = (4,)  # searched at a time
POINTS = (32,)  # of a line that is known, worked out at a time
AT_EDGE = 0.01  # in log D/N: an optimum this near an end of the search is on it


def optima(
    fit: Posterior, C: Array, cost: Cost | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """N* and D* on the law's line, (draw, budget) each: closed where known, else searched.

    A surface with a discrepancy is searched within `window(fit)`.

    Args:
        fit: a fit or an average.
        C: budgets, FLOP, (budget,).
        cost: what a run costs, where that is not what the runs' own FLOP say.

    Raises:
        ValueError: the law has neither an allocation nor a loss.
    """
    return _joined(_of_law(part, C, cost) for part in fit.parts)


def _of_law(fit: Fit, C: Array, cost: Cost | None) -> tuple[np.ndarray, np.ndarray]:
    span = window(fit) if isinstance(fit.law, Bent) else WIDEST
    return _optima(fit, fit.law, C, span, cost)


def require(fit: Posterior) -> None:
    """Refuse a law that says nothing of N* and D*, before anything is worked out.

    Raises:
        ValueError: naming it.
    """
    for part in fit.components:
        if not isinstance(part.law, Allocation | Surface):
            msg = f"the {type(part.law).__name__} law says nothing of N* and D*{instead(part.law)}"
            raise ValueError(msg)


def straight_optima(fit: Posterior, C: Array) -> tuple[np.ndarray, np.ndarray]:
    """N* and D* of the law without its discrepancy, (draw, budget) each."""
    return _joined(_of_straight(part, C) for part in fit.parts)


def _of_straight(fit: Fit, C: Array) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(fit.law, Bent):
        return _optima(fit, fit.straight, C, WIDEST)
    none = np.zeros(len(next(iter(fit.draws.values()))))
    flat = fit.draws | dict.fromkeys(amplitudes(fit.straight), none)
    return _optima(fit, fit.law, C, WIDEST, draws=flat)  # by the bent law's program


def _joined(
    each: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of N* and D* of the laws of an average, one after the other."""
    N, D = zip(*each, strict=True)
    return np.concatenate(N), np.concatenate(D)


def window(fit: Fit, widened: float = WIDENED) -> tuple[float, float]:
    """Least and most tokens per parameter of the runs, widened at either end."""
    return of_runs(fit.runs["N"], fit.runs["D"], widened)


def on_edge(log_ratio: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Say which optima, log D*/N*, lie at an end of the tokens per parameter searched."""
    low, high = np.log(ends)
    return (log_ratio <= low + AT_EDGE) | (log_ratio >= high - AT_EDGE)


def _optima(
    fit: Fit,
    law: Law,
    C: Array,
    span: tuple[float, float],
    cost: Cost | None = None,
    draws: Mapping[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    own = cost is None or cost == fit.runs.cost  # the line that laws know
    draws = fit.draws if draws is None else draws
    with jax.enable_x64(True):
        skeleton, numbers = split(law, fit.noise)
        if isinstance(law, Allocation) and own:
            values = tiled(partial(_line, skeleton, numbers), draws, C, sizes=POINTS)
        elif isinstance(law, Surface):
            on = cost or fit.runs.cost

            def search(draws: Any, C: Array) -> tuple[Array, Array]:
                return _searched(skeleton, on, numbers, draws, C, span)

            values = tiled(search, draws, C, sizes=BUDGETS)
        else:
            msg = (
                f"the {type(law).__name__} law says nothing of N* and D*{instead(law)}"
            )
            raise ValueError(msg)
        N, D = (np.exp(np.asarray(v)) for v in values)
    return N, D


@partial(jax.jit, static_argnums=0)
def _line(
    skeleton: Skeleton, numbers: Any, draws: Any, C: Array
) -> tuple[Array, Array]:
    law, _ = skeleton.fill(numbers)
    return jax.vmap(lambda p: law.log_optimum(p, C))(draws)


@partial(jax.jit, static_argnums=(0, 1))
def _searched(
    skeleton: Skeleton,
    cost: Cost,
    numbers: Any,
    draws: Any,
    C: Array,
    span: tuple[float, float],
) -> tuple[Array, Array]:
    law, _ = skeleton.fill(numbers)

    def one(params: Any) -> tuple[Array, Array]:
        surface = partial(law.loss, params)
        return jax.vmap(lambda c: optimum(surface, cost, c, span))(C)

    return jax.lax.map(one, draws, batch_size=256)


def measured_optima(
    fit: Posterior, C: Array, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """N* and D* where the optimum of a new budget would be measured, (draw, budget).

    None where the law, or one of an average's, does not say how measured optima scatter.
    """
    each = [_measured(part, C, seed + i) for i, part in enumerate(fit.parts)]
    pairs = [pair for pair in each if pair is not None]
    return _joined(pairs) if len(pairs) == len(each) else None


def _measured(fit: Fit, C: Array, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    if not isinstance(fit.law, Scattered):
        return None
    law, C, random = fit.law, np.asarray(C, float), generator(seed)
    x = {name: np.asarray(v) for name, v in law.probes(C).items()}
    draws = fit.draws
    columns = len(law.response.columns)
    parts = (columns,) if columns > 1 else ()
    flat = np.zeros((len(next(iter(draws.values()))), *x["C"].shape, *parts))
    with jax.enable_x64(True):
        noise = density.measured(fit.noise, flat, draws, x, random)[:, 0]
    each = {name: v[:, None] for name, v in draws.items() if v.ndim == 1}
    line = _optima(fit, law, C, WIDEST)
    off = law.off_line(each, C, noise, random)
    # the far tail of a Student-t overflows
    N, D = (a * np.exp(np.clip(b, -300, 300)) for a, b in zip(line, off, strict=True))
    return N, D
