"""Runs by our column names, as every law takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from nstar.costs.training import SIX, PerParamToken
from nstar.verdicts import Check


@dataclass(frozen=True)
class Observations:
    """Runs by our column names, with their source and notes.

    Columns: N (parameters), D (training tokens), C (training FLOP), L (loss), `se`
    (known standard error of the log response), `budget` (FLOP of the isoFLOP budget),
    and the groups `ladder`, `run`, `corpus`; other numeric columns keep their own names.
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
