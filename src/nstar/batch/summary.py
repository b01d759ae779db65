"""A batch in one plain document: what its page shows, and a program reads."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from nstar.batch.drift import drift, match
from nstar.batch.failures import failures
from nstar.batch.look_first import look_first
from nstar.batch.quantities import (
    HELD_OUT,
    POOLED,
    WHOLE,
    Quantity,
    choice_of,
    key_of,
    quantities,
    records,
)
from nstar.batch.spreads import BOOTSTRAP, bootstraps, left_out, resampled
from nstar.batch.table import SCHEMA
from nstar.verdicts import Status

SCORES = ("coverage_90", "crps", "rmse", "bias")


def summary(
    table: pa.Table,
    previous: pa.Table | None = None,
    *,
    name: str = "batch",
    command: str = "",
    left: int = 0,
) -> dict[str, Any]:
    """Sum a batch up.

    Args:
        table: of the batch, a row for each fit.
        previous: of the batch before, if there was one.
        name: of the batch.
        command: what the user typed.
        left: fits of the manifest that are not in the table: left for later.

    Returns:
        Plain data.  Means and sd of N* and D* are of their natural logs (`log`).
    """
    found = quantities(table.column_names)
    rows = records(table, found)
    prob = next((p for p in _column(table, "prob") if p is not None), 0.9)
    whole = {key_of(r): r for r in rows if r["resample"] == WHOLE}
    told = _told(rows, found, whole, prob)
    broken = failures(rows)
    moved = None
    if previous is not None:
        both = [q for q in found if f"{q.key}_median" in previous.column_names]
        before = records(previous, both)
        if left:  # what is left for later is not gone
            here = {match(r) for r in rows}
            before = [r for r in before if match(r) in here]
        moved = drift(rows, before, both)
    first = look_first(rows, broken, told, moved)
    status = _status(first)
    passed = sum(bool(r["passed"]) for r in rows)
    return {
        "name": name,
        "prob": prob,
        "interval": "equal-tailed",
        "seeds": sorted({r["seed"] for r in rows if r["seed"] is not None}),
        "ladders": list(dict.fromkeys(r["ladder"] for r in rows)),
        "fits": len(rows),
        "passed": passed,
        "left": left,
        "status": str(status),
        "headline": _headline(status, rows, passed, first, moved, left),
        "look_first": first,
        "quantities": told,
        "held_out": _held_out(rows),
        "leave_out": left_out(rows, found, whole),
        "drift": moved,
        "failures": broken,
        "provenance": {
            "command": command,
            "made_with": list(
                dict.fromkeys(v for v in _column(table, "made_with") if v)
            ),
            "table_sha256": _digest(table),
            "previous_sha256": "" if previous is None else _digest(previous),
        },
    }


def _column(table: pa.Table, name: str) -> list[Any]:
    return table[name].to_pylist() if name in table.column_names else []


def _digest(table: pa.Table) -> str:
    return ((table.schema.metadata or {}).get(SCHEMA) or b"").decode()


def _told(
    rows: Sequence[dict[str, Any]],
    found: Sequence[Quantity],
    whole: dict[tuple[Any, ...], dict[str, Any]],
    prob: float,
) -> list[dict[str, Any]]:
    """Each quantity of each ladder and choice, a pooled fit after that of its own runs."""
    pooled = {key_of(r): r for r in rows if r["resample"] == POOLED}
    drawn = resampled(rows, BOOTSTRAP)
    first = dict.fromkeys(r["ladder"] for r in rows)
    place = {ladder: i for i, ladder in enumerate(first)}
    keys = sorted(dict.fromkeys([*whole, *drawn, *pooled]), key=lambda k: place[k[0]])
    said = []
    for q in found:
        each = []
        for key in keys:
            for is_pooled, fits in ((False, whole), (True, pooled)):
                fit = fits.get(key, {"told": {}})
                own = fit["told"].get(q.key)
                by = {} if is_pooled else drawn.get(key, {})
                again = bootstraps(by, q, own, prob)
                if own is None and not again:
                    continue
                row = fit if own else next(iter(by.values()))[0]
                ends = {
                    n: getattr(own, n) if own else None
                    for n in ("lo", "median", "hi", "sd")
                }
                unit = whole.get(key, row)["loss_unit"]  # the ladder's, also if pooled
                each.append(
                    choice_of(row)
                    | {"pooled": is_pooled, "loss_unit": unit}
                    | ends
                    | {"bootstraps": again}
                )
        said.append(q._asdict() | {"rows": each})
    return said


def _held_out(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What fits without the largest runs said of them."""
    return [
        choice_of(r)
        | {"without": r["sample"], "runs": r["held_out_runs"]}
        | {n: r[f"held_out_{n}"] for n in SCORES}
        for r in rows
        if r["resample"].startswith(HELD_OUT) and r["held_out_runs"] is not None
    ]


def _status(first: Sequence[dict[str, Any]]) -> Status:
    said = {f["status"] for f in first}
    return next((s for s in (Status.FAIL, Status.REVIEW) if s in said), Status.PASS)


def _headline(
    status: Status,
    rows: Sequence[dict[str, Any]],
    passed: int,
    first: Sequence[dict[str, Any]],
    moved: dict[str, Any] | None,
    left: int,
) -> str:
    fits = [r for r in rows if r["resample"] in (WHOLE, POOLED)]
    none = [r for r in fits if not r["passed"]]
    count = len(dict.fromkeys(r["ladder"] for r in rows))
    said = f"{status}: {passed} of {len(rows)} fits passed, of {count} ladder{'s' * (count != 1)}"
    if not rows:
        said = f"{status}: there is no fit in this batch"
    elif not passed:
        said += "; no number is given"
    elif none:
        said += (
            f"; {len(none)} of {len(fits)} fits to all runs of a ladder have no number"
        )
    if left:
        said += f"; {left} more of the manifest are left for later"
    if first:
        said += f"; {len(first)} thing{'s' * (len(first) > 1)} to look at first"
    elif rows:
        said += "; nothing asks for a look first"
    drifted = (
        "" if moved is None else f" Against the previous batch: {moved['sentence']}."
    )
    return f"{said}.{drifted}"
