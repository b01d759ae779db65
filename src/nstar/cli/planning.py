"""Commands on budgets: plan, compare."""

from typing import Annotated, Any

import typer

from nstar.cli import curves, show
from nstar.cli import options as o
from nstar.cli.source import get_fit


@o.command("nstar plan llama3 --law isoflop --budget 1e24 --budget 3.8e25")
def plan(
    request: o.Request,
    budget: o.Budgets,
    limit_options: o.LimitOptions,
    output: o.Output,
) -> None:
    """Say what to train with a budget, with intervals."""
    o.require_positive("--budget", budget, "3.8e25")
    limits = limit_options.limits()
    found = get_fit(request)
    from nstar.cli import head
    from nstar.plans.planning import plan as make_plan
    from nstar.validation.checks import check_fit, check_plan
    from nstar.wording import plainly

    made = make_plan(
        found.fit, budget, seed=request.seed, group=request.group, limits=limits
    )
    checks = plainly([*check_fit(found.fit), *check_plan(made), *made.checks()])
    budgets, exponents = made.table(output.prob), made.exponents(output.prob)
    if output.json:
        show.as_json(
            head.head(found, output.prob, request.group)
            | {
                "budgets": budgets,
                "exponents": exponents,
                "exponents_over": made.slope_over,
                "coefficients": made.coefficients(output.prob),
                "limits": limits.as_json(),
                "checks": [c.as_json() for c in checks],
            }
        )
    else:
        head.title(found, request.group)
        show.checks(checks)
        _print_plan(budgets, exponents, output.prob, made.slope_over)
        if limits.as_json():
            _print_limited(budgets)
        head.conventions(found)
    show.finish(checks)


def _print_plan(
    budgets: list[dict[str, Any]],
    exponents: dict[str, Any],
    prob: float,
    over: tuple[float, float] | None,
) -> None:
    from nstar.wording import counts, flop, numbers, percent

    rows = [
        [
            flop(r["C"]),
            counts(r["N"]),
            counts(r["D"]),
            numbers(r["tokens_per_parameter"]),
            numbers(r["loss"], 4) if r["loss"] else "none in this law",
            numbers(r["regret"], 2) if r["regret"] else "none in this law",
        ]
        for r in budgets
    ]
    show.table(
        f"Compute-optimal runs; median [{percent(prob)} equal-tailed credible interval] of the law's line",
        [
            "budget (FLOP)",
            "N* (parameters)",
            "D* (tokens)",
            "tokens per parameter",
            "loss of the recommended run",
            "regret",
        ],
        rows,
    )
    if any(r["regret"] for r in budgets):
        show.line(
            "The recommended run is that of least expected loss; regret is the loss it gives "
            "away, draw by draw, to the run that would have been best."
        )
    for r in budgets:
        if r["N_law"]:
            show.line(
                f"At {flop(r['C'])} FLOP the law without its discrepancy has N* "
                f"{counts(r['N_law'])} and D* {counts(r['D_law'])}."
            )
    said = f"N* grows as C to the {numbers(exponents['N'])}, D* as C to the {numbers(exponents['D'])}"
    if over:
        said += f" between {flop(over[0])} and {flop(over[1])} FLOP"
    show.line(said)
    for r in budgets:
        if r["slope_beyond"]:
            show.line(
                f"From the largest run to {flop(r['C'])} FLOP N* grows as C to the "
                f"{numbers(r['slope_beyond'])}: beyond the runs the law bends as its prior lets it."
            )


def _print_limited(budgets: list[dict[str, Any]]) -> None:
    """Say the runs that the limits allow; N* and D* obey none but the supply."""
    from nstar.wording import count, digits, flop, numbers

    for r in budgets:
        run, cost = r["recommended"], r["limits_cost"]
        said = f"At {flop(r['C'])} FLOP within the limits: {count(run['N'])} parameters on {count(run['D'])} tokens{show.epochs(run)}, loss {numbers(r['loss'], 4)}"
        said += (
            f"; the limits cost {digits(cost, 2)} of expected loss"
            if cost is not None
            else ""
        )
        show.line(said + ".", bold=True)


