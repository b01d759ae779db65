"""Which runs to make next: selection on public tables beside random and optimal designs.

    python benchmarks/design.py --data DIR --json

`selection`: from the pool of each table runs are chosen one after another up to 1, 5 and
10 % of the pool's cost, each policy under the same law and scored by the same fit, by R2
of the target runs' losses clipped to [-1, 1], over ten seeds.  Where a table's `split` has
train and test rows these are pool and target, else the fifth of largest cost is the
target.  Corpora of one table are fitted apart and scored together, as published.  Where a
budget buys no run at all, every policy has the cheapest one's cost.

`nested`: values by the linear-Gaussian update beside nested Monte Carlo on five ladders,
in rank, and log N* beside fits of outcomes made anew on one.  `speed`: 150 runs, 200
candidates.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import design_checks
import design_policies
import nstar as library
from design_fits import fit, pose
from design_policies import POLICIES, Pool, pool_of, refit
from design_tables import TABLES, Table, tables
from nstar.costs.training import SIX

BUDGETS = (0.01, 0.05, 0.1)  # of the pool's cost
SEEDS = 10
PUBLISHED = {  # Spend Less, Fit Better (arXiv:2604.22753), table 2: at 10 %, all data
    "farseer": (0.93, 0.91),
    "datablations": (0.86, 0.79),
    "routing_moe": (0.83, 0.81),
    "vocab_scaling": (0.98, 0.93),
    "sparsity_upcycle": (0.53, 0.37),
    "parscale": (0.99, 0.99),
}

type Pools = list[tuple[Table, Pool]]


def pools(folder: Path, name: str) -> Pools:
    """Pools of a table, ready to be chosen from."""
    made = []
    for t in tables(folder, name):
        p = pose(t.law, t.x, t.L[: t.pool], t.C, SIX, t.growth)
        made.append((t, pool_of(p, t.C[: t.pool])))
    return made


def score(each: Pools, chosen: list[np.ndarray]) -> float:
    """R2 of the target runs' losses, all pools together, clipped to [-1, 1]."""
    said, came = [], []
    for (t, pool), rows in zip(each, chosen, strict=True):
        fitted = (
            fit(pool.p, rows, [pool.p.mean])
            if len(rows) == t.pool
            else refit(pool, rows, None)
        )
        said.append(pool.p.unlink(fitted.expected[t.pool :])[0])
        came.append(t.L[t.pool :])
    y, p = np.concatenate(came), np.concatenate(said)
    rest = np.sum(np.square(y - p)) / np.sum(np.square(y - y.mean()))
    return float(np.clip(1 - np.nan_to_num(rest, nan=np.inf, posinf=1e9), -1, 1))


def one(each: Pools, policy: str, share: float, seed: int) -> tuple[float, int]:
    """Score of a policy's selection, and the runs it made."""
    chosen = []
    for t, pool in each:
        budget = max(share * pool.cost.sum(), pool.cost.min()) * (1 + 1e-9)
        rng = np.random.default_rng([seed, t.pool])
        chosen.append(POLICIES[policy](pool, budget, rng))
    return score(each, chosen), sum(len(rows) for rows in chosen)


def table(folder: Path, name: str, seeds: int) -> dict[str, Any]:
    """Scores of every policy on one table."""
    start, each = time.perf_counter(), pools(folder, name)
    found: dict[str, Any] = {
        "pool": sum(t.pool for t, _ in each),
        "target": sum(len(t.L) - t.pool for t, _ in each),
        "law": type(each[0][0].law).__name__,
        "all_data": score(each, [np.arange(t.pool) for t, _ in each]),
        "published_at_10": PUBLISHED[name][0],
        "published_all_data": PUBLISHED[name][1],
        "policies": {},
    }
    for policy in POLICIES:
        found["policies"][policy] = {}
        for share in BUDGETS:
            made = [one(each, policy, share, seed) for seed in range(seeds)]
            r2, runs = (np.array(v) for v in zip(*made, strict=True))
            found["policies"][policy][f"{share:g}"] = {
                "mean": float(r2.mean()),
                "se": float(r2.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else 0.0,
                "values": r2.tolist(),
                "runs": float(runs.mean()),
            }
        said = ", ".join(f"{v['mean']:.3f}" for v in found["policies"][policy].values())
        print(
            f"{name}: {policy} {said} ({time.perf_counter() - start:.0f} s)",
            file=sys.stderr,
            flush=True,
        )
    found["seconds"] = time.perf_counter() - start
    return found


def against(found: dict[str, Any]) -> dict[str, Any]:
    """Means over tables, and nstar beside V-optimal table by table."""
    means = {
        p: {
            b: float(np.mean([t["policies"][p][b]["mean"] for t in found.values()]))
            for b in map("{:g}".format, BUDGETS)
        }
        for p in POLICIES
    }
    lower = []
    for name, t in found.items():
        for b in map("{:g}".format, BUDGETS):
            ours, theirs = (t["policies"][p][b] for p in ("nstar", "v_optimal"))
            gap, se = (
                ours["mean"] - theirs["mean"],
                float(np.hypot(ours["se"], theirs["se"])),
            )
            lower.append(
                {
                    "table": name,
                    "budget": b,
                    "less_v_optimal": gap,
                    "se": se,
                    "within": gap > -0.03 - 2 * se,
                }
            )
    return {"means": means, "beside_v_optimal": lower}


def markdown(document: dict[str, Any]) -> str:
    """The scores as a page."""
    lines = [
        "| table | law | all data (published) | policy | 1 % | 5 % | 10 % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, t in document["selection"].items():
        for policy, said in t["policies"].items():
            cells = [f"{v['mean']:.3f} ± {v['se']:.3f}" for v in said.values()]
            head = f"{name} | {t['law']} | {t['all_data']:.3f} ({t['published_all_data']:.2f})"
            lines.append(f"| {head} | {policy} | {' | '.join(cells)} |")
    for policy, said in document["summary"]["means"].items():
        lines.append(
            f"| mean | | | {policy} | {' | '.join(f'{v:.3f}' for v in said.values())} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument(
        "--part",
        action="append",
        choices=("selection", "nested", "speed"),
        help="selection unless given",
    )
    parser.add_argument(
        "--table",
        action="append",
        choices=tuple(TABLES),
        help="all that are there unless given",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    library.use_cache()
    document: dict[str, Any] = {"seeds": asked.seeds, "power": design_policies.POWER}
    parts = asked.part or ["selection"]
    if "selection" in parts:
        names = [n for n in asked.table or TABLES if (asked.data / f"{n}.csv").exists()]
        document["selection"] = {n: table(asked.data, n, asked.seeds) for n in names}
        document["summary"] = against(document["selection"])
    if "nested" in parts:
        document["nested"] = design_checks.nested_ladders(asked.data)
    if "speed" in parts:
        document["speed"] = design_checks.speed()
    print(
        json.dumps(document, indent=2)
        if asked.json or "selection" not in document
        else markdown(document)
    )


if __name__ == "__main__":
    main()
