"""A task's accuracy from the loss in two steps, by way of the task's own likelihood."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.examples import LOSSES
from nstar.laws.reference_run import CentredLaw, centre_of, spread_of
from nstar.responses import sigmoid
from nstar.responses.scales import TASK
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class AccuracyByNll(CentredLaw):
    r"""The task's negative log-likelihood follows the loss, and accuracy follows it.

    $$ q(L) = q_0 (L / L_0)^\kappa, \qquad
       a(q) = a_0 + \frac{a_1 - a_0}{1 + e^{(q - m)/w}} $$

    Two steps in one posterior (Llama 3, arXiv:2407.21783, sec. 3.2.1; Bhagia et al.
    2024, arXiv:2412.04403): q is the negative log-likelihood of the correct answers, per
    character or as one likes, and a power of the loss as between the losses of any two
    data sets (Brandfonbrener et al. 2024, arXiv:2411.12925, whose law has floors too).
    The second step speaks of each run's own q, as measured: `two_steps` noise reads the
    curve from these unknowns.  To go from compute to q without a loss between, fit a loss
    surface to q and take the `accuracy` law of it.
    """

    L0: float = centre_of("L", 3.0)  # loss of the reference run
    spread: float = spread_of("L", 0.2)  # of the runs' log losses, their sd
    chance: float | None = None  # accuracy of guessing, where it is known
    inputs = ("L",)
    response = TASK
    words: ClassVar = {
        **sigmoid.WORDS,
        "nll_level": "the task's nll at the reference loss",
        "nll_power": "power of the loss that the task's nll follows",
    }
    example: ClassVar = LOSSES

    def priors(self) -> dict[str, Prior]:
        """Level in any unit, a power about one, and the curve on q / nll_level."""
        return {
            "nll_level": dist.LogNormal(0.0, 1.5),
            "nll_power": dist.LogNormal(0.0, 0.5),
            **sigmoid.priors(0.6 * self.spread, self.chance),
        }

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs 2"]:
        """Log q and accuracy there, in the last axis."""
        log_q = params["nll_power"] * jnp.log(x["L"] / self.L0)
        accuracy = sigmoid.accuracy(params, log_q)
        return jnp.stack([jnp.log(params["nll_level"]) + log_q, accuracy], axis=-1)

    def derived(self, params: Params) -> Derived:
        """Return the ceiling a1 and the middle m, an nll."""
        middle = params["nll_level"] * sigmoid.middle(params)
        return {"ceiling": sigmoid.ceiling(params), "middle": middle}
