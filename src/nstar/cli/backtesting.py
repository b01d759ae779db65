"""The command that holds out the largest budgets and scores their predictions."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from nstar.answers import Document
from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import read, remark, use_cache

if TYPE_CHECKING:
    from nstar.runs.observations import Observations
    from nstar.validation.backtest import HeldOut


@o.command(
    "nstar backtest llama3 --law coupled --hold-out 1 --hold-out 2",
    without=("group", "pool", "prior", "prob"),
    panel=o.CHECK,
)
def backtest(
    request: o.Request,
    output: o.Output,
    hold_out: Annotated[
        list[float] | None,
        typer.Option(
            "--hold-out",
            help="Decades of compute held out. Repeatable; 1 unless given.",
        ),
    ] = None,
    along: Annotated[
        str | None,
        typer.Option(
            "--along",
            metavar="COLUMN",
            help="Hold out along this input in place of compute: N, P, k, T. Compute, or what the law reads in its place, unless given.",
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option("--test", help="A table to predict, in place of a split."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="A column whose values are ladders of their own."),
    ] = None,
    predictions: Annotated[
        str | None,
        typer.Option(
            "--predictions", help="Write every held-out run with its quantiles (CSV)."
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            help="Draw what was predicted and what came, a panel for each hold-out (.svg, .png, .pdf).",
        ),
    ] = None,
) -> None:
    """Hold out the largest budgets, predict them, and score that."""
    from nstar.files.writing import require_writable

    law = request.law or "coupled"
    laws = o.laws(law)
    o.require_positive("--hold-out", hold_out or [1.0], "1")
    if predictions:
        require_writable(predictions, option="--predictions")
    kind = o.figure_kind(figure)
    table = read(request, by=by)
    measured = read(replace(request, runs=test)) if test else None
    if request.cache:
        use_cache()
    from nstar.validation.backtest import backtest as hold_out_and_score
    from nstar.validation.backtest import default_along
    from nstar.validation.held_out import HeldOutRuns

    ladders: dict[str, list[HeldOut]] = {}
    for name, part in _ladders(table, by):
        remark(f"ladder {name}: {len(part)} runs")
        ladders[name] = hold_out_and_score(
            part,
            laws if len(laws) > 1 else law,
            request.noise,
            discrepancy=request.discrepancy,
            hold_out=hold_out or (1.0,),
            test=measured,
            seed=request.seed or 0,
            priors=request.prior_set,
            along=along,
        )
    read_along = along or default_along(table, laws if len(laws) > 1 else law)
    answer = HeldOutRuns(ladders, table.source, law, request.seed or 0, read_along, by)
    if predictions:
        _write(predictions, answer.predictions())
    if figure:
        panels = [
            (name, outcome)
            for name, outcomes in ladders.items()
            for outcome in outcomes
        ]
        _draw(figure, panels, kind)
    print_answer(answer, answer.checks(), output)


def _ladders(
    runs: "Observations", by: str | None
) -> "Iterator[tuple[str, Observations]]":
    """Split a table into ladders by a column.

    Raises:
        ValueError: there is no such column.
    """
    if by is None:
        yield runs.source, runs
        return
    name = next((n for n, header in runs.named.items() if header == by), by)
    if name not in runs:
        msg = f"--by {by}: {runs.source} has no such column; there are {', '.join(runs.columns)}"
        raise ValueError(msg)
    for value in dict.fromkeys(runs[name].tolist()):
        yield str(value), runs.take(runs[name] == value)


def _write(path: str, rows: list[Document]) -> None:
    import csv
    import io

    from nstar.files.writing import write_atomically

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def _draw(path: str, panels: "list[tuple[str, HeldOut]]", kind: str) -> None:
    from nstar.files.writing import write_atomically
    from nstar.report.held_out_figure import figure

    write_atomically(path, figure(panels, kind))
