"""The command on mixtures of data: mix."""

from pathlib import Path
from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer

EXAMPLE = "github=2B"


@o.command("nstar mix proxies.csv --target pile_cc --at 1B", panel=o.DECIDE)
def mix(
    output: o.Output,
    runs: Annotated[
        str,
        typer.Argument(
            metavar="RUNS",
            help="A table with a row for each run: shares of domains (mix_*), losses (loss_*), its size.",
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="A loss, a weighted sum (0.5*pile_cc+0.5*github), mean or worst.",
        ),
    ] = "mean",
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="N[,D]",
            help="The model it is for, as in 1B or 1B,20B; the largest of the table unless given.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="LIMIT",
            help="A bound of a share: 'github<=0.2', 'pile_cc>=10%'. Repeatable.",
        ),
    ] = None,
    available: Annotated[
        list[str] | None,
        typer.Option(
            "--available",
            metavar="DOMAIN=TOKENS",
            help="Tokens there are of a domain: github=2B. Repeatable; needs D in --at.",
        ),
    ] = None,
    max_repeats: Annotated[
        list[str] | None,
        typer.Option(
            "--max-repeats",
            metavar="TIMES",
            help="Times that available tokens may be repeated, of all domains or of one (github=8); 15 unless given.",
        ),
    ] = None,
    today: Annotated[
        str | None,
        typer.Option(
            "--today",
            metavar="MIXTURE",
            help="Today's mixture: a=0.5,b=0.5, or a table with columns domain and share.",
        ),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            metavar="SHARE",
            help="Share of the data that may differ from the nearest mixture that was run; what the runs have among themselves unless given.",
        ),
    ] = None,
    next_runs: Annotated[
        int,
        typer.Option("--next", metavar="RUNS", help="How many proxy runs to name."),
    ] = 3,
    law: Annotated[
        str,
        typer.Option(
            "--law",
            metavar="LAW",
            help="effective_data, exponential, log_linear or bilinear.",
        ),
    ] = "effective_data",
    shares: Annotated[
        str | None,
        typer.Option(
            "--shares", metavar="START", help="What columns of shares begin with."
        ),
    ] = None,
    losses: Annotated[
        str | None,
        typer.Option(
            "--losses", metavar="START", help="What columns of losses begin with."
        ),
    ] = None,
    percent: Annotated[
        bool, typer.Option("--percent", help="Shares are in percent.")
    ] = False,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Draw shares with their credible sets, and predicted against measured losses (.svg, .png, .pdf).",
        ),
    ] = None,
    columns: o.Columns = None,
    where: o.Where = None,
    seed: o.Seed = None,
) -> None:
    """Say which mixture of data to train on.

    The mixture of least expected loss, what choosing it may cost, and which shares
    matter.
    """
    kind = o.figure_kind(figure)
    from nstar.amounts import parse_amount

    if within is not None and not 0 <= within <= 1:
        msg = f"--within {within:g}: expected a share of the data between 0 and 1"
        raise ValueError(msg)
    if next_runs < 0:
        msg = f"--next {next_runs}: expected a number of runs, 0 or more"
        raise ValueError(msg)
    sizes = [parse_amount(text, "--at") for text in (at or "").split(",") if text]
    if len(sizes) > 2:
        msg = f"--at {at!r}: expected N or N,D, as in 1B or 1B,20B"
        raise ValueError(msg)
    there = {
        name: parse_amount(text, f"--available {name}=")
        for name, text in o.pairs(available, "--available", EXAMPLE).items()
    }
    repeats = _repeats(max_repeats)
    now = None if today is None else _mixture(today)
    from nstar.mixtures.mixing import mix as answer_of
    from nstar.mixtures.reading import read_mixtures

    names = o.columns(columns, "N=params,D=tokens")
    read = read_mixtures(
        runs, names, list(where or ()), shares=shares, losses=losses, percent=percent
    )
    answer = answer_of(
        read,
        target,
        *sizes,
        limit=list(limit or ()),
        available=there,
        max_repeats=repeats,
        today=now,
        within=within,
        next_runs=next_runs,
        law=law,
        seed=seed or 0,
    )
    if figure:
        from nstar.files.writing import write_atomically
        from nstar.report.mixture_figure import figure as draw

        write_atomically(figure, draw(answer.as_json(output.prob), kind))
    about = {
        "data": read.source,
        "data_sha256": read.sha256,
        "runs": len(read),
        "seed": seed or 0,
        "prob": output.prob,
        "interval": "equal-tailed",
    }
    print_answer(answer, answer.checks(), output, about=about)


def _repeats(texts: list[str] | None) -> dict[str, float]:
    """Read times, of all domains (under the empty name) or of one."""
    from nstar.amounts import parse_amount

    everywhere = [text for text in texts or () if "=" not in text]
    named = o.pairs([t for t in texts or () if "=" in t], "--max-repeats", "github=8")
    repeats = {
        name: parse_amount(text, f"--max-repeats {name}=")
        for name, text in named.items()
    }
    for text in everywhere:
        repeats[""] = parse_amount(text, "--max-repeats")
    return repeats


def _mixture(text: str) -> dict[str, float]:
    """Read shares by domain, written out or from a table.

    Raises:
        ValueError: it is neither.
    """
    from nstar.runs.columns import numbers_or_text, texts

    if not Path(text).is_file():
        pairs = o.pairs(text.split(","), "--today", "github=0.2,pile_cc=0.8")
        try:
            return {name: float(share) for name, share in pairs.items()}
        except ValueError as error:
            msg = f"--today {text!r}: expected shares, as in github=0.2,pile_cc=0.8"
            raise ValueError(msg) from error
    from nstar.files import table_files

    table = table_files.read(Path(text))
    if not {"domain", "share"} <= set(table.columns):
        msg = f"--today {text}: expected columns domain and share, got {list(table.columns)}"
        raise ValueError(msg)
    shares = numbers_or_text(table, "share")
    if shares.dtype.kind not in "fiu":
        msg = f"--today {text}: column 'share' has cells that are no numbers"
        raise ValueError(msg)
    return dict(zip(texts(table, "domain").tolist(), shares.tolist(), strict=True))
