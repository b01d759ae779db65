"""Ladders with tasks: which columns are accuracies, and which the likelihoods beside them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nstar.downstream.known_tasks import KnownTask, known_task
from nstar.runs.columns import suggest
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, TableProblems, list_some
from nstar.runs.reading import read_runs
from nstar.runs.sources import open_source
from nstar.verdicts import Check, Status

ALL = "all"
ACCURACY = re.compile(
    r"^(?:acc|accuracy)[_ /.](.+)$|^(.+)[_ /.](?:acc|accuracy)$", re.I
)
NLL = re.compile(r"^(?:bpb|nll)[_ /.](.+)$|^(.+)[_ /.](?:bpb|nll)$", re.I)
ENDS = "is_final"  # the column that marks the ends of runs with 1, where a table has it
FEWEST = 5  # runs of a task


@dataclass(frozen=True)
class Task:
    """One task at the ends of runs; a run without a value has a gap."""

    name: str
    accuracy: Float[np.ndarray, " runs"]
    nll: Float[np.ndarray, " runs"] | None  # of the right answers, per byte or token
    known: KnownTask


@dataclass(frozen=True)
class TaskLadder:
    """Runs of one recipe and what they score at tasks."""

    runs: Observations  # N, D, C, and L where tasks need it
    tasks: tuple[Task, ...]
    notes: tuple[Check, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(task.name for task in self.tasks)

    def take(self, keep: np.ndarray) -> "TaskLadder":
        """Keep the runs of a mask or an index."""
        tasks = tuple(
            Task(
                t.name,
                t.accuracy[keep],
                None if t.nll is None else t.nll[keep],
                t.known,
            )
            for t in self.tasks
        )
        return TaskLadder(self.runs.take(keep), tasks, self.notes)


def read_task_ladder(
    source: Any,
    tasks: Sequence[str] = (ALL,),
    *,
    loss: str | None = None,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    chance_level: float | None = None,
    questions: float | None = None,
) -> TaskLadder:
    """Read a table of runs with the accuracies of several tasks.

    Accuracies are columns such as acc_hellaswag or hellaswag_acc; bpb_hellaswag or
    nll_hellaswag beside it is the task's bits per byte or negative log-likelihood of
    the right answers. Only ends of runs are read, where `is_final` or the names of runs
    say which they are.

    Args:
        source: whatever `read_runs` reads.
        tasks: names of tasks as the columns have them, or "all".
        loss: column of the loss, which tasks without a likelihood follow.
        columns: our names to the table's, for N, D and C.
        where: filters of rows.
        chance_level: accuracy of guessing, of tasks whose name says none.
        questions: how many an accuracy is of, of tasks whose name does not say.

    Raises:
        ValueError: no such task, and which is nearest; or TableProblems, that names
            every value that is no accuracy, with row, column and remedy.
    """
    named = name_loss(source, columns or {}, loss)
    runs = read_runs(source, named, where, ladder=False)
    return gather_tasks(runs, tasks, chance_level=chance_level, questions=questions)


def name_loss(
    source: Any, columns: Mapping[str, str], loss: str | None = None
) -> dict[str, str]:
    """Name the column of the loss: as stated, else the first of several."""
    if loss is not None or "L" in columns:
        return dict(columns) | ({"L": loss} if loss is not None else {})
    headers = open_source(source, columns).table.columns
    losses = [h for h in headers if h.lower().startswith("loss")]
    return dict(columns) | ({"L": losses[0]} if len(losses) > 1 else {})


def gather_tasks(
    runs: Observations,
    tasks: Sequence[str] = (ALL,),
    *,
    chance_level: float | None = None,
    questions: float | None = None,
) -> TaskLadder:
    """Find the tasks of runs that have been read; arguments as of `read_task_ladder`.

    Raises:
        ValueError: as `read_task_ladder`.
    """
    runs = _ends(runs)
    accuracies, likelihoods = (_columns(runs, kind) for kind in (ACCURACY, NLL))
    if not accuracies:
        msg = f"{runs.source}: no column is an accuracy; name them as in acc_hellaswag"
        raise ValueError(msg)
    chosen = [
        name
        for task in tasks
        for name in ([*accuracies] if task == ALL else [_find(task, accuracies)])
    ]
    problems: list[Problem] = []
    parts, notes = [], []
    for name in dict.fromkeys(chosen):
        accuracy, percent, wrong = _fractions(runs, accuracies[name])
        problems += wrong
        header = likelihoods.get(name)
        nll = None if header is None else runs[header]
        if header is not None and nll is not None:
            detail = "a negative log-likelihood is positive"
            remedy = "change its sign, or leave the row out"
            problems += _refuse(runs, header, nll <= 0, detail, remedy)
        elif "L" not in runs:
            detail = f"there is no bpb_{name} or nll_{name} beside it, and no loss that the accuracy could follow"
            problems.append(
                Problem(
                    "nothing to follow",
                    Status.FAIL,
                    detail,
                    "name a loss with --loss COLUMN",
                    accuracies[name],
                )
            )
        if percent:
            notes.append(accuracies[name])
        known = known_task(name)
        parts.append(Task(name, accuracy, nll, _fill(known, chance_level, questions)))
    if problems:
        raise TableProblems(runs.source, problems)
    _require_of_use(parts, "chance", "chance level", chance_level)
    _require_of_use(parts, "questions", "number of questions", questions)
    listed = ", ".join(map(repr, notes))
    detail = f"columns {listed} have accuracies above 1 and are read as percent"
    checks = (Check("accuracies in percent", Status.REVIEW, detail),) if notes else ()
    return TaskLadder(runs, tuple(parts), checks)


def _ends(runs: Observations) -> Observations:
    """The last row of each run."""
    marked = runs[ENDS] == 1 if ENDS in runs else np.zeros(len(runs), bool)
    if "run" not in runs:
        return runs.take(marked) if marked.any() else runs
    order = np.lexsort((runs["D"], marked))
    last = {name: i for i, name in zip(order, runs["run"][order], strict=True)}
    return runs.take(np.sort([*last.values()]))


def _columns(runs: Observations, kind: re.Pattern[str]) -> dict[str, str]:
    """Columns of numbers of a kind, by the name of the task."""
    return {
        match[1] or match[2]: header
        for header, values in runs.columns.items()
        if values.dtype.kind in "fiu" and (match := kind.match(header))
    }


def _find(task: str, accuracies: Mapping[str, str]) -> str:
    """The task of a name: as it stands, as a column, or as the only one that begins so."""
    by_header = {header: name for name, header in accuracies.items()}
    if task in accuracies or task in by_header:
        return by_header.get(task, task)
    begins = [name for name in accuracies if name.lower().startswith(task.lower())]
    if len(begins) == 1:
        return begins[0]
    msg = f"no task {task!r}: {suggest(task, accuracies)}"
    raise ValueError(msg)


def _fractions(
    runs: Observations, header: str
) -> tuple[np.ndarray, bool, list[Problem]]:
    """Accuracies between 0 and 1, whether they were in percent, and what is wrong."""
    values = runs[header].astype(float)
    present = values[np.isfinite(values)]
    if present.size < FEWEST:
        detail = f"{present.size} runs have a value, and a task takes {FEWEST}"
        remedy = "add runs, or leave the task out"
        problem = Problem("too few runs", Status.FAIL, detail, remedy, header)
        return values, False, [problem]
    percent = bool(present.min() >= 1 and 1 < present.max() <= 100)
    if percent:
        values = values / 100
    detail = "an accuracy lies between 0 and 1"
    remedy = "divide the column by 100 if it is in percent, or leave the row out"
    outside = (values < 0) | (values > 1)
    return values, percent, _refuse(runs, header, outside, detail, remedy)


def _refuse(
    runs: Observations, header: str, wrong: np.ndarray, detail: str, remedy: str
) -> list[Problem]:
    """The problem of a column's impossible values, if it has any."""
    if not wrong.any():
        return []
    rows = tuple(map(int, runs.rows[wrong]))
    cells = tuple(f"{value:g}" for value in runs[header][wrong])
    name = "impossible values"
    return [Problem(name, Status.FAIL, detail, remedy, header, "", rows, cells)]


def _require_of_use(
    tasks: Sequence[Task], field: str, what: str, stated: float | None
) -> None:
    """Refuse what is stated of no task, since the names of all say it.

    Raises:
        ValueError: naming the tasks and what is known of them.
    """
    known = {task.name: getattr(known_task(task.name), field) for task in tasks}
    if stated is not None and None not in known.values():
        listed = list_some([f"{name} {value:g}" for name, value in known.items()])
        msg = f"{what} {stated:g}: known by the name of every task ({listed}); leave it out, or take one task alone with --accuracy"
        raise ValueError(msg)


def _fill(
    known: KnownTask, chance_level: float | None, questions: float | None
) -> KnownTask:
    """What the name says, else what was stated."""
    chance = chance_level if known.chance is None else known.chance
    count = questions if known.questions is None else known.questions
    return KnownTask(chance, None if count is None else int(count), known.floor_sd)
