"""Printing of checks, tables and lines, or of one JSON document."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from nstar.answers import Table
from nstar.files.check_meanings import read_check_meanings
from nstar.files.writing import json_text
from nstar.verdicts import Check, Status, worst

COLOURS = {Status.PASS: "green", Status.REVIEW: "yellow", Status.FAIL: "red"}
COUNTS = {"N", "D", "N_total", "N_non_embedding", "N_star", "D_star"}
PIPE_WIDTH = 160  # columns of a table that goes to a file or a pipe


def as_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json_text(document))


def checks(results: Sequence[Check]) -> None:
    """Print checks that are not PASS, worst first, then how many passed."""
    for status in (Status.FAIL, Status.REVIEW):
        for check in results:
            if check.status is status:
                name = (
                    f"[bold {COLOURS[status]}]{status}[/] [bold]{escape(check.name)}[/]"
                )
                _print(f"{name}: {escape(check.detail)}")
    passed = sum(check.status is Status.PASS for check in results)
    if results:
        _print(f"[green]{passed} of {len(results)} checks PASS[/]{_explained(results)}")


def _explained(results: Sequence[Check]) -> str:
    """Name the command that explains the first check that is not PASS."""
    meanings = read_check_meanings()
    for check in results:
        name = check.name.rpartition(": ")[2]  # of a route, its own
        if check.status is not Status.PASS and name in meanings:
            command = shlex.join(["nstar", "words", name])
            return f"; {escape(command)} says what that asks"
    return ""


def answer(
    results: Sequence[Check], headline: str, parts: Sequence[Table | str]
) -> None:
    """Print checks, an answer in a sentence, then its tables."""
    checks(results)
    if headline:
        line(headline, bold=True)
    for part in parts:
        if isinstance(part, str):
            line(part)
        else:
            table(*part)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns of numbers are right-aligned."""
    from rich import box
    from rich.table import Table

    line(title, bold=True)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(header):
        numbers = all(row[i][:1].isdigit() or row[i][:1] in "-–" for row in rows)
        grid.add_column(escape(name), justify="right" if numbers else "left")
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    console().print(grid)


def entry(record: Mapping[str, Any]) -> None:
    """Print an entry of a registry; empty fields are left out."""
    for key, value in record.items():
        if value in (None, "", False) or value == [] or value == () or value == {}:
            continue
        many = isinstance(value, list | tuple) and any(
            isinstance(v, dict) or len(str(v)) > 40 for v in value
        )
        if many:
            _print(f"[bold]{escape(key)}[/]:")
            for part in value:
                _print(f"  - {escape(_words(part))}")
        else:
            _print(f"[bold]{escape(key)}[/]: {escape(_words(value, key))}")


def _words(value: Any, key: str = "") -> str:
    from nstar.wording import count, three

    if isinstance(value, Mapping):
        return ", ".join(f"{k} = {_words(v, k)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(v) for v in value)
    if isinstance(value, float):
        if key in COUNTS:
            return count(value, 4)
        written = f"{value:.10g}"
        return three(value) if "e" in written or len(written) > 8 else written
    return "not given" if value is None else str(value)


def line(text: str, *, bold: bool = False) -> None:
    """Print a line of words."""
    _print(escape(text), style="bold" if bold else None)


def _print(markup: str, style: str | None = None) -> None:
    console().print(markup, style=style, soft_wrap=not sys.stdout.isatty())


def console() -> Any:
    """Return the console of stdout; wide enough for our tables in a file or a pipe."""
    from rich.console import Console

    return Console(
        width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, emoji=False
    )


def escape(text: str) -> str:
    """Keep rich from reading markup in data, and the terminal from obeying it."""
    from rich.markup import escape as rich_escape

    visible = "".join(c if c.isprintable() or c == " " else "\ufffd" for c in text)
    return rich_escape(visible)


def finish(results: Sequence[Check]) -> None:
    """Exit with code 1 where a check failed."""
    if worst(list(results)) is Status.FAIL:
        raise typer.Exit(1)
