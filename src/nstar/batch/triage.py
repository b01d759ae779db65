"""Triage of a batch: what failed and why, and which fits a person should look at first."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from nstar.batch.estimates import budgets_of, interval
from nstar.batch.fitting import LOST
from nstar.batch.table import (
    HELD_OUT,
    POOLED,
    WHOLE,
    Record,
    choice_words,
    of_all_runs,
)
from nstar.departures.straightness import taken_as_exact
from nstar.fits.certificates import K_HAT
from nstar.fits.diagnostics import ESS
from nstar.laws.parsing import parse_law
from nstar.predictions.distances import FAR, TOO_FAR
from nstar.validation.checks import EDGE, NECK_REMEDY
from nstar.validation.hindsight import COVERED
from nstar.verdicts import Status
from nstar.wording import digits, flop, listed, share, shown

NAMED = 4  # ladders or choices that a line names before it counts
NEAR_K, NEAR_ESS = K_HAT - 0.05, 1.1 * ESS  # passed, and little more
SURE = 1.5  # spread of means over the posterior's sd, from which it is too sure
FEW = 20  # replicates below which their spread is too rough to judge by
CHANCE = 0.05  # of as many misses by the posterior's own draws, from which they pass
JUDGED = re.compile(r"^(divergences: |R-hat |\d+ effective)")  # a certificate's reasons
MOVED = 2.0  # posterior sd since the previous batch
TINY = 1e-300  # in place of an interval without width

type Rows = Sequence[Record]
type Ranked = tuple[float, str, str]  # how bad, the choice, and in words


def failures(rows: Rows) -> list[Record]:
    """Gather fits that did not pass by ladder, resampling and reason.

    Reasons that differ in their numbers only are one.  Whole ladders come first, and what
    failed for good before what the machine could not finish.

    Args:
        rows: of `table.records`.
    """
    groups: dict[tuple[Any, ...], Record] = {}
    counts = Counter((row["ladder"], row["resample"]) for row in rows)
    for row in (row for row in rows if not row["passed"]):
        place = row["ladder"], row["resample"]
        lost, reason = row["method"] == LOST, row["reason"] or "no reason was given"
        first = {
            "ladder": row["ladder"],
            "resample": row["resample"],
            "reason": reason,
            "lost": lost,
            "count": 0,
            "of": counts[place],
            "choices": [],
        }
        group = groups.setdefault((*place, lost, without_numbers(reason)), first)
        group["count"] += 1
        if (choice := choice_words(row)) not in group["choices"]:
            group["choices"].append(choice)
    return sorted(
        groups.values(), key=lambda g: (not of_all_runs(g), g["lost"], -g["count"])
    )


def reasons_of(failed: Rows) -> Mapping[tuple[str, str], int]:
    """Count fits that failed by ladder and reason; how draws were judged is one reason."""
    judged = "no draws that may be trusted"
    return Counter(
        (row["ladder"], row["reason"] if row["method"] in ("none", LOST) else judged)
        for row in failed
    )


def without_numbers(reason: str) -> str:
    """Drop the numbers of a reason."""
    return re.sub(r"\d+(\.\d+)?", "#", reason)


def look_first(
    rows: Rows, failures: Rows, quantities: Rows, drift: Record | None
) -> list[Record]:
    """Say what to look at first: kinds by weight, the worst of each first.

    Args:
        rows: of `table.records`.
        failures: those gathered of it.
        quantities: of the summary, each with its `rows`.
        drift: since the previous batch.

    Returns:
        What it is, PASS, REVIEW or FAIL, of which ladder and choice, and in words.
    """
    budgets = budgets_of(quantities)
    passed = [row for row in rows if row["passed"]]
    full = [row for row in passed if of_all_runs(row)]
    return [
        *_failed([f for f in failures if of_all_runs(f)]),
        *_failed([f for f in failures if not of_all_runs(f)]),
        *_far(full, budgets),
        *_exact(passed, budgets),
        *_edged(full),
        *_near_the_gates(full),
        *_diverging(passed),
        *_uncovered(rows),
        *_by_ladder(quantities, "choices disagree", _disagreeing),
        *_by_ladder(quantities, "pooling moves it", _pulled),
        *_by_ladder(quantities, "posterior too sure", _too_sure),
        *_moved(drift),
    ]


def _finding(
    what: str,
    ladder: str,
    detail: str,
    choice: str = "",
    status: Status = Status.REVIEW,
) -> Record:
    return {
        "what": what,
        "status": str(status),
        "ladder": ladder,
        "choice": choice,
        "detail": detail,
    }


def _of_fit(what: str, row: Record, detail: str) -> Record:
    return _finding(what, shown(row["ladder"]), detail, _choice(row))


def _failed(failures: Rows) -> list[Record]:
    """One line for a reason, whatever ladders have it; what the machine lost last."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for entry in failures:
        key = entry["lost"], entry["resample"], without_numbers(entry["reason"])
        groups.setdefault(key, []).append(entry)
    return [_failure(each) for _, each in sorted(groups.items(), key=lambda g: g[0][0])]


