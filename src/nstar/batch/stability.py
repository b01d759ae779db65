"""How far answers move: drawn again, without a part of the runs, and since the batch before."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nstar.batch.estimates import Estimate, Quantity
from nstar.batch.table import (
    CHOICE,
    POOLED,
    Record,
    choice_of,
    choice_words,
    key_of,
    of_all_runs,
)
from nstar.wording import digits, listed, shown

BOOTSTRAP, LEAVE_OUT = "bootstrap", "leave out"
STILL = 1e-3  # of a posterior sd, below which nothing moved
MATCH = ("ladder", *CHOICE, "resample", "sample")  # what a fit is of, in both batches
NAMED = 5  # ladders that are new or gone, before they are counted

type Key = tuple[Any, ...]


def change(median: float | None, before: Estimate | None, q: Quantity) -> float | None:
    """How far a median lies from a posterior's, in that posterior's sd."""
    if before is None or not before.sd:
        return None
    there, here = q.scaled(median), q.scaled(before.median)
    return None if there is None or here is None else (there - here) / before.sd


def resampled(rows: Sequence[Record], kind: str) -> dict[Key, dict[str, list[Record]]]:
    """Sort resampled fits by ladder and choice, then by how they were resampled.

    Args:
        rows: of `table.records`.
        kind: how the names of these resamplings begin.
    """
    groups: dict[Key, dict[str, list[Record]]] = {}
    for row in rows:
        if row["resample"].startswith(kind):
            by = groups.setdefault(key_of(row), {})
            by.setdefault(row["resample"], []).append(row)
    return groups


def bootstraps(
    replicates: Mapping[str, Sequence[Record]],
    q: Quantity,
    estimate: Estimate | None,
    prob: float,
) -> list[Record]:
    """Spread of posterior means between replicates, and the posterior's own sd.

    The two are never one number: the first is what other runs of the same ladder would
    have said, the second what these runs leave open.

    Args:
        replicates: of one ladder and choice, by how they were drawn.
        q: what is read of them.
        estimate: of the fit to the runs as they are, if it passed.
        prob: of the equal-tailed interval of the means.
    """
    spreads = []
    for name, rows in replicates.items():
        each = [row["estimates"].get(q.key, Estimate()) for row in rows]
        pairs = [
            (e.mean, e.sd) for e in each if e.mean is not None and e.sd is not None
        ]
        if not pairs:
            continue
        means, sds = np.array(pairs).T
        ends = np.quantile(means, [(1 - prob) / 2, (1 + prob) / 2])
        low, high = map(float, np.exp(ends) if q.log else ends)
        spread = float(means.std(ddof=1)) if len(means) > 1 else None
        width = estimate.sd if estimate is not None else None
        spreads.append(
            {
                "by": name,
                "count": len(means),
                "asked": len(rows),
                "sd_of_means": spread,
                "mean_of_sds": float(np.mean(sds)),
                "posterior_sd": width,
                "ratio": spread / width if spread is not None and width else None,
                "lo": low,
                "hi": high,
            }
        )
    return spreads


def left_out(
    rows: Sequence[Record], quantities: Sequence[Quantity], full: Mapping[Key, Record]
) -> list[Record]:
    """Medians without each part of the runs in turn, the largest move first.

    Args:
        rows: of `table.records`.
        quantities: what is read of them.
        full: fits to all runs, by ladder and choice.
    """
    moves = [
        choice_of(each[0])
        | _largest_move(
            medians, q, full.get(key, {"estimates": {}})["estimates"].get(q.key)
        )
        | {"by": name, "asked": len(each)}
        for key, by in resampled(rows, LEAVE_OUT).items()
        for name, each in by.items()
        for q in quantities
        if (medians := _medians(each, q))
    ]
    return sorted(moves, key=lambda move: -(move["largest"] or 0))


def _medians(rows: Sequence[Record], q: Quantity) -> list[tuple[float, str]]:
    """Median and sample of each fit that has one."""
    some = [row for row in rows if q.key in row["estimates"]]
    return [(row["estimates"][q.key].median, row["sample"]) for row in some]


def _largest_move(
    medians: Sequence[tuple[float, str]], q: Quantity, full: Estimate | None
) -> Record:
    by_median = [pair[0] for pair in medians]
    least, most = (medians[by_median.index(f(by_median))] for f in (min, max))
    changes = [(change(median, full, q), sample) for median, sample in medians]
    moves = [(abs(c), sample) for c, sample in changes if c is not None]
    largest, sample = max(moves, default=(None, None), key=lambda move: move[0])
    return {
        "key": q.key,
        "title": q.title,
        "log": q.log,
        "count": len(medians),
        "whole": full.median if full else None,
        "lo": least[0],
        "without_lo": least[1],
        "hi": most[0],
        "without_hi": most[1],
        "largest": largest,
        "without": sample,
    }


def match(row: Record) -> Key:
    """Say what a fit is of: the same in both batches."""
    return tuple(row[n] for n in MATCH)


def drift(
    now: Sequence[Record], before: Sequence[Record], quantities: Sequence[Quantity]
) -> Record:
    """Compare the fits to whole ladders of two batches, pooled ones too.

    Args:
        now: of `table.records`.
        before: likewise, of the previous batch.
        quantities: what is compared.

    Returns:
        `moves`, the largest first: how far each median came, in the sd that its posterior
        had before; ladders and fits that are new or gone; fits that failed in one of the
        two; how many bear the same name, which is a hash of all that a fit is made of.
    """
    here, there = (
        {match(r): r for r in rows if of_all_runs(r)} for rows in (now, before)
    )
    pairs = [(row, there[key]) for key, row in here.items() if key in there]
    moves = [
        _choice(a)
        | {"same_name": _same_name(a, b)}
        | _move(a["estimates"][q.key], b["estimates"][q.key], q)
        for a, b in pairs
        for q in quantities
        if q.key in a["estimates"] and q.key in b["estimates"]
    ]
    changed = [(a, b) for a, b in pairs if bool(a["passed"]) != bool(b["passed"])]
    old, new = (list(dict.fromkeys(key[0] for key in fits)) for fits in (there, here))
    document = {
        "matched": len(pairs),
        "same_name": sum(_same_name(a, b) for a, b in pairs),
        "moves": sorted(moves, key=lambda move: -abs(move["change"] or 0)),
        "new_ladders": [n for n in new if n not in old],
        "vanished_ladders": [n for n in old if n not in new],
        "new_fits": _only_in(here, there, old),
        "vanished_fits": _only_in(there, here, new),
        "now_failed": [_choice(a) for a, _ in changed if not a["passed"]],
        "now_passed": [_choice(a) for a, _ in changed if a["passed"]],
    }
    return document | {"sentence": _sentence(document)}


def _same_name(a: Record, b: Record) -> bool:
    return bool(a["name"]) and a["name"] == b["name"]


def _only_in(
    fits: Mapping[Key, Record], others: Mapping[Key, Record], ladders: Sequence[str]
) -> list[Record]:
    """Fits that the other batch has not, of ladders that it has."""
    return [_choice(r) for k, r in fits.items() if k not in others and k[0] in ladders]


def _choice(row: Record) -> Record:
    return choice_of(row) | {"pooled": row["resample"] == POOLED}


def _move(now: Estimate, before: Estimate, q: Quantity) -> Record:
    return {
        "key": q.key,
        "title": q.title,
        "log": q.log,
        "sd": before.sd,
        "change": change(now.median, before, q),
        "before": {"lo": before.lo, "median": before.median, "hi": before.hi},
        "now": {"lo": now.lo, "median": now.median, "hi": now.hi},
    }


def _sentence(drift: Record) -> str:
    """Say the largest move, and what only one of the batches has."""
    count, same = drift["matched"], drift["same_name"]
    others = []
    for key, what in (
        ("new_ladders", "new ladders"),
        ("vanished_ladders", "vanished ladders"),
    ):
        if names := drift[key]:
            others.append(f"{what}: {listed(names, NAMED)}")
    for key, what in (
        ("new_fits", "of ladders that both have are new"),
        ("vanished_fits", "of ladders that both have are gone"),
        ("now_failed", "failed that passed before"),
        ("now_passed", "passed that failed before"),
    ):
        if fits := drift[key]:
            others.append(f"{len(fits)} fits {what}")
    worst = next(iter(drift["moves"]), None)
    if not count:
        head = "no fit of this batch was in the previous one"
    elif worst is not None and abs(worst["change"] or 0) > STILL:
        head = (
            f"the largest move is {digits(abs(worst['change']), 2)} posterior sd: {worst['title']} of "
            f"{shown(worst['ladder'])} ({choice_words(worst)}); {same} of {count} fits are of the same runs, law, priors and sampler as before"
        )
    elif same == count:
        head = f"nothing moved: {'the' if others else 'all'} {count} fits of both batches are of the same runs, law, priors and sampler, as their names say, which are hashes of these"
    else:
        head = f"no median moved, of {count} fits of both batches"
    return "; ".join([head, *others])
