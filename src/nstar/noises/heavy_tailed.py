"""The Student-t distribution, its constant by a short series that compiles to little."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Float

from nstar.types import Array

STEPS = 8  # of the recurrence, after which the series is exact to 1e-13
SERIES = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432, 691 / 180224)


class HeavyTailed(dist.StudentT):
    """NumPyro's Student-t; only the normalising constant is worked out otherwise."""

    def log_prob(
        self, value: ArrayLike, intermediates: list[Any] | None = None
    ) -> Array:
        """Log density."""
        z = (value - self.loc) / self.scale
        nu = self.df
        constant = log_gamma_ratio(nu / 2) - jnp.log(nu * math.pi) / 2
        constant = constant - jnp.log(self.scale)
        return constant - (nu + 1) / 2 * jnp.log1p(jnp.square(z) / nu)


def log_gamma_ratio(z: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    r"""$\log\Gamma(z + \tfrac12) - \log\Gamma(z)$ for positive z.

    By the recurrence of Gamma to z + 8, and from there by the asymptotic series
    (Tricomi & Erdelyi 1951, doi:10.2140/pjm.1951.1.133).
    """
    z = jnp.asarray(z)
    below = z[..., None] + np.arange(STEPS)
    short = jnp.sum(jnp.log1p(0.5 / below), axis=-1)
    far = z + STEPS
    power, left = 1 / far, 0.0
    for coefficient in SERIES:
        left, power = left + coefficient * power, power / jnp.square(far)
    return jnp.log(far) / 2 + left - short
