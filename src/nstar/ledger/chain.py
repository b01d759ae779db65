"""Lines of JSON that each hold the hash of the line before, so that a change shows."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

START = "0" * 64  # what the first line follows
SHOWN = 12  # digits of a hash that are enough to know it by


def canonical(said: Mapping[str, Any]) -> str:
    """Write JSON in the one way that is hashed: names sorted, no blanks, plain UTF-8."""
    return json.dumps(
        said,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def digest(said: Mapping[str, Any]) -> str:
    """SHA-256 of a line without its own hash."""
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def link(said: Mapping[str, Any], previous: str) -> tuple[str, str]:
    """Write the line that follows the one with this hash, and say its own hash."""
    body = {**said, "previous": previous}
    hash = digest(body)
    return canonical({**body, "hash": hash}), hash


def unlink(text: str, source: str) -> list[dict[str, Any]]:
    """Read lines, each with its `hash` and `previous`, and hold them to these.

    Args:
        text: lines as `link` wrote them, each with its end.
        source: what they were read from, for messages.

    Raises:
        ValueError: a line is none of ours, was changed, or does not follow the one
            before; naming it.
    """
    found: list[dict[str, Any]] = []
    *lines, rest = text.split("\n")
    previous = START
    for number, line in enumerate([*lines, rest] if rest else lines, 1):
        here = f"{source}, line {number}"
        said = _read(line, here)
        body = {name: value for name, value in said.items() if name != "hash"}
        if (made := digest(body)) == said["hash"] and line != canonical(said):
            msg = f"{here}: says what it said when it was written, but not as it was written: the file was edited; take the ledger from a copy"
            raise ValueError(msg)
        if made != said["hash"]:
            msg = f"{here}: its contents do not match its hash ({said['hash'][:SHOWN]} is written, {made[:SHOWN]} follows from them): the line was changed after it was written; take the ledger from a copy"
            raise ValueError(msg)
        if said["previous"] != previous:
            before = (
                "no line" if number == 1 else f"a line with hash {previous[:SHOWN]}"
            )
            msg = f"{here}: was written after a line with hash {said['previous'][:SHOWN]}, but {before} stands before it: lines were dropped, added or put in another order; take the ledger from a copy"
            raise ValueError(msg)
        previous = said["hash"]
        found.append(said)
    if rest:
        msg = f"{source}, line {len(found)}: does not end: the file was cut short or edited; take the ledger from a copy"
        raise ValueError(msg)
    return found


def _read(line: str, here: str) -> dict[str, Any]:
    """Read one line.

    Raises:
        ValueError: it is no line of ours.
    """
    try:
        said = json.loads(line, object_pairs_hook=_once)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not all(
        isinstance(said.get(n), str) for n in ("hash", "previous")
    ):
        msg = f"{here}: not a line of a ledger of forecasts, each of which is one JSON object with a hash; was the file written by nstar forecast?"
        raise ValueError(msg)
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that comes twice: readers differ in which of the two they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found
