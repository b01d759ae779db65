"""What commands print: checks first, then tables; or one JSON document."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

from nstar.verdicts import Check, Status, worst

COLOURS = {Status.PASS: "green", Status.REVIEW: "yellow", Status.FAIL: "red"}


def as_json(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(
        json.dumps(document, indent=2, default=_plain, allow_nan=False) + "\n"
    )


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def checks(found: Sequence[Check]) -> None:
    """Print what is not PASS, worst first, then how many passed."""
    out = console()
    for status in (Status.FAIL, Status.REVIEW):
        for check in found:
            if check.status is status:
                out.print(
                    f"[bold {COLOURS[status]}]{status}[/] [bold]{escape(check.name)}[/]: {escape(check.detail)}"
                )
    passed = sum(check.status is Status.PASS for check in found)
    out.print(f"[green]{passed} of {len(found)} checks PASS[/]")


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that names its columns; the first is left-aligned."""
    from rich.table import Table

    grid = Table(title=escape(title), title_justify="left", title_style="bold")
    for i, name in enumerate(header):
        grid.add_column(escape(name), justify="left" if i == 0 else "right")
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    console().print(grid)


def line(text: str, *, bold: bool = False) -> None:
    """Print a line of words."""
    console().print(escape(text), style="bold" if bold else None)


def console() -> Any:
    """Return the console of stdout; at least as wide as our tables in a file or a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 132, highlight=False)


def escape(text: str) -> str:
    """Keep rich from reading markup in data."""
    from rich.markup import escape as rich_escape

    return rich_escape(text)


def finish(found: Sequence[Check]) -> None:
    """Exit with code 1 where a check failed."""
    if worst(list(found)) is Status.FAIL:
        raise typer.Exit(1)
