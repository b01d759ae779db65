"""Priors of a law and a noise for these runs: the set's, with those chosen by name on top."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nstar.departures.bending import is_bent
from nstar.departures.discrepancy import Bent
from nstar.noises.likelihoods import Normal, StudentT
from nstar.priors import stated
from nstar.priors.learned import Group, learned
from nstar.priors.record import sources_of_runs
from nstar.priors.sets import Priors, as_set
from nstar.runs.observations import Observations
from nstar.types import Law, Noise, Prior, of_profiles
from nstar.verdicts import Check, Status


class Chosen(NamedTuple):
    """Priors that replace the law's own, and how they were chosen, for the fit's attributes."""

    priors: dict[str, Prior]
    attrs: dict[str, str]
    notes: tuple[Check, ...]


def resolve(
    priors: Priors, law: Law, noise: Noise, runs: Observations | None = None
) -> Chosen:
    """Choose the priors of a law and a noise for these runs.

    An informed prior takes the place of a law's own only where it was learned under
    that very prior; an unknown that the record lacks keeps the law's prior.

    Raises:
        ValueError: a name is no unknown, or a prior is not read.
    """
    requested = as_set(priors)
    overrides = stated.choose(law, noise, requested.overrides)
    attrs = {"prior_set": requested.name, "prior_own": json.dumps(list(overrides))}
    if requested.name == "weak":
        return Chosen(overrides, attrs, ())
    record = learned()
    own_sources = sources_of_runs(runs, record.fingerprints) if runs is not None else []
    excluded = sorted({*own_sources, *requested.without})
    params_counted = runs.params_counted if runs is not None else "unknown"
    groups: dict[str, Group] = {}
    informed_priors: dict[str, Prior] = {}
    for name, prior in (law.priors() | noise.priors(law.response)).items():
        if name in overrides or name not in record.groups:
            continue
        condition = _matching_condition(
            record.groups[name], name, law, noise, params_counted, prior
        )
        if condition is not None:
            groups[name] = record.groups[name][condition].without(excluded)
            informed_priors[name] = stated.parse(
                record.prior(name, condition, excluded)
            )
    attrs |= {
        "prior_left_out": json.dumps(excluded),
        "prior_record": record.about.get("fits_sha256", ""),
    }
    return Chosen(
        informed_priors | overrides,
        attrs,
        (_note(groups, own_sources, requested.without, params_counted),),
    )


def _matching_condition(
    groups: Mapping[str, Group],
    name: str,
    law: Law,
    noise: Noise,
    params_counted: str,
    prior: Prior,
) -> str | None:
    """Condition of the record that applies to an unknown of a law, if any."""
    weak_prior = stated.describe(prior)
    available = [c for c, group in groups.items() if group.over == weak_prior]
    flexible = isinstance(law, Bent) or of_profiles(law)
    straight = law
    while (inner := getattr(straight, "law", None)) is not None:  # pooled or bent
        straight, flexible = inner, flexible or isinstance(inner, Bent)
    points = "points" if not is_bent(law) else ""  # a bend takes some of that scatter
    scatter = {StudentT: "bent" if flexible else "straight", Normal: points}
    conditions = {
        "alpha1": (params_counted, "unknown"),
        "sigma": (scatter.get(type(noise)),),  # of other noises it is another number
        "nu": (scatter.get(type(noise)),),
    }.get(name, (type(straight).__name__.lower(), "chinchilla", "any"))
    return next((c for c in conditions if c in available), None)


def _note(
    groups: Mapping[str, Group],
    own_sources: Sequence[str],
    without: Sequence[str],
    params_counted: str,
) -> Check:
    count = len({s.source for group in groups.values() for s in group.estimates})
    detail = (
        f"priors of {', '.join(groups)} are informed by {count} sources of the public record"
        if groups
        else "the public record does not speak of this law's unknowns; its own priors are used"
    )
    if "alpha1" in groups:
        detail += f" (alpha1: parameters counted as {params_counted})"
    if own_sources:
        detail += f"; left out: {', '.join(own_sources)}, which these runs are part of or share points with"
    if others := [name for name in without if name not in own_sources]:
        detail += f"; left out as asked: {', '.join(others)}"
    return Check("priors", Status.PASS, detail)
