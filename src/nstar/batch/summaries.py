"""From draws to the columns of a table: coefficients, and a row for each fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nstar.fits.batches import OF_BUDGET

LOGS = {
    "log_N": "N",
    "log_D": "D",
    "log_A1": "A1",
    "log_A2": "A2",
}  # told as counts too


def coefficients(
    values: Mapping[str, np.ndarray], ends: Sequence[float]
) -> dict[str, np.ndarray]:
    """Add N* = A1 C^alpha1 and D* = A2 C^alpha2 between the ends of a ladder's compute.

    Args:
        values: by name, (fit, draw, ...); answers of budgets begin with the two ends.
        ends: least and most FLOP of the runs; none where there is no compute.

    Returns:
        The same without the ends; alpha1, alpha2, log A1 and log A2 of each draw.
    """
    found = dict(values)
    if not ends:
        return found
    low, high = np.log(ends)
    for i, name in ((1, "log_N"), (2, "log_D")):
        if name in found and high > low:
            line = found[name][..., :2]
            slope = (line[..., 1] - line[..., 0]) / (high - low)
            found[f"alpha{i}"] = slope
            found[f"log_A{i}"] = line[..., 0] - slope * low
    return found | {n: found[n][..., 2:] for n in OF_BUDGET if n in found}


def row_of(
    values: Mapping[str, np.ndarray],
    budgets: Sequence[float],
    runs: Sequence[tuple[float, float]],
    prob: float,
) -> dict[str, float]:
    """Sum one fit up.

    Args:
        values: by name, (draw,), (draw, budget) or, of `loss`, (draw, run).
        budgets: FLOP.
        runs: N and D.
        prob: of the equal-tailed intervals.
    """
    found: dict[str, float] = {}
    for name, draws in values.items():
        if draws.ndim == 1:
            found |= _summed(name, "", draws, prob)
        elif name == "loss":
            for i, (N, D) in enumerate(runs):
                found |= _summed(name, f"[N={N:g}, D={D:g}]", draws[:, i], prob)
        else:
            for i, C in enumerate(budgets):
                found |= _summed(name, f"[{C:g}]", draws[:, i], prob)
    return found


def _summed(name: str, at: str, draws: np.ndarray, prob: float) -> dict[str, float]:
    tails = (1 - prob) / 2, 0.5, (1 + prob) / 2
    said = dict(zip(("lo", "median", "hi"), np.quantile(draws, tails), strict=True))
    own = LOGS.get(name)
    count = {f"{own}{at}_{k}": float(np.exp(v)) for k, v in said.items()} if own else {}
    mean = {
        f"{name}{at}_mean": float(draws.mean()),
        f"{name}{at}_sd": float(draws.std(ddof=1)),
    }
    return (
        count
        | mean
        | ({} if own else {f"{name}{at}_{k}": float(v) for k, v in said.items()})
    )


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn rows into columns, with None where a row has nothing."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
