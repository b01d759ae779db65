"""Learning rate and batch: larger cells foretold from smaller ones, and the settings chosen there.

    uv run python benchmarks/tuning.py --data DIR [--json] [--only SPLIT] [--discrepancy KIND]

reads every table of DIR that has the columns of `lr_batch.csv` (lr, bsz, data_size,
non_embedding_param_size, lm_loss; `split` where it is there: train is fitted, test is
scored).  A table without `split` is split three ways: the largest N held out, the largest
D, and the one cell largest in N D.  Beside nstar's tuning law: Step Law's published
optimum (with a law of the best loss a cell by least squares), a quadratic in the logs of
all four by least squares, and the nearest neighbour in logs.  R2 is clipped to [-1, 1];
the regret of a recommendation is that of the measured setting nearest to it in log lr and
log batch, over the cell's best.  Tables are read and never written.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import nstar
from nstar.files import table_files
from nstar.plans.tuning import tune
from nstar.scores import scores

OURS = {
    "N": "non_embedding_param_size",
    "D": "data_size",
    "lr": "lr",
    "batch": "bsz",
    "L": "lm_loss",
}
SEQUENCE = 2048.0  # tokens, of Step Law's runs: its batch is printed in tokens

type Runs = dict[str, np.ndarray]


def tables(folder: Path) -> Iterator[tuple[str, Runs, np.ndarray | None]]:
    """Yield tables that have the columns: name, runs, and which are test."""
    for file in sorted([*folder.glob("*.csv"), *folder.glob("*.parquet")]):
        table = table_files.read(file)
        if not set(OURS.values()) <= set(table.columns):
            continue
        runs = {n: table.columns[c].astype(float) for n, c in OURS.items()}
        split = table.columns.get("split")
        yield file.stem, runs, None if split is None else split.astype(str) == "test"


def splits(runs: Runs, test: np.ndarray | None) -> dict[str, np.ndarray]:
    """Name the hold-outs of a table, each a mask of the runs that are scored."""
    if test is not None:
        return {"test": test}
    cell = np.round(runs["N"] * runs["D"], -9)
    return {
        "largest N": runs["N"] == runs["N"].max(),
        "largest D": runs["D"] == runs["D"].max(),
        "largest cell": cell == cell.max(),
    }


def take(runs: Runs, keep: np.ndarray) -> Runs:
    """Keep the runs of a mask."""
    return {name: values[keep] for name, values in runs.items()}


def cells(runs: Runs) -> Iterator[np.ndarray]:
    """Yield the indices of each (N, D)."""
    pairs = np.stack([runs["N"], runs["D"]], axis=1)
    _, group = np.unique(pairs, axis=0, return_inverse=True)
    for g in range(group.max() + 1):
        yield np.flatnonzero(group == g)


def regrets(runs: Runs, lr: np.ndarray, batch: np.ndarray) -> list[float]:
    """Loss given away in each cell by the measured setting nearest to the recommended."""
    away = np.log(runs["lr"] / lr) ** 2 + np.log(runs["batch"] / batch) ** 2
    return [
        float(runs["L"][at[np.argmin(away[at])]] - runs["L"][at].min())
        for at in cells(runs)
    ]


def of_points(test: Runs, predicted: np.ndarray) -> dict:
    """Score point predictions of the loss."""
    error = predicted - test["L"]
    spread = np.sum((test["L"] - test["L"].mean()) ** 2)
    return {
        "r2": float(np.clip(1 - np.sum(error**2) / spread, -1, 1)),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(np.mean(np.abs(error))),
        "worst": float(np.max(np.abs(error) / test["L"])),
    }


def of_law(train: Runs, test: Runs, discrepancy: str) -> dict:
    """Score nstar's tuning law."""
    start = time.process_time()
    fit = nstar.fit(train, "tuning", discrepancy=discrepancy)
    others = {"lr": test["lr"], "batch": test["batch"]}
    drawn = nstar.predict(fit, test["N"], test["D"], x=others)
    law, measured = (drawn[n].to_numpy() for n in ("loss", "measured"))
    pairs = sorted({(n, d) for n, d in zip(test["N"], test["D"], strict=True)})
    answer = tune(fit, pairs)
    best = {
        pair: (np.median(answer.lr[:, i]), np.median(answer.batch[:, i]))
        for i, pair in enumerate(pairs)
    }
    settings = [best[pair] for pair in zip(test["N"], test["D"], strict=True)]
    lr, batch = np.array(settings).T
    exponents = {
        name: [float(v) for v in np.quantile(draws, [0.05, 0.5, 0.95])]
        for name, draws in fit.draws.items()
        if name.endswith(("_by_size", "_by_data"))
    }
    return {
        **of_points(test, np.median(law, axis=0)),
        **scores(measured, test["L"]),
        **regret_row(test, lr, batch),
        "exponents": exponents,
        "divergences": fit.diagnosis.divergences,
        "rhat": fit.diagnosis.rhat,
        "cpu_s": time.process_time() - start,
    }


