"""A fitted curve beside a published one: at the same inputs, as ratio and credible level."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nstar.answers import Answer, Document, Table
from nstar.fits.fitting import Fit
from nstar.fits.refitting import without_published
from nstar.predictions.curves import predict_curve
from nstar.published.fits import PublishedFit
from nstar.published.forms import FLOP_PER, FORWARD_TO_TRAINING
from nstar.types import Array
from nstar.validation.comparison import compare_draws
from nstar.validation.curve_checks import check_curve
from nstar.verdicts import Check, Status
from nstar.wording import amount, digits, numbers, percent, plain, standing

READS = {
    "compute": ("C",),
    "compute_floor": ("C",),
    "exponents": ("C",),
    "allocation": ("C",),
    "coverage": ("k",),
    "size": ("N",),
    "data": ("D",),
    "power_ND": ("N", "T"),
}

SCOPES = {"training": 1.0, "forward": FORWARD_TO_TRAINING}  # training FLOP for each


def published_curve(published: PublishedFit, x: Mapping[str, Array]) -> np.ndarray:
    """Evaluate a published curve at named inputs, (point,) each, C in training FLOP.

    Raises:
        ValueError: it is not a curve of these inputs.
    """
    reads = READS.get(published.form, ())
    if not reads or not published.values or not set(reads) <= x.keys():
        description = (
            f"is a curve of {' and '.join(reads)}"
            if reads
            else "is no curve that can be computed"
        )
        msg = f"{published.id} {description} ({published.law_form}), and what is held against it is at {', '.join(x)}"
        raise ValueError(msg)
    v, at = published.values, {n: np.asarray(x[n], float) for n in reads}
    if reads == ("N", "T"):
        return v["c"] * at["N"] ** v["p"] * at["T"] ** v["q"]
    if reads != ("C",):
        return published.curve(at[reads[0]])
    loss = published.optimum(at["C"]).loss
    if loss is None:
        msg = f"{published.id} says no response at a compute ({published.law_form}; its unit of compute: {published.compute_unit})"
        raise ValueError(msg)
    return loss


@dataclass(frozen=True)
class CurveComparison(Answer):
    """A fitted curve and a published one at the same inputs, (point,)."""

    records_key = "curve"

    fit: Fit
    published: PublishedFit
    at: Mapping[str, np.ndarray]
    draws: np.ndarray  # of ours, (draw, point)
    values: np.ndarray  # theirs
    notes: tuple[Check, ...]  # on the conventions of the two curves

    def records(self, prob: float = 0.9) -> list[Document]:
        """One record an input: `at`, `posterior`, `published`, `ratio`, `credible_level`."""
        return [
            {
                "at": {n: float(v[i]) for n, v in self.at.items()},
                **compare_draws(self.draws[:, i], float(self.values[i]), prob),
            }
            for i in range(len(self.values))
        ]

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        theirs = self.published
        return {
            "published": {
                "id": theirs.id,
                "law_form": theirs.law_form,
                "citation": theirs.citation,
            },
            "curve": self.records(prob),
            "sentence": self.headline(prob),
        }

    def checks(self) -> list[Check]:
        """Check the distance of the inputs from the runs, and the conventions of both."""
        return [*check_curve(self.fit, self.at), *self.notes]

    def headline(self, prob: float = 0.9) -> str:
        """Sentence on where the published value lies at the last input."""
        last = self.records(prob)[-1]
        ours, ratio, theirs = last["posterior"], last["ratio"], last["published"]
        where = ", ".join(f"{n} = {v:.3g}" for n, v in last["at"].items())
        return plain(
            f"At {where} {self.published.id} gives {theirs:.3g}; ours is {ours['median']:.3g} "
            f"[{ours['lower']:.3g}, {ours['upper']:.3g}], {ratio['median']:.2f} [{ratio['lower']:.2f}, "
            f"{ratio['upper']:.2f}] times theirs ({prob:.0%} equal-tailed credible interval of the law). "
            f"The published value lies {standing(last['credible_level'], prob)}."
        )

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Ours beside theirs, input by input."""
        theirs = self.published
        yield Table(
            f"Ours beside {theirs.id}; median [{percent(prob)} equal-tailed credible interval]",
            [*self.at, "ours", "theirs", "ours / theirs", "theirs lies"],
            [
                [
                    *(amount(v) for v in r["at"].values()),
                    numbers(r["posterior"]),
                    digits(r["published"], 3),
                    numbers(r["ratio"]),
                    standing(r["credible_level"], prob),
                ]
                for r in self.records(prob)
            ],
        )
        yield f"Theirs: {theirs.law_form}, {theirs.citation}"


def compare_curve(
    fit: Fit,
    published: PublishedFit,
    x: Mapping[str, ArrayLike],
    *,
    scope: str = "training",
) -> CurveComparison:
    """Compare a fitted curve with a published one.

    Args:
        fit: of a law whose response is one number of a run.
        published: the published curve; that it is of the same metric cannot be checked.
        x: inputs by name, (point,) each, with those that only one of the two reads.
        scope: what our own C counts, training or the forward pass alone.

    Raises:
        ValueError: they are not curves of the same inputs.
    """
    at = {name: np.atleast_1d(np.asarray(v, float)) for name, v in x.items()}
    times = SCOPES[scope]
    scaled = {n: v * times if n == "C" else v for n, v in at.items()}
    values = np.atleast_1d(published_curve(published, scaled))
    fair, notes = without_published(fit, published.id)
    (fair,) = fair.components
    ours = {n: v for n, v in at.items() if n in (*fit.law.inputs, "N", "D")}
    checks = (
        _metric(fit, published),
        *_unit(published, scope),
        *_range(published, x, times),
        *notes,
    )
    return CurveComparison(
        fit, published, at, predict_curve(fair, ours)["law"], values, checks
    )


def _metric(fit: Fit, published: PublishedFit) -> Check:
    ours = fit.runs.named.get(fit.law.response.columns[0], fit.law.response.columns[0])
    theirs = published.loss_unit or published.output or "not said"
    detail = f"ours is {ours!r} of {fit.runs.source}, theirs {published.id} ({theirs}); that the two are the same measure of the same task is for you to say"
    return Check("same metric", Status.PASS, detail)


def _unit(published: PublishedFit, ours: str) -> list[Check]:
    if "C" not in READS[published.form] or (
        published.compute_scope != "forward" and published.compute_unit == "FLOP"
    ):
        return []
    scope = SCOPES[published.compute_scope]
    passes = ", forward passes alone," if published.compute_scope == "forward" else ""
    detail = f"theirs counts compute in {published.compute_unit}{passes} and is read at {FLOP_PER[published.compute_unit] * scope:.3g} training FLOP each; our C is taken for {ours} FLOP (--our-compute says otherwise)"
    return [Check("compute", Status.PASS, detail)]


def _range(
    published: PublishedFit, x: Mapping[str, ArrayLike], times: float
) -> list[Check]:
    if published.C_range is None or "C" not in x:
        return []
    low, high = published.C_range
    C = np.asarray(x["C"], float) * times
    if C.min() >= low and C.max() <= high:
        return []
    detail = f"{published.id} was fitted from {low:.3g} to {high:.3g} FLOP, and is read outside that here; take it there as an extrapolation of theirs"
    return [Check("their range", Status.REVIEW, detail)]
