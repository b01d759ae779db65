"""How far compute-optimal tokens may bend away from a power of compute: waves in log C."""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Float
from numpyro.distributions import constraints

from nstar.departures.waves import MATERN
from nstar.laws.line import STRAIGHT, Line, Trend, tied
from nstar.types import Array, Derived, Inputs, Key, Number, Params, Prior, of_profiles

AMPLITUDE, SPREAD = 0.25, 0.7  # of log tokens; sd of its log
LENGTH, WAVES = 8.0, 10  # e-folds of compute
SCATTER = 0.1  # of log tokens of a measured optimum, about: a guide, no assumption
UNKNOWN, WEIGHTS = "bend_optimum", "waves_optimum"
DERIVED = ("alpha1_bent", "tokens_per_parameter_bent")  # quantities of a bent line
WORDS = {
    "bend_optimum": "how far log D* bends from its power law",
    "alpha1_bent": "slope of log N* over the runs, bend included",
    "tokens_per_parameter_bent": "D*/N* at the reference budget, bend included",
}
STEP = 0.44  # between frequencies, over the length: the process repeats after 14
FREQUENCY = STEP / LENGTH * (np.arange(WAVES) + 0.5)
# each wave's part of the variance, by the process's spectrum
PART = (1 + np.square(LENGTH * FREQUENCY) / MATERN) ** (-(MATERN + 1) / 2)
PART /= PART.sum()


@dataclass(frozen=True)
class BentLine:
    r"""A Matern-3/2 process in log C, as a sum of waves of fixed frequencies.

    $$ \log D^* = \log A_2 + \alpha_2 \log C + \delta(\log C), \qquad
       \delta \sim \mathrm{GP}(0, \tau^2, \ell) $$
    $$ \delta = \tau\,\Phi\,V \frac{w}{s(\tau)}, \qquad
       w_j \sim \mathrm{Normal}(0, s_j(\tau)), \qquad s_j = \sqrt{1 + (\tau q_j)^2} $$

    V rotates the waves so that each weight is one shape over the budgets; q is that shape's
    size over the usual scatter.  A weight that the budgets determine is as wide as its
    posterior, another as wide as its prior, whatever the amplitude (Papaspiliopoulos et al.
    2007).

    log N* bends the other way, so that N* D* stays as it was.  The process is stationary:
    far from the runs the bend is as uncertain as before any was seen, and what grows
    with log C is what is not known of the exponents.  Other processes (growing, longer, without
    what is straight over the budgets) scored up to 6 % better a decade out and 14 % at two, with
    intervals twice as wide; this one covers Llama 3 at two decades at .67 for .90.  Amplitude
    and length were set on the same ladders (benchmarks/results/optima.md).  The exponents of the law are those of the power law
    alone; a plan's are slopes of the bent line over the runs.
    """

    ends: tuple[float, float]  # least and largest log(C / C0) of the budgets
    turn: Float[Array, "weights weights"] = field(compare=False)  # V
    seen: Float[Array, " weights"] = field(compare=False)  # q

    def priors(self) -> dict[str, Prior]:
        """Amplitude tau, and the weights of the waves."""
        return {
            UNKNOWN: dist.LogNormal(np.log(AMPLITUDE), SPREAD),
            WEIGHTS: lambda params: dist.Normal(0.0, self.scale(params[UNKNOWN])),
        }

    def scale(self, tau: Number) -> Float[Array, " weights"]:
        """Prior sd of each weight, s, (2 wave,)."""
        return jnp.hypot(1.0, tau * self.seen)

    def bend(
        self, params: Params, c: Float[Array, "*budgets"]
    ) -> Float[Array, "*budgets"]:
        """Departure of log D* from its power law, c = log(C / C0)."""
        tau, w = params[UNKNOWN], params[WEIGHTS]
        return columns(jnp.asarray(c)) @ (self.turn @ (tau * w / self.scale(tau)))

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Coordinates number the weights."""
        return _labels()

    def derived(self, params: Params, optimum: Line, C0: Number) -> Derived:
        """Exponent and tokens per parameter of the bent line."""
        return _derived(self.ends, optimum, C0)


@dataclass(frozen=True)
class MarginalisedBentLine:
    r"""The same process where the budgets' optima are themselves unknowns of the law.

    Their prior has the process marginalised, and the weights follow from them:

    $$ y \sim \mathrm{Normal}(\mathrm{line},\ s^2 I + \tau^2 \Phi\Phi^\top), \qquad
       w \mid y = A^{-1} \Phi^\top \tfrac{\tau}{s^2} (y - \mathrm{line}) + A^{-1/2} z,
       \quad A = I + \tfrac{\tau^2}{s^2} \Phi^\top\Phi $$

    This is the joint distribution of `BentLine` factorised in the other order, in which the
    sampler meets no funnel: the runs depend on z only through y.  $\Phi = U q V^\top$ is
    decomposed once, so every matrix here is diagonal along U or V.
    """

    design: tuple[float, ...]  # log(C / C0) of the budgets, rising
    at: float  # C0 ...
    k: float  # ... and FLOP per parameter and token of the law
    axes: Float[Array, "budgets budgets"] = field(compare=False)  # U
    # q, by budget and by wave, zeros beyond the rank
    size: Float[Array, " budgets"] = field(compare=False)
    seen: Float[Array, " weights"] = field(compare=False)
    turn: Float[Array, "weights weights"] = field(compare=False)  # V

    def priors(self) -> dict[str, Prior]:
        """Amplitude tau, and standard normal residuals z of the weights given the optima."""
        return {
            UNKNOWN: dist.LogNormal(np.log(AMPLITUDE), SPREAD),
            WEIGHTS: dist.Normal(0.0, 1.0).expand([2 * WAVES]),
        }

    def scatter(
        self, params: Params, line: Float[Array, " budgets"]
    ) -> dist.Distribution:
        """Optima of the budgets, the bend marginalised."""
        sd = jnp.hypot(params["scatter"], params[UNKNOWN] * self.size)
        return NormalAlong(line, self.axes, sd)

    def bend(
        self, params: Params, c: Float[Array, "*budgets"]
    ) -> Float[Array, "*budgets"]:
        """Departure of log D* from its power law, c = log(C / C0)."""
        tau, s, at = params[UNKNOWN], params["scatter"], jnp.asarray(self.design)
        line = tied(params, self.at * jnp.exp(at), self.at, self.k)[1]
        off = self.axes.T @ (params["log_D"] - line)
        n = min(len(self.size), 2 * WAVES)
        off = jnp.zeros(2 * WAVES).at[:n].set(off[:n])
        spread = 1 + jnp.square(tau / s * self.seen)
        w = tau * self.seen / s**2 * off / spread + params[WEIGHTS] / jnp.sqrt(spread)
        return tau * (columns(jnp.asarray(c)) @ (self.turn @ w))

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Coordinates number the weights."""
        return _labels()

    def derived(self, params: Params, optimum: Line, C0: Number) -> Derived:
        """Exponent and tokens per parameter of the bent line."""
        return _derived((self.design[0], self.design[-1]), optimum, C0)


