"""A table drawn again from itself: how much of a fit hangs on which runs were made."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from nstar.batches import KEPT, Batch, asked_for, run
from nstar.fitting import Problem, problem
from nstar.observations import Observations
from nstar.prior_sets import Priors
from nstar.progress import Tick, progress
from nstar.samplers import density, modes, search
from nstar.tasks import Task, task_of
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
                runs, law, noise, priors, seed, count=count, by=by, budgets=budgets,
                quantiles=quantiles, draws=draws, precision=precision, tick=bar(f"{count} resamples"),
            )  # fmt: skip
    if count < 1:
        msg = f"count is {count}: at least one resample is needed"
        raise ValueError(msg)
    asked = asked_for(seed, draws, budgets, quantiles, precision)
    with jax.enable_x64(True):
        p = problem(runs, law, noise, priors, "none")
        whole = task_of("whole", p)
        near = _near(whole, seed)
        tasks = []
        for i, weight in enumerate(_resampled(p, by, count, seed)):
            data = whole.given[2]._replace(weight=np.zeros(len(whole.given[2].y)))
            data.weight[: len(weight)] = weight
            given = (*whole.given[:2], data)
            tasks.append(whole._replace(name=f"{i}", given=given, near=near))
        return run([t.name for t in tasks], tasks, {}, asked, tick)


def _resampled(p: Problem, by: str, count: int, seed: int) -> np.ndarray:
    """Times that each run is drawn, (resample, run)."""
    rng = np.random.default_rng(seed)
    if by == "run":
        if SHARED in p.data.x:
            msg = "runs that share scatter cannot be drawn one by one; draw their groups with by=COLUMN"
            raise ValueError(msg)
        groups = np.arange(len(p.runs))
    elif by in p.runs:
        groups = np.unique(p.runs[by], return_inverse=True)[1]
    else:
        msg = f"{p.runs.source}: no column {by!r} to resample by; there are {', '.join(p.runs.columns)}"
        raise ValueError(msg)
    shared = p.data.x.get(SHARED)
    if shared is not None and len(set(zip(shared, groups, strict=True))) > len(set(shared)):  # fmt: skip
        msg = f"{p.runs.source}: runs that share scatter differ in {by!r}; draw by the column that the noise is between"
        raise ValueError(msg)
    n = groups.max() + 1
    return rng.multinomial(n, np.full(n, 1 / n), count)[:, groups].astype(float)


def _near(task: Task, seed: int) -> np.ndarray:
    """Modes of a table, (mode, unknown): where its resamples' modes are looked for."""
    p = task.problem
    prior = density.prior_draws(p.law, p.noise, p.chosen, jax.random.key(seed), modes.POINTS)  # fmt: skip
    u = np.asarray(search.flat(task.skeleton, task.given, prior))
    found, _ = search.prepare(task.skeleton, task.given, u)
    return np.stack([f.mode.at for f in found])
