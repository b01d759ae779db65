"""The figure of a mixture: shares with their credible sets, and predicted against measured."""

import numpy as np

from nstar.answers import Document
from nstar.report.drawing import BLUE, INK, ORANGE, SOFT, STYLE, save

SIZE = (9.0, 4.2)  # inches


def figure(document: Document, kind: str) -> bytes:
    """Draw it; the same bytes for the same input.

    Args:
        document: of the mixture.
        kind: svg, png or pdf.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = sorted(document["domains"], key=lambda row: row["share"])
    height = max(SIZE[1], 0.24 * len(rows) + 1.0)
    with mpl.rc_context(STYLE):
        canvas = Figure(figsize=(SIZE[0], height), layout="constrained")
        left, right = canvas.subplots(1, 2)
        y = np.arange(len(rows))
        low = [row["credible"]["lower"] for row in rows]
        high = [row["credible"]["upper"] for row in rows]
        left.hlines(y, low, high, color=BLUE, lw=4, alpha=0.35)
        left.plot([row["share"] for row in rows], y, "o", color=BLUE, ms=5)
        if rows[0]["today"] is not None:
            left.plot(
                [row["today"] for row in rows], y, "|", color=ORANGE, ms=11, mew=2
            )
        left.set_yticks(y, [row["domain"] for row in rows])
        for label, row in zip(left.get_yticklabels(), rows, strict=True):
            label.set_color(INK if row["matters"] else SOFT)
        left.set(xlabel=_of_shares(document), xlim=(-0.01, None))
        measured, predicted = (
            np.array([point[name] for point in document["points"]])
            for name in ("measured", "predicted")
        )
        ends = [
            min(measured.min(), predicted.min()),
            max(measured.max(), predicted.max()),
        ]
        right.plot(ends, ends, color=SOFT, lw=1.0)
        right.plot(predicted, measured, ".", color=BLUE, ms=4, alpha=0.6)
        right.set(xlabel="loss predicted from all other runs", ylabel="loss measured")
        return save(canvas, kind)


def _of_shares(document: Document) -> str:
    """Say what is drawn on the left."""
    today = "; orange: today" if document["domains"][0]["today"] is not None else ""
    return f"share, with its credible set{today}; grey names matter little"
