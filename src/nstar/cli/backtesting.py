"""The command that holds out the largest budgets and scores what was said of them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import read, remark, use_cache

if TYPE_CHECKING:
    from nstar.runs.observations import Observations
    from nstar.validation.backtest import Outcome


@o.command(
    "nstar backtest llama3 --law coupled --hold-out 1 --hold-out 2",
    without=("group", "pool", "prior", "prob"),
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
    law = request.law or "coupled"
    laws = o.laws(law)
    o.require_positive("--hold-out", hold_out or [1.0], "1")
    kind = _kind(figure, predictions)
    whole = read(request)
    held = read(replace(request, runs=test)) if test else None
    if request.cache:
        use_cache()
    from nstar.validation.backtest import backtest as hold, check_backtest, usual_along  # noqa: I001
    from nstar.fits.mixture import require_names

    require_names(laws)

    ladders, checks, rows, panels = [], [], [], []
    for name, part in _ladders(whole, by):
        remark(f"ladder {name}: {len(part)} runs")
        outcomes = hold(
            part,
            laws if len(laws) > 1 else law,
            request.noise,
            discrepancy=request.discrepancy,
            hold_out=hold_out or (1.0,),
            test=held,
            seed=request.seed or 0,
            priors=request.prior_set,
            along=along,
        )
        found = check_backtest(outcomes)
        ladders.append((name, [outcome.record() for outcome in outcomes], found))
        checks += [c._replace(name=f"{name}: {c.name}") if by else c for c in found]
        rows += _rows(name, outcomes)
        panels += [(name, outcome) for outcome in outcomes]
    if predictions:
        _write(predictions, rows)
    if figure:
        _draw(figure, panels, kind)
    read_along = along or usual_along(whole, laws if len(laws) > 1 else law)
    head = {
        "data": whole.source,
        "law": law,
        "seed": request.seed or 0,
        "along": read_along,
    }
    if output.json and by:
        each = [
            {"ladder": n, "splits": s, "checks": [c.as_json() for c in f]}
            for n, s, f in ladders
        ]
        show.as_json(
            head | {"by": by, "ladders": each, "checks": [c.as_json() for c in checks]}
        )
    elif output.json:
        show.as_json(
            head | {"splits": ladders[0][1], "checks": [c.as_json() for c in checks]}
        )
    else:
        show.checks(checks)
        scale = panels[0][1].response
        what = (
            "Log loss"
            if scale.columns == ("L",)
            else f"{scale.columns[0]}, {scale.unit},"
        )
        _print(
            what, [(name, record) for name, records, _ in ladders for record in records]
        )
        show.line(
            f"{law} law, seed {request.seed or 0}; intervals of a measured run, with run noise"
        )
    show.finish(checks)


def _ladders(
    runs: "Observations", by: str | None
) -> "Iterator[tuple[str, Observations]]":
    """Part a table by a column.

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


def _rows(name: str, outcomes: "list[Outcome]") -> list[dict[str, Any]]:
    return [
        {"ladder": name, "hold_out_decades": outcome.split.decades, **row}
        for outcome in outcomes
        for row in outcome.predictions()
    ]


def _write(path: str, rows: list[dict[str, Any]]) -> None:
    import csv
    import io

    from nstar.files.writing import write_whole

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())


def _kind(figure: str | None, predictions: str | None) -> str:
    """Try where files will go before hours are spent; which kind the figure is."""
    from nstar.files.writing import require_writable

    if predictions:
        require_writable(predictions, option="--predictions")
    kinds = (".svg", ".png", ".pdf")
    return (
        require_writable(figure, *kinds, option="--figure").suffix[1:] if figure else ""
    )


def _draw(path: str, panels: "list[tuple[str, Outcome]]", kind: str) -> None:
    from nstar.files.writing import write_whole
    from nstar.report.held_out import figure

    write_whole(path, figure(panels, kind))


def _print(what: str, records: list[tuple[str, dict[str, Any]]]) -> None:
    from nstar.wording import three

    show.table(
        f"{what} of held-out runs",
        [
            "ladder",
            "decades held out",
            "runs: train",
            "test",
            "90% coverage",
            "90% interval score",
            "90% width",
            "CRPS",
            "rms error",
            "bias",
        ],
        [
            [
                name + who,
                f"{r['hold_out_decades']:g}",
                str(r["n_train"]),
                str(r["n_test"]),
                f"{s['coverage']['0.9']:.2f}",
                three(s["interval_score"]["0.9"]),
                three(s["width"]["0.9"]),
                three(s["crps"]),
                three(s["rmse"]),
                three(s["bias"]),
            ]
            for name, r in records
            for who, s in _scored(r).items()
        ],
    )


def _scored(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Scores by what they are of: the law, or an average with what stands beside it."""
    if "weights" not in record:
        return {"": record}
    weights = ", ".join(f"{n} {w:.2f}" for n, w in record["weights"].items())
    each = {f", {name} alone": scores for name, scores in record["laws"].items()}
    return {f", {weights}": record, ", equal weights": record["equal_weights"], **each}
