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
    found: dict[str, Ladder] = {}
    for i, entry in enumerate(manifest.data):
        for name, source in _sources(entry, manifest.folder):
            for ladder in _read(entry, name, source):
                if ladder.name in found:
                    at = f"{manifest.at[i]}: " if manifest.at else ""
                    msg = f"{at}data: two ladders are named {ladder.name!r}, the second of {source}; give this entry a name = of its own"
                    raise ValueError(msg)
                found[ladder.name] = ladder
    return list(found.values())


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
    parts = Path(place).parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    top = Path(*parts[:first])  # a/runs.csv and b/runs.csv are a/runs and b/runs
    names = [Path(file).relative_to(top) for file in files]
    bare = [str(name.with_suffix("")) for name in names]
    told = [
        b if bare.count(b) == 1 else str(n) for b, n in zip(bare, names, strict=True)
    ]
    return [(f"{stem}{name}", file) for name, file in zip(told, files, strict=True)]


def _read(entry: Data, name: str, source: str) -> list[Ladder]:
    try:
        runs = read_runs(
            source,
            entry.columns,
            entry.where,
            k=entry.flop_per_param_token,
            params_counted=entry.params_counted,
        )
    except (ValueError, OSError) as error:
        return [Ladder(name, None, " ".join(str(error).split()))]
    if entry.by is None:
        return [Ladder(name, runs)]
    by = next((n for n, header in runs.named.items() if header == entry.by), entry.by)
    if by not in runs:
        why = f"{source}: no column {entry.by!r} to part it by; there are {', '.join(runs.columns)}"
        return [Ladder(name, None, why)]
    whose = np.array([_word(v) for v in runs[by].tolist()])
    if len(set(whose)) == 1 and whose[0]:
        return [Ladder(name, runs)]
    parts = [
        Ladder(f"{name} {v}", runs.take(whose == v)) for v in dict.fromkeys(whose) if v
    ]
    if "" in whose:
        why = f"{source}: {entry.by!r} is blank in {np.sum(whose == '')} of {len(runs)} rows, which are of no ladder"
        parts.append(Ladder(f"{name} without {entry.by}", None, why))
    return parts


def _word(value: object) -> str:
    """Name a value of a column; nothing where it is blank."""
    if isinstance(value, float):
        return "" if value != value else repr(value)
    return str(value)
