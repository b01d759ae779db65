"""Commands on the ledger of forecasts: forecast, outcome, ledger."""

from typing import TYPE_CHECKING, Annotated

import typer

from nstar.answers import Document
from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.predicting import point
from nstar.cli.source import get_fit, read

if TYPE_CHECKING:
    import numpy as np

    from nstar.ledger.entries import Ledger
    from nstar.runs.observations import Observations

FILE = "forecasts.jsonl"
Place = Annotated[
    str,
    typer.Argument(
        metavar="LEDGER",
        help="The ledger, or the folder that has it as forecasts.jsonl.",
    ),
]
Note = Annotated[
    str, typer.Option("--note", metavar="TEXT", help="Who or why, kept with the entry.")
]


@o.command(
    "nstar forecast ladder.nc --at 7e9,1.4e11 --name hero --ledger forecasts.jsonl",
    panel=o.KEEP,
)
def forecast(
    request: o.Request,
    name: Annotated[
        list[str],
        typer.Option(
            "--name",
            metavar="NAME",
            help="Of the forecast; one for each --at, then one for each --budget. Repeatable.",
        ),
    ],
    output: o.Output,
    at: Annotated[
        list[str] | None,
        o.run("The run: its parameters and tokens, as in 7e9,1.4e11. Repeatable."),
    ] = None,
    budget: Annotated[
        list[float] | None,
        o.budget("The run that nstar plan recommends for this budget. Repeatable."),
    ] = None,
    ledger: Annotated[
        str,
        typer.Option(
            "--ledger",
            metavar="FILE",
            help="Where it is frozen: a file, made if it is not there, or a folder.",
        ),
    ] = FILE,
    note: Note = "",
) -> None:
    """Freeze a prediction before its run, to be scored after.

    The whole predictive distribution goes into the ledger with its date, all that it
    rests on and a hash of everything before it.  A forecast is frozen even where a check
    fails, and is marked.
    """
    require_prob(output.prob)
    runs = _wanted(name, at or [], budget or [])
    require_ready(ledger, list(runs))
    fitted = get_fit(request, surface=True)
    from nstar.cli import answering
    from nstar.ledger.entries import place
    from nstar.ledger.forecasting import forecast as freeze
    from nstar.ledger.forecasting import require_loss
    from nstar.ledger.verification import as_json
    from nstar.validation.checks import check_fit

    require_loss(fitted.fit)
    fit_checks = check_fit(fitted.fit)
    forecasts = [
        freeze(
            fitted.fit,
            **run,
            name=run_name,
            note=note,
            seed=request.seed,
            group=request.group,
            checks=fit_checks,
        )
        for run_name, run in runs.items()
    ]
    book = read_ledger(ledger)
    for frozen in forecasts:
        book = book.freeze(frozen)
    file = place(book.save(ledger))
    document = as_json(book, output.prob)
    document["forecasts"] = [
        entry for entry in document["forecasts"] if entry["name"] in runs
    ]
    checks = [*dict.fromkeys(check for frozen in forecasts for check in frozen.checks)]
    if output.json:
        ledger_record = {
            "ledger": str(file),
            "head": book.head,
            "frozen": document["forecasts"],
        }
        show.as_json(
            answering.describe(fitted, output.prob, request.group)
            | ledger_record
            | {"checks": [c.as_json() for c in checks]}
        )
    else:
        answering.title(fitted, request.group)
        show.checks(checks)
        _print_frozen(document["forecasts"], output.prob)
        show.line(head_sentence(str(file), book))
        answering.conventions(fitted)
    show.finish(checks)


