"""Everyone who forecasts the held-out runs, by name.  To add one: add a line here.

A forecaster sees the training runs whole and of the test runs only N and D, and returns
joint predictive draws of their log loss with run noise, (draw, run).
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

import peers
import trials
from nstar.cache import use_cache
from nstar.fits.diagnostics import diagnose
from nstar.fits.fitting import Fit, fit
from nstar.fits.model import unknowns
from nstar.predictions.prediction import loss
from nstar.runs.observations import Observations
from nstar.samplers.nuts import Settings

type Forecaster = Callable[[Observations, Observations, int], np.ndarray]

# half the chains and no second attempt, since sixteen ladders are fitted twice
LEAN = Settings(chains=2, warmup=500, draws=500, max_tree_depth=8)
POOR = 1.05  # R-hat from which a fit is named while it is scored
_fits: dict[tuple, Fit] = {}  # of the split at hand, shared by forecasters


def fitted(
    law: str, noise: str, train: Observations, seed: int, discrepancy: str = "none"
) -> Fit:
    """Fit the training runs once for all forecasters that ask."""
    key = (law, noise, discrepancy, seed, train["N"].tobytes(), train["L"].tobytes())
    if key not in _fits:
        if len(_fits) > 8:
            _fits.clear()
        silent = lambda done, total: None  # noqa: E731
        _fits[key] = fit(
            replace(train, notes=()),
            law,
            noise,
            seed=seed,
            tick=silent,
            settings=None if discrepancy == "none" else LEAN,
            discrepancy=discrepancy,
        )
        found = diagnose(_fits[key].tree, unknowns(_fits[key].law, _fits[key].noise))
        if found.rhat > POOR:
            print(
                f"  {law}, {discrepancy}: R-hat {found.rhat:.2f} of {found.rhat_of}, ESS {found.ess_bulk:.0f} of {found.ess_bulk_of}",
                file=sys.stderr,
                flush=True,
            )
    return _fits[key]


def one_law(
    train: Observations,
    test: Observations,
    seed: int,
    *,
    law: str,
    noise: str = "student_t",
    discrepancy: str = "none",
) -> np.ndarray:
    """Posterior of one law under one noise, as nstar has it."""
    posterior = fitted(law, noise, train, seed, discrepancy)
    said = loss(posterior, test["N"], test["D"], seed=seed)["measured"]
    return np.log(said.to_numpy())


def psis_loo(
    train: Observations, test: Observations, seed: int, *, laws: tuple[str, ...]
) -> np.ndarray:
    """Laws mixed by stacking weights of PSIS-LOO on the training runs (ArviZ)."""
    import arviz_stats  # before numpyro, it would leave numpyro without a module

    trees = {law: fitted(law, "student_t", train, seed).tree for law in laws}
    table = arviz_stats.compare(trees, method="stacking")
    rng = np.random.default_rng(seed)
    said = {law: one_law(train, test, seed, law=law) for law in laws}
    n = len(said[laws[0]])
    weights = np.array([float(table.loc[law, "weight"]) for law in laws])
    counts = rng.multinomial(n, weights / weights.sum())
    parts = [
        said[law][rng.permutation(len(said[law]))[:count]]
        for law, count in zip(laws, counts, strict=True)
    ]
    return np.concatenate(parts)


def _ssl(*forms: str) -> Forecaster:
    return partial(peers.simple_scaling_laws, forms=forms)


# "trial ..." and "peer ..." are what the rest is held against
FORECASTERS: dict[str, Forecaster] = {
    "trial plain": trials.plain,
    "trial discrepancy": partial(trials.discrepancy, coupled=False),
    "trial discrepancy, coupled": partial(trials.discrepancy, coupled=True),
    "peer bootstrap, law only": partial(peers.bootstrap, noise=False),
    "peer bootstrap": peers.bootstrap,
    "peer ssl separable": _ssl("separable-power"),
    "peer ssl skaling": _ssl("skaling-joint-power"),
    "peer ssl kaplan": _ssl("kaplan-joint-power"),
    "peer ssl pool of three": _ssl(*peers.FORMS),
    "peer NUTS chinchilla": partial(one_law, law="chinchilla"),
    "peer PSIS-LOO": partial(psis_loo, laws=("chinchilla", "coupled")),
    "nstar coupled": partial(one_law, law="coupled"),
    "nstar coupled, waves": partial(one_law, law="coupled", discrepancy="waves"),
}

use_cache()
