"""Predictions of future runs as answers: a loss at N and D, or the response of a curve."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.predictions.curves import predict_curve, response_of
from nstar.predictions.distances import check_prediction
from nstar.predictions.prediction import loss
from nstar.predictions.responding import main_input
from nstar.validation.curve_checks import check_curve
from nstar.validation.uncertainty import decompose
from nstar.verdicts import Check
from nstar.wording import amount, beyond, count, flop, numbers, percent


@dataclass(frozen=True)
class Prediction(Answer):
    """Losses of runs of N parameters on D tokens, (run,) each."""

    records_key = "predictions"

    fit: Posterior
    N: np.ndarray
    D: np.ndarray
    seed: int  # of the run noise

    @cached_property
    def _draws(self) -> Mapping[str, np.ndarray]:
        """Loss of the law and as it would be measured, (draw, run) each."""
        dataset = loss(self.fit, self.N, self.D, seed=self.seed)
        return {name: dataset[name].to_numpy() for name in ("loss", "measured")}

    @cached_property
    def _shares(self) -> Mapping[str, np.ndarray]:
        """Where the variance of each measured log loss comes from, (run,) each."""
        return decompose(self.fit, self.N, self.D, seed=self.seed)

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        runs = self.fit.runs
        C = runs.cost.flop(self.N, self.D)
        decades = np.log10(C / runs["C"].max()) if "C" in runs else None
        return {
            "noise_seed": self.seed,
            "predictions": [
                {
                    "N": float(self.N[i]),
                    "D": float(self.D[i]),
                    "C": float(C[i]),
                    **_intervals(self._draws, ("loss", "measured"), i, prob),
                    "decades_beyond_data": None if decades is None else decades[i],
                    "shares": {n: float(v[i]) for n, v in self._shares.items()},
                }
                for i in range(len(self.N))
            ],
        }

    def checks(self) -> list[Check]:
        """Check how far the runs lie from those that were fitted."""
        return check_prediction(self.fit, self.N, self.D)

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Losses, and where their variance comes from."""
        records = self.as_json(prob)["predictions"]
        yield Table(
            f"Loss; median [{percent(prob)} equal-tailed credible interval]",
            [
                "N (parameters)",
                "D (tokens)",
                "C (FLOP)",
                "loss of the law",
                "a measured run, with run noise",
                "beyond the largest run",
            ],
            [
                [
                    count(r["N"]),
                    count(r["D"]),
                    flop(r["C"]),
                    numbers(r["loss"], 4),
                    numbers(r["measured"], 4),
                    beyond(r["decades_beyond_data"]),
                ]
                for r in records
            ],
        )
        yield Table(
            "Where the variance of a measured run's log loss comes from",
            ["N (parameters)", "D (tokens)", *records[0]["shares"]],
            [
                [
                    count(r["N"]),
                    count(r["D"]),
                    *(f"{share:.0%}" for share in r["shares"].values()),
                ]
                for r in records
            ],
        )


@dataclass(frozen=True)
class CurvePrediction(Answer):
    """Response of runs given by the inputs of a law, (run,) each."""

    records_key = "predictions"

    fit: Fit
    at: Mapping[str, np.ndarray]
    seed: int  # of the scatter

    @cached_property
    def _draws(self) -> Mapping[str, np.ndarray]:
        """The response of the law and as it would be measured, (draw, run) each."""
        return predict_curve(self.fit, self.at, self.seed)

    def _decades(self, i: int) -> float | None:
        """Decades that a run lies beyond the largest, along the law's main input."""
        name = main_input(self.fit.law)
        if name not in self.at or name not in self.fit.runs:
            return None
        return float(np.log10(self.at[name][i] / self.fit.runs[name].max()))

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        return {
            "noise_seed": self.seed,
            "response": response_of(self.fit),
            "predictions": [
                {
                    "at": {n: float(v[i]) for n, v in self.at.items()},
                    **_intervals(self._draws, ("law", "measured"), i, prob),
                    "decades_beyond_data": self._decades(i),
                }
                for i in range(self._draws["law"].shape[1])
            ],
        }

    def checks(self) -> list[Check]:
        """Check how far the runs lie from those that were fitted, and what these inform."""
        return check_curve(self.fit, self.at)

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """The response at each run."""
        document = self.as_json(prob)
        response = document["response"]
        yield Table(
            f"{response['column']}, {response['unit']}; median [{percent(prob)} equal-tailed credible interval]",
            [
                *self.at,
                "of the law",
                "measured, with scatter",
                "beyond the largest run",
            ],
            [
                [
                    *(amount(v) for v in r["at"].values()),
                    numbers(r["law"]),
                    numbers(r["measured"]),
                    beyond(r["decades_beyond_data"]),
                ]
                for r in document["predictions"]
            ],
        )


def _intervals(
    draws: Mapping[str, np.ndarray], names: tuple[str, ...], i: int, prob: float
) -> dict[str, dict[str, float]]:
    """Intervals of the named draws of run i."""
    return {name: interval(draws[name][:, i], prob).as_json() for name in names}
