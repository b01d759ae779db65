"""The figure of what to run next: runs so far and the chosen ones, in N and D."""

from typing import TYPE_CHECKING

import numpy as np

from nstar.design.piloting import NextRuns
from nstar.report.drawing import BLUE, INK, ORANGE, SOFT, STYLE, count_ticks, save
from nstar.report.labels import legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (6.4, 4.6)  # inches


def figure(plan: NextRuns, kind: str) -> bytes:
    """Draw it; the same bytes for the same input.

    Args:
        chosen: the batch.
        kind: svg, png or pdf.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        canvas = Figure(figsize=SIZE, layout="constrained")
        panel(canvas.subplots(), plan)
        return save(canvas, kind)


def panel(ax: "Axes", plan: NextRuns) -> "Axes":
    """Runs so far as points, candidates as dots, the chosen numbered, the target a star."""
    c, runs = plan.candidates, plan.fit.runs
    ax.plot(c.N, c.D, ".", color=SOFT, ms=2.5, alpha=0.5, label="candidates")
    spread = [c.N, c.D]
    if "N" in runs and "D" in runs:
        ax.plot(
            runs["N"], runs["D"], "o", color=INK, ms=3, alpha=0.6, label="runs so far"
        )
        spread = [np.r_[c.N, runs["N"]], np.r_[c.D, runs["D"]]]
    for number, step in enumerate(plan.steps, 1):
        N, D = c.N[step.members], c.D[step.members]
        label = "chosen, in order" if number == 1 else None
        colour = ORANGE if number <= plan.worth_it else SOFT
        ax.plot(N, D, "o-", color=colour, ms=9, lw=1, mfc="white", mew=1.6, label=label)
        for n, d in zip(N, D, strict=True):
            ax.annotate(
                str(number),
                (n, d),
                ha="center",
                va="center",
                fontsize=6.5,
                color=colour,
            )
    if (action := plan.target.best) is not None:
        N, D = plan.target.N[action], plan.target.D[action]
        ax.plot(
            N,
            D,
            "*",
            color=BLUE,
            ms=12,
            label="run of least expected loss at the target",
        )
        spread = [np.r_[spread[0], N], np.r_[spread[1], D]]
    ax.set(
        xscale="log", yscale="log", xlabel="parameters N", ylabel="training tokens D"
    )
    for axis, values in zip((ax.xaxis, ax.yaxis), spread, strict=True):
        count_ticks(axis, values.min(), values.max())
    legend_above(ax)
    return ax
