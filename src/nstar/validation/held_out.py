"""Held-out runs as an answer: scores of every ladder and split."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nstar.answers import Answer, Document, Table
from nstar.validation.backtest import HeldOut, check_backtest
from nstar.verdicts import Check
from nstar.wording import three


@dataclass(frozen=True)
class HeldOutRuns(Answer):
    """Predictions of the larger runs of each ladder by fits to the smaller ones."""

    ladders: Mapping[str, Sequence[HeldOut]]
    data: str
    law: str
    seed: int
    along: str  # the input whose largest values were held out
    by: str | None = None  # the column whose values are the ladders

    def as_json(self, prob: float = 0.9) -> Document:
        """Every score as plain data; levels are fixed, whatever the probability."""
        about = {
            "data": self.data,
            "law": self.law,
            "seed": self.seed,
            "along": self.along,
        }
        splits = {
            name: [outcome.record() for outcome in outcomes]
            for name, outcomes in self.ladders.items()
        }
        if self.by is None:
            (only,) = splits.values()
            return about | {"splits": only}
        return about | {
            "by": self.by,
            "ladders": [
                {
                    "ladder": name,
                    "splits": records,
                    "checks": [c.as_json() for c in check_backtest(self.ladders[name])],
                }
                for name, records in splits.items()
            ],
        }

    def records(self, prob: float = 0.9) -> list[Document]:
        """One record a ladder and split."""
        return [
            {"ladder": name} | outcome.record()
            for name, outcomes in self.ladders.items()
            for outcome in outcomes
        ]

    def checks(self) -> list[Check]:
        """Check the sampler, and the width of intervals on held-out runs."""
        return [
            check._replace(name=f"{name}: {check.name}") if self.by else check
            for name, outcomes in self.ladders.items()
            for check in check_backtest(outcomes)
        ]

    def predictions(self) -> list[Document]:
        """Every held-out run with its row in the source and its quantiles."""
        return [
            {"ladder": name, "hold_out_decades": outcome.split.decades, **row}
            for name, outcomes in self.ladders.items()
            for outcome in outcomes
            for row in outcome.predictions()
        ]

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Scores of every ladder and split, and of each law beside an average."""
        yield Table(
            f"{self._scored_response()} of held-out runs",
            [
                "ladder",
                "decades held out",
                "runs: train",
                "test",
                "90% coverage",
                "90% interval score",
                "90% width",
                "CRPS",
                "rms error",
                "bias",
            ],
            [
                [
                    name + label,
                    f"{r['hold_out_decades']:g}",
                    str(r["n_train"]),
                    str(r["n_test"]),
                    f"{s['coverage']['0.9']:.2f}",
                    three(s["interval_score"]["0.9"]),
                    three(s["width"]["0.9"]),
                    three(s["crps"]),
                    three(s["rmse"]),
                    three(s["bias"]),
                ]
                for name, r in self._records()
                for label, s in _scores_by_label(r).items()
            ],
        )
        yield f"{self.law} law, seed {self.seed}; intervals of a measured run, with run noise"

    def _scored_response(self) -> str:
        """The scored response and its scale."""
        response = next(iter(self.ladders.values()))[0].response
        if response.columns == ("L",):
            return "Log loss"
        return f"{response.columns[0]}, {response.unit},"

    def _records(self) -> list[tuple[str, dict[str, Any]]]:
        """Every split's scores with the name of its ladder."""
        return [
            (name, outcome.record())
            for name, outcomes in self.ladders.items()
            for outcome in outcomes
        ]


def _scores_by_label(record: Document) -> dict[str, dict[str, Any]]:
    """Scores by label: of the law, or of an average, of equal weights and of each law."""
    if "weights" not in record:
        return {"": record}
    weights = ", ".join(f"{n} {w:.2f}" for n, w in record["weights"].items())
    alone = {f", {name} alone": scores for name, scores in record["laws"].items()}
    return {f", {weights}": record, ", equal weights": record["equal_weights"], **alone}
