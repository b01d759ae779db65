"""Chunks on a Ray cluster: Ray places them, and tries again where a worker or node is lost."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nstar.batch.engines import begin, died, given_up, interleaved, worked
from nstar.batch.plan import Chunk
from nstar.batch.work import Part, Told

TRIES = 5  # a node may take several chunks with it
AHEAD = 4  # chunks that wait for each core or device


@dataclass(frozen=True)
class OnRay:
    """A cluster, and what of it a chunk takes."""

    address: str | None = None  # of a running cluster; one of this machine unless given
    gpus: float = 0.0  # of a chunk: 0.5 puts two on a device
    cpus: float = 1.0
    cache: Path | None = None

    def __call__(self, chunks: Sequence[Chunk], told: Told) -> Iterator[Part]:
        """Work all chunks out, in whatever order they end.

        Raises:
            ValueError: Ray is not installed, or no cluster answers there.
        """
        ray = _ray()
        mine = not ray.is_initialized()
        if mine:
            _join(ray, self.address)
        try:
            yield from self._run(ray, interleaved(chunks, self._places(ray)), told)
        finally:
            if mine:
                ray.shutdown()

    def _places(self, ray: Any) -> int:
        """Chunks that the cluster takes at a time."""
        has = ray.cluster_resources()
        fits = [has.get("CPU", 1) / self.cpus] if self.cpus else []
        fits += [has.get("GPU", 0) / self.gpus] if self.gpus else []
        if not fits or min(fits) < 1:
            asks = f"{self.cpus:g} CPU and {self.gpus:g} GPU"
            msg = f"no room on the cluster for a chunk of {asks}; it has {has.get('CPU', 0):g} CPU and {has.get('GPU', 0):g} GPU"
            raise ValueError(msg)
        return max(1, int(min(fits)))

    def _run(self, ray: Any, chunks: Sequence[Chunk], told: Told) -> Iterator[Part]:
        remote = ray.remote(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            max_retries=TRIES,
            retry_exceptions=False,
            max_calls=0,  # else a worker with a GPU ends with its task, programs and all
        )(_work)
        share = self.gpus if 0 < self.gpus < 1 else None
        waiting: dict[Any, Chunk] = {}
        ahead = iter(chunks)
        most = AHEAD * self._places(ray)
        while True:
            while len(waiting) < most and (chunk := next(ahead, None)):
                waiting[remote.remote(chunk, told, self.cache, share)] = chunk
            if not waiting:
                return
            done, _ = ray.wait(list(waiting), num_returns=1)
            chunk = waiting.pop(done[0])
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:  # of the node, not of a fit
                yield given_up(
                    chunk, told, f"on its node: {' '.join(str(error.cause).split())}"
                )
            except (ray.exceptions.RayError, OSError):
                yield given_up(chunk, told, died(TRIES))


def _work(chunk: Chunk, told: Told, cache: Path | None, share: float | None) -> Part:
    """Work a chunk out on whatever worker Ray has chosen."""
    if share:  # JAX takes three quarters of a card unless told otherwise
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{0.8 * share:.2f}")
    begin(cache)
    return worked(chunk, told)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        msg = "the ray engine needs Ray: pip install 'nstar[ray]'"
        raise ValueError(msg) from error
    return ray


def _join(ray: Any, address: str | None) -> None:
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
