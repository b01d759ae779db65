"""Scatter of counts: successes among samples of problems whose rates differ."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from jaxtyping import Float, Real
from numpyro.distributions import constraints

from nstar.responses.rate_mixtures import CENTRES, Parts, log_kernel, parts
from nstar.types import Array, Inputs, Key, Kind, Law, Params, Prior, Response

POPULATION_SIZES = (3, len(CENTRES) + 1)  # lengths of the axis that parametrises it


@dataclass(frozen=True)
class Binomial:
    r"""Successes of n samples, each problem's own rate integrated out exactly.

    $$ P(s) = z\,[s = 0] + \sum_m w_m \binom{n}{s} \frac{B(s + a_m,\, n - s + b_m)}{B(a_m, b_m)} $$

    What is expected of a problem is its population, parametrised in the last axis
    (`nstar.responses.rate_mixtures`).  It has no unknowns of its own: the population is the law's.
    """

    def refusal(self, law: Law) -> str:
        """Why the noise does not suit a law: it is of counts; empty where it does."""
        if law.response.kind is Kind.COUNTS:
            return ""
        return f"binomial noise is for counts of successes, which {type(law).__name__} does not predict"

    def priors(self, response: Response) -> dict[str, Prior]:
        """No unknowns."""
        return {}

    def around(
        self, expected: Float[Array, "..."], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the probabilities of each problem's counts.

        Raises:
            ValueError: the law expects something else than populations.
        """
        samples = jnp.asarray(x["samples"])
        _require(expected, samples)
        return Counts(expected, samples)

    def prepared(self, x: Inputs, y: Array) -> "PreparedBinomial":
        """Compute the likelihood of these counts under each Beta of the basis, once."""
        value = jnp.asarray(y)
        return PreparedBinomial(
            scaled_probabilities(log_kernel(jnp.asarray(x["samples"]), value), value)
        )


@dataclass(frozen=True)
class PreparedBinomial:
    """Binomial noise of given counts, with the likelihoods that depend on them alone."""

    likelihoods: tuple[Array, Array] = field(compare=False)  # `scaled_probabilities`

    def around(
        self, expected: Float[Array, "..."], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the distribution of the given counts."""
        _require(expected, x["samples"])
        on_basis = jnp.shape(expected)[-1] == POPULATION_SIZES[1]
        likelihoods = self.likelihoods if on_basis else None
        return Counts(expected, x["samples"], likelihoods=likelihoods)


class Counts(dist.Distribution):
    """Successes of problems from populations parametrised in the last axis."""

    support = constraints.nonnegative

    def __init__(
        self,
        population: Array,
        samples: Array,
        *,
        likelihoods: tuple[Array, Array] | None = None,
        validate_args: bool | None = None,
    ) -> None:
        """Take populations and the samples of each problem, (...).

        With `likelihoods`, `log_prob` is of the counts that they were computed for.
        """
        self.likelihoods = likelihoods
        shape = jnp.broadcast_shapes(jnp.shape(population)[:-1], jnp.shape(samples))
        self.population = jnp.broadcast_to(
            population, (*shape, jnp.shape(population)[-1])
        )
        self.n = jnp.broadcast_to(samples, shape)
        super().__init__(shape, (), validate_args=validate_args)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw each problem's rate, and its successes given it."""
        of_part, of_rate, of_count = jax.random.split(key, 3)
        mixture, shape = parts(self.population), (*sample_shape, *self.batch_shape)
        weights = jnp.concatenate([mixture.never[..., None], mixture.weight], axis=-1)
        part = jax.random.categorical(of_part, jnp.log(weights), shape=shape)
        at = jnp.maximum(part - 1, 0)[..., None]
        a, b = (
            jnp.take_along_axis(
                jnp.broadcast_to(v, (*shape, mixture.weight.shape[-1])), at, -1
            )[..., 0]
            for v in (mixture.a, mixture.b)
        )
        rate = jnp.where(part == 0, 0.0, jax.random.beta(of_rate, a, b))
        return jax.random.binomial(of_count, self.n, rate, shape)

    def log_prob(
        self, value: ArrayLike, intermediates: list[Any] | None = None
    ) -> Array:
        """Log probability of counts, the rate integrated out."""
        value, mixture = jnp.asarray(value), parts(self.population)
        scale, likelihoods = self.likelihoods or scaled_probabilities(
            self._log_kernel(value, mixture), value
        )
        solved = (mixture.weight * likelihoods).sum(-1)
        none = jnp.exp(-jnp.where(value == 0, scale, 0.0))
        never = jnp.where(value == 0, mixture.never * none, 0.0)
        return scale + jnp.log(jnp.maximum(solved + never, 1e-300))

    def _log_kernel(self, value: Array, mixture: Parts) -> Array:
        if self.population.shape[-1] != 3:
            return log_kernel(self.n, value)
        n, s = self.n[..., None], jnp.asarray(value)[..., None]
        ways = gammaln(n + 1) - gammaln(s + 1) - gammaln(n - s + 1)
        a, b = mixture.a, mixture.b
        return ways + _betaln(s + a, n - s + b) - _betaln(a, b)


def _require(expected: Array, samples: Array) -> None:
    """Refuse an expectation that is not one population for each problem."""
    shape = jnp.shape(expected)
    if shape[:-1] != jnp.shape(samples) or shape[-1:] not in [
        (n,) for n in POPULATION_SIZES
    ]:
        msg = f"binomial noise is of populations, given by a, b and zero mass of each problem in a last axis of {POPULATION_SIZES[0]}, or by weights in one of {POPULATION_SIZES[1]}; the law gives shape {shape} for {jnp.shape(samples)} counts"
        raise ValueError(msg)


def scaled_probabilities(
    log_p: Float[Array, "*#runs parts"], value: Real[Array, "*#runs"]
) -> tuple[Float[Array, "*runs"], Float[Array, "*runs parts"]]:
    """Scale probabilities against underflow.

    Returns:
        Log of the largest for each count, (...), and all of them over it, (..., part).
    """
    least = jnp.where(value == 0, 0.0, -jnp.inf)
    scale = jax.lax.stop_gradient(jnp.maximum(log_p.max(-1), least))
    return scale, jnp.exp(log_p - scale[..., None])


def _betaln(a: Array, b: Array) -> Array:
    """Log of the beta function, to the digits of gammaln: JAX's own has but six."""
    return gammaln(a) + gammaln(b) - gammaln(a + b)
