"""Many fits: certified posteriors per CPU-second beside point fits of the same resamples.

    uv run --with autograd python benchmarks/batch.py [--quick] [--json] [--core 0]

Resamples of the 240 Chinchilla points (five outliers left out, as Epoch does).  Ours are
whole posteriors of the Chinchilla form with Student-t noise, each with its certificate;
the peers' are points: Epoch's BFGS from the published optimum (arXiv:2404.10102: log-Huber,
autograd), the same with our hand-written gradient, and SciPy's least squares with Huber
loss.  One per cent of the certificates by weights is audited by NUTS.  Everything runs in
one process on one core; times are CPU-seconds, compilation apart.  Writes
benchmarks/results/batch.json and .md unless --quick.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares, minimize

from nstar.fits.resampling import bootstrap

FOLDER = Path(__file__).parent / "results"
PUBLISHED = np.array([np.log(482.01), np.log(2085.43), np.log(1.8172), 0.3478, 0.3658])
HUBER = 1e-3
FILES = "batch.json", "batch.md"


def runs() -> Any:
    """Epoch's points without their outliers."""
    import nstar

    return nstar.read_runs("chinchilla_epoch", where=["outlier=0"])


def rows(count: int, size: int) -> np.ndarray:
    """Rows of each resample."""
    return np.random.default_rng(0).integers(0, size, (count, size))


