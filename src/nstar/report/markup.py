"""Jinja templates, which escape every value put into them, and words marked where first used."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nstar.definitions import DEFINITIONS, first_use
from nstar.report import tables
from nstar.wording import count, flop, visible

TAG = re.compile(r"(<[^>]*>)")
UNMARKED = {"svg", "style", "title", "h1", "h2", "dl", "nav", "code", "summary"}


def environment() -> Environment:
    """Load the templates of this folder, with the filters that format their numbers."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "count": count,
        "flop": flop,
        "visible": visible,
        "published_table": tables.published,
        "anchor": anchor,
    }
    return templates


def anchor(term: str) -> str:
    """Name the place of a term's definition on a page."""
    return "word-" + re.sub(r"\W+", "-", term.lower().replace("*", "-star"))


def text_of(page: str) -> str:
    """Return a page's text, without figures and style."""
    return " ".join(text for text, marked in _pieces(page) if marked)


def mark_first_uses(page: str, terms: Sequence[str]) -> str:
    """Link each term to its definition where the page's text first uses it."""
    left = list(terms)
    written = []
    for text, marked in _pieces(page):
        rest, out = text, []
        while marked and (
            hits := [
                (m.start(), -m.end(), t, m) for t in left if (m := first_use(t, rest))
            ]
        ):
            _, _, term, match = min(hits)
            left.remove(term)
            link = f'<dfn><a href="#{anchor(term)}" title="{escape(DEFINITIONS[term])}">{match[0]}</a></dfn>'
            out += [rest[: match.start()], link]
            rest = rest[match.end() :]
        written += [*out, rest]
    return "".join(written)


def _pieces(page: str) -> list[tuple[str, bool]]:
    """Cut a page into tags and text, each with whether its words may be marked."""
    pieces, inside = [], []
    for piece in TAG.split(page):
        if piece.startswith("<"):
            name = piece.strip("</>").split()[0].lower() if piece.strip("</>") else ""
            if name in UNMARKED:
                if piece.startswith("</"):
                    inside.remove(name)
                else:
                    inside.append(name)
            pieces.append((piece, False))
        else:
            pieces.append((piece, not inside and bool(piece.strip())))
    return pieces
