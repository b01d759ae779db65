r"""Which runs to make: a batch within a budget, one after another, and when to stop.

A batch is chosen greedily: the run of most value, per its FLOP to the power 0.4, given those
already in it.  Value per FLOP buys many cheap runs that say little together, value alone
spends all on one.  Over many targets of public tables a power of 0.4 is ahead of V-optimal
with the published 0.3 (arXiv:2604.22753), and nowhere far behind it
(`benchmarks/results/design.md`).  Runs of a batch are chosen before any has its result.  With
results coming in, one fits again and chooses again (`sequential`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nstar.design.candidates import Candidates
from nstar.design.preposterior import (
    Target,
    Value,
    common_normals,
    expected_saving,
    initial_belief,
    posterior_means,
    value_of,
)
from nstar.design.updating import Belief, Joint

MOST = 12  # steps of a batch unless given
POWER = 0.4  # of cost, by which value is divided
GAIN = 1e-4  # of the value of the batch so far: a run that adds less is not chosen


class Step(NamedTuple):
    """A unit of runs added to a batch, and what the batch is worth with it."""

    members: np.ndarray  # candidates
    cost: float  # FLOP of the unit
    value: Value  # of the batch so far


class Pick(NamedTuple):
    """A unit chosen for a batch, and the belief once the batch so far is measured."""

    unit: int
    belief: Belief


def greedy(
    joint: Joint,
    target: Target,
    candidates: Candidates,
    pilot: float,
    by: str,
    most: int = MOST,
) -> list[Step]:
    """Choose runs within the pilot budget.

    Args:
        joint: covariances of the candidates with the target.
        target: the decision they are to improve.
        candidates: runs that can be made; a unit is made once.
        pilot: FLOP, the pilot budget.
        by: "saved", "variance" or "nats".
        most: steps at most.
    """
    units = candidates.units
    costs = np.array([candidates.C[members].sum() for members in units])
    value = partial(_unit_values, target=target, by=by)
    picks = fill(initial_belief(joint, target), units, costs, pilot, value, most)
    return [
        Step(units[p.unit], float(costs[p.unit]), value_of(p.belief, target))
        for p in picks
    ]


def fill(
    belief: Belief,
    units: Sequence[np.ndarray],
    costs: np.ndarray,
    budget: float,
    value: Callable[[Belief, Sequence[np.ndarray]], np.ndarray],
    most: int,
) -> list[Pick]:
    """Fill a budget with the units of most value per root of cost, one after another.

    Args:
        belief: what is known before any of them.
        units: candidates that are made together, by number.
        costs: FLOP of each unit, (unit,).
        budget: FLOP in all.
        value: of all that a belief has measured together with each of some units.
        most: units at most.
    """
    picks: list[Pick] = []
    remaining, value_so_far, left = np.arange(len(units)), 0.0, budget * (1 + 1e-9)
    while len(picks) < most:
        remaining = remaining[costs[remaining] <= left]
        if not remaining.size:
            break
        values = value(belief, [units[u] for u in remaining])
        best = int(np.argmax((values - value_so_far) / costs[remaining] ** POWER))
        if values[best] <= value_so_far * (1 + GAIN):
            break
        unit, value_so_far = int(remaining[best]), float(values[best])
        belief = _measure_all(belief, units[unit])
        picks.append(Pick(unit, belief))
        remaining, left = np.delete(remaining, best), left - costs[unit]
    return picks


def _unit_values(
    belief: Belief, units: Sequence[np.ndarray], target: Target, by: str
) -> np.ndarray:
    """Value of the runs measured so far together with each of some units, (unit,)."""
    if any(len(members) > 1 for members in units):
        after = (value_of(_measure_all(belief, m), target) for m in units)
        return np.array([getattr(value, by) for value in after])
    singles = np.array([members[0] for members in units])
    rows = belief.rows()[singles]
    if by == "saved":
        base, z = (
            posterior_means(belief, target),
            common_normals(len(belief.targets) + 1)[:, -1:],
        )
        return np.array([expected_saving(base + z * row[:-1], target) for row in rows])
    column = -1 if by == "nats" else target.best
    prior, current = (
        belief.initial(belief.joint).variance()[column],
        belief.variance()[column],
    )
    remaining = np.maximum(current - np.square(rows[:, column]), 1e-12 * prior)
    return prior - remaining if by == "variance" else 0.5 * np.log(prior / remaining)


def _measure_all(belief: Belief, members: np.ndarray) -> Belief:
    for i in members:
        belief = belief.measure(i)
    return belief


def single_values(joint: Joint, target: Target, candidates: Candidates) -> list[Value]:
    """Value of each unit alone."""
    start = initial_belief(joint, target)
    return [
        value_of(_measure_all(start, members), target) for members in candidates.units
    ]


def stopping_step(steps: Sequence[Step], target: Target) -> int:
    """Number of steps after which the worth, in FLOP at the target, exceeds the cost most."""
    net, spent = [0.0], 0.0
    for step in steps:
        spent += step.cost
        net.append((target.worth(step.value.saved) or 0.0) - spent)
    return int(np.argmax(net))


class Round(NamedTuple):
    """Runs made at once, and their measured responses."""

    candidates: np.ndarray  # numbers of the candidates, (run,)
    responses: np.ndarray  # (run,)
    spent: float  # FLOP, with all rounds before it


def sequential(
    believe: Callable[[np.ndarray, np.ndarray], Any],
    choose: Callable[[Any, np.ndarray, float], Sequence[int]],
    oracle: Callable[[np.ndarray], np.ndarray],
    cost: np.ndarray,
    budget: float,
    initial: Sequence[int] = (),
) -> list[Round]:
    """Choose, measure, fit again, until the budget buys no run or none is chosen.

    Args:
        believe: fits candidates measured so far, by number, with their responses.
        choose: returns the next runs, none to stop, given a belief, the candidates that
            remain and can be bought, and what remains of the budget.
        oracle: responses of candidates, by number.
        cost: of each candidate, (candidate,).
        budget: what may be spent in all.
        initial: candidates to begin with.
    """
    measured, responses, spent = np.array(initial, int), np.empty(0), 0.0
    rounds: list[Round] = []
    if measured.size:
        responses, spent = (
            np.asarray(oracle(measured), float),
            float(cost[measured].sum()),
        )
        rounds.append(Round(measured, responses, spent))
    while True:
        candidates = np.setdiff1d(np.flatnonzero(cost <= budget - spent), measured)
        if not candidates.size:
            return rounds
        chosen = []
        remaining = budget - spent
        for i in choose(believe(measured, responses), candidates, remaining):
            if cost[i] <= remaining:
                chosen.append(int(i))
                remaining -= cost[i]
        if not chosen:
            return rounds
        chosen_now = np.array(chosen)
        responses_of_round = np.asarray(oracle(chosen_now), float)
        measured, responses = (
            np.r_[measured, chosen_now],
            np.r_[responses, responses_of_round],
        )
        spent += float(cost[chosen_now].sum())
        rounds.append(Round(chosen_now, responses_of_round, spent))
