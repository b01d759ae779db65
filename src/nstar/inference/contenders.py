"""Models to choose among, each known by a table: counts of samples, or a curve of tokens."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nstar.costs.inference import Serving
from nstar.fits.fitting import Fit, fit
from nstar.inference.problem_sets import Curve, Problems, problems_of
from nstar.inference.repeated_checks import one_population
from nstar.runs.observations import Observations
from nstar.wording import count

COUNTS = "repeated_sampling"  # law of the counts


class Contender(NamedTuple):
    """A model that may answer, what was fitted of it, and what a problem costs it."""

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
    """Fit what a table says of one model.

    Args:
        name: of the model.
        runs: one row a problem with `samples` and `successes`, or one row a budget of
            tokens with `T` and `accuracy`.
        serving: what a problem costs the model.
        rival: share of the wrong samples that agree, which counts do not tell.
        new: number of new problems to answer, in place of those counted.
        seed: of the fit, and of the rates drawn.

    Raises:
        ValueError: the table has neither, or a value is not allowed.
    """
    if "successes" in runs:
        one_population(runs, several=False)
        made = fit(runs, COUNTS, seed=seed)
        return Contender(name, made, problems_of(made, new=new, rival=rival, seed=seed), serving)  # fmt: skip
    if {"T", "accuracy"} <= runs.columns.keys():
        made = fit(runs, "token_budget", seed=seed)
        return Contender(name, made, Curve(made, seed), serving)
    msg = f"{runs.source}: nothing is known of {name}: expected columns samples and successes, one row a problem, or T and accuracy, one row a budget of tokens; there are {', '.join(runs.columns)}"
    raise ValueError(msg)


def by_size(runs: Observations) -> Mapping[str, tuple[float, Observations]]:
    """Part a table of several models by N: by name, the size and the rows.

    Raises:
        ValueError: there is no N, or a name is that of two sizes.
    """
    if "N" not in runs:
        msg = f"{runs.source}: which model is it? say its size, as in 8B={runs.source}, or name the column of sizes with --columns N=..."
        raise ValueError(msg)
    found: dict[str, tuple[float, Observations]] = {}
    for size in np.unique(runs["N"]):
        part = runs.take(runs["N"] == size)
        names = np.unique(part["model"]).tolist() if "model" in part else []
        name = names[0] if len(names) == 1 else count(float(size))
        if name in found:
            msg = f"{runs.source}: model {name!r} has two sizes, {found[name][0]:g} and {size:g}; correct N, or keep one with --where"
            raise ValueError(msg)
        found[name] = float(size), part
    return found
