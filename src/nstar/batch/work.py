"""One chunk of fits, from runs to a table's rows and draws: what every engine runs."""

import time
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from nstar.batch.plan import CHUNK, POOLED, Chunk
from nstar.batch.summaries import coefficients, columns, row_of
from nstar.departures.bending import is_bent
from nstar.departures.discrepancy import Bent
from nstar.fits.batches import Batch, run, span
from nstar.fits.certificates import Certificate, by_draws, failed
from nstar.fits.fitting import Fit, fit
from nstar.fits.groups import in_group
from nstar.fits.model import named, problem, unknowns
from nstar.fits.resampling import reweighted
from nstar.fits.waiting import Task, batch_options, tasks_of, usual_sizes
from nstar.predictions.allocating import on_edge, optima, window
from nstar.scores import misses, scores
from nstar.types import Surface
from nstar.validation.backtest import predicted

KEPT = {
    "alpha1",
    "alpha2",
    "log_N",
    "log_D",
    "L",
    "metric",
    "loss",
}  # draws beside the unknowns
LOST = "lost"  # method of a fit that the machine could not finish
NUISANCE = ("waves_", "offset_")  # not kept, as vectors are not


class Told(NamedTuple):
    """What is asked of every fit."""

    draws: int
    precision: str
    budgets: tuple[float, ...]  # FLOP
    runs: tuple[tuple[float, float], ...]  # N and D
    prob: float


class Part(NamedTuple):
    """What came of a chunk."""

    chunk: str
    table: dict[str, list[Any]]  # a row for each fit
    draws: dict[str, np.ndarray]  # (fit, draw) or (fit, draw, budget or run), float32


class Found(NamedTuple):
    """Certificates, draws by name, (fit, draw, ...), and what else a row tells."""

    said: list[Certificate]
    values: dict[str, np.ndarray]
    more: list[dict[str, float]]  # optima that end the search, scores of held-out runs


def work(chunk: Chunk, told: Told) -> Part:
    """Fit a chunk; whatever goes wrong is said in its rows.

    Args:
        chunk: the fits.
        told: what is asked of each.
    """
    began, count = time.perf_counter(), len(chunk.samples)
    nothing = Found([failed(chunk.reason)] * count, {}, [{}] * count)
    if chunk.lost:
        nothing = nothing._replace(
            said=[Certificate(LOST, reason=chunk.reason)] * count
        )
    try:
        found = nothing if chunk.runs is None or chunk.reason else _fitted(chunk, told)
    except Exception as error:  # one chunk's failure is a finding, and ends no batch
        found = nothing._replace(said=[_failure(error)] * count)
    sums = [
        row_of(
            {n: v[i] for n, v in found.values.items()},
            told.budgets,
            told.runs,
            told.prob,
        )
        if found.said[i].passed
        else {}
        for i in range(count)
    ]
    own = KEPT | set(unknowns(*named(chunk.choice.law, chunk.choice.noise)))
    draws = {
        n: v.astype(np.float32) for n, v in found.values.items() if n in own and v.size
    }
    seconds = (time.perf_counter() - began) / count
    rows = [
        _head(chunk, i)
        | found.said[i]._asdict()
        | {"prob": told.prob}
        | sums[i]
        | found.more[i]
        | {"seconds": seconds, "made_with": _made_with()}
        for i in range(count)
    ]
    return Part(chunk.name, columns(rows), draws)


def _failure(error: Exception) -> Certificate:
    """Say what went wrong; a fault of the machine is worth another try."""
    name = "" if type(error) is ValueError else f"{type(error).__name__}: "
    why = name + " ".join(str(error).split())
    full = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in why
    if full or isinstance(error, MemoryError | OSError):
        return Certificate(LOST, reason=why)
    return failed(why)


