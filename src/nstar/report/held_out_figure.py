"""Figure of predicted and measured losses of held-out runs, a panel for each hold-out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nstar.report.drawing import BLUE, INK, ORANGE, STYLE, save
from nstar.responses.scales import LOG_LOSS
from nstar.scores import quantiles
from nstar.types import Kind, Response
from nstar.validation.backtest import HeldOut
from nstar.validation.hindsight import RouteHoldOut, decades_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3  # panels side by side
PANEL = (3.6, 2.7)  # inches
PROB = 0.9
WORDS = {
    Kind.LOSS: "loss",
    Kind.OPTIMUM: "optimum",
    Kind.ACCURACY: "accuracy",
    Kind.METRIC: "error",
    Kind.NLL: "log-likelihood",
    Kind.TASK: "accuracy",
    Kind.COUNTS: "successes",
    Kind.DISTANCE: "distance",
}


class PredictedRuns(NamedTuple):
    """Predictions and measurements of held-out runs, least compute first; (run,) each."""

    title: str
    measured: np.ndarray
    median: np.ndarray
    inner: tuple[np.ndarray, np.ndarray]  # ends of the 50 % interval
    outer: tuple[np.ndarray, np.ndarray]  # of that of `PROB`
    response: Response = LOG_LOSS  # on whose scale they all are

    def errors(self, values: np.ndarray) -> np.ndarray:
        """Return how far values lie from the median prediction, (run,), in `error_unit`."""
        difference = values - self.median
        if self.response.logged:
            return 100 * np.expm1(difference)
        return 100 * difference if self.response.fraction else difference

    @property
    def error_words(self) -> str:
        """The errors in words, with their unit."""
        unit = self.response.unit
        if self.response.logged:
            unit = "%"
        elif self.response.fraction:
            unit = "percentage points"
        return f"measured minus predicted {WORDS[self.response.kind]}, {unit}"


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
        outcome.response,
    )


def from_trial(trial: RouteHoldOut, response: Response) -> PredictedRuns:
    """Take the held-out runs of a route fitted to the smaller runs of its ladder."""
    order = np.argsort(trial.runs["C"], kind="stable")
    columns = {name: np.asarray(values)[order] for name, values in trial.runs.items()}
    inner, outer = (
        (columns["q0.25"], columns["q0.75"]),
        (columns["q0.05"], columns["q0.95"]),
    )
    title = f"{trial.route}, top {decades_text(trial.decades)}"
    measured, median = columns["came"], columns["median"]
    return PredictedRuns(title, measured, median, inner, outer, response)


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
        drawn = [from_outcome(name, outcome) for name, outcome in outcomes]
        for ax, runs in zip(panels, drawn, strict=False):
            panel(ax, runs)
        for ax in panels[len(outcomes) :]:
            ax.remove()
        canvas.supxlabel("held-out runs, least compute first", fontsize=10)
        canvas.supylabel(drawn[0].error_words, fontsize=10)
        return save(canvas, kind)


def panel(ax: "Axes", runs: PredictedRuns) -> "Axes":
    """Draw each run's 50 % and 90 % intervals and its measurement: orange where outside."""
    position = np.arange(len(runs.measured))
    for ends, width in ((runs.outer, 1.0), (runs.inner, 2.6)):
        ax.vlines(
            position,
            runs.errors(ends[0]),
            runs.errors(ends[1]),
            color=BLUE,
            alpha=0.6,
            lw=width,
        )
    inside = (runs.measured >= runs.outer[0]) & (runs.measured <= runs.outer[1])
    measured = runs.errors(runs.measured)
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
) -> "Axes":
    """Draw a panel that stands by itself, with labels on its axes.

    Args:
        ax: to draw on.
        runs: predicted and measured.
        order: of the runs, in words.
    """
    panel(ax, runs)
    ax.set(xlabel=order, ylabel=runs.error_words)
    return ax
