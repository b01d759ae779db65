"""What a discrepancy costs where there is none: simulated runs that follow the law exactly.

    uv run python benchmarks/price.py [--replicates 4]

The Chinchilla design is given losses of the additive law at Besiroglu's estimates with
Student-t noise; the runs below a tenth of the largest compute are fitted with and without
waves, and the 90 % intervals of the rest, run noise included, are compared in width.
Writes benchmarks/results/price.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import nstar
from nstar.validation.backtest import backtest

FILE = Path(__file__).parent / "results" / "price.json"
TRUTH = {
    "E": 1.817,
    "A": 482.0,
    "B": 2085.0,
    "alpha": 0.348,
    "beta": 0.366,
}  # arXiv:2404.10102
SIGMA, NU = 0.004, 4.0


def simulated(seed: int) -> dict[str, np.ndarray]:
    """Losses of the design without its outliers, as the law and the noise would have them."""
    runs = nstar.read_runs("chinchilla_epoch", where=["outlier=0"])
    N, D, t = runs["N"], runs["D"], TRUTH
    loss = t["E"] + t["A"] * N ** -t["alpha"] + t["B"] * D ** -t["beta"]
    noise = SIGMA * np.random.default_rng(seed).standard_t(NU, len(N))
    return {"N": N, "D": D, "C": runs["C"], "L": loss * np.exp(noise)}


def widths(seed: int, law: str) -> dict[str, dict[str, float]]:
    """Scores of the held-out decade without and with waves."""
    found = {}
    for discrepancy in ("none", "waves"):
        made = backtest(
            nstar.read_runs(simulated(seed)),
            law,
            hold_out=[1.0],
            discrepancy=discrepancy,
        )
        record = made[0].record()
        found[discrepancy] = {
            "width": record["width"]["0.9"],
            "coverage": record["coverage"]["0.9"],
            "rmse": record["rmse"],
        }
        print(law, seed, discrepancy, found[discrepancy], flush=True)
    return found


def main() -> None:
    """Compare the widths and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=4)
    asked = parser.parse_args()
    document = {}
    for law in ("chinchilla", "coupled"):
        rows = [widths(seed, law) for seed in range(asked.replicates)]
        price = [r["waves"]["width"] / r["none"]["width"] - 1 for r in rows]
        document[law] = {
            "replicates": rows,
            "price": float(np.mean(price)),
            "prices": price,
        }
        print(law, "waves are wider by", document[law]["price"])
    FILE.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
