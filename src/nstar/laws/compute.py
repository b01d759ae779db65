"""Loss against compute alone, with a floor: for runs that were each made optimally."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.examples import PROFILES
from nstar.laws.powers import above_floor, power
from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class Compute(CentredLaw):
    r"""The least loss of a budget falls to a floor as a power of it.

    $$ L(C) = E + F C^{-\gamma} $$

    (Henighan et al. 2020, arXiv:2010.14701, table 1; Kaplan et al. 2020 with E = 0.)
    It knows nothing of N and D, so it has no allocation: it is for runs that lie on one
    line, and for domains where only compute was kept.
    """

    C0: float = centre_of("C", 1e21)  # FLOP, the reference budget
    inputs = ("C",)
    response = LOG_LOSS
    words: ClassVar = {
        "gamma": "exponent in C of the part that falls",
        "F": "falling term at C = 1",
    }
    example: ClassVar = PROFILES

    def priors(self) -> dict[str, Prior]:
        """Level, floor and exponent.

        L*(C) of the additive fits falls with alpha beta / (alpha + beta), 0.1 to 0.2;
        Henighan's twelve domains have 0.10 to 0.19 with a floor and 0.05 without.
        """
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "gamma": dist.LogNormal(np.log(0.15), 0.5),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run."""
        falling = power(x["C"] / self.C0, -params["gamma"])
        return jnp.log(above_floor(params["level"], params["floor_share"], falling))

    def derived(self, params: Params) -> Derived:
        """Return the floor and the falling term at C = 1."""
        reducible = params["level"] * (1 - params["floor_share"])
        return {
            "E": params["level"] * params["floor_share"],
            "F": reducible * self.C0 ** params["gamma"],
        }
