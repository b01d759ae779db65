"""Every law finds the numbers its runs were made with, and what follows from them."""

import jax
import numpy as np
import pytest

import nstar
from designs import DESIGNS
from nstar.costs.training import SIX
from nstar.fits.fitting import fit
from nstar.laws import LAWS
from nstar.samplers.nuts import Settings
from nstar.types import Derives

QUICK = Settings(chains=2, warmup=200, draws=1000)
LEVEL = 0.998  # of the intervals: 150 are asked, so a narrower one would miss by chance
NOISE = {"sigma": 0.004, "nu": 6.0}
SURFACE = {
    "level": 2.9,
    "floor_share": 0.62,
    "size_share": 0.45,
    "alpha1": 0.52,
    "exponent_sum": 0.66,
}
TRUTHS = {
    "chinchilla": SURFACE,
    "coupled": SURFACE | {"coupling": 0.6},
    "kaplan": {"level": 2.9, "size_share": 0.4, "alpha1": 0.58, "exponent_sum": 0.18},
    "tied": {n: v for n, v in SURFACE.items() if n != "alpha1"},
    "broken": SURFACE | {"break_at": 1.0, "break_ratio": 0.6, "break_width": 0.8},
    "farseer": {
        "level": 0.55,
        "endless_share": 0.85,
        "endless_slope": 0.11,
        "endless_bend": 0.17,
        "data_slope": 0.3,
        "data_bend": -0.1,
        "beta": 0.35,
        "beta_slope": -0.15,
        "beta_bend": 0.12,
    },
    "compute": {"level": 2.6, "floor_share": 0.6, "gamma": 0.16},
    "data_constrained": SURFACE | {"R_D": 12.0, "R_N": 6.0},
    "experts": SURFACE
    | {"expert_worth": 0.45, "expert_fade": 0.05, "expert_limit": 60.0},
    "tuning": SURFACE
    | {
        "coupling": 0.7,
        "log_lr": 0.1,
        "lr_by_size": -0.4,
        "lr_by_data": 0.1,
        "log_batch": -0.2,
        "batch_by_size": 0.0,
        "batch_by_data": 0.5,
        "batch_by_lr": 0.4,
        "lr_cost": 0.01,
        "batch_cost": 0.01,
        "lr_skew": 0.4,
        "batch_skew": -0.2,
        "cost_by_size": -0.1,
        "cost_by_data": -0.1,
        "mistuned": 0.1,
    },
    "upcycled": SURFACE | {"expert_worth": 0.4, "parent_worth": 0.5},
    "vocabulary": {
        "normalised_level": -4.2,
        "reducible": 0.9,
        "vocabulary_share": 0.25,
        "size_share": 0.45,
        "alpha1": 0.5,
        "exponent_sum": 0.8,
        "alpha_v": 0.6,
    },
    "precision": SURFACE
    | {
        "weight_decay_bits": 1.6,
        "weight_power": 2.0,
        "activation_decay_bits": 2.2,
        "activation_power": 1.4,
    },
    "parallel": {"level": 2.0, "floor_share": 0.6, "alpha": 0.2, "stream_worth": 0.35},
    "sparsity": SURFACE | {"sparse_share": 0.35, "sparse_exponent": 0.8},
}


OF_LOSS = [n for n in LAWS if LAWS[n]().response.columns == ("L",) and n != "isoflop"]


def truth_of(name):
    """Numbers chosen above, or else such as the law's prior has in the middle."""
    if name in TRUTHS:
        return TRUTHS[name]
    draws = nstar.simulate(name, DESIGNS[name](), draws=999, seed=0)
    return {n: float(draws[n].median()) for n in LAWS[name]().priors()}


@pytest.mark.parametrize("name", OF_LOSS)
def test_a_law_recovers_the_numbers_its_runs_were_made_with(name):
    design = DESIGNS[name]()
    truth = truth_of(name) | NOISE
    made = nstar.simulate(name, design, truth, seed=1)["L"].to_numpy()[0]
    found = fit(
        nstar.read_runs(design | {"L": made}), name, settings=QUICK, discrepancy="none"
    )
    with jax.enable_x64(True):
        law = LAWS[name]().at(design, SIX)
        derived = law.derived(truth) if isinstance(law, Derives) else {}
        wanted = truth | {n: float(v) for n, v in derived.items()}
    posterior = found.tree["posterior"].dataset
    outside = {}
    for quantity, value in wanted.items():
        ends = (1 - LEVEL) / 2, (1 + LEVEL) / 2
        low, high = np.quantile(posterior[quantity].to_numpy(), ends)
        if not low <= value <= high:
            outside[quantity] = (value, low, high)
    assert not outside
    assert found.tree["sample_stats"]["diverging"].sum() <= 10  # of 2000
