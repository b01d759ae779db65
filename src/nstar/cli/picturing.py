"""The command on pictures: visual."""

from dataclasses import replace
from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit

LAW = "visual_tokens"


@o.command(
    "nstar visual llava.csv --columns metric=error --pool task --group ocr --budget 1e12"
)
def visual(
    request: o.Request,
    output: o.Output,
    budget: Annotated[
        list[float] | None, o.budget("FLOP of one answer. Repeatable.")
    ] = None,
    text: Annotated[
        float,
        typer.Option(
            metavar="TOKENS",
            help="Tokens of text read with the picture; 0 where they are cached.",
        ),
    ] = 50.0,
    most: Annotated[
        float,
        typer.Option(
            metavar="TOKENS", help="Visual tokens of a picture that is not compressed."
        ),
    ] = 576.0,
) -> None:
    """Choose size and visual tokens of a vision-language model.

    RUNS has columns N, T (visual tokens) and metric (an error), of one benchmark or, with
    --pool, of several.
    """
    if not budget:
        msg = "say what an answer may cost, as in --budget 1e12"
        raise ValueError(msg)
    o.require_positive("--budget", budget, "1e12")
    if request.law not in (None, LAW):
        msg = f"--law {request.law}: visual tokens are read by the law {LAW} alone; leave it out"
        raise ValueError(msg)
    from nstar.plans.pictures import require_tokens

    require_tokens(text, most)
    chosen = request if request.saved else replace(request, law=LAW)
    fitted = get_fit(chosen)
    from nstar.fits.groups import in_group
    from nstar.plans.pictures import choose_pictures
    from nstar.validation.checks import check_fit

    answer = choose_pictures(
        in_group(fitted.fit, request.group), budget, text=text, most=most
    )
    checks = [*answer.checks(), *check_fit(fitted.fit)]
    print_answer(answer, checks, output, fitted, request.group)
