"""Farseer (Li et al. 2025): floor, data term and data exponent all bend with size."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpyro.distributions as dist

from nstar.laws import priors
from nstar.laws.centre import centre
from nstar.responses import LOG_LOSS
from nstar.types import Array, Cost, Inputs, Params, Prior, Response


@dataclass(frozen=True)
class Farseer:
    r"""At each size a power of data above a level, and all three bend with size.

    $$ L(N, D) = e^{a_3 N^{\gamma} + b_3} + e^{a_2 N^{\beta} + b_2}\, D^{-A(N)}, \qquad
       A(N) = e^{a_1 N^{\alpha} + b_1} $$

    (Li et al. 2025, arXiv:2506.10972, sec. 4.4.)  The nine coefficients at N = D = 1 are
    hopelessly correlated.  Any $a N^q + b$ is $c + s\,h_q(n)$ with n = log(N/N0) and
    $h_q(n) = (e^{qn} - 1)/q$, so the unknowns are values, slopes in log N and bends q at
    the reference run: of what endless data leaves, of the data term at D0, and of the
    exponent.  Bends of zero are power laws; a data term and an exponent without slope
    are Hoffmann's.  More data always helps; more size need not where data is short, and
    endless size leaves no floor.
    """

    N0: float = 1e9  # parameters of the reference run
    D0: float = 2e10  # tokens of the reference run

    @property
    def inputs(self) -> tuple[str, ...]:
        """Size and data."""
        return ("N", "D")

    @property
    def response(self) -> Response:
        """The log of the loss."""
        return LOG_LOSS

    def at(self, x: Inputs, cost: Cost) -> "Farseer":
        """Put the reference run at the geometric centre of the runs."""
        return replace(self, N0=centre(x["N"]), D0=centre(x["D"]))

    def priors(self) -> dict[str, Prior]:
        """Centres as the additive law has them, widths that hold the published fit.

        At N = 1e9 and D = 1e11 the authors' coefficients give a share of 0.91 left by
        endless data, falling with exponent 0.12 and bend 0.17; a data term with slope
        0.43 and bend -0.10; an exponent 0.31 with slope -0.20 and bend 0.12.
        """
        return {
            "level": priors.level(),
            "endless_share": dist.Beta(5.0, 1.5),
            "endless_slope": dist.LogNormal(jnp.log(0.1), 0.5),
            "endless_bend": dist.Normal(0.0, 0.2),
            "data_slope": dist.Normal(0.1, 0.25),
            "data_bend": dist.Normal(0.0, 0.2),
            "beta": dist.LogNormal(jnp.log(0.33), 0.4),
            "beta_slope": dist.Normal(-0.1, 0.1),
            "beta_bend": dist.Normal(0.0, 0.2),
        }

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        return jnp.log(self.loss(params, x["N"], x["D"]))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Sum what endless data leaves and the data term.

        The authors' second exponent is linear in log D with the first as its slope, so
        moving from D = 1 to D0 adds A(N) log D0; its first order in n is taken into
        `data_slope`, which then is the slope of the data term at D0.
        """
        n, log_D0 = jnp.log(N / self.N0), jnp.log(self.D0)
        share, beta = params["endless_share"], params["beta"]
        endless = share * jnp.exp(
            -params["endless_slope"] * _bent(n, params["endless_bend"])
        )
        exponent = beta * jnp.exp(params["beta_slope"] * _bent(n, params["beta_bend"]))
        slope = params["data_slope"] + beta * params["beta_slope"] * log_D0
        log_data = slope * _bent(n, params["data_bend"])
        log_data = log_data + beta * log_D0 - exponent * jnp.log(D)
        return params["level"] * (endless + (1 - share) * jnp.exp(log_data))

    def floor(self, params: Params) -> Array:
        """No loss is irreducible: what endless data leaves falls with size."""
        return jnp.zeros_like(params["level"])

    def derived(self, params: Params) -> dict[str, Array]:
        """Farseer's nine coefficients, with alpha, beta, gamma as q_1, q_2, q_3."""
        share, exponent, log_D0 = (
            params["endless_share"],
            params["beta"],
            jnp.log(self.D0),
        )
        bends = [params[f"{part}_bend"] for part in ("beta", "data", "endless")]
        slopes = [
            params["beta_slope"],
            params["data_slope"] + exponent * params["beta_slope"] * log_D0,
            -params["endless_slope"],
        ]
        values = [
            jnp.log(exponent),
            jnp.log(params["level"] * (1 - share)) + exponent * log_D0,
            jnp.log(params["level"] * share),
        ]
        found = {}
        for i, (q, slope, value) in enumerate(
            zip(bends, slopes, values, strict=True), 1
        ):
            found |= {f"a_{i}": slope / q * self.N0**-q, f"b_{i}": value - slope / q}
        return found


def _bent(n: Array, q: Array) -> Array:
    """(e^(qn) - 1) / q, smooth through q = 0."""
    small = jnp.abs(q) < 1e-5
    safe = jnp.where(small, 1.0, q)
    return jnp.where(small, n * (1 + q * n / 2), jnp.expm1(safe * n) / safe)
