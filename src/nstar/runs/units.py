"""In what unit N, D and C are, by what the three say of one another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, ReadOptions, short
from nstar.verdicts import Status
from nstar.wording import count, flop

WORDS = {
    "thousands": 1e3,
    "k": 1e3,
    "millions": 1e6,
    "m": 1e6,
    "billions": 1e9,
    "b": 1e9,
    "trillions": 1e12,
    "t": 1e12,
    "mflop": 1e6,
    "gflop": 1e9,
    "tflop": 1e12,
    "pflop": 1e15,
    "eflop": 1e18,
    "pflop-days": 8.64e19,
}
FACTORS = {
    "N": (1.0, 1e3, 1e6, 1e9, 1e12),
    "D": (1.0, 1e3, 1e6, 1e9, 1e12),
    "C": (1.0, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 8.64e19),
}
WHAT = {"N": "parameters", "D": "tokens", "C": "FLOP"}
PLAIN = {"N": 1e4, "D": 1e5, "C": 1e9}  # the largest run has more; units and logs less
LOGS = {  # where base-10 and natural logarithms of real runs lie
    "N": ((5, 14), (11, 33)),
    "D": ((6, 16), (14, 38)),
    "C": ((13, 30), (30, 70)),
}
LARGEST = {"N": 3e13, "D": 2e14, "C": 3e27}  # of any run so far, and room to grow
USUAL = (0.1, 1e4)  # tokens per parameter of every run of a ladder
ABSURD = (1e-4, 1e6)  # of the median run: N, D or C is in another unit
FEW = 0.1  # no run of any ladder has so few tokens per parameter
FAR = 20.0  # C further from the FLOP convention than this is a mistake
NEAR = 3.0  # C counted some other way is within this of the convention
ALONE = 300.0  # a row whose D/N is this far from the others' is in another unit
CLOSE = 0.45  # of log losses: what a usual law says of runs in the right unit


@dataclass(frozen=True)
class Reading:
    """One way to read the columns, and what it would make of the runs."""

    factors: Mapping[str, float]  # by our name, those that are not one
    ratio: tuple[float, float]  # least and most tokens per parameter

    def __str__(self) -> str:
        """Write the factors as --units takes them, and tokens per parameter."""
        low, high = self.ratio
        return f"{self.words()} ({low:.3g} to {high:.3g} tokens per parameter)"

    def words(self) -> str:
        """Write the factors as --units takes them."""
        return ",".join(
            f"{name}={short(factor)}" for name, factor in self.factors.items()
        )


def parse_units(units: Mapping[str, str | float] | None) -> dict[str, float]:
    """Read what each column is counted in, as a factor or a word such as millions.

    Raises:
        ValueError: it is neither.
    """
    factors = {}
    for name, unit in (units or {}).items():
        word = str(unit).strip().lower()
        factor = WORDS.get(word) or WORDS.get(word.removesuffix("s"))
        try:
            factors[name] = float(unit) if factor is None else factor
        except ValueError:
            factors[name] = np.nan
        if not (np.isfinite(factors[name]) and factors[name] > 0):
            msg = f"units of {name}: expected a factor such as 1e6, or one of {', '.join(WORDS)}, got {unit!r}"
            raise ValueError(msg)
    return factors


def check_units(runs: Observations, named: Mapping[str, str]) -> list[Problem]:
    """Find columns that are not in plain counts, and the factor that makes them so.

    Where C stands beside N and D, C/(6 N D) decides; else tokens per parameter do, as
    far as they can.

    Args:
        runs: with positive and finite N, D and C, as far as they have them.
        named: our names to the table's.
    """
    given = [name for name in ("N", "D", "C") if name in named and name in runs]
    if len(runs) == 0 or not given:
        return []
    odd = [name for name in given if runs[name].max() < PLAIN[name]]
    logs = [p for name in odd if (p := _logarithms(runs, named, name))]
    if logs:
        return logs
    if len(given) == 1:
        return [_unclear(runs, named, odd, given, [])] if odd else []
    if not (odd or _contradictory(runs, given)):
        return _odd_rows(runs, named, given) if "L" in runs else []
    readings = list(_plausible(runs, given))
    best = _choose(runs, readings)
    if best is None:
        return [_unclear(runs, named, odd, given, readings)]
    return [_settled(runs, named, name, best, readings, given) for name in best.factors]


def _contradictory(runs: Observations, given: list[str]) -> bool:
    """Tell whether N, D and C cannot be of the same runs."""
    if len(given) == 3:
        return bool(abs(np.log(np.median(_factor(runs)))) > np.log(FAR))
    ratio = _completed(runs, dict.fromkeys(given, 1.0))
    median = np.median(ratio)
    return not ABSURD[0] < median < ABSURD[1] or bool(ratio.max() < FEW)


def _factor(runs: Observations) -> np.ndarray:
    """Return C / (k N D), (run,)."""
    return runs["C"] / runs.cost.flop(runs["N"], runs["D"])


def _completed(runs: Observations, factors: Mapping[str, float]) -> np.ndarray:
    """Return tokens per parameter where columns are multiplied by factors, (run,)."""
    size = {name: runs[name] * factor for name, factor in factors.items()}
    if "D" not in size:
        return runs.cost.tokens(size["N"], size["C"]) / size["N"]
    if "N" not in size:
        return size["D"] / runs.cost.params(size["D"], size["C"])
    return size["D"] / size["N"]


def _plausible(runs: Observations, given: list[str]) -> Iterator[Reading]:
    """List the ways to read the columns under which these may be runs, plainest first."""
    choices = sorted(
        product(*(FACTORS[name] for name in given)),
        key=lambda factors: sum(f != 1 for f in factors),
    )
    for choice in choices:
        factors = dict(zip(given, choice, strict=True))
        if all(f == 1 for f in choice):
            continue
        if any(
            not PLAIN[n] <= runs[n].max() * f <= LARGEST[n] for n, f in factors.items()
        ):
            continue
        if len(given) == 3:
            shift = factors["C"] / factors["N"] / factors["D"]
            if abs(np.log(np.median(_factor(runs)) * shift)) > np.log(NEAR):
                continue
        ratio = _completed(runs, factors)
        low, high = (
            (np.median(ratio),) * 2 if len(given) == 3 else (ratio.min(), ratio.max())
        )
        if USUAL[0] <= low and high <= USUAL[1]:
            yield Reading(
                {n: f for n, f in factors.items() if f != 1},
                (float(ratio.min()), float(ratio.max())),
            )


def _choose(runs: Observations, readings: list[Reading]) -> Reading | None:
    """Choose the reading that changes fewest columns, if one does; else by the losses."""
    if not readings:
        return None
    fewest = min(len(r.factors) for r in readings)
    plainest = [r for r in readings if len(r.factors) == fewest]
    if len(plainest) == 1:
        return plainest[0]
    misfits = sorted(
        ((_misfit(runs, reading), i) for i, reading in enumerate(plainest))
    )
    (least, first), (second, _), *_ = misfits
    return plainest[first] if least < CLOSE and least < second / 2 else None


def _misfit(runs: Observations, reading: Reading) -> float:
    """Tell how far the losses are from those of runs of such N and D: Hoffmann's law, in logs."""
    if "L" not in runs:
        return np.inf
    factors = {n: reading.factors.get(n, 1.0) for n in ("N", "D", "C") if n in runs}
    ratio = _completed(
        runs, {n: f for n, f in factors.items() if n != "C" or len(factors) < 3}
    )
    N = (
        runs["N"] * factors["N"]
        if "N" in factors
        else np.sqrt(runs["C"] * factors["C"] / runs.cost.k / ratio)
    )
    usual = 1.69 + 406.4 / N**0.34 + 410.7 / (N * ratio) ** 0.28
    L = np.where(runs["L"] > 0, runs["L"], np.nan)
    return float(np.nanmedian(np.abs(np.log(L / usual)))) if (L > 0).any() else np.inf


