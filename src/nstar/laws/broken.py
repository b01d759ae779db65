"""A surface whose reducible loss breaks: it falls faster or slower from some scale on."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.powers import above_floor, exponents, power
from nstar.laws.reference_run import from_runs
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class Broken(LossSurface):
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

    # sd of log N + log D over the runs
    spread: float = from_runs(2.0, lambda x, _: _spread(x))
    words: ClassVar = {
        "break_at": "log compute of the break, from the reference run's",
        "break_ratio": "exponent after the break over that before",
        "break_width": "width of the break in log compute",
        "gamma_before": "exponent of L* - E in C before the break",
        "gamma_after": "exponent of L* - E in C after the break",
    }

    def priors(self) -> dict[str, Prior]:
        """Those of the additive law, and a break within or somewhat beyond the runs.

        Runs spread evenly reach 1.7 sd from their centre, so a third of the breaks lies
        outside.  The slope changes by a factor that is as likely to be above one as
        below; the turn takes about a factor e to either side.
        """
        return {
            **priors.additive(),
            "break_at": dist.Normal(0.0, 1.7 * self.spread),
            "break_ratio": dist.LogNormal(0.0, 0.3),
            "break_width": dist.LogNormal(0.0, 0.4),
        }

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Bend the log of the reducible sum, then add the floor."""
        alpha, beta = exponents(params)
        size = params["size_share"]
        by_size, by_data = power(N / self.N0, -alpha), power(D / self.D0, -beta)
        R = size * by_size + (1 - size) * by_data
        gamma = alpha * beta / (alpha + beta)
        at, f = params["break_at"], params["break_width"]
        turned = _softplus((-jnp.log(R) / gamma - at) / f) - _softplus(-at / f)
        bent = R * jnp.exp(-gamma * (params["break_ratio"] - 1) * f * turned)
        return above_floor(params["level"], params["floor_share"], bent)

    def derived(self, params: Params) -> Derived:
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


def _softplus(u: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """log(1 + e^u) where e^u may overflow."""
    return jnp.maximum(u, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(u)))


def _spread(x: Inputs) -> float:
    """Standard deviation of log N + log D over the runs, at least a half."""
    both = np.log(np.asarray(x["N"], float)) + np.log(np.asarray(x["D"], float))
    return max(float(np.std(both)), 0.5)
