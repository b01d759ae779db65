"""The compute-optimal run of a budget: the least loss along the line of equal cost."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nstar.types import Array, Cost, Number

GRID = 129  # sizes tried along the line before the best is refined
STEPS = 8  # toward the root of the slope: smooth surfaces need about seven
HALVINGS = 60  # toward an end of the span, to the last bit of log N
WIDEST = (1e-2, 1e6)  # tokens per parameter searched, far beyond any run
WIDENED = 2.0  # of a law that bends: the search leaves the runs' own at most so far


def of_runs(N: Array, D: Array, widened: float = WIDENED) -> tuple[float, float]:
    """Least and most tokens per parameter of runs, widened at either end."""
    ratio = np.asarray(D) / np.asarray(N)
    return float(ratio.min()) / widened, float(ratio.max()) * widened


def optimum(
    loss: Callable[[Array, Array], Array],
    cost: Cost,
    C: Array | float,
    span: tuple[Number, Number] = WIDEST,
) -> tuple[Array, Array]:
    """Return log N* and log D* of one budget under one draw.

    A grid over log N brackets the least loss; the root of the derivative along the
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
    left, right = (
        sizes[jnp.maximum(best - 1, 0)],
        sizes[jnp.minimum(best + 1, GRID - 1)],
    )
    log_N = _root(jax.grad(along), left, right)
    return log_N, jnp.log(cost.tokens(jnp.exp(log_N), C))


def _ends(
    cost: Cost, C: Array | float, span: tuple[Number, Number]
) -> tuple[Array, Array]:
    """Log N at the most and the least tokens per parameter of the span."""

    def size(ratio: Number) -> Array:
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


def _root(slope: Callable[[Array], Array], left: Array, right: Array) -> Array:
    """Find where a rising slope is zero, by the Illinois rule; else the nearer end.

    (Dowell & Jarratt 1971, doi:10.1007/BF01934364: false position, where an end that
    stays twice in a row counts half.)
    """
    below, above = jax.vmap(slope)(jnp.stack([left, right]))

    def step(_: int, at: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high, f_low, f_high, stayed, _last = at
        apart = f_high - f_low
        share = jnp.where(apart > 0, f_high / jnp.where(apart > 0, apart, 1.0), 0.5)
        middle = high - jnp.clip(share, 0.0, 1.0) * (high - low)
        f = slope(middle)
        up = f > 0
        now = jnp.where(up, 1, -1)
        f_low = jnp.where(up, jnp.where(stayed == 1, f_low / 2, f_low), f)
        f_high = jnp.where(up, f, jnp.where(stayed == -1, f_high / 2, f_high))
        return (
            jnp.where(up, low, middle),
            jnp.where(up, middle, high),
            f_low,
            f_high,
            now,
            middle,
        )

    start = (left, right, below, above, jnp.zeros_like(left, int), (left + right) / 2)
    root = jax.lax.fori_loop(0, STEPS, step, start)[-1]
    return jnp.where(below >= 0, left, jnp.where(above <= 0, right, root))
