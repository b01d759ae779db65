"""The ledger of forecasts and outcomes: entries are appended, never changed."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from nstar.answers import Document
from nstar.files.writing import write_atomically
from nstar.ledger.chain import HASH_DIGITS, START, link, unlink
from nstar.ledger.choices import Choice, ChoiceOutcome, require_arms
from nstar.ledger.records import Forecast, Outcome, stamp

try:
    import fcntl
except ImportError:  # not on every platform; there nothing is locked
    fcntl = None

FORMAT = 1  # raised when older ledgers can no longer be read
FILE = "forecasts.jsonl"  # of a project, in its folder

type Record = Forecast | Choice | Outcome | ChoiceOutcome


class Entry(NamedTuple):
    """One line of the file: its record, hash and text."""

    record: Record
    hash: str
    text: str


@dataclass(frozen=True, repr=False)
class Ledger:
    """The forecasts of a project, in the order in which they were frozen and scored.

    Every entry has the hash of the one before, so that reading the file detects a changed
    number and a line that was removed or moved.  It cannot detect that the last lines are
    missing, or that all of it was written anew: `require` compares it with a hash that was
    noted elsewhere.

    Examples:
        >>> book = nstar.Ledger().freeze(nstar.forecast(fit, 7e9, 1.4e11, name="hero"))
        >>> book.save("book.jsonl")
        >>> nstar.Ledger.read("book.jsonl").score("hero", 0.712).save("book.jsonl")
    """

    entries: tuple[Entry, ...] = ()
    source: str = FILE

    def __repr__(self) -> str:
        """Count the forecasts and the outcomes."""
        frozen = len(self.forecasts) + len(self.choices)
        return f"{self.source}: {frozen} forecasts, {frozen - len(self.open)} scored; open: {', '.join(self.open) or 'none'}"

    @property
    def head(self) -> str:
        """Hash of the last entry: worth noting where others can see it."""
        return self.entries[-1].hash if self.entries else START

    @property
    def forecasts(self) -> dict[str, Forecast]:
        """Forecasts of a loss by name."""
        return self._latest(Forecast)

    @property
    def choices(self) -> dict[str, Choice]:
        """Choices between two recipes by name."""
        return self._latest(Choice)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Outcomes by name of forecast; the latest measurement of each."""
        return self._latest(Outcome)

    @property
    def choice_outcomes(self) -> dict[str, ChoiceOutcome]:
        """Outcomes by name of choice; the latest measurement of each."""
        return self._latest(ChoiceOutcome)

    def _latest[R: Record](self, kind: type[R]) -> dict[str, R]:
        records = (entry.record for entry in self.entries)
        return {record.name: record for record in records if isinstance(record, kind)}

    @property
    def open(self) -> list[str]:
        """Names of forecasts and choices whose runs have no loss yet."""
        scored = self.outcomes | self.choice_outcomes
        return [name for name in self.forecasts | self.choices if name not in scored]

    def hash_of(self, name: str, *kinds: type) -> str:
        """Hash of the last entry of a name that is of one of these kinds; else a forecast.

        Raises:
            ValueError: there is none.
        """
        of = kinds or (Forecast, Choice)
        for entry in reversed(self.entries):
            if isinstance(entry.record, of) and entry.record.name == name:
                return entry.hash
        names = ", ".join(self.forecasts | self.choices) or "none yet"
        msg = f"{self.source}: no forecast named {name!r}; there are {names}"
        raise ValueError(msg)

    def require_free(self, name: str) -> None:
        """Check that no forecast and no choice has a name yet.

        Raises:
            ValueError: one has.
        """
        if taken := (self.forecasts | self.choices).get(name):
            msg = f"{self.source}: {name!r} was frozen on {taken.frozen}, and a forecast cannot be changed; freeze this one under another name"
            raise ValueError(msg)

    def freeze(self, forecast: Forecast | Choice) -> "Ledger":
        """Return the ledger with one more forecast, or choice.

        Raises:
            ValueError: its name is taken.
        """
        self.require_free(forecast.name)
        return self._with(forecast)

    def score(
        self,
        name: str,
        loss: float | Mapping[str, float],
        *,
        measured: str | None = None,
        note: str = "",
        again: bool = False,
        when: datetime | None = None,
    ) -> "Ledger":
        """Return the ledger with the loss that a forecast's run reached, or those of a choice.

        Args:
            name: of the forecast or the choice.
            loss: in the unit of the fitted losses; of a choice, of both recipes by name.
            measured: the day or moment at which it was known; `when` unless given.
            note: who or why.
            again: whether it corrects a loss that was entered before, which stays.
            when: the moment of the entry; now unless given.

        Raises:
            ValueError: there is no such forecast, it has a loss already, or it has none
                to correct, or the loss or the date is none, or a choice lacks a loss.
        """
        hash, entered = self.hash_of(name), stamp(when)
        previous = (self.outcomes | self.choice_outcomes).get(name)
        if previous and not again:
            msg = f"{self.source}: {name!r} was scored on {previous.entered} with {previous.words}; if the run was measured again, say so with --again (again=True): both stay, and the later counts"
            raise ValueError(msg)
        if again and not previous:
            msg = f"{self.source}: {name!r} has no loss yet to be measured again; enter it without --again (again=True)"
            raise ValueError(msg)
        replaces = self.hash_of(name, type(previous)) if previous else None
        choice, of_arms = self.choices.get(name), isinstance(loss, Mapping)
        if of_arms != bool(choice):
            msg = f"{self.source}: {name!r} is {'a choice, which takes the loss of each recipe by name' if choice else 'a forecast of one run, which takes one loss'}; got {loss}"
            raise ValueError(msg)
        when_known = measured or entered
        if not isinstance(loss, Mapping):
            loss = float(loss)
            return self._with(
                Outcome(name, hash, loss, when_known, entered, replaces, note)
            )
        require_arms(self.choices[name], loss, self.source)
        losses = {arm: float(value) for arm, value in loss.items()}
        return self._with(
            ChoiceOutcome(name, hash, losses, when_known, entered, replaces, note)
        )

    def _with(self, record: Record) -> "Ledger":
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

    def _require_valid_next(self, record: Record, position: str) -> None:
        """Refuse an entry that nstar would not have added here.

        Raises:
            ValueError: a name that is taken, or an outcome of no forecast before it.
        """
        known = self.forecasts | self.choices
        if isinstance(record, Forecast | Choice) and record.name in known:
            msg = f"{position}: a second forecast named {record.name!r}; nstar freezes one of a name"
            raise ValueError(msg)
        if isinstance(record, Outcome | ChoiceOutcome) and (
            record.name not in self._latest(record.settles)
            or self.hash_of(record.name) != record.forecast
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


def _parse_record(document: Document, position: str) -> Record:
    """Parse a line's document.

    Raises:
        ValueError: it is of a newer format, or of an unknown kind.
    """
    if document.get("format") != FORMAT:
        msg = f"{position}: of format {document.get('format')}, and this nstar reads {FORMAT}; update to read it"
        raise ValueError(msg)
    kinds = {
        "forecast": Forecast,
        "choice": Choice,
        "outcome": Outcome,
        "choice outcome": ChoiceOutcome,
    }
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
