"""Loss curves under schedules: six of nine predicted from three, and ends from prefixes.

    uv run python benchmarks/schedules.py --data DIR [--json] [--only SIZE] [--write]

reads every table of DIR that has the columns of `lr_schedules.csv` (params_label,
schedule, step, lr, loss).  Each size is trained on cosine_24000, constant_24000 and
wsdcon_9 and the other curves are predicted at every step: by nstar's multi-power law
with a learned pace, by the published multi-power and annealing-area laws in the same
model, and by least squares of both (Huber's loss, as published).  `mae` and `r2` are of all
points; `mae_by_curve` and `r2_by_curve` are means over curves, as papers have them.

Sizes: each size but the smallest, of which one constant curve is given beside all curves of
smaller sizes; the ends of its others are predicted.

Prefixes: 20, 50, 80 and 95 % of a curve that decays are seen beside the three training
curves, and its end is predicted; likewise the ladder curves of `olmo_tasks.csv` without
any other curve, which has no learning rate: its runs are taken to warm up over a hundredth
of their steps and to follow a cosine to a tenth of the peak.  Tables are read and never
written; a method that fails is a row that says why.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from nstar.curves.fitting import LAWS, draw_losses, fit_curves
from nstar.curves.progress import Scale, gather
from nstar.curves.reading import FEWEST, Curve, read_curves
from nstar.curves.schedules import named
from nstar.files import table_files
from nstar.runs.problems import TableProblems
from nstar.scores import scores

OURS = ("params_label", "schedule", "step", "lr", "loss")
OLMO = ("run", "family", "step", "loss_c4_en")
TRAIN = ("cosine_24000", "constant_24000", "wsdcon_9")
PREFIXES = (0.2, 0.5, 0.8, 0.95)
POINTS = 70  # of a curve at which it is predicted; between them in a straight line
PARTS = ("schedules", "prefixes", "sizes", "olmo")
GIVEN = "constant_24000"  # of a size whose schedules are learned from smaller ones
WARM = 0.01  # of the steps of a run whose learning rate is not in the table
EARLIEST = (
    0.05  # of its steps, from which its losses are read: a law has no first steps
)
RESULTS = Path(__file__).parent / "results" / "schedules.md"
HUBER = 1e-3  # log loss from which least squares counts absolute errors (Luo et al.)


def tables(folder: Path, needed: Sequence[str]) -> Iterator[Path]:
    """Yield the tables that have the columns."""
    for file in sorted([*folder.glob("*.csv"), *folder.glob("*.parquet")]):
        if set(needed) <= set(table_files.read(file).columns):
            yield file


def places(curve: Curve) -> np.ndarray:
    """Choose steps at which a curve is predicted, more of them where it is steep."""
    step = curve.step
    way = np.log(step / step[0]) / np.log(step[-1] / step[0]) + step / step[-1]
    at = np.searchsorted(way, np.linspace(0, way[-1], POINTS) - 1e-9) + 0
    return step[np.unique(np.clip(at, 0, len(step) - 1))]


def at_every_step(curve: Curve, steps: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Interpolate predictions, (draw, place), to the steps of the curve."""
    return np.stack([np.interp(curve.step, steps, row) for row in losses])


def score(truth: Sequence[np.ndarray], points: Sequence[np.ndarray]) -> dict:
    """Score point predictions of several curves."""

    def r2(y: np.ndarray, e: np.ndarray) -> float:
        return float(1 - np.sum(e**2) / np.sum((y - y.mean()) ** 2))

    errors = [p - y for p, y in zip(points, truth, strict=True)]
    y, e = np.concatenate(truth), np.concatenate(errors)
    return {
        "r2": r2(y, e),
        "r2_by_curve": float(
            np.mean([r2(*p) for p in zip(truth, errors, strict=True)])
        ),
        "mae": float(np.mean(np.abs(e))),
        "mae_by_curve": float(np.mean([np.mean(np.abs(e)) for e in errors])),
        "worst": float(np.max(np.abs(e) / y)),
    }


def of_law(law: str, train: Sequence[Curve], test: Sequence[Curve]) -> dict:
    """Score a law's posterior."""
    start = time.process_time()
    fit = fit_curves(train, law)
    steps = [places(curve) for curve in test]
    drawn = draw_losses(fit, [c.schedule for c in test], steps, [None] * len(test))
    cpu = time.process_time() - start
    law_draws, measured = (
        [at_every_step(c, s, d[i]) for c, s, d in zip(test, steps, drawn, strict=True)]
        for i in (0, 1)
    )
    truth = [c.loss for c in test]
    ends = np.stack([m[:, -1] for m in measured], axis=1)
    of_ends = scores(ends, np.array([y[-1] for y in truth]))
    return {
        **score(truth, [np.median(d, axis=0) for d in law_draws]),
        **scores(np.concatenate(measured, axis=1), np.concatenate(truth)),
        "curves_scored": len(test),
        "ends": {n: of_ends[n] for n in ("coverage", "width", "interval_score")},
        "curves": {
            c.run: score([c.loss], [np.median(d, axis=0)])
            for c, d in zip(test, law_draws, strict=True)
        },
        "effective_draws": fit.effective,
        "cpu_s": cpu,
    }


