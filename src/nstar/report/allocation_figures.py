"""Figures of N*, D* and isoFLOP profiles; each draws on Matplotlib axes and returns them."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from nstar.fits.fitting import Fit
from nstar.fits.mixture import thinned
from nstar.plans.routes import Routes
from nstar.predictions.allocating import optima
from nstar.published.fits import PublishedFit
from nstar.report.drawing import (
    BLUE,
    INK,
    PURPLE,
    SOFT,
    Label,
    band,
    colour,
    count_ticks,
    name_ends,
)
from nstar.runs.optima import measured_optima
from nstar.samplers import density
from nstar.types import Kind
from nstar.wording import flop

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_DRAWS = 400  # thinned draws behind a band
BUDGETS = 20  # points of a curve
WORDS = {"N": "compute-optimal parameters N*", "D": "compute-optimal tokens D*"}


class Curve(NamedTuple):
    """N* and D* of a route along compute."""

    C: np.ndarray  # FLOP, (budget,)
    N: np.ndarray  # (draw, budget)
    D: np.ndarray


def lines(routes: Routes) -> dict[str, Curve]:
    """Evaluate every route, thinned, along compute from the runs to beyond the budgets."""
    C, largest = (
        routes.runs["C"],
        max(float(route.plan.budgets.max()) for route in routes.fitted),
    )
    C = np.geomspace(C.min() / 1.5, max(largest, C.max()) * 1.5, BUDGETS)
    draws = {r.name: optima(thinned(r.fit, CURVE_DRAWS), C) for r in routes.fitted}
    return {name: Curve(C, *optimum) for name, optimum in draws.items()}


def allocation(
    ax: "Axes",
    routes: Routes,
    curves: dict[str, Curve],
    published: list[PublishedFit],
    prob: float,
    quantity: str,
) -> "Axes":
    """Draw N*(C) or D*(C) of every route with its band, measured optima, published lines."""
    runs = routes.runs
    largest, C = float(runs["C"].max()), curves[routes.primary.name].C
    top = float(C[-1])
    labels = []
    for route in routes.fitted:
        draws = curves[route.name].N if quantity == "N" else curves[route.name].D
        middle = band(ax, C, draws, prob, colour(route.name))
        labels.append(Label(top, middle[-1], route.title, colour(route.name)))
    for fit in published:
        line = getattr(fit.optimum(C, runs.cost.k), quantity)
        if line is not None and np.isfinite(line).any():
            ax.plot(C, line, "--", color=INK, lw=1.2)
            last = int(np.flatnonzero(np.isfinite(line))[-1])
            labels.append(
                Label(
                    top,
                    float(line[last]),
                    "published" if len(published) == 1 else fit.id,
                    INK,
                )
            )
        for printed in fit.printed:
            ax.plot(printed["C"], printed[quantity], "*", ms=11, color=INK)
    points = _optima(routes)
    if points is not None:
        ax.plot(points["C"], points[quantity], "o", color=INK, ms=4, zorder=5)
    ax.set(xscale="log", yscale="log", xlabel="training compute C (FLOP)")
    ax.set(ylabel=WORDS[quantity], xlim=(C[0], top))
    count_ticks(ax.yaxis, *ax.get_ylim())
    if top > largest:
        ax.axvspan(largest, top, color=SOFT, alpha=0.07, lw=0)
        ax.annotate(
            "beyond the largest run",
            (largest, 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            color=SOFT,
            fontsize=9,
        )
    name_ends(ax, labels)
    return ax


def _optima(routes: Routes) -> Any:
    for route in routes.fitted:
        if route.fit.law.response.kind is Kind.OPTIMUM:
            return route.fit.runs
    try:
        return measured_optima(routes.runs)
    except ValueError:
        return None


def profiles(ax: "Axes", fit: Fit, prob: float) -> "Axes":
    """Draw loss against tokens for every isoFLOP budget, with the fitted curves."""
    runs = fit.runs
    budgets = np.unique(runs["budget"][~np.isnan(runs["budget"])])
    thinned_draws = thinned(fit, CURVE_DRAWS).draws
    labels = []
    for i, budget in enumerate(budgets):
        shade, marker = ((BLUE, "o"), (PURPLE, "^"))[i % 2]  # neighbours told apart
        at = runs["budget"] == budget
        D = np.geomspace(runs["D"][at].min() / 1.15, runs["D"][at].max() * 1.15, 60)
        middle = band(
            ax, D, _profile(thinned_draws, fit, float(budget), D), prob, shade
        )
        ax.plot(runs["D"][at], runs["L"][at], marker, color=shade, ms=3)
        labels.append(Label(D[-1], middle[-1], flop(float(budget)), shade))
    ax.set(xscale="log", xlabel="training tokens D", ylabel="loss")
    ax.set_title("labels: budget in FLOP", loc="right", fontsize=9, color=SOFT)
    count_ticks(ax.xaxis, *ax.get_xlim())
    name_ends(ax, labels)
    return ax


def _profile(
    draws: dict[str, np.ndarray], fit: Fit, budget: float, D: np.ndarray
) -> np.ndarray:
    """Return the curve of a measured budget, (draw, point), with its own minimum if it has one."""
    x = {
        "budget": np.full(D.size, budget),
        "D": D,
        "N": fit.runs.cost.params(D, budget),
    }
    with jax.enable_x64(True):
        skeleton, numbers = density.split(fit.law, fit.noise)
        return np.exp(np.asarray(density.expected(skeleton, numbers, draws, x)))
