"""The command on which runs to make first: next."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.risking import taken
from nstar.cli.source import get_fit

if TYPE_CHECKING:
    from nstar.design.candidates import Candidates
    from nstar.fits.mixture import Posterior

BY = {"regret": "saved", "variance": "variance", "entropy": "nats"}


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
            help="What each run is to lower per FLOP: regret of the choice of size, variance of the large run's loss, or entropy of log N*.",
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
    kind = (
        require_writable(figure, ".svg", ".png", ".pdf", option="--figure").suffix[1:]
        if figure
        else ""
    )
    available = amounts(sizes, "--sizes"), amounts(tokens, "--tokens")
    limits = limit_options.limits()
    bill = bill_options.bill()
    found = get_fit(request, surface=True)
    from nstar.cli import head
    from nstar.design.piloting import next_runs
    from nstar.design.sweep import rows_of, write
    from nstar.validation.checks import check_fit
    from nstar.wording import plainly

    there = _there(
        found.fit,
        pilot_budget,
        candidates,
        available,
        profile=profile,
        columns=request.columns,
    )
    chosen = next_runs(
        found.fit,
        target,
        pilot_budget,
        there,
        by=BY[by],
        parallel=parallel,
        most=most,
        limits=limits,
        seed=found.fit.seed if request.seed is None else request.seed,
    )
    checks = plainly([*check_fit(found.fit), *chosen.checks()])
    document = head.head(found, output.prob) | chosen.as_json(output.prob)
    document["by"], document["sweep"] = by, rows_of(document["steps"])
    document |= {
        "bill": bill.words() if bill else None,
        "currency": bill.currency if bill else None,
    }
    for step in document["steps"]:
        step["takes"] = taken(bill, step["C"], output.prob) if bill else None
        step["worth_takes"] = (
            taken(bill, step["worth"], output.prob) if bill and step["worth"] else None
        )
    document["checks"] = [c.as_json() for c in checks]
    if sweep:
        write(sweep, document["sweep"])
    if figure:
        from nstar.files.writing import write_whole
        from nstar.report.next_figure import figure as drawn

        write_whole(figure, drawn(chosen, kind))
    if output.json:
        show.as_json(document)
    else:
        head.title(found)
        show.checks(checks)
        _print(document, output.prob)
        head.conventions(found)
    show.finish(checks)


def amounts(text: str | None, option: str) -> list[float]:
    """Read 100M,1B,7B.

    Raises:
        ValueError: one of them is no positive number.
    """
    from nstar.plans.actions import amount

    return [amount(part, option) for part in (text or "").split(",") if part.strip()]


def _there(
    fit: "Posterior",
    pilot: float,
    file: str | None,
    available: tuple[list[float], list[float]],
    *,
    profile: bool,
    columns: str | None,
) -> "Candidates | None":
    """The candidates as they were asked for; none for the usual ones."""
    from nstar.design import candidates

    sizes, tokens = available
    if file:
        parts = [part for part in (columns or "").split(",") if part]
        named = o.pairs(parts, "--columns", "N=params,D=tokens,L=loss")
        kept = {ours: theirs for ours, theirs in named.items() if ours != "L"}
        return candidates.read(file, fit.runs.cost, kept)
    if profile:
        return candidates.profiles(fit, pilot, sizes)
    return candidates.grid(fit, pilot, sizes, tokens) if sizes or tokens else None


def _print(document: dict[str, Any], prob: float) -> None:
    from nstar.design.sweep import as_csv
    from nstar.wording import count, digits, flop, numbers, percent

    had, steps, action = document["before"], document["steps"], document["action"]
    left = steps[-1] if steps else None
    if action:
        after = (
            f"; after {len(steps)} steps of {flop(document['spent'])} FLOP {digits(left['regret_left'], 2)} on average"
            if left
            else ""
        )
        show.line(
            f"At {flop(document['target'])} FLOP the run of least expected loss has {count(action['N'])} parameters on {count(action['D'])} tokens. "
            f"Its expected regret is {digits(had['regret'], 2)} of loss{after}.",
            bold=True,
        )
    rows = [
        [
            str(s["step"]),
            str(s["round"]),
            _runs(s["runs"]),
            flop(s["C"]),
            *(
                [numbers(s["runs"][0]["expected"], 4)]
                if len(s["runs"]) == 1 and s["runs"][0]["expected"]
                else ["–"]
            ),
            digits(s["saved"], 2),
            "–" if s["worth"] is None else flop(s["worth"]),
            _ratio(s["worth_per_cost"]),
            digits(s["sd_left"], 2),
            f"{s['log_N_sd_left']:.3f}",
            *_money(s),
        ]
        for s in steps
    ]
    header = [
        "step",
        "round",
        "runs (N on D)",
        "FLOP it costs",
        "loss it would measure",
        "loss it saves",
        "worth (FLOP)",
        "worth / cost",
        "sd of loss left",
        "sd of log N* left",
    ]
    if steps and steps[0]["takes"]:
        header += ["accelerator-hours"] + (
            [f"cost ({document['currency']})", f"worth ({document['currency']})"]
            if steps[0]["takes"]["cost"]
            else []
        )
    show.table(
        f"{document['candidates']} candidates; each step given those before it; intervals are {percent(prob)} equal-tailed, with run noise",
        header,
        rows,
    )
    show.line(
        f"Before them the loss of the large run has sd {digits(had['sd'], 2)} and log N* {had['log_N_sd']:.3f}: the law's, without run noise."
    )
    show.line(_stopping(document))
    if document["bill"]:
        show.line(document["bill"])
    show.line("The sweep:")
    for line in as_csv(document["sweep"]).splitlines():
        show.line(line)


def _stopping(document: dict[str, Any]) -> str:
    steps, stop = len(document["steps"]), document["stop_after"]
    if not document["action"]:
        return (
            "The law has no loss, so nothing says what a run is worth and when to stop."
        )
    if not steps:
        return "No run adds anything to what is known."
    if stop == steps:
        return "Every step is worth more than it costs: the FLOP that would save as much loss at the target exceed its own."
    return f"Stop after step {stop}: the next costs more than it is worth, the FLOP that would save as much loss at the target."


def _runs(runs: list[dict[str, Any]]) -> str:
    from nstar.wording import count

    if len(runs) == 1:
        return f"{count(runs[0]['N'])} on {count(runs[0]['D'])}"
    sizes = sorted(r["N"] for r in runs)
    return f"profile of {len(runs)}: {count(sizes[0])} to {count(sizes[-1])}"


def _ratio(value: float | None) -> str:
    from nstar.wording import digits

    return "–" if value is None else digits(value, 2)


def _money(step: dict[str, Any]) -> list[str]:
    """What a step takes, and what its worth would."""
    from nstar.wording import counts

    if not step["takes"]:
        return []
    hours = [counts(step["takes"]["hours"])]
    if not step["takes"]["cost"]:
        return hours
    worth = step["worth_takes"]
    return [
        *hours,
        counts(step["takes"]["cost"]),
        counts(worth["cost"]) if worth else "–",
    ]
