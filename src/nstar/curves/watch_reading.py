"""Read a live run's curve, and beside it the curves of its ladder that have ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nstar.curves.reading import ONE, Curve, read_curves
from nstar.curves.schedules import STEPS, Schedule
from nstar.curves.watch_shapes import BEGIN, UNKNOWN, Track
from nstar.files.tables import Table
from nstar.runs.columns import chart_series, name_columns, read_numbers, texts
from nstar.runs.filters import keep_rows
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, TableProblems, list_some
from nstar.runs.sources import open_source
from nstar.verdicts import Check, Status
from nstar.wording import count, digits, percent

SAME = 0.01  # N and D within this are those of one run, as in a ledger
RAMPS = 0.05  # share by which tokens may differ, as where batches grow
OVER = 1e-3  # share by which the last step may lie beyond the run's end
METRIC = 0.03  # log loss by which a ladder's run and its curve may differ
ALIKE = 0.05  # of the peak, by which schedules of one kind may differ
NEIGHBOURS = 2  # on each side: a point counts once so many are there after it
LATE = 1e18  # a step after every run
LOCAL = 10  # points on each side whose slope and changes are a point's
SPIKE = (
    6.0  # usual changes from one point to the next, beyond which a loss is set aside
)
QUIET = 1e-5  # log loss that is no spike


@dataclass(frozen=True, eq=False)
class Sized:
    """A curve and what its run is."""

    curve: Curve
    N: float | None
    D: float | None  # at its last step


@dataclass(frozen=True, eq=False)
class Beside:
    """A live run, the curves beside it that have ended, and what was noted."""

    source: str
    sha256: str
    axis: str
    live: Track  # along the share of its run that is done
    steps: float  # of its whole run
    N: float
    D: float  # of its whole run
    schedule: Schedule | None  # as far as it is known
    rates: bool  # whether learning rates are recorded
    ended: tuple[Sized, ...]
    notes: tuple[Check, ...]

    @property
    def tracks(self) -> list[Track]:
        """The ended curves along their way."""
        return [track(s.curve, s.curve.end, s.N, s.D) for s in self.ended]


def track(curve: Curve, end: float, N: float | None, D: float | None) -> Track:
    """Lay a curve along the share of its run that is done, without its spikes."""
    log = np.log(curve.loss)
    valid = ~_apart(log)
    size = (float(np.log(N)), float(np.log(D))) if N and D else UNKNOWN
    return Track(
        curve.run, curve.step[valid] / end, log[valid], np.ones(valid.sum()), size
    )


def _apart(log: np.ndarray) -> np.ndarray:
    """Which points lie apart from their neighbours on both sides, (point,).

    A point at which the loss steps up or down for good lies with those after it.
    """
    change = np.diff(log, prepend=2 * log[0] - log[1])
    slope = _medians(change, LOCAL)
    usual = _medians(np.abs(change - slope), LOCAL)
    level = log - np.cumsum(slope)
    away = np.abs(level - _medians(level, NEIGHBOURS))
    return away > np.maximum(SPIKE * usual, QUIET)


def _medians(values: np.ndarray, reach: int) -> np.ndarray:
    """Running medians of values, (point,), over so many points on each side."""
    padded = np.pad(values, reach, mode="reflect" if len(values) > reach else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return np.median(windows, axis=1)


def read_beside(
    source: Any,
    runs: Observations,
    *,
    run: str | None = None,
    N: float | None = None,
    D: float | None = None,
    steps: float | None = None,
    schedule: Schedule | None = None,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
) -> Beside:
    """Read a table of curves, one of them of a run that goes on.

    Args:
        source: a file, the name of a data set, a dict of arrays or a frame.
        runs: the ladder that was fitted.
        run: that goes on; the table's only one unless given.
        N: its parameters, and D: tokens of its whole run, unless the table has them.
        D: likewise.
        steps: of its whole run, in the unit of the table; by D unless given.
        schedule: of its whole run, where the table has no learning rates.
        columns: our names (run, step, lr, L, N, D) to the table's, where they differ.
        where: filters of rows.

    Raises:
        TableProblems: naming each problem of the table with its rows.
        ValueError: the run, its size or its end is not known or impossible, it is one
            of the ladder's, or the losses are of another metric.
    """
    opened = open_source(
        source, {k: v for k, v in (columns or {}).items() if k != "step"}
    )
    read = _read_all(opened.table, dict(columns or {}), opened.columns, list(where))
    names = [s.curve.run for s in read.curves]
    if run is None and len(names) > 1:
        msg = f"which run goes on? name it with --run; there are {list_some(names)}"
        raise ValueError(msg)
    if run is not None and run not in names:
        msg = f"{opened.table.source}: no run {run!r}; there are {list_some(names)}"
        raise ValueError(msg)
    live = read.curves[names.index(run) if run else 0]
    N = N if N is not None else live.N
    steps, D = _lengths(live, read.axis, steps, D, schedule)
    if N is None:
        msg = "the run's size is not known: say --at N,D, or give the table a column N"
        raise ValueError(msg)
    _require_new(runs, live.curve.run, N, D)
    _require_before_end(live.curve, steps, read.axis)
    others = [s for s in read.curves if s is not live]
    ended, notes = _ended(others, runs)
    _require_metric(ended, runs)
    recorded = live.curve.schedule if read.rates else None
    done = track(live.curve, steps, N, D)
    settled = live.curve.step[-1 - NEIGHBOURS] / steps
    later = (done.way >= BEGIN) & (done.way <= settled)
    if later.sum() < 2:
        msg = f"run {live.curve.run!r} has done {percent(round(live.curve.end / steps, 3))} of its steps: a run is watched from {percent(BEGIN)} of its way, and a point counts once {NEIGHBOURS} more are there; look again then"
        raise ValueError(msg)
    return Beside(
        opened.table.source,
        opened.table.sha256,
        read.axis,
        Track(
            done.run,
            done.way[later],
            done.log_loss[later],
            done.count[later],
            done.size,
        ),
        steps,
        N,
        D,
        _joined(recorded, schedule),
        read.rates,
        tuple(ended),
        (
            *_contradicted(live, N, D, steps),
            *_of_run(read.problems, live.curve.run),
            *notes,
            *_set_aside(live.curve, done, steps),
        ),
    )


@dataclass(frozen=True, eq=False)
class _Read:
    curves: list[Sized]
    axis: str
    rates: bool  # whether learning rates are recorded
    problems: list[Problem]


def _read_all(
    table: Table, chosen: dict[str, str], opened: Mapping[str, str], where: list[str]
) -> _Read:
    """Read every run of a table by itself, since runs of a ladder differ in size."""
    step = chosen.pop("step", None)
    naming = name_columns(table, opened)
    named = naming.columns
    series = chart_series(table)
    table = keep_rows(table, where, named)
    wrong = [
        p
        for p in naming.problems
        if p.name in ("which L", "column names") and not series
    ]
    if any(p.status is Status.FAIL for p in wrong):
        raise TableProblems(table.source, wrong)
    lower = {name.lower().rsplit("/", 1)[-1]: name for name in reversed(table.columns)}
    axis = step or next((lower[n] for n in STEPS if n in lower), named.get("D", ""))
    rates = "lr" in named or any(
        "lr" in m.lower() or "learning_rate" in m for m in series
    )
    if series or axis not in table.columns or "L" not in named:
        # one size, or a problem that reading says
        read = read_curves(
            table.columns,
            chosen | ({"step": step} if step else {}),
            schedule=_even(rates=rates),
        )
        return _Read(
            [Sized(c, None, None) for c in read.curves],
            read.axis,
            rates,
            [*read.problems],
        )
    names = texts(table, named["run"]) if "run" in named else np.full(len(table), ONE)
    curves, problems = [], list(wrong)
    for name in dict.fromkeys(names.tolist()):
        part = table.take(names == name)
        cells = {"run": names[names == name], "step": part.columns[axis]}
        cells |= {
            ours: part.columns[named[ours]] for ours in ("L", "lr") if ours in named
        }
        try:
            read = read_curves(cells, {"L": "L"}, schedule=_even(rates=rates))
        except TableProblems as refused:
            problems += [_placed(p, part) for p in refused.problems]
            continue
        problems += [_placed(p, part) for p in read.problems]
        size, tokens = (
            _last(part, ours, named[ours], problems) if ours in named else None
            for ours in ("N", "D")
        )
        curves += [Sized(c, size, tokens) for c in read.curves]
    if any(p.status is Status.FAIL for p in problems) or not curves:
        raise TableProblems(table.source, problems)
    return _Read(curves, axis, rates, problems)


def _even(*, rates: bool) -> Schedule | None:
    """A schedule for curves without one, of which nothing is read."""
    return None if rates else Schedule(np.array([0.0, LATE]), np.ones(2))


def _placed(problem: Problem, part: Table) -> Problem:
    """Name rows as the whole table does."""
    return replace(problem, rows=tuple(int(part.rows[row - 1]) for row in problem.rows))


def _last(part: Table, ours: str, theirs: str, problems: list[Problem]) -> float | None:
    """The largest value of a run's column."""
    cells = read_numbers(part, ours, theirs)
    problems += cells.problems
    known = cells.values[np.isfinite(cells.values)]
    return float(known.max()) if len(known) else None


