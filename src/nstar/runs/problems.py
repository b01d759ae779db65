"""What is wrong with a table of runs, where, and the options that put it right."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from nstar.verdicts import Check, Status

SHOWN = 8  # rows and values of one problem that its sentence names
ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)  # worst first


@dataclass(frozen=True)
class ReadOptions:
    """How a table is read: what `read_runs` takes and every command offers."""

    columns: Mapping[str, str] = field(default_factory=dict)  # our names to the table's
    units: Mapping[str, float] = field(default_factory=dict)  # our names to factors
    where: tuple[str, ...] = ()  # filters
    skip_rows: tuple[int, ...] = ()  # left out, by their number in the source
    decimal: str = ""  # "comma" where 3,973 is a little less than four
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
            ("--units", ",".join(f"{k}={v:g}" for k, v in self.units.items())),
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
        place = ", ".join(part for part in places if part)
        values = (
            f" ({list_some([repr(v) for v in self.values])})" if self.values else ""
        )
        text = f"{place}: {self.detail}{values}" if place else f"{self.detail}{values}"
        return f"{text}; {self.remedy}" if self.remedy else text

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
    """A table that is not fitted as it is: every problem, worst first."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = sort_problems(problems)
        stops = [p for p in self.problems if p.status is Status.FAIL]
        listed = " ".join(f"[{p.name}] {p.sentence()}." for p in stops)
        options = shlex.join(self.repair.as_words())
        remedy = f" All repaired by: {options}" if options else ""
        super().__init__(f"{source}: {listed}{remedy}")

    @property
    def repair(self) -> ReadOptions:
        """Options that put right all that options can."""
        return merge_repairs(p for p in self.problems if p.status is Status.FAIL)


def merge_repairs(problems: Iterable[Problem]) -> ReadOptions:
    """Join the repairs of several problems."""
    repair = ReadOptions()
    for problem in problems:
        repair = repair.with_more(problem.repair)
    return repair


def sort_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Sort problems, worst first; those alike stay in the order they were seen."""
    return sorted(problems, key=lambda problem: ORDER.index(problem.status))


def list_some(items: Sequence[object], most: int = SHOWN) -> str:
    """List a few of many."""
    shown = ", ".join(map(str, items[:most]))
    return shown + (f" and {len(items) - most} more" if len(items) > most else "")


def _each_once(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
