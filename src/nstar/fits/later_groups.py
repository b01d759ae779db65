"""Groups of a fit that follow from the others, worked out when they are first read.

ArviZ's `plot_ppc_dist`, `plot_loo_pit` and `plot_psense_dist` read `posterior_predictive`
and `log_prior`. Both are as large as the draws, and neither is saved: they are read as
xarray reads a file, when they are asked for.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.distributions import Distribution
from xarray.backends import BackendArray
from xarray.core import indexing

from nstar.samplers import density
from nstar.samplers.density import Skeleton, split
from nstar.samplers.randomness import generator
from nstar.types import Array, Law, Noise, Params, Prior

PREDICTIVE, DENSITIES = "posterior_predictive", "log_prior"
LATER = (PREDICTIVE, DENSITIES)
SAMPLE = ("chain", "draw")


class Later(BackendArray):
    """An array of known shape that is worked out when any of it is read, and then kept."""

    def __init__(
        self, shape: tuple[int, ...], dtype: type, work_out: Callable[[], np.ndarray]
    ) -> None:
        """Take the shape, and what gives the values."""
        self.shape, self.dtype, self._work_out = shape, np.dtype(dtype), work_out

    @cached_property
    def _values(self) -> np.ndarray:
        return np.asarray(self._work_out(), self.dtype).reshape(self.shape)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Later":
        """Return itself: nothing changes it, and it holds the tree that it is of."""
        return self

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read a part, as xarray's own arrays of files do."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        values = self._values
        for axis, part in reversed(list(enumerate(key))):
            values = values[(slice(None),) * axis + (part,)]
        return values


def add_later(
    tree: xr.DataTree, law: Law, noise: Noise, priors: Mapping[str, Prior], seed: int
) -> None:
    """Add the groups to a fit's tree, in place; nothing is worked out yet.

    A tree without `log_likelihood`, of thinned draws, has no use for them.
    """
    if "log_likelihood" not in tree.children or PREDICTIVE in tree.children:
        return
    posterior = tree["posterior"].dataset
    observed = tree["observed_data"].dataset[law.response.name]
    coords = {name: posterior[name] for name in SAMPLE}
    shape = tuple(posterior.sizes[name] for name in SAMPLE)
    later = partial(_variable, dims=SAMPLE)
    drawn = partial(_predictive, tree, law, noise, seed)
    data = later((*shape, *observed.shape), drawn, dims=(*SAMPLE, *observed.dims))
    responses = xr.Dataset({law.response.name: data}, {**coords, **observed.coords})
    every = _Densities(posterior, law, noise, priors)
    densities = {name: later(shape, partial(every.of, name)) for name in every.names}
    tree[PREDICTIVE] = xr.DataTree(responses)
    tree[DENSITIES] = xr.DataTree(xr.Dataset(densities, coords))


def without_later(tree: xr.DataTree) -> xr.DataTree:
    """Return a copy of a tree without the groups that follow from the others."""
    return tree.filter(lambda node: node.path.strip("/").partition("/")[0] not in LATER)


def _variable(
    shape: tuple[int, ...], work_out: Callable[[], np.ndarray], dims: tuple[Any, ...]
) -> xr.Variable:
    lazy = indexing.LazilyIndexedArray(Later(shape, np.float64, work_out))
    return xr.Variable(dims, indexing.MemoryCachedArray(lazy))


def _predictive(tree: xr.DataTree, law: Law, noise: Noise, seed: int) -> np.ndarray:
    """Responses that each draw would give at the runs' own inputs, (draw, run)."""
    posterior = tree["posterior"].dataset.stack(sample=SAMPLE)
    posterior = posterior.transpose("sample", ...)
    inputs = tree["constant_data"].data_vars
    x = {str(name): values.to_numpy() for name, values in inputs.items()}
    with jax.enable_x64(True):
        names = [*law.priors(), *noise.priors(law.response)]
        draws = {name: posterior[name].to_numpy() for name in names}
        skeleton, numbers = split(law, noise)
        expected = density.expected(skeleton, numbers, draws, x)
        return density.measured(noise, expected, draws, x, generator(seed))[:, 0]


class _Densities:
    """Log density of the prior at each draw, by single unknown, (chain, draw) each."""

    def __init__(
        self, posterior: xr.Dataset, law: Law, noise: Noise, chosen: Mapping[str, Prior]
    ) -> None:
        self.posterior, self.law, self.noise = posterior, law, noise
        self.chosen = {n: p for n, p in chosen.items() if not isinstance(p, str)}
        with jax.enable_x64(True):
            declared = law.priors() | noise.priors(law.response)
        self.unknowns = [*declared]
        self.names = tuple(
            name
            for name, prior in (declared | dict(chosen)).items()
            if name in posterior  # a group of a pooled fit has no spreads
            and posterior[name].ndim == len(SAMPLE)
            and (isinstance(prior, Distribution) or callable(prior))
        )

    @cached_property
    def _all(self) -> Mapping[str, Array]:
        with jax.enable_x64(True):
            skeleton, numbers = split(self.law, self.noise)
            draws = {n: self.posterior[n].to_numpy() for n in self.unknowns}
            return _log_prior(skeleton, numbers, self.chosen, draws, self.names)

    def of(self, name: str) -> np.ndarray:
        """That of one unknown."""
        return np.asarray(self._all[name])


@partial(jax.jit, static_argnums=(0, 4))
def _log_prior(
    skeleton: Skeleton, numbers: Any, chosen: Any, draws: Params, names: tuple[str, ...]
) -> dict[str, Array]:
    law, noise = skeleton.fill(numbers)
    priors = law.priors() | noise.priors(law.response) | dict(chosen)

    def evaluate(params: Params) -> dict[str, Array]:
        densities = {}
        for name in names:
            prior = priors[name]
            prior = prior if isinstance(prior, Distribution) else prior(params)
            densities[name] = jnp.asarray(prior.log_prob(params[name]))
        return densities

    return jax.vmap(jax.vmap(evaluate))(draws)
