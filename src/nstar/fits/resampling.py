"""A table drawn again from itself: how much of a fit hangs on which runs were made."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from nstar.fits.batch_tasks import BatchOptions, Task, batch_options, task_of
from nstar.fits.batches import KEPT, Batch, run
from nstar.fits.model import Problem, problem
from nstar.priors.sets import Priors
from nstar.progress import Tick, progress
from nstar.runs.observations import Observations
from nstar.samplers import density, modes, search
from nstar.samplers.flat import flatten
from nstar.types import SHARED, Law, Noise


def bootstrap(
    runs: Observations | Any,
    law: str | Law = "chinchilla",
    noise: str | Noise | None = None,
    priors: Priors = None,
    seed: int = 0,
    *,
    count: int = 1000,
    by: str = "run",
    budgets: Sequence[float] = (),
    quantiles: Sequence[float] | None = None,
    draws: int = KEPT,
    precision: str = "float64",
    tick: Tick | None = None,
) -> Batch:
    """Fit one law to resamples of one table: how much hangs on which runs were made.

    Args:
        runs: as `fit` takes them.
        law: as for `fit_batch`, as are noise, priors, budgets, quantiles and draws.
        noise: see there.
        priors: see there.
        seed: of the resamples and of the draws.
        count: number of resamples.
        by: "run" draws runs with replacement, the name of a column draws its values,
            with all their runs (isoFLOP profiles, recipes).
        budgets: see there.
        quantiles: see there.
        draws: see there.
        precision: see there.
        tick: see there.

    Raises:
        ValueError: as `fit` raises; count is below one; there is no such column; or runs share scatter that
            draws of single runs would tear apart.
    """
    if tick is None:
        with progress() as bar:
            return bootstrap(
                runs,
                law,
                noise,
                priors,
                seed,
                count=count,
                by=by,
                budgets=budgets,
                quantiles=quantiles,
                draws=draws,
                precision=precision,
                tick=bar(f"{count} resamples"),
            )
    if count < 1:
        msg = f"count is {count}: at least one resample is needed"
        raise ValueError(msg)
    options = batch_options(seed, draws, budgets, quantiles, precision)
    with jax.enable_x64(True):
        p = problem(runs, law, noise, priors, "none")
        times = counts_of_runs(p.runs, by, count, seed)
        return reweighted(p, {f"{i}": w for i, w in enumerate(times)}, options, tick)


def reweighted(
    p: Problem, weights: Mapping[str, np.ndarray], options: BatchOptions, tick: Tick
) -> Batch:
    """Fit a problem's law again with its runs counted as often as is said.

    Args:
        p: the problem, whose law does not bend.
        weights: times that each of the problem's runs counts, (run,), by the name of the fit.
        asked: what is wanted of every fit.
        tick: called with the fits done and their total.

    Raises:
        ValueError: runs that share scatter would be torn apart, or weights are not of
            the problem's runs.
    """
    with jax.enable_x64(True):
        whole = task_of("whole", p)
        near = _near(whole, options.seed)
        tasks = []
        for name, weight in weights.items():
            if len(weight) != len(p.data.y):
                msg = f"{p.runs.source}: {len(weight)} weights of {len(p.data.y)} runs"
                raise ValueError(msg)
            _require_together(p, weight)
            data = whole.given[2]._replace(weight=np.zeros(len(whole.given[2].y)))
            data.weight[: len(weight)] = weight
            given = (*whole.given[:2], data)
            tasks.append(whole._replace(name=name, given=given, near=near))
        return run(list(weights), tasks, {}, options, tick)


def _require_together(p: Problem, weight: np.ndarray) -> None:
    shared = p.data.x.get(SHARED)
    if shared is not None and len(set(zip(shared, weight, strict=True))) > len(
        set(shared)
    ):
        msg = f"{p.runs.source}: runs that share scatter cannot be drawn apart; draw them with by=COLUMN, the column that the noise is between"
        raise ValueError(msg)


def counts_of_runs(runs: Observations, by: str, count: int, seed: int) -> np.ndarray:
    """Draw runs, or the values of a column with all their runs, with replacement.

    Returns:
        Times that each run is drawn, (resample, run); the first of many are those of few.

    Raises:
        ValueError: there is no such column, or it has blanks.
    """
    rng = np.random.default_rng(seed)
    if by == "run":
        groups = np.arange(len(runs))
    elif by in runs:
        values = runs[by]
        if blank := int(np.sum((values != values) | (values == ""))):
            msg = f"{runs.source}: {by!r} is blank in {blank} of {len(runs)} runs, which cannot be drawn by it"
            raise ValueError(msg)
        groups = np.unique(values, return_inverse=True)[1]
    else:
        msg = f"{runs.source}: no column {by!r} to resample by; there are {', '.join(runs.columns)}"
        raise ValueError(msg)
    n = groups.max() + 1
    return rng.multinomial(n, np.full(n, 1 / n), count)[:, groups].astype(float)


def _near(task: Task, seed: int) -> np.ndarray:
    """Modes of a table, (mode, unknown): where its resamples' modes are looked for."""
    p = task.problem
    prior = density.prior_draws(
        p.law, p.noise, p.priors, jax.random.key(seed), modes.POINTS
    )
    u = flatten(task.skeleton, task.given, prior)
    searches, _ = search.find_modes(task.skeleton, task.given, u)
    return np.stack([f.mode.at for f in searches])
