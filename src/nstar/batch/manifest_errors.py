"""What is wrong with a manifest, in one line: where it stands, which key, and what to do."""

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache, reduce
from operator import getitem
from typing import Any, LiteralString

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

SENTENCE = "sentence"  # type of an error whose message names its key itself

type Place = Sequence[str | int]  # keys, and places in arrays: ("data", 0, "source")


def error_at(
    place: Place, sentence: str, kind: LiteralString = SENTENCE
) -> ValidationError:
    """Raise this in a table's validator where what is wrong is below the table."""
    error = PydanticCustomError(kind, "{text}", {"text": sentence})
    detail = InitErrorDetails(type=error, loc=tuple(place), input={})
    return ValidationError.from_exception_data("manifest", [detail])


def unknown_key(key: str, keys: Iterable[str], hint: str | None) -> ValidationError:
    """Refuse a key of a table: with a hint, else with the nearest of those it may have."""
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
    nearest = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(keys)}"
    return error_at([key], f"unknown key; {hint or nearest}", "unknown_key")


def describe(text: str, errors: ValidationError, tags: Sequence[str]) -> str:
    """Say the first of pydantic's errors: on which line, of which key, what and instead of what.

    Args:
        text: of the manifest.
        errors: what pydantic found.
        tags: words that tell kinds of tables apart; they are in pydantic's places, and not
            in the manifest.
    """
    error = errors.errors()[0]
    place = [p for p in error["loc"] if p not in (*tags, "[key]")]
    return f"line {line_of(text, place)}: {_sentence(error, place, tags)}"


def _sentence(error: ErrorDetails, place: Place, tags: Sequence[str]) -> str:
    if error["type"] == SENTENCE:
        return error["msg"]
    if error["type"] == "missing":
        words = "is missing"
    elif error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        words = f"kind is one of {', '.join(map(repr, tags))}"
    elif error["type"] == "value_error":
        words = str(error["ctx"]["error"])
    else:
        got = "" if isinstance(error["input"], dict) else f", got {error['input']!r}"
        words = f"{error['msg'][:1].lower()}{error['msg'][1:]}{got}"
    return f"{'.'.join(p for p in place if isinstance(p, str)) or 'manifest'}: {words}"


def line_of(text: str, place: Place) -> int:
    """Find the line of a key, or of what holds it where it has none of its own.

    TOML's parser does not tell: a key begins on the line after the last of the texts that
    end before it and are TOML.

    Args:
        text: of a TOML document.
        place: of the key.

    Returns:
        Its line, counted from 1; 1 where nothing of the place is there.
    """
    for end in range(len(place), 0, -1):
        for line, document in _beginnings(text):
            if _holds(document, place[:end]):
                return line
    return 1


@cache
def _beginnings(text: str) -> list[tuple[int, dict[str, Any]]]:
    """What a text says up to each of its lines that ends a key or a header, and where that begins."""
    lines, documents, begin = text.splitlines(), [], 1
    for end in range(1, len(lines) + 1):
        with suppress(tomllib.TOMLDecodeError):  # in the midst of a value
            documents.append((begin, tomllib.loads("\n".join(lines[:end]))))
            begin = end + 1
    return documents


def _holds(document: Any, place: Place) -> bool:
    try:
        reduce(getitem, place, document)
    except (LookupError, TypeError):
        return False
    return True
