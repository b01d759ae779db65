"""Figure of one budget: loss against model size at constant compute."""

from typing import TYPE_CHECKING

import numpy as np

from nstar.plans.limiting import apply_limits
from nstar.plans.routes import Routes
from nstar.predictions.prediction import law_loss
from nstar.published.fits import PublishedFit
from nstar.report.drawing import INK, Label, band, colour, count_ticks, name_ends
from nstar.types import Surface
from nstar.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = 300  # draws of N* that are shown


def target(
    ax: "Axes", routes: Routes, published: list[PublishedFit], C: float, prob: float
) -> "Axes":
    """Loss along the line of equal cost at a budget, by every route that has a loss."""
    labels = []
    taken = [r for r in routes.fitted if isinstance(r.fit.law, Surface)]
    stars = [r.plan.draws["N"].sel(budget=C).to_numpy() for r in taken]
    ends = np.array([np.quantile(star, [0.005, 0.995]) for star in stars])
    N = np.geomspace(ends[:, 0].min() / 1.7, ends[:, 1].max() * 1.7, 80)
    for i, (route, star) in enumerate(zip(taken, stars, strict=True)):
        shade = colour(route.name)
        fit, limits = apply_limits(route.fit, route.plan.limits)
        draws = law_loss(fit, N, limits.tokens(N, C, fit.runs.cost))
        middle = band(ax, N, draws, prob, shade)
        labels.append(Label(N[-1], middle[-1], route.title, shade))
        ticks = star[:: max(len(star) // TICKS, 1)]
        ax.plot(
            ticks,
            np.full(len(ticks), 0.025 + 0.045 * i),
            "|",
            color=shade,
            alpha=0.35,
            ms=9,
            transform=ax.get_xaxis_transform(),
        )
        N_best = float(route.plan.draws["N_recommended"].sel(budget=C))
        loss = float(route.plan.draws["loss"].sel(budget=C).median())
        ax.plot(N_best, loss, "o", color=shade, ms=6, zorder=5)
        left = N_best <= 1.001 * min(float(np.median(n)) for n in stars)
        ax.annotate(
            count(N_best),
            (N_best, loss),
            xytext=(-7 if left else 7, 7),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=9,
            color=shade,
        )
    ax.set(xscale="log", ylabel="loss", xlim=(N[0], N[-1]))
    ax.set_xlabel("parameters N (the budget sets the tokens)")
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.12 * (top - bottom), top)
    count_ticks(ax.xaxis, N[0], N[-1])
    for fit in published:
        _printed(ax, fit, C)
    name_ends(ax, labels)
    return ax


def _printed(ax: "Axes", fit: PublishedFit, C: float) -> None:
    """Mark the size that a source prints for this very budget."""
    for printed in fit.printed:
        if np.isclose(printed["C"], C, rtol=1e-3):
            ax.axvline(printed["N"], color=INK, lw=0.9, ls="--")
            ax.annotate(
                f"printed: {count(printed['N'])}",
                (printed["N"], 0.97),
                fontsize=9,
                xycoords=("data", "axes fraction"),
                xytext=(4, 0),
                textcoords="offset points",
                va="top",
            )
