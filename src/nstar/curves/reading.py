"""Read curves of training: steps, learning rates and losses of runs, as trackers export them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.curves.schedules import STEPS, Schedule
from nstar.files.tables import Table
from nstar.runs.columns import chart_series, name_columns, read_numbers, texts
from nstar.runs.filters import keep_rows
from nstar.runs.problems import Problem, TableProblems, list_some, sort_problems
from nstar.runs.sources import open_source
from nstar.verdicts import Check, Status
from nstar.wording import count

FEWEST = 8  # losses after the warm-up, of a curve
RESUMED = 5  # times that a run may go back to an earlier step
SPIKE = 8.0  # median departures from neighbours beyond which a loss is a spike
QUIET = 1e-3  # log loss that is no spike whatever the neighbours are
NEIGHBOURS = 4  # on each side
RATES = ("lr", "learning_rate", "lr-group0", "lr_0")
RUNS = ("run", "run_name", "run_id", "name")
ONE = "the run"  # its name, where the table has none


@dataclass(frozen=True, eq=False)
class Curve:
    """The losses of one run along its schedule, after its warm-up."""

    run: str
    step: np.ndarray  # rising, (point,)
    loss: np.ndarray  # (point,)
    schedule: Schedule  # as recorded
    extra: np.ndarray  # sd of log loss beyond the usual, of spikes, (point,)
    size: float | None = None  # parameters, where the table has them

    @property
    def begin(self) -> float:
        """The step from which a law of a schedule holds."""
        return float(self.step[0])

    @property
    def end(self) -> float:
        """The last step with a loss."""
        return float(self.step[-1])

    @property
    def lowest(self) -> float:
        """The smallest learning rate since the warm-up."""
        return float(self.schedule.at(self.step).min())

    def until(self, share: float) -> "Curve":
        """The part up to a share of the steps."""
        keep = self.step <= share * self.end
        return Curve(
            self.run,
            self.step[keep],
            self.loss[keep],
            self.schedule.until(float(self.step[keep][-1])),
            self.extra[keep],
            self.size,
        )


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of a table, and what is to be said of it."""

    source: str
    sha256: str
    axis: str  # what the steps are counted in: the table's column
    curves: tuple[Curve, ...]
    problems: tuple[Problem, ...]

    def checks(self) -> list[Check]:
        """What was noted as it was read."""
        return [problem.as_check() for problem in self.problems]

    def curve(self, run: str) -> Curve:
        """The curve of a run.

        Raises:
            ValueError: there is none of that name.
        """
        for curve in self.curves:
            if curve.run == run:
                return curve
        msg = f"{self.source}: no run {run!r}; there are {list_some([c.run for c in self.curves])}"
        raise ValueError(msg)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Cells of one run in the order of the table; NaN where a cell is empty."""

    run: str
    rows: np.ndarray
    step: np.ndarray
    lr: np.ndarray
    loss: np.ndarray
    size: float | None = None

    def take(self, keep: np.ndarray) -> "_Rows":
        return _Rows(
            self.run,
            self.rows[keep],
            self.step[keep],
            self.lr[keep],
            self.loss[keep],
            self.size,
        )


def read_curves(
    source: Any,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    *,
    schedule: Schedule | None = None,
) -> Curves:
    """Read a table of steps (or tokens), learning rate and loss, with a row for each step.

    A chart's export, with a column for each run, is read too.  Losses that are no
    numbers are set aside; spikes weigh less; where a resumed run repeats steps, the
    later losses hold.

    Args:
        source: a file, the name of a data set, a dict of arrays or a frame.
        columns: our names (run, step, lr, L) to the table's, where they differ.
        where: filters of rows, as in `params_label=100M`.
        schedule: of every run, where the table has no learning rate; in their place where it has.

    Returns:
        The curves by run: steps, learning rates and losses of each, (point,).

    Raises:
        TableProblems: naming each problem with its rows and what to do.
        ValueError: no readable table.

    Examples:
        >>> curves = nstar.read_curves("wandb.csv")  # doctest: +SKIP
    """
    chosen = dict(columns or {})
    step = chosen.pop("step", None)
    opened = open_source(source, chosen)
    table = opened.table
    series = chart_series(table)
    naming = name_columns(table, opened.columns)
    table = keep_rows(table, where, naming.columns)
    named = dict(naming.columns)
    for ours, endings in (("lr", RATES), ("run", RUNS)):
        if ours not in named and (theirs := _ending(table, endings)):
            named[ours] = theirs
    axis = step or _ending(table, STEPS) or named.get("D", "")
    problems = [
        p
        for p in naming.problems
        if p.name in ("which L", "column names") and not series
    ]
    if axis not in table.columns:
        problems.append(
            Problem(
                "no steps",
                Status.FAIL,
                f"no column of steps or tokens among {list_some([*table.columns])}",
                "name it with --columns step=NAME",
            )
        )
        raise TableProblems(table.source, problems)
    if series:
        parts = _of_chart(table, axis, series, problems)
    else:
        parts = _of_rows(table, axis, named, problems)
    if any(
        p.status is Status.FAIL for p in problems
    ):  # not yet split as they should be
        raise TableProblems(table.source, problems)
    if schedule is not None and any(np.isfinite(part.lr).any() for part in parts):
        detail = "the table has learning rates, and the stated schedule is taken in their place"
        remedy = "leave --recorded out, if they are the runs' own"
        problems.append(Problem("learning rates", Status.REVIEW, detail, remedy))
    curves = [c for part in parts if (c := _read(part, axis, schedule, problems))]
    if any(p.status is Status.FAIL for p in problems) or not curves:
        raise TableProblems(table.source, problems)
    return Curves(
        table.source, table.sha256, axis, tuple(curves), tuple(sort_problems(problems))
    )


def _ending(table: Table, names: Sequence[str]) -> str | None:
    """Find the first column whose path, train/lr or optim.lr, ends in one of the names."""
    lower = {re.split(r"[/.]", n.lower())[-1]: n for n in reversed(table.columns)}
    return next((lower[n] for n in names if n in lower), None)


def _numbers(
    table: Table, ours: str, theirs: str, problems: list[Problem]
) -> np.ndarray:
    cells = read_numbers(table, ours, theirs)
    problems += cells.problems
    return cells.values


def _of_rows(
    table: Table, axis: str, named: Mapping[str, str], problems: list[Problem]
) -> list[_Rows]:
    """Split a long table by its runs."""
    if "L" not in named:
        remedy = "name it with --columns L=NAME"
        detail = f"no column of losses among {list_some([*table.columns])}"
        problems.append(Problem("no losses", Status.FAIL, detail, remedy))
        return []
    empty = np.full(len(table), np.nan)
    step = _numbers(table, "D", axis, problems)
    loss = _numbers(table, "L", named["L"], problems)
    lr = _numbers(table, "lr", named["lr"], problems) if "lr" in named else empty
    run = texts(table, named["run"]) if "run" in named else np.full(len(table), ONE)
    if "N" not in named:
        return [
            _Rows(name, *(values[at] for values in (table.rows, step, lr, loss)))
            for name in dict.fromkeys(run.tolist())
            if (at := run == name).any()
        ]
    size = _numbers(table, "N", named["N"], problems)
    if (empty_size := np.isnan(size)).any():
        listed = tuple(int(r) for r in table.rows[empty_size])
        detail, remedy = (
            "rows without a size",
            "fill the column, or filter with --where",
        )
        problems.append(
            Problem("sizes", Status.FAIL, detail, remedy, named["N"], rows=listed)
        )
    pairs = dict.fromkeys(zip(run.tolist(), size.tolist(), strict=True))
    several = len(pairs) > len(np.unique(run))
    return [
        _Rows(
            f"{name}, {count(n)}" if several else name,
            *(values[at] for values in (table.rows, step, lr, loss)),
            float(n),
        )
        for name, n in pairs
        if (at := (run == name) & (size == n)).any()
    ]


def _of_chart(
    table: Table,
    axis: str,
    series: Mapping[str, Sequence[str]],
    problems: list[Problem],
) -> list[_Rows]:
    """Read the columns of a chart's export, `run - loss` and perhaps `run - lr`."""
    losses = [metric for metric in series if "loss" in metric.lower()]
    rates = [m for m in series if re.split(r"[/.]", m.lower())[-1] in RATES]
    if len(losses) != 1:
        detail = f"a chart's export with {len(losses)} metrics of loss: {list_some(losses or [*series])}"
        remedy = "export one chart of one loss"
        problems.append(Problem("which loss", Status.FAIL, detail, remedy))
        return []
    step, parts = _numbers(table, "D", axis, problems), []
    for name in series[losses[0]]:
        run = name.removesuffix(f" - {losses[0]}")
        loss = _numbers(table, "L", name, problems)
        rate = [r for m in rates for r in series[m] if r == f"{run} - {m}"]
        lr = (
            _numbers(table, "lr", rate[0], problems)
            if rate
            else np.full(len(table), np.nan)
        )
        there = np.isfinite(loss) | np.isfinite(lr)
        parts.append(_Rows(run, table.rows, step, lr, loss).take(there))
    return parts


