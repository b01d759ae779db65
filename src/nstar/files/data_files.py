"""The data files that nstar ships, in a checkout and in a wheel."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Find a file of the data folder.

    A wheel carries the folder as `nstar/data`; an editable checkout keeps it beside
    `src`, at the root of the repository.

    Raises:
        FileNotFoundError: when neither place holds `name`.
    """
    places = (HERE / "data" / name, HERE.parents[1] / "data" / name)
    for place in places:
        if place.is_file():
            return place
    listed = " and ".join(str(place) for place in places)
    raise FileNotFoundError(f"nstar ships no {name}: looked for {listed}")


def read_toml(name: str) -> dict[str, Any]:
    """Read a shipped registry."""
    return tomllib.loads(shipped(name).read_text(encoding="utf-8"))


def find_entry[T](kind: str, name: str, registry: Mapping[str, T]) -> T:
    """Find an entry of a registry by its name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name in registry:
        return registry[name]
    near = difflib.get_close_matches(name, registry, n=5, cutoff=0.4)
    some = ", ".join(near or list(registry)[:8])
    hint = "nearest" if near else f"there are {len(registry)}, such as"
    msg = f"no {kind} named {name!r}; {hint}: {some}"
    raise ValueError(msg)
