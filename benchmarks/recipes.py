"""Multipliers predicted at held-out budgets beside those measured there.

    uv run python benchmarks/recipes.py --data ../shared/data --json > recipes.json

takes every table of the folder that has columns recipe, N, D, C, L (and split: train is
fitted, test decides), lays out the shared ones, and adds simulated ones.  The top half
decade, decade and two decades of each are held out; what was measured there is the
multiplier by interpolation between the other recipe's best runs, censored where the loss
lies outside them.  The predictive goes through the same steps, run by run, with the noise
of both arms.  Beside it: ranking at the largest common run, the pocket formula, a fit of
each arm alone, and a pooled fit without bends and pairs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special

from nstar.multipliers import arms
from nstar.multipliers.curves import draw_runs
from nstar.multipliers.floors import pocket_multipliers
from nstar.multipliers.joint import Prior, Priors, place
from nstar.multipliers.ladders import Ladders, number_sizes
from nstar.multipliers.reading import find_ladders
from nstar.multipliers.sampling import Draws, sample
from recipes_tables import RecipeTable, of_folder, simulated

HOLD_OUTS = (0.5, 1.0, 2.0)  # decades
FEWEST = 3  # cells of an arm that are fitted
SAME_BUDGET = 0.05  # in log C
PROB = 0.9
MEASURED = 400  # draws of what is measured, of every pair
CHANCES = ("brier", "log_score", "decided")
NAMES = {
    "joint": "nstar recipes",
    "alone": "a fit of each arm alone",
    "pooled": "pooled, without bends and pairs",
    "ranking": "ranking, pocket formula",
}
PAGE = """# Recipes compared at held-out budgets

`uv run python benchmarks/recipes.py --data ../shared/data --write`: the top half decade, decade and two decades of every table held out, every pair at every held-out budget of the second recipe that the first was measured at.  Widths and interval scores are of the natural logarithm of the multiplier, with the noise of both arms in the predictive; multipliers outside what was measured are censored.  Ranking at the largest common run and the pocket formula say the same of who is better; their chance is how often they are right within the training runs.  Slopes have 95 % intervals over resampled tables.

