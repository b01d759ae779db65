"""The door: `nstar`, and what it says when something is wrong."""

import os
import sys
from typing import Annotated

import typer

from nstar.cli import (
    backtesting,
    check,
    designing,
    finishing,
    forecasting,
    lifetimes,
    mixing,
    picturing,
    planning,
    posterior,
    predicting,
    priors,
    reaching,
    recipes,
    refitting,
    registries,
    reporting,
    risking,
    sampling,
    simulating,
    spending,
    tasking,
    tuning,
    watching,
)
from nstar.cli.options import Command
from nstar.cli.panels import Panels
from nstar.cli.repairing import explain
from nstar.cli.source import RunsRefused

app = typer.Typer(
    cls=Panels,
    help="Bayesian scaling laws: what to train with a budget, what it will reach, how sure that is.",
    epilog="Example: nstar report llama3 --budget 3.8e25",
    no_args_is_help=True,
    invoke_without_command=True,
    rich_markup_mode=None,  # plain help: rich takes longer to import than all the rest
    pretty_exceptions_enable=False,
)
ROOMS = (  # in the order of `nstar --help`, panel by panel
    check,
    reporting,
    posterior,
    predicting,
    finishing,
    watching,
    forecasting,
    planning,
    risking,
    designing,
    reaching,
    recipes,
    mixing,
    tasking,
    tuning,
    sampling,
    spending,
    picturing,
    lifetimes,
    priors,
    backtesting,
    refitting,
    simulating,
    registries,
)
for room in ROOMS:
    for command in vars(room).values():
        if isinstance(command, Command):
            register = app.command(
                epilog=f"Example: {command.example}", rich_help_panel=command.panel
            )
            register(command.run)


@app.callback()
def _begin(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Say which nstar this is, and leave.")
    ] = False,
) -> None:
    if version:
        import nstar

        print(f"nstar {nstar.__version__}")
        raise typer.Exit


def main() -> None:
    """Run a command; what a user got wrong is said in a line, with exit code 2."""
    try:
        app()
    except BrokenPipeError:  # the reader of stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except RunsRefused as refused:
        print("\n".join(explain(refused, sys.argv[1:])), file=sys.stderr)
        sys.exit(2)
    except (ValueError, OSError) as error:
        print(f"nstar: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
