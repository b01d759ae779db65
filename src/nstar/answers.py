"""What every answer offers; the terminal, the page, a notebook and JSON all read it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from nstar.verdicts import Check, Status

type Document = dict[str, Any]  # plain data, as JSON has it


class Table(NamedTuple):
    """A title, a header and rows of text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Answer(ABC):
    """An answer to one question: its numbers, what to doubt of them, and both in words.

    Words are made of `as_json`, so that what a person reads is what a program reads.
    Every method takes the probability of the intervals.
    """

    @abstractmethod
    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""

    @abstractmethod
    def checks(self) -> list[Check]:
        """Say what of it is not to be relied on, and what to do."""

    def headline(self, prob: float = 0.9) -> str:
        """The answer in a sentence; empty where the tables say it at once."""
        return ""

    @abstractmethod
    def tables(self, prob: float = 0.9) -> Iterable[Table | str]:
        """Tables, and the sentences that stand between them."""

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        words = [f"<p><b>{escape(self.headline())}</b></p>"] if self.headline() else []
        words += [
            f"<p>{check.status}: {escape(check.name)}, {escape(check.detail)}</p>"
            for check in self.checks()
            if check.status is not Status.PASS
        ]
        return "".join([*words, *(_html(part) for part in self.tables())])


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
