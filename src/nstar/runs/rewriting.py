"""Write a repaired table: plain counts under our names, rows set aside left out."""

import csv
from pathlib import Path

import numpy as np

from nstar.files.writing import atomic_path
from nstar.runs.columns import ALIASES, GROUPS
from nstar.runs.reading import Examination
from nstar.runs.table_check import Change, Rewritten


def rewrite(examination: Examination, path: str) -> Rewritten:
    """Write the table as it reads once repaired, whole or not at all.

    Columns that laws read have our names and plain numbers; every other column is as it
    was, under its name, or with the table's name behind it where ours is the same.

    Raises:
        ValueError: nothing repairs the table.
        OSError: the file cannot be written.
    """
    table, runs = examination.table, examination.repaired.runs
    if examination.repaired.stops:
        left = ", ".join(dict.fromkeys(p.name for p in examination.repaired.stops))
        msg = f"{table.source}: no option repairs {left}, so there is no repaired table to write"
        raise ValueError(msg)
    ours = {
        theirs: name
        for name, theirs in runs.named.items()
        if name in ALIASES and name not in GROUPS and name in runs
    }
    rows = {int(row): i for i, row in enumerate(runs.rows)}
    at = [i for i, row in enumerate(table.rows.tolist()) if row in rows]
    header, cells, changes = [], [], []
    for theirs, column in table.columns.items():
        before = [_text(cell) for cell in column[at]]
        name = ours.get(theirs)
        if name is None:
            header.append(f"{theirs} (table)" if theirs in ours.values() else theirs)
            cells.append(before)
            continue
        after = [_plain(value) for value in runs[name].tolist()]
        header.append(name)
        cells.append(after)
        changes += [
            Change(int(row), theirs, old or "an empty cell", new)
            for row, old, new in zip(runs.rows.tolist(), before, after, strict=True)
            if not _same(old, new)
        ]
    with (
        atomic_path(Path(path)) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*cells, strict=True))
    changes.sort(key=lambda change: change.row)
    left_out = tuple(row for row in table.rows.tolist() if row not in rows)
    return Rewritten(path, tuple(changes), left_out)


def _text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)


def _plain(value: float) -> str:
    """Write a number so that it reads back exactly; a whole one in full."""
    if np.isnan(value):
        return ""
    if value == np.floor(value) and abs(value) < 1e15:
        return f"{value:.0f}"
    return repr(value)


def _same(old: str, new: str) -> bool:
    """Tell whether a cell reads as the same number before and after."""
    try:
        return old == new or float(old) == float(new)
    except ValueError:
        return False
