"""What moved since the previous batch: fits matched by what they are of."""

from collections.abc import Sequence
from typing import Any

from nstar.batch.quantities import (
    CHOICE,
    POOLED,
    WHOLE,
    Quantity,
    Told,
    choice_of,
    words,
)
from nstar.batch.spreads import change
from nstar.wording import digits, shown

STILL = 1e-3  # of a posterior sd, below which nothing moved
MATCH = ("ladder", *CHOICE, "resample", "sample")


def drift(
    now: Sequence[dict[str, Any]],
    before: Sequence[dict[str, Any]],
    found: Sequence[Quantity],
) -> dict[str, Any]:
    """Compare the fits to whole ladders of two batches, pooled ones too.

    Args:
        now: of `quantities.records`.
        before: likewise, of the previous batch.
        found: what is compared.

    Returns:
        `moves`, the largest first: how far each median came, in the sd that its posterior
        had before; ladders and fits that are new or gone; fits that failed in one of the
        two; how many bear the same name, which is a hash of all that a fit is made of.
    """
    here, there = _whole(now), _whole(before)
    moves: list[dict[str, Any]] = []
    lost, gained, same = [], [], 0
    for key in [k for k in here if k in there]:
        a, b = here[key], there[key]
        named = bool(a["name"]) and a["name"] == b["name"]
        same += named
        if bool(a["passed"]) != bool(b["passed"]):
            (gained if a["passed"] else lost).append(_named(a))
        for q in found:
            if q.key in a["told"] and q.key in b["told"]:
                moves.append(
                    _named(a)
                    | {"same_name": named}
                    | _move(a["told"][q.key], b["told"][q.key], q)
                )
    moves.sort(key=lambda m: -abs(m["change"] or 0))
    old, new = ({k[0]: None for k in some} for some in (there, here))
    said = {
        "matched": sum(k in there for k in here),
        "same_name": same,
        "moves": moves,
        "new_ladders": [n for n in new if n not in old],
        "vanished_ladders": [n for n in old if n not in new],
        "new_fits": [
            _named(r) for k, r in here.items() if k not in there and k[0] in old
        ],
        "vanished_fits": [
            _named(r) for k, r in there.items() if k not in here and k[0] in new
        ],
        "now_failed": lost,
        "now_passed": gained,
    }
    return said | {"sentence": _sentence(said)}


def match(row: dict[str, Any]) -> tuple[Any, ...]:
    """Say what a fit is of: the same in both batches."""
    return tuple(row[n] for n in MATCH)


def _whole(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {match(r): r for r in rows if r["resample"] in (WHOLE, POOLED)}


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return choice_of(row) | {"pooled": row["resample"] == POOLED}


def _move(now: Told, before: Told, q: Quantity) -> dict[str, Any]:
    return {
        "key": q.key,
        "title": q.title,
        "log": q.log,
        "sd": before.sd,
        "change": change(now.median, before, q),
        "before": {"lo": before.lo, "median": before.median, "hi": before.hi},
        "now": {"lo": now.lo, "median": now.median, "hi": now.hi},
    }


def _sentence(said: dict[str, Any]) -> str:
    matched, same = said["matched"], said["same_name"]
    others = [
        f"{what}: {', '.join(shown(n) for n in said[key][:5])}{f' and {len(said[key]) - 5} more' if len(said[key]) > 5 else ''}"
        for key, what in (
            ("new_ladders", "new ladders"),
            ("vanished_ladders", "vanished ladders"),
        )
        if said[key]
    ]
    for key, what in (
        ("new_fits", "new"),
        ("vanished_fits", "gone"),
        ("now_failed", "failed that passed before"),
        ("now_passed", "passed that failed before"),
    ):
        if said[key]:
            others.append(
                f"{len(said[key])} fits of ladders that both have are {what}"
                if "fits" in key
                else f"{len(said[key])} fits {what}"
            )
    worst = next(iter(said["moves"]), None)
    still = worst is None or not abs(worst["change"] or 0) > STILL
    if not matched:
        head = "no fit of this batch was in the previous one"
    elif still and same == matched:
        head = f"nothing moved: {'all' if not others else 'the'} {matched} fits of both batches are of the same runs, law, priors and sampler, as their names say, which are hashes of these"
    elif still:
        head = f"no median moved, of {matched} fits of both batches"
    else:
        move = abs(worst["change"])
        head = (
            f"the largest move is {digits(move, 2)} posterior sd: {worst['title']} of "
            f"{shown(worst['ladder'])} ({words(worst)}); {same} of {matched} fits are of the same runs, law, priors and sampler as before"
        )
    return "; ".join([head, *others])
