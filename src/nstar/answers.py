"""What every answer offers; the terminal, the page, a notebook and JSON all read it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from nstar.verdicts import Check, Status

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl

type Document = dict[str, Any]  # plain data, as JSON has it


class Table(NamedTuple):
    """A title, a header and rows of text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Framed(ABC):
    """What has records, which pandas and polars take as frames."""

    records_key: ClassVar[str] = ""  # of `as_json`, where its records are; one in all

    @abstractmethod
    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""

    def records(self, prob: float = 0.9) -> list[Document]:
        """One record a row: a budget, a run, an unknown."""
        document = self.as_json(prob)
        records = document[self.records_key] if self.records_key else [document]
        if isinstance(records, Mapping):  # by name
            return [{"name": name} | record for name, record in records.items()]
        return list(records)

    def to_pandas(self, prob: float = 0.9) -> "pd.DataFrame":
        """Records as a pandas frame; an interval N is N_median, N_lower and N_upper."""
        return frame(_columns(self.records(prob)), "pandas")

    def to_polars(self, prob: float = 0.9) -> "pl.DataFrame":
        """Records as a polars frame; an interval N is N_median, N_lower and N_upper."""
        return frame(_columns(self.records(prob)), "polars")


class Answer(Framed):
    """An answer to one question: its numbers, what to doubt of them, and both in words.

    Words are made of `as_json`, so that what a person reads is what a program reads.
    Every method takes the probability of the intervals.
    """

    def __init_subclass__(cls) -> None:
        """Let `repr` be a line: a dataclass writes its own only where there is none."""
        cls.__repr__ = Answer.__repr__

    @abstractmethod
    def checks(self) -> list[Check]:
        """Say what of it is not to be relied on, and what to do."""

    def headline(self, prob: float = 0.9) -> str:
        """The answer in a sentence; empty where the tables say it at once."""
        return ""

    @abstractmethod
    def tables(self, prob: float = 0.9) -> Iterable[Table | str]:
        """Tables, and the sentences that stand between them."""

    def __repr__(self) -> str:
        """The answer in a line, and in another which of its checks did not pass."""
        sentence = self.headline()
        if not sentence:
            rows = len(self.records())
            sentence = f"{rows} row{'s' * (rows != 1)}; .to_pandas() has them"
        doubts = [f"{c.status}: {c.name}" for c in self.checks() if c.status != "PASS"]
        second = f"\n{'; '.join(doubts)}" if doubts else ""
        return f"{type(self).__name__}: {sentence}{second}"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        words = [f"<p><b>{escape(self.headline())}</b></p>"] if self.headline() else []
        words += [
            f"<p>{check.status}: {escape(check.name)}, {escape(check.detail)}</p>"
            for check in self.checks()
            if check.status is not Status.PASS
        ]
        return "".join([*words, *(_html(part) for part in self.tables())])


def frame(
    columns: Mapping[str, "Sequence[Any] | np.ndarray"],
    kind: Literal["pandas", "polars"],
) -> Any:
    """Make a frame of columns, pandas' or polars'."""
    import narwhals as nw

    return nw.from_dict(dict(columns), backend=kind).to_native()


def _columns(records: Sequence[Document]) -> dict[str, list[Any]]:
    """Lay records out as columns; numbers of a column with any fraction are all floats."""
    rows = [_flat(record) for record in records]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return {
        name: [v if v is None else float(v) for v in values]
        if float in map(type, values)
        and {type(v) for v in values} <= {int, float, type(None)}
        else values
        for name, values in columns.items()
    }


def _flat(record: Document, before: str = "") -> Document:
    """Name what is nested by its path, joined by underscores."""
    import numpy as np

    cells: Document = {}
    for key, value in record.items():
        match value:
            case dict():
                cells |= _flat(value, f"{before}{key}_")
            case np.generic() | np.ndarray():
                cells[before + key] = value.tolist()
            case _:
                cells[before + key] = value
    return cells


def _html(part: Table | str) -> str:
    """Write one table or sentence."""
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in part.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in part.rows
    )
    return f"<p>{escape(part.title)}</p><table><tr>{head}</tr>{rows}</table>"
