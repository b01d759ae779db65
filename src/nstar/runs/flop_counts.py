"""How a table's FLOP compare with C = 6 N D, and what the difference does."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, ReadOptions
from nstar.verdicts import Status
from nstar.wording import digits

ODD_FACTOR = 1.25  # C may differ from the FLOP convention this much before a row is odd
SYSTEMATIC = 0.03  # of C: from here on the difference of all runs is another counter
SURE = 4.0  # standard errors
LEAST_RUNS = 4
EXPONENT = 0.5  # of N*(C), as it usually is
EXAMPLE = 1e23  # FLOP of the budget that is translated
ELSEWHERE = (
    0.5,
    2.0,
)  # C / (k N D) outside these asks for another column of parameters
EXACT = (0.8, 1.25)  # ... and inside these, that column is what C was counted with
SPARSE = (
    " (a mixture of experts spends its FLOP on the active parameters: give those as N, "
    "and all of them as total_params for --law experts)"
)
EXPERTS = 1.5  # all parameters over the active ones: not embeddings alone
PARAMS = re.compile(r"param|model_size|(^|_)size($|_)|(^|_)n($|_)", re.IGNORECASE)


class Count(NamedTuple):
    """C over k N D, as it goes with C."""

    largest: float  # at the largest run
    slope: float  # of its logarithm against log C
    median: float
    systematic: bool


def measure(runs: Observations) -> Count:
    """Fit the logarithm of C / (k N D) along log C, robustly enough for odd rows."""
    log_factor = np.log(runs["C"] / runs.cost.flop(runs["N"], runs["D"]))
    log_C = np.log(runs["C"])
    median = float(np.median(log_factor))
    typical = np.abs(log_factor - median) < 5 * np.median(
        np.abs(log_factor - median)
    ) + np.log(ODD_FACTOR)
    x, y = log_C[typical], log_factor[typical]
    n = x.size
    if n < LEAST_RUNS or np.ptp(x) < 0.5:
        factor = float(np.exp(median))
        level = n >= LEAST_RUNS and abs(median) > SYSTEMATIC and np.ptp(y) < abs(median)
        return Count(factor, 0.0, factor, level)
    slope, at_mean = np.polyfit(x - x.mean(), y, 1)
    residual = y - at_mean - slope * (x - x.mean())
    scatter = np.sqrt(np.sum(residual**2) / max(n - 2, 1))
    spread = np.sqrt(np.sum((x - x.mean()) ** 2))
    least, most = (at_mean + slope * (end - x.mean()) for end in (x.min(), x.max()))
    level = abs(at_mean) > max(SYSTEMATIC, SURE * scatter / np.sqrt(n))
    drift = abs(most - least) > max(SYSTEMATIC, SURE * scatter * np.ptp(x) / spread)
    return Count(
        float(np.exp(y[np.argmax(x)] if drift else median)),
        float(slope) if drift else 0.0,
        float(np.exp(median)),
        bool(level or drift),
    )


def check_flop(
    runs: Observations, named: Mapping[str, str], data_unit: str = "tokens"
) -> list[Problem]:
    """Compare C with the FLOP convention: single rows, all rows, and along C.

    Args:
        runs: named and complete, with N, D and C as measured.
        named: our names to the table's.
        data_unit: what D counts.
    """
    factor = runs["C"] / runs.cost.flop(runs["N"], runs["D"])
    outside = np.abs(np.log(factor)) > np.log(ODD_FACTOR)
    counted = measure(runs)
    systematic = counted.systematic and data_unit == "tokens"
    if not outside.any() and not systematic:
        return []
    column, k = named.get("C", "C"), runs.cost.k
    parts = []
    if outside.any():
        i = int(np.argmax(np.abs(np.log(factor))))
        reason = (
            ""
            if data_unit == "tokens"
            else f"; D counts {data_unit}, of many tokens each"
        )
        parts.append(
            f"{outside.sum()} of {len(runs)} runs have C more than {ODD_FACTOR:g} times away from "
            f"{runs.cost} (worst: row {runs.rows[i]}, factor {factor[i]:.3g}{reason})"
        )
    if systematic:
        parts.append(_what_it_does(runs, counted))
    remedy = (
        f"N*(C) and D*(C) use {runs.cost}; if C was counted otherwise, state it with "
        f"--flop-per-param-token (the median here is {counted.median * k:.3g}), or leave "
        f"{column} out"
    )
    detail = ". ".join(parts)
    return [
        Problem(
            "FLOP convention", Status.REVIEW, detail, remedy, column=column, ours="C"
        )
    ]


def _what_it_does(runs: Observations, counted: Count) -> str:
    """Say the factor at both ends, the exponent, and a budget in the table's counter."""
    k = runs.cost.k
    budget = f"{EXAMPLE:.0e}".replace("+", "")
    theirs = digits(counted.largest * EXAMPLE, 3)
    factor = runs["C"] / runs.cost.flop(runs["N"], runs["D"])
    ends = (
        f"C is {factor[np.argmin(runs['C'])]:.3g} times {k:g} N D at the smallest run and "
        f"{factor[np.argmax(runs['C'])]:.3g} times at the largest"
    )
    level = f"C is {counted.median:.3g} times {k:g} N D all along"
    factors_text = ends if counted.slope else level
    why = (
        SPARSE
        if counted.median < ELSEWHERE[0]
        else " (embeddings, attention or another counter)"
    )
    exponent = (
        f"; the factor goes as C^{counted.slope:.3g}, so an exponent of N* near "
        f"{EXPONENT:g} in {k:g} N D is {EXPONENT * (1 - counted.slope):.3g} in this table's FLOP "
        f"({-EXPONENT * counted.slope:+.2g})"
        if counted.slope
        else "; exponents do not move with a factor that is the same for all runs"
    )
    return (
        f"{factors_text}{why}{exponent}; --budget {budget}, which a loss surface takes as {k:g} N D, is "
        f"about {theirs} of this table's FLOP, by the factor at the largest run"
    )