def regret_row(test: Runs, lr: np.ndarray, batch: np.ndarray) -> dict:
    """Regret of a recommendation, over the cells."""
    by_cell = regrets(test, lr, batch)
    return {"regret": float(np.mean(by_cell)), "worst_regret": max(by_cell)}


def step_law(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Best rate and batch in sequences as printed in arXiv:2503.04715, eq. 1."""
    lr = 1.79 * runs["N"] ** -0.713 * runs["D"] ** 0.307
    return lr, 0.58 * runs["D"] ** 0.571 / SEQUENCE


def features(runs: Runs) -> np.ndarray:
    """Quadratic in the logs of N, D, lr and batch, (run, term)."""
    z = np.log(np.stack([runs[n] for n in ("N", "D", "lr", "batch")], axis=1))
    z = z - np.log([4e8, 2e10, 2e-3, 256.0])
    pairs = [z[:, i] * z[:, j] for i in range(4) for j in range(i, 4)]
    return np.column_stack([np.ones(len(z)), z, *pairs])


def of_quadratic(train: Runs, test: Runs) -> dict:
    """Score a quadratic surface of log loss by least squares, and its minimum."""
    weights = np.linalg.lstsq(features(train), np.log(train["L"]), rcond=None)[0]
    grid_lr = np.geomspace(train["lr"].min(), train["lr"].max(), 60)
    grid_batch = np.geomspace(train["batch"].min(), train["batch"].max(), 60)
    rates, batches = (v.ravel() for v in np.meshgrid(grid_lr, grid_batch))
    lr, batch = np.empty(len(test["N"])), np.empty(len(test["N"]))
    for at in cells(test):
        N, D = (np.full(rates.shape, test[n][at[0]]) for n in ("N", "D"))
        tried = features({"N": N, "D": D, "lr": rates, "batch": batches}) @ weights
        lr[at], batch[at] = rates[np.argmin(tried)], batches[np.argmin(tried)]
    return of_points(test, np.exp(features(test) @ weights)) | regret_row(
        test, lr, batch
    )


def of_neighbour(train: Runs, test: Runs) -> dict:
    """Score the loss of the nearest run in logs, and the best settings of the nearest cell."""
    names = ("N", "D", "lr", "batch")
    known = np.log(np.stack([train[n] for n in names], axis=1))
    new = np.log(np.stack([test[n] for n in names], axis=1))
    nearest = [np.argmin(np.sum((known - row) ** 2, axis=1)) for row in new]
    best = [at[np.argmin(train["L"][at])] for at in cells(train)]
    sizes = known[best, :2]
    home = [best[np.argmin(np.sum((sizes - row[:2]) ** 2, axis=1))] for row in new]
    row = of_points(test, train["L"][nearest])
    return row | regret_row(test, train["lr"][home], train["batch"][home])


def main() -> None:
    """Score every table and print a table, or a document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", help="one split, by its name")
    parser.add_argument("--discrepancy", default="none")
    options = parser.parse_args()
    rows = []
    for name, runs, test in tables(options.data):
        for split, held_out in splits(runs, test).items():
            if options.only not in (None, split):
                continue
            train, scored = take(runs, ~held_out), take(runs, held_out)
            methods = {
                "nstar": of_law(train, scored, options.discrepancy),
                "quadratic": of_quadratic(train, scored),
                "nearest": of_neighbour(train, scored),
                "step law": regret_row(scored, *step_law(scored)),
            }
            size = f"{split}: {scored['N'].max():.3g} on {scored['D'].max():.3g}"
            for method, row in methods.items():
                rows.append({"table": name, "size": size, "method": method} | row)
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    if not rows:
        sys.exit(f"{options.data}: no table has the columns {', '.join(OURS.values())}")
    document = {"tables": rows}
    if options.json:
        print(json.dumps(document, indent=1))
        return
    print(
        f"{'table':12} {'held out':34} {'method':10} {'R2':>7} {'rmse':>7} {'cov .9':>7} {'regret':>7}"
    )
    for row in rows:
        cover = row.get("coverage", {}).get("0.9", float("nan"))
        print(
            f"{row['table']:12} {row['size']:34} {row['method']:10} {row.get('r2', float('nan')):7.4f} "
            f"{row.get('rmse', float('nan')):7.4f} {cover:7.3f} {row['regret']:7.4f}"
        )


if __name__ == "__main__":
    main()
