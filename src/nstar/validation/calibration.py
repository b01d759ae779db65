"""Simulation-based calibration: do posteriors hold the truths that made their data?

Unknowns are drawn from the prior, runs from the law and its noise, and each is fitted
again; the rank of the truth among the draws is uniform if and only if the whole road,
priors to sampler, is right (Talts et al. 2018, arXiv:1804.06788).  Besides the unknowns
the log likelihood is ranked, which sees errors the unknowns do not (Modrak et al. 2023,
arXiv:2211.02383), and N*(C) and L*(C) a decade beyond the design.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from nstar.costs.cost_line import WIDEST, of_runs, optimum
from nstar.costs.training import SIX, PerParamToken
from nstar.departures.discrepancy import Bent
from nstar.fits.model import parse_model, placed
from nstar.priors.resolving import resolve
from nstar.priors.sets import Priors
from nstar.runs.law_data import input_columns
from nstar.samplers import density, nuts
from nstar.samplers.density import Data, Skeleton, split
from nstar.samplers.nuts import Settings
from nstar.types import (
    SHARED,
    Allocation,
    Array,
    Floored,
    Law,
    Noise,
    Params,
    Prior,
    Sharing,
    Surface,
)

QUICK = Settings(chains=2, warmup=200, draws=300)
THINNED = 100  # draws a truth is ranked among, about independent
# quantities people act on: corrected for these few, a test has more power than over all
DECISIVE = ("N*", "D*", "L*", "alpha1", "E", "sigma", "log likelihood")
SEEN = 0.9  # power at which a fault counts as detected


class Ranks(NamedTuple):
    """Ranks of truths as values in (0, 1), by quantity, (replicate,) each."""

    values: dict[str, np.ndarray]
    divergences: int

    def tests(self) -> dict[str, float]:
        """P-value against uniform ranks, by quantity, in shape, location or width."""
        return {name: uniform(u) for name, u in self.values.items()}

    def worst(self) -> tuple[float, str]:
        """Smallest p-value of decisive quantities or of all, each corrected for its number."""
        all_tests = self.tests()
        decisive = {name: p for name, p in all_tests.items() if name in DECISIVE}
        corrected = [
            (p * len(tests), name)
            for tests in (decisive, all_tests)
            for name, p in tests.items()
        ]
        p, name = min(corrected)
        return min(1.0, p), name


def uniform(u: np.ndarray) -> float:
    """Smallest of three p-values against uniformity, times three.

    Kolmogorov-Smirnov sees shape; the mean of normal scores sees bias; the sum of
    their squares sees intervals too wide or too narrow.
    """
    from scipy import stats  # half a second nobody else pays

    if not np.all(np.isfinite(u)):
        msg = "ranks must be finite"
        raise ValueError(msg)
    z = stats.norm.ppf(u)
    n = z.size
    bias = 2 * stats.norm.sf(abs(z.mean()) * np.sqrt(n))
    below = stats.chi2.cdf(np.sum(np.square(z)), n)
    width = 2 * min(below, 1 - below)
    return float(min(1.0, 3 * min(stats.kstest(u, "uniform").pvalue, bias, width)))


class Power(NamedTuple):
    """The smallest faults that a calibration detects with probability .9."""

    wider: float  # ratio of the true sd to the posterior's
    bias: float  # in posterior sd


def power(replicates: int, quantities: int, false_alarm: float) -> Power:
    """Compute in closed form the faults that a number of replicates detects.

    Normal scores of ranks under a posterior r times too narrow are normal with sd r, under
    one that is off by b with mean b (Talts et al. 2018, section 5, draws both).

    Args:
        replicates: simulated tables.
        quantities: number that the test is corrected for.
        false_alarm: probability that it fails on a correct sampler.
    """
    from scipy import stats

    each = false_alarm / quantities / 3  # `uniform` takes the smallest of three
    beyond = stats.chi2.isf(each / 2, replicates)
    wider = np.sqrt(beyond / stats.chi2.ppf(1 - SEEN, replicates))
    off = stats.norm.isf(each / 2) + stats.norm.ppf(SEEN)
    return Power(float(wider), float(off / np.sqrt(replicates)))


def calibrate(
    law: str | Law,
    design: Mapping[str, Array],
    noise: str | Noise | None = None,
    *,
    replicates: int = 64,
    seed: int = 0,
    settings: Settings = QUICK,
    priors: Priors = None,
    fitted_priors: Mapping[str, Prior] | None = None,
    distort: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = dict,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Ranks:
    """Rank truths drawn from the prior among posterior draws of their own data.

    Args:
        law: name of a law, or a law.
        design: the law's inputs, (run,) each.
        noise: name of a noise, or a noise.
        replicates: simulated tables.
        seed: of truths, tables and ranks.
        settings: of each fit.
        priors: of the truths and of the fits, as `fit` takes them.
        fitted_priors: priors the fits use in place of those the truths are drawn from;
            calibration is then expected to fail.
        distort: a change made to every posterior; likewise.
        tick: called with the replicates done and their total.
    """
    model = parse_model(law, noise)
    law, noise = model.law, model.noise
    x = {
        name: np.asarray(design[name], dtype=float)
        for name in input_columns(law, noise)
    }
    if isinstance(noise, Sharing) and SHARED in design:
        x[SHARED] = np.asarray(design[SHARED], dtype=float)
    ranks: dict[str, list[float]] = {}
    divergences = 0
    random = np.random.default_rng(seed)
    with jax.enable_x64(True):
        law, noise = placed(law, noise, x, SIX)
        skeleton, numbers = split(law, noise)
        key, data_key, *keys = jax.random.split(jax.random.key(seed), replicates + 2)
        chosen = resolve(priors, law, noise).priors
        count = max(
            replicates, nuts.PRIOR_DRAWS
        )  # the operations that the fits use too
        truths = density.prior_draws(law, noise, chosen, key, count)
        fit_priors = fitted_priors or chosen
        prior = (
            truths
            if fitted_priors is None
            else density.prior_draws(law, noise, fit_priors, key, count)
        )
        clean = density.expected(skeleton, numbers, truths, x)
        simulated = density.measured(noise, clean, truths, x, data_key)[:, 0]
        C = 10 * np.max(design["C"]) if "C" in design else None
        span = of_runs(x["N"], x["D"]) if isinstance(law, Bent) else WIDEST
        for i, key in enumerate(keys):
            truth = {name: np.asarray(values)[i] for name, values in truths.items()}
            y = np.asarray(simulated[i])
            draws = nuts.sample(
                law, noise, fit_priors, Data(x, y), key, settings, prior=prior
            )
            divergences += int(draws.stats["diverging"].sum())
            posterior = distort(
                {n: v.reshape(-1, *v.shape[2:]) for n, v in draws.posterior.items()}
            )
            step = max(len(next(iter(posterior.values()))) // THINNED, 1)
            thinned = {n: v[::step] for n, v in posterior.items()}
            stacked = {n: np.concatenate([truth[n][None], thinned[n]]) for n in thinned}
            ranked = _quantities(skeleton, numbers, stacked, Data(x, y), C, span)
            for name, values in ranked.items():
                below = np.sum(values[1:] < values[0]) + random.uniform() * (
                    1 + np.sum(values[1:] == values[0])
                )
                ranks.setdefault(name, []).append(float(below / len(values)))
            tick(i + 1, replicates)
    return Ranks(
        {name: np.array(values) for name, values in ranks.items()}, divergences
    )


def _quantities(
    skeleton: Skeleton,
    numbers: Any,
    draws: Params,
    data: Data,
    C: float | None,
    span: tuple[float, float],
) -> dict[str, np.ndarray]:
    """All ranked quantities by name, (draw,) each; array unknowns by element.

    N*, D* and L* lie in the window of tokens per parameter that a plan searches.
    """
    flat = {}
    for name, values in draws.items():
        parts = values.reshape(len(values), -1).T
        flat |= {
            f"{name}[{j}]" if len(parts) > 1 else name: part
            for j, part in enumerate(parts)
        }
    rest = _decisions(skeleton, SIX, numbers, draws, data, C, span)
    return flat | {name: np.asarray(values) for name, values in rest.items()}


@partial(jax.jit, static_argnums=(0, 1))
def _decisions(
    skeleton: Skeleton,
    cost: PerParamToken,
    numbers: Any,
    draws: Params,
    data: Data,
    C: float | None,
    span: tuple[float, float],
) -> dict[str, Array]:
    law, noise = skeleton.fill(numbers)

    def evaluate(params: Params) -> dict[str, Array]:
        quantities = {
            "log likelihood": density.log_likelihood(law, noise, data, params).sum()
        }
        if isinstance(law, Floored):
            quantities["E"] = law.floor(params)
        if C is None:
            return quantities
        if isinstance(law, Allocation):
            log_N, log_D = law.log_optimum(params, C)
        elif isinstance(law, Surface):
            log_N, log_D = optimum(partial(law.loss, params), cost, C, span)
        else:
            return quantities
        quantities |= {"N*": log_N, "D*": log_D}
        if isinstance(law, Surface):
            quantities["L*"] = law.loss(
                params, jax.numpy.exp(log_N), jax.numpy.exp(log_D)
            )
        return quantities

    return jax.vmap(evaluate)(draws)
