"""Figure of regret against model size; it is flat near the best size."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nstar.plans.weighing import RECOMMENDED, WRONG_SIZES, Risk
from nstar.report.drawing import INK, SOFT, count_ticks
from nstar.report.labels import Mark, legend_above, write_names
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
    heights, sizes = [], []
    for name, risk in risks:
        colour = colours[name]
        by_size = risk.draws["regret_along"]
        N, mean = by_size["size"].to_numpy(), by_size.mean("draw").to_numpy()
        worst = by_size.quantile(OFTEN, "draw").to_numpy()
        ax.plot(N, mean, color=colour, lw=1.8, label=name)
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
    ax.set(xscale="log", xlim=(min(sizes), max(sizes)), ylim=(0, max(heights)))
    ax.set(
        xlabel="parameters N (the budget sets the tokens)",
        ylabel="regret: loss given away",
    )
    count_ticks(ax.xaxis, min(sizes), max(sizes))
    ax.plot([], [], color=SOFT, lw=1.1, ls=":", label="one draw in twenty exceeds")
    named = [a for a in risks[0][1].actions if a.name not in PLAIN]
    for action in named:
        ax.axvline(action.N, color=INK, lw=0.9, ls=":")
    ax.set_xlim(min(sizes), max(sizes))
    legend_above(ax)
    write_names(ax, [], [Mark(a.N, shown(a.name), INK) for a in named])
    return ax
