"""Runs that had not finished, by a column of their status."""

import numpy as np

from nstar.runs.column_kinds import Column, as_text, of_kind, plain_columns
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, ReadOptions, list_some
from nstar.verdicts import Status

FINISHED = {
    "finished",
    "complete",
    "completed",
    "done",
    "success",
    "successful",
    "succeeded",
    "ok",
    "finish",
    "ended",
}
UNFINISHED = {
    "running",
    "crashed",
    "failed",
    "failure",
    "killed",
    "error",
    "preempted",
    "preempting",
    "pending",
    "queued",
    "stopped",
    "canceled",
    "cancelled",
    "diverged",
    "nan",
    "oom",
    "timeout",
    "aborted",
    "interrupted",
    "paused",
    "incomplete",
    "in progress",
    "in_progress",
    "started",
    "starting",
}
ONGOING = {
    "running",
    "pending",
    "queued",
    "paused",
    "incomplete",
    "in progress",
    "in_progress",
    "started",
    "starting",
}  # whose loss is still falling


def check_finished(runs: Observations) -> list[Problem]:
    """Name the rows whose status says that the run did not finish."""
    for name, values in _candidates(runs).items():
        status = as_text(values)
        words = np.array([word.strip().lower() for word in status])
        known = set(words) - {""}
        if not known or not known <= FINISHED | UNFINISHED:
            continue
        unfinished = np.isin(words, list(UNFINISHED))
        if not unfinished.any():
            continue
        column = runs.named.get(name, name)
        good = sorted(set(status[np.isin(words, list(FINISHED))]))
        bad = sorted(set(status[unfinished]))
        empty = (words == "").any()
        where = (
            (f"{column}={good[0]}",)
            if len(good) == 1 and not empty
            else tuple(f"{column}!={word}" for word in bad)
        )
        n = int(unfinished.sum())
        detail = f"{n} row{'s are runs' if n > 1 else ' is a run'} that did not finish ({list_some(bad)}), whose loss is not that of N and D"
        remedy = (
            "leave them out with " + " ".join(f"--where '{w}'" for w in where)
            if good
            else "no run of the table has finished"
        )
        return [
            Problem(
                "unfinished runs",
                Status.FAIL,
                detail,
                remedy,
                column=column,
                rows=tuple(runs.rows[unfinished].tolist()),
                values=tuple(status[unfinished].tolist()),
                repair=ReadOptions(where=where) if good else ReadOptions(),
            )
        ]
    return []


def still_running(problem: Problem) -> list[int]:
    """List the rows of a problem that are going on, rather than failed."""
    return [
        row
        for row, word in zip(problem.rows, problem.values, strict=True)
        if word.strip().lower() in ONGOING
    ]


def _candidates(runs: Observations) -> dict[str, np.ndarray]:
    """Return the columns that may hold a status, those so named first."""
    text = {n: v for n, v in plain_columns(runs).items() if v.dtype.kind == "U"}
    return of_kind(runs, Column.STATUS) | text
