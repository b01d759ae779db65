"""The command that says what runs not yet made will reach: predict."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.cli import curves, show
from nstar.cli import options as o
from nstar.cli.source import get_fit

if TYPE_CHECKING:
    from nstar.fits.mixture import Posterior


@o.command("nstar predict ladder.nc --at 7e9,1.4e11 --at 7e10,1.5e13")
def predict(
    request: o.Request,
    at: Annotated[
        list[str],
        typer.Option(
            "--at",
            metavar="N,D",
            help="A run: its parameters and tokens, as in 7e9,1.4e11; or what the law reads, by name: C=4e23, N=1e9,P=8. Repeatable.",
        ),
    ],
    output: o.Output,
) -> None:
    """Predict what runs not yet made reach: loss, error, accuracy."""
    named = curves.points(at) if all("=" in text for text in at) else None
    points = [] if named else [point(text) for text in at]
    found = get_fit(request, surface=True)
    from nstar.fits.fitting import Fit

    noise_seed = found.fit.seed if request.seed is None else request.seed
    if named and not isinstance(found.fit, Fit):
        if named.keys() != {"N", "D"}:
            msg = f"--at {at[0]!r}: averaged laws are read at N and D, as in --at 7e9,1.4e11; name one law to say more"
            raise ValueError(msg)
        named, points = None, list(zip(named["N"], named["D"], strict=True))
    if named:
        curves.predicted(found, named, output.prob, noise_seed, json=output.json)
        return
    import numpy as np

    from nstar.cli import head
    from nstar.fits.groups import in_group
    from nstar.predictions.distances import check_prediction
    from nstar.validation.checks import check_fit
    from nstar.wording import plainly

    one = in_group(found.fit, request.group, seed=request.seed)
    records = _records(one, points, output.prob, noise_seed)
    N, D = (np.array(v) for v in zip(*points, strict=True))
    checks = plainly([*check_fit(found.fit), *check_prediction(one, N, D)])
    if output.json:
        show.as_json(
            head.head(found, output.prob, request.group)
            | {
                "noise_seed": noise_seed,
                "predictions": records,
                "checks": [c.as_json() for c in checks],
            }
        )
    else:
        head.title(found, request.group)
        show.checks(checks)
        _print(records, output.prob)
        head.conventions(found)
    show.finish(checks)


def point(text: str) -> tuple[float, float]:
    """Read a run as N,D.

    Raises:
        ValueError: it is none.
    """
    try:
        n, d = (float(part) for part in text.split(","))
    except ValueError:
        n = d = math.nan
    if not (0 < n < math.inf and 0 < d < math.inf):
        msg = f"--at {text!r}: expected N,D, parameters and tokens, as in 7e9,1.4e11"
        raise ValueError(msg)
    return n, d


def _records(
    fit: "Posterior", points: list[tuple[float, float]], prob: float, seed: int
) -> list[dict[str, Any]]:
    from nstar.intervals import interval
    from nstar.predictions.prediction import loss
    from nstar.validation.uncertainty import decompose

    cost, C_max = fit.runs.cost, None
    if "C" in fit.runs:
        C_max = float(fit.runs["C"].max())
    N, D = zip(*points, strict=True)
    draws = loss(fit, N, D, seed=seed)
    shares = decompose(fit, N, D, seed=seed)
    return [
        {
            "N": n,
            "D": d,
            "C": cost.flop(n, d),
            "loss": interval(draws["loss"][:, i], prob).as_json(),
            "measured": interval(draws["measured"][:, i], prob).as_json(),
            "decades_beyond_data": math.log10(cost.flop(n, d) / C_max)
            if C_max
            else None,
            "shares": {name: float(share[i]) for name, share in shares.items()},
        }
        for i, (n, d) in enumerate(points)
    ]


def _print(records: list[dict[str, Any]], prob: float) -> None:
    from nstar.wording import count, flop, numbers, percent

    rows = [
        [
            count(r["N"]),
            count(r["D"]),
            flop(r["C"]),
            numbers(r["loss"], 4),
            numbers(r["measured"], 4),
            show.beyond(r["decades_beyond_data"]),
        ]
        for r in records
    ]
    show.table(
        f"Loss; median [{percent(prob)} equal-tailed credible interval]",
        [
            "N (parameters)",
            "D (tokens)",
            "C (FLOP)",
            "loss of the law",
            "a measured run, with run noise",
            "beyond the largest run",
        ],
        rows,
    )
    show.table(
        "Where the variance of a measured run's log loss comes from",
        ["N (parameters)", "D (tokens)", *records[0]["shares"]],
        [
            [count(r["N"]), count(r["D"]), *(f"{s:.0%}" for s in r["shares"].values())]
            for r in records
        ],
    )
