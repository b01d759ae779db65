"""The figure of what a budget buys: loss against compute, with nested bands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nstar.plans.targets import Reach
from nstar.report.buying import Line
from nstar.report.drawing import BLUE, INK, ORANGE, SOFT, Label, name_ends
from nstar.wording import flop, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bands(
    ax: "Axes",
    line: Line,
    runs: tuple[np.ndarray, np.ndarray],
    budgets: Sequence[float],
    reached: Reach | None,
) -> "Axes":
    """The loss of each budget's recommended run, the runs themselves, and a target's crossing."""
    labels = []
    for prob, (low, high) in sorted(line.bands.items(), reverse=True):
        ax.fill_between(line.C, low, high, color=BLUE, alpha=0.18, lw=0)
        labels.append(Label(line.C[-1], high[-1], percent(prob), SOFT))
    ax.plot(line.C, line.median, color=BLUE, lw=1.8)
    C, L = runs
    seen = line.C[0] <= C
    ax.plot(C[seen], L[seen], ".", color=INK, ms=3, alpha=0.5)
    for budget in budgets:
        at = float(np.interp(np.log(budget), np.log(line.C), line.median))
        ax.plot(budget, at, "o", color=BLUE, ms=6, zorder=5)
        ax.annotate(
            f"{flop(budget)} FLOP",
            (budget, at),
            xytext=(-6, 8),
            textcoords="offset points",
            fontsize=9,
            ha="right",
        )
    low = min(b[0].min() for b in line.bands.values())
    high = float(line.bands[max(line.bands)][1].max())
    if reached is not None:
        ax.axhline(reached.target, color=ORANGE, lw=1.1, ls="--")
        ax.annotate(
            f"target {reached.target:g}",
            (line.C[0], reached.target),
            xytext=(2, 3),
            textcoords="offset points",
            fontsize=9,
            color=ORANGE,
        )
        if line.C[0] < reached.C < line.C[-1]:
            ax.axvline(reached.C, color=ORANGE, lw=1.1, ls=":")
        low, high = min(low, reached.target), max(high, reached.target)
    largest = float(C.max())
    ax.axvspan(largest, line.C[-1], color=SOFT, alpha=0.07, lw=0)
    ax.set(
        xscale="log",
        xlim=(line.C[0], line.C[-1]),
        xlabel="training compute C (FLOP)",
        ylabel="loss",
    )
    ax.set_ylim(low - 0.03 * (high - low), high + 0.05 * (high - low))
    name_ends(ax, labels)
    return ax
