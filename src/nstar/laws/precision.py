"""Training in few bits: a parameter of low precision is worth a fraction of one."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.effective_surface import EffectiveSurface
from nstar.laws.examples import PROFILES, cycled
from nstar.types import Array, Derived, Inputs, Params, Prior

FULL = 16.0  # bits; BF16 is the baseline of every study


@dataclass(frozen=True)
class Precision(EffectiveSurface):
    r"""Hoffmann's surface at the parameters that the bits leave.

    $$ N' = N \left(1 - e^{-P_w/\gamma_w}\right)^{m_w} \left(1 - e^{-P_a/\gamma_a}\right)^{m_a},
       \qquad L = E + A N'^{-\alpha} + B D^{-\beta} $$

    (Kumar et al. 2024, arXiv:2411.04330, who have m = 1; P in bits of weights and of
    activations.)  With m = 1 two bits are worth at least a third of eight, where
    Panferov et al. (2025, QuEST, arXiv:2502.05003) measure 0.02, 0.15, 0.43, 0.69 and
    1.02 at 1, 2, 3, 4 and 8 bits of both: the powers m let the fall be as steep.
    """

    inputs = ("N", "D", "weight_bits", "activation_bits")
    words: ClassVar = {
        "weight_decay_bits": "bits over which weights lose their worth",
        "weight_power": "power of that loss",
        "activation_decay_bits": "bits over which activations lose their worth",
        "activation_power": "power of that loss",
        "worth_of_4_bits": "full parameters one of 4 bits does for",
    }
    example: ClassVar = PROFILES | {
        "weight_bits": cycled(16.0, 2.0, 4.0, 1.0, 3.0),
        "activation_bits": cycled(16.0, 8.0, 3.0, 16.0, 4.0, 2.0, 1.0),
    }

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Train in sixteen bits."""
        bits = jnp.full_like(N, FULL, dtype=float)
        return {"N": N, "D": D, "weight_bits": bits, "activation_bits": bits}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and how fast bits are missed.

        QuEST's five fractions, shared evenly by weights and activations, are met by
        gamma = 1.5 bits and m = 2.6; Kumar has 2.2 to 2.7 bits.
        """
        return {
            **priors.additive(),
            "weight_decay_bits": dist.LogNormal(np.log(1.8), 0.4),
            "weight_power": dist.LogNormal(np.log(1.6), 0.5),
            "activation_decay_bits": dist.LogNormal(np.log(1.8), 0.4),
            "activation_power": dist.LogNormal(np.log(1.6), 0.5),
        }

    def derived(self, params: Params) -> Derived:
        """Hoffmann's numbers, and what parameters of four bits are worth."""
        four = self.worth(params, jnp.asarray(4.0), jnp.asarray(4.0))
        return super().derived(params) | {"worth_of_4_bits": four}

    def effective(
        self, params: Params, x: Inputs
    ) -> tuple[Float[Array, "*#runs"], Float[Array, "*#runs"]]:
        """Return the parameters that the bits leave, and the tokens."""
        worth = self.worth(params, x["weight_bits"], x["activation_bits"])
        return x["N"] * worth, x["D"]

    def worth(
        self,
        params: Params,
        weight: Float[Array, "*#runs"],
        activation: Float[Array, "*#runs"],
    ) -> Float[Array, "*runs"]:
        """Parameters of full precision that one of so many bits does for."""
        w = -jnp.expm1(-weight / params["weight_decay_bits"])
        a = -jnp.expm1(-activation / params["activation_decay_bits"])
        return w ** params["weight_power"] * a ** params["activation_power"]