def note_experts(runs: Observations, named: Mapping[str, str]) -> list[Problem]:
    """Note that a table holds all parameters of a mixture of experts beside the active."""
    if "total_params" not in named or named["total_params"] == named.get("N"):
        return []
    expansion = runs["total_params"] / runs["N"]
    if not np.median(expansion) > EXPERTS:
        return []
    detail = (
        f"{named['total_params']!r} is {expansion.min():.3g} to {expansion.max():.3g} times N: a "
        "mixture of experts, of whose parameters a law of N alone sees the active ones"
    )
    remedy = "the law that reads both is --law experts"
    column = named["total_params"]
    return [Problem("mixture of experts", Status.REVIEW, detail, remedy, column=column)]


def check_params(runs: Observations, named: Mapping[str, str]) -> list[Problem]:
    """Point to another column of parameters that C was counted with.

    Args:
        runs: named and complete, with N, D and C as measured.
        named: our names to the table's.
    """
    factor = runs["C"] / runs.cost.flop(runs["N"], runs["D"])
    if ELSEWHERE[0] <= np.median(factor) <= ELSEWHERE[1]:
        return []
    for name, values in runs.columns.items():
        theirs = named.get(name, name)
        if name in {"N", "D", "C", "L"} or not PARAMS.search(theirs):
            continue
        if values.dtype.kind != "f" or not (values > 0).all():
            continue
        other = float(np.median(runs["C"] / runs.cost.flop(values, runs["D"])))
        if EXACT[0] <= other <= EXACT[1]:
            mixture = float(np.median(factor)) < 1
            span = " to ".join(
                dict.fromkeys((f"{factor.min():.2g}", f"{factor.max():.2g}"))
            )
            detail = (
                f"C is {span} times {runs.cost.k:g} N D with N from {named['N']!r}, and "
                f"{other:.3g} times with N from {theirs!r}"
            )
            experts = ""
            if mixture:
                detail += "; a mixture of experts spends the parameters that are active on a token, not all of them"
                experts = f"; the law that knows of both is --law experts with --columns N={theirs},total_params={named['N']}"
            return [
                Problem(
                    "which parameters",
                    Status.FAIL,
                    detail,
                    f"take --columns N={theirs}{experts}",
                    column=named["N"],
                    ours="N",
                    repair=ReadOptions(columns={"N": theirs}),
                )
            ]
    return []