def of_least_squares(law: str, train: Sequence[Curve], test: Sequence[Curve]) -> dict:
    """Score a law by Huber's loss of the log loss, starting from its priors' means."""
    import jax

    rule = LAWS[law]
    scale = Scale(
        max(c.schedule.end for c in train),
        max(c.schedule.peak for c in train),
        float(np.median([c.begin for c in train])),
    )
    priors = rule.priors(min(float(c.loss.min()) for c in train))
    mean, sd = np.array(list(priors.values())).T
    with jax.enable_x64(True):

        def predict(curves: Sequence[Curve]):
            paths = gather(
                [c.schedule for c in curves], [c.step for c in curves], scale
            )

            def law_at(u):
                p = {n: mean[i] + sd[i] * u[i] for i, n in enumerate(priors)}
                parts = rule.parts(p, paths)
                return parts.progress - parts.decay

            return jax.jit(law_at), paths.there

        at_train, there = predict(train)
        observed = np.concatenate([np.log(c.loss) for c in train])

        def residuals(u: np.ndarray) -> np.ndarray:
            loss = np.nan_to_num(np.asarray(at_train(u))[there], nan=1e-3)
            return np.log(np.maximum(loss, 1e-3)) - observed

        solution = least_squares(
            residuals, np.zeros(len(mean)), loss="huber", f_scale=HUBER, max_nfev=400
        )
        at_test, _ = predict(test)
        losses = np.asarray(at_test(solution.x))
    points = [losses[i, : len(c.step)] for i, c in enumerate(test)]
    return score([c.loss for c in test], points)


def of_prefix(share: float, beside: Sequence[Curve], curves: Sequence[Curve]) -> dict:
    """Score ends predicted from a share of each curve, over the curves."""
    inside, width, errors, effective = [], [], [], []
    for curve in curves:
        part = curve.until(share)
        if len(part.step) < FEWEST:
            continue
        fit = fit_curves([*(c for c in beside if c.run != curve.run), part])
        (drawn,) = draw_losses(fit, [curve.schedule], [curve.step[[-1]]], [curve.run])
        last = scores(drawn[1], curve.loss[[-1]])
        inside.append(last["coverage"])
        width.append(last["width"]["0.9"])
        errors.append(float(np.median(drawn[0])) - curve.loss[-1])
        effective.append(fit.effective)
    return {
        "curves_scored": len(inside),
        "coverage": {n: float(np.mean([c[n] for c in inside])) for n in inside[0]},
        "width": {"0.9": float(np.mean(width))},
        "mae": float(np.mean(np.abs(errors))),
        "bias": float(np.mean(errors)),
        "effective_draws": min(effective),
    }


def of_sizes(size: float, curves: Sequence[Curve]) -> dict:
    """Score ends of a size of which one constant curve is given, beside all of smaller sizes."""
    given = next(c for c in curves if c.size == size and c.run.startswith(GIVEN))
    smaller = [c for c in curves if c.size is not None and c.size < size]
    test = [c for c in curves if c.size == size and c is not given]
    fit = fit_curves([*smaller, given])
    drawn = draw_losses(
        fit,
        [c.schedule for c in test],
        [c.step[[-1]] for c in test],
        [None] * len(test),
        sizes=[size] * len(test),
    )
    ends = np.stack([measured[:, -1] for _, measured in drawn], axis=1)
    truth = np.array([c.loss[-1] for c in test])
    errors = np.median(ends, axis=0) - truth
    return {
        "curves_scored": len(test),
        **{n: v for n, v in scores(ends, truth).items() if n in ("coverage", "width")},
        "mae": float(np.mean(np.abs(errors))),
        "bias": float(np.mean(errors)),
        "effective_draws": fit.effective,
    }


def olmo(file: Path) -> list[Curve]:
    """Read the ladder curves of a table without learning rates, with the assumed schedule."""
    table = table_files.read(file)
    runs = table.columns["run"].astype(str)
    ladder = table.columns["family"].astype(str) == "ladder"
    curves = []
    for run in np.unique(runs[ladder]):
        at = (runs == run) & ladder
        step = table.columns["step"][at].astype(float)
        loss = table.columns["loss_c4_en"][at].astype(float)
        last = float(np.nanmax(step))
        schedule = named("cosine", last, 1.0, WARM * last)
        columns = {"run": runs[at], "step": step, "loss": loss}
        try:
            (curve,) = read_curves(columns, schedule=schedule).curves
        except TableProblems as problem:
            print(f"{file.name}: {problem}", file=sys.stderr)
            continue
        later = curve.step >= EARLIEST * curve.end
        curves.append(
            replace(
                curve,
                step=curve.step[later],
                loss=curve.loss[later],
                extra=curve.extra[later],
            )
        )
    return curves


