"""Notes on unusual values in a table of runs, for a reader to review."""

from collections.abc import Mapping

import numpy as np

from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status

C_FACTOR = 1.25  # C may differ from the FLOP convention this much before it is noted
TOKENS_PER_PARAMETER = 0.5  # the median language model is trained on more
SMALL = 1e6  # parameters; ladders end above it


def note(
    runs: Observations, named: Mapping[str, str], data_unit: str = "tokens"
) -> Observations:
    """Add a note for each unusual value.

    Args:
        runs: named, completed and without duplicates.
        named: our names to the table's.
        data_unit: what D counts.
    """
    return runs.noting(
        *_flop(runs, named, data_unit),
        *(_sizes(runs, named) if data_unit == "tokens" else []),
        *_pooled(runs, named),
        *_repeated(runs),
        *_errors(runs),
    )


def _flop(runs: Observations, named: Mapping[str, str], data_unit: str) -> list[Check]:
    if runs.derived or not all(name in runs for name in ("N", "D", "C")):
        return []
    ratio = runs["C"] / runs.cost.flop(runs["N"], runs["D"])
    outside = np.abs(np.log(ratio)) > np.log(C_FACTOR)
    if not outside.any():
        return []
    i = int(np.argmax(np.abs(np.log(ratio))))
    reason = (
        "" if data_unit == "tokens" else f"; D counts {data_unit}, of many tokens each"
    )
    detail = (
        f"{outside.sum()} of {len(runs)} runs have C more than {C_FACTOR:g} times away from "
        f"{runs.cost} (worst: row {runs.rows[i]}, factor {ratio[i]:.3g}{reason}). N*(C) and D*(C) "
        f"use {runs.cost}; if C was counted otherwise, state it with --flop-per-param-token "
        f"(the median here is {np.median(ratio) * runs.cost.k:.3g}), or leave "
        f"{named.get('C', 'C')} out"
    )
    return [Check("FLOP convention", Status.REVIEW, detail)]


def _sizes(runs: Observations, named: Mapping[str, str]) -> list[Check]:
    notes = []
    if "N" in named and runs["N"].max() < SMALL:
        detail = (
            f"the largest run has {runs['N'].max():.3g} parameters; if column {named['N']!r} "
            "is in thousands or millions, multiply it"
        )
        notes.append(Check("size of N", Status.REVIEW, detail))
    if "N" not in runs or "D" not in runs:
        return notes
    cure = "If N and D are swapped, map them with --columns N=...,D=..."
    return notes + few_tokens(
        float(np.median(runs["D"] / runs["N"])), "median run", cure
    )


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


def _pooled(runs: Observations, named: Mapping[str, str]) -> list[Check]:
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
            notes.append(Check(f"one {group}", Status.REVIEW, detail))
    return notes


def _repeated(runs: Observations) -> list[Check]:
    """Note checkpoints, which differ in tokens, or runs measured more than once."""
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
        detail = (
            f"{(checkpoints > 1).sum()} runs appear more than once (run {str(names[np.argmax(checkpoints)])!r}: "
            f"{checkpoints.max()} rows) with more and more tokens. Checkpoints of one run share its "
            "noise and its learning-rate schedule; keep the last of each, or intervals come "
            "out too narrow"
        )
        return [Check("checkpoints", Status.REVIEW, detail)]
    detail = (
        f"{(counts > 1).sum()} runs appear more than once (run {str(names[np.argmax(counts)])!r}: "
        f"{counts.max()} rows) at the same N and D. Measurements of one run share its noise; "
        "choose one with --where, or intervals come out too narrow"
    )
    return [Check("repeated runs", Status.REVIEW, detail)]


def _errors(runs: Observations) -> list[Check]:
    if "se" not in runs or not (empty := np.isnan(runs["se"])).any() or empty.all():
        return []
    rows = ", ".join(map(str, runs.rows[empty][:6]))
    detail = (
        f"{empty.sum()} runs have no standard error (rows {rows}), so those of the others "
        "are not used; fill them in, or leave those rows out"
    )
    return [Check("standard errors", Status.REVIEW, detail)]
