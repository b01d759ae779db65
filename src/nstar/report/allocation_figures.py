"""Figures of N*, D* and isoFLOP profiles; each draws on Matplotlib axes and returns them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from nstar.fits.fitting import Fit
from nstar.fits.mixture import thinned
from nstar.plans.actions import Action
from nstar.plans.routes import Routes
from nstar.predictions.allocating import optima
from nstar.published.fits import PublishedFit
from nstar.report.drawing import (
    BLUE,
    INK,
    PURPLE,
    SOFT,
    band,
    colour,
    count_ticks,
)
from nstar.report.labels import Label, Mark, name_inside, write_names
from nstar.runs.optima import measured_optima
from nstar.samplers import density
from nstar.types import Kind
from nstar.wording import flop, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_DRAWS = 400  # thinned draws behind a band
BUDGETS = 20  # points of a curve
ROOM = 1.6  # factor of tokens left free at either end of the profiles
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
    candidates: Sequence[Action] = (),
) -> "Axes":
    """Draw N*(C) or D*(C) of every route with its band, optima, published lines, candidates."""
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
    ax.autoscale(enable=False)
    low, high = ax.get_ylim()
    budget = float(routes.primary.plan.budgets[-1])
    for action in candidates:
        value = action.N if quantity == "N" else action.D
        if value is None:
            continue
        arrow = " ↓" if value < low else " ↑" if value > high else ""
        labels.append(Label(budget, value, shown(action.name) + arrow, INK))
        if not arrow:
            ax.plot(budget, value, "X", ms=6, color=INK, zorder=6)
    if top > largest:
        ax.axvspan(largest, top, color=SOFT, alpha=0.07, lw=0)
    write_names(ax, labels, [Mark(largest, "largest run", SOFT)])
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
        labels.append(
            [
                Label(float(D[j]), float(middle[j]), flop(float(budget)), shade)
                for j in (-1, 0, int(middle.argmin()))
            ]
        )
    ax.set(xscale="log", xlabel="training tokens D", ylabel="loss")
    ax.set_xlim(runs["D"].min() / ROOM, runs["D"].max() * ROOM)
    ax.set_title("labels: budget in FLOP", loc="right", fontsize=9, color=SOFT)
    count_ticks(ax.xaxis, *ax.get_xlim())
    name_inside(ax, labels)
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
