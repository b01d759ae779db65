"""Read a table into observations: columns named, completed and examined, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from nstar.costs.training import FLOP_PER_PARAM_TOKEN, PerParamToken
from nstar.files.tables import Table
from nstar.runs import ladders
from nstar.runs.columns import (
    ALIASES,
    GROUPS,
    chart_series,
    name_columns,
    numbers_or_text,
    read_numbers,
    texts,
)
from nstar.runs.completing import (
    complete,
    drop_duplicates,
    leave_out_gaps,
    name_budgets,
)
from nstar.runs.diverged import find_diverged
from nstar.runs.filters import columns_of, keep_rows
from nstar.runs.flop_counts import check_flop, check_params, note_experts
from nstar.runs.mistakes import find_impossible, find_missing_losses, possible
from nstar.runs.notices import find_unusual
from nstar.runs.observations import Observations
from nstar.runs.problems import (
    Problem,
    ReadOptions,
    TableProblems,
    list_some,
    merge_repairs,
    read_names,
    sort_problems,
)
from nstar.runs.sources import Opened, open_source
from nstar.runs.units import check_units, parse_units
from nstar.verdicts import Status

COUNTED = ("total", "non-embedding", "active", "unknown")
MOST_PASSES = 6  # repairs that show what was hidden before them


@dataclass(frozen=True)
class Meaning:
    """What a table's numbers mean, as its owner knows it."""

    k: float = FLOP_PER_PARAM_TOKEN
    params_counted: str | None = None
    loss_unit: str | None = None
    by: tuple[str, ...] = ()  # columns whose groups are fitted apart
    reads: tuple[str, ...] = ()  # of the law, besides N, D and C
    ladder: bool = True  # its rows are runs to which a law of loss may be fitted


@dataclass(frozen=True)
class Reading:
    """A table read once, and what there is to say of it."""

    runs: Observations  # without the rows that cannot be read
    problems: list[Problem]

    @property
    def stops(self) -> list[Problem]:
        """What stops a fit."""
        return [p for p in self.problems if p.status is Status.FAIL]


@dataclass(frozen=True)
class Examination:
    """Everything that is wrong with a table, and how it reads once repaired."""

    table: Table
    options: ReadOptions
    problems: list[Problem]  # worst first, those that only a repair lets one see too
    repair: ReadOptions  # further options, which put right what options can
    repaired: Reading  # as read with them

    @property
    def stops(self) -> list[Problem]:
        """What stops a fit of the table as it is."""
        return [p for p in self.problems if p.status is Status.FAIL]


def read_runs(
    source: Any,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    *,
    k: float = FLOP_PER_PARAM_TOKEN,
    params_counted: str | None = None,
    loss_unit: str | None = None,
    units: Mapping[str, str | float] | None = None,
    skip_rows: Sequence[int] = (),
    decimal: str = "",
    drop_diverged: bool = False,
    accept: Sequence[str] = (),
    by: str | None = None,
    reads: Sequence[str] = (),
    ladder: bool = True,
) -> Observations:
    """Read and examine a table of runs.

    Args:
        source: path of a CSV, JSON or Parquet file, name of a data set of the registry,
            a dict of arrays, or a pandas, polars or Arrow frame.
        columns: our names to the table's, as in `{"N": "params_total"}`; usual aliases
            need no mention.
        where: filters, as in `["corpus=c4", "C<=1e20"]`, on the table's names or ours.
        k: FLOP per parameter and token; C = k N D completes the third of N, D and C.
        params_counted: "total", "non-embedding", "active" (of a mixture of experts) or
            "unknown".
        loss_unit: the unit of L, for the record.
        units: what columns are counted in, as in `{"N": 1e6, "D": "billions"}`.
        skip_rows: rows to leave out, by their number in the source.
        decimal: "comma" or "point", the sign that divides, where cells leave it open.
        drop_diverged: whether to leave out runs whose loss is far above the others'.
        accept: names of problems to take as they are, such as "checkpoints".
        by: column whose groups are fitted apart, as `pool` of `nstar.fit`.
        reads: what the law that is meant reads besides N, D and C, such as lr and batch.
        ladder: whether the rows are runs to which a law of loss may be fitted; where
            not, rows that are no runs are not looked for.

    Returns:
        The runs, columns by our names, with notes on how they were read.

    Raises:
        TableProblems: a ValueError that names every problem of the table with file, row,
            column, value and remedy, and the options that repair it.
        ValueError: an option is not as it should be.
        FileNotFoundError: no such file, or a data set that cannot be fetched.
        TypeError: `source` is not a table.

    Examples:
        >>> nstar.read_runs("ladder.csv", {"N": "params", "D": "tokens", "L": "loss"})
        >>> nstar.read_runs("llama3", where=["C<=1e21"])
    """
    options = ReadOptions(
        _map(columns),
        parse_units(units),
        (where,) if isinstance(where, str) else tuple(where),
        tuple(skip_rows),
        decimal,
        drop_diverged,
        read_names(accept),
    )
    meaning = Meaning(
        k, params_counted, loss_unit, (by,) if by else (), tuple(reads), ladder
    )
    _check_meaning(meaning)
    opened = open_source(source, options.columns)
    reading = _read(opened, options, meaning)
    if not reading.stops:
        return reading.runs
    examination = _repair(opened, options, meaning, reading)
    raise TableProblems(
        opened.table.source,
        examination.problems,
        ReadOptions() if examination.repaired.stops else examination.repair,
    )


