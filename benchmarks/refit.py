"""Batches by manifest: cost a fit, memory, the shipped manifests, and twenty kills.

    uv run python benchmarks/refit.py [--only sizes|kills|public|small] [--keep DIR] [--json]

`sizes`: 100, 1,000 and 10,000 resamples (1,000 in float64) of Epoch's 240 Chinchilla points under the
additive law, by `nstar refit` on all cores: wall and CPU seconds with programs compiled
before, the share that is certified, and the peak memory of all processes together, pages
that they share counted once.
`public` and `small`: the manifests that nstar ships, from an empty cache.  `kills`: a run
killed at twenty seeded instants and resumed, held against one that was not.  `--keep` leaves
the batches there.  Writes its part of benchmarks/results/refit.json, which is kept beside what
others wrote, and refit.md.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "refit.json"
NSTAR = Path(sys.executable).with_name("nstar")
MANIFEST = """[[data]]
source = "chinchilla_epoch"
where = ["outlier=0"]
[grid]
laws = ["chinchilla"]
[[resample]]
kind = "bootstrap"
count = {count}
[targets]
budgets = [1e24]
[sampler]
draws = 200
precision = "{precision}"
"""


def measured(manifest: str | Path, out: Path, env: dict[str, str]) -> dict[str, Any]:
    """Run a manifest: times, memory of all its processes, and what came of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began, peak = time.perf_counter(), [0]
    process = subprocess.Popen(
        [NSTAR, "refit", manifest, "--out", out, "--json"],
        stdout=subprocess.PIPE,
        env=os.environ | env,
        text=True,
    )
    watching = threading.Thread(target=_watch, args=(process, peak))
    watching.start()
    told = json.loads(process.communicate()[0])
    watching.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    return {
        "fits": told["fits"],
        "passed": told["passed"],
        "wall_s": time.perf_counter() - began,
        "cpu_s": cpu,
        "peak_mib": peak[0] / 2**20,
        "folder_mb": size / 1e6,
        "draws_mb": (out / "draws.nc").stat().st_size / 1e6,
    }


def _watch(process: subprocess.Popen, peak: list[int]) -> None:
    """Add up the memory of a process and its children while it lives."""
    import psutil

    while process.poll() is None:
        try:
            mine = psutil.Process(process.pid)
            each = [
                p.memory_full_info().pss for p in (mine, *mine.children(recursive=True))
            ]
            peak[0] = max(peak[0], sum(each))
        except psutil.Error:
            continue
        time.sleep(1)


def sizes(folder: Path) -> list[dict[str, Any]]:
    """Cost a fit from 100 to 10,000, programs compiled before."""
    found = []
    for precision, count in (
        ("float32", 64),
        ("float32", 100),
        ("float32", 1000),
        ("float32", 10_000),
        ("float64", 64),
        ("float64", 1000),
    ):
        manifest = folder / f"{precision}-{count}.toml"
        manifest.write_text(MANIFEST.format(count=count, precision=precision))
        told = measured(manifest, folder / f"{precision}-{count}", {})
        if count > 64:
            found.append({"precision": precision, "resamples": count} | told)
            print(found[-1], file=sys.stderr)
    return found


def shipped(folder: Path, name: str) -> dict[str, Any]:
    """Run a manifest that nstar ships, from an empty cache."""
    return measured(name, folder / name, {"NSTAR_CACHE": str(folder / "cache")})


def kills(folder: Path) -> dict[str, Any]:
    """Kill a run at seeded instants, resume it, and compare."""
    from nstar.batch.table import csv_text, undated

    manifest = folder / "kills.toml"
    manifest.write_text(MANIFEST.format(count=256, precision="float32"))
    whole = measured(manifest, folder / "whole", {})
    rng, same = np.random.default_rng(0), 0
    for i in range(20):
        out = folder / f"killed-{i}"
        process = subprocess.Popen(
            [NSTAR, "refit", manifest, "--out", out],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0.3, 1.0) * whole["wall_s"])
        process.kill()
        process.wait()
        subprocess.run(
            [NSTAR, "refit", manifest, "--out", out], check=False, capture_output=True
        )
        one, other = (_contents(place) for place in (out, folder / "whole"))
        tables = csv_text(undated(one[0])) == csv_text(undated(other[0]))
        same += tables and one[1].identical(other[1])
        shutil.rmtree(out)
    return {"kills": 20, "identical_after_resume": same}


def _contents(out: Path) -> tuple[Any, Any]:
    import pyarrow.parquet as pq
    import xarray as xr

    draws = xr.load_dataset(out / "draws.nc", group="posterior", engine="h5netcdf")
    return pq.read_table(out / "fits.parquet"), draws


def markdown(told: dict[str, Any]) -> str:
    """Write what was measured as a page."""
    lines = [
        "# Batches by manifest",
        "",
        "    python benchmarks/refit.py",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}; CPU seconds are of all processes, compiling included; memory is of all processes together, shared pages counted once (PSS).",
        "",
    ]
    lines += [
        "| batch | precision | fits | passed | wall s | CPU s | CPU ms a fit | peak MiB | folder MB | draws MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = [
        (f"{r['resamples']:,} resamples of the Chinchilla points", r)
        for r in told.get("sizes", ())
    ]
    rows += [
        (name, told[key] | {"precision": precision})
        for key, name, precision in (
            ("public", "`public-ladders`", "float32"),
            ("small", "`public-ladders-small`", "float64"),
        )
        if key in told
    ]
    for name, r in rows:
        lines.append(
            f"| {name} | {r['precision']} | {r['fits']:,} | {r['passed']:,} | {r['wall_s']:.0f} | {r['cpu_s']:.0f} | {1e3 * r['cpu_s'] / r['fits']:.0f} | {r['peak_mib']:.0f} | {r['folder_mb']:.0f} | {r['draws_mb']:.0f} |"
        )
    if "kills" in told:
        k = told["kills"]
        lines += [
            "",
            f"Killed with SIGKILL at {k['kills']} seeded instants and given again, the batch was identical to an undisturbed one {k['identical_after_resume']} times: tables byte for byte but for times, draws to the last bit.",
        ]
    return "\n".join(lines) + "\n"


PARTS = {
    "sizes": sizes,
    "kills": kills,
    "public": lambda folder: shipped(folder, "public-ladders"),
    "small": lambda folder: shipped(folder, "public-ladders-small"),
}


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for name in asked.only or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            kept = asked.keep / name if asked.keep else Path(folder)
            kept.mkdir(parents=True, exist_ok=True)
            told[name] = PARTS[name](kept)
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(markdown(told))
    if asked.json:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
