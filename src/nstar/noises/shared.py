"""Scatter that several runs share: of a budget or a recipe, or of one run made again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Float, Real
from numpyro.distributions import constraints

from nstar.runs.observations import Observations
from nstar.types import SHARED, Array, Inputs, Key, Law, Params, Prior, Response


@dataclass(frozen=True)
class Between:
    r"""Runs of a budget, seed or recipe are off the law together.

    $$ y_i = f_i + \tau\,b_{g(i)} + \sigma\,\epsilon_i $$

    with b and epsilon jointly Student-t within a group, so that a group far off counts
    for little.  Points of one isoFLOP budget are not independent: taken so, intervals
    are too narrow (Gelman & Hill 2007, ch. 12).  A run to come is of a group of its own.
    """

    over: str = "budget"  # the column that names a run's group

    def shared(self, runs: Observations, law: Law) -> Float[np.ndarray, " runs"]:
        """Number the group of each run, (run,).

        Raises:
            ValueError: there is no such column, or no two runs share a group.
        """
        _one_response(runs, law)
        if self.over == "budget" and "budget" in law.inputs:
            msg = f"the {type(law).__name__} law has scatter between budgets of its own, so noise between budgets would count it twice; take student_t"
            raise ValueError(msg)
        column = next(
            (n for n, head in runs.named.items() if head == self.over), self.over
        )
        if column not in runs:
            msg = f"{runs.source}: between-group noise needs column {self.over!r}, and there are {', '.join(runs.columns)}; name another, as in noise='between:run'"
            raise ValueError(msg)
        values = runs[column]
        blank = values == "" if values.dtype.kind in "US" else np.isnan(values)
        group = np.where(
            blank,
            -1.0 - np.arange(len(runs)),
            np.unique(values, return_inverse=True)[1],
        )
        if len(np.unique(group)) == len(runs):
            msg = f"{runs.source}: no two runs share a value of {self.over!r}, so no scatter between groups can be told from that within"
            raise ValueError(msg)
        return group.astype(float)

    def priors(self, response: Response) -> dict[str, Prior]:
        """Scale within groups as for the normal; between them likewise."""
        return _scales(response, "between")

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the joint distribution of runs, or of runs each by itself."""
        within = jnp.hypot(params["sigma"], x.get("se", 0.0))
        return SharedStudentT(
            expected, within, params["between"], params["nu"], x.get(SHARED)
        )


