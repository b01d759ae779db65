"""What was predicted of held-out runs and what came, a panel for each hold-out."""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nstar.backtest import Outcome
from nstar.report.drawing import BLUE, INK, ORANGE, STYLE
from nstar.scores import quantiles

ACROSS = 3  # panels side by side
PANEL = (3.6, 2.7)  # inches
PROB = 0.9


def figure(held: Sequence[tuple[str, Outcome]], kind: str) -> bytes:
    """Draw a panel for each named outcome; the same bytes for the same input.

    Args:
        held: a ladder's name, and what was said of its held-out runs.
        kind: svg, png or pdf.
    """
    across = min(ACROSS, len(held))
    down = -(-len(held) // across)
    with mpl.rc_context(STYLE):
        size = (PANEL[0] * across + 0.4, PANEL[1] * down + 0.3)
        drawn = Figure(figsize=size, layout="constrained")
        panels = drawn.subplots(down, across, squeeze=False).ravel()
        for ax, (name, outcome) in zip(panels, held, strict=False):
            panel(ax, name, outcome)
        for ax in panels[len(held) :]:
            ax.remove()
        drawn.supxlabel("held-out runs, least compute first", fontsize=10)
        scale = held[0][1].response.unit
        drawn.supylabel(f"measured less predicted, 0.01 {scale}", fontsize=10)
        out = io.BytesIO()
        stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        drawn.savefig(out, format=kind, dpi=150, metadata=stamp)
    return out.getvalue()


def panel(ax: Axes, name: str, outcome: Outcome) -> Axes:
    """Each run's 50 % and 90 % intervals, and what came: orange where it lies outside."""
    test, said = outcome.split.test, outcome.draws
    truth = np.asarray(outcome.response.link(test["L"]))
    order = np.argsort(test.columns.get("C", truth), kind="stable")
    said, truth = said[:, order], truth[order]
    middle, at = np.median(said, axis=0), np.arange(len(order))

    for level, width in ((PROB, 1.0), (0.5, 2.6)):
        ends = (100 * (end - middle) for end in quantiles(said, level))
        ax.vlines(at, *ends, color=BLUE, alpha=0.6, lw=width)
    low, high = quantiles(said, PROB)
    inside = (truth >= low) & (truth <= high)
    came = 100 * (truth - middle)
    ax.axhline(0, color=INK, lw=0.6)
    ax.plot(at[inside], came[inside], "o", ms=2.8, color=INK)
    ax.plot(at[~inside], came[~inside], "D", ms=3.4, color=ORANGE)
    ax.set_title(
        f"{name}, {outcome.split.decades:.3g} decades: {inside.sum()} of {len(inside)} "
        f"inside {PROB:.0%}",
        fontsize=9,
    )
    ax.set_xticks([])
    return ax
