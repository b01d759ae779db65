"""The figure of a watched run: its forecast's band, the run on it, the e-value below."""

import numpy as np

from nstar.answers import Document
from nstar.report.drawing import BLUE, INK, ORANGE, SOFT, STYLE, save

SIZE = (6.4, 5.0)  # inches
HIGHEST = 12.0  # decades of the e-value that are drawn


def figure(document: Document, kind: str) -> bytes:
    """Draw it; the same bytes for the same input.

    Args:
        document: of the watched run.
        kind: svg, png or pdf.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    places = document["places"]
    step = np.array([place["step"] for place in places])
    low, middle, high = (
        np.array([place["forecast"][bound] for place in places])
        for bound in ("lower", "median", "upper")
    )
    seen = [place for place in places if place["loss"] is not None]
    done = step[: len(seen)]
    with mpl.rc_context(STYLE):
        canvas = Figure(figsize=SIZE, layout="constrained")
        above, below = canvas.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
        above.fill_between(step, low, high, color=BLUE, alpha=0.2, lw=0)
        above.plot(step, middle, color=BLUE, lw=1.4)
        above.plot(done, [place["loss"] for place in seen], ".", color=INK, ms=4)
        end = document["end"]["after"]
        error = [[end["median"] - end["lower"]], [end["upper"] - end["median"]]]
        above.errorbar(
            document["steps"],
            end["median"],
            error,
            fmt="o",
            color=ORANGE,
            ms=5,
            capsize=3,
        )
        above.set_ylabel("loss")
        decades = np.array([place["log_e"] for place in seen]) / np.log(10)
        below.plot(done, np.minimum(decades, HIGHEST), color=INK, lw=1.4)
        below.axhline(np.log10(document["threshold"]), color=ORANGE, lw=1.0, ls="--")
        below.axhline(0.0, color=SOFT, lw=0.8)
        below.set_ylabel("log10 e-value")
        below.set_xlabel(document["axis"])
        if alarm := document["alarm"]:
            for ax in (above, below):
                ax.axvline(alarm["step"], color=ORANGE, lw=1.0, ls=":")
        return save(canvas, kind)
