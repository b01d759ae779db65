"""A law by its name as people write it: bounded_metric, or bounded_metric(chance=0.001)."""

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from nstar.laws import LAWS
from nstar.types import Law

SPELLED = re.compile(r"(\w+)\s*(?:\((.*)\))?")


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ValueError
    return value


def _column(text: str) -> str:
    if text not in ("N", "L"):
        raise ValueError
    return text


# what may be said of a law besides its name; the rest follows from the runs
SETTINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "chance": (_share, "the accuracy of guessing, between 0 and 1"),
    "by": (_column, "N or L"),
}


def law_of(text: str) -> Law:
    """Find a law by its name, with settings in parentheses where it has any.

    Raises:
        ValueError: there is none of that name, or no such setting.
    """
    found = SPELLED.fullmatch(text.strip())
    if found is None or found[1] not in LAWS:
        msg = f"no law {text!r}; there are {', '.join(LAWS)}"
        raise ValueError(msg)
    kind: Any = LAWS[found[1]]
    known = [f.name for f in fields(kind) if f.name in SETTINGS]
    given: dict[str, Any] = {}
    for part in (found[2] or "").split(",") if found[2] else ():
        name, _, value = (p.strip() for p in part.partition("="))
        if name not in known:
            can = f"takes {', '.join(known)}" if known else "takes no settings"
            msg = f"law {text!r}: {found[1]} has no setting {name!r}; it {can}"
            raise ValueError(msg)
        read, said = SETTINGS[name]
        try:
            given[name] = read(value)
        except ValueError:
            msg = f"law {text!r}: {name} is {said}, got {value!r}"
            raise ValueError(msg) from None
    return kind(**given)
