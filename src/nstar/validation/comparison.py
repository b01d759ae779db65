"""A posterior beside a published fit, through quantities a decision uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.fits.mixture import Posterior
from nstar.fits.refitting import without_published
from nstar.intervals import credible_level, interval
from nstar.plans.planning import Plan, plan
from nstar.published import fits as published
from nstar.published.fits import PublishedFit
from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status
from nstar.wording import beside as side_by_side
from nstar.wording import count, flop, percent, plain, standing


@dataclass(frozen=True)
class Comparison(Answer):
    """Ours and theirs at the same budgets, with ratios and credible levels."""

    records_key = "budgets"

    plan: Plan
    published: PublishedFit
    notes: tuple[Check, ...] = ()  # on priors that had learned from the published fit

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record a budget: for N, D, loss and tokens per parameter both and the ratio."""
        return [self._record(float(C), prob) for C in self.plan.budgets]

    def _record(self, C: float, prob: float) -> Document:
        theirs = published_optimum(self.published, C, self.plan.fit.runs.cost.k)
        ours = self.plan.draws.sel(budget=C)
        values = {"N": theirs.N, "D": theirs.D, "loss": theirs.loss}
        values["tokens_per_parameter"] = theirs.ratio
        record: Document = {"C": C}
        for name, value in values.items():
            draws = ours[name].to_numpy() if name in ours else None
            reason = "our law has no loss" if draws is None else theirs.reason
            if name == "loss" and draws is not None and not self._same_loss_unit():
                draws, reason = None, "the units of the losses differ or are not known"
            if name == "loss" and value is None and not theirs.reason:
                reason = "its law has no loss"
            record[name] = compare_draws(draws, value, prob, reason=reason)
        return record

    def _same_loss_unit(self) -> bool:
        return same_loss_unit(self.plan.fit.runs, self.published)

    def exponents(self, prob: float = 0.9) -> Document:
        """The exponents of N* and D*, ours beside theirs."""
        theirs = self.published.exponents()
        draws = {"N": self.plan.draws["alpha1"], "D": self.plan.draws["alpha2"]}
        return {
            n: compare_draws(
                draws[n].to_numpy(), theirs[n], prob, reason="its law has no exponent"
            )
            for n in ("N", "D")
        }

    def sentence(self, prob: float = 0.9) -> str:
        """Sentence on where the published value lies at the largest budget."""
        last = self.table(prob)[-1]
        for name, words in (("D", "tokens"), ("N", "parameters")):
            if (entry := last[name])["published"] is None:
                continue
            ours, ratio = entry["posterior"], entry["ratio"]
            return (
                f"At {last['C']:.3g} FLOP {self.published.id} gives {entry['published']:.3g} "
                f"{words}; ours is {ours['median']:.3g} [{ours['lower']:.3g}, {ours['upper']:.3g}], "
                f"{ratio['median']:.2f} [{ratio['lower']:.2f}, {ratio['upper']:.2f}] times theirs "
                f"({prob:.0%} equal-tailed credible interval of the law's line). The published "
                f"value lies {standing(entry['credible_level'], prob)}."
            )
        return f"{self.published.id} gives neither N* nor D* at a budget; only its exponents can be compared."

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        theirs = self.published
        return {
            "published": {
                "id": theirs.id,
                "law_form": theirs.law_form,
                "citation": theirs.citation,
                "params_counted": theirs.params_counted,
                "printed": theirs.printed,
            },
            "budgets": self.table(prob),
            "exponents": self.exponents(prob),
            "exponents_over": self.plan.slope_over,
            "sentence": plain(self.sentence(prob)),
        }

    def headline(self, prob: float = 0.9) -> str:
        """Sentence on where the published value lies at the largest budget."""
        return plain(self.sentence(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Ours beside theirs, quantity by quantity."""
        document = self.as_json(prob)
        theirs = document["published"]
        yield Table(
            f"Ours beside {theirs['id']}; median [{percent(prob)} equal-tailed credible interval]",
            [
                "budget (FLOP)",
                "quantity",
                "ours",
                "theirs",
                "ours / theirs",
                "theirs lies",
            ],
            side_by_side(
                document["budgets"],
                document["exponents"],
                document["exponents_over"],
                prob,
            ),
        )
        yield f"Theirs: {theirs['law_form']}, {theirs['citation']}"
        for printed in theirs["printed"]:
            yield (
                f"The source itself prints, for {flop(printed['C'])} FLOP: {count(printed['N'], 4)} "
                f"parameters on {count(printed['D'], 4)} tokens. {printed.get('note', '')}"
            )

    def checks(self) -> list[Check]:
        """Check the conventions of both, and whether our priors had learned from theirs."""
        return [self._counting(), *self._losses(), *self.notes]

    def _losses(self) -> list[Check]:
        """Warn where losses of both are not compared because their units differ."""
        theirs = self.table()[-1]["loss"]["published"]
        if theirs is None or "loss" not in self.plan.draws or self._same_loss_unit():
            return []
        ours, unit = self.plan.fit.runs.loss_unit, self.published.loss_unit or "unknown"
        detail = f"ours is of unit {ours}, theirs {unit}: not the same, or not known to be, so they are not put side by side; compare N* and D*, or fit losses in their unit"
        return [Check("loss unit", Status.REVIEW, detail)]

    def _counting(self) -> Check:
        ours, theirs = self.plan.fit.runs.params_counted, self.published.params_counted
        if ours == theirs != "unknown":
            detail = f"parameters are counted as {ours} in both"
            return Check("parameter counting", Status.PASS, detail)
        if "unknown" in {ours, theirs}:
            detail = (
                f"parameters counted: ours {ours}, theirs {theirs}; where the conventions "
                "differ, N* and its exponent are not comparable. State it with --params-counted"
            )
            return Check("parameter counting", Status.REVIEW, detail)
        detail = f"parameters are counted as {ours} in the runs and as {theirs} in {self.published.id}: N* and its exponent are not comparable"
        return Check("parameter counting", Status.REVIEW, detail)


def compare(
    fit: Posterior,
    published_id: str | PublishedFit,
    budgets: float | Sequence[float],
    *,
    group: str | None = None,
    planned: Plan | None = None,
) -> Comparison:
    """Compare a fit with a published one at given budgets, under the fit's FLOP convention.

    Where the fit's priors are informed by the public record, the published fit and its
    re-fits are first taken out of them: the fit is sampled again, and a check says so.

    Args:
        fit: the fit, or an average.
        published_id: the published fit, or its name.
        budgets: FLOP.
        group: of a pooled fit.
        planned: the fit's own plan of these budgets, where there is one already.

    Returns:
        Ours beside theirs at every budget: ratios with intervals, and credible levels.

    Raises:
        ValueError: no such published fit or group, or a budget is not positive.

    Examples:
        >>> nstar.compare(fit, "llama3", budgets=[1e22, 3.8e25]).headline()
    """
    theirs = (
        published.get(published_id) if isinstance(published_id, str) else published_id
    )
    fair, notes = without_published(fit, theirs.id)
    if planned is None or fair is not fit:
        planned = plan(fair, budgets, group=group)
    return Comparison(planned, theirs, notes)


class PublishedOptimum(NamedTuple):
    """What a published fit says of a budget, and why it says nothing."""

    N: float | None
    D: float | None
    loss: float | None
    reason: str | None  # why N and D lack

    @property
    def ratio(self) -> float | None:
        """Tokens per parameter."""
        return self.D / self.N if self.N and self.D else None


def published_optimum(fit: PublishedFit, C: float, k: float) -> PublishedOptimum:
    """Read a published fit at a budget of C FLOP, where a run costs k N D."""
    optimum = fit.optimum(np.array([C]), k)
    values = [np.nan if v is None else float(np.ravel(v)[0]) for v in optimum]
    N, D, loss = (v if np.isfinite(v) else None for v in values)  # NaN outside a table
    reason = None
    if N is None or D is None:
        reason = "it gives no N* and D* at a budget"
        if fit.table:
            reason = "the budget lies outside its table"
        elif any(fit.exponents().values()):
            reason = "only its exponents are published"
    return PublishedOptimum(N, D, loss, reason)


def same_loss_unit(runs: Observations, theirs: PublishedFit) -> bool:
    """Tell whether losses of the runs and of a published fit are known to be in one unit."""
    units = runs.loss_unit, theirs.loss_unit or "unknown"
    return "unknown" not in units and units[0].split()[0] == units[1].split()[0]


def compare_draws(
    draws: np.ndarray | None,
    value: float | None,
    prob: float,
    *,
    reason: str | None = None,
) -> Document:
    """Compare draws, (draw,), with a published value: ratio, and credible level of theirs.

    Args:
        draws: ours.
        value: theirs.
        prob: of the intervals.
        reason: why one of them lacks, where one does.
    """
    ours = None if draws is None else interval(draws, prob).as_json()
    if draws is None or value is None:
        return {
            "posterior": ours,
            "published": value,
            "ratio": None,
            "credible_level": None,
            "reason": reason,
        }
    return {
        "posterior": ours,
        "published": value,
        "ratio": interval(draws / value, prob).as_json(),
        "credible_level": credible_level(draws, value),
        "reason": None,
    }
