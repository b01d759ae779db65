"""Figure of regret against model size; it is flat near the best size."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nstar.plans.weighing import RECOMMENDED, WRONG_SIZES, Risk
from nstar.report.drawing import INK, Label, count_ticks, name_ends
from nstar.wording import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OFTEN = 0.95  # of the draws lie below the dotted line
PLAIN = (RECOMMENDED, *WRONG_SIZES)  # actions that need no tick
HIGH = 3.0  # times the mean regret of being wrong by two that the axis shows


def curve(
    ax: "Axes", risks: Sequence[tuple[str, Risk]], colours: Mapping[str, str]
) -> "Axes":
    """Draw the mean regret of every size that a budget buys, by route or mixture, and the actions."""
    lines, heights, sizes = [], [], []
    for name, risk in risks:
        colour = colours[name]
        by_size = risk.draws["regret_along"]
        N, mean = by_size["size"].to_numpy(), by_size.mean("draw").to_numpy()
        worst = by_size.quantile(OFTEN, "draw").to_numpy()
        ax.plot(N, mean, color=colour, lw=1.8)
        ax.plot(N, worst, color=colour, lw=1.1, ls=":")
        regret = risk.draws["regret"].mean("draw")
        N_best = float(regret["N"].sel(action="recommended"))
        ax.plot(
            N_best,
            float(regret.sel(action="recommended")),
            "o",
            color=colour,
            ms=6,
            zorder=5,
        )
        wrong = [name for name in WRONG_SIZES if name in regret["action"]]
        heights.append(
            HIGH * float(regret.sel(action=wrong).max()) if wrong else float(mean.max())
        )
        sizes += [N[0], N[-1]]
        lines.append((N, mean, name, colour))
    ax.set(xscale="log", xlim=(min(sizes), max(sizes)), ylim=(0, max(heights)))
    ax.set(
        xlabel="parameters N (the budget sets the tokens)",
        ylabel="regret: loss given away",
    )
    count_ticks(ax.xaxis, min(sizes), max(sizes))
    labels: list[Label] = []
    for action in risks[0][1].actions:
        if action.name not in PLAIN and min(sizes) < action.N < max(sizes):
            ax.axvline(action.N, ymin=0.93, color=INK, lw=1.0)
            ax.annotate(
                _escape(action.name),
                (action.N, 0.92),
                xycoords=("data", "axes fraction"),
                fontsize=9,
                ha="center",
                va="top",
                color=INK,
            )
    for N, mean, name, colour in lines:
        seen = np.flatnonzero(mean <= max(heights))
        if seen.size:
            labels.append(Label(N[seen[-1]], mean[seen[-1]], name, colour))
    name_ends(ax, labels)
    return ax


def _escape(name: str) -> str:
    """Escape the dollars of a name, which Matplotlib would read as mathematics."""
    return shown(name).replace("$", r"\$")
