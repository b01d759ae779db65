"""Cholesky's factor and what follows from it, as fast as a CPU's LAPACK does them.

A triangular solve with as many right-hand sides as rows takes seven times as long there
as the same sides a few at a time, and the slope of a Cholesky factor is two of them.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

SIDES = 20  # right-hand sides that are solved for together


def cholesky(K: Float[Array, "m m"]) -> Float[Array, "m m"]:
    """Lower triangular L with L L' = K, (m, m); only K's lower half is read."""
    return jax.lax.linalg.cholesky(K, symmetrize_input=False)


def pulled_back(
    L: Float[Array, "m m"], slope: Float[Array, "m m"]
) -> Float[Array, "m m"]:
    """Slope by K from that by its factor L (Murray 2016, arXiv:1602.07527, eq. 10)."""
    inner = jnp.tril(L.T @ slope)
    inner = inner - jnp.diag(jnp.diag(inner)) / 2
    left = solve(L, inner, transposed=True)
    slope_of_both = solve(L, left.T, transposed=True)
    return (slope_of_both + slope_of_both.T) / 2


def solve(
    L: Float[Array, "m m"], sides: Float[Array, "m sides"], *, transposed: bool = False
) -> Float[Array, "m sides"]:
    """Solve L x = sides, or L' x = sides, for each column, (m, side)."""
    m, count = sides.shape
    group_size = max(n for n in range(1, min(SIDES, count) + 1) if count % n == 0)
    groups = jnp.moveaxis(sides.reshape(m, count // group_size, group_size), 1, 0)
    factors = jnp.broadcast_to(L, (count // group_size, m, m))
    solutions = jax.lax.linalg.triangular_solve(
        factors, groups, left_side=True, lower=True, transpose_a=transposed
    )
    return jnp.moveaxis(solutions, 0, 1).reshape(m, count)
