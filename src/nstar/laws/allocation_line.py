"""What the laws of compute-optimal points have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from nstar.laws.examples import OPTIMA
from nstar.laws.line import STRAIGHT, Trend
from nstar.laws.reference_run import (
    CentredLaw,
    centre_of,
    flop_per_token,
    from_runs,
    typical_error,
)
from nstar.types import Array, Derived, Inputs, Params


@dataclass(frozen=True)
class AllocationLine(CentredLaw, ABC):
    """A law of the optimum of each budget, about a line that a trend may bend."""

    C0: float = centre_of("C", 1e21)  # FLOP, the reference budget
    k: float = flop_per_token()
    # typical standard error of a measured log N* and log D*
    se: float = from_runs(0.0, lambda x, _: typical_error(x))
    trend: Trend = STRAIGHT  # how log D* leaves its power law
    inputs: ClassVar[tuple[str, ...]] = ("C",)
    example: ClassVar[Inputs] = OPTIMA

    @abstractmethod
    def log_optimum(
        self, params: Params, C: Float[Array, "*#budgets"]
    ) -> tuple[Float[Array, "*budgets"], Float[Array, "*budgets"]]:
        """Return log N* and log D* on the law's line."""

    def probes(self, C: Float[np.ndarray, " budgets"]) -> Inputs:
        """The budgets, measured as well as usual."""
        return {"C": C, "se": np.full(len(C), self.se)}

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Those of the trend."""
        return self.trend.labels()

    def derived(self, params: Params) -> Derived:
        """Numbers of the line with its bend, where it has one."""
        return self.trend.derived(params, partial(self.log_optimum, params), self.C0)
