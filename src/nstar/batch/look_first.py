"""Which fits need a look first, and why."""

import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from nstar.batch.failures import alike, listed, whole
from nstar.batch.quantities import BUDGET, HELD_OUT, POOLED, RUN, WHOLE, interval, words
from nstar.departures.straightness import taken_as_exact
from nstar.fits.certificates import K_HAT
from nstar.fits.diagnostics import ESS
from nstar.laws.parsing import parse_law
from nstar.predictions.distances import FAR, TOO_FAR
from nstar.validation.checks import EDGE, NECK
from nstar.validation.hindsight import HELD
from nstar.verdicts import Status
from nstar.wording import digits, flop, share, shown

NEAR_K, NEAR_ESS = K_HAT - 0.05, 1.1 * ESS  # passed, and little more
SURE = 1.5  # spread of means over the posterior's sd, from which it is too sure
FEW = 20  # replicates below which their spread is too rough to judge by
CHANCE = 0.05  # of as many misses by the posterior's own draws, from which they pass
JUDGED = re.compile(r"^(divergences: |R-hat |\d+ effective)")  # a certificate's reasons
MOVED = 2.0  # posterior sd since the previous batch

type Finding = dict[str, Any]
type Rows = Sequence[dict[str, Any]]


def look_first(
    rows: Rows,
    failures: Rows,
    told: Rows,
    drift: dict[str, Any] | None,
) -> list[Finding]:
    """Say what to look at first: kinds by weight, the worst of each first.

    Args:
        rows: of `quantities.records`.
        failures: those gathered of it.
        told: quantities, each with its `rows`.
        drift: since the previous batch.

    Returns:
        What it is, PASS, REVIEW or FAIL, of which ladder and choice, and in words.
    """
    return [
        *_failed([f for f in failures if whole(f)]),
        *_failed([f for f in failures if not whole(f)]),
        *_far(rows, told),
        *_exact(rows, told),
        *_edged(rows),
        *_near(rows),
        *_diverging(rows),
        *_uncovered(rows),
        *_by_ladder(told, "choices disagree", _apart),
        *_by_ladder(told, "pooling moves it", _pulled),
        *_by_ladder(told, "posterior too sure", _sure),
        *_moved(drift),
    ]


def _finding(
    what: str, status: Status, ladder: str, choice: str, detail: str
) -> Finding:
    return {
        "what": what,
        "status": str(status),
        "ladder": ladder,
        "choice": choice,
        "detail": detail,
    }


