"""A fit on disk: netCDF, written whole or not at all, and refused when it is not whole."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from nstar.costs.training import PerParamToken
from nstar.departures.bending import bend, is_bent, with_shapes
from nstar.departures.pooling import Pooled, pool_placed
from nstar.files.tree_files import digest, read_tree, write_tree
from nstar.fits.later_groups import without_later
from nstar.laws import LAWS
from nstar.noises.likelihoods import NOISES
from nstar.priors.stated import parse
from nstar.runs.observations import Observations
from nstar.types import Law, Noise, Prior
from nstar.verdicts import Check, Status

FORMAT = 3  # raised when older files can no longer be read
PARTS = "nstar_parts"  # attribute of a file of several fits: what they are together


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
    return write_tree(_signed(tree, runs, notes, path), path)


def write_parts(
    parts: Sequence[tuple[xr.DataTree, Observations, tuple[Check, ...]]],
    record: str,
    path: str | Path,
) -> Path:
    """Write several fits and what they are to each other in one file, each digested.

    Raises:
        ValueError: it cannot be written there.
    """
    path = Path(path)
    signed = {f"part_{i}": _signed(*part, path) for i, part in enumerate(parts)}
    tree = xr.DataTree.from_dict(signed)
    tree.attrs = {PARTS: record, "parts_sha256": _parts_digest(record, tree)}
    return write_tree(tree, path)


def _signed(
    tree: xr.DataTree, runs: Observations, notes: tuple[Check, ...], path: Path
) -> xr.DataTree:
    """Add the runs, the notes and the digest."""
    if "group" in tree.attrs:
        msg = f"{path}: one group of a pooled fit is not saved by itself; save the pooled fit, and name the group to what reads it"
        raise ValueError(msg)
    attrs = {**tree.attrs, "nstar_format": FORMAT, "fit_notes": _notes(notes)}
    tree = without_later(tree)
    tree["runs"] = xr.DataTree(_runs_dataset(runs))
    tree.attrs = attrs
    tree.attrs["contents_sha256"] = digest(tree)
    return tree


def _parts_digest(record: str, tree: xr.DataTree) -> str:
    each = [part.attrs.get("contents_sha256", "") for part in tree.children.values()]
    return hashlib.sha256("\n".join([record, *each]).encode()).hexdigest()


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
    record, parts = read_parts(path, law, noise)
    if record is not None:
        msg = f"{path}: holds an average of {len(parts)} laws; expected a fit of one"
        raise ValueError(msg)
    return parts[0]


def read_parts(
    path: str | Path, law: Law | None = None, noise: Noise | None = None
) -> tuple[str | None, list[Stored]]:
    """Read the fits of one file, and what was said of them; none if it holds one fit.

    Args:
        path: the file.
        law: the law of a single fit, where it is one of the user's own.
        noise: the noise, likewise.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is cut short, edited, no fit, or of a newer format.
    """
    path = Path(path)
    tree = read_tree(path)
    if PARTS not in tree.attrs:
        return None, [_stored(tree, path, law, noise)]
    record = str(tree.attrs[PARTS])
    if tree.attrs.get("parts_sha256") != _parts_digest(record, tree):
        raise _damaged(path)
    parts = [tree.children[f"part_{i}"].copy() for i in range(len(tree.children))]
    return record, [_stored(part, path, None, None) for part in parts]


def _damaged(path: Path) -> ValueError:
    return ValueError(
        f"{path}: its contents do not match the digest written with them; the file was edited or damaged, fit again"
    )


def _stored(
    tree: xr.DataTree, path: Path, law: Law | None, noise: Noise | None
) -> Stored:
    attrs = tree.attrs
    if attrs.get("nstar_format") is None or "runs" not in tree.children:
        msg = f"{path}: a netCDF file, but not a fit of nstar"
        raise ValueError(msg)
    record = str(attrs["nstar_format"])
    if record.isdigit() and int(record) != FORMAT:
        version = attrs.get("nstar_version", "version unknown")
        msg = (
            f"{path}: written by a newer nstar ({version}); update to read it"
            if int(record) > FORMAT
            else f"{path}: written by an older nstar ({version}) whose laws meant other things; fit again"
        )
        raise ValueError(msg)
    stated = attrs.pop("contents_sha256", "")
    if stated != digest(tree):
        raise _damaged(path)
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
        law, _ = pool_placed(_pool(law, attrs["pool"]), law, runs, x)
    if "design" in tree.children:
        kept = tree["design"].dataset
        law = with_shapes(law, {str(n): v.to_numpy() for n, v in kept.items()})
    noise = noise or _made(
        path, "noise", attrs["noise"], {n: type(v) for n, v in NOISES.items()}
    )
    return Stored(law, noise, runs, tree, int(attrs["seed"]), chosen, notes)


def _prior(text: str) -> Any:
    """Read a prior back; one of the user's own making stays as it was described."""
    try:
        return parse(text)
    except ValueError:
        return text


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
    record = json.loads(text)
    return Pooled(law, tuple(record["groups"]), record["over"], tuple(record["common"]))


def _made(path: Path, kind: str, text: str, known: Mapping[str, type]) -> Any:
    record = json.loads(text)
    if record["name"] not in known:
        msg = f"{path}: its {kind} {record['name']!r} is not one of nstar's; pass it as load(path, {kind}=...)"
        raise ValueError(msg)
    settings = {
        k: tuple(v) if isinstance(v, list) else v for k, v in record["settings"].items()
    }
    return known[record["name"]](**settings)
