"""A table of any kind, as columns of cells that know where they came from."""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HEADER_ROWS = 1  # a CSV's first run is row 2, as spreadsheets number it


@dataclass(frozen=True)
class Table:
    """Columns as read, before anything is known of their meaning."""

    source: str  # file, data set or kind of frame, for messages
    columns: dict[str, np.ndarray]
    rows: np.ndarray  # number of each row in its source
    sha256: str

    def __len__(self) -> int:
        """Count the rows."""
        return self.rows.size

    def take(self, keep: np.ndarray) -> "Table":
        """Keep the rows of a mask or an index."""
        columns = {name: cells[keep] for name, cells in self.columns.items()}
        return Table(self.source, columns, self.rows[keep], self.sha256)


def read(path: Path, source: str | None = None) -> Table:
    """Read a CSV (comma, semicolon or tab) or Parquet file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, has no header, repeats a column, has a row of another
            length, is not text in UTF-8, or is of a kind that is not read.
    """
    source = source or str(path)
    if not path.is_file():
        msg = f"{source}: no such file"
        raise FileNotFoundError(msg)
    kind = path.suffix.lower()
    if kind in {".parquet", ".pq"}:
        return _parquet(path, source)
    if kind in {".csv", ".tsv", ".txt"}:
        return _csv(path, source)
    msg = f"{source}: expected a .csv, .tsv or .parquet file, got {path.suffix or 'no suffix'}"
    raise ValueError(msg)


def from_columns(columns: Mapping[str, Any], source: str = "columns") -> Table:
    """Take a dict of arrays, or any pandas, polars or Arrow frame.

    Raises:
        ValueError: columns differ in length, or there are none.
        TypeError: it is no table that narwhals knows.
    """
    if not isinstance(columns, Mapping):
        import narwhals as nw

        frame = nw.from_native(columns, eager_only=True)
        source = f"{type(columns).__module__.split('.')[0]} frame"
        columns = {name: frame[name].to_numpy() for name in frame.columns}
    arrays = {str(name): np.atleast_1d(np.asarray(c)) for name, c in columns.items()}
    lengths = {name: c.shape for name, c in arrays.items()}
    if len(set(lengths.values())) != 1 or len(next(iter(lengths.values()))) != 1:
        msg = f"{source}: expected flat columns of one length, got {lengths}"
        raise ValueError(msg)
    n = len(next(iter(arrays.values())))
    digest = hashlib.sha256()
    for name, cells in arrays.items():
        digest.update(repr((name, cells.tolist())).encode())
    return Table(source, arrays, np.arange(1, n + 1), digest.hexdigest())


def _csv(path: Path, source: str) -> Table:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{source}: expected text in UTF-8, but byte {error.start} is not; save it as UTF-8 CSV"
        raise ValueError(msg) from error
    if not text.strip():
        msg = f"{source}: the file is empty; expected a header and one row per run"
        raise ValueError(msg)
    head = text.splitlines()[0]
    delimiter = max(",;\t", key=head.count)
    lines = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    header = [name.strip() for name in lines[0]]
    body = [(i, line) for i, line in enumerate(lines[1:], 1 + HEADER_ROWS) if any(line)]
    _check_header(source, header)
    if not body:
        msg = f"{source}: a header but no runs; expected one row per run"
        raise ValueError(msg)
    for i, line in body:
        if len(line) != len(header):
            msg = f"{source}, row {i}: expected {len(header)} cells as in the header, got {len(line)}"
            raise ValueError(msg)
    columns = {
        name: np.array([line[j].strip() for _, line in body], dtype=object)
        for j, name in enumerate(header)
    }
    rows = np.array([i for i, _ in body])
    return Table(source, columns, rows, hashlib.sha256(raw).hexdigest())


def _check_header(source: str, header: list[str]) -> None:
    if all(_is_number(name) for name in header):
        msg = f"{source}, row 1: expected a header with column names, got {header}"
        raise ValueError(msg)
    repeated = {name for name in header if header.count(name) > 1}
    if repeated:
        msg = f"{source}, row 1: the header repeats {sorted(repeated)}; rename one of each"
        raise ValueError(msg)


def _parquet(path: Path, source: str) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        msg = f"{source}: not a readable Parquet file ({error})"
        raise ValueError(msg) from error
    if table.num_rows == 0:
        msg = f"{source}: no runs; expected one row per run"
        raise ValueError(msg)
    columns = {
        name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names
    }
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Table(source, columns, np.arange(1, table.num_rows + 1), digest)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
