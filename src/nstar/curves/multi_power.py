"""The multi-power law: each fall of the learning rate takes loss off by a power of what follows."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from nstar.curves.laws import Bell, Parts, Unknowns, decays, lag, powers, travel
from nstar.curves.progress import Paths


@dataclass(frozen=True)
class MultiPower:
    r"""Loss falls with the area under the learning rate, and by each of its falls.

    $$ L(t) = E + a\,S(t)^{-\alpha}
       - b \sum_k (\eta_{k-1} - \eta_k)\,\bigl(1 - (1 + c\,\eta_k^{-\gamma} S_k(t))^{-\beta}\bigr) $$

    with S_k(t) the area since fall k (Luo et al. 2025, arXiv:2503.12811, eq. 1 to 4), the
    learning rate in units of the largest, the area in units of the longest run.  With
    `paced`, S is the area under $\eta^\kappa$, and a fall is one of $\eta^\nu$: at half the
    learning rate a run goes more than half as fast, and more than half of the loss that
    decay takes off is still there.  The published $\kappa = \nu = 1$ lets long cosines end
    too low; Llama-style curves have about a half and .85 (25M, 100M), and OLMo's ladder
    (190M to 1B, arXiv:2412.04403), whose schedule is assumed, .75 for $\nu$.
    """

    paced: bool = True

    def priors(self, loss: float) -> dict[str, Bell]:
        """Exponents about those that the paper has for three sizes."""
        pace = {"pace": Bell(0.5, 0.1), "fall_power": Bell(0.85, 0.12)}
        return (
            powers(loss)
            | {
                "log_reach": Bell(float(np.log(600.0)), 1.5),
                "log_beta": Bell(0.0, 0.4),
                "gamma": Bell(0.5, 0.15),
            }
            | (pace if self.paced else {})
        )

    def parts(self, p: Unknowns, paths: Paths) -> Parts:
        """The loss of curves, (curve, point)."""
        progress, slope, area = travel(p, paths)
        fall, rate = decays(paths, p.get("fall_power", 1.0))
        reach = jnp.exp(p["log_reach"]) * rate ** -p["gamma"]
        behind = lag(paths, area)
        done = 1 - (1 + reach[:, None, :] * behind) ** -jnp.exp(p["log_beta"])
        taken = jnp.exp(p["log_decay"]) * jnp.einsum("cpk,ck->cp", done, fall)
        return Parts(progress, taken, slope)
