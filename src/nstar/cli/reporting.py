"""The command that makes a page: report."""

from pathlib import Path
from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import Asked, priors, progress, read


def add(app: typer.Typer) -> None:
    """Hang the command into the door."""
    app.command(epilog="Example: nstar report llama3 --budget 3.8e25")(report)


def report(
    runs: o.Runs, budget: o.Budgets,
    published: Annotated[list[str] | None, typer.Option(help="Published fits to show beside. Repeatable.")] = None,
    law: Annotated[list[str] | None, typer.Option("--law", help="Only these routes. Repeatable.")] = None,
    prior: o.Priors = None, columns: o.Columns = None, where: o.Where = None,
    flop_per_param_token: o.FlopPer = 6.0, params_counted: o.Counted = None, seed: o.Seed = 0,
    prob: o.Prob = 0.9, out: o.Out = None, json: o.Json = False, cache: o.Cache = True,
) -> None:  # fmt: skip
    """Fit every route the runs allow; write a page and the same numbers as JSON."""
    import json as json_text
    import sys

    asked = Asked(
        runs,
        None,
        None,
        prior or (),
        columns,
        where or (),
        flop_per_param_token,
        params_counted,
        seed,
        cache,
    )
    table = read(asked)
    if cache:
        from nstar.cache import use_cache

        use_cache()
    from nstar.report.facts import gather
    from nstar.report.page import page
    from nstar.routes import WORDS, routes
    from nstar.wording import counts, flop, numbers
    from nstar.writing import write_whole

    with progress() as bar:
        bars = {}

        def tick(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = bar(f"sampling: {WORDS[name]}")
            bars[name](done, total)

        found = routes(
            table, budget, seed=seed, only=law or (), priors=priors(asked), tick=tick
        )
    facts = gather(found, published or None, prob, " ".join(["nstar", *sys.argv[1:]]))
    stem = Path(out or f"{Path(runs).stem}-report.html")
    html = write_whole(stem, page(found, facts))
    write_whole(
        stem.with_suffix(".json"),
        json_text.dumps(facts.document, indent=2, allow_nan=False) + "\n",
    )
    if json:
        show.as_json(facts.document)
        show.finish(facts.checks)
        return
    show.line(facts.headline, bold=True)
    show.checks(facts.checks)
    rows = [
        [r["route"], flop(b["C"]), counts(b["N"]), counts(b["D"]), numbers(b["tokens_per_parameter"]),
         numbers(b["loss"], 4) if b["loss"] else "none in this law"]
        for r in facts.document["routes"] for b in r["budgets"]
    ]  # fmt: skip
    title = f"Compute-optimal runs; median [{prob:.0%} equal-tailed credible interval of the law's line]"
    show.table(title, ["route", "budget", "N*", "D*", "D*/N*", "loss"], rows)
    for held in facts.document["published"]:
        show.line(held["sentence"])
    show.line(f"seed {seed}; page {html}; numbers {html.with_suffix('.json')}")
    show.finish(facts.checks)