"""
FOLDER = Path(__file__).parent / "results"
NOTHING = Prior(1e-5, 0.1)
POOLED = Priors(  # spreads of departures.pooling: a fifth of the prior's width
    floor=Prior(0.19, 0.7),
    reducible=Prior(0.2, 0.7),
    size_share=Prior(0.22, 0.7),
    alpha1=Prior(0.084, 0.7),
    slope=Prior(0.1, 0.7),
    bend_common=NOTHING,
    bend_recipe=NOTHING,
    pair=NOTHING,
)


class Split(NamedTuple):
    """A table with its largest runs held out."""

    table: RecipeTable
    decades: float
    train: Ladders
    every: Ladders  # of the same recipes
    new: np.ndarray  # cells that are held out, (recipe, cell)


def splits(table: RecipeTable) -> list[Split]:
    """Hold out what the split says, or the top of compute."""
    return list(_splits(table))


def _splits(table: RecipeTable) -> Iterator[Split]:
    runs = table.runs
    names, recipe = np.unique(runs["recipe"].astype(str), return_inverse=True)
    log_C = np.log(runs["C"])
    if "split" in runs and "test" in runs["split"]:
        test = runs["split"] == "test"
        decades = (log_C[test].max() - log_C[~test].max()) / np.log(10)
        choices = [(round(float(decades), 2), test)]
    else:
        tops = [log_C[recipe == g].max() for g in range(len(names))]
        choices = [(h, log_C > min(tops) - h * np.log(10) - 1e-6) for h in HOLD_OUTS]
    for decades, test in choices:
        sizes = number_sizes(np.log(runs["N"]), np.log(runs["D"]))
        usable = [
            len(np.unique(sizes[(recipe == g) & ~test])) >= FEWEST
            and np.any((recipe == g) & test)
            for g in range(len(names))
        ]
        if sum(usable) < 2:
            continue
        keep = np.array(usable)[recipe]
        train, _ = find_ladders(runs.take(keep & ~test), "recipe")
        every, _ = find_ladders(runs.take(keep), "recipe")
        edge = log_C[keep & ~test].max()
        new = every.cell & (every.log_C > edge + 1e-9)
        if "split" in runs:
            new = every.cell & ~_is_of(every, train)
        yield Split(table, decades, train, every, new)


def _is_of(every: Ladders, train: Ladders) -> np.ndarray:
    """Cells that the training runs have too."""
    same = np.zeros(every.cell.shape, bool)
    for g in range(len(every.names)):
        here = np.stack([every.n[g] + every.log_N0, every.d[g] + every.log_D0], axis=-1)
        at = train.cell[g]
        there = np.stack(
            [train.n[g, at] + train.log_N0, train.d[g, at] + train.log_D0], axis=-1
        )
        off = np.abs(here[:, None] - there[None]).max(axis=-1)
        same[g] = off.min(axis=1) < 0.01
    return same & every.cell


class Measured(NamedTuple):
    """Log multipliers at budgets, what bounds them, and whether b was better."""

    log_m: np.ndarray  # (..., budget)
    low: np.ndarray  # log m below which nothing could be measured, (budget,)
    high: np.ndarray
    better: np.ndarray  # (..., budget)


def budgets_of(split: Split, a: int, b: int) -> np.ndarray:
    """Log FLOP of the held-out budgets of b at which a was measured too."""
    log_C = split.every.log_C
    new = np.sort(log_C[b, split.new[b]])
    first = new[np.diff(new, prepend=-np.inf) > SAME_BUDGET]
    top = log_C[a, split.every.cell[a]].max()
    return first[first <= top + SAME_BUDGET]


def measure(split: Split, a: int, b: int, y: np.ndarray, at: np.ndarray) -> Measured:
    """Interpolate between the best runs of two arms; y is (recipe, cell)."""
    lines = []
    for g in (a, b):
        cells = split.every.cell[g]
        order = np.argsort(split.every.log_C[g, cells])
        log_C = split.every.log_C[g, cells][order]
        lines.append((log_C, *arms.frontier(log_C, y[g, cells][order])))
    (all_a, C_a, y_a), (_, C_b, y_b) = lines
    loss_b, loss_a = np.interp(at, C_b, y_b), np.interp(at, C_a, y_a)
    log_C = np.interp(-loss_b, -y_a, C_a)
    return Measured(log_C - at, all_a.min() - at, all_a.max() - at, loss_b < loss_a)


def predict(split: Split, draws: Draws, model: Any, seed: int) -> np.ndarray:
    """Draw the log losses of all cells: those fitted as measured, those held out predicted."""
    every, random = split.every, np.random.default_rng(seed)
    width = int((every.count * split.new).max())
    n = np.repeat((every.n + every.log_N0)[..., None], width, axis=-1)
    d = np.repeat((every.d + every.log_D0)[..., None], width, axis=-1)
    recipes = len(n)
    new = split.new.any(axis=0)
    rows = (recipes, new.sum() * width)
    at = n[:, new].reshape(rows), d[:, new].reshape(rows)
    sizes = number_sizes(at[0].ravel(), at[1].ravel())
    sets = (sizes * width + np.tile(np.arange(width), len(sizes) // width)).reshape(
        rows
    )
    drawn = draw_runs(model, draws, at, sets, random)
    drawn = drawn.reshape(len(drawn), recipes, new.sum(), width)
    counted = np.arange(width) < every.count[:, new, None]
    mean = (drawn * counted).sum(axis=-1) / counted.sum(axis=-1)
    y = np.tile(every.y, (len(drawn), 1, 1))
    y[:, :, new] = np.where(split.new[:, new], mean, every.y[:, new])
    return y


def alone(split: Split, seed: int) -> np.ndarray:
    """Predict every recipe by a fit of its own."""
    y = np.tile(split.every.y, (1000, 1, 1))
    for g in range(len(split.every.names)):
        one = place(split.train.of_recipe(g), Priors())
        draws = sample(one, seed)
        part = replace(split.every.of_recipe(g), names=("one",))
        cells = part.cell.shape[1]
        new = split.new[[g], :cells]
        drawn = predict(split._replace(every=part, new=new), draws, one, seed + g)
        y[:, g, :cells] = drawn[:, 0]
    return y


def joint(split: Split, priors: Priors, seed: int) -> tuple[np.ndarray, Draws]:
    """Predict all recipes by one fit."""
    model = place(split.train, priors)
    draws = sample(model, seed)
    return predict(split, draws, model, seed), draws


def pairs_of(
    split: Split, methods: dict[str, np.ndarray], pocket: list, ranks: list
) -> Iterator[dict]:
    """Every pair at every held-out budget."""
    for a, b in combinations(range(len(split.every.names)), 2):
        at = budgets_of(split, a, b)
        if not at.size:
            continue
        truth = measure(split, a, b, split.every.y, at)
        drawn = {
            name: [measure(split, a, b, one, at) for one in y[:MEASURED]]
            for name, y in methods.items()
        }
        for i, log_C in enumerate(at):
            low, high = truth.low[i], truth.high[i]
            value = float(truth.log_m[i])
            censored = (
                "above"
                if value >= high - 1e-9
                else "below"
                if value <= low + 1e-9
                else None
            )
            of_methods = {}
            for name, each in drawn.items():
                log_m = np.clip([m.log_m[i] for m in each], low, high)
                median, lower, upper = np.quantile(log_m, [0.5, 0.05, 0.95])
                of_methods[name] = {
                    "log_multiplier": {
                        "median": median,
                        "lower": lower,
                        "upper": upper,
                    },
                    "chance_b_better": float(np.mean([m.better[i] for m in each])),
                }
            yield {
                "table": split.table.name,
                "source": split.table.source,
                "a": split.every.names[a],
                "b": split.every.names[b],
                "C": float(np.exp(log_C)),
                "hold_out_decades": split.decades,
                **of_methods["joint"],
                "measured": value,
                "censored": censored,
                "b_better": bool(truth.better[i]),
                "ranked_better": ranks[a][b],
                "pocket_log_multiplier": pocket[a][b],
                "others": {n: v for n, v in of_methods.items() if n != "joint"},
            }


def ranking(ladders: Ladders) -> list[list[bool]]:
    """Whether b is better than a at the largest common run, [a][b]."""
    lines = arms.frontiers(ladders)

    def better(a: int, b: int) -> bool:
        top = min(lines[a][0][-1], lines[b][0][-1])
        return bool(np.interp(top, *lines[b]) < np.interp(top, *lines[a]))

    count = range(len(ladders.names))
    return [[better(a, b) for b in count] for a in count]


def right_in_training(split: Split) -> list[bool]:
    """Whether ranking within the training runs says who is better at their top."""
    train = split.train
    log_C = train.log_C
    tops = np.where(train.cell, log_C, -np.inf).max(axis=1)
    edge = tops.min() - min(split.decades, 0.5) * np.log(10)
    small = replace(train, cell=train.cell & (log_C < edge))
    if (small.cell.sum(axis=1) < 2).any():
        return []
    before, after = ranking(small), ranking(train)
    return [
        before[a][b] == after[a][b] for a, b in combinations(range(len(train.names)), 2)
    ]


def score(pairs: list[dict], chance_right: float) -> dict[str, Any]:
    """Coverage and interval score of log m, scores of the chance, by source and in all."""
    others = dict.fromkeys(n for p in pairs for n in p["others"])
    methods = {
        "joint": lambda p: p,
        **{n: (lambda p, n=n: p["others"].get(n)) for n in others},
        "ranking": lambda p: {
            "chance_b_better": chance_right if p["ranked_better"] else 1 - chance_right
        },
    }
    sources = ["all", *dict.fromkeys(p["source"] for p in pairs)]
    scores = {}
    for source in sources:
        here = [p for p in pairs if source in ("all", p["source"])]
        each = {n: [p for p in here if of(p)] for n, of in methods.items()}
        scores[source] = {n: _scores(each[n], methods[n]) for n in each if each[n]}
    return scores


def _scores(pairs: list[dict], of: Any) -> dict[str, Any]:
    better = np.array([p["b_better"] for p in pairs], float)
    chance = np.clip([of(p)["chance_b_better"] for p in pairs], 0.001, 0.999)
    log_score = better * np.log(chance) + (1 - better) * np.log(1 - chance)
    scores = {
        "count": len(pairs),
        "brier": float(np.mean((chance - better) ** 2)),
        "log_score": float(-log_score.mean()),
        "decided": float(np.mean((chance > 0.5) == better)),
    }
    if "log_multiplier" not in of(pairs[0]):
        return scores
    q = np.array(
        [
            [of(p)["log_multiplier"][k] for k in ("median", "lower", "upper")]
            for p in pairs
        ]
    )
    value = np.array([p["measured"] for p in pairs])
    above = np.array([p["censored"] == "above" for p in pairs])
    below = np.array([p["censored"] == "below" for p in pairs])
    under = np.maximum(q[:, 1] - value, 0) * ~above
    over = np.maximum(value - q[:, 2], 0) * ~below
    missed = (under > 1e-9) | (over > 1e-9)
    interval_score = q[:, 2] - q[:, 1] + 2 / (1 - PROB) * (under + over)
    return scores | {
        "coverage": float(np.mean(~missed)),
        "width": float(np.mean(q[:, 2] - q[:, 1])),
        "interval_score": float(interval_score.mean()),
        "rmse": float(np.sqrt(np.mean((q[:, 0] - value)[~above & ~below] ** 2))),
        "slope": _slope(pairs, better, chance),
    }


def _slope(
    pairs: list[dict], better: np.ndarray, chance: np.ndarray
) -> dict[str, float]:
    """Slope of calibration of logits, and its interval over resampled tables."""
    logit = special.logit(chance)
    tables = np.array([p["table"] for p in pairs])
    names, random = np.unique(tables), np.random.default_rng(0)

    def fit(at: np.ndarray) -> float:
        def loss(w: np.ndarray) -> float:
            z = w[0] * logit[at]
            return float(np.sum(np.logaddexp(0, z) - better[at] * z) + 1e-3 * w[0] ** 2)

        return float(optimize.minimize(loss, [1.0]).x[0])

    resampled = []
    for _ in range(100):
        chosen = random.choice(names, len(names))
        resampled.append(
            fit(np.concatenate([np.flatnonzero(tables == n) for n in chosen]))
        )
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "slope": fit(np.arange(len(pairs))),
        "lower": float(low),
        "upper": float(high),
    }


def run(
    tables: list[RecipeTable], seed: int, priors: Priors, *, others: bool
) -> dict[str, Any]:
    """Predict and score everything; what fails is reported, and ends nothing else."""
    pairs, right, failed = [], [], []
    started = time.process_time()

    def attempt[**P, T](
        table: str, what: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Do a part of it, or say why not."""
        try:
            return work(*args, **kwargs)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            failed.append({"table": table, "method": what, "reason": reason})
            print(f"{table}, {what}: FAILED, {reason}", file=sys.stderr, flush=True)
            return None

    for table in tables:
        for split in attempt(table.name, "hold-out", splits, table) or ():
            joint_fit = attempt(table.name, "joint", joint, split, priors, seed)
            if joint_fit is None:
                continue
            y, draws = joint_fit
            methods = {"joint": y}
            if others:
                each = attempt(table.name, "alone", alone, split, seed)
                methods |= {} if each is None else {"alone": each}
                pooled = attempt(table.name, "pooled", joint, split, POOLED, seed)
                methods |= {} if pooled is None else {"pooled": pooled[0]}
            pairs += (
                attempt(table.name, "scores", compared, split, methods, draws) or []
            )
            right += right_in_training(split)
            print(
                f"{table.name}, {split.decades} decades: k-hat {draws.certificate.k_hat:.2f}, {draws.certificate.ess:.0f} effective, {time.process_time() - started:.0f} s in all",
                file=sys.stderr,
                flush=True,
            )
    chance_right = float(np.clip(np.mean(right or [0.8]), 0.5, 0.99))
    scores = score(pairs, chance_right) if pairs else {}
    return {"pairs": pairs, "scores": scores, "failed": failed}


