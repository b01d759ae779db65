"""Answers of laws told by named inputs: predictions, targets and published curves."""

import math
from typing import TYPE_CHECKING, Any

from nstar.cli import options as o
from nstar.cli import show

if TYPE_CHECKING:
    import numpy as np

    from nstar.cli.source import Found
    from nstar.fitting import Fit


def points(texts: list[str]) -> dict[str, list[float]]:
    """Read runs as N=7e9,T=144: by input, one value a run.

    Raises:
        ValueError: one is none, or they do not name the same inputs.
    """
    each = [o.pairs(text.split(","), "--at", "C=4e23 or N=7e9,P=8") for text in texts]
    if len({tuple(sorted(one)) for one in each}) > 1:
        msg = f"--at {texts[1]!r}: expected the inputs of the first, {', '.join(each[0])}"  # fmt: skip
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


def predicted(
    found: "Found", at: dict[str, list[float]], prob: float, seed: int, *, json: bool
) -> None:
    """Print what the law says of runs told by named inputs."""
    from nstar.checks import check_fit
    from nstar.cli import head
    from nstar.curve_checks import check_curve
    from nstar.wording import numbers, percent, plainly

    fit: Any = found.fit
    made = answers(fit, at, seed)
    records: list[dict[str, Any]] = [
        {"at": {n: v[i] for n, v in at.items()}, **_record(made, i, prob), "decades_beyond_data": _beyond(fit, at, i)}
        for i in range(made["law"].shape[1])
    ]  # fmt: skip
    checks = plainly([*check_fit(fit), *check_curve(fit, at)])
    response = {"column": fit.law.response.columns[0], "unit": _unit(fit)}
    document = head.head(found, prob) | {"noise_seed": seed, "response": response, "predictions": records, "checks": [c.as_json() for c in checks]}  # fmt: skip
    if json:
        show.as_json(document)
    else:
        head.title(found)
        show.checks(checks)
        show.table(
            f"{response['column']}, {response['unit']}; median [{percent(prob)} equal-tailed credible interval]",
            [*at, "of the law", "measured, with scatter", "beyond the largest run"],
            [[*(show.amount(v) for v in r["at"].values()), numbers(r["law"]), numbers(r["measured"]), show.beyond(r["decades_beyond_data"])] for r in records],
        )  # fmt: skip
    show.finish(checks)


def answers(
    fit: "Fit", at: dict[str, list[float]], seed: int
) -> dict[str, "np.ndarray"]:
    """Draws of the response, of the law and as measured, (draw, point)."""
    from nstar.prediction import loss
    from nstar.responding import respond

    if getattr(fit, "law", None) is None or fit.law.response.columns == ("L",):
        N, D = (at.get(name) for name in ("N", "D"))
        rest = {n: v for n, v in at.items() if n not in ("N", "D")}
        made = loss(fit, N, D, x=rest, seed=seed)
        return {"law": made["loss"].to_numpy(), "measured": made["measured"].to_numpy()}
    made = respond(fit, at, seed)
    return {name: made[name].to_numpy() for name in ("law", "measured")}


def _record(made: dict[str, "np.ndarray"], i: int, prob: float) -> dict[str, Any]:
    from nstar.intervals import interval

    return {name: interval(draws[:, i], prob).as_json() for name, draws in made.items()}


def _unit(fit: "Fit") -> str:
    columns = fit.law.response.columns
    return fit.runs.loss_unit if columns == ("L",) else fit.law.response.unit.removeprefix("log ")  # fmt: skip


def _beyond(fit: "Fit", at: dict[str, list[float]], i: int) -> float | None:
    from nstar.responding import leading

    name = leading(fit.law)
    if name not in at or name not in fit.runs:
        return None
    return math.log10(at[name][i] / float(fit.runs[name].max()))