@o.command("nstar outcome forecasts.jsonl --name hero --loss 2.234", panel=o.KEEP)
def outcome(
    output: o.Output,
    ledger: Place = FILE,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="The forecast whose run is done."),
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            "--loss",
            metavar="L",
            help="The loss it measured, in the unit of the fitted losses; of a choice between recipes, of each: --loss adamw=2.31 --loss muon=2.28.",
        ),
    ] = None,
    runs: Annotated[
        str | None,
        typer.Option(
            "--runs",
            metavar="TABLE",
            help="In place of a name and a loss: measured runs with N, D and L; those within 1 % of an open forecast's N and D are its outcome, and two of the recipes of an open choice within 1 % of its budget.",
        ),
    ] = None,
    columns: o.Columns = None,
    where: o.Where = None,
    measured: Annotated[
        str | None,
        typer.Option(
            "--measured",
            metavar="DATE",
            help="When the loss was known, as in 2026-01-31; now unless given.",
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="The run was measured again: the earlier loss stays, this one counts.",
        ),
    ] = False,
    note: Note = "",
) -> None:
    """Enter the loss that a run reached, and score its forecast.

    The forecast itself is never changed: the outcome is an entry of its own.
    """
    require_prob(output.prob)
    msg = "which outcome? either --name hero --loss 2.234, or --runs measured.csv with N, D and L of the runs that were made (--again goes with a name)"
    if runs is not None and (name is not None or loss is not None or again):
        raise ValueError(msg)
    from nstar.ledger.entries import Ledger, place

    book = Ledger.read(ledger)
    if runs is not None:
        losses, unmatched = _matched(
            book, o.Request(runs, columns=columns, where=where)
        )
    elif name is not None and loss is not None:
        losses, unmatched = {name: _losses(loss)}, 0
    else:
        raise ValueError(msg)
    for forecast_name, value in losses.items():
        book = book.score(
            forecast_name, value, measured=measured, note=note, again=again
        )
    file = place(book.save(ledger)) if losses else place(ledger)
    from nstar.ledger.verification import as_json, track_record

    document, checks = as_json(book, output.prob), track_record(book).checks()
    scored, choices = (
        [entry for entry in document[kind] if entry["name"] in losses]
        for kind in ("forecasts", "choices")
    )
    if output.json:
        show.as_json(
            {
                "ledger": str(file),
                "head": book.head,
                "prob": output.prob,
                "interval": "equal-tailed",
                "scored": scored,
                "scored_choices": choices,
                "not_forecast": unmatched,
                "record": document["record"],
                "checks": [c.as_json() for c in checks],
            }
        )
    else:
        show.checks(checks)
        for entry in scored:
            _print_scored(entry, output.prob)
        for entry in choices:
            _print_scored_choice(entry)
        if unmatched:
            show.line(
                f"{unmatched} of the runs in {runs} have no open forecast: left out."
            )
        _print_record(document)
        show.line(head_sentence(str(file), book))
    show.finish(checks)


@o.command("nstar ledger forecasts.jsonl", panel=o.KEEP)
def ledger(
    output: o.Output,
    ledger: Place = FILE,
    holds: Annotated[
        list[str] | None,
        typer.Option(
            "--holds",
            metavar="HASH",
            help="A hash that was noted when an entry was made, or its first 12 digits: refuse a ledger that lost it. Repeatable.",
        ),
    ] = None,
) -> None:
    """List a project's forecasts, and how they have fared.

    Every line is held to its hash and to the line before; a ledger that was changed is
    refused, and the line is named.
    """
    require_prob(output.prob)
    from nstar.ledger.entries import Ledger
    from nstar.ledger.verification import as_json, track_record

    book = Ledger.read(ledger)
    for hash in holds or ():
        book.require(hash)
    document, checks = as_json(book, output.prob), track_record(book).checks()
    if output.json:
        show.as_json(
            document
            | {
                "prob": output.prob,
                "interval": "equal-tailed",
                "checks": [c.as_json() for c in checks],
            }
        )
    else:
        from nstar.ledger.tables import choices, forecasts
        from nstar.wording import percent

        show.checks(checks)
        title = f"Forecasts of a measured run's loss; median [{percent(output.prob)} equal-tailed credible interval]"
        if document["forecasts"] or not document["choices"]:
            show.table(title, *forecasts(document))
        if document["choices"]:
            show.table("Choices between two recipes", *choices(document))
        _print_record(document)
        show.line(head_sentence(book.source, book))
    show.finish(checks)


