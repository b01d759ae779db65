"""Priors learned from the public record, as data/priors.toml holds them."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nstar.files.data_files import shipped
from nstar.priors.population import DF, Said, predictive
from nstar.priors.stated import parse

FORMAT = 1
FILE = "priors.toml"
FAMILY = {"log": "LogStudentT", "logit": "LogitStudentT"}


class Group(NamedTuple):
    """What the record says of one unknown under one condition."""

    over: str  # the weak prior it was learned under, and which alone it may replace
    scale: str  # log or logit: where `weak` and `said` are
    weak: tuple[float, float]  # mean and sd of that prior
    said: tuple[Said, ...]

    def without(self, sources: Collection[str]) -> "Group":
        """Leave sources out."""
        kept = tuple(s for s in self.said if s.source not in sources)
        return self._replace(said=kept)

    def summary(self) -> str:
        """Write the predictive for a new source as a prior."""
        loc, scale = predictive(self.said, self.weak)
        return f"{FAMILY[self.scale]}({DF:g}, {loc:.4g}, {scale:.4g})"


@dataclass(frozen=True)
class Learned:
    """The file: what was said, and the priors that follow."""

    about: Mapping[str, Any]
    marks: Mapping[str, str]  # by source, what its runs are recognised by
    groups: Mapping[str, Mapping[str, Group]]  # by unknown and condition
    whole: Mapping[str, Mapping[str, str]]  # priors from all sources, likewise
    left_out: Mapping[str, Mapping[str, Mapping[str, str]]]  # by the source left out

    def sources(self) -> set[str]:
        """Every source that says something."""
        groups = (g for conditions in self.groups.values() for g in conditions.values())
        return {s.source for group in groups for s in group.said}

    def prior(self, unknown: str, condition: str, without: Collection[str]) -> str:
        """Give the prior of an unknown with these sources left out."""
        group = self.groups[unknown][condition]
        out = {s.source for s in group.said} & set(without)
        if not out:
            return self.whole[unknown][condition]
        if len(out) == 1:
            return self.left_out[out.pop()][unknown][condition]
        return group.without(out).summary()


@cache
def learned() -> Learned:
    """Read the shipped file.

    Raises:
        ValueError: it is not as it should be; the message names file, key and value.
    """
    return read(shipped(FILE))


def read(path: Path) -> Learned:
    """Read a file of learned priors; nothing in it is run.

    Raises:
        ValueError: naming file, key and value.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: not a TOML file ({error})"
        raise ValueError(msg) from None
    if table.get("format") != FORMAT:
        msg = f"{path}: format: expected {FORMAT}, got {table.get('format')!r}; update nstar, or write the file again with benchmarks/learn_priors.py"
        raise ValueError(msg)
    groups = {
        unknown: {c: _group(path, f"said.{unknown}.{c}", g) for c, g in by.items()}
        for unknown, by in _table(path, "said", table).items()
    }
    whole = _priors(path, "all", _table(path, "all", table), groups)
    left_out = {
        source: _priors(path, f"without.{source}", priors, groups)
        for source, priors in _table(path, "without", table).items()
    }
    made = Learned(
        table.get("about", {}), table.get("marks", {}), groups, whole, left_out
    )
    if missing := made.sources() - set(left_out):
        msg = f"{path}: without: no priors for {', '.join(sorted(missing))} left out"
        raise ValueError(msg)
    return made


def _table(path: Path, key: str, table: Mapping[str, Any]) -> Mapping[str, Any]:
    found = table.get(key)
    if not isinstance(found, dict):
        msg = f"{path}: {key}: expected a table, got {found!r}"
        raise ValueError(msg)
    return found


def _group(path: Path, key: str, entry: Any) -> Group:
    try:
        said = tuple(Said(str(s), float(v), float(se)) for s, v, se in entry["by"])
        mean, sd = map(float, entry["weak"])
        if entry["scale"] not in FAMILY or not all(s.se > 0 for s in said):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        msg = f"{path}: {key}: expected over, scale (log or logit), weak [mean, sd] and by [[source, value, se], ...], got {str(entry)[:120]}"
        raise ValueError(msg) from None
    _parsed(path, f"{key}.over", entry["over"])
    return Group(entry["over"], entry["scale"], (mean, sd), said)


def _priors(
    path: Path, key: str, table: Any, groups: Mapping[str, Mapping[str, Group]]
) -> dict[str, dict[str, str]]:
    """Check that every group has a prior that can be read."""
    found: dict[str, dict[str, str]] = {}
    for unknown, conditions in groups.items():
        for condition in conditions:
            name = f"{key}.{unknown}.{condition}"
            try:
                text = table[unknown][condition]
            except (KeyError, TypeError):
                msg = f"{path}: {name}: no prior"
                raise ValueError(msg) from None
            found.setdefault(unknown, {})[condition] = _parsed(path, name, text)
    return found


def _parsed(path: Path, key: str, text: Any) -> str:
    if not isinstance(text, str):
        msg = f"{path}: {key}: expected a prior such as LogStudentT(4, -0.5, 0.3), got {text!r}"
        raise ValueError(msg)
    try:
        _once(text)
    except ValueError as error:
        msg = f"{path}: {key}: {error}"
        raise ValueError(msg) from None
    return text


@cache
def _once(text: str) -> None:
    """Read a prior; most are the same whoever is left out."""
    parse(text)
