"""The command that says what a run will score at a task: task."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from nstar.cli import options as o
from nstar.cli.answering import print_answer
from nstar.cli.predicting import point
from nstar.cli.source import get_fit, read_table, remark, use_cache

if TYPE_CHECKING:
    from nstar.downstream.joint_tasks import JointTasks

CHANCE = 0.9  # of the least budget that reaches an accuracy
OF_A_SURFACE = ("law", "noise", "discrepancy", "prior", "priors", "pool", "group")


@o.command(
    "nstar task ladder.csv --tasks all --at 7e9,4e12 --target-accuracy 0.8",
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
    limit_options: o.LimitOptions,
    output: o.Output,
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            metavar="NAME,...",
            help="Tasks of RUNS in one posterior: all, or names as in columns acc_NAME, with bpb_NAME or nll_NAME beside where there are.",
        ),
    ] = None,
    accuracy: Annotated[
        str | None,
        typer.Option(
            "--accuracy",
            metavar="COLUMN",
            help="One task alone: column of its accuracies, between 0 and 1.",
        ),
    ] = None,
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
        float | None,
        o.chance(
            "Probability with which the least budget reaches it; 0.9 unless given."
        ),
    ] = None,
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
    """Say the accuracy at tasks that a budget will reach.

    With --tasks all of a ladder's tasks in one posterior, from size and tokens to each
    task's likelihood and on to its accuracy, with what can be told of each. With
    --accuracy one task: from compute to loss by RUNS, from loss to accuracy by runs that
    were evaluated, in one step or, with --nll, in two.
    """
    o.require_positive("--budget", budget or [], "3.8e25")
    o.require_positive("--up-to", [up_to] if up_to is not None else [], "1e26")
    _require_fractions(target, chance, chance_level)
    points = [point(text) for text in at or ()]
    if not (budget or points):
        msg = "expected a --budget, or a run with --at N,D"
        raise ValueError(msg)
    limits = limit_options.limits()
    if tasks is not None:
        _refuse_of_one_task(
            {
                "--accuracy": accuracy,
                "--task": table,
                "--nll": nll,
                "--chance": chance,
                "--up-to": up_to,
                **{
                    f"--{name.replace('_', '-')}": value
                    for name, value in vars(limit_options).items()
                },
                **{f"--{name}": getattr(request, name) for name in OF_A_SURFACE},
            }
        )
        _score_all(
            request,
            output,
            tasks.split(","),
            loss,
            _number(questions),
            chance_level,
            budget or (),
            points,
            target,
            [*(request.where or ()), *(task_where or ())],
        )
        return
    if accuracy is None:
        msg = "say which tasks: --tasks all, or one with --accuracy COLUMN"
        raise ValueError(msg)
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
        chance=CHANCE if chance is None else chance,
        up_to=up_to,
        limits=limits,
        group=request.group,
        seed=request.seed or 0,
    )
    task_checks = [c._replace(name=f"task: {c.name}") for c in check_fit(scores.task)]
    checks = [*scores.checks(), *task_checks, *check_fit(fitted.fit)]
    print_answer(scores, checks, output, fitted, request.group)


def _score_all(
    request: o.Request,
    output: o.Output,
    names: list[str],
    loss: str | None,
    questions: float | None,
    chance_level: float | None,
    budgets: Sequence[float],
    points: Sequence[tuple[float, float]],
    target: float | None,
    where: list[str],
) -> None:
    """Fit all tasks of a table together, and print what runs not made will score."""
    fitted = fit_all(
        request,
        names,
        loss,
        where,
        chance_level=chance_level,
        questions=questions,
    )
    from nstar.downstream.task_scores import score_tasks

    N, D = zip(*points, strict=True) if points else ((), ())
    answer = score_tasks(fitted, budgets, N=N, D=D, target=target)
    runs = fitted.ladder.runs
    about = {
        "data": runs.source,
        "data_sha256": runs.sha256,
        "runs": len(runs),
        "seed": request.seed or 0,
        "prob": output.prob,
        "interval": "equal-tailed",
        "flop_convention": str(runs.cost),
        "params_counted": runs.params_counted,
    }
    print_answer(answer, answer.checks(), output, about=about)


def fit_all(
    request: o.Request,
    names: list[str],
    loss: str | None = None,
    where: list[str] | None = None,
    *,
    chance_level: float | None = None,
    questions: float | None = None,
) -> "JointTasks":
    """Read the tasks of a table with all its options, and fit them together.

    Raises:
        ValueError: the runs are a saved fit, or the table is not as it should be.
    """
    if request.saved:
        msg = f"{request.runs} is a saved fit: tasks are read from a table of runs"
        raise ValueError(msg)
    from nstar.downstream.joint_tasks import fit_ladder
    from nstar.downstream.task_ladders import gather_tasks, name_loss

    named = name_loss(request.runs, o.columns(request.columns, "N=params"), loss)
    columns = ",".join(f"{ours}={theirs}" for ours, theirs in named.items())
    rows = request.where if where is None else where
    options = replace(request, columns=columns or None, where=rows)
    runs = read_table(request.runs, options, ladder=False)
    ladder = gather_tasks(runs, names, chance_level=chance_level, questions=questions)
    remark(f"{len(ladder.tasks)} tasks in one posterior, {len(ladder.runs)} runs")
    return fit_ladder(ladder, request.seed or 0)


def _refuse_of_one_task(given: dict[str, object]) -> None:
    """Refuse options that are of one task alone.

    Raises:
        ValueError: naming those that were given.
    """
    stated = [name for name, value in given.items() if value is not None]
    if stated:
        msg = f"{', '.join(stated)}: of one task alone, which --accuracy names; leave out --tasks or these"
        raise ValueError(msg)


def _number(text: str | None) -> float | None:
    """Read a number of questions of tasks that are not known by name.

    Raises:
        ValueError: it is no number.
    """
    count = _questions(text)
    if isinstance(count, str):
        msg = f"--questions {count}: expected a number of questions beside --tasks, such as 1000"
        raise ValueError(msg)
    return count


def _require_fractions(
    target: float | None, chance: float | None, chance_level: float | None
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
