"""The command on a live run beside its ladder: watch."""

from typing import TYPE_CHECKING, Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.forecasting import read_ledger, require_prob, require_ready
from nstar.cli.predicting import point
from nstar.cli.scheduling import make_schedule, require_named
from nstar.cli.source import get_fit, remark

if TYPE_CHECKING:
    pass


@o.command(
    "nstar watch ladder.nc curves.csv --run hero --at 7B,140B --steps 72000",
    panel=o.CHECK,
)
def watch(
    ladder: o.Runs,
    curves: Annotated[
        str,
        typer.Argument(
            metavar="CURVES",
            help="A table with a row for each step: run, step (or tokens), loss, and N, D and lr where there are any; the ladder's own curves in it teach how runs go.",
        ),
    ],
    output: o.Output,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="NAME",
            help="The run that goes on; the table's only one unless given.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        o.run(
            "Its parameters and the tokens of its whole run, unless the table has them: 7B,140B."
        ),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps",
            metavar="STEPS",
            help="Of its whole run, as the table counts them: 72000, 2T tokens; by its tokens unless given.",
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            metavar="SCHEDULE",
            help="Of its whole run, where nothing else says how it goes on: constant, cosine, linear, wsd (wsd:0.2), or a file with columns step and lr.",
        ),
    ] = None,
    warmup: Annotated[
        str | None,
        typer.Option("--warmup", metavar="STEPS", help="Of warm-up of --schedule."),
    ] = None,
    peak: Annotated[
        float | None,
        typer.Option(
            "--peak",
            metavar="LR",
            help="Largest learning rate of --schedule; 1 unless given.",
        ),
    ] = None,
    final_lr: Annotated[
        float | None,
        typer.Option(
            "--final-lr",
            metavar="SHARE",
            help="Learning rate at the end of --schedule, as a share of the peak; 0.1 unless given.",
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha",
            metavar="PROB",
            help="False alarms over a whole run, checked as often as you like.",
        ),
    ] = 0.05,
    budget: Annotated[
        float | None,
        o.budget("FLOP for which the ladder's answer is given before and after."),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="FILE",
            help="Freeze the forecast of its end, given the run so far, in this ledger.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Of the forecast in the ledger."),
    ] = None,
    note: Annotated[
        str,
        typer.Option("--note", metavar="TEXT", help="Who or why, with that forecast."),
    ] = "",
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Draw the forecast's band, the run on it and the e-value (.svg, .png, .pdf).",
        ),
    ] = None,
    columns: o.Columns = None,
    where: o.Where = None,
    law: o.Law = None,
    seed: o.Seed = None,
) -> None:
    """Say whether a live run is on its forecast.

    The check may be made as often as you like; false alarms stay rare over the whole run.

    RUNS is a saved fit, or a table that is fitted; --columns and --where are of CURVES.
    """
    from nstar.curves.schedules import FINAL
    from nstar.plans.actions import parse_amount

    request = o.Request(ladder, law=law, seed=seed)
    require_prob(output.prob)
    o.require_positive("--peak", [peak] if peak is not None else [], "3e-4")
    o.require_positive("--budget", [budget] if budget is not None else [], "3.8e25")
    kind = o.figure_kind(figure)
    if (ledger is None) != (name is None):
        msg = "--ledger and --name go together: the file, and the forecast's name in it, as in --ledger forecasts.jsonl --name hero-half-way"
        raise ValueError(msg)
    if note and ledger is None:
        msg = f"--note {note!r}: goes with a forecast in a ledger; add --ledger and --name"
        raise ValueError(msg)
    if ledger is not None and name is not None:
        require_ready(ledger, [name])
    require_named(
        [schedule] if schedule else [],
        {"--warmup": warmup, "--peak": peak, "--final-lr": final_lr},
    )
    names = o.columns(columns, "run=name,step=iter,L=val_loss")
    N, D = point(at) if at else (None, None)
    total = None if steps is None else parse_amount(steps, "--steps")
    warm = 0.0 if warmup is None else parse_amount(warmup, "--warmup")
    stated = None
    if schedule is not None:
        stated = make_schedule(
            "--schedule",
            schedule,
            total,
            1.0 if peak is None else peak,
            warm,
            FINAL if final_lr is None else final_lr,
        )
    fitted = get_fit(request, surface=True)
    from nstar.curves.watching import watch as answer_of
    from nstar.validation.checks import check_fit

    answer = answer_of(
        fitted.fit,
        curves,
        run=run,
        N=N,
        D=D,
        steps=total,
        schedule=stated,
        budget=budget,
        alpha=alpha,
        columns=names,
        where=list(where or ()),
        seed=seed,
    )
    checks = check_fit(fitted.fit)
    if figure:
        from nstar.files.writing import write_atomically
        from nstar.report.watch_figure import figure as draw

        write_atomically(figure, draw(answer.as_json(output.prob), kind))
    if ledger is not None and name is not None:
        from nstar.ledger.watching import forecast_of_run

        frozen = forecast_of_run(answer, name=name, note=note, checks=checks)
        book = read_ledger(ledger).freeze(frozen)
        book.save(ledger)
        remark(f"{name} is frozen in {ledger}, hash {book.head}")
    print_answer(answer, [*checks, *answer.checks()], output, fitted)
