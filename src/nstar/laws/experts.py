"""Mixtures of experts: parameters a token does not meet still count for something."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.effective_surface import EffectiveSurface
from nstar.laws.examples import MIXTURES
from nstar.laws.powers import power
from nstar.laws.reference_run import centre_of
from nstar.types import Array, Inputs, Params, Prior


@dataclass(frozen=True)
class Experts(EffectiveSurface):
    r"""Hoffmann's surface at an effective size between active and total.

    $$ \log \hat N = \log N + \left(\eta - \kappa \log\frac{N}{N_0}\right) \log \hat r, \quad
       \hat r = \frac{r\,(r_s + 1)}{r + r_s}, \quad r = \frac{N_{total}}{N}, \quad
       L = E + A \hat N^{-\alpha} + B D^{-\beta} $$

    N counts the parameters active for one token, which is what 6ND charges.  Bilinear
    in log size and log expansion as the effective parameter count of Clark et al. (2022,
    arXiv:2202.01169, eq. 7), stated of r in place of the number of experts, so that
    layers without experts need no convention; r saturates at r_s + 1 as their count of
    experts does at E_max.  Their law is the case E = 0, B = 0.  More active parameters
    help as long as kappa log r is below one.
    """

    # total over active parameters where no table says
    expansion: float = centre_of("total_params", 1.0, over="N")
    inputs = ("N", "D", "total_params")
    words: ClassVar = {
        "expert_worth": "exponent of the effective size in total over active",
        "expert_fade": "its fall with log N",
        "expert_limit": "expansion at which experts saturate",
    }
    example: ClassVar = MIXTURES

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Expand as the runs do on geometric average."""
        return {"N": N, "D": D, "total_params": N * self.expansion}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, of dense runs, and the worth of experts.

        Clark's three routers have eta 0.4 to 0.5 at 1e8 parameters, kappa 0.05 to 0.06
        and saturate at 300 to 500 experts, in every other layer.  An inactive parameter
        cannot be worth more than an active one: eta is below one.
        """
        return {
            **priors.additive(),
            "expert_worth": dist.Beta(3.0, 3.5),
            "expert_fade": dist.LogNormal(np.log(0.04), 0.6),
            "expert_limit": dist.LogNormal(np.log(100.0), 1.0),
        }

    def effective(
        self, params: Params, x: Inputs
    ) -> tuple[Float[Array, "*#runs"], Float[Array, "*#runs"]]:
        """Return the size of a dense model that does as well, and its tokens."""
        N, limit = x["N"], params["expert_limit"]
        r = x["total_params"] / N
        worth = params["expert_worth"] - params["expert_fade"] * jnp.log(N / self.N0)
        return N * power(r * (limit + 1) / (r + limit), worth), x["D"]
