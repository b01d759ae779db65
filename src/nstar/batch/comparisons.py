"""Recipes of a table compared as one chunk of a batch: a row for each beside the baseline."""

from collections.abc import Sequence

import numpy as np

from nstar.batch.ladders import Ladder
from nstar.fits.certificates import Certificate
from nstar.multipliers import joint, sampling
from nstar.multipliers.comparing import Recipes, recipes
from nstar.multipliers.reading import find_baseline, names_of_runs
from nstar.runs.observations import Observations

COMPARED = "compared"  # of a chunk's samples, which are recipes
LAW, NOISE, DISCREPANCY = (
    "recipes",
    "normal",
    "waves",
)  # what a table calls the joint model
MULTIPLIER = "log_multiplier"
MODEL = [  # what makes a comparison the one it is
    *(joint.SCALES, joint.ALONG, joint.TOKENS, joint.ACROSS, joint.NEAR),
    *(joint.FADE, joint.LOCAL, sampling.LOTS, repr(joint.Priors())),
]


def name_of(ladder: str, recipe: str, baseline: str) -> str:
    """Name a recipe of a table beside its baseline, as a ladder is named."""
    return f"{ladder}: {recipe} beside {baseline}"


def others(ladder: Ladder) -> list[str]:
    """Recipes of a table besides its baseline.

    Raises:
        ValueError: it was not read, has no such baseline, or not several recipes.
    """
    if ladder.runs is None:
        raise ValueError(ladder.reason)
    names = list(map(str, np.unique(names_of_runs(ladder.runs, ladder.by))))
    find_baseline(names, ladder.baseline)
    return [name for name in names if name != ladder.baseline]


def compare(
    runs: Observations,
    ladder: Ladder,
    names: Sequence[str],
    budgets: Sequence[float],
    draws: int,
    seed: int,
    prob: float,
) -> tuple[list[Certificate], dict[str, np.ndarray], list[dict[str, float]]]:
    """Compare the recipes of a table.

    Args:
        runs: of all recipes.
        ladder: its baseline and the column that names recipes.
        names: of the recipes beside the baseline.
        budgets: FLOP.
        draws: of the posterior.
        seed: of everything.
        prob: of the equal-tailed intervals.

    Returns:
        A certificate a recipe; draws of the log multiplier, (recipe, draw, budget); and
        the columns of each row: interval of the multiplier, mean and sd of its log where
        no draw is unbounded, chances to be better than the baseline and best of all.
    """
    compared = recipes(
        runs, ladder.by, ladder.baseline, budgets, seed=seed, draws=draws
    )
    log_m = np.array([[compared.log_multiplier(n, C) for C in budgets] for n in names])
    more = [_columns(compared, name, prob) for name in names]
    certificate = compared.draws.certificate
    return [certificate] * len(names), {MULTIPLIER: np.moveaxis(log_m, 1, 2)}, more


def _columns(compared: Recipes, name: str, prob: float) -> dict[str, float]:
    columns = {}
    for C in compared.budgets:
        low, middle, high = (
            getattr(compared.multiplier(name, C, prob), end)
            for end in ("lower", "median", "upper")
        )
        log_m = compared.log_multiplier(name, C)
        columns |= {
            f"multiplier[{C:g}]_lo": low,
            f"multiplier[{C:g}]_median": middle,
            f"multiplier[{C:g}]_hi": high,
            f"{MULTIPLIER}[{C:g}]_mean": float(np.mean(log_m)),
            f"{MULTIPLIER}[{C:g}]_sd": float(np.std(log_m, ddof=1)),
            f"chance_better[{C:g}]": compared.chance_better(name, C),
            f"chance_best[{C:g}]": compared.chances_best(C)[name],
        }
    return columns
