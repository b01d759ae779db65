"""Which runs to make next: selection on public tables beside random and optimal designs.

    python benchmarks/design.py --data DIR --json
    python benchmarks/design.py --data DIR --part resampled --fast

`selection`: from the pool of each table runs are chosen one after another up to 1, 5 and
10 % of the pool's cost, each policy under the same law and scored by the same fit, by R2
of the target runs' losses clipped to [-1, 1], over ten seeds.  Where a table's `split` has
train and test rows these are pool and target, else the fifth of largest cost is the
target.  Corpora of one table are fitted apart and scored together, as published.  Where a
budget buys no run at all, every policy has the cheapest one's cost.

`resampled`: the same over many targets of each of these tables and of five more
(`design_splits`), in pairs with V-optimal: every policy sees the same splits.  `--fast` is
nstar and V-optimal at 10 %, in less than ten minutes of one core.  Choices were made on
others, the splits of even seeds below 80.

`nested`: values by the linear-Gaussian update beside nested Monte Carlo on five ladders,
in rank, and log N* beside fits of outcomes made anew on one.  `speed`: 150 runs, 200
candidates.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import design_checks
import design_splits
import nstar as library
from design_fits import fit, pose
from design_policies import POLICIES, Pool, pool_of, refit
from design_tables import TABLES, Table, tables
from nstar.costs.training import SIX
from nstar.design.policies import POWER

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
type Scored = tuple[float, int]  # R2, and the runs that were made

BASELINE = "v_optimal"
FAST = ("v_optimal", "nstar")
FIRST_SPLIT = 2000  # of the resampled targets
RUNS, FEWEST, MOST = 4000, 20, 80  # of all splits of a kind, about; splits of a kind
SLACK, ERRORS = 0.01, 2.0  # below V-optimal: R2, or standard errors if these are more


def pools(tables_: Iterable[Table]) -> Pools:
    """Pools of a table, ready to be chosen from."""
    ready = []
    for t in tables_:
        p = pose(t.law, t.x, t.L[: t.pool], t.C, SIX, t.growth)
        ready.append((t, pool_of(p, t.C[: t.pool])))
    return ready


def score(each: Pools, chosen: list[np.ndarray]) -> float:
    """R2 of the target runs' losses, all pools together, clipped to [-1, 1]."""
    predicted, measured = [], []
    for (t, pool), rows in zip(each, chosen, strict=True):
        fitted = (
            fit(pool.p, rows, [pool.p.mean])
            if len(rows) == t.pool
            else refit(pool, rows, None)
        )
        predicted.append(pool.p.unlink(fitted.expected[t.pool :])[0])
        measured.append(t.L[t.pool :])
    y, p = np.concatenate(measured), np.concatenate(predicted)
    rest = np.sum(np.square(y - p)) / np.sum(np.square(y - y.mean()))
    return float(np.clip(1 - np.nan_to_num(rest, nan=np.inf, posinf=1e9), -1, 1))


def score_policy(each: Pools, policy: str, share: float, seed: int) -> Scored:
    """Score of a policy's selection, and the runs it made."""
    chosen = []
    for t, pool in each:
        budget = max(share * pool.cost.sum(), pool.cost.min()) * (1 + 1e-9)
        rng = np.random.default_rng([seed, t.pool])
        chosen.append(POLICIES[policy](pool, budget, rng))
    return score(each, chosen), sum(len(rows) for rows in chosen)


