"""Commands on priors: prior predictive checks, and sensitivity to the prior."""

from typing import Annotated

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.source import get_fit, read


@o.command(
    "nstar prior llama3 --law chinchilla --priors informed --budget 1e21",
    without=("cache", "group", "pool"),
    panel=o.CHECK,
)
def prior(
    request: o.Request,
    output: o.Output,
    budget: Annotated[
        list[float] | None,
        o.budget("Also N*, D* and loss at this budget under the prior. Repeatable."),
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
    table = read(request)
    from nstar.cli.choice import choose
    from nstar.validation.prior_check import prior_predictive

    name, table, _ = choose(table, request.law)
    predictive = prior_predictive(
        table,
        name,
        request.noise,
        request.prior_set,
        budget or (),
        discrepancy=request.discrepancy,
        seed=request.seed or 0,
    )
    about = {
        "data": predictive.runs.source,
        "law": name,
        "priors": request.prior_set.name,
        "seed": request.seed or 0,
        "prob": output.prob,
        "interval": "equal-tailed",
    }
    print_answer(predictive, predictive.checks(), output, about=about)


@o.command("nstar sensitivity ladder.nc", without=("group", "pool"), panel=o.CHECK)
def sensitivity(
    request: o.Request,
    output: o.Output,
    budget: Annotated[
        list[float] | None,
        o.budget(
            "Also N*, D*, L* and regret at this budget, and what they are under priors half and twice as wide. Repeatable."
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
    fitted = get_fit(request)
    from nstar.validation.checks import check_fit
    from nstar.validation.prior_dependence import prior_dependence

    (fit,) = fitted.fit.components
    sensitivities = prior_dependence(fit, budget or [], output.prob)
    print_answer(
        sensitivities, [*check_fit(fit), *sensitivities.checks()], output, fitted
    )
