"""Fits that gave no number, gathered by why."""

import re
from collections.abc import Sequence
from typing import Any

from nstar.batch.quantities import POOLED, WHOLE, words
from nstar.batch.work import LOST
from nstar.wording import shown

NAMED = 4  # ladders or choices that a line names before it counts


def failures(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gather fits that did not pass by ladder, resampling and reason.

    Reasons that differ in their numbers only are one.  Whole ladders come first, and what
    failed for good before what the machine could not finish.

    Args:
        rows: of `quantities.records`.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    asked: dict[tuple[str, str], int] = {}
    for row in rows:
        here = row["ladder"], row["resample"]
        asked[here] = asked.get(here, 0) + 1
        if row["passed"]:
            continue
        lost, reason = row["method"] == LOST, row["reason"] or "no reason was given"
        key = (*here, lost, alike(reason))
        entry = found.setdefault(
            key,
            {
                "ladder": row["ladder"],
                "resample": row["resample"],
                "reason": reason,
                "lost": lost,
                "count": 0,
                "of": 0,
                "choices": [],
            },
        )
        entry["count"] += 1
        choice = words(row)
        if choice not in entry["choices"]:
            entry["choices"].append(choice)
    said = [
        entry | {"of": asked[entry["ladder"], entry["resample"]]}
        for entry in found.values()
    ]
    return sorted(said, key=lambda e: (not whole(e), e["lost"], -e["count"]))


def alike(reason: str) -> str:
    """Drop the numbers of a reason."""
    return re.sub(r"\d+(\.\d+)?", "#", reason)


def whole(entry: dict[str, Any]) -> bool:
    """Say whether an entry is of fits to all runs."""
    return entry["resample"] in (WHOLE, POOLED)


def listed(names: Sequence[str]) -> str:
    """Name a few, and count the rest."""
    each = ", ".join(shown(n) for n in names[:NAMED])
    return f"{each} and {len(names) - NAMED} more" if len(names) > NAMED else each
