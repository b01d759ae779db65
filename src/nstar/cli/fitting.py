"""Commands on one fit: fit, summary, predict, plan, compare, simulate."""

from typing import Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import Asked, get_fit, pairs, read


def add(app: typer.Typer) -> None:
    """Hang the commands into the door."""
    for command, example in (
        (fit, "nstar fit ladder.csv --law chinchilla --out ladder.nc"),
        (summary, "nstar summary ladder.nc --prob 0.9"),
        (predict, "nstar predict ladder.nc --at 7e9,1.4e11 --at 7e10,1.5e13"),
        (plan, "nstar plan llama3 --law isoflop --budget 1e24 --budget 3.8e25"),
        (compare, "nstar compare llama3 --published llama3 --budget 3.8e25"),
        (
            simulate,
            "nstar simulate --law chinchilla --design ladder.csv --out simulated.csv",
        ),
    ):
        app.command(epilog=f"Example: {example}")(command)


def fit(
    runs: o.Runs, law: o.Law = None, noise: o.Noise = None, prior: o.Priors = None,
    columns: o.Columns = None, where: o.Where = None, flop_per_param_token: o.FlopPer = 6.0,
    params_counted: o.Counted = None, seed: o.Seed = 0, prob: o.Prob = 0.9,
    out: o.Out = None, json: o.Json = False, cache: o.Cache = True,
) -> None:  # fmt: skip
    """Fit a law to runs; print its posterior and save it with --out."""
    asked = Asked(
        runs,
        law,
        noise,
        prior or (),
        columns,
        where or (),
        flop_per_param_token,
        params_counted,
        seed,
        cache,
    )
    _summarise(get_fit(asked), prob, json=json, out=out)


def summary(runs: o.Runs, prob: o.Prob = 0.9, json: o.Json = False) -> None:
    """Print the posterior of a saved fit."""
    _summarise(get_fit(Asked(runs)), prob, json=json, out=None)


def _summarise(fitted: Any, prob: float, *, json: bool, out: str | None) -> None:
    from nstar.checks import check_fit
    from nstar.wording import three

    found = check_fit(fitted)
    table = fitted.summary(prob)
    saved = str(fitted.save(out)) if out else None
    if json:
        names = list(table.columns)
        low, high = (n for n in names if n.startswith("eti"))
        show.as_json(
            head(fitted, prob)
            | {
                "unknowns": {
                    str(n): {"mean": r["mean"], "sd": r["sd"], "lower": r[low], "upper": r[high],
                             "r_hat": r["r_hat"], "ess_bulk": r["ess_bulk"], "ess_tail": r["ess_tail"]}
                    for n, r in table.iterrows()
                },
                "priors": _priors(fitted),
                "saved": saved,
                "checks": [c.as_json() for c in found],
            }
        )  # fmt: skip
    else:
        show.line(str(fitted), bold=True)
        show.checks(found)
        priors = _priors(fitted)
        rows = [
            [str(n), *(three(float(v)) for v in r.iloc[:4]), f"{r['r_hat']:.3f}",
             f"{r['ess_bulk']:.0f}", priors.get(str(n).split("[")[0], "derived")]
            for n, r in table.iterrows()
        ]  # fmt: skip
        bounds = f"{prob:.0%} lower", f"{prob:.0%} upper"
        show.table(
            f"Posterior; {prob:.0%} equal-tailed credible intervals of the law's unknowns, without run noise",
            ["unknown", "mean", "sd", *bounds, "R-hat", "ESS", "prior"], rows,
        )  # fmt: skip
        _conventions(fitted)
        if saved:
            show.line(f"saved to {saved}")
    show.finish(found)


def _priors(fitted: Any) -> dict[str, str]:
    import json

    return json.loads(fitted.tree.attrs["priors"])


def head(fitted: Any, prob: float) -> dict[str, Any]:
    """What every JSON document about a fit starts with."""
    import json

    attrs = fitted.tree.attrs
    return {
        "data": fitted.runs.source,
        "data_sha256": fitted.runs.sha256,
        "runs": len(fitted.runs),
        "law": json.loads(attrs["law"])["name"],
        "noise": json.loads(attrs["noise"])["name"],
        "seed": fitted.seed,
        "prob": prob,
        "flop_convention": str(fitted.runs.cost),
        "params_counted": fitted.runs.params_counted,
        "loss_unit": fitted.runs.loss_unit,
    }


def _conventions(fitted: Any) -> None:
    runs = fitted.runs
    derived = f"; {runs.derived}" if runs.derived else ""
    show.line(
        f"{runs.cost}; parameters counted: {runs.params_counted}; loss: {runs.loss_unit}; "
        f"seed {fitted.seed}{derived}"
    )


