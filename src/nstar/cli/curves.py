"""Answers of laws told by named inputs: predictions, targets and published curves."""

import math
from typing import TYPE_CHECKING, Any

from nstar.cli import options as o
from nstar.cli import show

if TYPE_CHECKING:
    import numpy as np

    from nstar.cli.source import Fitted
    from nstar.fits.fitting import Fit
    from nstar.published.fits import PublishedFit


def points(texts: list[str]) -> dict[str, list[float]]:
    """Read runs as N=7e9,T=144: by input, one value a run.

    Raises:
        ValueError: one is none, or they do not name the same inputs.
    """
    if not texts:
        return {}
    each = [o.pairs(text.split(","), "--at", "C=4e23 or N=7e9,P=8") for text in texts]
    if len({tuple(sorted(one)) for one in each}) > 1:
        msg = (
            f"--at {texts[1]!r}: expected the inputs of the first, {', '.join(each[0])}"
        )
        raise ValueError(msg)
    found: dict[str, list[float]] = {name: [] for name in each[0]}
    for text, one in zip(texts, each, strict=True):
        for name, value in one.items():
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not 0 < number < math.inf:
                msg = f"--at {text!r}: {name} must be a positive number, got {value!r}"
                raise ValueError(msg)
            found[name].append(number)
    return found


def is_one(fit: Any) -> bool:
    """Say whether a fit is read as a curve: an error, an accuracy or a FID, or a loss by C."""
    from nstar.fits.fitting import Fit
    from nstar.predictions.responding import responds
    from nstar.types import Kind

    return isinstance(fit, Fit) and (
        responds(fit.law)
        or (fit.law.inputs == ("C",) and fit.law.response.kind is Kind.LOSS)
    )


def predicted(
    found: "Fitted", at: dict[str, list[float]], prob: float, seed: int, *, json: bool
) -> None:
    """Print what the law says of runs told by named inputs."""
    from nstar.cli import head
    from nstar.predictions.curves import read
    from nstar.validation.checks import check_fit
    from nstar.validation.curve_checks import check_curve
    from nstar.wording import amount, numbers, percent, plainly

    fit: Any = found.fit
    made = read(fit, at, seed)
    records: list[dict[str, Any]] = [
        {
            "at": {n: v[i] for n, v in at.items()},
            **_record(made, i, prob),
            "decades_beyond_data": _beyond(fit, at, i),
        }
        for i in range(made["law"].shape[1])
    ]
    checks = plainly([*check_fit(fit), *check_curve(fit, at)])
    response = {"column": fit.law.response.columns[0], "unit": _unit(fit)}
    document = head.head(found, prob) | {
        "noise_seed": seed,
        "response": response,
        "predictions": records,
        "checks": [c.as_json() for c in checks],
    }
    if json:
        show.as_json(document)
    else:
        head.title(found)
        show.checks(checks)
        show.table(
            f"{response['column']}, {response['unit']}; median [{percent(prob)} equal-tailed credible interval]",
            [*at, "of the law", "measured, with scatter", "beyond the largest run"],
            [
                [
                    *(amount(v) for v in r["at"].values()),
                    numbers(r["law"]),
                    numbers(r["measured"]),
                    show.beyond(r["decades_beyond_data"]),
                ]
                for r in records
            ],
        )
    show.finish(checks)


def _record(made: dict[str, "np.ndarray"], i: int, prob: float) -> dict[str, Any]:
    from nstar.intervals import interval

    return {name: interval(draws[:, i], prob).as_json() for name, draws in made.items()}


def _unit(fit: "Fit") -> str:
    columns = fit.law.response.columns
    return (
        fit.runs.loss_unit
        if columns == ("L",)
        else fit.law.response.unit.removeprefix("log ")
    )


def _beyond(fit: "Fit", at: dict[str, list[float]], i: int) -> float | None:
    from nstar.predictions.responding import leading

    name = leading(fit.law)
    if name not in at or name not in fit.runs:
        return None
    return math.log10(at[name][i] / float(fit.runs[name].max()))


def compared(
    found: "Fitted",
    theirs: "PublishedFit",
    at: dict[str, list[float]],
    prob: float,
    scope: str,
    *,
    json: bool,
) -> None:
    """Print a fitted curve beside a published one."""
    from nstar.cli import head
    from nstar.validation.checks import check_fit
    from nstar.validation.curve_checks import check_curve
    from nstar.validation.curve_comparison import compare_curve, sentence
    from nstar.wording import amount, digits, numbers, percent, plain, plainly

    fit: Any = found.fit
    records, said = compare_curve(fit, theirs, at, prob, scope=scope)
    checks = plainly([*check_fit(fit), *check_curve(fit, at), *said])
    document: dict[str, Any] = head.head(found, prob) | {
        "published": {
            "id": theirs.id,
            "law_form": theirs.law_form,
            "citation": theirs.citation,
        },
        "curve": records,
        "sentence": plain(sentence(records, theirs, prob)),
        "checks": [c.as_json() for c in checks],
    }
    if json:
        show.as_json(document)
    else:
        show.line(document["sentence"], bold=True)
        head.title(found)
        show.checks(checks)
        show.table(
            f"Ours beside {theirs.id}; median [{percent(prob)} equal-tailed credible interval]",
            [*at, "ours", "theirs", "ours / theirs", "credible level of theirs"],
            [
                [
                    *(amount(v) for v in r["at"].values()),
                    numbers(r["posterior"]),
                    digits(r["published"], 3),
                    numbers(r["ratio"]),
                    f"{r['credible_level']:.2f}",
                ]
                for r in records
            ],
        )
        show.line(f"Theirs: {theirs.law_form}, {theirs.citation}")
    show.finish(checks)


def met(
    found: "Fitted",
    target: float,
    chance: float,
    up_to: float | None,
    held: dict[str, float],
    prob: float,
    *,
    json: bool,
) -> None:
    """Print where a curve meets a target."""
    from nstar.cli import head
    from nstar.predictions.curves import meet
    from nstar.validation.checks import check_fit
    from nstar.validation.curve_checks import check_curve
    from nstar.wording import amount, percent, plainly, share

    fit: Any = found.fit
    made = meet(fit, target, chance, held=held, up_to=up_to)
    at = made.at if math.isfinite(made.at) else made.up_to
    point = {made.along: [at], **{n: [v] for n, v in held.items()}}
    checks = plainly([*made.checks(), *check_fit(fit), *check_curve(fit, point)])
    told = made.as_json(prob)
    response = {"column": fit.law.response.columns[0], "unit": _unit(fit)}
    document = (
        head.head(found, prob)
        | {"response": response}
        | told
        | {"checks": [c.as_json() for c in checks]}
    )
    if json:
        show.as_json(document)
        show.finish(checks)
        return
    what = f"{response['column']} {target:g} with probability {percent(chance)}"
    if told["at"] is None:
        show.line(
            f"No {made.along} up to {amount(made.up_to)} reaches {what}: the chance there is {share(told['reached'])}.",
            bold=True,
        )
    else:
        show.line(f"{what}: {made.along} = {amount(told['at'])}", bold=True)
    head.title(found)
    show.checks(checks)
    ends = [told["crossing"][n] for n in ("lower", "median", "upper")]
    tail = (1 - prob) / 2
    show.table(
        f"{made.along} at which {response['column']} {target:g} is first reached, quantiles of the law, without scatter",
        [percent(round(tail, 6)), "50%", percent(round(1 - tail, 6))],
        [[amount(v) if v else f"beyond {amount(made.up_to)}" for v in ends]],
    )
    show.finish(checks)
