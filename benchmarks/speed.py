"""One fit: min-ESS per CPU-second beside other samplers of the same model, in one run.

    uv run --group bench --with pymc --with nutpie --with blackjax --with pystan \
        python benchmarks/speed.py
    ... [--quick] [--json] [--core 0] [--repeats 3]

Each engine runs in a process of its own on one core.  "Cold" is from an empty compilation
cache to the first draws; "warm" is the median of further samplings with other seeds.
CPU-seconds are of all threads and child processes.  ESS is the smallest over the unknowns
of bulk and tail.  Writes benchmarks/results/speed.json and .md unless --quick; with
--models only those are measured, and take the place of what the file had of them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).parent / "results"
PEERS = ("nutpie low-rank", "nutpie", "NumPyro MCMC", "BlackJAX", "PyMC", "Stan")
MODELS = {  # law, table, discrepancy, engines
    "chinchilla": (
        "chinchilla",
        "chinchilla_epoch",
        "none",
        ("nstar", *PEERS, *(f"{p}, whitened" for p in PEERS)),
    ),
    "isoflop": (
        "isoflop",
        "llama3",
        "none",
        ("nstar", "nutpie", "nutpie low-rank"),
    ),
    "discrepancy": ("coupled", "chinchilla_epoch", "waves", ("nstar",)),
    "no discrepancy": ("coupled", "chinchilla_epoch", "none", ("nstar",)),
}
SIZES = (100, 300, 1000, 3000, 10000)
GROWTH = {
    f"{n} runs, {discrepancy}": ("chinchilla", n, discrepancy, ("nstar",))
    for n in SIZES
    for discrepancy in ("none", "waves")
}
MODELS |= GROWTH


def ladder(table: str | int) -> Any:
    """Runs of a data set, or so many simulated about Hoffmann's law, 1e18 to 1e22 FLOP."""
    import numpy as np

    from nstar import read_runs

    if isinstance(table, str):
        return read_runs(table)
    rng = np.random.default_rng(0)
    C = 10 ** rng.uniform(18, 22, table)
    D = np.sqrt(C / 6 * 20) * 10 ** rng.normal(0, 0.35, table)
    L = 1.8 + 482 * (C / 6 / D) ** -0.348 + 2085 * D**-0.366
    L = L * np.exp(0.004 * rng.standard_t(4, table))
    return read_runs({"N": C / 6 / D, "D": D, "L": L})


def measured(name: str, model: str, repeats: int) -> dict[str, Any]:
    """Sample in this process; what was drawn, and what it cost."""
    import jax
    import numpy as np
    import numpyro  # noqa: F401  before ArviZ, which would import half of it
    import xarray as xr
    from arviz_stats import ess, mcse, rhat

    import rivals

    law, table, discrepancy, _ = MODELS[model]
    runs = ladder(table)
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, took, **_: (
            compiled.append(event)
            if event.endswith("backend_compile_duration")
            else None
        )
    )
    cpu, wall = cpu_seconds(), time.perf_counter()
    run = rivals.engine(name, law, runs, discrepancy)
    run(0)
    cold = cpu_seconds() - cpu, time.perf_counter() - wall
    rows = []
    for seed in range(1, repeats + 1):
        cpu, before = cpu_seconds(), len(compiled)
        made = run(seed)
        cpu = cpu_seconds() - cpu
        draws = xr.Dataset(
            {
                n: (("chain", "draw", *(f"{n}_{i}" for i in range(v.ndim - 2))), v)
                for n, v in made.draws.items()
                if not n.startswith(("offset", "waves"))
            }
        )
        least = {
            m: min(float(v.min()) for v in ess(draws, method=m).data_vars.values())
            for m in ("bulk", "tail")
        }
        worst = max(float(v.max()) for v in rhat(draws).data_vars.values())
        mean, error = draws.mean(("chain", "draw")), mcse(draws, method="mean")
        rows.append(
            {
                "seed": seed,
                "cpu": cpu,
                "compiles": len(compiled) - before,
                "ess": min(least.values()),
                "rhat": worst,
                "divergences": made.divergences,
                "leapfrogs": made.leapfrogs,
                "mean": {
                    n: np.asarray(v).tolist()
                    for n, v in mean.data_vars.items()
                    if v.ndim == 0
                },
                "mcse": {
                    n: float(v) for n, v in error.data_vars.items() if v.ndim == 0
                },
            }
        )
    return {"cold_cpu": cold[0], "cold_wall": cold[1], "runs": rows}


