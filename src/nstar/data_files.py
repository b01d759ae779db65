"""Where the tables that nstar ships lie, in a checkout and in a wheel."""

import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


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
    looked = " and ".join(str(place) for place in places)
    raise FileNotFoundError(f"nstar ships no {name}: looked for {looked}")


def read_toml(name: str) -> dict[str, Any]:
    """Read a shipped registry."""
    return tomllib.loads(shipped(name).read_text(encoding="utf-8"))
