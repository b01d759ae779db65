"""The posterior of a law and a noise given runs, as NumPyro sees it, ready to be jitted.

Numbers in a law (its reference run, its budgets) are arguments of the compiled
program, not constants in it: another data set of the same shape does not recompile.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution, biject_to

from nstar.samplers.randomness import ONCE, generator, sample, sample_each
from nstar.samplers.tabulated import Priors, tabulate
from nstar.types import (
    SHARED,
    Array,
    Inputs,
    Law,
    Noise,
    Params,
    Prepared,
    PreparedNoise,
    Prior,
    Reparameterised,
)


class Data(NamedTuple):
    """Inputs, responses and weights of the runs."""

    x: Inputs  # inputs by name, (run,)
    y: Array  # the response on its own scale, (run,) or (run, part)
    weight: Array | None = None  # times that each run counts, (run,); once unless given


def padded(data: Data, rows: int) -> Data:
    """Fill a table up to so many rows with copies of its first, which count for nothing.

    Copies are of groups of their own, so that they share no scatter with a run.
    """
    count = len(data.y)
    at = np.concatenate([np.arange(count), np.zeros(rows - count, int)])
    x = {name: np.asarray(values)[at] for name, values in data.x.items()}
    if SHARED in x:
        x[SHARED][count:] = x[SHARED].max() + 1 + np.arange(rows - count)
    weight = np.ones(count) if data.weight is None else data.weight
    return Data(x, data.y[at], np.where(np.arange(rows) < count, weight[at], 0.0))


def size(rows: int) -> int:
    """Rows that a table is filled up to: four sizes between a power of two and the next."""
    step = 2 ** max(int(np.log2(rows)) - 2, 0)
    return -(-rows // step) * step


def log_prior(
    law: Law, noise: Noise, priors: Priors, u: Params
) -> tuple[dict[str, Array], Array]:
    """Unknowns on their supports from the real line, and the log prior density there.

    The change of variables is included.  Some priors depend on unknowns before them.
    """
    params: dict[str, Array] = {}
    density = jnp.zeros(())
    if priors.names:
        scalars = jnp.stack([u[name] for name in priors.names])
        values, density = priors.values(scalars)
        params |= {
            n: jax.lax.index_in_dim(values, i, keepdims=False)
            for i, n in enumerate(priors.names)
        }
    for name, prior in several(law, noise, priors).items():
        distribution = prior if isinstance(prior, Distribution) else prior(params)
        to = biject_to(distribution.support)
        params[name] = to(u[name])
        density += jnp.sum(distribution.log_prob(params[name]))
        density += jnp.sum(to.log_abs_det_jacobian(u[name], params[name]))
    return params, density


def several(law: Law, noise: Noise, priors: Priors) -> dict[str, Prior]:
    """Priors that are not in the table: of several numbers, or given the others."""
    priors_by_name = law.priors() | noise.priors(law.response) | dict(priors.others)
    return {name: prior for name, prior in priors_by_name.items() if name not in priors}


def tabulated(law: Law, noise: Noise, chosen: Mapping[str, Prior]) -> Priors:
    """Priors of a problem as the compiled programs take them."""
    return tabulate(law.priors() | noise.priors(law.response), chosen)


class Skeleton(NamedTuple):
    """A law and a noise without their numbers: hashable, so a static argument."""

    law: Law
    noise: Noise
    shape: Any

    def fill(self, numbers: list[Array]) -> tuple[Any, Noise]:
        """Put numbers, possibly traced, back into the law and the noise."""
        law, noise = jax.tree.unflatten(self.shape, numbers)
        return _with(self.law, law), _with(self.noise, noise)


def split(law: Law, noise: Noise) -> tuple[Skeleton, list[float]]:
    """Part a law and a noise into what is compiled and what is passed in."""
    numbers, shape = jax.tree.flatten((_floats(law), _floats(noise)))
    blank = jax.tree.unflatten(shape, [0.0] * len(numbers))
    return Skeleton(_with(law, blank[0]), _with(noise, blank[1]), shape), numbers


def _floats(part: Any) -> dict[str, Any]:
    """Fields that hold floats, tuples of floats or arrays, nested; all else is compiled in."""
    if not is_dataclass(part):
        return {}
    numbers = {}
    for field in fields(part):
        value = getattr(part, field.name)
        leaves = jax.tree.leaves(value)
        if is_dataclass(value):
            numbers[field.name] = _floats(value)
        elif leaves and all(isinstance(v, float | np.ndarray) for v in leaves):
            numbers[field.name] = value
    return numbers


def _with(part: Any, numbers: dict[str, Any]) -> Any:
    """Put numbers back into the fields they came from."""
    return replace(
        part,
        **{
            name: _with(getattr(part, name), value)
            if isinstance(value, dict)
            else value
            for name, value in numbers.items()
        },
    )


def prior_draws(
    law: Law, noise: Noise, chosen: Mapping[str, Prior], seed: Any, count: int
) -> dict[str, np.ndarray]:
    """Draw the unknowns many times from their priors, (draw, ...) each.

    Args:
        law: the law.
        noise: the noise.
        chosen: priors in place of theirs.
        seed: of NumPy's generator, or the generator, or a JAX random key.
        count: of draws.
    """
    random = generator(seed)
    priors = tabulated(law, noise, chosen)
    draws: dict[str, np.ndarray] = priors.draws(random, count)
    for name, prior in several(law, noise, priors).items():
        if isinstance(prior, Distribution):
            draws[name] = sample(prior, random, count)
        else:  # given the others: a distribution for each draw
            draws[name] = sample_each(prior, (draws,), random)
    return draws


def energy(
    law: Law, noise: Noise, priors: Priors, data: Data
) -> Callable[[Params], Array]:
    """Minus log posterior density of the unconstrained unknowns, up to a constant.

    What needs only the runs is worked out here, before the function is called.
    """
    law_at_runs = law.prepared(data.x) if isinstance(law, Prepared) else law
    noise_at_runs = (
        noise.prepared(data.x, data.y) if isinstance(noise, PreparedNoise) else noise
    )

    def potential(u: Params) -> Array:
        conditioned, u, width = reparameterise(law, noise, priors, data, u)
        params, density = log_prior(law, noise, priors, u)
        expected = (conditioned or law_at_runs).expected(params, data.x)
        log_density = noise_at_runs.around(expected, params, data.x).log_prob(data.y)
        weight = 1.0 if data.weight is None else data.weight
        return -density - jnp.sum(weight * log_density) - width

    return potential


def is_reparameterised(law: Law) -> TypeGuard[Reparameterised]:
    """Say whether the law reparameterises any unknown."""
    return isinstance(law, Reparameterised) and bool(law.reparameterised)


def reparameterise(
    law: Law, noise: Noise, priors: Priors, data: Data, u: Params
) -> tuple[Any, dict[str, Array], Array]:
    """Map the sampler's coordinates to unknowns on the real line.

    Returns:
        The law conditioned on the unknowns, or None where it reparameterises none; the
        unknowns on the real line; and the log of the map's Jacobian determinant.
    """
    if not is_reparameterised(law):
        return None, dict(u), jnp.zeros(())
    to_support = partial(on_support, law, noise, priors)
    return law.condition(to_support(u)).reparameterise(u, to_support, data.x, data.y)


def on_support(law: Law, noise: Noise, priors: Priors, u: Params) -> Params:
    """Map unknowns from the real line to their own supports."""
    return log_prior(law, noise, priors, u)[0]


def constrain(law: Law, noise: Noise, priors: Priors, data: Data, u: Params) -> Params:
    """Map the sampler's coordinates to unknowns on their own supports."""
    return on_support(
        law, noise, priors, reparameterise(law, noise, priors, data, u)[1]
    )


