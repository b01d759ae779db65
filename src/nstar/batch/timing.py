"""How long a batch takes: estimated before it is run, and told while it runs."""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from nstar.batch.fitting import FittedChunk
from nstar.batch.plan import Chunk
from nstar.batch.store import Store
from nstar.batch.table import POOLED
from nstar.samplers import density

# seconds, of two cores without caches: benchmarks/results/refit.md
START = 6.0  # of a process, until it fits
COMPILE = 8.0  # of a law with a noise, for tables of one size, where nothing is cached
BENT, OF_ALL = (
    40.0,
    120.0,
)  # of a fit whose law bends, and of one of all ladders together
OF_RECIPE = 1.5  # of a recipe of a comparison
# of a fit whose form is exact, by its runs: the fewer, the more of them need NUTS
EXACT = ((40, 1.0), (200, 0.13), (math.inf, 0.012))


def seconds(chunks: Sequence[Chunk], store: Store, workers: int) -> float:
    """Estimate the wall seconds of chunks that are to be run.

    Args:
        chunks: those.
        store: what the folder has; the times of its fits are taken where they are of
            the same law, noise and discrepancy.
        workers: that share the work.
    """
    measured = _measured(store)
    computed = [c for c in chunks if c.runs and not c.reason]
    if not computed:
        return 0.0
    programs = {
        (c.choice[:3], density.size(len(c.runs or ())))
        for c in computed
        if not c.compared  # which compiles nothing
    }
    each = [len(c.samples) * measured.get(c.choice[:3], _usual(c)) for c in computed]
    shared = sum(each) + COMPILE * len(programs)
    return START + max(shared / min(workers, len(computed)), max(each) + COMPILE)


def _usual(chunk: Chunk) -> float:
    """Seconds of a fit of which nothing is known."""
    if chunk.compared:
        return OF_RECIPE
    if chunk.samples[0].resample == POOLED:
        return OF_ALL / len(chunk.samples)
    if chunk.choice.discrepancy != "none":
        return BENT
    return next(each for runs, each in EXACT if len(chunk.runs or ()) < runs)


def _measured(store: Store) -> Mapping[tuple[str, str, str], float]:
    """Seconds a fit of each law, noise and discrepancy took before, on average."""
    if store.table is None:
        return {}
    keys = ["law", "noise", "discrepancy"]
    means = store.table.group_by(keys).aggregate([("seconds", "mean")]).to_pylist()
    return {tuple(row[n] for n in keys): row["seconds_mean"] or 0.0 for row in means}


class Progress:
    """Lines about the chunks that are done, with the time that is left."""

    def __init__(self, chunks: Sequence[Chunk], say: Callable[[str], None]) -> None:
        """Begin to measure."""
        self.titles = {c.name: c.title for c in chunks}
        self.total, self.fits = sum(len(c.samples) for c in chunks), 0
        self.done, self.say, self.began = 0, say, time.monotonic()
        self.pace = Pace(len(chunks))

    def add(self, chunk: FittedChunk) -> None:
        """Say what came of a chunk: always where fits failed, else where a line is due."""
        rows = chunk.table.to_pylist()
        self.done += 1
        self.fits += len(rows)
        took = time.monotonic() - self.began
        left = duration(took / self.fits * (self.total - self.fits))
        nuts = [row["method"] for row in rows].count("nuts")
        by = f", {nuts} by NUTS" if 0 < nuts < len(rows) else ""
        fits = f"{len(rows)} fit{'s' * (len(rows) > 1)} in {duration(sum(row['seconds'] for row in rows))}{by}"
        line = f"[{self.done}/{len(self.titles)}] {self.titles[chunk.chunk]}: {fits}; {left} left"
        failed = [row["reason"] for row in rows if not row["passed"]]
        if failed:
            self.say(f"{line}; FAILED {len(failed)}: {failed[0]}")
        elif self.pace.due(self.done, took):
            self.say(line)


class Pace:
    """When a line is due: every chunk on a terminal, now and then in a file."""

    def __init__(self, total: int, *, every: bool | None = None) -> None:
        """Begin; a terminal has every line unless said otherwise."""
        self.total, self.tenths, self.last = total, 0, 0.0
        self.every = sys.stderr.isatty() if every is None else every

    def due(self, done: int, seconds: float) -> bool:
        """Say whether a line is due: all, or at each tenth, each minute and the end."""
        tenths = 10 * done // self.total
        ended, minute = done == self.total, seconds - self.last >= 60
        if not (self.every or tenths > self.tenths or minute or ended):
            return False
        self.tenths, self.last = tenths, seconds
        return True


def duration(seconds: float) -> str:
    """Say a time in the unit that suits it."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
