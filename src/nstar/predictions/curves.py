"""A fit as a curve along one input: its predictions, and where it meets a target."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.predictions.crossings import Crossings, check_early, crossings, finite
from nstar.predictions.prediction import loss
from nstar.predictions.responding import main_input, respond
from nstar.types import Kind
from nstar.verdicts import Check, Status
from nstar.wording import amount, percent, share

UP, DOWN = (
    1e4,
    1e-1,
)  # times the largest and the smallest run: where a target is searched
POINTS = 400


def predict_curve(
    fit: Posterior, x: Mapping[str, ArrayLike], seed: int = 0
) -> dict[str, Float[np.ndarray, "draw point"]]:
    """Draws of the response at named inputs, a loss or not.

    Args:
        fit: of a law whose response is one number of a run.
        x: inputs of the law by name, (point,) each.
        seed: of the scatter.

    Returns:
        `law`, without scatter, and `measured`, (draw, point) each.

    Raises:
        ValueError: an input is missing, is not one of the law's, or is not positive.
    """
    if fit.components[0].law.response.kind is Kind.LOSS:
        others = {n: v for n, v in x.items() if n not in ("N", "D")}
        draws = loss(fit, x.get("N"), x.get("D"), x=others, seed=seed)
        return {
            "law": draws["loss"].to_numpy(),
            "measured": draws["measured"].to_numpy(),
        }
    draws = respond(fit, x, seed)
    return {name: draws[name].to_numpy() for name in ("law", "measured")}


@dataclass(frozen=True)
class CurveReach(Answer):
    """Where along its main input a curve meets a target, under every draw."""

    fit: Fit
    along: str
    target: float
    chance: float
    up_to: float
    fixed: Mapping[str, float]  # the law's other inputs
    crossings: Crossings

    @property
    def at(self) -> float:
        """Least value that meets the target with the chance; infinite if none does."""
        return self.crossings.budget(self.chance)

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data; null where beyond `up_to`."""
        sorted_x = np.sort(self.crossings.C)
        tail = (1 - prob) / 2
        ends = {"lower": tail, "median": 0.5, "upper": 1 - tail}
        quantiles = {
            n: float(np.quantile(sorted_x, q, method="inverted_cdf"))
            for n, q in ends.items()
        }
        return {
            "response": response_of(self.fit),
            "target": self.target,
            "chance": self.chance,
            "along": self.along,
            "up_to": self.up_to,
            "held": dict(self.fixed),
            "at": finite(self.at),
            "crossing": {n: finite(v) for n, v in quantiles.items()},
            "reached": self.crossings.reached,
            "before": self.crossings.below,
            "repaired": self.crossings.repaired,
        }

    def checks(self) -> list[Check]:
        """Check that the target is met within the search, and not at its very start."""
        if np.isfinite(self.at):
            return check_early(self.crossings, self.chance, self.along)
        detail = f"{self.along} up to {self.up_to:.3g} meets {self.target:g} with probability {self.crossings.reached:.2f} only; ask for less, or for a smaller chance"
        return [Check("target", Status.REVIEW, detail)]

    def headline(self, prob: float = 0.9) -> str:
        """The least value of the main input that meets the target, or that none does."""
        column = response_of(self.fit)["column"]
        goal = f"{column} {self.target:g} with probability {percent(self.chance)}"
        if np.isfinite(self.at):
            return f"{goal}: {self.along} = {amount(self.at)}"
        return f"No {self.along} up to {amount(self.up_to)} reaches {goal}: the chance there is {share(self.crossings.reached)}."

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


def reach_on_curve(
    fit: Fit,
    target: float,
    chance: float = 0.9,
    *,
    fixed: Mapping[str, float] | None = None,
    up_to: float | None = None,
) -> CurveReach:
    """Find the least compute, tokens or samples at which the law meets a target.

    The target is of the law, without scatter: an error, FID or loss at most so large, or
    an accuracy at least.

    Args:
        fit: of a law whose response is one number of a run.
        target: to meet.
        chance: probability with which it is to be met.
        fixed: values of the law's other inputs, by name, where it has any.
        up_to: end of the search, ten thousand times the largest run unless given.

    Raises:
        ValueError: an input is missing, or the chance is no probability.
    """
    if not 0 < chance < 1:
        msg = f"chance must lie between 0 and 1, got {chance}"
        raise ValueError(msg)
    along, runs = (
        next(
            (
                n
                for n in (main_input(fit.law), *fit.law.inputs)
                if n not in (fixed or {})
            ),
            main_input(fit.law),
        ),
        fit.runs,
    )
    last = up_to or UP * float(runs[along].max())
    x = np.geomspace(min(DOWN * float(runs[along].min()), last / 10), last, POINTS)
    draws = predict_curve(
        fit, {along: x, **{n: np.full(POINTS, v) for n, v in (fixed or {}).items()}}
    )["law"]
    sign = -1.0 if fit.law.response.rising else 1.0
    crossing = crossings(x, sign * draws, sign * target)
    return CurveReach(fit, along, target, chance, last, dict(fixed or {}), crossing)


def intervals_of(
    draws: Float[np.ndarray, "draw point"], prob: float
) -> list[dict[str, float]]:
    """Interval at each point of draws, (draw, point)."""
    return [interval(draws[:, i], prob).as_json() for i in range(draws.shape[1])]
