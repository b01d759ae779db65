"""Colours and styles of all figures, and Matplotlib's SVG adapted to a page."""

import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nstar.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID = "#1a1a1a", "#5c5c5c", "#dcdcdc"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#aa4499"  # Okabe-Ito
COLOURS = {"isoflop": BLUE, "allocation": ORANGE, "coupled": GREEN, "mixture": INK}
THEMED = {INK: "ink", SOFT: "soft", GRID: "line"} | {
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PURPLE: "purple",
}
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "nstar",
    "svg.fonttype": "path",
    "font.size": 10.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}
MARKS = {  # of a log axis, by the decades it spans at most
    0.5: (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
    1.7: (1.0, 2.0, 5.0),
    2.7: (1.0, 3.0),
    np.inf: (1.0,),
}


def colour(name: str) -> str:
    """Give a law or a mixture its colour on every figure."""
    return COLOURS.get(name, PURPLE)


def svg(
    name: str,
    title: str,
    alt: str,
    draw: "Callable[..., Axes]",
    *args: Any,
    size: tuple[float, float],
) -> str:
    """Draw one figure as SVG text, the same bytes for the same input.

    Args:
        name: of the figure on its page; its ids start with it.
        title: for those who hear the page.
        alt: what it shows, likewise.
        draw: draws on axes.
        args: of `draw`.
        size: width and height, in inches.
    """
    import matplotlib as mpl  # slow to import
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots(), *args)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return _for_page(text.getvalue(), name, title, alt)


def save(figure: "Figure", kind: str) -> bytes:
    """Write a figure as svg, png or pdf, the same bytes for the same input."""
    out = io.BytesIO()
    stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(out, format=kind, dpi=150, metadata=stamp)
    return out.getvalue()


def _for_page(text: str, name: str, title: str, alt: str) -> str:
    """Drop addresses and metadata, make ids unique, use the page's colour variables."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">") + 1 :]
    body = body.replace("xlink:href", "href")
    body = re.sub(r'\b(?:d|x|y)="[^"]*"|translate\([^)]*\)', _hundredths, body)
    body = body.replace("DejaVuSans-", "")  # of a glyph's id, thousands of times
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    for colour, variable in THEMED.items():
        body = body.replace(colour, f"var(--{variable})")
    description = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(alt)}</desc>'
    head = (
        f'<svg viewBox="{box[1] if box else ""}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
    )
    return f"{head}{description}{body}"


def _hundredths(attribute: re.Match[str]) -> str:
    """Round the points of a path: nobody sees a thousandth of a point."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def count_ticks(axis: Any, low: float, high: float) -> None:
    """Write a log axis of parameters or tokens as 10B, 100B, 1T."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    subs = next(s for decades, s in MARKS.items() if np.log10(high / low) < decades)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axis.set_minor_formatter(NullFormatter())


def band(
    ax: "Axes", x: np.ndarray, draws: np.ndarray, prob: float, colour: str
) -> np.ndarray:
    """Draw a curve's interval and its median, which is returned."""
    low, middle, high = np.quantile(
        draws, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0
    )
    ax.fill_between(x, low, high, color=colour, alpha=0.22, lw=0)
    ax.plot(x, middle, color=colour, lw=1.6)
    return middle
