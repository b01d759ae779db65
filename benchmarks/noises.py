"""Which likelihood predicts best a decade out: one straight law with every noise.

    uv run python benchmarks/noises.py [--noises one_sided between] [--ladders porian] [--tables]

fits the coupled law without discrepancy to every ladder of `ladders.py` less its top
decade, scores what is said of that decade, and writes benchmarks/results/noises.json
(all scores) and .md (the table).  What is stored is not run again.  A noise that a
ladder cannot carry (no budgets, no repeated runs) has no score there, so noises are
compared with student_t on the ladders they share.
"""

import argparse
import json
import sys
import warnings
from dataclasses import replace
from functools import partial
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

import jax
import numpy as np

from extrapolation import rounded, score, splits
from nstar.fits.fitting import fit
from nstar.noises.likelihoods import NOISES
from nstar.predictions.prediction import loss
from nstar.runs.observations import Observations
from nstar.samplers.nuts import Settings

FOLDER = Path(__file__).parent / "results"
FILE = FOLDER / "noises.json"
USUAL = "student_t"
SETTINGS = Settings(chains=2, warmup=500, draws=1000)
SHOWN = {"coverage": 1.0, "interval_score": 100.0, "crps": 100.0, "rmse": 100.0}
HEADER = "| noise | sources | ladders | coverage of 90 % | interval score | CRPS | rms error | those of student_t there |\n|---|--:|--:|--:|--:|--:|--:|---|"

type Record = dict[str, Any]


def forecast(
    train: Observations, test: Observations, seed: int, *, noise: str
) -> np.ndarray:
    """Posterior of the straight coupled law under one noise, (draw, run) in log loss."""
    silent = lambda done, total: None  # noqa: E731
    found = fit(
        replace(train, notes=()),
        "coupled",
        noise,
        seed=seed,
        settings=SETTINGS,
        tick=silent,
        discrepancy="none",
    )
    said = loss(found, test["N"], test["D"], seed=seed)["measured"]
    return np.log(said.to_numpy())


def read() -> list[Record]:
    """Read what is stored: one record a ladder and noise."""
    return json.loads(FILE.read_text())["scores"] if FILE.exists() else []


def run(options: argparse.Namespace) -> None:
    """Score what is asked for and not stored yet, a ladder of every source first."""
    records = read()
    asked = sorted(splits([1.0], options.ladders), key=lambda pair: pair[0].source)
    groups = [list(g) for _, g in groupby(asked, key=lambda pair: pair[0].source)]
    turns = [pair for turn in zip_longest(*groups) for pair in turn if pair]
    for ladder, part in turns:
        for noise in options.noises:
            key = {"ladder": ladder.name, "source": ladder.source, "noise": noise}
            if any(r.items() >= key.items() for r in records):
                continue
            try:
                found = score(partial(forecast, noise=noise), part)
            except ValueError as error:
                print(f"{ladder.name}: {noise}: {error}", file=sys.stderr)
                continue
            kept = {
                n: found[n]["0.9"] if isinstance(found[n], dict) else found[n]
                for n in SHOWN
            }
            records.append(key | {"runs": len(part.train)} | rounded(kept))
            print(
                f"{ladder.name}: {noise}: {kept}, {found['seconds']} s",
                file=sys.stderr,
                flush=True,
            )
            FILE.write_text(json.dumps({"scores": records}, indent=1) + "\n")
        jax.clear_caches()  # every ladder has shapes of its own


def mean(records: list[Record], name: str) -> float:
    """Average within sources, then over sources."""
    by = {r["source"]: [] for r in records}
    for r in records:
        by[r["source"]].append(r[name])
    return float(np.mean([np.mean(values) for values in by.values()]))


def table(records: list[Record]) -> str:
    """One row a noise, beside the usual noise on the same ladders."""
    rows = [HEADER]
    usual = {r["ladder"]: r for r in records if r["noise"] == USUAL}
    for noise in NOISES:
        mine = [r for r in records if r["noise"] == noise and r["ladder"] in usual]
        if not mine:
            continue
        there = [usual[r["ladder"]] for r in mine]
        ours, theirs = (
            [f"{by * mean(part, name):.2f}" for name, by in SHOWN.items()]
            for part in (mine, there)
        )
        sources = len({r["source"] for r in mine})
        cells = [noise, str(sources), str(len(mine)), *ours, " / ".join(theirs)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--noises",
        nargs="+",
        choices=list(NOISES),
        default=[n for n in NOISES if n not in {"correlated", "bounded", "two_steps"}],
    )
    parser.add_argument("--ladders", nargs="+", default=[], help="parts of names")
    parser.add_argument("--tables", action="store_true", help="of what is stored only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if not options.tables:
        run(options)
    said = table(read())
    text = f"# One law, every noise, one decade out\n\nThe coupled law without discrepancy, `uv run python benchmarks/noises.py`; means within sources, then over sources.  Scores are of log loss, interval score, CRPS and rms error in percent; `between` is by isoFLOP budget.  Scored so far: {len({r['ladder'] for r in read()})} ladders, one of every source first; the same command scores the rest.\n\n{said}\n"
    (FOLDER / "noises.md").write_text(text)
    print(said)
