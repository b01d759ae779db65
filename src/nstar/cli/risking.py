"""Commands on the risk of a choice and the cost of compute: risk, cost."""

from typing import Annotated

import typer

from nstar.answers import Document
from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit

Candidates = Annotated[
    list[str] | None,
    typer.Option(
        "--candidates",
        metavar="RUNS",
        help="Runs to weigh: 8B,70B,405B@15.6T, NAME=N@D, or a model of `nstar models`; what the budget buys where no tokens are said. Repeatable.",
    ),
]
Target = Annotated[
    float | None,
    typer.Option(
        "--target-loss",
        metavar="LOSS",
        help="A loss whose probability of being missed is asked.",
    ),
]


@o.command(
    "nstar risk llama3 --budget 3.8e25 --candidates 8B,70B,405B --hardware h100 --price 2.5"
)
def risk(
    request: o.Request,
    budget: Annotated[
        float,
        o.budget("Training budget in FLOP, as in 3.8e25."),
    ],
    limit_options: o.LimitOptions,
    bill_options: o.BillOptions,
    output: o.Output,
    candidates: Candidates = None,
    target_loss: Target = None,
    level: Annotated[
        float,
        typer.Option(
            "--level", metavar="PROB", help="Of value at risk and expected shortfall."
        ),
    ] = 0.9,
) -> None:
    """Weigh what a budget could buy: regret, waste and chances.

    Every action is read under every draw, in loss, in compute and, with --hardware and
    --price, in money.
    """
    o.require_positive("--budget", [budget], "3.8e25")
    o.require_prob(level, "--level")
    if target_loss is not None:
        o.require_positive("--target-loss", [target_loss], "1.9")
    from nstar.plans.actions import parse_actions

    named = parse_actions(candidates or [])
    limits = limit_options.limits()
    bill = bill_options.bill()
    fitted = get_fit(request)
    from nstar.plans.planning import plan
    from nstar.plans.weighing import weigh
    from nstar.validation.checks import check_fit, check_plan

    group, seed = request.group, request.seed
    answer = weigh(
        fitted.fit,
        budget,
        named,
        limits=limits,
        target=target_loss,
        level=level,
        bill=bill,
        group=group,
        seed=seed,
    )
    training_plan = plan(fitted.fit, budget, seed=seed, group=group, limits=limits)
    checks = [*check_fit(fitted.fit), *check_plan(training_plan), *answer.checks()]
    print_answer(answer, checks, output, fitted, group)


@o.command("nstar cost llama3-405b --tokens 15.6T --hardware h100 --price 2.5")
def cost(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model of `nstar models`, or a size such as 8B."
        ),
    ],
    bill_options: o.BillOptions,
    output: o.Output,
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            metavar="D",
            help="Training tokens: 15.6T; the model's own unless given.",
        ),
    ] = None,
    context: Annotated[
        int,
        typer.Option(
            "--context", metavar="TOKENS", help="Of a sequence, for exact counts."
        ),
    ] = 8192,
) -> None:
    """Say what a run takes: FLOP by every convention, hours, money."""
    o.require_positive("--context", [context], "8192")
    from nstar.amounts import parse_amount
    from nstar.costs.transformers import conventions, of_catalogue
    from nstar.plans.actions import Action, parse_action
    from nstar.published import models
    from nstar.runs.notices import few_tokens

    run: Action = parse_action(model)
    D = parse_amount(tokens, "--tokens") if tokens else run.D
    if D is None:
        msg = f"{model}: how many tokens? give --tokens, as in --tokens 15.6T"
        raise ValueError(msg)
    bill = bill_options.bill()
    catalogued = models.get(model) if model in models.names() else None
    shape = of_catalogue(catalogued.architecture) if catalogued else None
    flop_per_token = conventions(shape, context) if shape else {"6ND": 6.0 * run.N}
    document: Document = {
        "model": run.name,
        "N": run.N,
        "D": D,
        "context": context,
        "prob": output.prob,
        "interval": "equal-tailed",
        "flop": {name: per * D for name, per in flop_per_token.items()},
        "parts": {n: v * D for n, v in shape.flop_per_token(context).items()}
        if shape
        else None,
        "bill": bill.describe() if bill else None,
        "currency": bill.currency if bill else None,
        "takes": None,
        "published_hours": catalogued.gpu_hours if catalogued else None,
    }
    checks = few_tokens(D / run.N, "run", "Say them as in --tokens 15.6T")
    document["checks"] = [c.as_json() for c in checks]
    if bill:
        document["takes"] = {
            n: bill.intervals(C, output.prob) for n, C in document["flop"].items()
        }
    if output.json:
        show.as_json(document)
    else:
        if checks:
            show.checks(checks)
        _print_cost(document, output.prob)


def _print_cost(document: Document, prob: float) -> None:
    from nstar.wording import count, counts, flop, money, percent, share

    show.line(
        f"{document['model']}: {count(document['N'], 4)} parameters on {count(document['D'])} tokens",
        bold=True,
    )
    header = ["convention", "training FLOP"]
    rows = [[name, flop(C)] for name, C in document["flop"].items()]
    if takes := document["takes"]:
        header.append("accelerator-hours")
        rows = [[*row, counts(takes[row[0]]["hours"])] for row in rows]
        if takes[rows[0][0]]["cost"]:
            header.append(f"cost ({document['currency']})")
            rows = [[*row, money(takes[row[0]]["cost"])] for row in rows]
    show.table(
        f"Median [{percent(prob)} equal-tailed interval of utilisation, goodput and price]",
        header,
        rows,
    )
    if document["parts"]:
        total = sum(document["parts"].values())
        parts_text = ", ".join(
            f"{n} {share(v / total)}" for n, v in document["parts"].items()
        )
        show.line(
            f"Of the exact count at {document['context']} tokens of context: {parts_text}. Forwards 2 and backwards 4 FLOP a weight and token."
        )
    if document["published_hours"]:
        show.line(
            f"Published: {count(document['published_hours'], 4)} accelerator-hours"
        )
    if document["bill"]:
        show.line(document["bill"])
