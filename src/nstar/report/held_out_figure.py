"""Figure of predicted and measured losses of held-out runs, a panel for each hold-out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nstar.report.drawing import BLUE, INK, ORANGE, STYLE, save
from nstar.scores import quantiles
from nstar.validation.backtest import HeldOut
from nstar.validation.hindsight import RouteHoldOut, decades_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3  # panels side by side
PANEL = (3.6, 2.7)  # inches
PROB = 0.9


class PredictedRuns(NamedTuple):
    """Predictions and measurements of held-out runs, least compute first; (run,) each."""

    title: str
    measured: np.ndarray
    median: np.ndarray
    inner: tuple[np.ndarray, np.ndarray]  # ends of the 50 % interval
    outer: tuple[np.ndarray, np.ndarray]  # of that of `PROB`


def from_outcome(name: str, outcome: HeldOut) -> PredictedRuns:
    """Take the held-out runs of a backtest's outcome."""
    test, draws = outcome.split.test, outcome.draws
    truth = outcome.truth
    order = np.argsort(test.columns.get("C", truth), kind="stable")
    draws, truth = draws[:, order], truth[order]
    title = f"{name}, {outcome.split.decades:.3g} decades"
    return PredictedRuns(
        title,
        truth,
        np.median(draws, axis=0),
        quantiles(draws, 0.5),
        quantiles(draws, PROB),
    )


def from_trial(trial: RouteHoldOut) -> PredictedRuns:
    """Take the held-out runs of a route fitted to the smaller runs of its ladder."""
    order = np.argsort(trial.runs["C"], kind="stable")
    columns = {name: np.asarray(values)[order] for name, values in trial.runs.items()}
    inner, outer = (
        (columns["q0.25"], columns["q0.75"]),
        (columns["q0.05"], columns["q0.95"]),
    )
    title = f"{trial.route}, top {decades_text(trial.decades)}"
    return PredictedRuns(title, columns["came"], columns["median"], inner, outer)


def figure(outcomes: Sequence[tuple[str, HeldOut]], kind: str) -> bytes:
    """Draw a panel for each named outcome; the same bytes for the same input.

    Args:
        outcomes: each with the name of its ladder.
        kind: svg, png or pdf.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(ACROSS, len(outcomes))
    rows = -(-len(outcomes) // columns)
    with mpl.rc_context(STYLE):
        size = (PANEL[0] * columns + 0.4, PANEL[1] * rows + 0.3)
        canvas = Figure(figsize=size, layout="constrained")
        panels = canvas.subplots(rows, columns, squeeze=False).ravel()
        for ax, (name, outcome) in zip(panels, outcomes, strict=False):
            panel(ax, from_outcome(name, outcome))
        for ax in panels[len(outcomes) :]:
            ax.remove()
        canvas.supxlabel("held-out runs, least compute first", fontsize=10)
        scale = outcomes[0][1].response.unit
        canvas.supylabel(f"measured less predicted, 0.01 {scale}", fontsize=10)
        return save(canvas, kind)


def panel(ax: "Axes", runs: PredictedRuns) -> "Axes":
    """Draw each run's 50 % and 90 % intervals and its measurement: orange where outside."""
    position = np.arange(len(runs.measured))
    for ends, width in ((runs.outer, 1.0), (runs.inner, 2.6)):
        ax.vlines(
            position,
            *(100 * (end - runs.median) for end in ends),
            color=BLUE,
            alpha=0.6,
            lw=width,
        )
    inside = (runs.measured >= runs.outer[0]) & (runs.measured <= runs.outer[1])
    measured = 100 * (runs.measured - runs.median)
    ax.axhline(0, color=INK, lw=0.6)
    ax.plot(position[inside], measured[inside], "o", ms=2.8, color=INK)
    ax.plot(position[~inside], measured[~inside], "D", ms=3.4, color=ORANGE)
    ax.set_title(
        f"{runs.title}: {inside.sum()} of {len(inside)} inside {PROB:.0%}", fontsize=9
    )
    ax.set_xticks([])
    return ax


def labelled_panel(
    ax: "Axes",
    runs: PredictedRuns,
    order: str = "held-out runs, least compute first",
    unit: str = "log",
) -> "Axes":
    """Draw a panel that stands by itself, with labels on its axes.

    Args:
        ax: to draw on.
        runs: predicted and measured.
        order: of the runs, in words.
        unit: of the response.
    """
    panel(ax, runs)
    ax.set(
        xlabel=order,
        ylabel=f"measured less predicted, 0.01 {unit}",
    )
    return ax
