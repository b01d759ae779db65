"""How far compute-optimal tokens may bend away from a power of compute: waves in log C."""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.linalg import cho_solve, solve_triangular

from nstar.laws.line import STRAIGHT, Trend, tied
from nstar.types import Array, Inputs, Params, Prior
from nstar.waves import Waves, over_line

AMPLITUDE, SPREAD = 0.25, 0.7  # of log tokens; sd of its log
LENGTH, WAVES = 8.0, 10  # e-folds of compute
SCATTER = 0.1  # of log tokens of a measured optimum, about: a guide, no assumption
UNKNOWN, WEIGHTS = "bend_optimum", "waves_optimum"
FREQUENCY = over_line(WAVES, LENGTH)


@dataclass(frozen=True)
class Bow:
    r"""A Matern-3/2 process in log C, told as waves of fixed frequencies.

    $$ \log D^* = \log A_2 + \alpha_2 \log C + \delta(\log C), \qquad
       \delta \sim \mathrm{GP}(0, \tau^2, \ell) $$

    log N* bends the other way, so that N* D* stays as it was.  The process is stationary:
    far from the runs the bend is as uncertain as before any was seen, and what grows
    with log C is what is not known of the exponents.  Processes that grow themselves, and
    one without what is straight over the budgets, did no better a decade out and up to 14 %
    better at two, with intervals twice as wide; amplitude and length were set on the same
    ladders (benchmarks/results/optima.md).  The exponents of the law are those of the power law
    alone; a plan's are slopes of the bent line over the runs.
    """

    design: tuple[float, ...]  # log(C / C0) of the budgets
    waves: Waves = field(compare=False)  # turned to the budgets

    def priors(self) -> dict[str, Prior]:
        """Amplitude tau, and the weights of the waves."""
        return {
            UNKNOWN: self.waves.amplitude(),
            WEIGHTS: lambda params: self.waves.weights(params[UNKNOWN]),
        }

    def bend(self, params: Params, c: Array) -> Array:
        """Departure of log D* from its power law, c = log(C / C0)."""
        c = jnp.asarray(c)
        tau, w = params[UNKNOWN], params[WEIGHTS]
        return self.waves.bend(tau, w, c, jnp.zeros_like(c))

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Weights are numbered."""
        return {"wave": list(range(2 * WAVES))}, {WEIGHTS: ["wave"]}


@dataclass(frozen=True)
class Hidden:
    r"""The same process where the budgets' optima are themselves unknowns of the law.

    Their prior has the process summed out, and the weights follow from them:

    $$ y \sim \mathrm{Normal}(\mathrm{line},\ s^2 I + \tau^2 \Phi\Phi^\top), \qquad
       w \mid y = A^{-1} \Phi^\top \tfrac{\tau}{s^2} (y - \mathrm{line}) + A^{-1/2} z,
       \quad A = I + \tfrac{\tau^2}{s^2} \Phi^\top\Phi $$

    This is the joint distribution of `Bow` told in the other order, in which the sampler
    meets no funnel: no run speaks of z but through y.
    """

    design: tuple[float, ...]  # log(C / C0) of the budgets
    at: float  # C0 ...
    k: float  # ... and FLOP per parameter and token of the law

    def priors(self) -> dict[str, Prior]:
        """Amplitude tau, and what the optima leave open of the weights."""
        return {
            UNKNOWN: dist.LogNormal(jnp.log(AMPLITUDE), SPREAD),
            WEIGHTS: dist.Normal(0.0, 1.0).expand([2 * WAVES]),
        }

    def scatter(self, params: Params, line: Array) -> Prior:
        """Optima of the budgets, the bend summed out."""
        waves = params[UNKNOWN] * columns(jnp.asarray(self.design))
        own = jnp.square(params["scatter"]) * jnp.eye(len(self.design))
        return dist.MultivariateNormal(line, waves @ waves.T + own)

    def bend(self, params: Params, c: Array) -> Array:
        """Departure of log D* from its power law, c = log(C / C0)."""
        tau, s, at = params[UNKNOWN], params["scatter"], jnp.asarray(self.design)
        line = tied(params, self.at * jnp.exp(at), self.at, self.k)[1]
        waves = (tau / s) * columns(at)
        root = jnp.linalg.cholesky(jnp.eye(2 * WAVES) + waves.T @ waves)
        mean = cho_solve((root, True), waves.T @ ((params["log_D"] - line) / s))
        w = mean + solve_triangular(root.T, params[WEIGHTS], lower=False)
        return tau * (columns(jnp.asarray(c)) @ w)

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Weights are numbered."""
        return {"wave": list(range(2 * WAVES))}, {WEIGHTS: ["wave"]}


def columns(c: Array) -> Array:
    """Waves at c = log(C / C0), (..., 2 wave), whose squares sum to one."""
    phase = c[..., None] * FREQUENCY
    return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1) / np.sqrt(WAVES)


@runtime_checkable
class Lined(Protocol):
    """A law of N*(C) and D*(C) whose line may be given another shape."""

    C0: float
    k: float
    trend: Trend


def bow(law: Any, x: Inputs) -> Any:
    """Let the line of a law bend about the budgets of these runs.

    Args:
        law: a law with a `trend`, at its reference budget.
        x: its inputs, with `budget` or `C`, FLOP, (run,).
    """
    if "budget" in law.inputs:
        design = np.log(np.asarray(law.budgets) / law.C0)
        return replace(law, trend=Hidden(tuple(design.tolist()), law.C0, law.k))
    design = np.unique(np.round(np.log(np.asarray(x["C"]) / law.C0), 9))
    along = np.stack([FREQUENCY, np.zeros(WAVES)], axis=1)
    waves = Waves(AMPLITUDE, SPREAD, along).at(
        design, np.zeros_like(design), noise=SCATTER
    )
    return replace(law, trend=Bow(tuple(design.tolist()), waves))


def straighten(law: Any) -> Any:
    """Return the law with its power laws exact."""
    return replace(law, trend=STRAIGHT)
