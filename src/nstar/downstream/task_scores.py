"""What runs not made will score at every task, and which tasks a ladder can speak of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from nstar.answers import Answer, Document, Table
from nstar.downstream import task_words
from nstar.downstream.joint_tasks import JointTasks, Predicted
from nstar.intervals import interval
from nstar.predictions.distances import check_distance
from nstar.verdicts import Check, Status

TWICE = 2.0  # times the compute, whose gain is set beside the noise
SURE = 0.9  # how often the better of two recipes is to score higher
MOST = 100.0  # times the compute, beyond which a task decides nothing
RISEN = 0.1  # of the way from chance to one that the best run should have risen
NARROW = 0.05  # half an interval: the ladder can tell
K_HAT = 0.8  # of a task's weights, above which its draws are for review
FEW = 100  # effective draws below which they are
NAMED = 5  # tasks that a check names


@dataclass(frozen=True)
class TaskScores(Answer):
    """Accuracies of runs not made, at every task, under every draw."""

    records_key = "predictions"

    fitted: JointTasks
    N: Float[np.ndarray, " run"]
    D: Float[np.ndarray, " run"]
    predicted: Predicted  # of these, then of runs of twice their compute
    target: float | None = None  # accuracy whose chance of being reached is asked

    @property
    def measured(self) -> Float[np.ndarray, "draw task run"]:
        """Accuracies as they would be measured."""
        return self.predicted.measured[..., : len(self.N)]

    @property
    def accuracy(self) -> Float[np.ndarray, "draw task run"]:
        """Accuracies of the curve, without noise."""
        return self.predicted.accuracy[..., : len(self.N)]

    @cached_property
    def noise(self) -> Float[np.ndarray, "task run"]:
        """Sd of a measured accuracy about the curve's: of runs, checkpoints, questions."""
        low, high = np.quantile(self.measured - self.accuracy, [0.16, 0.84], axis=0)
        return np.maximum((high - low) / 2, 1e-6)

    @cached_property
    def gain(self) -> Float[np.ndarray, "task run"]:
        """Median gain in accuracy from twice the compute."""
        twice = self.predicted.accuracy[..., len(self.N) :]
        return np.median(twice - self.accuracy, axis=0)

    def resolved_multiplier(self) -> Float[np.ndarray, "task run"]:
        """Times the compute that a recipe must be worth to score higher nine times in ten.

        One run of each recipe: the difference of two measured accuracies has the root of
        two times the noise of one. Infinite where a hundred times would not do.
        """
        needed = ndtri(SURE) * np.sqrt(2) * self.noise
        with np.errstate(divide="ignore", over="ignore"):
            times = TWICE ** (needed / np.maximum(self.gain, 1e-12))
        return np.where(times <= MOST, times, np.inf)

    @cached_property
    def risen(self) -> Float[np.ndarray, " task"]:
        """How far each task's best run has risen from the floor to one, the median."""
        parts = []
        for psi, step in zip(
            np.moveaxis(self.fitted.direct.pooled.draws, 1, 0),
            self.fitted.direct.second,
            strict=True,
        ):
            accuracy, floor = step.at_best(psi)
            parts.append(np.median((accuracy - floor) / (1 - floor)))
        return np.array(parts)

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        names, resolved = self.fitted.ladder.names, self.resolved_multiplier()
        records = []
        for i, name in enumerate(names):
            for j in range(len(self.N)):
                measured = self.measured[:, i, j]
                reached = measured >= (self.target or 0)
                finite = np.isfinite(resolved[i, j])
                records.append(
                    {
                        "task": name,
                        "N": float(self.N[j]),
                        "D": float(self.D[j]),
                        "C": float(
                            self.fitted.ladder.runs.cost.flop(self.N[j], self.D[j])
                        ),
                        "accuracy": interval(self.accuracy[:, i, j], prob).as_json(),
                        "measured": interval(measured, prob).as_json(),
                        "probability": None
                        if self.target is None
                        else float(reached.mean()),
                        "noise": float(self.noise[i, j]),
                        "gain_of_twice_the_compute": float(self.gain[i, j]),
                        "resolved_multiplier": float(resolved[i, j])
                        if finite
                        else None,
                    }
                )
        tasks = [
            {
                "task": task.name,
                "chance_level": task.known.chance,
                "questions": task.known.questions,
                "follows": "loss" if task.nll is None else "its own likelihood",
                "runs": int(np.isfinite(task.accuracy).sum()),
                "risen": float(risen),
            }
            for task, risen in zip(self.fitted.ladder.tasks, self.risen, strict=True)
        ]
        document: Document = {
            "target_accuracy": self.target,
            "tasks": tasks,
            "predictions": records,
            "shared_noise": self.fitted.shared_noise,
        }
        return document | {"verdicts": task_words.verdicts(document, NARROW, RISEN)}

    def headline(self, prob: float = 0.9) -> str:
        """What the ladder can tell at the first run, and what it cannot."""
        return task_words.headline(self.as_json(prob), NARROW, prob)

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Accuracies of every task, its verdict, and which tasks could decide."""
        yield from task_words.tables(self.as_json(prob), prob)

    def checks(self) -> list[Check]:
        """Check the distance, what has left chance, and how well it was drawn."""
        ladder = self.fitted.ladder
        flop = ladder.runs.cost.flop(self.N, self.D)
        return [
            *ladder.notes,
            check_distance(ladder.runs, flop, "tasks within reach of the runs"),
            self._check_risen(),
            self._check_draws(),
        ]

    def _check_risen(self) -> Check:
        names = [
            f"{task.name} ({risen:.0%})"
            for task, risen in zip(self.fitted.ladder.tasks, self.risen, strict=True)
            if risen < RISEN
        ]
        if not names:
            detail = "the best run has left chance at every task"
            return Check("risen from chance", Status.PASS, detail)
        detail = f"{_some(names)}: the best run has risen that far from chance to one; such tasks may rise later and faster than these runs can tell. Add larger runs, or judge by the likelihood of the right answers"
        return Check("risen from chance", Status.REVIEW, detail)

    def _check_draws(self) -> Check:
        pooled = self.fitted.direct.pooled.certificates
        failed = [
            f"{name} (k-hat {c.k_hat:.2f}, {c.ess:.0f} effective draws)"
            for name, c in zip(self.fitted.ladder.names, pooled, strict=True)
            if not (c.k_hat < K_HAT and c.ess >= FEW)
        ]
        if not failed:
            return Check("draws", Status.PASS, "every task's weights may be trusted")
        detail = f"{_some(failed)}: the weights of the draws are uneven, and the ends of these intervals rough; another --seed shows how rough"
        return Check("draws", Status.REVIEW, detail)


def score_tasks(
    fitted: JointTasks,
    budgets: Sequence[float] = (),
    *,
    N: Sequence[float] = (),
    D: Sequence[float] = (),
    target: float | None = None,
    seed: int = 0,
) -> TaskScores:
    """Predict every task's accuracy of runs not made.

    Args:
        fitted: what `fit_tasks` gave.
        budgets: FLOP, each spent at the tokens per parameter of the largest run.
        N: parameters of further runs, (run,).
        D: their tokens, (run,).
        target: accuracy whose chance of being reached is asked.
        seed: of all scatter.

    Returns:
        Draws of each task's accuracy at each run, with verdicts, tables and checks.

    Raises:
        ValueError: there is neither a budget nor a run, one is not positive, or the
            target does not lie between 0 and 1.

    Examples:
        >>> fitted = nstar.fit_tasks("ladder.csv")  # doctest: +SKIP
        >>> nstar.score_tasks(fitted, N=[7e9], D=[4e12]).headline()  # doctest: +SKIP
    """
    runs = fitted.ladder.runs
    C, sizes, tokens = (np.atleast_1d(np.asarray(v, float)) for v in (budgets, N, D))
    if not (
        len(C) + len(sizes)
        and len(sizes) == len(tokens)
        and np.all(np.concatenate([C, sizes, tokens]) > 0)
    ):
        msg = f"expected positive budgets, or as many N as D, got budgets {C.tolist()}, N {sizes.tolist()}, D {tokens.tolist()}"
        raise ValueError(msg)
    if target is not None and not 0 < target < 1:
        hint = f"; {target:g} % is {target / 100:g}" if 1 < target < 100 else ""
        msg = f"target accuracy must lie between 0 and 1, got {target:g}{hint}"
        raise ValueError(msg)
    largest = int(np.argmax(runs["N"] * runs["D"]))
    ratio = runs["D"][largest] / runs["N"][largest]
    size = np.sqrt(C / (runs.cost.flop(1.0, 1.0) * ratio))
    sizes, tokens = np.append(size, sizes), np.append(ratio * size, tokens)
    more = np.sqrt(TWICE)
    predicted = fitted.predict(
        np.append(sizes, more * sizes), np.append(tokens, more * tokens), seed
    )
    return TaskScores(fitted, sizes, tokens, predicted, target)


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{rest}"
