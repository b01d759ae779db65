"""The decision's three figures: a histogram of one quantity's draws each, and the choice."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nstar.report.decision import Decision
from nstar.report.drawing import BLUE, INK, ORANGE, PURPLE, SOFT, count_ticks
from nstar.report.labels import Mark, write_names
from nstar.wording import count, digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 40
LARGE = 13.0  # points: tiles are shown small
ALIKE = 1e-9  # relative spread below which all draws are one value
WIDE = 0.01  # of the axis about it, relative
TAIL = 0.005  # of the draws that lies outside the axis, at either end


class Tile(NamedTuple):
    """A number to read first, and the draws that it summarises."""

    title: str
    big: str  # the number, with its unit
    note: str
    draws: np.ndarray
    mark: float | None  # the value chosen, or the target
    mark_name: str  # what the mark is
    logarithmic: bool
    colour: str


def decision_tiles(decision: Decision, target: float | None) -> list[Tile]:
    """Return size, loss and regret; without a loss size, tokens and their ratio."""
    N, D, draws = decision.N, decision.D, decision.draws
    size = Tile(
        "Size",
        f"{count(N)} parameters",
        f"on {count(D)} tokens; the draws of N* about it",
        draws["N"],
        N,
        "the run",
        True,
        BLUE,
    )
    if "loss" not in draws:
        tokens = Tile(
            "Tokens",
            f"{count(D)} tokens",
            "the draws of D*",
            draws["D"],
            D,
            "the run",
            True,
            ORANGE,
        )
        ratio = Tile(
            "Tokens per parameter",
            digits(D / N, 3),
            "the draws of D*/N*",
            draws["D"] / draws["N"],
            D / N,
            "the run",
            True,
            PURPLE,
        )
        return [size, tokens, ratio]
    loss, regret = draws["loss"], draws["regret"]
    note = (
        "of the run, without run noise"
        if target is None
        else f"of the run; the target is {target:g}"
    )
    return [
        size,
        Tile(
            "Loss",
            f"loss {digits(float(np.median(loss)), 4)}",
            note,
            loss,
            target,
            "the target",
            False,
            ORANGE,
        ),
        Tile(
            "Given away",
            f"{digits(float(regret.mean()), 2)} of loss",
            "mean regret against each draw's own best run",
            regret,
            float(regret.mean()),
            "the mean",
            False,
            PURPLE,
        ),
    ]


def density(ax: "Axes", tile: Tile, prob: float) -> "Axes":
    """Draw a histogram, its central part shaded, the median and the mark as lines."""
    low, high = np.quantile(tile.draws, [TAIL, 1 - TAIL])
    if tile.mark is not None:
        low, high = min(low, tile.mark), max(high, tile.mark)
    if high - low <= ALIKE * abs(high):
        low, high = low - WIDE * max(abs(low), WIDE), high + WIDE * max(abs(high), WIDE)
    edges = (
        np.geomspace(low, high, BINS)
        if tile.logarithmic
        else np.linspace(low, high, BINS)
    )
    heights, edges = np.histogram(tile.draws, edges)
    inner = np.quantile(tile.draws, [(1 - prob) / 2, (1 + prob) / 2])
    ax.stairs(heights, edges, fill=True, color=tile.colour, alpha=0.18)
    middle = (edges[:-1] >= inner[0]) & (edges[1:] <= inner[1])
    ax.stairs(
        np.where(middle, heights, 0), edges, fill=True, color=tile.colour, alpha=0.35
    )
    ax.axvline(float(np.median(tile.draws)), color=tile.colour, lw=1.2)
    if tile.mark is not None:
        ax.axvline(tile.mark, color=INK, lw=1.4, ls="--")
    ax.set(yticks=[], xlim=(edges[0], edges[-1]), ylim=(0, 1.05 * heights.max()))
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)
    ax.tick_params(labelsize=LARGE, colors=SOFT)
    if tile.logarithmic:
        ax.set_xscale("log")
        count_ticks(ax.xaxis, edges[0], edges[-1])
    else:
        ax.locator_params(axis="x", nbins=4)
    if tile.mark is not None:
        write_names(ax, [], [Mark(tile.mark, tile.mark_name, INK)], size=LARGE)
    return ax
