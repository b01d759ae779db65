"""Rows that are checkpoints: several losses of one run at growing lengths."""

from dataclasses import replace

import numpy as np

from nstar.runs.alike import number_alike, other_inputs
from nstar.runs.column_kinds import Column, names_each_run, of_kind
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, ReadOptions
from nstar.verdicts import Status
from nstar.wording import count

LEAST = 3  # rows of a size that may be a log
SHARED = 0.8  # of the steps of a log are those of another
EVEN = 4  # equal intervals that make a series a log
SURFACE_LENGTHS = 2  # of runs, below which no surface can be told
LEAST_LOSSES = 4


def check_checkpoints(runs: Observations) -> list[Problem]:
    """Notice rows that are several measurements of few runs, or of one."""
    over = _length(runs)
    if len(runs) < LEAST or not over:
        return []
    run = _run_of_rows(runs, runs[over])
    if run is None:
        return []
    length = runs[over]
    rows_of = [np.flatnonzero(run == r) for r in np.unique(run[run >= 0])]
    spread = [np.ptp(np.log(length[at])) > 1e-3 for at in rows_of]
    repeated = [at for at, s in zip(rows_of, spread, strict=True) if at.size > 1 and s]
    if not repeated:
        return []
    if len(rows_of) == 1:
        return [_one_run(runs, rows_of[0])]
    problem = _several(runs, rows_of, repeated, over)
    sure = "run" in runs or bool(of_kind(runs, Column.STEP))
    return [problem if sure else replace(problem, status=Status.REVIEW)]


def _length(runs: Observations) -> str:
    """Name what a run's length is measured by: tokens, compute or steps."""
    steps = [n for n, v in of_kind(runs, Column.STEP).items() if v.dtype.kind == "f"]
    positive = [n for n in ("D", "C", *steps) if n in runs and (runs[n] > 0).all()]
    return next(iter(positive), "")


def _run_of_rows(runs: Observations, length: np.ndarray) -> np.ndarray | None:
    """Number the run that each row is of, -1 where it has no name; None where each is one."""
    if "run" in runs and len(np.unique(runs["run"])) < len(runs):
        names, number = np.unique(runs["run"], return_inverse=True)
        number = number.reshape(-1)
        return np.where(names[number] == "", -1, number)
    if "N" not in runs or names_each_run(runs):
        return None
    steps = [
        values
        for values in of_kind(runs, Column.STEP).values()
        if values.dtype.kind == "f" and np.isfinite(values).all() and np.ptp(values) > 0
    ]
    arms = [v for v in of_kind(runs, Column.RECIPE).values() if v.dtype.kind == "U"]
    number = number_alike([*(runs[n] for n in ("N", *other_inputs(runs))), *arms])
    if any(_is_log(number, step, length) for step in steps):
        return number
    return number if not steps and _is_even(number, length) else None


def _is_log(number: np.ndarray, step: np.ndarray, D: np.ndarray) -> bool:
    """Tell whether every size was measured along one series of steps.

    Runs of their own have steps too, in proportion to their tokens; but each size has
    lengths of its own, or they double. A log has the same steps at every size, or
    evenly spaced ones.
    """
    series = []
    for g in np.unique(number):
        at = np.flatnonzero(number == g)
        order = at[np.argsort(step[at], kind="stable")]
        if (np.diff(step[order]) <= 0).any() or (np.diff(D[order]) <= 0).any():
            return False
        series.append(step[order])
    long = [s for s in series if s.size >= LEAST]
    if sum(s.size for s in long) < 0.5 * number.size:
        return False
    if len(series) == 1:
        return True
    even = [_evenly(s) for s in long]
    known = max(long, key=len)
    shared = [np.isin(s, known).mean() >= SHARED for s in series]
    return all(shared) or all(even)


def _is_even(number: np.ndarray, length: np.ndarray) -> bool:
    """Tell whether most sizes were measured at even intervals of length, as logs are."""
    sizes = [np.sort(length[number == g]) for g in np.unique(number)]
    even = [_evenly(s) for s in sizes]
    return len(sizes) > 1 and sum(even) > len(sizes) / 2


def _evenly(steps: np.ndarray) -> bool:
    """Tell whether steps lie at equal intervals."""
    apart = np.diff(steps)
    return steps.size > EVEN and bool(np.ptp(apart) <= 0.05 * apart.mean())


def _one_run(runs: Observations, at: np.ndarray) -> Problem:
    rows = tuple(runs.rows[at].tolist())
    detail = (
        f"all {len(rows)} rows are of one run, measured as it went on; a law of N and D "
        "needs many runs, each trained to the end of its schedule"
    )
    remedy = (
        "give the last row of each of several runs; no option makes a ladder of one"
    )
    return Problem("one run", Status.FAIL, detail, remedy, rows=rows)


def _several(
    runs: Observations,
    rows_of: list[np.ndarray],
    repeated: list[np.ndarray],
    over: str,
) -> Problem:
    """Say how many runs there are, and what keeping the last of each leaves."""
    name = runs.named.get("run", "run") if "run" in runs else ""
    named = bool(name) and len(np.unique(runs["run"])) < len(runs)
    by = name if named else ",".join(["N", *other_inputs(runs)])
    length = runs[over]
    last = np.array([at[np.argmax(length[at])] for at in rows_of])
    rows = np.concatenate([at[length[at] < length[at].max()] for at in repeated])
    largest = max(repeated, key=len)
    label = (
        f"run {str(runs['run'][largest[0]])!r}"
        if named
        else f"N = {count(runs['N'][largest[0]])}"
    )
    detail = (
        f"{len(repeated)} runs appear more than once ({label}: {largest.size} rows) with more "
        f"and more tokens: these are checkpoints of {len(rows_of)} runs, not {len(runs)} runs. "
        "Checkpoints of one run share its noise and were measured before its learning rate "
        "had fallen"
    )
    lengths = np.unique(np.round(np.log(length[last]), 2)).size
    accept = "take them as they are with --accept checkpoints only where each row was a run of its own, or the learning rate was constant"
    useless = not named and (lengths < SURFACE_LENGTHS or len(last) < LEAST_LOSSES)
    if useless:
        same = "of one length" if lengths < SURFACE_LENGTHS else "too few for a law"
        remedy = f"the last of each are {len(last)} runs {same}: train runs of several lengths to the end of their schedules; {accept}"
        repair = ReadOptions()
    else:
        condition = f"most {over} per {by}"
        remedy = f"keep the last of each with --where '{condition}'; {accept}"
        repair = ReadOptions(where=(condition,))
    return Problem(
        "checkpoints",
        Status.FAIL,
        detail,
        remedy,
        column=name if named else "",
        rows=tuple(sorted(runs.rows[rows].tolist())),
        repair=repair,
    )
