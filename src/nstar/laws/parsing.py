"""A law by its name as people write it: bounded_metric, or bounded_metric(chance=0.001)."""

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from nstar.laws import LAWS
from nstar.types import Law

PATTERN = re.compile(r"(\w+)\s*(?:\((.*)\))?")


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ValueError
    return value


def _column(text: str) -> str:
    if text not in ("N", "L"):
        raise ValueError
    return text


# what may be set of a law besides its name; the rest follows from the runs
SETTINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "chance": (_share, "the accuracy of guessing, between 0 and 1"),
    "by": (_column, "N or L"),
}


def parse_law(text: str) -> Law:
    """Make a law from its name, with settings in parentheses where it has any.

    Raises:
        ValueError: there is none of that name, or no such setting.
    """
    match = PATTERN.fullmatch(text.strip())
    if match is None or match[1] not in LAWS:
        msg = f"no law {text!r}; there are {', '.join(LAWS)}"
        raise ValueError(msg)
    kind: Any = LAWS[match[1]]
    known = [f.name for f in fields(kind) if f.name in SETTINGS]
    settings: dict[str, Any] = {}
    for part in (match[2] or "").split(",") if match[2] else ():
        name, _, value = (p.strip() for p in part.partition("="))
        if name not in known:
            can = f"takes {', '.join(known)}" if known else "takes no settings"
            msg = f"law {text!r}: {match[1]} has no setting {name!r}; it {can}"
            raise ValueError(msg)
        read, allowed = SETTINGS[name]
        try:
            settings[name] = read(value)
        except ValueError:
            msg = f"law {text!r}: {name} is {allowed}, got {value!r}"
            raise ValueError(msg) from None
    return kind(**settings)
