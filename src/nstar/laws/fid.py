"""FID of diffusion models against the compute of one forward pass."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws.centre import centre
from nstar.responses.scales import LOG_FID
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Fid:
    r"""FID falls to a floor as a power of the forward pass's FLOP.

    $$ \mathrm{FID}(G) = F + c\,G^{-\gamma} $$

    (The trend of Peebles & Xie 2023, arXiv:2212.09748, fig. 8; Liang et al. 2024,
    arXiv:2410.08184, fit the power without floor against training compute, gamma 0.234.)
    Twelve models say little of the floor, which mostly is its prior.  FID is biased in
    the number of images and no proper score: compare like with like.
    """

    G0: float = 1e10  # FLOP of the reference model's forward pass

    @property
    def inputs(self) -> tuple[str, ...]:
        """FLOP of a forward pass."""
        return ("forward_flop",)

    @property
    def response(self) -> Response:
        """The log of the FID."""
        return LOG_FID

    def at(self, x: Inputs, cost: Cost) -> "Fid":
        """Put the reference at the geometric centre of the models."""
        return replace(self, G0=centre(x["forward_flop"]))

    def priors(self) -> dict[str, Prior]:
        """FID of any size, a floor likely far below it, and an exponent as others'."""
        return {
            "fid": dist.LogNormal(np.log(30.0), 1.0),
            "fid_floor_share": dist.Beta(0.5, 3.0),
            "gamma": dist.LogNormal(np.log(0.3), 0.6),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log FID of each model."""
        share = params["fid_floor_share"]
        power = jnp.exp(-params["gamma"] * jnp.log(x["forward_flop"] / self.G0))
        return jnp.log(params["fid"] * (share + (1 - share) * power))
