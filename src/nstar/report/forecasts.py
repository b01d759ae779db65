"""The forecasts of a ledger, made before their runs, beside what was measured."""

import numpy as np

from nstar.answers import Document, Table
from nstar.ledger import tables as ledger_tables
from nstar.ledger.verification import Record
from nstar.report.held_out_figure import PROB, PredictedRuns


def table(document: Document) -> Table | None:
    """List every frozen forecast; none where no ledger was named."""
    forecasts = document["forecasts"]
    return Table("", *ledger_tables.forecasts(forecasts)) if forecasts else None


def choices(document: Document) -> Table | None:
    """List every choice between two recipes; none where none was frozen."""
    forecasts = document["forecasts"]
    if not forecasts or not forecasts["choices"]:
        return None
    return Table("", *ledger_tables.choices(forecasts))


def coverage(document: Document) -> Table | None:
    """Count the intervals that hold their measurement, and how many should."""
    forecasts = document["forecasts"]
    return Table("", *ledger_tables.coverage(forecasts)) if forecasts else None


def summary(document: Document) -> str:
    """Give mean scores and the ledger's last hash, by which its state can be recognised."""
    forecasts = document["forecasts"]
    if not forecasts:
        return ""
    entries = f"The ledger has {forecasts['entries']} entries; the last has the hash {forecasts['head'][:12]}."
    means = ledger_tables.means(forecasts), ledger_tables.chances(forecasts)
    return " ".join(part for part in (*means, entries) if part)


def scored_forecasts(record: Record) -> PredictedRuns:
    """Take predictions and measurements of the scored forecasts, on the log of the loss."""
    predictions = [entry.forecast.measured for entry in record.counted]
    measured = np.log([entry.outcome.loss for entry in record.counted])
    inner, outer = (
        np.log([entry.interval(p) for entry in predictions]).T for p in (0.5, PROB)
    )
    return PredictedRuns(
        "frozen beforehand",
        measured,
        inner[0],
        (inner[1], inner[2]),
        (outer[1], outer[2]),
    )
