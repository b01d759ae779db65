"""What a run yet to be made will score at a task: its loss, then the task's curve."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from nstar.answers import Answer, Table
from nstar.downstream import tables
from nstar.downstream.checks import check_task
from nstar.downstream.fits import curve, require_task, scattered
from nstar.fits.fitting import Fit
from nstar.fits.groups import in_group
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans.actions import ANY, Limits
from nstar.plans.choosing import choose, require_loss
from nstar.plans.limiting import held
from nstar.predictions.crossings import Crossings, check_early, crossings
from nstar.predictions.distances import distance
from nstar.predictions.prediction import loss as losses_of
from nstar.verdicts import Check, Status

BUDGETS = 49  # tried between the least and the most
DOWN, UP = 1e-2, 1e4  # of the largest run's FLOP, unless told how far to look
CROSSED = 160  # draws of the loss and of the task that are all paired, for the shares


@dataclass(frozen=True)
class Scores(Answer):
    """Accuracies of runs not yet made, under every draw of the loss and of the task."""

    fit: Posterior
    task: Fit
    draws: xr.Dataset  # loss, nll, accuracy, measured, (draw, run); N, D, C of the runs
    shares: list[dict[str, float]]  # of each run's variance, by where it comes from
    target: float | None
    chance: float
    found: Crossings | None  # when the target is reached, by the recommended run
    up_to: float  # FLOP beyond which nothing was looked at

    def probability(self) -> np.ndarray:
        """Probability that a run's measured accuracy reaches the target, (run,).

        Raises:
            ValueError: there is no target.
        """
        if self.target is None:
            msg = "no target accuracy was given, so there is no chance of reaching it"
            raise ValueError(msg)
        return (self.draws["measured"].to_numpy() >= self.target).mean(axis=0)

    def table(self, prob: float = 0.9) -> list[dict[str, Any]]:
        """One record a run; what was not asked for, or the law has not, is null."""
        draws, goal = self.draws, self.target
        chances = [None] * draws.sizes["run"] if goal is None else self.probability()
        records = []
        for i, chance in enumerate(chances):
            at = draws.isel(run=i)
            of_law = None if goal is None else float((at["accuracy"] >= goal).mean())
            record: dict[str, Any] = {n: float(at[n]) for n in ("C", "N", "D")}
            for name in ("loss", "nll", "accuracy", "measured"):
                has = name in draws
                record[name] = interval(at[name], prob).as_json() if has else None
            record["probability"] = None if chance is None else float(chance)
            record["probability_of_law"] = of_law
            records.append(record | {"shares": self.shares[i]})
        return records

    def as_json(self, prob: float = 0.9) -> dict[str, Any]:
        """Every number of the answer as plain data; budgets not found are null."""
        runs, named, found = self.task.runs, self.task.runs.named, self.found

        def at(p: float) -> float | None:
            C = found.budget(p) if found else np.inf
            return float(C) if np.isfinite(C) else None

        ends = {"median": 0.5, "lower": (1 - prob) / 2, "upper": (1 + prob) / 2}
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
            "budget": at(self.chance),
            "crossing": {n: at(p) for n, p in ends.items()} if found else None,
            "reached": found.reached if found else None,
        }

    def headline(self, prob: float = 0.9) -> str:
        """The accuracy at the first budget, and the chance of the target."""
        return tables.headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """The task's fit, every run's accuracy, and the target."""
        yield str(self.task)
        yield from tables.scores(self.as_json(prob), prob)

    def checks(self) -> list[Check]:
        """Say where the answer leaves what the task's runs have shown."""
        return [*self._target(), *check_task(self.fit, self.task, self.draws)]

    def _target(self) -> list[Check]:
        """Say whether the target is reached, and how far that is."""
        if self.found is None:
            return []
        C, name = self.found.budget(self.chance), "target accuracy"
        if np.isfinite(C):
            far = distance(self.fit.runs, C, f"{name} within reach of the runs")
            return [far, *check_early(self.found, self.chance, "budget")]
        detail = (
            f"{self.target:g} is reached by {self.up_to:.3g} FLOP with probability {self.found.reached:.3g}, and no budget "
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

    The loss's posterior and the task's are of data apart, so every draw of one is as
    likely with any of the other: they are paired at random, and what is not known of
    either step is in the accuracy.  `accuracy` is the law's own; `measured` carries the
    run's noise through the steps, with their scatter and that of the questions.

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
        ValueError: a fit is of something else, the target or the chance is none, or no
            run is asked for.
    """
    fit = in_group(fit, group)
    require_loss(fit)
    require_task(task)
    _require(target, chance)
    C = np.atleast_1d(np.asarray(budgets, dtype=float))
    N, D = (np.atleast_1d(np.asarray(v, dtype=float)) for v in (N, D))
    if not (len(C) + len(N) and len(N) == len(D) and np.all(C > 0)):
        msg = f"expected positive budgets, or as many N as D, got budgets {C.tolist()}, N {N.tolist()}, D {D.tolist()}"
        raise ValueError(msg)
    fit, limits = held(fit, limits)
    cost, most = fit.runs.cost, float(fit.runs["C"].max())
    order = np.argsort(C, kind="stable")
    if len(C):
        line = choose(fit, C[order], cost, limits)
        back = np.argsort(order)
        N, D = np.append(line.N[back], N), np.append(line.D[back], D)
    draws, pairs = _draws(fit, task, N, D, seed)
    last = up_to or UP * most
    found = None
    if target is not None:
        along = np.geomspace(min(DOWN * most, last / 10), last, BUDGETS)
        losses = choose(fit, along, cost, limits).loss
        reached = curve(task, pairs, losses)["accuracy"]
        found = crossings(along, -reached, -target)
    return Scores(fit, task, draws, _shares(task, draws), target, chance, found, last)


def _require(target: float | None, chance: float) -> None:
    for name, value in (("target accuracy", target), ("chance", chance)):
        if value is not None and not 0 < value < 1:
            hint = f"; {value:g} % is {value / 100:g}" if 1 < value < 100 else ""
            msg = f"{name} must lie between 0 and 1, got {value:g}{hint}"
            raise ValueError(msg)


def _draws(
    fit: Posterior, task: Fit, N: np.ndarray, D: np.ndarray, seed: int
) -> tuple[xr.Dataset, np.ndarray]:
    """Draws of every step, and which of the task's goes with each of the loss's."""
    made = losses_of(fit, N, D, seed=seed)
    clean, seen = made["loss"].to_numpy(), made["measured"].to_numpy()
    if not (clean > 0).all():
        msg = "a predicted loss is not positive, so no accuracy follows from it; fit the loss itself, not one less a baseline"
        raise ValueError(msg)
    total = len(next(iter(task.draws.values())))
    random = np.random.default_rng(seed)
    pairs = random.permutation(np.resize(np.arange(total), len(clean)))
    found = {"loss": clean, **curve(task, pairs, clean)}
    found["measured"] = scattered(task, pairs, seen, seed)
    coords = {"N": N, "D": D, "C": fit.runs.cost.flop(N, D)}
    data = {name: (("draw", "run"), values) for name, values in found.items()}
    at = {name: ("run", values) for name, values in coords.items()}
    return xr.Dataset(data, at), pairs


def _shares(task: Fit, draws: xr.Dataset) -> list[dict[str, float]]:
    """Parts of each run's variance as measured: the loss, the task, both, scatter."""
    losses = draws["loss"].to_numpy()
    count, total = len(losses), len(next(iter(task.draws.values())))
    own = np.linspace(0, total - 1, min(CROSSED, total)).astype(int)
    some = losses[np.linspace(0, count - 1, min(CROSSED, count)).astype(int)]
    flat = np.broadcast_to(some.ravel(), (len(own), some.size))
    each = curve(task, own, flat)["accuracy"].reshape(len(own), *some.shape)
    whole = draws["measured"].to_numpy().var(axis=0)
    of_task, of_loss = each.mean(axis=1).var(axis=0), each.mean(axis=0).var(axis=0)
    both = np.maximum(each.var(axis=(0, 1)) - of_task - of_loss, 0.0)
    noise = np.maximum(whole - of_task - of_loss - both, 0.0)
    parts = np.stack([of_loss, of_task, both, noise], axis=1)
    parts = parts / parts.sum(axis=1, keepdims=True)
    return [
        dict(zip(("loss", "task", "both", "scatter"), map(float, p), strict=True))
        for p in parts
    ]
