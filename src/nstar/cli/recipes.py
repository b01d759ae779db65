"""The command on recipes: which is better at a budget, by how much, and how sure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstar.answers import Document
from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.forecasting import FILE, Note, head_sentence, read_ledger, require_ready
from nstar.cli.source import read_table, remark

if TYPE_CHECKING:
    from nstar.multipliers.comparing import Recipes
    from nstar.runs.observations import Observations

LONG = 90.0  # seconds, from which a comparison is said to take long
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
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Freeze the chance that the best recipe beats the baseline into a ledger, by this name; one for each --budget. Repeatable.",
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="FILE",
            help=f"Where --name is frozen: a file, made if it is not there, or a folder; {FILE} unless given.",
        ),
    ] = None,
    note: Note = "",
    seed: o.Seed = None,
) -> None:
    """Say which recipe is better at a budget, and by how much.

    One posterior over all recipes: what they share is learned, and so is in what measure
    they differ.
    """
    budgets = budget or []
    o.require_positive("--budget", budgets, "1e24")
    place = _require_names(name or [], ledger, budgets)
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
    remark_on_time(table, by)
    answer = comparing.recipes(
        table, by, baseline, budgets, spend=spend, speed=speeds, seed=seed or 0
    )
    if figure:
        from nstar.files.writing import write_atomically
        from nstar.report.recipes_figure import figure as draw

        write_atomically(figure, draw(answer.as_json(output.prob), kind))
    frozen, after = _freeze(answer, place, name or [], note, output.prob)
    about = {
        "data": table.source,
        "data_sha256": table.sha256,
        "runs": len(table),
        "interval": "equal-tailed",
        "flop_convention": str(table.cost),
        "params_counted": table.params_counted,
        "loss_unit": answer.runs.loss_unit,
        **frozen,
    }
    print_answer(answer, answer.checks(), output, about=about, after=after)


def remark_on_time(table: "Observations", by: str) -> None:
    """Say on stderr where a comparison takes long, and what would make it short."""
    from nstar.multipliers.floors import FLOORS
    from nstar.multipliers.joint import Priors, place
    from nstar.multipliers.reading import find_ladders
    from nstar.multipliers.sampling import expected_seconds

    ladders, runs = find_ladders(table, by)
    # floors begin where the first fit ends, and cost most of one
    seconds = expected_seconds(place(ladders, Priors())) * (1 + 0.7 * len(FLOORS))
    if seconds > LONG:
        remark(
            f"{len(runs)} runs of {int(ladders.cell.sum())} sizes: about {seconds / 60:.0f} minutes of one core; fewer sizes are quicker, such as the best run of each recipe and budget: --where 'least L per {by},C'"
        )


def _require_names(names: list[str], ledger: str | None, budgets: list[float]) -> str:
    """Try the ledger and the names before anything is sampled; return the ledger's place.

    Raises:
        ValueError: names and budgets do not pair, or a name is taken.
    """
    place = ledger or FILE
    if ledger and not names:
        msg = f"--ledger {ledger}: a choice that is frozen there has a name, as in --name switch"
        raise ValueError(msg)
    if not names:
        return place
    if len(names) != max(len(budgets), 1) or len(set(names)) < len(names):
        msg = f"--name: expected a name of its own for each budget, got {len(names)} ({', '.join(names)}) for {max(len(budgets), 1)} of --budget"
        raise ValueError(msg)
    require_ready(place, names)
    return place


def _freeze(
    answer: "Recipes", place: str, names: list[str], note: str, prob: float
) -> tuple[Document, list[str]]:
    """Freeze a choice for each name; return what the document and the terminal say of it."""
    if not names:
        return {}, []
    from nstar.ledger.choosing import forecast_choice
    from nstar.ledger.verification import as_json

    choices = [
        forecast_choice(answer, C, name=name, note=note)
        for name, C in zip(names, answer.budgets, strict=True)
    ]
    book = read_ledger(place)
    for choice in choices:
        book = book.freeze(choice)
    file = str(book.save(place))
    document = as_json(book, prob)
    frozen = [entry for entry in document["choices"] if entry["name"] in names]
    after = [f"frozen: {choice!r}" for choice in choices]
    return (
        {"ledger": file, "head": book.head, "frozen": frozen},
        [*after, head_sentence(file, book)],
    )
