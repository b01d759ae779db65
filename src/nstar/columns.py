"""Which column is which: our names, their usual aliases, filters, and cells as numbers."""

import contextlib
import difflib
import re
from collections.abc import Mapping

import numpy as np

from nstar.tables import Table

ALIASES = {
    "N": ("params", "parameters", "n_params", "num_params", "model_size", "params_opt"),
    "D": ("tokens", "n_tokens", "num_tokens", "train_tokens", "tokens_opt"),
    "C": ("flops", "flop", "compute", "training_flops", "train_flops"),
    "L": ("loss", "val_loss", "validation_loss", "eval_loss", "final_loss", "loss_opt"),
    "se": ("log_tokens_se",),
    "budget": ("isoflop_budget", "nominal_flops"),
    "run": ("run_id", "run_name"),
    "corpus": ("dataset",),
    "ladder": ("condition",),
}
GROUPS = ("ladder", "run", "corpus")
LOG10_SE = "log10_tokens_se"  # a column in decades; kept in natural logs as `se`


def name_columns(
    table: Table, chosen: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Map our names to the table's, by the user's map first, then by alias.

    Raises:
        ValueError: a named column is missing, or two columns answer to one name.
    """
    have = {name.lower(): name for name in table.columns}
    found: dict[str, str] = {}
    for ours, theirs in (chosen or {}).items():
        if theirs not in table.columns:
            near = difflib.get_close_matches(theirs, table.columns, n=3, cutoff=0.4)
            msg = (
                f"{table.source}: no column {theirs!r} for {ours}; "
                f"did you mean {near or list(table.columns)}?"
            )
            raise ValueError(msg)
        found[ours] = theirs
    for ours, aliases in ALIASES.items():
        if ours in found:
            continue
        if ours in table.columns:
            found[ours] = ours
            continue
        hits = [have[a] for a in aliases if a in have and have[a] not in found.values()]
        if len(hits) > 1:
            msg = (
                f"{table.source}: columns {hits} could each be {ours}; "
                f"say which with columns={{{ours!r}: {hits[0]!r}}} or --columns {ours}={hits[0]}"
            )
            raise ValueError(msg)
        if hits:
            found[ours] = hits[0]
    return found


def numbers(table: Table, ours: str, theirs: str) -> np.ndarray:
    """Read a column's cells as floats; an empty cell is NaN.

    Raises:
        ValueError: a cell is no number, naming its row and value.
    """
    cells = table.columns[theirs]
    if np.issubdtype(cells.dtype, np.number) and cells.dtype != bool:
        return cells.astype(float)
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        text = "" if cell is None else str(cell).strip()
        if text.lower() in {"", "na", "nan", "none", "null"}:
            continue
        try:
            values[i] = float(text)
        except ValueError:
            msg = (
                f"{table.source}, row {table.rows[i]}, column {theirs!r} ({ours}): "
                f"expected a number such as 7e9, got {text!r}{_number_hint(text)}"
            )
            raise ValueError(msg) from None
    return values


def _number_hint(text: str) -> str:
    if re.fullmatch(r"[\d,]+(\.\d+)?", text):
        return "; write it without thousands separators"
    if re.fullmatch(r"[\d.]+\s*[kKmMbBtT]", text):
        return "; write the plain count, 7e9 for 7B"
    return ""


CONDITION = re.compile(r"^\s*([^=!<>]+?)\s*(==|=|!=|<=|>=|<|>)\s*(.*?)\s*$")


def where(table: Table, conditions: list[str]) -> Table:
    """Keep the rows for which every condition, as in `col=value` or `col<=1e20`, holds.

    Raises:
        ValueError: a condition cannot be read, names no column, or leaves no row.
    """
    for condition in conditions:
        match = CONDITION.match(condition)
        if match is None:
            msg = f"filter {condition!r}: expected col=value, col!=value, col<x, col<=x, col>x or col>=x"
            raise ValueError(msg)
        name, sign, value = match.groups()
        if name not in table.columns:
            near = difflib.get_close_matches(name, table.columns, n=3, cutoff=0.4)
            msg = f"filter {condition!r}: {table.source} has no column {name!r}; did you mean {near or list(table.columns)}?"
            raise ValueError(msg)
        keep = _holds(table, name, sign, value)
        if not keep.any():
            seen = list(dict.fromkeys(str(c) for c in table.columns[name]))[:8]
            msg = f"filter {condition!r} leaves no row of {table.source}; values seen in {name!r}: {seen}"
            raise ValueError(msg)
        table = table.take(keep)
    return table


def _holds(table: Table, name: str, sign: str, value: str) -> np.ndarray:
    cells = np.array([str(c) for c in table.columns[name]])
    if sign in {"=", "==", "!="}:
        equal = cells == value
        with contextlib.suppress(ValueError):  # text compares as text
            equal |= numbers(table, name, name) == float(value)
        return ~equal if sign == "!=" else equal
    try:
        bound = float(value)
    except ValueError:
        msg = f"filter {name}{sign}{value}: expected a number after {sign}"
        raise ValueError(msg) from None
    column = numbers(table, name, name)
    compare = {
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }
    return compare[sign](column, bound)
