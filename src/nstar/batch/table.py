"""The table of a batch: typed columns in one order, Parquet with a digest, CSV, and records."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nstar.batch import digests
from nstar.batch.estimates import EDGE, Estimate, Quantity
from nstar.files.writing import write_atomically
from nstar.fits.certificates import Certificate

DATED = ("seconds", "made_with")  # columns that tell of the making, not of the fit
DIGEST = b"nstar_batch_sha256"  # of the contents, in the file's metadata
PARTIAL = b"nstar_batch_partial"  # there where fits were left for later
SEAL = "draws_sha256"  # column: digest of the draws of a row's chunk
CHOICE = ("law", "noise", "discrepancy", "priors", "seed")
WHOLE, POOLED, HELD_OUT = "none", "pooled", "hold out"  # of `resample`
FIRST = (
    "fit",
    "name",
    "chunk",
    "ladder",
    *CHOICE,
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
SCORES = tuple(
    f"held_out_{n}"
    for n in ("runs", "coverage_90", "crps", "rmse", "bias", "by_chance")
)
LAST = (*DATED, SEAL)
COUNTS = {"seed", "runs", "divergences", "held_out_runs"}

type Cell = str | float | bool | None
type Record = dict[str, Any]


def as_table(columns: Mapping[str, Sequence[Cell]]) -> pa.Table:
    """Type columns: text, counts, whether it passed, and numbers."""
    return pa.table({name: _column(name, values) for name, values in columns.items()})


def _column(name: str, values: Sequence[Cell]) -> pa.Array:
    if name == "passed":
        return pa.array(values, pa.bool_())
    if name in COUNTS:
        return pa.array(values, pa.int64())
    if any(isinstance(v, str) for v in values):
        return pa.array(values, pa.string())
    numbers = np.array(values, float)  # None is NaN
    return pa.array(numbers, pa.float64(), mask=~np.isfinite(numbers))


def ordered(table: pa.Table) -> pa.Table:
    """Put columns in one order: what a fit is of, how it went, quantities by name."""
    names = sorted(set(table.column_names) - {*FIRST, *LAST})
    return table.select([n for n in (*FIRST, *names, *LAST) if n in table.column_names])


def undated(table: pa.Table) -> pa.Table:
    """Drop the columns that tell of the making: the rest is the same whenever it is made."""
    return table.drop_columns([n for n in DATED if n in table.column_names])


def csv_text(table: pa.Table) -> str:
    """Write CSV: numbers to seven digits, nothing for what is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    columns = [map(_cell, table[name].to_pylist()) for name in table.column_names]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def _cell(value: Cell) -> str:
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
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(path, str(error).splitlines()[0]) from error
    if digests.of_table(table) != digest_of(table):
        raise damaged(path, "its digest is another")
    return table


def digest_of(table: pa.Table) -> str:
    """Read the digest that was written with a table; nothing where there is none."""
    return (table.schema.metadata or {}).get(DIGEST, b"").decode()


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table whole or not at all."""
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    write_atomically(path, buffer.getvalue().to_pybytes())


def damaged(path: Path, why: str) -> ValueError:
    """Refuse a file of the store."""
    return ValueError(
        f"{path}: does not match what was written ({why}); it was cut short or edited. --remake fits again what it held"
    )


def records(table: pa.Table, quantities: Sequence[Quantity]) -> list[Record]:
    """Read a table's rows: what each fit is of, how it went, and what it estimates.

    Args:
        table: of a batch.
        quantities: what is read of it; nothing of a fit that did not pass.

    Returns:
        A record a fit: its columns by name, None where the table has them not; under
        `estimates` an `Estimate` by key of its quantity, under `edges` the part of its
        draws whose optimum ends the search, by budget.
    """
    edges = {m[1]: m[0] for n in table.column_names if (m := EDGE.match(n))}
    return [_record(row, quantities, edges) for row in table.to_pylist()]


def _record(
    row: Record, quantities: Sequence[Quantity], edges: Mapping[str, str]
) -> Record:
    each = {q.key: Estimate(*map(row.get, q.columns)) for q in quantities}
    given = {k: e for k, e in each.items() if row["passed"] and e.median is not None}
    parts = {C: row[name] for C, name in edges.items() if row[name] is not None}
    columns = {n: row.get(n) for n in (*FIRST, *SCORES)}
    return columns | {"edges": parts, "estimates": given}


def of_all_runs(record: Record) -> bool:
    """Say whether a fit is to all runs of its ladder, alone or pooled with others."""
    return record["resample"] in (WHOLE, POOLED)


def key_of(record: Record) -> tuple[Any, ...]:
    """Tell apart ladders and choices, not resamples."""
    return record["ladder"], *(record[n] for n in CHOICE)


def choice_of(record: Record) -> Record:
    """Pick the ladder and the choice of a record."""
    return {n: record[n] for n in ("ladder", *CHOICE)}


def choice_words(record: Mapping[str, Any], varying: Iterable[str] = CHOICE) -> str:
    """Name a choice by what varies in the batch.

    Args:
        record: anything with the keys of a choice.
        varying: keys to name; discrepancy, priors and seed only where they are not the usual.
    """
    varying = set(varying)
    usual = {"discrepancy": "none", "priors": "weak", "seed": 0}
    names = {
        n: f"{record[n]}".replace("_", "-") for n in ("law", "noise", "discrepancy")
    }
    names |= {"priors": f"{record['priors']} priors", "seed": f"seed {record['seed']}"}
    parts = [names[n] for n in CHOICE if n in varying and record[n] != usual.get(n)]
    return " · ".join([*parts, *(["pooled"] if record.get("pooled") else [])])


def varying(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Find the parts of a choice that are not the same throughout."""
    records = list(records)
    return [n for n in CHOICE if len({record[n] for record in records}) > 1]