def _read(
    part: _Rows, axis: str, schedule: Schedule | None, problems: list[Problem]
) -> Curve | None:
    """Read one run; nothing where a problem stops it."""
    before = len(problems)
    part = _in_order(part.take(np.isfinite(part.step)), axis, problems)
    if schedule is None:
        schedule = _recorded(part, problems)
    if any(p.status is Status.FAIL for p in problems[before:]) or schedule is None:
        return None
    part = _losses(part, axis, schedule, problems)
    if any(p.status is Status.FAIL for p in problems[before:]):
        return None
    return Curve(
        part.run, part.step, part.loss, schedule, _spikes(part, problems), part.size
    )


def _in_order(part: _Rows, axis: str, problems: list[Problem]) -> _Rows:
    """Sort a run's rows by step: later rows hold where steps repeat."""
    change = np.diff(part.step)
    back = np.flatnonzero(change < 0) + 1
    if len(back) == 0 and np.all(change > 0):
        return part
    if len(change) and np.all(change < 0):
        note = f"run {part.run!r} goes from its last step to its first: read the other way round"
        problems.append(Problem("order of steps", Status.PASS, note, column=axis))
        return part.take(np.arange(len(part.step))[::-1])
    rows = tuple(int(part.rows[i]) for i in back)
    again = [i for i in back if part.step[i] <= part.step[0]]
    if again:
        problems.append(
            Problem(
                "counting restarts",
                Status.FAIL,
                f"run {part.run!r} counts {axis} from its beginning again",
                "add what was counted before to these rows, or give the runs names of their own in a column run",
                axis,
                rows=tuple(int(part.rows[i]) for i in again),
                values=tuple(f"{part.step[i]:g}" for i in again),
            )
        )
    elif len(back) > RESUMED:
        problems.append(
            Problem(
                "goes backwards",
                Status.FAIL,
                f"run {part.run!r} goes backwards {len(back)} times",
                "rows of several runs need a column run; rows of one are to be sorted by its steps",
                axis,
                rows=rows,
                values=tuple(f"{part.step[i]:g}" for i in back),
            )
        )
    else:
        # a step is replaced by every later row with a step as early
        least = np.minimum.accumulate(part.step[::-1])[::-1]
        keep = np.append(part.step[:-1] < least[1:], True)
        gone = int(np.sum(~keep))
        note = f"run {part.run!r} was resumed from an earlier step: of {gone} steps that come twice the later rows hold"
        problems.append(
            Problem("resumed run", Status.PASS, note, column=axis, rows=rows)
        )
        return part.take(keep)
    return part


