"""Which column is which: our names and their usual aliases; and cells as numbers."""

import difflib
import re
from collections.abc import Iterable, Mapping

import numpy as np

from nstar.files.tables import Table

ALIASES = {
    "N": ("params", "parameters", "n_params", "num_params", "model_size", "params_opt"),
    "D": ("tokens", "n_tokens", "num_tokens", "train_tokens", "tokens_opt"),
    "C": (
        "flops",
        "flop",
        "compute",
        "training_flops",
        "training_flop",
        "train_flops",
        "train_flop",
    ),
    "L": ("loss", "val_loss", "validation_loss", "eval_loss", "final_loss", "loss_opt"),
    "se": ("log_tokens_se",),
    "log10_D_se": ("log10_tokens_se",),  # in decades; kept in natural logs as `se`
    "budget": ("isoflop_budget", "nominal_flops"),
    "unique_tokens": ("tokens_unique", "n_unique_tokens"),
    "total_params": ("params_total", "total_parameters", "n_total_params"),
    "dense_tokens": ("tokens_dense", "parent_tokens"),
    "vocabulary_params": ("params_vocab", "vocab_params"),
    "weight_bits": ("w_bits", "bits_weights"),
    "activation_bits": ("a_bits", "bits_activations"),
    "sparsity": (),
    "P": ("parallel_streams",),
    "lr": ("learning_rate", "peak_lr", "max_lr"),
    "batch": ("batch_size", "bs", "bsz", "global_batch_size"),
    "run": ("run_id", "run_name"),
    "corpus": ("dataset",),
    "ladder": ("condition",),
}
GROUPS = ("ladder", "run", "corpus")
MEASURED = ("N", "D", "C", "L")  # no two of them can be one column
EMPTY = {"", "na", "n/a", "#n/a", "nan", "<na>", "nat", "none", "null"}
SHORT = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def name_columns(
    table: Table, chosen: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Map our names to the table's, by the user's map first, then by alias.

    Names that are not ours are kept: a law of the user's own may read them.

    Raises:
        ValueError: a named column is missing, our side of the map is an alias or a
            misspelling of a name of ours, or two columns answer to one name.
    """
    columns: dict[str, str] = {}
    for ours, theirs in (chosen or {}).items():
        _check_name(table, ours, theirs)
        if theirs not in table.columns:
            msg = f"{table.source}: no column {theirs!r} for {ours}; {suggest(theirs, table.columns)}"
            raise ValueError(msg)
        columns[ours] = theirs
    for ours, aliases in ALIASES.items():
        if ours in columns:
            continue
        matches = [
            name
            for alias in (ours, *aliases)
            for name in table.columns
            if name not in columns.values() and _same(name, alias, exact=len(ours) == 1)
        ]
        exact = [name for name in matches if name == ours]
        matches = exact or list(dict.fromkeys(matches))
        if len(matches) > 1 and ours not in GROUPS:
            msg = (
                f"{table.source}: columns {matches} could each be {ours}; "
                f"say which with columns={{{ours!r}: {matches[0]!r}}} or --columns {ours}={matches[0]}"
            )
            raise ValueError(msg)
        if matches:
            columns[ours] = matches[0]
    _check_distinct(table, columns)
    return columns


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest names, or list the known ones."""
    known = list(known)
    lower = {k.lower(): k for k in reversed(known)}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.4)
    if near:
        return f"did you mean {[lower[n] for n in near]}?"
    rest = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"there are {known[:12]}{rest}"


def _same(name: str, alias: str, *, exact: bool) -> bool:
    """Compare a header with an alias; `n` may be a number of anything, so not N."""
    if exact and len(alias) == 1:
        return name == alias
    return re.sub(r"[\s-]+", "_", name.strip().lower()) == alias.lower()


def _check_name(table: Table, ours: str, theirs: str) -> None:
    if ours in ALIASES:
        return
    intended = [
        n for n, aliases in ALIASES.items() if ours.lower() in (n.lower(), *aliases)
    ]
    near = intended or difflib.get_close_matches(ours, ALIASES, n=1, cutoff=0.75)
    if near:
        msg = (
            f"{table.source}: no column of ours is called {ours!r}; did you mean "
            f"{near[0]}={theirs}? (ours: {', '.join(ALIASES)})"
        )
        raise ValueError(msg)


def _check_distinct(table: Table, columns: Mapping[str, str]) -> None:
    names_of: dict[str, str] = {}
    for ours in MEASURED:
        theirs = columns.get(ours)
        if theirs in names_of:
            msg = (
                f"{table.source}: column {theirs!r} cannot be both {names_of[theirs]} and "
                f"{ours}; leave one out of the map"
            )
            raise ValueError(msg)
        if theirs is not None:
            names_of[theirs] = ours


def numbers(table: Table, ours: str, theirs: str) -> np.ndarray:
    """Read a column's cells as floats; an empty cell is NaN.

    Raises:
        ValueError: a cell is no number, naming its row and value.
    """
    cells = table.columns[theirs]
    if cells.dtype.kind in "fiu":
        return cells.astype(float)
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        text = _text(cell)
        if text.lower() in EMPTY:
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


def texts(table: Table, theirs: str) -> np.ndarray:
    """Read a column's cells as text; an empty cell is the empty text."""
    cells = [_text(cell) for cell in table.columns[theirs]]
    return np.array(["" if c.lower() in EMPTY else c for c in cells], dtype=str)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return (
        cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
    ).strip()


def _number_hint(text: str) -> str:
    if re.fullmatch(r"\d{1,3}([ ,'_\u00a0\u202f]\d{3})+(\.\d+)?", text):
        return f"; write it without thousands separators, {re.sub('[^0-9.]', '', text)}"
    if re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", text.lower()):
        return f"; write the decimal point as a point, {text.replace(',', '.')}"
    short = re.fullmatch(r"(\d+\.?\d*)\s*([kmbt])(illions?|n|rillions?)?", text.lower())
    if short:
        return f"; write the plain count, {float(short[1]) * SHORT[short[2]]:g}"
    if re.fullmatch(r"[\d.]+\s*%", text):
        return "; write it as a fraction of one"
    if re.fullmatch(r"[\d.]*\s*[x*×]?\s*10(\^|\*\*)\s*\d+", text):
        return "; write powers of ten as 1e21"
    if re.match(r"\d{4}-\d\d-\d\d", text) or text in {"True", "False"}:
        return "; is this the right column? Name another with --columns"
    return ""
