"""Priors learned from the public record, as stored in data/priors.toml."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nstar.files.data_files import shipped
from nstar.priors.population import DF, Estimate, predictive
from nstar.priors.stated import parse

FORMAT = 1
FILE = "priors.toml"
FAMILY = {"log": "LogStudentT", "logit": "LogitStudentT"}


class Group(NamedTuple):
    """Estimates of one unknown under one condition, from the public record."""

    over: str  # the weak prior it was learned under, and which alone it may replace
    scale: str  # log or logit: that of `weak` and `estimates`
    weak: tuple[float, float]  # mean and sd of that prior
    estimates: tuple[Estimate, ...]

    def without(self, sources: Collection[str]) -> "Group":
        """Leave sources out."""
        estimates = tuple(s for s in self.estimates if s.source not in sources)
        return self._replace(estimates=estimates)

    def summary(self) -> str:
        """Write the predictive for a new source as a prior."""
        loc, scale = predictive(self.estimates, self.weak)
        return f"{FAMILY[self.scale]}({DF:g}, {loc:.4g}, {scale:.4g})"


@dataclass(frozen=True)
class LearnedPriors:
    """The content of the file: estimates by source, and the priors that follow."""

    about: Mapping[str, Any]
    fingerprints: Mapping[str, str]  # by source, hashes of its runs
    groups: Mapping[str, Mapping[str, Group]]  # by unknown and condition
    from_all: Mapping[str, Mapping[str, str]]  # priors from all sources, by the same
    left_out: Mapping[str, Mapping[str, Mapping[str, str]]]  # by the source left out

    def sources(self) -> set[str]:
        """Every source with an estimate."""
        groups = (g for conditions in self.groups.values() for g in conditions.values())
        return {estimate.source for group in groups for estimate in group.estimates}

    def prior(self, unknown: str, condition: str, without: Collection[str]) -> str:
        """Return the prior of an unknown, as text, with these sources left out."""
        group = self.groups[unknown][condition]
        excluded = {s.source for s in group.estimates} & set(without)
        if not excluded:
            return self.from_all[unknown][condition]
        if len(excluded) == 1:
            return self.left_out[excluded.pop()][unknown][condition]
        return group.without(excluded).summary()


@cache
def learned() -> LearnedPriors:
    """Read the shipped file.

    Raises:
        ValueError: it is malformed; the message names file, key and value.
    """
    return read(shipped(FILE))


def read(path: Path) -> LearnedPriors:
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
    from_all = _priors(path, "all", _table(path, "all", table), groups)
    left_out = {
        source: _priors(path, f"without.{source}", priors, groups)
        for source, priors in _table(path, "without", table).items()
    }
    learned_priors = LearnedPriors(
        table.get("about", {}), table.get("marks", {}), groups, from_all, left_out
    )
    if missing := learned_priors.sources() - set(left_out):
        msg = f"{path}: without: no priors for {', '.join(sorted(missing))} left out"
        raise ValueError(msg)
    return learned_priors


def _table(path: Path, key: str, table: Mapping[str, Any]) -> Mapping[str, Any]:
    value = table.get(key)
    if not isinstance(value, dict):
        msg = f"{path}: {key}: expected a table, got {value!r}"
        raise ValueError(msg)
    return value


def _group(path: Path, key: str, entry: Any) -> Group:
    try:
        estimates = tuple(
            Estimate(str(s), float(v), float(se)) for s, v, se in entry["by"]
        )
        mean, sd = map(float, entry["weak"])
        if entry["scale"] not in FAMILY or not all(s.se > 0 for s in estimates):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        msg = f"{path}: {key}: expected over, scale (log or logit), weak [mean, sd] and by [[source, value, se], ...], got {str(entry)[:120]}"
        raise ValueError(msg) from None
    _checked_text(path, f"{key}.over", entry["over"])
    return Group(entry["over"], entry["scale"], (mean, sd), estimates)


def _priors(
    path: Path, key: str, table: Any, groups: Mapping[str, Mapping[str, Group]]
) -> dict[str, dict[str, str]]:
    """Priors of every group, as text that has been parsed."""
    priors: dict[str, dict[str, str]] = {}
    for unknown, conditions in groups.items():
        for condition in conditions:
            name = f"{key}.{unknown}.{condition}"
            try:
                text = table[unknown][condition]
            except (KeyError, TypeError):
                msg = f"{path}: {name}: no prior"
                raise ValueError(msg) from None
            priors.setdefault(unknown, {})[condition] = _checked_text(path, name, text)
    return priors


def _checked_text(path: Path, key: str, text: Any) -> str:
    if not isinstance(text, str):
        msg = f"{path}: {key}: expected a prior such as LogStudentT(4, -0.5, 0.3), got {text!r}"
        raise ValueError(msg)
    try:
        _check_prior(text)
    except ValueError as error:
        msg = f"{path}: {key}: {error}"
        raise ValueError(msg) from None
    return text


@cache
def _check_prior(text: str) -> None:
    """Parse a prior once: most are the same whichever source is left out."""
    parse(text)
