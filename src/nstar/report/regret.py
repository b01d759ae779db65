"""The figure of what sizes give away: flat near the best, whatever the interval of N*."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nstar.plans.weighing import RECOMMENDED, WRONG_SIZES, Risk
from nstar.report.drawing import INK, Label, counted, name_ends
from nstar.wording import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OFTEN = 0.95  # of the draws lie below the dotted line
PLAIN = (RECOMMENDED, *WRONG_SIZES)  # actions that need no tick
HIGH = 3.0  # times the mean regret of being wrong by two that the axis shows


def curve(
    ax: "Axes", risks: Sequence[tuple[str, Risk]], colours: Mapping[str, str]
) -> "Axes":
    """Mean regret of every size a budget could buy, by what is believed, and the actions weighed."""
    lines, tops, ends = [], [], []
    for name, risk in risks:
        own = colours[name]
        along = risk.draws["regret_along"]
        N, mean = along["size"].to_numpy(), along.mean("draw").to_numpy()
        worst = along.quantile(OFTEN, "draw").to_numpy()
        ax.plot(N, mean, color=own, lw=1.8)
        ax.plot(N, worst, color=own, lw=1.1, ls=":")
        at = risk.draws["regret"].mean("draw")
        run = float(at["N"].sel(action="recommended"))
        ax.plot(
            run, float(at.sel(action="recommended")), "o", color=own, ms=6, zorder=5
        )
        wrong = [name for name in WRONG_SIZES if name in at["action"]]
        tops.append(
            HIGH * float(at.sel(action=wrong).max()) if wrong else float(mean.max())
        )
        ends += [N[0], N[-1]]
        lines.append((N, mean, name, own))
    ax.set(xscale="log", xlim=(min(ends), max(ends)), ylim=(0, max(tops)))
    ax.set(
        xlabel="parameters N (the budget sets the tokens)",
        ylabel="regret: loss given away",
    )
    counted(ax.xaxis, min(ends), max(ends))
    labels: list[Label] = []
    for action in risks[0][1].actions:
        if action.name not in PLAIN and min(ends) < action.N < max(ends):
            ax.axvline(action.N, ymin=0.93, color=INK, lw=1.0)
            ax.annotate(
                _plainly(action.name),
                (action.N, 0.92),
                xycoords=("data", "axes fraction"),
                fontsize=9,
                ha="center",
                va="top",
                color=INK,
            )
    for N, mean, words, own in lines:
        seen = np.flatnonzero(mean <= max(tops))
        if seen.size:
            labels.append(Label(N[seen[-1]], mean[seen[-1]], words, own))
    name_ends(ax, labels)
    return ax


def _plainly(name: str) -> str:
    """Write a name from outside as it is: dollars are no mathematics."""
    return shown(name).replace("$", r"\$")
