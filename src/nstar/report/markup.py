"""Jinja templates, which escape every value put into them."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nstar.report import tables
from nstar.wording import count, flop, visible


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
    }
    return templates
