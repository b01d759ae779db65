"""Models to choose among, each known by a table: counts of samples, or a curve of tokens."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nstar.costs.inference import Serving
from nstar.fits.fitting import Fit, fit
from nstar.inference.problem_sets import Curve, Problems, problems_of
from nstar.inference.repeated_checks import one_population
from nstar.runs.notices import SMALL
from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status
from nstar.wording import count

COUNTS = "repeated_sampling"  # law of the counts
TWICE = 2.0  # factor by which the table's size may differ from the one given


class Contender(NamedTuple):
    """A model to choose, its fit, how it does on problems, and what a problem costs."""

    name: str
    fit: Fit
    problems: Problems | Curve
    serving: Serving


def contender(
    name: str,
    runs: Observations,
    serving: Serving,
    *,
    rival: float = 0.4,
    new: int | None = None,
    seed: int = 0,
) -> Contender:
    """Fit the table of one model: counts of samples, or accuracy by tokens.

    Args:
        name: of the model.
        runs: one row a problem with `samples` and `successes`, or one row a budget of
            tokens with `T` and `accuracy`.
        serving: what a problem costs the model.
        rival: share of the wrong samples that agree, which counts cannot show.
        new: number of new problems to answer, in place of those counted.
        seed: of the fit, and of the rates drawn.

    Raises:
        ValueError: the table has neither, or a value is not allowed.
    """
    if "successes" in runs:
        one_population(runs, several=False)
        model_fit = fit(runs, COUNTS, seed=seed)
        return Contender(
            name,
            model_fit,
            problems_of(model_fit, new=new, rival=rival, seed=seed),
            serving,
        )
    if {"T", "accuracy"} <= runs.columns.keys():
        model_fit = fit(runs, "token_budget", seed=seed)
        return Contender(name, model_fit, Curve(model_fit, seed), serving)
    msg = f"{runs.source}: nothing is known of {name}: expected columns samples and successes, one row a problem, or T and accuracy, one row a budget of tokens; there are {', '.join(runs.columns)}"
    raise ValueError(msg)


def by_size(runs: Observations) -> Mapping[str, tuple[float, Observations]]:
    """Split a table of several models by N.

    Returns:
        By name of model: its parameters, and its rows.

    Raises:
        ValueError: there is no N, or a name is that of two sizes.
    """
    if "N" not in runs:
        msg = f"{runs.source}: which model is it? say its size, as in 8B={runs.source}, or name the column of sizes with --columns N=..."
        raise ValueError(msg)
    models: dict[str, tuple[float, Observations]] = {}
    for size in np.unique(runs["N"]):
        rows = runs.take(runs["N"] == size)
        names = np.unique(rows["model"]).tolist() if "model" in rows else []
        name = names[0] if len(names) == 1 else count(float(size))
        if name in models:
            msg = f"{runs.source}: model {name!r} has two sizes, {models[name][0]:g} and {size:g}; correct N, or keep one with --where"
            raise ValueError(msg)
        models[name] = float(size), rows
    return models


def require_size(runs: Observations, size: float) -> None:
    """Refuse a table whose column of sizes differs from the size given.

    Raises:
        ValueError: N is more than twice as large or as small.
    """
    if "N" not in runs or (np.abs(np.log(runs["N"] / size)) <= np.log(TWICE)).all():
        return
    low, high = (count(float(v)) for v in (runs["N"].min(), runs["N"].max()))
    msg = f"{runs.source}: said to be of {count(size)} parameters, but its column {runs.header('N')} has {low} to {high}; name the size that was sampled, or keep its rows with --where"
    raise ValueError(msg)


def check_contenders(contenders: Sequence[Contender]) -> list[Check]:
    """Check that models can be compared: their sizes, and that they saw the same problems."""
    checks = []
    small = [
        f"{model.name} ({model.serving.N:g})"
        for model in contenders
        if model.serving.N < SMALL
    ]
    if small:
        detail = f"{', '.join(small)}: fewer parameters than any language model; write 8B for billions, or its FLOP mean nothing"
        checks.append(Check("sizes", Status.REVIEW, detail))
    counted = [model for model in contenders if isinstance(model.problems, Problems)]
    for other in counted[1:]:
        first = counted[0]
        problems, other_problems = (
            _problems(model.fit.runs) for model in (first, other)
        )
        names = f"{first.name} and {other.name}"
        if problems == other_problems:
            continue
        status, cure = Status.REVIEW, "keep the problems that both were asked (--where)"
        common = len(problems & other_problems)
        detail = f"{common} problems are in the counts of both {names}, of {len(problems)} and {len(other_problems)}: some of what sets them apart may be the problems; {cure}"
        if not common:
            status = Status.FAIL
            detail = f"no problem is in the counts of both {names}: what sets them apart may be the problems alone, and neither is shown to be better; sample both on one set"
        checks.append(Check("same problems", status, detail))
    return checks


def _problems(runs: Observations) -> set[tuple[str, str]]:
    """Problems by name and task; by their number alone where they have no names."""
    numbers = runs["problem"] if "problem" in runs else np.arange(len(runs))
    task = runs["task"] if "task" in runs else np.full(len(runs), "")
    return set(zip(numbers.astype(str), task.astype(str), strict=True))
