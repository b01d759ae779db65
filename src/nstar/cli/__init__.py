"""The door: `nstar`, and what it says when something is wrong."""

import sys

import typer

from nstar.cli import fitting, registries, reporting

app = typer.Typer(
    help="Bayesian scaling laws: what to train with a budget, what it will reach, how sure that is.",
    epilog="Example: nstar report llama3 --budget 3.8e25",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
fitting.add(app)
registries.add(app)
reporting.add(app)


def main() -> None:
    """Run a command; what a user got wrong is said in a line, with exit code 2."""
    try:
        app()
    except (ValueError, FileNotFoundError, TypeError) as error:
        print(f"nstar: {error}", file=sys.stderr)
        sys.exit(2)
