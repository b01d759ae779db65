"""Small designs that calibration and property tests share: 12 optima, 48 runs."""

from typing import Any

import numpy as np

from nstar.costs.training import SIX
from nstar.departures.bending import bend
from nstar.laws import LAWS

BUDGETS = np.geomspace(1e18, 1e21, 6)


def optima() -> dict[str, np.ndarray]:
    """Twelve compute-optimal points over three decades, as real ladders have."""
    return {"C": np.geomspace(6e18, 1e22, 12)}


def profiles(each: int = 8) -> dict[str, np.ndarray]:
    """Six budgets of some runs each, 1 to 400 tokens per parameter."""
    C = np.repeat(BUDGETS, each)
    ratio = np.tile(np.geomspace(1.0, 400.0, each), 6)
    D = np.sqrt(C * ratio / 6)
    return {"C": C, "budget": C, "D": D, "N": C / (6 * D)}


def repeated() -> dict[str, np.ndarray]:
    """Profiles of 1 to 60 epochs."""
    x = profiles()
    return x | {"unique_tokens": x["D"] / np.resize([1.0, 4.0, 60.0, 1.0, 16.0], 48)}


def mixtures() -> dict[str, np.ndarray]:
    """Profiles of dense models and of mixtures with up to 128 times the parameters."""
    x = profiles()
    return x | {"total_params": x["N"] * np.resize([1.0, 8.0, 128.0, 2.0, 32.0], 48)}


def upcycled() -> dict[str, np.ndarray]:
    """Mixtures from dense parents of few tokens to several times their own."""
    x = mixtures()
    return x | {
        "dense_tokens": x["D"] * np.resize([0.1, 1.0, 5.0, 0.4, 2.0, 1.0, 0.1], 48)
    }


def vocabularies() -> dict[str, np.ndarray]:
    """Profiles with 1 to 30 percent of the parameters in the vocabulary."""
    x = profiles()
    share = np.resize([0.01, 0.08, 0.3, 0.03, 0.15], 48)
    return x | {"vocabulary_params": x["N"] * share}


def quantised() -> dict[str, np.ndarray]:
    """Profiles in 1 to 16 bits, of weights and of activations."""
    weights = np.resize([16.0, 2.0, 4.0, 1.0, 3.0], 48)
    activations = np.resize([16.0, 8.0, 3.0, 16.0, 4.0, 2.0, 1.0], 48)
    return profiles() | {"weight_bits": weights, "activation_bits": activations}


def thinned() -> dict[str, np.ndarray]:
    """Profiles of dense models and of models with up to 95 percent zeros."""
    return profiles() | {"sparsity": np.resize([0.0, 0.75, 0.95, 0.5, 0.9], 48)}


def losses() -> dict[str, np.ndarray]:
    """Sixteen runs whose losses fall by half, with the questions of a small task."""
    return {"L": np.geomspace(4.4, 2.2, 16), "questions": np.full(16, 2000.0)}


def problems() -> dict[str, np.ndarray]:
    """Counts of sixty problems, each asked 64 times."""
    return {"samples": np.full(60, 64.0)}


def problems_by_size() -> dict[str, np.ndarray]:
    """Counts of twelve problems by five models of 70M to 12B parameters."""
    N = np.repeat(np.geomspace(7e7, 1.2e10, 5), 12)
    return {"N": N, "samples": np.full(60, 64.0)}


def tried() -> dict[str, np.ndarray]:
    """Sixteen k from one to a thousand, of a benchmark of many problems."""
    return {"k": np.geomspace(1, 1000, 16), "questions": np.full(16, 2000.0)}


def thought() -> dict[str, np.ndarray]:
    """Sixteen token budgets of a benchmark of many problems."""
    return {"T": np.geomspace(200, 60000, 16), "questions": np.full(16, 2000.0)}


def streams() -> dict[str, np.ndarray]:
    """Six sizes in one to eight streams."""
    N = np.tile(np.geomspace(5e8, 4.4e9, 6), 4)
    return {"N": N, "P": np.repeat([1.0, 2.0, 4.0, 8.0], 6)}


def seen() -> dict[str, np.ndarray]:
    """Four sizes with one to 576 visual tokens."""
    N = np.repeat([5e8, 1.8e9, 4e9, 7e9], 7)
    return {"N": N, "T": np.tile([1.0, 4, 16, 36, 64, 144, 576], 4)}


def trained() -> dict[str, np.ndarray]:
    """Twenty runs over five decades of compute."""
    return {"C": np.geomspace(1e16, 1e21, 20)}


def denoised() -> dict[str, np.ndarray]:
    """Twelve diffusion transformers."""
    return {"forward_flop": np.geomspace(7e8, 2.4e11, 12)}


DESIGNS = {
    "allocation": optima,
    "allocation_free": optima,
    "isoflop": profiles,
    "chinchilla": profiles,
    "coupled": profiles,
    "kaplan": profiles,
    "tied": profiles,
    "broken": profiles,
    "farseer": profiles,
    "compute": profiles,
    "data_constrained": repeated,
    "experts": mixtures,
    "upcycled": upcycled,
    "vocabulary": vocabularies,
    "precision": quantised,
    "sparsity": thinned,
    "accuracy": losses,
    "accuracy_by_nll": losses,
    "repeated_sampling": problems,
    "beta_binomial": problems,
    "repeated_by_size": problems_by_size,
    "coverage": tried,
    "token_budget": thought,
    "parallel": streams,
    "visual_tokens": seen,
    "bounded_metric": trained,
    "fid": denoised,
}

BENT = ("allocation", "allocation_free", "isoflop")  # laws whose line bends by default


def bent(name: str) -> Any:
    """Let a law bend about the budgets of its design."""
    law = LAWS[name]()
    x = {column: v for column, v in DESIGNS[name]().items() if column in law.inputs}
    return bend(law.at(x, SIX), x)
