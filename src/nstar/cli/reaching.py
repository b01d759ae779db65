"""Commands on plans that start from a loss or from demand: target, serve."""

from typing import Annotated, Any

import typer

from nstar.cli import curves
from nstar.cli import options as o
from nstar.cli.answering import print_answer
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
        o.point("A curve's other inputs: N=7e9, P=4."),
    ] = None,
    chance: Annotated[
        float,
        o.chance("Probability with which it is to be reached."),
    ] = 0.9,
    up_to: Annotated[
        float | None,
        o.up_to("Look no farther; four decades beyond the runs unless given."),
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
    o.require_prob(chance, "--chance")
    limits = limit_options.limits()
    others = {n: v[0] for n, v in curves.points([at] if at else []).items()}
    fitted = get_fit(request)
    if value is not None:
        curves.print_crossing(fitted, value, chance, up_to, others, output)
        return
    from nstar.plans.targets import reach
    from nstar.validation.checks import check_fit

    reached = reach(
        fitted.fit,
        loss or 0.0,
        chance,
        up_to=up_to,
        limits=limits,
        group=request.group,
    )
    checks = [*reached.checks(), *check_fit(fitted.fit)]
    print_answer(reached, checks, output, fitted, request.group)


@o.command("nstar serve llama3 --budget 3.8e25 --tokens 'Uniform(1e13, 2e13)'")
def serve(
    request: o.Request,
    budget: Annotated[
        float,
        o.budget("Training FLOP whose recommended run sets the quality."),
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
    fitted = get_fit(request)
    from nstar.plans.planning import plan
    from nstar.plans.serving import serve as choose
    from nstar.validation.checks import check_fit, check_plan

    group, seed = request.group, request.seed
    served = choose(fitted.fit, budget, demand, limits=limits, group=group, seed=seed)
    training_plan = plan(fitted.fit, budget, limits=limits, group=group, seed=seed)
    checks = [*check_fit(fitted.fit), *check_plan(training_plan), *served.checks()]
    print_answer(served, checks, output, fitted, request.group)


def demand_of(text: str, option: str) -> Any:
    """Read 15T or a distribution."""
    if "(" in text:
        from nstar.plans.bills import parse_guess

        return parse_guess(text, option)
    from nstar.amounts import parse_amount

    return parse_amount(text, option)
