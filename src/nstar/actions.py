"""What can be done with a budget: runs by name, and which runs are allowed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nstar import models
from nstar.types import Cost
from nstar.wording import count

SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "": 1.0}
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
    max_tokens: float = np.inf

    def __post_init__(self) -> None:
        """Refuse what no run meets."""
        if not (self.multiple_of >= 0 and min(self.max_params, self.max_tokens) > 0):
            msg = f"limits must be positive, got {self}"
            raise ValueError(msg)
        if self.multiple_of > self.max_params:
            msg = f"no size is a multiple of {count(self.multiple_of)} and at most {count(self.max_params)}"
            raise ValueError(msg)

    def sizes(self, N: ArrayLike) -> np.ndarray:
        """Allowed sizes nearest to these, rising, each once."""
        allowed = np.asarray(N, dtype=float)
        if self.multiple_of:
            most = np.inf if np.isinf(self.max_params) else self.max_params // self.multiple_of  # fmt: skip
            steps = np.clip(np.round(allowed / self.multiple_of), 1, most)
            return np.unique(steps) * self.multiple_of
        return np.unique(np.minimum(allowed, self.max_params))

    def tokens(self, N: ArrayLike, C: float, cost: Cost) -> np.ndarray:
        """Tokens a budget buys at each size, no more than there are."""
        return np.minimum(cost.tokens(N, C), self.max_tokens)


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
