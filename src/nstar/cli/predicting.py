"""The command that predicts runs not yet made: predict."""

from typing import Annotated

from nstar.amounts import PARAMETERS, TOKENS, parse_amount, split_amounts
from nstar.cli import curves
from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit


@o.command("nstar predict ladder.nc --at 7e9,1.4e11 --at 7e10,1.5e13")
def predict(
    request: o.Request,
    at: Annotated[
        list[str],
        o.run(
            "A run: its parameters and tokens, as in 7e9,1.4e11 or 7B@140B; or what the law reads, by name: C=4e23, N=1e9,P=8. Repeatable."
        ),
    ],
    output: o.Output,
) -> None:
    """Predict what runs not yet made reach: loss, error, accuracy."""
    named = curves.points(at) if all("=" in text for text in at) else None
    points = [] if named else [point(text) for text in at]
    fitted = get_fit(request, surface=True)
    import numpy as np

    from nstar.fits.groups import in_group
    from nstar.validation.checks import check_fit
    from nstar.validation.predicting import CurvePrediction, Prediction

    fit = in_group(fitted.fit, request.group, seed=request.seed)
    seed = fit.seed if request.seed is None else request.seed
    if named and len(fit.components) > 1:
        if named.keys() != {"N", "D"}:
            msg = f"--at {at[0]!r}: averaged laws are read at N and D, as in --at 7e9,1.4e11; name one law to say more"
            raise ValueError(msg)
        named, points = None, list(zip(named["N"], named["D"], strict=True))
    if named:
        (curve_fit,) = fit.components
        prediction = CurvePrediction(
            curve_fit, {n: np.array(v) for n, v in named.items()}, seed
        )
    else:
        N, D = (np.array(v) for v in zip(*points, strict=True))
        prediction = Prediction(fit, N, D, seed)
    checks = [*check_fit(fitted.fit), *prediction.checks()]
    print_answer(prediction, checks, output, fitted, request.group)


def point(text: str) -> tuple[float, float]:
    """Read a run as N,D or N@D.

    Raises:
        ValueError: it is not two positive numbers.
    """
    option = f"--at {text!r}"
    parts = text.split("@") if "@" in text else split_amounts(text, option)
    if len(parts) != 2:
        msg = f"{option}: expected N,D, as in 7e9,1.4e11 or 7B@140B"
        raise ValueError(msg)
    size, tokens = parts
    return (
        parse_amount(size, f"{option}: expected N,D; N", PARAMETERS),
        parse_amount(tokens, f"{option}: expected N,D; D", TOKENS),
    )
