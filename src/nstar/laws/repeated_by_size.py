"""Repeated sampling across model sizes: populations that move with log N."""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws.examples import PROBLEMS
from nstar.laws.reference_run import centre
from nstar.responses import pass_rates
from nstar.responses.scales import SUCCESSES
from nstar.types import Array, Cost, Inputs, Params, Prior


@dataclass(frozen=True)
class RepeatedBySize:
    r"""Larger models solve problems more often, and leave fewer out of reach.

    $$ \epsilon_j = \mu + \beta_e x_j + \tau_e e_{ej}, \quad
       \log a_j = \log \alpha + \beta_a x_j + \tau_a e_{aj}, \quad
       \mathrm{logit}\, z_j = \zeta + \beta_z x_j $$

    with $x_j = \log(N_j/N_0)$ of model j and ease, a and z as in the repeated_sampling
    law, whose bend all models share: the parameters move along a line and models scatter
    about it, so that each borrows from the others (partial pooling).  The same in the
    training loss, where `by` is "L", is the generative form of Roberts et al. (2026),
    approach 2.  Problems of different models count as drawn apart, although a benchmark
    asks all models the same.
    """

    by: str = "N"  # column that the populations move with
    N0: float = 1e9  # its value at the reference model
    sizes: tuple[float, ...] = ()  # of the models, each once
    response = SUCCESSES
    words: ClassVar = {
        "slope_ease": "rise of the ease with log N",
        "slope_tail": "rise of the log of the tail's exponent with log N",
        "slope_zero": "rise of the log-odds of the zero mass with log N",
        "scatter_ease": "models' scatter of the ease about its line",
        "scatter_tail": "models' scatter of the log of the tail's exponent",
        "offset_ease": "each model's distance from the line of ease, in scatters",
        "offset_tail": "each model's distance from the line of tails, in scatters",
    }
    # twelve problems by five models of 70M to 12B parameters
    example: ClassVar = PROBLEMS | {"N": np.repeat(np.geomspace(7e7, 1.2e10, 5), 12)}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size of the model, and samples of each problem."""
        return (self.by, "samples")

    def at(self, x: Inputs, cost: Cost) -> "RepeatedBySize":
        """Put the reference at the models' geometric centre, and number them by size."""
        sizes = np.unique(np.asarray(x[self.by], dtype=float))
        return replace(self, N0=centre(sizes), sizes=tuple(sizes.tolist()))

    def priors(self) -> dict[str, Prior]:
        """Populations at the reference, their slopes, and how models scatter."""
        offsets = dist.Normal(0.0, 1.0).expand([len(self.sizes)]).to_event(1)
        return pass_rates.priors() | {
            "slope_ease": dist.Normal(
                0.25 if self.by == "N" else -2.0, 0.5 if self.by == "N" else 4.0
            ),
            "slope_tail": dist.Normal(0.0, 0.3 if self.by == "N" else 2.0),
            "slope_zero": dist.Normal(0.0, 0.5 if self.by == "N" else 4.0),
            "scatter_ease": dist.HalfNormal(0.3),
            "scatter_tail": dist.HalfNormal(0.2),
            "offset_ease": offsets,
            "offset_tail": offsets,
        }

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Name the offsets' axis by the models' sizes."""
        dims = {name: ["size"] for name in ("offset_ease", "offset_tail")}
        return {"size": list(self.sizes)}, dims

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs 42"]:
        """Return each problem's population (`nstar.responses.rate_mixtures`), (problem, 42)."""
        sizes = jnp.asarray(self.sizes)
        populations = self.around(
            params, sizes, params["offset_ease"], params["offset_tail"]
        )
        model = jnp.searchsorted(sizes, x[self.by])
        each = jax.nn.one_hot(model, len(sizes), dtype=populations.dtype)
        return each @ populations

    def around(
        self,
        params: Params,
        size: Float[Array, "*#models"],
        ease: Float[Array, "*#models"],
        tail: Float[Array, "*#models"],
    ) -> Float[Array, "*models 42"]:
        """Return the population of a model of this size, with its offsets from the line."""
        n = jnp.log(size / self.N0)
        zero = jnp.clip(pass_rates.zero_mass(params), 1e-30, 1 - 1e-12)
        logit = jnp.log(zero) - jnp.log1p(-zero) + params["slope_zero"] * n
        return pass_rates.population(
            params["ease"] + params["slope_ease"] * n + params["scatter_ease"] * ease,
            params["tail"]
            * jnp.exp(params["slope_tail"] * n + params["scatter_tail"] * tail),
            params["tail_bend"],
            1 / (1 + jnp.exp(-logit)),
        )
