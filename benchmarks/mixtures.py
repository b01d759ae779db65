"""Mixtures of data: larger models predicted from smaller ones, and mixtures never trained.

    uv run python benchmarks/mixtures.py --data DIR [--json] [--only TABLE]

reads every table of DIR named `mixtures*.csv` (or .parquet): shares `mix_*` or
`proportion_*`, losses `loss_*`, a size (`params_label` or `group`) and perhaps a `split`.
Hold-outs, by what is predicted (`held_out`):

    size      each size but the smallest, from every row of all smaller ones
    unseen    the same from rows whose `split` is train only, so that its mixtures are new
    split     rows whose `split` is not train, from the others, at every size
    half      half the mixtures of the largest size, from all that is left
    rest      each size from all others (tables of up to 300 rows)
    mixtures  mixtures left out at every size, in five folds (tables of up to 300 rows)

Each is predicted by nstar, by linear regression and LightGBM (RegMix's settings: 1,000
rounds, learning rate .01; `uv sync --group bench`) on the shares, and by least squares of
the exponential law of Ye et al.; where several sizes are trained on, these have log N too
(the exponential law as a factor, a power of N).

`r2` is the mean over losses of 1 - error / variance, each within [-1, 1]; `r2_pooled` is
that of all losses together about one mean.  `spearman`, `regret` (the loss measured at the
mixture that is predicted best, less the least measured one), coverage and interval score
are means over losses; `spearman_mean` and `regret_mean` are of the mean of all losses,
and `domains` has every loss on its own.
Ranks and regrets are within sizes, and averaged over them.  Tables are read, never written.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from nstar.mixtures.fitting import fit_losses
from nstar.mixtures.reading import Mixtures, read_mixtures
from nstar.scores import scores

DRAWS = 500
FOLDS = 5
MOST_FOLDED = 300  # rows of a table whose mixtures are left out in folds
FEWEST = 5  # rows that are scored
TRAIN = ("train", "training", "fit")
LIGHTGBM = {  # of RegMix's regression notebook
    "objective": "regression",
    "learning_rate": 1e-2,
    "seed": 42,
    "verbosity": -1,
    "num_threads": 1,
}
LIGHTGBM_ROUNDS = 1000


class Holdout(NamedTuple):
    """Rows to train on and rows to predict."""

    name: str
    size: str
    train: np.ndarray
    test: np.ndarray


class Predicted(NamedTuple):
    """Losses of the test rows: points, and draws where a method has them."""

    points: np.ndarray  # (row, loss)
    draws: np.ndarray | None  # (draw, row, loss)


def holdouts(runs: Mixtures) -> Iterator[Holdout]:
    """Yield what is trained on and predicted, for each hold-out of a table."""
    sizes = np.unique(runs.N[np.isfinite(runs.N)])
    train = np.isin(np.char.lower(runs.split.astype(str)), TRAIN)
    label = {N: f"{N / 1e6:g}M" for N in sizes}
    everything = np.arange(len(runs))
    _, mixture = np.unique(np.round(runs.shares, 6), axis=0, return_inverse=True)
    mixture = mixture.ravel()
    order = np.random.default_rng(0).permutation(mixture.max() + 1)
    rank = np.argsort(order)[mixture]
    splits = train.any() and not train.all()
    for N in sizes[1:]:
        there, smaller = runs.N == N, runs.N < N
        yield Holdout("size", label[N], everything[smaller], everything[there])
        test = there & ~train if splits else there & False
        if test.any() and (smaller & train).any():
            yield Holdout(
                "unseen", label[N], everything[smaller & train], everything[test]
            )
    if splits:
        yield Holdout("split", "all", everything[train], everything[~train])
    last = sizes[-1] == runs.N if len(sizes) > 1 else np.ones(len(runs), bool)
    half = last & (np.argsort(np.argsort(rank)) % 2 == 1) & last
    size = label[sizes[-1]] if len(sizes) else "one"
    yield Holdout("half", size, everything[~half], everything[half])
    if len(runs) > MOST_FOLDED:
        return
    if len(sizes) > 1:
        for N in sizes:
            there = runs.N == N
            yield Holdout("rest", label[N], everything[~there], everything[there])
    for fold in range(FOLDS):
        out = rank % FOLDS == fold
        yield Holdout("mixtures", f"fold {fold + 1}", everything[~out], everything[out])


def by_nstar(train: Mixtures, test: Mixtures) -> Predicted:
    """Predict with nstar's posterior."""
    fit = fit_losses(
        train.domains, train.shares, train.N, train.D, train.losses, train.values
    )
    at = np.stack([fit.place(N, D) for N, D in zip(test.N, test.D, strict=True)])
    draws = np.empty((DRAWS, *test.values.shape))
    points = np.empty(test.values.shape)
    for place in np.unique(at, axis=0):
        rows = np.all(at == place, axis=1)
        draws[:, rows] = fit.draw(test.shares[rows], place, DRAWS, measured=True)
        for i, loss in enumerate(test.losses):
            points[rows, i] = np.exp(fit.mean(loss, test.shares[rows], place))
    return Predicted(points, draws)


