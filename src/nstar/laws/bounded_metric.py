"""A bounded metric against compute: from chance down to a floor (CLIP and its kin)."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.reference_run import CentredLaw, centre_of
from nstar.responses.scales import METRIC
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class BoundedMetric(CentredLaw):
    r"""An error leaves chance, falls as a power of compute, and saturates at a floor.

    $$ e(C) = d + (u - d)\,(1 + C / b)^{-\gamma} $$

    LAION's form a (C + b)^c + d (Nezhurina et al. 2025, arXiv:2506.04598, sec. 3), written by
    the error u of guessing, which that form reaches at C = 0, so that no draw leaves
    (0, 1); with b and d at zero it is the power law of Cherti et al. (2022,
    arXiv:2212.07143).  The unknowns are what runs near the reference pin by themselves:
    the error there, and how fast its log falls with that of compute where the bend is
    far, (1 - share) gamma; and what they do not: the share of the error that is floor,
    and how much of the room above it the error of guessing has, unless that is known.
    b follows.
    """

    C0: float = centre_of("C", 1e20)  # FLOP of the reference run
    chance: float | None = None  # accuracy of guessing, where it is known
    inputs = ("C",)
    response = METRIC
    words: ClassVar = {
        "error": "error at the reference model",
        "error_floor_share": "share of the reference error that nothing removes",
        "slope": "fall of the log of the error with that of compute, at the reference",
        "chance_room": "share of the room above the reference error that guessing has",
        "chance_error": "error of guessing",
        "bend_compute": "FLOP at which the error has left guessing",
        "error_floor": "error that no compute removes",
    }
    example: ClassVar = {"C": np.geomspace(1e16, 1e21, 20)}

    def priors(self) -> dict[str, Prior]:
        """Any error and floor, a slope as published, and an error of guessing near one.

        Cherti et al. print slopes of 0.02 to 0.19, LAION exponents of 0.23 and 0.26.
        """
        room = {"chance_room": dist.Beta(4.0, 1.0)} if self.chance is None else {}
        return {
            "error": dist.Beta(1.0, 1.0),
            "error_floor_share": dist.Beta(1.0, 1.5),
            "slope": dist.LogNormal(np.log(0.12), 0.7),
            **room,
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Error of each run."""
        top, floor = self.top(params), params["error"] * params["error_floor_share"]
        grown = jnp.logaddexp(0.0, jnp.log(x["C"] / self.C0) + self._log_bend(params))
        return floor + (top - floor) * jnp.exp(-self.gamma(params) * grown)

    def gamma(self, params: Params) -> Float[Array, "..."]:
        """Exponent of the falling part."""
        return params["slope"] / (1 - params["error_floor_share"])

    def top(self, params: Params) -> Float[Array, "..."]:
        """Error of guessing, u: never below that at the reference."""
        error = params["error"]
        room = params["chance_room"] if self.chance is None else 1.0
        most = 1.0 if self.chance is None else 1.0 - self.chance
        return error + jnp.maximum(most - error, 0.0) * room

    def _log_bend(self, params: Params) -> Float[Array, "..."]:
        """Log of C0 / b: (1 + C0/b)^-gamma is how far the reference run has come."""
        error, share = params["error"], params["error_floor_share"]
        fallen = (
            jnp.log(self.top(params) - error * share)
            - jnp.log(error)
            - jnp.log1p(-share)
        )
        t = jnp.maximum(fallen / self.gamma(params), 1e-9)
        return t + jnp.log(-jnp.expm1(-t))

    def derived(self, params: Params) -> Derived:
        """Return gamma, LAION's b, in FLOP, and d; the error of guessing where unknown."""
        top = {} if self.chance is not None else {"chance_error": self.top(params)}
        return top | {
            "gamma": self.gamma(params),
            "bend_compute": self.C0 * jnp.exp(-self._log_bend(params)),
            "error_floor": params["error"] * params["error_floor_share"],
        }
