"""Priors by the name of a set: weak, or informed by the public record."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from nstar.departures.bending import is_bent
from nstar.departures.discrepancy import Bent
from nstar.noises.likelihoods import Normal, StudentT
from nstar.priors import stated as prior_room
from nstar.priors.learned import Group, learned
from nstar.priors.record import of_runs, sources
from nstar.runs.observations import Observations
from nstar.types import Law, Noise, Prior, of_profiles
from nstar.verdicts import Check, Status

SETS = {
    "weak": "the law's own, wide enough for any ladder",
    "informed": "learned from public ladders and published fits, less those of the runs' own source",
}
DEFAULT = "weak"  # informed scores 0.99 of it: benchmarks/results/priors.md


@dataclass(frozen=True)
class PriorSet:
    """A set of priors by its name, with single priors of one's own on top.

    `PriorSet("informed") | {"alpha1": "Normal(0.5, 0.05)"}` adds one.
    """

    name: str = DEFAULT
    own: Mapping[str, Prior | str] = field(default_factory=dict)
    without: tuple[str, ...] = ()  # sources left out besides the runs' own

    def __post_init__(self) -> None:
        """Refuse a set or a source that does not exist.

        Raises:
            ValueError: naming what there is.
        """
        if self.name not in SETS:
            msg = f"no set of priors {self.name!r}; there are {', '.join(SETS)}, or give priors by name of unknown"
            raise ValueError(msg)
        if strange := [name for name in self.without if name not in sources()]:
            msg = f"no source {strange[0]!r} in the public record; there are {', '.join(sources())}"
            raise ValueError(msg)

    def __or__(self, own: Mapping[str, Prior | str]) -> "PriorSet":
        """Put priors of one's own on top."""
        return replace(self, own={**self.own, **own})

    def require(self, unknowns: Collection[str]) -> None:
        """Refuse a prior of one's own that is of none of these unknowns.

        Raises:
            ValueError: naming what there is.
        """
        if strange := [name for name in self.own if name not in unknowns]:
            msg = f"priors: {strange[0]!r} is no unknown of these laws; there are {', '.join(sorted(unknowns))}"
            raise ValueError(msg)

    def only(self, unknowns: Collection[str]) -> "PriorSet":
        """Keep those of one's own that are priors of these unknowns."""
        own = {name: prior for name, prior in self.own.items() if name in unknowns}
        return replace(self, own=own)


type Priors = str | PriorSet | Mapping[str, Prior | str] | None


class Chosen(NamedTuple):
    """Priors that replace the law's own, and what a fit keeps of how they came about."""

    priors: dict[str, Prior]
    attrs: dict[str, str]
    notes: tuple[Check, ...]


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
    return PriorSet(own=dict(priors or {}))


def resolve(
    priors: Priors, law: Law, noise: Noise, runs: Observations | None = None
) -> Chosen:
    """Find the priors of a law and a noise for these runs.

    An informed prior takes the place of a law's own only where it was learned under
    that very prior; what the record does not speak of stays as the law has it.

    Raises:
        ValueError: a name is no unknown, or a prior is not read.
    """
    asked = as_set(priors)
    own = prior_room.choose(law, noise, asked.own)
    attrs = {"prior_set": asked.name, "prior_own": json.dumps(list(own))}
    if asked.name == "weak":
        return Chosen(own, attrs, ())
    record = learned()
    mine = of_runs(runs, record.marks) if runs is not None else []
    out = sorted({*mine, *asked.without})
    counted = runs.params_counted if runs is not None else "unknown"
    said: dict[str, Group] = {}
    found: dict[str, Prior] = {}
    for name, prior in (law.priors() | noise.priors(law.response)).items():
        if name in own or name not in record.groups:
            continue
        condition = _condition(record.groups[name], name, law, noise, counted, prior)
        if condition is not None:
            said[name] = record.groups[name][condition].without(out)
            found[name] = prior_room.parse(record.prior(name, condition, out))
    attrs |= {
        "prior_left_out": json.dumps(out),
        "prior_record": record.about.get("fits_sha256", ""),
    }
    return Chosen(found | own, attrs, (_note(said, mine, asked.without, counted),))


def _condition(
    groups: Mapping[str, Group],
    name: str,
    law: Law,
    noise: Noise,
    counted: str,
    prior: Prior,
) -> str | None:
    """Which part of the record speaks of this unknown of this law, if any."""
    over = prior_room.describe(prior)
    fitting = [c for c, group in groups.items() if group.over == over]
    flexible = isinstance(law, Bent) or of_profiles(law)
    straight = law
    while (inner := getattr(straight, "law", None)) is not None:  # pooled or bent
        straight, flexible = inner, flexible or isinstance(inner, Bent)
    points = "points" if not is_bent(law) else ""  # a bend takes some of that scatter
    scatter = {StudentT: "bent" if flexible else "straight", Normal: points}
    wanted = {
        "alpha1": (counted, "unknown"),
        "sigma": (scatter.get(type(noise)),),  # of other noises it is another number
        "nu": (scatter.get(type(noise)),),
    }.get(name, (type(straight).__name__.lower(), "chinchilla", "any"))
    return next((c for c in wanted if c in fitting), None)


def _note(
    said: Mapping[str, Group], mine: Sequence[str], asked: Sequence[str], counted: str
) -> Check:
    count = len({s.source for group in said.values() for s in group.said})
    detail = (
        f"priors of {', '.join(said)} are informed by {count} sources of the public record"
        if said
        else "the public record does not speak of this law's unknowns; its own priors are used"
    )
    if "alpha1" in said:
        detail += f" (alpha1: parameters counted as {counted})"
    if mine:
        detail += f"; left out: {', '.join(mine)}, which these runs are part of or share points with"
    if others := [name for name in asked if name not in mine]:
        detail += f"; left out as asked: {', '.join(others)}"
    return Check("priors", Status.PASS, detail)


def of_fit(attrs: Mapping[Any, Any], priors: Mapping[str, Prior]) -> PriorSet:
    """Make the set a fit was made with again, from what its tree keeps."""
    own = json.loads(attrs.get("prior_own", "null"))
    own = list(priors) if own is None else own
    out = json.loads(attrs.get("prior_left_out", "[]"))
    name = attrs.get("prior_set", "weak")
    return PriorSet(name, {n: priors[n] for n in own}, tuple(out))