@dataclass(frozen=True)
class Repeated:
    r"""Replicate runs with other seeds separate the seed's noise from the law's misfit.

    $$ y_{ij} = f_i + m_i + \sigma\,\epsilon_{ij}, \qquad m_i = \tau\,b_i $$

    Runs with the same inputs are replicates: they share what the law misses there, m,
    and differ by seed alone.  Where few runs are repeated the split follows its prior, and
    only the sum of both is learned.  Same joint Student-t as `Between`.
    """

    over = ""

    def shared(self, runs: Observations, law: Law) -> Float[np.ndarray, " runs"]:
        """Number the inputs of each run, (run,): same number, same inputs.

        Raises:
            ValueError: no two runs have the same inputs.
        """
        _one_response(runs, law)
        inputs = np.stack(
            [runs[n].astype(float) for n in law.inputs if runs[n].dtype.kind == "f"]
        )
        group = np.unique(inputs, axis=1, return_inverse=True)[1].reshape(-1)
        if group.max() + 1 == len(runs):
            msg = f"{runs.source}: no two runs have the same {', '.join(law.inputs)}, so noise of seeds cannot be told from misfit; take student_t"
            raise ValueError(msg)
        return group.astype(float)

    def priors(self, response: Response) -> dict[str, Prior]:
        """Scales of seeds and of misfit, each as the normal's.

        Seeds alone are known better for a loss: 0.1 % in Delphi's and OLMo's repeats.
        """
        return _scales(response, "misfit")

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the joint distribution of runs, or of runs each by itself."""
        within = jnp.hypot(params["sigma"], x.get("se", 0.0))
        return SharedStudentT(
            expected, within, params["misfit"], params["nu"], x.get(SHARED)
        )


def _one_response(runs: Observations, law: Law) -> None:
    if len(law.response.columns) > 1:
        msg = f"{runs.source}: scatter that runs share is for laws of one response, which {type(law).__name__} is not"
        raise ValueError(msg)


def _scales(response: Response, other: str) -> dict[str, Prior]:
    scale = dist.LogNormal(np.log(response.scatter), 1.0)
    return {"sigma": scale, other: scale, "nu": dist.Gamma(2.0, 0.1)}


class SharedStudentT(dist.Distribution):
    r"""Student-t variables that share a part within groups; the density is exact.

    Within a group $y \sim t_\nu(\mu,\ \mathrm{diag}(s^2) + \tau^2 1 1^\top)$.  `log_prob`
    is of each run given those of its group before it, so that it sums to the joint one
    (conditionals of a multivariate t: Ding 2016, doi:10.1080/00031305.2016.1164756).
    """

    arg_constraints = {  # noqa: RUF012  as NumPyro declares them
        "loc": constraints.real,
        "within": constraints.positive,
        "between": constraints.positive,
        "nu": constraints.positive,
    }
    support = constraints.real
    reparametrized_params = ["loc", "within", "between"]  # noqa: RUF012

    def __init__(
        self,
        loc: Array,
        within: Array,
        between: Array,
        nu: Array,
        group: Array | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Take the group's number of each run; without it each run is by itself."""
        self.loc, self.within, self.between, self.nu = jnp.broadcast_arrays(
            loc, within, between, nu
        )
        alone = jnp.arange(self.loc.size, dtype=float).reshape(self.loc.shape)
        self.group = alone if group is None else jnp.asarray(group)
        super().__init__(jnp.shape(self.loc), (), validate_args=validate_args)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw each group's part and its common scale, and each run's own."""
        runs = self.loc.size
        of_group, of_run, of_scale = jax.random.split(key, 3)
        _, number = jnp.unique(self.group.ravel(), return_inverse=True, size=runs)
        b = jax.random.normal(of_group, (*sample_shape, runs))[..., number]
        half = jnp.broadcast_to(self.nu.ravel()[0] / 2, (*sample_shape, runs))
        w = (jax.random.gamma(of_scale, half) / half)[..., number]
        e = jax.random.normal(of_run, (*sample_shape, runs))
        deviation = self.between.ravel() * b + self.within.ravel() * e
        return self.loc + (deviation / jnp.sqrt(w)).reshape(
            *sample_shape, *self.loc.shape
        )

    def log_prob(
        self, value: ArrayLike, intermediates: list[Any] | None = None
    ) -> Array:
        """Log density of each run given the runs of its group before it."""
        r = jnp.atleast_1d(value - self.loc)
        v, t2 = (
            jnp.broadcast_to(jnp.square(s), r.shape)
            for s in (self.within, self.between)
        )
        sums_before = _sums_before(jnp.atleast_1d(self.group))
        n, weight, sum_r, sum_r2 = sums_before(
            jnp.stack([jnp.ones_like(r), 1 / v, r / v, jnp.square(r) / v])
        )
        # variance of the shared part given the runs before
        shared_variance = 1 / (1 / t2 + weight)
        mean = shared_variance * sum_r
        distance = jnp.maximum(sum_r2 - jnp.square(sum_r) * shared_variance, 0.0)
        nu = self.nu + n
        scale = jnp.sqrt((shared_variance + v) * (self.nu + distance) / nu)
        log_density = dist.StudentT(nu, mean, scale).log_prob(r)
        return log_density.reshape(jnp.shape(value - self.loc))


def _sums_before(group: Real[Array, " runs"]) -> Callable[[Array], Array]:
    """Return a function of values, (..., run): sums over the earlier runs of each's group."""
    order = jnp.argsort(group, stable=True)
    back = jnp.argsort(order)
    sorted_group = group[order]
    first = jnp.searchsorted(sorted_group, sorted_group, side="left")

    def sums(values: Array) -> Array:
        ordered = values[..., order]
        total = jnp.cumsum(ordered, axis=-1) - ordered
        return (total - total[..., first])[..., back]

    return sums
