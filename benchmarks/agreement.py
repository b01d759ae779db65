"""Whether two commits draw from the same posteriors: long chains of every public ladder.

    python benchmarks/agreement.py --keep FILE.json [--only LADDER ...] [--laws LAW ...] [--draws 3000]
    python benchmarks/agreement.py --compare BEFORE.json AFTER.json

Each ladder's surfaces that bend (coupled, additive) and its isoFLOP profiles, where it has
any, are sampled by four long chains from each of two seeds.  RefitCache are, of the logs of N* and
D* and of L* one and two decades beyond the largest run: mean, sd, effective draws of both
and their Monte-Carlo errors.  A comparison pools the seeds and gives, for every quantity,
the difference of means in joint errors, the ratio of sds with its error, and that of 90 %
widths, which a heavy tail moves less.  Runs on older
commits too: copy it there.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from nstar.cache import use_cache

BEYOND = (10.0, 100.0)  # times the largest run's compute
SEEDS = (0, 1)


def ladders(only: list[str]) -> dict[str, Any]:
    """The longest ladder of each source, by name."""
    from ladders import ladders as every

    longest: dict[str, Any] = {}
    for one in every():
        if one.source not in longest or len(one.runs) > len(longest[one.source].runs):
            longest[one.source] = one
    return {n: v.runs for n, v in longest.items() if not only or n in only}


def sampled(runs: Any, law: str, draws: int, seed: int) -> dict[str, Any]:
    """Moments of the answers of one long fit, by quantity."""
    from arviz_stats.base import array_stats

    import nstar

    try:
        from nstar.fits import attempts
    except ImportError:  # of an older commit
        from nstar.fits import fitting as attempts

    usual = attempts.LINE if law == "isoflop" else attempts.BENT
    settings = usual._replace(draws=draws, target_accept=0.95)
    if "enough" in settings._fields:
        settings = settings._replace(enough=0)
    start = time.process_time()
    fit = nstar.fit(runs, law, seed=seed, settings=settings)
    cpu = time.process_time() - start
    C = np.max(runs["C"]) * np.array(BEYOND)
    draws_at = nstar.plan(fit, C).draws
    least = {"N": draws_at["N"], "D": draws_at["D"]}
    least |= {"L": draws_at["loss_oracle"]} if "loss_oracle" in draws_at else {}
    rows: dict[str, Any] = {}
    for name, values in least.items():
        each = np.asarray(values.transpose("draw", "budget"))
        for i, beyond in enumerate(BEYOND):
            x = each[:, i] if name == "L" else np.log(each[:, i])
            x = x.reshape(settings.chains, -1)
            square = np.square(x - x.mean())
            where = {"chain_axis": 0, "draw_axis": 1}
            rows[f"{name}* at {beyond:g} C"] = {
                "mean": float(x.mean()),
                "sd": float(x.std()),
                "width": float(np.ptp(np.quantile(x, [0.05, 0.95]))),
                "ess": float(array_stats.ess(x, method="mean", **where)),
                "ess_square": float(array_stats.ess(square, method="mean", **where)),
                "kurtosis": float(np.mean(square**2) / np.mean(square) ** 2),
            }
    stats = fit.tree["sample_stats"]
    return {
        "seed": seed,
        "cpu": cpu,
        "divergences": int(stats["diverging"].sum()),
        "rows": rows,
    }


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Differences of means in joint errors, and ratios of sds, seeds pooled."""
    rows = []
    for name in before:
        if name not in after:
            continue
        for quantity in before[name][0]["rows"]:
            a, b = (
                _pooled([f["rows"][quantity] for f in side[name]])
                for side in (before, after)
            )
            error = np.hypot(a["mean_error"], b["mean_error"])
            of_ratio = np.hypot(a["log_sd_error"], b["log_sd_error"])
            rows.append(
                {
                    "fit": name,
                    "quantity": quantity,
                    "ess": [round(a["ess"]), round(b["ess"])],
                    "z": (b["mean"] - a["mean"]) / error,
                    "ratio": b["sd"] / a["sd"],
                    "ratio_error": of_ratio,
                    "width_ratio": b["width"] / a["width"],
                }
            )
    return rows


def _pooled(parts: list[dict[str, float]]) -> dict[str, float]:
    mean = float(np.mean([p["mean"] for p in parts]))
    within = np.mean([p["sd"] ** 2 for p in parts])
    sd = float(np.sqrt(within + np.var([p["mean"] for p in parts])))
    ess, of_square = (sum(p[n] for p in parts) for n in ("ess", "ess_square"))
    kurtosis = float(np.mean([p["kurtosis"] for p in parts]))
    return {
        "mean": mean,
        "width": float(np.mean([p.get("width", np.nan) for p in parts])),
        "sd": sd,
        "ess": ess,
        "mean_error": sd / np.sqrt(ess),
        "log_sd_error": np.sqrt((kurtosis - 1) / of_square) / 2,
    }


def main() -> None:
    """Sample, or compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument(
        "--laws", nargs="*", default=["coupled", "chinchilla", "isoflop"]
    )
    parser.add_argument("--draws", type=int, default=3000)
    parser.add_argument("--compare", nargs=2)
    options = parser.parse_args()
    if options.compare:
        rows = compare(*(json.loads(Path(f).read_text()) for f in options.compare))
        for row in rows:
            print(
                f"{row['fit']:24} {row['quantity']:14} {row['ess'][0]:7} {row['ess'][1]:7} z {row['z']:+.2f}  ratio {row['ratio']:.3f} ± {row['ratio_error']:.3f}, of 90 % widths {row['width_ratio']:.3f}"
            )
        ratios = np.array([row["ratio"] for row in rows])
        print(
            f"{len(rows)} quantities: |z| at most {max(abs(r['z']) for r in rows):.2f}, ratios {ratios.min():.3f} to {ratios.max():.3f}, mean {ratios.mean():.4f}"
        )
        return

    use_cache()
    fits_by_name: dict[str, Any] = {}
    for name, runs in ladders(options.only).items():
        for law in options.laws:
            try:
                fits = [sampled(runs, law, options.draws, seed) for seed in SEEDS]
            except ValueError as error:
                print(f"{name} {law}: {error}", file=sys.stderr)
                continue
            fits_by_name[f"{name} {law}"] = fits
            line = ", ".join(f"{f['cpu']:.0f} CPU-s" for f in fits)
            print(f"{name} {law}: {line}", file=sys.stderr, flush=True)
            Path(options.keep).write_text(json.dumps(fits_by_name))


if __name__ == "__main__":
    main()