def features(train: Mixtures, runs: Mixtures) -> np.ndarray:
    """Shares, and log N where several sizes are trained on."""
    if len(np.unique(train.N)) == 1:
        return runs.shares
    return np.column_stack([runs.shares, np.log(runs.N)])


def each_loss(train: Mixtures, test: Mixtures, predict) -> Predicted:
    """Predict loss by loss from the rows that have it."""
    points = np.empty(test.values.shape)
    for i in range(len(train.losses)):
        there = np.isfinite(train.values[:, i])
        points[:, i] = predict(train.take(there), train.values[there, i], test)
    return Predicted(points, None)


def by_linear(train: Mixtures, test: Mixtures) -> Predicted:
    """Regress losses on shares (they sum to one, so there is no constant)."""

    def predict(runs: Mixtures, y: np.ndarray, at: Mixtures) -> np.ndarray:
        slopes = np.linalg.lstsq(features(runs, runs), y, rcond=None)[0]
        return features(runs, at) @ slopes

    return each_loss(train, test, predict)


def by_lightgbm(train: Mixtures, test: Mixtures) -> Predicted:
    """Regress losses with boosted trees, as RegMix does."""
    import lightgbm

    def predict(runs: Mixtures, y: np.ndarray, at: Mixtures) -> np.ndarray:
        data = lightgbm.Dataset(features(runs, runs), y)
        trees = lightgbm.train(LIGHTGBM, data, LIGHTGBM_ROUNDS)
        return np.asarray(trees.predict(features(runs, at)))

    return each_loss(train, test, predict)


def by_exponential(train: Mixtures, test: Mixtures) -> Predicted:
    """Fit (c + k exp(t r)) (N / N0)^-alpha by least squares."""

    def predict(runs: Mixtures, y: np.ndarray, at: Mixtures) -> np.ndarray:
        several = len(np.unique(runs.N)) > 1
        middle = np.log(runs.N).mean()

        def law(q: np.ndarray, x: Mixtures) -> np.ndarray:
            loss = q[0] + np.exp(np.clip(x.shares @ q[2:], -30, 30))
            return loss * np.exp(-q[1] * (np.log(x.N) - middle)) if several else loss

        start = np.concatenate(
            [
                [y.min() / 2, 0.1],
                np.full(runs.shares.shape[1], np.log(y.mean() - y.min() / 2)),
            ]
        )
        best = least_squares(lambda q: law(q, runs) - y, start, max_nfev=200).x
        return law(best, at)

    return each_loss(train, test, predict)


METHODS = {
    "nstar": by_nstar,
    "linear": by_linear,
    "lightgbm": by_lightgbm,
    "exponential": by_exponential,
}


def average(values: Iterable[float]) -> float:
    """Mean of those that are numbers; NaN where none is."""
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")


def rank(
    points: np.ndarray, truth: np.ndarray, size: np.ndarray
) -> tuple[float, float]:
    """Spearman's correlation and the regret of the mixture predicted best, by size."""
    correlations, regrets = [], []
    for N in np.unique(size):
        p, y = points[size == N], truth[size == N]
        if len(y) >= FEWEST and np.ptp(p) > 0:
            correlations.append(float(spearmanr(p, y)[0]))
        regrets.append(float(y[np.argmin(p)] - y.min()))
    return average(correlations), average(regrets)


def r2(points: np.ndarray, truth: np.ndarray) -> float:
    """1 - error / variance, within [-1, 1]."""
    value = 1 - np.sum((points - truth) ** 2) / np.sum((truth - truth.mean()) ** 2)
    return float(np.clip(value, -1, 1))


