"""The results of a batch on disk: one table and one file of draws, by chunks.

`chunks/` holds what a run has finished; once all is there it is put together into
`fits.parquet` and `draws.nc`, each whole or not at all, and only then `chunks/` goes.  What
of the batch before is not of this one stays in `spare/` until the next change: a table that
cannot be reached for a night costs no fits.  A chunk is looked for in all three, so that a
run killed at any instant loses nothing.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nstar.batch import parts
from nstar.batch.table import (
    FIRST,
    SCHEMA,
    as_table,
    csv_text,
    digest_of,
    ordered,
    undated,
)
from nstar.batch.work import Part
from nstar.files.writing import write_whole

TABLE, DRAWS, CHUNKS, BEFORE = "fits.parquet", "draws.nc", "chunks", "previous.parquet"
AS_CSV = "fits.csv"
SPARE = "spare"  # chunks of the batch before that are not of this one
FORGOTTEN = ".fresh"  # says that the table's chunks are to be made again


class Store:
    """A folder of results."""

    def __init__(self, folder: Path, *, table: bool = True) -> None:
        """Look into a folder, which need not be there yet; into its table if asked.

        Raises:
            ValueError: its table was cut short or edited.
        """
        self.folder = folder
        self.table = read_table(folder / TABLE) if table else None
        names = self.table["chunk"].to_pylist() if self.table else []
        self.forgotten = _lines(folder / FORGOTTEN)
        self.rows = {n: at for n, at in _spans(names).items() if n not in self.forgotten}  # fmt: skip

    def has(self, chunk: str) -> bool:
        """Say whether a chunk is finished."""
        return self._file(chunk) is not None or chunk in self.rows

    def _file(self, chunk: str) -> Path | None:
        files = (self.folder / place / f"{chunk}.npz" for place in (CHUNKS, SPARE))
        return next((file for file in files if file.is_file()), None)

    def part(self, chunk: str) -> Part:
        """Read a finished chunk.

        Raises:
            ValueError: a file was cut short or edited.
        """
        if (file := self._file(chunk)) is not None:
            return parts.take(file)
        assert self.table is not None  # noqa: S101  it was asked whether there is one
        start, stop = self.rows[chunk]
        table = self.table.slice(start, stop - start)
        seal = table["draws_sha256"][0].as_py()
        columns = {n: table[n].to_pylist() for n in table.column_names if n != "draws_sha256"}  # fmt: skip
        columns = {n: v for n, v in columns.items() if n in FIRST or any(x is not None for x in v)}  # fmt: skip
        draws = self._draws(columns["fit"]) if seal else {}
        if seal and parts.sealed(draws) != seal:
            raise damaged(self.folder / DRAWS, "the draws are not those that the table tells of")  # fmt: skip
        return Part(chunk, columns, draws)

    def _draws(self, fits: Sequence[str]) -> dict[str, np.ndarray]:
        path = self.folder / DRAWS
        try:
            with h5py.File(path) as file:
                places = _places(file, fits, path)
                return {
                    n: v[places][:, 0]
                    for n, v in file["posterior"].items()
                    if v.ndim >= 3 and not np.isnan(v[places]).all()
                }
        except (OSError, KeyError, RuntimeError) as error:
            raise damaged(path, str(error)) from error

    def add(self, part: Part) -> None:
        """Keep what came of a chunk."""
        parts.put(part, self.folder / CHUNKS)

    def forget(self, chunks: Iterable[str]) -> None:
        """Forget chunks, so that they are made again, also by who resumes.

        The table stays, to be told beside the new one.
        """
        self.forgotten |= set(chunks)
        write_whole(self.folder / FORGOTTEN, "\n".join(sorted(self.forgotten)))
        for chunk in chunks:
            while (file := self._file(chunk)) is not None:
                file.unlink()
            self.rows.pop(chunk, None)

    def spare(self, planned: Sequence[str]) -> None:
        """Put aside what the table holds and is no longer planned."""
        if left := [chunk for chunk in self.rows if chunk not in set(planned)]:
            _empty(self.folder / SPARE, but=[*planned, *left])
            there = {file.stem for file in (self.folder / SPARE).glob("*.npz")}
            for chunk in (c for c in left if c not in there):
                with contextlib.suppress(ValueError):  # damaged, and not asked for
                    parts.put(self.part(chunk), self.folder / SPARE)


def _answers(table: pa.Table) -> str:
    """Hash what the fits say, whenever they were made and whether their draws were kept."""
    return digest_of(undated(table).drop_columns(["draws_sha256"]))


def _lines(file: Path) -> set[str]:
    return set(file.read_text().split()) if file.is_file() else set()


def _empty(folder: Path, but: Sequence[str] = ()) -> None:
    """Remove the chunks of a folder, but for some."""
    for file in folder.glob("*.npz"):
        if file.stem not in set(but):
            file.unlink(missing_ok=True)


def _spans(names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """First row of each chunk, and the one after its last."""
    found: dict[str, tuple[int, int]] = {}
    for i, name in enumerate(names):
        found[name] = found.get(name, (i, i))[0], i + 1
    return found


def _places(file: h5py.File, fits: Sequence[str], path: Path) -> slice:
    """Rows of the draws that are of these fits, which lie side by side."""
    said = file["fit"].asstr()[...]
    where = np.flatnonzero(said == fits[0])
    if not len(where) or list(said[where[0] : where[0] + len(fits)]) != list(fits):
        raise damaged(path, f"has no draws of {fits[0]}")
    return slice(int(where[0]), int(where[0]) + len(fits))


def damaged(path: Path, why: str) -> ValueError:
    """Refuse a file of the store."""
    return ValueError(
        f"{path}: does not match what was written ({why}); it was cut short or edited. --remake fits again what it held"
    )


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


def gather(
    store: Store,
    chunks: Sequence[str],
    coords: Mapping[str, Sequence[Any]],
    *,
    draws: bool,
    csv: bool,
) -> pa.Table:
    """Put finished chunks together, in this order, and let the single ones go.

    Args:
        store: where they lie.
        chunks: names.
        coords: the budgets as C, and runs as run.
        draws: whether the draws are kept in one file.
        csv: whether the table is also written as CSV.

    Returns:
        The table.

    Raises:
        ValueError: a file was cut short or edited.
        OSError: there is no room.
    """
    folder, seals, tables = store.folder, [], []

    def each() -> Iterator[Part]:
        for name in chunks:
            part = store.part(name)
            seal = parts.sealed(part.draws) if part.draws and draws else ""
            seals.extend([seal] * len(part.table["fit"]))
            tables.append(as_table(part.table))
            yield part

    store.spare(chunks)
    if draws:
        _write_draws(folder / DRAWS, store, chunks, each(), coords)
    else:
        list(each())
    table = pa.concat_tables(tables, promote_options="permissive")
    table = ordered(table.append_column("draws_sha256", pa.array(seals)))
    table = table.replace_schema_metadata({SCHEMA: digest_of(table)})
    before = store.table
    if before is not None and _answers(before) != _answers(table):
        _write_table(before, folder / BEFORE)
    _write_table(table, folder / TABLE)
    (folder / FORGOTTEN).unlink(missing_ok=True)
    if csv:
        write_whole(folder / AS_CSV, csv_text(table))
    for name, wanted in ((DRAWS, draws), (AS_CSV, csv)):
        if not wanted:  # what is there is of other fits by now
            (folder / name).unlink(missing_ok=True)
    _empty(folder / CHUNKS)
    for name in chunks:
        (folder / SPARE / f"{name}.npz").unlink(missing_ok=True)
    return table


def _write_table(table: pa.Table, path: Path) -> None:
    held = pa.BufferOutputStream()
    pq.write_table(table, held)
    write_whole(path, held.getvalue().to_pybytes())


def _write_draws(
    path: Path,
    store: Store,
    chunks: Sequence[str],
    each: Iterable[Part],
    coords: Mapping[str, Sequence[Any]],
) -> None:
    """Write a chunk at a time; memory does not grow with their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix="draws", suffix=".part")
    os.close(handle)
    try:
        with h5netcdf.File(partial, "w") as file:
            file.dimensions = {"fit": None}
            names = file.create_variable("fit", ("fit",), h5py.string_dtype())
            group = file.create_group("posterior")
            at = 0
            for part in each:
                stop = at + len(part.table["fit"])
                file.resize_dimension("fit", stop)
                names[at:stop] = np.array(part.table["fit"], object)
                for name, values in part.draws.items():
                    variable = _variable(group, name, values.shape[1:], coords)
                    variable[at:stop] = values[:, None]
                at = stop
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def _variable(
    group: Any, name: str, shape: tuple[int, ...], coords: Mapping[str, Sequence[Any]]
) -> Any:
    """Find a variable of the draws, (fit, chain, draw, ...), or make it."""
    if name in group.variables:
        return group.variables[name]
    if "chain" not in group.dimensions:
        group.dimensions.update({"chain": 1, "draw": shape[0]})
        group.create_variable("chain", ("chain",), "i4")[...] = [0]
        group.create_variable("draw", ("draw",), "i4")[...] = np.arange(shape[0])
    over = {"log_N": "C", "log_D": "C", "L": "C", "loss": "run"}.get(name)
    more = (over,) if len(shape) > 1 and over else ()
    if over and more and over not in group.dimensions:
        group.dimensions[over] = len(coords[over])
        text = isinstance(coords[over][0], str)
        values = np.array(coords[over], object if text else float)
        group.create_variable(over, (over,), h5py.string_dtype() if text else "f8")[...] = values  # fmt: skip
    return group.create_variable(
        name, ("fit", "chain", "draw", *more), "f4", fillvalue=np.float32(np.nan),
        chunks=(64, 1, *shape), compression="gzip", compression_opts=4, shuffle=True,
    )  # fmt: skip
