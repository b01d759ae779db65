"""Freeze the chance that one recipe beats another, before both are run at a budget."""

from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version

import numpy as np

from nstar.ledger.choices import Choice
from nstar.ledger.records import require_name, same_run, stamp
from nstar.multipliers.arms import largest_compute
from nstar.multipliers.comparing import Recipes
from nstar.multipliers.curves import draw_runs
from nstar.multipliers.ladders import number_sizes
from nstar.multipliers.reading import names_of_runs
from nstar.predictions.crossings import finite
from nstar.wording import plainly

PROB = 0.9  # of the intervals that are frozen


def forecast_choice(
    compared: Recipes,
    C: float | None = None,
    recipe: str | None = None,
    *,
    name: str,
    note: str = "",
    when: datetime | None = None,
) -> Choice:
    """Freeze the chance that a recipe's run measures a lower loss than the baseline's.

    Put it into a ledger to make it binding: `Ledger.read(path).freeze(it).save(path)`, and
    once both have run `ledger.score(name, {"adamw": 2.31, "muon": 2.28})`.

    Args:
        compared: what `nstar.recipes` answers.
        C: budget of either run, FLOP; the first that was asked for unless given.
        recipe: beside the baseline; the one most likely to be best unless given.
        name: by which the losses are entered later.
        note: who or why.
        when: the moment of freezing; now unless given.

    Raises:
        ValueError: no such recipe, or it is the baseline itself.
    """
    require_name(name)
    C = compared.budgets[0] if C is None else float(C)
    chances = compared.chances_best(C)
    del chances[compared.baseline]
    recipe = recipe or max(chances, key=lambda n: chances[n])
    if recipe == compared.baseline:
        msg = f"{recipe!r} is the baseline: a choice is between it and another recipe"
        raise ValueError(msg)
    arms, chance_of_law = (
        (compared.baseline, recipe),
        compared.chance_better(recipe, C),
    )
    numbers = [compared.names.index(arm) for arm in arms]
    size = np.exp(
        [compared.curves.path(C, g) for g in range(len(compared.names))]
    )  # N and D, (recipe, 2)
    loss = _measured(compared, size)[:, numbers]
    runs = {
        arm: {
            "N": float(size[g, 0]),
            "D": float(size[g, 1]),
            "loss": _interval(loss[:, i]),
        }
        for i, (arm, g) in enumerate(zip(arms, numbers, strict=True))
    }
    better = int(np.sum(loss[:, 1] < loss[:, 0]))
    largest = largest_compute(compared.model.ladders)[numbers].min()
    table = compared.runs
    return Choice(
        name=name,
        frozen=stamp(when),
        baseline=compared.baseline,
        recipe=recipe,
        C=C,
        # never none and never certain: as many draws say no more
        chance=(better + 0.5) / (len(loss) + 1),
        chance_of_law=chance_of_law,
        prob=PROB,
        multiplier={
            n: finite(v)
            for n, v in compared.multiplier(recipe, C, PROB).as_json().items()
        },
        runs=runs,
        decades_beyond_data=float(np.log10(C / largest)),
        basis={
            "data": table.source,
            "data_sha256": table.sha256,
            "runs": len(table),
            "by": compared.by,
            "recipes": list(compared.names),
            "path": compared.path,
            "priors": asdict(compared.model.priors),
            "seed": compared.seed,
            "flop_convention": str(table.cost),
            "params_counted": table.params_counted,
            "loss_unit": table.loss_unit,
            "nstar": version("nstar"),
        },
        checks=tuple(plainly(compared.checks())),
        among_data=_rows_of_both(compared, runs),
        note=note,
    )


def _measured(compared: Recipes, size: np.ndarray) -> np.ndarray:
    """Draws of the losses that one run of each recipe will measure, (draw, recipe)."""
    at = tuple(np.log(size).T[..., None])
    sets = number_sizes(at[0].ravel(), at[1].ravel())[:, None]
    random = np.random.default_rng(compared.seed)
    drawn = draw_runs(compared.model, compared.draws, (at[0], at[1]), sets, random)
    return np.exp(drawn[..., 0])


def _interval(values: np.ndarray) -> dict[str, float]:
    ends = np.quantile(values, [0.5, (1 - PROB) / 2, (1 + PROB) / 2])
    return dict(zip(("median", "lower", "upper"), map(float, ends), strict=True))


def _rows_of_both(compared: Recipes, runs: dict[str, dict]) -> tuple[int, ...]:
    """Rows of the table that are these runs, where both recipes have them; else none."""
    table, group = compared.runs, names_of_runs(compared.runs, compared.by)
    same = {
        arm: table.rows[
            (group == arm) & same_run(table["N"], table["D"], run["N"], run["D"])
        ]
        for arm, run in runs.items()
    }
    if not all(len(rows) for rows in same.values()):
        return ()
    return tuple(int(row) for rows in same.values() for row in rows)
