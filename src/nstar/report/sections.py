"""A page of sections, each with words, figures and tables; self-contained."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from nstar.answers import Document, Table
from nstar.report import tables
from nstar.report.drawing import svg
from nstar.report.markup import environment
from nstar.wording import shown

USUAL = (5.8, 3.9)  # inches


class Picture(NamedTuple):
    """A figure on the page."""

    title: str
    svg: Markup
    narrow: Markup | None = (
        None  # the same for a narrow screen, where it spans the page
    )


class Section(NamedTuple):
    """A part of the page."""

    id: str
    title: str
    words: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


def picture(
    name: str, title: str, alt: str, draw: Any, *args: Any, size: Any = USUAL
) -> Picture:
    """Draw a figure for the page; `alt` describes it to those who cannot see it."""
    return Picture(title, Markup(svg(name, title, alt, draw, *args, size=size)))  # noqa: S704  our own


def page(title: str, document: Document, sections: Sequence[Section]) -> str:
    """Write the page.

    Args:
        title: of the page.
        document: every number, with `headline`, `status`, `data`, `checks`, `provenance`.
        sections: between the checks and the provenance, in this order.
    """
    return (
        environment()
        .get_template("sections.html.j2")
        .render(
            title=title,
            name=shown(document["data"]),
            facts=document,
            sections=sections,
            open_checks=tables.checks(document, passed=False),
            passed_checks=tables.checks(document, passed=True),
            provenance=tables.provenance(document),
        )
    )
