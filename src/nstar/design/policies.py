r"""Which runs to make: a batch within a budget, one after another, and when to stop.

A batch is chosen greedily, the run of most value per FLOP given those already in it; the
same per root of FLOP and without regard to cost is tried too and the best batch kept, since
one dear run may be worth more than all the cheap ones that come first (Khuller, Moss &
Naor 1999, doi:10.1016/S0020-0190(99)00031-9).  Runs of a batch are chosen before any has its result.
With results coming in, one fits again and chooses again (`sequential`).
"""

from collections.abc import Callable, Sequence
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
POWERS = (1.0, 0.5, 0.0)  # of cost, by which value is divided
GAIN = 1e-4  # of the value of the batch so far: a run that adds less is not chosen


class Step(NamedTuple):
    """A unit of runs added to a batch, and what the batch is worth with it."""

    members: np.ndarray  # candidates
    cost: float  # FLOP of the unit
    value: Value  # of the batch so far


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
    start = initial_belief(joint, target)
    tried = [
        _greedy(start, target, candidates, pilot, by, power, most) for power in POWERS
    ]
    return max(tried, key=lambda steps: getattr(steps[-1].value, by) if steps else 0.0)


def _greedy(
    belief: Belief,
    target: Target,
    candidates: Candidates,
    pilot: float,
    by: str,
    power: float,
    most: int,
) -> list[Step]:
    """Choose the units of most value per `power` of their FLOP, one after another."""
    units = {
        u: (m, float(candidates.C[m].sum())) for u, m in enumerate(candidates.units)
    }
    steps: list[Step] = []
    value_so_far, spent = 0.0, 0.0
    while len(steps) < most:
        affordable = {
            u: unit
            for u, unit in units.items()
            if spent + unit[1] <= pilot * (1 + 1e-9)
        }
        if not affordable:
            break
        values = dict(
            zip(
                affordable,
                _unit_values(belief, target, [m for m, _ in affordable.values()], by),
                strict=True,
            )
        )
        chosen = max(
            affordable,
            key=lambda u: (values[u] - value_so_far) / affordable[u][1] ** power,
        )
        if values[chosen] <= value_so_far * (1 + GAIN):
            break
        members, cost = units.pop(chosen)
        for i in members:
            belief = belief.measure(i)
        value_so_far, spent = values[chosen], spent + cost
        steps.append(Step(members, cost, value_of(belief, target)))
    return steps


def _unit_values(
    belief: Belief, target: Target, units: Sequence[np.ndarray], by: str
) -> list[float]:
    """Value of the runs measured so far together with each of some units."""
    if any(len(members) > 1 for members in units):
        return [getattr(value_of(_measure_all(belief, m), target), by) for m in units]
    singles = np.array([members[0] for members in units])
    rows = belief.rows()[singles]
    if by == "saved":
        base, z = (
            posterior_means(belief, target),
            common_normals(len(belief.targets) + 1)[:, -1:],
        )
        return [expected_saving(base + z * row[:-1], target) for row in rows]
    column = -1 if by == "nats" else target.best
    prior, current = (
        belief.initial(belief.joint).variance()[column],
        belief.variance()[column],
    )
    remaining = np.maximum(current - np.square(rows[:, column]), 1e-12 * prior)
    return list(
        prior - remaining if by == "variance" else 0.5 * np.log(prior / remaining)
    )


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
