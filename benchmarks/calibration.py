"""Simulation-based calibration at full strength: every law, a thousand replicates.

    uv run python benchmarks/calibration.py [--replicates 1000] [--law chinchilla] [--json]

prints, for every ranked quantity, the probability of ranks as far from uniform, and
writes the table and rank histograms to benchmarks/results/calibration.{json,svg}.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import nstar
from nstar.calibration import Ranks, calibrate
from nstar.laws import LAWS

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from designs import DESIGNS  # noqa: E402  the designs the tests use


def record(name: str, ranks: Ranks, seconds: float, replicates: int) -> dict:
    """One law's figures as plain data."""
    tests = ranks.tests()
    worst = min(tests, key=tests.__getitem__)
    return {
        "law": name,
        "replicates": replicates,
        "runs": len(next(iter(DESIGNS[name]().values()))),
        "quantities": len(tests),
        "worst": worst,
        "worst_p": tests[worst],
        "worst_p_corrected": min(1.0, tests[worst] * len(tests)),
        "divergences": ranks.divergences,
        "seconds": round(seconds, 1),
        "p": tests,
    }


def histograms(found: dict[str, Ranks]) -> Figure:
    """Rank histograms of what people read, one row a law."""
    shown = ["alpha1", "N*", "L*", "log likelihood", "sigma", "level"]
    figure = Figure(figsize=(11, 1.9 * len(found)), layout="constrained")
    grid = np.atleast_2d(figure.subplots(len(found), len(shown), sharey="row"))
    for row, (law, ranks) in zip(grid, found.items(), strict=True):
        for ax, name in zip(row, shown, strict=True):
            if name not in ranks.values:
                ax.set_axis_off()
                continue
            n = len(ranks.values[name])
            ax.hist(ranks.values[name], 20, (0, 1), color="#0072B2")
            ax.axhline(n / 20, color="black", lw=0.8)
            ax.axhspan(
                n / 20 - 2.6 * np.sqrt(n / 20),
                n / 20 + 2.6 * np.sqrt(n / 20),
                color="#cccccc",
                alpha=0.5,
                zorder=0,
            )
            ax.set_title(f"{law}: {name}", fontsize=8)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--law", action="append", choices=list(LAWS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    nstar.use_cache()
    found, records = {}, []
    for law in options.law or LAWS:
        start = time.perf_counter()
        found[law] = calibrate(
            law, DESIGNS[law](), replicates=options.replicates, seed=options.seed,
            tick=lambda done, total, law=law: print(f"\r{law} {done}/{total}", end="", file=sys.stderr),
        )  # fmt: skip
        records.append(
            record(law, found[law], time.perf_counter() - start, options.replicates)
        )
        print(file=sys.stderr)
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    document = {"seed": options.seed, "laws": records}
    (folder / "calibration.json").write_text(json.dumps(document, indent=1) + "\n")
    with mpl.rc_context({"svg.hashsalt": "nstar"}):
        histograms(found).savefig(folder / "calibration.svg", metadata={"Date": None})
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        for r in records:
            print(
                f"{r['law']:16s} {r['replicates']} replicates of {r['runs']} runs, {r['quantities']} quantities: worst {r['worst']} p = {r['worst_p']:.3g} ({r['worst_p_corrected']:.2g} corrected), {r['divergences']} divergences, {r['seconds']} s"
            )
