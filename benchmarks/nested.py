"""What a run is worth by nested Monte Carlo: draws re-weighted by each outcome it may have.

The exact answer as draws grow, without the linear-Gaussian step of `nstar.design.updating`: the
mean after an outcome is that of draws weighted by how well they expected it, and no draw
weighs in on the outcome it made itself.
"""

from dataclasses import replace

import numpy as np

from nstar.design.candidates import Candidates
from nstar.design.preposterior import NORMAL, Target, Value
from nstar.fits.batches import fit_batch
from nstar.fits.fitting import Fit
from nstar.predictions.prediction import responses
from nstar.runs.observations import Observations

OUTCOMES = 1000  # of each run
DRAWS = 2000  # of a fit that is made anew


def reweighted(
    target: Target, expected: np.ndarray, noise: float, rng: np.random.Generator
) -> Value:
    """Value of one run.

    Args:
        target: the choice, under the same draws.
        expected: response of the run under each draw, (draw,).
        noise: sd of the run's scatter, normal.
        rng: of its outcomes.
    """
    at = np.linspace(0, len(expected) - 1, min(OUTCOMES, len(expected))).astype(int)
    came = expected[at] + noise * rng.standard_normal(len(at))
    distance = (came[:, None] - expected) / noise
    distance[np.arange(len(at)), at] = np.inf  # a draw does not judge its own outcome
    nearest = np.min(np.square(distance), axis=1, keepdims=True)
    weight = np.exp(-0.5 * (np.square(distance) - nearest))
    weight /= weight.sum(axis=1, keepdims=True)
    saved = variance = 0.0
    if (first := target.best) is not None:
        after = weight @ target.payoff
        saved = float((after[:, first] - after.min(axis=1)).mean())
        variance = _fall(target.payoff[:, first], weight)[0]
    had, left = _fall(target.log_N, weight)[1]
    return Value(saved, variance, 0.5 * float(np.log(had / left)))


def _fall(t: np.ndarray, weight: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Fall of the variance of t over the outcomes, and what it was and is."""
    had, mean = float(t.var()), weight @ t
    left = float((weight @ np.square(t) - np.square(mean)).mean())
    return had - left, (had, left)


def all_reweighted(
    fit: Fit, candidates: Candidates, target: Target, seed: int = 0
) -> list[Value]:
    """Value of each candidate by itself."""
    expected, measured = responses(fit, candidates.N, candidates.D, seed=seed)
    low, high = np.quantile(measured - expected, [0.25, 0.75], axis=0)
    noise, rng = (high - low) / NORMAL, np.random.default_rng(seed)
    return [
        reweighted(target, e, s, rng) for e, s in zip(expected.T, noise, strict=True)
    ]


def refitted(
    fit: Fit, law: str, candidates: Candidates, C: float, outcomes: int, seed: int = 0
) -> np.ndarray:
    """Nats of log N* at a budget that each candidate adds, by fitting its outcomes, (candidate,)."""
    _, measured = responses(fit, candidates.N, candidates.D, seed=seed)
    runs, tables = fit.runs, {"now": fit.runs}
    at = np.linspace(0, len(measured) - 1, outcomes).astype(int)
    for i in range(len(candidates)):
        for j in at:
            own = (candidates.N[i], candidates.D[i], float(np.exp(measured[j, i])))
            tables[f"{i} {j}"] = _with(runs, *own)
    made = fit_batch(
        tables,
        law,
        fit.noise,
        seed=seed,
        budgets=[C],
        draws=DRAWS,
        tick=lambda done, total: None,
    )
    variance = made.draws["log_N"].var("draw").isel(C=0)
    each = [
        variance.sel(fit=[f"{i} {j}" for j in at]).mean(skipna=True)
        for i in range(len(candidates))
    ]
    return 0.5 * np.log(float(variance.sel(fit="now")) / np.array(each))


def _with(runs: Observations, N: float, D: float, L: float) -> Observations:
    """Add a run."""
    new = {"N": N, "D": D, "C": float(runs.cost.flop(N, D)), "L": L}
    columns = {n: np.append(runs[n], v) for n, v in new.items()}
    return replace(
        runs, columns=columns, rows=np.append(runs.rows, runs.rows.max() + 1), notes=()
    )
