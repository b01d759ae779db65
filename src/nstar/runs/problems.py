"""What is wrong with a table of runs, where, and the options that put it right."""

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from nstar.verdicts import Check, Status

SHOWN = 8  # rows and values of one problem that its sentence names
ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)  # worst first
SWEEP = "tuning sweep"
ACCEPTABLE = (  # what a table may be taken with, where its owner knows why
    "units",
    "which parameters",
    "FLOP count",
    "diverged runs",
    "unfinished runs",
    "checkpoints",
    "one run",
    SWEEP,
    "several recipes",
    "missing losses",
    "losses",
)


@dataclass(frozen=True)
class ReadOptions:
    """How a table is read: what `read_runs` takes and every command offers."""

    columns: Mapping[str, str] = field(default_factory=dict)  # our names to the table's
    units: Mapping[str, float] = field(default_factory=dict)  # our names to factors
    where: tuple[str, ...] = ()  # filters
    skip_rows: tuple[int, ...] = ()  # left out, by their number in the source
    decimal: str = ""  # "comma" or "point", the sign that divides
    drop_diverged: bool = False
    accept: tuple[str, ...] = ()  # names of problems that are taken as they are

    def with_more(self, other: "ReadOptions") -> "ReadOptions":
        """Return these options and others; each row, filter and name once."""
        return ReadOptions(
            {**self.columns, **other.columns},
            {**self.units, **other.units},
            _each_once(self.where + other.where),
            tuple(sorted({*self.skip_rows, *other.skip_rows})),
            other.decimal or self.decimal,
            self.drop_diverged or other.drop_diverged,
            _each_once(self.accept + other.accept),
        )

    def as_words(self) -> list[str]:
        """Return the words of a command line."""
        words = []
        for name, value in (
            ("--columns", ",".join(f"{k}={v}" for k, v in self.columns.items())),
            ("--units", ",".join(f"{k}={short(v)}" for k, v in self.units.items())),
            *(("--where", condition) for condition in self.where),
            ("--skip-rows", ",".join(map(str, self.skip_rows))),
            ("--decimal", self.decimal),
            *(("--accept", name) for name in self.accept),
        ):
            if value:
                words += [name, value]
        return [*words, "--drop-diverged"] if self.drop_diverged else words

    def __bool__(self) -> bool:
        """Tell whether any option is given."""
        return any(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True)
class Problem:
    """One thing about a table that a reader should know before it is fitted.

    FAIL stops every command before anything is sampled; REVIEW is read with a note to
    act on; PASS is a note of how something with one meaning was read.
    """

    name: str  # as `--accept NAME` takes it
    status: Status
    detail: str  # what was seen
    remedy: str = ""  # what to do, in words
    column: str = ""  # of the table
    ours: str = ""  # our name of that column
    rows: tuple[int, ...] = ()  # by their number in the source
    values: tuple[str, ...] = ()  # as the cells have them
    repair: ReadOptions = ReadOptions()  # the options that put it right, if any do

    def sentence(self) -> str:
        """Say rows, column, what was seen and what to do."""
        places = [
            f"row{'s' if len(self.rows) > 1 else ''} {list_some(self.rows)}"
            if self.rows
            else "",
            f"column {self.column!r}" if self.column else "",
        ]
        if self.ours and self.column:
            places[-1] += f" ({self.ours})"
        place = ", ".join(part for part in places if part)
        values = (
            f" ({list_some([repr(v) for v in dict.fromkeys(self.values)])})"
            if self.values
            else ""
        )
        text = f"{place}: {self.detail}{values}" if place else f"{self.detail}{values}"
        return f"{text}; {self.remedy}" if self.remedy else text

    def accepted(self, names: Sequence[str]) -> "Problem":
        """Return it for review where its name is among those that are taken as they are."""
        if self.status is not Status.FAIL or self.name not in names:
            return self
        detail = f"{self.detail}; taken as it is (--accept)"
        return replace(self, status=Status.REVIEW, detail=detail, remedy="")

    @property
    def sets_aside(self) -> bool:
        """Whether its repair does nothing but leave its rows out."""
        return bool(self.rows) and bool(
            self.repair.where or self.repair.skip_rows or self.repair.drop_diverged
        )

    def as_check(self) -> Check:
        """Return it as a check."""
        return Check(self.name, self.status, self.sentence())

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "name": self.name,
            "status": str(self.status),
            "column": self.column or None,
            "rows": list(self.rows),
            "values": list(self.values),
            "detail": self.detail,
            "remedy": self.remedy or None,
            "options": shlex.join(self.repair.as_words()) or None,
        }


class TableProblems(ValueError):
    """A table that is not fitted as it is: every problem, worst first.

    Attributes:
        source: the file, data set or kind of frame.
        problems: all of them, those for review among them.
        repair: options that put right all that options can; `read_runs` takes them.
    """

    def __init__(
        self,
        source: str,
        problems: Iterable[Problem],
        repair: ReadOptions | None = None,
    ) -> None:
        self.source = source
        self.problems = sort_problems(problems)
        self.repair = merge_repairs(self.problems) if repair is None else repair
        options = shlex.join(self.repair.as_words())
        stops = [p for p in self.problems if p.status is Status.FAIL]
        listed = " ".join(f"[{p.name}] {p.sentence()}." for p in stops)
        complete = repair is not None or all(p.repair for p in stops)
        repaired = "All repaired by" if complete else "In part repaired by"
        remedy = f" {repaired}: {options}" if options else ""
        super().__init__(f"{source}: {listed}{remedy}")


def merge_repairs(problems: Iterable[Problem]) -> ReadOptions:
    """Join the repairs of what stops a table; no row is left out by two of them."""
    stops = [p for p in problems if p.status is Status.FAIL]
    repair, gone = ReadOptions(), set[int]()
    for problem in stops:
        if not problem.sets_aside:
            repair = repair.with_more(problem.repair)
    for problem in sorted(stops, key=lambda p: -len(p.rows)):
        if problem.sets_aside and not gone.issuperset(problem.rows):
            repair = repair.with_more(problem.repair)
            gone.update(problem.rows)
    choices_last = sorted(repair.where, key=lambda w: w.startswith(("least ", "most ")))
    return replace(repair, where=tuple(choices_last))


def read_names(names: Iterable[str]) -> tuple[str, ...]:
    """Read the names of problems that are to be taken as they are.

    Raises:
        ValueError: there is no such problem, or it cannot be taken so.
    """
    known: dict[str, str] = {
        name.lower().replace(" ", "-"): name for name in ACCEPTABLE
    }
    read = []
    for name in names:
        key = name.strip().lower().replace(" ", "-").replace("_", "-")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            msg = f"accept {name!r}: {hint}What a table can be taken with: {', '.join(known)}"
            raise ValueError(msg)
        read.append(known[key])
    return tuple(dict.fromkeys(read))


def sort_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Sort problems, worst first; those alike stay in the order they were seen."""
    return sorted(problems, key=lambda problem: ORDER.index(problem.status))


def short(value: float) -> str:
    """Write a factor: 1e6."""
    text = f"{value:e}"
    mantissa, exponent = text.split("e")
    return f"{float(mantissa):g}e{int(exponent)}" if value >= 1e3 else f"{value:g}"


def list_some(items: Sequence[object], most: int = SHOWN) -> str:
    """List a few of many."""
    shown = ", ".join(map(str, items[:most]))
    return shown + (f" and {len(items) - most} more" if len(items) > most else "")


def _each_once(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
