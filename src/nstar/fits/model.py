"""What is fitted: a law and a noise, whether the law bends, priors, and what groups share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

from nstar.departures import require_discrepancy
from nstar.departures.bending import amplitudes, bend, bendable
from nstar.departures.pooling import Pooled, pool_law, pool_placed
from nstar.laws.parsing import parse_law
from nstar.noises import read_noise
from nstar.noises.likelihoods import NOISES
from nstar.noises.shared import Between
from nstar.priors.resolving import resolve
from nstar.priors.sets import Priors, PriorSet, as_set
from nstar.runs.grouping import number_within
from nstar.runs.law_data import prepare
from nstar.runs.observations import Observations
from nstar.runs.reading import read_runs
from nstar.samplers.density import Data
from nstar.types import (
    SHARED,
    Centred,
    Cost,
    Inputs,
    Kind,
    Law,
    Noise,
    Particular,
    Prior,
    Sharing,
)
from nstar.verdicts import Check


class Problem(NamedTuple):
    """What a sampler is given: a law and a noise where the runs put them, and the runs."""

    law: Law
    noise: Noise
    priors: Mapping[str, Prior]  # in place of the law's own
    data: Data
    runs: Observations  # those used
    attrs: Mapping[str, str]  # how the priors came about, for the tree
    notes: tuple[Check, ...]


@dataclass(frozen=True)
class Model:
    """A law and all that is chosen about it, before any runs are seen.

    `parse_model` makes it of names, as people write them; whatever fits, checks or
    repeats a fit passes it on.
    """

    law: Law
    noise: Noise
    priors: PriorSet = field(default_factory=PriorSet)
    discrepancy: str = "none"  # or "waves": the law may bend about its form
    pool: str | None = None  # the column whose groups share a population

    @property
    def unknowns(self) -> list[str]:
        """Names of what is sampled, the law's first; of one group, without a bend."""
        return unknowns(self.law, self.noise)

    @property
    def prior_names(self) -> set[str]:
        """Names whose priors may be chosen: unknowns, a bend's amplitudes, spreads of groups."""
        names = {*self.unknowns} | amplitudes(self.law)
        return names | {f"spread_{name}" for name in names} if self.pool else names

    def placed(self, runs: Observations | Any) -> Problem:
        """Put the law and the noise at the centre of runs.

        Raises:
            ValueError: the runs do not carry the law, or a prior is of no unknown.
        """
        if not isinstance(runs, Observations):
            of_loss = self.law.response.kind in (Kind.LOSS, Kind.OPTIMUM)
            runs = read_runs(
                runs, by=self.pool or None, reads=self.law.inputs, ladder=of_loss
            )
        law = self.law
        groups = (
            pool_law(law, runs, self.pool)
            if self.pool or isinstance(law, Pooled)
            else None
        )
        law = groups.law if groups else law
        used, x, y = prepare(runs, law, self.noise)
        law, noise = placed(law, self.noise, x, used.cost, self.discrepancy)
        if isinstance(noise, Sharing):
            x = {**x, SHARED: noise.shared(used, law)}
        if groups:
            law, x = pool_placed(groups, law, used, x)
            x = (
                {**x, SHARED: number_within(x[SHARED], x[groups.over])}
                if SHARED in x
                else x
            )
        chosen, attrs, notes = resolve(self.priors, law, noise, used)
        return Problem(law, noise, chosen, Data(x, y), used, attrs, notes)


def parse_model(
    law: str | Law | Model = "chinchilla",
    noise: str | Noise | None = None,
    priors: Priors = None,
    discrepancy: str | None = None,
    pool: str | None = None,
) -> Model:
    """Find what is meant by names, as `fit` takes them all; a model is returned as it is.

    Raises:
        ValueError: there is no law, noise, discrepancy or set of priors of that name, or
            the noise is of other responses than the law's.

    Example:
        >>> parse_model("chinchilla", discrepancy="none").unknowns[:2]
        ['level', 'floor_share']
    """
    if isinstance(law, Model):
        return law
    law, noise = _form(law, noise)
    together = pool or isinstance(law, Pooled)
    kind = which(discrepancy, "none" if together else None, law)
    return Model(law, noise, as_set(priors), kind, pool)


def problem(
    runs: Observations | Any,
    law: str | Law | Model,
    noise: str | Noise | None = None,
    priors: Priors = None,
    discrepancy: str | None = None,
    pool: str | None = None,
) -> Problem:
    """Put a law and a noise at the centre of runs, as `fit` takes them all.

    Raises:
        ValueError: as `fit` raises.
    """
    return parse_model(law, noise, priors, discrepancy, pool).placed(runs)


def which(discrepancy: str | None, usual: str | None, law: Law) -> str:
    """Name the discrepancy of a law: as given, as usual, or waves where it can bend.

    Raises:
        ValueError: there is none of that name.
    """
    name = discrepancy or usual or ("waves" if bendable(law) else "none")
    return require_discrepancy(name)


def _form(law: str | Law, noise: str | Noise | None) -> tuple[Law, Noise]:
    """Find a law and a noise by name; those given as such are returned as they are.

    Raises:
        ValueError: there is none of that name.
    """
    if isinstance(law, str):
        law = parse_law(law)
    noise = noise or law.response.noise
    if isinstance(noise, str):
        name, over = read_noise(noise)
        noise = Between(over) if over else NOISES[name]
    _require(noise, law)
    return law, noise


def _require(noise: Noise, law: Law) -> None:
    """Refuse a noise that is not of such a response."""
    if isinstance(noise, Particular) and (msg := noise.refusal(law)):
        raise ValueError(msg)
    response = law.response
    if response.own_noise and type(noise) is not type(NOISES[response.noise]):
        msg = f"the {type(law).__name__} law takes {response.noise} noise and no other; got {type(noise).__name__}"
        raise ValueError(msg)


def placed(
    law: Law, noise: Noise, x: Inputs, cost: Cost, discrepancy: str = "none"
) -> tuple[Law, Noise]:
    """Put a law and a noise at the centre of runs, and let the law bend where asked."""
    law = law.at(x, cost) if isinstance(law, Centred) else law
    noise = noise.at(x, cost) if isinstance(noise, Centred) else noise
    return bend(law, x) if discrepancy == "waves" else law, noise


def unknowns(law: Law, noise: Noise) -> list[str]:
    """Names of what is sampled, the law's first."""
    with jax.enable_x64(True):  # as everywhere, or its programs are compiled twice
        return [*law.priors(), *noise.priors(law.response)]
