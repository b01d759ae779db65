"""Notes on unusual values in a table of runs, for a reader to review."""

from collections.abc import Mapping

import numpy as np

from nstar.runs.observations import Observations
from nstar.runs.problems import Problem
from nstar.verdicts import Check, Status

TOKENS_PER_PARAMETER = 0.5  # the median language model is trained on more
MANY_TOKENS = 1e4  # per parameter; the most that any language model was trained on
SMALL = 1e6  # parameters; ladders end above it


def find_unusual(
    runs: Observations, named: Mapping[str, str], data_unit: str = "tokens"
) -> list[Problem]:
    """Find unusual values, each for review.

    Args:
        runs: named, completed and without duplicates.
        named: our names to the table's.
        data_unit: what D counts.
    """
    return [
        *(_sizes(runs, named) if data_unit == "tokens" else []),
        *_pooled(runs, named),
        *_repeated(runs),
        *_errors(runs),
    ]


def _sizes(runs: Observations, named: Mapping[str, str]) -> list[Problem]:
    notes = []
    if "N" in named and runs["N"].max() < SMALL:
        detail = (
            f"the largest run has {runs['N'].max():.3g} parameters; if column {named['N']!r} "
            "is in thousands or millions, multiply it"
        )
        notes.append(Problem("size of N", Status.REVIEW, detail))
    if "N" not in runs or "D" not in runs:
        return notes
    cure = "If N and D are swapped, map them with --columns N=...,D=..."
    ratio = float(np.median(runs["D"] / runs["N"]))
    few = few_tokens(ratio, "median run", cure)
    many = (
        [
            f"the median run has {ratio:.3g} tokens per parameter; language models have 1 to 1000. {cure}"
        ]
        if ratio > MANY_TOKENS
        else []
    )
    details = [check.detail for check in few] + many
    return notes + [Problem("N and D", Status.REVIEW, detail) for detail in details]


def few_tokens(ratio: float, run: str, cure: str) -> list[Check]:
    """Note a run that has fewer tokens than language models are trained on.

    Args:
        ratio: its tokens per parameter.
        run: which, in words.
        cure: what to do, as a sentence.
    """
    if ratio >= TOKENS_PER_PARAMETER:
        return []
    detail = f"the {run} has {ratio:.3g} tokens per parameter; language models have 1 to 1000. {cure}"
    return [Check("N and D", Status.REVIEW, detail)]


def _pooled(runs: Observations, named: Mapping[str, str]) -> list[Problem]:
    notes = []
    for group in ("ladder", "corpus"):
        if group in runs and (names := np.unique(runs[group])).size > 1:
            listed = ", ".join(repr(str(name)) for name in names[:4])
            column = named.get(group, group)
            detail = (
                f"the table holds {names.size} values of {group} ({listed}"
                f"{', ...' if names.size > 4 else ''}) and one law is fitted to all; a law "
                f"belongs to one corpus and recipe: choose with --where '{column}={names[-1]}'"
            )
            notes.append(Problem(f"one {group}", Status.REVIEW, detail))
    return notes


def _repeated(runs: Observations) -> list[Problem]:
    """Note runs measured more than once at one N and D."""
    length = next(
        (n for n in ("D", "C") if n in runs and n not in runs.derived[:1]), None
    )
    if "run" not in runs or length is None:
        return []
    runs = runs.take(runs["run"] != "")
    names, inverse, counts = np.unique(
        runs["run"], return_inverse=True, return_counts=True
    )
    if not (counts > 1).any():
        return []
    spans = [np.ptp(np.log(runs[length][inverse == j])) for j in range(len(names))]
    checkpoints = np.array(
        [n if span > 1e-3 else 0 for n, span in zip(counts, spans, strict=True)]
    )
    if checkpoints.max() > 1:
        return []  # they are noticed as checkpoints
    detail = (
        f"{(counts > 1).sum()} runs appear more than once (run {str(names[np.argmax(counts)])!r}: "
        f"{counts.max()} rows) at the same N and D. Measurements of one run share its noise; "
        "choose one with --where, or intervals come out too narrow"
    )
    return [Problem("repeated runs", Status.REVIEW, detail)]


def _errors(runs: Observations) -> list[Problem]:
    if "se" not in runs or not (empty := np.isnan(runs["se"])).any() or empty.all():
        return []
    rows = ", ".join(map(str, runs.rows[empty][:6]))
    detail = (
        f"{empty.sum()} runs have no standard error (rows {rows}), so those of the others "
        "are not used; fill them in, or leave those rows out"
    )
    return [Problem("standard errors", Status.REVIEW, detail)]