def score_table(folder: Path, name: str, seeds: int) -> dict[str, Any]:
    """Scores of every policy on one table."""
    start, each = time.perf_counter(), pools(tables(folder, name))
    results: dict[str, Any] = {
        "pool": sum(t.pool for t, _ in each),
        "target": sum(len(t.L) - t.pool for t, _ in each),
        "law": type(each[0][0].law).__name__,
        "all_data": score(each, [np.arange(t.pool) for t, _ in each]),
        "published_at_10": PUBLISHED[name][0],
        "published_all_data": PUBLISHED[name][1],
        "policies": {},
    }
    for policy in POLICIES:
        results["policies"][policy] = {}
        for share in BUDGETS:
            scored = [score_policy(each, policy, share, seed) for seed in range(seeds)]
            r2, runs = (np.array(v) for v in zip(*scored, strict=True))
            results["policies"][policy][f"{share:g}"] = {
                "mean": float(r2.mean()),
                "se": float(r2.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else 0.0,
                "values": r2.tolist(),
                "runs": float(runs.mean()),
            }
        means = [v["mean"] for v in results["policies"][policy].values()]
        remark(f"{name}: {policy} {', '.join(map('{:.3f}'.format, means))}", start)
    results["seconds"] = time.perf_counter() - start
    return results


def against(results: dict[str, Any]) -> dict[str, Any]:
    """Means over tables, and nstar beside V-optimal table by table."""
    means = {
        p: {
            b: float(np.mean([t["policies"][p][b]["mean"] for t in results.values()]))
            for b in map("{:g}".format, BUDGETS)
        }
        for p in POLICIES
    }
    lower = []
    for name, t in results.items():
        for b in map("{:g}".format, BUDGETS):
            ours, theirs = (t["policies"][p][b] for p in ("nstar", BASELINE))
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
                    "within": gap >= -max(SLACK, ERRORS * se),
                }
            )
    return {"means": means, "beside_v_optimal": lower}


def resampled_table(
    folder: Path, name: str, most: int, *, fast: bool
) -> dict[str, Any]:
    """Scores of policies over many targets of one table, less V-optimal's on the same."""
    start, base = time.perf_counter(), list(tables(folder, name))
    kinds = design_splits.kinds(base)
    runs_of_table = sum(len(t.L) for t in base)
    splits = min(int(np.clip(RUNS / runs_of_table, FEWEST, MOST)), most)
    policies = FAST if fast else tuple(POLICIES)
    shares = BUDGETS[-1:] if fast else BUDGETS
    r2 = np.empty((len(policies), len(shares), len(kinds), splits))
    runs, all_data = np.empty_like(r2), np.empty((len(kinds), splits))
    for k, kind in enumerate(kinds):
        for s in range(splits):
            seed = FIRST_SPLIT + s
            each = pools(design_splits.resample(base, kind, seed))
            all_data[k, s] = score(each, [np.arange(t.pool) for t, _ in each])
            for (i, policy), (j, share) in product(
                enumerate(policies), enumerate(shares)
            ):
                scored = score_policy(each, policy, share, seed)
                r2[i, j, k, s], runs[i, j, k, s] = scored
    less = r2 - r2[policies.index(BASELINE)]
    se = np.sqrt(less.var(axis=-1, ddof=1) / splits)
    results = {
        policy: {
            f"{share:g}": {
                "mean": float(r2[i, j].mean()),
                "less_v_optimal": float(less[i, j].mean()),
                "se": float(np.sqrt(np.square(se[i, j]).sum()) / len(kinds)),
                "runs": float(runs[i, j].mean()),
                "kinds": {
                    kind: {
                        "mean": float(r2[i, j, k].mean()),
                        "less_v_optimal": float(less[i, j, k].mean()),
                        "se": float(se[i, j, k]),
                    }
                    for k, kind in enumerate(kinds)
                },
            }
            for j, share in enumerate(shares)
        }
        for i, policy in enumerate(policies)
    }
    for policy, scores in results.items():
        cells = [
            f"{v['mean']:.3f} ({v['less_v_optimal']:+.3f} ± {v['se']:.3f})"
            for v in scores.values()
        ]
        remark(f"{name}: {policy} {', '.join(cells)}", start)
    return {
        "law": type(base[0].law).__name__,
        "splits": splits * len(kinds),
        "all_data": float(all_data.mean()),
        "policies": results,
        "seconds": time.perf_counter() - start,
    }


