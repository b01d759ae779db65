"""The results of a batch on disk: one table and one file of draws, by chunks.

`chunks/` holds what a run has finished; once all is there it is put together into
`fits.parquet` and `draws.nc`, each whole or not at all, and only then `chunks/` goes.  What
of the batch before is not of this one stays in `spare/` until the next change: a table that
cannot be reached for a night costs no fits.  A chunk is looked for in all three, so that a
run killed at any instant loses nothing.  Draws are netCDF since that is what is read of them
(xarray, ArviZ); each row of the table has the digest of its chunk's draws.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from enum import Enum
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from nstar.batch import digests
from nstar.batch.draws import Coords, read_draws, write_draws
from nstar.batch.fitting import LOST, FittedChunk
from nstar.batch.plan import Chunk
from nstar.batch.table import (
    DIGEST,
    FIRST,
    PARTIAL,
    SEAL,
    as_table,
    csv_text,
    damaged,
    ordered,
    read_table,
    undated,
    write_table,
)
from nstar.files.writing import write_atomically

TABLE, DRAWS, CHUNKS, BEFORE = "fits.parquet", "draws.nc", "chunks", "previous.parquet"
AS_CSV, PAGE, SUMMARY, MANIFEST = (
    "fits.csv",
    "index.html",
    "summary.json",
    "manifest.json",
)
SPARE = "spare"  # chunks of the batch before that are not of this one
FORGOTTEN = ".fresh"  # says that the table's chunks are to be made again


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lock a folder, one batch at a time; the system lets go however the process ends.

    Raises:
        ValueError: another process has it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        msg = f"--out {folder}: another batch is being written there; wait for it, or name another folder"
        raise ValueError(msg) from None
    except OSError as error:
        msg = f"--out {folder}: cannot be written ({error.strerror or error})"
        raise ValueError(msg) from None
    with lock:
        yield


class Damage(Enum):
    """What is done with a file that was cut short or edited."""

    REFUSE = "refuse"
    PASS_OVER = "pass over"
    REMOVE = "remove"


class Store:
    """A folder of results."""

    def __init__(self, folder: Path, damage: Damage = Damage.REFUSE) -> None:
        """Look into a folder, which need not be there yet.

        Args:
            folder: of the results.
            damage: what is done with damaged files.

        Raises:
            ValueError: its table, or that of the batch before, was cut short or edited.
        """
        self.folder, self.damage = folder, damage
        self._table(BEFORE)
        self.table = self._table(TABLE)
        file = folder / FORGOTTEN
        self.forgotten = set(file.read_text().split()) if file.is_file() else set()
        self.rows: dict[str, slice] = {}  # of the table, by chunk
        for i, name in enumerate(self.table["chunk"].to_pylist() if self.table else []):
            if name not in self.forgotten:
                self.rows[name] = slice(self.rows.get(name, slice(i, i)).start, i + 1)

    def _table(self, name: str) -> pa.Table | None:
        path = self.folder / name
        return self._undamaged(lambda: read_table(path), path.unlink)

    def _undamaged[T](
        self, read: Callable[[], T], remove: Callable[[], None]
    ) -> T | None:
        """Read what is whole; refuse, pass over or remove what is not."""
        try:
            return read()
        except ValueError:
            if self.damage is Damage.REFUSE:
                raise
            if self.damage is Damage.REMOVE:
                remove()
            return None

    def has(self, chunk: str) -> bool:
        """Say whether a chunk is finished."""
        return self._file(chunk) is not None or chunk in self.rows

    def finished(self, chunk: Chunk, *, draws: bool) -> bool:
        """Say whether a chunk is finished, also as it is now asked for, and not damaged.

        Args:
            chunk: the fits.
            draws: whether their draws are needed.

        Raises:
            ValueError: its files are damaged, and are to be refused.
        """
        name = chunk.name
        fitted = self.has(name) and self._undamaged(
            lambda: self.read(name), lambda: self.forget([name])
        )
        if not fitted:
            return False
        names, methods, passed = (
            fitted.table[n].to_pylist() for n in ("name", "method", "passed")
        )
        enough = bool(fitted.draws) or not (draws and any(passed))
        return names == list(chunk.fits) and LOST not in methods and enough

    def _file(self, chunk: str) -> Path | None:
        files = (self.folder / place / f"{chunk}.npz" for place in (CHUNKS, SPARE))
        return next((file for file in files if file.is_file()), None)

    def read(self, chunk: str) -> FittedChunk:
        """Read a finished chunk.

        Raises:
            ValueError: a file was cut short or edited.
        """
        if (file := self._file(chunk)) is not None:
            return unpack(file.read_bytes(), file)
        assert self.table is not None  # noqa: S101  it was asked whether there is one
        where = self.rows[chunk]
        rows = self.table.slice(where.start, where.stop - where.start)
        names = [
            n for n in rows.column_names if n in FIRST or rows[n].null_count < len(rows)
        ]
        seal, fits = rows[SEAL][0].as_py(), rows["fit"].to_pylist()
        draws = read_draws(self.folder / DRAWS, fits) if seal else {}
        if seal and digests.of_draws(draws) != seal:
            why = "the draws are not those that the table tells of"
            raise damaged(self.folder / DRAWS, why)
        return FittedChunk(chunk, rows.select([n for n in names if n != SEAL]), draws)

    def add(self, fitted: FittedChunk, place: str = CHUNKS) -> None:
        """Write a chunk's results in one step.

        Raises:
            OSError: there is no room, or no right to write.
        """
        file = self.folder / place / f"{fitted.chunk}.npz"
        write_atomically(file, pack(fitted))

    def forget(self, chunks: Iterable[str]) -> None:
        """Forget chunks, so that they are made again, also by who resumes.

        The table stays, to be compared with the new one.
        """
        for chunk in chunks:
            while (file := self._file(chunk)) is not None:
                file.unlink()
            self.rows.pop(chunk, None)
            self.forgotten.add(chunk)
        write_atomically(self.folder / FORGOTTEN, "\n".join(sorted(self.forgotten)))

    def spare(self, planned: Collection[str]) -> None:
        """Put aside what the table holds and is no longer planned, unless none of it passed."""
        passed = self.table["passed"].to_pylist() if self.table else []
        left = [
            c for c, at in self.rows.items() if c not in planned and any(passed[at])
        ]
        if left:
            _empty(self.folder / SPARE, but={*planned, *left})
        for chunk in left:
            if not (self.folder / SPARE / f"{chunk}.npz").is_file():
                with contextlib.suppress(ValueError):  # damaged, and not asked for
                    self.add(self.read(chunk), SPARE)

    def sweep(self) -> None:
        """Remove what a killed batch was in the midst of writing, and nothing else."""
        files = (TABLE, DRAWS, BEFORE, AS_CSV, PAGE, SUMMARY, MANIFEST, FORGOTTEN)
        for name in (*files, f"{CHUNKS}/", f"{SPARE}/"):
            for file in self.folder.glob(f"{name}*.part"):
                file.unlink(missing_ok=True)


def _empty(folder: Path, but: Collection[str] = ()) -> None:
    """Remove the chunks of a folder, but for some."""
    for file in folder.glob("*.npz"):
        if file.stem not in but:
            file.unlink(missing_ok=True)


def pack(fitted: FittedChunk) -> bytes:
    """Turn a chunk's results into bytes: arrays and JSON in an archive, after its digest."""
    text = json.dumps({"chunk": fitted.chunk, "table": fitted.table.to_pydict()})
    arrays = {f"draws_{n}": v for n, v in fitted.draws.items()}
    arrays["table"] = np.frombuffer(text.encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


def unpack(raw: bytes, path: Path) -> FittedChunk:
    """Read a chunk's results from the bytes of its file.

    Raises:
        ValueError: they were cut short or edited.
    """
    if hashlib.sha256(raw[32:]).digest() != raw[:32]:
        msg = f"{path}: does not match the digest written with it; the file was cut short or edited. --remake fits its chunk again"
        raise ValueError(msg)
    with np.load(io.BytesIO(raw[32:]), allow_pickle=False) as archive:
        arrays = dict(archive)
    head = json.loads(arrays.pop("table").tobytes())
    draws = {n.removeprefix("draws_"): v for n, v in arrays.items()}
    return FittedChunk(head["chunk"], as_table(head["table"]), draws)


def gather(
    store: Store,
    chunks: Sequence[str],
    coords: Coords,
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
    folder, tables = store.folder, list[pa.Table]()

    def read() -> Iterator[tuple[list[str], dict[str, np.ndarray]]]:
        for name in chunks:
            fitted = store.read(name)
            seal = digests.of_draws(fitted.draws) if fitted.draws and draws else ""
            seals = pa.array([seal] * len(fitted.table))
            tables.append(fitted.table.append_column(SEAL, seals))
            yield fitted.table["fit"].to_pylist(), fitted.draws

    store.spare(set(chunks))
    if draws:
        write_draws(folder / DRAWS, read(), coords)
    else:
        list(read())
    table = ordered(pa.concat_tables(tables, promote_options="permissive"))
    marks = {DIGEST: digests.of_table(table)} | ({PARTIAL: "yes"} if partial else {})
    table = table.replace_schema_metadata(marks)
    before = store.table
    complete = before is not None and PARTIAL not in before.schema.metadata
    if complete and _differ(before, table):
        write_table(before, folder / BEFORE)
    write_table(table, folder / TABLE)
    (folder / FORGOTTEN).unlink(missing_ok=True)
    if csv:
        write_atomically(folder / AS_CSV, csv_text(table))
    for name, wanted in ((DRAWS, draws), (AS_CSV, csv)):
        if not wanted:  # what is there is of other fits by now
            (folder / name).unlink(missing_ok=True)
    _empty(folder / CHUNKS)
    for name in chunks:
        (folder / SPARE / f"{name}.npz").unlink(missing_ok=True)
    return table


def _differ(before: pa.Table, now: pa.Table) -> bool:
    """Say whether a batch is another than the one before, not the same one completed."""
    if before["name"].to_pylist() != now["name"].to_pylist():
        return True
    fitted = [method != LOST for method in before["method"].to_pylist()]
    columns = {*undated(before).column_names} & {*now.column_names} - {SEAL}
    one, other = (t.select(sorted(columns)).filter(fitted) for t in (before, now))
    return digests.of_table(one) != digests.of_table(other)