def _head(chunk: Chunk, i: int) -> dict[str, Any]:
    """What a fit is of."""
    choice, sample, runs = chunk.choice, chunk.samples[i], chunk.runs
    used: dict[str, Any] = {
        "runs": 0,
        "C_min": np.nan,
        "C_max": np.nan,
        "params_counted": "",
        "loss_unit": "",
    }
    if runs is not None:
        learned = slice(None) if sample.keep is None else sample.keep
        if sample.resample == POOLED:
            learned = runs["ladder"] == sample.label
        rows = runs.take(np.arange(len(runs))[learned])
        used |= {
            "runs": len(rows),
            "params_counted": runs.params_counted,
            "loss_unit": runs.loss_unit,
        }
        if "C" in rows and len(rows):
            used |= {"C_min": float(rows["C"].min()), "C_max": float(rows["C"].max())}
    ladder = sample.label if sample.resample == POOLED else chunk.ladder
    return {
        "fit": chunk.labels[i],
        "name": chunk.fits[i],
        "chunk": chunk.name,
        "ladder": ladder,
        "law": choice.law,
        "noise": choice.noise,
        "discrepancy": choice.discrepancy,
        "priors": choice.priors,
        "seed": choice.seed,
        "resample": sample.resample,
        "sample": "" if sample.resample == POOLED else sample.label,
        **used,
    }


def _fitted(chunk: Chunk, told: Told) -> Found:
    """Fit the chunk's runs as its samples say."""
    runs, choice = chunk.runs, chunk.choice
    assert runs is not None  # noqa: S101  the caller asked
    ends = [float(f(runs["C"])) for f in (np.min, np.max)] if "C" in runs else []
    asked = batch_options(
        choice.seed,
        told.draws,
        [*ends, *told.budgets],
        None,
        told.precision,
        told.runs,
        _sizes(),
    )
    more = [dict[str, float]() for _ in chunk.samples]
    if chunk.samples[0].resample == POOLED:
        return _pooled(chunk, told)
    if chunk.samples[0].weight is not None:
        p = problem(runs, choice.law, choice.noise, choice.prior_set, "none")
        used = np.isin(runs.rows, p.runs.rows)  # a law may leave runs out
        weights = {
            str(i): s.weight[used]
            for i, s in enumerate(chunk.samples)
            if s.weight is not None
        }
        batch = reweighted(p, weights, asked, _silent)
        return Found(*_read(batch, ends), more)
    tables = {
        str(i): runs if s.keep is None else runs.take(s.keep)
        for i, s in enumerate(chunk.samples)
    }
    with jax.enable_x64(True):
        tasks, said = tasks_of(
            tables,
            choice.law,
            choice.noise,
            choice.prior_set,
            choice.discrepancy,
            len(runs),
        )
        batch = run(list(tables), tasks, said, asked, _silent)
    for task in tasks:
        i = int(task.name)
        keep = chunk.samples[i].keep
        if keep is not None and batch.certificates["passed"].values[i]:
            more[i] = _scored(task, batch, runs.take(~keep), choice.seed)
    said, values = _read(batch, ends)
    for task in tasks:
        i = int(task.name)
        if isinstance(task.problem.law, Bent) and said[i].passed:
            more[i] |= _at_edge(
                {n: v[i] for n, v in values.items()}, span(task.problem), told
            )
    return Found(said, values, more)


def _sizes() -> tuple[int, ...]:
    """One size of programs, whatever the chunk's: a fit's last bit may hang on it."""
    return (min(usual_sizes()[-1], CHUNK),)


def _silent(done: int, total: int) -> None:
    """Say nothing: a chunk is told of when it is done."""


def _read(
    batch: Batch, ends: list[float]
) -> tuple[list[Certificate], dict[str, np.ndarray]]:
    """Certificates, and scalar draws with what follows from them."""
    c = batch.certificates
    said = [
        Certificate(*(c[n].values[i].item() for n in Certificate._fields))
        for i in range(c.sizes["fit"])
    ]
    values = {
        str(n): v.to_numpy()
        for n, v in batch.draws.data_vars.items()
        if not str(n).startswith(NUISANCE)
        and set(v.dims) <= {"fit", "draw", "C", "run"}
    }
    return said, coefficients(values, ends)


