"""The records of a ledger: frozen forecasts, and the losses measured afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np

from nstar.answers import Document
from nstar.ledger.frozen import Frozen
from nstar.verdicts import Check, Status
from nstar.wording import count, numbers

TOLERANCE = 0.01  # N and D within this are the same run
LONGEST = 80  # letters of a name
DAY = len("2026-01-31")  # letters of a date without a time


@dataclass(frozen=True, eq=False, repr=False)
class Forecast:
    """The frozen forecast of one run's measured loss, and all that it was made from."""

    name: str
    frozen: str  # date and time, UTC
    N: float  # parameters
    D: float  # tokens
    C: float  # FLOP, by the convention of the runs
    x: Mapping[str, float]  # what else the law read of the run
    budget: float | None  # FLOP, where the run is the one recommended for them
    decades_beyond_data: float | None
    basis: Mapping[str, Any]  # data, law, noise, discrepancy, priors, seeds, versions
    measured: Frozen  # with run noise: what is scored
    law_loss: np.ndarray  # quantiles of the law's own loss, without noise
    checks: tuple[Check, ...]  # as they stood
    among_data: tuple[int, ...]  # rows of the fitted table that are this very run
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that is hard to type.

        Raises:
            ValueError: it is empty, long, or of several lines.
        """
        require_name(self.name)

    def __repr__(self) -> str:
        """Name the run and its predicted loss."""
        loss = numbers(self.measured.interval(0.9), 4)
        return f"{self.name}: {count(self.N)} parameters on {count(self.D)} tokens, loss {loss} (median [90% interval]), frozen {self.frozen}"

    def as_json(self) -> Document:
        """Plain data, all of it."""
        return {
            "kind": "forecast",
            **{name: getattr(self, name) for name in PLAIN_FIELDS},
            "x": dict(self.x),
            "basis": dict(self.basis),
            "measured": self.measured.as_json(),
            "law_loss": self.law_loss.tolist(),
            "checks": [check.as_json() for check in self.checks],
            "among_data": list(self.among_data),
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Forecast":
        """Read what `as_json` wrote."""
        return cls(
            **{name: document[name] for name in PLAIN_FIELDS},
            x=document["x"],
            basis=document["basis"],
            measured=Frozen.of_json(document["measured"]),
            law_loss=np.asarray(document["law_loss"], dtype=float),
            checks=tuple(
                Check(c["name"], Status(c["status"]), c["detail"])
                for c in document["checks"]
            ),
            among_data=tuple(document["among_data"]),
        )


PLAIN_FIELDS = (
    "name",
    "frozen",
    "N",
    "D",
    "C",
    "budget",
    "decades_beyond_data",
    "note",
)


@dataclass(frozen=True)
class Outcome:
    """The loss that a run reached, entered beside its forecast."""

    settles: ClassVar = Forecast

    name: str
    forecast: str  # hash of the forecast's entry
    loss: float
    measured: str  # day, or date and time: when the loss was known
    entered: str  # date and time, UTC
    replaces: str | None = None  # hash of the outcome that a new measurement corrects
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse an impossible loss or date.

        Raises:
            ValueError: the loss is not positive and finite, or the date is none.
        """
        if not (np.isfinite(self.loss) and self.loss > 0):
            msg = f"the loss of {self.name!r}: expected a positive number such as 2.234, got {self.loss:g}"
            raise ValueError(msg)
        latest_moment(self.measured)

    @property
    def words(self) -> str:
        """What was measured."""
        return f"a loss of {self.loss:g}"

    def as_json(self) -> Document:
        """Plain data."""
        return {"kind": "outcome", **asdict(self)}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Outcome":
        """Read what `as_json` wrote."""
        return cls(**{f.name: document[f.name] for f in fields(cls)})


def reason_not_counted(rows: Sequence[int], frozen: str, measured: str) -> str | None:
    """Why the scores of a forecast do not count, as a sentence; None where they count.

    Args:
        rows: of the fitted table, that are what was forecast.
        frozen: when it was.
        measured: when the loss was known.
    """
    if rows:
        return f"not a forecast: the run is among the data it was fitted to (row {', '.join(map(str, rows))})"
    if latest_moment(measured) < latest_moment(frozen):
        return f"not a forecast: the loss was known on {measured}, and the forecast was frozen on {frozen}"
    return None


def same_run(N: np.ndarray, D: np.ndarray, n: float, d: float) -> np.ndarray:
    """Which runs, (run,), are the run (n, d): N and D within 1 %."""
    return (np.abs(N / n - 1) <= TOLERANCE) & (np.abs(D / d - 1) <= TOLERANCE)


def stamp(when: datetime | None) -> str:
    """Write a moment to the second, in UTC; now unless given."""
    when = datetime.now(UTC) if when is None else when.astimezone(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def latest_moment(text: str) -> datetime:
    """Parse a date and time; the end of the day where there is no time.

    Raises:
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r}: expected a day or a moment, as in 2026-01-31 or 2026-01-31T12:00:00Z"
        raise ValueError(msg) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment + timedelta(days=len(text) == DAY)


def require_name(name: str) -> None:
    """Refuse a name that is hard to type.

    Raises:
        ValueError: it is empty, long, or of several lines.
    """
    if not (name.strip() == name != "" and name.isprintable() and len(name) <= LONGEST):
        msg = (
            f"name {name!r}: expected up to {LONGEST} letters on one line, such as hero"
        )
        raise ValueError(msg)
