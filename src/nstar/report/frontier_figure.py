"""Accuracy against FLOP a problem: a panel for each strategy, a curve for each model."""

from typing import TYPE_CHECKING

from nstar.inference.spending import Spent
from nstar.report.drawing import BLUE, GREEN, ORANGE, PURPLE, SOFT, STYLE, band, save
from nstar.report.labels import legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
ACROSS = 2
PANEL = (3.9, 2.7)  # inches


def compared_strategies(spent: Spent) -> list[str]:
    """Name the strategies evaluated at more than one amount."""
    pairs = dict.fromkeys(way[:2] for way in spent.ways)
    strategies = [
        s for m, s in pairs if sum(way[:2] == (m, s) for way in spent.ways) > 1
    ]
    return list(dict.fromkeys(strategies))


def panel(ax: "Axes", spent: Spent, strategy: str, prob: float) -> "Axes":
    """Draw what a strategy makes of every model, over the frontier of all ways."""
    best = spent.frontier(prob)
    ax.step(
        [r["flop"] for r in best],
        [
            spent.accuracy[
                :, spent.way((r["model"], r["strategy"], r["amount"]))
            ].mean()
            for r in best
        ],
        where="post",
        color=SOFT,
        lw=1.0,
        ls=":",
        label="best of all ways",
    )
    for i, model in enumerate(dict.fromkeys(way[0] for way in spent.ways)):
        at = [j for j, way in enumerate(spent.ways) if way[:2] == (model, strategy)]
        if not at:
            continue
        colour = COLOURS[i % len(COLOURS)]
        band(ax, spent.flop[at], spent.accuracy[:, at], prob, colour)
        ax.plot([], [], color=colour, label=model)
    ax.set(xscale="log", xlabel="FLOP a problem", ylabel="accuracy")
    ax.set_title(strategy, fontsize=10)
    return ax


def figure(spent: Spent, prob: float, kind: str) -> bytes:
    """Draw a panel for each strategy; the same bytes for the same input.

    Args:
        spent: all ways and what they reach.
        prob: of the bands.
        kind: svg, png or pdf.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = compared_strategies(spent)
    columns = min(ACROSS, len(names))
    rows = -(-len(names) // columns)
    with mpl.rc_context(STYLE):
        size = (PANEL[0] * columns + 0.3, PANEL[1] * rows + 0.5)
        canvas = Figure(figsize=size, layout="constrained")
        panels = canvas.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for ax, name in zip(panels, names, strict=False):
            panel(ax, spent, name, prob)
        for ax in panels[len(names) :]:
            ax.remove()
        canvas.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside upper center",
            ncols=4,
            frameon=False,
            fontsize=9,
        )
        return save(canvas, kind)


def labelled_panel(ax: "Axes", spent: Spent, strategy: str, prob: float) -> "Axes":
    """Draw one strategy's panel for a page."""
    panel(ax, spent, strategy, prob)
    legend_above(ax)
    return ax