def _labels() -> tuple[dict[str, list], dict[str, list[str]]]:
    return {"wave": list(range(2 * WAVES))}, {WEIGHTS: ["wave"]}


def _derived(ends: tuple[Number, Number], optimum: Line, C0: Number) -> Derived:
    """Slope of log N* over the budgets, D*/N* at the reference budget."""
    low, high = ends
    log_N, _ = optimum(C0 * jnp.exp(jnp.asarray(ends)))
    n, d = optimum(jnp.asarray(C0))
    slope = (log_N[1] - log_N[0]) / (high - low)
    return dict(zip(DERIVED, (slope, jnp.exp(d - n)), strict=True))


class NormalAlong(dist.Distribution):
    """A normal whose covariance is diagonal along fixed orthogonal axes."""

    support = constraints.real_vector
    reparametrized_params = ["loc", "sd"]  # noqa: RUF012  as NumPyro declares them

    def __init__(
        self, loc: Array, axes: Array, sd: Array, *, validate_args: bool | None = None
    ) -> None:
        """Take the mean, the axes as columns, and the sd along each."""
        self.loc, self.axes, self.sd = loc, axes, sd
        shape = jnp.shape(loc)
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw along each axis."""
        z = jax.random.normal(key, (*sample_shape, *jnp.shape(self.loc)))
        return self.loc + (self.sd * z) @ self.axes.T

    def log_prob(
        self, value: ArrayLike, intermediates: list[Any] | None = None
    ) -> Array:
        """Log density, the sum over the axes."""
        return (
            dist.Normal(0.0, self.sd).log_prob((value - self.loc) @ self.axes).sum(-1)
        )


def columns(c: Float[Array, "*budgets"]) -> Float[Array, "*budgets weights"]:
    """Waves at c = log(C / C0), (..., 2 wave), whose squares sum to one."""
    xp = np if isinstance(c, np.ndarray) else jnp  # outside of a program without one
    phase = c[..., None] * FREQUENCY
    size = np.sqrt(np.tile(PART, 2))
    return xp.concatenate([xp.cos(phase), xp.sin(phase)], axis=-1) * size


@runtime_checkable
class HasTrend(Protocol):
    """A law of N*(C) and D*(C) whose line may be given another shape."""

    C0: float
    k: float
    trend: Trend


def bend_line(law: Any, x: Inputs) -> Any:
    """Let the line of a law bend about the budgets of these runs.

    Args:
        law: a law with a `trend`, at its reference budget.
        x: its inputs, with `budget` or `C`, FLOP, (run,).
    """
    if of_profiles(law):
        design = np.log(np.asarray(law.budgets) / law.C0)
        return replace(law, trend=_marginalised_bend(design, law.C0, law.k))
    design = np.unique(np.round(np.log(np.asarray(x["C"]) / law.C0), 9))
    shapes = columns(design)
    _, size, turn = np.linalg.svd(shapes, full_matrices=len(design) < shapes.shape[1])
    size = np.concatenate([size, np.zeros(len(turn))])[: len(turn)]
    return replace(
        law,
        trend=BentLine((float(design[0]), float(design[-1])), turn.T, size / SCATTER),
    )


def _marginalised_bend(design: np.ndarray, C0: float, k: float) -> MarginalisedBentLine:
    axes, q, turn = np.linalg.svd(columns(design))
    size, seen = np.zeros(len(axes)), np.zeros(len(turn))
    size[: len(q)], seen[: len(q)] = q, q
    return MarginalisedBentLine(tuple(design.tolist()), C0, k, axes, size, seen, turn.T)


def straighten_line(law: Any) -> Any:
    """Return the law with its power laws exact."""
    return replace(law, trend=STRAIGHT)
