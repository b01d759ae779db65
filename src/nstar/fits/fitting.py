"""A fit: a law, a noise, the runs, and draws from the posterior."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from nstar.departures.bending import bend, bendable, is_bent, straight
from nstar.departures.discrepancy import DISCREPANCIES
from nstar.departures.pooling import Pooled, pooled, together
from nstar.fits import store
from nstar.fits.attempts import attempts
from nstar.fits.diagnostics import Diagnostics, diagnose
from nstar.fits.tree import build
from nstar.laws.spelled import law_of
from nstar.noises.likelihoods import NOISES
from nstar.noises.shared import Between
from nstar.priors import sets as prior_sets
from nstar.priors.sets import Priors
from nstar.progress import Tick, progress
from nstar.runs.asking import ask
from nstar.runs.grouping import within
from nstar.runs.observations import Observations
from nstar.runs.reading import read_runs
from nstar.samplers import nuts
from nstar.samplers.density import Data
from nstar.samplers.nuts import Settings
from nstar.types import (
    SHARED,
    Centred,
    Cost,
    Inputs,
    Law,
    Noise,
    Particular,
    Prior,
    Sharing,
)
from nstar.verdicts import Check, Status

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fit:
    """A posterior and all that is needed to read it.

    `tree` holds ArviZ's groups: `posterior` (the law's and the noise's unknowns and
    what follows from them), `prior`, `log_likelihood`, `sample_stats`,
    `observed_data` and `constant_data`.
    """

    law: Law
    noise: Noise
    runs: Observations
    tree: xr.DataTree
    seed: int
    priors: Mapping[str, Prior] = field(default_factory=dict)  # in place of the law's
    notes: tuple[Check, ...] = ()

    # read as an average of one law, as every answer reads a posterior

    @property
    def components(self) -> "tuple[Fit, ...]":
        """Itself."""
        return (self,)

    @property
    def parts(self) -> "tuple[Fit, ...]":
        """Itself, with all its draws."""
        return (self,)

    @property
    def names(self) -> tuple[str, ...]:
        """The law, by its class."""
        return (type(self.straight).__name__,)

    @property
    def weights(self) -> tuple[float, ...]:
        """All of it."""
        return (1.0,)

    def shared_out(self, values: np.ndarray) -> list[np.ndarray]:
        """What was computed by draw, of the one law that there is."""
        return [values]

    def of_components(self, components: "Sequence[Fit]") -> "Fit":
        """Return what takes its place."""
        (fit,) = components
        return fit

    @property
    def straight(self) -> Law:
        """The law without its discrepancy."""
        return straight(self.law)

    @cached_property
    def draws(self) -> dict[str, np.ndarray]:
        """The posterior's unknowns with chains joined, (draw, ...)."""
        posterior = self.tree["posterior"].dataset
        flat = posterior.stack(sample=("chain", "draw")).transpose("sample", ...)
        return {n: flat[n].to_numpy() for n in unknowns(self.law, self.noise)}

    @cached_property
    def diagnosis(self) -> Diagnostics:
        """What the chains say of themselves, worked out of the draws when first needed."""
        return diagnose(self.tree, unknowns(self.law, self.noise))

    def summary(self, prob: float = 0.9) -> "pd.DataFrame":
        """ArviZ's table: equal-tailed intervals of this probability, R-hat, ESS.

        The weights of a discrepancy and the offsets of groups are left out; `diagnose`
        looks at them too.
        """
        import arviz_stats

        names = [str(n) for n in self.tree["posterior"].data_vars]
        return arviz_stats.summary(
            self.tree,
            var_names=[n for n in names if not n.startswith(("waves_", "offset_"))],
            ci_prob=prob,
            ci_kind="eti",
            round_to="none",
        )

    def save(self, path: str | Path) -> Path:
        """Write the fit as netCDF, whole or not at all."""
        return store.write(self.tree, self.runs, self.notes, path)

    def _repr_html_(self) -> str:
        trouble = self.diagnosis.trouble
        said = (
            f"do not use these draws: {trouble}"
            if trouble
            else "the sampler shows no trouble"
        )
        table = self.summary().to_html(float_format="{:.4g}".format)
        return f"<p>{escape(str(self))}; {escape(said)}; 90% equal-tailed intervals</p>{table}"

    def __str__(self) -> str:
        """Name the law, the noise and the data."""
        return (
            f"{type(self.straight).__name__} law{self._how()}, {type(self.noise).__name__} noise, "
            f"{len(self.runs)} runs of {self.runs.source}, seed {self.seed}"
        )

    def _how(self) -> str:
        law, words = self.law, ""
        if isinstance(law, Pooled):
            law, words = (
                law.law,
                f", pooled over {len(law.groups)} groups by {law.over}",
            )
        return ", bent" * is_bent(law) + words


