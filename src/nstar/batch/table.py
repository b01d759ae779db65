"""The table of a batch: typed columns, a digest of what they say, its file, and CSV."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nstar.files.writing import write_whole
from nstar.fits.certificates import Certificate

DATED = ("seconds", "made_with")  # columns that tell of the making, not of the fit
SCHEMA = b"nstar_batch_sha256"  # of the contents, in the file's metadata
PARTIAL = b"nstar_batch_partial"  # there where fits were left for later
FIRST = (
    "fit",
    "name",
    "chunk",
    "ladder",
    "law",
    "noise",
    "discrepancy",
    "priors",
    "seed",
    "resample",
    "sample",
    "runs",
    "C_min",
    "C_max",
    "params_counted",
    "loss_unit",
    *Certificate._fields,
    "prob",
)
LAST = (*DATED, "draws_sha256")
COUNTS = {"seed", "runs", "divergences", "held_out_runs"}


def as_table(columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Type columns: text, counts, whether it passed, and numbers."""
    return pa.table({name: _column(name, values) for name, values in columns.items()})


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    if name == "passed":
        return pa.array(values, pa.bool_())
    if name in COUNTS:
        return pa.array(values, pa.int64())
    if any(isinstance(v, str) for v in values):
        return pa.array(values, pa.string())
    numbers = [None if v is None or not np.isfinite(v) else float(v) for v in values]
    return pa.array(numbers, pa.float64())


def ordered(table: pa.Table) -> pa.Table:
    """Put columns in one order: what a fit is of, how it went, quantities by name."""
    names = sorted(set(table.column_names) - {*FIRST, *LAST})
    there = [n for n in (*FIRST, *names, *LAST) if n in table.column_names]
    return table.select(there)


def digest_of(table: pa.Table) -> str:
    """Hash what a table says."""
    found = hashlib.sha256()
    for name in table.column_names:
        found.update(f"{name}\0{table[name].to_pylist()!r}".encode())
    return found.hexdigest()


def undated(table: pa.Table) -> pa.Table:
    """Drop the columns that tell of the making: the rest is the same whenever it is made."""
    return table.drop_columns([n for n in DATED if n in table.column_names])


def csv_text(table: pa.Table) -> str:
    """Write CSV: numbers to seven digits, nothing for what is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    columns = [
        [_cell(v) for v in table[name].to_pylist()] for name in table.column_names
    ]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def read_table(path: Path) -> pa.Table | None:
    """Read the table of a batch; none where there is none.

    Raises:
        ValueError: it was cut short or edited.
    """
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        said = (table.schema.metadata or {}).get(SCHEMA, b"").decode()
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(path, str(error).splitlines()[0]) from error
    if digest_of(table) != said:
        raise damaged(path, "its digest is another")
    return table


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table whole or not at all."""
    held = pa.BufferOutputStream()
    pq.write_table(table, held)
    write_whole(path, held.getvalue().to_pybytes())


def damaged(path: Path, why: str) -> ValueError:
    """Refuse a file of the store."""
    return ValueError(
        f"{path}: does not match what was written ({why}); it was cut short or edited. --remake fits again what it held"
    )
