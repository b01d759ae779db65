"""Where a table comes from: a file, a data set of the registry, or memory."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from nstar.files import table_files, tables
from nstar.files.tables import Table
from nstar.runs import datasets


class Opened(NamedTuple):
    """A table, and what its source says of it."""

    table: Table
    columns: dict[str, str]  # our names to its own
    facts: dict[str, str]  # what the registry knows
    where: Mapping[str, str]  # rows meant unless others are asked for


def open_source(source: Any, columns: Mapping[str, str] | None) -> Opened:
    """Read the table, and join the registry's map of its columns with the user's.

    Raises:
        ValueError: neither a file nor a data set, or not a readable one.
        FileNotFoundError: no such file, or a data set that cannot be fetched.
        TypeError: no table, or no map.
    """
    if columns is not None and not isinstance(columns, Mapping):
        msg = f"columns: expected a map such as {{'N': 'params'}}, got {columns!r}"
        raise TypeError(msg)
    chosen = {str(ours): str(theirs) for ours, theirs in (columns or {}).items()}
    if not isinstance(source, str | Path):
        return Opened(tables.from_columns(source), chosen, {}, {})
    if require_source(source):
        return _registered(str(source), chosen)
    return Opened(table_files.read(Path(source), str(source) or "."), chosen, {}, {})


def require_source(source: str | Path) -> bool:
    """Refuse what is neither a file nor a data set; say whether it is a data set.

    Raises:
        ValueError: it is neither, or no path.
        FileNotFoundError: it is the path of a file that is not there.
    """
    if "\n" in str(source):
        msg = "expected the path of a file or the name of a data set, got a text of several lines; write it to a .csv file"
        raise ValueError(msg)
    path = Path(source)
    if _is_file(path) or path.is_dir():
        return False
    if str(source) in datasets.names():
        return True
    if not path.suffix:
        near = difflib.get_close_matches(str(source), datasets.names(), n=3, cutoff=0.3)
        hint = f"did you mean {near}?" if near else "`nstar data` lists the data sets"
        msg = f"{source}: neither a file nor a data set; {hint}"
        raise ValueError(msg)
    table_files.require_file(path, str(source))
    return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise ValueError(f"{path}: no path ({error.strerror})") from error


def _registered(name: str, chosen: dict[str, str]) -> Opened:
    entry = datasets.get(name)
    try:
        located = datasets.locate(entry)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FileNotFoundError(str(error)) from error
    table = table_files.read(located.path, name)
    columns = {
        "ladder" if ours == "condition" else ours: theirs
        for ours, theirs in located.columns.items()
        if theirs in table.columns
    }
    facts = {
        "params_counted": entry.params_counted,
        "loss_unit": entry.loss_unit,
        "data_unit": entry.data_unit,
    }
    described = replace(table, described=True)
    return Opened(described, columns | chosen, facts, located.where)