def by_autograd(n: np.ndarray, d: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Epoch's fit as Epoch wrote it: BFGS, autograd, from the published optimum."""
    import autograd.numpy as anp
    from autograd import grad
    from autograd.scipy.special import logsumexp

    def objective(p: Any) -> Any:
        a, b, e, alpha, beta = p
        terms = anp.stack([a - alpha * n, b - beta * d, e + anp.zeros_like(n)])
        r = logsumexp(terms, axis=0) - y
        small = anp.abs(r) < HUBER
        return anp.sum(anp.where(small, r**2 / 2, HUBER * (anp.abs(r) - HUBER / 2)))

    return minimize(objective, PUBLISHED, jac=grad(objective), method="BFGS").x


def by_hand(n: np.ndarray, d: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Minimise the same objective with its gradient written out."""
    from peers import _objective

    def objective(p: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _objective(p, n, d, y)
        return value * 1e-6, slope * 1e-6

    return minimize(objective, PUBLISHED, jac=True, method="BFGS").x


def by_least_squares(n: np.ndarray, d: np.ndarray, y: np.ndarray) -> np.ndarray:
    """SciPy's robust least squares, its own differences for a gradient."""

    def residuals(p: np.ndarray) -> np.ndarray:
        a, b, e, alpha, beta = p
        return np.logaddexp(np.logaddexp(a - alpha * n, b - beta * d), e) - y

    return least_squares(residuals, PUBLISHED, loss="huber", f_scale=HUBER).x


PEERS: dict[str, Callable[..., np.ndarray]] = {
    "Epoch's BFGS, one start, autograd": by_autograd,
    "the same, gradient by hand": by_hand,
    "SciPy least squares, Huber": by_least_squares,
}


def points(fit: Callable[..., np.ndarray], count: int) -> dict[str, Any]:
    """Rate of a peer's point fits."""
    table = runs()
    n, d, y = (np.log(table[c]) for c in ("N", "D", "L"))
    fit(n, d, y)
    cpu = time.process_time()
    for i in rows(count, len(y)):
        fit(n[i], d[i], y[i])
    return {"fits": count, "rate": count / (time.process_time() - cpu)}


def posteriors(count: int, budgets: tuple[float, ...]) -> dict[str, Any]:
    """Rate of our certified posteriors, warm, and what their certificates say."""
    from nstar.fits import batches

    table = runs()

    def made(count: int, seed: int) -> Any:
        return bootstrap(
            table,
            "chinchilla",
            count=count,
            seed=seed,
            budgets=budgets,
            quantiles=[0.05, 0.5, 0.95],
            tick=lambda done, total: None,
        )

    cpu = time.process_time()
    made(min(count, 64), 1)  # compiles
    most, batches.MOST = batches.MOST, 0
    made(1, 2)  # NUTS too, which few fits will ask for
    batches.MOST = most
    cold = time.process_time() - cpu
    cpu, wall = time.process_time(), time.perf_counter()
    found = made(count, 0).certificates
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    passed, method = found["passed"].to_numpy(), found["method"].to_numpy()
    return {
        "fits": count,
        "rate": float(passed.sum() / cpu),
        "first_cpu": cold,
        "wall": wall,
        "certified": float(passed.mean()),
        "by_weights": float((method == "importance").mean()),
        "k_hat_max": float(found["k_hat"].max()),
        "ess": [float(v) for v in found["ess"].quantile([0, 0.05, 0.5])],
        "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def audit(count: int) -> dict[str, Any]:
    """Fit one in a hundred of the certified resamples by NUTS; differences in MCSE."""
    import jax

    import nstar
    from nstar.fits import batches

    table, resamples = runs(), max(count // 100, 2)
    tables = {str(k): table.take(i) for k, i in enumerate(rows(resamples, len(table)))}
    ours = nstar.fit_batch(tables, "chinchilla")
    most, batches.MOST = batches.MOST, 0
    nuts = nstar.fit_batch(tables, "chinchilla")
    batches.MOST = most
    by_weights = ours.certificates["method"].to_numpy() == "importance"
    off, ratio = [], []
    for name in (
        "alpha1",
        "exponent_sum",
        "floor_share",
        "level",
        "size_share",
        "sigma",
    ):
        a, b = (m.draws[name].to_numpy()[by_weights] for m in (ours, nuts))
        sizes = [
            np.minimum(m.certificates["ess"].to_numpy()[by_weights], batches.KEPT)
            for m in (ours, nuts)
        ]
        error = b.std(1) * np.sqrt(1 / sizes[0] + 1 / sizes[1])
        off.append((a.mean(1) - b.mean(1)) / error)
        ratio.append(a.std(1) / b.std(1))
    jax.clear_caches()
    return {
        "audited": int(by_weights.sum()),
        "rms_z": float(np.sqrt(np.mean(np.square(off)))),
        "worst_z": float(np.abs(off).max()),
        "sd_ratio": [float(v) for v in np.quantile(ratio, [0, 0.5, 1])],
    }


def in_a_process(what: str, count: int, core: int) -> Any:
    """Measure in a fresh process on one core."""
    command = [
        "taskset",
        "-c",
        str(core),
        sys.executable,
        __file__,
        "--one",
        what,
        "--count",
        str(count),
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    return json.loads(done.stdout.splitlines()[-1])


def measured(what: str, count: int) -> dict[str, Any]:
    """Measure one thing by name."""
    if what.startswith("nstar"):
        return posteriors(count, (3.8e25,) if what == "nstar, N* and D*" else ())
    return audit(count) if what == "audit" else points(PEERS[what], count)


def page(document: dict[str, Any]) -> str:
    """Tables in markdown."""
    lines = [
        f"{document['machine']}\n",
        "| engine | fits | fits / CPU-s | nstar's rate to it | what a fit is |",
        "| --- | --- | --- | --- | --- |",
    ]
    ours = document["engines"]["nstar"]
    for name, row in document["engines"].items():
        if "failed" in row:
            lines.append(f"| {name} | failed: {' '.join(row['failed'])} | | | |")
            continue
        what = (
            f"posterior, {row['certified']:.1%} certified, {row['by_weights']:.1%} by weights"
            if name.startswith("nstar")
            else "a point"
        )
        lines.append(
            f"| {name} | {row['fits']} | {row['rate']:.0f} | {ours['rate'] / row['rate']:.2f} | {what} |"
        )
    a = document["audit"]
    lines += [
        "",
        f"Audit by NUTS of {a['audited']} certified fits: means of six unknowns apart by {a['rms_z']:.2f} MCSE (rms), {a['worst_z']:.1f} at worst; sds in ratio {a['sd_ratio'][0]:.2f} to {a['sd_ratio'][2]:.2f}, median {a['sd_ratio'][1]:.2f}.",
        "",
        "| fits | CPU-s a fit | wall, s | peak memory, MiB | certified |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in document["growth"]:
        lines.append(
            f"| {row['fits']} | {1 / row['rate']:.4f} | {row['wall']:.2f} | {row['peak_MiB']:.0f} | {row['certified']:.1%} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all engines and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer fits")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.one, asked.count)))
        return
    from speed import machine

    sizes = [1, 64, 512] if asked.quick else [1, 16, 128, 1024, 8192]
    many = 512 if asked.quick else 4096
    engines = {
        n: in_a_process(n, many, asked.core) for n in ("nstar", "nstar, N* and D*")
    }
    for name in PEERS:
        engines[name] = in_a_process(name, 20 if asked.quick else 200, asked.core)
    document = {
        "machine": machine(),
        "engines": engines,
        "audit": in_a_process("audit", many, asked.core),
        "growth": [in_a_process("nstar, N* and D*", n, asked.core) for n in sizes],
    }
    print(json.dumps(document) if asked.json else page(document))
    if not asked.quick:
        (FOLDER / FILES[0]).write_text(json.dumps(document, indent=1) + "\n")
        (FOLDER / FILES[1]).write_text(page(document))


if __name__ == "__main__":
    main()
