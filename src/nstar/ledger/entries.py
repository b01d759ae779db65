"""The ledger of forecasts and outcomes: entries are appended, never changed."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from nstar.answers import Document
from nstar.files.writing import write_atomically
from nstar.ledger.chain import HASH_DIGITS, START, link, unlink
from nstar.ledger.records import Forecast, Outcome, stamp

try:
    import fcntl
except ImportError:  # not on every platform; there nothing is locked
    fcntl = None

FORMAT = 1  # raised when older ledgers can no longer be read
FILE = "forecasts.jsonl"  # of a project, in its folder


class Entry(NamedTuple):
    """One line of the file: its record, hash and text."""

    record: Forecast | Outcome
    hash: str
    text: str


@dataclass(frozen=True, repr=False)
class Ledger:
    """The forecasts of a project, in the order in which they were frozen and scored.

    Every entry has the hash of the one before, so that reading the file detects a changed
    number and a line that was removed or moved.  It cannot detect that the last lines are
    missing, or that all of it was written anew: `require` compares it with a hash that was
    noted elsewhere.
    """

    entries: tuple[Entry, ...] = ()
    source: str = FILE

    def __repr__(self) -> str:
        """Count the forecasts and the outcomes."""
        return f"{self.source}: {len(self.forecasts)} forecasts, {len(self.outcomes)} scored; open: {', '.join(self.open) or 'none'}"

    @property
    def head(self) -> str:
        """Hash of the last entry: worth noting where others can see it."""
        return self.entries[-1].hash if self.entries else START

    @property
    def forecasts(self) -> dict[str, Forecast]:
        """Forecasts by name."""
        records = (entry.record for entry in self.entries)
        return {
            record.name: record for record in records if isinstance(record, Forecast)
        }

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Outcomes by name of forecast; the latest measurement of each."""
        records = (entry.record for entry in self.entries)
        return {
            record.name: record for record in records if isinstance(record, Outcome)
        }

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
            if isinstance(entry.record, kind) and entry.record.name == name:
                return entry.hash
        names = ", ".join(self.forecasts) or "none yet"
        msg = f"{self.source}: no forecast named {name!r}; there are {names}"
        raise ValueError(msg)

    def require_free(self, name: str) -> None:
        """Check that no forecast has a name yet.

        Raises:
            ValueError: one has.
        """
        if name in self.forecasts:
            msg = f"{self.source}: {name!r} was frozen on {self.forecasts[name].frozen}, and a forecast cannot be changed; freeze this one under another name"
            raise ValueError(msg)

    def freeze(self, forecast: Forecast) -> "Ledger":
        """Return the ledger with one more forecast.

        Raises:
            ValueError: its name is taken.
        """
        self.require_free(forecast.name)
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
        previous = self.outcomes.get(name)
        if previous and not again:
            msg = f"{self.source}: {name!r} was scored on {previous.entered} with a loss of {previous.loss:g}; if the run was measured again, say so with --again (again=True): both stay, and the later counts"
            raise ValueError(msg)
        if again and not previous:
            msg = f"{self.source}: {name!r} has no loss yet to be measured again; enter it without --again (again=True)"
            raise ValueError(msg)
        replaces = self.hash_of(name, Outcome) if previous else None
        return self._with(
            Outcome(
                name, hash, float(loss), measured or entered, entered, replaces, note
            )
        )

    def _with(self, record: Forecast | Outcome) -> "Ledger":
        text, hash = link({"format": FORMAT, **record.as_json()}, self.head)
        return Ledger((*self.entries, Entry(record, hash, text)), self.source)

    def require(self, hash: str) -> None:
        """Check that an entry has a hash, or its first digits, that was noted before.

        Raises:
            ValueError: no entry has it.
        """
        if len(hash) < HASH_DIGITS or not any(
            e.hash.startswith(hash) for e in self.entries
        ):
            msg = f"{self.source}: no entry has the hash {hash} (of {len(self.entries)} entries; at least {HASH_DIGITS} digits are needed): lines were dropped from its end, or all of it was written anew; take the ledger from a copy"
            raise ValueError(msg)

    @property
    def text(self) -> str:
        """The file's text."""
        return "".join(f"{entry.text}\n" for entry in self.entries)

    @classmethod
    def read(cls, path: str | Path) -> "Ledger":
        """Read a ledger, and verify every line's hash.

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
        """Parse a ledger's text, as `read` does a file's."""
        ledger = cls(source=source)
        lines = zip(unlink(text, source), text.split("\n")[:-1], strict=True)
        for number, (record, line) in enumerate(lines, 1):
            position = f"{source}, line {number}"
            entry = Entry(_parse_record(record, position), record["hash"], line)
            ledger._require_valid_next(entry.record, position)
            ledger = cls((*ledger.entries, entry), source)
        return ledger

    def _require_valid_next(self, record: Forecast | Outcome, position: str) -> None:
        """Refuse an entry that nstar would not have added here.

        Raises:
            ValueError: a name that is taken, or an outcome of no forecast before it.
        """
        known = self.forecasts
        if isinstance(record, Forecast) and record.name in known:
            msg = f"{position}: a second forecast named {record.name!r}; nstar freezes one of a name"
            raise ValueError(msg)
        if isinstance(record, Outcome) and (
            record.name not in known or self.hash_of(record.name) != record.forecast
        ):
            msg = f"{position}: an outcome of {record.name!r}, but no such forecast stands before it"
            raise ValueError(msg)

    def save(self, path: str | Path) -> Path:
        """Write the ledger, whole or not at all, where it only adds to what is there.

        Raises:
            ValueError: the file holds entries that this ledger lacks.
            OSError: it cannot be written.
        """
        path = place(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent):
            current = path.read_text(encoding="utf-8") if path.exists() else ""
            if not self.text.startswith(current):
                msg = f"{path}: holds entries that are not in what was to be written; it was changed since it was read, so read it again and add to that"
                raise ValueError(msg)
            return write_atomically(path, self.text)


def place(path: str | Path) -> Path:
    """Path of the ledger's file, where a folder may be given."""
    path = Path(path)
    return path / FILE if path.is_dir() else path


def _parse_record(document: Document, position: str) -> Forecast | Outcome:
    """Parse a line's document.

    Raises:
        ValueError: it is of a newer format, or of an unknown kind.
    """
    if document.get("format") != FORMAT:
        msg = f"{position}: of format {document.get('format')}, and this nstar reads {FORMAT}; update to read it"
        raise ValueError(msg)
    kinds = {"forecast": Forecast, "outcome": Outcome}
    try:
        return kinds[document["kind"]].of_json(document)
    except (KeyError, TypeError):
        msg = f"{position}: neither a forecast nor an outcome of nstar"
        raise ValueError(msg) from None


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Lock a folder against other writers of ledgers."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
