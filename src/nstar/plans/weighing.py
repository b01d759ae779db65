"""What a choice of run risks: candidates of one budget weighed under every draw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from nstar.answers import Answer, Table
from nstar.fits.groups import in_group
from nstar.fits.mixture import Average, Posterior
from nstar.intervals import interval
from nstar.plans import risk, tables
from nstar.plans.actions import ANY, Action, Limits
from nstar.plans.bills import Bill
from nstar.plans.choosing import choose, require_loss, tried
from nstar.plans.limiting import check_supply, held
from nstar.plans.planning import Plan
from nstar.predictions.allocating import optima
from nstar.predictions.crossings import crossings
from nstar.predictions.distances import among, extrapolation, farther
from nstar.predictions.prediction import law_loss, loss_each
from nstar.verdicts import Check, Status
from nstar.wording import share

RECOMMENDED = "recommended"
WRONG = {"half the size": 0.5, "twice the size": 2.0}  # prices of being wrong by two
FRONTIER = 41  # budgets between which the compute of a loss is read off
OVER = 1.01  # of the budget from which an action is said to cost more
ROUNDING = 1e-12  # of a loss, which two programs may compute
RARE = 0.005  # share of draws from which a bound is said to be one
DEEP = 1e-4  # of the largest action's compute: the least budget of those


@dataclass(frozen=True)
class Risk(Answer):
    """Draws of what each action reaches and gives away, and how to read them.

    `draws` has dimensions (draw, action): `loss` of the run, without run noise; `regret`
    against the draw's best run of the budget; `wasted`, FLOP beyond those with which the
    draw's best run reaches the same loss; (draw,) `N_star`; and (draw, size) `regret_along` the sizes that
    the budget could buy.  The first action is the recommended one.
    """

    fit: Posterior
    C: float  # FLOP of the budget
    actions: tuple[Action, ...]
    draws: xr.Dataset
    named: int  # how many of the actions were named by the user; they come last
    target: float | None = None
    level: float = risk.LEVEL
    bill: Bill | None = None
    limits: Limits = ANY  # as they were asked for

    @property
    def rivals(self) -> list[str]:
        """Actions of which one is to be taken: the recommended one and those named."""
        names = [action.name for action in self.actions]
        return [names[0], *names[len(names) - self.named :]]

    @property
    def best_probability(self) -> dict[str, float]:
        """Probability that each rival is the best of them, one in all; none of one alone."""
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

    def table(self, prob: float = 0.9) -> list[dict[str, Any]]:
        """One record an action; what was not asked for is null."""
        best = self.best_probability
        return [self._record(a, best.get(a.name), prob) for a in self.actions]

    def _record(
        self, action: Action, best: float | None, prob: float
    ) -> dict[str, Any]:
        at = self.draws.sel(action=action.name)
        loss, wasted = at["loss"].to_numpy(), at["wasted"].to_numpy()
        spent = float(at["C"])
        record = {
            "name": action.name,
            "N": float(at["N"]),
            "D": float(at["D"]),
            "epochs": self.limits.epochs(float(at["D"])),
            "C": spent,
            "loss": interval(loss, prob).as_json(),
            "regret": interval(at["regret"], prob).as_json(),
            "expected_regret": float(at["regret"].mean()),
            "wasted": interval(wasted, prob).as_json(),
            "expected_wasted": float(wasted.mean()),
            "wasted_share": interval(wasted / spent, prob).as_json(),
            "beyond_frontier": float(at["below"]),
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
            billed = self.bill.of(
                np.stack([np.full(len(wasted), spent), wasted], 1), self.fit.seed
            )
            record["hours"] = interval(billed.hours[:, 0], prob).as_json()
            if billed.money is not None:
                whole, lost = billed.money.T
                record["cost"] = interval(whole, prob).as_json()
                record["cost_shortfall"] = float(
                    risk.expected_shortfall(whole, self.level)
                )
                record["wasted_cost"] = interval(lost, prob).as_json()
        return record

    def as_json(self, prob: float = 0.9) -> dict[str, Any]:
        """Every number of the answer as plain data."""
        return {
            "budget": self.C,
            "target_loss": self.target,
            "level": self.level,
            "bill": self.bill.words() if self.bill else None,
            "currency": self.bill.currency if self.bill else None,
            "perfect_information": self.perfect_information,
            "repaired": self.draws.attrs["repaired"],
            "limits": self.limits.as_json(),
            "N": interval(self.draws["N_star"], prob).as_json(),
            "actions": self.table(prob),
        }

    def checks(self) -> list[Check]:
        """Say which actions leave what was measured, or the budget, and whether a target tells them apart."""
        runs, table = self.fit.runs, self.table()
        checks = extrapolation(self.fit, self.C)
        checks += among(
            runs, {r["name"]: (r["N"], r["D"]) for r in table}, "actions among the runs"
        )
        checks += farther(
            runs,
            {r["name"]: r["C"] for r in table},
            self.C,
            "actions within reach of the runs",
        )
        checks += self._target()
        bound = [
            f"{name} ({share(float(part))} of draws)"
            for name, part in zip(
                self.draws["action"].to_numpy(),
                self.draws["below"].to_numpy(),
                strict=True,
            )
            if part > RARE
        ]
        if bound:
            detail = f"of {', '.join(bound)} the best run needs less than {DEEP:g} of the dearest action's FLOP: what is said to be wasted is the least that is"
            checks.append(Check("compute wasted", Status.PASS, detail))
        dear = [
            f"{r['name']} ({r['C'] / self.C:.3g} times)"
            for r in table
            if r["C"] > OVER * self.C
        ]
        if dear:
            detail = f"{', '.join(dear)} costs more than the budget: its regret is against what the budget buys; ask for its own budget to weigh it there"
            checks.append(Check("actions within the budget", Status.REVIEW, detail))
        D = float(self.draws["D"].sel(action=RECOMMENDED))
        return [*checks, *check_supply(self.fit, self.limits, D)]

    def _target(self) -> list[Check]:
        """Say where a target is no loss that a run has or may have."""
        losses, seen = self.draws["loss"].to_numpy(), self.fit.runs["L"]
        low, high = min(losses.min(), seen.min()), max(losses.max(), seen.max())
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
    candidates: Sequence[Action] = (),
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
        candidates: runs; those without tokens get what the budget buys.
        limits: on what the budget may buy: knowing the law would not lift them.  Half and
            twice the size are weighed where they are allowed.
        target: loss whose probability of being missed is asked.
        level: of value at risk and expected shortfall.
        bill: where compute turns into hours and money.
        group: of a pooled fit, one of its groups or "next".
        seed: of the scatter of a group not seen; the fit's own unless given.
        planned: the fit's own plan of the budget, where it is made already.

    Raises:
        ValueError: the law has no loss, or a candidate has the name of another action.
    """
    fit = in_group(fit, group, seed=seed)
    require_loss(fit)
    asked, (fit, limits) = limits, held(fit, limits)
    cost, budget = fit.runs.cost, np.array([C])
    N, D = optima(fit, budget) if planned is None else _planned(planned, budget)
    run = choose(fit, budget, cost, limits, N)
    recommended = Action(RECOMMENDED, float(run.N[0]), float(run.D[0]))
    wrong = [
        Action(name, recommended.N * by)
        for name, by in WRONG.items()
        if not limits.params and recommended.N * by <= limits.most
    ]
    for name in (RECOMMENDED, *WRONG):
        if any(c.name == name for c in candidates):
            msg = f"candidate {name!r}: give it a name of its own, as in mine={name}"
            raise ValueError(msg)
    actions = tuple(a.at(C, cost, limits) for a in (recommended, *wrong, *candidates))
    sizes, tokens = (np.array([getattr(a, n) for a in actions]) for n in ("N", "D"))
    along = limits.sizes(tried(N[:, 0]))
    losses = law_loss(
        fit,
        np.concatenate([sizes, along]),
        np.concatenate([tokens, limits.tokens(along, C, cost)]),
    )
    least = loss_each(fit, N, D)[:, 0] if limits.free else run.least[:, 0]
    least = np.minimum(least, losses[:, len(sizes) :].min(axis=1))
    of_budget = np.minimum(least, losses[:, 0])
    gap = losses - of_budget[:, None]
    regret = np.where(gap > ROUNDING, gap, 0.0)
    spent = cost.flop(sizes, tokens)
    wasted, below, repaired = _wasted(fit, spent, losses[:, : len(sizes)], limits)
    dims, k = ("draw", "action"), len(sizes)
    data: dict[str, Any] = {
        "loss": (dims, losses[:, :k]),
        "regret": (dims, regret[:, :k]),
        "wasted": (dims, wasted),
        "below": ("action", below),
        "least": ("draw", of_budget),
        "N_star": ("draw", N[:, 0]),
        "regret_along": (("draw", "size"), regret[:, k:]),
    }
    names = [action.name for action in actions]
    coords: dict[str, Any] = {"action": names, "size": along}
    coords |= {
        n: ("action", v) for n, v in {"N": sizes, "D": tokens, "C": spent}.items()
    }
    if isinstance(fit, Average):
        coords["law"] = ("draw", fit.law_of_draw)
    draws = xr.Dataset(data, coords, {"repaired": repaired})
    return Risk(fit, C, actions, draws, len(candidates), target, level, bill, asked)


def _planned(plan: Plan, budget: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Optima of a budget as a plan has them, (draw, budget) each."""
    at = plan.draws.sel(budget=budget)
    return at["N"].to_numpy(), at["D"].to_numpy()


def _wasted(
    fit: Posterior, spent: np.ndarray, losses: np.ndarray, limits: Limits
) -> tuple[np.ndarray, np.ndarray, float]:
    """FLOP of actions beyond what their losses need at best, (draw, action).

    Also the share of draws that need less than the least budget looked at, (action,),
    and the share whose frontier rose and was repaired.
    """
    C = np.geomspace(DEEP * spent.max(), spent.max(), FRONTIER)
    line = choose(fit, C, fit.runs.cost, limits)
    each = [crossings(C, line.least, losses[:, i]) for i in range(len(spent))]
    need = np.stack(
        [np.minimum(found.C, c) for found, c in zip(each, spent, strict=True)], axis=1
    )
    return spent - need, np.array([found.below for found in each]), each[0].repaired
