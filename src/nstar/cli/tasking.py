"""The command that says what a run will score at a task: task."""

from typing import Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.predicting import point
from nstar.cli.source import get_fit, remark, use_cache


@o.command(
    "nstar task ladder.nc --task evals.csv --accuracy hellaswag --chance-level 0.25 --budget 1e23 --target-accuracy 0.8",
    without=(
        "bytes_per_param",
        "max_epochs",
        "memory",
        "multiple_of",
        "params",
        "unique_tokens",
    ),
)
def task(
    request: o.Request,
    accuracy: Annotated[
        str,
        typer.Option(
            "--accuracy",
            metavar="COLUMN",
            help="Column of the task's accuracies, between 0 and 1.",
        ),
    ],
    limit_options: o.LimitOptions,
    output: o.Output,
    table: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="TABLE",
            help="Runs that were evaluated on the task, one a row; RUNS unless given.",
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            "--loss",
            metavar="COLUMN",
            help="Column of their losses, on the validation set of RUNS.",
        ),
    ] = None,
    nll: Annotated[
        str | None,
        typer.Option(
            "--nll",
            metavar="COLUMN",
            help="Column of the task's negative log-likelihood of the correct answers: two steps.",
        ),
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option(
            "--questions",
            metavar="COLUMN",
            help="How many questions an accuracy is of: a column, or the number.",
        ),
    ] = None,
    chance_level: Annotated[
        float | None,
        typer.Option(
            "--chance-level",
            metavar="P",
            help="Accuracy of guessing, 0.25 for four choices; learned unless given.",
        ),
    ] = None,
    budget: Annotated[
        list[float] | None,
        o.budget("Training budget whose recommended run is meant. Repeatable."),
    ] = None,
    at: Annotated[
        list[str] | None,
        o.run("A run: its parameters and tokens, as in 7e9,1.4e11. Repeatable."),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            "--target-accuracy",
            metavar="P",
            help="Accuracy whose chance of being reached is asked.",
        ),
    ] = None,
    chance: Annotated[
        float,
        o.chance("Probability with which the least budget reaches it."),
    ] = 0.9,
    up_to: Annotated[
        float | None,
        o.up_to("Look no farther; four decades beyond the runs unless given."),
    ] = None,
    task_where: Annotated[
        list[str] | None,
        typer.Option(
            "--task-where",
            metavar="FILTER",
            help="Keep rows of the task's table. Repeatable.",
        ),
    ] = None,
) -> None:
    """Say the accuracy at a task that a budget will reach.

    From compute to loss by RUNS, from loss to accuracy by runs that were evaluated, in
    one step or, with --nll, in two.
    """
    o.require_positive("--budget", budget or [], "3.8e25")
    o.require_positive("--up-to", [up_to] if up_to is not None else [], "1e26")
    _require_fractions(target, chance, chance_level)
    points = [point(text) for text in at or ()]
    if not (budget or points):
        msg = "expected a --budget, or a run with --at N,D"
        raise ValueError(msg)
    limits = limit_options.limits()
    if table is None and request.saved:
        msg = f"{request.runs} is a saved fit: name the table of runs that were evaluated with --task"
        raise ValueError(msg)
    from nstar.runs.sources import require_source

    require_source(table or request.runs)
    from nstar.downstream.fits import fit_task
    from nstar.downstream.scoring import score
    from nstar.validation.checks import check_fit

    columns = o.columns(request.columns, "N=params") if table is None else {}
    rows = (
        [*(request.where or ()), *(task_where or ())]
        if table is None
        else task_where or ()
    )

    if request.cache:
        use_cache()
    remark(f"task {accuracy}: {'two steps, by its nll' if nll else 'one step'}")
    evaluated = fit_task(
        table or request.runs,
        accuracy,
        loss=loss,
        nll=nll,
        questions=_questions(questions),
        chance_level=chance_level,
        columns=columns,
        where=rows,
        seed=request.seed or 0,
    )
    fitted = get_fit(request, surface=True)
    N, D = zip(*points, strict=True) if points else ((), ())
    scores = score(
        fitted.fit,
        evaluated,
        budget or (),
        N=N,
        D=D,
        target=target,
        chance=chance,
        up_to=up_to,
        limits=limits,
        group=request.group,
        seed=request.seed or 0,
    )
    task_checks = [c._replace(name=f"task: {c.name}") for c in check_fit(scores.task)]
    checks = [*scores.checks(), *task_checks, *check_fit(fitted.fit)]
    print_answer(scores, checks, output, fitted, request.group)


def _require_fractions(
    target: float | None, chance: float, chance_level: float | None
) -> None:
    """Refuse percent, and what is no probability, before anything is sampled.

    Raises:
        ValueError: naming the option.
    """
    given = {"--target-accuracy": target, "--chance": chance}
    for option, value in given.items():
        if value is not None and not 0 < value < 1:
            hint = f"; {value:g} % is {value / 100:g}" if 1 < value < 100 else ""
            msg = f"{option} {value:g}: expected a fraction between 0 and 1, such as 0.7{hint}"
            raise ValueError(msg)
    if chance_level is not None and not 0 <= chance_level < 1:
        hint = (
            f"; {chance_level:g} % is {chance_level / 100:g}"
            if 1 < chance_level < 100
            else ""
        )
        msg = f"--chance-level {chance_level:g}: expected a fraction from 0 to below 1, such as 0.25{hint}"
        raise ValueError(msg)


def _questions(text: str | None) -> str | float | None:
    """Read a number of questions, or the name of their column."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text
