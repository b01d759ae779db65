"""The draws of a batch in one file, netCDF with a `fit` dimension that grows."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5netcdf
import h5py
import numpy as np

from nstar.batch.comparisons import MULTIPLIER
from nstar.batch.table import damaged
from nstar.files.writing import atomic_path
from nstar.fits.batches import OF_BUDGET

type Coords = Mapping[str, Sequence[float | str]]  # the budgets as C, and runs as run


def read_draws(path: Path, fits: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the draws of fits that lie side by side, (fit, draw, ...) each.

    Raises:
        ValueError: they are not there, or the file cannot be read.
    """
    try:
        with h5py.File(path) as file:
            names = file["fit"].asstr()[...].tolist()
            start = names.index(fits[0]) if fits[0] in names else len(names)
            rows = slice(start, start + len(fits))
            if names[rows] != list(fits):
                raise damaged(path, f"has no draws of {fits[0]}")
            return {
                n: v[rows][:, 0]
                for n, v in file["posterior"].items()
                if v.ndim >= 3 and not np.isnan(v[rows]).all()
            }
    except (OSError, KeyError, RuntimeError) as error:
        raise damaged(path, str(error)) from error


def write_draws(
    path: Path,
    chunks: Iterable[tuple[Sequence[str], Mapping[str, np.ndarray]]],
    coords: Coords,
) -> None:
    """Write a chunk at a time; memory does not grow with their number.

    Args:
        path: of the file.
        chunks: names of each one's fits, and their draws by name, (fit, draw, ...).
        coords: labels of budgets and runs.
    """
    with atomic_path(path) as partial, h5netcdf.File(partial, "w") as file:
        file.dimensions = {"fit": None}
        names = file.create_variable("fit", ("fit",), h5py.string_dtype())
        group = file.create_group("posterior")
        start = 0
        for fits, draws in chunks:
            stop = start + len(fits)
            file.resize_dimension("fit", stop)
            names[start:stop] = np.array(fits, object)
            for name, values in draws.items():
                variable = _variable(group, name, values.shape[1:], coords)
                variable[start:stop] = values[:, None]
            start = stop


def _variable(
    group: h5netcdf.Group, name: str, shape: tuple[int, ...], coords: Coords
) -> h5netcdf.Variable:
    """Find a variable of the draws, (fit, chain, draw, ...), or create it."""
    if name in group.variables:
        return group.variables[name]
    if "chain" not in group.dimensions:
        _dimension(group, "chain", np.zeros(1, "i4"))
        _dimension(group, "draw", np.arange(shape[0], dtype="i4"))
    over = (
        "C" if name in (*OF_BUDGET, MULTIPLIER) else "run" if name == "loss" else None
    )
    more = (over,) if len(shape) > 1 and over else ()
    for dim in more:
        if dim not in group.dimensions:
            text = isinstance(coords[dim][0], str)
            _dimension(group, dim, np.array(coords[dim], object if text else float))
    return group.create_variable(
        name,
        ("fit", "chain", "draw", *more),
        "f4",
        fillvalue=np.float32(np.nan),
        chunks=(64, 1, *shape),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
    )


def _dimension(group: h5netcdf.Group, name: str, values: np.ndarray) -> None:
    """Create a dimension with its labels."""
    group.dimensions[name] = len(values)
    dtype = h5py.string_dtype() if values.dtype == object else values.dtype
    group.create_variable(name, (name,), dtype)[...] = values
