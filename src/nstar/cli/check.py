"""The command that examines a table before anything is fitted: check."""

from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import flop_per_param_token

NOT_OF_TABLES = (
    "law",
    "noise",
    "discrepancy",
    "prior",
    "priors",
    "seed",
    "cache",
    "group",
    "prob",
)


@o.command("nstar check runs.csv", without=NOT_OF_TABLES, panel=o.BEGIN)
def check(
    request: o.Request,
    output: o.Output,
    repair: Annotated[
        str | None,
        typer.Option(
            "--repair",
            metavar="OUT.csv",
            help="Write the repaired table, and say what it changed.",
        ),
    ] = None,
) -> None:
    """Say what is wrong with a table of runs, and repair it.

    Nothing is fitted. The command at the end reads the table as repaired; exit code 1
    says that something stops a fit.
    """
    if request.saved:
        msg = f"{request.runs} is a saved fit; check the table of its runs"
        raise ValueError(msg)
    options, k = request.read_options(), flop_per_param_token(request)
    from nstar.files.writing import require_writable
    from nstar.runs.reading import Meaning, examine
    from nstar.runs.rewriting import rewrite
    from nstar.runs.table_check import TableCheck

    if repair:
        require_writable(repair, ".csv", option="--repair")
    by = (request.pool,) if request.pool else ()
    meaning = Meaning(k, request.params_counted, None, by)
    examination = examine(request.runs, options, meaning)
    rewritten = rewrite(examination, repair) if repair else None
    answer = TableCheck(examination, _others(request), rewritten)
    checks = answer.checks()
    if output.json:
        show.as_json(answer.as_json() | {"checks": [c.as_json() for c in checks]})
    else:
        show.answer(checks, answer.headline(), list(answer.tables()))
        for title, command in (
            ("checked again as repaired by", answer.command()),
            ("next", answer.next_command()),
        ):
            if command:  # whole on one line, to be pasted
                print(f"{title}:\n{command}")
    show.finish(checks)


def _others(request: o.Request) -> list[str]:
    """Return the options of the request that are not of reading, for commands to come."""
    words = []
    if request.flop_per_param_token is not None:
        words += ["--flop-per-param-token", f"{request.flop_per_param_token:g}"]
    if request.params_counted:
        words += ["--params-counted", request.params_counted]
    if request.pool:
        words += ["--pool", request.pool]
    return words
