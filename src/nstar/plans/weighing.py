"""The risk of a choice of run: candidates of one budget compared under every draw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from nstar.answers import Answer, Document, Table
from nstar.fits.groups import in_group
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans import risk, tables
from nstar.plans.actions import ANY, Action, Candidate, Limits, parse_actions
from nstar.plans.bills import Bill
from nstar.plans.choosing import (
    SIZES,
    choose,
    oracle_loss,
    require_loss,
    sizes_around,
)
from nstar.plans.limiting import apply_limits, check_supply
from nstar.plans.planning import Plan
from nstar.predictions.allocating import optima
from nstar.predictions.crossings import crossings
from nstar.predictions.distances import (
    check_extrapolation,
    check_farther,
    check_tokens_per_parameter,
)
from nstar.predictions.prediction import law_loss
from nstar.verdicts import Check, Status
from nstar.wording import share

RECOMMENDED = "recommended"
WRONG_SIZES = {
    "half the size": 0.5,
    "twice the size": 2.0,
}  # prices of being wrong by two
FRONTIER = 41  # budgets between which the compute of a loss is interpolated
OVER = 1.01  # of the budget: an action of more FLOP costs more than the budget
ROUNDING = 1e-12  # of a loss, which two programs may compute
RARE = 0.005  # share of draws from which wasted compute is reported as a lower bound
AS_GOOD = 0.005  # of the loss: sizes expected to lose no more are as good as the best
AROUND = 32.0  # times the size, either way, among which they are looked for
LEAST_SHARE = 1e-4  # of the largest action's compute: the least budget of those


@dataclass(frozen=True)
class Risk(Answer):
    """Draws of the loss and the regret of each action, and summaries of them.

    `draws` has dimensions (draw, action): `loss` of the run, without run noise; `regret`
    against the draw's best run of the budget; `wasted`, FLOP beyond those with which the
    draw's best run reaches the same loss; (draw,) `N_star`; and (draw, size) `regret_along` the sizes that
    the budget could buy.  The first action is the recommended one.
    """

    records_key = "actions"

    fit: Posterior
    C: float  # FLOP of the budget
    actions: tuple[Action, ...]
    draws: xr.Dataset
    named: int  # how many of the actions were named by the user; they come last
    target: float | None = None
    level: float = risk.LEVEL
    bill: Bill | None = None
    limits: Limits = ANY  # as the user gave them
    as_good: tuple[float, float] | None = None
    """Ends of the sizes whose expected loss is within `AS_GOOD` of the recommended run's."""

    @property
    def rivals(self) -> list[str]:
        """Names of the actions to choose among: the recommended one and the candidates."""
        names = [action.name for action in self.actions]
        return [names[0], *names[len(names) - self.named :]]

    @property
    def best_probability(self) -> dict[str, float]:
        """Probability that each rival is the best of them; empty without candidates."""
        if not self.named:
            return {}
        losses = self.draws["loss"].sel(action=self.rivals).to_numpy()
        return dict(
            zip(self.rivals, risk.best_probability(losses).tolist(), strict=True)
        )

    @property
    def perfect_information(self) -> float:
        """Expected loss that knowing the law would save: the best action's regret."""
        return float(self.draws["regret"].sel(action=RECOMMENDED).mean())

    @property
    def chance_of_target(self) -> float | None:
        """Probability that the recommended run reaches the target; none without a target."""
        if self.target is None:
            return None
        loss = self.draws["loss"].sel(action=RECOMMENDED).to_numpy()
        return 1 - float(risk.miss_probability(loss, self.target))

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record an action; quantities without a target or a bill are null."""
        best = self.best_probability
        return [self._record(a, best.get(a.name), prob) for a in self.actions]

    def _record(self, action: Action, best: float | None, prob: float) -> Document:
        draws = self.draws.sel(action=action.name)
        loss, wasted = draws["loss"].to_numpy(), draws["wasted"].to_numpy()
        compute = float(draws["C"])
        record = {
            "name": action.name,
            "N": float(draws["N"]),
            "D": float(draws["D"]),
            "epochs": self.limits.epochs(float(draws["D"])),
            "C": compute,
            "loss": interval(loss, prob).as_json(),
            "regret": interval(draws["regret"], prob).as_json(),
            "expected_regret": float(draws["regret"].mean()),
            "wasted": interval(wasted, prob).as_json(),
            "expected_wasted": float(wasted.mean()),
            "wasted_share": interval(wasted / compute, prob).as_json(),
            "beyond_frontier": float(draws["below"]),
            "value_at_risk": float(risk.value_at_risk(loss, self.level)),
            "expected_shortfall": float(risk.expected_shortfall(loss, self.level)),
            "best_probability": best,
            "miss_probability": None,
            "hours": None,
            "cost": None,
            "cost_shortfall": None,
            "wasted_cost": None,
        }
        if self.target is not None:
            record["miss_probability"] = float(risk.miss_probability(loss, self.target))
        if self.bill is not None:
            billed = self.bill.charge(
                np.stack([np.full(len(wasted), compute), wasted], 1), self.fit.seed
            )
            record["hours"] = interval(billed.hours[:, 0], prob).as_json()
            if billed.money is not None:
                total_cost, wasted_cost = billed.money.T
                record["cost"] = interval(total_cost, prob).as_json()
                record["cost_shortfall"] = float(
                    risk.expected_shortfall(total_cost, self.level)
                )
                record["wasted_cost"] = interval(wasted_cost, prob).as_json()
        return record

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        return {
            "budget": self.C,
            "target_loss": self.target,
            "level": self.level,
            "bill": self.bill.describe() if self.bill else None,
            "currency": self.bill.currency if self.bill else None,
            "perfect_information": self.perfect_information,
            "repaired": self.draws.attrs["repaired"],
            "limits": self.limits.as_json(),
            "as_good": self.as_good and {"within": AS_GOOD, "N": list(self.as_good)},
            "N": interval(self.draws["N_star"], prob).as_json(),
            "actions": self.table(prob),
        }

    def checks(self) -> list[Check]:
        """Check the actions against the runs, the budget, the target and the supply of tokens."""
        return [*check_extrapolation(self.fit, self.C), *self.check_actions()]

    def check_actions(self) -> list[Check]:
        """Check the actions alone, where the distance of the budget is checked elsewhere."""
        runs, table = self.fit.runs, self.table()
        checks = check_tokens_per_parameter(
            runs, {r["name"]: (r["N"], r["D"]) for r in table}, "actions among the runs"
        )
        checks += check_farther(
            runs,
            {r["name"]: r["C"] for r in table},
            self.C,
            "actions within reach of the runs",
        )
        checks += self._target()
        bounded = [
            f"{name} ({share(float(part))} of draws)"
            for name, part in zip(
                self.draws["action"].to_numpy(),
                self.draws["below"].to_numpy(),
                strict=True,
            )
            if part > RARE
        ]
        if bounded:
            detail = f"of {', '.join(bounded)} the best run needs less than {LEAST_SHARE:g} of the dearest action's FLOP: what is said to be wasted is the least that is"
            checks.append(Check("compute wasted", Status.PASS, detail))
        dearer = [
            f"{r['name']} ({r['C'] / self.C:.3g} times)"
            for r in table
            if r["C"] > OVER * self.C
        ]
        if dearer:
            detail = f"{', '.join(dearer)} costs more than the budget: its regret is against what the budget buys; ask for its own budget to weigh it there"
            checks.append(Check("actions within the budget", Status.REVIEW, detail))
        D = float(self.draws["D"].sel(action=RECOMMENDED))
        return [*checks, *check_supply(self.fit, self.limits, D)]

    def _target(self) -> list[Check]:
        """Check that the target lies among the losses of the runs and of the actions."""
        losses, measured = self.draws["loss"].to_numpy(), self.fit.runs["L"]
        low, high = min(losses.min(), measured.min()), max(losses.max(), measured.max())
        if self.target is None or low <= self.target <= high:
            return []
        detail = (
            f"{self.target:g} lies outside all that the runs have and the actions may reach, {low:.3g} to {high:.3g}, "
            "so its chance tells nothing: is it in their unit? Ask for one within"
        )
        return [Check("target loss", Status.REVIEW, detail)]

    def headline(self, prob: float = 0.9) -> str:
        """The run of least expected loss, and what not knowing the law costs."""
        return tables.risk_headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Every action: its loss, its regret, what can go wrong, and what it takes."""
        return tables.risk(self.as_json(prob), prob)


