"""A law's reference run: fields of a law that follow from the runs it is fitted to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, no_type_check

import numpy as np
from jaxtyping import Real

from nstar.costs.training import FLOP_PER_PARAM_TOKEN, flop_per_param_token
from nstar.types import Array, Cost, Inputs

MEASURE = "measure"  # in a field's metadata: what `at` sets it to


def centre(values: Real[Array, "..."]) -> float:
    """Geometric centre of a design's column."""
    return float(np.exp(np.mean(np.log(np.asarray(values, dtype=float)))))


def typical_error(x: Inputs) -> float:
    """Median standard error of measured optima, log tokens; zero where none is known."""
    return float(np.median(x["se"])) if "se" in x else 0.0


@no_type_check
def from_runs[T](usual: T, measure: Callable[[Inputs, Cost], T]) -> T:
    """Declare a field that `CentredLaw.at` measures.

    Args:
        usual: its value before there are runs.
        measure: its value from the inputs of the runs and what a run costs.
    """
    return field(default=usual, metadata={MEASURE: measure})


@no_type_check
def centre_of(column: str, usual: float, *, over: str | None = None) -> float:
    """Declare a field that is the geometric centre of a column, or of its ratio to another."""
    return from_runs(
        usual,
        lambda x, _: centre(x[column]) / (1.0 if over is None else centre(x[over])),
    )


@no_type_check
def spread_of(column: str, usual: float) -> float:
    """Declare a field that is the sd of a column's log, at least a hundredth."""
    return from_runs(
        usual,
        lambda x, _: max(float(np.std(np.log(np.asarray(x[column], float)))), 0.01),
    )


@no_type_check
def flop_per_token() -> float:
    """Declare a field that is k, the FLOP of a run by parameter and token: C = k N D."""
    return from_runs(FLOP_PER_PARAM_TOKEN, lambda _, cost: flop_per_param_token(cost))


@dataclass(frozen=True)
class CentredLaw:
    """A law whose unknowns live at a reference run; its fields say where that is."""

    words: ClassVar[Mapping[str, str]] = {}

    def at(self, x: Inputs, cost: Cost) -> "CentredLaw":
        """Return the law with its reference run where these runs have it."""
        measures = {f.name: f.metadata.get(MEASURE) for f in fields(self)}
        return replace(self, **{n: m(x, cost) for n, m in measures.items() if m})
