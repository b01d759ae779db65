"""The ladders that a manifest names, each read or said to have failed."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nstar.batch.manifest import Data, Manifest
from nstar.multipliers.reading import ACCEPTED
from nstar.runs import datasets
from nstar.runs.observations import Observations
from nstar.runs.reading import read_runs


class Ladder(NamedTuple):
    """Runs under a name, or why there are none; of several recipes where they are compared."""

    name: str
    runs: Observations | None
    reason: str = ""
    by: str = ""  # the column that names recipes, where they are compared
    baseline: str = ""  # that they are compared with


def ladders(manifest: Manifest) -> list[Ladder]:
    """Read all sources of a manifest, in its order; a bad one fails alone.

    Raises:
        ValueError: two ladders have one name.
    """
    by_name: dict[str, Ladder] = {}
    for i, entry in enumerate(manifest.data):
        for name, source in _sources(entry, manifest.folder):
            for ladder in _read(entry, name, source):
                if ladder.name in by_name:
                    at = f"{manifest.at[i]}: " if manifest.at else ""
                    msg = f"{at}data: two ladders are named {ladder.name!r}, the second of {source}; give this entry a name = of its own"
                    raise ValueError(msg)
                by_name[ladder.name] = ladder
    return list(by_name.values())


def _sources(entry: Data, folder: Path) -> list[tuple[str, str]]:
    """Names and places of an entry's tables, those of a glob in order of their names."""
    if entry.source in datasets.names():
        return [(entry.name or entry.source, entry.source)]
    place = folder / entry.source
    if not glob.has_magic(entry.source):
        return [(entry.ladder, str(place))]
    files = sorted(glob.glob(str(place), recursive=True))
    if not files:
        return [(entry.name or entry.source, str(place))]
    magic = next(i for i, part in enumerate(place.parts) if glob.has_magic(part))
    top = Path(*place.parts[:magic])  # a/runs.csv and b/runs.csv are a/runs and b/runs
    names = [Path(file).relative_to(top) for file in files]
    bare = [str(name.with_suffix("")) for name in names]
    prefix = f"{entry.name} " if entry.name else ""
    return [
        (f"{prefix}{stem if bare.count(stem) == 1 else name}", file)
        for stem, name, file in zip(bare, names, files, strict=True)
    ]


def _read(entry: Data, name: str, source: str) -> Iterator[Ladder]:
    """Read a table: one ladder, or one for each value of a column."""
    try:
        runs = read_runs(
            source,
            entry.columns,
            entry.where,
            k=entry.flop_per_param_token,
            params_counted=entry.params_counted,
            by=entry.by,
            accept=ACCEPTED if entry.baseline else (),
        )
    except (ValueError, OSError) as error:
        yield Ladder(name, None, " ".join(str(error).split()))
        return
    if entry.by and entry.baseline:
        yield Ladder(name, runs, by=entry.by, baseline=entry.baseline)
        return
    headers = {header: n for n, header in runs.named.items()}
    by = headers.get(entry.by, entry.by) if entry.by else None
    if by is None:
        yield Ladder(name, runs)
        return
    if by not in runs:
        why = f"{source}: no column {entry.by!r} to part it by; there are {', '.join(runs.columns)}"
        yield Ladder(name, None, why)
        return
    values = np.array([_word(v) for v in runs[by].tolist()])
    several = len(set(values)) > 1
    for value in filter(None, dict.fromkeys(values)):
        yield Ladder(f"{name} {value}" if several else name, runs.take(values == value))
    if blank := np.sum(values == ""):
        why = f"{source}: {entry.by!r} is blank in {blank} of {len(runs)} rows, which are of no ladder"
        yield Ladder(f"{name} without {entry.by}", None, why)


def _word(value: str | float) -> str:
    """Name a value of a column; nothing where it is blank."""
    if isinstance(value, float):
        return "" if value != value else repr(value)
    return str(value)
