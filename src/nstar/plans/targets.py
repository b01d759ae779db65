"""The cheapest budget that reaches a loss: by the recommended run, with a chance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.fits.groups import in_group
from nstar.fits.mixture import Posterior
from nstar.plans import tables
from nstar.plans.actions import ANY, Limits
from nstar.plans.choosing import choose, require_loss
from nstar.plans.limiting import apply_limits, check_supply
from nstar.predictions.crossings import Crossings, check_early, crossings, finite
from nstar.predictions.distances import (
    check_distance,
    check_forms,
    check_tokens_per_parameter,
    decades_beyond,
)
from nstar.types import Floored
from nstar.verdicts import Check, Status

BUDGETS = 65  # tried between the least and the most
DOWN, UP = 1e-3, 1e4  # of the largest run's FLOP: the budgets tried unless given
RARE = 0.005  # share of draws whose repair is worth a word


@dataclass(frozen=True)
class Reach(Answer):
    """The budget at which a target loss is reached, under every draw."""

    fit: Posterior
    target: float
    chance: float
    up_to: float  # FLOP, the largest budget that was tried
    crossings: Crossings  # by the recommended run
    oracle_crossings: Crossings  # by each draw's own best run
    below_floor: float  # probability that no run ever reaches it
    C: float  # least budget with that chance, FLOP; infinite where there is none
    N: float  # the run of that budget, NaN where there is none
    D: float
    limits: Limits = ANY  # as the user gave them

    def as_json(self, prob: float = 0.9) -> Document:
        """Plain data; a budget that does not exist is null."""
        return {
            "target": self.target,
            "chance": self.chance,
            "up_to": self.up_to,
            "budget": finite(self.C),
            "N": finite(self.N),
            "D": finite(self.D),
            "epochs": self.limits.epochs(self.D) if np.isfinite(self.D) else None,
            "limits": self.limits.as_json(),
            "crossing": self.crossings.quantiles(prob),
            "crossing_oracle": self.oracle_crossings.quantiles(prob),
            "reached": self.crossings.reached,
            "below_floor": self.below_floor,
            "before": self.crossings.below,
            "repaired": self.crossings.repaired,
            "decades_beyond_data": finite(decades_beyond(self.fit.runs, self.C)),
        }

    def checks(self) -> list[Check]:
        """Check that the target is reached, how far that is, and how many draws were repaired."""
        detail = f"the target {self.target:g} is reached by {self.up_to:.3g} FLOP with probability {self.crossings.reached:.3g}"
        if self.below_floor:
            detail += f", and lies below the irreducible loss with probability {self.below_floor:.3g}"
        met = np.isfinite(self.C)
        if not met:
            detail += f"; no budget reaches it with probability {self.chance:g}: ask for a higher loss or a smaller chance"
        checks = [
            Check("target reached", Status.PASS if met else Status.FAIL, detail),
            *check_early(self.crossings, self.chance, "budget"),
        ]
        if met:
            name, what = "target within reach of the runs", "the target's"
            checks.append(check_distance(self.fit.runs, self.C, name, what=what))
            checks += check_forms(self.fit, self.C)
            checks += check_tokens_per_parameter(
                self.fit.runs, {"the run": (self.N, self.D)}, "run among the runs"
            )
            checks += check_supply(self.fit, self.limits, self.D)
        if self.crossings.repaired > RARE:
            detail = f"the loss of {self.crossings.repaired:.1%} of draws rises somewhere with the budget and was held where it was; ask for a target nearer the runs"
            checks.append(Check("losses that fall", Status.REVIEW, detail))
        return checks

    def headline(self, prob: float = 0.9) -> str:
        """The least budget that reaches the loss, or that there is none."""
        return tables.target_headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """When the loss is first reached, by one run a budget and by each draw's own."""
        return tables.target(self.as_json(prob), prob)


def reach(
    fit: Posterior,
    target: float,
    chance: float = 0.9,
    *,
    up_to: float | None = None,
    limits: Limits = ANY,
    group: str | None = None,
) -> Reach:
    """Find the least budget whose recommended run reaches a loss with a chance.

    Args:
        fit: a fit of a loss, or an average of such.
        target: loss to reach.
        chance: probability with which it is to be reached.
        up_to: FLOP to look up to, four decades beyond the runs unless given.
        limits: on the run.
        group: of a pooled fit, one of its groups or "next".

    Raises:
        ValueError: the law has no loss, or the chance is no probability.
    """
    if not 0 < chance < 1:
        msg = f"chance must lie between 0 and 1, got {chance}"
        raise ValueError(msg)
    fit = in_group(fit, group)
    require_loss(fit)
    requested, (fit, limits) = limits, apply_limits(fit, limits)
    most = float(fit.runs["C"].max())
    last = up_to or UP * most
    C = np.geomspace(min(DOWN * most, last / 10), last, BUDGETS)
    line = choose(fit, C, fit.runs.cost, limits)
    crossing = crossings(C, line.loss, target)
    oracle = crossings(C, line.least, target)
    budget = crossing.budget(chance)
    N = D = float("nan")
    if np.isfinite(budget):
        run = choose(fit, np.array([budget]), fit.runs.cost, limits)
        N, D = float(run.N[0]), float(run.D[0])
    return Reach(
        fit,
        target,
        chance,
        last,
        crossing,
        oracle,
        _probability_below_floor(fit, target),
        budget,
        N,
        D,
        requested,
    )


def _probability_below_floor(fit: Posterior, target: float) -> float:
    """Probability that the target is not above the irreducible loss."""
    floors = []
    for part in fit.parts:
        count = len(next(iter(part.draws.values())))
        floored = isinstance(part.law, Floored)
        floors.append(
            part.law.floor(part.draws) if floored else np.full(count, -np.inf)
        )
    return float(np.mean(np.concatenate([np.asarray(f) for f in floors]) >= target))
