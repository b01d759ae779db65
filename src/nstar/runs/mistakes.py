"""Impossible values in a table of runs: refused, each with its remedy."""

from collections.abc import Mapping

import numpy as np

from nstar.runs.observations import Observations

C_FACTOR_STOP = 20.0  # C further from the FLOP convention than this is a mistake
PLAIN = {"N": 1e4, "D": 1e5, "C": 1e9}  # the largest run has more; units and logs less
WHAT = {"N": "parameters", "D": "tokens", "C": "FLOP"}
LOGS = {  # where base-10 and natural logarithms of real runs lie
    "N": ((5, 14), (11, 33)),
    "D": ((6, 16), (14, 38)),
    "C": ((13, 30), (30, 70)),
}
TOKENS_PER_PARAMETER = (1e-4, 1e6)  # the median run lies far inside


def refuse(runs: Observations, named: Mapping[str, str]) -> None:
    """Refuse values that no run can have.

    Raises:
        ValueError: N, D, C or a budget not positive and finite, a negative standard
            error, or N, D or C in billions or as logarithms.
    """
    for name in ("N", "D", "C", "budget", "se"):
        if name not in runs:
            continue
        usual = named.get("log10_D_se", name) if name == "se" else name
        column, values = named.get(name, usual), runs[name]
        _refuse_values(runs, name, column)
        if name in PLAIN and values.max() < PLAIN[name]:
            raise ValueError(_unit_message(runs, name, column, values))


def _refuse_values(runs: Observations, name: str, column: str) -> None:
    values = runs[name]
    may_be_empty = name in {"budget", "se"}
    gaps = np.isnan(values) & may_be_empty
    least = values >= 0 if name == "se" else values > 0
    bad = ~gaps & ~(np.isfinite(values) & least)
    if not bad.any():
        return
    i = int(np.argmax(bad))
    value = "an empty cell" if np.isnan(values[i]) else f"{values[i]:g}"
    kind = (
        "a standard error, finite and not negative"
        if name == "se"
        else "a positive finite count"
    )
    where = f"{column}>=0" if name == "se" else f"{column}>0"
    msg = (
        f"{runs.source}, row {runs.rows[i]}, column {column!r} ({name}): expected {kind}, "
        f"got {value} ({count(bad, 'such row')}); correct them or leave them out, as in "
        f"--where '{where}'"
    )
    raise ValueError(msg)


def count(rows: np.ndarray, noun: str) -> str:
    """Write how many rows a mask holds."""
    n = int(rows.sum())
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _unit_message(
    runs: Observations, name: str, column: str, values: np.ndarray
) -> str:
    return (
        f"{runs.source}, column {column!r} ({name}): expected plain counts of {WHAT[name]}, "
        f"got values from {values.min():g} to {values.max():g}, which look like "
        f"{_guess(name, column, values)}"
    )


def _guess(name: str, column: str, values: np.ndarray) -> str:
    fractional = name == "C" or bool(np.any(values % 1))
    low, high = values.min(), values.max()
    kinds = (
        ("base-10 logarithms", f"10**{column}"),
        ("natural logarithms", f"exp({column})"),
    )
    for (kind, expression), (least, most) in zip(kinds, LOGS[name], strict=True):
        if fractional and least <= low and high <= most:
            return f"{kind}; give {expression}, or the plain counts if they are in another unit"
    unit = (
        "petaFLOP-days or another unit" if name == "C" else "billions or another unit"
    )
    factor = "8.64e19" if name == "C" else "1e9"
    return f"{unit}; multiply {column} by {factor}, or by what its unit stands for"


def refuse_flop(runs: Observations, named: Mapping[str, str]) -> None:
    """Raise where C and N D cannot be of one run.

    Raises:
        ValueError: C is far from the FLOP convention.
    """
    ratio = runs["C"] / runs.cost.flop(runs["N"], runs["D"])
    distant = np.abs(np.log(ratio)) > np.log(C_FACTOR_STOP)
    if not distant.any():
        return
    i = int(np.argmax(np.abs(np.log(ratio))))
    columns = [named.get(n, n) for n in ("N", "D", "C")]
    msg = (
        f"{runs.source}, row {runs.rows[i]}, columns {columns}: C = {runs['C'][i]:g} is "
        f"{ratio[i]:.3g} times {runs.cost.k:g} N D (N = {runs['N'][i]:g}, D = "
        f"{runs['D'][i]:g}); {count(distant, 'row')} of {len(runs)} differ more than "
        f"{C_FACTOR_STOP:g} times. Correct the units of the three, leave C out, or state "
        f"the convention with --flop-per-param-token (the median here is "
        f"{np.median(ratio) * runs.cost.k:.3g})"
    )
    raise ValueError(msg)


def refuse_sizes(runs: Observations, named: Mapping[str, str]) -> None:
    """Raise where tokens per parameter show that N, D or C is in another unit.

    Raises:
        ValueError: the median run has absurdly many or few tokens per parameter.
    """
    ratio = float(np.median(runs["D"] / runs["N"]))
    if TOKENS_PER_PARAMETER[0] < ratio < TOKENS_PER_PARAMETER[1]:
        return
    given = [
        f"{n} = {np.median(runs[n]):.3g} ({named[n]!r})" for n in "NDC" if n in named
    ]
    derived = f"; {runs.derived}" if runs.derived else ""
    msg = (
        f"{runs.source}: the median run has {ratio:.3g} tokens per parameter, where "
        f"language models have 1 to 1000 (medians: {', '.join(given)}{derived}); expected "
        "plain counts, so multiply the column that is in thousands, millions or billions"
    )
    raise ValueError(msg)
