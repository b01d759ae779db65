"""The figures of docs/, each of what its page says.

uv run python docs/figures.py              all of them: two minutes
uv run python docs/figures.py regret       those whose names contain a word
"""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
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
LATE = 4000  # steps before this are not drawn
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


def blank() -> tuple[Figure, Axes]:
    """Begin a figure of one pair of axes."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    return figure, figure.subplots()


def save(figure: Figure, name: str) -> None:
    """Write a figure without its date, so that it changes only when its numbers do."""
    figure.savefig(HERE / name, metadata={"Date": None})


@cache
def fitted(law: str, **options: str) -> nstar.Fit:
    """Fit a law to Llama 3's points, once."""
    return nstar.fit(nstar.read_runs("llama3"), law, **options)


def interval_of_the_optimum() -> None:
    """What the interval of N* is made of: with the form taken as exact, and without."""
    rows = {
        "form taken as exact": fitted("coupled", discrepancy="none"),
        "form that may bend (default)": fitted("coupled"),
    }
    intervals = {
        name: [interval(nstar.plan(fit, C).draws["N"][:, 0]) for C in BUDGETS]
        for name, fit in rows.items()
    }
    figure, axes = blank()
    bars(axes, intervals, [PALE, ACCENT])
    axes.set(yscale="log", ylabel="optimal parameters N*, 90 % interval")
    save(figure, "interval_of_the_optimum.svg")


def interval_of_the_loss() -> None:
    """The loss of the law and what one run would measure."""
    bent = fitted("coupled")
    N = [float(np.median(nstar.plan(bent, C).draws["N"])) for C in BUDGETS]
    D = [C / 6 / n for C, n in zip(BUDGETS, N, strict=True)]
    predicted = nstar.predict(bent, N=np.array(N), D=np.array(D))
    names = {"loss": "the law's loss", "measured": "what one run would measure"}
    intervals = {
        words: [interval(draws) for draws in predicted[name].to_numpy().T]
        for name, words in names.items()
    }
    figure, axes = blank()
    bars(axes, intervals, [ACCENT, PALE])
    axes.set_ylabel("loss at the optimum, 90 % interval")
    save(figure, "interval_of_the_loss.svg")


def coverage(forecaster: str, decades: float) -> np.ndarray:
    """Share of held-out runs inside, by source and level, (source, level)."""
    by_source: dict[str, list[list[float]]] = {}
    for split in json.loads(SCORES.read_text())["splits"]:
        if split["hold_out"] == decades and forecaster in split["scores"]:
            inside = split["scores"][forecaster]["coverage"]
            row = [inside[level] for level in LEVELS]
            by_source.setdefault(split["source"], []).append(row)
    return np.array([np.mean(rows, axis=0) for rows in by_source.values()])


def beyond(decades: float) -> str:
    """Say how far beyond the runs."""
    return f"{decades:g} decade{'' if decades == 1 else 's'} beyond the runs"


