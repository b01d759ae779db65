"""Small simulated tables that pages of one subject speak of, by the page's name."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

import nstar
import test_mixtures
import test_recipes
import test_tasks
import test_tuning
import test_watch
from nstar.curves.schedules import named

type Columns = Mapping[str, ArrayLike]


def write(path: Path, columns: Columns) -> None:
    """Write columns as a table of comma-separated values."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*map(np.asarray, columns.values()), strict=True))


def recipes(folder: Path) -> None:
    """Two recipes, together and in a table each, and what both measured later."""
    table = {n: np.asarray(v) for n, v in test_recipes.two().items()}
    write(folder / "ladders.csv", table)
    for name, file in (("adamw", "a.csv"), ("muon", "b.csv")):
        rows = table["recipe"] == name
        write(folder / file, {n: v[rows] for n, v in table.items() if n != "recipe"})


def schedules(folder: Path) -> None:
    """Two curves of 24,000 steps."""
    runs = [("constant_24000", "constant"), ("cosine_24000", "cosine")]
    columns: dict[str, list[float | str]] = {
        n: [] for n in ("run", "step", "lr", "loss")
    }
    for run, kind in runs:
        schedule = named(kind, 24_000.0, 3e-4, 500.0)
        step = np.geomspace(800, 24_000, 40)
        lr = schedule.at(step)
        fall = 0.12 * (1 - lr / 3e-4) * (step / 24_000)
        columns["run"] += [run] * len(step)
        columns["step"] += step.round().tolist()
        columns["lr"] += lr.tolist()
        columns["loss"] += (2.6 + 9 * step**-0.4 - fall).tolist()
    write(folder / "curves.csv", columns)


def tuning(folder: Path) -> None:
    """A sweep of learning rates and batches at nine sizes and lengths."""
    write(folder / "sweep.csv", test_tuning.sweep())


def watch(folder: Path) -> None:
    """A fit of nine runs, their curves, and one of 7B that is half done."""
    random = np.random.default_rng(0)
    way = np.linspace(0, 1, test_watch.POINTS + 1)[1:]
    curves = [
        test_watch.curve(f"{N:g}x{k}", N, k * N, way, random)
        for N in test_watch.SIZES
        for k in test_watch.LENGTHS
    ]
    ends = {n: np.array([c[n][-1] for c in curves]) for n in ("N", "tokens", "loss")}
    runs = {"N": ends["N"], "D": ends["tokens"], "L": ends["loss"]}
    fit = nstar.fit(runs, "chinchilla", "normal", discrepancy="none")
    fit.save(folder / "ladder.nc")
    half = way[: len(way) // 2]
    hero = test_watch.curve("hero", 7e9, 1.4e11, half, random)
    hero = {**hero, "step": np.round(half * 72_000)}
    write(folder / "curves.csv", test_watch.stack(*curves, hero))


def mixtures(folder: Path) -> None:
    """Sixteen mixtures of three domains at two sizes, and today's."""
    names = {"code": "github", "web": "pile_cc"}
    table = {
        "_".join(names.get(part, part) for part in column.split("_")): values
        for column, values in test_mixtures.table(n=16).items()
    }
    write(folder / "proxies.csv", table)
    today = {"domain": ["github", "pile_cc", "books"], "share": [0.1, 0.6, 0.3]}
    write(folder / "today.csv", today)


def tasks(folder: Path) -> None:
    """Twelve runs with accuracies at three tasks."""
    write(folder / "ladder.csv", test_tasks.ladder())


TABLES: dict[str, Callable[[Path], None]] = {
    "recipes.md": recipes,
    "schedules.md": schedules,
    "tuning.md": tuning,
    "watch.md": watch,
    "mixtures.md": mixtures,
    "tasks.md": tasks,
}
