"""Scatter of runs at many learning rates and batches: wider the worse they are tuned."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.reference_run import centre
from nstar.laws.tuning import Tuning
from nstar.noises.heavy_tailed import HeavyTailed
from nstar.types import Array, Cost, Inputs, Law, Params, Prior, Response


@dataclass(frozen=True)
class Mistuned:
    r"""Student-t scatter that grows with what the tuning costs a run.

    $$ s_i^2 = \sigma^2 + (\kappa\,x_i)^2 $$

    with x the log of the run's loss over that of a tuned one: runs at rates far too high
    end anywhere, or diverge, and say little of where the optimum lies.
    """

    N0: float = 1e9  # the reference run of the law, for what it says of tuning
    D0: float = 2e10
    lr0: float = 2e-3
    batch0: float = 256.0

    @property
    def law(self) -> Tuning:
        """The law that says what tuning costs."""
        return Tuning(self.N0, self.D0, self.lr0, self.batch0)

    @property
    def inputs(self) -> tuple[str, ...]:
        """It reads what the law reads."""
        return self.law.inputs

    def at(self, x: Inputs, cost: Cost) -> "Mistuned":
        """Put the law's reference where the runs have it."""
        return Mistuned(*(centre(x[name]) for name in self.law.inputs))

    def refusal(self, law: Law) -> str:
        """Why the noise does not suit a law: it is of tuning; empty where it does."""
        if law.response == self.law.response:
            return ""
        return f"mistuned noise is of the tuning law, which says how far a run is from its best; the {type(law).__name__} law does not"

    def priors(self, response: Response) -> dict[str, Prior]:
        """The Student-t's priors, and that of the growth."""
        return {
            "sigma": dist.LogNormal(np.log(response.scatter / 3), 1.0),
            "nu": dist.Gamma(2.0, 0.1),
            "mistuned": dist.LogNormal(np.log(0.15), 0.7),
        }

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the Student-t distribution about the law."""
        excess = self.law.excess(params, x)
        scale = jnp.hypot(params["sigma"], params["mistuned"] * excess)
        return HeavyTailed(params["nu"], expected, jnp.hypot(scale, x.get("se", 0.0)))
