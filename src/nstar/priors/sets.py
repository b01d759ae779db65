"""Priors by the name of a set: weak, or informed by the public record; read without JAX."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nstar.priors.record import sources
from nstar.types import Prior

SETS = {
    "weak": "the law's own, wide enough for any ladder",
    "informed": "learned from public ladders and published fits, less those of the runs' own source",
}
DEFAULT = "weak"  # informed scores 0.99 of it: benchmarks/results/priors.md


@dataclass(frozen=True)
class PriorSet:
    """A set of priors by its name, with single priors that override it.

    `PriorSet("informed") | {"alpha1": "Normal(0.5, 0.05)"}` adds one.
    """

    name: str = DEFAULT
    overrides: Mapping[str, Prior | str] = field(default_factory=dict)
    without: tuple[str, ...] = ()  # sources left out besides the runs' own

    def __post_init__(self) -> None:
        """Refuse a set or a source that does not exist.

        Raises:
            ValueError: naming what there is.
        """
        if self.name not in SETS:
            msg = f"no set of priors {self.name!r}; there are {', '.join(SETS)}, or give priors by name of unknown"
            raise ValueError(msg)
        if unknown := [name for name in self.without if name not in sources()]:
            msg = f"no source {unknown[0]!r} in the public record; there are {', '.join(sources())}"
            raise ValueError(msg)

    def __or__(self, overrides: Mapping[str, Prior | str]) -> "PriorSet":
        """Add priors that override the set's."""
        return replace(self, overrides={**self.overrides, **overrides})

    def require(self, unknowns: Collection[str]) -> None:
        """Refuse an override that is of none of these unknowns.

        Raises:
            ValueError: naming what there is.
        """
        if unknown := [name for name in self.overrides if name not in unknowns]:
            msg = f"priors: {unknown[0]!r} is no unknown of these laws; there are {', '.join(sorted(unknowns))}"
            raise ValueError(msg)

    def only(self, unknowns: Collection[str]) -> "PriorSet":
        """Keep the overrides that are priors of these unknowns."""
        overrides = {
            name: prior for name, prior in self.overrides.items() if name in unknowns
        }
        return replace(self, overrides=overrides)


type Priors = str | PriorSet | Mapping[str, Prior | str] | None


def informed(without: Sequence[str] = ()) -> PriorSet:
    """Priors learned from the public record.

    Args:
        without: sources to leave out besides the one the runs are recognised as, by
            name as in data/sources.toml: for a table of your own that holds runs of one.

    Raises:
        ValueError: no such source.
    """
    return PriorSet("informed", without=tuple(without))


def as_set(priors: Priors) -> PriorSet:
    """Read what `fit` takes for priors: a set, its name, or priors by name of unknown.

    Raises:
        ValueError: there is no set of that name.
    """
    if isinstance(priors, PriorSet):
        return priors
    if isinstance(priors, str):
        return PriorSet(priors)
    return PriorSet(overrides=dict(priors or {}))


def set_of_fit(attrs: Mapping[Any, Any], priors: Mapping[str, Prior]) -> PriorSet:
    """Rebuild the set of priors of a fit from its tree's attributes."""
    overrides = json.loads(attrs.get("prior_own", "null"))
    overrides = list(priors) if overrides is None else overrides
    excluded = json.loads(attrs.get("prior_left_out", "[]"))
    name = attrs.get("prior_set", "weak")
    return PriorSet(name, {n: priors[n] for n in overrides}, tuple(excluded))
