"""Which discrepancy a law can carry: waves on a surface's loss, or on a line's optimum."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from nstar.departures import bent_lines, discrepancy
from nstar.departures.bent_lines import HasTrend
from nstar.departures.discrepancy import PARTS, Bent
from nstar.departures.pooling import Pooled
from nstar.laws.line import Straight
from nstar.types import Inputs, Law

SHAPES = ("turn", "seen", "axes", "size")  # fields that the weights of a line multiply


def bendable(law: Any) -> bool:
    """Say whether a law can bend and does not yet."""
    return discrepancy.bendable(law) or (isinstance(law, HasTrend) and not is_bent(law))


def is_bent(law: Any) -> bool:
    """Say whether a law, pooled or not, carries a discrepancy."""
    law = law.law if isinstance(law, Pooled) else law
    bent_line = isinstance(law, HasTrend) and not isinstance(law.trend, Straight)
    return bent_line or isinstance(law, Bent)


def bend(law: Any, x: Inputs) -> Any:
    """Let a law bend about the design of these runs.

    Raises:
        ValueError: it has neither a loss of (N, D) above a floor nor a line of optima.
    """
    if isinstance(law, HasTrend) and not is_bent(law):
        return bent_lines.bend_line(law, x)
    return discrepancy.bend(law, x)


def straight(law: Law) -> Law:
    """Return the law without its groups and its discrepancy."""
    law = law.law if isinstance(law, Pooled) else law
    if isinstance(law, Bent):
        return law.law
    return bent_lines.straighten_line(law) if isinstance(law, HasTrend) else law


def shapes(part: Any, path: str = "") -> dict[str, np.ndarray]:
    """Arrays that a discrepancy's weights multiply, by their path of fields in the law.

    They are saved with the draws: computed again on another machine, singular vectors may
    be rotated or have another sign.
    """
    arrays: dict[str, np.ndarray] = {}
    for field in fields(part):
        value, place = getattr(part, field.name), path + field.name
        if field.name in SHAPES and value is not None:
            arrays[place] = np.asarray(value)
        elif is_dataclass(value):
            arrays |= shapes(value, f"{place}.")
    return arrays


def with_shapes(part: Any, saved: Mapping[str, np.ndarray], path: str = "") -> Any:
    """Return the law with the shapes that its draws were made with."""
    changed = {
        field.name: with_shapes(value, saved, f"{path}{field.name}.")
        for field in fields(part)
        if is_dataclass(value := getattr(part, field.name))
    }
    places = {field.name: path + field.name for field in fields(part)}
    changed |= {name: saved[place] for name, place in places.items() if place in saved}
    return replace(part, **changed)


def amplitudes(law: Any) -> set[str]:
    """Names of the unknowns that a discrepancy adds to a law, without the weights."""
    if isinstance(law, HasTrend):
        return {bent_lines.UNKNOWN}
    return {f"bend_{part}" for part in PARTS} if discrepancy.bendable(law) else set()
