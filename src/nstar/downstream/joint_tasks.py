"""All tasks of a ladder in one posterior of two steps, and what runs not made will score.

Step one goes from N and D to each task's bits per byte, or to the loss for tasks without
them; step two from there to the accuracy. Tasks lie about a population in both. Where a
ladder has both, every second draw goes from N and D to the loss and from there to the
task's bits per byte: neither way is right everywhere, and where they disagree intervals
are wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nstar.downstream import first_step, populations, second_step, through_loss
from nstar.downstream.first_step import FirstStep
from nstar.downstream.populations import Pooled
from nstar.downstream.second_step import SecondStep
from nstar.downstream.task_ladders import ALL, Task, TaskLadder, read_task_ladder
from nstar.downstream.through_loss import ThroughLoss

NEAR = (
    0.5  # of log q beyond the best run: farther ones say nothing of its neighbourhood
)
FEWEST = 8  # best runs that are read whatever their distance
LEAST_SPREAD = 1e-3  # of log q
NOT_KNOWN_SD = 0.1  # of the floor of a task whose chance level is not known
WEAKEST = 1 / 3  # of the runs, whose accuracies such a floor is about
SHRINKAGE = 10  # runs' worth of no noise in common


class Predicted(NamedTuple):
    """Draws of runs not made, (draw, task, run)."""

    log_q: np.ndarray  # bits per byte or loss of the curve, its log
    accuracy: np.ndarray  # of the curve
    measured: np.ndarray  # with noise of runs and questions


class Chain(NamedTuple):
    """Second steps of all tasks, from one way to what they follow."""

    second: tuple[SecondStep, ...]
    pooled: Pooled


@dataclass(frozen=True)
class JointTasks:
    """The posterior of both steps of every task."""

    ladder: TaskLadder
    first: tuple[FirstStep, ...]  # each quantity that accuracies follow
    follows: tuple[int, ...]  # which of these each task does
    one: Pooled  # unknowns of the first step
    direct: Chain
    routes: tuple[ThroughLoss, ...]  # of the likelihoods, where there is a loss, too
    powers: Pooled | None  # their unknowns
    through: Chain | None  # by way of the loss
    shared_noise: float  # correlation of the quantities' noise in one run
    seed: int

    def predict(
        self, N: Float[np.ndarray, " run"], D: Float[np.ndarray, " run"], seed: int = 0
    ) -> Predicted:
        """Draw the scores of runs of these sizes and tokens."""
        random = np.random.default_rng([self.seed, seed])
        psi = self.one.draws
        shape = len(psi), len(N)
        common = np.sqrt(self.shared_noise) * random.standard_normal(shape)
        curves = []
        for i, step in enumerate(self.first):
            single = np.sqrt(1 - self.shared_noise) * random.standard_normal(shape)
            curves.append(step.draw(psi[:, i], N, D, common + single, random))
        if self.powers is None or self.through is None:
            return self._score(self.direct, curves, slice(None), random)
        ways = [self._score(self.direct, curves, slice(0, None, 2), random)]
        shocks = random.standard_normal(shape)
        by_loss = [
            route.draw(self.powers.draws[:, i], *curves[-1], shocks, random)
            for i, route in enumerate(self.routes)
        ]
        by_loss.append(curves[-1])
        ways.append(self._score(self.through, by_loss, slice(1, None, 2), random))
        return Predicted(*(np.concatenate(part) for part in zip(*ways, strict=True)))

    def _score(
        self,
        chain: Chain,
        curves: list[tuple[np.ndarray, np.ndarray]],
        rows: slice,
        random: np.random.Generator,
    ) -> Predicted:
        """Draw accuracies from draws of what they follow, of some rows."""
        parts = []
        for i, (of, step) in enumerate(zip(self.follows, chain.second, strict=True)):
            log_q = [part[rows] for part in curves[of]]
            psi = chain.pooled.draws[rows, i]
            parts.append((log_q[0], *step.draw(psi, *log_q, random)))
        return Predicted(*(np.stack(part, axis=1) for part in zip(*parts, strict=True)))

    def predict_at(
        self, task: int, q: Float[np.ndarray, " run"], seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw a task's accuracies where what they follow is measured, (draw, run)."""
        random = np.random.default_rng([self.seed, seed, task])
        psi = self.direct.pooled.draws[:, task]
        log_q = np.broadcast_to(np.log(q), (len(psi), len(q)))
        return self.direct.second[task].draw(psi, log_q, log_q, random)


def fit_tasks(
    runs: Any, tasks: Sequence[str] = (ALL,), *, seed: int = 0, **options: Any
) -> JointTasks:
    """Fit all tasks of a table in one posterior.

    Args:
        runs: whatever `read_runs` reads, one row a run or a checkpoint.
        tasks: names, or "all".
        seed: the same seed gives the same draws.
        options: of `nstar.downstream.task_ladders.read_task_ladder`: columns, filters.

    Returns:
        The posterior of all tasks, which `nstar.score_tasks` reads.

    Raises:
        ValueError: the table is not as it should be; the message says where.

    Examples:
        >>> fitted = nstar.fit_tasks("ladder.csv", ["hellaswag"])  # doctest: +SKIP
        >>> nstar.score_tasks(fitted, [1e22]).headline()  # doctest: +SKIP
    """
    return fit_ladder(read_task_ladder(runs, tasks, **options), seed)


