"""Farseer (Li et al. 2025): floor, data term and data exponent all bend with size."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.laws import priors
from nstar.laws.surface import LossSurface
from nstar.types import Array, Derived, Params, Prior


@dataclass(frozen=True)
class Farseer(LossSurface):
    r"""At each size a power of data above a level, and all three bend with size.

    $$ L(N, D) = e^{a_3 N^{\gamma} + b_3} + e^{a_2 N^{\beta} + b_2} (D/D_0)^{-A(N)}, \qquad
       A(N) = e^{a_1 N^{\alpha} + b_1} $$

    (Li et al. 2025, arXiv:2506.10972, sec. 4.4, is the case D0 = 1.)  Theirs bends the
    data term at one token, ten decades from any run: posteriors of it have several
    modes, so it is bent at the runs' own D0 here, which comes within 0.3 % rms of
    their published surface.  Any $a N^q + b$ is $c + s\,h_q(n)$ with n = log(N/N0) and
    $h_q(n) = (e^{qn} - 1)/q$, so the unknowns are values, slopes in log N and bends q at
    the reference run: of what endless data leaves, of the data term, and of the
    exponent.  Bends of zero are power laws; a data term and an exponent without slope
    are Hoffmann's.  More data always helps; more size need not where data is short, and
    endless size leaves no floor.
    """

    words: ClassVar = {
        "endless_share": "share of that loss which endless data leaves",
        "endless_slope": "exponent in N of what endless data leaves",
        "endless_bend": "bend of that in log N",
        "data_slope": "slope of the log of the data term in log N",
        "data_bend": "bend of that in log N",
        "beta_slope": "slope of log beta in log N",
        "beta_bend": "bend of that in log N",
        "a_1": "Farseer's, of the exponent of D",
        "b_1": "Farseer's, of the exponent of D",
        "a_2": "Farseer's, of the data term",
        "b_2": "Farseer's, of the data term",
        "a_3": "Farseer's, of what endless data leaves",
        "b_3": "Farseer's, of what endless data leaves",
    }

    def priors(self) -> dict[str, Prior]:
        """Centres as the additive law has them, widths that hold the published fit.

        At N = 1e9 and D = 1e11 the authors' coefficients give a share of 0.91 left by
        endless data, falling with exponent 0.12 and bend 0.17; a data term with slope
        0.43; an exponent 0.31 with slope -0.20 and bend 0.12.
        """
        return {
            "level": priors.level(),
            "endless_share": dist.Beta(5.0, 1.5),
            "endless_slope": dist.LogNormal(np.log(0.1), 0.5),
            "endless_bend": dist.Normal(0.0, 0.2),
            "data_slope": dist.Normal(0.1, 0.25),
            "data_bend": dist.Normal(0.0, 0.2),
            "beta": dist.LogNormal(np.log(0.33), 0.4),
            "beta_slope": dist.Normal(-0.1, 0.1),
            "beta_bend": dist.Normal(0.0, 0.2),
        }

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Sum what endless data leaves and the data term."""
        n, d = jnp.log(N / self.N0), jnp.log(D / self.D0)
        share = params["endless_share"]
        endless = -params["endless_slope"] * _bent(n, params["endless_bend"])
        exponent = params["beta"] * jnp.exp(
            params["beta_slope"] * _bent(n, params["beta_bend"])
        )
        data = params["data_slope"] * _bent(n, params["data_bend"]) - exponent * d
        return params["level"] * (
            share * jnp.exp(endless) + (1 - share) * jnp.exp(data)
        )

    def floor(self, params: Params) -> Float[Array, "..."]:
        """No loss is irreducible: what endless data leaves falls with size."""
        return jnp.zeros_like(params["level"])

    def derived(self, params: Params) -> Derived:
        """Farseer's a_1 to b_3, D in units of D0; the bends are its alpha, beta, gamma."""
        share = params["endless_share"]
        terms = (
            ("beta", params["beta_slope"], params["beta"]),
            ("data", params["data_slope"], params["level"] * (1 - share)),
            ("endless", -params["endless_slope"], params["level"] * share),
        )
        numbers = {}
        for i, (part, slope, value) in enumerate(terms, 1):
            q = params[f"{part}_bend"]
            numbers[f"a_{i}"] = slope / q * self.N0**-q
            numbers[f"b_{i}"] = jnp.log(value) - slope / q
        return numbers


def _bent(
    n: Float[Array, "*#runs"], q: Float[Array, "*#runs"]
) -> Float[Array, "*runs"]:
    """(e^(qn) - 1) / q, smooth through q = 0."""
    small = jnp.abs(q) < 1e-5
    safe = jnp.where(small, 1.0, q)
    return jnp.where(small, n * (1 + q * n / 2), jnp.expm1(safe * n) / safe)
