"""The results of a batch on disk: one table and one file of draws, by chunks.

`chunks/` holds what a run has finished; once all is there it is put together into
`fits.parquet` and `draws.nc`, each whole or not at all, and only then `chunks/` goes.  What
of the batch before is not of this one stays in `spare/` until the next change: a table that
cannot be reached for a night costs no fits.  A chunk is looked for in all three, so that a
run killed at any instant loses nothing.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from nstar.batch import drawn, parts
from nstar.batch.table import (
    FIRST,
    PARTIAL,
    SCHEMA,
    as_table,
    csv_text,
    damaged,
    digest_of,
    ordered,
    read_table,
    undated,
    write_table,
)
from nstar.batch.work import LOST, Part
from nstar.files.writing import write_whole

TABLE, DRAWS, CHUNKS, BEFORE = "fits.parquet", "draws.nc", "chunks", "previous.parquet"
AS_CSV, PAGE, SUMMARY, AS_READ = (
    "fits.csv",
    "index.html",
    "summary.json",
    "manifest.json",
)
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
        self.rows = {
            n: at for n, at in _spans(names).items() if n not in self.forgotten
        }

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
        columns = {
            n: table[n].to_pylist() for n in table.column_names if n != "draws_sha256"
        }
        columns = {
            n: v
            for n, v in columns.items()
            if n in FIRST or any(x is not None for x in v)
        }
        draws = drawn.read(self.folder / DRAWS, columns["fit"]) if seal else {}
        if seal and parts.sealed(draws) != seal:
            raise damaged(
                self.folder / DRAWS, "the draws are not those that the table tells of"
            )
        return Part(chunk, columns, draws)

    def add(self, part: Part) -> None:
        """Keep what came of a chunk."""
        parts.put(part, self.folder / CHUNKS)

    def forget(self, chunks: Iterable[str]) -> None:
        """Forget chunks, so that they are made again, also by who resumes.

        The table stays, to be told beside the new one.
        """
        for chunk in chunks:
            while (file := self._file(chunk)) is not None:
                file.unlink()
            self.rows.pop(chunk, None)
            self.forgotten.add(chunk)
        write_whole(self.folder / FORGOTTEN, "\n".join(sorted(self.forgotten)))

    def spare(self, planned: Sequence[str]) -> None:
        """Put aside what the table holds and is no longer planned, unless none of it passed."""
        here = set(planned)
        if left := [c for c in self.rows if c not in here and self._passed(c)]:
            _empty(self.folder / SPARE, but=[*planned, *left])
            there = {file.stem for file in (self.folder / SPARE).glob("*.npz")}
            for chunk in (c for c in left if c not in there):
                with contextlib.suppress(ValueError):  # damaged, and not asked for
                    parts.put(self.part(chunk), self.folder / SPARE)

    def _passed(self, chunk: str) -> bool:
        assert self.table is not None  # noqa: S101  it has rows
        return any(self.table["passed"][slice(*self.rows[chunk])].to_pylist())

    def sweep(self) -> None:
        """Remove what a killed batch was in the midst of writing, and nothing else."""
        own = (TABLE, DRAWS, BEFORE, AS_CSV, PAGE, SUMMARY, AS_READ, FORGOTTEN)
        for name in (*own, f"{CHUNKS}/", f"{SPARE}/"):
            for file in self.folder.glob(f"{name}*.part"):
                file.unlink(missing_ok=True)


def _differ(before: pa.Table, now: pa.Table) -> bool:
    """Say whether a batch is another than the one before, not the same one completed."""
    if before["name"].to_pylist() != now["name"].to_pylist():
        return True
    made = [method != LOST for method in before["method"].to_pylist()]
    shared = [
        n
        for n in undated(before).column_names
        if n in now.column_names and n != "draws_sha256"
    ]
    one, other = (digest_of(t.select(shared).filter(made)) for t in (before, now))
    return one != other


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


def gather(
    store: Store,
    chunks: Sequence[str],
    coords: Mapping[str, Sequence[Any]],
    *,
    draws: bool,
    csv: bool,
    partial: bool = False,
) -> pa.Table:
    """Put finished chunks together, in this order, and let the single ones go.

    Args:
        store: where they lie.
        chunks: names.
        coords: the budgets as C, and runs as run.
        draws: whether the draws are kept in one file.
        csv: whether the table is also written as CSV.
        partial: whether chunks are left for later; such a table is no batch to compare
            another with.

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
        drawn.write(folder / DRAWS, each(), coords)
    else:
        list(each())
    table = pa.concat_tables(tables, promote_options="permissive")
    table = ordered(table.append_column("draws_sha256", pa.array(seals)))
    marks = {SCHEMA: digest_of(table)} | ({PARTIAL: "yes"} if partial else {})
    table = table.replace_schema_metadata(marks)
    before = store.table
    if (
        before is not None
        and PARTIAL not in before.schema.metadata
        and _differ(before, table)
    ):
        write_table(before, folder / BEFORE)
    write_table(table, folder / TABLE)
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
