"""Forecasts frozen before their runs, and what came: entries that are added, never changed."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from nstar.files.writing import write_whole
from nstar.ledger.chain import SHOWN, START, link, unlink
from nstar.ledger.foretold import Forecast, Outcome, stamp

try:
    import fcntl
except ImportError:  # not everywhere; then nothing is held
    fcntl = None

FORMAT = 1  # raised when older ledgers can no longer be read
FILE = "forecasts.jsonl"  # of a project, in its folder


class Entry(NamedTuple):
    """One line: what it says, its hash, and the text that is in the file."""

    said: Forecast | Outcome
    hash: str
    text: str


@dataclass(frozen=True, repr=False)
class Ledger:
    """The forecasts of a project, in the order in which they were frozen and scored.

    Every entry holds the hash of the one before, so a number that was changed, a line
    that was dropped or put elsewhere shows when the file is read.  What no file can show
    by itself is that its last lines are missing, or that all of it was written anew:
    `require` holds it against a hash that was noted elsewhere.
    """

    entries: tuple[Entry, ...] = ()
    source: str = FILE

    def __repr__(self) -> str:
        """Count what it holds."""
        return f"{self.source}: {len(self.forecasts)} forecasts, {len(self.outcomes)} scored; open: {', '.join(self.open) or 'none'}"

    @property
    def head(self) -> str:
        """Hash of the last entry: worth noting where others can see it."""
        return self.entries[-1].hash if self.entries else START

    @property
    def forecasts(self) -> dict[str, Forecast]:
        """Forecasts by name."""
        each = (entry.said for entry in self.entries)
        return {said.name: said for said in each if isinstance(said, Forecast)}

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """What came, by name; the latest measurement of each."""
        each = (entry.said for entry in self.entries)
        return {said.name: said for said in each if isinstance(said, Outcome)}

    @property
    def open(self) -> list[str]:
        """Names of forecasts whose run has no loss yet."""
        return [name for name in self.forecasts if name not in self.outcomes]

    def hash_of(self, name: str, kind: type = Forecast) -> str:
        """Hash of the last entry of this kind and name.

        Raises:
            ValueError: there is none.
        """
        for entry in reversed(self.entries):
            if isinstance(entry.said, kind) and entry.said.name == name:
                return entry.hash
        there = ", ".join(self.forecasts) or "none yet"
        msg = f"{self.source}: no forecast named {name!r}; there are {there}"
        raise ValueError(msg)

    def free(self, name: str) -> None:
        """Refuse a name that is taken.

        Raises:
            ValueError: it is.
        """
        if name in self.forecasts:
            msg = f"{self.source}: {name!r} was frozen on {self.forecasts[name].frozen}, and a forecast cannot be changed; freeze this one under another name"
            raise ValueError(msg)

    def freeze(self, forecast: Forecast) -> "Ledger":
        """Return the ledger with one more forecast.

        Raises:
            ValueError: its name is taken.
        """
        self.free(forecast.name)
        return self._with(forecast)

    def score(
        self,
        name: str,
        loss: float,
        *,
        measured: str | None = None,
        note: str = "",
        again: bool = False,
        when: datetime | None = None,
    ) -> "Ledger":
        """Return the ledger with the loss that a forecast's run reached.

        Args:
            name: of the forecast.
            loss: in the unit of the fitted losses.
            measured: the day or moment at which it was known; `when` unless given.
            note: who or why.
            again: whether it corrects a loss that was entered before, which stays.
            when: the moment of the entry; now unless given.

        Raises:
            ValueError: there is no such forecast, it has a loss already, or it has none
                to correct, or the loss or the date is none.
        """
        hash, entered = self.hash_of(name), stamp(when)
        before = self.outcomes.get(name)
        if before and not again:
            msg = f"{self.source}: {name!r} was scored on {before.entered} with a loss of {before.loss:g}; if the run was measured again, say so with --again (again=True): both stay, and the later counts"
            raise ValueError(msg)
        if again and not before:
            msg = f"{self.source}: {name!r} has no loss yet to be measured again; enter it without --again (again=True)"
            raise ValueError(msg)
        replaces = self.hash_of(name, Outcome) if before else None
        return self._with(
            Outcome(
                name, hash, float(loss), measured or entered, entered, replaces, note
            )
        )

    def _with(self, said: Forecast | Outcome) -> "Ledger":
        text, hash = link({"format": FORMAT, **said.as_json()}, self.head)
        return Ledger((*self.entries, Entry(said, hash, text)), self.source)

    def require(self, hash: str) -> None:
        """Hold the ledger against a hash, or its first digits, noted when an entry was made.

        Raises:
            ValueError: no entry has it.
        """
        if len(hash) < SHOWN or not any(e.hash.startswith(hash) for e in self.entries):
            msg = f"{self.source}: no entry has the hash {hash} (of {len(self.entries)} entries; at least {SHOWN} digits are needed): lines were dropped from its end, or all of it was written anew; take the ledger from a copy"
            raise ValueError(msg)

    @property
    def text(self) -> str:
        """The file's text."""
        return "".join(f"{entry.text}\n" for entry in self.entries)

    @classmethod
    def read(cls, path: str | Path) -> "Ledger":
        """Read a ledger, and hold every line to its hash.

        Args:
            path: the file, or the folder that has it as forecasts.jsonl.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is no ledger, or was changed after it was written; naming the
                line and what does not match.
        """
        path = place(path)
        if not path.exists():
            msg = f"{path}: no ledger of forecasts there; nstar forecast makes one"
            raise FileNotFoundError(msg)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            msg = f"{path}: not a ledger of forecasts, which is text"
            raise ValueError(msg) from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, source: str = FILE) -> "Ledger":
        """Read a ledger's text, as `read` does a file."""
        made = cls(source=source)
        lines = zip(unlink(text, source), text.split("\n")[:-1], strict=True)
        for number, (said, line) in enumerate(lines, 1):
            here = f"{source}, line {number}"
            entry = Entry(_said(said, here), said["hash"], line)
            made._follows(entry.said, here)
            made = cls((*made.entries, entry), source)
        return made

    def _follows(self, said: Forecast | Outcome, here: str) -> None:
        """Refuse an entry that nstar would not have added here.

        Raises:
            ValueError: a name that is taken, or an outcome of no forecast before it.
        """
        known = self.forecasts
        if isinstance(said, Forecast) and said.name in known:
            msg = f"{here}: a second forecast named {said.name!r}; nstar freezes one of a name"
            raise ValueError(msg)
        if isinstance(said, Outcome) and (
            said.name not in known or self.hash_of(said.name) != said.forecast
        ):
            msg = f"{here}: an outcome of {said.name!r}, but no such forecast stands before it"
            raise ValueError(msg)

    def save(self, path: str | Path) -> Path:
        """Write the ledger, whole or not at all, where it only adds to what is there.

        Raises:
            ValueError: the file holds entries that this ledger lacks.
            OSError: it cannot be written.
        """
        path = place(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(path.parent):
            there = path.read_text(encoding="utf-8") if path.exists() else ""
            if not self.text.startswith(there):
                msg = f"{path}: holds entries that are not in what was to be written; it was changed since it was read, so read it again and add to that"
                raise ValueError(msg)
            return write_whole(path, self.text)


def place(path: str | Path) -> Path:
    """Name the ledger's file: of a folder, the one it has."""
    path = Path(path)
    return path / FILE if path.is_dir() else path


def _said(said: dict[str, Any], here: str) -> Forecast | Outcome:
    """Read what a line says.

    Raises:
        ValueError: it is of a newer format, or of no kind known.
    """
    if said.get("format") != FORMAT:
        msg = f"{here}: of format {said.get('format')}, and this nstar reads {FORMAT}; update to read it"
        raise ValueError(msg)
    kinds = {"forecast": Forecast, "outcome": Outcome}
    try:
        return kinds[said["kind"]].of_json(said)
    except (KeyError, TypeError):
        msg = f"{here}: neither a forecast nor an outcome of nstar"
        raise ValueError(msg) from None


@contextmanager
def _held(folder: Path) -> Generator[None]:
    """Wait until nobody else writes in this folder."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
