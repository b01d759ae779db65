"""Commands on priors: what they expect of runs, and what an answer owes to them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import get_fit, read

if TYPE_CHECKING:
    from nstar.validation.prior_scales import Scaled


@o.command(
    "nstar prior llama3 --law chinchilla --priors informed --budget 1e21",
    without=("cache", "group", "pool"),
)
def prior(
    request: o.Request,
    output: o.Output,
    budget: Annotated[
        list[float] | None,
        typer.Option(
            "--budget",
            "-C",
            metavar="FLOP",
            help="Also N*, D* and loss at this budget under the prior. Repeatable.",
        ),
    ] = None,
) -> None:
    """Show what the prior expects of runs like these.

    Tables are drawn from the prior at the runs' own inputs; what was measured should lie
    among them, and N* where someone might train.
    """
    o.require_positive("--budget", budget or [], "1e21")
    if request.saved:
        msg = f"{request.runs} is a saved fit; give the table of runs, since the prior is asked before they are fitted"
        raise ValueError(msg)
    if len(o.laws(request.law or "one")) > 1:
        msg = f"--law {request.law}: a prior is of one law"
        raise ValueError(msg)
    from nstar.cli.choice import choose, require
    from nstar.predictions.distances import distance
    from nstar.validation.prior_check import prior_predictive
    from nstar.wording import plainly

    require(request)
    name, table, _ = choose(read(request), request.law)
    made = prior_predictive(
        table,
        name,
        request.noise,
        request.prior_set,
        budget or (),
        discrepancy=request.discrepancy,
        seed=request.seed or 0,
    )
    far = [distance(made.runs, budget)] if budget and "C" in made.runs else []
    checks = plainly([made.check(), *far, *made.notes])
    rows, budgets = made.table(output.prob), made.budgets(output.prob)
    if output.json:
        show.as_json(
            {
                "data": made.runs.source,
                "law": name,
                "priors": request.prior_set.name,
                "seed": request.seed or 0,
                "prob": output.prob,
                "interval": "equal-tailed",
                "statistics": rows,
                "budgets": budgets,
                "checks": [c.as_json() for c in checks],
            }
        )
    else:
        show.checks(checks)
        _print(name, request.prior_set.name, rows, budgets, output.prob)
    show.finish(checks)


@o.command("nstar sensitivity ladder.nc", without=("group", "pool"))
def sensitivity(
    request: o.Request,
    output: o.Output,
    budget: Annotated[
        list[float] | None,
        typer.Option(
            "--budget",
            "-C",
            metavar="FLOP",
            help="Also N*, D*, L* and regret at this budget, and what they are under priors half and twice as wide. Repeatable.",
        ),
    ] = None,
) -> None:
    """Say which answers rest on the prior, which on the runs.

    Prior and likelihood are each made a little stronger and weaker, by re-weighting the
    draws; a quantity that moves by more than 0.05 per doubling is said to depend on it.
    With --budget the priors that move the decision are made half and twice as wide.
    """
    o.require_positive("--budget", budget or [], "1e24")
    if len(o.laws(request.law or "one")) > 1:
        msg = f"--law {request.law}: sensitivity is of one law; ask for each in turn"
        raise ValueError(msg)
    found = get_fit(request)
    from nstar.cli import head
    from nstar.predictions.distances import extrapolation
    from nstar.validation.checks import check_fit
    from nstar.validation.power_scaling import sensitivity as scale
    from nstar.validation.prior_scales import check_scales, prior_scales
    from nstar.wording import UNKNOWNS, plainly, three

    (fit,) = found.fit.components
    budgets = budget or []
    made = scale(fit, budgets=budgets)
    scales = prior_scales(fit, budgets, made, output.prob) if budgets else []
    owed = [check_scales(scales, made)] if scales else []
    far = extrapolation(fit, budgets) if budgets else []
    checks = plainly([*check_fit(fit), *far, made.check, *owed])
    if output.json:
        front = head.head(found, 0.9)
        kept = {k: v for k, v in front.items() if k not in ("prob", "interval")}
        rows = [row.as_json() for row in made.rows]
        more = (
            {
                "prob": output.prob,
                "interval": "equal-tailed",
                "prior_scales": [s.as_json() for s in scales],
            }
            if scales
            else {}
        )
        show.as_json(
            kept | more | {"sensitivity": rows, "checks": [c.as_json() for c in checks]}
        )
    else:
        head.title(found)
        show.checks(checks)
        show.table(
            "Power-scaling: distance moved when prior or runs count twice as much (local)",
            [
                "quantity",
                "what it is",
                "prior",
                "runs",
                "prior that matters most",
                "says",
            ],
            [
                [
                    r.quantity,
                    UNKNOWNS.get(r.quantity, ""),
                    three(r.prior),
                    three(r.likelihood),
                    r.prior_of,
                    r.says,
                ]
                for r in made.rows
            ],
        )
        if scales:
            _print_scales(scales, output.prob)
        show.line(
            "Above 0.05 it depends (Kallioinen et al. 2024); both above: they may disagree."
        )
    show.finish(checks)


def _print_scales(scales: "list[Scaled]", prob: float) -> None:
    """The decision under other priors, a row for each prior and width."""
    from math import exp

    from nstar.wording import counts, flop, numbers, percent

    usual = scales[0]
    for i, C in enumerate(usual.budgets):
        rows = []
        for one in scales:
            width = (
                "as they are"
                if not one.unknown
                else f"{one.unknown}, {'half' if one.factor < 1 else 'twice'} as wide"
            )
            N = {n: exp(v) for n, v in one.intervals["log N*"][i].items()}
            loss = one.intervals["L*"][i] if "L*" in one.intervals else None
            rows.append(
                [
                    width,
                    counts(N),
                    numbers(loss, 4) if loss else "none in this law",
                    one.how,
                ]
            )
        show.table(
            f"{flop(C)} FLOP under other priors; median [{percent(prob)} equal-tailed credible interval]",
            ["priors", "N* (parameters)", "L*", "how"],
            rows,
        )


def _print(
    law: str,
    priors: str,
    rows: list[dict[str, Any]],
    budgets: list[dict[str, Any]],
    prob: float,
) -> None:
    from nstar.wording import flop, numbers, percent, three

    show.table(
        f"{law} law, {priors} priors: what they expect of runs with these inputs; median [{percent(prob)} equal-tailed interval]",
        ["statistic", "measured", "prior expects", "probability of one as extreme"],
        [
            [
                r["statistic"],
                three(r["measured"]),
                numbers(r["prior"]),
                three(r["probability"]),
            ]
            for r in rows
        ],
    )
    if budgets:
        names = [n for n in ("N", "D", "loss") if n in budgets[0]]
        show.table(
            "Under the prior alone",
            ["budget (FLOP)", *names],
            [[flop(b["C"]), *(numbers(b[n]) for n in names)] for b in budgets],
        )
