"""Scatter of runs that were not all tuned as well: worse by a little, never better."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import log_ndtr
from jax.typing import ArrayLike
from jaxtyping import Float
from numpyro.distributions import constraints

from nstar.types import Array, Inputs, Key, Kind, Law, Params, Prior, Response

ROOT_TWO_PI = 2.5066282746310002
FAR = -12.0  # below it the asymptotic series of Mills' ratio is exact to 1e-9


@dataclass(frozen=True)
class OneSided:
    r"""Gaussian noise, and an excess that only ever makes a run worse.

    $$ y_i = f_i + \sigma\,\epsilon_i + \lambda\,e_i, \qquad
       \epsilon_i \sim \mathrm{Normal}(0, 1),\ e_i \sim \mathrm{Exponential}(1) $$

    (the exponentially modified Gaussian: Grushka 1972, doi:10.1021/ac60319a011.)  The
    law is that of well-tuned runs; `measured` is of runs tuned as those that were made.
    """

    def refusal(self, law: Law) -> str:
        """Why the noise does not suit a law: it is of losses; empty where it does."""
        if law.response.kind is Kind.LOSS:
            return ""
        return f"one_sided noise is of losses, which under-tuned runs have too high; the {type(law).__name__} law is of {', '.join(law.response.columns)}"

    def priors(self, response: Response) -> dict[str, Prior]:
        """Scale as for the normal; the mean excess likewise, of the same size."""
        scale = dist.LogNormal(np.log(response.scatter), 1.0)
        return {"sigma": scale, "excess": scale}

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the exponentially modified normal above the law."""
        scale = jnp.hypot(params["sigma"], x.get("se", 0.0))
        return NormalPlusExponential(expected, scale, params["excess"])


class NormalPlusExponential(dist.Distribution):
    """The sum of a normal and an exponential variable of mean `excess`."""

    arg_constraints = {  # noqa: RUF012  as NumPyro declares them
        "loc": constraints.real,
        "scale": constraints.positive,
        "excess": constraints.positive,
    }
    support = constraints.real
    reparametrized_params = ["loc", "scale", "excess"]  # noqa: RUF012

    def __init__(
        self,
        loc: Array,
        scale: Array,
        excess: Array,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Take parameters of one shape, or that broadcast to one."""
        self.loc, self.scale, self.excess = jnp.broadcast_arrays(loc, scale, excess)
        super().__init__(jnp.shape(self.loc), (), validate_args=validate_args)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw the normal and the exponential variable, and add them."""
        normal_key, exponential_key = jax.random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        return (
            self.loc
            + self.scale * jax.random.normal(normal_key, shape)
            + self.excess * jax.random.exponential(exponential_key, shape)
        )

    def log_prob(
        self, value: ArrayLike, intermediates: list[Any] | None = None
    ) -> Array:
        r"""Write Phi(z) of the usual form by Mills' ratio where it would underflow.

        With $z = r/\sigma - \sigma/\lambda$ the density is
        $\lambda^{-1} e^{z^2/2 - r^2/2\sigma^2}\,\Phi(z)$.
        """
        r = (value - self.loc) / self.scale
        ratio = self.scale / self.excess
        z = r - ratio
        low, high = jnp.minimum(z, 0.0), jnp.maximum(z, 0.0)
        left = _log_mills(low) - jnp.square(r) / 2
        right = ratio * (ratio / 2 - r) + log_ndtr(high)
        return jnp.where(z < 0, left, right) - jnp.log(self.excess)

    @property
    def mean(self) -> jax.Array:
        """Mean of the sum."""
        return self.loc + self.excess

    @property
    def variance(self) -> jax.Array:
        """Variance of the sum."""
        return jnp.square(self.scale) + jnp.square(self.excess)


def _log_mills(z: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """Log of Phi(z) exp(z^2 / 2) for z below zero."""
    near, w = jnp.maximum(z, FAR), 1 / jnp.square(jnp.minimum(z, FAR))
    series = 1 - w * (1 - 3 * w * (1 - 5 * w * (1 - 7 * w * (1 - 9 * w))))
    far = jnp.log(series) - jnp.log(-jnp.minimum(z, FAR) * ROOT_TWO_PI)
    return jnp.where(z < FAR, far, log_ndtr(near) + jnp.square(near) / 2)