def fit_ladder(ladder: TaskLadder, seed: int = 0) -> JointTasks:
    """Fit all tasks of a ladder that has been read."""
    N, D = ladder.runs["N"], ladder.runs["D"]
    with_nll = [i for i, task in enumerate(ladder.tasks) if task.nll is not None]
    quantities = [ladder.tasks[i].nll for i in with_nll]
    losses = "L" in ladder.runs and bool(np.all(ladder.runs["L"] > 0))
    if losses or len(with_nll) < len(ladder.tasks):
        quantities.append(ladder.runs["L"])
    follows = tuple(
        with_nll.index(i) if i in with_nll else len(with_nll)
        for i in range(len(ladder.tasks))
    )
    present = [np.isfinite(q) & np.isfinite(N * D) for q in quantities if q is not None]
    first = tuple(
        FirstStep(N[at], D[at], q[at])
        for q, at in zip(quantities, present, strict=True)
        if q is not None
    )
    likelihoods = [step.log_likelihood for step in first]
    one = populations.sample(likelihoods, list(first_step.UNKNOWNS.values()), seed)
    curves = []
    for i, (step, at) in enumerate(zip(first, present, strict=True)):
        curve = np.full(len(N), np.nan)
        curve[at] = step.curve(one.draws[:, i])
        curves.append(curve)
    direct = _chain(ladder, follows, curves, seed + 1)
    routes = tuple(
        ThroughLoss(ladder.runs["L"][at], step.q)
        for step, at in zip(first[: len(with_nll)], present, strict=False)
        if losses
    )
    shared = _shared(first, present, one)
    if not routes:
        return JointTasks(
            ladder, first, follows, one, direct, (), None, None, shared, seed
        )
    likelihoods = [route.log_likelihood for route in routes]
    unknowns = list(through_loss.UNKNOWNS.values())
    powers = populations.sample(likelihoods, unknowns, seed + 2)
    for i, (route, at) in enumerate(zip(routes, present, strict=False)):
        curves[i] = np.full(len(N), np.nan)
        curves[i][at] = route.curve(powers.draws[:, i])
    through = _chain(ladder, follows, curves, seed + 3)
    return JointTasks(
        ladder, first, follows, one, direct, routes, powers, through, shared, seed
    )


def _chain(
    ladder: TaskLadder, follows: Sequence[int], curves: Sequence[np.ndarray], seed: int
) -> Chain:
    """Fit the second steps of all tasks along curves of what they follow."""
    second = tuple(
        _second(
            task,
            ladder.runs["L"] if task.nll is None else task.nll,
            None if task.nll is None else curves[of],
        )
        for task, of in zip(ladder.tasks, follows, strict=True)
    )
    likelihoods = [step.log_likelihood for step in second]
    unknowns = list(second_step.UNKNOWNS.values())
    return Chain(second, populations.sample(likelihoods, unknowns, seed))


def _second(task: Task, q: np.ndarray, curve: np.ndarray | None) -> SecondStep:
    """The second step of a task, of the runs near enough to the best.

    A likelihood of few questions scatters by itself, so the accuracy may follow the
    curve instead; a loss of a large validation set does not.
    """
    log_q = np.log(q)
    curve = log_q if curve is None else curve
    at = np.flatnonzero(np.isfinite(task.accuracy) & np.isfinite(log_q + curve))
    at = at[np.argsort(curve[at], kind="stable")]
    spread = max(float(curve[at].std()), LEAST_SPREAD)
    near = int(np.sum(curve[at] < curve[at[0]] + NEAR * spread))
    weakest = task.accuracy[at][-max(int(WEAKEST * len(at)), 1) :]
    at = at[: max(near, FEWEST)]
    chance = task.known.chance
    return SecondStep(
        log_q[at],
        curve[at],
        task.accuracy[at],
        spread,
        float(weakest.mean()) if chance is None else chance,
        NOT_KNOWN_SD if chance is None else task.known.floor_sd,
        task.known.questions,
    )


def _shared(
    first: Sequence[FirstStep], present: Sequence[np.ndarray], one: Pooled
) -> float:
    """Correlation of the noise of a run's quantities, toward none where runs are few."""
    if len(first) < 2:
        return 0.0
    noise = np.full((len(first), len(present[0])), np.nan)
    for i, (step, at) in enumerate(zip(first, present, strict=True)):
        off = np.log(step.q) - step.curve(one.draws[:, i])
        noise[i, at] = off / max(float(off.std()), 1e-9)
    every = noise[:, np.isfinite(noise).all(axis=0)]
    runs = every.shape[1]
    if runs < 3:
        return 0.0
    correlations = np.corrcoef(every)[np.triu_indices(len(every), 1)]
    return max(float(correlations.mean()), 0.0) * runs / (runs + SHRINKAGE)
