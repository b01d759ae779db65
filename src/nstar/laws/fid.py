"""FID of diffusion models against the compute of one forward pass."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.powers import above_floor, power
from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses.scales import LOG_FID
from nstar.types import Array, Inputs, Params, Prior


@dataclass(frozen=True)
class Fid(CentredLaw):
    r"""FID falls to a floor as a power of the forward pass's FLOP.

    $$ \mathrm{FID}(G) = F + c\,G^{-\gamma} $$

    (The trend of Peebles & Xie 2023, arXiv:2212.09748, fig. 8; Liang et al. 2024,
    arXiv:2410.08184, fit the power without floor against training compute, gamma 0.234.)
    Twelve models say little of the floor, which mostly is its prior.  FID is biased in
    the number of images and no proper score: compare like with like.
    """

    G0: float = centre_of("forward_flop", 1e10)  # FLOP of the reference model
    inputs = ("forward_flop",)
    response = LOG_FID
    words: ClassVar = {
        "fid": "FID at the reference compute",
        "fid_floor_share": "share of that FID which no compute removes",
    }
    example: ClassVar = {"forward_flop": np.geomspace(7e8, 2.4e11, 12)}

    def priors(self) -> dict[str, Prior]:
        """FID of any size, a floor likely far below it, and an exponent as others'."""
        return {
            "fid": dist.LogNormal(np.log(30.0), 1.0),
            "fid_floor_share": dist.Beta(0.5, 3.0),
            "gamma": dist.LogNormal(np.log(0.3), 0.6),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log FID of each model."""
        falling = power(x["forward_flop"] / self.G0, -params["gamma"])
        return jnp.log(above_floor(params["fid"], params["fid_floor_share"], falling))