def _wanted(names: list[str], at: list[str], budgets: list[float]) -> Document:
    """Pair each name with the run or budget to forecast.

    Raises:
        ValueError: names and runs do not pair, or a run is none.
    """
    o.require_positive("--budget", budgets, "3.8e25")
    runs = [dict(zip(("N", "D"), point(text), strict=True)) for text in at]
    runs += [{"budget": C} for C in budgets]
    if not runs or len(names) != len(runs) or len(set(names)) < len(names):
        msg = f"--name: expected a name of its own for each run, got {len(names)} ({', '.join(names)}) for {len(runs)} of --at and --budget"
        raise ValueError(msg)
    return dict(zip(names, runs, strict=True))


def _losses(texts: list[str]) -> float | dict[str, float]:
    """Read one loss, or one of each recipe by name.

    Raises:
        ValueError: one is no number, or several have no name.
    """
    named = [text.rpartition("=") for text in texts]
    try:
        values = {name: float(value) for name, _, value in named}
    except ValueError:
        values = {}
    if len(values) < len(texts) or (len(texts) > 1 and "" in values):
        msg = f"--loss {' '.join(texts)}: expected the loss of a run, as in --loss 2.234, or of each recipe of a choice, as in --loss adamw=2.31 --loss muon=2.28"
        raise ValueError(msg)
    return values.get("", values)


def require_prob(prob: float) -> None:
    """Refuse a probability that no frozen forecast can be read at."""
    o.require_prob(prob)
    from nstar.ledger.frozen import WIDEST

    if prob > WIDEST:
        msg = (
            f"--prob {prob:g}: a frozen forecast holds intervals of up to {WIDEST:.3g}"
        )
        raise ValueError(msg)


def require_ready(file: str, names: list[str]) -> None:
    """Try the ledger and the names before anything is sampled."""
    from nstar.files.writing import require_writable
    from nstar.ledger.entries import place
    from nstar.ledger.records import require_name

    require_writable(place(file), ".jsonl", option="--ledger")
    for name in names:
        require_name(name)
        read_ledger(file).require_free(name)


def read_ledger(file: str) -> "Ledger":
    """Read a ledger, or begin one."""
    from nstar.ledger.entries import Ledger, place

    path = place(file)
    return Ledger.read(path) if path.exists() else Ledger(source=str(path))


def _matched(
    book: "Ledger", request: o.Request
) -> tuple[dict[str, float | dict[str, float]], int]:
    """Match a table's losses to open forecasts by name; count the runs that match none.

    Raises:
        ValueError: a run lacks N, D or L, or two of them are the same forecast's.
    """
    import numpy as np

    from nstar.ledger.records import same_run

    table = read(request, ladder=False)
    losses: dict[str, float | dict[str, float]] = {}
    if missing := [name for name in ("N", "D", "L") if name not in table]:
        msg = f"{table.source}: lacks {', '.join(missing)}; an outcome needs N, D and L of its run"
        raise ValueError(msg)
    matched = np.zeros(len(table), dtype=bool)
    for name in book.open:
        if forecast := book.forecasts.get(name):
            same = same_run(table["N"], table["D"], forecast.N, forecast.D)
            _require_one(table, same, f"the N and D of {name!r}", name)
            if same.any():
                losses[name] = float(table["L"][same][0])
            matched |= same
    for name in book.open:
        choice = book.choices.get(name)
        if choice is None or "C" not in table or choice.basis["by"] not in table:
            continue
        near, group = (
            same_run(table["C"], table["C"], choice.C, choice.C),
            table[choice.basis["by"]].astype(str),
        )
        of_arms = {arm: near & (group == arm) for arm in choice.arms}
        for arm, same in of_arms.items():
            _require_one(table, same, f"the budget of {name!r} and of {arm}", name)
        if all(same.any() for same in of_arms.values()):
            losses[name] = {
                arm: float(table["L"][same][0]) for arm, same in of_arms.items()
            }
            matched |= np.any([*of_arms.values()], axis=0)
    return losses, int((~matched).sum())


