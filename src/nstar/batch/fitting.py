"""One chunk of fits, from runs to a table's rows and draws: what every engine runs."""

import time
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import jax
import numpy as np
import pyarrow as pa
import xarray as xr

from nstar.batch import comparisons
from nstar.batch.estimates import coefficients, summarise
from nstar.batch.manifest import Manifest
from nstar.batch.plan import CHUNK, Chunk
from nstar.batch.table import POOLED, WHOLE, Cell, as_table
from nstar.departures.bending import is_bent
from nstar.departures.discrepancy import Bent
from nstar.fits.batch_tasks import Task, batch_options, tasks_of, usual_sizes
from nstar.fits.batches import Batch, run, span
from nstar.fits.certificates import Certificate, by_draws, failed
from nstar.fits.fitting import Fit, fit
from nstar.fits.groups import in_group
from nstar.fits.model import parse_model, problem, unknowns
from nstar.fits.resampling import reweighted
from nstar.predictions.allocating import on_edge, optima, search_window
from nstar.runs.observations import Observations
from nstar.scores import misses, scores
from nstar.types import Surface
from nstar.validation.backtest import predict_held_out

ANSWERS = {"alpha1", "alpha2", "log_N", "log_D", "L", "metric", "loss"}
LOST = "lost"  # method of a fit that the machine could not finish
NUISANCE = ("waves_", "offset_")  # draws that are not written, as vectors are not


class Request(NamedTuple):
    """What is asked of every fit."""

    draws: int
    precision: str
    budgets: tuple[float, ...]  # FLOP
    runs: tuple[tuple[float, float], ...]  # N and D
    prob: float


class FittedChunk(NamedTuple):
    """What came of a chunk."""

    chunk: str
    table: pa.Table  # a row for each fit
    draws: dict[str, np.ndarray]  # (fit, draw) or (fit, draw, budget or run), float32


class Posteriors(NamedTuple):
    """Certificates, draws by name, (fit, draw, ...), and other columns of each row."""

    certificates: list[Certificate]
    draws: dict[str, np.ndarray]
    more: list[dict[str, float]]  # optima that end the search, scores of held-out runs


def request_of(manifest: Manifest) -> Request:
    """Read what a manifest asks of every fit."""
    targets, sampler = manifest.targets, manifest.sampler
    return Request(
        sampler.draws,
        sampler.precision,
        tuple(targets.budgets),
        tuple((run.N, run.D) for run in targets.runs),
        manifest.outputs.prob,
    )


def fit_chunk(chunk: Chunk, request: Request) -> FittedChunk:
    """Fit a chunk; whatever goes wrong is said in its rows.

    Args:
        chunk: the fits.
        request: what is asked of each.
    """
    began, count = time.perf_counter(), len(chunk.samples)
    certificates, draws, more = _attempt(chunk, request)
    targets = request.budgets, request.runs, request.prob
    rows: list[dict[str, Cell]] = []
    for i, certificate in enumerate(certificates):
        each = {n: v[i] for n, v in draws.items()} if certificate.passed else {}
        rows.append(
            _head(chunk, i)
            | certificate._asdict()
            | {"prob": request.prob}
            | ({} if chunk.compared else summarise(each, *targets))
            | more[i]
            | {
                "seconds": (time.perf_counter() - began) / count,
                "made_with": _packages(),
            }
        )
    names = dict.fromkeys(n for row in rows for n in row)
    table = as_table({n: [row.get(n) for row in rows] for n in names})
    written = {comparisons.MULTIPLIER}
    if not chunk.compared:
        model = parse_model(chunk.choice.law, chunk.choice.noise)
        written = ANSWERS | set(model.unknowns)
    single = {
        n: v.astype(np.float32) for n, v in draws.items() if n in written and v.size
    }
    return FittedChunk(chunk.name, table, single)


def _attempt(chunk: Chunk, request: Request) -> Posteriors:
    """Fit what can be fitted; a failure is a finding, and ends no batch."""
    if chunk.lost:
        certificate = Certificate(LOST, reason=chunk.reason)
    elif chunk.runs is None or chunk.reason:
        certificate = failed(chunk.reason)
    else:
        try:
            return _fit(chunk, request)
        except Exception as error:
            certificate = _failure(error)
    count = len(chunk.samples)
    return Posteriors([certificate] * count, {}, [{}] * count)