def _at_edge(
    values: dict[str, np.ndarray], ends: tuple[float, float], told: Told
) -> dict[str, float]:
    """Part of the draws whose optimum lies where the search for it was stopped."""
    if not told.budgets:
        return {}
    at = on_edge(values["log_D"] - values["log_N"], ends).mean(0)
    return {f"on_edge[{C:g}]": float(v) for C, v in zip(told.budgets, at, strict=True)}


def _scored(task: Task, batch: Batch, rest: Any, seed: int) -> dict[str, float]:
    """Score what a fit says of the runs it has not seen."""
    p = task.problem
    own = batch.draws.sel(fit=task.name)[unknowns(p.law, p.noise)]
    tree = xr.DataTree.from_dict(
        {"posterior": own.drop_vars("fit").expand_dims("chain")}
    )
    part = Fit(p.law, p.noise, p.runs, tree, seed, p.priors)
    columns = (rest[n] for n in p.law.response.columns)
    truth = np.asarray(p.law.response.link(*columns))
    draws = predicted(part, rest, seed)
    found = scores(draws, truth)
    return {
        "held_out_runs": len(rest),
        "held_out_coverage_90": found["coverage"]["0.9"],
        "held_out_crps": found["crps"],
        "held_out_rmse": found["rmse"],
        "held_out_bias": found["bias"],
        "held_out_by_chance": misses(draws, truth).at_least,
    }


def _pooled(chunk: Chunk, told: Told) -> Found:
    """Fit all ladders at once, and read each of them."""
    choice, runs = chunk.choice, chunk.runs
    assert runs is not None  # noqa: S101  the caller asked
    made = fit(
        runs,
        choice.law,
        choice.noise,
        choice.prior_set,
        choice.seed,
        tick=_silent,
        discrepancy=choice.discrepancy,
        pool="ladder",
    )
    stats = {
        str(n): v.to_numpy() for n, v in made.tree["sample_stats"].data_vars.items()
    }
    posterior = {
        n: made.tree["posterior"][n].to_numpy() for n in unknowns(made.law, made.noise)
    }
    certificate = by_draws(posterior, stats, necks=is_bent(made.law))
    parts = [in_group(made, s.label) for s in chunk.samples]
    each = [_group(one, told) for one in parts]
    values = {n: np.stack([g[n] for g in each]) for n in each[0]}
    more = [
        _at_edge(g, window(one), told) if isinstance(one.law, Bent) else {}
        for g, one in zip(each, parts, strict=True)
    ]
    return Found([certificate] * len(each), values, more)


def _group(one: Fit, told: Told) -> dict[str, np.ndarray]:
    """Draws of one ladder of a pooled fit, (draw, ...)."""
    ends = [float(one.runs["C"].min()), float(one.runs["C"].max())]
    posterior = one.tree["posterior"].dataset.stack(sample=("chain", "draw"))
    picked = np.linspace(0, posterior.sizes["sample"] - 1, told.draws).astype(int)
    params = {n: v[picked] for n, v in one.draws.items()}
    found = {
        str(n): v.to_numpy()[picked]
        for n, v in posterior.data_vars.items()
        if v.dims == ("sample",) and not str(n).startswith(NUISANCE)
    }
    with jax.enable_x64(True):
        C = np.array([*ends, *told.budgets])
        N, D = (a[picked] for a in optima(one, C))
        found |= {"log_N": np.log(N), "log_D": np.log(D)}
        if isinstance(law := one.law, Surface):
            found["L"] = np.asarray(jax.vmap(law.loss)(params, N, D))
            at = np.asarray(told.runs, float).reshape(-1, 2).T
            found["loss"] = np.asarray(jax.vmap(lambda p: law.loss(p, *at))(params))
    return {
        n: v[0]
        for n, v in coefficients({n: v[None] for n, v in found.items()}, ends).items()
    }


@cache
def _made_with() -> str:
    packages = [f"{name} {version(name)}" for name in ("nstar", "jax", "numpyro")]
    return ", ".join([*packages, jax.devices()[0].platform])
