"""Repeated sampling: problems solved in some of many samples, and some in none."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Float

from nstar.laws.examples import PROBLEMS
from nstar.responses import pass_rates, rate_mixtures
from nstar.responses.scales import SUCCESSES
from nstar.types import Array, Derived, Inputs, Params, Prior


@dataclass(frozen=True)
class RepeatedSampling:
    r"""Success rates of problems are of one population; counts are binomial.

    $$ p_i \sim z\,\delta_0 + (1 - z)\,f(p; a, \lambda, b), \qquad
       s_i \sim \mathrm{Binomial}(n_i, p_i) $$

    with f of `nstar.responses.pass_rates`, a power p^(a - 1) near zero that may bend.  Each p_i is
    integrated out exactly (`nstar.noises.counts`), so the n_i may be of any size and
    differ.  z is the share that no number of samples solves, which n samples cannot tell
    from rates far below 1/n.  The beta-binomial of Schaeffer et al. (2025,
    arXiv:2502.17578) and Kazdan et al. (2025, arXiv:2510.05197) is the beta_binomial law.
    """

    inputs = ("samples",)  # of each problem
    response = SUCCESSES
    words: ClassVar = {
        **pass_rates.WORDS,
        "zero_mass": "share of problems beyond reach: never solved, or less than once in a million samples",
        "pass_1": "pass@1 of the population",
    }
    example: ClassVar = PROBLEMS

    def priors(self) -> dict[str, Prior]:
        """Those of a population of problems."""
        return pass_rates.priors()

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs 42"]:
        """Return each problem's population (`nstar.responses.rate_mixtures`), (problem, 42)."""
        population = pass_rates.population_of(params)
        return jnp.broadcast_to(
            population, (*jnp.shape(x["samples"]), *population.shape)
        )

    def derived(self, params: Params) -> Derived:
        """Return the share beyond reach, never solved or below 1e-6, and pass@1."""
        population = pass_rates.population_of(params)
        return {
            "zero_mass": rate_mixtures.beyond_reach(population),
            "pass_1": rate_mixtures.mean(population),
        }
