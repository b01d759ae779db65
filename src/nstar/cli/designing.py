"""The command on which runs to make first: next."""

from typing import TYPE_CHECKING, Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit

if TYPE_CHECKING:
    from nstar.design.candidates import Candidates
    from nstar.fits.mixture import Posterior

BY = ("regret", "variance", "entropy")


@o.command(
    "nstar next llama3 --target 3.8e25 --pilot-budget 1e23 --sweep sweep.csv",
    without=("group", "pool"),
)
def next(
    request: o.Request,
    target: Annotated[
        float,
        typer.Option(
            "--target",
            metavar="FLOP",
            help="The budget of the large run, in FLOP, as in 3.8e25.",
        ),
    ],
    pilot_budget: Annotated[
        float,
        typer.Option(
            "--pilot-budget",
            metavar="FLOP",
            help="FLOP of all the runs to be made first.",
        ),
    ],
    limit_options: o.LimitOptions,
    bill_options: o.BillOptions,
    output: o.Output,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            metavar="FILE",
            help="A table of runs that can be made, with the runs' columns N, D or C and what else the law reads; those of one value of the column `profile` are made together.",
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", metavar="N,...", help="Sizes available: 100M,300M,1B."),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens", metavar="D,...", help="Tokens available: 10B,30B,100B."
        ),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile", help="Weigh whole isoFLOP profiles in place of single runs."
        ),
    ] = False,
    parallel: Annotated[
        int,
        typer.Option(
            "--parallel",
            metavar="COUNT",
            min=1,
            help="Runs, or profiles, that are made at once before the law is fitted again.",
        ),
    ] = 1,
    most: Annotated[
        int,
        typer.Option(
            "--most", metavar="COUNT", min=1, help="Runs, or profiles, in all."
        ),
    ] = 12,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="What runs are to lower for their cost: regret of the choice of size, variance of the large run's loss, or entropy of log N*.",
        ),
    ] = "regret",
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Draw where the runs lie (.svg, .png, .pdf).",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep", metavar="FILE", help="Write the runs to be made (.csv or .toml)."
        ),
    ] = None,
) -> None:
    """Choose the runs to make before a large one.

    A run is worth what it lowers: the expected regret of choosing the large run's size, in
    FLOP that would save as much loss, beside the spread of its loss and of N*.  Says
    when to stop.
    """
    o.require_positive("--target", [target], "3.8e25")
    o.require_positive("--pilot-budget", [pilot_budget], "1e22")
    if by not in BY:
        msg = f"--by {by}: expected one of {', '.join(BY)}"
        raise ValueError(msg)
    if candidates and (sizes or tokens or profile):
        msg = "--candidates names the runs themselves: leave out --sizes, --tokens and --profile"
        raise ValueError(msg)
    if profile and tokens:
        msg = "--tokens: a profile's tokens follow from its budget and sizes; leave them out with --profile"
        raise ValueError(msg)
    from nstar.design.sweep import KINDS
    from nstar.files.writing import require_writable

    if sweep:
        require_writable(sweep, *KINDS, option="--sweep")
    kind = o.figure_kind(figure)
    available = amounts(sizes, "--sizes"), amounts(tokens, "--tokens")
    limits = limit_options.limits()
    bill = bill_options.bill()
    fitted = get_fit(request, surface=True)
    from nstar.design.piloting import next_runs
    from nstar.design.sweep import write_sweep
    from nstar.validation.checks import check_fit

    fit = fitted.fit
    chosen = next_runs(
        fit,
        target,
        pilot_budget,
        _candidates(
            fit,
            pilot_budget,
            candidates,
            available,
            profile=profile,
            columns=request.columns,
        ),
        by=by,
        parallel=parallel,
        most=most,
        limits=limits,
        seed=fit.seed if request.seed is None else request.seed,
        bill=bill,
    )
    if sweep:
        write_sweep(sweep, chosen.as_json(output.prob)["sweep"])
    if figure:
        from nstar.files.writing import write_atomically
        from nstar.report.next_runs_figure import figure as draw

        write_atomically(figure, draw(chosen, kind))
    print_answer(chosen, [*check_fit(fit), *chosen.checks()], output, fitted)


def amounts(text: str | None, option: str) -> list[float]:
    """Read 100M,1B,7B.

    Raises:
        ValueError: one of them is no positive number.
    """
    from nstar.amounts import parse_amount, split_amounts

    return [parse_amount(part, option) for part in split_amounts(text or "", option)]


def _candidates(
    fit: "Posterior",
    pilot: float,
    file: str | None,
    available: tuple[list[float], list[float]],
    *,
    profile: bool,
    columns: str | None,
) -> "Candidates | None":
    """Read or build the candidates; None for the default grid."""
    from nstar.design import candidates

    sizes, tokens = available
    if file:
        named = o.columns(columns)
        column_names = {ours: theirs for ours, theirs in named.items() if ours != "L"}
        return candidates.read_candidates(file, fit.runs.cost, column_names)
    if profile:
        return candidates.profile_candidates(fit, pilot, sizes)
    return (
        candidates.grid_candidates(fit, pilot, sizes, tokens)
        if sizes or tokens
        else None
    )
