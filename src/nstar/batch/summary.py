"""A batch in one plain document: what its page shows, and a program reads."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from nstar.batch.estimates import Estimate, Quantity, quantities
from nstar.batch.stability import (
    BOOTSTRAP,
    bootstraps,
    drift,
    left_out,
    match,
    resampled,
)
from nstar.batch.table import (
    HELD_OUT,
    POOLED,
    WHOLE,
    Record,
    choice_of,
    digest_of,
    key_of,
    of_all_runs,
    records,
)
from nstar.batch.triage import failures, look_first
from nstar.verdicts import Status

CHANCE = re.compile(r"^chance_better\[([^\]]+)\]$")
SCORES = ("coverage_90", "crps", "rmse", "bias")

type Fits = Mapping[tuple[Any, ...], Record]  # by ladder and choice


def summary(
    table: pa.Table,
    previous: pa.Table | None = None,
    *,
    name: str = "batch",
    command: str = "",
    left: int = 0,
) -> Record:
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
    each = quantities(table.column_names)
    rows = records(table, each)
    prob = next(iter(_values(table, "prob")), 0.9)
    full = {key_of(r): r for r in rows if r["resample"] == WHOLE}
    estimates = _estimates(rows, each, full, prob)
    failed = failures(rows)
    moved = None if previous is None else _drift(rows, previous, each, partial=left > 0)
    first = look_first(rows, failed, estimates, moved)
    statuses = {f["status"] for f in first}
    status = next(
        (s for s in (Status.FAIL, Status.REVIEW) if s in statuses), Status.PASS
    )
    return {
        "name": name,
        "prob": prob,
        "interval": "equal-tailed",
        "seeds": sorted({r["seed"] for r in rows if r["seed"] is not None}),
        "ladders": list(dict.fromkeys(r["ladder"] for r in rows)),
        "fits": len(rows),
        "passed": sum(bool(r["passed"]) for r in rows),
        "left": left,
        "status": str(status),
        "headline": _headline(status, rows, len(first), moved, left),
        "look_first": first,
        "quantities": estimates,
        "recipes": recipes_compared(table),
        "held_out": _held_out(rows),
        "leave_out": left_out(rows, each, full),
        "drift": moved,
        "failures": failed,
        "provenance": {
            "command": command,
            "made_with": list(dict.fromkeys(filter(None, _values(table, "made_with")))),
            "table_sha256": digest_of(table),
            "previous_sha256": "" if previous is None else digest_of(previous),
        },
    }


def _values(table: pa.Table, name: str) -> list[Any]:
    """Values of a column that a table may lack, without what is not known."""
    values = table[name].to_pylist() if name in table.column_names else []
    return [v for v in values if v is not None]


def _drift(
    rows: Sequence[Record],
    previous: pa.Table,
    each: Sequence[Quantity],
    *,
    partial: bool,
) -> Record:
    """What moved since the previous batch; what is left for later is not gone."""
    both = [q for q in each if f"{q.key}_median" in previous.column_names]
    here = {match(r) for r in rows}
    before = records(previous, both)
    return drift(rows, [r for r in before if not partial or match(r) in here], both)


def _estimates(
    rows: Sequence[Record], each: Sequence[Quantity], full: Fits, prob: float
) -> list[Record]:
    """Each quantity of each ladder and choice, a pooled fit after that of its own runs."""
    pooled = {key_of(r): r for r in rows if r["resample"] == POOLED}
    replicates = resampled(rows, BOOTSTRAP)
    order = {name: i for i, name in enumerate(dict.fromkeys(r["ladder"] for r in rows))}
    keys = sorted(
        dict.fromkeys([*full, *replicates, *pooled]), key=lambda k: order[k[0]]
    )
    document = []
    for q in each:
        fits = []
        for key in keys:
            for is_pooled, fit in ((False, full.get(key)), (True, pooled.get(key))):
                estimate = fit["estimates"].get(q.key) if fit else None
                by = {} if is_pooled else replicates.get(key, {})
                spreads = bootstraps(by, q, estimate, prob)
                if estimate is None and not spreads:
                    continue
                row = fit if fit and estimate else next(iter(by.values()))[0]
                ends = (estimate or Estimate())._asdict()
                del ends["mean"]
                fits.append(
                    choice_of(row)
                    | {"pooled": is_pooled}
                    | {"loss_unit": full.get(key, row)["loss_unit"]}  # the ladder's
                    | ends
                    | {"bootstraps": spreads}
                )
        document.append(q._asdict() | {"rows": fits})
    return document


def recipes_compared(table: pa.Table) -> list[Record]:
    """Multiplier and chances of each recipe beside its baseline, by budget.

    A bound that does not exist is None.
    """
    budgets = [m[1] for n in table.column_names if (m := CHANCE.match(n))]
    return [
        {"ladder": row["ladder"], "seed": row["seed"], "C": float(C)}
        | {end: row[f"multiplier[{C}]_{end}"] for end in ("median", "lo", "hi")}
        | {f"chance_{n}": row[f"chance_{n}[{C}]"] for n in ("better", "best")}
        for row in (table.to_pylist() if budgets else [])
        for C in budgets
        if row["passed"] and row[f"chance_better[{C}]"] is not None
    ]


def _held_out(rows: Sequence[Record]) -> list[Record]:
    """What fits without the largest runs said of them."""
    return [
        choice_of(r)
        | {"without": r["sample"], "runs": r["held_out_runs"]}
        | {n: r[f"held_out_{n}"] for n in SCORES}
        for r in rows
        if r["resample"].startswith(HELD_OUT) and r["held_out_runs"] is not None
    ]


def _headline(
    status: Status, rows: Sequence[Record], first: int, drift: Record | None, left: int
) -> str:
    if not rows:
        return f"{status}: there is no fit in this batch."
    passed = sum(bool(r["passed"]) for r in rows)
    fits = [r for r in rows if of_all_runs(r)]
    failed = sum(not r["passed"] for r in fits)
    count = len({r["ladder"] for r in rows})
    parts = [
        f"{status}: {passed} of {len(rows)} fits passed, of {count} ladder{'s' * (count != 1)}"
    ]
    if not passed:
        parts.append("no number is given")
    elif failed:
        parts.append(
            f"{failed} of {len(fits)} fits to all runs of a ladder have no number"
        )
    if left:
        parts.append(f"{left} more of the manifest are left for later")
    parts.append(
        f"{first} thing{'s' * (first > 1)} to look at first"
        if first
        else "nothing asks for a look first"
    )
    since = f" Against the previous batch: {drift['sentence']}." if drift else ""
    return f"{'; '.join(parts)}.{since}"
