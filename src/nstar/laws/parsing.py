"""A law by its name as people write it: bounded_metric, or bounded_metric(chance=0.001)."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nstar.laws import ENTRIES, LAWS
from nstar.types import Law
from nstar.wording import alternatives

PATTERN = re.compile(r"(\w+)\s*(?:\((.*)\))?")
MOST = 5  # laws of one average


class LawName(NamedTuple):
    """A law's name, and what is set of it; nothing is imported for either."""

    name: str
    settings: dict[str, Any]


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


def read_law(text: str) -> LawName:
    """Read a law's name, with settings in parentheses where it has any.

    Raises:
        ValueError: there is none of that name, or no such setting.
    """
    match = PATTERN.fullmatch(text.strip())
    if match is None or match[1] not in ENTRIES:
        msg = f"no law {text!r}; {alternatives(match[1] if match else text, ENTRIES)}"
        raise ValueError(msg)
    known = ENTRIES[match[1]].settings.split()
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
    return LawName(match[1], settings)


def parse_law(text: str) -> Law:
    """Make a law from its name, with settings in parentheses where it has any.

    Raises:
        ValueError: there is none of that name, or no such setting.
    """
    name, settings = read_law(text)
    kind: Any = LAWS[name]
    return kind(**settings)


def require_names(names: Sequence[str]) -> None:
    """Refuse too many laws, or two of one name, before anything is sampled.

    Raises:
        ValueError: naming them.
    """
    if not 1 <= len(names) <= MOST or len(set(names)) < len(names):
        msg = f"expected 1 to {MOST} laws of different names to average, got {', '.join(names) or 'none'}"
        raise ValueError(msg)
