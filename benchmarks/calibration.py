"""Simulation-based calibration at full strength: every law, a thousand replicates.

    uv run python benchmarks/calibration.py [--replicates 1000] [--law chinchilla] [--json]

takes laws as they stand and, as "isoflop bent", those that bend by default: lines of optima,
and a surface.  `--least N` leaves out what is stored with so many replicates or more.  It
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

from commits import commit
from nstar.cache import use_cache
from nstar.laws import LAWS
from nstar.validation.calibration import DECISIVE, Ranks, calibrate, power

HERE = Path(__file__).parent
BINS = 20
FALSE_ALARM = 1e-3  # of a law's test, in what it is said to see
SHOWN = ("alpha1", "N*", "L*", "log likelihood", "sigma", "level")
sys.path.insert(0, str(HERE.parent / "tests"))
from designs import BENT, DESIGNS, bent  # noqa: E402  the designs the tests use

NAMES = [*LAWS, *(f"{name} bent" for name in (*BENT, "coupled"))]


def record(name: str, ranks: Ranks, seconds: float, replicates: int) -> dict:
    """One law's figures as plain data."""
    tests = ranks.tests()
    worst = min(tests, key=tests.__getitem__)
    return {
        "law": name,
        "commit": commit(),
        "replicates": replicates,
        "runs": len(next(iter(DESIGNS[name.split()[0]]().values()))),
        "quantities": len(tests),
        "worst": worst,
        "worst_p": tests[worst],
        "worst_p_corrected": min(1.0, tests[worst] * len(tests)),
        "read": dict(zip(("p", "quantity"), ranks.worst(), strict=True)),
        "sees": power(replicates, len(DECISIVE), FALSE_ALARM)._asdict(),
        "divergences": ranks.divergences,
        "seconds": round(seconds, 1),
        "p": tests,
        "histogram": {
            quantity: np.histogram(ranks.values[quantity], BINS, (0, 1))[0].tolist()
            for quantity in SHOWN
            if quantity in ranks.values
        },
    }


def histograms(records: list[dict]) -> Figure:
    """Rank histograms of what people read, one row a law, with 99 % of a bin's range."""
    figure = Figure(figsize=(11, 1.9 * len(records)), layout="constrained")
    grid = figure.subplots(len(records), len(SHOWN), sharey="row", squeeze=False)
    for row, r in zip(grid, records, strict=True):
        for ax, name in zip(row, SHOWN, strict=True):
            if name not in r["histogram"]:
                ax.set_axis_off()
                continue
            mean = r["replicates"] / BINS
            counts, ends = r["histogram"][name], np.linspace(0, 1, BINS + 1)
            ax.stairs(counts, ends, fill=True, color="#0072B2")
            ax.axhspan(
                mean - 2.6 * mean**0.5,
                mean + 2.6 * mean**0.5,
                color="#cccccc",
                alpha=0.6,
            )
            ax.set_title(f"{r['law']}: {name}", fontsize=8)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--law", action="append", choices=NAMES)
    parser.add_argument("--least", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    use_cache()
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    file = folder / "calibration.json"
    kept = json.loads(file.read_text())["laws"] if file.exists() else []
    records = {r["law"]: r for r in kept}
    document = {"seed": options.seed, "laws": list(records.values())}
    for law in options.law or NAMES:
        if law in records and records[law]["replicates"] >= options.least:
            continue
        start, own = time.perf_counter(), law.split()[0]
        ranks = calibrate(
            bent(own) if law != own else law,
            DESIGNS[own](),
            replicates=options.replicates,
            seed=options.seed,
            tick=lambda done, total, law=law: print(
                f"\r{law} {done}/{total}", end="", file=sys.stderr
            ),
        )
        print(file=sys.stderr)
        seconds = time.perf_counter() - start
        records[law] = record(law, ranks, seconds, options.replicates)
        document = {"seed": options.seed, "laws": list(records.values())}
        file.write_text(json.dumps(document, indent=1) + "\n")
    with mpl.rc_context({"svg.hashsalt": "nstar"}):
        figure = histograms(document["laws"])
        figure.savefig(folder / "calibration.svg", metadata={"Date": None})
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        for r in document["laws"]:
            print(
                f"{r['law']:20s} {r['replicates']} replicates of {r['runs']} runs, {r['quantities']} quantities: worst {r['worst']} p = {r['worst_p']:.3g} ({r['worst_p_corrected']:.2g} corrected), {r['divergences']} divergences, {r['seconds']} s"
            )
