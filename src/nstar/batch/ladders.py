"""The ladders that a manifest names, each read or said to have failed."""

import glob
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nstar.batch.manifest import Data, Manifest
from nstar.runs import datasets
from nstar.runs.observations import Observations
from nstar.runs.reading import read_runs


class Ladder(NamedTuple):
    """Runs under a name, or why there are none."""

    name: str
    runs: Observations | None
    reason: str = ""


def ladders(manifest: Manifest) -> list[Ladder]:
    """Read all sources of a manifest, in its order; a bad one fails alone.

    Raises:
        ValueError: two ladders have one name.
    """
    found: list[Ladder] = []
    for entry in manifest.data:
        for name, source in _sources(entry, manifest.folder):
            found += _read(entry, name, source)
    names = [ladder.name for ladder in found]
    if twice := [n for n in dict.fromkeys(names) if names.count(n) > 1]:
        msg = (
            f"two ladders are named {twice[0]!r}: give one of them a name = of its own"
        )
        raise ValueError(msg)
    return found


def _sources(entry: Data, folder: Path) -> list[tuple[str, str]]:
    """Names and places of an entry's tables, those of a glob in order of their names."""
    if entry.source in datasets.names():
        return [(entry.name or entry.source, entry.source)]
    place = str(folder / entry.source)
    if not glob.has_magic(entry.source):
        return [(entry.name or Path(place).stem, place)]
    files = sorted(glob.glob(place, recursive=True))
    if not files:
        return [(entry.name or entry.source, place)]
    stem = f"{entry.name} " if entry.name else ""
    return [(f"{stem}{Path(file).stem}", file) for file in files]


def _read(entry: Data, name: str, source: str) -> list[Ladder]:
    try:
        runs = read_runs(
            source, entry.columns, entry.where,
            k=entry.flop_per_param_token, params_counted=entry.params_counted,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        return [Ladder(name, None, " ".join(str(error).split()))]
    if entry.by is None:
        return [Ladder(name, runs)]
    by = next((n for n, header in runs.named.items() if header == entry.by), entry.by)
    if by not in runs:
        why = f"{source}: no column {entry.by!r} to part it by; there are {', '.join(runs.columns)}"
        return [Ladder(name, None, why)]
    values = dict.fromkeys(runs[by].tolist())
    if len(values) == 1:
        return [Ladder(name, runs)]
    return [Ladder(f"{name} {v}", runs.take(np.asarray(runs[by] == v))) for v in values]
