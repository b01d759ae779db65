"""A fit: a law, a noise, the runs, and draws from the posterior."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import xarray as xr

from nstar.departures.bending import is_bent, straight
from nstar.departures.pooling import Pooled
from nstar.fits import store
from nstar.fits.attempts import attempts
from nstar.fits.diagnostics import Diagnostics, diagnose
from nstar.fits.later_groups import add_later
from nstar.fits.model import (
    Model,
    parse_model,
    unknowns,
)
from nstar.fits.tree import build
from nstar.priors.sets import Priors
from nstar.progress import Tick, progress
from nstar.runs.observations import Observations
from nstar.samplers import nuts
from nstar.samplers.nuts import Settings
from nstar.types import (
    Law,
    Noise,
    Prior,
)
from nstar.verdicts import Check, Status

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fit:
    """A posterior and all that is needed to read it.

    `tree` holds ArviZ's groups: `posterior` (the law's and the noise's unknowns and
    what follows from them), `prior`, `log_likelihood`, `sample_stats`,
    `observed_data` and `constant_data`; also `posterior_predictive` and `log_prior`,
    which are worked out when they are first read, and are not saved.

    Examples:
        >>> fit.draws["alpha1"].shape
        >>> fit.tree["posterior"]
        >>> fit.save("again.nc")
    """

    law: Law
    noise: Noise
    runs: Observations
    tree: xr.DataTree
    seed: int
    priors: Mapping[str, Prior] = field(default_factory=dict)  # in place of the law's
    notes: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        """Add the groups that follow from the others."""
        add_later(self.tree, self.law, self.noise, self.priors, self.seed)

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

    @property
    def mixture(self) -> dict[str, float]:
        """Weights by law where laws are averaged: none."""
        return {}

    @property
    def how(self) -> Check | None:
        """A check on how weights came about: there are none."""
        return None

    @property
    def coords(self) -> dict[str, tuple[str, np.ndarray]]:
        """Coordinates of draws of a prediction: none."""
        return {}

    def equal(self) -> "Fit":
        """Return itself, as an average does with equal weights."""
        return self

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
        sentence = (
            f"do not use these draws: {trouble}"
            if trouble
            else "the sampler shows no trouble"
        )
        table = self.summary().to_html(float_format="{:.4g}".format)
        return f"<p>{escape(str(self))}; {escape(sentence)}; 90% equal-tailed intervals</p>{table}"

    def __repr__(self) -> str:
        """One line, as `str` has it."""
        return f"Fit: {self}"

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
    law: str | Law | Model = "chinchilla",
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
        law: name of a law in `nstar.laws.LAWS`, or a law, or a `Model` that has all the
            rest; what else it is to know in
            parentheses, as in "bounded_metric(chance=0.001)".
        noise: name in `nstar.noises.likelihoods.NOISES`, or a noise; the response's usual one.  Runs
            share a part of `between` by budget, or by a column, as in "between:recipe".
        priors: "weak" (the laws' own) or "informed" (learned from the public record,
            less the source of these runs); or priors by name of unknown, as
            distributions or as text, `{"alpha1": "Normal(0.5, 0.05)"}`; or both,
            `nstar.priors.sets.informed() | {"alpha1": "Normal(0.5, 0.05)"}`.
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

    Returns:
        Draws of every unknown, (chain, draw), and all that is needed to read them.

    Raises:
        ValueError: the law, the noise or the discrepancy is unknown, or the runs do not
            carry it.

    Examples:
        >>> runs = nstar.read_runs("ladder.csv")
        >>> chinchilla = nstar.fit(runs, "chinchilla", discrepancy="none", seed=0)
        >>> chinchilla.summary(prob=0.9)
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
        p = parse_model(law, noise, priors, discrepancy, pool).placed(runs)
        usual, again = attempts(p.law)

        def attempt(settings: Settings, *more: Check) -> Fit:
            draws = nuts.sample(p.law, p.noise, p.priors, p.data, seed, settings, tick)
            tree = build(p.law, p.noise, p.priors, p.data, draws, p.runs, seed)
            tree.attrs.update(p.attrs)
            notes = (*p.notes, *more)
            return Fit(p.law, p.noise, p.runs, tree, seed, p.priors, notes)

        first = attempt(settings or usual)
        if settings is None and (trouble := first.diagnosis.trouble):
            return attempt(again, _second_attempt(trouble, again))
        return first


def _second_attempt(trouble: str, again: Settings) -> Check:
    detail = (
        f"a first attempt had {trouble}; these draws come from a second with smaller steps "
        f"(acceptance target {again.target_accept}, {again.draws} draws a chain at most)"
    )
    return Check("second attempt", Status.PASS, detail)