def how_often_intervals_hold() -> None:
    """How often intervals of nominal 50 to 95 % held, sources weighing alike."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    for axes, decades in zip(
        figure.subplots(1, 2, sharey=True), (1.0, 2.0), strict=True
    ):
        nominal = [float(level) for level in LEVELS]
        each = coverage("nstar coupled, waves", decades)
        axes.plot([0.4, 1], [0.4, 1], color=PALE, lw=1)
        axes.plot(nominal, np.transpose(each), color=PALE, lw=0.8)
        axes.plot(nominal, np.mean(each, axis=0), "o-", color=INK)
        axes.set(title=beyond(decades), xlabel="stated probability")
    figure.axes[0].set_ylabel("share of held-out runs inside")
    save(figure, "how_often_intervals_hold.svg")


def form_exact_or_bent() -> None:
    """Coverage of 90 % intervals by forms taken as exact, and by one that may bend."""
    rows = {
        "peer bootstrap": "Hoffmann's law, bootstrap",
        "peer NUTS chinchilla": "Hoffmann's law, NUTS",
        "nstar coupled": "coupled law, taken as exact",
        "nstar coupled, waves": "coupled law, may bend",
    }
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    for axes, decades in zip(
        figure.subplots(1, 2, sharey=True), (1.0, 2.0), strict=True
    ):
        shares = [coverage(name, decades)[:, 2].mean() for name in rows]
        colours = [PALE] * (len(rows) - 1) + [ACCENT]
        axes.barh(range(len(rows)), shares, color=colours)
        axes.axvline(0.9, color=INK, lw=1)
        axes.set_yticks(range(len(rows)), rows.values())
        axes.invert_yaxis()
        axes.set(title=beyond(decades), xlabel="held by 90 % intervals", xlim=(0, 1))
    save(figure, "form_exact_or_bent.svg")


def regret() -> None:
    """The isoFLOP curve at 1e24 FLOP, its band, and the interval of N*."""
    fit, C = fitted("isoflop"), 1e24
    N = np.geomspace(8e9, 4e11, 40)
    loss = nstar.predict(fit, N=N, D=C / 6 / N)["loss"].to_numpy()
    best = loss.min(axis=1, keepdims=True)
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    low, middle, high = np.quantile(loss, [0.05, 0.5, 0.95], axis=0)
    left.fill_between(N, low, high, color=PALE, alpha=0.4, lw=0)
    left.plot(N, middle, color=INK)
    left.set(xscale="log", xlabel="parameters", ylabel="loss, 90 % band")
    right.plot(N, (loss - best).mean(axis=0), color=ACCENT)
    right.set(xlabel="parameters", ylabel="expected regret", ylim=(0, None))
    low, middle, high = interval(nstar.plan(fit, C).draws["N"][:, 0])
    for axes in (left, right):
        axes.axvspan(low, high, color=ACCENT, alpha=0.12, lw=0)
        axes.axvline(middle, color=ACCENT, lw=1)
    left.set_title("N* may be anywhere in the blue", fontsize="medium")
    right.set_title("and most of it costs little", fontsize="medium")
    save(figure, "regret.svg")


def line_and_optimum() -> None:
    """D* of the law's line, and where a budget's optimum would be measured."""
    plans = [nstar.plan(fitted("isoflop"), C).draws for C in BUDGETS]
    rows = {
        "the law's line": [interval(draws["D"][:, 0]) for draws in plans],
        "where the optimum would be measured": [
            interval(draws["D_optimum"][:, 0]) for draws in plans
        ],
    }
    figure, axes = blank()
    bars(axes, rows, [ACCENT, PALE])
    axes.set(yscale="log", ylabel="optimal tokens D*, 90 % interval")
    axes.legend(frameon=False, loc="upper left")
    save(figure, "line_and_optimum.svg")


def priors() -> None:
    """N* at 1e24 FLOP under both sets of priors, from few runs and from all."""
    runs = nstar.read_runs("llama3")
    few = nstar.read_runs("llama3", where=["C<=1e20"])
    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.subplots()
    labels = []
    for row, (name, each) in enumerate(
        {"runs up to 1e20 FLOP": few, "all runs, up to 1e22": runs}.items()
    ):
        for shift, (which, colour) in enumerate(
            {"weak": PALE, "informed": ACCENT}.items()
        ):
            fit = nstar.fit(each, "coupled", priors=which, discrepancy="none")
            low, middle, high = interval(nstar.plan(fit, 1e24).draws["N"][:, 0])
            at = row + (shift - 0.5) * 0.3
            axes.hlines(at, low, high, color=colour, lw=6, label=f"{which} priors")
            axes.plot(middle, at, "o", color="white", ms=3)
        labels.append(name)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="N* at 1e24 FLOP, 90 % interval, form taken as exact")
    axes.legend(*[each[:2] for each in axes.get_legend_handles_labels()], frameon=False)
    save(figure, "priors.svg")


def next_runs() -> None:
    """What is left of the regret after each further run."""
    chosen = nstar.next_runs(fitted("isoflop"), 1e24, pilot=1e23).as_json()
    spent = [0.0, *(step["spent"] for step in chosen["steps"])]
    left = [
        chosen["before"]["regret"],
        *(step["regret_left"] for step in chosen["steps"]),
    ]
    figure, axes = blank()
    axes.step(spent, left, where="post", color=ACCENT)
    axes.plot(spent, left, "o", color=INK, ms=4)
    axes.set(
        xlabel="FLOP spent on further runs (the target has 1e24)",
        ylabel="expected regret left at the target",
        ylim=(0, None),
    )
    save(figure, "next_runs.svg")


def pass_at_k() -> None:
    """pass@k of simulated problems: those sampled, new ones, and what was counted."""
    random = np.random.default_rng(0)
    rates = random.beta(0.3, 2.0, 100)
    solved = random.binomial(100, rates)
    table = {"samples": np.full(100, 100), "successes": solved}
    ks = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000]
    rows = nstar.pass_at_k(nstar.fit_counts(table), ks).as_json()["predictions"]
    figure, axes = blank()
    for which, colour in {"new": PALE, "these": ACCENT}.items():
        low, middle, high = (
            [row[which][end] for row in rows] for end in ("lower", "median", "upper")
        )
        axes.fill_between(ks, low, high, color=colour, alpha=0.35, lw=0)
        axes.plot(ks, middle, color=colour, label=f"{which} problems")
    counted = [row["counted"] for row in rows]
    axes.plot(
        ks,
        [1 - np.mean((1 - rates) ** k) for k in ks],
        color=INK,
        lw=1,
        ls=":",
        label="the truth",
    )
    axes.plot(
        ks[: len(ks)],
        [c if c is not None else np.nan for c in counted],
        "o",
        color=INK,
        ms=4,
        label="counted, to 100 samples",
    )
    axes.set(
        xscale="log",
        xlabel="k, samples of each problem",
        ylabel="pass@k, 90 % interval",
    )
    axes.legend(frameon=False)
    save(figure, "pass_at_k.svg")


def multiplier() -> None:
    """How much more compute the baseline of docs/recipes.md needs, by budget."""
    text = (HERE / "recipes.md").read_text(encoding="utf-8")
    rows = list(
        csv.DictReader(
            text.split("```\nrecipe,")[1].split("```")[0].splitlines(),
            ["recipe", "N", "D", "C", "L"],
        )
    )[1:]
    table = {n: np.array([row[n] for row in rows]) for n in rows[0]}
    numbers = {n: table[n].astype(float) for n in ("N", "D", "C", "L")}
    compared = nstar.recipes(table | numbers, baseline="dense", budget=1e21)
    curves = compared.as_json()["curves"]
    low, middle, high = (
        [bound[end] or np.nan for bound in curves["multiplier"]["sbase8"]]
        for end in ("lower", "median", "upper")
    )
    figure, axes = blank()
    axes.fill_between(
        curves["C"], low, high, color=PALE, alpha=0.5, lw=0, label="90 % interval"
    )
    axes.plot(curves["C"], middle, color=ACCENT, label="median")
    axes.axvline(numbers["C"].max(), color=INK, lw=1, ls=":", label="the largest runs")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="budget of sbase8, FLOP",
        ylabel="times as much for dense",
    )
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend(frameon=False, loc="upper left")
    save(figure, "multiplier.svg")


def curve_predicted() -> None:
    """Two schedules that were not fitted: predicted from three others, and what came."""
    folder = os.environ.get("NSTAR_DATA_DIR", str(HERE.parents[1] / "shared" / "data"))
    file = Path(folder) / "lr_schedules.csv"
    read = nstar.read_curves(file, {"run": "schedule"}, ["params_label=100M"])
    fitted_runs = ("cosine_24000", "constant_24000", "wsdcon_9")
    known = replace(read, curves=tuple(map(read.curve, fitted_runs)))
    unseen = {"wsd_20000_24000": ACCENT, "cosine_72000": INK}
    answer = nstar.finish(known, {name: read.curve(name).schedule for name in unseen})
    figure, axes = blank()
    for ending, colour in zip(answer.endings, unseen.values(), strict=True):
        low, middle, high = np.quantile(ending.measured, [0.05, 0.5, 0.95], axis=0)
        came, late = read.curve(ending.name), ending.step > LATE
        axes.fill_between(
            ending.step[late], low[late], high[late], color=PALE, alpha=0.5, lw=0
        )
        axes.plot(
            ending.step[late],
            middle[late],
            color=colour,
            lw=1,
            label=f"{ending.name}, predicted",
        )
        shown = (came.step > LATE) & (np.arange(len(came.step)) % 12 == 0)
        axes.plot(
            came.step[shown],
            came.loss[shown],
            "o",
            color=colour,
            ms=3,
            label="what came",
        )
    axes.set(xlabel="step", ylabel="loss, 90 % interval")
    axes.legend(frameon=False)
    save(figure, "curve_predicted.svg")


FIGURES: tuple[Callable[[], None], ...] = (
    interval_of_the_optimum,
    interval_of_the_loss,
    how_often_intervals_hold,
    form_exact_or_bent,
    regret,
    line_and_optimum,
    priors,
    next_runs,
    pass_at_k,
    multiplier,
    curve_predicted,
)

if __name__ == "__main__":
    use_cache()
    words = sys.argv[1:]
    with mpl.rc_context(STYLE):
        for draw in FIGURES:
            if not words or any(word in draw.__name__ for word in words):
                draw()
