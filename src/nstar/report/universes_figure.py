"""The figure of the multiverse: where N* lies under every other choice."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nstar.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE, SOFT, counted
from nstar.wording import digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = {"law": BLUE, "prior": ORANGE, "noise": GREEN, "runs": PURPLE}
LONG = 34  # letters of a name before it is broken


def intervals(ax: "Axes", told: Sequence[dict[str, Any]], N: float) -> "Axes":
    """N* with its interval in every universe, and the regret of the recommended run there."""
    rows = [u for u in told if u["N"] is not None]
    for i, u in enumerate(rows):
        low, middle, high = (u["N"][n] for n in ("lower", "median", "upper"))
        ax.plot(
            [low, high], [i, i], color=KINDS[u["kind"]], lw=2.2, solid_capstyle="butt"
        )
        ax.plot(middle, i, "o", color=KINDS[u["kind"]], ms=5)
        told_regret = "" if u["regret"] is None else digits(u["expected_regret"], 2)
        ax.annotate(
            told_regret,
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
    ends = [u["N"][n] for u in rows for n in ("lower", "upper")]
    ax.set(
        xscale="log",
        xlabel="compute-optimal parameters N*",
        ylim=(-0.6, len(rows) + 0.2),
    )
    ax.set_yticks(range(len(rows)), [_broken(u["name"]) for u in rows], fontsize=9)
    ax.invert_yaxis()
    counted(ax.xaxis, min(ends), max(ends))
    return ax


def _broken(name: str) -> str:
    """Put what comes after the comma on a line of its own, where a name is long."""
    head, comma, tail = name.partition(", ")
    return f"{head},\n{tail}" if comma and len(name) > LONG else name
