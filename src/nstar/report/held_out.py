"""What was predicted of held-out runs and what came, a panel for each hold-out."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nstar.report.drawing import BLUE, INK, ORANGE, STYLE
from nstar.scores import quantiles
from nstar.validation.backtest import HeldOut
from nstar.validation.hindsight import RouteHoldOut, decades_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3  # panels side by side
PANEL = (3.6, 2.7)  # inches
PROB = 0.9


class Held(NamedTuple):
    """What was said of held-out runs, least compute first, and what came; (run,) each."""

    title: str
    came: np.ndarray
    median: np.ndarray
    half: tuple[np.ndarray, np.ndarray]  # ends of the 50 % interval
    most: tuple[np.ndarray, np.ndarray]  # of that of `PROB`


def of_outcome(name: str, outcome: HeldOut) -> Held:
    """Read a backtest's outcome."""
    test, said = outcome.split.test, outcome.draws
    truth = outcome.truth
    order = np.argsort(test.columns.get("C", truth), kind="stable")
    said, truth = said[:, order], truth[order]
    title = f"{name}, {outcome.split.decades:.3g} decades"
    return Held(
        title,
        truth,
        np.median(said, axis=0),
        quantiles(said, 0.5),
        quantiles(said, PROB),
    )


def of_trial(trial: RouteHoldOut) -> Held:
    """Read what a route said of its own ladder's larger runs."""
    order = np.argsort(trial.runs["C"], kind="stable")
    read = {name: np.asarray(values)[order] for name, values in trial.runs.items()}
    half, most = (read["q0.25"], read["q0.75"]), (read["q0.05"], read["q0.95"])
    title = f"{trial.route}, top {decades_text(trial.decades)}"
    return Held(title, read["came"], read["median"], half, most)


def figure(held: Sequence[tuple[str, HeldOut]], kind: str) -> bytes:
    """Draw a panel for each named outcome; the same bytes for the same input.

    Args:
        held: a ladder's name, and what was said of its held-out runs.
        kind: svg, png or pdf.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    across = min(ACROSS, len(held))
    down = -(-len(held) // across)
    with mpl.rc_context(STYLE):
        size = (PANEL[0] * across + 0.4, PANEL[1] * down + 0.3)
        drawn = Figure(figsize=size, layout="constrained")
        panels = drawn.subplots(down, across, squeeze=False).ravel()
        for ax, (name, outcome) in zip(panels, held, strict=False):
            panel(ax, of_outcome(name, outcome))
        for ax in panels[len(held) :]:
            ax.remove()
        drawn.supxlabel("held-out runs, least compute first", fontsize=10)
        scale = held[0][1].response.unit
        drawn.supylabel(f"measured less predicted, 0.01 {scale}", fontsize=10)
        out = io.BytesIO()
        stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        drawn.savefig(out, format=kind, dpi=150, metadata=stamp)
    return out.getvalue()


def panel(ax: "Axes", held: Held) -> "Axes":
    """Each run's 50 % and 90 % intervals, and what came: orange where it lies outside."""
    at = np.arange(len(held.came))
    for ends, width in ((held.most, 1.0), (held.half, 2.6)):
        ax.vlines(
            at,
            *(100 * (end - held.median) for end in ends),
            color=BLUE,
            alpha=0.6,
            lw=width,
        )
    inside = (held.came >= held.most[0]) & (held.came <= held.most[1])
    came = 100 * (held.came - held.median)
    ax.axhline(0, color=INK, lw=0.6)
    ax.plot(at[inside], came[inside], "o", ms=2.8, color=INK)
    ax.plot(at[~inside], came[~inside], "D", ms=3.4, color=ORANGE)
    ax.set_title(
        f"{held.title}: {inside.sum()} of {len(inside)} inside {PROB:.0%}", fontsize=9
    )
    ax.set_xticks([])
    return ax


def alone(ax: "Axes", held: Held) -> "Axes":
    """Draw a panel that stands by itself, with what its axes are."""
    panel(ax, held)
    ax.set(
        xlabel="held-out runs, least compute first",
        ylabel="measured less predicted, 0.01 log",
    )
    return ax
