"""Figures of the report; each draws on Matplotlib axes and returns them."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nstar import prediction
from nstar.fitting import Fit
from nstar.optima import measured_optima
from nstar.planning import plan
from nstar.published import PublishedFit
from nstar.routes import Route, Routes
from nstar.types import Surface

COLOURS = {
    "isoflop": "#0072B2",
    "allocation": "#D55E00",
    "chinchilla": "#009E73",
}  # Okabe-Ito
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "nstar",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
}
CURVE_DRAWS = 400  # thinned draws behind a band


def svg(draw: Any, *args: Any, height: float = 4.4) -> str:
    """Draw one figure and return it as SVG text, the same bytes for the same input."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, height), layout="constrained")
        draw(figure.subplots(), *args)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    body = text.getvalue()
    return body[body.index("<svg") :]


def allocation(
    ax: Axes, routes: Routes, published: list[PublishedFit], prob: float
) -> Axes:
    """D*(C) of every route with its band, measured optima and published lines."""
    runs = routes.runs
    top = max(float(routes.lead.plan.budgets.max()), float(runs["C"].max()))
    C = np.geomspace(float(runs["C"].min()) / 1.5, top * 1.5, 40)
    for route in routes.taken:
        D = plan(route.fit, C).draws["D"].to_numpy()
        _band(ax, C, D, prob, COLOURS[route.name], route.words)
    for fit in published:
        D = fit.optimum(C).D
        if D is not None:
            ax.plot(C, D, "--", color="black", lw=1.2, label=f"published: {fit.id}")
        for printed in fit.printed:
            ax.plot(
                printed["C"],
                printed["D"],
                "*",
                ms=11,
                color="black",
                label="printed prediction",
            )
    points = _optima(routes)
    if points is not None:
        ax.plot(
            points["C"],
            points["D"],
            "o",
            color="#333333",
            ms=5,
            label="measured optima",
            zorder=5,
        )
    ax.axvline(float(runs["C"].max()), color="#999999", lw=0.8)
    ax.annotate(
        "largest run", (float(runs["C"].max()), 0.02), xycoords=("data", "axes fraction"),
        xytext=(4, 0), textcoords="offset points", color="#666666", fontsize=8,
    )  # fmt: skip
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="training compute C (FLOP)",
        ylabel="compute-optimal tokens D*",
    )
    ax.legend(frameon=False, fontsize=8, loc="upper left")
    return ax


def _optima(routes: Routes) -> Any:
    for route in routes.taken:
        if route.name == "allocation":
            return route.fit.runs
    try:
        return measured_optima(routes.runs)
    except ValueError:
        return None


def profiles(ax: Axes, fit: Fit, prob: float) -> Axes:
    """Loss against tokens for every isoFLOP budget, with the fitted curves."""
    runs = fit.runs
    budgets = np.unique(runs["budget"][~np.isnan(runs["budget"])])
    colours = mpl.colormaps["viridis"](np.linspace(0.05, 0.85, len(budgets)))
    thin = _thinned(fit)
    for budget, colour in zip(budgets, colours, strict=True):
        at = runs["budget"] == budget
        D = np.geomspace(runs["D"][at].min() / 1.15, runs["D"][at].max() * 1.15, 60)
        loss = _profile(thin, fit, budget, D)
        low, middle, high = np.quantile(
            loss, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0
        )
        ax.fill_between(D, low, high, color=colour, alpha=0.25, lw=0)
        ax.plot(D, middle, color=colour, lw=1.1)
        ax.plot(runs["D"][at], runs["L"][at], "o", color=colour, ms=3)
        ax.annotate(f"{budget:.0e}".replace("e+", "e"), (D[0], middle[0]), xytext=(-4, 0),
                    textcoords="offset points", ha="right", va="center", fontsize=7, color=colour)  # fmt: skip
    ax.set(
        xscale="log", xlabel="training tokens D (labels: budget in FLOP)", ylabel="loss"
    )
    return ax


def _thinned(fit: Fit) -> dict[str, np.ndarray]:
    total = len(next(iter(fit.draws.values())))
    return {n: v[:: max(total // CURVE_DRAWS, 1)] for n, v in fit.draws.items()}


def _profile(
    draws: dict[str, np.ndarray], fit: Fit, budget: float, D: np.ndarray
) -> np.ndarray:
    """Curve of a measured budget, (draw, point): with the budget's own minimum if it has one."""
    import jax

    x = {
        "budget": np.full(D.size, budget),
        "D": D,
        "N": fit.runs.cost.params(D, budget),
    }
    with jax.enable_x64(True):
        return np.exp(np.asarray(jax.vmap(lambda p: fit.law.expected(p, x))(draws)))


def target(ax: Axes, route: Route, C: float, prob: float) -> Axes:
    """Loss along the line of equal cost at a budget, and the cloud of optima."""
    fit = route.fit
    if not isinstance(fit.law, Surface):
        msg = f"the {route.words} have no loss"
        raise ValueError(msg)
    stars = route.plan.draws["N"].sel(budget=C).to_numpy()
    low, high = np.quantile(stars, [0.005, 0.995])
    N = np.geomspace(low / 2, high * 2, 80)
    loss = prediction.loss(fit, N, fit.runs.cost.tokens(N, C))["loss"].to_numpy()
    colour = COLOURS[route.name]
    _band(ax, N, loss, prob, colour, f"{route.words}: loss at {C:.3g} FLOP")
    ax.plot(stars[:: max(len(stars) // 400, 1)], np.full(len(stars[:: max(len(stars) // 400, 1)]), 0.02),
            "|", color=colour, alpha=0.35, ms=12, transform=ax.get_xaxis_transform())  # fmt: skip
    run = float(route.plan.draws["N_recommended"].sel(budget=C))
    ax.axvline(run, color="#333333", lw=0.9)
    ax.annotate("recommended", (run, 0.95), xycoords=("data", "axes fraction"), xytext=(4, 0),
                textcoords="offset points", fontsize=8)  # fmt: skip
    ax.set(
        xscale="log",
        xlabel="parameters N (tokens follow from the budget)",
        ylabel="loss",
    )
    ax.legend(frameon=False, fontsize=8, loc="upper right")
    return ax


def _band(
    ax: Axes, x: np.ndarray, draws: np.ndarray, prob: float, colour: str, label: str
) -> None:
    low, middle, high = np.quantile(
        draws, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0
    )
    ax.fill_between(x, low, high, color=colour, alpha=0.22, lw=0)
    ax.plot(x, middle, color=colour, lw=1.6, label=label)
