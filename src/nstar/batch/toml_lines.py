"""On which line of a TOML text a key stands, which its parser does not tell."""

import re
from collections.abc import Sequence

HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
KEY = re.compile(
    r"^\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)

type Path = tuple[str | int, ...]


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Find the line of a key, or of what holds it where it has none of its own.

    Args:
        text: of a TOML document.
        path: keys, and places in arrays of tables: ("data", 0, "source").

    Returns:
        Its line, counted from 1; 1 where nothing of the path is there.
    """
    lines = _lines(text)
    for end in range(len(path), 0, -1):
        if found := lines.get(tuple(path[:end])):
            return found
    return 1


def _lines(text: str) -> dict[Path, int]:
    """Lines of all headers and of keys that begin a line."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    at: Path = ()
    depth = 0  # of brackets that a value left open
    for number, line in enumerate(text.splitlines(), 1):
        if depth == 0 and (header := HEADER.match(line)):
            at = _parts(header[2])
            if header[1] == "[[":
                found.setdefault(at, number)
                counts[at] = counts.get(at, -1) + 1
                at = (*at, counts[at])
            elif (array := at[:1]) in counts and len(at) > 1:
                at = (*array, counts[array], *at[1:])
            found.setdefault(at, number)
            continue
        if depth == 0 and (key := KEY.match(line)):
            parts = (*at, *_parts(key[1]))
            for end in range(len(at) + 1, len(parts) + 1):
                found.setdefault(parts[:end], number)
        bare = re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*", "", line)
        depth += sum(map(bare.count, "[{")) - sum(map(bare.count, "]}"))
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    found = re.findall(r"[\w-]+|\"[^\"]*\"|'[^']*'", dotted)
    return tuple(part.strip("\"'") for part in found)