def weigh(
    fit: Posterior,
    C: float,
    candidates: Sequence[Candidate] = (),
    *,
    limits: Limits = ANY,
    target: float | None = None,
    level: float = risk.LEVEL,
    bill: Bill | None = None,
    group: str | None = None,
    seed: int | None = None,
    planned: Plan | None = None,
) -> Risk:
    """Weigh the runs a budget could buy, and those the user names, under every draw.

    Args:
        fit: a fit of a loss, or an average of such.
        C: the budget, FLOP.  Regret is against the best run of this budget, also for
            candidates that would cost another; one that is better has none.
        candidates: runs, as in ["8B", "70B@1.4T", "llama3-405b", 8e9, (7e10, 1.4e12)], or
            actions; those without tokens get what the budget buys.
        limits: on what the budget may buy: knowing the law would not lift them.  Half and
            twice the size are weighed where they are allowed.
        target: loss whose probability of being missed is reported.
        level: of value at risk and expected shortfall.
        bill: where compute turns into hours and money.
        group: of a pooled fit, one of its groups or "next".
        seed: of the scatter of a group not seen; the fit's own unless given.
        planned: the fit's own plan of the budget, where there is one already.

    Returns:
        Regret, waste, tails and chances of every run.

    Raises:
        ValueError: the law has no loss, or a candidate is not read or has the name of another action.

    Examples:
        >>> nstar.weigh(fit, 1e24, ["8B", "70B@2.4T"]).headline()
    """
    named = parse_actions(candidates)
    fit = in_group(fit, group, seed=seed)
    require_loss(fit)
    requested, (fit, limits) = limits, apply_limits(fit, limits)
    cost, budget = fit.runs.cost, np.array([C])
    N, D = optima(fit, budget) if planned is None else _optima_of_plan(planned, budget)
    run = choose(fit, budget, cost, limits, N)
    recommended = Action(RECOMMENDED, float(run.N[0]), float(run.D[0]))
    wrong = [
        Action(name, recommended.N * by)
        for name, by in WRONG_SIZES.items()
        if not limits.params and recommended.N * by <= limits.most
    ]
    for name in (RECOMMENDED, *WRONG_SIZES):
        if any(c.name == name for c in named):
            msg = f"candidate {name!r}: give it a name of its own, as in mine={name}"
            raise ValueError(msg)
    actions = tuple(a.at(C, cost, limits) for a in (recommended, *wrong, *named))
    sizes, tokens = (np.array([getattr(a, n) for a in actions]) for n in ("N", "D"))
    tried = limits.sizes(sizes_around(N[:, 0]))
    losses = law_loss(
        fit,
        np.concatenate([sizes, tried]),
        np.concatenate([tokens, limits.tokens(tried, C, cost)]),
    )
    least = oracle_loss(fit, N, D, run, limits)[:, 0]
    gap = losses - least[:, None]
    regret = np.where(gap > ROUNDING, gap, 0.0)
    compute = cost.flop(sizes, tokens)
    wasted, below, repaired = _wasted(fit, compute, losses[:, : len(sizes)], limits)
    dims, k = ("draw", "action"), len(sizes)
    data: dict[str, Any] = {
        "loss": (dims, losses[:, :k]),
        "regret": (dims, regret[:, :k]),
        "wasted": (dims, wasted),
        "below": ("action", below),
        "least": ("draw", least),
        "N_star": ("draw", N[:, 0]),
        "regret_along": (("draw", "size"), regret[:, k:]),
    }
    names = [action.name for action in actions]
    coords: dict[str, Any] = {"action": names, "size": tried}
    coords |= {
        n: ("action", v) for n, v in {"N": sizes, "D": tokens, "C": compute}.items()
    }
    coords |= fit.coords
    draws = xr.Dataset(data, coords, {"repaired": repaired})
    return Risk(
        fit,
        C,
        actions,
        draws,
        len(named),
        target,
        level,
        bill,
        requested,
        _sizes_as_good(fit, C, recommended.N, limits),
    )


