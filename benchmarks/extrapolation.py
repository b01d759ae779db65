"""Extrapolation on measured ladders: nstar beside its peers and two quick trials.

    uv run --group bench python benchmarks/extrapolation.py

scores every forecaster of `forecasters.py` on every ladder of `ladders.py`, the top one
and two decades of compute held out, and writes benchmarks/results/extrapolation.json
(all scores), .md (tables) and .svg.  What is stored is not run again unless asked for:

    ... --forecasters "nstar coupled" --again "nstar coupled" --ladders porian --hold-out 1

Measured runs are read from NSTAR_DATA_DIR (or ../shared/data) and never written.
"""

import argparse
import json
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any

import jax
import numpy as np

import extrapolation_tables as tables
from forecasters import FORECASTERS, Forecaster
from ladders import FEWEST, ladders
from nstar.scores import energy_score, misses, scores
from nstar.validation.backtest import Split, split

FOLDER = Path(__file__).parent / "results"
FILE = FOLDER / "extrapolation.json"
SHOWN = ("nstar", "jax", "numpyro", "arviz-stats", "simple-scaling-laws")
SEED = 0
FAR = 5.0  # in log loss from the training runs; heavy tails reach no further

type Scores = dict[str, Any]


def splits(held: Sequence[float], names: Sequence[str]) -> Iterator[tuple]:
    """Ladders whose name holds any of `names`, split; those too short are said."""
    for ladder in ladders():
        if names and not any(part in ladder.name for part in names):
            continue
        for decades in held:
            part = split(ladder.runs, decades)
            if len(part.train) < FEWEST:
                print(
                    f"skipped: {ladder.name}, {decades:g} decades held out, leaves {len(part.train)} runs",
                    file=sys.stderr,
                )
                continue
            yield ladder, part


def score(forecaster: Forecaster, part: Split) -> Scores:
    """Marginal and joint scores of one forecast, in log loss."""
    start = time.perf_counter()
    draws = forecaster(part.train, part.test, SEED)
    seconds = time.perf_counter() - start
    truth = np.log(part.test["L"])
    middle = np.median(np.log(part.train["L"]))
    draws = np.clip(draws, middle - FAR, middle + FAR)
    missed = misses(draws, truth)
    found = scores(draws, truth) | {
        "energy": energy_score(draws, truth),
        "misses": {
            "observed": missed.observed,
            "at_least": missed.at_least,
            "probability": missed.probability,
            "simulated": np.trim_zeros(missed.simulated, "b").tolist(),
        },
        "draws": len(draws),
        "seconds": round(seconds, 1),
    }
    return rounded(found)


def rounded(value: Any) -> Any:
    """Five figures of every number, so that a re-run differs where something did."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def read() -> list[dict[str, Any]]:
    """Read what is stored: one record a split, with the scores of each forecaster."""
    return json.loads(FILE.read_text())["splits"] if FILE.exists() else []


def write(records: list[dict[str, Any]]) -> None:
    """Store the records in the order of ladders, and forecasters in theirs."""
    order = list(FORECASTERS)
    for record in records:
        mine = record["scores"]
        record["scores"] = {
            n: mine[n]
            for n in sorted(mine, key=lambda n: order.index(n) if n in order else 99)
        }
    text = json.dumps(
        {"seed": SEED, "versions": versions(), "splits": records}, indent=1
    )
    text = re.sub(
        r"\[\s+([-\d.,e\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text
    )
    part = FILE.with_suffix(".part")
    part.write_text(text + "\n")
    part.replace(FILE)


def versions() -> dict[str, str]:
    """Packages whose forecasts are scored; those absent keep what was stored."""
    stored = json.loads(FILE.read_text())["versions"] if FILE.exists() else {}
    found = {"python": sys.version.split()[0]}
    for name in SHOWN:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = stored.get(name, "absent")
    return found


def run(options: argparse.Namespace) -> None:
    """Score what is asked for and not stored yet."""
    records = read()
    chosen = options.forecasters or list(FORECASTERS)
    if util.find_spec("simple_scaling_laws") is None:
        left = [name for name in chosen if " ssl " in name]
        chosen = [name for name in chosen if name not in left]
        print(f"not installed: simple-scaling-laws; left out: {left}", file=sys.stderr)
    asked = list(splits(options.hold_out, options.ladders))
    if not asked:
        sys.exit(
            f"no ladder has any of {options.ladders} in its name; there are {', '.join(ladder.name for ladder in ladders())}"
        )
    for ladder, part in asked:
        key = {"ladder": ladder.name, "source": ladder.source, "hold_out": part.decades}
        record = next((r for r in records if r.items() >= key.items()), None)
        if record is None:
            counts = {"train": len(part.train), "test": len(part.test), "scores": {}}
            records.append(record := key | counts)
        for name in chosen:
            if name in record["scores"] and name not in options.again:
                continue
            found = score(FORECASTERS[name], part)
            record["scores"][name] = found
            print(
                f"{ladder.name} -{part.decades:g}: {name}: covered {found['coverage']['0.9']:.2f}, score {100 * found['interval_score']['0.9']:.2f}, rms {100 * found['rmse']:.2f}, {found['seconds']:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            write(records)
        jax.clear_caches()  # every split has shapes of its own


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--forecasters", nargs="+", choices=list(FORECASTERS))
    parser.add_argument("--again", nargs="+", default=[], choices=list(FORECASTERS))
    parser.add_argument("--ladders", nargs="+", default=[], help="parts of names")
    parser.add_argument("--hold-out", nargs="+", type=float, default=[1.0, 2.0])
    parser.add_argument("--tables", action="store_true", help="of what is stored only")
    parser.add_argument("--json", action="store_true", help="averages as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if not options.tables:
        run(options)
    document = {"versions": versions(), "splits": read()}
    tables.write(document, FOLDER)
    if options.json:
        print(json.dumps(rounded(tables.averages(document["splits"])), indent=1))
    else:
        print(tables.averages_table(document["splits"]))
        print(tables.bars_table(document["splits"]))