def examine(
    source: Any,
    options: ReadOptions | None = None,
    meaning: Meaning | None = None,
) -> Examination:
    """Read a table as `read_runs` does, and say everything instead of raising it.

    Raises:
        ValueError: an option is not as it should be, or the file is no table.
        FileNotFoundError: no such file, or a data set that cannot be fetched.
        TypeError: `source` is not a table.
    """
    options, meaning = options or ReadOptions(), meaning or Meaning()
    options = replace(
        options, units=parse_units(options.units), accept=read_names(options.accept)
    )
    _check_meaning(meaning)
    opened = open_source(source, _map(options.columns))
    return _repair(opened, options, meaning, _read(opened, options, meaning))


def _map(columns: Mapping[str, str] | None) -> dict[str, str]:
    if columns is not None and not isinstance(columns, Mapping):
        msg = f"columns: expected a map such as {{'N': 'params'}}, got {columns!r}"
        raise TypeError(msg)
    return {str(ours): str(theirs) for ours, theirs in (columns or {}).items()}


def _check_meaning(meaning: Meaning) -> None:
    k, counted = meaning.k, meaning.params_counted
    if not (isinstance(k, Real) and np.isfinite(k) and k > 0):
        msg = (
            f"FLOP per parameter and token must be a positive finite number, got {k!r}"
        )
        raise ValueError(msg)
    if counted is not None and counted not in COUNTED:
        msg = (
            f"parameters counted: expected one of {', '.join(COUNTED)}, got {counted!r}"
        )
        raise ValueError(msg)


def _repair(
    opened: Opened, options: ReadOptions, meaning: Meaning, reading: Reading
) -> Examination:
    """Repair what stops a table, and look again: what was hidden behind it shows then."""
    repair, stops = ReadOptions(), list(reading.stops)
    for _ in range(MOST_PASSES):
        more = repair.with_more(merge_repairs(reading.stops))
        if more == repair:
            break
        try:
            reading = _read(opened, options.with_more(more), meaning)
        except ValueError:  # a filter that can leave no row: the repair goes no further
            break
        repair = more
        seen = {(p.name, p.column, p.rows) for p in stops}
        stops += [p for p in reading.stops if (p.name, p.column, p.rows) not in seen]
    notes = [p for p in reading.problems if p.status is not Status.FAIL]
    return Examination(
        opened.table, options, sort_problems([*stops, *notes]), repair, reading
    )


def _read(opened: Opened, options: ReadOptions, meaning: Meaning) -> Reading:
    """Read a table once, and gather what there is to say of it."""
    table, facts = opened.table, opened.facts
    naming = name_columns(table, {**opened.columns, **options.columns})
    named, problems = naming.columns, list(naming.problems)
    problems += _chart(table, named)
    table = _without_rows(table, options.skip_rows)
    conditioned = columns_of(table, options.where, named)
    usual = [f"{n}={v}" for n, v in opened.where.items() if n not in conditioned]
    table = keep_rows(
        table,
        [*usual, *options.where],
        named,
        decimal=options.decimal,
        units=options.units,
    )
    columns, of_cells = _columns(table, named, options)
    problems += of_cells
    runs = Observations(
        columns,
        table.rows,
        table.source,
        table.sha256,
        PerParamToken(float(meaning.k)),
        meaning.params_counted or facts.get("params_counted", "unknown"),
        meaning.loss_unit or facts.get("loss_unit", "unknown"),
        named=named,
    )
    if usual:
        note = f"rows with {', '.join(usual)}, as this data set is usually read; others with --where"
        problems.append(Problem("rows taken", Status.PASS, note))
    if facts:
        runs, gaps = leave_out_gaps(runs)
        problems += gaps
    problems += _not_yet(find_impossible(runs, named), of_cells, table)
    of_loss = meaning.ladder and not facts and "successes" not in runs
    if of_loss:
        problems += _not_yet(find_missing_losses(runs, named), of_cells, table)
    if any(p.status is Status.FAIL for p in problems):
        runs = runs.take(possible(runs))
    runs, duplicates = drop_duplicates(runs)
    problems += duplicates
    if len(runs) > 0:
        runs, of_runs = _examine_runs(runs, named, facts, options, meaning)
        problems += of_runs
    problems = [problem.accepted(options.accept) for problem in problems]
    notes = [p.as_check() for p in problems if p.status is not Status.FAIL]
    return Reading(runs.noting(*notes), problems)