def _sizes_as_good(
    fit: Posterior, C: float, N: float, limits: Limits
) -> tuple[float, float] | None:
    """Ends of the sizes as good as one; None where it is the only one allowed."""
    sizes = limits.sizes(np.geomspace(N / AROUND, N * AROUND, SIZES))
    if len(sizes) == 1:
        return None
    loss = law_loss(fit, sizes, limits.tokens(sizes, C, fit.runs.cost)).mean(axis=0)
    x, start = np.log(sizes), int(np.argmin(np.abs(np.log(sizes / N))))
    extra = loss / loss[start] - 1
    low, high = (
        float(np.exp(_crossing(x[side], extra[side], AS_GOOD)))
        for side in (slice(start, None, -1), slice(start, None))
    )
    return low, high


def _crossing(x: np.ndarray, values: np.ndarray, level: float) -> float:
    """Where values first rise above a level along x; the last x where they never do."""
    above = np.flatnonzero(~(values <= level))
    if not above.size:
        return float(x[-1])
    i = int(above[0])
    if i == 0 or not np.isfinite(values[i]):
        return float(x[max(i - 1, 0)])
    part = (level - values[i - 1]) / (values[i] - values[i - 1])
    return float(x[i - 1] + part * (x[i] - x[i - 1]))


def _optima_of_plan(
    plan: Plan, budget: Float[np.ndarray, " budget"]
) -> tuple[Float[np.ndarray, "draw budget"], Float[np.ndarray, "draw budget"]]:
    """Optima of a budget as a plan has them, (draw, budget) each."""
    at = plan.draws.sel(budget=budget)
    return at["N"].to_numpy(), at["D"].to_numpy()


def _wasted(
    fit: Posterior,
    compute: Float[np.ndarray, " run"],
    losses: Float[np.ndarray, "draw run"],
    limits: Limits,
) -> tuple[Float[np.ndarray, "draw run"], Float[np.ndarray, " run"], float]:
    """FLOP that actions take beyond the least that reaches their losses.

    Returns:
        That FLOP, (draw, action); the share of draws that need less than the least budget
        tried, (action,); and the share of draws whose frontier rose and was repaired.
    """
    C = np.geomspace(LEAST_SHARE * compute.max(), compute.max(), FRONTIER)
    line = choose(fit, C, fit.runs.cost, limits)
    crossing_of_actions = [
        crossings(C, line.least, losses[:, i]) for i in range(len(compute))
    ]
    needed = np.stack(
        [
            np.minimum(crossing.C, c)
            for crossing, c in zip(crossing_of_actions, compute, strict=True)
        ],
        axis=1,
    )
    return (
        compute - needed,
        np.array([crossing.below for crossing in crossing_of_actions]),
        crossing_of_actions[0].repaired,
    )
