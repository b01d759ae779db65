"""A hash chain: lines of JSON, each with the hash of the line before."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nstar.answers import Document

START = "0" * 64  # hash before the first line
HASH_DIGITS = 12  # least digits by which a hash is recognised


def canonical(record: Mapping[str, Any]) -> str:
    """Canonical JSON, of which the hash is taken: sorted names, no blanks, plain UTF-8."""
    return json.dumps(
        record,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record without its hash, in hexadecimal digits."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


def link(record: Mapping[str, Any], previous: str) -> tuple[str, str]:
    """The line that follows the one with hash `previous`, and its own hash."""
    body = {**record, "previous": previous}
    hash = digest(body)
    return canonical({**body, "hash": hash}), hash


def unlink(text: str, source: str) -> list[Document]:
    """Parse lines, and verify the `hash` and `previous` of each.

    Args:
        text: lines as `link` wrote them, each with its end.
        source: what they were read from, for messages.

    Raises:
        ValueError: a line was not written by `link`, was changed, or does not follow the
            one before; naming it.
    """
    records: list[Document] = []
    *lines, unfinished = text.split("\n")
    previous = START
    for number, line in enumerate([*lines, unfinished] if unfinished else lines, 1):
        position = f"{source}, line {number}"
        record = _read(line, position)
        body = {name: value for name, value in record.items() if name != "hash"}
        if (computed := digest(body)) == record["hash"] and line != canonical(record):
            msg = f"{position}: says what it said when it was written, but not as it was written: the file was edited; take the ledger from a copy"
            raise ValueError(msg)
        if computed != record["hash"]:
            msg = f"{position}: its contents do not match its hash ({record['hash'][:HASH_DIGITS]} is written, {computed[:HASH_DIGITS]} follows from them): the line was changed after it was written; take the ledger from a copy"
            raise ValueError(msg)
        if record["previous"] != previous:
            expected = (
                "no line"
                if number == 1
                else f"a line with hash {previous[:HASH_DIGITS]}"
            )
            msg = f"{position}: was written after a line with hash {record['previous'][:HASH_DIGITS]}, but {expected} stands before it: lines were dropped, added or put in another order; take the ledger from a copy"
            raise ValueError(msg)
        previous = record["hash"]
        records.append(record)
    if unfinished:
        msg = f"{source}, line {len(records)}: does not end: the file was cut short or edited; take the ledger from a copy"
        raise ValueError(msg)
    return records


def _read(line: str, position: str) -> Document:
    """Parse one line.

    Raises:
        ValueError: it was not written by `link`.
    """
    try:
        record = json.loads(line, object_pairs_hook=_unique_names)
    except ValueError:
        record = None
    if not isinstance(record, dict) or not all(
        isinstance(record.get(n), str) for n in ("hash", "previous")
    ):
        msg = f"{position}: not a line of a ledger of forecasts, each of which is one JSON object with a hash; was the file written by nstar forecast?"
        raise ValueError(msg)
    return record


def _unique_names(pairs: list[tuple[str, Any]]) -> Document:
    """Refuse a duplicate name: parsers differ in which of the two they take."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name comes twice")
    return record
