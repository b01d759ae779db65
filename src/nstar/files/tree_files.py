"""Trees on disk: netCDF, written whole or not at all, with a digest of what they hold."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nstar.files.writing import atomic_path

PLAIN = ".npz"  # of the caches: read and written in a tenth of netCDF's time


def write_tree(tree: xr.DataTree, path: Path) -> Path:
    """Write a tree and put it in place in one step.

    Raises:
        ValueError: it cannot be written there.
    """
    if path.is_dir():
        msg = f"{path}: is a folder; expected a file name such as ladder.nc"
        raise ValueError(msg)
    try:
        with atomic_path(path) as partial:
            if path.suffix == PLAIN:
                _write_plain(tree, partial)
            else:
                encoding = _compressed(tree)
                tree.to_netcdf(partial, engine="h5netcdf", encoding=encoding)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror or error})"
        raise ValueError(msg) from error
    return path


def read_tree(path: Path) -> xr.DataTree:
    """Read a tree into memory.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is a folder, cut short, or no netCDF.
    """
    if path.is_dir():
        msg = f"{path}: is a folder; expected the file of a saved fit"
        raise ValueError(msg)
    if not path.is_file():
        msg = f"{path}: no such file"
        raise FileNotFoundError(msg)
    try:
        if path.suffix == PLAIN:
            return _read_plain(path)
        _walk(path)
        with xr.open_datatree(path, engine="h5netcdf") as file:
            return file.load()
    except Exception as error:  # what HDF5 makes of damage has no common class
        msg = f"{path}: not a readable fit; the file is cut short, damaged or of another kind ({error})"
        raise ValueError(msg) from error


def _write_plain(tree: xr.DataTree, path: Path) -> None:
    """Write the arrays as they lie in memory, and their names and attributes as JSON."""
    arrays: dict[str, np.ndarray] = {}
    nodes: dict[str, Any] = {}
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        variables = {}
        for name, variable in dataset.variables.items():
            key = f"a{len(arrays)}"
            values = variable.to_numpy()
            arrays[key] = values.astype(str) if values.dtype.kind == "O" else values
            coordinate = name in dataset.coords
            variables[str(name)] = [key, list(variable.dims), coordinate]
        attrs = {str(k): _plain(v) for k, v in node.attrs.items()}
        nodes[node.path] = {"attrs": attrs, "variables": variables}
    text = json.dumps(nodes, default=lambda value: np.asarray(value).tolist())
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, nodes=np.array(text), **arrays)


def _read_plain(path: Path) -> xr.DataTree:
    """Read a file of `_write_plain`; nothing in it is executed."""
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        nodes = json.loads(str(file["nodes"]))
        datasets = {}
        for place, node in nodes.items():
            data: dict[str, Any] = {}
            coords: dict[str, Any] = {}
            for name, (key, dims, coordinate) in node["variables"].items():
                (coords if coordinate else data)[name] = (tuple(dims), file[key])
            datasets[place] = xr.Dataset(data, coords, node["attrs"])
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs = nodes["/"]["attrs"]
    return tree


def _walk(path: Path) -> None:
    """Visit every object, since h5netcdf prints a traceback of its own on a broken one."""
    import h5py

    with h5py.File(path) as file:
        file.visititems(lambda name, item: dict(item.attrs) and None)
        dict(file.attrs)


def digest(tree: xr.DataTree) -> str:
    """Hash the values, names, coordinates and attributes, whatever the file's layout."""
    sha = hashlib.sha256()
    for node in sorted(tree.subtree, key=lambda node: node.path):
        dataset = node.to_dataset(inherit=False)
        for name in sorted(str(n) for n in dataset.variables):
            values = dataset[name].to_numpy()
            sha.update(f"{node.path}/{name}{dataset[name].dims}{values.shape}".encode())
            raw = values.astype(str) if values.dtype.kind in "OUS" else values
            sha.update(
                repr(raw.tolist()).encode()
                if raw.dtype.kind == "U"
                else np.ascontiguousarray(raw).tobytes()
            )
    root = {k: _plain(v) for k, v in tree.attrs.items() if k != "contents_sha256"}
    sha.update(json.dumps(root, sort_keys=True).encode())
    return sha.hexdigest()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _compressed(tree: xr.DataTree) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        node.path: {
            str(name): {"zlib": True, "complevel": 4}
            for name, variable in node.data_vars.items()
            if variable.dtype.kind in "fiub" and variable.ndim
        }
        for node in tree.subtree
    }
