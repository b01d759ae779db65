"""Text of numbers, names and unknowns."""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nstar.answers import Document
from nstar.intervals import Interval
from nstar.verdicts import Check

SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
MONEY = (*SCALES[1:], (1e3, "K"))
FLOP_FROM = 1e16  # from here on a bare number in a sentence is FLOP, not tokens
LONGEST_NAME = 80  # letters of a data set's name before it is cut


def count(value: float, n: int = 3) -> str:
    """Write parameters or tokens with so many digits: 406B, 15.6T."""
    for scale, letter in SCALES:
        if value >= scale * (1 - 0.5 * 10**-n):
            return f"{digits(value / scale, n)}{letter}"
    return digits(value, n)


def digits(value: float, n: int) -> str:
    """Write n significant digits, plainly between 0.0001 and a million."""
    if value == 0:
        return "0"
    text = f"{value:.{n}g}"
    if 1e-4 <= abs(float(text)) < 1e6:
        return f"{float(text):.0f}" if "e" in text else text
    mantissa, exponent = f"{value:.{n - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def three(value: float) -> str:
    """Write three significant digits."""
    return digits(value, 3)


def share(value: float) -> str:
    """Write a part of a whole: 32%, 0.3%, 99.96%, as near to an end as it is."""
    near = 100 * min(value, 1 - value)
    if near <= 0:
        return "0%" if value < 0.5 else "100%"
    places = max(0, -math.floor(math.log10(near) + 1e-9))
    if places > 3:
        return "<0.001%" if value < 0.5 else ">99.999%"
    return f"{100 * value:.{places}f}%"


def shares(interval: Interval | dict[str, float]) -> str:
    """Write a median part of a whole and its interval: 32% [0.3%, 97%]."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{share(i.median)} [{share(i.lower)}, {share(i.upper)}]"


def flop(value: float, n: int = 4) -> str:
    """Write a budget with so many digits: 3.8e25."""
    mantissa, exponent = f"{value:.{n - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def amount(value: float) -> str:
    """Write an input of a run: 3.8e25 FLOP, 1000 samples, 7B parameters."""
    return flop(value) if value >= FLOP_FROM else count(value, 4)


def counts(interval: Interval | dict[str, float]) -> str:
    """Write a median and its interval: 406B [278B, 602B]."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{count(i.median)} [{count(i.lower)}, {count(i.upper)}]"


def numbers(interval: Interval | dict[str, float], n: int = 3) -> str:
    """Write a median and its interval with so many significant digits."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{digits(i.median, n)} [{digits(i.lower, n)}, {digits(i.upper, n)}]"


def money(value: float | Interval | dict[str, float], currency: str = "") -> str:
    """Write money, and its interval in the unit of its median: USD 1.24M [0.92M, 1.3M]."""
    if isinstance(value, int | float):
        ends = [float(value)]
    else:
        i = value if isinstance(value, Interval) else Interval(**value)
        ends = [i.median, i.lower, i.upper]
    scale, letter = next(
        (unit for unit in MONEY if ends[0] >= unit[0] * 0.9995), (1.0, "")
    )
    first, *bounds = (f"{digits(end / scale, 3)}{letter}" for end in ends)
    amount = f"{first} [{', '.join(bounds)}]" if bounds else first
    return f"{currency} {amount}".strip()


NUMBER = re.compile(r"(?<![\w.-])(\d(?:\.\d+)?e\+\d+)(?=(\s*FLOP)?)")


def plain(sentence: str) -> str:
    """Rewrite 3.8e+25 FLOP as 3.8e25 FLOP and 1.59e+13 tokens as 15.9T tokens."""

    def write(match: re.Match[str]) -> str:
        value = float(match[1])
        return flop(value) if match[2] or value >= FLOP_FROM else count(value)

    return NUMBER.sub(write, sentence)


def plainly(checks: list[Check]) -> list[Check]:
    """Rewrite the numbers in the details of checks, and drop repeated checks."""
    rewritten = (check._replace(detail=plain(check.detail)) for check in checks)
    return list(dict.fromkeys(rewritten))


def visible(text: str) -> str:
    """Replace control and direction marks, which a name from outside may contain."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else letter
        for letter in text
    )


def shown(name: str) -> str:
    """Show a name from outside on one line, cut in its middle where it is long."""
    name = visible(name)
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f"{name[:half]}…{name[-half:]}"


def epochs(run: Mapping[str, Any]) -> str:
    """Write how often a run sees its unique tokens; empty where they are not limited."""
    if run["epochs"] is None:
        return ""
    return ", one epoch" if run["epochs"] == 1 else f", {run['epochs']:.3g} epochs"


def beyond(decades: float | None) -> str:
    """Write how many decades a run lies beyond the largest."""
    if decades is None:
        return "unknown"
    return f"{decades:.1f} decades" if decades > 0 else "no"


def listed(names: Sequence[str], most: int) -> str:
    """Name a few, and count the rest."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more


def percent(prob: float) -> str:
    """Write a probability as people say it: 90%, 99.5%."""
    return f"{100 * prob:.10g}%"


CENTRAL = 0.2  # credible level below which a value lies near the centre


def alternatives(name: str, known: Iterable[str]) -> str:
    """Name what is nearest to a name that is not known, then all that are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{meant}there are {', '.join(names)}"


QUANTITIES = {
    "N": "N* (parameters)",
    "D": "D* (tokens)",
    "tokens_per_parameter": "tokens per parameter",
    "loss": "loss",
}


def standing(level: float, prob: float) -> str:
    """Say where a value lies among our draws, from its credible level."""
    if level < CENTRAL:
        return "near the centre of ours"
    if level <= prob:
        return f"inside our {percent(prob)} interval"
    return f"outside our {percent(prob)} interval, at credible level {level:.2f}"


def beside(
    budgets: list[Document],
    exponents: Document,
    over: tuple[float, float] | None = None,
    prob: float = 0.9,
) -> list[list[str]]:
    """Return the rows of a comparison: budget, quantity, ours, theirs, their ratio, where theirs lies."""
    entries = [
        (flop(record["C"]), title, name, record[name])
        for record in budgets
        for name, title in QUANTITIES.items()
    ]
    span = f"{flop(over[0])} to {flop(over[1])}" if over else "any"
    entries += [(span, f"exponent of {n}*", "", exponents[n]) for n in ("N", "D")]
    rows = []
    for budget, title, name, entry in entries:
        interval_text, value_text = (
            (counts, count) if name in {"N", "D"} else (numbers, three)
        )
        ours, theirs = entry["posterior"], entry["published"]
        rows.append(
            [
                budget,
                title,
                interval_text(ours) if ours else "–",
                "–" if theirs is None else value_text(theirs),
                numbers(entry["ratio"]) if entry["ratio"] else "–",
                standing(entry["credible_level"], prob)
                if entry["ratio"]
                else entry["reason"],
            ]
        )
    return rows
