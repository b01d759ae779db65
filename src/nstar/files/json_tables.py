"""Tables in JSON: a record a line, a list of records, or an object of columns."""

import json
from collections.abc import Sequence

import numpy as np

from nstar.files.nested import Json, Record, columns_of

SHOWN = 8  # lines that a message names


def read_lines(text: str, source: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Read a record a line.

    Returns:
        Columns by path, and the line of each record.

    Raises:
        ValueError: lines are no JSON, or no objects; all of them are named.
    """
    numbered = [
        (i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()
    ]
    records: list[Record] = []
    bad = []
    for i, line in numbered:
        try:
            record = json.loads(line)
        except ValueError as error:
            bad.append(f"{i} ({error})")
            continue
        if isinstance(record, dict):
            records.append(record)
        else:
            bad.append(f"{i} (no object in braces)")
    if bad:
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        msg = f"{source}: expected one JSON object a line, but not so are lines {', '.join(bad[:SHOWN])}{more}"
        raise ValueError(msg)
    return columns_of(records), np.array([i for i, _ in numbered])


def read_document(text: str, source: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Read a list of records, an object of columns as pandas writes it, or one record.

    Returns:
        Columns by path, and the number of each record from 1.

    Raises:
        ValueError: it is no JSON, or of another form.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith("{") and "\n{" in text.strip():
            return read_lines(text, source)
        msg = f"{source}: not readable as JSON ({error})"
        raise ValueError(msg) from error
    records = _records(document)
    if records is None:
        msg = f"{source}: expected a list of JSON objects, one a run, or an object of columns"
        raise ValueError(msg)
    return columns_of(records), np.arange(1, len(records) + 1)


def _records(document: Json) -> Sequence[Record] | None:
    if isinstance(document, list):
        records = [record for record in document if isinstance(record, dict)]
        return records if len(records) == len(document) else None
    if not isinstance(document, dict) or not document:
        return None
    if isinstance(inner := document.get("data"), list):
        return _records(inner)
    columns = {str(name): _cells(column) for name, column in document.items()}
    keys = next(iter(columns.values())).keys()
    if keys and all(column.keys() == keys for column in columns.values()):
        return [{n: column[key] for n, column in columns.items()} for key in keys]
    return [{str(name): value for name, value in document.items()}]


def _cells(column: Json) -> Record:
    """Take a column of an object by row, as pandas writes it; empty if it is none."""
    if isinstance(column, list):
        return {str(i): cell for i, cell in enumerate(column)}
    if isinstance(column, dict) and "0" in column:
        return {str(key): cell for key, cell in column.items()}
    return {}
