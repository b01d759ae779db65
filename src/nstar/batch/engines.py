"""Where chunks are worked out: here, in processes of this machine, or on a Ray cluster.

An engine takes chunks and yields what came of each, in whatever order they end.  What a
chunk gives is decided by the chunk alone, so that engines differ in time only.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import jax

from nstar.batch.plan import Chunk
from nstar.batch.work import Part, Told, work
from nstar.samplers import density

ORPHAN = 86  # exit code of a worker whose first process is gone
TRIES = 3  # of a chunk whose worker dies
HELD = 8  # kinds of fits whose programs a worker holds, some 200 MB each
BENDING = 4  # kinds that one with a discrepancy stands for
EACH = 5 << 29  # bytes of a worker: what one held at the end of public-ladders


class Engine(Protocol):
    """Something that works chunks out."""

    def __call__(self, chunks: Sequence[Chunk], told: Told) -> Iterator[Part]:
        """Yield what came of each chunk."""
        ...


def local(chunks: Sequence[Chunk], told: Told) -> Iterator[Part]:
    """One after another, in this process."""
    for chunk in chunks:
        yield work(chunk, told)


@dataclass(frozen=True)
class Processes:
    """In as many processes as there are devices, or cores where there are none.

    A script that asks for these must do so under `if __name__ == "__main__":`, since each
    process reads the script anew.
    """

    workers: int | None = None
    cache: Path | None = None  # of compiled programs, for all

    def __call__(self, chunks: Sequence[Chunk], told: Told) -> Iterator[Part]:
        """Work all chunks out; where a worker dies, those in hand are tried again alone."""
        ahead = deque(interleaved(chunks, self.places))
        while ahead:
            for chunk in (yield from self._together(ahead, told)):
                yield self._alone(chunk, told)

    @property
    def places(self) -> int:
        """Number of workers: as asked, one a device, or as cores and memory allow."""
        if self.workers or gpus():
            return self.workers or len(gpus())
        return max(1, min(os.cpu_count() or 1, _memory() // EACH))

    def _together(
        self, ahead: deque[Chunk], told: Told
    ) -> Generator[Part, None, list[Chunk]]:
        """Work until nothing is ahead, or a worker's death ends the pool.

        Returns:
            The chunks that were in hand then.
        """
        waiting: dict[Future[Part], Chunk] = {}
        pool = self._pool(min(self.places, len(ahead)))
        try:
            while ahead or waiting:
                while ahead and len(waiting) < 2 * self.places:
                    future = pool.submit(worked, ahead[0], told)  # raises if one died
                    waiting[future] = ahead.popleft()
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    part = future.result()
                    waiting.pop(future)
                    yield part
        except BrokenProcessPool:
            return list(waiting.values())
        finally:  # also where the reader of this has seen enough
            pool.shutdown(cancel_futures=True)
        return []

    def _alone(self, chunk: Chunk, told: Told) -> Part:
        for _ in range(TRIES - 1):
            with self._pool(1) as pool, contextlib.suppress(BrokenProcessPool):
                return pool.submit(worked, chunk, told).result()
        return given_up(chunk, told, died(TRIES))

    def _pool(self, count: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        queue, devices = context.SimpleQueue(), gpus()
        for i in range(count):
            queue.put(devices[i % len(devices)] if devices else None)
        mine = os.getpid()
        return ProcessPoolExecutor(count, context, _begin, (queue, self.cache, mine))


def worked(chunk: Chunk, told: Told) -> Part:
    """Work a chunk out where others were before it, and hold no more programs than that.

    They are read back from the cache of compiled programs where they are needed again.
    """
    if chunk.runs is not None:
        kind = (*chunk.choice[:3], density.size(len(chunk.runs)))
        own = 1 if chunk.choice.discrepancy == "none" else BENDING
        if kind not in _held and sum(_held.values()) + own > HELD:
            _let_go()
        _held[kind] = own
    return work(chunk, told)


_held: dict[tuple[str | int, ...], int] = {}  # kinds this process has programs of


def _let_go() -> None:
    """Let go of compiled programs, and of the memory of compiling them.

    That is half a worker's by then, in pieces that glibc holds on to unless it is told.
    """
    jax.clear_caches()
    _held.clear()
    if sys.platform == "linux" and (
        trim := getattr(ctypes.CDLL(None), "malloc_trim", None)
    ):
        trim(0)


def given_up(chunk: Chunk, told: Told, why: str) -> Part:
    """Say of a chunk why no worker could finish it."""
    return work(replace(chunk, reason=why, lost=True), told)


def died(times: int) -> str:
    """Say that a chunk's workers died."""
    return f"its worker died {times} times: killed, perhaps for memory, or unable to begin (stderr has why)"


def interleaved(chunks: Sequence[Chunk], lanes: int) -> list[Chunk]:
    """Deal out chunks so that workers begin far apart: neighbours share a program to compile."""
    size = -(-len(chunks) // lanes) if chunks else 1
    parts = [chunks[i : i + size] for i in range(0, len(chunks), size)]
    return [part[i] for i in range(size) for part in parts if i < len(part)]


def gpus() -> list[str]:
    """Devices that this machine's processes may be given, one each."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [d for d in said.split(",") if d.strip() not in ("", "-1")]
    return [f"{i}" for i, _ in enumerate(sorted(Path("/dev").glob("nvidia[0-9]*")))]


def _memory() -> int:
    """Bytes that are free."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not told on every system
        return EACH


def _begin(
    queue: "multiprocessing.SimpleQueue[str | None]", cache: Path | None, parent: int
) -> None:
    """Begin a worker: its device, before JAX looks for one, and the programs all share."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if (device := queue.get()) is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    begin(cache)


def _watch(parent: int) -> None:
    """End with the first process, also where it was killed before this one began."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(ORPHAN)


def begin(cache: Path | None) -> None:
    """Begin a worker on any machine."""
    if cache is not None:
        from nstar.cache import use_cache

        try:
            use_cache(cache)
        except OSError as error:
            print(f"nstar: compiled programs are not kept ({error})", file=sys.stderr)
