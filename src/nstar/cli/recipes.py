"""The command on recipes: which is better at a budget, by how much, and how sure."""

from pathlib import Path
from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import read_table

EXAMPLE = "muon=0.93"


@o.command("nstar recipes ladders.csv --by recipe --baseline adamw --budget 1e24")
def recipes(
    options: o.TableOptions,
    output: o.Output,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUNS...",
            help="One table with a column that names recipes, or several, one a recipe: adamw=a.csv muon=b.csv.",
        ),
    ],
    by: Annotated[
        str,
        typer.Option("--by", metavar="COLUMN", help="The column that names recipes."),
    ] = "recipe",
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME",
            help="The recipe that others are compared with; the first by name unless given.",
        ),
    ] = None,
    budget: Annotated[
        list[float] | None,
        o.budget(
            "Training FLOP, as in 1e24; the largest run's unless given. Repeatable."
        ),
    ] = None,
    spend: Annotated[
        str | None,
        typer.Option(
            "--spend",
            metavar="HOW",
            help="optimum (each recipe along its own), runs (at the tokens per parameter of its own runs), or a number of tokens per parameter; optimum unless given, where the runs show it.",
        ),
    ] = None,
    speed: Annotated[
        list[str] | None,
        typer.Option(
            "--speed",
            metavar="NAME=SPEED",
            help="Tokens a second of a recipe beside the baseline's at equal FLOP, a number or a distribution: muon=0.93. Repeatable.",
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Draw multipliers over compute, with medians under other floors (.svg, .png, .pdf).",
        ),
    ] = None,
    seed: o.Seed = None,
) -> None:
    """Say which recipe is better at a budget, and by how much.

    One posterior over all recipes: what they share is learned, and so is in what measure
    they differ.
    """
    budgets = budget or []
    o.require_positive("--budget", budgets, "1e24")
    kind = o.figure_kind(figure)
    texts = o.pairs(speed, "--speed", EXAMPLE)
    from nstar.multipliers import comparing, reading
    from nstar.plans.bills import parse_guess

    speeds = {
        name: parse_guess(text, f"--speed {name}=") for name, text in texts.items()
    }
    if len(runs) == 1 and ("=" not in runs[0] or Path(runs[0]).is_file()):
        table = read_table(runs[0], options, by=by, accept=reading.ACCEPTED)
    else:
        named = o.pairs(runs, "RUNS", "adamw=a.csv")
        tables = {name: read_table(file, options) for name, file in named.items()}
        table, by = reading.join_tables(tables), reading.RECIPE
    answer = comparing.recipes(
        table, by, baseline, budgets, spend=spend, speed=speeds, seed=seed or 0
    )
    if figure:
        from nstar.files.writing import write_atomically
        from nstar.report.recipes_figure import figure as draw

        write_atomically(figure, draw(answer.as_json(output.prob), kind))
    about = {
        "data": table.source,
        "data_sha256": table.sha256,
        "runs": len(table),
        "interval": "equal-tailed",
        "flop_convention": str(table.cost),
        "params_counted": table.params_counted,
        "loss_unit": answer.runs.loss_unit,
    }
    print_answer(answer, answer.checks(), output, about=about)
