"""Training in few bits: a parameter of low precision is worth a fraction of one."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.chinchilla import Chinchilla
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response

FULL = 16.0  # bits; BF16 is the baseline of every study


@dataclass(frozen=True)
class Precision:
    r"""Hoffmann's surface at the parameters that the bits leave.

    $$ N' = N \left(1 - e^{-P_w/\gamma_w}\right)^{m_w} \left(1 - e^{-P_a/\gamma_a}\right)^{m_a},
       \qquad L = E + A N'^{-\alpha} + B D^{-\beta} $$

    (Kumar et al. 2024, arXiv:2411.04330, who have m = 1; P in bits of weights and of
    activations.)  With m = 1 two bits are worth at least a third of eight, where
    Panferov et al. (2025, QuEST, arXiv:2502.05003) measure 0.02, 0.15, 0.43, 0.69 and
    1.02 at 1, 2, 3, 4 and 8 bits of both: the powers m let the fall be as steep.
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size, data, and bits of weights and activations."""
        return ("N", "D", "weight_bits", "activation_bits")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Precision":
        """Put the reference run, of endless bits, at the geometric centre of the runs."""
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]))

    def usual(self, N: Array, D: Array) -> Inputs:
        """Train in sixteen bits."""
        bits = jnp.full_like(N, FULL, dtype=float)
        return {"N": N, "D": D, "weight_bits": bits, "activation_bits": bits}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and how fast bits are missed.

        QuEST's five fractions, shared evenly by weights and activations, are met by
        gamma = 1.5 bits and m = 2.6; Kumar has 2.2 to 2.7 bits.
        """
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "weight_decay_bits": dist.LogNormal(np.log(1.8), 0.4),
            "weight_power": dist.LogNormal(np.log(1.6), 0.5),
            "activation_decay_bits": dist.LogNormal(np.log(1.8), 0.4),
            "activation_power": dist.LogNormal(np.log(1.6), 0.5),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self._loss(params, x))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Loss of a run in sixteen bits."""
        return self._loss(params, self.usual(N, D))

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """Hoffmann's numbers, and what parameters of four bits are worth."""
        four = self.worth(params, jnp.asarray(4.0), jnp.asarray(4.0))
        return self._full().derived(params) | {"worth_of_4_bits": four}

    def _loss(self, params: Params, x: Inputs) -> Array:
        worth = self.worth(params, x["weight_bits"], x["activation_bits"])
        return self._full().loss(params, x["N"] * worth, x["D"])

    def worth(self, params: Params, weight: Array, activation: Array) -> Array:
        """Parameters of full precision that one of so many bits does for."""
        w = -jnp.expm1(-weight / params["weight_decay_bits"])
        a = -jnp.expm1(-activation / params["activation_decay_bits"])
        return w ** params["weight_power"] * a ** params["activation_power"]

    def _full(self) -> Chinchilla:
        return Chinchilla(self.N0, self.D0)