def predict(
    runs: o.Runs,
    at: Annotated[list[str], typer.Option("--at", help="A run as N,D: 7e9,1.4e11. Repeatable.")],
    law: o.Law = None, noise: o.Noise = None, prior: o.Priors = None, columns: o.Columns = None,
    where: o.Where = None, flop_per_param_token: o.FlopPer = 6.0, params_counted: o.Counted = None,
    seed: o.Seed = 0, prob: o.Prob = 0.9, json: o.Json = False, cache: o.Cache = True,
) -> None:  # fmt: skip
    """Predict the loss of runs not yet made, with and without run noise."""
    from nstar.checks import check_fit
    from nstar.intervals import interval
    from nstar.prediction import loss
    from nstar.wording import count, numbers

    points = [_point(text) for text in at]
    asked = Asked(
        runs,
        law or "chinchilla",
        noise,
        prior or (),
        columns,
        where or (),
        flop_per_param_token,
        params_counted,
        seed,
        cache,
    )
    fitted = get_fit(asked)
    N, D = zip(*points, strict=True)
    draws = loss(fitted, N, D, seed=seed)
    found = check_fit(fitted)
    records: list[dict[str, Any]] = [
        {"N": n, "D": d,
         "loss": interval(draws["loss"][:, i], prob).as_json(),
         "measured": interval(draws["measured"][:, i], prob).as_json()}
        for i, (n, d) in enumerate(points)
    ]  # fmt: skip
    if json:
        show.as_json(
            head(fitted, prob)
            | {"runs_predicted": records, "checks": [c.as_json() for c in found]}
        )
    else:
        show.line(str(fitted), bold=True)
        show.checks(found)
        rows = [
            [
                count(r["N"]),
                count(r["D"]),
                numbers(r["loss"], 4),
                numbers(r["measured"], 4),
            ]
            for r in records
        ]
        title = f"Loss; median [{prob:.0%} equal-tailed credible interval]"
        show.table(
            title, ["N", "D", "law, without run noise", "a measured run, with it"], rows
        )
        _conventions(fitted)
    show.finish(found)


def _point(text: str) -> tuple[float, float]:
    try:
        n, d = (float(part) for part in text.split(","))
    except ValueError:
        msg = f"--at {text!r}: expected N,D as in 7e9,1.4e11"
        raise ValueError(msg) from None
    return n, d


def plan(
    runs: o.Runs, budget: o.Budgets, law: o.Law = None, noise: o.Noise = None,
    prior: o.Priors = None, columns: o.Columns = None, where: o.Where = None,
    flop_per_param_token: o.FlopPer = 6.0, params_counted: o.Counted = None, seed: o.Seed = 0,
    prob: o.Prob = 0.9, json: o.Json = False, cache: o.Cache = True,
) -> None:  # fmt: skip
    """Compute-optimal size, tokens and loss of budgets, under every draw."""
    from nstar.checks import check_fit, check_plan
    from nstar.planning import plan as make_plan
    from nstar.wording import counts, flop, numbers

    asked = Asked(
        runs,
        law,
        noise,
        prior or (),
        columns,
        where or (),
        flop_per_param_token,
        params_counted,
        seed,
        cache,
    )
    fitted = get_fit(asked)
    made = make_plan(fitted, budget)
    found = [*check_fit(fitted), *check_plan(made)]
    if json:
        show.as_json(
            head(fitted, prob)
            | {
                "budgets": made.table(prob),
                "exponents": made.exponents(prob),
                "coefficients": made.coefficients(prob),
                "checks": [c.as_json() for c in found],
            }
        )
    else:
        show.line(str(fitted), bold=True)
        show.checks(found)
        rows = [
            [flop(r["C"]), counts(r["N"]), counts(r["D"]), numbers(r["tokens_per_parameter"]),
             numbers(r["loss"], 4) if r["loss"] else "no loss in this law",
             f"{r['regret']['upper']:.2g}" if r["regret"] else "-"]
            for r in made.table(prob)
        ]  # fmt: skip
        title = f"Compute-optimal runs; median [{prob:.0%} equal-tailed credible interval of the law's line]"
        show.table(
            title,
            [
                "budget (FLOP)",
                "N*",
                "D*",
                "D*/N*",
                "loss of the recommended run",
                f"regret, upper {prob:.0%}",
            ],
            rows,
        )
        e = made.exponents(prob)
        show.line(f"alpha1 (N*) {numbers(e['N'])}, alpha2 (D*) {numbers(e['D'])}")
        _conventions(fitted)
    show.finish(found)


