"""How to spend a budget: N*, D* and the loss, under every draw, along the cost line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from nstar.answers import Answer, Document, Table
from nstar.departures.bending import is_bent
from nstar.departures.discrepancy import Bent
from nstar.fits.groups import in_group
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans import tables
from nstar.plans.actions import ANY, Limits
from nstar.plans.choosing import choose, oracle_loss, require_loss
from nstar.plans.limiting import apply_limits, check_supply
from nstar.predictions import allocating
from nstar.predictions.distances import check_tokens_per_parameter
from nstar.types import Surface
from nstar.verdicts import Check

SLOPE_FROM = (
    1.5  # times the largest run's compute: from there a slope to it is reported
)


@dataclass(frozen=True)
class Plan(Answer):
    """Draws of decision quantities by budget, and the recommended run of each.

    `draws` has dimensions (draw, budget): `N` and `D` on the law's line,
    `N_optimum` and `D_optimum` where the budget's optimum would be measured, with the
    scatter between budgets and, where the runs tell it, the error of measuring,
    `loss` of the recommended run, `loss_oracle` of each draw's own optimum and their
    difference `regret`; with a discrepancy `N_law` and `D_law`, the optimum of the law
    without it, and of a surface `on_edge`, the share of draws whose optimum lies at an end of the
    tokens per parameter that were searched, and `slope_beyond`, that of log N* in log C from
    the largest run to the budget, which extrapolates where `alpha1` is over the runs; `alpha1`, `alpha2`, `A1`, `A2` by draw.
    Where laws are averaged, `law` says which one each draw is of.  What the law cannot
    give is absent.  Under limits the recommended run is of those allowed, `loss_oracle`
    each draw's own best of them, and `limits_cost`, by budget, the expected loss that
    the limits cost; N and D are the law's own all the same.
    """

    records_key = "budgets"

    fit: Posterior
    draws: xr.Dataset
    limits: Limits = ANY  # as the user gave them

    @property
    def budgets(self) -> Float[np.ndarray, " budget"]:
        """FLOP of each budget."""
        return self.draws["budget"].to_numpy()

    @property
    def decades(self) -> Float[np.ndarray, " budget"]:
        """Decades of compute each budget lies beyond the largest run."""
        return np.log10(self.budgets / self.draws.attrs["C_max"])

    @property
    def tree(self) -> xr.DataTree:
        """The groups of the fit, or of every law averaged, and these draws as `derived`."""
        tree = self.fit.tree.copy()
        tree["derived"] = xr.DataTree(self.draws)
        return tree

    @property
    def slope_over(self) -> tuple[float, float] | None:
        """FLOP between which the exponents are slopes; None where lines are straight."""
        if not any(is_bent(part.law) for part in self.fit.components):
            return None
        return _slope_range(self.fit)

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record a budget: intervals of every quantity, null where the law has none."""
        return [self._record(float(C), prob) for C in self.budgets]

    def _record(self, C: float, prob: float) -> Document:
        draws = self.draws.sel(budget=C)

        def summarise(name: str) -> dict[str, float] | None:
            return interval(draws[name], prob).as_json() if name in draws else None

        measured = {"N": summarise("N_optimum"), "D": summarise("D_optimum")}
        return {
            "C": C,
            "N": summarise("N"),
            "D": summarise("D"),
            "loss": summarise("loss"),
            "tokens_per_parameter": summarise("tokens_per_parameter"),
            "recommended": {
                "N": float(draws["N_recommended"]),
                "D": float(draws["D_recommended"]),
                "epochs": self.limits.epochs(float(draws["D_recommended"])),
            },
            "limits_cost": float(draws["limits_cost"])
            if "limits_cost" in draws
            else None,
            "loss_oracle": summarise("loss_oracle"),
            "regret": summarise("regret"),
            "optimum": measured if measured["N"] else None,
            "N_law": summarise("N_law"),
            "D_law": summarise("D_law"),
            "on_edge": float(draws["on_edge"]) if "on_edge" in draws else None,
            "slope_beyond": summarise("slope_beyond") if self._beyond(C) else None,
            "decades_beyond_data": float(np.log10(C / self.draws.attrs["C_max"])),
        }

    def _beyond(self, C: float) -> bool:
        """Whether a budget lies far enough beyond the runs for a slope to it to be reported."""
        return SLOPE_FROM * self.draws.attrs["C_max"] < C

    def exponents(self, prob: float = 0.9) -> dict[str, dict[str, float]]:
        """Intervals of alpha1 (of N*) and alpha2 (of D*), over `slope_over` where bent."""
        return {
            "N": interval(self.draws["alpha1"], prob).as_json(),
            "D": interval(self.draws["alpha2"], prob).as_json(),
        }

    def coefficients(self, prob: float = 0.9) -> dict[str, dict[str, float]]:
        """Intervals of A1 and A2, where the lines of `slope_over` meet C = 1 FLOP."""
        return {
            "A1": interval(self.draws["A1"], prob).as_json(),
            "A2": interval(self.draws["A2"], prob).as_json(),
        }

    def checks(self) -> list[Check]:
        """Check how far the runs recommended under limits lie from the fitted runs."""
        if self.limits == ANY:
            return []
        D = self.draws["D_recommended"].to_numpy()
        pairs = zip(self.draws["N_recommended"].to_numpy(), D, strict=True)
        runs = {
            f"that of {C:.3g} FLOP": pair
            for C, pair in zip(self.budgets, pairs, strict=True)
        }
        checks = check_tokens_per_parameter(
            self.fit.runs, runs, "recommended among the runs"
        )
        return [*checks, *check_supply(self.fit, self.limits, float(D.max()))]

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        return {
            "budgets": self.table(prob),
            "exponents": self.exponents(prob),
            "exponents_over": self.slope_over,
            "coefficients": self.coefficients(prob),
            "limits": self.limits.as_json(),
        }

    def headline(self, prob: float = 0.9) -> str:
        """The run to train with the largest budget."""
        return tables.plan_headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Compute-optimal runs, and the lines they lie on."""
        return tables.plan(self.as_json(prob), prob)


def plan(
    fit: Posterior,
    budget: float | Sequence[float] | np.ndarray,
    *,
    seed: int | None = None,
    group: str | None = None,
    limits: Limits = ANY,
    brief: bool = False,
) -> Plan:
    """Carry every draw to the compute-optimal run of each budget.

    The recommended run is one action for all draws, since nobody can train at each
    draw's own optimum: that of least expected loss where the law has a loss, else the
    median of log N* and the tokens the budget then buys.

    Args:
        fit: a fit whose law has an allocation or a loss, or an average of such.
        budget: training FLOP, one or several; rising and without repeats in the plan.
        seed: of the scatter of measured optima; the fit's own unless given.
        group: of a pooled fit, one of its groups or "next", one not seen yet.
        limits: on the recommended run; N and D obey none but the supply of unique tokens,
            where the law knows of repetition, and exponents are of fresh tokens.
        brief: leave out optima as they would be measured, and those of the law without
            its bend.

    Returns:
        Draws of N, D, loss and regret at each budget, (draw, C).

    Raises:
        ValueError: a budget is not positive and finite, the law says nothing of it, there
            is no such group, or limits are put on a law without a loss.

    Examples:
        >>> plan = nstar.plan(fit, [1e23, 1e24])
        >>> plan.table(prob=0.9)
    """
    fit = in_group(fit, group, seed=seed)
    if limits != ANY:
        require_loss(fit)
    fresh, (fit, allowed) = fit, apply_limits(fit, limits)
    C = np.unique(np.atleast_1d(np.asarray(budget, dtype=float)))
    if not (np.all(np.isfinite(C)) and np.all(C > 0)):
        msg = f"budget: expected positive finite FLOP such as 3.8e25, got {np.atleast_1d(budget).tolist()}"
        raise ValueError(msg)
    allocating.require_allocation(fit)
    ends = np.array(_slope_range(fit))
    N, D = allocating.optima(fit, np.concatenate([C, ends]))
    line = (N, D) if fit is fresh else allocating.optima(fresh, ends)
    slopes = _exponents(ends, *(v[:, -2:] for v in line))
    N, D = N[:, :-2], D[:, :-2]
    dims = ("draw", "budget")
    parts = fit.components
    data: dict[str, Any] = {
        "N": (dims, N),
        "D": (dims, D),
        "tokens_per_parameter": (dims, D / N),
    }
    if all(isinstance(part.law, Surface) for part in parts):
        data |= _recommend(fit, C, N, D, allowed)
    else:
        data |= _median_run(fit, C, N, D)
    seed = fit.seed if seed is None else seed
    measured = None if brief else allocating.measured_optima(fit, C, seed=seed)
    if measured is not None:
        data |= {"N_optimum": (dims, measured[0]), "D_optimum": (dims, measured[1])}
    if not brief and any(is_bent(part.law) for part in parts):
        straight = allocating.straight_optima(fit, C)
        data |= {"N_law": (dims, straight[0]), "D_law": (dims, straight[1])}
    if any(isinstance(part.law, Bent) for part in parts):
        data["on_edge"] = ("budget", _on_edge(fit, D / N))
    data |= slopes
    C_max = float(np.max(fit.runs["C"]))
    if any(is_bent(part.law) for part in parts):
        far = np.log(np.maximum(C / C_max, SLOPE_FROM))
        data["slope_beyond"] = (dims, np.log(N / line[0][:, -1:]) / far)
    coords: dict[str, Any] = {"budget": C}
    coords |= fit.coords
    return Plan(fit, xr.Dataset(data, coords, {"C_max": C_max}), limits)


def _on_cost_line(
    N: Float[np.ndarray, "draw budget"], D: Float[np.ndarray, "draw budget"]
) -> bool:
    """Whether N D is the same under every draw, as it is on a cost line."""
    return bool(np.allclose(np.ptp(np.log(N * D), axis=0), 0, atol=1e-6))


def _on_edge(fit: Posterior, ratio: np.ndarray) -> np.ndarray:
    """Share of draws, (budget,), of bent surfaces whose optimum lies at an end of the search."""
    outside = np.zeros(ratio.shape[1])
    for part, ratios in zip(fit.parts, fit.shared_out(ratio), strict=True):
        if isinstance(part.law, Bent):
            at_edge = allocating.on_edge(np.log(ratios), allocating.search_window(part))
            outside += np.sum(at_edge, axis=0)
    return outside / len(ratio)


def _median_run(
    fit: Posterior,
    C: Float[np.ndarray, " budget"],
    N: Float[np.ndarray, "draw budget"],
    D: Float[np.ndarray, "draw budget"],
) -> Document:
    """The run at the median of log N*."""
    run = np.exp(np.median(np.log(N), axis=0))
    tokens = np.exp(np.median(np.log(D), axis=0))
    if _on_cost_line(N, D):
        tokens = fit.runs.cost.tokens(run, C)
    return {"N_recommended": ("budget", run), "D_recommended": ("budget", tokens)}


def _recommend(
    fit: Posterior,
    C: Float[np.ndarray, " budget"],
    N: Float[np.ndarray, "draw budget"],
    D: Float[np.ndarray, "draw budget"],
    limits: Limits,
) -> Document:
    """The run of least expected loss, its loss, each draw's least, and the regret."""
    dims = ("draw", "budget")
    run = choose(fit, C, fit.runs.cost, limits, N)
    oracle, cost = oracle_loss(fit, N, D, run, limits), {}
    if not limits.free:
        best = choose(fit, C, fit.runs.cost, N=N)
        gap = run.loss.mean(axis=0) - best.loss.mean(axis=0)
        cost = {"limits_cost": ("budget", np.maximum(gap, 0.0))}
    return cost | {
        "N_recommended": ("budget", run.N),
        "D_recommended": ("budget", run.D),
        "loss": (dims, run.loss),
        "loss_oracle": (dims, oracle),
        "regret": (dims, run.loss - oracle),
    }


def _exponents(ends: np.ndarray, N: np.ndarray, D: np.ndarray) -> Document:
    """Slopes and levels of log N* and log D* in log C between two budgets, (draw, 2)."""
    step = np.log(ends[1] / ends[0])
    alpha1 = np.log(N[:, 1] / N[:, 0]) / step
    alpha2 = np.log(D[:, 1] / D[:, 0]) / step
    log_A1 = np.log(N[:, 0]) - alpha1 * np.log(ends[0])
    log_A2 = np.log(D[:, 0]) - alpha2 * np.log(ends[0])
    values = {
        "alpha1": alpha1,
        "alpha2": alpha2,
        "A1": np.exp(log_A1),
        "A2": np.exp(log_A2),
    }
    return {name: ("draw", value) for name, value in values.items()}


def _slope_range(fit: Posterior) -> tuple[float, float]:
    """FLOP of the smallest and the largest run, a decade apart at least."""
    C_max = float(fit.runs["C"].max())
    return min(float(fit.runs["C"].min()), C_max / 10), C_max