def fit(
    runs: Observations | Any,
    law: str | Law = "chinchilla",
    noise: str | Noise | None = None,
    priors: Priors = None,
    seed: int = 0,
    settings: Settings | None = None,
    tick: Tick | None = None,
    *,
    discrepancy: str | None = None,
    pool: str | None = None,
) -> Fit:
    """Draw from the posterior of a law given runs.

    Args:
        runs: what `read_runs` returns, or anything it reads.
        law: name of a law in `nstar.laws.LAWS`, or a law; what else it is to know in
            parentheses, as in "bounded_metric(chance=0.001)".
        noise: name in `nstar.noises.likelihoods.NOISES`, or a noise; the response's usual one.  Runs
            share a part of `between` by budget, or by a column, as in "between:recipe".
        priors: "weak" (the laws' own) or "informed" (learned from the public record,
            less the source of these runs); or priors by name of unknown, as
            distributions or as text, `{"alpha1": "Normal(0.5, 0.05)"}`; or both,
            `nstar.informed() | {"alpha1": "Normal(0.5, 0.05)"}`.
        seed: the same seed gives the same draws.
        settings: chains, warm-up, draws, acceptance target.
        tick: called with the blocks of sampling done and their total; a bar on stderr,
            where that is a terminal, unless given.
        discrepancy: "waves" lets a loss surface bend smoothly about its form
            (`nstar.departures.discrepancy`) and a line of optima about its power law
            (`nstar.departures.bent_lines`), "none" takes the form as exact; waves unless given,
            where the law can carry them and is not pooled.
        pool: a column that groups the runs by corpus, recipe, optimiser or family: each
            group has unknowns of its own about a population's (`nstar.departures.pooling`).  Waves,
            where they are asked for, are common to all groups.

    Raises:
        ValueError: the law, the noise or the discrepancy is unknown, or the runs do not
            carry it.
    """
    if tick is None:
        with progress() as bar:
            title = f"sampling the {law if isinstance(law, str) else type(law).__name__} law"
            return fit(
                runs,
                law,
                noise,
                priors,
                seed,
                settings,
                bar(title),
                discrepancy=discrepancy,
                pool=pool,
            )
    with jax.enable_x64(True):
        p = problem(runs, law, noise, priors, discrepancy, pool)
        usual, again = attempts(p.law)

        def attempt(settings: Settings, *more: Check) -> Fit:
            draws = nuts.sample(p.law, p.noise, p.chosen, p.data, seed, settings, tick)
            tree = build(p.law, p.noise, p.chosen, p.data, draws, p.runs, seed)
            tree.attrs.update(p.kept)
            notes = (*p.notes, *more)
            return Fit(p.law, p.noise, p.runs, tree, seed, p.chosen, notes)

        first = attempt(settings or usual)
        if settings is None and (trouble := first.diagnosis.trouble):
            return attempt(again, _second_attempt(trouble, again))
        return first


class Problem(NamedTuple):
    """What a sampler is given: a law and a noise where the runs put them, and the runs."""

    law: Law
    noise: Noise
    chosen: Mapping[str, Prior]
    data: Data
    runs: Observations  # those used
    kept: Mapping[str, str]  # how the priors came about
    notes: tuple[Check, ...]


def problem(
    runs: Observations | Any,
    law: str | Law,
    noise: str | Noise | None = None,
    priors: Priors = None,
    discrepancy: str | None = None,
    pool: str | None = None,
) -> Problem:
    """Put a law and a noise at the centre of runs, as `fit` takes them all.

    Raises:
        ValueError: as `fit` raises.
    """
    if not isinstance(runs, Observations):
        runs = read_runs(runs)
    law, noise = named(law, noise)
    groups = pooled(law, runs, pool) if pool or isinstance(law, Pooled) else None
    law = groups.law if groups else law
    discrepancy = which(discrepancy, "none" if groups else None, law)
    used, x, y = ask(runs, law, noise)
    law, noise = placed(law, noise, x, used.cost, discrepancy)
    if isinstance(noise, Sharing):
        x = {**x, SHARED: noise.shared(used, law)}
    if groups:
        law, x = together(groups, law, used, x)
        x = {**x, SHARED: within(x[SHARED], x[groups.over])} if SHARED in x else x
    chosen, kept, said = prior_sets.resolve(priors, law, noise, used)
    return Problem(law, noise, chosen, Data(x, y), used, kept, said)


def named(law: str | Law, noise: str | Noise | None) -> tuple[Law, Noise]:
    """Find a law and a noise by name; those given as such are returned as they are.

    Raises:
        ValueError: there is none of that name.
    """
    if isinstance(law, str):
        law = law_of(law)
    noise = noise or law.response.noise
    if isinstance(noise, str):
        name, _, over = noise.partition(":")
        if name not in NOISES or (over and name != "between"):
            msg = (
                f"no noise {noise!r}; there are {', '.join(NOISES)}, and between:COLUMN"
            )
            raise ValueError(msg)
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


def which(asked: str | None, usual: str | None, law: Law) -> str:
    """Name the discrepancy of a law: as asked, as usual, or waves where it can bend.

    Raises:
        ValueError: there is none of that name.
    """
    found = asked or usual or ("waves" if bendable(law) else "none")
    if found not in DISCREPANCIES:
        msg = f"no discrepancy {found!r}; there are {', '.join(DISCREPANCIES)}"
        raise ValueError(msg)
    return found


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


def _second_attempt(trouble: str, again: Settings) -> Check:
    detail = (
        f"a first attempt had {trouble}; these draws come from a second with smaller steps "
        f"(acceptance target {again.target_accept}, {again.draws} draws a chain at most)"
    )
    return Check("second attempt", Status.PASS, detail)