def _of_run(problems: list[Problem], run: str) -> list[Check]:
    """What was noted of the live run, and of others where it is for review."""
    noted = (
        p
        for p in problems
        if p.name != "spikes" and (p.status is not Status.PASS or repr(run) in p.detail)
    )
    return [p.as_check() for p in noted]


def _set_aside(curve: Curve, done: Track, steps: float) -> list[Check]:
    """Say which points of a run are left out for lying apart from their neighbours."""
    apart = curve.step[~np.isin(curve.step / steps, done.way)]
    apart = apart[apart >= BEGIN * steps]
    if not len(apart):
        return []
    listed = list_some([f"{step:g}" for step in apart])
    subject = "1 point lies" if len(apart) == 1 else f"{len(apart)} points lie"
    detail = f"{subject} apart from those before and after, set aside: {listed}"
    return [Check("spikes", Status.PASS, detail)]


def _lengths(
    live: Sized,
    axis: str,
    steps: float | None,
    D: float | None,
    schedule: Schedule | None,
) -> tuple[float, float]:
    """Steps and tokens of the whole run, by one another.

    Raises:
        ValueError: one of them is not known.
    """
    rate = live.D / live.curve.end if live.D else None  # tokens a step
    if steps is None:
        steps = schedule.end if schedule else D / rate if D and rate else None
    if steps is None:
        msg = f"where does run {live.curve.run!r} end? say --steps of the whole run, as {axis!r} counts them"
        raise ValueError(msg)
    if D is None:
        D = steps * rate if rate else None
    if D is None:
        msg = "the tokens of the whole run are not known: say --at N,D, or give the table a column of tokens"
        raise ValueError(msg)
    return float(steps), float(D)


