"""A posterior beside a published fit, through quantities a decision uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.fits.mixture import Posterior
from nstar.fits.refitting import without_published
from nstar.intervals import credible_level, interval
from nstar.plans.planning import Plan, plan
from nstar.published import fits as published
from nstar.published.fits import PublishedFit
from nstar.verdicts import Check, Status
from nstar.wording import beside as side_by_side
from nstar.wording import count, flop, percent, plain


@dataclass(frozen=True)
class Comparison(Answer):
    """Ours and theirs at the same budgets, with ratios and credible levels."""

    plan: Plan
    published: PublishedFit
    notes: tuple[Check, ...] = ()  # on priors that had learned from the published fit

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record a budget: for N, D, loss and tokens per parameter both and the ratio."""
        return [self._record(float(C), prob) for C in self.plan.budgets]

    def _record(self, C: float, prob: float) -> Document:
        theirs = _published_values(self.published, C, self.plan.fit.runs.cost.k)
        ours = self.plan.draws.sel(budget=C)
        record: Document = {"C": C}
        for name, value in theirs.items():
            draws = ours[name].to_numpy() if name in ours else None
            if name == "loss" and not self._same_loss_unit():
                draws = None
            record[name] = compare_draws(draws, value, prob)
        return record

    def _same_loss_unit(self) -> bool:
        ours, theirs = (
            self.plan.fit.runs.loss_unit,
            self.published.loss_unit or "unknown",
        )
        return "unknown" not in {ours, theirs} and ours.split()[0] == theirs.split()[0]

    def exponents(self, prob: float = 0.9) -> Document:
        """The exponents of N* and D*, ours beside theirs."""
        theirs = self.published.exponents()
        draws = {"N": self.plan.draws["alpha1"], "D": self.plan.draws["alpha2"]}
        return {
            n: compare_draws(draws[n].to_numpy(), theirs.get(n), prob)
            for n in ("N", "D")
        }

    def sentence(self, prob: float = 0.9) -> str:
        """Sentence on where the published value lies at the largest budget."""
        last = self.table(prob)[-1]
        for name, words in (("D", "tokens"), ("N", "parameters")):
            if (entry := last[name])["published"] is None:
                continue
            ours, ratio = entry["posterior"], entry["ratio"]
            inside = ours["lower"] <= entry["published"] <= ours["upper"]
            return (
                f"At {last['C']:.3g} FLOP {self.published.id} gives {entry['published']:.3g} "
                f"{words}; ours is {ours['median']:.3g} [{ours['lower']:.3g}, {ours['upper']:.3g}], "
                f"{ratio['median']:.2f} [{ratio['lower']:.2f}, {ratio['upper']:.2f}] times theirs "
                f"({prob:.0%} equal-tailed credible interval of the law's line). The published "
                f"value lies {'inside' if inside else 'outside'} it, at credible level "
                f"{entry['credible_level']:.2f}."
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
                "credible level of theirs",
            ],
            side_by_side(
                document["budgets"], document["exponents"], document["exponents_over"]
            ),
        )
        yield (
            "The credible level is the probability of the smallest of our intervals that holds "
            "their value: near 0 it lies in our middle, near 1 far out."
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

    Raises:
        ValueError: no such published fit or group, or a budget is not positive.
    """
    theirs = (
        published.get(published_id) if isinstance(published_id, str) else published_id
    )
    fair, notes = without_published(fit, theirs.id)
    if planned is None or fair is not fit:
        planned = plan(fair, budgets, group=group)
    return Comparison(planned, theirs, notes)


def _published_values(fit: PublishedFit, C: float, k: float) -> dict[str, float | None]:
    optimum = fit.optimum(np.array([C]), k)
    values = [np.nan if v is None else float(np.ravel(v)[0]) for v in optimum]
    N, D, loss = (v if np.isfinite(v) else None for v in values)  # NaN outside a table
    ratio = D / N if N and D else None
    return {"N": N, "D": D, "loss": loss, "tokens_per_parameter": ratio}


def compare_draws(
    draws: np.ndarray | None, value: float | None, prob: float
) -> Document:
    """Compare draws, (draw,), with a published value: ratio, and credible level of theirs."""
    ours = None if draws is None else interval(draws, prob).as_json()
    if draws is None or value is None:
        return {
            "posterior": ours,
            "published": value,
            "ratio": None,
            "credible_level": None,
        }
    return {
        "posterior": ours,
        "published": value,
        "ratio": interval(draws / value, prob).as_json(),
        "credible_level": credible_level(draws, value),
    }
