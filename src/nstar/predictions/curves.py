"""A fit read as a curve along one input: what it says there, and where a target is met."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.answers import Answer, Table
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Average, Posterior
from nstar.intervals import interval
from nstar.predictions.crossings import Crossings, check_early, crossings
from nstar.predictions.prediction import loss
from nstar.predictions.responding import leading, respond
from nstar.types import Array, Kind
from nstar.verdicts import Check, Status
from nstar.wording import amount, percent, share

UP, DOWN = 1e4, 1e-1  # times the largest and the smallest run, looked at for a target
POINTS = 400


def read(
    fit: Posterior, x: Mapping[str, Array], seed: int = 0
) -> dict[str, np.ndarray]:
    """Draws of the response at named inputs, a loss or not.

    Args:
        fit: of a law whose response is one number of a run.
        x: what the law reads, by name, (point,) each.
        seed: of the scatter.

    Returns:
        `law`, without scatter, and `measured`, (draw, point) each.

    Raises:
        ValueError: an input lacks, is strange or not positive.
    """
    if isinstance(fit, Average) or fit.law.response.kind is Kind.LOSS:
        rest = {n: v for n, v in x.items() if n not in ("N", "D")}
        made = loss(fit, x.get("N"), x.get("D"), x=rest, seed=seed)
        return {"law": made["loss"].to_numpy(), "measured": made["measured"].to_numpy()}
    made = respond(fit, x, seed)
    return {name: made[name].to_numpy() for name in ("law", "measured")}


@dataclass(frozen=True)
class Met(Answer):
    """Where along its leading input a curve meets a target, under every draw."""

    fit: Fit
    along: str
    target: float
    chance: float
    up_to: float
    held: Mapping[str, float]  # the law's other inputs
    found: Crossings

    @property
    def at(self) -> float:
        """Least value that meets the target with the chance; infinite if none does."""
        return self.found.budget(self.chance)

    def as_json(self, prob: float = 0.9) -> dict[str, Any]:
        """Every number of the answer as plain data; null where beyond `up_to`."""
        x = np.sort(self.found.C)
        tail = (1 - prob) / 2
        ends = {"lower": tail, "median": 0.5, "upper": 1 - tail}
        told = {
            n: float(np.quantile(x, q, method="inverted_cdf")) for n, q in ends.items()
        }
        return {
            "response": response_of(self.fit),
            "target": self.target,
            "chance": self.chance,
            "along": self.along,
            "up_to": self.up_to,
            "held": dict(self.held),
            "at": _finite(self.at),
            "crossing": {n: _finite(v) for n, v in told.items()},
            "reached": self.found.reached,
            "before": self.found.below,
            "repaired": self.found.repaired,
        }

    def checks(self) -> list[Check]:
        """Say where no answer is within reach, or none was needed."""
        if np.isfinite(self.at):
            return check_early(self.found, self.chance, self.along)
        detail = f"{self.along} up to {self.up_to:.3g} meets {self.target:g} with probability {self.found.reached:.2f} only; ask for less, or for a smaller chance"
        return [Check("target", Status.REVIEW, detail)]

    def headline(self, prob: float = 0.9) -> str:
        """The least value of the leading input that meets the target, or that none does."""
        column = response_of(self.fit)["column"]
        goal = f"{column} {self.target:g} with probability {percent(self.chance)}"
        if np.isfinite(self.at):
            return f"{goal}: {self.along} = {amount(self.at)}"
        return f"No {self.along} up to {amount(self.up_to)} reaches {goal}: the chance there is {share(self.found.reached)}."

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """When the target is first met, under every draw."""
        crossing = self.as_json(prob)["crossing"]
        column, tail = response_of(self.fit)["column"], (1 - prob) / 2
        yield Table(
            f"{self.along} at which {column} {self.target:g} is first reached, quantiles of the law, without scatter",
            [percent(round(tail, 6)), "50%", percent(round(1 - tail, 6))],
            [
                [
                    amount(crossing[n])
                    if crossing[n]
                    else f"beyond {amount(self.up_to)}"
                    for n in ("lower", "median", "upper")
                ]
            ],
        )


def response_of(fit: Fit) -> dict[str, str]:
    """Column and unit of what a curve predicts."""
    response = fit.law.response
    unit = response.unit.removeprefix("log ")
    if response.columns == ("L",):
        unit = fit.runs.loss_unit
    return {"column": response.columns[0], "unit": unit}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def meet(
    fit: Fit,
    target: float,
    chance: float = 0.9,
    *,
    held: Mapping[str, float] | None = None,
    up_to: float | None = None,
) -> Met:
    """Find the least compute, tokens or samples at which the law meets a target.

    The target is of the law, without scatter: an error, FID or loss at most so large, or
    an accuracy at least.

    Args:
        fit: of a law whose response is one number of a run.
        target: to meet.
        chance: probability with which it is to be met.
        held: the law's other inputs, where it has any.
        up_to: where to stop looking, ten thousand times the largest run unless given.

    Raises:
        ValueError: an input lacks, or the chance is no probability.
    """
    if not 0 < chance < 1:
        msg = f"chance must lie between 0 and 1, got {chance}"
        raise ValueError(msg)
    along, runs = (
        next(
            (n for n in (leading(fit.law), *fit.law.inputs) if n not in (held or {})),
            leading(fit.law),
        ),
        fit.runs,
    )
    last = up_to or UP * float(runs[along].max())
    x = np.geomspace(min(DOWN * float(runs[along].min()), last / 10), last, POINTS)
    draws = read(
        fit, {along: x, **{n: np.full(POINTS, v) for n, v in (held or {}).items()}}
    )["law"]
    sign = -1.0 if fit.law.response.rising else 1.0
    found = crossings(x, sign * draws, sign * target)
    return Met(fit, along, target, chance, last, dict(held or {}), found)


def summary(draws: np.ndarray, prob: float) -> list[dict[str, float]]:
    """Interval at each point of draws, (draw, point)."""
    return [interval(draws[:, i], prob).as_json() for i in range(draws.shape[1])]
