"""A bounded metric against compute: from chance down to a floor (CLIP and its kin)."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpyro.distributions as dist

from nstar import sigmoid
from nstar.laws.centre import centre
from nstar.responses import METRIC
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class BoundedMetric:
    r"""An error leaves chance, falls as a power of compute, and saturates at a floor.

    $$ e(C) = d + (u - d)\,(1 + C / b)^{-\gamma} $$

    LAION's form a (C + b)^c + d (Nezhurina et al. 2025, arXiv:2506.04598, sec. 3), told by
    the error u of guessing, which that form reaches at C = 0, so that no draw leaves
    (0, 1); with b and d at zero it is the power law of Cherti et al. (2022,
    arXiv:2212.07143).  The unknowns are the error at the reference compute as a share of
    u, the share of that which is floor, gamma, and u, near `1 - chance` where that is
    known; b follows.
    """

    C0: float = 1e20  # FLOP of the reference run
    chance: float | None = None  # accuracy of guessing, where it is known

    @property
    def inputs(self) -> tuple[str, ...]:
        """Compute."""
        return ("C",)

    @property
    def response(self) -> Response:
        """The error."""
        return METRIC

    def at(self, x: Inputs, cost: Cost) -> "BoundedMetric":
        """Put the reference at the geometric centre of the runs."""
        return replace(self, C0=centre(x["C"]))

    def priors(self) -> dict[str, Prior]:
        """A fall by any part, with exponents about those of Cherti and LAION.

        They print 0.02 to 0.26 (0.24 with the floor and the bend); the error of guessing
        is likely near one.
        """
        top = dist.Beta(8.0, 0.5)
        if self.chance is not None:
            sure = sigmoid.SURE
            top = dist.Beta(1 + sure * (1 - self.chance), 1 + sure * self.chance)
        return {
            "chance_error": top,
            "error_share": dist.Beta(1.0, 1.0),
            "error_floor_share": dist.Beta(1.0, 1.5),
            "gamma": dist.LogNormal(jnp.log(0.2), 0.6),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Error of each run."""
        top, floor, gamma = params["chance_error"], self.floor_of(params), params["gamma"]  # fmt: skip
        bend = self._log_bend(params)
        grown = jnp.logaddexp(0.0, jnp.log(x["C"] / self.C0) + bend)
        return floor + (top - floor) * jnp.exp(-gamma * grown)

    def floor_of(self, params: Params) -> Array:
        """Error that no compute removes, d."""
        return params["chance_error"] * params["error_share"] * params["error_floor_share"]  # fmt: skip

    def _log_bend(self, params: Params) -> Array:
        """Log of C0 / b: (1 + C0/b)^-gamma is how far the reference run has come."""
        here, share = params["error_share"], params["error_floor_share"]
        fallen = jnp.log1p(-here * share) - jnp.log(here) - jnp.log1p(-share)
        t = jnp.maximum(fallen / params["gamma"], 1e-9)
        return t + jnp.log(-jnp.expm1(-t))

    def derived(self, params: Params) -> dict[str, Array]:
        """Return LAION's b, in FLOP, and d."""
        return {"b": self.C0 * jnp.exp(-self._log_bend(params)), "d": self.floor_of(params)}  # fmt: skip
