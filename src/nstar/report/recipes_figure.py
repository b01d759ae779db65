"""The figure of recipes compared: multipliers over compute, and what the floor does to them."""

from typing import TYPE_CHECKING

import numpy as np

from nstar.answers import Document
from nstar.report.drawing import BLUE, INK, ORANGE, SOFT, STYLE, save
from nstar.report.labels import Label, write_names
from nstar.wording import three

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (6.4, 4.2)  # inches
COLOURS = (BLUE, ORANGE, INK)
MOST = len(COLOURS)  # recipes that are drawn: those most likely to be best
NARROW = 8.0  # times the least multiplier that is drawn
HIGH = 1e3  # multiplier above which nothing is drawn


def figure(document: Document, kind: str) -> bytes:
    """Draw it; the same bytes for the same input.

    Args:
        document: of the comparison.
        kind: svg, png or pdf.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        canvas = Figure(figsize=SIZE, layout="constrained")
        panel(canvas.subplots(), document)
        return save(canvas, kind)


def panel(ax: "Axes", document: Document) -> "Axes":
    """Bands of the multiplier by recipe; at the budgets, medians under other floors."""
    C, labels = np.array(document["curves"]["C"]), []
    records = document["budgets"][0]["recipes"]
    others = [r for r in records if r["recipe"] != document["baseline"]]
    drawn = sorted(others, key=lambda r: -r["chance_best"])[:MOST]
    for record, colour in zip(drawn, COLOURS, strict=False):
        name = record["recipe"]
        line = document["curves"]["multiplier"][name]
        low, middle, high = (
            np.array([_number(at[bound]) for at in line])
            for bound in ("lower", "median", "upper")
        )
        ax.fill_between(C, low, high, color=colour, alpha=0.2, lw=0)
        ax.plot(C, middle, color=colour, lw=1.6)
        labels.append(Label(C[-1], middle[-1], name, colour))
        for floor in document["floors"]:
            for at in floor["budgets"]:
                values = {r["recipe"]: r["multiplier"] for r in at["recipes"]}
                ax.plot(at["C"], _number(values[name]), "_", color=colour, ms=9)
    ax.axhline(1.0, color=SOFT, lw=1.0)
    ax.axvline(document["largest_common_compute"], color=SOFT, lw=1.0, ls=":")
    ax.set(xscale="log", yscale="log", xlabel="FLOP")
    ax.set_ylabel(f"compute {document['baseline']} needs, over that of the recipe")
    _write_ticks(ax)
    write_names(ax, labels)
    return ax


def _write_ticks(ax: "Axes") -> None:
    """Write multipliers as 1.2, 1.4 or as 1, 2, 5, whichever the range asks for."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = ax.get_ylim()
    near = high < NARROW * low
    ax.yaxis.set_major_locator(MaxNLocator(5) if near else LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: three(value)))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _number(value: float | None) -> float:
    return HIGH if value is None else min(value, HIGH)
