"""The draws of a batch in one file, netCDF with a `fit` dimension that grows."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np

from nstar.batch.table import damaged
from nstar.batch.work import Part
from nstar.files.writing import whole
from nstar.fits.batches import OF_BUDGET


def read(path: Path, fits: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the draws of fits that lie side by side, (fit, draw, ...) each.

    Raises:
        ValueError: they are not there, or the file cannot be read.
    """
    try:
        with h5py.File(path) as file:
            places = _places(file, fits, path)
            return {
                n: v[places][:, 0]
                for n, v in file["posterior"].items()
                if v.ndim >= 3 and not np.isnan(v[places]).all()
            }
    except (OSError, KeyError, RuntimeError) as error:
        raise damaged(path, str(error)) from error


def write(
    path: Path,
    each: Iterable[Part],
    coords: Mapping[str, Sequence[Any]],
) -> None:
    """Write a chunk at a time; memory does not grow with their number."""
    with whole(path) as partial, h5netcdf.File(partial, "w") as file:
        file.dimensions = {"fit": None}
        names = file.create_variable("fit", ("fit",), h5py.string_dtype())
        group = file.create_group("posterior")
        at = 0
        for part in each:
            stop = at + len(part.table["fit"])
            file.resize_dimension("fit", stop)
            names[at:stop] = np.array(part.table["fit"], object)
            for name, values in part.draws.items():
                variable = _variable(group, name, values.shape[1:], coords)
                variable[at:stop] = values[:, None]
            at = stop


def _places(file: h5py.File, fits: Sequence[str], path: Path) -> slice:
    """Rows of the draws that are of these fits, which lie side by side."""
    said = file["fit"].asstr()[...]
    where = np.flatnonzero(said == fits[0])
    if not len(where) or list(said[where[0] : where[0] + len(fits)]) != list(fits):
        raise damaged(path, f"has no draws of {fits[0]}")
    return slice(int(where[0]), int(where[0]) + len(fits))


def _variable(
    group: Any, name: str, shape: tuple[int, ...], coords: Mapping[str, Sequence[Any]]
) -> Any:
    """Find a variable of the draws, (fit, chain, draw, ...), or make it."""
    if name in group.variables:
        return group.variables[name]
    if "chain" not in group.dimensions:
        group.dimensions.update({"chain": 1, "draw": shape[0]})
        group.create_variable("chain", ("chain",), "i4")[...] = [0]
        group.create_variable("draw", ("draw",), "i4")[...] = np.arange(shape[0])
    over = "C" if name in OF_BUDGET else "run" if name == "loss" else None
    more = (over,) if len(shape) > 1 and over else ()
    if over and more and over not in group.dimensions:
        group.dimensions[over] = len(coords[over])
        text = isinstance(coords[over][0], str)
        values = np.array(coords[over], object if text else float)
        group.create_variable(over, (over,), h5py.string_dtype() if text else "f8")[
            ...
        ] = values
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
