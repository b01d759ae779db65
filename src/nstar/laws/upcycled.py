"""Sparse upcycling: a mixture of experts that starts from a trained dense model."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.effective_surface import EffectiveSurface
from nstar.laws.examples import MIXTURES, PROFILES, cycled
from nstar.laws.powers import power
from nstar.laws.reference_run import centre_of
from nstar.types import Array, Inputs, Params, Prior


@dataclass(frozen=True)
class Upcycled(EffectiveSurface):
    r"""Hoffmann's surface at what parameters and both trainings' tokens are worth.

    $$ L = E + A \hat N^{-\alpha} + B \hat D^{-\beta}, \qquad
       \hat N = N \left(\frac{N_{total}}{N}\right)^{\eta}, \qquad
       \hat D = D + \omega D_1 $$

    N counts the parameters active for one token, D the tokens that the mixture itself
    sees and D1 those of its dense parent.  Data of both trainings and their interplay are
    measured by Liew et al. (2025, arXiv:2502.03009), who multiply powers of both; a sum
    needs no product where the parent was hardly trained, and is a run from scratch at
    D1 = 0.  An inactive parameter is worth less than an active one, a parent's token at
    most about one of the mixture's.
    """

    # total over active parameters, and tokens of the dense parent, where no table says
    expansion: float = centre_of("total_params", 1.0, over="N")
    parent: float = centre_of("dense_tokens", 0.0)
    inputs = ("N", "D", "total_params", "dense_tokens")
    words: ClassVar = {
        "parent_worth": "worth of a dense parent's token, in the mixture's own",
    }
    example: ClassVar = MIXTURES | {
        "dense_tokens": PROFILES["D"] * cycled(0.1, 1.0, 5.0, 0.4, 2.0, 1.0, 0.1)
    }

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Expand, and train the parent, as the runs do on geometric average."""
        return {
            "N": N,
            "D": D,
            "total_params": N * self.expansion,
            "dense_tokens": self.parent + 0 * D,
        }

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, the worth of experts, and that of the parent's tokens."""
        return {
            **priors.additive(),
            "expert_worth": dist.Beta(3.0, 3.5),
            "parent_worth": dist.LogNormal(np.log(0.4), 0.7),
        }

    def effective(
        self, params: Params, x: Inputs
    ) -> tuple[Float[Array, "*#runs"], Float[Array, "*#runs"]]:
        """Return the size of a dense model, and its tokens from scratch, that do as well."""
        N, D = x["N"], x["D"] + params["parent_worth"] * x["dense_tokens"]
        return N * power(x["total_params"] / N, params["expert_worth"]), D
