"""What an accelerator buys: batches of fits and one NUTS fit, in float64 and float32.

    bash benchmarks/gpu.sh [--quick] [--fits 4096] [--bent 256] [--seconds 460] > gpu.json

Prints one JSON document: for every part, in this order, its fits, seconds with compiling and
without, how many passed and the peak of the device's memory so far; then how float32 agrees
with float64.  Fits are of bootstrap resamples of the Chinchilla points, or of 240 simulated
runs where the folder of measured runs is absent; the first is of the table itself, which the
NUTS fit is of too.  Bent fits are of the coupled law with waves.

The work is done by a process that writes down each slice of fits once it is done.  A part
that takes more than its share of the time is stopped, and a new process goes on with the
next; what was stopped or left out is said.  "float32" is what `fit_batch` makes of it: the
weights in single precision, and NUTS in double all the same.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NEEDED = [
    *("nstar", "jax", "numpyro", "scipy", "threadpoolctl", "xarray", "arviz_base"),
    *("arviz_stats", "h5netcdf", "h5py", "narwhals", "pyarrow", "pooch"),
]
PARTS = {  # in order; each may take its share of the time that is left for it and later ones
    "fits-float64": 4,
    "fits-float32": 2,
    "nuts": 2,
    "bent-float64": 3,
    "bent-float32": 2,
}
SIZES = {"full": (4096, 256, 460.0), "quick": (256, 4, 110.0)}  # fits, bent, seconds
DRAWS = 400  # of each fit
FIRST = 256  # fits of the first slice; a program of another size takes the rest
LEAST = 5.0  # seconds without which no part is begun


# in the working process


def table() -> Any:
    """Read the Chinchilla points, or simulate runs about Hoffmann's law."""
    import numpy as np

    import nstar

    folder = Path(os.environ.get("NSTAR_DATA_DIR") or ROOT.parent / "shared" / "data")
    if (folder / "chinchilla_epoch.csv").exists():
        os.environ["NSTAR_DATA_DIR"] = str(folder)
        return nstar.read_runs("chinchilla_epoch", where=["outlier=0"])
    rng = np.random.default_rng(0)
    C = 10 ** rng.uniform(18, 22, 240)
    N = np.sqrt(C / 120) * 10 ** rng.normal(0, 0.35, 240)
    D = C / 6 / N
    L = 1.82 + 482 / N**0.348 + 2085 / D**0.366
    return nstar.read_runs(
        {"N": N, "D": D, "L": L * np.exp(0.004 * rng.standard_t(4, 240))}
    )