def _recorded(part: _Rows, problems: list[Problem]) -> Schedule | None:
    """Read the schedule of a run from its learning rates."""
    known = np.isfinite(part.lr)
    lr, rows = part.lr[known], part.rows[known]
    if not len(lr):
        detail = f"steps without a schedule: run {part.run!r} has no learning rate"
        remedy = "name its column with --columns lr=NAME, or state the runs' schedule with --recorded cosine --steps 72000 (and --peak, --warmup)"
        problems.append(Problem("no schedule", Status.FAIL, detail, remedy))
        return None
    if lr.min() < 0 or lr.max() == 0:
        wrong = rows[lr < 0] if lr.min() < 0 else rows
        detail = f"run {part.run!r} has learning rates {'below zero' if lr.min() < 0 else 'of zero throughout'}"
        remedy = "give the learning rate that each step was taken with"
        listed = tuple(int(r) for r in wrong)
        problems.append(
            Problem(
                "learning rate", Status.FAIL, detail, remedy, ours="lr", rows=listed
            )
        )
        return None
    taken = np.flatnonzero(lr)
    within = (lr == 0) & (np.arange(len(lr)) > taken[0])
    if within.any():
        paused = within & (np.arange(len(lr)) < taken[-1])
        detail = f"run {part.run!r} has a learning rate of zero, at which nothing is learned: "
        detail += (
            "in the middle of the run"
            if paused.any()
            else "read as the end of its decay"
        )
        remedy = "give the learning rate of these steps" if paused.any() else ""
        status = Status.REVIEW if paused.any() else Status.PASS
        listed = tuple(int(r) for r in rows[paused if paused.any() else within])
        problems.append(
            Problem("learning rate of zero", status, detail, remedy, rows=listed)
        )
    return Schedule(part.step[known], lr)


