"""Several recipes, tokenizers or corpora in one table."""

import re
from dataclasses import replace

import numpy as np

from nstar.runs.alike import designs
from nstar.runs.column_kinds import Column, as_text, kind_of, plain_columns
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, ReadOptions
from nstar.runs.sweeps import CROSSED, share_crossed
from nstar.runs.unfinished import FINISHED, UNFINISHED
from nstar.verdicts import Status

MOST_VALUES = 50
PLAIN = ("baseline", "base", "control", "reference", "default", "standard")
SHARE = 0.25  # of the runs share their N and D with another
SURE = 5.0  # standard errors by which groups off one surface are apart
FEW = 6  # names that are recipes rather than a source of noise
ARMS = re.compile(r"recipe|(^|_)arm|variant|optimi[sz]er|tokeni[sz]er", re.IGNORECASE)
TOKENIZERS = re.compile(r"tokeni[sz]er|vocab", re.IGNORECASE)
APART = 0.01  # of log loss: less does not matter to a law
LEAST_RUNS = 10


def check_recipes(runs: Observations, by: tuple[str, ...] = ()) -> list[Problem]:
    """Notice that the same N and D were run under several recipes.

    Args:
        runs: named and complete.
        by: columns whose groups are fitted apart.
    """
    if "N" not in runs or "D" not in runs:
        return []
    design = designs(runs, by)
    shares_design = (np.bincount(design)[design] > 1).mean() >= SHARE
    for name, values in plain_columns(runs).items():
        column = runs.named.get(name, name)
        if name in by or not _may_be_recipe(column, values):
            continue
        text = as_text(values)
        groups, counts = np.unique(text[text != ""], return_counts=True)
        if not 2 <= groups.size <= min(MOST_VALUES, len(runs) / 2):
            continue
        if shares_design and share_crossed(text, design) >= CROSSED:
            status, why = Status.FAIL, "the same N and D were run under each"
        elif kind_of(column) is Column.RECIPE:
            status, why = _judge(runs, name, values, text)
        else:
            continue
        if not why:
            continue
        problem = _problem(runs, column, text, groups, counts, why)
        return [replace(problem, status=status)]
    return []


def _may_be_recipe(column: str, values: np.ndarray) -> bool:
    """Tell whether a column may tell recipes apart: text, or so named."""
    kind = kind_of(column)
    if kind is Column.RECIPE:
        return values.dtype.kind == "U" or not np.isnan(values).any()
    words = {str(v).strip().lower() for v in np.unique(values)[:MOST_VALUES]}
    status = words - {""} <= FINISHED | UNFINISHED
    return values.dtype.kind == "U" and kind is Column.OTHER and not status


def _judge(
    runs: Observations, name: str, values: np.ndarray, text: np.ndarray
) -> tuple[Status, str]:
    """Judge groups that share no N and D: by one surface through all, where that can tell."""
    gap = _gap(runs, text)
    few = values.dtype.kind == "U" and np.unique(text).size <= FEW
    if gap is None:  # nothing can tell: arms that are named so are taken for arms
        column = runs.named.get(name, name)
        if not (few and ARMS.search(column) and _overlap(runs["N"], text)):
            return Status.REVIEW, ""
        return Status.FAIL, "nothing tells what is theirs from what is N's and D's"
    if gap > 0:
        apart = (
            f"their losses lie up to {100 * np.expm1(gap):.2g} % apart at like N and D"
        )
        return Status.FAIL if few else Status.REVIEW, apart
    return Status.REVIEW, ""


def _overlap(N: np.ndarray, text: np.ndarray) -> bool:
    """Tell whether groups have sizes in common, so that none is the smaller runs alone."""
    groups = [N[text == name] for name in np.unique(text)]
    return max(g.min() for g in groups) < min(g.max() for g in groups)


def _gap(runs: Observations, text: np.ndarray) -> float | None:
    """Return how far groups lie apart about one surface through all, 0 where they do not.

    None where the runs cannot tell: too few, or each group with its own line in (N, D).
    """
    groups, number = np.unique(text, return_inverse=True)
    if len(runs) < LEAST_RUNS + groups.size:
        return None
    a, b = (np.log(runs[n]) - np.log(runs[n]).mean() for n in ("N", "D"))
    intercepts = (number.reshape(-1)[:, None] == np.arange(groups.size)).astype(float)
    design = np.column_stack([intercepts, a, b, a**2, b**2, a * b])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    log_L = np.log(runs["L"])
    beta, *_ = np.linalg.lstsq(design, log_L, rcond=None)
    residual = log_L - design @ beta
    scatter = np.sqrt(residual @ residual / (len(runs) - design.shape[1]))
    levels = beta[: groups.size]
    least, most = np.argmin(levels), np.argmax(levels)
    contrast = np.zeros(design.shape[1])
    contrast[most], contrast[least] = 1, -1
    error = scatter * np.sqrt(contrast @ np.linalg.inv(design.T @ design) @ contrast)
    gap = float(levels[most] - levels[least])
    return gap if gap > max(APART, SURE * error) else 0.0


def _problem(
    runs: Observations,
    column: str,
    text: np.ndarray,
    groups: np.ndarray,
    counts: np.ndarray,
    why: str,
) -> Problem:
    plain = [g for g in groups if g.strip().lower() in PLAIN]
    chosen = plain[0] if plain else groups[np.argmax(counts)]
    sizes = ", ".join(
        f"{g} ({n} run{'s' if n > 1 else ''})"
        for g, n in zip(groups[:6], counts[:6], strict=True)
    )
    more = f" and {groups.size - 6} more" if groups.size > 6 else ""
    where = f"{column}={chosen}"
    detail = (
        f"the table holds {groups.size} recipes by {column!r}: {sizes}{more}; {why}, and one law "
        "over them is of none"
    )
    together = (
        "; losses under two tokenizers are in other units, and can be compared a byte only"
        if TOKENIZERS.search(column)
        else f", fit them side by side with --pool {column}, or compare them with nstar "
        f"recipes --by {column}"
    )
    remedy = f"take one with --where '{where}'{together}"
    return Problem(
        "several recipes",
        Status.FAIL,
        detail,
        remedy,
        column=column,
        rows=tuple(runs.rows[text != chosen].tolist()),
        repair=ReadOptions(where=(where,)),
    )
