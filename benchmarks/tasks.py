"""Accuracies of tasks at larger runs, predicted from a ladder's smaller ones.

    python benchmarks/tasks.py --data ../shared/data --json > tasks.json

takes every table of the folder whose columns are those of olmo_tasks.csv, or of
gadre_overtrain.csv: params, tokens, acc_* and perhaps bpb_* beside a loss, run, family,
size, multiple, is_final, corpus. Held out are the largest size and the two largest, the
largest one and two multiples of tokens, else the runs above two budgets; and every family
that is not `ladder`, from the whole ladder. Numbers of questions are the public test sets'
sizes, as `nstar.downstream.known_tasks` has them. Beside the joint model stand the
published study's two steps by least squares (Bhagia et al. 2024), one sigmoid of log
FLOP, and the largest run fitted; each with a normal interval of its residuals. With
--one-task also the route of one task at a time, by NUTS: minutes.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special

from nstar.answers import Document
from nstar.downstream.joint_tasks import JointTasks, fit_ladder
from nstar.downstream.task_ladders import (
    ACCURACY,
    NLL,
    Task,
    TaskLadder,
    read_task_ladder,
)
from nstar.files import table_files
from nstar.scores import LEVELS, quantiles, scores

CUTS = (1e20, 2e19)  # FLOP of the largest run fitted, where runs have no multiples
TOP = (1 / 6, 1 / 3)  # of the runs, where those leave too few
FEWEST = 8  # runs that are fitted
TENTHS = np.arange(1, 10) / 10  # x of P(accuracy >= x)
LOSSES = ("loss_c4_val", "loss_c4_en")  # before other columns that begin with loss
DRAWS = 800
NUMBER = re.compile(r"^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$", re.I)
JOINT = "nstar task, all tasks jointly"
ONE_TASK = "nstar task, one task at a time"
TWO_STEPS = "two steps by least squares (published)"
ONE_STEP = "one step from FLOP"
LAST = "the largest run"
FOLDER = Path(__file__).parent / "results"
HUBER = 1e-3  # of log residuals, as the published study fits the first step

type Method = Callable[["Split"], np.ndarray]  # draws, (draw, task, run)


class Split(NamedTuple):
    """A ladder, and runs of the same columns that are held out."""

    table: str
    hold_out: str
    train: TaskLadder
    test: TaskLadder
    measured: bool = False  # whether losses of the held-out runs are taken as measured


def log(text: str) -> None:
    """Write progress on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def ladders(folder: Path) -> Iterator[tuple[str, TaskLadder]]:
    """Read every table of the folder that has accuracies of runs, one corpus at a time."""
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8") as lines:
            header = lines.readline().strip().split(",")
        if not ({"params", "tokens"} <= {*header} and any(map(ACCURACY.match, header))):
            continue
        try:
            table = table_files.read(file).columns
            corpus = table.get("corpus", np.full(len(table["params"]), ""))
            corpora = np.unique(corpus.astype(str))
            for of in corpora:
                name = f"{file.stem} {of}" if len(corpora) > 1 else file.stem
                yield name, _read(table, corpus.astype(str) == of)
        except (ValueError, KeyError, IndexError) as problem:
            log(f"{file.stem}: left out: {problem}")


def _read(table: dict[str, np.ndarray], rows: np.ndarray) -> TaskLadder:
    """Read sizes, tokens, one loss and what tasks have; C is 6 N D."""
    losses = [*LOSSES, *sorted(n for n in table if n.startswith("loss"))]
    numbers = {
        name: _numbers(values[rows])
        for name, values in table.items()
        if name in ("params", "tokens", "multiple", "is_final", *losses)
        or ACCURACY.match(name)
        or NLL.match(name)
    }
    texts = {n: table[n][rows].astype(str) for n in ("run", "family") if n in table}
    sized = np.isfinite(numbers["params"] * numbers["tokens"])
    evaluated = [v for n, v in numbers.items() if ACCURACY.match(n)]
    sized &= np.isfinite(evaluated).any(axis=0) & (numbers["tokens"] > 0)
    complete = [n for n in losses if n in numbers and np.all(numbers[n][sized] > 0)]
    columns = {n: v[sized] for n, v in (numbers | texts).items() if n not in losses}
    columns |= {n: numbers[n][sized] for n in complete[:1]}
    named = {"N": "params", "D": "tokens"}
    return read_task_ladder(columns, loss=(*complete, None)[0], columns=named)


def _numbers(cells: np.ndarray) -> np.ndarray:
    """Numbers of a column; a gap for whatever is none."""
    if cells.dtype.kind in "fiu":
        return cells.astype(float)
    return np.array([float(c) if NUMBER.match(str(c)) else np.nan for c in cells])


