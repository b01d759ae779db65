"""Mistakes of file, header and row, and the same table in other clothes."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nstar.files import table_files, tables

GOOD = b"params,tokens,loss\n1e8,2e9,3.1\n2e8,4e9,2.9\n"
FILES: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "empty": ("a.csv", b"", ("a.csv", "empty", "header and one row per run")),
    "blank": ("a.csv", b"\n  \n", ("empty",)),
    "only a mark": ("a.csv", b"\xef\xbb\xbf\n", ("empty",)),
    "header only": ("a.csv", b"params,tokens\n", ("a header but no runs",)),
    "no header": (
        "a.csv",
        b"1e8,2e9,3.1\n2e8,4e9,2.9\n",
        ("row 1", "expected a header", "1e8"),
    ),
    "no header, named runs": (
        "a.csv",
        b"a,1e8,3.1\nb,2e8,2.9\n",
        ("row 1", "expected a header"),
    ),
    "repeated column": (
        "a.csv",
        b"loss,N,loss\n1,2,3\n",
        ("row 1", "repeats ['loss']", "rename"),
    ),
    "short row": (
        "a.csv",
        b"N,D,L\n1,2,3\n\n1,2\n",
        ("row 4", "expected 3 cells", "got 2"),
    ),
    "long row": (
        "a.csv",
        b"N,D,L\n1,000,2,3\n",
        ("row 2", "expected 3 cells", "got 4", "thousands"),
    ),
    "open quote": (
        "a.csv",
        b'N,D,L\n1,"2,3\n4,5,6\n',
        ("row 2", "expected 3 cells", "quote"),
    ),
    "huge cell": (
        "a.csv",
        b'N,D,L\n1,"' + b"2" * 140_000 + b'",3\n',
        ("not readable as CSV", "quotes"),
    ),
    "utf-16": (
        "a.csv",
        GOOD.decode().encode("utf-16"),
        ("UTF-16", "save it as UTF-8 CSV"),
    ),
    "utf-16 without a mark": (
        "a.csv",
        GOOD.decode().encode("utf-16-le"),
        ("UTF-16", "UTF-8"),
    ),
    "latin-1": (
        "a.csv",
        GOOD + "3e8,4e9,é\n".encode("latin-1"),
        ("row 4", "0xe9", "save it as UTF-8 CSV"),
    ),
    "spreadsheet": (
        "a.xlsx",
        b"PK\x03\x04",
        (".xlsx", "expected a .csv", "save the table as CSV"),
    ),
    "renamed spreadsheet": (
        "a.csv",
        b"PK\x03\x04\x14\x00\x06\x00",
        ("no text", "UTF-8 CSV"),
    ),
    "no suffix": ("runs", GOOD, ("got no suffix", "expected a .csv")),
    "text named parquet": (
        "a.parquet",
        GOOD,
        ("a.parquet", "not a readable Parquet file"),
    ),
    "empty parquet": ("a.parquet", b"", ("empty",)),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_with_place_and_remedy(case, tmp_path):
    name, raw, fragments = FILES[case]
    path = tmp_path / name
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=re.escape(name)) as caught:
        table_files.read(path)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_missing_file_is_named_with_its_neighbours(tmp_path):
    (tmp_path / "ladder.csv").write_bytes(GOOD)
    with pytest.raises(FileNotFoundError, match=r"lader.csv: no such file.*ladder.csv"):
        table_files.read(tmp_path / "lader.csv")
    with pytest.raises(FileNotFoundError, match="no such file"):
        table_files.read(tmp_path / "nowhere" / "ladder.csv")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="is a folder; expected"):
        table_files.read(tmp_path)


def _parquet(path: Path) -> Path:
    pq.write_table(pa.table({"params": np.arange(1e5), "loss": np.arange(1e5)}), path)
    return path


@pytest.mark.parametrize("share", [0.0001, 0.5, 0.999])
def test_a_truncated_parquet_file_is_refused(share, tmp_path):
    path = _parquet(tmp_path / "a.parquet")
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(ValueError, match=r"a\.parquet: .*(cut short|empty)"):
        table_files.read(path)


def test_parquet_without_rows_or_with_repeated_columns_is_refused(tmp_path):
    pq.write_table(pa.table({"params": pa.array([], pa.float64())}), tmp_path / "a.pq")
    with pytest.raises(ValueError, match="no runs"):
        table_files.read(tmp_path / "a.pq")
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["N", "N"])
    pq.write_table(twice, tmp_path / "b.pq")
    with pytest.raises(ValueError, match=r"repeats \['N'\]"):
        table_files.read(tmp_path / "b.pq")


CLOTHES = {
    "plain": GOOD,
    "semicolons": GOOD.replace(b",", b";"),
    "tabs": GOOD.replace(b",", b"\t"),
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "windows lines": GOOD.replace(b"\n", b"\r\n"),
    "old lines": GOOD.replace(b"\n", b"\r"),
    "trailing spaces": GOOD.replace(b",", b" , ").replace(b"\n", b"  \n"),
    "quoted": b'"params", "tokens","loss"\n"1e8","2e9", "3.1"\n2e8,4e9,2.9',
    "an index from pandas": b",params,tokens,loss\n0,1e8,2e9,3.1\n1,2e8,4e9,2.9\n",
    "a trailing delimiter": b"params,tokens,loss,\n1e8,2e9,3.1,\n2e8,4e9,2.9,\n",
}


@pytest.mark.parametrize("clothes", CLOTHES)
def test_a_good_file_is_the_same_in_any_clothes(clothes, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(CLOTHES[clothes])
    table = table_files.read(path)
    assert list(table.columns) == ["params", "tokens", "loss"]
    values = [[float(cell) for cell in cells] for cells in table.columns.values()]
    assert values == [[1e8, 2e8], [2e9, 4e9], [3.1, 2.9]]
    assert table.rows.tolist() == [2, 3]


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\nN,note\n1,"two\nlines"\n\n , \n2,x\n')
    table = table_files.read(path)
    assert table.rows.tolist() == [3, 6]
    assert table.columns["note"].tolist() == ["two\nlines", "x"]


FRAMES = {
    "nothing": (lambda: {}, ValueError, ("expected columns of one length",)),
    "no rows": (lambda: {"N": []}, ValueError, ("no runs", "one row per run")),
    "no rows in a frame": (
        lambda: pl.DataFrame({"N": []}),
        ValueError,
        ("polars frame", "no runs"),
    ),
    "lengths differ": (
        lambda: {"N": [1, 2], "D": [1]},
        ValueError,
        ("one length", "'N': 2", "'D': 1"),
    ),
    "two-dimensional": (
        lambda: {"N": np.ones((2, 2))},
        ValueError,
        ("'N'", "flat", "(2, 2)"),
    ),
    "ragged": (lambda: {"N": [[1], [2, 3]]}, ValueError, ("'N'", "flat")),
    "names alike as text": (lambda: {1: [1], "1": [2]}, ValueError, ("repeat",)),
    "columns alike": (
        lambda: pd.DataFrame([[1, 2]], columns=["N", "N"]),
        ValueError,
        ("N",),
    ),
    "a number": (lambda: 7, TypeError, ("got int", "dict of arrays")),
    "none": (lambda: None, TypeError, ("got NoneType", "data set")),
    "a list of records": (lambda: [{"N": 1}], TypeError, ("got list",)),
    "a matrix": (lambda: np.ones((2, 2)), TypeError, ("got ndarray",)),
    "lazy": (lambda: pl.LazyFrame({"N": [1]}), TypeError, ("LazyFrame", "collected")),
}


@pytest.mark.parametrize("case", FRAMES)
def test_a_bad_frame_is_refused_with_a_reason(case):
    make, kind, fragments = FRAMES[case]
    with pytest.raises(kind) as caught:
        tables.from_columns(make())
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_masked_cells_stay_empty():
    masked = np.ma.masked_array([1.0, 999.0], mask=[False, True])
    assert tables.from_columns({"N": masked}).columns["N"].tolist() == [1.0, None]