def _require_one(
    table: "Observations", same: "np.ndarray", what: str, name: str
) -> None:
    """Refuse several runs where one is meant.

    Raises:
        ValueError: naming their rows.
    """
    if same.sum() > 1:
        rows = ", ".join(map(str, table.rows[same]))
        msg = f"{table.source}: rows {rows} are all within 1 % of {what}; choose one with --where, or give --name {name} --loss"
        raise ValueError(msg)


def _print_frozen(forecasts: list[Document], prob: float) -> None:
    from nstar.ledger.tables import NONE
    from nstar.wording import count, flop, numbers, percent

    show.table(
        f"Frozen; loss, median [{percent(prob)} equal-tailed credible interval]",
        [
            "forecast",
            "N (parameters)",
            "D (tokens)",
            "C (FLOP)",
            "a measured run, with run noise",
            "loss of the law",
            "decades beyond the largest run",
            "hash",
        ],
        [
            [
                entry["name"],
                count(entry["N"]),
                count(entry["D"]),
                flop(entry["C"]),
                numbers(entry["measured"], 4),
                numbers(entry["loss"], 4),
                NONE
                if entry["decades_beyond_data"] is None
                else f"{entry['decades_beyond_data']:.1f}",
                entry["hash"][:12],
            ]
            for entry in forecasts
        ],
    )
    for entry in forecasts:
        if entry["status"] == "FAIL":
            show.line(
                f"{entry['name']} is frozen although a check FAILs, and is marked so.",
                bold=True,
            )


def _print_scored(entry: Document, prob: float) -> None:
    from nstar.ledger.tables import error, inside, pit
    from nstar.wording import digits, numbers, percent

    scores = entry["outcome"]
    show.line(
        f"{entry['name']}: loss {digits(scores['loss'], 5)}, forecast on {entry['frozen'][:10]} as {numbers(entry['measured'], 4)} "
        f"(median [{percent(prob)} interval]): {inside(scores['held'])}, median off by {error(scores['error'])}",
        bold=True,
    )
    show.line(
        f"PIT {pit(scores['pit'])} (the probability of a loss at most that), CRPS {digits(scores['crps'], 3)}, "
        f"90% interval score {digits(scores['interval_score']['0.9'], 3)}, log density {digits(scores['log_density'], 3)}, all of log loss"
    )


def _print_scored_choice(entry: Document) -> None:
    from nstar.ledger.tables import losses
    from nstar.wording import digits, flop

    scores, recipe = entry["outcome"], entry["recipe"]
    show.line(
        f"{entry['name']}: {losses(entry)} at {flop(entry['C'])} FLOP: {recipe} was {'better' if scores['better'] else 'no better'}, "
        f"which on {entry['frozen'][:10]} had probability {digits(entry['chance'] if scores['better'] else 1 - entry['chance'], 4)}",
        bold=True,
    )
    show.line(
        f"Brier score {digits(scores['brier'], 3)}, log score {digits(scores['log_score'], 3)}; a chance of one half has 0.25 and 0.693"
    )


def _print_record(document: Document) -> None:
    from nstar.ledger.tables import chances, coverage, means

    counts = document["record"]
    if counts["counted"]:
        show.table("How the project's forecasts have fared", *coverage(document))
        show.line(means(document))
    if sentence := chances(document):
        show.line(sentence)
    kinds = [counts, counts["chances"] or {"counted": 0, "scored": 0}]
    counted, scored = (sum(kind[n] for kind in kinds) for n in ("counted", "scored"))
    show.line(
        f"{counted} counted of {scored} scored; open: {', '.join(counts['open']) or 'none'}"
    )


def head_sentence(file: str, book: "Ledger") -> str:
    """Say the hash by which a ledger's state can be recognised."""
    return (
        f"{file}, {len(book.entries)} entries, last hash {book.head}: note it where others see it; "
        f"nstar ledger {file} --holds {book.head[:12]} then shows that nothing was dropped"
    )