def _losses(
    part: _Rows, axis: str, schedule: Schedule, problems: list[Problem]
) -> _Rows:
    """Keep the losses that are numbers and come after the warm-up."""
    bad = ~np.isfinite(part.loss)
    if bad.any():
        listed = tuple(int(r) for r in part.rows[bad])
        note = (
            f"run {part.run!r}: {len(listed)} losses that are no numbers are set aside"
        )
        problems.append(Problem("losses set aside", Status.PASS, note, rows=listed))
    impossible = ~bad & (part.loss <= 0)
    if impossible.any():
        listed = tuple(int(r) for r in part.rows[impossible])
        remedy = (
            "give the loss itself, in nats per token, not its logarithm or its change"
        )
        detail = f"run {part.run!r} has losses of zero or less"
        problems.append(Problem("losses", Status.FAIL, detail, remedy, rows=listed))
    warming = (part.step < schedule.warm) | (part.step <= 0)
    remaining = part.take(~(bad | impossible | warming))
    if len(remaining.step) < FEWEST:
        detail = f"run {part.run!r} has {len(remaining.step)} losses after its warm-up, which ends at {axis} {schedule.warm:g}; {FEWEST} are needed"
        remedy = "give more of its curve, or leave the run out with --where"
        problems.append(Problem("short curve", Status.FAIL, detail, remedy))
    return remaining


def _spikes(part: _Rows, problems: list[Problem]) -> np.ndarray:
    """Sd that a spike has beyond its neighbours' scatter, (point,); it weighs as much less."""
    log = np.log(part.loss)
    padded = np.pad(log, NEIGHBOURS, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)
    away = np.abs(log - np.median(windows, axis=1))
    spike = away > np.maximum(SPIKE * np.median(away), QUIET)
    spike &= log > np.median(windows, axis=1)
    edge = np.arange(len(log))
    spike &= (edge >= NEIGHBOURS) & (edge < len(log) - NEIGHBOURS)
    if spike.any():
        listed = tuple(int(r) for r in part.rows[spike])
        note = (
            f"run {part.run!r}: {len(listed)} losses above their neighbours weigh less"
        )
        problems.append(Problem("spikes", Status.PASS, note, rows=listed))
    return np.where(spike, away, 0.0)
