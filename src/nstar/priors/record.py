"""Sources of the public record: which data sets and published fits leave together."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from nstar.files.data_files import read_toml
from nstar.runs import datasets
from nstar.runs.observations import Observations

SHARED = 3  # runs of a table that make it a table of a known source
DIGITS = 4  # significant digits of D and L that a run is recognised by


class Source(NamedTuple):
    """Data sets and published fits that share runs, points or a paper."""

    name: str
    title: str
    datasets: tuple[str, ...]
    published: tuple[str, ...]
    learn: tuple[str, ...]  # published fits whose figures are learned from


@cache
def sources() -> Mapping[str, Source]:
    """Sources by name, from data/sources.toml."""
    by_name = {}
    for entry in read_toml("sources.toml")["source"]:
        lists = (tuple(entry[key]) for key in ("datasets", "published", "learn"))
        by_name[entry["name"]] = Source(entry["name"], entry["title"], *lists)
    return by_name


def source_of_published(id: str) -> str | None:
    """Name the source that a published fit belongs to; None where it is in no source."""
    stem = id.partition(":")[0]
    names = (s.name for s in sources().values() if stem in s.published)
    return next(names, None)


def sources_of_runs(runs: Observations, fingerprints: Mapping[str, str]) -> list[str]:
    """Name the sources these runs come from or share points with.

    A table is known by the name of its data set, by the sha256 of its file, or by three
    of its runs whose tokens and loss are those of a source to four digits.

    Args:
        runs: any table of runs.
        fingerprints: by source, `fingerprint` of its runs.
    """
    table_name = runs.source.removeprefix("optima of ")
    names = [s.name for s in sources().values() if _is_from(s, table_name, runs.sha256)]
    hashes = _hashes(runs)
    for name, text in fingerprints.items():
        known = np.frombuffer(base64.b64decode(text), dtype="<u4")
        if name not in names and np.isin(hashes, known).sum() >= SHARED:
            names.append(name)
    return names


def _is_from(source: Source, table_name: str, sha256: str) -> bool:
    if table_name in source.datasets:
        return True
    entries = [datasets.get(name) for name in source.datasets]
    known = {entry.sha256 for entry in entries}
    known |= {up.sha256 for entry in entries for up in entry.upstream if up.sha256}
    return sha256 in known


def fingerprint(tables: list[Observations]) -> str:
    """Hash runs so that they can be recognised: 32 bits each, too few to recover one."""
    hashes = np.unique(np.concatenate([_hashes(runs) for runs in tables]))
    return base64.b64encode(hashes.astype("<u4").tobytes()).decode()


def _hashes(runs: Observations) -> np.ndarray:
    if "D" not in runs or "L" not in runs:
        return np.empty(0, dtype=np.uint32)
    hashes = set()
    for D, L in zip(runs["D"], runs["L"], strict=True):
        text = f"{D:.{DIGITS - 1}e} {L:.{DIGITS - 1}e}"
        hashes.add(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little"))
    return np.array(sorted(hashes), dtype=np.uint32)