def _failure(entries: Rows) -> Record:
    """Say why fits have no number, and what may be done."""
    first, count = entries[0], sum(e["count"] for e in entries)
    reason, full = first["reason"], of_all_runs(first)
    like = count > 1 and without_numbers(reason) != reason
    detail = f"{count} of {sum(e['of'] for e in entries)} fits{_of(first['resample'])}: {reason}{', and the like' if like else ''}"
    if first["lost"]:
        detail += (
            "; the machine could not finish them, and the same command tries again"
        )
    elif not full:
        detail += "; what is said of this resampling is of the others"
    if full and JUDGED.search(reason):
        detail += "; these chains cannot be read: sample them from another seed, or let priors of your own or more runs settle what they do not agree on"
    choices = list(dict.fromkeys(c for e in entries for c in e["choices"]))
    return _finding(
        LOST if first["lost"] else "failed",
        _ladders([e["ladder"] for e in entries]),
        detail,
        listed(choices, NAMED),
        Status.FAIL if full else Status.REVIEW,
    )


def _ladders(names: Sequence[str]) -> str:
    return listed(names, NAMED) + (f" ({len(names)} ladders)" if len(names) > 1 else "")


def _of(resample: str) -> str:
    return "" if resample == WHOLE else f", {resample}"


def _far(rows: Rows, budgets: Sequence[float]) -> Iterator[Record]:
    """Budgets far from the runs that tell of them: one line for all such ladders."""
    if not budgets:
        return
    far: dict[bool, dict[str, float]] = {True: {}, False: {}}  # by whether too far
    for row in {r["ladder"]: r for r in rows if r["C_min"] and r["C_max"]}.values():
        low, high = row["C_min"], row["C_max"]
        beyond = math.log10(max(max(budgets) / high, low / min(budgets)))
        if beyond > FAR:
            too_far = beyond > TOO_FAR * max(math.log10(high / low), 0.1)
            far[too_far][row["ladder"]] = beyond
    for too_far, ladders in far.items():
        if ladders:
            ends = dict.fromkeys(f"{f(ladders.values()):.1f}" for f in (min, max))
            detail = (
                f"the farthest budget lies {' to '.join(ends)} decades from the runs, "
                + (
                    f"more than {TOO_FAR:g} times their own range: they cannot support it; add runs nearer to it"
                    if too_far
                    else "farther than a hold-out on them is likely to test, and a law that is a little wrong is not in the interval; add runs nearer to it"
                )
            )
            yield _finding("extrapolation", _ladders([*ladders]), detail)


def _exact(rows: Rows, budgets: Sequence[float]) -> list[Record]:
    """Laws whose form is taken as exact, read beyond their runs: one line for each kind."""
    ladders: dict[str, dict[str, None]] = {}
    for row in rows:
        beyond = row["C_max"] and max(budgets, default=0.0) > row["C_max"]
        if beyond and row["discrepancy"] == "none":
            sentence = taken_as_exact(parse_law(row["law"]))
            ladders.setdefault(sentence, {})[row["ladder"]] = None
    return [
        _finding("exact form", listed([*names], NAMED), sentence)
        for sentence, names in ladders.items()
        if sentence
    ]


def _edged(rows: Rows) -> Iterator[Record]:
    """Optima that lie where the search for them was stopped, the worst of each ladder."""
    worst: dict[str, tuple[float, str, Record]] = {}
    for row in rows:
        C, part = max(row["edges"].items(), key=lambda e: e[1], default=("", 0.0))
        if part > max(EDGE, worst.get(row["ladder"], (0.0,))[0]):
            worst[row["ladder"]] = part, C, row
    for part, C, row in sorted(worst.values(), key=lambda w: -w[0]):
        detail = (
            f"{share(part)} of draws at {flop(float(C))} FLOP have their optimum at an end of the search, twice as far as the runs' own "
            "tokens per parameter: intervals of N* and D* are cut off there, and where that holds at the runs' own budgets too "
            "exponents are drawn to 0.5; add runs at more and fewer tokens per parameter"
        )
        yield _of_fit("optimum at the edge", row, detail)


def _near_the_gates(rows: Rows) -> Iterator[Record]:
    """Passed, and little more."""
    for row in sorted(rows, key=lambda r: r["ess"] or 0):
        near = []
        if row["method"] == "importance" and (row["k_hat"] or 0) > NEAR_K:
            near.append(f"k-hat {row['k_hat']:.2f}, of at most {K_HAT:g}")
        if row["ess"] is not None and row["ess"] < NEAR_ESS:
            near.append(f"{row['ess']:.0f} effective draws, of at least {ESS:g}")
        if near:
            detail = f"passed with {'; '.join(near)}: its interval's ends are rough"
            yield _of_fit("at the gate", row, detail)


def _diverging(rows: Rows) -> Iterator[Record]:
    diverging = [row for row in rows if row["divergences"]]
    for row in sorted(diverging, key=lambda r: -r["divergences"]):
        count = row["divergences"]
        detail = f"passed with {count} divergence{'s' * (count > 1)}{_of(row['resample'])}; {NECK_REMEDY}"
        yield _of_fit("divergences", row, detail)