def refuse(problem: TableProblems) -> dict:
    """Stand in for what a table that cannot be read would have scored.

    Raises:
        TableProblems: always.
    """
    raise problem


def jobs(
    file: Path, parts: Sequence[str], only: str | None
) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Yield what is to be scored of a table with learning rates: what it is, and how."""
    labels = np.unique(table_files.read(file).columns["params_label"].astype(str))
    for label in labels if only is None else [only]:
        about = {"table": file.stem, "size": str(label)}
        where = [f"params_label={label}"]
        try:
            curves = read_curves(str(file), {"run": "schedule"}, where).curves
        except TableProblems as problem:
            yield about | {"method": "reading"}, partial(refuse, problem)
            continue
        train = [c for c in curves if c.run in TRAIN]
        test = [c for c in curves if c.run not in TRAIN]
        if "schedules" in parts:
            for law in LAWS:
                yield (
                    about | {"method": f"nstar {law}"},
                    partial(of_law, law, train, test),
                )
            for law in ("multi_power_published", "annealing_area"):
                yield (
                    about | {"method": f"least squares {law}"},
                    partial(of_least_squares, law, train, test),
                )
        if "prefixes" in parts:
            falling = [c for c in test if c.schedule.at(c.step)[-1] < c.schedule.peak]
            for share in PREFIXES:
                yield (
                    about | {"method": "nstar prefix", "prefix": share},
                    partial(of_prefix, share, train, falling),
                )


def jobs_of_sizes(file: Path) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Yield each size that has smaller ones beside it."""
    if "params" not in table_files.read(file).columns:
        return
    try:
        curves = read_curves(str(file), {"run": "schedule", "N": "params"}).curves
    except TableProblems as problem:
        yield (
            {"table": file.stem, "size": "several", "method": "reading"},
            partial(refuse, problem),
        )
        return
    for size in sorted({c.size for c in curves if c.size is not None})[1:]:
        about = {"table": file.stem, "size": f"{size:.3g}", "method": "nstar sizes"}
        yield about, partial(of_sizes, size, curves)


def table_of(rows: Sequence[dict]) -> Iterator[str]:
    """Yield the rows as a table in Markdown."""
    yield "| table | size | method | seen | curves | R2 | mean error | coverage of 50, 90 % | width | of ends |"
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|--:|"

    def number(value: float | None, places: int) -> str:
        return "–" if value is None else f"{value:.{places}f}"

    for row in rows:
        cover, ends = row.get("coverage", {}), row.get("ends", {})
        cells = [
            row["table"],
            row["size"],
            row["method"],
            number(row.get("prefix"), 2),
            str(row.get("curves_scored", row.get("failed", ""))),
            number(row.get("r2_by_curve"), 5),
            number(row.get("mae_by_curve", row.get("mae")), 4),
            f"{number(cover.get('0.5'), 2)}, {number(cover.get('0.9'), 2)}",
            number(row.get("width", {}).get("0.9"), 4),
            number(ends.get("coverage", {}).get("0.9"), 2),
        ]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Score every table and print a table, or a document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", help="one size, by its label")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--write", action="store_true", help="results/schedules.md")
    options = parser.parse_args()
    parts = options.part or PARTS
    rows: list[dict] = []

    def add(about: dict, job: Callable[[], dict]) -> None:
        try:
            row = about | job()
        except Exception as error:
            row = about | {"failed": f"{type(error).__name__}: {error}"}
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)

    for file in tables(options.data, OURS):
        for about, job in jobs(file, parts, options.only):
            add(about, job)
        if "sizes" in parts and options.only is None:
            for about, job in jobs_of_sizes(file):
                add(about, job)
    if "olmo" in parts and options.only is None:
        for file in tables(options.data, OLMO):
            curves = olmo(file)
            about = {"table": file.stem, "size": "ladder", "method": "nstar prefix"}
            for share in PREFIXES:
                add(about | {"prefix": share}, partial(of_prefix, share, [], curves))
    if not rows:
        sys.exit(f"{options.data}: no table has the columns {', '.join(OURS)}")
    if options.write:
        command = "uv run python benchmarks/schedules.py --data ../shared/data --write"
        head = f"# Curves predicted from others, and ends from prefixes\n\n`{command}`: see its head for what is scored. R2 and mean errors are means over curves.\n"
        RESULTS.write_text("\n".join([head, *table_of(rows), ""]))
    if options.json:
        print(json.dumps({"tables": rows}, indent=1))
    else:
        print("\n".join(table_of(rows)))


if __name__ == "__main__":
    main()
