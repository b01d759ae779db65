"""A sweep to paste: the chosen runs as CSV or TOML, in the order and rounds to make them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from nstar.answers import Document
from nstar.files.writing import write_atomically

KINDS = (".csv", ".toml")


def sweep_rows(table: Sequence[Document]) -> list[Document]:
    """One flat record a run, from the table of `NextRuns`."""
    rows = []
    for step in table:
        for run in step["runs"]:
            rows.append(
                {
                    "run": f"next-{len(rows) + 1:02d}",
                    "round": step["round"],
                    "N": format_count(run["N"]),
                    "D": format_count(run["D"]),
                    "C": f"{run['C']:.6g}",
                    **{n: f"{v:.10g}" for n, v in run["x"].items()},
                }
            )
    return rows


def format_count(value: float) -> str:
    """Write a count in full."""
    return f"{value:.0f}"


def as_csv(rows: Sequence[Document]) -> str:
    """CSV with columns run, round, N, D, C, and further inputs of the runs."""
    text = io.StringIO()
    names = list(rows[0]) if rows else ["run", "round", "N", "D", "C"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_toml(rows: Sequence[Document]) -> str:
    """TOML with one [[run]] table for each row."""
    parts = []
    for row in rows:
        lines = [f'{n} = "{v}"' if n == "run" else f"{n} = {v}" for n, v in row.items()]
        parts.append("\n".join(["[[run]]", *lines]) + "\n")
    return "\n".join(parts)


def write_sweep(path: str | Path, rows: Sequence[Document]) -> Path:
    """Write the sweep whole or not at all, as its name ends.

    Raises:
        OSError: the file cannot be written.
    """
    text = as_toml(rows) if Path(path).suffix == ".toml" else as_csv(rows)
    return write_atomically(path, text)
