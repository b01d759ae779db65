"""A task's accuracy from the loss: one step, by a sigmoid."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Float

from nstar.laws.examples import LOSSES
from nstar.laws.reference_run import CentredLaw, centre_of, spread_of
from nstar.responses import sigmoid
from nstar.responses.scales import ACCURACY
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class Accuracy(CentredLaw):
    r"""Accuracy rises from a floor to a ceiling as the loss falls.

    $$ a(L) = a_0 + \frac{a_1 - a_0}{1 + e^{(L - m)/w}} $$

    with a power of L in place of L where the runs ask for it (`nstar.responses.sigmoid`).  (Llama 3,
    arXiv:2407.21783, sec. 3.2.1, on the task's negative log-likelihood; Bhagia et al.
    2024, arXiv:2412.04403, on its bits per byte.)  L is any loss that falls as models
    get better.  Far above m it is the law of Gadre et al. (2024, arXiv:2403.08540,
    eq. 5), error $\epsilon - k e^{-\gamma L}$ with $\gamma = 1/w$.
    """

    L0: float = centre_of("L", 3.0)  # loss of the reference run
    spread: float = spread_of("L", 0.2)  # of the runs' log losses, their sd
    chance: float | None = None  # accuracy of guessing, where it is known
    inputs = ("L",)
    response = ACCURACY
    words: ClassVar = sigmoid.WORDS
    example: ClassVar = LOSSES

    def priors(self) -> dict[str, Prior]:
        """A curve about as wide as the runs are spread."""
        return sigmoid.priors(0.6 * self.spread, self.chance)

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Accuracy of each run."""
        return sigmoid.accuracy(params, jnp.log(x["L"] / self.L0))

    def derived(self, params: Params) -> Derived:
        """Return the ceiling a1 and the middle m."""
        middle = self.L0 * sigmoid.middle(params)
        return {"ceiling": sigmoid.ceiling(params), "middle": middle}
