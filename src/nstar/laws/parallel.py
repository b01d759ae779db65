"""Parallel streams: P forward passes at once act like a larger model (ParScale)."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Parallel:
    r"""A model run in P streams is worth one of N (k ln P + 1) parameters.

    $$ L(N, P) = E + \left(\frac{A}{N\,(k \ln P + 1)}\right)^{\alpha} $$

    (Chen et al. 2025, arXiv:2505.10475, eq. 5, at one number of training tokens.)  The
    unknowns are the loss of one stream at the reference size, the share of it that is
    floor, alpha, and k, here `stream_worth`; printed are 0.39 (code) and 0.33 (text).
    """

    N0: float = 1e9  # parameters of the reference model

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size and streams."""
        return ("N", "P")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Parallel":
        """Put the reference at the geometric centre of the sizes."""
        return replace(self, N0=centre(x["N"]))

    def priors(self) -> dict[str, Prior]:
        """Level, floor, exponent, and what a stream is worth."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "alpha": dist.LogNormal(np.log(0.25), 0.5),
            "stream_worth": dist.LogNormal(np.log(0.35), 0.8),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        share = params["floor_share"]
        worth = jnp.log1p(params["stream_worth"] * jnp.log(x["P"]))
        power = jnp.exp(-params["alpha"] * (jnp.log(x["N"] / self.N0) + worth))
        return jnp.log(params["level"] * (share + (1 - share) * power))

    def derived(self, params: Params) -> dict[str, Array]:
        """Return E and A as they are printed, A in parameters."""
        level, share = params["level"], params["floor_share"]
        A = self.N0 * (level * (1 - share)) ** (1 / params["alpha"])
        return {"E": level * share, "A": A}
