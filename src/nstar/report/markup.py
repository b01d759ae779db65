"""Templates, which escape whatever is put into them."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nstar.report import tables
from nstar.wording import count, flop, visible


def environment() -> Environment:
    """Return where the page's templates lie, with what writes their numbers."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "count": count,
        "flop": flop,
        "visible": visible,
        "beside": tables.published,
    }
    return found
