"""What was forecast before runs were made, and what came: the record a reader can check."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nstar.ledger import tables as ledger_tables
from nstar.ledger.verification import Record
from nstar.report.held_out import PROB, Held, panel
from nstar.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def table(document: dict[str, Any]) -> Table:
    """Every frozen forecast; no rows where no ledger was named."""
    told = document["forecasts"]
    return Table(*ledger_tables.forecasts(told)) if told else Table([], [])


def coverage(document: dict[str, Any]) -> Table:
    """How many intervals held what came, and how many should."""
    told = document["forecasts"]
    return Table(*ledger_tables.coverage(told)) if told else Table([], [])


def words(document: dict[str, Any]) -> str:
    """Mean scores, and what the ledger ends with, so that a page shows its later state."""
    told = document["forecasts"]
    if not told:
        return ""
    entries = f"The ledger has {told['entries']} entries; the last has the hash {told['head'][:12]}."
    return " ".join(part for part in (ledger_tables.means(told), entries) if part)


def held(record: Record) -> Held:
    """What was said of the runs that count and what came, on the log of the loss."""
    said = [one.forecast.measured for one in record.counted]
    came = np.log([one.outcome.loss for one in record.counted])
    inner, outer = (np.log([one.interval(p) for one in said]).T for p in (0.5, PROB))
    return Held(
        "frozen beforehand", came, inner[0], (inner[1], inner[2]), (outer[1], outer[2])
    )


def drawn(ax: "Axes", said: Held) -> "Axes":
    """Each forecast's 50 % and 90 % intervals, and what came: orange where outside."""
    panel(ax, said)
    ax.set(
        xlabel="forecasts, as they were frozen",
        ylabel="measured less predicted, 0.01 log",
    )
    return ax