def compared(split: Split, methods: dict[str, np.ndarray], draws: Draws) -> list[dict]:
    """Every pair of a split, with what every method and both baselines say."""
    count = range(len(split.train.names))
    pocket = [list(pocket_multipliers(split.train, draws, a).values()) for a in count]
    pocket = [[None if m is None else float(np.log(m)) for m in row] for row in pocket]
    return list(pairs_of(split, methods, pocket, ranking(split.train)))


def page(scores: dict[str, Any]) -> str:
    """Scores as a page."""
    head = "| source | forecaster | comparisons | coverage of 90 % | width | interval score | Brier | log score | decided right | slope of calibration |"
    rows = [head, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for source, methods in scores.items():
        for name, s in methods.items():
            cells = [source, NAMES[name], str(s["count"])]
            cells += [
                f"{s[k]:.3f}" if k in s else "–"
                for k in ("coverage", "width", "interval_score", *CHANCES)
            ]
            if slope := s.get("slope"):
                cells.append(
                    f"{slope['slope']:.2f} [{slope['lower']:.2f}, {slope['upper']:.2f}]"
                )
            else:
                cells.append("–")
            rows.append(f"| {' | '.join(cells)} |")
    return PAGE + "\n".join(rows) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--json", action="store_true", help="everything, not scores only"
    )
    parser.add_argument(
        "--simulated", type=int, default=24, help="tables of known multipliers"
    )
    parser.add_argument("--tables", nargs="*", help="parts of names of tables to take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="results/recipes.md")
    options = parser.parse_args()
    taken = [*of_folder(options.data), *simulated(options.simulated)]
    if options.tables:
        taken = [t for t in taken if any(part in t.name for part in options.tables)]
    document = run(taken, options.seed, Priors(), others=True)
    if options.write:
        (FOLDER / "recipes.md").write_text(page(document["scores"]))
    print(json.dumps(document if options.json else document["scores"], indent=1))
