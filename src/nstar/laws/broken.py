"""A surface whose reducible loss breaks: it falls faster or slower from some scale on."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.laws.exponents import exponents
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Broken:
    r"""Hoffmann's two terms under one smoothly broken power.

    $$ L = E + R \left(\frac{1 + (\chi/\chi_b)^{1/f}}{1 + \chi_b^{-1/f}}\right)^{-\gamma (\rho - 1) f}, \quad
       R = A N^{-\alpha} + B D^{-\beta}, \quad \chi = (R/R_0)^{-1/\gamma} $$

    (the smoothly broken law of Caballero et al. 2023, arXiv:2210.14891, eq. 1, one
    break.)  With $\gamma = \alpha\beta/(\alpha+\beta)$, $\chi$ is compute in units of what
    the reference run would need if made optimally; along optimal runs the reducible
    loss falls with exponent gamma before the break and rho gamma after it.  The break
    is a function of R alone, so it moves the loss of an extrapolation and leaves
    N*(C) = A1 C^alpha1 where it is.
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run
    spread: float = 2.0  # sd of log N + log D over the runs

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size and data."""
        return ("N", "D")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Broken":
        """Put the reference run at the geometric centre, and measure the range."""
        both = np.log(np.asarray(x["N"], float)) + np.log(np.asarray(x["D"], float))
        spread = max(float(np.std(both)), 0.5)
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]), spread=spread)

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and a break within or somewhat beyond the runs.

        Runs spread evenly reach 1.7 sd from their centre, so a third of the breaks lies
        outside.  The slope changes by a factor that is as likely to be above one as
        below; the turn takes about a factor e to either side.
        """
        return {
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            "size_share": priors.size_share(),
            "alpha1": priors.alpha1(),
            "exponent_sum": priors.exponent_sum(),
            "break_at": dist.Normal(0.0, 1.7 * self.spread),
            "break_ratio": dist.LogNormal(0.0, 0.3),
            "break_width": dist.LogNormal(0.0, 0.4),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self.loss(params, x["N"], x["D"]))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Bend the log of the reducible sum, then add the floor."""
        alpha, beta = exponents(params)
        size, share = params["size_share"], params["floor_share"]
        R = size * jnp.exp(-alpha * jnp.log(N / self.N0)) + (1 - size) * jnp.exp(
            -beta * jnp.log(D / self.D0)
        )
        gamma = alpha * beta / (alpha + beta)
        at, f = params["break_at"], params["break_width"]
        turned = _softplus((-jnp.log(R) / gamma - at) / f) - _softplus(-at / f)
        bent = R * jnp.exp(-gamma * (params["break_ratio"] - 1) * f * turned)
        return params["level"] * (share + (1 - share) * bent)

    def floor(self, params: Params) -> Array:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> dict[str, Array]:
        """E, the exponents, and those of L* - E in compute before and after the break."""
        alpha, beta = exponents(params)
        gamma = alpha * beta / (alpha + beta)
        return {
            "E": self.floor(params),
            "alpha": alpha,
            "beta": beta,
            "gamma_before": gamma,
            "gamma_after": gamma * params["break_ratio"],
        }


def _softplus(u: Array) -> Array:
    """log(1 + e^u) where e^u may overflow."""
    return jnp.maximum(u, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(u)))
