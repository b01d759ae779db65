"""A fitted curve beside a published one: at the same inputs, as ratio and credible level."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nstar.fits.fitting import Fit
from nstar.fits.refitting import without_published
from nstar.predictions.curves import read
from nstar.published.fits import PublishedFit
from nstar.published.forms import FLOP_PER, FORWARD_TO_TRAINING
from nstar.types import Array
from nstar.validation.comparison import beside
from nstar.verdicts import Check, Status

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


def theirs_at(published: PublishedFit, x: Mapping[str, Array]) -> np.ndarray:
    """Read a published curve at named inputs, (point,), C in training FLOP.

    Raises:
        ValueError: it is no curve of these inputs.
    """
    reads = READS.get(published.form, ())
    if not reads or not published.values or not set(reads) <= x.keys():
        of = (
            f"is a curve of {' and '.join(reads)}"
            if reads
            else "is no curve that can be computed"
        )
        msg = f"{published.id} {of} ({published.law_form}), and what is held against it is at {', '.join(x)}"
        raise ValueError(msg)
    v, at = published.values, {n: np.asarray(x[n], float) for n in reads}
    if reads == ("N", "T"):
        return v["c"] * at["N"] ** v["p"] * at["T"] ** v["q"]
    if reads != ("C",):
        return published.curve(at[reads[0]])
    found = published.optimum(at["C"]).loss
    if found is None:
        msg = f"{published.id} says no response at a compute ({published.law_form}; its unit of compute: {published.compute_unit})"
        raise ValueError(msg)
    return found


def compare_curve(
    fit: Fit,
    published: PublishedFit,
    x: Mapping[str, Array],
    prob: float = 0.9,
    *,
    scope: str = "training",
) -> tuple[list[dict[str, Any]], list[Check]]:
    """Hold a fitted curve against a published one.

    Args:
        fit: of a law whose response is one number of a run.
        published: the published curve; that it is of the same metric nobody can check.
        x: inputs, (point,) each, those that only one of the two reads included.
        prob: of the intervals.
        scope: what our own C counts, training or the forward pass alone.

    Returns:
        One record an input with `at`, our `posterior`, their `published`, the `ratio` and
        the `credible_level` of theirs; and checks.

    Raises:
        ValueError: they are not curves of the same inputs.
    """
    times = SCOPES[scope]
    value = np.atleast_1d(
        theirs_at(
            published,
            {
                n: np.asarray(v, float) * (times if n == "C" else 1.0)
                for n, v in x.items()
            },
        )
    )
    fair, notes = without_published(fit, published.id)
    assert isinstance(fair, Fit)  # noqa: S101  one fit goes in
    own = {n: v for n, v in x.items() if n in (*fit.law.inputs, "N", "D")}
    draws = read(fair, own)["law"]
    records = [
        {
            "at": {n: float(np.asarray(v)[i]) for n, v in x.items()},
            **beside(draws[:, i], float(value[i]), prob),
        }
        for i in range(len(value))
    ]
    return records, [
        _metric(fit, published),
        *_unit(published, scope),
        *_range(published, x, times),
        *notes,
    ]


def sentence(
    records: list[dict[str, Any]], published: PublishedFit, prob: float
) -> str:
    """Say where the published value lies at the last input."""
    last = records[-1]
    ours, ratio, theirs = last["posterior"], last["ratio"], last["published"]
    where = ", ".join(f"{n} = {v:.3g}" for n, v in last["at"].items())
    inside = ours["lower"] <= theirs <= ours["upper"]
    return (
        f"At {where} {published.id} gives {theirs:.3g}; ours is {ours['median']:.3g} "
        f"[{ours['lower']:.3g}, {ours['upper']:.3g}], {ratio['median']:.2f} [{ratio['lower']:.2f}, "
        f"{ratio['upper']:.2f}] times theirs ({prob:.0%} equal-tailed credible interval of the law). "
        f"The published value lies {'inside' if inside else 'outside'} it, at credible level {last['credible_level']:.2f}."
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
    published: PublishedFit, x: Mapping[str, Array], times: float
) -> list[Check]:
    if published.C_range is None or "C" not in x:
        return []
    low, high = published.C_range
    C = np.asarray(x["C"], float) * times
    if C.min() >= low and C.max() <= high:
        return []
    detail = f"{published.id} was fitted from {low:.3g} to {high:.3g} FLOP, and is read outside that here"
    return [Check("their range", Status.REVIEW, detail)]
