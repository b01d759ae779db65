"""The command on learning rates and batches: tune."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit, read, remark

if TYPE_CHECKING:
    from nstar.runs.observations import Observations

LAW = "tuning"
DIVERGED = "diverged runs"  # which are left out of the losses, and say what diverges


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
    form = request.discrepancy or "none"
    chosen = request if request.saved else replace(request, law=LAW, discrepancy=form)
    chosen, diverged = without_diverged(chosen)
    fitted = get_fit(chosen)
    from nstar.plans.tuning import tune as find
    from nstar.validation.checks import check_fit

    answer = find(fitted.fit, runs, settings, diverged)
    checks = [*answer.checks(), *check_fit(fitted.fit)]
    print_answer(answer, checks, output, fitted)


def without_diverged(request: o.Request) -> tuple[o.Request, "Observations | None"]:
    """Part the runs that diverged from those whose losses are fitted."""
    if request.saved:
        return request, None
    from nstar.plans.divergence import find_diverged
    from nstar.runs.problems import list_some

    accept = [*(request.accept or []), DIVERGED]
    table = read(replace(request, drop_diverged=False, accept=accept))
    if not all(name in table for name in ("N", "D", "L", "lr")):
        return request, None  # which the fit refuses, with its remedy
    at = find_diverged(table)
    if not at.any():
        return replace(request, accept=accept), None
    rows = table.rows[at].tolist()
    remark(
        f"{len(rows)} run{'s' * (len(rows) > 1)} diverged (rows {list_some(rows)}): left out of the losses, and taken for how the chance to diverge rises with the learning rate"
    )
    skipped = ",".join(map(str, [*o.rows(request.skip_rows), *rows]))
    return replace(request, skip_rows=skipped, accept=accept), table.take(at)
