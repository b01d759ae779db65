"""Policies that choose runs from a pool under one law, by name; nstar's is `nstar`.

Every policy is told the inputs and costs of the pool, the inputs of the target runs and
the responses of the runs it has chosen; all are scored by one fit of what they chose.
D- and V-optimal begin with a few cheap runs, linearise at the mode with one noise for all
runs, and divide by cost to the power 0.3, as published (arXiv:2604.22753).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from design_fits import Fitted, Posed, fit
from nstar.design.policies import fill, sequential
from nstar.design.updating import Belief, Joint

POWER = 0.3  # of cost, by which D- and V-optimal divide, as published
FIRST = 2.5  # cheap runs for each unknown, to begin with, as published
FEWER = 1.5  # the same of nstar
SHARE = 0.2  # of the budget that they may cost
STEP = 0.1  # of the runs so far that are made before the next fit, at least one
PLANNED = 40  # runs of a plan
PART = 0.25  # of a plan, and of the runs so far, that are made before the next fit
ENOUGH = 80  # runs after which a plan is made to its end without another fit
TARGETS = 12  # directions of the target runs' losses
BEND = 0.01  # sd of the discrepancy, in log loss
LENGTH = 2.0  # of it, e-folds
BENDS = 30  # directions of it


class Pool(NamedTuple):
    """What a policy may know."""

    p: Posed
    cost: np.ndarray  # (run,) of the pool
    bend: np.ndarray  # factors of the discrepancy, (factor, run) of pool and target


def pool_of(p: Posed, cost: np.ndarray) -> Pool:
    """Work out what does not depend on responses."""
    own = [v for v in p.x.values() if np.all(v > 0)]
    z = np.stack([np.log(v) for v in own if np.ptp(np.log(v)) > 0], axis=1)
    apart = np.square((z[:, None] - z) / LENGTH).sum(axis=-1)
    value, axes = np.linalg.eigh(np.exp(-0.5 * apart))
    kept = np.argsort(value)[::-1][:BENDS]
    factors = (axes[:, kept] * np.sqrt(np.maximum(value[kept], 0.0))).T
    return Pool(p, cost, BEND * p.scale * factors)


type Policy = Callable[[Pool, float, np.random.Generator], np.ndarray]


def in_order(pool: Pool, budget: float, order: np.ndarray) -> np.ndarray:
    """Make runs in an order, passing over those the budget no longer buys."""
    made, spent = [], 0.0
    for i in order:
        if spent + pool.cost[i] <= budget:
            made.append(i)
            spent += pool.cost[i]
    return np.array(made, int)


def random(pool: Pool, budget: float, rng: np.random.Generator) -> np.ndarray:
    """Each run as likely as any other."""
    return in_order(pool, budget, rng.permutation(len(pool.cost)))


def cheapest(pool: Pool, budget: float, rng: np.random.Generator) -> np.ndarray:
    """Cheapest first; among equals at random."""
    at = rng.permutation(len(pool.cost))
    return in_order(pool, budget, at[np.argsort(pool.cost[at], kind="stable")])


def by_cost(pool: Pool, budget: float, rng: np.random.Generator) -> np.ndarray:
    """Without replacement, with odds in proportion to 1 / cost."""
    wait = rng.exponential(size=len(pool.cost)) * pool.cost
    return in_order(pool, budget, np.argsort(wait))


def refit(pool: Pool, made: np.ndarray, near: Fitted | None) -> Fitted:
    """Fit what was made, from the last mode and from the prior's centre."""
    starts = [pool.p.mean] if near is None else [near.at, pool.p.mean]
    return fit(pool.p, made, starts)


def _believing(pool: Pool) -> Callable[[np.ndarray, np.ndarray], tuple]:
    last: list[Fitted] = []

    def believe(made: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, Fitted | None]:
        if not made.size:
            return made, None
        last[:] = [refit(pool, made, last[0] if last else None)]
        return made, last[0]

    return believe


def _oracle(pool: Pool) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at: pool.p.y[at]


def cheap_start(
    pool: Pool, budget: float, each: float, rng: np.random.Generator
) -> np.ndarray:
    """Some of the cheapest runs, so many for each unknown, and one at least."""
    count = int(each * len(pool.p.mean))
    cheap = np.argsort(pool.cost, kind="stable")[: 2 * count]
    first = in_order(pool, budget, rng.permutation(cheap))[:count]
    return first if first.size else cheap[:1]


