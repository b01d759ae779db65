"""Small designs, such as real ladders have, that laws are tested and calibrated on."""

import numpy as np

BUDGETS = np.geomspace(1e18, 1e21, 6)  # FLOP


def profiles(each: int = 8) -> dict[str, np.ndarray]:
    """Six budgets of some runs each, 1 to 400 tokens per parameter."""
    C = np.repeat(BUDGETS, each)
    ratio = np.tile(np.geomspace(1.0, 400.0, each), 6)
    D = np.sqrt(C * ratio / 6)
    return {"C": C, "budget": C, "D": D, "N": C / (6 * D)}


def cycled(*values: float) -> np.ndarray:
    """Repeat values over the runs of the profiles."""
    return np.resize(values, len(PROFILES["C"]))


PROFILES = profiles()  # 48 runs
# of dense models, and of mixtures with up to 128 times the parameters
MIXTURES = PROFILES | {
    "total_params": PROFILES["N"] * cycled(1.0, 8.0, 128.0, 2.0, 32.0)
}
# twelve compute-optimal points over three decades
OPTIMA = {"C": np.geomspace(6e18, 1e22, 12)}
# sixteen runs whose losses fall by half, with the questions of a small task
LOSSES = {"L": np.geomspace(4.4, 2.2, 16), "questions": np.full(16, 2000.0)}
# counts of sixty problems, each asked 64 times
PROBLEMS = {"samples": np.full(60, 64.0)}
