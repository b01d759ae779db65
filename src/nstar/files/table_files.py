"""Tables in files: CSV with comma, semicolon or tab, JSON and Parquet."""

import csv
import difflib
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nstar.files.json_tables import read_document, read_lines
from nstar.files.nested import objects, spread
from nstar.files.tables import Table, check_repeats

SHOWN = 8  # rows that a message names
FIRST_ROW = 1  # of a CSV is its header, as spreadsheets number it
UNNAMED = re.compile(r"(Unnamed: \d+)?")  # an index that pandas wrote


def read(path: Path, source: str | None = None) -> Table:
    """Read a CSV (comma, semicolon or tab), JSON or Parquet file.

    Cells that are objects, or their text, become columns by path: config.model.params.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, is empty, has no header, repeats a column, has a row
            of another length, is not text in UTF-8, is cut short, or is of a kind that
            is not read.
    """
    source = source or str(path)
    if path.is_dir():
        msg = f"{source}: is a folder; expected a .csv, .tsv, .jsonl, .json or .parquet file"
        raise ValueError(msg)
    require_file(path, source)
    kind = path.suffix.lower()
    known = {".parquet": _parquet, ".pq": _parquet}
    known |= dict.fromkeys((".csv", ".tsv", ".txt"), _csv)
    known |= {".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines}
    if kind not in known:
        msg = (
            f"{source}: expected a .csv, .tsv, .jsonl, .json or .parquet file, got "
            f"{path.suffix or 'no suffix'}; save the table as CSV"
        )
        raise ValueError(msg)
    try:
        raw = path.read_bytes()
    except OSError as error:
        msg = f"{source}: cannot be read ({error.strerror})"
        raise ValueError(msg) from error
    if not raw.strip():
        msg = f"{source}: the file is empty; expected a header and one row per run"
        raise ValueError(msg)
    return known[kind](raw, source)


def require_file(path: Path, source: str) -> None:
    """Refuse the path of a file that is not there.

    Raises:
        FileNotFoundError: naming the nearest of its folder.
    """
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=3)
        hint = f"; did you mean {near}?" if near else ""
        msg = f"{source}: no such file{hint}"
        raise FileNotFoundError(msg)


def _csv(raw: bytes, source: str) -> Table:
    text = _uncommented(_decoded(raw, source))
    delimiter = _delimiter(text)
    lines = _lines(text, delimiter, source)
    first = next((i for i, line in enumerate(lines) if any(line)), None)
    if first is None:
        msg = f"{source}: the file is empty; expected a header and one row per run"
        raise ValueError(msg)
    header, row = lines[first], first + FIRST_ROW
    _check_header(f"{source}, row {row}", header)
    body = [(i, line) for i, line in enumerate(lines, FIRST_ROW) if any(line)][1:]
    if not body:
        msg = f"{source}: a header but no runs; expected one row per run"
        raise ValueError(msg)
    _check_lengths(source, len(header), body)
    columns = {
        name: np.array([line[j] for _, line in body], dtype=object)
        for j, name in enumerate(header)
        if not UNNAMED.fullmatch(name)
    }
    rows = np.array([i for i, _ in body])
    digest = hashlib.sha256(raw).hexdigest()
    return Table(source, spread(columns), rows, digest, semicolons=delimiter == ";")


def _check_lengths(
    source: str, expected: int, body: Sequence[tuple[int, Sequence[str]]]
) -> None:
    """Require that every row has as many cells as the header."""
    ragged = {i: len(line) for i, line in body if len(line) != expected}
    if ragged:
        rows, counts = ([*map(str, part)] for part in (ragged, ragged.values()))
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        msg = (
            f"{source}, row{'s' if len(rows) > 1 else ''} {', '.join(rows[:SHOWN])}{more}: "
            f"expected {expected} cells as in the header, got "
            f"{', '.join(dict.fromkeys(counts))}; quote cells that hold the delimiter, and "
            "write numbers without thousands separators and decimal commas"
        )
        raise ValueError(msg)


def _json(raw: bytes, source: str) -> Table:
    return _of_records(read_document(_decoded(raw, source), source), raw, source)


def _json_lines(raw: bytes, source: str) -> Table:
    return _of_records(read_lines(_decoded(raw, source), source), raw, source)


def _of_records(
    records: tuple[dict[str, np.ndarray], np.ndarray], raw: bytes, source: str
) -> Table:
    columns, rows = records
    if not columns:
        msg = f"{source}: no runs; expected one object per run"
        raise ValueError(msg)
    return Table(source, columns, rows, hashlib.sha256(raw).hexdigest())


def _decoded(raw: bytes, source: str) -> str:
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:1000]
    if wide:
        msg = f"{source}: expected text in UTF-8, but this looks like UTF-16 or no text at all; save it as UTF-8 CSV"
        raise ValueError(msg)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + FIRST_ROW
        msg = (
            f"{source}, row {row}: expected text in UTF-8, but byte {raw[error.start]:#04x} "
            "is not; save it as UTF-8 CSV"
        )
        raise ValueError(msg) from error


def _uncommented(text: str) -> str:
    """Blank the lines above the header that begin with a hash, so that rows keep numbers.

    The last of them is the header where numbers follow it, as NumPy writes one.
    """
    if not text.lstrip().startswith("#"):
        return text
    lines = text.splitlines()
    first = next(
        (i for i, line in enumerate(lines) if line.strip()[:1] not in {"", "#"}), 0
    )
    cells = re.split(r"[,;\t]", lines[first])
    above = [""] * first
    if 2 * sum(map(_is_number, cells)) >= len(cells):
        last = max(i for i in range(first) if lines[i].strip())
        above[last] = lines[last].strip().lstrip("# ")
    return "\n".join([*above, *lines[first:]])


def _delimiter(text: str) -> str:
    head = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=head.count)


def _lines(text: str, delimiter: str, source: str) -> list[list[str]]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True
    )
    try:
        return [[cell.strip() for cell in line] for line in reader]
    except csv.Error as error:
        msg = f"{source}, near row {reader.line_num}: not readable as CSV ({error}); check its quotes"
        raise ValueError(msg) from error


def _check_header(place: str, header: list[str]) -> None:
    named = [name for name in header if not UNNAMED.fullmatch(name)]
    if not named or 2 * sum(map(_is_number, named)) >= len(named):
        msg = f"{place}: expected a header with column names, got {header}"
        raise ValueError(msg)
    check_repeats(place, named)


def _parquet(raw: bytes, source: str) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(raw))
        check_repeats(source, file.schema_arrow.names)
        table = file.read()
        columns = {
            name: objects(table[name].to_pylist())
            if pyarrow.types.is_nested(table.schema.field(name).type)
            else table[name].to_numpy(zero_copy_only=False)
            for name in table.column_names
            if not UNNAMED.fullmatch(name)
        }
    except (pyarrow.ArrowException, OSError) as error:
        msg = f"{source}: not a readable Parquet file, cut short or of another kind ({error})"
        raise ValueError(msg) from error
    if table.num_rows == 0:
        msg = f"{source}: no runs; expected one row per run"
        raise ValueError(msg)
    rows = np.arange(1, table.num_rows + 1)
    return Table(source, spread(columns), rows, hashlib.sha256(raw).hexdigest())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
