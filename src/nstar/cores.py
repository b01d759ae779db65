"""Independent work side by side on the cores: compiling and sampling leave Python's lock."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits


def side_by_side[T](jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Do jobs that do not wait for each other; what they return, in their order.

    BLAS has one thread meanwhile, so that its sums are the same whatever runs beside.

    Raises:
        Exception: what the first of the jobs that fails raises, once all have ended.
    """
    if len(jobs) < 2:
        return [job() for job in jobs]
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(min(len(jobs), os.cpu_count() or 1)) as pool,
    ):
        futures = [pool.submit(job) for job in jobs]
    return [future.result() for future in futures]
