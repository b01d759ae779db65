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
    before,
    moved,
    normals,
    saved,
    value,
)
from nstar.design.updating import Belief, Joint

MOST = 12  # steps of a batch, unless more are asked for
POWERS = (1.0, 0.5, 0.0)  # of cost, by which value is divided
GAIN = 1e-4  # of what the batch has: a run that adds less is not listed


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
        target: the choice they are to help.
        candidates: what can be made; a unit is made once.
        pilot: FLOP there are.
        by: "saved", "variance" or "nats".
        most: steps at most.
    """
    start = before(joint, target)
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
    """Most value per power of FLOP first."""
    units = {
        u: (m, float(candidates.C[m].sum())) for u, m in enumerate(candidates.units)
    }
    steps: list[Step] = []
    had, spent = 0.0, 0.0
    while len(steps) < most:
        left = {
            u: one for u, one in units.items() if spent + one[1] <= pilot * (1 + 1e-9)
        }
        if not left:
            break
        worth = dict(
            zip(
                left,
                _values(belief, target, [m for m, _ in left.values()], by),
                strict=True,
            )
        )
        best = max(left, key=lambda u: (worth[u] - had) / left[u][1] ** power)
        if worth[best] <= had * (1 + GAIN):
            break
        members, cost = units.pop(best)
        for i in members:
            belief = belief.measure(i)
        had, spent = worth[best], spent + cost
        steps.append(Step(members, cost, value(belief, target)))
    return steps


def _values(
    belief: Belief, target: Target, units: Sequence[np.ndarray], by: str
) -> list[float]:
    """Value of what is measured already with each of some units."""
    if any(len(members) > 1 for members in units):
        return [getattr(value(_measured(belief, m), target), by) for m in units]
    at = np.array([members[0] for members in units])
    rows = belief.rows()[at]
    if by == "saved":
        base, z = moved(belief, target), normals(len(belief.targets) + 1)[:, -1:]
        return [saved(base + z * row[:-1], target) for row in rows]
    of = -1 if by == "nats" else target.first
    had, left = belief.before(belief.joint).variance()[of], belief.variance()[of]
    after = np.maximum(left - np.square(rows[:, of]), 1e-12 * had)
    return list(had - after if by == "variance" else 0.5 * np.log(had / after))


def _measured(belief: Belief, members: np.ndarray) -> Belief:
    for i in members:
        belief = belief.measure(i)
    return belief


def singles(joint: Joint, target: Target, candidates: Candidates) -> list[Value]:
    """Value of each unit alone."""
    start = before(joint, target)
    return [value(_measured(start, members), target) for members in candidates.units]


def stop(steps: Sequence[Step], target: Target) -> int:
    """Count the steps after which what is saved, in FLOP at the target, exceeds cost most."""
    net, spent = [0.0], 0.0
    for step in steps:
        spent += step.cost
        net.append((target.worth(step.value.saved) or 0.0) - spent)
    return int(np.argmax(net))


class Round(NamedTuple):
    """Runs made at once, and what they came out with."""

    made: np.ndarray  # candidates
    responses: np.ndarray
    spent: float  # with all rounds before it


def sequential(
    believe: Callable[[np.ndarray, np.ndarray], Any],
    choose: Callable[[Any, np.ndarray, float], Sequence[int]],
    oracle: Callable[[np.ndarray], np.ndarray],
    cost: np.ndarray,
    budget: float,
    made: Sequence[int] = (),
) -> list[Round]:
    """Choose, measure, fit again, until the budget buys no run or none is chosen.

    Args:
        believe: fits candidates measured so far, by number, with their responses.
        choose: from a belief the next runs among those it is told are left and can be
            bought, none to stop; it is told what is left of the budget too.
        oracle: responses of candidates, by number.
        cost: of each candidate, (candidate,).
        budget: what may be spent in all.
        made: candidates to begin with.
    """
    done, seen, spent = np.array(made, int), np.empty(0), 0.0
    rounds: list[Round] = []
    if done.size:
        seen, spent = np.asarray(oracle(done), float), float(cost[done].sum())
        rounds.append(Round(done, seen, spent))
    while True:
        left = np.setdiff1d(np.flatnonzero(cost <= budget - spent), done)
        if not left.size:
            return rounds
        new = []
        room = budget - spent
        for i in choose(believe(done, seen), left, room):
            if cost[i] <= room:
                new.append(int(i))
                room -= cost[i]
        if not new:
            return rounds
        at = np.array(new)
        told = np.asarray(oracle(at), float)
        done, seen = np.r_[done, at], np.r_[seen, told]
        spent += float(cost[at].sum())
        rounds.append(Round(at, told, spent))
