"""The mistakes people make with tables of runs, each with its remedy.

`stop` raises on what cannot be meant; `notice` and `notice_groups` add a REVIEW for
what a reader should look at before believing the fit.
"""

from collections.abc import Mapping

import numpy as np

from nstar.observations import Observations
from nstar.verdicts import Check, Status

C_FACTOR = 1.25  # C may differ from the FLOP convention this much before it is noted
C_FACTOR_STOP = 20.0  # and this much before it must be a mistake
PLAIN = {
    "N": 1e4,
    "D": 1e5,
    "C": 1e9,
}  # plain counts lie above; billions and logs below


def stop(runs: Observations, named: Mapping[str, str]) -> None:
    """Raise on values no run can have.

    Raises:
        ValueError: N, D or C not positive and finite, in billions or as logarithms; or
            C far from the FLOP convention.
    """
    for name in ("N", "D", "C", "budget"):
        if name not in runs:
            continue
        column, values = named.get(name, name), runs[name]
        gaps = np.isnan(values) if name == "budget" else np.zeros(len(values), bool)
        bad = ~gaps & ~(np.isfinite(values) & (values > 0))
        if bad.any():
            i = int(np.argmax(bad))
            seen = "an empty cell" if np.isnan(values[i]) else f"{values[i]:g}"
            msg = (
                f"{runs.source}, row {runs.rows[i]}, column {column!r} ({name}): expected a "
                f"positive finite count, got {seen} ({bad.sum()} such rows); correct them or "
                f"leave them out, as in --where '{column}>0'"
            )
            raise ValueError(msg)
        if name in PLAIN and values.max() < PLAIN[name]:
            raise ValueError(_unit_message(runs, name, column, values))
    if all(name in runs for name in ("N", "D", "C")):
        _stop_flop(runs, named)


def _unit_message(
    runs: Observations, name: str, column: str, values: np.ndarray
) -> str:
    what = {"N": "parameters", "D": "tokens", "C": "FLOP"}[name]
    low, high = {"N": (5, 14), "D": (6, 16), "C": (13, 30)}[name]
    logs = bool(values.min() >= low and values.max() <= high and name == "C") or bool(
        values.min() >= low and values.max() <= high and np.any(values % 1)
    )
    guess = (
        ("base-10 logarithms", f"give 10**{column}")
        if logs
        else (
            "billions or another unit",
            f"multiply {column} by 1e9, or by what it stands for",
        )
    )
    return (
        f"{runs.source}, column {column!r} ({name}): expected plain counts of {what}, got "
        f"values from {values.min():g} to {values.max():g}, which look like {guess[0]}; {guess[1]}"
    )


def _stop_flop(runs: Observations, named: Mapping[str, str]) -> None:
    ratio = runs["C"] / runs.cost.flop(runs["N"], runs["D"])
    far = np.exp(abs(np.median(np.log(ratio))))
    if far > C_FACTOR_STOP:
        i = int(np.argmax(np.abs(np.log(ratio))))
        msg = (
            f"{runs.source}, columns {[named.get(n, n) for n in ('N', 'D', 'C')]}: C is "
            f"{np.median(ratio):.3g} times {runs.cost.k:g} N D in the median (row {runs.rows[i]}: "
            f"C = {runs['C'][i]:g}, N = {runs['N'][i]:g}, D = {runs['D'][i]:g}); check the units "
            f"of the three, leave C out, or state the convention with --flop-per-param-token"
        )
        raise ValueError(msg)


def notice(runs: Observations, named: Mapping[str, str]) -> Observations:
    """Note runs whose C disagrees with the FLOP convention."""
    ratio = runs["C"] / runs.cost.flop(runs["N"], runs["D"])
    off = np.abs(np.log(ratio)) > np.log(C_FACTOR)
    if not off.any():
        return runs
    i = int(np.argmax(np.abs(np.log(ratio))))
    detail = (
        f"{off.sum()} of {len(runs)} runs have C more than {C_FACTOR:g} times away from "
        f"{runs.cost} (worst: row {runs.rows[i]}, factor {ratio[i]:.3g}). N*(C) and D*(C) "
        f"use {runs.cost}; if C was counted otherwise, state it with --flop-per-param-token "
        f"or leave {named.get('C', 'C')} out"
    )
    return runs.noting(Check("FLOP convention", Status.REVIEW, detail))


def notice_groups(runs: Observations) -> Observations:
    """Note swapped sizes and tokens, pooled ladders, and checkpoints entered as runs."""
    notes = [*_swapped(runs), *_pooled(runs), *_checkpoints(runs)]
    return runs.noting(*notes)


def _swapped(runs: Observations) -> list[Check]:
    if "N" not in runs or "D" not in runs:
        return []
    ratio = np.median(runs["D"] / runs["N"])
    if ratio >= 0.5:
        return []
    detail = (
        f"the median run has {ratio:.3g} tokens per parameter; language models have 1 to "
        "1000. If N and D are swapped, map them with --columns N=...,D=..."
    )
    return [Check("N and D", Status.REVIEW, detail)]


def _pooled(runs: Observations) -> list[Check]:
    notes = []
    for group in ("ladder", "corpus"):
        if group in runs and (names := np.unique(runs[group])).size > 1:
            detail = (
                f"the table holds {names.size} values of {group} ({', '.join(names[:4])}"
                f"{', ...' if names.size > 4 else ''}) and one law is fitted to all; a law "
                f"belongs to one corpus and recipe: choose with --where"
            )
            notes.append(Check(f"one {group}", Status.REVIEW, detail))
    return notes


def _checkpoints(runs: Observations) -> list[Check]:
    if "run" not in runs:
        return []
    names, counts = np.unique(runs["run"], return_counts=True)
    if counts.max() == 1:
        return []
    worst = names[np.argmax(counts)]
    detail = (
        f"{(counts > 1).sum()} runs appear more than once (run {worst!r}: {counts.max()} rows). "
        "Checkpoints of one run share its noise and its learning-rate schedule; keep the last "
        "of each, or intervals come out too narrow"
    )
    return [Check("checkpoints", Status.REVIEW, detail)]