def _failure(error: Exception) -> Certificate:
    """Say what went wrong; a fault of the machine is worth another try."""
    name = "" if type(error) is ValueError else f"{type(error).__name__}: "
    reason = name + " ".join(str(error).split())
    full = isinstance(error, jax.errors.JaxRuntimeError) and (
        "RESOURCE_EXHAUSTED" in reason
    )
    if full or isinstance(error, MemoryError | OSError):
        return Certificate(LOST, reason=reason)
    return failed(reason)


def _head(chunk: Chunk, i: int) -> dict[str, Cell]:
    """What a fit is of."""
    choice, sample = chunk.choice, chunk.samples[i]
    pooled, runs = sample.resample == POOLED, chunk.runs_of(sample)
    ladder, compared = sample.label if pooled else chunk.ladder, chunk.compared
    if (
        compared and sample.label
    ):  # a recipe beside the baseline is what others are a ladder
        ladder = comparisons.name_of(ladder, sample.label, compared.baseline)
    C = runs["C"] if runs is not None and "C" in runs and len(runs) else None
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
        "resample": WHOLE if compared else sample.resample,
        "sample": "" if pooled or compared else sample.label,
        "runs": 0 if runs is None else len(runs),
        "C_min": None if C is None else float(C.min()),
        "C_max": None if C is None else float(C.max()),
        "params_counted": "" if runs is None else runs.params_counted,
        "loss_unit": "" if runs is None else runs.loss_unit,
    }


def _fit(chunk: Chunk, request: Request) -> Posteriors:
    """Fit the chunk's runs as its samples say."""
    runs, choice, samples = chunk.runs, chunk.choice, chunk.samples
    assert runs is not None  # noqa: S101  the caller asked
    if chunk.compared:
        names = [sample.label for sample in samples]
        options = request.budgets, request.draws, choice.seed, request.prob
        return Posteriors(*comparisons.compare(runs, chunk.compared, names, *options))
    if samples[0].resample == POOLED:
        return _fit_pooled(chunk, runs, request)
    ends = [float(f(runs["C"])) for f in (np.min, np.max)] if "C" in runs else []
    settings = batch_options(
        choice.seed,
        request.draws,
        [*ends, *request.budgets],
        None,
        request.precision,
        request.runs,
        # one size of programs, whatever the chunk's: a fit's last bit may hang on it
        (min(usual_sizes()[-1], CHUNK),),
    )
    model = choice.law, choice.noise, choice.prior_set
    tasks: list[Task] = []
    if samples[0].weight is not None:
        p = problem(runs, *model, "none")
        used = np.isin(runs.rows, p.runs.rows)  # a law may leave runs out
        times = [s.weight[used] for s in samples if s.weight is not None]
        weights = {str(i): weight for i, weight in enumerate(times)}
        batch = reweighted(p, weights, settings, _silent)
    else:
        tables = {str(i): chunk.runs_of(s) for i, s in enumerate(samples)}
        with jax.enable_x64(True):
            tasks, refused = tasks_of(tables, *model, choice.discrepancy, len(runs))
            batch = run(list(tables), tasks, refused, settings, _silent)
    certificates, draws = _read(batch, ends)
    more: list[dict[str, float]] = [{} for _ in samples]
    for task in tasks:
        i = int(task.name)
        keep = samples[i].keep
        if certificates[i].passed and keep is not None:
            more[i] |= _scored(task, batch, runs.take(~keep), choice.seed)
        if certificates[i].passed and isinstance(task.problem.law, Bent):
            each = {n: v[i] for n, v in draws.items()}
            more[i] |= _at_edge(each, span(task.problem), request)
    return Posteriors(certificates, draws, more)


def _silent(done: int, total: int) -> None:
    """Say nothing: a chunk is told of when it is done."""


def _read(
    batch: Batch, ends: list[float]
) -> tuple[list[Certificate], dict[str, np.ndarray]]:
    """Certificates, and scalar draws with what follows from them."""
    columns = [batch.certificates[n].values.tolist() for n in Certificate._fields]
    certificates = [Certificate(*row) for row in zip(*columns, strict=True)]
    draws = {
        str(n): v.to_numpy()
        for n, v in batch.draws.data_vars.items()
        if not str(n).startswith(NUISANCE)
        and set(v.dims) <= {"fit", "draw", "C", "run"}
    }
    return certificates, coefficients(draws, ends)