def _examine_runs(
    runs: Observations,
    named: Mapping[str, str],
    facts: Mapping[str, str],
    options: ReadOptions,
    meaning: Meaning,
) -> tuple[Observations, list[Problem]]:
    """Complete runs whose values are possible, and say what is odd about them."""
    data_unit = facts.get("data_unit", "tokens")
    problems: list[Problem] = []
    counted = all(name in runs for name in ("N", "D", "C"))
    runs = complete(runs)
    headers = {theirs: ours for ours, theirs in named.items()}
    by = tuple(headers.get(name, name) for name in meaning.by)
    if counted and not facts:
        problems += check_params(runs, named)
    if data_unit == "tokens" and not problems:
        problems += check_units(runs, named)
    in_unit = not problems
    if options.drop_diverged:
        runs, dropped = _drop_diverged(runs, tuple(name for name in by if name in runs))
        problems += dropped
    runs = name_budgets(runs)
    if counted and in_unit:
        if not facts:
            problems += note_experts(runs, named)
        problems += check_flop(runs, named, data_unit)
    if in_unit:
        problems += [
            p
            for p in find_unusual(runs, named, data_unit)
            if p.name.removeprefix("one ") not in by
        ]
    if meaning.ladder and "successes" not in runs and "L" in runs:
        problems += ladders.examine(runs, by, meaning.reads, registered=bool(facts))
    return runs, problems


def _chart(table: Table, named: Mapping[str, str]) -> list[Problem]:
    """Notice a chart's export, which has a column for each run."""
    series = chart_series(table)
    if not series or "N" in named or "D" in named:
        return []
    metrics = ", ".join(
        f"{metric} of {len(runs)} runs" for metric, runs in series.items()
    )
    return [
        Problem(
            "chart export",
            Status.FAIL,
            f"the table is a chart's export, with a column for each run: {metrics} along steps. "
            "Such curves are not runs, and say nothing of N and D",
            "export the table of runs instead, one row a run with its parameters, tokens and "
            "last loss: in a tracker, the runs table and not the panel, as CSV",
            column=next(iter(series.values()))[0],
        )
    ]


def _drop_diverged(
    runs: Observations, by: tuple[str, ...]
) -> tuple[Observations, list[Problem]]:
    """Leave out diverged runs until none is left."""
    dropped: list[int] = []
    while (at := find_diverged(runs, by)).any():
        dropped += runs.rows[at].tolist()
        runs = runs.take(~at)
    if not dropped:
        return runs, []
    note = f"{len(dropped)} diverged run{'s' if len(dropped) > 1 else ''} left out (rows {list_some(sorted(dropped))})"
    return runs, [Problem("diverged runs left out", Status.PASS, note)]


def _not_yet(
    problems: list[Problem], of_cells: list[Problem], table: Table
) -> list[Problem]:
    """Leave out problems that are named for their cells already; quote the cells of others."""
    named = {(p.column, row) for p in of_cells for row in p.rows}
    return [
        replace(problem, values=_quote(table, problem))
        for problem in problems
        if any((problem.column, row) not in named for row in problem.rows)
    ]


def _quote(table: Table, problem: Problem) -> tuple[str, ...]:
    """Return the cells of a problem as they stand, where they are text."""
    cells = table.columns.get(problem.column)
    if cells is None or cells.dtype.kind in "fiu":
        return ()
    rows = np.isin(table.rows, problem.rows)
    return tuple(dict.fromkeys(filter(None, map(str, cells[rows]))))


def _without_rows(table: Table, skip: Sequence[int]) -> Table:
    """Leave out rows by their number in the source."""
    if not skip:
        return table
    unknown = sorted({*skip} - {*table.rows.tolist()})
    if unknown:
        msg = f"{table.source}: no row {list_some(unknown)} to leave out; rows go from {table.rows.min()} to {table.rows.max()}"
        raise ValueError(msg)
    keep = ~np.isin(table.rows, list(skip))
    if not keep.any():
        msg = f"{table.source}: no row is left without rows {list_some(sorted(skip))}"
        raise ValueError(msg)
    return table.take(keep)


def _columns(
    table: Table, named: Mapping[str, str], options: ReadOptions
) -> tuple[dict[str, np.ndarray], list[Problem]]:
    """Return columns by our names, then all others, as numbers or as text."""
    values: dict[str, np.ndarray] = {}
    problems: list[Problem] = []
    for ours, theirs in named.items():
        if ours in GROUPS:
            values[ours] = texts(table, theirs)
        elif ours in ALIASES:
            unit = options.units.get(ours)
            cells = read_numbers(table, ours, theirs, options.decimal, unit)
            values[ours] = cells.values
            problems += cells.problems
        else:
            values[ours] = numbers_or_text(table, theirs, options.decimal)
    decades = values.pop("log10_D_se", None)
    if decades is not None and "se" not in values:
        values["se"] = decades * np.log(10)
    others = {
        name: numbers_or_text(table, name, options.decimal)
        for name in table.columns
        if name not in values and name not in named.values()
    }
    unread = sorted({*options.units} - {*named})
    if unread:
        msg = f"{table.source}: units of {', '.join(unread)}, which the table does not have; it has {', '.join(n for n in named if n in ALIASES)}"
        raise ValueError(msg)
    return values | others, problems
