"""Commands on what a choice risks and what compute takes: risk, cost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import get_fit

if TYPE_CHECKING:
    from nstar.plans.bills import Bill

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
        typer.Option(
            "--budget",
            "-C",
            metavar="FLOP",
            help="Training budget in FLOP, as in 3.8e25.",
        ),
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
    if not 0 < level < 1:
        msg = f"--level {level:g}: expected a probability between 0 and 1, such as 0.9"
        raise ValueError(msg)
    if target_loss is not None:
        o.require_positive("--target-loss", [target_loss], "1.9")
    from nstar.plans.actions import read_all

    named = read_all(candidates or [])
    limits = limit_options.limits()
    bill = bill_options.bill()
    found = get_fit(request)
    from nstar.cli import head
    from nstar.plans.planning import plan as make_plan
    from nstar.plans.weighing import weigh
    from nstar.validation.checks import check_fit, check_plan
    from nstar.wording import plainly

    weighed = weigh(
        found.fit,
        budget,
        named,
        limits=limits,
        target=target_loss,
        level=level,
        bill=bill,
        group=request.group,
        seed=request.seed,
    )
    made = make_plan(
        found.fit, budget, seed=request.seed, group=request.group, limits=limits
    )
    every = [*check_fit(found.fit), *check_plan(made), *weighed.checks()]
    checks = plainly([*dict.fromkeys(every)])
    document = head.head(found, output.prob, request.group) | weighed.as_json(
        output.prob
    )
    document["N"], document["checks"] = (
        made.table(output.prob)[0]["N"],
        [c.as_json() for c in checks],
    )
    if output.json:
        show.as_json(document)
    else:
        head.title(found, request.group)
        show.checks(checks)
        _print(document, output.prob)
        head.conventions(found)
    show.finish(checks)


def _print(document: dict[str, Any], prob: float) -> None:
    from nstar.wording import count, counts, digits, flop, numbers, percent, shares

    first = document["actions"][0]
    show.line(
        f"Least expected loss at {flop(document['budget'])} FLOP: {count(first['N'])} parameters on {count(first['D'])} tokens{show.epochs(first)}. "
        f"N* is {counts(document['N'])}, and yet this run gives away {digits(first['expected_regret'], 2)} of loss on average "
        f"[{digits(first['regret']['lower'], 2)}, {digits(first['regret']['upper'], 2)}]: what knowing the law would be worth.",
        bold=True,
    )
    rows = [
        [
            r["name"],
            count(r["N"]),
            count(r["D"]),
            flop(r["C"]),
            numbers(r["loss"], 4),
            digits(r["expected_regret"], 2),
            shares(r["wasted_share"]),
        ]
        for r in document["actions"]
    ]
    show.table(
        f"Median [{percent(prob)} equal-tailed credible interval of the law, without run noise]",
        ["action", "N", "D", "FLOP", "loss", "expected regret", "compute wasted"],
        rows,
    )
    show.line(
        "Regret is loss given away against each draw's own best run of the budget; compute wasted is the part "
        "of an action's FLOP that the draw's best run would not need for the same loss."
    )
    _print_chances(document)
    if document["bill"]:
        _print_bill(document["actions"], document["bill"], document["currency"], prob)


def _print_chances(document: dict[str, Any]) -> None:
    from nstar.wording import digits, percent, share

    level, target = percent(document["level"]), document["target_loss"]
    header = ["action", f"loss at risk, {level}", f"expected shortfall, {level}"]
    rows = [
        [r["name"], digits(r["value_at_risk"], 4), digits(r["expected_shortfall"], 4)]
        for r in document["actions"]
    ]
    best = [r["best_probability"] for r in document["actions"]]
    if any(chance is not None for chance in best):
        header.append("P(best of these)")
        rows = [
            [*row, "" if p is None else share(p)]
            for row, p in zip(rows, best, strict=True)
        ]
    if target is not None:
        header.append(f"P(loss > {target:g})")
        rows = [
            [*row, share(r["miss_probability"])]
            for row, r in zip(rows, document["actions"], strict=True)
        ]
    show.table("What can go wrong", header, rows)
    show.line(
        f"The loss exceeds its value at risk in one draw of {1 / (1 - document['level']):.3g}; the shortfall is its mean there."
    )


def _print_bill(
    actions: Sequence[dict[str, Any]], words: str, currency: str, prob: float
) -> None:
    from nstar.wording import counts, percent

    priced = actions[0]["cost"] is not None
    header = [
        "action",
        "accelerator-hours",
        *([f"cost ({currency})", f"wasted ({currency})"] if priced else []),
    ]
    rows = [
        [
            r["name"],
            counts(r["hours"]),
            *([counts(r["cost"]), counts(r["wasted_cost"])] if priced else []),
        ]
        for r in actions
    ]
    show.table(
        f"What it takes; median [{percent(prob)} equal-tailed interval]", header, rows
    )
    show.line(words)


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
    from nstar.costs.transformers import conventions, of_catalogue
    from nstar.plans.actions import Action, amount, read
    from nstar.published import models
    from nstar.runs.notices import few_tokens

    run: Action = read(model)
    D = amount(tokens, "--tokens") if tokens else run.D
    if D is None:
        msg = f"{model}: how many tokens? give --tokens, as in --tokens 15.6T"
        raise ValueError(msg)
    bill = bill_options.bill()
    known = models.get(model) if model in models.names() else None
    shape = of_catalogue(known.architecture) if known else None
    each = conventions(shape, context) if shape else {"6ND": 6.0 * run.N}
    document: dict[str, Any] = {
        "model": run.name,
        "N": run.N,
        "D": D,
        "context": context,
        "prob": output.prob,
        "interval": "equal-tailed",
        "flop": {name: per * D for name, per in each.items()},
        "parts": {n: v * D for n, v in shape.flop_per_token(context).items()}
        if shape
        else None,
        "bill": bill.words() if bill else None,
        "currency": bill.currency if bill else None,
        "takes": None,
        "published_hours": known.gpu_hours if known else None,
    }
    checks = few_tokens(D / run.N, "run", "Say them as in --tokens 15.6T")
    document["checks"] = [c.as_json() for c in checks]
    if bill:
        document["takes"] = {
            n: taken(bill, C, output.prob) for n, C in document["flop"].items()
        }
    if output.json:
        show.as_json(document)
    else:
        if checks:
            show.checks(checks)
        _print_cost(document, output.prob)


def taken(bill: "Bill", C: float, prob: float) -> dict[str, Any]:
    """Intervals of hours and money of a number of FLOP."""
    import numpy as np

    from nstar.intervals import interval

    billed = bill.of(np.full(4000, C))
    money = None if billed.money is None else interval(billed.money, prob).as_json()
    return {"hours": interval(billed.hours, prob).as_json(), "cost": money}


def _print_cost(document: dict[str, Any], prob: float) -> None:
    from nstar.wording import count, counts, flop, percent, share

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
            rows = [[*row, counts(takes[row[0]]["cost"])] for row in rows]
    show.table(
        f"Median [{percent(prob)} equal-tailed interval of utilisation, goodput and price]",
        header,
        rows,
    )
    if document["parts"]:
        whole = sum(document["parts"].values())
        said = ", ".join(
            f"{n} {share(v / whole)}" for n, v in document["parts"].items()
        )
        show.line(
            f"Of the exact count at {document['context']} tokens of context: {said}. Forwards 2 and backwards 4 FLOP a weight and token."
        )
    if document["published_hours"]:
        show.line(
            f"Published: {count(document['published_hours'], 4)} accelerator-hours"
        )
    if document["bill"]:
        show.line(document["bill"])