def resamples(runs: Any, count: int) -> dict[str, Any]:
    """Put the table itself first, and resamples of it behind."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(runs), (count - 1, len(runs)))
    return {"whole": runs} | {f"{k}": runs.take(i) for k, i in enumerate(rows)}


def slices(count: int, *, bent: bool) -> Iterator[tuple[int, int, int]]:
    """First and last fit of each slice, and the seed; the last slice is timed again."""
    ends = [1, 2, 4, 16, 64] if bent else [FIRST]
    start = 0
    for end in [*(e for e in ends if e < count), count]:
        start, first = (end, start) if bent else (0, 0)
        yield first, end, 0
    if not bent:
        yield first, count, 1  # with its programs compiled


def batch(part: str, count: int, runs: Any, file: Path) -> Iterator[dict[str, Any]]:
    """Fit a batch slice by slice; means and spreads go into a file."""
    import numpy as np

    import nstar

    kind, precision = part.split("-")
    bent = kind == "bent"
    law, discrepancy = ("coupled", "waves") if bent else ("chinchilla", "none")
    tables = resamples(runs, count)
    names, summaries = list(tables), {}
    for first, last, seed in slices(count, bent=bent):
        given = {name: tables[name] for name in names[first:last]}
        cpu, start = time.process_time(), time.perf_counter()
        made = nstar.fit_batch(
            given,
            law,
            seed=seed,
            discrepancy=discrepancy,
            draws=DRAWS,
            precision=precision,
            tick=lambda done, total: None,
        )
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        passed = made.certificates["passed"].to_numpy()
        methods = made.certificates["method"].to_numpy()
        yield {
            "fits": last - first,
            "done": last,
            "seconds": seconds,
            "cpu": cpu,
            "warm": seed > 0 or first > 0,
            "passed": int(passed.sum()),
            "by_weights": int((methods == "importance").sum()),
        }
        if seed == 0:
            for name, values in made.draws.data_vars.items():
                if values.dims == ("fit", "draw"):
                    both = np.stack([values.mean("draw"), values.std("draw")], 1)
                    earlier = summaries.get(str(name), [])[:first]
                    summaries[str(name)] = [*earlier, *both]
            write(file, summaries)


def write(file: Path, arrays: dict[str, Any]) -> None:
    """Write arrays whole or not at all: this process may be stopped at any time."""
    import numpy as np

    partly = file.with_name("partly.npz")
    np.savez(partly, **arrays)
    partly.replace(file)


def nuts(runs: Any, file: Path) -> Iterator[dict[str, Any]]:
    """Fit the table by NUTS, and again by the same programs."""
    import numpy as np
    from arviz_stats import ess, rhat

    import nstar

    for seed in (0, 1):
        cpu, start = time.process_time(), time.perf_counter()
        fit = nstar.fit(
            runs,
            "chinchilla",
            seed=seed,
            discrepancy="none",
            tick=lambda done, total: None,
        )
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        posterior = fit.tree["posterior"].dataset[list(fit.draws)]
        effective = min(float(v.min()) for v in ess(posterior).data_vars.values())
        yield {
            "fits": 1,
            "done": 1,
            "seconds": seconds,
            "cpu": cpu,
            "warm": seed > 0,
            "draws": int(np.prod([posterior.sizes[d] for d in ("chain", "draw")])),
            "min_ess": effective,
            "r_hat": max(float(v.max()) for v in rhat(posterior).data_vars.values()),
        }
        own = {n: [[v.mean(), v.std()]] for n, v in fit.draws.items() if v.ndim == 1}
        write(file, own)


def memory() -> dict[str, float]:
    """Peaks so far of the device and of this process, in MiB."""
    import resource

    import jax

    peaks = {"host_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    stats = jax.devices()[0].memory_stats() or {}  # a CPU has none
    if "peak_bytes_in_use" in stats:
        peaks["device_MiB"] = stats["peak_bytes_in_use"] / 2**20
    return peaks


def work(parts: list[str], fits: int, bent: int, folder: Path) -> None:
    """Do parts in order, and write down a line after each slice."""
    with (folder / "lines").open("a", encoding="utf-8") as lines:

        def line(**entry: Any) -> None:
            lines.write(json.dumps(entry) + "\n")
            lines.flush()

        import jax
        import numpyro

        device = jax.devices()[0]
        line(
            device={
                "name": device.device_kind,
                "platform": device.platform,
                "runtime": str(device.client.platform_version).split("\n")[0],
                "count": jax.device_count(),
                "jax": jax.__version__,
                "numpyro": numpyro.__version__,
            }
        )
        runs = table()
        line(runs={"source": runs.source, "rows": len(runs)})
        for part in parts:
            line(begins=part)
            count = bent if part.startswith("bent") else fits
            try:
                file = folder / f"{part}.npz"
                if part == "nuts":
                    done = nuts(runs, file)
                else:
                    done = batch(part, count, runs, file)
                for entry in done:
                    line(part=part, slice=entry | memory())
                line(ends=part)
            except Exception as error:  # out of memory, say: the next part may fit
                text = str(error).strip().splitlines() or [""]
                line(ends=part, failed=f"{type(error).__name__}: {text[0]}")


# in the watching process


class Watch:
    """What the working process has written down, and what it is at."""

    def __init__(self, folder: Path) -> None:
        self.file, self.lines = folder / "lines", 0
        self.at, self.since = "", time.monotonic()
        self.device: dict[str, Any] = {}
        self.runs: dict[str, Any] = {}
        self.parts: dict[str, list[dict[str, Any]]] = {}
        self.left_out: dict[str, str] = {}

    def update(self) -> None:
        """Read what was written since."""
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        lines = text.split("\n")[:-1]
        for entry in map(json.loads, lines[self.lines :]):
            self.device = entry.get("device", self.device)
            self.runs = entry.get("runs", self.runs)
            if "slice" in entry:
                self.parts.setdefault(entry["part"], []).append(entry["slice"])
            if "begins" in entry or "ends" in entry:
                self.at, self.since = entry.get("begins", ""), time.monotonic()
            if "failed" in entry:
                self.left_out[entry["ends"]] = entry["failed"]
        self.lines = len(lines)

    def stop(self, why: str) -> str:
        """Note that a part did not come to its end; its name, if one had begun."""
        if self.at:
            self.left_out[self.at] = why
        part, self.at = self.at, ""
        return part


def watched(parts: list[str], fits: int, bent: int, end: float, folder: Path) -> Watch:
    """Have the parts done, one process after another where one must be stopped."""
    watch, left = Watch(folder), list(parts)
    while left and end - time.monotonic() > LEAST:
        command = [sys.executable, __file__, "--work", str(folder), "--fits", str(fits)]
        command += ["--bent", str(bent), "--parts", *left]
        environ = {"JAX_COMPILATION_CACHE_DIR": str(folder / "programs")} | os.environ
        watch.since = time.monotonic()
        with (folder / "errors").open("w+", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command, env=environ, stdout=errors, stderr=errors
            )
            due, late = time.monotonic() + share(left, end), False
            try:
                while process.poll() is None and not late:
                    time.sleep(0.1)
                    before = watch.at
                    watch.update()
                    if watch.at != before:
                        left = left[left.index(watch.at or before) + (not watch.at) :]
                        due = time.monotonic() + share(left, end)
                    late = time.monotonic() > due
            finally:
                process.kill()
                process.wait()
            errors.seek(0)
            last = errors.read().strip().splitlines()[-1:]
        watch.update()
        if process.returncode == 0:
            return watch
        why = " ".join(last) or f"its process ended with {process.returncode}"
        if late:
            why = f"stopped after {time.monotonic() - watch.since:.0f} s, its share of the time"
        if not (part := watch.stop(why)):  # before any part began: no use to go on
            watch.left_out |= dict.fromkeys(left, why)
            return watch
        left = left[left.index(part) + 1 :]
    watch.left_out |= dict.fromkeys(left, "no time was left")
    return watch


def share(left: list[str], end: float) -> float:
    """Seconds that the first of the parts left may take."""
    whole = sum(PARTS[part] for part in left) or 1
    return (end - time.monotonic()) * (PARTS[left[0]] if left else 1) / whole


def reduced(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates of a part, of its slices with programs compiled where there are any."""
    warm = [row for row in slices if row["warm"]]
    fits, seconds, cpu = (
        sum(row[n] for row in warm or slices) for n in ("fits", "seconds", "cpu")
    )
    return {
        "fits": max(row["done"] for row in slices),
        "first_seconds": slices[0]["seconds"],
        "rates_with_compiling": not warm,
        "fits_per_second": fits / seconds,
        "fits_per_cpu_second": fits / cpu,
        "slices": slices,
    }