def score(predicted: Predicted, test: Mixtures) -> dict:
    """Score predictions of all losses."""
    size = np.nan_to_num(test.N)
    domains = {}
    for i, name in enumerate(test.losses):
        there = np.isfinite(test.values[:, i])
        y, p = test.values[there, i], predicted.points[there, i]
        spearman, regret = rank(p, y, size[there])
        domains[name] = {"r2": r2(p, y), "spearman": spearman, "regret": regret}
        if predicted.draws is not None:
            of_draws = scores(predicted.draws[:, there, i], y)
            domains[name] |= {
                "coverage": of_draws["coverage"],
                "interval_score": of_draws["interval_score"]["0.9"],
            }
    rows = list(domains.values())
    complete = np.isfinite(test.values).all(axis=1)
    truth, points = test.values[complete], predicted.points[complete]
    if predicted.draws is not None:
        points = predicted.draws[:, complete].mean(axis=0)
    spearman_mean, regret_mean = rank(
        points.mean(axis=1), truth.mean(axis=1), size[complete]
    )
    answer = {
        name: average(row[name] for row in rows)
        for name in ("r2", "spearman", "regret")
    }
    answer |= {
        "r2_pooled": r2(predicted.points[complete].ravel(), truth.ravel()),
        "spearman_mean": spearman_mean,
        "regret_mean": regret_mean,
        "coverage": None,
        "interval_score": None,
    }
    if predicted.draws is not None:
        levels = rows[0]["coverage"]
        answer |= {
            "coverage": {
                level: float(np.mean([row["coverage"][level] for row in rows]))
                for level in levels
            },
            "interval_score": float(np.mean([row["interval_score"] for row in rows])),
        }
        of_mean = scores(predicted.draws[:, complete].mean(axis=2), truth.mean(axis=1))
        answer["coverage_mean"] = of_mean["coverage"]
    return answer | {"domains": domains}


def joined(parts: list[tuple[Mixtures, Predicted]]) -> tuple[Mixtures, Predicted]:
    """Put folds of one table together."""
    runs, predicted = zip(*parts, strict=True)
    columns = ("shares", "N", "D", "values", "rows", "split")
    stacked = {
        name: np.concatenate([getattr(r, name) for r in runs]) for name in columns
    }
    together = replace(runs[0], **stacked)
    draws = None
    if predicted[0].draws is not None:
        draws = np.concatenate([p.draws for p in predicted], axis=1)
    return together, Predicted(np.concatenate([p.points for p in predicted]), draws)


def rows_of(
    table: str, runs: Mixtures, methods: list[str], only: str | None
) -> Iterator[dict]:
    """Yield one row for each hold-out and method; a method that fails says why."""
    groups: dict[tuple[str, str], list[Holdout]] = {}
    for holdout in holdouts(runs):
        size = "all" if holdout.name == "mixtures" else holdout.size
        groups.setdefault((holdout.name, size), []).append(holdout)
    for (name, size), parts in groups.items():
        if only not in (None, name):
            continue
        for method in methods:
            about = {"table": table, "held_out": name, "size": size, "method": method}
            start = time.process_time()
            try:
                done = [
                    (
                        runs.take(p.test),
                        METHODS[method](runs.take(p.train), runs.take(p.test)),
                    )
                    for p in parts
                ]
                test, predicted = joined(done)
                row = (
                    about
                    | {"rows": len(test), "train": len(parts[0].train)}
                    | score(predicted, test)
                )
            except ImportError as error:
                row = about | {"failed": f"not installed: {error.name}"}
            except Exception as error:  # one bad method ends no benchmark
                traceback.print_exc()
                row = about | {"failed": f"{type(error).__name__}: {error}"}
            row["cpu_s"] = time.process_time() - start
            print(
                f"{table} {name} {size} {method}: {row['cpu_s']:.1f} s", file=sys.stderr
            )
            yield row


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--only", help="one table, by its file's name without the ending"
    )
    parser.add_argument("--hold-out", help="one kind of hold-out")
    parser.add_argument("--methods", default=",".join(METHODS))
    options = parser.parse_args()
    rows = []
    for file in sorted(
        [*options.data.glob("mixtures*.csv"), *options.data.glob("mixtures*.parquet")]
    ):
        if options.only in (None, file.stem):
            try:
                runs = read_mixtures(file)
            except ValueError as error:
                rows.append({"table": file.stem, "failed": str(error)})
                continue
            rows += rows_of(
                file.stem, runs, options.methods.split(","), options.hold_out
            )
    if not rows:
        sys.exit(f"{options.data}: no table mixtures*.csv")
    if options.json:
        print(json.dumps({"tables": [plain(row) for row in rows]}, indent=1))
        return
    for row in rows:
        print(text(row))


def plain(value):
    """Write what is no number as null, as JSON has it."""
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


def text(row: dict) -> str:
    """Write one row for people."""
    if "held_out" not in row:
        return f"{row['table']}: {row['failed']}"
    start = f"{row['table']:20} {row['held_out']:9} {row['size']:6} {row['method']:12}"
    if "failed" in row:
        return f"{start} {row['failed']}"
    cover = (row["coverage"] or {}).get("0.9", float("nan"))
    line = (
        f"{start} R2 {row['r2']:6.3f} ({row['r2_pooled']:6.3f})  Spearman {row['spearman']:.4f} (mean loss {row['spearman_mean']:.4f})  "
        f"regret {row['regret']:.4f} (mean loss {row['regret_mean']:.4f})  cover {cover:.3f}"
    )
    if "pile_cc" in row["domains"]:
        line += f"  Pile-CC {row['domains']['pile_cc']['spearman']:.4f}"
    return line


if __name__ == "__main__":
    main()
