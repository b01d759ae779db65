"""Mixtures of experts: parameters a token does not meet still count for something."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.chinchilla import Chinchilla
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Experts:
    r"""Hoffmann's surface at an effective size between active and total.

    $$ \log \hat N = \log N + \left(\eta - \kappa \log\frac{N}{N_0}\right) \log \hat r, \quad
       \hat r = \frac{r\,(r_s + 1)}{r + r_s}, \quad r = \frac{N_{total}}{N}, \quad
       L = E + A \hat N^{-\alpha} + B D^{-\beta} $$

    N counts the parameters active for one token, which is what 6ND charges.  Bilinear
    in log size and log expansion as the effective parameter count of Clark et al. (2022,
    arXiv:2202.01169, eq. 7), told of r in place of the number of experts, so that
    layers without experts need no convention; r saturates at r_s + 1 as their count of
    experts does at E_max.  Their law is the case E = 0, B = 0.  More active parameters
    help as long as kappa log r is below one.
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run
    expansion: float = 1.0  # total over active parameters where no table says

    @property
    def inputs(self) -> tuple[str, ...]:
        """Active parameters, tokens and total parameters."""
        return ("N", "D", "total_params")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Experts":
        """Put the reference run, dense, at the centre; mixtures are usual as in the runs."""
        N0, D0 = centre(x["N"]), centre(x["D"])
        return replace(self, N0=N0, D0=D0, expansion=centre(x["total_params"]) / N0)

    def usual(self, N: Array, D: Array) -> Inputs:
        """Expand as the runs do on geometric average."""
        return {"N": N, "D": D, "total_params": N * self.expansion}

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, of dense runs, and the worth of experts.

        Clark's three routers have eta 0.4 to 0.5 at 1e8 parameters, kappa 0.05 to 0.06
        and saturate at 300 to 500 experts, in every other layer.  An inactive parameter
        cannot be worth more than an active one: eta is below one.
        """
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "expert_worth": dist.Beta(3.0, 3.5),
            "expert_fade": dist.LogNormal(np.log(0.04), 0.6),
            "expert_limit": dist.LogNormal(np.log(100.0), 1.0),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self._loss(params, x))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Loss of a mixture of the usual expansion."""
        return self._loss(params, self.usual(N, D))

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """Hoffmann's E, A, B, alpha and beta of dense runs."""
        return self._dense().derived(params)

    def _loss(self, params: Params, x: Inputs) -> Array:
        N = self.effective(params, x["N"], x["total_params"])
        return self._dense().loss(params, N, x["D"])

    def effective(self, params: Params, N: Array, total: Array) -> Array:
        """Size of a dense model as good as one of N active parameters of so many."""
        r, limit = total / N, params["expert_limit"]
        worth = params["expert_worth"] - params["expert_fade"] * jnp.log(N / self.N0)
        return N * jnp.exp(worth * jnp.log(r * (limit + 1) / (r + limit)))

    def _dense(self) -> Chinchilla:
        return Chinchilla(self.N0, self.D0)