def _contradicted(live: Sized, N: float, D: float, steps: float) -> list[Check]:
    """Say where a stated size or length is not what the table has."""
    in_table = {
        "parameters": (live.N, N, SAME),
        "tokens": (live.D and live.D * steps / live.curve.end, D, RAMPS),
    }
    parts = [
        f"{count(of_table)} {what} by the table, {count(stated)} as stated"
        for what, (of_table, stated, near) in in_table.items()
        if of_table and abs(stated / of_table - 1) > near
    ]
    if not parts:
        return []
    detail = f"run {live.curve.run!r} has {' and '.join(parts)}: the forecast is of what is stated; correct --at or --steps, or the column"
    return [Check("size of the run", Status.REVIEW, detail)]


def _require_new(runs: Observations, run: str, N: float, D: float) -> None:
    if "N" not in runs or "D" not in runs:
        return
    same = (np.abs(runs["N"] / N - 1) <= SAME) & (np.abs(runs["D"] / D - 1) <= SAME)
    if same.any():
        rows = list_some([int(row) for row in runs.rows[same]])
        msg = f"run {run!r}, {count(N)} parameters on {count(D)} tokens, is in the ladder that was fitted ({runs.source}, row {rows}): its end is known to the fit; watch a run that is not, or fit the ladder without it"
        raise ValueError(msg)