@o.command("nstar compare llama3 --published llama3 --budget 3.8e25")
def compare(
    request: o.Request,
    output: o.Output,
    budget: Annotated[
        list[float] | None,
        typer.Option(
            "--budget",
            "-C",
            metavar="FLOP",
            help="Training budget in FLOP, as in 3.8e25. Repeatable.",
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            metavar="NAME=X",
            help="Where a curve is read, by what the law reads: k=100, C=1e22, N=1e9,P=4. Repeatable.",
        ),
    ] = None,
    our_compute: Annotated[
        str,
        typer.Option(
            "--our-compute",
            metavar="SCOPE",
            help="What a curve's own C counts: training, or forward passes alone.",
        ),
    ] = "training",
    published: Annotated[
        str,
        typer.Option(
            metavar="ID", help="A published fit; `nstar published` lists them."
        ),
    ] = "llama3",
) -> None:
    """Hold a posterior, or a curve, beside a published fit."""
    o.require_positive("--budget", budget or [], "3.8e25")
    named = curves.points(at or [])
    if our_compute not in ("training", "forward"):
        msg = f"--our-compute {our_compute}: expected training or forward"
        raise ValueError(msg)
    if bool(budget) == bool(named):
        msg = "say where the two are held against each other: --budget FLOP, or --at with what the law reads, as in --at k=100"
        raise ValueError(msg)
    from nstar.published import fits as registry

    theirs = registry.get(published)
    found = get_fit(request)
    if named or curves.is_one(found.fit):
        curves.compared(
            found,
            theirs,
            named or {"C": budget or []},
            output.prob,
            our_compute,
            json=output.json,
        )
        return
    from nstar.cli import head
    from nstar.validation.checks import check_fit, check_plan
    from nstar.validation.comparison import compare as hold
    from nstar.wording import plain, plainly

    held = hold(found.fit, theirs, budget or [], group=request.group)
    checks = plainly(
        [*check_fit(held.plan.fit), *check_plan(held.plan), *held.checks()]
    )
    document: dict[str, Any] = head.head(found, output.prob, request.group) | {
        "published": {
            "id": theirs.id,
            "law_form": theirs.law_form,
            "citation": theirs.citation,
            "params_counted": theirs.params_counted,
            "printed": theirs.printed,
        },
        "budgets": held.table(output.prob),
        "exponents": held.exponents(output.prob),
        "exponents_over": held.plan.slope_over,
        "sentence": plain(held.sentence(output.prob)),
        "checks": [c.as_json() for c in checks],
    }
    if output.json:
        show.as_json(document)
    else:
        show.line(document["sentence"], bold=True)
        head.title(found, request.group)
        show.checks(checks)
        _print_beside(document, output.prob)
        head.conventions(found)
    show.finish(checks)


def _print_beside(document: dict[str, Any], prob: float) -> None:
    from nstar.wording import beside, count, flop, percent

    theirs = document["published"]
    show.table(
        f"Ours beside {theirs['id']}; median [{percent(prob)} equal-tailed credible interval]",
        [
            "budget (FLOP)",
            "quantity",
            "ours",
            "theirs",
            "ours / theirs",
            "credible level of theirs",
        ],
        beside(document["budgets"], document["exponents"], document["exponents_over"]),
    )
    show.line(
        "The credible level is the probability of the smallest of our intervals that holds "
        "their value: near 0 it lies in our middle, near 1 far out."
    )
    show.line(f"Theirs: {theirs['law_form']}, {theirs['citation']}")
    for printed in theirs["printed"]:
        show.line(
            f"The source itself prints, for {flop(printed['C'])} FLOP: {count(printed['N'], 4)} "
            f"parameters on {count(printed['D'], 4)} tokens. {printed.get('note', '')}"
        )
