"""Which discrepancy a law can carry: waves on a surface's loss, or on a line's optimum."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from nstar.departures import bent_lines, discrepancy
from nstar.departures.bent_lines import Lined
from nstar.departures.discrepancy import PARTS, Bent
from nstar.departures.pooling import Pooled
from nstar.laws.line import Straight
from nstar.types import Inputs, Law

SHAPES = ("turn", "seen", "axes", "size")  # fields that the weights of a line multiply


def bendable(law: Any) -> bool:
    """Say whether a law can bend and does not yet."""
    return discrepancy.bendable(law) or (isinstance(law, Lined) and not is_bent(law))


def is_bent(law: Any) -> bool:
    """Say whether a law, pooled or not, carries a discrepancy."""
    law = law.law if isinstance(law, Pooled) else law
    lined = isinstance(law, Lined) and not isinstance(law.trend, Straight)
    return lined or isinstance(law, Bent)


def bend(law: Any, x: Inputs) -> Any:
    """Let a law bend about the design of these runs.

    Raises:
        ValueError: it has neither a loss of (N, D) above a floor nor a line of optima.
    """
    if isinstance(law, Lined) and not is_bent(law):
        return bent_lines.bow(law, x)
    return discrepancy.bend(law, x)


def straight(law: Law) -> Law:
    """Return the law without its groups and its discrepancy."""
    law = law.law if isinstance(law, Pooled) else law
    if isinstance(law, Bent):
        return law.law
    return bent_lines.straighten(law) if isinstance(law, Lined) else law


def shapes(part: Any, path: str = "") -> dict[str, np.ndarray]:
    """What a discrepancy's weights multiply, by place in the law: kept with the draws.

    Worked out again elsewhere, another linear algebra may turn or mirror it.
    """
    found: dict[str, np.ndarray] = {}
    for each in fields(part):
        value, place = getattr(part, each.name), path + each.name
        if each.name in SHAPES and value is not None:
            found[place] = np.asarray(value)
        elif is_dataclass(value):
            found |= shapes(value, f"{place}.")
    return found


def with_shapes(part: Any, kept: Mapping[str, np.ndarray], path: str = "") -> Any:
    """Return the law with the shapes that its draws were made with."""
    changed = {
        each.name: with_shapes(value, kept, f"{path}{each.name}.")
        for each in fields(part)
        if is_dataclass(value := getattr(part, each.name))
    }
    own = {each.name: path + each.name for each in fields(part)}
    changed |= {name: kept[place] for name, place in own.items() if place in kept}
    return replace(part, **changed)


def amplitudes(law: Any) -> set[str]:
    """Names of what the discrepancy adds to a law's unknowns, weights apart."""
    if isinstance(law, Lined):
        return {bent_lines.UNKNOWN}
    return {f"bend_{part}" for part in PARTS} if discrepancy.bendable(law) else set()