def _require_before_end(curve: Curve, steps: float, axis: str) -> None:
    beyond = curve.step[curve.step > steps * (1 + OVER)]
    if len(beyond):
        msg = f"run {curve.run!r} has {len(beyond)} points beyond its end: {axis} {beyond[0]:g} to {beyond[-1]:g} of {steps:g}; give the steps of the whole run with --steps (or its tokens with --at), or the column that they count with --columns step=NAME"
        raise ValueError(msg)


def _ended(others: list[Sized], runs: Observations) -> tuple[list[Sized], list[Check]]:
    """Keep the curves whose runs are in the ladder, where the table says their size."""
    if "N" not in runs or "D" not in runs:
        return others, []
    known = [s for s in others if s.N and s.D]
    if not known:
        if not others:
            return [], []
        detail = f"the table has no N and D of its {len(others)} other curves: taken for runs that have ended"
        return others, [Check("other curves", Status.REVIEW, detail)]
    ended = [s for s in known if _ladder_loss(s, runs) is not None]
    if len(ended) == len(others):
        return ended, []
    apart = [s.curve.run for s in others if s not in ended]
    detail = f"{len(apart)} curves are of no run of the ladder with their N and D, and may still go on: left out ({list_some(apart)})"
    return ended, [Check("other curves", Status.PASS, detail)]


def _ladder_loss(sized: Sized, runs: Observations) -> float | None:
    """Loss of the ladder's run of a curve's size, the nearest to the curve's end."""
    if not (sized.N and sized.D):
        return None
    same = np.abs(runs["N"] / sized.N - 1) <= SAME
    same &= np.abs(runs["D"] / sized.D - 1) <= SAME
    losses = runs["L"][same]
    if not len(losses):
        return None
    return float(losses[np.argmin(np.abs(np.log(losses / sized.curve.loss[-1])))])


def _require_metric(ended: list[Sized], runs: Observations) -> None:
    pairs = [
        (s, loss)
        for s in ended
        if "N" in runs and "D" in runs and (loss := _ladder_loss(s, runs))
    ]
    off = [abs(float(np.log(s.curve.loss[-1] / loss))) for s, loss in pairs]
    if off and np.median(off) > METRIC:
        sized, loss = pairs[int(np.argmax(off))]
        msg = f"no ladder for this loss: run {sized.curve.run!r} has {digits(loss, 4)} in {runs.source} and its curve ends at {digits(float(sized.curve.loss[-1]), 4)}; name the curve's column of the loss that was fitted with --columns L=NAME"
        raise ValueError(msg)


def _joined(recorded: Schedule | None, stated: Schedule | None) -> Schedule | None:
    """The run's schedule: as recorded, then as stated."""
    if recorded is None or stated is None or stated.end <= recorded.end:
        return recorded or stated
    return recorded.then(stated)


def alike(beside: Beside) -> list[bool]:
    """Which ended curves have the live run's schedule, relative to their own ends.

    Compared are shares of the peak over what the live run has recorded or is to do.
    """
    if not beside.rates or beside.schedule is None:
        return [True] * len(beside.ended)
    complete = beside.schedule.end >= beside.steps * (1 - OVER)
    way = np.linspace(BEGIN, 1.0 if complete else beside.live.way[-1], 50)

    def shares(schedule: Schedule, end: float) -> np.ndarray:
        return schedule.at(way * end) / schedule.peak

    live = shares(beside.schedule, beside.steps)
    return [
        bool(np.abs(shares(s.curve.schedule, s.curve.end) - live).max() <= ALIKE)
        for s in beside.ended
    ]
