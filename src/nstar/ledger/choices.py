"""The records of a choice between two recipes: the chance frozen, and both losses afterwards."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nstar.answers import Document
from nstar.ledger.records import latest_moment, require_name
from nstar.verdicts import Check, Status
from nstar.wording import flop


class ChanceScores(NamedTuple):
    """Scores of a chance, once it is known which recipe was better."""

    better: bool  # whether the recipe's loss came below the baseline's
    brier: float
    log_score: float  # minus the log of the probability of what came

    def as_json(self) -> Document:
        """Plain data."""
        return self._asdict()


@dataclass(frozen=True, eq=False, repr=False)
class Choice:
    """The frozen chance that a recipe's run measures a lower loss than the baseline's."""

    name: str
    frozen: str  # date and time, UTC
    baseline: str
    recipe: str
    C: float  # FLOP of either run
    chance: (
        float  # that the recipe's measured loss is below the baseline's: what is scored
    )
    chance_of_law: float  # that its loss is, without run noise
    prob: float  # of the intervals that follow
    # median and bounds; a bound that does not exist is None
    multiplier: Mapping[str, float | None]
    # by recipe: N, D, and the interval of the loss that the run will measure
    runs: Mapping[str, Mapping[str, Any]]
    decades_beyond_data: float  # beyond the smaller arm's largest run
    basis: Mapping[
        str, Any
    ]  # data, recipes, how budgets are spent, priors, seed, versions
    checks: tuple[Check, ...]  # as they stood
    among_data: tuple[int, ...]  # rows that are these very runs, where both were fitted
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that is hard to type.

        Raises:
            ValueError: it is empty, long, or of several lines.
        """
        require_name(self.name)

    def __repr__(self) -> str:
        """Say which recipe is beside which, and the chance."""
        return f"{self.name}: {self.recipe} has a lower loss than {self.baseline} at {flop(self.C)} FLOP with probability {self.chance:.4g}, frozen {self.frozen}"

    @property
    def arms(self) -> tuple[str, str]:
        """The baseline and the recipe."""
        return self.baseline, self.recipe

    def score(self, losses: Mapping[str, float]) -> ChanceScores:
        """Score the chance by what both runs measured (Brier 1950; Good 1952)."""
        better = losses[self.recipe] < losses[self.baseline]
        came = self.chance if better else 1 - self.chance
        return ChanceScores(better, (1 - came) ** 2, float(-np.log(came)))

    def as_json(self) -> Document:
        """Plain data, all of it."""
        return {
            **{f.name: getattr(self, f.name) for f in fields(self)},
            "kind": "choice",
            "multiplier": dict(self.multiplier),
            "runs": {name: dict(run) for name, run in self.runs.items()},
            "basis": dict(self.basis),
            "checks": [check.as_json() for check in self.checks],
            "among_data": list(self.among_data),
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Choice":
        """Read what `as_json` wrote."""
        parsed = ("checks", "among_data")
        plain = {f.name: document[f.name] for f in fields(cls) if f.name not in parsed}
        checks = tuple(
            Check(c["name"], Status(c["status"]), c["detail"])
            for c in document["checks"]
        )
        return cls(**plain, checks=checks, among_data=tuple(document["among_data"]))


@dataclass(frozen=True)
class ChoiceOutcome:
    """The losses that both runs of a choice reached, at its budget."""

    settles: ClassVar = Choice

    name: str
    forecast: str  # hash of the choice's entry
    losses: Mapping[str, float] = field(hash=False)  # by recipe
    measured: str  # day, or date and time: when both were known
    entered: str  # date and time, UTC
    replaces: str | None = None  # hash of the outcome that a new measurement corrects
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse an impossible loss or date.

        Raises:
            ValueError: a loss is not positive and finite, or the date is none.
        """
        for recipe, loss in self.losses.items():
            if not (np.isfinite(loss) and loss > 0):
                msg = f"the loss of {recipe!r} for {self.name!r}: expected a positive number such as 2.234, got {loss:g}"
                raise ValueError(msg)
        latest_moment(self.measured)

    @property
    def words(self) -> str:
        """What was measured."""
        return " and ".join(f"{arm} = {loss:g}" for arm, loss in self.losses.items())

    def as_json(self) -> Document:
        """Plain data."""
        return {"kind": "choice outcome", **asdict(self)}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "ChoiceOutcome":
        """Read what `as_json` wrote."""
        return cls(**{f.name: document[f.name] for f in fields(cls)})


def require_arms(choice: Choice, losses: Mapping[str, float], source: str) -> None:
    """Refuse losses that are not those of a choice's two recipes.

    Raises:
        ValueError: naming what is missing and what is of neither.
    """
    missing = [name for name in choice.arms if name not in losses]
    strange = [name for name in losses if name not in choice.arms]
    if missing or strange:
        parts = [f"{', '.join(missing)} missing"] if missing else []
        parts += [f"{', '.join(strange)} of neither"] if strange else []
        a, b = choice.arms
        msg = f"{source}: {choice.name!r} is a choice between {a} and {b} at {flop(choice.C)} FLOP, and takes the loss of both ({'; '.join(parts)}): --loss {a}=2.31 --loss {b}=2.28"
        raise ValueError(msg)