def summarise(results: dict[str, Any]) -> dict[str, Any]:
    """Means over tables with the error of their difference, and tables where nstar is behind."""
    rows = [t["policies"] for t in results.values()]
    means = {
        policy: {
            share: {
                "mean": float(np.mean([t[policy][share]["mean"] for t in rows])),
                "less_v_optimal": float(
                    np.mean([t[policy][share]["less_v_optimal"] for t in rows])
                ),
                "se": float(
                    np.sqrt(np.sum([t[policy][share]["se"] ** 2 for t in rows]))
                    / len(rows)
                ),
            }
            for share in scores
        }
        for policy, scores in rows[0].items()
    }
    behind = [
        f"{name} at {share}: {v['less_v_optimal']:+.3f} ± {v['se']:.3f}"
        for name, t in results.items()
        for share, v in t["policies"]["nstar"].items()
        if v["less_v_optimal"] < -max(SLACK, ERRORS * v["se"])
    ]
    return {"means": means, "behind_v_optimal": behind}


def remark(line: str, start: float) -> None:
    """Say how far the benchmark is."""
    print(f"{line} ({time.perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)


def markdown(document: dict[str, Any]) -> str:
    """The scores as a page."""
    lines = []
    if "selection" in document:
        lines += [
            "| table | law | all data (published) | policy | 1 % | 5 % | 10 % |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, t in document["selection"].items():
            for policy, scores in t["policies"].items():
                cells = [f"{v['mean']:.3f} ± {v['se']:.3f}" for v in scores.values()]
                head = f"{name} | {t['law']} | {t['all_data']:.3f} ({t['published_all_data']:.2f})"
                lines.append(f"| {head} | {policy} | {' | '.join(cells)} |")
        for policy, scores in document["summary"]["means"].items():
            cells = " | ".join(f"{v:.3f}" for v in scores.values())
            lines.append(f"| mean | | | {policy} | {cells} |")
    if "resampled" in document:
        lines += resampled_lines(document["resampled"], document["resampled_summary"])
    return "\n".join(lines)


def resampled_lines(results: dict[str, Any], summary: dict[str, Any]) -> list[str]:
    """Means over all splits of a table, less V-optimal's with a standard error."""
    shares = next(iter(next(iter(results.values()))["policies"].values()))
    lines = [
        f"| table | law | splits | all data | policy | {' | '.join(shares)} |",
        f"|{'---|' * (5 + len(shares))}",
    ]
    for name, t in results.items():
        for policy, scores in t["policies"].items():
            head = f"{name} | {t['law']} | {t['splits']} | {t['all_data']:.3f}"
            lines.append(f"| {head} | {policy} | {_cells(scores)} |")
    for policy, scores in summary["means"].items():
        lines.append(f"| mean | | | | {policy} | {_cells(scores)} |")
    behind = summary["behind_v_optimal"]
    return [*lines, "", f"Behind V-optimal: {'; '.join(behind) or 'nowhere'}."]


def _cells(scores: dict[str, Any]) -> str:

    return " | ".join(
        f"{v['mean']:.3f} ({v['less_v_optimal']:+.3f} ± {v['se']:.3f})"
        for v in scores.values()
    )


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument(
        "--part",
        action="append",
        choices=("selection", "resampled", "nested", "speed"),
        help="selection unless given",
    )
    parser.add_argument(
        "--table",
        action="append",
        choices=tuple(TABLES),
        help="all that are there unless given",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--fast", action="store_true", help="nstar and V-optimal at 10 %% alone"
    )
    parser.add_argument(
        "--splits", type=int, default=MOST, help="resampled targets of a kind at most"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    library.use_cache()
    document: dict[str, Any] = {"seeds": options.seeds, "power": POWER}
    parts = options.part or ["selection"]
    names = [n for n in options.table or TABLES if (options.data / f"{n}.csv").exists()]
    if "selection" in parts:
        document["selection"] = {
            n: score_table(options.data, n, options.seeds)
            for n in names
            if n in PUBLISHED
        }
        document["summary"] = against(document["selection"])
    if "resampled" in parts:
        document["resampled"] = {
            n: resampled_table(options.data, n, options.splits, fast=options.fast)
            for n in names
        }
        document["resampled_summary"] = summarise(document["resampled"])
    if "nested" in parts:
        document["nested"] = design_checks.nested_ladders(options.data)
    if "speed" in parts:
        document["speed"] = design_checks.speed()
    print(
        json.dumps(document, indent=2)
        if options.json or not {"selection", "resampled"} & set(document)
        else markdown(document)
    )


if __name__ == "__main__":
    main()
