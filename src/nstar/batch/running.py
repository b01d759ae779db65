"""A batch from its manifest to its results: what is there stays, what is not is made."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nstar.batch.engines import Engine, local
from nstar.batch.fitting import request_of
from nstar.batch.manifest import Manifest, read
from nstar.batch.plan import Chunk, plan
from nstar.batch.store import (
    BEFORE,
    MANIFEST,
    PAGE,
    SUMMARY,
    Damage,
    Store,
    gather,
    locked,
)
from nstar.batch.table import Record, read_table
from nstar.batch.timing import Progress
from nstar.files.writing import json_text, write_atomically

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Refit:
    """A batch that was run: its table, a row for each fit, and the folder of its files.

    `draws.nc` of the folder, where it was asked for, is read by
    `xarray.open_datatree(...)["posterior"]`; its `fit` is the table's.
    """

    folder: Path
    table: "pa.Table"
    fitted: int  # fits that were made now
    whole: bool  # all of the manifest is there; not so where only a part was asked for
    summary: Record | None = None  # what the page says, where one was asked for

    def __repr__(self) -> str:
        """How many fits there are, how many passed, and where they are."""
        total = self.table.num_rows
        return f"Refit: {total} fits, {total - len(self.failed)} passed, {self.fitted} made now; in {self.folder}"

    @property
    def failed(self) -> list[Record]:
        """Rows of the fits that did not pass."""
        return [row for row in self.table.to_pylist() if not row["passed"]]


def refit(
    manifest: str | Path | Manifest,
    out: str | Path,
    *,
    engine: Engine = local,
    only: Sequence[str] = (),
    fresh: bool = False,
    remake: bool = False,
    say: Callable[[str], None] | None = None,
    command: str = "",
) -> Refit:
    """Fit all that a manifest asks for, but for what the folder has already.

    Args:
        manifest: a TOML file, the name of one that nstar ships, or one that was read.
        out: folder of the results.
        engine: `nstar.batch.engines.local`, `Processes()` or `nstar.batch.engines.OnRay()`.
        only: words; chunks whose title has none of them are left for later.
        fresh: fit all again.
        remake: fit again what a damaged file of the folder held, rather than refuse.
        say: told a line for each chunk; stderr unless given.
        command: what the user typed, for the page.

    Returns:
        What was fitted, what failed, and the table of all fits.

    Raises:
        FileNotFoundError: there is no such manifest.
        RuntimeError: the engine did not give back all chunks.
        ValueError: it is not as it should be, a file of the folder was cut short or
            edited, another process writes there, or `only` names nothing.
        OSError: there is no room; what was finished is kept.

    Examples:
        >>> nstar.refit("nightly.toml", "nightly").failed  # doctest: +SKIP
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    manifest = manifest if isinstance(manifest, Manifest) else read(manifest)
    folder, outputs = Path(out), manifest.outputs
    chunks = plan(manifest)
    chosen = matching(chunks, only)
    with locked(folder):
        store = Store(folder, Damage.REMOVE if remake else Damage.REFUSE)
        store.sweep()
        if fresh:
            store.forget([c.name for c in chosen])
        if remake:  # also what was not chosen is put together again
            for c in chunks:
                store.finished(c, draws=outputs.draws)
        todo = [c for c in chosen if not store.finished(c, draws=outputs.draws)]
        fitted = sum(len(c.samples) for c in todo)
        ready = sum(len(c.samples) for c in chosen) - fitted
        say(
            f"{manifest.name}: {fitted} fits to make in {len(todo)} chunks, {ready} are there"
        )
        _run(todo, manifest, engine, store, say)
        sizes = {c.name: len(c.samples) for c in chunks}
        here = [name for name in sizes if store.has(name)]
        left = sum(sizes.values()) - sum(sizes[name] for name in here)
        runs = [f"N={r.N:g}, D={r.D:g}" for r in manifest.targets.runs]
        table = gather(
            store,
            here,
            {"C": manifest.targets.budgets, "run": runs},
            draws=outputs.draws,
            csv=outputs.csv,
            partial=left > 0,
        )
        write_atomically(folder / MANIFEST, json_text(manifest.model_dump()))
        summary = None
        if outputs.page:
            summary = _report(folder, manifest.name, table, command, left)
        else:
            for name in (PAGE, SUMMARY):
                (folder / name).unlink(missing_ok=True)
    return Refit(folder, table, fitted, not left, summary)


def _report(
    folder: Path, name: str, table: "pa.Table", command: str, left: int
) -> Record:
    """Write the page, and the numbers on it, beside what the batch before said."""
    from nstar.batch.page import page
    from nstar.batch.summary import summary

    before = read_table(folder / BEFORE)
    document = summary(table, before, name=name, command=command, left=left)
    text = json_text(document)
    plain = json.loads(text)
    write_atomically(folder / PAGE, page(plain))
    write_atomically(folder / SUMMARY, text)
    return plain


def matching(chunks: Sequence[Chunk], words: Sequence[str]) -> list[Chunk]:
    """Take the chunks whose title has one of these words; all where there are none.

    Raises:
        ValueError: no title has any.
    """
    each = {c.name: c for c in chunks}.values()
    chosen = [c for c in each if not words or any(word in c.title for word in words)]
    if not chosen:
        msg = f"--only {', '.join(words)}: no chunk has that in its title, such as {chunks[0].title!r}"
        raise ValueError(msg)
    return chosen


def _run(
    chunks: Sequence[Chunk],
    manifest: Manifest,
    engine: Engine,
    store: Store,
    say: Callable[[str], None],
) -> None:
    """Run chunks and keep what comes of each, with a line for each."""
    progress = Progress(chunks, say)
    for fitted in engine(chunks, request_of(manifest)):
        store.add(fitted)
        progress.add(fitted)
    if progress.done < len(chunks):
        msg = f"the engine gave back {progress.done} of {len(chunks)} chunks; those are kept, and the same command fits the rest"
        raise RuntimeError(msg)
