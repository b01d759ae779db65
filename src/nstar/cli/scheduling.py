"""Schedules as commands take them: a file, or a name with its steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nstar.curves.schedules import Schedule


def make_schedule(
    option: str,
    text: str,
    steps: float | None,
    peak: float,
    warmup: float,
    final: float,
) -> "Schedule":
    """Read a schedule from a file, or make it by name.

    Raises:
        ValueError: it is neither, or its steps are not known.
    """
    from nstar.curves.schedules import named, read_schedule

    if Path(text).is_file():
        return read_schedule(Path(text))
    if steps is None:
        msg = f"{option} {text}: say the steps of the whole run, as in --steps 72000"
        raise ValueError(msg)
    return named(text, steps, peak, warmup, final)


def require_named(schedules: Sequence[str], of_it: Mapping[str, object]) -> None:
    """Refuse options of a schedule by name where there is none.

    Raises:
        ValueError: naming the options.
    """
    stated = [option for option, value in of_it.items() if value is not None]
    if stated and all(Path(schedule).is_file() for schedule in schedules):
        why = f"{schedules[0]} has its own" if schedules else "no --schedule"
        msg = f"{', '.join(stated)}: {why}; they are of a schedule by name, as in --schedule cosine"
        raise ValueError(msg)