def unconstrain(law: Law, noise: Noise, priors: Priors, p: Params) -> Params:
    """Map unknowns from their supports to the real line, before any reparameterisation."""
    u: dict[str, Array] = {}
    if priors.names:
        scalars = priors.real(jnp.stack([p[name] for name in priors.names]))
        u |= dict(zip(priors.names, scalars, strict=True))
    for name, prior in several(law, noise, priors).items():
        distribution = prior if isinstance(prior, Distribution) else prior(p)
        u[name] = biject_to(distribution.support).inv(p[name])
    return u


def linearise(
    law: Law, noise: Noise, priors: Priors, data: Data, u: Params, draws: Params
) -> Any:
    """Linearise a law about the sampler's coordinates; None where it needs it not.

    `draws` are the prior's, on the real line, (draw, ...) each.
    """
    if not is_reparameterised(law):
        return None
    conditioned, u, _ = reparameterise(law, noise, priors, data, u)
    weight = 1.0 if data.weight is None else data.weight

    def likelihood(expected: Array, params: Params) -> Array:
        return weight * noise.around(expected, params, data.x).log_prob(data.y)

    to_support = partial(on_support, law, noise, priors)
    return conditioned.linearise(u, to_support, likelihood, data.x, data.y, draws)


@partial(jax.jit, static_argnums=0, compiler_options=ONCE)
def expected(skeleton: Skeleton, numbers: Any, draws: Params, x: Inputs) -> Array:
    """Expected response of each run under each draw, (draw, run)."""
    law, _ = skeleton.fill(numbers)
    return jax.vmap(lambda params: law.expected(params, x))(draws)


def measured(
    noise: Noise,
    expected: Array,
    draws: Params,
    x: Inputs,
    seed: Any,
    count: int = 1,
) -> np.ndarray:
    """Responses scattered about what each draw expects, (draw, count, run).

    NumPy draws them: random numbers are long programs to compile.
    """

    def around(mean: Array, params: Params) -> Distribution:
        return noise.around(mean, params, x)

    return sample_each(around, (expected, draws), generator(seed), (count,))


def likelihoods(
    noise: Noise, expected: Array, draws: Params, x: Inputs, y: Array
) -> np.ndarray:
    """Log density of responses about what each draw expects, (draw, run)."""

    def log_density(mean: Array, params: Params) -> Array:
        return noise.around(mean, params, x).log_prob(y)

    return np.asarray(
        jax.jit(jax.vmap(log_density), compiler_options=ONCE)(expected, draws)
    )


def log_likelihood(law: Law, noise: Noise, data: Data, params: Params) -> Array:
    """Log density of each run's response, (run,)."""
    return noise.around(law.expected(params, data.x), params, data.x).log_prob(data.y)
