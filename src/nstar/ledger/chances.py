"""How the chances of a ledger's choices have fared: Brier and log score, and whether they hold."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nstar.answers import Document
from nstar.ledger.choices import ChanceScores, Choice, ChoiceOutcome
from nstar.ledger.entries import Ledger
from nstar.ledger.records import reason_not_counted
from nstar.verdicts import Check, Status
from nstar.wording import digits, percent

CENTRAL = 0.95  # probability of the Brier scores that would be no surprise
SIMULATED = 4000  # records as the chances would have them
EVEN = {"brier": 0.25, "log_score": float(np.log(2))}  # of a chance of one half


class ScoredChoice(NamedTuple):
    """A choice, the outcome of its runs, and its scores."""

    choice: Choice
    outcome: ChoiceOutcome
    scores: ChanceScores
    not_counted: str | None  # why its scores do not count


@dataclass(frozen=True)
class Chances:
    """Scores of all choices whose runs have losses."""

    scored: tuple[ScoredChoice, ...] = ()

    def of(self, name: str) -> ScoredChoice | None:
        """The scored choice of a name, if there is one."""
        return next((s for s in self.scored if s.choice.name == name), None)

    @property
    def counted(self) -> list[ScoredChoice]:
        """Those frozen before the losses, of runs that were not fitted."""
        return [scored for scored in self.scored if scored.not_counted is None]

    def means(self) -> dict[str, float]:
        """Mean scores, and what the chances themselves would have expected of the first."""
        counted = self.counted
        if not counted:
            return {}
        chance = np.array([s.choice.chance for s in counted])
        return {
            "brier": float(np.mean([s.scores.brier for s in counted])),
            "brier_expected": float(np.mean(chance * (1 - chance))),
            "log_score": float(np.mean([s.scores.log_score for s in counted])),
            "decided": float(
                np.mean([(s.choice.chance > 0.5) == s.scores.better for s in counted])
            ),
        }

    def checks(self) -> list[Check]:
        """Whether what came is as surprising as the chances themselves say."""
        checks = [self._hold()] if self.counted else []
        return checks + [
            Check(
                f"choice {s.choice.name}",
                Status.REVIEW,
                f"{s.not_counted}; its score does not count",
            )
            for s in self.scored
            if s.not_counted
        ]

    def _hold(self) -> Check:
        """Place the mean Brier score among those of outcomes drawn from the chances."""
        means, count = self.means(), len(self.counted)
        chance = np.array([s.choice.chance for s in self.counted])
        random = np.random.default_rng(0)
        better = random.random((SIMULATED, count)) < chance
        drawn = np.mean(np.square(better - chance), axis=1)
        low, high = np.quantile(drawn, [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2])
        came, slack = means["brier"], 1e-9
        detail = (
            f"mean Brier score {digits(came, 2)} over {count} choice{'s' * (count > 1)}; {digits(low, 2)} to {digits(high, 2)} would be no surprise "
            f"(central {percent(CENTRAL)}, had each come with its chance), and a chance of one half each time has 0.25"
        )
        if low - slack <= came <= high + slack:
            return Check("chances hold", Status.PASS, detail)
        kind = "too sure" if came > high else "not sure enough"
        detail += f": these chances have been {kind}; expect the same of the next"
        return Check("chances hold", Status.REVIEW, detail)

    def as_json(self) -> Document | None:
        """Plain data; null where no choice was scored."""
        if not self.scored:
            return None
        none = dict.fromkeys(("brier", "brier_expected", "log_score", "decided"))
        counts = {"scored": len(self.scored), "counted": len(self.counted)}
        return counts | none | self.means() | {"even": dict(EVEN)}


def score_choices(ledger: Ledger) -> Chances:
    """Score every choice whose runs have losses."""
    scored = [
        ScoredChoice(
            choice,
            outcome,
            choice.score(outcome.losses),
            reason_not_counted(choice.among_data, choice.frozen, outcome.measured),
        )
        for name, choice in ledger.choices.items()
        if (outcome := ledger.choice_outcomes.get(name))
    ]
    return Chances(tuple(scored))
