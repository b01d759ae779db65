"""Tables of recipes for `recipes.py`: those of a folder, the shared ones, simulated ones."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import nstar
from nstar.multipliers.reading import ACCEPTED
from nstar.runs.observations import Observations
from nstar.runs.problems import ACCEPTABLE

NEEDED = {"N", "D", "C", "L"}
WINDOW = 4  # best runs of an isoFLOP budget that are taken
PARSCALE_TOKENS = 42e9
DECADES = 1e18, 1e22  # of simulated runs
RUNS = 12
NOISE = 0.003


class RecipeTable(NamedTuple):
    """Runs of several recipes, and where they come from."""

    name: str
    source: str  # by which scores are averaged
    runs: Observations  # with a column `recipe`, perhaps `split`


def of_folder(folder: Path) -> Iterator[RecipeTable]:
    """Tables with a column `recipe`, used as they are; else the shared ones, laid out."""
    paths = sorted(p for p in folder.iterdir() if p.suffix in {".csv", ".parquet"})
    for path in paths:
        runs = _of_recipes(path)
        if runs is not None and set(runs.columns) >= NEEDED:
            yield RecipeTable(path.stem, path.stem, runs)
    for name, layout in LAYOUTS.items():
        if (folder / name).is_file():
            try:
                yield from layout(folder / name)
            except Exception as error:
                print(f"{name} is left out: {error}", file=sys.stderr)


def _of_recipes(path: Path) -> Observations | None:
    """Read a table with a column `recipe`, as it is where its owner would have to look."""
    try:
        csv = path.suffix == ".csv"
        head = pd.read_csv(path, nrows=1) if csv else pd.read_parquet(path)
        if "recipe" not in head.columns:
            return None
        try:
            return nstar.read_runs(path, by="recipe", accept=ACCEPTED)
        except ValueError as error:
            print(f"{path.name} is taken as it is: {error}", file=sys.stderr)
            every = (*ACCEPTED, *ACCEPTABLE)
            return nstar.read_runs(
                path, by="recipe", accept=every, drop_diverged=True, ladder=False
            )
    except Exception as error:
        print(f"{path.name} is left out: {error}", file=sys.stderr)
        return None


def porian(path: Path) -> Iterator[RecipeTable]:
    """Conditions on one corpus and validation split; ways of counting are one condition."""
    table = pd.read_csv(path)
    for split in ("standard/val", "kaplan/train"):
        part = table[
            table.condition.str.startswith("rw") & table.condition.str.endswith(split)
        ]
        best = part.sort_values("loss").groupby(["condition", "flops"]).head(WINDOW)
        best = best.assign(recipe=best.condition)
        yield RecipeTable(f"porian {split}", "porian", _read(best, "params", "tokens"))


def routed(path: Path) -> Iterator[RecipeTable]:
    """Mixtures beside dense models at equal FLOP, one kind of router at a time."""
    table = pd.read_csv(path)
    usual = (table.k == 1) & (table.routing_frequency == 0.5)
    table = table[usual & table.loss.notna()]
    for router in ("S-Base", "Hash", "RL-R"):
        part = table[table.router_type.isin([router, "Dense"])]
        part = part.assign(recipe=part.router_type + "-" + part.num_experts.astype(str))
        yield RecipeTable(
            f"routed {router}", "routed", _read(part, "params_active", "tokens")
        )


def parscale(path: Path) -> Iterator[RecipeTable]:
    """Parallel streams on the same data; a stream costs as much as the model."""
    table = pd.read_csv(path)
    for corpus, part in table.groupby("corpus"):
        streams = part.parallel_streams
        laid_out = part.assign(
            recipe="streams-" + streams.astype(str),
            tokens=PARSCALE_TOKENS,
            flops=6 * part.params * PARSCALE_TOKENS * streams,
        )
        yield RecipeTable(
            f"parscale {corpus}",
            "parscale",
            _read(laid_out.drop(columns="split"), "params", "tokens"),
        )


LAYOUTS = {
    "porian_isoflop.csv": porian,
    "routing_moe.csv": routed,
    "parscale.csv": parscale,
}


def _read(table: pd.DataFrame, size: str, tokens: str) -> Observations:
    names = ["recipe", size, tokens, "flops", "loss", *({"seed"} & {*table.columns})]
    part = table[names].rename(
        columns={size: "N", tokens: "D", "flops": "C", "loss": "L"}
    )
    return nstar.read_runs(part.reset_index(drop=True), by="recipe", accept=ACCEPTED)


def simulated(count: int, seed: int = 0) -> Iterator[RecipeTable]:
    """Recipes of known multipliers: constant, growing, crossing; paired or not; floors alike or not.

    Losses are powers above a floor along a ray of 20 tokens per parameter, each recipe at
    its own effective compute; nothing of the joint model's prior is in them.
    """
    for i in range(count):
        random = np.random.default_rng([seed, i])
        kind = ("constant", "growing", "crossing")[i % 3]
        paired, floors_apart = bool(i // 3 % 2), bool(i // 6 % 2)
        recipes = int(random.integers(2, 5))
        E, R, gamma = 1.6 + 0.3 * random.normal(), 1.0, random.uniform(0.12, 0.2)
        parts = []
        of_pair = 3 * NOISE * random.normal(size=RUNS)
        for g in range(recipes):
            C = np.geomspace(*DECADES, RUNS) * (
                1.0 if paired else random.uniform(0.8, 1.25)
            )
            decades = np.log10(C / 1e20)
            start = 0.3 * random.normal()
            growth = {"constant": 0.0, "growing": 0.15, "crossing": 0.3}[
                kind
            ] * random.normal()
            if kind == "crossing":
                start = -growth * random.uniform(0.0, 2.0)
            log_m = start + growth * decades
            floor = E + floors_apart * 0.01 * random.normal()
            loss = floor + R * (C * np.exp(log_m) / 1e19) ** -gamma
            noise = NOISE * (0.5 if paired else 1.0) * random.normal(size=RUNS)
            loss *= np.exp(noise + paired * of_pair)
            N = np.sqrt(C / 120)
            parts.append(
                pd.DataFrame(
                    {"recipe": f"r{g}", "N": N, "D": 20 * N, "C": C, "L": loss}
                )
            )
        name = (
            f"simulated {kind}{' paired' * paired}{' floors apart' * floors_apart} {i}"
        )
        yield RecipeTable(
            name,
            "simulated",
            nstar.read_runs(
                pd.concat(parts, ignore_index=True), by="recipe", accept=ACCEPTED
            ),
        )
