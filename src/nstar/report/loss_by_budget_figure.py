"""Figure of the recommended run's loss against compute, with nested bands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nstar.plans.targets import Reach
from nstar.report.drawing import BLUE, INK, ORANGE, SOFT
from nstar.report.labels import Label, Mark, write_names
from nstar.report.loss_by_budget import LossByBudget
from nstar.wording import flop, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bands(
    ax: "Axes",
    curve: LossByBudget,
    runs: tuple[np.ndarray, np.ndarray],
    budgets: Sequence[float],
    target: Reach | None,
) -> "Axes":
    """Draw the loss of each budget's recommended run, the runs, and where a target is reached."""
    labels, marks = [], []
    for prob, (low, high) in sorted(curve.bands.items(), reverse=True):
        ax.fill_between(curve.C, low, high, color=BLUE, alpha=0.18, lw=0)
        labels.append(Label(curve.C[-1], high[-1], percent(prob), SOFT))
    ax.plot(curve.C, curve.median, color=BLUE, lw=1.8)
    C, L = runs
    seen = curve.C[0] <= C
    ax.plot(C[seen], L[seen], ".", color=INK, ms=3, alpha=0.5)
    for budget in budgets:
        height = float(np.interp(np.log(budget), np.log(curve.C), curve.median))
        ax.plot(budget, height, "o", color=BLUE, ms=6, zorder=5)
        marks.append(Mark(budget, f"{flop(budget)} FLOP", BLUE))
    low = min(b[0].min() for b in curve.bands.values())
    high = float(curve.bands[max(curve.bands)][1].max())
    if target is not None:
        ax.axhline(target.target, color=ORANGE, lw=1.1, ls="--")
        name = f"target {target.target:g}"
        labels.append(Label(curve.C[-1], target.target, name, ORANGE))
        if curve.C[0] < target.C < curve.C[-1]:
            ax.axvline(target.C, color=ORANGE, lw=1.1, ls=":")
        low, high = min(low, target.target), max(high, target.target)
    largest = float(C.max())
    ax.axvspan(largest, curve.C[-1], color=SOFT, alpha=0.07, lw=0)
    ax.set(
        xscale="log",
        xlim=(curve.C[0], curve.C[-1]),
        xlabel="training compute C (FLOP)",
        ylabel="loss",
    )
    ax.set_ylim(low - 0.03 * (high - low), high + 0.05 * (high - low))
    write_names(ax, labels, [Mark(largest, "largest run", SOFT), *marks])
    return ax
