"""All isoFLOP profiles at once: minima on a power law, with scatter between budgets."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.costs.training import FLOP_PER_PARAM_TOKEN, flop_per_param_token
from nstar.laws import priors
from nstar.laws.examples import PROFILES
from nstar.laws.line import STRAIGHT, HiddenTrend, tied
from nstar.laws.powers import above_floor
from nstar.laws.reference_run import centre
from nstar.responses.scales import LOG_LOSS
from nstar.types import Array, Cost, Derived, Inputs, Params, Prior

NEAR = 1.73  # e-folds of D, 0.75 decades: how far a measured optimum's parabola reads


@dataclass(frozen=True)
class IsoFLOP:
    r"""One hierarchical model of every profile of loss against tokens at fixed compute.

    $$ \log L = \ell_b + \log\left(E + F C^{-\gamma}\,
       \frac{\beta_b e^{\alpha_b q} + \alpha_b e^{-\beta_b q}}{\alpha_b + \beta_b}\right),
       \qquad q = \log D - \log D^*_b $$

    The minima follow $D^*_b = A_2 C_b^{\alpha_2}$ with scatter between budgets.  Above the
    floor a profile rises exactly as a surface E + A N^-alpha + B D^-beta does along
    C = k N D.  There the curvature $\kappa_b = \alpha_b \beta_b$ is one for all compute;
    here it may follow a small power of compute among the budgets seen, beyond which it
    stays, and scatters, as the level $\ell_b$ does.  The skew
    $\chi = (\alpha_b - \beta_b) / 3$ is common, or scatters too.  Approach 2 of Hoffmann
    et al. (2022) without its two steps: what a budget does not tell of its minimum, the
    others do.
    """

    C0: float = 1e21  # FLOP, the reference budget
    k: float = FLOP_PER_PARAM_TOKEN
    budgets: tuple[float, ...] = ()  # FLOP of each budget seen, rising
    probe: tuple[float, ...] = ()  # slope at the middle of a usual profile, by its runs
    trend: HiddenTrend = STRAIGHT  # how log D* leaves its power law
    # budgets may differ in skew, shrunk to the common one
    skew_per_budget: bool = False
    inputs = ("budget", "D")
    response = LOG_LOSS
    words: ClassVar = {
        "curvature": "curvature of the profiles' reducible loss in log D",
        "curvature_slope": "exponent of that curvature in C",
        "curvature_scatter": "its scatter between budgets (log)",
        "skew": "lean of the profiles",
        "scatter": "of the budgets' optima in log D",
        "level_scatter": "of the budgets' least loss (log)",
    }
    example: ClassVar = PROFILES

    def at(self, x: Inputs, cost: Cost) -> "IsoFLOP":
        """Name the budgets and put the reference at their geometric centre."""
        budgets = np.unique(np.asarray(x["budget"], dtype=float))
        return replace(
            self,
            C0=centre(budgets),
            k=flop_per_param_token(cost),
            budgets=tuple(budgets.tolist()),
            probe=_probe(x),
        )

    def priors(self) -> dict[str, Prior]:
        """Trends of optimum, minimal loss and curvature, and scatter about each."""
        n = len(self.budgets)
        skews = {
            "skew_scatter": dist.LogNormal(np.log(0.05), 0.7),
            "skew_z": dist.Normal(0.0, 1.0).expand([n]),
        }
        return {
            "tokens_per_parameter": priors.tokens_per_parameter(),
            "alpha1": priors.alpha1(),
            "scatter": dist.LogNormal(np.log(0.1), 1.0),
            "level": priors.level(),
            "floor_share": priors.floor_share(),
            # L*(C) of the additive fits falls with alpha beta / (alpha + beta), 0.1 to 0.2
            "gamma": dist.LogNormal(np.log(0.15), 0.5),
            "level_scatter": dist.LogNormal(np.log(0.003), 1.0),
            # alpha beta of 24 published surfaces: 0.01 to 0.28, the middle at 0.09
            "curvature": dist.LogNormal(np.log(0.1), 0.8),
            # zero in all of these but Farseer's, 0.03; fitted under a wide prior, profiles
            # of five public sources give 0.10, 0.10, 0.02, 0.02 and 0.00
            "curvature_slope": dist.Normal(0.0, 0.05),
            "curvature_scatter": dist.LogNormal(np.log(0.15), 0.7),
            "skew": dist.Normal(0.0, 0.2),
            **self.trend.priors(),
            "log_D": self._optima,
            "curvature_z": dist.Normal(0.0, 1.0).expand([n]),
            "level_z": dist.Normal(0.0, 1.0).expand([n]),
            **(skews if self.skew_per_budget else {}),
        }

    def _optima(self, params: Params) -> dist.Distribution:
        """Prior of the budgets' own optima, log tokens."""
        line = tied(params, jnp.asarray(self.budgets), self.C0, self.k)[1]
        return self.trend.scatter(params, line)

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run, about the minimum of its own budget."""
        return self.prepared(x).expected(params, x)

    def prepared(self, x: Inputs) -> "AtRuns":
        """Find each run's budget, once for all draws."""
        number = jnp.searchsorted(jnp.asarray(self.budgets), x["budget"] * (1 - 1e-9))
        return AtRuns(self, jax.nn.one_hot(number, len(self.budgets), dtype=float))

    def of_runs(
        self,
        params: Params,
        log_D: Float[Array, " runs"],
        budget: Float[Array, "runs budgets"],
    ) -> Float[Array, " runs"]:
        """Log loss of runs, `budget` with a one where the budget is theirs, (run, budget)."""
        C = jnp.asarray(self.budgets)
        minimum = jnp.log(self.minimal_loss(params, C)) + (
            params["level_scatter"] * self._off_trend(params["level_z"])
        )
        kappa = self.curvature(params, C) * jnp.exp(
            params["curvature_scatter"] * params["curvature_z"]
        )
        q = log_D - budget @ params["log_D"]
        skew = params["skew"]
        if self.skew_per_budget:
            skew = skew + budget @ (params["skew_scatter"] * params["skew_z"])
        rise = (budget @ self.share(params, C)) * self.shape(budget @ kappa, skew, q)
        return budget @ minimum + jnp.log1p(rise)

    def _off_trend(self, z: Float[Array, " budgets"]) -> Float[Array, " budgets"]:
        """Levels of the budgets without what is straight in log C: that is the trend's."""
        c = jnp.log(jnp.asarray(self.budgets))
        c, z = c - jnp.mean(c), z - jnp.mean(z)
        return z - c * (jnp.sum(c * z) / jnp.sum(jnp.square(c)))

    def _taken_by_trend(
        self, key: Array, C: Float[Array, "*runs"]
    ) -> Float[Array, "*runs"]:
        """What is straight in the seen budgets' levels: the trend took it, new ones miss it."""
        c = jnp.log(jnp.asarray(self.budgets))
        level, slope = jax.random.normal(key, (2,))
        level = level / jnp.sqrt(c.size)
        slope = slope / jnp.linalg.norm(c - jnp.mean(c))
        return level + slope * (jnp.log(C) - jnp.mean(c))

    def shape(
        self,
        kappa: Float[Array, "*#runs"],
        skew: Float[Array, "*#runs"],
        q: Float[Array, "*#runs"],
    ) -> Float[Array, "*runs"]:
        """Rise of the reducible loss as a share of its least, q from there in log D."""
        both = jnp.sqrt(jnp.square(3 * skew) + 4 * kappa)
        alpha, beta = (both + 3 * skew) / 2, (both - 3 * skew) / 2
        return (beta * jnp.expm1(alpha * q) + alpha * jnp.expm1(-beta * q)) / both

    def minimal_loss(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> Float[Array, "*budgets"]:
        """E + F C^-gamma."""
        falling = (C / self.C0) ** -params["gamma"]
        return above_floor(params["level"], params["floor_share"], falling)

    def share(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> Float[Array, "*budgets"]:
        """Reducible share of the minimal loss."""
        return 1 - self.floor(params) / self.minimal_loss(params, C)

    def curvature(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> Float[Array, "*budgets"]:
        """Trend of the rise's second derivative in log D at the minimum."""
        C = C.clip(self.budgets[0], self.budgets[-1])
        return params["curvature"] * (C / self.C0) ** params["curvature_slope"]

    def log_optimum(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> tuple[Float[Array, "*budgets"], Float[Array, "*budgets"]]:
        """Return log N* and log D* on the law's line."""
        return tied(params, C, self.C0, self.k, self.trend)

    def probes(self, C: Float[np.ndarray, " budgets"]) -> Inputs:
        """Runs of a usual profile of each budget."""
        return {"C": np.broadcast_to(C[:, None], (len(C), len(self.probe)))}

    def off_line(
        self,
        params: Params,
        C: Float[np.ndarray, " budgets"],
        noise: Float[np.ndarray, "draws budgets runs"],
        random: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "draws budgets"], Float[np.ndarray, "draws budgets"]]:
        """Off by the budget's scatter, and as the runs' noise moves a parabola's minimum."""
        z = random.normal(size=noise.shape[:2])
        slope = noise @ np.array(self.probe)
        seen = self.curvature(params, C) * self.share(params, C)  # in log L
        off = params["scatter"] * z - slope / seen
        return -off, off

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of a run of a new budget, on the trends."""
        C = self.k * N * D
        q = jnp.log(D) - self.log_optimum(params, C)[1]
        rise = self.shape(self.curvature(params, C), params["skew"], q)
        return self.minimal_loss(params, C) * (1 + self.share(params, C) * rise)

    def draw_expected(
        self,
        key: Array,
        params: Params,
        N: Float[Array, "*#runs"],
        D: Float[Array, "*#runs"],
    ) -> Float[Array, "*runs"]:
        """Log loss of runs of new budgets: runs of one budget share its scatter."""
        C = self.k * N * D
        near = jnp.round(jnp.log(C), 6)
        _, budget = jnp.unique(near, return_inverse=True, size=near.size)
        of_budget, of_trend = jax.random.split(key)
        z = jax.random.normal(of_budget, (3, near.size))[:, budget.ravel()]
        z = z.reshape(3, *C.shape)
        q = jnp.log(D) - self.log_optimum(params, C)[1] - params["scatter"] * z[0]
        kappa = self.curvature(params, C) * jnp.exp(params["curvature_scatter"] * z[1])
        off = z[2] + self._taken_by_trend(of_trend, C)
        minimum = jnp.log(self.minimal_loss(params, C)) + params["level_scatter"] * off
        rise = self.share(params, C) * self.shape(kappa, params["skew"], q)
        return minimum + jnp.log1p(rise)

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Coordinates and dimensions of the unknowns that each budget has."""
        per_budget = ("log_D", "curvature_z", "level_z", "skew_z")
        coords, dims = self.trend.labels()
        dims = dims | {name: ["budget"] for name in per_budget}
        return coords | {"budget": list(self.budgets)}, dims

    def floor(self, params: Params) -> Float[Array, "..."]:
        """E, the irreducible loss."""
        return params["level"] * params["floor_share"]

    def derived(self, params: Params) -> Derived:
        """Return the floor and the size of the falling term at the reference budget."""
        return {
            "E": self.floor(params),
            "F": params["level"]
            * (1 - params["floor_share"])
            * self.C0 ** params["gamma"],
            **self.trend.derived(params, partial(self.log_optimum, params), self.C0),
        }


@dataclass(frozen=True)
class AtRuns:
    """The law at runs whose budgets are known, for the sampler's inner loop."""

    law: IsoFLOP
    budget: Float[Array, "runs budgets"]  # one where the budget is the run's

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """As the law's, for these runs only."""
        return self.law.of_runs(params, jnp.log(x["D"]), self.budget)


def _probe(x: Inputs) -> tuple[float, ...]:
    """Weights of a usual budget's log losses in a parabola's slope at its middle."""
    slopes: list[np.ndarray] = []
    for budget in np.unique(np.asarray(x["budget"], dtype=float)):
        q = np.log(np.asarray(x["D"])[np.asarray(x["budget"]) == budget])
        q = q - (q.min() + q.max()) / 2
        q = q[np.abs(q) <= NEAR]
        if np.unique(np.round(q, 6)).size >= 3:
            slopes.append(np.linalg.pinv(np.vander(q, 3))[1])
    slopes.sort(key=lambda weights: float(np.linalg.norm(weights)))
    return tuple(slopes[(len(slopes) - 1) // 2].tolist()) if slopes else ()