def compare(
    runs: o.Runs, budget: o.Budgets,
    published: Annotated[str, typer.Option(help="A published fit; `nstar published` lists them.")] = "llama3",
    law: o.Law = None, noise: o.Noise = None, prior: o.Priors = None, columns: o.Columns = None,
    where: o.Where = None, flop_per_param_token: o.FlopPer = 6.0, params_counted: o.Counted = None,
    seed: o.Seed = 0, prob: o.Prob = 0.9, json: o.Json = False, cache: o.Cache = True,
) -> None:  # fmt: skip
    """Hold a posterior beside a published fit."""
    from nstar import published as registry
    from nstar.checks import check_fit, check_plan
    from nstar.comparison import compare as hold
    from nstar.wording import counts, flop, numbers, three

    theirs = registry.get(published)
    asked = Asked(
        runs,
        law,
        noise,
        prior or (),
        columns,
        where or (),
        flop_per_param_token,
        params_counted,
        seed,
        cache,
    )
    fitted = get_fit(asked)
    held = hold(fitted, theirs, budget)
    found = [*check_fit(fitted), *check_plan(held.plan), *held.checks()]
    if json:
        show.as_json(
            head(fitted, prob)
            | {
                "published": {"id": theirs.id, "law_form": theirs.law_form, "citation": theirs.citation,
                              "params_counted": theirs.params_counted, "printed": theirs.printed},
                "budgets": held.table(prob),
                "exponents": held.exponents(prob),
                "sentence": held.sentence(prob),
                "checks": [c.as_json() for c in found],
            }
        )  # fmt: skip
    else:
        show.line(held.sentence(prob), bold=True)
        show.checks(found)
        rows = []
        for record in held.table(prob):
            for name in ("N", "D", "tokens_per_parameter", "loss"):
                entry = record[name]
                ours, their = entry["posterior"], entry["published"]
                write = counts if name in "ND" else numbers
                rows.append([
                    flop(record["C"]), name, write(ours) if ours else "-",
                    three(their) if their else "-",
                    numbers(entry["ratio"]) if entry["ratio"] else "-",
                    f"{entry['credible_level']:.2f}" if entry["ratio"] else "-",
                ])  # fmt: skip
        show.table(
            f"Ours beside {theirs.id} ({theirs.citation}); median [{prob:.0%} interval]",
            ["budget", "quantity", "ours", "theirs", "ours / theirs", "credible level of theirs"], rows,
        )  # fmt: skip
        for printed in theirs.printed:
            show.line(
                f"The paper prints for {flop(printed['C'])} FLOP: N = {printed['N']:.3g}, D = {printed['D']:.4g}. {printed.get('note', '')}"
            )
        _conventions(fitted)
    show.finish(found)


def simulate(
    design: Annotated[str, typer.Option(help="Table whose inputs are taken.")],
    law: Annotated[str, typer.Option(help="The law to draw from.")] = "chinchilla",
    set_: Annotated[list[str] | None, typer.Option("--set", help="An unknown: alpha1=0.5. All or none; none draws from the prior.")] = None,
    noise: o.Noise = None, prior: o.Priors = None, columns: o.Columns = None, where: o.Where = None,
    flop_per_param_token: o.FlopPer = 6.0, draws: Annotated[int, typer.Option(help="Tables to draw.")] = 1,
    seed: o.Seed = 0, out: o.Out = None, json: o.Json = False,
) -> None:  # fmt: skip
    """Draw runs that a law and its noise would give."""
    import csv
    import io
    import sys

    from nstar.cli.source import priors as read_priors
    from nstar.simulation import simulate as draw
    from nstar.writing import write_whole

    asked = Asked(
        design, law, noise, prior or (), columns, where or (), flop_per_param_token
    )
    params = {
        n: float(v) for text in set_ or () for n, v in pairs(text, "--set").items()
    }
    runs = read(asked)
    made = draw(
        law,
        runs,
        params or None,
        noise,
        priors=read_priors(asked),
        draws=draws,
        seed=seed,
    )
    names = [
        *made.coords,
        *(n for n, v in made.data_vars.items() if v.dims == ("draw", "run")),
    ]
    unknowns = {str(n): v for n, v in made.data_vars.items() if "run" not in v.dims}
    if json:
        show.as_json({
            "law": law, "seed": seed, "runs": len(runs),
            "unknowns": {n: v.to_numpy() for n, v in unknowns.items()},
            "columns": {str(n): made[n].to_numpy() for n in names},
        })  # fmt: skip
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["table", *map(str, names)])
    for d in range(draws):
        for i in range(len(runs)):
            writer.writerow(
                [
                    d,
                    *(
                        float(made[n][d, i] if "draw" in made[n].dims else made[n][i])
                        for n in names
                    ),
                ]
            )
    if out:
        write_whole(out, text.getvalue())
        show.line(f"{draws} table(s) of {len(runs)} runs written to {out}, seed {seed}")
    else:
        sys.stdout.write(text.getvalue())
