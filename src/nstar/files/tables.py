"""A table of any kind, as columns of cells with their source and row numbers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nstar.amounts import Habits, observe_habits
from nstar.files.nested import spread


@dataclass(frozen=True)
class Table:
    """Columns as read, not yet mapped to our names."""

    source: str  # file, data set or kind of frame, for messages
    columns: dict[str, np.ndarray]
    rows: np.ndarray  # number of each row in its source
    sha256: str
    semicolons: bool = False  # separate its columns, as where commas divide
    described: bool = False  # by a registry, which says what its columns are

    @cached_property
    def habits(self) -> Habits:
        """How its cells of text write numbers."""
        written = (
            [str(cell).strip() for cell in cells]
            for cells in self.columns.values()
            if cells.dtype.kind in "OSU"
        )
        return observe_habits(written, semicolons=self.semicolons)

    def __len__(self) -> int:
        """Count the rows."""
        return self.rows.size

    def take(self, keep: np.ndarray) -> "Table":
        """Keep the rows of a mask or an index."""
        columns = {name: cells[keep] for name, cells in self.columns.items()}
        return replace(self, columns=columns, rows=self.rows[keep])


def from_columns(columns: Mapping[str, Any] | Any, source: str = "columns") -> Table:
    """Take a dict of arrays, or any pandas, polars or Arrow frame.

    Raises:
        ValueError: columns differ in length or share a name, or there are none.
        TypeError: it is no table that narwhals knows.
    """
    if not isinstance(columns, Mapping):
        source = f"{type(columns).__module__.split('.')[0]} frame"
        columns = _from_frame(columns, source)
    arrays = {str(name): _flat(name, cells, source) for name, cells in columns.items()}
    if len(arrays) < len(columns):
        msg = f"{source}: column names repeat once written as text: {list(columns)}"
        raise ValueError(msg)
    lengths = {name: len(cells) for name, cells in arrays.items()}
    if len(set(lengths.values())) != 1:
        msg = f"{source}: expected columns of one length, got {lengths}"
        raise ValueError(msg)
    n = next(iter(lengths.values()))
    if n == 0:
        msg = f"{source}: no runs; expected one row per run"
        raise ValueError(msg)
    digest = hashlib.sha256()
    for name, cells in arrays.items():
        digest.update(repr((name, cells.tolist())).encode())
    return Table(source, spread(arrays), np.arange(1, n + 1), digest.hexdigest())


def _from_frame(frame: Any, source: str) -> dict[str, np.ndarray]:
    import narwhals as nw

    try:
        known = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        msg = (
            "expected a file, the name of a data set, a dict of arrays, or a pandas, "
            f"polars or Arrow frame that is in memory (collected), got {type(frame).__name__}"
        )
        raise TypeError(msg) from error
    except nw.exceptions.NarwhalsError as error:
        raise ValueError(f"{source}: {error}") from error
    names = list(known.columns)
    check_repeats(source, [str(name) for name in names])
    return {name: known[name].to_numpy() for name in names}


def _flat(name: str, cells: Any, source: str) -> np.ndarray:
    try:
        array = np.atleast_1d(np.asarray(cells))
    except ValueError as error:
        msg = f"{source}, column {str(name)!r}: expected a flat array ({error})"
        raise ValueError(msg) from error
    if array.ndim != 1:
        msg = f"{source}, column {str(name)!r}: expected a flat array, got shape {array.shape}"
        raise ValueError(msg)
    if isinstance(cells, np.ma.MaskedArray):
        array = array.astype(object)
        array[np.ma.getmaskarray(cells)] = None
    return array


def check_repeats(place: str, header: list[str]) -> None:
    """Require that no two columns share a name.

    Raises:
        ValueError: some do.
    """
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        msg = f"{place}: the header repeats {repeated}; rename one of each"
        raise ValueError(msg)
