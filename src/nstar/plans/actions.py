"""Actions and limits: the runs a user names, and the runs that are allowed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from nstar.amounts import PARAMETERS, TOKENS, parse_amount, split_amounts
from nstar.answers import Document
from nstar.published import models
from nstar.types import Cost
from nstar.wording import count

BYTES = {
    f"{k}{i}B": (2**10 if i else 1e3) ** n
    for n, k in enumerate("KMGTP", 1)
    for i in ("", "i")
}
WEIGHTS = 2.0  # bytes a parameter in bf16; training with Adam takes 16 (arXiv:1910.02054, sec. 3)


@dataclass(frozen=True)
class Action:
    """A run one could make; without D, on the tokens that the budget buys at its size."""

    name: str
    N: float  # parameters
    D: float | None = None  # tokens

    def at(self, C: float, cost: Cost, limits: "Limits") -> "Action":
        """Return this run with the tokens that a budget of C FLOP buys, if it has none."""
        tokens = float(limits.tokens(self.N, C, cost)) if self.D is None else self.D
        return Action(self.name, self.N, tokens)


@dataclass(frozen=True)
class Limits:
    """What a run may be.

    Examples:
        >>> nstar.plan(fit, 1e24, limits=nstar.Limits(multiple_of=1e9, max_tokens=3e12))
    """

    multiple_of: float = 0.0  # parameters; any size where 0
    max_params: float = np.inf
    max_tokens: float = np.inf  # tokens seen
    params: float | None = None  # the only size
    memory: float = np.inf  # bytes that are to hold the model
    bytes_per_param: float = WEIGHTS
    unique_tokens: float = np.inf  # the supply; tokens beyond it are repeated
    max_epochs: float | None = None  # as many as help; one where a law cannot tell

    def __post_init__(self) -> None:
        """Refuse limits that no run meets.

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
        smallest = self.params or self.multiple_of or 1.0
        if smallest > self.most:
            problem = (
                f"{count(smallest)} parameters are"
                if self.params
                else f"no size is a multiple of {count(smallest)} and"
            )
            msg = f"no size is allowed: {problem} at most {self._limit_text()}"
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
        """Whether any size is allowed, on all tokens that a budget buys."""
        fixed = self.multiple_of or self.params
        return not fixed and bool(np.isinf(self.most) and np.isinf(self.max_tokens))

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

    def tokens(self, N: ArrayLike, C: float, cost: Cost) -> Float[np.ndarray, "..."]:
        """Tokens that a budget buys at each size, at most `max_tokens`."""
        return np.asarray(np.minimum(cost.tokens(np.asarray(N), C), self.max_tokens))

    def epochs(self, D: float) -> float | None:
        """Epochs of a run of D tokens, one at least; None without a limit on unique tokens."""
        return (
            None if np.isinf(self.unique_tokens) else max(D / self.unique_tokens, 1.0)
        )

    def as_json(self) -> Document:
        """Return the limits that were given, by name."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != f.default
        }

    def _limit_text(self) -> str:
        if self.most == self.max_params:
            return count(self.max_params)
        return f"{count(self.most)}, which is what {self.memory:.3g} bytes hold at {self.bytes_per_param:g} bytes a parameter"


ANY = Limits()


def parse_memory(text: str, what: str = "memory") -> float:
    """Parse 640GB (1e9 bytes each) or 80GiB (2^30 bytes each) as bytes.

    Raises:
        ValueError: it is no positive number of such a unit.
    """
    match = re.fullmatch(r"(.+?)\s*([KMGTP]i?B)", text.strip())
    if not match:
        msg = f"{what}: expected bytes such as 640GB or 80GiB, got {text!r}"
        raise ValueError(msg)
    return parse_amount(match[1], what) * BYTES[match[2]]


def parse_action(text: str) -> Action:
    """Parse a candidate: 70B, 405B@15.6T, NAME=8B@15T, or a model of the catalogue.

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
    N = parse_amount(size, f"candidate {text!r}", PARAMETERS)
    D = parse_amount(tokens, f"candidate {text!r}", TOKENS) if at else None
    return Action(name.strip() or run, N, D)


type Candidate = Action | str | float | tuple[float, float]


def parse_actions(candidates: Sequence[Candidate]) -> list[Action]:
    """Read candidates: text of one or several with commas between, N, (N, D), or actions.

    Raises:
        ValueError: one is not read, or two have one name.
    """
    actions = [action for each in candidates for action in _actions(each)]
    names = [action.name for action in actions]
    for name in names:
        if names.count(name) > 1:
            msg = f"candidate {name!r} is given twice; name one, as in again={name}"
            raise ValueError(msg)
    return actions


def _actions(candidate: Candidate) -> list[Action]:
    match candidate:
        case Action():
            return [candidate]
        case str():
            return [
                parse_action(part) for part in split_amounts(candidate, "candidates")
            ]
        case tuple():
            numbers = [float(number) for number in candidate]
        case _:
            numbers = [float(candidate)]
    if len(numbers) > 2 or not all(np.isfinite(n) and n > 0 for n in numbers):
        msg = f"candidate {candidate!r}: expected positive parameters and tokens, as in 8e9 or (8e9, 1.5e13)"
        raise ValueError(msg)
    return [Action("@".join(map(count, numbers)), *numbers)]
