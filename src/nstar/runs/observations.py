"""Runs by our column names, as every law takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from nstar.answers import frame
from nstar.costs.training import SIX, PerParamToken
from nstar.verdicts import Check

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

SHOWN = 5  # runs that a notebook shows


@dataclass(frozen=True)
class Observations:
    """Runs by our column names, with their source and notes.

    Columns: N (parameters), D (training tokens), C (training FLOP), L (loss), `se`
    (known standard error of the log response), `budget` (FLOP of the isoFLOP budget),
    and the groups `ladder`, `run`, `corpus`; other numeric columns keep their own names.

    Examples:
        >>> runs = nstar.read_runs("ladder.csv")
        >>> runs["L"].min(), runs.to_pandas().shape
    """

    columns: dict[str, np.ndarray]
    rows: np.ndarray  # row of each run in the source
    source: str
    sha256: str
    cost: PerParamToken = SIX
    params_counted: str = "unknown"  # total, non-embedding or unknown
    loss_unit: str = "unknown"
    derived: str = ""  # which of N, D, C followed from the others
    notes: tuple[Check, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)  # our names to the table's

    def header(self, name: str) -> str:
        """Name a column as the table does, with our name beside it."""
        header_name = self.named.get(name, name)
        return repr(name) if header_name == name else f"{header_name!r} ({name})"

    def __repr__(self) -> str:
        """How many runs of what, over which range."""
        return f"Observations: {len(self)} runs of {self.source}; {', '.join(self._ranges())}"

    def _repr_html_(self) -> str:
        """The first rows, the ranges, and what is to be noted."""
        head = self.to_pandas().head(SHOWN).to_html(float_format="{:.4g}".format)
        notes = "".join(
            f"<p>{note.status}: {escape(note.name)}, {escape(note.detail)}</p>"
            for note in self.notes
        )
        return f"<p>{escape(repr(self))}</p>{notes}{head}"

    def _ranges(self) -> list[str]:
        """Least and most of each column of numbers; the names of others."""
        ranges = []
        for name, values in self.columns.items():
            if values.dtype.kind not in "fiu":
                ranges.append(f"{name} ({len(np.unique(values))} values)")
            elif np.isfinite(values).any():
                least, most = np.nanmin(values), np.nanmax(values)
                ranges.append(f"{name} {least:.3g} to {most:.3g}")
        return ranges

    def to_pandas(self) -> "pd.DataFrame":
        """The runs as a pandas frame by our names, with the row of each in its source."""
        return frame({"row": self.rows, **self.columns}, "pandas")

    def to_polars(self) -> "pl.DataFrame":
        """The runs as a polars frame by our names, with the row of each in its source."""
        return frame({"row": self.rows, **self.columns}, "polars")

    def __len__(self) -> int:
        """Count the runs."""
        return len(self.rows)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column by our name."""
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        """Tell whether the runs have this column."""
        return name in self.columns

    def take(self, keep: np.ndarray) -> "Observations":
        """Keep the runs of a mask or an index."""
        columns = {name: values[keep] for name, values in self.columns.items()}
        return replace(self, columns=columns, rows=self.rows[keep])

    def noting(self, *checks: Check) -> "Observations":
        """Return the runs with further notes."""
        return replace(self, notes=self.notes + checks)
