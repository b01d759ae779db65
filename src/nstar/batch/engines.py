"""Where chunks are fitted: here, in processes of this machine, or on a Ray cluster.

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
from collections.abc import Generator, Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Protocol

import jax

from nstar.batch.fitting import FittedChunk, Request, fit_chunk
from nstar.batch.plan import Chunk
from nstar.cache import use_cache
from nstar.samplers import density

ORPHAN = 86  # exit code of a worker whose first process is gone
TRIES = 3  # of a chunk whose worker dies
NODE_TRIES = 5  # on a cluster, where a node may take several chunks with it
QUEUED = 4  # chunks that wait for each core or device of a cluster
KINDS = 8  # of fits whose programs a worker has in memory, some 200 MB each
BENDING = 4  # kinds that one with a discrepancy stands for
EACH = 5 << 29  # bytes of a worker: what one had at the end of public-ladders


class Engine(Protocol):
    """Something that fits chunks."""

    def __call__(
        self, chunks: Sequence[Chunk], request: Request
    ) -> Iterator[FittedChunk]:
        """Yield what came of each chunk."""
        ...


def local(chunks: Sequence[Chunk], request: Request) -> Iterator[FittedChunk]:
    """One after another, in this process."""
    for chunk in chunks:
        yield fit_chunk(chunk, request)


@dataclass(frozen=True)
class Processes:
    """In as many processes as there are devices, or cores where there are none.

    A script that asks for these must do so under `if __name__ == "__main__":`, since each
    process reads the script anew.
    """

    workers: int | None = None
    cache: Path | None = None  # of compiled programs, for all

    def __call__(
        self, chunks: Sequence[Chunk], request: Request
    ) -> Iterator[FittedChunk]:
        """Fit all chunks; where a worker dies, those in its pool are tried again alone."""
        waiting = deque(interleaved(chunks, self.places))
        while waiting:
            for chunk in (yield from self._together(waiting, request)):
                yield self._alone(chunk, request)

    @property
    def places(self) -> int:
        """Number of workers: as given, one a device, or as cores and memory allow."""
        if self.workers or gpus():
            return self.workers or len(gpus())
        return max(1, min(os.cpu_count() or 1, _free_memory() // EACH))

    def _together(
        self, waiting: deque[Chunk], request: Request
    ) -> Generator[FittedChunk, None, list[Chunk]]:
        """Work until nothing is waiting, or a worker's death ends the pool.

        Returns:
            The chunks that were in the pool then.
        """
        running: dict[Future[FittedChunk], Chunk] = {}
        pool = self._pool(min(self.places, len(waiting)))
        try:
            while waiting or running:
                while waiting and len(running) < 2 * self.places:
                    future = pool.submit(fit_next, waiting[0], request)  # may raise
                    running[future] = waiting.popleft()
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    fitted = future.result()
                    running.pop(future)
                    yield fitted
        except BrokenProcessPool:
            return list(running.values())
        finally:  # also where the reader of this has seen enough
            pool.shutdown(cancel_futures=True)
        return []

    def _alone(self, chunk: Chunk, request: Request) -> FittedChunk:
        for _ in range(TRIES - 1):
            with self._pool(1) as pool, contextlib.suppress(BrokenProcessPool):
                return pool.submit(fit_next, chunk, request).result()
        return given_up(chunk, request, died(TRIES))

    def _pool(self, count: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        queue, devices = context.SimpleQueue(), gpus()
        for i in range(count):
            queue.put(devices[i % len(devices)] if devices else None)
        parameters = queue, self.cache, os.getpid()
        return ProcessPoolExecutor(count, context, _begin, parameters)


@dataclass(frozen=True)
class OnRay:
    """A cluster, and what of it a chunk takes."""

    address: str | None = None  # of a running cluster; one of this machine unless given
    gpus: float = 0.0  # of a chunk: 0.5 puts two on a device
    cpus: float = 1.0
    cache: Path | None = None

    def __call__(
        self, chunks: Sequence[Chunk], request: Request
    ) -> Iterator[FittedChunk]:
        """Fit all chunks, in whatever order they end.

        Raises:
            ValueError: Ray is not installed, or no cluster answers there.
        """
        ray = _ray()
        started = not ray.is_initialized()
        if started:
            _join(ray, self.address)
        try:
            yield from self._run(ray, interleaved(chunks, self._places(ray)), request)
        finally:
            if started:
                ray.shutdown()

    def _places(self, ray: ModuleType) -> int:
        """Chunks that the cluster takes at a time."""
        resources = ray.cluster_resources()
        rooms = [resources.get("CPU", 1) / self.cpus] if self.cpus else []
        rooms += [resources.get("GPU", 0) / self.gpus] if self.gpus else []
        if not rooms or min(rooms) < 1:
            wanted = f"{self.cpus:g} CPU and {self.gpus:g} GPU"
            msg = f"no room on the cluster for a chunk of {wanted}; it has {resources.get('CPU', 0):g} CPU and {resources.get('GPU', 0):g} GPU"
            raise ValueError(msg)
        return max(1, int(min(rooms)))

    def _run(
        self, ray: ModuleType, chunks: Sequence[Chunk], request: Request
    ) -> Iterator[FittedChunk]:
        remote = ray.remote(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            max_retries=NODE_TRIES,
            retry_exceptions=False,
            max_calls=0,  # else a worker with a GPU ends with its task, programs and all
        )(_fit_on_node)
        share = self.gpus if 0 < self.gpus < 1 else None
        waiting: dict[Hashable, Chunk] = {}
        queue = iter(chunks)
        most = QUEUED * self._places(ray)
        while True:
            while len(waiting) < most and (chunk := next(queue, None)):
                waiting[remote.remote(chunk, request, self.cache, share)] = chunk
            if not waiting:
                return
            done, _ = ray.wait(list(waiting), num_returns=1)
            chunk = waiting.pop(done[0])
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:  # of the node, not of a fit
                yield given_up(
                    chunk, request, f"on its node: {' '.join(str(error.cause).split())}"
                )
            except (ray.exceptions.RayError, OSError):
                yield given_up(chunk, request, died(NODE_TRIES))


def _fit_on_node(
    chunk: Chunk, request: Request, cache: Path | None, share: float | None
) -> FittedChunk:
    """Fit a chunk on whatever worker Ray has chosen."""
    if share:  # JAX takes three quarters of a card unless told otherwise
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{0.8 * share:.2f}")
    begin(cache)
    return fit_next(chunk, request)


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        msg = "the ray engine needs Ray: pip install 'nstar[ray]'"
        raise ValueError(msg) from error
    return ray


def _join(ray: ModuleType, address: str | None) -> None:
    """Join a cluster, or start one on this machine that asks nothing of the network.

    Raises:
        ValueError: no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"log_to_driver": False, "configure_logging": False}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(_node_ip_address="127.0.0.1", include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        msg = f"--address {address}: no Ray cluster answers ({' '.join(str(error).split())[:200]})"
        raise ValueError(msg) from error


_compiled: dict[tuple[str | int, ...], int] = {}  # kinds this process has programs of


def fit_next(chunk: Chunk, request: Request) -> FittedChunk:
    """Fit a chunk where others were before it, with few programs in memory.

    They are read back from the cache of compiled programs where they are needed again.
    """
    if chunk.runs is not None:
        kind = (*chunk.choice[:3], density.size(len(chunk.runs)))
        weight = 1 if chunk.choice.discrepancy == "none" else BENDING
        if kind not in _compiled and sum(_compiled.values()) + weight > KINDS:
            _clear_programs()
        _compiled[kind] = weight
    return fit_chunk(chunk, request)


def _clear_programs() -> None:
    """Let go of compiled programs, and of the memory of compiling them.

    That is half a worker's by then, in pieces that glibc does not give back unasked.
    """
    jax.clear_caches()
    _compiled.clear()
    if sys.platform == "linux" and (
        trim := getattr(ctypes.CDLL(None), "malloc_trim", None)
    ):
        trim(0)


def given_up(chunk: Chunk, request: Request, why: str) -> FittedChunk:
    """Say of a chunk why no worker could finish it."""
    return fit_chunk(replace(chunk, reason=why, lost=True), request)


def died(times: int) -> str:
    """Say that a chunk's workers died."""
    return f"its worker died {times} times: killed, perhaps for memory, or unable to begin (stderr has why)"


def interleaved(chunks: Sequence[Chunk], lanes: int) -> list[Chunk]:
    """Deal out chunks so that workers begin far apart: neighbours share a program to compile."""
    size = -(-len(chunks) // lanes)
    starts = range(0, len(chunks), max(size, 1))
    return [
        chunks[start + i]
        for i in range(size)
        for start in starts
        if start + i < len(chunks)
    ]


def gpus() -> list[str]:
    """Devices that this machine's processes may be given, one each."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [d for d in visible.split(",") if d.strip() not in ("", "-1")]
    return [f"{i}" for i, _ in enumerate(sorted(Path("/dev").glob("nvidia[0-9]*")))]


def _free_memory() -> int:
    """Bytes that are free."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
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
        try:
            use_cache(cache)
        except OSError as error:
            print(f"nstar: compiled programs are not kept ({error})", file=sys.stderr)
