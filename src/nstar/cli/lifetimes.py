"""The command that trains and samples from one budget: lifetime."""

from typing import Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
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
        typer.Option(
            "--budget",
            "-C",
            metavar="FLOP",
            help="FLOP of training and of all samples.",
        ),
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
    tried = [int(k) for k in numbers(samples, "--samples")]
    from nstar.plans.actions import amount

    asked_of, long = amount(problems, "--problems"), amount(tokens, "--tokens")
    found = get_fit(request, surface=True)
    from nstar.cli import head
    from nstar.fits.fitting import Fit, fit
    from nstar.inference.joint_budgets import check_joint, joint
    from nstar.laws.repeated_by_size import RepeatedBySize
    from nstar.runs.reading import read_runs
    from nstar.validation.checks import check_fit
    from nstar.wording import plainly

    loss = found.fit
    if not isinstance(loss, Fit):
        msg = "the loss is of one law here; fit one surface, not an average"
        raise ValueError(msg)
    remark(f"counts {counts}: populations by training loss")
    solved = fit(read_runs(counts), RepeatedBySize(by="L"), seed=request.seed or 0)
    records = joint(
        loss,
        solved,
        budget,
        problems=asked_of,
        tokens=long,
        samples=tried,
        prob=output.prob,
        seed=request.seed or 0,
    )
    own = [c._replace(name=f"counts: {c.name}") for c in check_fit(solved)]
    checks = plainly([*check_joint(loss, solved, records), *check_fit(loss), *own])
    document: dict[str, Any] = head.head(found, output.prob) | {
        "counts": {
            "data": solved.runs.source,
            "data_sha256": solved.runs.sha256,
            "rows": len(solved.runs),
        },
        "budget": budget,
        "problems": asked_of,
        "tokens": long,
        "choices": records,
        "checks": [c.as_json() for c in checks],
    }
    if output.json:
        show.as_json(document)
    else:
        head.title(found)
        show.checks(checks)
        _print(document, output.prob)
        head.conventions(found)
    show.finish(checks)


def _print(told: dict[str, Any], prob: float) -> None:
    from nstar.wording import count, flop, numbers, percent, share, shares

    best = told["choices"][0]
    show.line(
        f"{flop(told['budget'])} FLOP for training and {count(told['problems'])} problems: {count(best['N'])} parameters on {count(best['D'])} tokens, "
        f"{best['samples']} samples of a problem, which solve {shares(best['pass_at_k'])}.",
        bold=True,
    )
    show.table(
        f"Best size and tokens for each number of samples; median [{percent(prob)} equal-tailed credible interval]",
        [
            "samples",
            "N (parameters)",
            "D (tokens)",
            "training's share",
            "loss",
            "new problems solved",
            "probability of being the best",
        ],
        [
            [
                str(r["samples"]),
                count(r["N"]),
                count(r["D"]),
                share(r["training"]),
                numbers(r["loss"], 4),
                shares(r["pass_at_k"]),
                share(r["best"]),
            ]
            for r in told["choices"]
        ],
    )
