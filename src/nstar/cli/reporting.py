"""The command that makes a page: report."""

import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.forecasting import require_prob
from nstar.cli.reaching import demand_of
from nstar.cli.reporting_curves import (
    PageOptions,
    choose_page,
    write_other_page,
    write_page,
)
from nstar.cli.risking import (
    Candidates,
    Target,
)
from nstar.cli.source import get_fit, read, read_table, remark, use_cache
from nstar.cli.tasking import fit_all
from nstar.progress import progress

if TYPE_CHECKING:
    from nstar.ledger.entries import Ledger
    from nstar.multipliers.comparing import Recipes
    from nstar.plans.actions import Limits
    from nstar.plans.bills import Bill
    from nstar.plans.routes import Routes
    from nstar.report.facts import Facts, Question
    from nstar.report.signature import Signature


@o.command(
    "nstar report llama3 --budget 3.8e25",
    without=("discrepancy", "group", "law", "noise", "pool"),
    panel=o.BEGIN,
)
def report(
    request: o.Request,
    limit_options: o.LimitOptions,
    bill_options: o.BillOptions,
    output: o.Output,
    budget: Annotated[
        list[float] | None,
        o.budget(
            "Training budget in FLOP, as in 3.8e25; of counts, FLOP a problem. Repeatable."
        ),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Published fits to show beside; the usual one unless given. Repeatable.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="NAME,...",
            help="A section on tasks of RUNS: all, or names as in columns acc_NAME.",
        ),
    ] = None,
    candidates: Candidates = None,
    target_loss: Target = None,
    chance: Annotated[
        float,
        o.chance("With which the target loss is to be reached."),
    ] = 0.9,
    serve_tokens: Annotated[
        str | None,
        typer.Option(
            "--serve-tokens",
            metavar="TOKENS",
            help="Served over the model's lifetime, a number or a distribution: 15T, 'LogNormal(30, 0.5)'.",
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="FILE",
            help="The project's ledger of forecasts (`nstar forecast`): what was said, and what came.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Leave out what needs other fits: hold-out, other laws, priors and noises.",
        ),
    ] = False,
    law: Annotated[
        list[str] | None,
        typer.Option(
            "--law",
            metavar="LAW",
            help="Only these routes: isoflop, allocation, coupled. Repeatable. Or a law of an error, an accuracy or a FID, for a page of its curve.",
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        o.point("Where a curve is read: k=100, T=4e3. Repeatable."),
    ] = None,
    value: Annotated[
        float | None,
        typer.Option("--value", metavar="VALUE", help="What a curve is to reach."),
    ] = None,
    our_compute: Annotated[
        str,
        typer.Option(
            "--our-compute",
            metavar="SCOPE",
            help="What a curve's own C counts: training, or forward passes alone.",
        ),
    ] = "training",
    k: Annotated[
        str | None,
        typer.Option(
            "--k",
            metavar="K,...",
            help="Of counts: samples of a problem at which pass@k is told.",
        ),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            metavar="T",
            help="Of counts: tokens of a sample, to say what samples cost.",
        ),
    ] = None,
    accelerators: Annotated[
        float | None,
        typer.Option(
            "--accelerators",
            metavar="K",
            help="How many the run is to have, to say how many days it takes.",
        ),
    ] = None,
    recipes: Annotated[
        str | None,
        typer.Option(
            "--recipes",
            metavar="COLUMN",
            help="The column that names recipes: they are compared (`nstar recipes`), and the page is of the one to choose.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME",
            help="Of --recipes, the one that others are compared with; the first by name unless given.",
        ),
    ] = None,
    author: Annotated[
        str | None,
        typer.Option("--author", metavar="NAME", help="Who answers for the page."),
    ] = None,
    out: o.Out = None,
) -> None:
    """Write a page: what to train, or what samples or compute buy.

    RUNS is a table, a data set or a saved fit.  Counts (samples, successes) have a page
    of inference, a law of an error, an accuracy or a FID one of its curve.  The page needs no network; a JSON file
    beside it holds the same numbers.
    """
    o.require_positive("--budget", budget or [], "3.8e25")
    laws = list(law or ())
    _require_table_of(recipes, baseline, request)
    kind = "budget" if recipes else choose_page(request, laws)
    if kind != "budget":
        options = PageOptions(
            at or [],
            budget or [],
            published or [],
            value,
            chance,
            our_compute,
            k,
            tokens,
            quick,
            output.prob,
            out,
        )
        write_other_page(
            request, kind, laws[0] if laws else None, options, json=output.json
        )
        return
    if not budget:
        msg = "say the training budget, as in --budget 3.8e25"
        raise ValueError(msg)
    page_file = _prepare(request, budget, output.prob, published or (), law or (), out)
    limits = limit_options.limits()
    bill = bill_options.bill()
    question = _question(
        candidates,
        target_loss,
        chance,
        serve_tokens,
        bill,
        limits,
        _read_ledger(ledger, output.prob),
        _signature(author, accelerators, bill),
        quick=quick,
    )
    if recipes:
        request, compared = compare_for_report(request, budget, recipes, baseline)
        question = question._replace(recipes=compared)
    if task is not None:
        question = question._replace(tasks=fit_all(request, task.split(",")))
    from nstar.report.page import page
    from nstar.runs.law_data import TooFew

    try:
        routes, facts = _gather(
            request, budget, law or (), published, output.prob, question
        )
    except TooFew as error:
        _refuse(
            request, page_file, str(error), max(budget), output.prob, json=output.json
        )
        return
    write_page(
        page_file,
        page(routes, facts),
        facts.document,
        facts.checks,
        json=output.json,
        print_details=lambda: _print_routes(facts, output.prob),
        verdict=facts.verdict.headline(output.prob),
    )


