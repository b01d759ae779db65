"""Parallel streams: P forward passes at once act like a larger model (ParScale)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.powers import above_floor
from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class Parallel(CentredLaw):
    r"""A model run in P streams is worth one of N (k ln P + 1) parameters.

    $$ L(N, P) = E + \left(\frac{A}{N\,(k \ln P + 1)}\right)^{\alpha} $$

    (Chen et al. 2025, arXiv:2505.10475, eq. 5, at one number of training tokens.)  The
    unknowns are the loss of one stream at the reference size, the share of it that is
    floor, alpha, and k, here `stream_worth`; printed are 0.39 (code) and 0.33 (text).
    """

    N0: float = centre_of("N", 1e9)  # parameters of the reference model
    inputs = ("N", "P")  # parameters and streams
    response = LOG_LOSS
    words: ClassVar = {
        "stream_worth": "k: what ln P of parallel streams adds to a model's size, in sizes",
    }
    # six sizes in one to eight streams
    example: ClassVar = {
        "N": np.tile(np.geomspace(5e8, 4.4e9, 6), 4),
        "P": np.repeat([1.0, 2.0, 4.0, 8.0], 6),
    }

    def priors(self) -> dict[str, Prior]:
        """Level, floor, exponent, and what a stream is worth."""
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "alpha": dist.LogNormal(np.log(0.25), 0.5),
            "stream_worth": dist.LogNormal(np.log(0.35), 0.8),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run."""
        worth = jnp.log1p(params["stream_worth"] * jnp.log(x["P"]))
        falling = jnp.exp(-params["alpha"] * (jnp.log(x["N"] / self.N0) + worth))
        return jnp.log(above_floor(params["level"], params["floor_share"], falling))

    def derived(self, params: Params) -> Derived:
        """Return E and A as they are printed, A in parameters."""
        level, share = params["level"], params["floor_share"]
        A = self.N0 * (level * (1 - share)) ** (1 / params["alpha"])
        return {"E": level * share, "A": A}