def splits(name: str, ladder: TaskLadder) -> Iterator[Split]:
    """Hold out sizes, multiples or budgets, and families that are no ladder."""
    runs = ladder.runs
    every = np.ones(len(runs), bool)
    rung = runs["family"] == "ladder" if "family" in runs else every
    rung = rung if rung.sum() >= FEWEST else every

    def split(label: str, test: np.ndarray) -> Iterator[Split]:
        train = rung & ~test
        if train.sum() >= FEWEST and test.any():
            yield Split(name, label, ladder.take(train), ladder.take(test))

    if "family" in runs:
        for family in np.unique(runs["family"][~rung]):
            yield from split(f"{family}", runs["family"] == family)
    if "multiple" in runs:
        sizes = np.unique(runs["N"][rung])
        for label, least in zip(
            ("the largest size", "the two largest sizes"), sizes[::-1], strict=False
        ):
            yield from split(label, rung & (runs["N"] >= least))
        multiples = np.unique(runs["multiple"][rung & np.isfinite(runs["multiple"])])
        for label, least in zip(
            ("the largest multiple", "the two largest multiples"),
            multiples[::-1],
            strict=False,
        ):
            yield from split(label, rung & (runs["multiple"] >= least))
        return
    C = runs["C"]
    cuts = [cut for cut in CUTS if FEWEST <= np.sum(cut >= C) < len(runs)]
    cuts = cuts or [float(np.quantile(C, 1 - share)) for share in TOP]
    for cut in cuts:
        for part in split(f"above {cut:.0e} FLOP", rung & (cut < C)):
            yield part
            if all(task.nll is None for task in ladder.tasks):
                yield part._replace(
                    hold_out=f"{part.hold_out}, at measured losses", measured=True
                )


def joint(split: Split) -> np.ndarray:
    """The joint model."""
    fitted = fit_ladder(split.train)
    if split.measured:
        return at_losses(fitted, split.test)
    return fitted.predict(split.test.runs["N"], split.test.runs["D"]).measured


def at_losses(fitted: JointTasks, test: TaskLadder) -> np.ndarray:
    """The second step alone."""
    parts = [fitted.predict_at(i, test.runs["L"])[1] for i in range(len(test.tasks))]
    return np.stack(parts, axis=1)


def one_task(split: Split) -> np.ndarray:
    """Each task by itself, through NUTS; the loss by a surface of its own."""
    import nstar
    from nstar.downstream.fits import accuracy_at_loss, fit_task
    from nstar.downstream.scoring import score

    train, test = split.train.runs, split.test.runs
    shared = {n: train[n] for n in ("N", "D", "C", "L")}
    surface = (
        None
        if split.measured
        else nstar.fit(nstar.read_runs(shared, accept=("losses", "diverged runs")))
    )
    parts = []
    for task in split.train.tasks:
        log(f"  {task.name}")
        table = shared | {"accuracy": task.accuracy}
        if task.nll is not None:
            table["nll"] = task.nll
        fitted = fit_task(
            table,
            nll="nll" if task.nll is not None else None,
            questions=task.known.questions,
            chance_level=task.known.chance,
        )
        if surface is None:
            draws = accuracy_at_loss(fitted, test["L"])["measured"]
        else:
            draws = score(surface, fitted, N=test["N"], D=test["D"]).draws["measured"]
        draws = draws.to_numpy()
        parts.append(draws[np.linspace(0, len(draws) - 1, DRAWS).astype(int)])
    return np.stack(parts, axis=1)


def two_steps(split: Split) -> np.ndarray:
    """L = E + A / N^alpha + B / D^beta, then a sigmoid of it, by least squares."""
    train, new = split.train.runs, split.test.runs
    surfaces: dict[bytes, np.ndarray] = {}  # tasks of one loss share it

    def predict(task: Task, test: Task) -> tuple[np.ndarray, np.ndarray]:
        q = train["L"] if task.nll is None else task.nll
        if split.measured:
            return _sigmoid(q, task.accuracy, new["L"])
        key = q.tobytes()
        if key not in surfaces:
            surfaces[key] = _surface(train["N"], train["D"], q, new["N"], new["D"])
        return _sigmoid(q, task.accuracy, surfaces[key])

    return _each(split, predict)


def one_step(split: Split) -> np.ndarray:
    """A sigmoid of log FLOP."""

    def predict(task: Task, test: Task) -> tuple[np.ndarray, np.ndarray]:
        train, new = split.train.runs, split.test.runs
        C = -np.log(train["N"] * train["D"]), -np.log(new["N"] * new["D"])
        return _sigmoid(C[0], task.accuracy, C[1])

    return _each(split, predict)


