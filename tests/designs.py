"""Small designs that calibration and property tests share: 12 optima, 48 runs."""

import numpy as np

BUDGETS = np.geomspace(1e18, 1e21, 6)


def optima() -> dict[str, np.ndarray]:
    """Twelve compute-optimal points over three decades, as real ladders have."""
    return {"C": np.geomspace(6e18, 1e22, 12)}


def profiles() -> dict[str, np.ndarray]:
    """Six budgets of eight runs, 1 to 400 tokens per parameter."""
    C = np.repeat(BUDGETS, 8)
    ratio = np.tile(np.geomspace(1.0, 400.0, 8), 6)
    D = np.sqrt(C * ratio / 6)
    return {"C": C, "budget": C, "D": D, "N": C / (6 * D)}


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
    "compute": optima,
}