def _require_table_of(
    column: str | None, baseline: str | None, request: o.Request
) -> None:
    """Refuse a baseline without recipes, and recipes of a saved fit.

    Raises:
        ValueError: it is either.
    """
    if baseline and not column:
        msg = f"--baseline {baseline}: of which recipes? give the column that names them, as in --recipes recipe"
        raise ValueError(msg)
    if column and request.saved:
        msg = f"--recipes {column}: {request.runs} is a saved fit, of one ladder; give the table of all recipes"
        raise ValueError(msg)


def compare_for_report(
    request: o.Request, budget: list[float], column: str, baseline: str | None
) -> tuple[o.Request, "Recipes"]:
    """Compare the recipes of a table; return the request for the runs of the one to choose.

    Raises:
        ValueError: they cannot be compared.
    """
    from nstar.multipliers import comparing, reading

    table = read_table(request.runs, request, by=column, accept=reading.ACCEPTED)
    # the last budget is the page's, and the first that a comparison speaks of
    compared = comparing.recipes(
        table, column, baseline, budget[::-1], seed=request.seed or 0
    )
    choice = compared.best()
    remark(f"the page is of {choice!r}, the recipe to choose at {budget[-1]:g} FLOP")
    where = [*(request.where or []), f"{column}={choice}"]
    return replace(request, where=where), compared


def _refuse(
    request: o.Request, file: Path, why: str, budget: float, prob: float, *, json: bool
) -> None:
    """Write the page of a ladder too small for any route, and leave with 1."""
    from nstar.files.writing import json_text, write_atomically
    from nstar.report.refusal import checks, page, refusal

    runs, command = read(request), shlex.join(["nstar", *sys.argv[1:]])
    document = refusal(runs, why, budget, command, request.seed or 0, prob)
    write_atomically(file, page(document))
    numbers = write_atomically(file.with_suffix(".json"), json_text(document))
    if json:
        show.as_json(document)
    else:
        show.line(document["headline"], bold=True)
        show.checks(checks(runs, why))
        show.line(f"page {file}, numbers {numbers}")
    show.finish(checks(runs, why))


def _question(
    candidates: list[str] | None,
    target: float | None,
    chance: float,
    served: str | None,
    bill: "Bill | None",
    limits: "Limits",
    ledger: "Ledger | None",
    signature: "Signature",
    *,
    quick: bool,
) -> "Question":
    """Read the options besides the budget, before anything is sampled."""
    if target is not None:
        o.require_positive("--target-loss", [target], "1.9")
    o.require_prob(chance, "--chance")
    from nstar.plans.actions import parse_actions

    actions = parse_actions(candidates or [])
    tokens = None if served is None else demand_of(served, "--serve-tokens")
    from nstar.report.facts import Question

    return Question(
        actions,
        limits,
        target,
        bill,
        chance,
        tokens,
        quick,
        ledger,
        signature,
    )


