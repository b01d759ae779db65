"""The posterior of a law and a noise given runs, as NumPyro sees it, ready to be jitted.

Numbers in a law (its reference run, its budgets) are arguments of the compiled
program, not constants in it: another data set of the same shape does not recompile.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from threading import RLock
from typing import Any, NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.distributions import Distribution
from numpyro.handlers import scale, seed, trace
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from nstar.types import (
    SHARED,
    Array,
    Inputs,
    Law,
    Leading,
    Noise,
    Params,
    Prepared,
    Prior,
)

TRACING = RLock()  # NumPyro's handlers are one stack for all threads of a process
ONCE = {"xla_backend_optimization_level": 0}  # for a program that runs but once


class Data(NamedTuple):
    """What the likelihood reads."""

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


def model(
    law: Law,
    noise: Noise,
    chosen: Mapping[str, Prior],
    x: Inputs,
    y: Array | None,
    weight: Array | None = None,
    at_runs: Any = None,
) -> None:
    """Say the whole probability model, for NumPyro."""
    params = unknowns(law, noise, chosen)
    expected = (at_runs or law).expected(params, x)
    around = noise.around(expected, params, x)
    with scale(scale=1.0 if weight is None else weight):
        numpyro.sample(law.response.name, around, obs=y)


def unknowns(law: Law, noise: Noise, chosen: Mapping[str, Prior]) -> dict[str, Array]:
    """Sample every unknown from its prior; some priors depend on unknowns before them."""
    priors = law.priors() | noise.priors(law.response) | dict(chosen)
    params: dict[str, Array] = {}
    for name, prior in priors.items():
        given = prior if isinstance(prior, Distribution) else prior(params)
        params[name] = jnp.asarray(numpyro.sample(name, given))
    return params


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
    """Fields holding floats, tuples of them or arrays, inner parts too; all else is compiled in."""
    if not is_dataclass(part):
        return {}
    found = {}
    for field in fields(part):
        value = getattr(part, field.name)
        leaves = jax.tree.leaves(value)
        if is_dataclass(value):
            found[field.name] = _floats(value)
        elif leaves and all(isinstance(v, float | np.ndarray) for v in leaves):
            found[field.name] = value
    return found


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


def prior_draw(law: Law, noise: Noise, chosen: Any, key: Array) -> dict[str, Array]:
    """Draw the unknowns from their priors."""
    with TRACING:
        sites = trace(seed(unknowns, key)).get_trace(law, noise, chosen)
    return {name: site["value"] for name, site in sites.items()}


def prior_draws(
    law: Law, noise: Noise, chosen: Any, key: Array, count: int
) -> dict[str, Array]:
    """Draw the unknowns many times, (draw, ...) each.

    Operation by operation: laws share those, where each would be a program of its own.
    """
    keys = jax.random.split(key, count)
    return jax.vmap(lambda key: prior_draw(law, noise, chosen, key))(keys)


def energy(
    law: Law, noise: Noise, chosen: Any, data: Data
) -> Callable[[Params], Array]:
    """Minus log posterior density of the unconstrained unknowns, up to a constant.

    What needs only the runs is worked out here, before the function is called.
    """
    at_runs = law.prepared(data.x) if isinstance(law, Prepared) else law

    def potential(u: Params) -> Array:
        settled, u, width = led(law, noise, chosen, data, u)
        told = (law, noise, chosen, *data, settled or at_runs)
        with TRACING:
            return potential_energy(model, told, {}, u) - width

    return potential


def leads(law: Law) -> TypeGuard[Leading]:
    """Say whether the law leads any unknown."""
    return isinstance(law, Leading) and bool(law.leads)


def led(
    law: Law, noise: Noise, chosen: Any, data: Data, u: Params
) -> tuple[Any, dict[str, Array], Array]:
    """Unknowns on the real line from the sampler's, and the log of their width.

    With the law as it is where the others are, if it leads any.
    """
    if not leads(law):
        return None, dict(u), jnp.zeros(())
    real = partial(on_support, law, noise, chosen, data)
    return law.settled(real(u)).lead(u, real, data.x, data.y)


def on_support(law: Law, noise: Noise, chosen: Any, data: Data, u: Params) -> Params:
    """Map unknowns from the real line to their own supports."""
    with TRACING:
        return constrain_fn(model, (law, noise, chosen, *data), {}, dict(u))


def constrain(law: Law, noise: Noise, chosen: Any, data: Data, u: Params) -> Params:
    """Map the sampler's unknowns to their own supports."""
    return on_support(law, noise, chosen, data, led(law, noise, chosen, data, u)[1])


def unconstrain(law: Law, noise: Noise, chosen: Any, data: Data, p: Params) -> Params:
    """Map unknowns from their supports to the real line, without what leads them."""
    with TRACING:
        return unconstrain_fn(model, (law, noise, chosen, *data), {}, dict(p))


def looked(
    law: Law, noise: Noise, chosen: Any, data: Data, u: Params, draws: Params
) -> Any:
    """Look at the runs from unknowns of the sampler, beside draws of the prior's."""
    if not leads(law):
        return None
    settled, u, _ = led(law, noise, chosen, data, u)
    weight = 1.0 if data.weight is None else data.weight

    def likelihood(expected: Array, params: Params) -> Array:
        return weight * noise.around(expected, params, data.x).log_prob(data.y)

    real = partial(on_support, law, noise, chosen, data)
    return settled.looked(u, real, likelihood, data.x, data.y, draws)


@partial(jax.jit, static_argnums=0, compiler_options=ONCE)
def expected(skeleton: Skeleton, numbers: Any, draws: Any, x: Inputs) -> Array:
    """Expected response of each run under each draw, (draw, run)."""
    law, _ = skeleton.fill(numbers)
    return jax.vmap(lambda params: law.expected(params, x))(draws)


def measured(
    noise: Noise, expected: Array, draws: Any, x: Inputs, key: Array, count: int = 1
) -> Array:
    """Responses scattered about what each draw expects, (draw, count, run).

    Operation by operation, as `prior_draws`: random numbers are long programs, and laws
    share them.
    """

    def one(expected: Array, params: Params, key: Array) -> Array:
        return noise.around(expected, params, x).sample(key, (count,))

    keys = jax.random.split(key, len(expected))
    return jax.vmap(one)(expected, draws, keys)


def log_likelihood(law: Law, noise: Noise, data: Data, params: Params) -> Array:
    """Log density of each run's response, (run,)."""
    return noise.around(law.expected(params, data.x), params, data.x).log_prob(data.y)
