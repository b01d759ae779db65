"""The command on learning rates and batches: tune."""

from dataclasses import replace
from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit

LAW = "tuning"


@o.command("nstar tune sweep.csv --at 7B,140B", without=("law", "pool", "group"))
def tune(
    request: o.Request,
    output: o.Output,
    at: Annotated[
        list[str] | None,
        o.run("Runs to be made: parameters and tokens, as in 7B,140B. Repeatable."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--setting",
            metavar="LR,BATCH",
            help="A learning rate and a batch whose cost is to be told: 3e-4,1024. Repeatable.",
        ),
    ] = None,
) -> None:
    """Say the best learning rate and batch of a run.

    RUNS has columns N, D, L, lr and batch (in the unit that you like: the answer has it too).
    """
    from nstar.plans.actions import parse_amount

    if not at:
        msg = "say which run is to be tuned, as in --at 7B,140B"
        raise ValueError(msg)

    def pair(option: str, text: str) -> tuple[float, float]:
        parts = text.replace("@", ",").split(",")
        if len(parts) != 2:
            msg = f"{option} {text!r}: expected two numbers, as in 7B,140B"
            raise ValueError(msg)
        first, second = (parse_amount(part, option) for part in parts)
        return first, second

    runs = [pair("--at", text) for text in at]
    settings = [pair("--setting", text) for text in setting or ()]
    form = request.discrepancy or "none"  # a bend over a sweep takes half an hour
    chosen = request if request.saved else replace(request, law=LAW, discrepancy=form)
    fitted = get_fit(chosen)
    from nstar.plans.tuning import tune as find
    from nstar.validation.checks import check_fit

    answer = find(fitted.fit, runs, settings)
    checks = [*answer.checks(), *check_fit(fitted.fit)]
    print_answer(answer, checks, output, fitted)
