"""Evaluation at every draw and point in tiles of few sizes: compiled once, run in parallel."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import Real, Shaped
from numpy.typing import ArrayLike

from nstar.types import Array

ROWS = 512  # draws in a tile
LEAST = 32  # points to which tables are padded; then four times as many, and so on


def pad_points(
    x: Mapping[str, Real[Array, " point"]],
) -> dict[str, Real[np.ndarray, " padded"]]:
    """Pad points, (point,) each, with copies of the last to one of few sizes."""
    count = len(next(iter(x.values())))
    size = LEAST * 4 ** max(math.ceil(math.log(count / LEAST, 4)), 0)
    at = np.minimum(np.arange(size), count - 1)
    return {name: np.asarray(values)[at] for name, values in x.items()}


def map_tiles(
    program: Callable[..., Any],
    draws: Mapping[str, Shaped[Array, "draw ..."]],
    *points: ArrayLike,
    sizes: Sequence[int],
) -> tuple[np.ndarray, ...]:
    """Evaluate a program on tiles of draws and points, padded with copies of the last.

    Args:
        program: of draws, (row, ...) each, and points, (column,) or (row, column) each;
            returns arrays of (row, column), or of (row, ...) where there are no points.
        draws: by name, (draw, ...) each.
        points: (point,) or (draw, point) each.
        sizes: numbers of points that a tile may have, rising.

    Returns:
        The arrays of the program, (draw, point) each.
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
    arrays = [np.asarray(p, dtype=float) for p in points]

    def tile(at: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, ...]:
        i, j = at
        part = {name: np.asarray(values)[i] for name, values in draws.items()}
        tile_points = [p[j] if p.ndim == 1 else p[np.ix_(i, j)] for p in arrays]
        with jax.enable_x64(True):  # the flag holds for one thread alone
            return tuple(np.asarray(v) for v in program(part, *tile_points))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        tiles = list(pool.map(tile, [(i, j) for i in rows for j in columns]))
    tile_rows = [
        tiles[k : k + len(columns)] for k in range(0, len(tiles), len(columns))
    ]
    return tuple(
        np.concatenate(
            [
                np.concatenate([t[v] for t in row], axis=1) if points else row[0][v]
                for row in tile_rows
            ]
        )[:count, : width if points else None]
        for v in range(len(tiles[0]))
    )
