"""Commands on plans that start elsewhere than at a budget: target, serve."""

from typing import Annotated, Any

import typer

from nstar.cli import curves, show
from nstar.cli import options as o
from nstar.cli.source import get_fit


@o.command("nstar target llama3 --loss 0.65 --chance 0.8")
def target(
    request: o.Request,
    limit_options: o.LimitOptions,
    output: o.Output,
    loss: Annotated[
        float | None, typer.Option("--loss", metavar="LOSS", help="The loss to reach.")
    ] = None,
    value: Annotated[
        float | None,
        typer.Option(
            "--value",
            metavar="VALUE",
            help="What a curve is to reach, in place of a loss: an error, an accuracy, a FID.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="NAME=X", help="A curve's other inputs: N=7e9, P=4."
        ),
    ] = None,
    chance: Annotated[
        float,
        typer.Option(
            "--chance",
            metavar="PROB",
            help="Probability with which it is to be reached.",
        ),
    ] = 0.9,
    up_to: Annotated[
        float | None,
        typer.Option(
            "--up-to",
            metavar="FLOP",
            help="Look no farther; four decades beyond the runs unless given.",
        ),
    ] = None,
) -> None:
    """Say the cheapest budget that reaches a loss or another value.

    It is the recommended run that reaches a loss, not each draw's own best; an error, an
    accuracy or a FID is the law's.
    """
    if (loss is None) == (value is None):
        msg = "say what is to be reached: --loss 1.9, or --value 0.15 where the law predicts an error, an accuracy or a FID"
        raise ValueError(msg)
    o.require_positive(
        "--loss" if value is None else "--value", [loss or value or 0.0], "1.9"
    )
    o.require_positive("--up-to", [up_to] if up_to is not None else [], "1e26")
    if not 0 < chance < 1:
        msg = (
            f"--chance {chance:g}: expected a probability between 0 and 1, such as 0.9"
        )
        raise ValueError(msg)
    limits = limit_options.limits()
    held = {n: v[0] for n, v in curves.points([at] if at else []).items()}
    found = get_fit(request)
    if value is not None:
        curves.met(found, value, chance, up_to, held, output.prob, json=output.json)
        return
    from nstar.cli import head
    from nstar.plans.targets import reach
    from nstar.validation.checks import check_fit
    from nstar.wording import plainly

    reached = reach(
        found.fit, loss or 0.0, chance, up_to=up_to, limits=limits, group=request.group
    )
    checks = plainly([*reached.checks(), *check_fit(found.fit)])
    document = head.head(found, output.prob, request.group) | reached.as_json(
        output.prob
    )
    document["checks"] = [c.as_json() for c in checks]
    if output.json:
        show.as_json(document)
    else:
        head.title(found, request.group)
        show.checks(checks)
        _print_target(document, output.prob)
        head.conventions(found)
    show.finish(checks)


def _print_target(told: dict[str, Any], prob: float) -> None:
    from nstar.wording import count, flop, percent, share

    chance = percent(told["chance"])
    if told["budget"] is None:
        show.line(
            f"No budget up to {flop(told['up_to'])} FLOP reaches loss {told['target']:g} with probability {chance}: "
            f"the chance there is {share(told['reached'])}, and with probability {share(told['below_floor'])} no run ever does.",
            bold=True,
        )
    else:
        show.line(
            f"Loss {told['target']:g} with probability {chance}: {flop(told['budget'])} FLOP, "
            f"{count(told['N'])} parameters on {count(told['D'])} tokens{show.epochs(told)}.",
            bold=True,
        )
    rows = [
        [
            name,
            *(
                flop(told[key][n]) if told[key][n] else f"beyond {flop(told['up_to'])}"
                for n in ("lower", "median", "upper")
            ),
        ]
        for name, key in (
            ("the recommended run", "crossing"),
            ("each draw's own best run", "crossing_oracle"),
        )
    ]
    tail = (1 - prob) / 2
    show.table(
        f"FLOP at which loss {told['target']:g} is first reached, quantiles of the law, without run noise",
        ["by", percent(round(tail, 6)), "50%", percent(round(1 - tail, 6))],
        rows,
    )
    if told["repaired"]:
        show.line(
            f"In {share(told['repaired'])} of draws the loss rises somewhere with the budget; there it is held where it was."
        )


