"""Nested cells as columns by path: config.model.params, results.arc_challenge.acc."""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

type Json = bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None
type Record = Mapping[str, Json]


def columns_of(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Lay records out as columns; a cell that a record has not is None."""
    flat = [_flatten(record) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    return {name: objects(record.get(name) for record in flat) for name in names}


def spread(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lay columns whose cells are objects, or their text, out as columns by path.

    Text is JSON, or a dict as Python writes it.  A path that is a column already is
    left to that column.
    """
    flat: dict[str, np.ndarray] = {}
    for name, cells in columns.items():
        records = _records(cells) if cells.dtype.kind in "OSU" else None
        if records is None:
            flat[name] = cells
            continue
        inner = columns_of([{name: record} for record in records])
        flat |= {n: c for n, c in inner.items() if n not in columns and n not in flat}
    return flat


def _records(cells: np.ndarray) -> list[Record] | None:
    """Read every filled cell as an object; None unless all of them are."""
    records: list[Record] = []
    for cell in cells:
        record = _object(cell)
        if record is None:
            return None
        records.append(record)
    return records if any(records) else None


def _object(cell: Json) -> Record | None:
    if isinstance(cell, Mapping):
        return cell
    text = "" if cell is None else str(cell).strip()
    if text in {"", "nan", "None"}:
        return {}
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = _python(text)
    return value if isinstance(value, Mapping) else None


def _python(text: str) -> Json:
    """Read a dict as Python writes it, as in {'lr': 0.1}; nothing is executed."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _flatten(record: Record, prefix: str = "") -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for key, value in record.items():
        path = prefix + _step(str(key), record)
        if isinstance(value, Mapping) and value.keys() <= {"value", "desc"}:
            value = value.get("value")  # as a tracker writes a setting
        if isinstance(value, Mapping):
            for name, inner in _flatten(value, f"{path}.").items():
                flat.setdefault(name, inner)
        elif isinstance(value, list | tuple):
            flat.setdefault(path, json.dumps(value, default=str))
        else:
            flat.setdefault(path, value)
    return flat


def _step(key: str, record: Record) -> str:
    """Write `acc,none` of an evaluation as `acc`, so that no path has a comma."""
    plain = key.removesuffix(",none").replace(",", ".")
    return plain if plain == key or plain not in record else key.replace(",", ".")


def objects(values: Iterable[Json]) -> np.ndarray:
    """Lay values out as an array of one dimension, whatever they are."""
    cells = list(values)
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array
