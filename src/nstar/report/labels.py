"""Names of curves and of values, written where they lie across no line and no other name.

Curves are named to the right of the axes, values of the horizontal axis above them;
only curves that end amid others are named among them, and only where there is room.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

SIZE = 9.0  # points
LINE = 11.5  # points from one line of text to the next
GAP = 5.0  # points between a name and what it names, and between two names


class Label(NamedTuple):
    """Words at a point of the axes, in the colour of what they name."""

    x: float
    y: float
    text: str
    colour: str


class Mark(NamedTuple):
    """Words at a value of the horizontal axis."""

    x: float
    text: str
    colour: str


def write_names(
    ax: "Axes",
    ends: Sequence[Label],
    marks: Sequence[Mark] = (),
    size: float = SIZE,
) -> None:
    """Write names of curves to the right of the axes and names of values above them.

    Names that would meet are moved apart.  A value outside the axes is named at the end
    beyond which it lies, with an arrow.  Call this last: it reads the axes' limits.

    Args:
        ax: the axes, with all that is drawn on them.
        ends: the curves, each where it ends.
        marks: the values.
        size: of the letters, points.
    """
    beside = [
        _write(ax, Label(1.0, 0.0, *end[2:]), "axes fraction", size) for end in ends
    ]
    above = [
        _write(ax, Label(0.0, 1.0, *_arrow(ax, mark)), "axes fraction", size)
        for mark in marks
    ]
    for text in above:
        text.xyann = GAP, GAP + LINE / 2
    _lay_out(ax)
    if _stack(ax, marks, above) > 1:
        _lay_out(ax)  # the rows make the axes lower
    _spread(ax, ends, beside)


def name_inside(ax: "Axes", curves: Sequence[Sequence[Label]]) -> None:
    """Name curves inside the axes, each at the first of its points that has room.

    A curve without room stays without a name.

    Args:
        ax: the axes, with all that is drawn on them.
        curves: for every curve the points where its name may stand, the best first.
    """
    _lay_out(ax)
    placed: list[Any] = []
    for points in curves:
        spots = [(point, at) for point in points for at in _AROUND]
        for point, (dx, dy, ha, va) in spots:
            text = _write(ax, point, "data")
            text.set(ha=ha, va=va, in_layout=False)
            text.xyann = dx, dy
            box = text.get_window_extent()
            if _is_free(ax, box, placed):
                placed.append(box)
                break
            text.remove()


_AROUND = (  # offsets in points, and the alignment that goes with them
    (GAP, 0.0, "left", "center"),
    (-GAP, 0.0, "right", "center"),
    (0.0, GAP, "center", "bottom"),
    (0.0, -GAP, "center", "top"),
    (GAP, GAP, "left", "bottom"),
    (-GAP, GAP, "right", "bottom"),
    (GAP, -GAP, "left", "top"),
    (-GAP, -GAP, "right", "top"),
)


def legend_above(ax: "Axes") -> None:
    """Name what is drawn in a legend above the axes, where it covers nothing."""
    figure = ax.get_figure(root=True)
    if figure is not None:
        handles, names = ax.get_legend_handles_labels()
        figure.legend(
            handles,
            names,
            loc="outside upper left",
            ncols=2,
            frameon=False,
            fontsize=SIZE,
        )


def _write(
    ax: "Axes", label: Label, coordinates: str, size: float = SIZE
) -> "Annotation":
    return ax.annotate(
        label.text.replace("$", r"\$"),  # which would begin mathematics
        (label.x, label.y),
        xycoords=coordinates,
        color=label.colour,
        fontsize=size,
        va="center",
        xytext=(GAP, 0),
        textcoords="offset points",
        annotation_clip=False,
    )


def _arrow(ax: "Axes", mark: Mark) -> tuple[str, str]:
    """Point beyond the end of the axes where the value lies outside them."""
    low, high = sorted(ax.get_xlim())
    if mark.x < low:
        return f"← {mark.text}", mark.colour
    return (f"{mark.text} →" if mark.x > high else mark.text), mark.colour


def _lay_out(ax: "Axes") -> None:
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.draw_without_rendering()


def _points(ax: "Axes") -> tuple[float, Any]:
    """Return the pixels of a point, and the frame of the axes in points."""
    figure = ax.get_figure(root=True)
    pixels = 1.0 if figure is None else figure.dpi / 72
    return pixels, ax.get_window_extent().transformed(_scale(1 / pixels))


def _scale(factor: float) -> Any:
    from matplotlib.transforms import Affine2D

    return Affine2D().scale(factor)


def _stack(ax: "Axes", marks: Sequence[Mark], texts: Sequence["Annotation"]) -> int:
    """Centre names above their values, a row higher where two would meet; count the rows."""
    pixels, frame = _points(ax)
    rows: list[list[tuple[float, float]]] = []
    for mark, text in sorted(zip(marks, texts, strict=True), key=lambda pair: pair[0]):
        width = text.get_window_extent().width / pixels
        x = ax.transData.transform((mark.x, ax.get_ylim()[0]))[0] / pixels
        left = float(np.clip(x - width / 2, frame.x0, max(frame.x1 - width, frame.x0)))
        row = next(
            (
                i
                for i, taken in enumerate(rows)
                if all(left > b + GAP or left + width < a - GAP for a, b in taken)
            ),
            len(rows),
        )
        rows += [[]] if row == len(rows) else []
        rows[row].append((left, left + width))
        text.xyann = left - frame.x0, GAP + LINE * (row + 0.5)
    return len(rows)


def _spread(ax: "Axes", ends: Sequence[Label], texts: Sequence["Annotation"]) -> None:
    """Move names at curves' ends apart, as little as may be, within the axes' height."""
    if not ends:
        return
    pixels, frame = _points(ax)
    y = np.array([ax.transData.transform((e.x, e.y))[1] / pixels for e in ends])
    wanted = np.clip(y, frame.y0, frame.y1)
    order = np.argsort(wanted, kind="stable")
    heights = _apart(wanted[order], frame.y0, frame.y1)[np.argsort(order)]
    for text, height in zip(texts, heights, strict=True):
        text.xyann = GAP, float(height) - frame.y0


def _apart(wanted: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the nearest heights (least squares) that are a line apart, (label,).

    With the lines taken off it is a monotone regression, by pooling neighbours.
    """
    steps = LINE * np.arange(wanted.size)
    pools: list[tuple[float, int]] = []  # mean and size
    for value in wanted - steps:
        pools.append((float(value), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (b, m), (a, n) = pools.pop(), pools.pop()
            pools.append(((a * n + b * m) / (n + m), n + m))
    means = np.concatenate([np.full(n, mean) for mean, n in pools])
    return np.clip(means, low, max(high - steps[-1], low)) + steps


def _is_free(ax: "Axes", box: Any, placed: Sequence[Any]) -> bool:
    """Tell whether a box lies inside the axes and on no line, point or name."""
    frame, roomy = ax.get_window_extent(), box.padded(2.0)
    inside = frame.x0 <= roomy.x0 and roomy.x1 <= frame.x1
    inside &= frame.y0 <= roomy.y0 and roomy.y1 <= frame.y1
    if not inside or any(roomy.overlaps(other) for other in placed):
        return False
    for line in ax.lines:
        path = line.get_path().transformed(line.get_transform())
        joined = line.get_linestyle() != "None"
        if joined and path.intersects_bbox(roomy, filled=False):
            return False
        wide = roomy.padded(line.get_markersize() / 2)
        if line.get_marker() not in ("None", "", None):
            at = np.asarray(path.vertices)
            if ((at > wide.min) & (at < wide.max)).all(axis=1).any():
                return False
    return True
