"""A batch from its manifest to its results: what is there stays, what is not is made."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstar.batch.engines import Engine, local
from nstar.batch.lock import held
from nstar.batch.manifest import Manifest, read
from nstar.batch.plan import Chunk, plan
from nstar.batch.store import AS_READ, BEFORE, PAGE, SUMMARY, TABLE, Store, gather
from nstar.batch.table import read_table
from nstar.batch.work import LOST, Part, Told
from nstar.files.writing import json_text, write_whole

if TYPE_CHECKING:
    import pyarrow as pa

type Say = Callable[[str], None]


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
    summary: dict[str, Any] | None = None  # what the page says, where one was asked for

    @property
    def failed(self) -> list[dict[str, Any]]:
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
    say: Say | None = None,
    command: str = "",
) -> Refit:
    """Fit all that a manifest asks for, but for what the folder has already.

    Args:
        manifest: a TOML file, the name of one that nstar ships, or one that was read.
        out: folder of the results.
        engine: `nstar.batch.engines.local`, `Processes()` or `nstar.batch.on_ray.OnRay()`.
        only: words; chunks whose title has none of them are left for later.
        fresh: fit all again.
        remake: fit again what a damaged file of the folder held, rather than refuse.
        say: told a line for each chunk; stderr unless given.
        command: what the user typed, for the page.

    Raises:
        FileNotFoundError: there is no such manifest.
        RuntimeError: the engine did not give back all chunks.
        ValueError: it is not as it should be, a file of the folder was cut short or
            edited, another process writes there, or `only` names nothing.
        OSError: there is no room; what was finished is kept.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    asked = manifest if isinstance(manifest, Manifest) else read(manifest)
    chunks = plan(asked)
    named = {c.name: c for c in chunks}
    chosen = chosen_of(chunks, only)
    with held(Path(out)):
        store = opened(Path(out), remake=remake)
        store.sweep()
        if fresh:
            store.forget([c.name for c in chosen])
        wanted = asked.outputs.draws
        if remake:  # also what was not chosen is put together again
            for c in chunks:
                finished(store, c, draws=wanted, remake=True)
        todo = [
            c for c in chosen if not finished(store, c, draws=wanted, remake=remake)
        ]
        count = sum(len(c.samples) for c in todo)
        kept = sum(len(c.samples) for c in chosen) - count
        say(
            f"{asked.name}: {count} fits to make in {len(todo)} chunks, {kept} are there"
        )
        _run(todo, told_of(asked), engine, store, say)
        here = [name for name in named if store.has(name)]
        runs = [f"N={r.N:g}, D={r.D:g}" for r in asked.targets.runs]
        coords = {"C": asked.targets.budgets, "run": runs}
        left = sum(len(c.samples) for n, c in named.items() if n not in here)
        table = gather(
            store, here, coords, draws=wanted, csv=asked.outputs.csv, partial=left > 0
        )
        write_whole(Path(out) / AS_READ, json_text(asked.model_dump()))
        told = (
            _tell(Path(out), asked.name, table, command, left)
            if asked.outputs.page
            else None
        )
        if told is None:
            for name in (PAGE, SUMMARY):
                (Path(out) / name).unlink(missing_ok=True)
    return Refit(Path(out), table, count, not left, told)


def _tell(
    folder: Path, name: str, table: "pa.Table", command: str, left: int
) -> dict[str, Any]:
    """Write the page, and the numbers on it, beside what the batch before said."""
    from nstar.batch.page import page
    from nstar.batch.summary import summary

    text = json_text(
        summary(
            table, read_table(folder / BEFORE), name=name, command=command, left=left
        )
    )
    told = json.loads(text)
    for file, whole in ((PAGE, page(told)), (SUMMARY, text)):
        write_whole(folder / file, whole)
    return told


def chosen_of(chunks: Sequence[Chunk], only: Sequence[str]) -> list[Chunk]:
    """Take the chunks whose title has one of these words; all where there are none.

    Raises:
        ValueError: no title has any.
    """
    each = {c.name: c for c in chunks}.values()
    found = [c for c in each if not only or any(word in c.title for word in only)]
    if not found:
        msg = f"--only {', '.join(only)}: no chunk has that in its title, such as {chunks[0].title!r}"
        raise ValueError(msg)
    return found


