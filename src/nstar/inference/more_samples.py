"""What more samples will solve: pass@k, where the next samples help, and a hold-out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nstar.answers import Answer, Document, Table
from nstar.inference.repeated import PassAtK
from nstar.inference.repeated_backtest import HeldOut
from nstar.verdicts import Check
from nstar.wording import numbers, percent, share

SHOWN = 5  # kinds of problems at most, whose next samples help most
NONE = "–"


@dataclass(frozen=True)
class MoreSamples(Answer):
    """pass@k at more samples than were drawn, and which to draw next."""

    records_key = "predictions"

    predicted: PassAtK
    more: int  # further samples of a problem
    worth: Sequence[Document]  # of them, by `next_samples`
    held_out: HeldOut | None = None

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        return self.predicted.as_json(prob) | {
            "next_samples": {"more": self.more, "worth": list(self.worth)},
            "held_out": self.held_out.as_json() if self.held_out else None,
        }

    def checks(self) -> list[Check]:
        """Checks of extrapolation beyond the counts, and of the hold-out."""
        tested = [self.held_out.check()] if self.held_out else []
        return [*self.predicted.checks(), *tested]

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """pass@k, the share beyond reach, the hold-out, and the next samples."""
        document = self.as_json(prob)

        def cell(value: Any) -> str:
            return NONE if value is None else numbers(value, 3)

        yield Table(
            f"pass@k; median [{percent(prob)} equal-tailed credible interval]",
            [
                "k",
                "these problems",
                f"as counted in {document['shown']:,} samples",
                "new problems",
                "counted so far",
            ],
            [
                [
                    f"{r['k']:,}",
                    cell(r["these"]),
                    cell(r["these_measured"]),
                    cell(r["new"]),
                    NONE if r["counted"] is None else f"{r['counted']:.3f}",
                ]
                for r in document["predictions"]
            ],
        )
        zero = document["zero_mass"]
        if zero:
            yield Table(
                f"With the share beyond reach (never solved, or a rate below 1e-6) at either end of its {percent(prob)} interval: pass@k of new problems",
                ["k", f"at {zero['lower']:.3g}", f"at {zero['upper']:.3g}"],
                [
                    [
                        f"{at_lower['k']:,}",
                        f"{at_lower['new']:.3f}",
                        f"{at_upper['new']:.3f}",
                    ]
                    for at_lower, at_upper in zip(
                        zero["at_lower"], zero["at_upper"], strict=True
                    )
                ],
            )
        if self.held_out:
            held_out = self.held_out.as_json()
            yield Table(
                f"Predicted from {held_out['kept']:g} samples of a problem, and as all of them show; median [{percent(self.held_out.prob)} equal-tailed credible interval]",
                ["k", "thinning", "predicted", "shown by all", "inside"],
                [
                    [
                        f"{r['k']:,}",
                        str(r["thinning"] + 1),
                        cell({n: r[n] for n in ("median", "lower", "upper")}),
                        f"{r['counted']:.3f}",
                        "yes" if r["inside"] else "no",
                    ]
                    for r in held_out["forecasts"]
                ],
            )
        worth = document["next_samples"]["worth"]
        if worth:
            amount = f"{document['next_samples']['more']} more samples of a problem"
            yield Table(
                f"Where the next samples help most, for the largest k ({amount})",
                [
                    "solved",
                    "of samples",
                    "problems",
                    "share of what is unknown",
                    "taken away",
                ],
                [
                    [
                        str(r["successes"]),
                        str(r["samples"]),
                        str(r["problems"]),
                        share(r["share"]),
                        share(r["removed"] / r["variance"] if r["variance"] else 0.0),
                    ]
                    for r in worth[:SHOWN]
                ],
            )
