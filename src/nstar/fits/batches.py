"""Many fits at once: tables of one law in one compiled program, each with its certificate.

Importance sampling about the modes answers where its weights may be trusted; NUTS answers
elsewhere.  A fit's draws depend on its own runs and the seed, not on what stands beside
it in the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from nstar.costs.cost_line import WIDEST, of_runs
from nstar.departures.bending import is_bent
from nstar.departures.discrepancy import Bent
from nstar.departures.straightness import taken_as_exact
from nstar.fits import certificates
from nstar.fits.attempts import attempts_among_many
from nstar.fits.batch_tasks import (
    BatchOptions,
    Task,
    batch_options,
    chunks,
    number,
    size_of,
    stacked,
    tasks_of,
)
from nstar.fits.certificates import Certificate
from nstar.fits.decisions import decisions
from nstar.fits.model import Problem
from nstar.fits.weighted import by_weights
from nstar.priors.sets import Priors
from nstar.progress import Tick, progress
from nstar.runs.observations import Observations
from nstar.samplers import density, nuts
from nstar.samplers.devices import pad_fits
from nstar.samplers.nuts import Settings
from nstar.types import Labelled, Law, Noise, Params
from nstar.verdicts import Check, Status

OF_BUDGET = ("log_N", "log_D", "L", "metric")  # answers that budgets have
MOST = 20  # unknowns that importance sampling is tried with
KEPT = 400  # draws of each fit


@dataclass(frozen=True)
class Batch:
    """Posteriors of many tables under one law, and how far each may be trusted.

    `draws` has the unknowns and what follows from them, (fit, draw, ...), or with
    `quantiles` (fit, quantile, ...); fits that did not pass are NaN.  `certificates` has for each
    fit the method ("importance", "nuts" or "none"), k_hat, ess, r_hat, divergences,
    whether it passed, and the reason where not.  `notes` has checks of them all, as that
    budgets lie beyond runs of a law whose form is taken as exact.
    """

    draws: xr.Dataset
    certificates: xr.Dataset
    notes: tuple[Check, ...] = ()  # on what all fits have in common

    def __repr__(self) -> str:
        """How many fits there are, and how many may be trusted."""
        passed = self.certificates["passed"].to_numpy()
        return f"Batch: {len(passed)} fits, {passed.sum()} passed"


def fit_batch(
    tables: Mapping[str, Observations | Any],
    law: str | Law = "chinchilla",
    noise: str | Noise | None = None,
    priors: Priors = None,
    seed: int = 0,
    *,
    discrepancy: str = "none",
    budgets: Sequence[float] = (),
    quantiles: Sequence[float] | None = None,
    draws: int = KEPT,
    precision: str = "float64",
    tick: Tick | None = None,
) -> Batch:
    """Fit one law to many tables.

    Args:
        tables: runs by name, each as `fit` takes them.
        law: name of a law in `nstar.laws.LAWS`, or a law.
        noise: as `fit` takes it.
        priors: as `fit` takes them.
        seed: with a table's own numbers it decides the draws of its fit.
        discrepancy: "none" or "waves"; with waves every fit is by NUTS.
        budgets: FLOP at which N*, D* and L* are worked out, (C,).
        quantiles: keep these quantiles of every quantity in place of draws, so that
            memory does not grow with draws.
        draws: draws kept of each fit.
        precision: "float32" works out the weights in single precision; modes, curvature
            and answers stay in float64.
        tick: called with the fits done and their total; a bar on stderr, where that is a
            terminal, unless given.

    Returns:
        Draws or quantiles, and certificates.  A table that cannot be fitted fails alone,
        with its reason.

    Raises:
        ValueError: there are no tables, a quantile is no probability, or there is no such
            precision.

    Examples:
        >>> many = nstar.fit_batch({"a": "a.csv", "b": "b.csv"}, budgets=[1e24])  # doctest: +SKIP
        >>> many.certificates  # doctest: +SKIP
    """
    if tick is None:
        with progress() as bar:
            return fit_batch(
                tables,
                law,
                noise,
                priors,
                seed,
                discrepancy=discrepancy,
                budgets=budgets,
                quantiles=quantiles,
                draws=draws,
                precision=precision,
                tick=bar(f"{len(tables)} fits"),
            )
    options = batch_options(seed, draws, budgets, quantiles, precision)
    if not tables:
        msg = "no tables to fit"
        raise ValueError(msg)
    with jax.enable_x64(True):
        tasks, certified = tasks_of(tables, law, noise, priors, discrepancy)
        return run(list(tables), tasks, certified, options, tick)


@threadpool_limits.wrap(limits=1, user_api="blas")  # BLAS's threads wait in busy loops
def run(
    names: list[str],
    tasks: list[Task],
    certified: dict[str, Certificate],
    options: BatchOptions,
    tick: Tick,
) -> Batch:
    """Fit all tasks, a chunk at a time; of a chunk only what the options ask for is stored."""
    parts, priors = [], dict[int, Any]()
    for chunk in chunks(tasks, options.sizes):
        p = chunk[0].problem
        if (
            id(p) not in priors
        ):  # resamples share one problem, and drawing takes a while
            key = jax.random.key(options.seed)
            priors[id(p)] = density.prior_draws(
                p.law, p.noise, p.priors, key, nuts.PRIOR_DRAWS
            )
        params, judgements = _fit_chunk(chunk, options, priors[id(p)])
        certified |= {t.name: c for t, c in zip(chunk, judgements, strict=True)}
        parts.append(_dataset(chunk, params, options))
        tick(len(certified), len(names))
    dataset = xr.concat(parts, "fit").reindex(fit=names) if parts else xr.Dataset()
    table = certificates.table({n: certified[n] for n in names})
    return Batch(dataset, table, _beyond(tasks, options))


def _beyond(tasks: list[Task], options: BatchOptions) -> tuple[Check, ...]:
    """Say where laws whose form is taken as exact are read beyond their runs."""
    C = options.C.max(initial=0.0)
    words = dict.fromkeys(
        taken_as_exact(t.problem.law) for t in tasks if t.problem.runs["C"].max() < C
    )
    return tuple(Check("exact form", Status.REVIEW, each) for each in words if each)


def _fit_chunk(
    chunk: list[Task], options: BatchOptions, prior: Any
) -> tuple[dict[str, np.ndarray], list[Certificate]]:
    """Draws of each fit's unknowns, (fit, draw, ...), and its certificate."""
    shapes = {n: (len(chunk), options.draws, *v.shape[1:]) for n, v in prior.items()}
    params = {n: np.full(shape, np.nan) for n, shape in shapes.items()}
    tries = attempts_among_many(chunk[0].problem.law)
    judged = [certificates.failed("too many unknowns for weights")] * len(chunk)
    if sum(v[0].size for v in prior.values()) <= MOST:
        judged = by_weights(chunk, options, prior, params)
    for i, task in enumerate(chunk):
        if not judged[i].passed:
            draws, certificate = _by_nuts(task, options, prior, tries)
            judged[i] = certificate._replace(k_hat=judged[i].k_hat)
            last = len(next(iter(draws.values()))) - 1
            picked = np.linspace(0, last, options.draws).astype(int)
            for name, values in draws.items():
                params[name][i] = values[picked]
    lost = [i for i, certificate in enumerate(judged) if not certificate.passed]
    for values in params.values():
        values[lost] = np.nan  # no draws that nothing vouches for
    return params, judged


