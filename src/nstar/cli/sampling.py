"""The command that says what more samples will solve: passk."""

from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
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
    from nstar.cli.names import require_laws, require_priors
    from nstar.priors.sets import PriorSet
    from nstar.runs.sources import require_source

    require_source(table)
    names = require_laws([law])
    prior_texts = o.pairs(prior, "--prior", "tail='LogNormal(-1.4, 0.6)'")
    require_priors(PriorSet(overrides=prior_texts), names, None)
    from nstar.laws.parsing import parse_law
    from nstar.types import AcrossModels

    if size is not None and not isinstance(parse_law(law), AcrossModels):
        msg = f"--size {size:g}: the {law} law is of one model; leave it out, or fit several with --law repeated_by_size"
        raise ValueError(msg)
    named = o.columns(columns, "samples=n,successes=c")
    if cache:
        use_cache()
    from nstar.inference.more_samples import MoreSamples
    from nstar.inference.repeated import fit_counts, pass_at_k
    from nstar.inference.sample_worth import next_samples
    from nstar.validation.checks import check_fit

    remark(f"law {law}: as asked for")
    fit = fit_counts(
        table,
        law,
        columns=named,
        where=where or (),
        priors=prior_texts or None,
        seed=seed or 0,
    )
    prediction = pass_at_k(fit, ks, N=size, shown=shown, seed=seed or 0)
    worth = (
        next_samples(fit, max(ks), more, N=size, seed=seed or 0)
        if prediction.counts.size
        else []
    )
    hold_out_scores = None
    if hold_out:
        from nstar.inference.repeated_backtest import hold_out_samples
        from nstar.progress import progress

        with progress() as bar:
            hold_out_scores = hold_out_samples(
                table,
                law,
                ks,
                columns=named,
                where=where or (),
                priors=prior_texts or None,
                prob=output.prob,
                seed=seed or 0,
                tick=bar("hold-out"),
            )
    answer = MoreSamples(prediction, more, worth, hold_out_scores)
    checks = [*answer.checks(), *check_fit(fit)]
    print_answer(answer, checks, output, Fitted(fit, "as asked for"))


def numbers(text: str, option: str = "--k") -> list[float]:
    """Read whole numbers separated by commas.

    Raises:
        ValueError: one is not a whole number from 1.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(v >= 1 and v == int(v) for v in values):
        msg = f"{option} {text!r}: expected whole numbers from 1, as in 1000,10000"
        raise ValueError(msg)
    return values
