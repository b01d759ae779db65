"""Small designs that calibration and property tests share: 12 optima, 48 runs."""

from functools import partial
from typing import Any

import numpy as np

from nstar.costs.training import SIX
from nstar.departures.bending import bend
from nstar.laws import LAWS
from nstar.laws.examples import OPTIMA


def optima() -> dict[str, np.ndarray]:
    """Twelve compute-optimal points over three decades, as real ladders have."""
    return dict(OPTIMA)


def repeated() -> dict[str, np.ndarray]:
    """Profiles of 1 to 60 epochs."""
    return DESIGNS["data_constrained"]()


DESIGNS = {name: partial(dict, law().example) for name, law in LAWS.items()}
BENT = ("allocation", "allocation_free", "isoflop")  # laws whose line bends by default


def bent(name: str) -> Any:
    """Let a law bend about the budgets of its design."""
    law = LAWS[name]()
    x = {column: v for column, v in DESIGNS[name]().items() if column in law.inputs}
    return bend(law.at(x, SIX), x)