def _signature(
    author: str | None, accelerators: float | None, bill: "Bill | None"
) -> "Signature":
    """Take down who answers for the page, today's date, and the accelerators of the run."""
    from nstar.report.signature import Signature

    if accelerators is not None:
        o.require_positive("--accelerators", [accelerators], "1024")
        if bill is None:
            msg = f"--accelerators {accelerators:g}: of which kind? give --hardware too, as in --hardware h100"
            raise ValueError(msg)
    today = datetime.now(tz=UTC).date()
    return Signature(author, f"{today.day} {today:%B %Y}", accelerators)


def _read_ledger(file: str | None, prob: float) -> "Ledger | None":
    """Read the ledger of forecasts, where one is named, before anything is sampled."""
    if file is None:
        return None
    require_prob(prob)
    from nstar.ledger.entries import Ledger

    return Ledger.read(file)


def _prepare(
    request: o.Request,
    budget: list[float],
    prob: float,
    published: list[str] | tuple[()],
    laws: list[str] | tuple[()],
    out: str | None,
) -> Path:
    """Refuse options that cannot be met before anything is sampled; return the page's file."""
    o.require_prob(prob)
    o.require_positive("--budget", budget, "3.8e25")
    if request.saved and laws:
        msg = f"--law {laws[0]}: {request.runs} is a saved fit, whose laws are as they are"
        raise ValueError(msg)
    from nstar.files.writing import require_writable

    name = out or f"{Path(request.runs).stem}-report.html"
    file = require_writable(name, ".html", ".htm")
    from nstar.published import fits as registry

    for fit_id in published:
        registry.get(fit_id)
    from nstar.cli.names import require_priors
    from nstar.laws import ROUTE_LAWS

    for law in laws:
        if law not in ROUTE_LAWS:
            msg = (
                f"--law {law}: no route of that name; there are {', '.join(ROUTE_LAWS)}"
            )
            raise ValueError(msg)
    require_priors(request.prior_set, tuple(laws) or ROUTE_LAWS, None)
    return file


def _gather(
    request: o.Request,
    budget: list[float],
    laws: list[str] | tuple[()],
    published: list[str] | None,
    prob: float,
    question: "Question",
) -> tuple["Routes", "Facts"]:
    """Fit or load the routes and gather the facts of the page, with progress on stderr."""
    from nstar.fits.refit_cache import RefitCache, usual_folder
    from nstar.plans.routes import TITLES, routes, routes_of_saved
    from nstar.report.facts import gather

    cache = RefitCache(usual_folder() if request.cache else None)
    command = shlex.join(["nstar", *sys.argv[1:]])
    saved = get_fit(request).fit if request.saved else None
    table = None if request.saved else read(request)
    if request.cache:
        use_cache()
    with progress() as bar:
        bars = {}

        def tick(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = bar(f"sampling: {TITLES.get(name, name)}")
            bars[name](done, total)

        if saved is not None:
            fitted_routes = routes_of_saved(saved, budget, question.limits)
        elif table is not None:
            fitted_routes = routes(
                table,
                budget,
                seed=request.seed or 0,
                only=laws,
                priors=request.prior_set,
                limits=question.limits,
                cache=cache,
                tick=tick,
            )
        return fitted_routes, gather(
            fitted_routes, published or None, prob, command, question, cache, tick
        )


def _print_routes(facts: "Facts", prob: float) -> None:
    """Print every route's optima, and its sentence beside the published fits."""
    from nstar.wording import counts, flop, numbers, percent

    rows = [
        [
            r["route"],
            flop(b["C"]),
            counts(b["N"]),
            counts(b["D"]),
            numbers(b["tokens_per_parameter"]),
            numbers(b["loss"], 4) if b["loss"] else "none in this law",
        ]
        for r in facts.document["routes"]
        for b in r["budgets"]
    ]
    show.table(
        f"Compute-optimal runs; median [{percent(prob)} equal-tailed credible interval] of the law's line",
        [
            "route",
            "budget (FLOP)",
            "N* (parameters)",
            "D* (tokens)",
            "tokens per parameter",
            "loss",
        ],
        rows,
    )
    for law, reason in facts.document["routes_missing"].items():
        show.line(f"no {law} route: {reason}")
    for comparison in facts.document["published"]:
        show.line(comparison["sentence"])
    if facts.recipes:
        show.answer([], facts.recipes.headline(prob), [])
    show.answer([], facts.public.headline(prob), list(facts.public.tables(prob)))
