"""A fit on disk: netCDF, written whole or not at all, and refused when it is not whole."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import xarray as xr

from nstar.bending import bend, is_bent, with_shapes
from nstar.costs import PerParamToken
from nstar.laws import LAWS
from nstar.noise import NOISES
from nstar.observations import Observations
from nstar.pooling import Pooled, together
from nstar.priors import parse
from nstar.types import Law, Noise, Prior
from nstar.verdicts import Check, Status

FORMAT = 2  # raised when older files can no longer be read


class Stored(NamedTuple):
    """The parts of a fit as a file holds them."""

    law: Law
    noise: Noise
    runs: Observations
    tree: xr.DataTree
    seed: int
    priors: dict[str, Prior]
    notes: tuple[Check, ...]


def write(
    tree: xr.DataTree, runs: Observations, notes: tuple[Check, ...], path: str | Path
) -> Path:
    """Write a fit, with a digest of its contents, and put it in place in one step.

    Raises:
        ValueError: it cannot be written there.
    """
    path = Path(path)
    if path.is_dir():
        msg = f"{path}: is a folder; expected a file name such as ladder.nc"
        raise ValueError(msg)
    if "group" in tree.attrs:
        msg = f"{path}: one group of a pooled fit is not saved by itself; save the pooled fit, and name the group to what reads it"
        raise ValueError(msg)
    attrs = {**tree.attrs, "nstar_format": FORMAT, "fit_notes": _notes(notes)}
    tree = tree.copy()
    tree["runs"] = xr.DataTree(_runs_dataset(runs))
    tree.attrs = attrs
    tree.attrs["contents_sha256"] = digest(tree)
    try:
        _put(tree, path)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror or error})"
        raise ValueError(msg) from error
    return path


def _put(tree: xr.DataTree, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(
        dir=path.parent, prefix=path.name, suffix=".part"
    )
    os.close(handle)
    try:
        tree.to_netcdf(partial, engine="h5netcdf", encoding=_compressed(tree))
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def read(path: str | Path, law: Law | None, noise: Noise | None) -> Stored:
    """Read a fit back, identical to the one that was saved.

    Args:
        path: the file.
        law: the law, where it is one of the user's own.
        noise: the noise, likewise.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is cut short, edited, no fit, or of a newer format.
    """
    path = Path(path)
    tree = _open(path)
    attrs = tree.attrs
    if attrs.get("nstar_format") is None or "runs" not in tree.children:
        msg = f"{path}: a netCDF file, but not a fit of nstar"
        raise ValueError(msg)
    said = str(attrs["nstar_format"])
    if said.isdigit() and int(said) != FORMAT:
        version = attrs.get("nstar_version", "version unknown")
        msg = (
            f"{path}: written by a newer nstar ({version}); update to read it"
            if int(said) > FORMAT
            else f"{path}: written by an older nstar ({version}) whose laws meant other things; fit again"
        )
        raise ValueError(msg)
    stated = attrs.pop("contents_sha256", "")
    if stated != digest(tree):
        msg = f"{path}: its contents do not match the digest written with them; the file was edited or damaged, fit again"
        raise ValueError(msg)
    chosen = {n: _prior(p) for n, p in json.loads(attrs["priors_chosen"]).items()}
    runs, notes = _runs(tree), _checks(attrs.pop("fit_notes"))
    attrs.pop("nstar_format")
    del tree["runs"]
    tree.attrs = attrs
    law = law or _made(path, "law", attrs["law"], LAWS)
    x = {name: runs[name] for name in law.inputs if name in runs}
    if attrs.get("discrepancy", "none") == "waves" and not is_bent(law):
        law = bend(law, x)
    if "pool" in attrs and not isinstance(law, Pooled):
        law, _ = together(_pool(law, attrs["pool"]), law, runs, x)
    if "design" in tree.children:
        kept = tree["design"].dataset
        law = with_shapes(law, {str(n): v.to_numpy() for n, v in kept.items()})
    noise = noise or _made(
        path, "noise", attrs["noise"], {n: type(v) for n, v in NOISES.items()}
    )
    return Stored(law, noise, runs, tree, int(attrs["seed"]), chosen, notes)


def _open(path: Path) -> xr.DataTree:
    if path.is_dir():
        msg = f"{path}: is a folder; expected the file of a saved fit"
        raise ValueError(msg)
    if not path.is_file():
        msg = f"{path}: no such file"
        raise FileNotFoundError(msg)
    try:
        _walk(path)
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            return opened.load()
    except Exception as error:  # what HDF5 makes of damage has no common class
        msg = f"{path}: not a readable fit; the file is cut short, damaged or of another kind ({error})"
        raise ValueError(msg) from error


def _walk(path: Path) -> None:
    """Visit every object, since h5netcdf prints a traceback of its own on a broken one."""
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


def _prior(text: str) -> Prior | str:
    """Read a prior back; one of the user's own making stays as it was described."""
    try:
        return parse(text)
    except ValueError:
        return text


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


def _runs_dataset(runs: Observations) -> xr.Dataset:
    columns = {_key(name): ("row", values) for name, values in runs.columns.items()}
    return xr.Dataset(columns, coords={"row": runs.rows})


def _key(name: str) -> str:
    """Write a user's column name as netCDF and our own `row` allow."""
    return "%row" if name == "row" else name.replace("%", "%25").replace("/", "%2F")


def _name(key: str) -> str:
    return "row" if key == "%row" else key.replace("%2F", "/").replace("%25", "%")


def _runs(tree: xr.DataTree) -> Observations:
    data, attrs = tree["runs"].dataset, tree.attrs
    columns = {_name(str(key)): data[key].to_numpy() for key in data.data_vars}
    return Observations(
        {n: v.astype(str) if v.dtype.kind in "OU" else v for n, v in columns.items()},
        data["row"].to_numpy(),
        attrs["source"],
        attrs["sha256"],
        PerParamToken(float(attrs["flop_per_param_token"])),
        attrs["params_counted"],
        attrs["loss_unit"],
        attrs["derived"],
        _checks(attrs["notes"]),
    )


def _notes(notes: tuple[Check, ...]) -> str:
    return json.dumps([note.as_json() for note in notes])


def _checks(text: str) -> tuple[Check, ...]:
    return tuple(
        Check(c["name"], Status(c["status"]), c["detail"]) for c in json.loads(text)
    )


def _pool(law: Law, text: str) -> Pooled:
    said = json.loads(text)
    return Pooled(law, tuple(said["groups"]), said["over"], tuple(said["common"]))


def _made(path: Path, kind: str, text: str, known: Mapping[str, type]) -> Any:
    said = json.loads(text)
    if said["name"] not in known:
        msg = f"{path}: its {kind} {said['name']!r} is not one of nstar's; pass it as load(path, {kind}=...)"
        raise ValueError(msg)
    settings = {
        k: tuple(v) if isinstance(v, list) else v for k, v in said["settings"].items()
    }
    return known[said["name"]](**settings)
