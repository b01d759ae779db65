"""The linear-Gaussian update beside nested Monte Carlo on five ladders, and how fast it is."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import nested
import nstar
from nstar.design.candidates import Candidates, grid_candidates
from nstar.design.policies import single_values
from nstar.design.preposterior import Value, decision_target, joint_covariance
from nstar.fits.fitting import Fit

LADDERS: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "llama3": ("llama3_isoflop", {}, ["condition=raw_loss"]),
    "chinchilla": ("chinchilla_epoch", {}, ["outlier=0"]),
    "porian": (
        "porian_isoflop",
        {},
        ["corpus=rw", "hparams=tuned", "param_count=standard", "split=val"],
    ),
    "marin": (
        "marin_isoflop",
        {"C": "flops"},
        ["corpus=nemotron", "validation_optimal=0"],
    ),
    "farseer": ("farseer", {"N": "params_nonembed"}, ["split=train", "flops<=1e21"]),
}
BEYOND, PILOT = 1000.0, 10.0  # times the largest run: the target, and the pilot budget
MOST = 60  # candidates of a ladder
REFITTED, OUTCOMES = 8, 24  # candidates whose outcomes are fitted, and how many of each


def some(there: Candidates, count: int) -> Candidates:
    """Keep so many, evenly."""
    at = np.unique(np.linspace(0, len(there) - 1, min(count, len(there))).astype(int))
    return Candidates(there.N[at], there.D[at], there.C[at], np.arange(len(at)))


def nested_ladders(folder: Path) -> dict[str, Any]:
    """Rank correlations by ladder."""
    found = {}
    for name, (file, columns, where) in LADDERS.items():
        runs = nstar.read_runs(folder / f"{file}.csv", columns, where)
        made = nstar.fit(runs, "chinchilla", discrepancy="none", tick=lambda a, b: None)
        found[name] = beside(made) | {"runs": len(runs)}
        if name == "chinchilla":
            found[name]["refits"] = refits(made)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def beside(fit: Fit) -> dict[str, Any]:
    """Spearman's rank correlation of every value, linear against nested."""
    largest = float(fit.runs["C"].max())
    there = some(grid_candidates(fit, PILOT * largest), MOST)
    target = decision_target(fit, BEYOND * largest)
    linear = single_values(joint_covariance(fit, there, target), target, there)
    exact = nested.all_reweighted(fit, there, target)
    pairs = {
        w: [[getattr(v, w) for v in values] for values in (linear, exact)]
        for w in Value._fields
    }
    return {w: float(stats.spearmanr(*pair)[0]) for w, pair in pairs.items()} | {
        "candidates": len(there)
    }


def refits(fit: Fit) -> dict[str, Any]:
    """The same of log N* beside posteriors fitted to outcomes."""
    largest = float(fit.runs["C"].max())
    there = some(grid_candidates(fit, PILOT * largest), REFITTED)
    target = decision_target(fit, BEYOND * largest)
    linear = [
        v.nats
        for v in single_values(joint_covariance(fit, there, target), target, there)
    ]
    exact = nested.refitted(fit, "chinchilla", there, target.C, OUTCOMES)
    return {
        "spearman": float(stats.spearmanr(linear, exact)[0]),
        "linear": linear,
        "refitted": exact.tolist(),
    }


def speed() -> dict[str, Any]:
    """Seconds for the next runs of 150 runs among 200 candidates, cold and warm."""
    truth = {
        "level": 2.6,
        "floor_share": 0.65,
        "size_share": 0.5,
        "alpha1": 0.5,
        "exponent_sum": 0.7,
        "sigma": 0.003,
        "nu": 5.0,
    }
    C = np.repeat(np.geomspace(1e18, 1e21, 10), 15)
    D = np.sqrt(C * np.tile(np.geomspace(1.0, 400.0, 15), 10) / 6)
    design = {"C": C, "D": D, "N": C / (6 * D)}
    L = nstar.simulate("chinchilla", design, truth, seed=1)["L"].to_numpy()[0]
    fit = nstar.fit(
        design | {"L": L}, "chinchilla", discrepancy="none", tick=lambda a, b: None
    )
    there = some(
        grid_candidates(
            fit,
            1e22,
            list(np.geomspace(2e7, 2e10, 20)),
            list(np.geomspace(1e9, 1e12, 20)),
        ),
        200,
    )
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        nstar.next_runs(fit, 1e25, 1e22, there).table()
        taken.append(time.perf_counter() - start)
    return {
        "runs": len(C),
        "candidates": len(there),
        "cold_s": taken[0],
        "warm_s": taken[1],
    }
