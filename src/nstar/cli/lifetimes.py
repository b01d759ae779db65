"""The command that trains and samples from one budget: lifetime."""

from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.sampling import numbers
from nstar.cli.source import get_fit, remark


@o.command(
    "nstar lifetime ladder.nc --counts counts.csv --budget 1e24 --problems 1e9 --tokens 500",
    without=("group", "pool"),
)
def lifetime(
    request: o.Request,
    counts: Annotated[
        str,
        typer.Option(
            "--counts",
            metavar="TABLE",
            help="Counts of several models, one row a problem: L (their training loss), samples, successes.",
        ),
    ],
    budget: Annotated[
        float,
        o.budget("FLOP of training and of all samples."),
    ],
    problems: Annotated[
        str,
        typer.Option(
            "--problems", metavar="Q", help="Asked over the lifetime: 1e9, 10B."
        ),
    ],
    tokens: Annotated[
        str, typer.Option("--tokens", metavar="T", help="Generated in a sample.")
    ],
    output: o.Output,
    samples: Annotated[
        str,
        typer.Option(
            "--samples", metavar="K,...", help="Samples of a problem that are tried."
        ),
    ] = "1,4,16,64,256",
) -> None:
    """Choose size, tokens and samples for one lifetime's budget.

    RUNS is a ladder or a fit of a loss surface; --columns and --where are of it.  The
    verifier is taken as perfect: what is compared is pass@k of new problems.
    """
    o.require_positive("--budget", [budget], "1e24")
    sample_counts = [int(k) for k in numbers(samples, "--samples")]

    from nstar.amounts import parse_amount
    from nstar.runs.sources import require_source

    require_source(counts)
    count, length = (
        parse_amount(problems, "--problems"),
        parse_amount(tokens, "--tokens"),
    )
    fitted = get_fit(request, surface=True)
    from nstar.fits.fitting import fit
    from nstar.inference.joint_budgets import joint
    from nstar.laws.repeated_by_size import RepeatedBySize
    from nstar.runs.reading import read_runs
    from nstar.validation.checks import check_fit

    if len(fitted.fit.components) > 1:
        msg = "the loss is of one law here; fit one surface, not an average"
        raise ValueError(msg)
    (loss,) = fitted.fit.components
    remark(f"counts {counts}: populations by training loss")
    counts_fit = fit(read_runs(counts), RepeatedBySize(by="L"), seed=request.seed or 0)
    allocation = joint(
        loss,
        counts_fit,
        budget,
        problems=count,
        tokens=length,
        samples=sample_counts,
        seed=request.seed or 0,
    )
    counts_checks = [
        c._replace(name=f"counts: {c.name}") for c in check_fit(counts_fit)
    ]
    checks = [*allocation.checks(), *check_fit(loss), *counts_checks]
    print_answer(allocation, checks, output, fitted)
