"""The command that says what more samples will solve: passk."""

from typing import Annotated, Any

import typer

from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import Fitted, remark, use_cache


@o.command("nstar passk counts.csv --where 'model=Pythia 12B' --k 1000,10000")
def passk(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="Counts, one row a problem, with columns samples and successes.",
        ),
    ],
    k: Annotated[
        str,
        typer.Option(
            "--k",
            metavar="K,...",
            help="Samples of a problem at which pass@k is wanted: 1000,10000.",
        ),
    ],
    output: o.Output,
    law: Annotated[
        str,
        typer.Option(
            "--law",
            metavar="LAW",
            help="repeated_sampling, beta_binomial (no zero mass), or repeated_by_size (several models, with N).",
        ),
    ] = "repeated_sampling",
    size: Annotated[
        float | None,
        typer.Option(
            "--size",
            metavar="N",
            help="Parameters of the model that is meant, sampled or not; for repeated_by_size.",
        ),
    ] = None,
    shown: Annotated[
        int | None,
        typer.Option(
            "--shown",
            metavar="SAMPLES",
            help="Samples from which a measured pass@k is counted; the largest k unless given.",
        ),
    ] = None,
    more: Annotated[
        int,
        typer.Option(
            "--more",
            metavar="SAMPLES",
            help="Further samples of a problem, to say where they help most.",
        ),
    ] = 100,
    hold_out: Annotated[
        bool,
        typer.Option(
            "--hold-out",
            help="Also fit a tenth of the samples, five times, and say how often its intervals hold the pass@k of them all.",
        ),
    ] = False,
    prior: o.Priors = None,
    columns: o.Columns = None,
    where: o.Where = None,
    seed: o.Seed = None,
    cache: o.Cache = True,
) -> None:
    """Predict pass@k from counts, of these problems and new ones."""
    ks = numbers(k)
    if size is not None and not law.startswith("repeated_by_size"):
        msg = f"--size {size:g}: the {law} law is of one model; leave it out, or fit several with --law repeated_by_size"
        raise ValueError(msg)
    parts = [part for part in (columns or "").split(",") if part]
    named = o.pairs(parts, "--columns", "samples=n,successes=c")
    chosen = o.pairs(prior, "--prior", "tail='LogNormal(-1.4, 0.6)'")
    if cache:
        use_cache()
    from nstar.inference.repeated import fit_counts, pass_at_k
    from nstar.inference.sample_worth import next_samples

    remark(f"law {law}: as asked for")
    fit = fit_counts(
        table,
        law,
        columns=named,
        where=where or (),
        priors=chosen or None,
        seed=seed or 0,
    )
    made = pass_at_k(fit, ks, N=size, shown=shown, seed=seed or 0)
    worth = (
        next_samples(fit, max(ks), more, N=size, seed=seed or 0)
        if made.counts.size
        else []
    )
    held = None
    if hold_out:
        from nstar.inference.repeated_backtest import hold_out_samples
        from nstar.progress import progress

        with progress() as bar:
            held = hold_out_samples(
                table,
                law,
                ks,
                columns=named,
                where=where or (),
                priors=chosen or None,
                prob=output.prob,
                seed=seed or 0,
                tick=bar("hold-out"),
            )
    _tell(
        Fitted(fit, "as asked for"),
        made,
        worth,
        more,
        held,
        output.prob,
        json=output.json,
    )


def numbers(text: str, option: str = "--k") -> list[float]:
    """Read whole numbers with commas between.

    Raises:
        ValueError: one is none.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(v >= 1 and v == int(v) for v in found):
        msg = f"{option} {text!r}: expected whole numbers from 1, as in 1000,10000"
        raise ValueError(msg)
    return found


def _tell(
    found: Fitted,
    made: Any,
    worth: list[dict[str, Any]],
    more: int,
    held: Any,
    prob: float,
    *,
    json: bool,
) -> None:
    from nstar.cli import head
    from nstar.validation.checks import check_fit
    from nstar.wording import plainly

    tested = [held.check()] if held else []
    checks = plainly([*made.checks(), *tested, *check_fit(found.fit)])
    document = head.head(found, prob) | made.as_json(prob)
    document["next_samples"] = {"more": more, "worth": worth}
    document["held_out"] = held.as_json() if held else None
    document["checks"] = [c.as_json() for c in checks]
    if json:
        show.as_json(document)
    else:
        head.title(found)
        show.checks(checks)
        _print(document, prob)
    show.finish(checks)


def _print(told: dict[str, Any], prob: float) -> None:
    from nstar.wording import numbers as shown
    from nstar.wording import percent, share

    def cell(value: Any) -> str:
        return "–" if value is None else shown(value, 3)

    show.table(
        f"pass@k; median [{percent(prob)} equal-tailed credible interval]",
        [
            "k",
            "these problems",
            f"as counted in {told['shown']:,} samples",
            "new problems",
            "counted so far",
        ],
        [
            [
                f"{r['k']:,}",
                cell(r["these"]),
                cell(r["these_measured"]),
                cell(r["new"]),
                "–" if r["counted"] is None else f"{r['counted']:.3f}",
            ]
            for r in told["predictions"]
        ],
    )
    zero = told["zero_mass"]
    if zero:
        show.table(
            f"With the share beyond reach (never solved, or a rate below 1e-6) at either end of its {percent(prob)} interval: pass@k of new problems",
            ["k", f"at {zero['lower']:.3g}", f"at {zero['upper']:.3g}"],
            [
                [f"{a['k']:,}", f"{a['new']:.3f}", f"{b['new']:.3f}"]
                for a, b in zip(zero["at_lower"], zero["at_upper"], strict=True)
            ],
        )
    held = told["held_out"]
    if held:
        show.table(
            f"Predicted from {held['kept']:g} samples of a problem, and as all of them show; median [{percent(prob)} equal-tailed credible interval]",
            ["k", "thinning", "predicted", "shown by all", "inside"],
            [
                [
                    f"{r['k']:,}",
                    str(r["thinning"] + 1),
                    cell({n: r[n] for n in ("median", "lower", "upper")}),
                    f"{r['counted']:.3f}",
                    "yes" if r["inside"] else "no",
                ]
                for r in held["forecasts"]
            ],
        )
    worth = told["next_samples"]["worth"]
    if worth:
        most = f"{told['next_samples']['more']} more samples of a problem"
        show.table(
            f"Where the next samples help most, for the largest k ({most})",
            [
                "solved",
                "of samples",
                "problems",
                "share of what is unknown",
                "taken away",
            ],
            [
                [
                    str(r["successes"]),
                    str(r["samples"]),
                    str(r["problems"]),
                    share(r["share"]),
                    share(r["removed"] / r["variance"] if r["variance"] else 0.0),
                ]
                for r in worth[:5]
            ],
        )
