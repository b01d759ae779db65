"""Accuracy of future runs at a task: their loss, then the task's curve."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from nstar.answers import Answer, Document, Table
from nstar.downstream import tables
from nstar.downstream.checks import check_task
from nstar.downstream.fits import measured_accuracy, require_task, responses_at
from nstar.fits.fitting import Fit
from nstar.fits.groups import in_group
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans.actions import ANY, Limits
from nstar.plans.choosing import choose, require_loss
from nstar.plans.limiting import apply_limits
from nstar.predictions.crossings import Crossings, check_early, crossings, finite
from nstar.predictions.distances import check_distance
from nstar.predictions.prediction import loss as losses_of
from nstar.verdicts import Check, Status

BUDGETS = 49  # tried between the least and the most
DOWN, UP = 1e-2, 1e4  # of the largest run's FLOP: the budgets tried unless given
CROSSED = 160  # draws of the loss and of the task, each paired with each for the shares


@dataclass(frozen=True)
class Scores(Answer):
    """Accuracies of runs not yet made, under every draw of the loss and of the task."""

    records_key = "predictions"

    fit: Posterior
    task: Fit
    draws: xr.Dataset  # loss, nll, accuracy, measured, (draw, run); N, D, C of the runs
    shares: list[dict[str, float]]  # of each run's variance, by where it comes from
    target: float | None
    chance: float
    crossings: Crossings | None  # when the target is reached, by the recommended run
    up_to: float  # FLOP, the largest budget that was tried

    def probability(self) -> np.ndarray:
        """Probability that a run's measured accuracy reaches the target, (run,).

        Raises:
            ValueError: there is no target.
        """
        if self.target is None:
            msg = "no target accuracy was given, so there is no chance of reaching it"
            raise ValueError(msg)
        return (self.draws["measured"].to_numpy() >= self.target).mean(axis=0)

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record a run; quantities without a target, or that the law lacks, are null."""
        draws, target = self.draws, self.target
        chances = [None] * draws.sizes["run"] if target is None else self.probability()
        records = []
        for i, chance in enumerate(chances):
            draws_of_run = draws.isel(run=i)
            of_law = (
                None
                if target is None
                else float((draws_of_run["accuracy"] >= target).mean())
            )
            record: Document = {n: float(draws_of_run[n]) for n in ("C", "N", "D")}
            for name in ("loss", "nll", "accuracy", "measured"):
                has = name in draws
                record[name] = (
                    interval(draws_of_run[name], prob).as_json() if has else None
                )
            record["probability"] = None if chance is None else float(chance)
            record["probability_of_law"] = of_law
            records.append(record | {"shares": self.shares[i]})
        return records

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data; a budget that does not exist is null."""
        runs, named, crossings = self.task.runs, self.task.runs.named, self.crossings

        columns = {n: named.get(n, n) for n in ("accuracy", "L", "nll", "questions")}
        return {
            "task": {
                "data": runs.source,
                "data_sha256": runs.sha256,
                "runs": len(runs),
                "columns": {n: c if n in runs else None for n, c in columns.items()},
                "chance_level": getattr(self.task.law, "chance", None),
                "unknowns": {
                    str(n): interval(v, prob).as_json()
                    for n, v in self.task.tree["posterior"].data_vars.items()
                    if v.ndim == 2
                },
            },
            "target_accuracy": self.target,
            "chance": self.chance,
            "up_to": self.up_to,
            "predictions": self.table(prob),
            "budget": finite(crossings.budget(self.chance)) if crossings else None,
            "crossing": crossings.quantiles(prob) if crossings else None,
            "reached": crossings.reached if crossings else None,
        }

    def headline(self, prob: float = 0.9) -> str:
        """The accuracy at the first budget, and the chance of the target."""
        return tables.headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """The task's fit, every run's accuracy, and the target."""
        yield str(self.task)
        yield from tables.scores(self.as_json(prob), prob)

    def checks(self) -> list[Check]:
        """Check the target, and the distance of the answer from the task's runs."""
        return [*self._target(), *check_task(self.fit, self.task, self.draws)]

    def _target(self) -> list[Check]:
        """Check whether the target is reached, and how far its budget lies beyond the runs."""
        if self.crossings is None:
            return []
        C, name = self.crossings.budget(self.chance), "target accuracy"
        if np.isfinite(C):
            far = check_distance(self.fit.runs, C, f"{name} within reach of the runs")
            return [far, *check_early(self.crossings, self.chance, "budget")]
        detail = (
            f"{self.target:g} is reached by {self.up_to:.3g} FLOP with probability {self.crossings.reached:.3g}, and no budget "
            f"reaches it with {self.chance:g}: ask for a lower accuracy, a smaller chance, or look farther"
        )
        return [Check(name, Status.REVIEW, detail)]


