"""The annealing-area law: momentum of the learning rate's falls takes loss off."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from nstar.curves.laws import Bell, Parts, Unknowns, decays, lag, powers, travel
from nstar.curves.progress import Paths


@dataclass(frozen=True)
class AnnealingArea:
    r"""Loss falls with the area under the learning rate, and with the annealing area.

    $$ L(s) = E + a\,S_1^{-\alpha} - C S_2, \qquad
       S_2 = \sum_{i \le s} \sum_{k \le i} (\eta_{k-1} - \eta_k)\,\lambda^{i - k} $$

    (Tissue et al. 2024, arXiv:2408.11029, eq. 1).  The inner sums over i are closed:
    a fall n steps ago has given $(1 - \lambda^n) / (1 - \lambda)$ of itself, so that
    b = C / (1 - λ) is what a fall of all the learning rate takes off in the end.
    """

    def priors(self, loss: float) -> dict[str, Bell]:
        """The paper has λ of .99 to .9999: momenta of 100 to 10,000 steps."""
        return powers(loss) | {"log_forgetting": Bell(float(np.log(40.0)), 1.5)}

    def parts(self, p: Unknowns, paths: Paths) -> Parts:
        """The loss of curves, (curve, point)."""
        progress, slope, _ = travel(p, paths)
        fall, _ = decays(paths)
        behind = lag(paths, jnp.asarray(paths.step))
        done = -jnp.expm1(-jnp.exp(p["log_forgetting"]) * behind)
        taken = jnp.exp(p["log_decay"]) * jnp.einsum("cpk,ck->cp", done, fall)
        return Parts(progress, taken, slope)