def agreement(ours: Path, theirs: Path) -> dict[str, Any]:
    """Hold means and spreads of the first against the second, fits of both that passed."""
    import numpy as np

    a, b = (np.load(file) for file in (ours, theirs))
    fits = min(len(m[n]) for m in (a, b) for n in m.files)
    names = [n for n in a.files if n in b.files]
    x, y = (np.stack([m[n][:fits] for n in names], 1) for m in (a, b))
    both = np.isfinite(x).all((1, 2)) & np.isfinite(y).all((1, 2))
    if not both.any():
        return {"fits": 0}
    x, y = x[both], y[both]
    off, ratio = (x[..., 0] - y[..., 0]) / y[..., 1], x[..., 1] / y[..., 1]
    return {
        "fits": int(both.sum()),
        "quantities": names,
        "means_apart_in_sds": {
            "rms": float(np.sqrt(np.mean(off**2))),
            "largest": float(np.abs(off).max()),
            "of_draws_alone": (2 / DRAWS) ** 0.5,  # rms, were all draws independent
        },
        "sd_ratios": dict(
            zip(
                ("least", "median", "largest"),
                np.quantile(ratio, [0, 0.5, 1]).tolist(),
                strict=True,
            )
        ),
        "mean_sd_ratio": float(ratio.mean()),
    }


def main() -> None:
    """Do all parts within the time, and print the document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer fits, two minutes")
    parser.add_argument("--fits", type=int, help="straight fits of a batch")
    parser.add_argument("--bent", type=int, help="bent fits of a batch")
    parser.add_argument("--seconds", type=float, help="time for all parts together")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        metavar="PART",
        help=", ".join(PARTS),
    )
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.parts, options.fits, options.bent, options.work)
        return
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        parser.error(
            f"this Python lacks {', '.join(missing)}: {sys.executable} -m pip install {ROOT}"
        )
    start = time.monotonic()
    fits, bent, seconds = SIZES["quick" if options.quick else "full"]
    fits, bent = options.fits or fits, options.bent or bent
    seconds = options.seconds or seconds
    parts = [part for part in PARTS if part in options.parts]
    with tempfile.TemporaryDirectory(prefix="nstar-gpu-") as temporary:
        folder = Path(temporary)
        watch = watched(parts, fits, bent, start + seconds, folder)
        pairs = {
            "fits-float32 to float64": ("fits-float32", "fits-float64"),
            "bent-float32 to float64": ("bent-float32", "bent-float64"),
            "NUTS to weights, the table itself": ("nuts", "fits-float64"),
        }
        files = {
            n: [folder / f"{part}.npz" for part in pair] for n, pair in pairs.items()
        }
        document = {
            "device": watch.device,
            "runs": watch.runs,
            "wanted": {"fits": fits, "bent": bent, "seconds": seconds},
            "parts": {part: reduced(rows) for part, rows in watch.parts.items()},
            "agreement": {
                name: agreement(*both)
                for name, both in files.items()
                if all(file.exists() for file in both)
            },
            "left_out": watch.left_out,
            "seconds": time.monotonic() - start,
        }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