def optimal(
    pool: Pool, budget: float, rng: np.random.Generator, *, target: bool
) -> np.ndarray:
    """V-optimal (the target's mean variance) or D-optimal (the unknowns' volume)."""
    first = cheap_start(pool, SHARE * budget, FIRST, rng)

    def choose(belief: tuple, left: np.ndarray, room: float) -> Sequence[int]:
        made, fitted = belief
        n, J, s2 = (
            pool.p.pool,
            fitted.slopes,
            float(np.mean(np.square(fitted.noise[made]))),
        )
        covariance, chosen = fitted.covariance, []
        for _ in range(max(1, int(STEP * len(made)))):
            own = np.einsum("ij,jk,ik->i", J[left], covariance, J[left])
            if target:
                gain = np.square(J[n:] @ covariance @ J[left].T).sum(axis=0) / (
                    s2 + own
                )
            else:
                gain = np.log1p(own / s2)
            gain = np.where(
                np.isin(left, chosen) | (pool.cost[left] > room), -1.0, gain
            )
            best = int(np.argmax(gain / pool.cost[left] ** POWER))
            if gain[best] < 0:
                break
            chosen.append(left[best])
            room -= pool.cost[left[best]]
            c = covariance @ J[left[best]]
            covariance = covariance - np.outer(c, c) / (s2 + own[best])
        return chosen

    rounds = sequential(
        _believing(pool), choose, _oracle(pool), pool.cost, budget, list(first)
    )
    return np.concatenate([r.candidates for r in rounds])


def d_optimal(pool: Pool, budget: float, rng: np.random.Generator) -> np.ndarray:
    """Volume of the unknowns."""
    return optimal(pool, budget, rng, target=False)


def v_optimal(pool: Pool, budget: float, rng: np.random.Generator) -> np.ndarray:
    """Mean variance of the target runs."""
    return optimal(pool, budget, rng, target=True)


def nstar(pool: Pool, budget: float, rng: np.random.Generator) -> np.ndarray:
    """Plan for all of the budget, make a quarter of the plan, fit again.

    A plan is greedy by the fall of the target runs' mean predictive variance, of the law
    about its mode and of a discrepancy, with the noise that each run is to have.  The first
    fit is of three cheap runs for two unknowns.
    """

    def choose(belief: tuple, left: np.ndarray, room: float) -> Sequence[int]:
        made, fitted = belief
        best = plan(pool, made, fitted, left, room)
        if len(made) >= ENOUGH:
            return best
        return best[: max(1, int(np.ceil(PART * max(len(best), len(made)))))]

    first = cheap_start(pool, SHARE * budget, FEWER, rng)
    rounds = sequential(
        _believing(pool), choose, _oracle(pool), pool.cost, budget, list(first)
    )
    return np.concatenate([r.candidates for r in rounds])


def plan(
    pool: Pool, made: np.ndarray, fitted: Fitted, left: np.ndarray, room: float
) -> list[int]:
    """Fill a budget by the policy of `nstar next`, for many targets in a few directions."""
    n = pool.p.pool
    law = (fitted.slopes @ np.linalg.cholesky(fitted.covariance)).T
    factors = np.concatenate([law, remaining_bend(pool, made, fitted.noise)])
    axes, size, _ = np.linalg.svd(factors[:, n:], full_matrices=False)
    main = axes[:, :TARGETS] * size[:TARGETS]
    joint = Joint(factors[:, left], main, np.square(fitted.noise[left]))
    units = [np.array([i]) for i in range(len(left))]
    costs = pool.cost[left]
    picks = fill(Belief.initial(joint), units, costs, room, explained, PLANNED)
    return [int(left[p.unit]) for p in picks]


def explained(belief: Belief, units: Sequence[np.ndarray]) -> np.ndarray:
    """Variance of all targets that a belief's runs explain together with each unit's one."""
    rows = belief.rows()[np.concatenate(units)]
    return np.square(belief.targets).sum() + np.square(rows).sum(axis=1)


def remaining_bend(pool: Pool, made: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Factors of the discrepancy once runs are made."""
    at = pool.bend[:, made]
    inner = np.eye(len(pool.bend)) + (at / np.square(noise[made])) @ at.T
    return np.linalg.solve(np.linalg.cholesky(inner), pool.bend)


POLICIES: dict[str, Policy] = {
    "random": random,
    "cheapest": cheapest,
    "by_cost": by_cost,
    "d_optimal": d_optimal,
    "v_optimal": v_optimal,
    "nstar": nstar,
}