def _failed(failures: Rows) -> list[Finding]:
    """One line for a reason, whatever ladders have it."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for entry in failures:
        key = entry["lost"], entry["resample"], alike(entry["reason"])
        found.setdefault(key, []).append(entry)
    said = []
    for (lost, resample, _), entries in found.items():
        count, of = (sum(e[n] for e in entries) for n in ("count", "of"))
        choices = list(dict.fromkeys(c for e in entries for c in e["choices"]))
        ladders = listed([e["ladder"] for e in entries])
        more = f" ({len(entries)} ladders)" if len(entries) > 1 else ""
        reason = entries[0]["reason"]
        detail = f"{count} of {of} fits{_of(resample)}: {reason}{', and the like' if count > 1 and alike(reason) != reason else ''}"
        if lost:
            detail += (
                "; the machine could not finish them, and the same command tries again"
            )
        elif not whole(entries[0]):
            detail += "; what is said of this resampling is of the others"
        if whole(entries[0]) and JUDGED.search(reason):
            detail += "; these chains cannot be read: sample them from another seed, or let priors of your own or more runs settle what they do not agree on"
        status = Status.FAIL if whole(entries[0]) else Status.REVIEW
        what = "lost" if lost else "failed"
        said.append(_finding(what, status, ladders + more, listed(choices), detail))
    return sorted(said, key=lambda f: f["what"] == "lost")


def _of(resample: str) -> str:
    return "" if resample == WHOLE else f", {resample}"


def _near(rows: Rows) -> list[Finding]:
    """Passed, and little more."""
    found = []
    for row in rows:
        if not row["passed"] or row["resample"] not in (WHOLE, POOLED):
            continue
        said = []
        if row["method"] == "importance" and (row["k_hat"] or 0) > NEAR_K:
            said.append(f"k-hat {row['k_hat']:.2f}, of at most {K_HAT:g}")
        if row["ess"] is not None and row["ess"] < NEAR_ESS:
            said.append(f"{row['ess']:.0f} effective draws, of at least {ESS:g}")
        if said:
            found.append((row["ess"] or 0, row, "; ".join(said)))
    found.sort(key=lambda f: f[0])
    return [
        _finding(
            "at the gate",
            Status.REVIEW,
            shown(row["ladder"]),
            _choice(row),
            f"passed with {said}: its interval's ends are rough",
        )
        for _, row, said in found
    ]


def _far(rows: Rows, told: Rows) -> list[Finding]:
    """Budgets far from the runs that tell of them: one line for all such ladders."""
    budgets = _budgets(told)
    if not budgets:
        return []
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        least, most = row["C_min"], row["C_max"]
        if row["passed"] and row["resample"] in (WHOLE, POOLED) and least and most:
            beyond = max(
                math.log10(max(budgets) / most), math.log10(least / min(budgets))
            )
            found[row["ladder"]] = beyond, math.log10(most / least)
    said = []
    for unsupported in (True, False):
        far = {
            n: b
            for n, (b, own) in found.items()
            if b > FAR and (b > TOO_FAR * max(own, 0.1)) is unsupported
        }
        if far:
            by = " to ".join(
                dict.fromkeys(f"{f(far.values()):.1f}" for f in (min, max))
            )
            detail = f"the farthest budget lies {by} decades from the runs, " + (
                f"more than {TOO_FAR:g} times their own range: they cannot support it; add runs nearer to it"
                if unsupported
                else "farther than a hold-out on them is likely to test, and a law that is a little wrong is not in the interval; add runs nearer to it"
            )
            more = f" ({len(far)} ladders)" if len(far) > 1 else ""
            said.append(
                _finding(
                    "extrapolation", Status.REVIEW, listed(list(far)) + more, "", detail
                )
            )
    return said


def _budgets(told: Rows) -> list[float]:
    """FLOP that are asked about: of budgets, and about those of runs, 6 N D."""
    keys = [f"{q['key']}_median" for q in told]
    runs = [6 * float(m[1]) * float(m[2]) for k in keys if (m := RUN.match(k))]
    return [float(m[2]) for k in keys if (m := BUDGET.match(k))] + runs


def _exact(rows: Rows, told: Rows) -> list[Finding]:
    """Laws whose form is taken as exact, read beyond their runs: one line for each kind."""
    budgets = _budgets(told)
    ladders: dict[str, dict[str, None]] = {}
    for row in rows:
        beyond = row["C_max"] and max(budgets, default=0.0) > row["C_max"]
        if row["passed"] and beyond and row["discrepancy"] == "none":
            words = taken_as_exact(parse_law(row["law"]))
            ladders.setdefault(words, {})[row["ladder"]] = None
    return [
        _finding("exact form", Status.REVIEW, listed(list(names)), "", words)
        for words, names in ladders.items()
        if words
    ]


def _edged(rows: Rows) -> list[Finding]:
    """Optima that lie where the search for them was stopped, the worst of each ladder."""
    worst: dict[str, tuple[float, str, dict[str, Any]]] = {}
    for row in rows:
        if row["passed"] and row["resample"] in (WHOLE, POOLED) and row["edges"]:
            C, part = max(row["edges"].items(), key=lambda e: e[1])
            if part > max(EDGE, worst.get(row["ladder"], (0.0,))[0]):
                worst[row["ladder"]] = part, C, row
    found = sorted(worst.values(), key=lambda w: -w[0])
    return [
        _finding(
            "optimum at the edge",
            Status.REVIEW,
            shown(row["ladder"]),
            _choice(row),
            f"{share(s)} of draws at {flop(float(C))} FLOP have their optimum at an end of the search, twice as far as the runs' own "
            "tokens per parameter: intervals of N* and D* are cut off there, and where that holds at the runs' own budgets too "
            "exponents are drawn to 0.5; add runs at more and fewer tokens per parameter",
        )
        for s, C, row in found
    ]


def _diverging(rows: Rows) -> list[Finding]:
    found = [r for r in rows if r["passed"] and r["divergences"]]
    found.sort(key=lambda r: -r["divergences"])
    return [
        _finding(
            "divergences",
            Status.REVIEW,
            shown(r["ladder"]),
            _choice(r),
            f"passed with {r['divergences']} divergence{'s' * (r['divergences'] > 1)}{_of(r['resample'])}; {NECK}",
        )
        for r in found
    ]


def _uncovered(rows: Rows) -> list[Finding]:
    """Intervals that held far fewer held-out runs than they should, and than chance."""
    found = [
        r
        for r in rows
        if r["held_out_coverage_90"] is not None
        and r["held_out_coverage_90"] < HELD
        and r["held_out_by_chance"] < CHANCE
    ]
    found.sort(key=lambda r: r["held_out_coverage_90"])
    return [
        _finding(
            "held-out runs missed",
            Status.REVIEW,
            shown(r["ladder"]),
            _choice(r),
            f"90% intervals of a measured run held {share(r['held_out_coverage_90'])} of {r['held_out_runs']} runs "
            f"({r['resample'].removeprefix(HELD_OUT).strip()} {r['sample']} held out)".replace(
                "( ", "("
            )
            + (
                "; farther out they are too narrow by as much or more"
                if r["resample"].startswith(HELD_OUT)
                else ""
            ),
        )
        for r in found
    ]


def _by_ladder(
    told: Rows, what: str, seen: Callable[[Any, list[Any]], list[Any]]
) -> list[Finding]:
    """The worst that a ladder shows of a kind, with a count of the rest."""
    found: dict[str, list[Any]] = {}
    for q in told:
        rows = sorted(q["rows"], key=lambda r: r["ladder"])
        for ladder, each in groupby(rows, key=lambda r: r["ladder"]):
            if some := seen(q, list(each)):
                found.setdefault(ladder, []).extend(some)
    worst = []
    for ladder, some in found.items():
        by, choice, detail = max(some, key=lambda s: s[0])
        more = f" (and {len(some) - 1} more of this ladder)" if len(some) > 1 else ""
        worst.append(
            (by, _finding(what, Status.REVIEW, shown(ladder), choice, detail + more))
        )
    return [finding for _, finding in sorted(worst, key=lambda w: -w[0])]


def _apart(q: dict[str, Any], rows: list[Any]) -> list[Any]:
    """Intervals of choices that do not overlap: by how much, in the wider's sd."""
    own = [
        r for r in rows if not r["pooled"] and None not in (r["lo"], r["hi"], r["sd"])
    ]
    if len(own) < 2:
        return []
    low, high = min(own, key=lambda r: r["hi"]), max(own, key=lambda r: r["lo"])
    if high["lo"] <= low["hi"]:
        return []
    gap = (high["lo"] - low["hi"]) / max(
        high["hi"] - high["lo"], low["hi"] - low["lo"], 1e-300
    )
    detail = f"{q['title']}: intervals do not overlap, {_said(q, low)} and {_said(q, high)}: the choice matters more than either interval says"
    return [(gap, f"{_choice(low)} / {_choice(high)}", detail)]