def last(split: Split) -> np.ndarray:
    """The accuracy of the largest run that was fitted."""

    def predict(task: Task, test: Task) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(split.train.runs["N"] * split.train.runs["D"])
        order = order[np.isfinite(task.accuracy[order])]
        y = task.accuracy[order]
        return np.full(len(test.accuracy), y[-1]), np.diff(y)

    return _each(split, predict)


def _each(
    split: Split, predict: Callable[[Task, Task], tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Draws of every task about a prediction, with the scatter of its residuals."""
    random, parts = np.random.default_rng(0), []
    for task, test in zip(split.train.tasks, split.test.tasks, strict=True):
        middle, residual = predict(task, test)
        sd = float(np.sqrt(np.mean(np.square(residual)))) + 1e-4
        draws = middle + sd * random.standard_normal((DRAWS, len(middle)))
        parts.append(np.clip(draws, 0.0, 1.0))
    return np.stack(parts, axis=1)


def _surface(
    N: np.ndarray, D: np.ndarray, q: np.ndarray, N2: np.ndarray, D2: np.ndarray
) -> np.ndarray:
    """Huber regression of log q, from several starts."""
    at = np.isfinite(q)
    n0, d0 = np.log(N[at]).mean(), np.log(D[at]).mean()

    def curve(p: np.ndarray, N: np.ndarray, D: np.ndarray) -> np.ndarray:
        a, alpha, b, beta, e = p
        size = a - np.exp(alpha) * (np.log(N) - n0)
        data = b - np.exp(beta) * (np.log(D) - d0)
        return np.logaddexp(np.logaddexp(size, data), e)

    def residual(p: np.ndarray) -> np.ndarray:
        return curve(p, N[at], D[at]) - np.log(q[at])

    level = np.log(q[at].mean())
    starts = [
        (level - 1.5, np.log(x), level - 1.5, np.log(y), level - z)
        for x in (0.2, 0.5)
        for y in (0.2, 0.5)
        for z in (0.5, 1.5)
    ]
    fits = [
        optimize.least_squares(residual, s, loss="huber", f_scale=HUBER, max_nfev=400)
        for s in starts
    ]
    best = min(fits, key=lambda f: f.cost).x
    return np.exp(curve(best, N2, D2))


def _sigmoid(
    x: np.ndarray, y: np.ndarray, new: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of a / (1 + exp(k (x - m))) + b at new x, and its residuals."""
    at = np.isfinite(x) & np.isfinite(y)
    x, y = x[at], y[at]
    width = np.std(x)

    def curve(p: np.ndarray, x: np.ndarray) -> np.ndarray:
        a, k, m, b = p
        return a * special.expit(-k * (x - m) / width) + b

    starts = [
        (0.8, k, m, y.min()) for k in (1.0, 3.0) for m in np.quantile(x, [0.0, 0.3])
    ]
    bounds = [0, 0.05, x.min() - 6 * width, 0], [1.0, 30, x.max() + width, 0.7]
    fits = [
        optimize.least_squares(
            lambda p: curve(p, x) - y, np.clip(s, *bounds), bounds=bounds, max_nfev=400
        )
        for s in starts
    ]
    best = min(fits, key=lambda f: f.cost).x
    return curve(best, new), curve(best, x) - y


METHODS: dict[str, Method] = {
    JOINT: joint,
    TWO_STEPS: two_steps,
    ONE_STEP: one_step,
    LAST: last,
}


def judge(split: Split, method: str, draws: np.ndarray) -> Iterator[Document]:
    """Score the draws of every task."""
    for i, task in enumerate(split.test.tasks):
        present = np.isfinite(task.accuracy)
        if not present.any():
            continue
        y, drawn = task.accuracy[present], draws[:, i][:, present]
        middle, (low, high) = np.median(drawn, axis=0), quantiles(drawn, 0.9)
        scored, positive = scores(drawn, y), y > 0
        runs = split.test.runs
        largest = int(np.argmax((runs["N"] * runs["D"])[present]))
        chance = np.mean(drawn[..., None] >= TENTHS, axis=0)
        relative = np.abs(middle - y)[positive] / y[positive]
        yield {
            "table": split.table,
            "hold_out": split.hold_out,
            "method": method,
            "task": task.name,
            "questions": task.known.questions,
            "chance_level": task.known.chance,
            "runs": len(y),
            "relative_error": float(relative.mean()) if positive.any() else None,
            "coverage": scored["coverage"],
            "interval_score": scored["interval_score"]["0.9"],
            "brier": float(np.mean(np.square(chance - (y[:, None] >= TENTHS)))),
            "largest": dict(
                zip(
                    ("accuracy", "median", "lower", "upper"),
                    (float(v[largest]) for v in (y, middle, low, high)),
                    strict=True,
                )
            ),
        }


def run(folder: Path, methods: dict[str, Method]) -> list[Document]:
    """Predict and score every hold-out by every method; a method that fails is named."""
    records: list[Document] = []
    for name, ladder in ladders(folder):
        for split in splits(name, ladder):
            for method, predict in methods.items():
                start = time.monotonic()
                about = {
                    "table": split.table,
                    "hold_out": split.hold_out,
                    "method": method,
                }
                try:
                    records += judge(split, method, predict(split))
                except Exception as failure:
                    records.append(
                        about | {"failed": f"{type(failure).__name__}: {failure}"}
                    )
                took = time.monotonic() - start
                state = "failed" if "failed" in records[-1] else f"{took:.1f} s"
                log(
                    f"{split.table}, {split.hold_out} ({len(split.train.runs)} runs): {method}: {state}"
                )
    return records


def summarise(records: list[Document], *names: str) -> list[Document]:
    """Means over tasks, and over runs for coverage, of records alike in these keys."""
    groups: dict[tuple[Any, ...], list[Document]] = {}
    for record in records:
        if "failed" not in record:
            groups.setdefault(tuple(record[n] for n in names), []).append(record)
    rows = []
    for key, group in groups.items():
        weights = [r["runs"] for r in group]
        errors = [r["relative_error"] for r in group if r["relative_error"] is not None]
        coverage = {
            str(level): float(
                np.average([r["coverage"][str(level)] for r in group], weights=weights)
            )
            for level in LEVELS
        }
        rows.append(
            dict(zip(names, key, strict=True))
            | {
                "tasks": len(group),
                "predictions": int(np.sum(weights)),
                "relative_error": float(np.mean(errors)) if errors else None,
                "coverage": coverage,
                "interval_score": float(np.mean([r["interval_score"] for r in group])),
                "brier": float(np.mean([r["brier"] for r in group])),
            }
        )
    return rows


def page(records: list[Document]) -> str:
    """Write the figures as Markdown."""
    lines = [
        "# Accuracies of tasks at larger runs",
        "",
        "`uv run python benchmarks/tasks.py --data ../shared/data --one-task --write`. Held-out runs predicted from N and D alone, but where it says at measured losses. The interval score is that of 90 % intervals of the accuracy (0.01 is a point), the Brier score of P(accuracy >= x) is over x of .1 to .9; points beside which an interval stands have a normal one of their residuals.",
        "",
    ]
    for keys, title in (
        (("table", "method"), "By table"),
        (("table", "hold_out", "method"), "By hold-out"),
        (("table", "task", "method"), "By task"),
    ):
        rows = summarise(records, *keys)
        if "task" in keys:
            rows = [r for r in rows if r["method"] in (JOINT, TWO_STEPS)]
        lines += [
            f"## {title}",
            "",
            f"| {' | '.join(keys)} | predictions | coverage 50 / 80 / 90 / 95 % | interval score | Brier | mean relative error |",
            "|" + "---|" * len(keys) + "--:|---|--:|--:|--:|",
        ]
        for r in sorted(rows, key=lambda r: [str(r[k]) for k in keys]):
            error = "" if r["relative_error"] is None else f"{r['relative_error']:.1%}"
            cover = " / ".join(f"{v:.2f}" for v in r["coverage"].values())
            lines.append(
                f"| {' | '.join(str(r[k]) for k in keys)} | {r['predictions']} | {cover} | {r['interval_score']:.4f} | {r['brier']:.4f} | {error} |"
            )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--json", action="store_true", help="print the document")
    parser.add_argument("--write", action="store_true", help="write results/tasks.md")
    parser.add_argument(
        "--one-task", action="store_true", help="and one task at a time, by NUTS"
    )
    given = parser.parse_args()
    methods = dict(METHODS)
    if given.one_task:
        from nstar.cache import use_cache

        use_cache()
        methods[ONE_TASK] = one_task
    records = run(given.data, methods)
    totals = {
        "by_table": summarise(records, "table", "method"),
        "by_hold_out": summarise(records, "table", "hold_out", "method"),
        "overall": summarise(records, "method"),
    }
    if given.json:
        print(json.dumps({"tables": records, "scores": totals}))
    if given.write:
        (FOLDER / "tasks.md").write_text(page(records), encoding="utf-8")
    if not given.json:
        for row in totals["by_table"]:
            print(json.dumps(row))