def told_of(manifest: Manifest) -> Told:
    """Read what a manifest asks of every fit."""
    targets, sampler = manifest.targets, manifest.sampler
    runs = tuple((run.N, run.D) for run in targets.runs)
    return Told(
        sampler.draws,
        sampler.precision,
        tuple(targets.budgets),
        runs,
        manifest.outputs.prob,
    )


def opened(folder: Path, *, remake: bool = False, touch: bool = True) -> Store:
    """Look into the folder.

    Args:
        folder: of the results.
        remake: pass over a damaged table, and forget it.
        touch: whether it may also be removed.

    Raises:
        ValueError: the table, or that of the batch before, is damaged.
    """
    try:
        read_table(folder / BEFORE)
    except ValueError:
        if not remake:
            raise
        if touch:
            (folder / BEFORE).unlink()
    try:
        return Store(folder)
    except ValueError:
        if not remake:
            raise
        if touch:
            (folder / TABLE).unlink()
        return Store(folder, table=False)


def finished(
    store: Store,
    chunk: Chunk,
    *,
    draws: bool,
    remake: bool = False,
    touch: bool = True,
) -> bool:
    """Say whether a chunk is finished and its files are as they were written.

    Args:
        store: where it would lie.
        chunk: the fits.
        draws: whether their draws are asked for.
        remake: forget damaged files, rather than refuse them.
        touch: whether they may also be removed.

    Raises:
        ValueError: they are damaged.
    """
    if not store.has(chunk.name):
        return False
    try:
        found = store.part(chunk.name)
        table, kept = found.table, bool(found.draws) or not any(found.table["passed"])
        return (
            table["name"] == list(chunk.fits)
            and LOST not in table["method"]
            and (kept or not draws)
        )
    except ValueError:
        if not remake:
            raise
        if touch:
            store.forget([chunk.name])
        return False


def _run(
    chunks: Sequence[Chunk], told: Told, engine: Engine, store: Store, say: Say
) -> None:
    """Run chunks and keep what comes of each, with a line for each."""
    titles, came = {c.name: c.title for c in chunks}, 0
    total, done, began = sum(len(c.samples) for c in chunks), 0, time.monotonic()
    pace = Pace(len(chunks))
    for came, part in enumerate(engine(chunks, told), 1):
        store.add(part)
        done += len(part.table["fit"])
        took = time.monotonic() - began
        lost = _lost(part)
        line = f"[{came}/{len(chunks)}] {titles[part.chunk]}: {_fits(part)}; {spoken(took / done * (total - done))} left"
        if lost:
            say(f"{line}; {lost}")
        elif pace.due(came, took):
            say(line)
    if came < len(chunks):
        msg = f"the engine gave back {came} of {len(chunks)} chunks; those are kept, and the same command fits the rest"
        raise RuntimeError(msg)


class Pace:
    """When a line is due: every chunk on a terminal, now and then in a file."""

    def __init__(self, total: int, *, every: bool | None = None) -> None:
        """Begin; a terminal has every line unless said otherwise."""
        self.total, self.told, self.at = total, 0, 0.0
        self.every = sys.stderr.isatty() if every is None else every

    def due(self, done: int, seconds: float) -> bool:
        """Say whether a line is due: all, or at each tenth, each minute and the end."""
        tenth = 10 * done // self.total > self.told
        if not (self.every or tenth or seconds - self.at >= 60 or done == self.total):
            return False
        self.told, self.at = 10 * done // self.total, seconds
        return True


def _fits(part: Part) -> str:
    seconds = sum(part.table["seconds"])
    methods = part.table["method"]
    nuts = methods.count("nuts")
    by = f", {nuts} by NUTS" if 0 < nuts < len(methods) else ""
    return f"{len(methods)} fit{'s' * (len(methods) > 1)} in {spoken(seconds)}{by}"


def _lost(part: Part) -> str:
    """Say how many fits did not pass, and why the first did not."""
    reasons = [
        r
        for r, passed in zip(part.table["reason"], part.table["passed"], strict=True)
        if not passed
    ]
    return f"FAILED {len(reasons)}: {reasons[0]}" if reasons else ""


def spoken(seconds: float) -> str:
    """Say a time in the unit that suits it."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
