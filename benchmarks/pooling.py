"""What a condition gains from the others: Porian's, a decade held out, alone and pooled.

    uv run python benchmarks/pooling.py [--conditions 0 4 8] [--tables]

holds out the top decade of one condition of porian_isoflop and fits the rest of it, or
its eight smallest runs only, by itself and pooled with the other conditions, of which
every third run is taken; writes benchmarks/results/pooling.json and .md.
"""

import argparse
import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

import nstar
from extrapolation import rounded
from nstar.cache import use_cache
from nstar.fits.fitting import fit
from nstar.predictions.prediction import loss
from nstar.runs.observations import Observations
from nstar.samplers.nuts import Settings
from nstar.scores import scores
from nstar.validation.backtest import split

FOLDER = Path(__file__).parent / "results"
FILE = FOLDER / "pooling.json"
LAW, OVER, FEW = "chinchilla", "ladder", 8
SETTINGS = Settings(chains=2, warmup=500, draws=1000)
EVERY = 3  # of the other conditions' runs


def joined(one: Observations, others: Observations) -> Observations:
    """Put two parts of one table together again."""
    columns = {n: np.concatenate([v, others[n]]) for n, v in one.columns.items()}
    return replace(
        one, columns=columns, rows=np.concatenate([one.rows, others.rows]), notes=()
    )


def held_out(runs: Observations, condition: str) -> dict[str, Any]:
    """Scores of one condition's top decade under each choice of what is learned from."""
    own = runs[OVER] == condition
    part = split(runs.take(own), 1.0)
    others = runs.take(np.flatnonzero(~own)[::EVERY])
    smallest = np.sort(np.argsort(part.train["C"], kind="stable")[:FEW])
    few = part.train.take(smallest)
    choices = {
        "alone": (replace(part.train, notes=()), None),
        "pooled": (joined(part.train, others), condition),
        f"{FEW} smallest runs alone": (replace(few, notes=()), None),
        f"{FEW} smallest runs pooled": (joined(few, others), condition),
    }
    truth, found = np.log(part.test["L"]), {}
    for name, (train, group) in choices.items():
        made = fit(
            train,
            LAW,
            settings=SETTINGS,
            discrepancy="none",
            tick=lambda done, total: None,
            pool=OVER if group else None,
        )
        said = loss(made, part.test["N"], part.test["D"], group=group)["measured"]
        s = scores(np.log(said.to_numpy()), truth)
        found[name] = rounded(
            {
                "runs": len(train),
                "test": len(truth),
                "coverage": s["coverage"]["0.9"],
                "width": s["width"]["0.9"],
                "interval_score": s["interval_score"]["0.9"],
                "rmse": s["rmse"],
            }
        )
        print(condition, name, found[name], file=sys.stderr, flush=True)
        jax.clear_caches()
    return found


def table(stored: dict[str, Any]) -> str:
    """Means over conditions, and each of them."""
    rows = [
        "| condition | learned from | coverage of 90 % | width | interval score | rms error |\n|---|---|--:|--:|--:|--:|"
    ]
    names = list(next(iter(stored.values())))
    mean = {
        n: {
            k: np.mean([c[n][k] for c in stored.values()])
            for k in stored[next(iter(stored))][n]
        }
        for n in names
    }
    for condition, each in {f"mean of {len(stored)}": mean, **stored}.items():
        for name, s in each.items():
            cells = [
                condition,
                name,
                f"{s['coverage']:.2f}",
                *(f"{100 * s[k]:.2f}" for k in ("width", "interval_score", "rmse")),
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--conditions", nargs="+", type=int, default=[0, 4, 8])
    parser.add_argument("--tables", action="store_true", help="of what is stored only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    if not options.tables:
        use_cache()
        runs = nstar.read_runs("porian_isoflop")
        conditions = np.unique(runs[OVER])
        for i in options.conditions:
            if conditions[i] not in stored:
                stored[str(conditions[i])] = held_out(runs, conditions[i])
                FILE.write_text(json.dumps(stored, indent=1) + "\n")
    text = f"# One condition with and without the others\n\nPorian's conditions, the {LAW} law without discrepancy, the top decade of compute of one condition held out: `uv run python benchmarks/pooling.py`.  The other conditions keep all their decades, as families trained before a new one do.  Scores are of log loss; width, interval score and rms error in percent.\n\n{table(stored)}\n"
    (FOLDER / "pooling.md").write_text(text)
    print(table(stored))
