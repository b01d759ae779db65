"""The loss of the run recommended for each budget, with nested bands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nstar.answers import Document
from nstar.fits.mixture import Posterior
from nstar.plans.actions import ANY, Limits
from nstar.plans.choosing import choose
from nstar.plans.limiting import apply_limits

BUDGETS = 25  # points of the curve
BANDS = (0.5, 0.8, 0.95)  # probabilities of the nested bands
BEYOND = 2.0  # times the largest budget at which the curve ends


@dataclass(frozen=True)
class LossByBudget:
    """The loss of the recommended run along compute."""

    C: np.ndarray  # FLOP, (budget,)
    N: np.ndarray  # of the run of each budget
    D: np.ndarray
    median: np.ndarray  # loss
    bands: dict[float, np.ndarray]  # by probability: (2, budget)

    def as_json(self) -> list[Document]:
        """One record a budget."""
        return [
            {
                "C": float(C),
                "N": float(N),
                "D": float(D),
                "median": float(median),
                "bands": {
                    f"{p:g}": [float(b[0, i]), float(b[1, i])]
                    for p, b in self.bands.items()
                },
            }
            for i, (C, N, D, median) in enumerate(
                zip(self.C, self.N, self.D, self.median, strict=True)
            )
        ]


def loss_by_budget(
    fit: Posterior, budgets: Sequence[float], limits: Limits = ANY
) -> LossByBudget:
    """Evaluate the recommended run from the middle of the runs to beyond the budgets.

    The loss is that of the law, without run noise.
    """
    fit, limits = apply_limits(fit, limits)
    C = fit.runs["C"]
    last = max(*budgets, float(C.max())) * BEYOND
    first = min(*budgets, float(np.sqrt(C.min() * C.max())))
    grid = np.geomspace(first, last, BUDGETS)
    chosen = choose(fit, grid, fit.runs.cost, limits)
    bands = {
        p: np.quantile(chosen.loss, [(1 - p) / 2, (1 + p) / 2], axis=0) for p in BANDS
    }
    return LossByBudget(grid, chosen.N, chosen.D, np.median(chosen.loss, axis=0), bands)