@o.command("nstar serve llama3 --budget 3.8e25 --tokens 'Uniform(1e13, 2e13)'")
def serve(
    request: o.Request,
    budget: Annotated[
        float,
        typer.Option(
            "--budget",
            "-C",
            metavar="FLOP",
            help="Training FLOP whose recommended run sets the quality.",
        ),
    ],
    tokens: Annotated[
        str,
        typer.Option(
            "--tokens",
            metavar="T",
            help="Tokens served over the lifetime, a number or a distribution: 15T, 'Uniform(1e13, 2e13)'.",
        ),
    ],
    limit_options: o.LimitOptions,
    output: o.Output,
) -> None:
    """Choose size and tokens for training and serving together.

    Of all runs with the expected loss that the budget would buy, the one of least
    compute over training and the lifetime's demand.
    """
    o.require_positive("--budget", [budget], "3.8e25")
    demand = demand_of(tokens, "--tokens")
    limits = limit_options.limits()
    found = get_fit(request)
    from nstar.cli import head
    from nstar.plans.planning import plan
    from nstar.plans.serving import serve as make
    from nstar.validation.checks import check_fit, check_plan
    from nstar.wording import plainly

    made = make(
        found.fit, budget, demand, limits=limits, group=request.group, seed=request.seed
    )
    alone = plan(
        found.fit, budget, group=request.group, seed=request.seed, limits=limits
    )
    every = [*check_fit(found.fit), *check_plan(alone), *made.checks()]
    checks = plainly([*dict.fromkeys(every)])
    document = head.head(found, output.prob, request.group) | made.as_json(output.prob)
    document["checks"] = [c.as_json() for c in checks]
    if output.json:
        show.as_json(document)
    else:
        head.title(found, request.group)
        show.checks(checks)
        _print_served(document, output.prob)
        head.conventions(found)
    show.finish(checks)


def demand_of(text: str, option: str) -> Any:
    """Read 15T or a distribution."""
    if "(" in text:
        from nstar.plans.bills import guess

        return guess(text, option)
    from nstar.plans.actions import amount

    return amount(text, option)


def _print_served(told: dict[str, Any], prob: float) -> None:
    from nstar.wording import count, digits, flop, numbers, percent, share

    after = told["lifetime"]
    show.line(
        f"Serving {count(told['expected_served_tokens'])} tokens: train {count(after['N'])} parameters on {count(after['D'])} tokens{show.epochs(after)}, "
        f"which saves {share(told['expected_saved'])} of the lifetime's compute at the same expected loss.",
        bold=True,
    )
    rows = [
        [
            name,
            count(r["N"]),
            count(r["D"]),
            flop(r["training"]),
            *(_flops(r[n]) for n in ("serving", "lifetime")),
            numbers(r["loss"], 4),
        ]
        for name, r in (("training alone", told["training_alone"]), ("lifetime", after))
    ]
    show.table(
        f"Median [{percent(prob)} equal-tailed interval of demand and law]",
        [
            "choice for",
            "N",
            "D",
            "training FLOP",
            "serving FLOP",
            "lifetime FLOP",
            "loss",
        ],
        rows,
    )
    gap = told["loss_given_up"]
    show.line(
        f"The two are as good in expectation; draw by draw the lifetime choice is worse by {digits(gap['median'], 2)} "
        f"[{digits(gap['lower'], 2)}, {digits(gap['upper'], 2)}] of loss. Serving is counted as 2 FLOP a parameter and token."
    )


def _flops(interval: dict[str, float]) -> str:
    from nstar.wording import flop

    return f"{flop(interval['median'])} [{flop(interval['lower'])}, {flop(interval['upper'])}]"
