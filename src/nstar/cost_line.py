"""The compute-optimal run of a budget: the least loss along the line of equal cost."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nstar.types import Array, Cost

GRID = 257  # sizes tried along the line before the best is refined
HALVINGS = 60  # of the bracket about the best, to the last bit of log N
WIDEST = (1e-2, 1e6)  # tokens per parameter searched, far beyond any run
WIDENED = 2.0  # of a law that bends: the search leaves the runs' own at most so far


def of_runs(N: Array, D: Array, widened: float = WIDENED) -> tuple[float, float]:
    """Least and most tokens per parameter of runs, widened at either end."""
    ratio = np.asarray(D) / np.asarray(N)
    return float(ratio.min()) / widened, float(ratio.max()) * widened


def optimum(
    loss: Callable[[Array, Array], Array],
    cost: Cost,
    C: Array,
    span: tuple[float, float] = WIDEST,
) -> tuple[Array, Array]:
    """Return log N* and log D* of one budget under one draw.

    A grid over log N brackets the least loss; bisection on the derivative along the
    line refines it, so that the answer is good to rounding and any smooth surface with
    any cost is served.  Where the least loss lies at an end of the span, so does the
    answer.

    Args:
        loss: loss of a run (N, D) under this draw.
        cost: what a run costs.
        C: the budget in FLOP, a scalar.
        span: least and most tokens per parameter that are searched.
    """
    low, high = _ends(cost, C, span)
    sizes = jnp.linspace(low, high, GRID)

    def along(log_N: Array) -> Array:
        N = jnp.exp(log_N)
        return loss(N, cost.tokens(N, C))

    best = jnp.argmin(jax.vmap(along)(sizes))
    slope = jax.grad(along)

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        left, right = ends
        middle = (left + right) / 2
        rising = slope(middle) > 0
        return jnp.where(rising, left, middle), jnp.where(rising, middle, right)

    bracket = sizes[jnp.maximum(best - 1, 0)], sizes[jnp.minimum(best + 1, GRID - 1)]
    left, right = jax.lax.fori_loop(0, HALVINGS, halve, bracket)
    log_N = (left + right) / 2
    return log_N, jnp.log(cost.tokens(jnp.exp(log_N), C))


def _ends(cost: Cost, C: Array, span: tuple[float, float]) -> tuple[Array, Array]:
    """Log N at the most and the least tokens per parameter of the span."""

    def size(ratio: float) -> Array:
        # solve D / N = ratio on the line by bisection; D / N falls with N
        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            left, right = ends
            middle = (left + right) / 2
            N = jnp.exp(middle)
            above = cost.tokens(N, C) / N > ratio
            return jnp.where(above, middle, left), jnp.where(above, right, middle)

        wide = (jnp.zeros_like(C), jnp.log(C))
        left, right = jax.lax.fori_loop(0, HALVINGS, halve, wide)
        return (left + right) / 2

    return size(span[1]), size(span[0])