def _by_nuts(
    task: Task, options: BatchOptions, prior: Any, tries: tuple[Settings, ...]
) -> tuple[dict[str, np.ndarray], Certificate]:
    """Fit one table by NUTS, again and longer where the first is not enough.

    Unknowns and what is decided from them pass the same gates.
    """
    p, data = task.problem, task.given[2]
    for settings in tries:
        key = jax.random.key(number(task, options.seed))
        chains = nuts.sample(p.law, p.noise, p.priors, data, key, settings, prior=prior)
        judged = chains.posterior | _decided(task, chains.posterior, options)
        last = settings is tries[-1]  # and so a few are let pass, as `fit` does
        certificate = certificates.by_draws(
            judged, chains.stats, necks=last and is_bent(p.law)
        )
        if certificate.passed:
            break
    return {
        n: v.reshape(-1, *v.shape[2:]) for n, v in chains.posterior.items()
    }, certificate


def _decided(
    task: Task, posterior: Mapping[str, np.ndarray], options: BatchOptions
) -> dict[str, np.ndarray]:
    """What is decided from every draw of chains, (chain, draw, ...) each.

    Draws go through the program of the batch as if they were several fits.
    """
    if not (options.C.size or options.at.size):
        return {}
    chains, draws = next(iter(posterior.values())).shape[:2]
    every = np.minimum(
        np.arange(-(-chains * draws // options.draws) * options.draws),
        chains * draws - 1,
    )
    cut = {
        n: v.reshape(-1, *v.shape[2:])[every].reshape(-1, options.draws, *v.shape[2:])
        for n, v in posterior.items()
    }
    most, parts = options.sizes[-1], []
    for at in range(0, len(every) // options.draws, most):
        part = {n: v[at : at + most] for n, v in cut.items()}
        parts.append(_answers([task] * len(next(iter(part.values()))), part, options))
    names = [n for n in parts[0] if n not in posterior]
    values = {}
    for name in names:
        each = np.concatenate([part[name] for part in parts])
        each = each.reshape(len(every), -1)[: chains * draws]
        moving = (
            np.ptp(each, axis=0) != 0
        )  # an optimum may lie at the edge in every draw
        values[name] = each[:, moving].reshape(chains, draws, -1)
    return {name: each for name, each in values.items() if each.size}


def _answers(
    tasks: list[Task], params: Params, options: BatchOptions
) -> dict[str, np.ndarray]:
    """Unknowns, (fit, draw, ...) each, and what follows from them."""
    first = tasks[0]
    numbers = stacked(tasks, options.sizes)[0]
    spans = np.array([span(t.problem) for t in tasks])
    each = pad_fits((dict(params), spans), size_of(len(tasks), options.sizes))
    cost = first.problem.runs.cost
    values = decisions(
        first.skeleton, cost, numbers, *each, options.C, options.at, len(tasks)
    )
    return {n: np.asarray(v)[: len(tasks)] for n, v in values.items()}


def _dataset(chunk: list[Task], params: Params, options: BatchOptions) -> xr.Dataset:
    """Label the draws of a chunk and what follows from them."""
    law, C, quantiles = chunk[0].problem.law, options.C, options.quantiles
    answers = _answers(chunk, params, options)
    if quantiles is not None:
        answers = {
            n: np.moveaxis(np.quantile(v, quantiles, axis=1), 0, 1)
            for n, v in answers.items()
        }
    coords, dims = law.labels() if isinstance(law, Labelled) else ({}, {})
    dims = dims | {n: ["C"] for n in OF_BUDGET} | {"loss": ["run"]}
    coords = {n: v for n, v in coords.items() if any(n in d for d in dims.values())}
    coords |= {"fit": [t.name for t in chunk]} | ({"C": C} if C.size else {})
    over = "draw" if quantiles is None else "quantile"
    coords |= {} if quantiles is None else {"quantile": list(quantiles)}
    data = {
        n: (("fit", over, *dims.get(n, [f"{n}_{i}" for i in range(v.ndim - 2)])), v)
        for n, v in answers.items()
    }
    return xr.Dataset(data, coords)


def span(p: Problem) -> tuple[float, float]:
    """Least and most tokens per parameter that are searched for an optimum."""
    if isinstance(p.law, Bent) and "N" in p.runs and "D" in p.runs:
        return of_runs(p.runs["N"], p.runs["D"])
    return WIDEST
