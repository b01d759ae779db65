"""The command that draws runs from a law: simulate."""

import csv
import io
import sys
from typing import Annotated

import typer

from nstar.answers import Document
from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import read, remark


@o.command(
    "nstar simulate ladder.csv --law chinchilla --out simulated.csv",
    without=("cache", "discrepancy", "group", "params_counted", "pool", "prob"),
    panel=o.CHECK,
)
def simulate(
    request: o.Request,
    output: o.Output,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="An unknown: alpha1=0.5. All or none; none draws them from the prior.",
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="How many tables to draw.")
    ] = 1,
    out: o.Out = None,
) -> None:
    """Draw runs that a law would give, as CSV.

    RUNS gives the inputs (N, D, C, budgets); its losses are not looked at.  The law is
    chinchilla unless named.
    """
    from nstar.files.writing import require_writable, write_atomically

    if out:
        require_writable(out)
    params = {n: _number(n, v) for n, v in o.pairs(set_, "--set", "alpha1=0.5").items()}
    from nstar.predictions.simulation import simulate as draw

    law, seed = request.law or "chinchilla", request.seed or 0
    runs = read(request, ladder=False)
    simulated = draw(
        law,
        runs,
        params or None,
        request.noise,
        priors=request.prior_set,
        draws=draws,
        seed=seed,
    )
    tables = {
        str(n): simulated[n]
        for n in (*simulated.coords, *simulated.data_vars)
        if "run" in simulated[n].dims
    }
    if output.json:
        text = ""
        unknowns = {
            str(n): v for n, v in simulated.data_vars.items() if "run" not in v.dims
        }
        show.as_json(
            {
                "design": runs.source,
                "law": law,
                "seed": seed,
                "draws": draws,
                "runs": len(runs),
                "flop_convention": str(runs.cost),
                "unknowns": {n: v.to_numpy() for n, v in unknowns.items()},
                "columns": {n: v.to_numpy() for n, v in tables.items()},
                "saved": out,
            }
        )
    if out or not output.json:
        text = _csv(tables, draws, len(runs))
    if out:
        write_atomically(out, text)
        if not output.json:
            show.line(
                f"{draws} table(s) of {len(runs)} runs written to {out}, seed {seed}"
            )
    elif not output.json:
        remark(f"{law} law on the inputs of {runs.source}, seed {seed}")
        sys.stdout.write(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        msg = f"--set {name}={text}: expected a number"
        raise ValueError(msg) from None


def _csv(tables: Document, draws: int, runs: int) -> str:
    """Every table below the other, the first column saying which."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["table", *tables])
    for d in range(draws):
        for i in range(runs):
            cells = (
                float(v[d, i] if "draw" in v.dims else v[i]) for v in tables.values()
            )
            writer.writerow([d, *cells])
    return text.getvalue()
