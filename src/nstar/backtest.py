"""Hold out the largest budgets, predict them, and score what was said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nstar.checks import check_fit
from nstar.fitting import Fit, fit
from nstar.observations import Observations
from nstar.optima import measured_optima
from nstar.prediction import loss as predict_loss
from nstar.prediction import measured_optima as predict_optima
from nstar.scores import LEVELS, quantiles, scores
from nstar.types import Law, Noise, Varying
from nstar.verdicts import Check, Status

NEAR = 0.75  # decades of D about a profile's minimum that a measured optimum uses
EDGE = 1e-6  # of a decade: a budget on the boundary is held out


class Split(NamedTuple):
    """Runs to learn from and larger ones to predict."""

    decades: float  # of compute held out
    train: Observations
    test: Observations


@dataclass(frozen=True)
class Outcome:
    """What a fit of the training runs said of the others."""

    split: Split
    fit: Fit
    draws: np.ndarray  # response with run noise on the law's scale, (draw, run)

    def record(self) -> dict[str, Any]:
        """Scores in log loss, and of optima where held-out budgets have profiles.

        A law whose response is not the log of the loss is scored on its own scale.
        """
        truth = np.asarray(self.fit.law.response.link(self.split.test["L"]))
        return {
            "hold_out_decades": self.split.decades,
            "n_train": len(self.split.train),
            "n_test": len(self.split.test),
            **scores(self.draws, truth),
            "optima": self._optima(),
        }

    def _optima(self) -> dict[str, Any] | None:
        try:
            held = measured_optima(near_minimum(self.split.test), at_least=1)
        except ValueError:
            return None
        said = predict_optima(self.fit, held["C"], seed=self.fit.seed)
        if said is None:
            return None
        return {
            name: scores(np.log(draws), np.log(held[name]))
            for name, draws in zip(("N", "D"), said, strict=True)
        } | {"budgets": held["C"].tolist()}

    def predictions(self) -> list[dict[str, float]]:
        """Every held-out run with its row in the source and its quantiles of loss."""
        table = {"0.5": np.median(self.draws, axis=0)}
        for level in LEVELS:
            low, high = quantiles(self.draws, level)
            table |= {f"{(1 - level) / 2:g}": low, f"{(1 + level) / 2:g}": high}
        test, unlink = self.split.test, self.fit.law.response.unlink
        return [
            {"row": int(test.rows[i])}
            | {name: test[name][i] for name in ("C", "N", "D", "L") if name in test}
            | {f"q{q}": float(unlink(values)[0][i]) for q, values in sorted(table.items(), key=lambda kv: float(kv[0]))}
            for i in range(len(test))
        ]  # fmt: skip


def split(runs: Observations, decades: float) -> Split:
    """Hold out the runs with C >= C_max / 10^decades.

    Raises:
        ValueError: no run is left to learn from.
    """
    log_C = np.log10(runs["C"])
    held = log_C >= log_C.max() - decades - EDGE
    if held.all():
        msg = f"{runs.source}: holding out {decades:g} decades leaves no run to learn from (the runs span {np.ptp(log_C):.2f})"
        raise ValueError(msg)
    return Split(decades, runs.take(~held), runs.take(held))


def near_minimum(runs: Observations) -> Observations:
    """Keep the runs within 0.75 decades of D of the least loss of their budget."""
    keep = np.zeros(len(runs), dtype=bool)
    for budget in np.unique(runs["budget"]) if "budget" in runs else []:
        at = runs["budget"] == budget
        if not at.any():
            continue
        best = np.log10(runs["D"][at][np.argmin(runs["L"][at])])
        keep |= at & (np.abs(np.log10(runs["D"]) - best) <= NEAR)
    return runs.take(keep)


def backtest(
    runs: Observations,
    law: str | Law = "coupled",
    noise: str | Noise | None = None,
    *,
    discrepancy: str | None = None,
    hold_out: Sequence[float] = (1.0,),
    test: Observations | None = None,
    seed: int = 0,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[Outcome]:
    """Fit the smaller runs and predict the larger ones, for each number of decades.

    Args:
        runs: a ladder.
        law: a law with a loss.
        noise: its likelihood.
        discrepancy: "waves" or "none", as `fit` takes it.
        hold_out: decades of compute below the largest run that are held out.
        test: runs to predict in place of a split; all of `runs` are then learned from.
        seed: of the fits and of the predictive noise.
        tick: progress of the sampling.

    Raises:
        ValueError: a split leaves too few runs, or the law has no loss.
    """
    if test is not None:
        splits = [Split(float(np.log10(test["C"].max() / runs["C"].max())), runs, test)]
    else:
        splits = [split(runs, h) for h in hold_out]
    outcomes = []
    for part in splits:
        fitted = fit(
            replace(part.train, notes=()),
            law,
            noise,
            seed=seed,
            tick=tick,
            discrepancy=discrepancy,
        )
        outcomes.append(Outcome(part, fitted, _predicted(fitted, part.test, seed)))
    return outcomes


def _predicted(fitted: Fit, test: Observations, seed: int) -> np.ndarray:
    """Draws of the response of held-out runs, each with the inputs of its own row."""
    law = fitted.law
    reads = ("N", "D") if isinstance(law, Varying) else law.inputs
    for name in reads:
        if name not in test:
            msg = f"{test.source}: the runs to predict have no column {name!r}, which the {type(law).__name__} law reads"
            raise ValueError(msg)
    x = {name: test[name] for name in reads}
    draws = predict_loss(fitted, x=x, seed=seed)["measured"]
    return np.asarray(law.response.link(draws.to_numpy()))


def check_backtest(outcomes: Sequence[Outcome]) -> list[Check]:
    """Say where a sampler failed, and where 90 % intervals missed far more than they may."""
    found = []
    for outcome in outcomes:
        name = f"{outcome.split.decades:g} decades held out"
        found += [
            c._replace(name=f"{name}: {c.name}")
            for c in check_fit(outcome.fit)
            if c.status is Status.FAIL
        ]
        record = outcome.record()
        covered, n = record["coverage"]["0.9"], record["n_test"]
        detail = f"90 % intervals of a measured run held {covered:.0%} of {n} runs"
        status = Status.PASS if covered >= 0.75 else Status.REVIEW
        if status is Status.REVIEW:
            detail += (
                "; beyond these runs, intervals of this law are too narrow by as much"
            )
        found.append(Check(name, status, detail))
    return found
