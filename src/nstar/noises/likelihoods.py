"""Likelihoods: how a measured response scatters around its law."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.noises.bounded import Bounded, TwoSteps
from nstar.noises.counts import Binomial
from nstar.noises.heavy_tailed import HeavyTailed
from nstar.noises.mistuned import Mistuned
from nstar.noises.one_sided import OneSided
from nstar.noises.shared import Between, Repeated
from nstar.types import Array, Cost, Inputs, Law, Noise, Params, Prior, Response

GROWTH = 0.3  # sd of the exponent of the scale's growth toward small compute


@dataclass(frozen=True)
class Normal:
    r"""Gaussian scatter; known standard errors `se` add to it in quadrature.

    $$ y_i \sim \mathrm{Normal}(f_i,\ \sqrt{\sigma^2 + se_i^2}) $$
    """

    def priors(self, response: Response) -> dict[str, Prior]:
        """Scale within a decade or so of what the response usually shows."""
        return {"sigma": dist.LogNormal(np.log(response.scatter), 1.0)}

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the normal distribution about the law."""
        return dist.Normal(expected, jnp.hypot(params["sigma"], x.get("se", 0.0)))


@dataclass(frozen=True)
class StudentT:
    r"""Heavy-tailed scatter: a diverged or misread run barely moves the fit.

    Residuals of the public ladders have $\nu$ near 3.  The prior of $\nu$ is that of
    Juarez & Steel (2010, doi:10.1198/jbes.2009.07145), Gamma(2, 0.1).
    """

    def priors(self, response: Response) -> dict[str, Prior]:
        """Scale as for the normal, and the degrees of freedom."""
        return Normal().priors(response) | {"nu": dist.Gamma(2.0, 0.1)}

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the Student-t distribution about the law."""
        scale = jnp.hypot(params["sigma"], x.get("se", 0.0))
        return HeavyTailed(params["nu"], expected, scale)


@dataclass(frozen=True)
class Growing:
    r"""Student-t scatter that is wider for smaller runs.

    $$ s_i = \sigma \left(\min(C_i, C_0) / C_0\right)^{-\eta}, \qquad \eta \ge 0 $$

    Small runs are short, barely tuned and shaped absurdly, and no law is made for them
    (Porian et al. 2024, arXiv:2406.19146, weigh them down likewise).  C0 is the largest
    run; beyond it the scatter shrinks no further.
    """

    C0: float = 1e21  # FLOP, where the scale is sigma

    @property
    def inputs(self) -> tuple[str, ...]:
        """The noise reads the compute of runs."""
        return ("C",)

    def at(self, x: Inputs, cost: Cost) -> "Growing":
        """Put the reference at the largest run."""
        return replace(self, C0=float(np.max(x["C"])))

    def priors(self, response: Response) -> dict[str, Prior]:
        """The Student-t's priors, and that of the growth, which may be near zero."""
        return StudentT().priors(response) | {"growth": dist.HalfNormal(GROWTH)}

    def around(
        self, expected: Float[Array, "*runs"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the Student-t distribution about the law."""
        smaller = jnp.log(jnp.minimum(x["C"] / self.C0, 1.0))
        scale = params["sigma"] * jnp.exp(-params["growth"] * smaller)
        scale = jnp.hypot(scale, x.get("se", 0.0))
        return HeavyTailed(params["nu"], expected, scale)


@dataclass(frozen=True)
class Correlated:
    """Gaussian scatter of log N* and log D* together, with their correlation."""

    def refusal(self, law: Law) -> str:
        """Why the noise does not suit a law: it is of N* and D* together; empty where it does."""
        if len(law.response.columns) > 1:
            return ""
        return f"correlated noise is for laws of N* and D* together, which {type(law).__name__} is not"

    def priors(self, response: Response) -> dict[str, Prior]:
        """Priors of both scales, and a uniform prior of the correlation."""
        scale = dist.LogNormal(np.log(response.scatter), 1.0)
        return {
            "sigma_N": scale,
            "sigma_D": scale,
            "correlation": dist.Uniform(-1.0, 1.0),
        }

    def around(
        self, expected: Float[Array, "*runs 2"], params: Params, x: Inputs
    ) -> dist.Distribution:
        """Return the bivariate normal about both lines."""
        sd = jnp.stack([params["sigma_N"], params["sigma_D"]])
        rho = params["correlation"]
        correlation = jnp.stack([jnp.stack([1.0, rho]), jnp.stack([rho, 1.0])])
        known = jnp.square(jnp.asarray(x.get("se", 0.0)))[..., None, None] * jnp.eye(2)
        return dist.MultivariateNormal(expected, sd[:, None] * sd * correlation + known)


NOISES: dict[str, Noise] = {
    "student_t": StudentT(),
    "normal": Normal(),
    "growing": Growing(),
    "correlated": Correlated(),
    "between": Between(),
    "repeated": Repeated(),
    "one_sided": OneSided(),
    "mistuned": Mistuned(),
    "bounded": Bounded(),
    "two_steps": TwoSteps(),
    "binomial": Binomial(),
}
WORDS = {
    "sigma": "scale of the run noise (log)",
    "sigma_N": "scatter of log N*",
    "sigma_D": "scatter of log D*",
    "correlation": "of the scatter of log N* and log D*",
    "sigma_nll": "scatter of the task's nll about the loss's (log)",
    "sigma_accuracy": "scatter of accuracy, over sqrt(p (1 - p))",
    "nu": "Student-t degrees of freedom",
    "between": "scatter that runs of a group share (log)",
    "misfit": "scatter that repeated runs share (log)",
    "excess": "mean by which tuning makes a run worse (log)",
    "mistuned": "scatter of a run over what its tuning costs it (log)",
    "growth": "exponent of the noise's growth toward small compute",
}
