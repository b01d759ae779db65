"""How answers depend on priors: power-scaling, and decisions under other prior widths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.fits.unknown_words import WORDS
from nstar.predictions.distances import check_extrapolation
from nstar.validation.power_scaling import Sensitivity, sensitivity
from nstar.validation.prior_scales import ScaledPrior, check_scales, prior_scales
from nstar.verdicts import Check
from nstar.wording import counts, flop, numbers, percent, three

NONE = "none in this law"


@dataclass(frozen=True)
class PriorDependence(Answer):
    """How far quantities move with the prior, and decisions with the width of priors."""

    records_key = "sensitivity"

    fit: Fit
    budgets: Sequence[float]
    sensitivity: Sensitivity
    scales: Sequence[ScaledPrior]  # none without budgets
    prob: float = 0.9  # of the intervals of `scales`

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data; `prob` does not change prior scales."""
        scales = [scaled.as_json() for scaled in self.scales]
        rows = [row.as_json() for row in self.sensitivity.rows]
        return ({"prior_scales": scales} if scales else {}) | {"sensitivity": rows}

    def checks(self) -> list[Check]:
        """Check the dependence on priors, and how far the budgets lie beyond the runs."""
        distance = check_extrapolation(self.fit, self.budgets) if self.budgets else []
        scale_checks = (
            [check_scales(self.scales, self.sensitivity)] if self.scales else []
        )
        return [*distance, self.sensitivity.check, *scale_checks]

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Every quantity, then the decision at each budget under other priors.

        Intervals of decisions have the probability that they were worked out with.
        """
        yield Table(
            "Power-scaling: distance moved when prior or runs count twice as much (local)",
            [
                "quantity",
                "what it is",
                "prior",
                "runs",
                "prior that matters most",
                "says",
            ],
            [
                [
                    r.quantity,
                    WORDS.get(r.quantity, ""),
                    three(r.prior),
                    three(r.likelihood),
                    r.prior_of,
                    r.says,
                ]
                for r in self.sensitivity.rows
            ],
        )
        for i, C in enumerate(self.budgets):
            yield Table(
                f"{flop(C)} FLOP under other priors; median [{percent(self.prob)} equal-tailed credible interval]",
                ["priors", "N* (parameters)", "L*", "how"],
                [_row(scaled, i) for scaled in self.scales],
            )
        yield "Above 0.05 it depends (Kallioinen et al. 2024); both above: they may disagree."


def _row(scaled: ScaledPrior, i: int) -> list[str]:
    """Row of a table: the decision at budget i under one prior."""
    half = "half" if scaled.factor < 1 else "twice"
    width = f"{scaled.unknown}, {half} as wide" if scaled.unknown else "as they are"
    N = {name: exp(v) for name, v in scaled.intervals["log N*"][i].items()}
    loss = scaled.intervals["L*"][i] if "L*" in scaled.intervals else None
    return [width, counts(N), numbers(loss, 4) if loss else NONE, scaled.how]


def prior_dependence(
    fit: Fit, budgets: Sequence[float] = (), prob: float = 0.9
) -> PriorDependence:
    """Scale the prior and the runs; with budgets, also make the priors that matter wider.

    Args:
        fit: a posterior.
        budgets: FLOP, at which the decisions are tested.
        prob: of the intervals of decisions.

    Raises:
        ValueError: there are budgets, and the law has no N*.
    """
    sensitivities = sensitivity(fit, budgets=budgets)
    scales = prior_scales(fit, budgets, sensitivities, prob) if budgets else []
    return PriorDependence(fit, budgets, sensitivities, scales, prob)
