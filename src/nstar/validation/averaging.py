"""Stacking: weights of several laws by how well each predicts runs that were held out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from nstar.fits.fitting import Fit, fit
from nstar.fits.mixture import Average
from nstar.fits.model import parse_model
from nstar.laws import name_of
from nstar.laws.parsing import require_names
from nstar.predictions.prediction import log_density, responses
from nstar.priors.sets import Priors, PriorSet, as_set
from nstar.progress import Tick
from nstar.runs.observations import Observations
from nstar.runs.reading import read_runs
from nstar.runs.splits import Split, split
from nstar.samplers.nuts import Settings
from nstar.types import Kind, Law, Noise, Varying
from nstar.validation.optima import held_out_optima
from nstar.verdicts import Check, Status

INNER = (0.5, 1.0)  # decades of the runs' own compute that are held out in turn
LEAST = 12  # runs an inner split must leave to learn from
MOST_EVIDENCE = 5  # runs a split counts for at most: errors of one extrapolation agree
PRIOR_WEIGHT = 5.0  # runs that the prior weights count for
PRIOR_WEIGHTS: Mapping[
    str, float
] = {}  # weights learned on other ladders by name; one unless here


@dataclass(frozen=True)
class Component:
    """A law of an average, and how it is to be fitted."""

    law: str | Law
    noise: str | Noise | None = None
    name: str | None = None  # in the average; the law's own unless given
    options: Mapping[str, Any] = field(default_factory=dict)  # passed on to `fit`

    @property
    def label(self) -> str:
        """Name in the average."""
        law = self.law
        return self.name or (law if isinstance(law, str) else name_of(law))


class Evidence(NamedTuple):
    """Log predictive densities of held-out runs or optima, and the runs they count for."""

    log_density: np.ndarray  # (component, run)
    count: float  # runs
    of_optima: bool = False


def average(
    runs: Observations | Any,
    laws: Sequence[str | Law | Component],
    noise: str | Noise | None = None,
    priors: Priors = None,
    seed: int = 0,
    settings: Settings | None = None,
    tick: Tick | None = None,
    *,
    discrepancy: str | None = None,
) -> Average:
    """Fit several laws to the same runs and weight them by inner ordered splits.

    The largest of these runs are held out, half a decade and a decade of compute, every
    law is fitted to the others, and the weights maximise the log density of their
    mixture at what was held out (stacking: Yao et al. 2018, arXiv:1704.02030; ordered
    splits: Buerkner, Gabry & Vehtari 2020, arXiv:1902.06281), half by losses and half by
    measured optima where budgets have them (`share_evidence`), shrunk toward
    `PRIOR_WEIGHTS`.

    Args:
        runs: what `read_runs` returns, or anything it reads.
        laws: one to five names, laws or `Component`s.
        noise: of the components that name none.
        priors: as `fit` takes them; each law takes those of its own unknowns.
        seed: of every fit.
        settings: of every fit.
        tick: progress of each fit in turn.
        discrepancy: "waves" or "none" for components that name none, as `fit` takes it.

    Returns:
        The laws' fits and their weights, which `plan`, `predict` and checks take as a fit.

    Raises:
        ValueError: there are too many laws, or one cannot be fitted to the runs.

    Examples:
        >>> both = nstar.average("ladder.csv", ["chinchilla", "coupled"])  # doctest: +SKIP
        >>> nstar.plan(both, 1e24)  # doctest: +SKIP
    """
    parts = [p if isinstance(p, Component) else Component(p) for p in laws]
    require_names(names := tuple(part.label for part in parts))
    as_set(priors).require({n for part in parts for n in _unknowns_of(part, noise)})
    if not isinstance(runs, Observations):
        reads = {name for part in parts for name in parse_model(part.law).law.inputs}
        runs = read_runs(runs, reads=sorted(reads))

    def fit_component(runs: Observations, p: Component) -> Fit:
        options: dict[str, Any] = {
            "priors": _priors_of(p, noise, priors),
            "discrepancy": discrepancy,
            **p.options,
        }
        return fit(
            runs,
            p.law,
            p.noise or noise,
            seed=seed,
            settings=settings,
            tick=tick,
            **options,
        )

    def fit_components(runs: Observations) -> list[Fit]:
        return [fit_component(runs, p) for p in parts]

    prior_weights = np.array([PRIOR_WEIGHTS.get(name, 1.0) for name in names])
    prior_weights /= prior_weights.sum()
    weights, check = (
        prior_weights,
        Check("weights", Status.PASS, "one law, which has it all"),
    )
    fits = fit_components(runs)
    _require_same_runs(names, fits)
    if len(parts) > 1:
        weights, check = _learn_weights(
            inner_splits(runs), fit_components, names, prior_weights
        )
    return Average(tuple(fits), names, tuple(map(float, weights)), check)


def _require_same_runs(names: Sequence[str], fits: Sequence[Fit]) -> None:
    """Refuse laws fitted to other runs than the first: no split compares them.

    Raises:
        ValueError: a law was fitted to other runs; the message names it.
    """
    first = fits[0].runs
    for name, member in zip(names, fits, strict=True):
        if not np.array_equal(member.runs.rows, first.rows):
            msg = f"the laws of an average take the same runs, but {name} takes {len(member.runs)} and {names[0]} takes {len(first)}"
            raise ValueError(msg)


def inner_splits(runs: Observations, top: float | None = None) -> list[Split]:
    """Hold out the top of the runs' own compute, wherever enough runs are left below.

    Args:
        runs: a ladder.
        top: compute that decades are counted from; the runs' largest unless given.
    """
    if "C" not in runs:
        return []
    span = np.log10((top or runs["C"].max()) / runs["C"].min())
    parts = [split(runs, decades, top=top) for decades in INNER if decades < span]
    return [part for part in parts if len(part.train) >= LEAST]


def share_evidence(
    losses: np.ndarray, optima: np.ndarray, budgets: int
) -> list[Evidence]:
    r"""Evidence of one split on the components: by losses, and by measured optima.

    A held-out budget counts for one run, however many it has, and no point counts twice:
    an optimum is measured by the very losses beside it, so that a budget which has one
    counts half by its losses and half by its optimum.  Of n budgets, m with an optimum,
    `stack` so maximises

    $$ \Big(n - \frac m2\Big) \frac1{|s|} \sum_{i \in s} \log \sum_k w_k\, p_{ki}
       + \frac m2\, \frac1m \sum_j \log \sum_k w_k\,
         q_k(\log D^*_j \mid \log D^*_1 \dots \log D^*_{j-1}) $$

    where q_k is a component's joint density of the optima (`scores.joint_log_density`),
    each given those of the smaller budgets, for they share one bend.

    Args:
        losses: log p, (component, run).
        optima: log q, (component, budget); no budget where no optimum was measured.
        budgets: n, `effective_runs` of the split.
    """
    half = min(optima.shape[1], budgets) / 2
    terms = Evidence(losses, budgets - half), Evidence(optima, half, of_optima=True)
    return [piece for piece in terms if piece.count]


def stack(evidence: Sequence[Evidence], prior_weights: np.ndarray) -> np.ndarray:
    r"""Weights of the components, by expectation maximisation.

    $$ \max_w \sum_s n_s \frac{1}{|s|} \sum_{i \in s} \log \sum_k w_k\, p_{ki}
       + n_0 \sum_k w^0_k \log w_k $$

    Args:
        evidence: of each split, log p with n_s, the runs that it counts for.
        prior_weights: w0, the weights that count for `PRIOR_WEIGHT` runs, n_0.
    """
    relative = [np.exp(p - p.max(axis=0)) for p, *_ in evidence]
    weights = prior_weights
    for _ in range(1000):
        total = PRIOR_WEIGHT * prior_weights
        for p, (_, n, _) in zip(relative, evidence, strict=True):
            share = weights[:, None] * p
            total = total + n * np.mean(share / share.sum(axis=0), axis=1)
        weights = total / total.sum()
    return weights


def effective_runs(test: Observations) -> int:
    """Number of held-out runs by distinct compute, to a tenth of a decade, five at most."""
    levels = np.unique(np.round(np.log10(test["C"]), 1)) if "C" in test else test.rows
    return min(len(levels), MOST_EVIDENCE)


def _learn_weights(
    splits: Sequence[Split],
    fit_components: Callable[[Observations], list[Fit]],
    names: Sequence[str],
    prior_weights: np.ndarray,
) -> tuple[np.ndarray, Check]:
    """Stacking weights from the splits that all laws can be fitted to, and a check on them."""
    used, evidence, doubts = [], [], []
    for part in splits:
        try:
            fits = fit_components(replace(part.train, notes=()))
        except ValueError as error:  # too few runs for one of the laws
            doubts.append(f"{part.decades:g} decades held out: {error}")
            continue
        used.append(part)
        losses = np.stack([log_density(f, part.test) for f in fits])
        evidence += share_evidence(
            losses, _optima_densities(fits, part), effective_runs(part.test)
        )
        for name, inner in zip(names, fits, strict=True):
            if trouble := inner.diagnosis.trouble:
                doubts.append(
                    f"{name} with {part.decades:g} decades held out had {trouble}"
                )
    weights = stack(evidence, prior_weights)
    detail = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights, strict=True))
    if not used:
        doubts.insert(
            0,
            f"no inner split leaves {LEAST} runs to learn from, so nothing here tells the laws apart",
        )
    else:
        decades = " and ".join(f"{part.decades:g}" for part in used)
        detail += (
            f", from these runs' own top {decades} decades held out {describe_evidence(evidence)} "
            f"and usual weights worth {PRIOR_WEIGHT:g}"
        )
    detail += f"; equal weights would be {1 / len(names):.2f}"
    status = Status.REVIEW if doubts else Status.PASS
    return weights, Check("weights", status, "; ".join([detail, *doubts]))


def _optima_densities(fits: Sequence[Fit], part: Split) -> np.ndarray:
    """Log density of held-out optima by each law, (law, budget); no budget where a law has none."""
    densities = []
    for member in fits:
        if member.law.response.kind is not Kind.LOSS:
            continue
        reads = ("N", "D") if isinstance(member.law, Varying) else member.law.inputs
        x = {name: part.test[name] for name in reads}
        _, draws = responses(member, x=x, seed=member.seed)
        if optima := held_out_optima(member, part, draws):
            densities.append(optima.log_density)
    return (
        np.stack(densities) if len(densities) == len(fits) else np.empty((len(fits), 0))
    )


def describe_evidence(evidence: Sequence[Evidence]) -> str:
    """Describe how many runs the evidence counts for, and how many of them by optima."""
    total = sum(piece.count for piece in evidence)
    optima = sum(piece.count for piece in evidence if piece.of_optima)
    suffix = f", {optima:g} of them by measured optima" if optima else ""
    return f"(worth {total:g} runs{suffix})"


def _priors_of(part: Component, noise: str | Noise | None, priors: Priors) -> PriorSet:
    """Priors restricted to the unknowns of this component."""
    return as_set(priors).only(_unknowns_of(part, noise))


def _unknowns_of(part: Component, noise: str | Noise | None) -> set[str]:
    return parse_model(part.law, part.noise or noise).prior_names
