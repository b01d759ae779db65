"""Commands on a posterior: fit, summary."""

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit


@o.command(
    "nstar fit ladder.csv --law chinchilla --out ladder.nc",
    without=("group",),
    panel=o.BEGIN,
)
def fit(
    request: o.Request,
    output: o.Output,
    out: o.Out = None,
) -> None:
    """Fit a law to runs and print its posterior.

    With --out the fit is saved, and every other command takes it in place of runs.
    """
    if request.saved:
        msg = f"{request.runs} is a saved fit; print it with: nstar summary {request.runs}"
        raise ValueError(msg)
    _summarise(request, output, out)


@o.command("nstar summary ladder.nc --prob 0.9", without=("group",), panel=o.BEGIN)
def summary(
    request: o.Request,
    output: o.Output,
) -> None:
    """Print the posterior of a saved fit or of runs."""
    _summarise(request, output)


def _summarise(request: o.Request, output: o.Output, out: str | None = None) -> None:
    from nstar.files.writing import require_writable

    if out:
        require_writable(out, ".nc")
    fitted = get_fit(request)
    from nstar.validation.summary import Summary

    summary = Summary(fitted.fit, str(fitted.fit.save(out)) if out else None)
    print_answer(summary, summary.checks(), output, fitted)
