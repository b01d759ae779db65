"""The figures of docs/intervals.md: what an interval contains, and how often it holds.

uv run python docs/figures.py
"""

import json
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import nstar
from nstar.cache import use_cache
from nstar.report.drawing import STYLE

HERE = Path(__file__).parent
SCORES = HERE.parent / "benchmarks" / "results" / "extrapolation.json"
LEVELS = ("0.5", "0.8", "0.9", "0.95")
BUDGETS = (1e22, 1e23, 1e24, 3.8e25)
INK, PALE, ACCENT = "#222222", "#9aa7b5", "#2f6fa7"


def interval(draws: Iterable[float]) -> np.ndarray:
    """Lower end, median and upper end of the 90 % interval, equal tails, (3,)."""
    return np.quantile(np.asarray(draws), [0.05, 0.5, 0.95])


def bars(axes: Axes, rows: dict[str, list[np.ndarray]], colours: list[str]) -> None:
    """Draw an interval for each budget and row, rows beside each other."""
    for i, ((name, each), colour) in enumerate(zip(rows.items(), colours, strict=True)):
        at = np.arange(len(each)) + (i - (len(rows) - 1) / 2) * 0.22
        low, middle, high = np.array(each).T
        axes.vlines(at, low, high, color=colour, lw=5, label=name)
        axes.plot(at, middle, "o", color="white", ms=3)
    axes.set_xticks(range(len(BUDGETS)), [f"{C:.3g}" for C in BUDGETS])
    axes.set_xlabel("training budget, FLOP (the largest run has 1e22)")
    axes.legend(frameon=False)


def save(figure: Figure, name: str) -> None:
    """Write a figure without its date, so that it changes only when its numbers do."""
    figure.savefig(HERE / name, metadata={"Date": None})


def made_of(exact: nstar.Fit, bent: nstar.Fit) -> None:
    """What the interval of N* is made of: with the form taken as exact, and without."""
    rows = {"form taken as exact": exact, "form that may bend (default)": bent}
    intervals = {
        name: [interval(nstar.plan(fit, C).draws["N"][:, 0]) for C in BUDGETS]
        for name, fit in rows.items()
    }
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    bars(axes, intervals, [PALE, ACCENT])
    axes.set(yscale="log", ylabel="optimal parameters N*, 90 % interval")
    save(figure, "interval_of_the_optimum.svg")


def contains(bent: nstar.Fit) -> None:
    """The loss of the law and what one run would measure."""
    N = [float(np.median(nstar.plan(bent, C).draws["N"])) for C in BUDGETS]
    D = [C / 6 / n for C, n in zip(BUDGETS, N, strict=True)]
    predicted = nstar.predict(bent, N=np.array(N), D=np.array(D))
    names = {"loss": "the law's loss", "measured": "what one run would measure"}
    intervals = {
        words: [interval(draws) for draws in predicted[name].to_numpy().T]
        for name, words in names.items()
    }
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    bars(axes, intervals, [ACCENT, PALE])
    axes.set_ylabel("loss at the optimum, 90 % interval")
    save(figure, "interval_of_the_loss.svg")


def hold() -> None:
    """How often intervals of nominal 50 to 95 % held, sources weighing alike."""
    splits = json.loads(SCORES.read_text())["splits"]
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    for axes, decades in zip(
        figure.subplots(1, 2, sharey=True), (1.0, 2.0), strict=True
    ):
        by_source: dict[str, list[list[float]]] = {}
        for split in splits:
            coverage = split["scores"]["nstar coupled, waves"]["coverage"]
            if split["hold_out"] == decades:
                row = [coverage[level] for level in LEVELS]
                by_source.setdefault(split["source"], []).append(row)
        nominal = [float(level) for level in LEVELS]
        each = [np.mean(rows, axis=0) for rows in by_source.values()]
        axes.plot([0.4, 1], [0.4, 1], color=PALE, lw=1)
        axes.plot(nominal, np.transpose(each), color=PALE, lw=0.8)
        axes.plot(nominal, np.mean(each, axis=0), "o-", color=INK)
        plural = "" if decades == 1 else "s"
        axes.set(
            title=f"{decades:g} decade{plural} beyond the runs",
            xlabel="stated probability",
        )
    figure.axes[0].set_ylabel("share of held-out runs inside")
    save(figure, "how_often_intervals_hold.svg")


if __name__ == "__main__":
    use_cache()
    runs = nstar.read_runs("llama3")
    with mpl.rc_context(STYLE):
        bent = nstar.fit(runs, "coupled")
        made_of(nstar.fit(runs, "coupled", discrepancy="none"), bent)
        contains(bent)
        hold()
