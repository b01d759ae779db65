"""Data sets by name: where each comes from, what it means, and its file, verified."""

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nstar.files.data_files import find_entry, read_toml, shipped
from nstar.files.writing import atomic_path
from nstar.runs.readers import READERS

LONGEST = 120  # letters of a failure that helps; a connection's is a page


@dataclass(frozen=True)
class Upstream:
    """One file as its authors publish it, at one commit."""

    url: str
    licence: str
    sha256: str | None = None  # None: cannot be verified, so never fetched
    repo: str | None = None
    commit: str | None = None
    path: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class DataSet:
    """One entry of data/datasets.toml."""

    name: str
    title: str
    citation: str
    licence: str
    access: str  # shipped, direct, convert, manual
    file: str  # the converted table, in the data folder or in NSTAR_DATA_DIR
    sha256: str  # of that table
    rows: int
    header: tuple[str, ...]
    kind: str
    params_kind: str
    params_counted: str  # total, non-embedding, active, unknown
    flops_kind: str
    loss_unit: str
    data_unit: str = "tokens"
    paper: str | None = None
    part: bool = False  # the converted table holds a part of the upstream rows
    columns: Mapping[str, str] = field(default_factory=dict)  # our names to its own
    upstream_columns: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)  # its rows, by default
    quirks: str | None = None
    published: str | None = None  # numbers to compare with
    check: str | None = None  # what a plain fit gives
    manual: str | None = None  # what to do where nstar cannot
    upstream: tuple[Upstream, ...] = ()


class Located(NamedTuple):
    """A file on this machine, and how to read it."""

    path: Path
    columns: Mapping[str, str]  # our names to the file's own
    where: Mapping[str, str]  # default filter of rows, by the file's own columns


@cache
def _registry() -> Mapping[str, DataSet]:
    field_names = {f.name for f in fields(Upstream)}
    registry = {}
    for entry in read_toml("datasets.toml")["dataset"]:
        sources = (
            Upstream(
                **{key: value for key, value in source.items() if key in field_names}
            )
            for source in entry.get("upstream", ())
        )
        values = entry | {"header": tuple(entry["header"]), "upstream": tuple(sources)}
        registry[entry["name"]] = DataSet(**values)
    return registry


def names() -> list[str]:
    """List the data sets."""
    return list(_registry())


def get(name: str) -> DataSet:
    """Find a data set by its name.

    Raises:
        ValueError: when there is none; the message names the nearest.
    """
    return find_entry("data set", name, _registry())


def path(name: str, *, fetch: bool = True) -> Path:
    """Find the file of a data set; see `locate`."""
    return locate(name, fetch=fetch).path


def locate(dataset: str | DataSet, *, fetch: bool = True) -> Located:
    """Find a data set's file on this machine, and the meaning of its columns.

    Looked for in this order: the tables nstar ships; the folder NSTAR_DATA_DIR, when it
    holds the converted table; the cache (NSTAR_CACHE, else the user's own), filled from
    the upstream address unless `fetch` is false.  All but the shipped are verified
    against their sha256 each time, and a converted table is made anew from verified
    files, so that an edited one cannot pass.

    Raises:
        ValueError: when a file is not the registered one, or is prepared by hand.
        FileNotFoundError: when the file is not here and is not to be fetched.
        OSError: when it cannot be fetched.
    """
    entry = get(dataset) if isinstance(dataset, str) else dataset
    if entry.access == "shipped":
        return Located(shipped(entry.file), entry.columns, entry.where)
    data_folder = os.environ.get("NSTAR_DATA_DIR")
    if data_folder and (file := Path(data_folder) / entry.file).is_file():
        _verify(file, entry.sha256)
        return Located(file, entry.columns, entry.where)
    cached = _cache() / entry.name
    sources = entry.upstream[:1] if entry.access == "direct" else entry.upstream
    files = [_upstream(entry, u, cached, fetch=fetch) for u in sources if u.sha256]
    if entry.access == "direct":
        return Located(files[0], entry.upstream_columns, {})
    if entry.access == "convert":
        table = cached / entry.file
        _write_table(table, entry.header, READERS[entry.name](files))
        return Located(table, entry.columns, entry.where)
    verified = f"; verified: {', '.join(map(str, files))}" if files else ""
    raise ValueError(f"{entry.name} is prepared by hand: {entry.manual}{verified}")


def verify(name: str, *, fetch: bool = False) -> Path:
    """Check a data set's file against its sha256, the shipped ones too.

    Raises:
        ValueError: naming file, expected and found hash.
    """
    entry, file = get(name), path(name, fetch=fetch)
    if entry.access == "shipped":
        _verify(file, entry.sha256)
    return file


def _cache() -> Path:
    if folder := os.environ.get("NSTAR_CACHE"):
        return Path(folder)
    import pooch  # it imports requests: not for `--help`

    return Path(pooch.os_cache("nstar"))


def _verify(file: Path, expected: str) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != expected:
        raise ValueError(
            f"{file} is not the registered file: expected sha256 {expected}, "
            f"found {digest}; remove it or put the right one in its place"
        )


def _upstream(entry: DataSet, source: Upstream, folder: Path, *, fetch: bool) -> Path:
    target = folder / source.url.rsplit("/", 1)[-1]
    if target.is_file():
        _verify(target, source.sha256 or "")
        return target
    elsewhere = f"put it at {target}, or {entry.file} into NSTAR_DATA_DIR"
    if entry.manual:
        elsewhere += f". Then: {entry.manual}"
    if not fetch:
        raise FileNotFoundError(
            f"{entry.name}: {source.url} has not been fetched; allow that, {elsewhere}"
        )
    import pooch

    try:
        pooch.retrieve(
            source.url, f"sha256:{source.sha256}", fname=target.name, path=folder
        )
    except OSError as error:
        why = str(error) if len(str(error)) < LONGEST else type(error).__name__
        raise OSError(
            f"{entry.name}: cannot fetch {source.url} ({why}); {elsewhere}"
        ) from error
    return target


def _write_table(
    table: Path, header: tuple[str, ...], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write a CSV whole or not at all: two processes may be at it."""
    with (
        atomic_path(table) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
