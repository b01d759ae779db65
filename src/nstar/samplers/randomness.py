"""Random numbers from NumPy's generator, which needs no compiling.

JAX's own are long programs: a table of draws that is made once is worth none of them.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist

ONCE = {"xla_backend_optimization_level": 0}  # for a program that runs but once

type Shape = tuple[int, ...]


def generator(seed: Any) -> np.random.Generator:
    """NumPy's generator of a seed: a whole number, a JAX random key, or itself."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(words(seed))


def keys(random: np.random.Generator, count: int) -> np.ndarray:
    """Data of so many JAX random keys, (key, 2): splitting one is a program to compile."""
    return random.integers(2**32, size=(count, 2), dtype=np.uint32)


def words(seed: Any) -> list[int]:
    """Whole numbers that a seed or a JAX random key consists of."""
    if not isinstance(seed, jax.Array):
        return [int(seed)]
    is_key = jax.dtypes.issubdtype(seed.dtype, jax.dtypes.prng_key)
    data = jax.random.key_data(seed) if is_key else seed
    return [int(n) for n in np.asarray(data).ravel()]


def sample_each(
    distribution_of: Callable[..., dist.Distribution],
    batch: tuple[Any, ...],
    random: np.random.Generator,
    shape: Shape = (),
) -> np.ndarray:
    """Sample a distribution that depends on draws, once or more for each of them.

    Args:
        distribution_of: gives the distribution of one draw from its part of `batch`.
        batch: arrays or mappings of arrays, each with a leading axis of draws.
        random: NumPy's generator.
        shape: of the samples of each draw.

    Returns:
        Samples, (draw, *shape, ...).
    """
    distributions = jax.jit(jax.vmap(distribution_of), compiler_options=ONCE)(*batch)
    if family := _family(distributions):
        names, sampler = family
        fields = np.broadcast_arrays(*(getattr(distributions, name) for name in names))
        draws, *inner = fields[0].shape
        fields = [f.reshape(draws, *(1 for _ in shape), *inner) for f in fields]
        return sampler(random, (draws, *shape, *inner), *fields)
    count = len(jax.tree.leaves(batch)[0])

    def draw(key: Any, *at: Any) -> Any:
        return distribution_of(*at).sample(jax.random.wrap_key_data(key), shape)

    sample = jax.jit(jax.vmap(draw), compiler_options=ONCE)
    return np.asarray(sample(keys(random, count), *batch))


def sample(
    prior: dist.Distribution, random: np.random.Generator, count: int
) -> np.ndarray:
    """Sample a distribution many times, (draw, ...)."""
    base = prior
    while isinstance(base, dist.Independent | dist.ExpandedDistribution):
        base = base.base_dist
    if not (family := _family(base)):
        key = jax.random.key(int(random.integers(2**31)))
        return np.asarray(prior.sample(key, (count,)))
    names, sampler = family
    fields = (np.asarray(getattr(base, name)) for name in names)
    return sampler(random, (count, *prior.batch_shape, *prior.event_shape), *fields)


type Sampler = Callable[..., np.ndarray]


def _normal(random: Any, shape: Shape, loc: Any, scale: Any) -> np.ndarray:
    return loc + scale * random.normal(size=shape)


def _log_normal(random: Any, shape: Shape, loc: Any, scale: Any) -> np.ndarray:
    return np.exp(_normal(random, shape, loc, scale))


def _student(random: Any, shape: Shape, df: Any, loc: Any, scale: Any) -> np.ndarray:
    return loc + scale * random.standard_t(df, shape)


FAMILIES: dict[type, tuple[tuple[str, ...], Sampler]] = {
    dist.Normal: (("loc", "scale"), _normal),
    dist.LogNormal: (("loc", "scale"), _log_normal),
    dist.StudentT: (("df", "loc", "scale"), _student),
}


def _family(prior: dist.Distribution) -> tuple[tuple[str, ...], Sampler] | None:
    """Fields and sampler of a distribution's family, or of the one it is a kind of."""
    return next(
        (FAMILIES[kind] for kind in type(prior).__mro__ if kind in FAMILIES), None
    )
