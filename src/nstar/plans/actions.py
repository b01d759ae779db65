"""What can be done with a budget: runs by name, and which runs are allowed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nstar.published import models
from nstar.types import Cost
from nstar.wording import count

SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "": 1.0}
BYTES = {
    f"{k}{i}B": (2**10 if i else 1e3) ** n
    for n, k in enumerate("KMGTP", 1)
    for i in ("", "i")
}
WEIGHTS = 2.0  # bytes a parameter in bf16; training with Adam takes 16 (arXiv:1910.02054, sec. 3)
AMOUNT = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([kKMBGT]?)")


@dataclass(frozen=True)
class Action:
    """A run one could make; what the budget buys at its size where D is not said."""

    name: str
    N: float  # parameters
    D: float | None = None  # tokens

    def at(self, C: float, cost: Cost, limits: "Limits") -> "Action":
        """Give it the tokens that a budget buys, where it has none of its own."""
        tokens = float(limits.tokens(self.N, C, cost)) if self.D is None else self.D
        return Action(self.name, self.N, tokens)


@dataclass(frozen=True)
class Limits:
    """What a run may be."""

    multiple_of: float = 0.0  # parameters; any size where 0
    max_params: float = np.inf
    max_tokens: float = np.inf  # tokens seen
    params: float | None = None  # the only size
    memory: float = np.inf  # bytes that are to hold the model
    bytes_per_param: float = WEIGHTS
    unique_tokens: float = np.inf  # the supply; what is beyond are repetitions
    max_epochs: float | None = None  # as many as help; one where a law cannot tell

    def __post_init__(self) -> None:
        """Refuse what no run meets.

        Raises:
            ValueError: a limit is not positive, or no size meets them all.
        """
        given = self.as_json()
        if not all(value > 0 for value in given.values()):
            msg = f"limits must be positive, got {given}"
            raise ValueError(msg)
        if self.max_epochs is not None and np.isinf(self.unique_tokens):
            msg = f"at most {self.max_epochs:g} epochs of how many tokens? give unique_tokens (--unique-tokens) too"
            raise ValueError(msg)
        least = self.params or self.multiple_of or 1.0
        if least > self.most:
            what = (
                f"{count(least)} parameters are"
                if self.params
                else f"no size is a multiple of {count(least)} and"
            )
            msg = f"no size is allowed: {what} at most {self._said()}"
            raise ValueError(msg)
        if (
            self.params
            and self.multiple_of
            and not np.isclose(
                self.params % self.multiple_of, [0.0, self.multiple_of], rtol=1e-9
            ).any()
        ):
            msg = f"no size is allowed: {count(self.params)} is no multiple of {count(self.multiple_of)}"
            raise ValueError(msg)

    @property
    def most(self) -> float:
        """Largest size allowed, parameters."""
        return min(self.max_params, self.memory / self.bytes_per_param)

    @property
    def free(self) -> bool:
        """Any size, on all tokens that a budget buys."""
        held = self.multiple_of or self.params
        return not held and np.isinf(self.most) and np.isinf(self.max_tokens)

    def sizes(self, N: ArrayLike) -> np.ndarray:
        """Allowed sizes nearest to these, rising, each once."""
        if self.params:
            return np.array([self.params])
        allowed = np.asarray(N, dtype=float)
        if self.multiple_of:
            most = np.inf if np.isinf(self.most) else self.most // self.multiple_of
            steps = np.clip(np.round(allowed / self.multiple_of), 1, most)
            return np.unique(steps) * self.multiple_of
        return np.unique(np.minimum(allowed, self.most))

    def tokens(self, N: ArrayLike, C: float, cost: Cost) -> np.ndarray:
        """Tokens a budget buys at each size, no more than there are."""
        return np.minimum(cost.tokens(N, C), self.max_tokens)

    def epochs(self, D: float) -> float | None:
        """Times that a run of D tokens sees the unique ones; none where all are fresh."""
        return (
            None if np.isinf(self.unique_tokens) else max(D / self.unique_tokens, 1.0)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the limits that were given, by name."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != f.default
        }

    def _said(self) -> str:
        if self.most == self.max_params:
            return count(self.max_params)
        return f"{count(self.most)}, which is what {self.memory:.3g} bytes hold at {self.bytes_per_param:g} bytes a parameter"


ANY = Limits()


def amount(text: str, what: str = "amount") -> float:
    """Read 8B, 15.6T or 3.8e25.

    Raises:
        ValueError: it is no positive number with such a suffix.
    """
    found = AMOUNT.fullmatch(text.strip())
    try:
        value = float(found[1]) * SUFFIXES[found[2]] if found else np.nan
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        msg = (
            f"{what}: expected a positive number such as 8B, 15.6T or 1e9, got {text!r}"
        )
        raise ValueError(msg)
    return value


def memory(text: str, what: str = "memory") -> float:
    """Read 640GB (1e9 bytes each) or 80GiB (2^30 bytes each) as bytes.

    Raises:
        ValueError: it is no positive number of such a unit.
    """
    found = re.fullmatch(r"(.+?)\s*([KMGTP]i?B)", text.strip())
    if not found:
        msg = f"{what}: expected bytes such as 640GB or 80GiB, got {text!r}"
        raise ValueError(msg)
    return amount(found[1], what) * BYTES[found[2]]


def read(text: str) -> Action:
    """Read a candidate: 70B, 405B@15.6T, NAME=8B@15T, or a model of the catalogue.

    Raises:
        ValueError: it is none of these.
    """
    name, equals, rest = text.strip().rpartition("=")
    run = rest.strip()
    if not equals and run in models.names():
        model = models.get(run)
        if model.N is None or model.data_unit != "tokens":
            msg = f"candidate {run!r}: its size or tokens are not known; write NAME=N@D"
            raise ValueError(msg)
        return Action(model.title, model.N, model.D)
    size, at, tokens = run.partition("@")
    N = amount(size, f"candidate {text!r}")
    D = amount(tokens, f"candidate {text!r}") if at else None
    return Action(name.strip() or run, N, D)


def read_all(texts: Sequence[str]) -> list[Action]:
    """Read candidates, each text one or several with commas between.

    Raises:
        ValueError: one is not read, or two have one name.
    """
    found = [read(part) for text in texts for part in text.split(",") if part.strip()]
    names = [action.name for action in found]
    for name in names:
        if names.count(name) > 1:
            msg = f"candidate {name!r} is given twice; name one, as in again={name}"
            raise ValueError(msg)
    return found
