"""Scatter of accuracies, which stay between zero and one, after one step or two."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Float
from numpyro.distributions import constraints

from nstar.responses import sigmoid
from nstar.types import Array, Inputs, Key, Kind, Law, Params, Prior, Response

LEAST = 0.0025  # p (1 - p) below which scatter shrinks no further: the odd lucky answer


@dataclass(frozen=True)
class Bounded:
    r"""Gaussian scatter cut at 0 and 1, of runs and of the questions they were asked.

    $$ a_i \sim \mathrm{Normal}_{[0, 1]}\bigl(p_i,\
       \sqrt{(p_i (1 - p_i) + \delta)(\sigma^2 + 1/n_i)}\bigr) $$

    Of n questions, where a column `questions` says how many, an accuracy has the
    variance p (1 - p) / n; runs of the same loss differ by more, and taken as
    proportional their scatter is that of a beta distribution with these two moments.
    """

    def refusal(self, law: Law) -> str:
        """Why the noise does not suit a law: it is of fractions; empty where it does."""
        if law.response.kind in (Kind.ACCURACY, Kind.METRIC):
            return ""
        return f"bounded noise is of a fraction such as an accuracy, which the {type(law).__name__} law does not predict"

    def priors(self, response: Response) -> dict[str, Prior]:
        """Scale, twice the scatter of an accuracy of a half."""
        scale = 2 * response.of("accuracy").scatter
        return {"sigma_accuracy": dist.LogNormal(np.log(scale), 1.0)}

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the truncated normal about the law."""
        wide = jnp.square(params["sigma_accuracy"]) + 1 / x.get("questions", jnp.inf)
        scale = jnp.sqrt((expected * (1 - expected) + LEAST) * wide)
        return dist.TruncatedNormal(expected, scale, low=0.0, high=1.0)


@dataclass(frozen=True)
class TwoSteps:
    r"""Scatter of the task's log nll about the loss's, then of accuracy about the nll's.

    $$ \log q_i \sim \mathrm{Normal}(\log q(L_i), \sigma_q), \qquad
       a_i \sim \mathrm{Bounded}(a(q_i)) $$

    What is off in the first step is carried into the second.  For the accuracy_by_nll
    law, from whose unknowns it reads the curve a(q).
    """

    def refusal(self, law: Law) -> str:
        """Why the noise does not suit a law: it is of two steps; empty where it does."""
        if law.response.kind is Kind.TASK:
            return ""
        return f"two_steps noise is for the accuracy_by_nll law; got it with the {type(law).__name__} law"

    def priors(self, response: Response) -> dict[str, Prior]:
        """Scales of both steps."""
        scale = dist.LogNormal(np.log(response.of("nll").scatter), 1.0)
        return {"sigma_nll": scale} | Bounded().priors(response)

    def around(
        self, expected: Float[Array, "*runs 2"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the joint distribution of log nll and accuracy."""

        def accuracy(log_q: ArrayLike) -> dist.Distribution:
            curve = sigmoid.accuracy(
                params, jnp.asarray(log_q) - jnp.log(params["nll_level"])
            )
            return Bounded().around(curve, params, x)

        return Chain(dist.Normal(expected[..., 0], params["sigma_nll"]), accuracy)


class Chain(dist.Distribution):
    """A variable, and a second whose distribution depends on it, in the last axis."""

    support = constraints.real_vector

    def __init__(
        self,
        first: dist.Distribution,
        second: Callable[[ArrayLike], dist.Distribution],
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Take the first's distribution, and the second's as a function of the first."""
        self.first, self.second = first, second
        super().__init__(first.batch_shape, (2,), validate_args=validate_args)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw the first, then the second given it."""
        first_key, second_key = jax.random.split(key)
        first = self.first.sample(first_key, sample_shape)
        return jnp.stack([first, self.second(first).sample(second_key)], axis=-1)

    def log_prob(
        self, value: ArrayLike, intermediates: list[Any] | None = None
    ) -> Array:
        """Log density of the first, and of the second given it."""
        values = jnp.asarray(value)
        first, second = values[..., 0], values[..., 1]
        return jnp.add(self.first.log_prob(first), self.second(first).log_prob(second))
