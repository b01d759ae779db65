"""Accelerators by name: peak FLOP per second by precision, and memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from nstar.files.data_files import find_entry, read_toml

USUAL_PRECISION = ("bf16", "fp16")  # the first that the accelerator has


@dataclass(frozen=True)
class Hardware:
    """An accelerator; `peak` is in FLOP per second of dense products, by precision."""

    name: str
    title: str
    peak: Mapping[str, float]
    memory: float  # bytes
    source: str

    def usual(self, precision: str | None = None) -> str:
        """Return the precision, by default bfloat16 where the accelerator has it."""
        return precision or next(
            p for p in (*USUAL_PRECISION, *self.peak) if p in self.peak
        )

    def flop_per_second(self, precision: str | None = None) -> float:
        """Peak at a precision, the usual one unless given.

        Raises:
            ValueError: the accelerator has no figure at that precision.
        """
        chosen = self.usual(precision)
        if chosen not in self.peak:
            msg = f"{self.name} has no peak at {chosen!r}; there are {', '.join(self.peak)}"
            raise ValueError(msg)
        return self.peak[chosen]


@cache
def _registry() -> Mapping[str, Hardware]:
    return {e["name"]: Hardware(**e) for e in read_toml("hardware.toml")["hardware"]}


def names() -> list[str]:
    """List the accelerators."""
    return list(_registry())


def get(name: str) -> Hardware:
    """Find an accelerator by its name, in any case.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    return find_entry("hardware", name.lower(), _registry())