def cpu_seconds() -> float:
    """Of this process, of its children that have ended, and of those that run."""
    import psutil

    me = psutil.Process()
    each = [me, *me.children(recursive=True)]
    return sum(sum(process.cpu_times()[:4]) for process in each)


def limit(model: str) -> dict[str, float]:
    """Microseconds of a bare gradient and of a NUTS leapfrog, both inside one program."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import rivals
    from nstar.samplers.trajectories import (
        BLOCK,
        Order,
        explore,
        freeze_step,
        start_walk,
    )

    law, table, discrepancy, _ = MODELS[model]
    problem = rivals.Problem(ladder(table), law, discrepancy)
    with jax.enable_x64(True):
        mode = problem.mode()

        @jax.jit
        def gradients(z: Any, given: Any) -> Any:
            slope = jax.grad(problem.energy(mode, given)[0])
            return jax.lax.fori_loop(0, 2000, lambda _, z: z - 1e-9 * slope(z), z)

        z = jnp.zeros(mode.at.size)
        best = min(_cpu(lambda: gradients(z, problem.given)) for _ in range(6))
        random, size = np.random.default_rng(0), mode.at.size
        points, walk, leapfrogs = (
            np.zeros((BLOCK, size)),
            start_walk(np.zeros(size)),
            [],
        )
        start = Order(1, walking=False, learning=False, depth=1, target=0.0)

        def go(order: Order, walk: Any) -> Any:
            momenta = random.normal(size=(BLOCK, size))
            seeds = random.integers(2**32, size=BLOCK, dtype=np.uint32)
            return jax.block_until_ready(
                explore(
                    problem.skeleton,
                    problem.given,
                    mode,
                    order,
                    walk,
                    points,
                    momenta,
                    seeds,
                )
            )

        found = go(start, walk)[1]
        walk = walk._replace(energy=found["energy"][0], slope=found["slope"][0])
        for learning in (True, *[False] * 6):
            order = Order(BLOCK, walking=True, learning=learning, depth=10, target=0.9)
            cpu = time.process_time()
            walk, stats = go(order, walk)
            walk = freeze_step(walk) if learning else walk
            leapfrogs.append((time.process_time() - cpu) / stats["n_steps"].sum())
    return {"gradient": best / 2000 * 1e6, "leapfrog": float(min(leapfrogs)) * 1e6}


def _cpu(run: Any) -> float:
    import jax

    cpu = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - cpu


def in_a_process(name: str, model: str, repeats: int, core: int, cache: str) -> Any:
    """Measure an engine in a fresh process on one core."""
    command = [
        "taskset",
        "-c",
        str(core),
        sys.executable,
        __file__,
        "--one",
        name,
        "--models",
        model,
        "--repeats",
        str(repeats),
    ]
    env = {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": cache,
        "XDG_CACHE_HOME": cache,
        "OMP_NUM_THREADS": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    return json.loads(done.stdout.splitlines()[-1])


def agreement(row: dict[str, Any], ours: dict[str, Any]) -> float:
    """Largest difference of a mean from ours, in Monte-Carlo errors of both."""
    a, b = row["runs"][-1], ours["runs"][-1]
    both = set(a["mean"]) & set(b["mean"])
    return max(
        abs(a["mean"][n] - b["mean"][n])
        / (a["mcse"][n] ** 2 + b["mcse"][n] ** 2) ** 0.5
        for n in both
    )


def reduced(rows: dict[str, Any]) -> dict[str, Any]:
    """Add rates and their ratio to ours to the rows of one model."""
    for row in rows.values():
        if "failed" not in row:
            row["rate"] = median(r["ess"] / r["cpu"] for r in row["runs"])
            row["cpu"] = median(r["cpu"] for r in row["runs"])
            row["ess"] = median(r["ess"] for r in row["runs"])
            row["cold_rate"] = row["ess"] / row["cold_cpu"]
    ours = rows["nstar"]
    for row in rows.values():
        if "failed" not in row:
            row["ours_to_it"] = ours["rate"] / row["rate"]
            row["ours_to_it_cold"] = ours["cold_rate"] / row["cold_rate"]
            row["z"] = agreement(row, ours)
    return rows


HEAD = "| engine | CPU-s | min-ESS | ESS / CPU-s | nstar's rate to it | cold CPU-s | the same with compiling | second process CPU-s | leapfrogs | divergences | R-hat | means apart, MCSE |"


def table(rows: dict[str, Any]) -> list[str]:
    """Lines of markdown."""
    lines = [HEAD, "|" + " --- |" * (HEAD.count("|") - 1)]
    for name, row in rows.items():
        if "failed" in row:
            lines.append(f"| {name} | failed: {' '.join(row['failed'])} |")
            continue
        last = row["runs"]
        lines.append(
            f"| {name} | {row['cpu']:.2f} | {row['ess']:.0f} | {row['rate']:.0f} | "
            f"{row['ours_to_it']:.2f} | {row['cold_cpu']:.1f} | "
            f"{row['ours_to_it_cold']:.2f} | {row['second_cpu']:.1f} | "
            f"{median(r['leapfrogs'] for r in last):.0f} | "
            f"{sum(r['divergences'] for r in last)} | "
            f"{max(r['rhat'] for r in last):.3f} | {row['z']:.1f} |"
        )
    return lines


def growth(models: dict[str, Any]) -> list[str]:
    """Lines of markdown: cost against the number of runs."""
    lines = [
        "",
        "## Cost against the number of runs: chinchilla, simulated\n",
        "| runs | discrepancy | CPU-s | min-ESS | CPU-ms per effective draw | divergences |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for model in (m for m in GROWTH if m in models):
        row, (_, n, discrepancy, _) = models[model]["nstar"], GROWTH[model]
        if "failed" in row:
            lines.append(f"| {n} | {discrepancy} | failed: {' '.join(row['failed'])} |")
            continue
        diverged = sum(r["divergences"] for r in row["runs"])
        lines.append(
            f"| {n} | {discrepancy} | {row['cpu']:.2f} | {row['ess']:.0f} | {1000 / row['rate']:.2f} | {diverged} |"
        )
    return lines


def machine() -> str:
    """Name the processor and the versions."""
    from importlib.metadata import PackageNotFoundError, version

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (v.split(":")[1].strip() for v in lines if v.startswith("model name"))
    said = [next(names, platform.machine()), "one core"]
    for package in ("jax", "numpyro", "blackjax", "pymc", "nutpie", "pystan", "scipy"):
        try:
            said.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(said)


def written(document: dict[str, Any]) -> list[str]:
    """Lines of markdown: every table."""
    text = [f"{document['machine']}\n"]
    for model, rows in document["models"].items():
        law, data, discrepancy, _ = MODELS[model]
        if model in GROWTH:
            continue
        text += [
            f"## {model}: {law} on {data}, discrepancy {discrepancy}\n",
            *table(rows),
            "",
        ]
    text += [
        "## How far from the limit\n",
        "Microseconds inside one compiled program; a gradient is the least a leapfrog costs.\n",
        "| model | bare gradient | NUTS leapfrog | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for model, row in document["limits"].items():
        if "failed" not in row:
            text.append(
                f"| {model} | {row['gradient']:.1f} | {row['leapfrog']:.1f} | {row['leapfrog'] / row['gradient']:.2f} |"
            )
    text += growth(document["models"])
    return text


def main() -> None:
    """Run all engines and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one repeat, no PyMC")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        warnings.simplefilter("ignore")
        one, model = asked.one, asked.models[0]
        print(
            json.dumps(
                limit(model) if one == "limit" else measured(one, model, asked.repeats)
            )
        )
        return
    record, here = FOLDER / "speed.json", machine()
    document: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    if asked.quick or document.get("machine") != here:
        document = {"machine": here, "models": {}, "limits": {}}
    limits = document["limits"]
    for model in asked.models:
        rows = {}
        for name in MODELS[model][3]:
            if asked.quick and name.startswith("PyMC"):
                continue
            with tempfile.TemporaryDirectory() as cache:
                repeats = 1 if asked.quick else asked.repeats
                row = in_a_process(name, model, repeats, asked.core, cache)
                again = in_a_process(name, model, 0, asked.core, cache)
            row["second_cpu"] = again.get("cold_cpu", float("nan"))
            print(
                f"{model}: {name}: {row.get('failed') or [r['cpu'] for r in row['runs']]}",
                file=sys.stderr,
            )
            rows[name] = row
        document["models"][model] = reduced(rows)
        if model in GROWTH:
            continue
        with tempfile.TemporaryDirectory() as cache:
            limits[model] = in_a_process("limit", model, 0, asked.core, cache)
    text = written(document)
    print(json.dumps(document) if asked.json else "\n".join(text))
    if not asked.quick:
        record.write_text(json.dumps(document, indent=1) + "\n")
        (FOLDER / "speed.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
