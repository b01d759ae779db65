"""Tables at random: columns shuffled, units mixed, cells broken; read right or refused."""

import csv

import numpy as np
import pytest

from nstar.runs.observations import Observations
from nstar.runs.problems import TableProblems
from nstar.runs.reading import read_runs

TABLES, BLOCKS = 300, 10
HEADERS = {
    "N": ("params", "N", "n_params", "model_size", "parameters", "config.model.params"),
    "D": ("tokens", "D", "train_tokens", "n_tokens", "total_tokens"),
    "C": ("flops", "C", "train_flops", "compute"),
    "L": ("loss", "L", "eval/loss", "val_loss", "final_loss", "validation_loss"),
}
BROKEN = (
    "",
    "NaN",
    "abc",
    "-1",
    "0",
    "inf",
    "-Infinity",
    "12.5.3",
    "7X",
    "None",
    "1,3,00",
)
UNITS = (1.0, 1.0, 1e6, 1e9)


def truth(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Runs of a random ladder: a grid, a line or profiles."""
    kind, n = rng.integers(3), int(rng.integers(4, 9))
    least, most = 10 ** rng.uniform(7.3, 8.3), 10 ** rng.uniform(9, 10)
    if kind == 0:
        N = np.repeat(np.geomspace(least, most, n), 4)
        D = N * np.tile([5.0, 12, 30, 90], n)
    elif kind == 1:
        N = np.geomspace(least, most, 2 * n)
        D = 20 * N
    else:
        C = np.repeat(np.geomspace(1e18, 1e20, n), 4)
        N = np.sqrt(C / 120) * np.tile([0.4, 0.8, 1.5, 3], n)
        D = C / 6 / N
    N, D = N.round(-4), D.round(-6)
    L = (1.69 + 406.4 / N**0.34 + 410.7 / D**0.28) * np.exp(
        rng.normal(0, 0.005, N.size)
    )
    return {"N": N, "D": D, "C": 6 * N * D, "L": L.round(4)}


def count(value: float, unit: float, style: int) -> str:
    """Write a count plainly, with a suffix, with separators, or in another unit."""
    if unit != 1:
        return f"{value / unit:.9g}"
    if style == 1:
        scale, letter = (1e9, "B") if value >= 1e9 else (1e6, "M")
        return f"{value / scale:.9g}{letter}"
    if style == 2:
        return f"{value:,.0f}"
    if style == 3:
        return f"{value:.9e}"
    return f"{value:.0f}"


def write(
    path, rng: np.random.Generator, runs: dict[str, np.ndarray]
) -> set[tuple[int, str]]:
    """Write runs as people might, and return the cells that were broken, by row and name."""
    rows, broken = len(runs["L"]), set()
    names = ["N", "D", "L", *(["C"] if rng.random() < 0.5 else [])]
    columns: dict[str, list[str]] = {}
    for name in names:
        header = str(rng.choice(HEADERS[name]))
        unit = float(rng.choice(UNITS)) if name in "ND" and rng.random() < 0.4 else 1.0
        style = int(rng.integers(4)) if name in "ND" else 0
        cells = [
            f"{v:.4f}"
            if name == "L"
            else f"{v:.8e}"
            if name == "C"
            else count(v, unit, style)
            for v in runs[name]
        ]
        if rng.random() < 0.2:
            for i in rng.choice(rows, int(rng.integers(1, 3)), replace=False):
                cells[i] = str(rng.choice(BROKEN))
                broken.add((int(i), name))
        if name == "L" and rng.random() < 0.2:
            i = int(rng.integers(rows))
            cells[i] = f"{rng.uniform(8, 12):.3f}"
            broken.add((i, name))
        columns[header] = cells
    if rng.random() < 0.4:
        columns["Name"] = [f"run-{i}" for i in range(rows)]
    if rng.random() < 0.3:
        columns["State"] = rng.choice(
            ["finished", "crashed"], rows, p=[0.9, 0.1]
        ).tolist()
    if rng.random() < 0.3:
        columns["lr"] = [f"{0.003 / (1 + i % 7):.3g}" for i in range(rows)]
    if rng.random() < 0.3:
        columns["notes"] = [
            rng.choice(["", "ok", "see log, again"]) for _ in range(rows)
        ]
    order = rng.permutation(list(columns))
    lines = [
        list(order),
        *(list(row) for row in zip(*(columns[c] for c in order), strict=True)),
    ]
    if rng.random() < 0.05:
        lines[int(rng.integers(1, rows))].append("one cell too many")
    with path.open(
        "w", newline="", encoding=str(rng.choice(["utf-8", "utf-8-sig"]))
    ) as file:
        csv.writer(file, delimiter=str(rng.choice([",", ";", "\t"]))).writerows(lines)
    return broken


def check_against(
    runs: Observations, known: dict[str, np.ndarray], broken: set[tuple[int, str]]
) -> None:
    """Every cell that was not broken reads as what it was."""
    at = runs.rows - 2
    for name in ("N", "D", "L"):
        for i, value in zip(at, runs[name], strict=True):
            if (int(i), name) not in broken:
                assert value == pytest.approx(known[name][i], rel=1e-6), (name, i + 2)
            elif name in "ND":
                raise AssertionError(
                    f"a broken {name} was read in row {i + 2}: {value}"
                )


def read(path) -> tuple[str, Observations | None]:
    """Read a table, with its repair where it is refused for what a repair can mend."""
    try:
        return "read", read_runs(path)
    except TableProblems as error:
        problems, message = error, str(error)
    except ValueError as error:
        return str(error), None
    repair = problems.repair
    if not repair:
        return message, None
    runs = read_runs(
        path,
        repair.columns,
        repair.where,
        units=repair.units,
        skip_rows=repair.skip_rows,
        decimal=repair.decimal,
        drop_diverged=repair.drop_diverged,
    )
    return message, runs


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_random_table_is_read_right_or_refused_in_words(block, tmp_path):
    """No other error comes than one that names the file, and no cell is misread."""
    taken, repaired = 0, 0
    for seed in range(block * TABLES // BLOCKS, (block + 1) * TABLES // BLOCKS):
        rng = np.random.default_rng([2026, seed])
        path, known = tmp_path / f"table{seed}.csv", truth(rng)
        broken = write(path, rng, known)
        message, runs = read(path)
        assert message == "read" or path.name in message
        if runs is None:
            continue
        taken += message == "read"
        repaired += message != "read"
        check_against(runs, known, broken)
        if "C" in runs and not runs.derived:
            ratio = runs["C"] / (6 * runs["N"] * runs["D"])
            assert np.abs(np.log(ratio)).max() < np.log(20)
    assert taken >= 1
    assert taken + repaired >= 0.7 * TABLES / BLOCKS
