"""What `nstar check` answers: what a table is, what is wrong with it, and what to do."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.runs.columns import RESPONSES
from nstar.runs.observations import Observations
from nstar.runs.problems import ReadOptions
from nstar.runs.reading import Examination
from nstar.runs.routing import assign_runs
from nstar.verdicts import Check, Status
from nstar.wording import count, digits, flop

# runs for a law's unknowns; in the order in which laws are preferred
FEWEST = {"isoflop": 12, "allocation": 3, "coupled": 7}
SMALLER = ("chinchilla", 6)  # of a surface with fewer unknowns
AHEAD = 10  # times the largest run: the budget of the command that comes next
CHOSEN = 0.02  # of log D/N: optima that were measured differ more
SHOWN = 20  # changed cells that are listed
WHY = {
    "isoflop": "its runs are profiles of loss at compute budgets",
    "allocation": "its runs are one compute-optimal point a budget",
    "coupled": "its runs have N, D and L, and do not repeat compute budgets",
}


@dataclass(frozen=True)
class Change:
    """A cell that a repaired table has otherwise than the original."""

    row: int
    column: str
    before: str
    after: str

    def __str__(self) -> str:
        """Write it as row 4, tokens: 0.625 is now 625000000."""
        return f"row {self.row}, {self.column}: {self.before} is now {self.after}"


@dataclass(frozen=True)
class Rewritten:
    """A repaired table that was written."""

    path: str
    changes: tuple[Change, ...]
    left_out: tuple[int, ...]  # rows


@dataclass(frozen=True)
class TableCheck(Answer):
    """What a table is once it is read, every problem, and the commands that come next."""

    examination: Examination
    extra: Sequence[str] = ()  # other options of the command, for those that come next
    rewritten: Rewritten | None = None

    @property
    def runs(self) -> Observations:
        """The runs as they read once repaired."""
        return self.examination.repaired.runs

    @property
    def readable(self) -> bool:
        """Whether the options that repair leave nothing that stops."""
        return not self.examination.repaired.stops

    @property
    def law(self) -> str | None:
        """The law that the runs would be fitted with; none where they allow none."""
        routes = self._assigned[0]
        return next((law for law in FEWEST if law in routes), None)

    @cached_property
    def _assigned(self) -> tuple[dict[str, Observations], dict[str, str]]:
        """The runs by law, and why other laws do not take them."""
        if len(self.runs) == 0:
            return {}, {"all": "no run is left"}
        with np.errstate(all="ignore"):
            return assign_runs(self.runs)

    @property
    def options(self) -> ReadOptions:
        """How the table is read once repaired."""
        return self.examination.options.with_more(self.examination.repair)

    def command(self) -> str | None:
        """Write the command that checks the table as repaired; none where nothing repairs it."""
        if self.rewritten or not (self.examination.repair and self.readable):
            return None
        return self._write("check")

    def next_command(self) -> str | None:
        """Write the command that goes on with the table; none where no law takes it."""
        runs = self.runs
        if not self.readable or self.law is None or "C" not in runs:
            return None
        budget = flop(float(f"{AHEAD * np.max(runs['C']):.0e}"))
        short = len(runs) < FEWEST[self.law]
        if short and (self.law != "coupled" or len(runs) < SMALLER[1]):
            return None
        if short:
            return self._write("plan", "--law", SMALLER[0], "--budget", budget)
        return self._write("report", "--budget", budget)

    def _write(self, command: str, *words: str) -> str:
        source = self.examination.table.source
        options = self.options.as_words()
        if self.rewritten:
            source, options = (
                self.rewritten.path,
                [word for name in self.options.accept for word in ("--accept", name)],
            )
        return shlex.join(["nstar", command, source, *options, *self.extra, *words])

    def checks(self) -> list[Check]:
        """Every problem, worst first; of a table that was rewritten, what is left."""
        examination = self.examination
        problems = (
            examination.repaired.problems if self.rewritten else examination.problems
        )
        checks = [p.as_check() for p in problems] + self._of_runs()
        order = (Status.FAIL, Status.REVIEW, Status.PASS)
        return sorted(checks, key=lambda check: order.index(check.status))

    def _of_runs(self) -> list[Check]:
        """Say whether any law takes the runs, and which budgets show no minimum."""
        runs, law = self.runs, self.law
        if "L" not in runs and not {*RESPONSES}.isdisjoint(runs.columns):
            return []  # a law of a metric or of counts is named by who fits it
        if law is None:
            reasons = "; ".join(f"{n}: {why}" for n, why in self._assigned[1].items())
            return [
                Check("a law", Status.FAIL, f"no law fits such a table ({reasons})")
            ]
        checks = []
        if len(runs) < FEWEST[law]:
            surface = law == "coupled" and len(runs) >= SMALLER[1]
            less = f"; --law {SMALLER[0]} takes {SMALLER[1]}" if surface else ""
            detail = f"{len(runs)} runs are fewer than the {FEWEST[law]} that the {law} law needs for its unknowns{less}; add runs"
            status = Status.REVIEW if surface else Status.FAIL
            checks.append(Check("enough runs", status, detail))
        if (
            law == "allocation"
            and "L" in runs
            and np.ptp(np.log(runs["D"] / runs["N"])) < CHOSEN
        ):
            detail = f"every run has {digits(float(np.median(runs['D'] / runs['N'])), 3)} tokens per parameter: a ratio that was chosen, not found to be best, and a fit of optima gives it back; add runs of other lengths"
            checks.append(Check("one ratio", Status.REVIEW, detail))
        if law == "isoflop":
            budgets, counts = np.unique(
                runs["budget"][~np.isnan(runs["budget"])], return_counts=True
            )
            small = [
                f"{flop(b)} ({n} run{'s' if n > 1 else ''})"
                for b, n in zip(budgets, counts, strict=True)
                if n < 3
            ]
            if small:
                detail = f"budgets with fewer than three runs: {', '.join(small)} FLOP; they show no minimum of their own, which is inferred from the other budgets"
                checks.append(Check("small budgets", Status.REVIEW, detail))
        return checks

    def headline(self, prob: float = 0.9) -> str:
        """Say whether the table can be fitted, in a sentence."""
        source, stops = self.examination.table.source, self.examination.stops
        if self.rewritten:
            return f"{self.rewritten.path}: {len(self.runs)} runs of {source}, repaired"
        if not stops:
            return f"{source}: {len(self.runs)} runs, read as they are"
        n = f"{len(stops)} problem{'s' if len(stops) > 1 else ''}"
        if self.readable:
            return (
                f"{source}: {n} to repair before it is fitted; the command below does"
            )
        left = ", ".join(dict.fromkeys(p.name for p in self.examination.repaired.stops))
        return f"{source}: {n}, of which no option repairs: {left}"

    def description(self) -> list[tuple[str, str]]:
        """What the table is, in words."""
        runs, named = self.runs, self.runs.named
        lines = [("rows of the table", str(len(self.examination.table)))]
        lines.append(("runs", str(len(runs))))
        if len(runs) == 0:
            return lines
        for name, what, write in (
            ("N", "parameters", count),
            ("D", "tokens", count),
            ("C", "training FLOP", flop),
            ("L", "loss", lambda v: digits(v, 4)),
        ):
            if name in runs and np.isfinite(runs[name]).any():
                low, high = np.nanmin(runs[name]), np.nanmax(runs[name])
                origin = f", from {named[name]!r}" if name in named else ", derived"
                lines.append(
                    (f"{what} ({name})", f"{write(low)} to {write(high)}{origin}")
                )
        if "N" in runs:
            sizes = len(np.unique(np.round(np.log(runs["N"]), 2)))
            lines.append(("sizes", str(sizes)))
        if "N" in runs and "D" in runs:
            ratio = runs["D"] / runs["N"]
            ends = dict.fromkeys((digits(ratio.min(), 3), digits(ratio.max(), 3)))
            lines.append(("tokens per parameter", " to ".join(ends)))
        if "budget" in runs:
            budgets = np.unique(runs["budget"][~np.isnan(runs["budget"])])
            lines.append(("compute budgets", str(budgets.size)))
        law = self.law
        profiles = self._assigned[1].get("isoflop", "") if "budget" in runs else ""
        why = profiles or (WHY[law] if law else "")
        lines.append(("law", f"{law}: {why}" if law else "none"))
        return lines

    def tables(self, prob: float = 0.9) -> list[Table | str]:
        """What the table is, and what was rewritten."""
        parts: list[Table | str] = [
            Table(
                "Once repaired"
                if self.examination.stops and self.readable
                else "The table",
                ("quantity", "as read"),
                self.description(),
            )
        ]
        if self.rewritten:
            left_out = self.rewritten.left_out
            if left_out:
                parts.append(
                    f"left out: rows {', '.join(map(str, left_out[:SHOWN]))}{', ...' if len(left_out) > SHOWN else ''}"
                )
            changes = self.rewritten.changes
            parts += [str(change) for change in changes[:SHOWN]]
            if len(changes) > SHOWN:
                parts.append(f"and {len(changes) - SHOWN} more cells")
        return parts

    def as_json(self, prob: float = 0.9) -> Document:
        """Every problem and number as plain data."""
        examination, runs = self.examination, self.runs
        ranges = {
            name: [float(np.nanmin(runs[name])), float(np.nanmax(runs[name]))]
            for name in ("N", "D", "C", "L")
            if len(runs) and name in runs and np.isfinite(runs[name]).any()
        }
        rewritten = self.rewritten
        return {
            "data": examination.table.source,
            "data_sha256": examination.table.sha256,
            "rows": len(examination.table),
            "runs": len(runs),
            "columns": dict(runs.named),
            "ranges": ranges,
            "law": self.law,
            "headline": self.headline(),
            "problems": [p.as_json() for p in examination.problems],
            "repair": shlex.join(examination.repair.as_words()) or None,
            "repaired": self.readable,
            "command": self.command(),
            "next": self.next_command(),
            "rewritten": {
                "path": rewritten.path,
                "left_out": list(rewritten.left_out),
                "changes": [vars(change) for change in rewritten.changes],
            }
            if rewritten
            else None,
        }
