"""Commands on budgets: plan, compare."""

from typing import Annotated

import typer

from nstar.cli import curves
from nstar.cli import options as o
from nstar.cli.answering import print_answer
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
    fitted = get_fit(request)
    from nstar.plans.planning import plan as make_plan
    from nstar.validation.checks import check_fit, check_plan

    answer = make_plan(
        fitted.fit, budget, seed=request.seed, group=request.group, limits=limits
    )
    checks = [*check_fit(fitted.fit), *check_plan(answer), *answer.checks()]
    print_answer(answer, checks, output, fitted, request.group)


@o.command("nstar compare llama3 --published llama3 --budget 3.8e25", panel=o.CHECK)
def compare(
    request: o.Request,
    output: o.Output,
    budget: Annotated[
        list[float] | None,
        o.budget("Training budget in FLOP, as in 3.8e25. Repeatable."),
    ] = None,
    at: Annotated[
        list[str] | None,
        o.point(
            "Where a curve is read, by what the law reads: k=100, C=1e22, N=1e9,P=4. Repeatable."
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
    points = curves.points(at or [])
    if our_compute not in ("training", "forward"):
        msg = f"--our-compute {our_compute}: expected training or forward"
        raise ValueError(msg)
    if bool(budget) == bool(points):
        msg = "say where the two are held against each other: --budget FLOP, or --at with what the law reads, as in --at k=100"
        raise ValueError(msg)
    from nstar.published import fits as registry

    published_fit = registry.get(published)
    fitted = get_fit(request)
    if points or curves.is_curve(fitted.fit):
        curves.print_comparison(
            fitted, published_fit, points or {"C": budget or []}, our_compute, output
        )
        return
    from nstar.validation.checks import check_fit, check_plan
    from nstar.validation.comparison import compare as set_beside

    comparison = set_beside(
        fitted.fit, published_fit, budget or [], group=request.group
    )
    checks = [
        *check_fit(comparison.plan.fit),
        *check_plan(comparison.plan),
        *comparison.checks(),
    ]
    print_answer(comparison, checks, output, fitted, request.group)