def _settled(
    runs: Observations,
    named: Mapping[str, str],
    name: str,
    best: Reading,
    readings: list[Reading],
    given: list[str],
) -> Problem:
    """Say that a column is in another unit, and what shows it."""
    factor, values = best.factors[name], runs[name]
    words = _unit_word(name, factor)
    if len(given) == 3:
        shift = best.factors.get("C", 1.0)
        for other in ("N", "D"):
            shift /= best.factors.get(other, 1.0)
        ratio = float(np.median(_factor(runs)))
        evidence = f"C is {ratio:.3g} times {runs.cost.k:g} N D as the columns stand, and {ratio * shift:.3g} times with {best}"
    elif name != next(iter(best.factors)):
        evidence = f"as for {next(iter(best.factors))}, with {best}"
    else:
        others = [str(r) for r in readings if r is not best][:3]
        rest = (
            f"; {', '.join(others)} would be other ways to read them" if others else ""
        )
        now = np.median(_completed(runs, dict.fromkeys(given, 1.0)))
        derived = f" ({runs.derived})" if name == "C" or "C" in given else ""
        evidence = f"the median run would have {now:.3g} tokens per parameter{derived}, and with {best} they are those of a ladder{rest}"
    detail = (
        f"expected plain counts of {WHAT[name]}, got values from {values.min():g} to "
        f"{values.max():g}, which look like {words}: {evidence}"
    )
    remedy = f"read it with --units {name}={short(factor)}, or multiply {named[name]} by {short(factor)}"
    return Problem(
        "units",
        Status.FAIL,
        detail,
        remedy,
        column=named[name],
        ours=name,
        repair=ReadOptions(units={name: factor}),
    )


