"""Fit of a task: from evaluated runs to the accuracy at any loss."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from nstar.fits.fitting import Fit, fit
from nstar.laws.accuracy import Accuracy
from nstar.laws.accuracy_by_nll import AccuracyByNll
from nstar.priors.sets import Priors
from nstar.runs.reading import read_runs
from nstar.samplers import density
from nstar.samplers.density import Skeleton, split
from nstar.types import Array, Kind, Params


def fit_task(
    runs: Any,
    accuracy: str = "accuracy",
    *,
    loss: str | None = None,
    nll: str | None = None,
    questions: str | float | None = None,
    chance_level: float | None = None,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    priors: Priors = None,
    seed: int = 0,
) -> Fit:
    """Fit a task's accuracy to the losses of runs that were evaluated on it.

    Args:
        runs: whatever `read_runs` reads; one row a run.
        accuracy: column of the accuracies, between 0 and 1.
        loss: column of the losses, which must be of the same validation set as those of
            the fit that will predict them; L or an alias of it unless given.
        nll: column of the task's negative log-likelihood of the correct answers, per
            character, byte or token.  With it the fit has two steps, without it one.
        questions: column of how many questions an accuracy is of, or their number.
        chance_level: accuracy of guessing: 0.25 for four choices.
        columns: our names to the table's, for N, D and C.
        where: filters of rows.
        priors: as `nstar.fit` takes them.
        seed: the same seed gives the same draws.

    Returns:
        A fit of accuracy given loss, for `nstar.downstream.scoring.score`.

    Raises:
        ValueError: the chance level is not a fraction, or a value of the table is refused;
            the message names file, row, column and value.

    Examples:
        >>> task = nstar.fit_task("evals.csv", "arc", chance_level=0.25)  # doctest: +SKIP
    """
    if chance_level is not None and not 0 <= chance_level < 1:
        hint = (
            f"; {chance_level:g} % is {chance_level / 100:g}"
            if 1 < chance_level < 100
            else ""
        )
        msg = f"chance level: expected a fraction from 0 to below 1, got {chance_level:g}{hint}"
        raise ValueError(msg)
    column_names = {"accuracy": accuracy, "L": loss, "nll": nll}
    column_names |= {"questions": questions if isinstance(questions, str) else None}
    column_names = {
        ours: theirs for ours, theirs in column_names.items() if theirs is not None
    }
    for ours, theirs in column_names.items():
        if list(column_names.values()).count(theirs) > 1:
            msg = f"column {theirs!r} cannot be the {ours} and another at once: {column_names}"
            raise ValueError(msg)
    table = read_runs(runs, {**(columns or {}), **column_names}, where, ladder=False)
    if questions is not None and not isinstance(questions, str):
        counts = np.full(len(table), float(questions))
        table = replace(table, columns=table.columns | {"questions": counts})
    law = (Accuracy if nll is None else AccuracyByNll)(chance=chance_level)
    return fit(table, law, priors=priors, seed=seed)


def accuracy_at_loss(task: Fit, L: ArrayLike, seed: int = 0) -> xr.Dataset:
    """Predict the accuracy of runs whose losses are known.

    Args:
        task: what `fit_task` gave, or a fit of another law from L to accuracy.
        L: losses as they were measured, (run,).
        seed: of the scatter.

    Returns:
        `accuracy` of the law, `measured` with scatter, and `nll` where there is one,
        (draw, run).

    Raises:
        ValueError: the fit is of another response, or a loss is not positive.
    """
    require_task(task)
    losses = np.atleast_1d(np.asarray(L, dtype=float))
    if not (losses > 0).all():
        msg = f"losses must be positive, got {losses.tolist()}"
        raise ValueError(msg)
    count = len(next(iter(task.draws.values())))
    pairs, losses_of_draws = (
        np.arange(count),
        np.broadcast_to(losses, (count, len(losses))),
    )
    data_by_column = responses_at(task, pairs, losses_of_draws)
    data_by_column["measured"] = measured_accuracy(task, pairs, losses_of_draws, seed)
    data = {name: (("draw", "run"), values) for name, values in data_by_column.items()}
    return xr.Dataset(data, {"L": ("run", losses)})


def require_task(task: Fit) -> None:
    """Refuse a fit that does not go from a loss to an accuracy.

    Raises:
        ValueError: it has another response or other inputs.
    """
    law = task.law
    if law.response.kind not in (Kind.ACCURACY, Kind.TASK) or law.inputs != ("L",):
        msg = f"the {type(law).__name__} law does not go from a loss to an accuracy; fit the task with nstar.fit_task"
        raise ValueError(msg)


def responses_at(
    task: Fit, pairs: np.ndarray, losses: np.ndarray
) -> dict[str, np.ndarray]:
    """Response of the task's law at losses, by column, (draw, run) each.

    Args:
        task: a fit of a law from L to accuracy.
        pairs: number of the task's draw in each row, (draw,).
        losses: (draw, run).
    """
    clean = _expected(task, pairs, losses)
    values = task.law.response.unlink(np.asarray(clean))
    return dict(zip(task.law.response.columns, values, strict=True))


def _expected(task: Fit, pairs: np.ndarray, losses: np.ndarray) -> Array:
    with jax.enable_x64(True):
        skeleton, numbers = split(task.law, task.noise)
        task_draws = {name: values[pairs] for name, values in task.draws.items()}
        return _expected_of_draws(skeleton, numbers, task_draws, losses)


@partial(jax.jit, static_argnums=0)
def _expected_of_draws(
    skeleton: Skeleton, numbers: Any, draws: Params, losses: Array
) -> Array:
    law, _ = skeleton.fill(numbers)
    return jax.vmap(lambda params, L: law.expected(params, {"L": L}))(draws, losses)


def measured_accuracy(
    task: Fit, pairs: np.ndarray, losses: np.ndarray, seed: int
) -> np.ndarray:
    """Draws of the measured accuracy, with scatter, of runs of measured losses, (draw, run)."""
    x = {}
    if "questions" in task.runs:
        x["questions"] = np.median(task.runs["questions"])
    expected = _expected(task, pairs, losses)
    task_draws = {name: values[pairs] for name, values in task.draws.items()}
    with jax.enable_x64(True):
        key = jax.random.fold_in(jax.random.key(seed), 1)
        measured = density.measured(task.noise, expected, task_draws, x, key)[:, 0]
    return np.asarray(task.law.response.unlink(np.asarray(measured))[-1])
