"""Work on every draw at every point, by programs of few sizes: compiled once, run side by side."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from nstar.types import Array

ROWS = 512  # draws that a program takes at a time
LEAST = (
    32  # points that tables of points are filled up to; then four times as many, ...
)


def filled(x: Mapping[str, Array]) -> dict[str, np.ndarray]:
    """Fill points up to few sizes with copies of the last, (point,) each."""
    count = len(next(iter(x.values())))
    size = LEAST * 4 ** max(math.ceil(math.log(count / LEAST, 4)), 0)
    at = np.minimum(np.arange(size), count - 1)
    return {name: np.asarray(values)[at] for name, values in x.items()}


def tiled(
    program: Callable[..., Any],
    draws: Mapping[str, Array],
    *points: Array,
    sizes: Sequence[int],
) -> tuple[np.ndarray, ...]:
    """Call a program on tiles of draws and points, filled up with what comes last.

    Args:
        program: of draws, (row, ...) each, and points, (column,) or (row, column) each;
            returns arrays of (row, column), or of (row, ...) where there are no points.
        draws: by name, (draw, ...) each.
        points: (point,) or (draw, point) each.
        sizes: numbers of points that programs take, rising.

    Returns:
        What the program returns, (draw, point) each.
    """
    count = len(next(iter(draws.values())))
    width = np.shape(points[0])[-1] if points else 1
    column = next((size for size in sizes if size >= width), sizes[-1])
    rows = [
        np.minimum(np.arange(i, i + ROWS), count - 1) for i in range(0, count, ROWS)
    ]
    columns = [
        np.minimum(np.arange(j, j + column), width - 1) for j in range(0, width, column)
    ]
    held = [np.asarray(p, dtype=float) for p in points]

    def tile(at: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, ...]:
        i, j = at
        part = {name: np.asarray(values)[i] for name, values in draws.items()}
        cut = [p[j] if p.ndim == 1 else p[np.ix_(i, j)] for p in held]
        with jax.enable_x64(True):  # the flag is a thread's own
            return tuple(np.asarray(v) for v in program(part, *cut))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(tile, [(i, j) for i in rows for j in columns]))
    each = [found[k : k + len(columns)] for k in range(0, len(found), len(columns))]
    return tuple(
        np.concatenate(
            [
                np.concatenate([t[v] for t in row], axis=1) if points else row[0][v]
                for row in each
            ]
        )[:count, : width if points else None]
        for v in range(len(found[0]))
    )