def _unit_word(name: str, factor: float) -> str:
    """Name a unit: billions, GFLOP, petaFLOP-days."""
    words = {1e3: "thousands", 1e6: "millions", 1e9: "billions", 1e12: "trillions"}
    of_compute = {
        1e3: "kiloFLOP",
        1e6: "megaFLOP",
        1e9: "gigaFLOP (GFLOP)",
        1e12: "teraFLOP",
        1e15: "petaFLOP",
        1e18: "exaFLOP",
        8.64e19: "petaFLOP-days",
    }
    return of_compute[factor] if name == "C" else words[factor]


def _unclear(
    runs: Observations,
    named: Mapping[str, str],
    odd: list[str],
    given: list[str],
    readings: list[Reading],
) -> Problem:
    """Say that columns are in another unit, where nothing decides which."""
    listed = ", ".join(f"{n} = {np.median(runs[n]):.3g} ({named[n]!r})" for n in given)
    if len(given) == 3:
        factor = _factor(runs)
        i = int(np.argmax(np.abs(np.log(factor))))
        distant = np.abs(np.log(factor)) > np.log(FAR)
        what = (
            f"C = {runs['C'][i]:g} is {factor[i]:.3g} times {runs.cost.k:g} N D in row "
            f"{runs.rows[i]}; {distant.sum()} rows of {len(runs)} differ more than {FAR:g} times"
        )
        remedy = (
            "correct the units of the three with --units, leave C out, or state the convention with "
            f"--flop-per-param-token (the median here is {np.median(factor) * runs.cost.k:.3g})"
        )
    elif len(given) == 2:
        ratio = np.median(_completed(runs, dict.fromkeys(given, 1.0)))
        missing = ({"N", "D", "C"} - set(given)).pop()
        derived = f"; {missing} follows from {given[0]} and {given[1]} by {runs.cost}"
        what = (
            f"the median run has {ratio:.3g} tokens per parameter, where language models "
            f"have 1 to 1000 (medians: {listed}{derived if missing != 'C' else ''})"
        )
        remedy = "multiply the column that is in thousands, millions or billions, with --units"
    else:
        what = f"expected plain counts of {WHAT[given[0]]}, got values from {runs[given[0]].min():g} to {runs[given[0]].max():g}, which look like billions or another unit"
        remedy = f"multiply {named[given[0]]} by what its unit stands for, as in --units {given[0]}=1e9"
    if readings:
        ways = "; or ".join(f"--units {reading}" for reading in readings[:4])
        what += "; nothing here decides between the ways to read them"
        remedy = f"state which it is: {ways}"
    column = named[odd[0]] if odd else ""
    return Problem(
        "units", Status.FAIL, what, remedy, column=column, ours=odd[0] if odd else ""
    )


