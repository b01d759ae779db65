"""The command on curves of training: finish."""

from typing import TYPE_CHECKING, Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.scheduling import make_schedule, require_named

if TYPE_CHECKING:
    pass


@o.command("nstar finish curves.csv --schedule cosine --steps 72000 --run big")
def finish(
    output: o.Output,
    curves: Annotated[
        str,
        typer.Argument(
            metavar="CURVES",
            help="A table with a row for each step: run, step (or tokens), lr, loss; or a tracker's export of a chart.",
        ),
    ],
    schedule: Annotated[
        list[str] | None,
        typer.Option(
            "--schedule",
            metavar="SCHEDULE",
            help="constant, cosine, linear, wsd (wsd:0.2, the share that decays), or a file with columns step and lr. Repeatable: they are compared.",
        ),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps",
            metavar="STEPS",
            help="Of the whole run, as the table counts them: 72000, 2T tokens.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="NAME",
            help="The run that goes on; a new run unless given, or the table's only one.",
        ),
    ] = None,
    decay_now: Annotated[
        str | None,
        typer.Option(
            "--decay-now",
            metavar="STEPS",
            help="Also: the run's learning rate goes straight down from here, in so many steps.",
        ),
    ] = None,
    peak: Annotated[
        float | None,
        typer.Option(
            "--peak",
            metavar="LR",
            help="Largest learning rate; the run's, or the curves', unless given.",
        ),
    ] = None,
    warmup: Annotated[
        str | None,
        typer.Option(
            "--warmup", metavar="STEPS", help="Of warm-up; the curves' unless given."
        ),
    ] = None,
    final_lr: Annotated[
        float,
        typer.Option(
            "--final-lr",
            metavar="SHARE",
            help="Learning rate at the end, as a share of the peak.",
        ),
    ] = 0.1,
    params: Annotated[
        str | None,
        typer.Option(
            "--params",
            metavar="N",
            help="Parameters of a new run, where the curves are of several sizes: 400M.",
        ),
    ] = None,
    recorded: Annotated[
        str | None,
        typer.Option(
            "--recorded",
            metavar="SCHEDULE",
            help="The schedule of the table's runs over --steps, where it has no learning rates.",
        ),
    ] = None,
    law: Annotated[
        str,
        typer.Option(
            "--law",
            metavar="LAW",
            help="multi_power, multi_power_published or annealing_area.",
        ),
    ] = "multi_power",
    columns: o.Columns = None,
    where: o.Where = None,
    seed: o.Seed = None,
) -> None:
    """Say where a run will end under a schedule.

    The curves share a recipe and its data, and differ by their schedules or sizes.
    """
    o.require_positive("--peak", [peak] if peak is not None else [], "3e-4")
    numbers = {
        option: _steps(option, text)
        for option, text in (
            ("--steps", steps),
            ("--decay-now", decay_now),
            ("--warmup", warmup),
            ("--params", params),
        )
    }
    if not (schedule or decay_now):
        msg = (
            "say a schedule, as in --schedule cosine --steps 72000, or --decay-now 2000"
        )
        raise ValueError(msg)
    by_name = [*(schedule or ()), *([recorded] if recorded else [])]
    require_named(by_name, {"--warmup": warmup, "--peak": peak})
    from nstar.curves.reading import read_curves

    total, warm = numbers["--steps"], numbers["--warmup"]
    known = (
        make_schedule("--recorded", recorded, total, peak or 1.0, warm or 0.0, final_lr)
        if recorded
        else None
    )
    names = o.columns(columns, "run=name,step=iter,L=val_loss")
    read = read_curves(curves, names, list(where or ()), schedule=known)
    going = run or (read.curves[0].run if len(read.curves) == 1 else None)
    like = [read.curve(going)] if going else read.curves
    highest = peak or max(c.schedule.peak for c in like)
    rise = warm if warm is not None else min(c.schedule.warm for c in like)
    requested = {
        text: make_schedule("--schedule", text, total, highest, rise, final_lr)
        for text in schedule or ()
    }
    from nstar.curves.finishing import finish as answer_of

    answer = answer_of(
        read,
        requested,
        going,
        law=law,
        size=numbers["--params"],
        decay_now=numbers["--decay-now"],
        final=final_lr,
        seed=seed or 0,
    )
    about = {
        "data": read.source,
        "data_sha256": read.sha256,
        "curves": len(read.curves),
        "seed": seed or 0,
        "prob": output.prob,
        "interval": "equal-tailed",
    }
    print_answer(answer, answer.checks(), output, about=about)


def _steps(option: str, text: str | None) -> float | None:
    """Read a number of steps or tokens."""
    from nstar.plans.actions import parse_amount

    return None if text is None else parse_amount(text, option)
