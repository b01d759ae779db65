"""Figure of the decision under other priors: N* and L* with each half and twice as wide."""

from collections.abc import Sequence
from math import exp
from typing import TYPE_CHECKING

from nstar.answers import Document
from nstar.report.drawing import BLUE, INK, ORANGE, count_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {1.0: INK, 0.5: BLUE, 2.0: ORANGE}


def label(scale: Document) -> str:
    """Name the prior that was scaled, and by how much."""
    if not scale["unknown"]:
        return "priors as they are"
    return f"{scale['unknown']}, {'half' if scale['factor'] < 1 else 'twice'} as wide"


def size_intervals(ax: "Axes", scales: Sequence[Document]) -> "Axes":
    """Draw N* with its interval under every prior tried."""
    rows = [{n: exp(v) for n, v in s["intervals"]["log N*"][0].items()} for s in scales]
    _intervals(ax, scales, rows)
    ends = [row[n] for row in rows for n in ("lower", "upper")]
    ax.set(xscale="log", xlabel="compute-optimal parameters N*")
    count_ticks(ax.xaxis, min(ends), max(ends))
    return ax


def loss_intervals(ax: "Axes", scales: Sequence[Document]) -> "Axes":
    """Draw L* with its interval under every prior tried."""
    _intervals(ax, scales, [s["intervals"]["L*"][0] for s in scales])
    ax.set(xlabel="loss at the optimum L*")
    return ax


def _intervals(
    ax: "Axes", scales: Sequence[Document], rows: Sequence[dict[str, float]]
) -> None:
    for i, (scale, row) in enumerate(zip(scales, rows, strict=True)):
        colour, ends = COLOURS[scale["factor"]], [row["lower"], row["upper"]]
        ax.plot(ends, [i, i], color=colour, lw=2.2, solid_capstyle="butt")
        ax.plot(row["median"], i, "o", color=colour, ms=5)
    for end in ("lower", "upper"):
        ax.axvline(rows[0][end], color=INK, lw=0.8, ls=":")
    ax.set_yticks(range(len(rows)), [label(s) for s in scales], fontsize=9)
    ax.set_ylim(len(rows) - 0.4, -0.6)