def _logarithms(
    runs: Observations, named: Mapping[str, str], name: str
) -> Problem | None:
    """Say where a column holds logarithms."""
    values, column = runs[name], named[name]
    if name != "C" and not np.any(values % 1):
        return None
    kinds = (
        ("base-10 logarithms", f"10**{column}"),
        ("natural logarithms", f"exp({column})"),
    )
    for (kind, expression), (least, most) in zip(kinds, LOGS[name], strict=True):
        if least <= values.min() and values.max() <= most:
            detail = (
                f"expected plain counts of {WHAT[name]}, got values from {values.min():g} "
                f"to {values.max():g}, which look like {kind}"
            )
            remedy = f"give {expression}, or state the unit of plain counts with --units {name}=..."
            return Problem(
                "units", Status.FAIL, detail, remedy, column=column, ours=name
            )
    return None


def _odd_rows(
    runs: Observations, named: Mapping[str, str], given: list[str]
) -> list[Problem]:
    """Name single rows that are in another unit than the others."""
    problems = []
    for name in given:
        small = runs[name] < PLAIN[name]
        if not small.any() or np.median(runs[name]) < 100 * PLAIN[name]:
            continue
        if runs[name][small].max() * ALONE < runs[name][~small].min():
            most = runs[name].max()
            detail = f"expected plain counts of {WHAT[name]} as in the other rows (up to {_amount(name, most)})"
            problems.append(_rows(runs, named, name, small, detail))
    if problems:
        return problems
    if len(given) == 3:
        factor = _factor(runs)
        distant = np.abs(np.log(factor)) > np.log(FAR)
        if distant.any():
            i = int(np.argmax(np.abs(np.log(factor))))
            n = int(distant.sum())
            columns = ", ".join(repr(named[name]) for name in given)
            detail = (
                f"C = {runs['C'][i]:g} is {factor[i]:.3g} times {runs.cost.k:g} N D (columns "
                f"{columns}, row {runs.rows[i]}: N = {runs['N'][i]:g}, D = {runs['D'][i]:g}); {n} row{'s' if n > 1 else ''} of "
                f"{len(runs)} differ{'' if n > 1 else 's'} more than {FAR:g} times"
            )
            problem = _rows(runs, named, "C", distant, detail)
            problems.append(problem)
        return problems
    ratio = np.log(_completed(runs, dict.fromkeys(given, 1.0)))
    apart = np.abs(ratio - np.median(ratio))
    alone = (apart > np.log(ALONE)) & (apart > 8 * np.median(apart))
    if alone.any() and alone.mean() < 0.3:
        i = int(np.argmax(apart))
        name = next((n for n in ("D", "N") if n in given), "C")
        detail = (
            f"{np.exp(ratio[i]):.3g} tokens per parameter in row {runs.rows[i]}, where the "
            f"median run has {np.exp(np.median(ratio)):.3g}: one of the two is in another unit"
        )
        problems.append(_rows(runs, named, name, alone, detail))
    return problems


def _amount(name: str, value: float) -> str:
    return flop(value) if name == "C" else count(value)


def _rows(
    runs: Observations,
    named: Mapping[str, str],
    name: str,
    at: np.ndarray,
    detail: str,
) -> Problem:
    """Say which rows are in another unit than the rest."""
    rows = tuple(runs.rows[at].tolist())
    return Problem(
        "units",
        Status.FAIL,
        detail,
        "correct the cells, or leave the rows out with --skip-rows",
        column=named[name],
        ours=name,
        rows=rows,
        values=tuple(f"{value:g}" for value in runs[name][at]),
        repair=ReadOptions(skip_rows=rows),
    )
