"""How far posteriors move when runs are drawn again or left out, beside their own width."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nstar.batch.quantities import Quantity, Told, choice_of, key_of, scaled

BOOTSTRAP, LEAVE_OUT = "bootstrap", "leave out"


def resampled(
    rows: Sequence[dict[str, Any]], kind: str
) -> dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]]:
    """Sort resampled fits by ladder and choice, then by how they were resampled.

    Args:
        rows: of `quantities.records`.
        kind: how the names of these resamplings begin.
    """
    found: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        if row["resample"].startswith(kind):
            found.setdefault(key_of(row), {}).setdefault(row["resample"], []).append(
                row
            )
    return found


def bootstraps(
    by: dict[str, list[dict[str, Any]]], q: Quantity, own: Told | None, prob: float
) -> list[dict[str, Any]]:
    """Spread of posterior means between replicates, and the posterior's own sd.

    The two are never one number: the first is what other runs of the same ladder would
    have said, the second what these runs leave open.

    Args:
        by: replicates of one ladder and choice, by how they were drawn.
        q: what is read of them.
        own: what the fit to the runs as they are told, if it passed.
        prob: of the equal-tailed interval of the means.
    """
    found = []
    for name, rows in by.items():
        told = [row["told"][q.key] for row in rows if q.key in row["told"]]
        told = [t for t in told if t.mean is not None and t.sd is not None]
        if not told:
            continue
        means = np.array([t.mean for t in told])
        ends = np.quantile(means, [(1 - prob) / 2, (1 + prob) / 2])
        low, high = (float(v) for v in (np.exp(ends) if q.log else ends))
        spread = float(means.std(ddof=1)) if len(told) > 1 else None
        width = own.sd if own is not None else None
        found.append(
            {
                "by": name,
                "count": len(told),
                "asked": len(rows),
                "sd_of_means": spread,
                "mean_of_sds": float(np.mean([t.sd for t in told])),
                "posterior_sd": width,
                "ratio": spread / width if spread is not None and width else None,
                "lo": low,
                "hi": high,
            }
        )
    return found


def left_out(
    rows: Sequence[dict[str, Any]],
    found: Sequence[Quantity],
    whole: dict[tuple[Any, ...], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Medians without each part of the runs in turn, the largest move first.

    Args:
        rows: of `quantities.records`.
        found: what is read of them.
        whole: fits to all runs, by ladder and choice.
    """
    said = []
    for key, by in resampled(rows, LEAVE_OUT).items():
        for name, each in by.items():
            for q in found:
                own = whole.get(key, {"told": {}})["told"].get(q.key)
                held = [
                    (row, row["told"][q.key]) for row in each if q.key in row["told"]
                ]
                if held:
                    said.append(
                        choice_of(each[0])
                        | _moves(held, q, own)
                        | {"by": name, "asked": len(each)}
                    )
    return sorted(said, key=lambda r: -(r["largest"] or 0))


def _moves(
    held: list[tuple[dict[str, Any], Told]], q: Quantity, own: Told | None
) -> dict[str, Any]:
    least = min(held, key=lambda h: h[1].median or 0)
    most = max(held, key=lambda h: h[1].median or 0)
    moves = [
        (abs(m), row["sample"])
        for row, t in held
        if (m := change(t.median, own, q)) is not None
    ]
    worst = max(moves, default=(None, None), key=lambda m: m[0])
    return {
        "key": q.key,
        "title": q.title,
        "log": q.log,
        "count": len(held),
        "whole": own.median if own else None,
        "lo": least[1].median,
        "without_lo": least[0]["sample"],
        "hi": most[1].median,
        "without_hi": most[0]["sample"],
        "largest": worst[0],
        "without": worst[1],
    }


def change(median: float | None, own: Told | None, q: Quantity) -> float | None:
    """How far a median lies from a posterior's, in that posterior's sd."""
    if own is None or not own.sd:
        return None
    there, here = scaled(median, q), scaled(own.median, q)
    return None if there is None or here is None else (there - here) / own.sd