def _at_edge(
    draws: dict[str, np.ndarray], ends: tuple[float, float], request: Request
) -> dict[str, float]:
    """Part of the draws whose optimum lies where the search for it was stopped."""
    if not request.budgets:
        return {}
    parts = on_edge(draws["log_D"] - draws["log_N"], ends).mean(0)
    pairs = zip(request.budgets, parts, strict=True)
    return {f"on_edge[{C:g}]": float(part) for C, part in pairs}


def _scored(
    task: Task, batch: Batch, rest: Observations, seed: int
) -> dict[str, float]:
    """Score what a fit says of the runs it has not seen."""
    p = task.problem
    posterior = batch.draws.sel(fit=task.name)[unknowns(p.law, p.noise)]
    tree = xr.DataTree.from_dict(
        {"posterior": posterior.drop_vars("fit").expand_dims("chain")}
    )
    draws = predict_held_out(
        Fit(p.law, p.noise, p.runs, tree, seed, p.priors), rest, seed
    )
    measured = (rest[n] for n in p.law.response.columns)
    truth = np.asarray(p.law.response.link(*measured))
    score = scores(draws, truth)
    return {
        "held_out_runs": len(rest),
        "held_out_coverage_90": score["coverage"]["0.9"],
        "held_out_crps": score["crps"],
        "held_out_rmse": score["rmse"],
        "held_out_bias": score["bias"],
        "held_out_by_chance": misses(draws, truth).at_least,
    }


def _fit_pooled(chunk: Chunk, runs: Observations, request: Request) -> Posteriors:
    """Fit all ladders at once, and read each of them."""
    choice = chunk.choice
    joint = fit(
        runs,
        choice.law,
        choice.noise,
        choice.prior_set,
        choice.seed,
        tick=_silent,
        discrepancy=choice.discrepancy,
        pool="ladder",
    )
    names, tree = unknowns(joint.law, joint.noise), joint.tree
    stats = {str(n): v.to_numpy() for n, v in tree["sample_stats"].data_vars.items()}
    posterior = {n: tree["posterior"][n].to_numpy() for n in names}
    certificate = by_draws(posterior, stats, necks=is_bent(joint.law))
    groups = [in_group(joint, s.label) for s in chunk.samples]
    each = [_group_draws(group, request) for group in groups]
    more = [
        _at_edge(draws, search_window(group), request)
        if isinstance(group.law, Bent)
        else {}
        for draws, group in zip(each, groups, strict=True)
    ]
    draws = {n: np.stack([one[n] for one in each]) for n in each[0]}
    return Posteriors([certificate] * len(each), draws, more)


def _group_draws(group: Fit, request: Request) -> dict[str, np.ndarray]:
    """Draws of one ladder of a pooled fit, (draw, ...)."""
    ends = [float(group.runs["C"].min()), float(group.runs["C"].max())]
    posterior = group.tree["posterior"].dataset.stack(sample=("chain", "draw"))
    last = posterior.sizes["sample"] - 1
    picked = np.linspace(0, last, request.draws).astype(int)
    params = {n: v[picked] for n, v in group.draws.items()}
    draws = {
        str(n): v.to_numpy()[picked]
        for n, v in posterior.data_vars.items()
        if v.dims == ("sample",) and not str(n).startswith(NUISANCE)
    }
    with jax.enable_x64(True):
        C = np.array([*ends, *request.budgets])
        N, D = (a[picked] for a in optima(group, C))
        draws |= {"log_N": np.log(N), "log_D": np.log(D)}
        if isinstance(law := group.law, Surface):
            draws["L"] = np.asarray(jax.vmap(law.loss)(params, N, D))
            at = np.asarray(request.runs, float).reshape(-1, 2).T
            draws["loss"] = np.asarray(jax.vmap(lambda p: law.loss(p, *at))(params))
    stacked = coefficients({n: v[None] for n, v in draws.items()}, ends)
    return {n: v[0] for n, v in stacked.items()}


@cache
def _packages() -> str:
    packages = [f"{name} {version(name)}" for name in ("nstar", "jax", "numpyro")]
    return ", ".join([*packages, jax.devices()[0].platform])