def score(
    fit: Posterior,
    task: Fit,
    budgets: ArrayLike = (),
    *,
    N: ArrayLike = (),
    D: ArrayLike = (),
    target: float | None = None,
    chance: float = 0.9,
    up_to: float | None = None,
    limits: Limits = ANY,
    group: str | None = None,
    seed: int = 0,
) -> Scores:
    """Predict the accuracy of the recommended run of each budget, and of given runs.

    The posteriors of the loss and of the task come from separate data and are independent,
    so their draws are paired at random and the accuracy carries the uncertainty of both.
    `accuracy` is that of the law; `measured` adds the run's noise, the scatter of the
    steps and that of the questions.

    Args:
        fit: a fit of a loss, or an average of such.
        task: what `fit_task` gave, or a fit of another law from L to accuracy.
        budgets: FLOP, (budget,).
        N: parameters of further runs, (run,).
        D: their tokens, (run,).
        target: accuracy to reach.
        chance: probability with which the law's accuracy is to reach it, for the least
            budget that does.
        up_to: FLOP to look up to, four decades beyond the runs unless given.
        limits: on the recommended runs.
        group: of a pooled fit of the loss, one of its groups or "next".
        seed: of the pairing and all scatter.

    Raises:
        ValueError: a fit is of another response, the target or the chance does not lie
            between 0 and 1, or there is neither a budget nor a run.
    """
    fit = in_group(fit, group)
    require_loss(fit)
    require_task(task)
    _require_probabilities(target, chance)
    C = np.atleast_1d(np.asarray(budgets, dtype=float))
    N, D = (np.atleast_1d(np.asarray(v, dtype=float)) for v in (N, D))
    if not (len(C) + len(N) and len(N) == len(D) and np.all(C > 0)):
        msg = f"expected positive budgets, or as many N as D, got budgets {C.tolist()}, N {N.tolist()}, D {D.tolist()}"
        raise ValueError(msg)
    fit, limits = apply_limits(fit, limits)
    cost, most = fit.runs.cost, float(fit.runs["C"].max())
    order = np.argsort(C, kind="stable")
    if len(C):
        line = choose(fit, C[order], cost, limits)
        unsorted = np.argsort(order)
        N, D = np.append(line.N[unsorted], N), np.append(line.D[unsorted], D)
    draws, pairs = _draws(fit, task, N, D, seed)
    up_to_flop = up_to or UP * most
    crossing = None
    if target is not None:
        tried = np.geomspace(min(DOWN * most, up_to_flop / 10), up_to_flop, BUDGETS)
        losses = choose(fit, tried, cost, limits).loss
        accuracy = responses_at(task, pairs, losses)["accuracy"]
        crossing = crossings(tried, -accuracy, -target)
    return Scores(
        fit, task, draws, _shares(task, draws), target, chance, crossing, up_to_flop
    )


def _require_probabilities(target: float | None, chance: float) -> None:
    for name, value in (("target accuracy", target), ("chance", chance)):
        if value is not None and not 0 < value < 1:
            hint = f"; {value:g} % is {value / 100:g}" if 1 < value < 100 else ""
            msg = f"{name} must lie between 0 and 1, got {value:g}{hint}"
            raise ValueError(msg)


def _draws(
    fit: Posterior, task: Fit, N: np.ndarray, D: np.ndarray, seed: int
) -> tuple[xr.Dataset, np.ndarray]:
    """Draws of loss and accuracy, and the number of the task's draw paired with each loss's."""
    losses = losses_of(fit, N, D, seed=seed)
    clean, measured = losses["loss"].to_numpy(), losses["measured"].to_numpy()
    if not (clean > 0).all():
        msg = "a predicted loss is not positive, so no accuracy follows from it; fit the loss itself, not one less a baseline"
        raise ValueError(msg)
    total = len(next(iter(task.draws.values())))
    random = np.random.default_rng(seed)
    pairs = random.permutation(np.resize(np.arange(total), len(clean)))
    columns = {"loss": clean, **responses_at(task, pairs, clean)}
    columns["measured"] = measured_accuracy(task, pairs, measured, seed)
    inputs = {"N": N, "D": D, "C": fit.runs.cost.flop(N, D)}
    data = {name: (("draw", "run"), values) for name, values in columns.items()}
    coords = {name: ("run", values) for name, values in inputs.items()}
    return xr.Dataset(data, coords), pairs


def _shares(task: Fit, draws: xr.Dataset) -> list[dict[str, float]]:
    """Shares of the loss, the task, their interaction and scatter in each run's variance."""
    losses = draws["loss"].to_numpy()
    count, total = len(losses), len(next(iter(task.draws.values())))
    task_indices = np.linspace(0, total - 1, min(CROSSED, total)).astype(int)
    loss_draws = losses[np.linspace(0, count - 1, min(CROSSED, count)).astype(int)]
    loss_grid = np.broadcast_to(
        loss_draws.ravel(), (len(task_indices), loss_draws.size)
    )
    accuracy = responses_at(task, task_indices, loss_grid)["accuracy"].reshape(
        len(task_indices), *loss_draws.shape
    )
    total_variance = draws["measured"].to_numpy().var(axis=0)
    of_task, of_loss = (
        accuracy.mean(axis=1).var(axis=0),
        accuracy.mean(axis=0).var(axis=0),
    )
    interaction = np.maximum(accuracy.var(axis=(0, 1)) - of_task - of_loss, 0.0)
    noise = np.maximum(total_variance - of_task - of_loss - interaction, 0.0)
    parts = np.stack([of_loss, of_task, interaction, noise], axis=1)
    parts = parts / parts.sum(axis=1, keepdims=True)
    return [
        dict(zip(("loss", "task", "both", "scatter"), map(float, p), strict=True))
        for p in parts
    ]
