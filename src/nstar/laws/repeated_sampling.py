"""Repeated sampling: problems solved in some of many samples, and a share in none."""

from dataclasses import dataclass

import jax.numpy as jnp

from nstar import pass_rates
from nstar.responses import SUCCESSES
from nstar.types import Array, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class RepeatedSampling:
    r"""Success rates of problems are a Beta with mass at zero; counts are binomial.

    $$ p_i \sim z\,\delta_0 + (1 - z)\,\mathrm{Beta}(a, b), \qquad
       s_i \sim \mathrm{Binomial}(n_i, p_i) $$

    Each p_i is integrated out exactly (`nstar.noises.counts`), so the n_i may be of any
    size and differ.  With z = 0 it is the beta-binomial of Schaeffer et al. (2025,
    arXiv:2502.17578) and Kazdan et al. (2025, arXiv:2510.05197); z is the share that no
    number of samples solves, which n samples cannot tell from rates far below 1/n.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """Samples of each problem."""
        return ("samples",)

    @property
    def response(self) -> Response:
        """Successes among them."""
        return SUCCESSES

    def priors(self) -> dict[str, Prior]:
        """Those of a population of problems."""
        return pass_rates.priors()

    def expected(self, params: Params, x: Inputs) -> Array:
        """Tell each problem's population by a, b and z, (problem, 3)."""
        told = pass_rates.of(params)
        return jnp.broadcast_to(told, (*jnp.shape(x["samples"]), 3))

    def derived(self, params: Params) -> dict[str, Array]:
        """Return the zero mass, pass@1 of the population, and b of its Beta; a is the tail."""
        told = pass_rates.of(params)
        return {"zero_mass": told[..., 2], "pass_1": pass_rates.pass_at_k(told, 1.0), "beta_b": told[..., 1]}  # fmt: skip
