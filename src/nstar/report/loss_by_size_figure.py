"""Figure of one budget: loss against model size at constant compute."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nstar.plans.actions import Action
from nstar.plans.limiting import apply_limits
from nstar.plans.routes import Routes
from nstar.predictions.prediction import law_loss
from nstar.published.fits import PublishedFit
from nstar.report.drawing import INK, band, colour, count_ticks
from nstar.report.labels import Label, Mark, write_names
from nstar.types import Surface
from nstar.wording import count, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = 300  # draws of N* that are shown
BESIDE = 1.7  # factor of size beyond the draws of N* that is always shown
FAR = 3.0  # a named size farther beyond that is only named at the axes' end
MARGIN = 1.1  # factor of size beyond a named one


def target(
    ax: "Axes",
    routes: Routes,
    published: list[PublishedFit],
    C: float,
    prob: float,
    candidates: Sequence[Action] = (),
) -> "Axes":
    """Loss along the line of equal cost at a budget, by every route that has a loss."""
    labels, marks = [], []
    taken = [r for r in routes.fitted if isinstance(r.fit.law, Surface)]
    stars = [r.plan.draws["N"].sel(budget=C).to_numpy() for r in taken]
    ends = np.array([np.quantile(star, [0.005, 0.995]) for star in stars])
    first, last = ends[:, 0].min() / BESIDE, ends[:, 1].max() * BESIDE
    named = [*(a.N for a in candidates), *_printed(published, C)]
    shown_sizes = [n for n in named if first / FAR < n < last * FAR]
    first = min([first, *(n / MARGIN for n in shown_sizes)])
    last = max([last, *(n * MARGIN for n in shown_sizes)])
    N = np.geomspace(first, last, 80)
    for i, (route, star) in enumerate(zip(taken, stars, strict=True)):
        shade = colour(route.name)
        fit, limits = apply_limits(route.fit, route.plan.limits)
        draws = law_loss(fit, N, limits.tokens(N, C, fit.runs.cost))
        middle = band(ax, N, draws, prob, shade)
        labels.append(Label(N[-1], middle[-1], route.title, shade))
        ticks = star[:: max(len(star) // TICKS, 1)]
        ax.plot(  # one path: a mark each would be most of the page
            np.repeat(ticks, 3),
            np.tile([0.005 + 0.045 * i, 0.045 + 0.045 * i, np.nan], len(ticks)),
            color=shade,
            alpha=0.35,
            lw=1.0,
            transform=ax.get_xaxis_transform(),
        )
        N_best = float(route.plan.draws["N_recommended"].sel(budget=C))
        loss = float(route.plan.draws["loss"].sel(budget=C).median())
        ax.plot(N_best, loss, "o", color=shade, ms=6, zorder=5)
        marks.append(Mark(N_best, count(N_best), shade))
    ax.set(xscale="log", ylabel="loss", xlim=(N[0], N[-1]))
    ax.set_xlabel("parameters N (the budget sets the tokens)")
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.12 * (top - bottom), top)
    count_ticks(ax.xaxis, N[0], N[-1])
    marks += [Mark(n, f"printed {count(n)}", INK) for n in _printed(published, C)]
    marks += [Mark(a.N, shown(a.name), INK) for a in candidates]
    for mark in marks:
        ax.axvline(mark.x, color=mark.colour, lw=0.9, ls=":")
    ax.set_xlim(N[0], N[-1])
    write_names(ax, labels, marks)
    return ax


def _printed(published: Sequence[PublishedFit], C: float) -> list[float]:
    """Return the sizes that sources print for this very budget."""
    printed = [p for fit in published for p in fit.printed]
    return [p["N"] for p in printed if np.isclose(p["C"], C, rtol=1e-3)]