def _pulled(q: dict[str, Any], rows: list[Any]) -> list[Any]:
    """Pooled medians outside the interval of the ladder's own fit."""
    own = {words(r): r for r in rows if not r["pooled"]}
    found = []
    for row in rows:
        alone = own.get(words(row | {"pooled": False})) if row["pooled"] else None
        if alone is None or None in (row["median"], alone["lo"], alone["hi"]):
            continue
        out = max(alone["lo"] - row["median"], row["median"] - alone["hi"])
        if out > 0:
            detail = f"{q['title']}: {_said(q, row)} pooled, {_said(q, alone)} by its own runs: the other ladders draw it away from these"
            found.append(
                (out / max(alone["hi"] - alone["lo"], 1e-300), _choice(alone), detail)
            )
    return found


def _sure(q: dict[str, Any], rows: list[Any]) -> list[Any]:
    """Posteriors narrower than what other runs of the ladder would have moved them by."""
    return [
        (
            b["ratio"],
            _choice(r),
            f"{q['title']}: posterior means of {b['count']} replicates ({b['by']}) spread by {digits(b['ratio'], 2)} times the posterior's own sd: "
            "the posterior is too sure; which runs were made matters more than it says",
        )
        for r in rows
        for b in r["bootstraps"]
        if b["ratio"] is not None and b["ratio"] > SURE and b["count"] >= FEW
    ]


def _moved(drift: dict[str, Any] | None) -> list[Finding]:
    """Ladders whose medians moved far, and those that are gone."""
    if drift is None:
        return []
    far: dict[str, Any] = {}
    for m in drift["moves"]:
        if abs(m["change"] or 0) > MOVED:
            far.setdefault(m["ladder"], m)
    found = [
        _finding(
            "moved",
            Status.REVIEW,
            shown(ladder),
            _choice(m),
            f"{m['title']}: from {_said(m, m['before'])} in the previous batch to {_said(m, m['now'])}, {digits(abs(m['change']), 2)} of its sd",
        )
        for ladder, m in far.items()
    ]
    if gone := drift["vanished_ladders"]:
        found.append(
            _finding(
                "gone",
                Status.REVIEW,
                listed(gone),
                "",
                f"{len(gone)} ladder{'s' * (len(gone) > 1)} of the previous batch {'are' if len(gone) > 1 else 'is'} not in this one",
            )
        )
    return found


def _choice(row: dict[str, Any]) -> str:
    pooled = row.get("pooled", row.get("resample") == POOLED)
    return words(row | {"pooled": pooled})


def _said(q: dict[str, Any], row: dict[str, Any]) -> str:
    return interval(row, log=q["log"])
