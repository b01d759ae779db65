"""Scatter of counts: successes among samples of problems whose rates differ."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from numpyro.distributions import constraints

from nstar.types import Array, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Binomial:
    r"""Successes of n samples, each problem's own rate integrated out exactly.

    $$ P(s) = z\,[s = 0] + (1 - z) \binom{n}{s} \frac{B(s + a,\, n - s + b)}{B(a, b)} $$

    What is expected of a problem is its population, a, b and z in the last axis
    (`nstar.pass_rates`).  It has no unknowns of its own: the population is the law's.
    """

    def priors(self, response: Response) -> dict[str, Prior]:
        """None."""
        return {}

    def around(self, expected: Array, params: Params, x: Inputs) -> dist.Distribution:
        """Return the beta-binomial of each problem, with its mass at zero.

        Raises:
            ValueError: the law expects something else than populations.
        """
        samples = jnp.asarray(x["samples"])
        if jnp.shape(expected) != (*samples.shape, 3):
            msg = f"binomial noise is of populations, a, b and zero mass of each problem in a last axis of three; the law gives shape {jnp.shape(expected)} for {samples.shape} counts"
            raise ValueError(msg)
        return Counts(expected, samples)


class Counts(dist.Distribution):
    """Successes of problems from populations (a, b, z) of the last axis."""

    support = constraints.nonnegative

    def __init__(
        self, told: Array, samples: Array, *, validate_args: bool | None = None
    ) -> None:
        """Take populations, (..., 3), and the samples of each problem, (...)."""
        parts = (*(told[..., i] for i in range(3)), samples)
        self.a, self.b, self.zero, self.n = jnp.broadcast_arrays(*parts)
        super().__init__(jnp.shape(self.a), (), validate_args=validate_args)

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw each problem's rate, and its successes given it."""
        never, of_rate, of_count = jax.random.split(key, 3)
        shape = (*sample_shape, *self.batch_shape)
        rate = jax.random.beta(of_rate, self.a, self.b, shape)
        rate = jnp.where(jax.random.uniform(never, shape) < self.zero, 0.0, rate)
        return jax.random.binomial(of_count, self.n, rate, shape)

    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        """Log probability of counts, the rate integrated out."""
        fails = self.n - value
        ways = gammaln(self.n + 1) - gammaln(value + 1) - gammaln(fails + 1)
        reached = _betaln(value + self.a, fails + self.b) - _betaln(self.a, self.b)
        some = jnp.log1p(-self.zero) + ways + reached
        none = jnp.log(jnp.maximum(self.zero, 1e-300))
        return jnp.where(value == 0, jnp.logaddexp(none, some), some)


def _betaln(a: Array, b: Array) -> Array:
    """Log of the beta function, to the digits of gammaln: JAX's own has but six."""
    return gammaln(a) + gammaln(b) - gammaln(a + b)
