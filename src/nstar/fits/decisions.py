"""What is decided from draws, for many fits in one program: N*, D* and L* of budgets."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nstar.costs.cost_line import optimum
from nstar.samplers.density import Skeleton
from nstar.samplers.devices import map_fits
from nstar.types import Allocation, Array, Cost, Derives, Params, Surface


@partial(jax.jit, static_argnums=(0, 1))
def decisions(
    skeleton: Skeleton,
    cost: Cost,
    numbers: Any,
    params: Params,
    spans: Array,
    C: Array,
    at: Array,
    count: Array,
) -> dict[str, Array]:
    """Add to each fit's unknowns what follows from them.

    Args:
        skeleton: the law and the noise.
        cost: what a run costs.
        numbers: the law's numbers, with a leading axis of fits.
        params: unknowns, (fit, draw, ...) each.
        spans: least and most tokens per parameter that are searched, (fit, 2).
        C: budgets in FLOP, (C,).
        at: N and D of runs whose loss is worked out, (2, run).
        count: how many of the fits are read.

    Returns:
        Unknowns, derived quantities, and log N*, log D* and L* of budgets and `loss` of
        runs where the law knows them, or the
        response of a law of C alone by its column, (fit, draw, ...).
    """

    def one(args: Any) -> dict[str, Array]:
        numbers, params, span = args
        law, _ = skeleton.fill(numbers)
        values = dict(params)
        if isinstance(law, Derives):
            values |= jax.vmap(law.derived)(params)
        if C.size and isinstance(law, Allocation):
            N, D = jax.vmap(lambda p: law.log_optimum(p, C))(params)
            values |= {"log_N": N, "log_D": D}
        elif C.size and isinstance(law, Surface):

            def best(p: Any) -> tuple[Array, Array]:
                loss = partial(law.loss, p)
                return jax.vmap(lambda c: optimum(loss, cost, c, span))(C)

            N, D = jax.lax.map(best, params, batch_size=64)
            L = jax.vmap(law.loss)(params, jnp.exp(N), jnp.exp(D))
            values |= {"log_N": N, "log_D": D, "L": L}
        elif C.size and law.inputs == ("C",) and len(law.response.columns) == 1:
            read = jax.vmap(lambda p: law.expected(p, {"C": C}))(params)
            (column,) = law.response.columns
            values |= {column: jnp.exp(read) if law.response.logged else read}
        if at.size and isinstance(law, Surface):
            values |= {"loss": jax.vmap(lambda p: law.loss(p, *at))(params)}
        return values

    return map_fits(one, (numbers, params, spans), count)
