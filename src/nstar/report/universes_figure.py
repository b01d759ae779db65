"""Figure of the multiverse: N* under every other choice of the analyst."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nstar.answers import Document
from nstar.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE, SOFT, count_ticks
from nstar.report.labels import Mark, write_names
from nstar.wording import count, digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = {"law": BLUE, "prior": ORANGE, "noise": GREEN, "runs": PURPLE}
LONG = 34  # letters of a name before it is broken


def intervals(ax: "Axes", universes: Sequence[Document], N: float) -> "Axes":
    """Draw N* with its interval in every universe, and the regret of the recommended run there."""
    rows = [universe for universe in universes if universe["N"] is not None]
    for i, universe in enumerate(rows):
        low, middle, high = (universe["N"][n] for n in ("lower", "median", "upper"))
        ax.plot(
            [low, high],
            [i, i],
            color=KINDS[universe["kind"]],
            lw=2.2,
            solid_capstyle="butt",
        )
        ax.plot(middle, i, "o", color=KINDS[universe["kind"]], ms=5)
        regret = (
            "" if universe["regret"] is None else digits(universe["expected_regret"], 2)
        )
        ax.annotate(
            regret,
            (1.01, i),
            xycoords=("axes fraction", "data"),
            fontsize=9,
            va="center",
            color=SOFT,
        )
    ax.annotate(
        "mean regret",
        (1.01, -0.6),
        xycoords=("axes fraction", "data"),
        fontsize=9,
        color=SOFT,
        va="bottom",
    )
    ax.axvline(N, color=INK, lw=1.1, ls="--")
    ends = [universe["N"][n] for universe in rows for n in ("lower", "upper")]
    ax.set(
        xscale="log",
        xlabel="compute-optimal parameters N*",
        ylim=(-0.6, len(rows) - 0.4),
    )
    ax.set_yticks(
        range(len(rows)), [_wrap(universe["name"]) for universe in rows], fontsize=9
    )
    ax.invert_yaxis()
    count_ticks(ax.xaxis, min(ends), max(ends))
    write_names(ax, [], [Mark(N, f"recommended {count(N)}", INK)])
    return ax


def _wrap(name: str) -> str:
    """Put what comes after the comma on a line of its own, where a name is long."""
    start, comma, end = name.partition(", ")
    return f"{start},\n{end}" if comma and len(name) > LONG else name
