"""Schedules: the learning rate of a run along its steps, by name, from a file or a record."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nstar.files import table_files
from nstar.runs.columns import name_columns, numbers
from nstar.wording import alternatives

SHAPES = ("constant", "cosine", "linear", "wsd")
DECAY = (
    0.2  # of the steps, of a wsd that does not say: Hägele et al. (2024) use .1 to .2
)
FINAL = (
    0.1  # learning rate at the end as a share of the peak, of a schedule that decays
)
KNOTS = 200  # of a decay that is no straight line
STEPS = ("step", "steps", "_step", "global_step", "iteration", "iterations", "iter")


@dataclass(frozen=True)
class Schedule:
    """A learning rate that goes straight between knots; a step may be there twice: a jump."""

    step: np.ndarray  # (knot,), never falling
    lr: np.ndarray  # (knot,)

    @property
    def peak(self) -> float:
        """The largest learning rate."""
        return float(self.lr.max())

    @property
    def end(self) -> float:
        """The last step."""
        return float(self.step[-1])

    @property
    def warm(self) -> float:
        """The step at which the warm-up ends: the first that is within a thousandth of the first peak."""
        rising = np.flatnonzero(np.diff(self.lr, append=-np.inf) <= 0)
        return float(self.step[rising[0]])

    def at(self, step: np.ndarray) -> np.ndarray:
        """Learning rate at steps, (step,); that of the last knot after it."""
        return np.interp(step, self.step, self.lr)

    def times(self, factor: float) -> "Schedule":
        """This schedule with learning rates that many times as large."""
        return Schedule(self.step, factor * self.lr)

    def until(self, step: float) -> "Schedule":
        """The part up to a step."""
        before = self.step < step
        return Schedule(
            np.append(self.step[before], step),
            np.append(self.lr[before], self.at(np.array([step]))),
        )

    def then(self, other: "Schedule") -> "Schedule":
        """This schedule to its end, and another from there."""
        after = other.step > self.end
        return Schedule(
            np.concatenate([self.step, [self.end], other.step[after]]),
            np.concatenate([self.lr, other.at(np.array([self.end])), other.lr[after]]),
        )

    def decayed(self, steps: float, final: float = FINAL) -> "Schedule":
        """This schedule, and then a straight decay of so many steps to a share of the peak."""
        return Schedule(
            np.append(self.step, self.end + steps),
            np.append(self.lr, min(final * self.peak, float(self.lr[-1]))),
        )


def named(
    shape: str, steps: float, peak: float, warmup: float = 0.0, final: float = FINAL
) -> Schedule:
    """Make a schedule: constant, cosine, linear, or wsd with the share that decays, wsd:0.2.

    Args:
        shape: its name.
        steps: of the whole run, in the unit of the curves.
        peak: the largest learning rate.
        warmup: steps of a straight rise from zero, part of the whole.
        final: learning rate at the end, as a share of the peak.

    Raises:
        ValueError: there is no such schedule, or a number is impossible.
    """
    kind, _, part = shape.partition(":")
    if kind not in SHAPES:
        msg = f"schedule {shape!r}: {alternatives(kind, SHAPES)}; or name a file with columns step and lr"
        raise ValueError(msg)
    try:
        decay = float(part) if part else DECAY
    except ValueError:
        decay = -1.0
    if not 0 < decay <= 1 or (part and kind != "wsd"):
        msg = f"schedule {shape!r}: expected the share of the steps that decays, as in wsd:0.2"
        raise ValueError(msg)
    if not (0 <= warmup < steps and peak > 0 and 0 <= final <= 1):
        msg = (
            f"schedule {shape}: expected more steps than its {warmup:g} of warm-up, a peak above zero and a last "
            f"share from 0 to 1, got {steps:g} steps, peak {peak:g} and share {final:g}"
        )
        raise ValueError(msg)
    way = np.linspace(0, 1, KNOTS)
    match kind:
        case "constant":
            way, height = np.array([0.0, 1.0]), np.ones(2)
        case "cosine":
            height = final + (1 - final) * (1 + np.cos(np.pi * way)) / 2
        case "linear":
            way, height = np.array([0.0, 1.0]), np.array([1.0, final])
        case _:
            start = max(1 - decay * steps / (steps - warmup), 0.0)
            way, height = np.array([0.0, start, 1.0]), np.array([1.0, 1.0, final])
    step, lr = warmup + way * (steps - warmup), peak * height
    if warmup:
        step, lr = np.append(0.0, step), np.append(0.0, lr)
    return Schedule(step, lr)


def read_schedule(path: Path) -> Schedule:
    """Read a schedule from a file with columns step (or tokens) and lr.

    Raises:
        ValueError: a column is missing, or the steps fall.
        FileNotFoundError: there is no such file.
    """
    table = table_files.read(path)
    columns = name_columns(table).columns
    lower = {name.lower(): name for name in table.columns}
    axis = next((lower[n] for n in STEPS if n in lower), columns.get("D"))
    if axis is None or "lr" not in columns:
        msg = f"{path}: expected columns step and lr, got {list(table.columns)}"
        raise ValueError(msg)
    step, lr = (
        numbers(table, ours, theirs)
        for ours, theirs in (("D", axis), ("lr", columns["lr"]))
    )
    falls = np.flatnonzero(np.diff(step) < 0)
    if len(falls) or not np.all(np.isfinite([step, lr])) or lr.min() < 0:
        at = int(table.rows[falls[0] + 1]) if len(falls) else int(table.rows[0])
        msg = f"{path}, row {at}: expected steps that rise and learning rates of zero or more; sort the rows by {axis!r}"
        raise ValueError(msg)
    return Schedule(step, lr)