def _uncovered(rows: Rows) -> Iterator[Record]:
    """Intervals that held far fewer held-out runs than they should, and than chance."""
    missed = [
        row
        for row in rows
        if row["held_out_coverage_90"] is not None
        and row["held_out_coverage_90"] < COVERED
        and row["held_out_by_chance"] < CHANCE
    ]
    for row in sorted(missed, key=lambda r: r["held_out_coverage_90"]):
        part, count = share(row["held_out_coverage_90"]), row["held_out_runs"]
        which = f"{row['resample'].removeprefix(HELD_OUT)} {row['sample']} held out"
        detail = f"90% intervals of a measured run held {part} of {count} runs ({which.strip()})"
        if row["resample"].startswith(HELD_OUT):
            detail += "; farther out they are too narrow by as much or more"
        yield _of_fit("held-out runs missed", row, detail)


def _by_ladder(
    quantities: Rows, what: str, judge: Callable[[Record, Rows], Iterable[Ranked]]
) -> list[Record]:
    """The worst that a ladder shows of a kind, with a count of the rest."""
    by_ladder: dict[str, list[Ranked]] = {}
    for q in quantities:
        rows = sorted(q["rows"], key=lambda r: r["ladder"])
        for ladder, each in groupby(rows, key=lambda r: r["ladder"]):
            if seen := list(judge(q, list(each))):
                by_ladder.setdefault(ladder, []).extend(seen)
    worst = []
    for ladder, seen in by_ladder.items():
        bad, choice, detail = max(seen, key=lambda s: s[0])
        more = f" (and {len(seen) - 1} more of this ladder)" if len(seen) > 1 else ""
        worst.append((bad, _finding(what, shown(ladder), detail + more, choice)))
    return [finding for _, finding in sorted(worst, key=lambda w: -w[0])]


def _width(row: Record) -> float:
    return max(row["hi"] - row["lo"], TINY)


def _disagreeing(q: Record, rows: Rows) -> Iterator[Ranked]:
    """Intervals of choices that do not overlap: by how much, of the wider one."""
    ends = "lo", "hi", "sd"
    each = [r for r in rows if not r["pooled"] and all(r[n] is not None for n in ends)]
    if each:
        low, high = min(each, key=lambda r: r["hi"]), max(each, key=lambda r: r["lo"])
        if high["lo"] > low["hi"]:
            gap = (high["lo"] - low["hi"]) / max(_width(high), _width(low))
            detail = f"{q['title']}: intervals do not overlap, {_interval(q, low)} and {_interval(q, high)}: the choice matters more than either interval says"
            yield gap, f"{_choice(low)} / {_choice(high)}", detail


def _pulled(q: Record, rows: Rows) -> Iterator[Ranked]:
    """Pooled medians outside the interval of the ladder's own fit."""
    single = {choice_words(r): r for r in rows if not r["pooled"]}
    for row in (r for r in rows if r["pooled"]):
        alone = single.get(choice_words(row | {"pooled": False}))
        if alone is None or None in (row["median"], alone["lo"], alone["hi"]):
            continue
        out = max(alone["lo"] - row["median"], row["median"] - alone["hi"])
        if out > 0:
            detail = f"{q['title']}: {_interval(q, row)} pooled, {_interval(q, alone)} by its own runs: the other ladders draw it away from these"
            yield out / _width(alone), _choice(alone), detail


def _too_sure(q: Record, rows: Rows) -> Iterator[Ranked]:
    """Posteriors narrower than what other runs of the ladder would have moved them by."""
    for row in rows:
        for b in row["bootstraps"]:
            ratio = b["ratio"]
            if ratio is not None and ratio > SURE and b["count"] >= FEW:
                detail = (
                    f"{q['title']}: posterior means of {b['count']} replicates ({b['by']}) spread by {digits(ratio, 2)} times the posterior's own sd: "
                    "the posterior is too sure; which runs were made matters more than it says"
                )
                yield ratio, _choice(row), detail


def _moved(drift: Record | None) -> Iterator[Record]:
    """Ladders whose medians moved far, and those that are gone."""
    if drift is None:
        return
    far: dict[str, Record] = {}
    for move in drift["moves"]:
        if abs(move["change"] or 0) > MOVED:
            far.setdefault(move["ladder"], move)
    for move in far.values():
        detail = f"{move['title']}: from {_interval(move, move['before'])} in the previous batch to {_interval(move, move['now'])}, {digits(abs(move['change']), 2)} of its sd"
        yield _of_fit("moved", move, detail)
    if vanished := drift["vanished_ladders"]:
        plural = len(vanished) > 1
        detail = f"{len(vanished)} ladder{'s' * plural} of the previous batch {'are' if plural else 'is'} not in this one"
        yield _finding("gone", listed(vanished, NAMED), detail)


def _choice(row: Mapping[str, Any]) -> str:
    pooled = row.get("pooled", row.get("resample") == POOLED)
    return choice_words({**row, "pooled": pooled})


def _interval(q: Record, row: Record) -> str:
    return interval(row, log=q["log"])
