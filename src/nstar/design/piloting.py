"""What to run next: candidates weighed by what they do to the target's decision."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.answers import Answer, Table
from nstar.costs.cost_line import of_runs
from nstar.design import policies, tables
from nstar.design.candidates import Candidates, usual
from nstar.design.policies import Step
from nstar.design.preposterior import WEIGHTS, Target, Value, joint_of, target_of
from nstar.design.sweep import rows_of
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans.actions import ANY, Limits
from nstar.plans.bills import Bill
from nstar.plans.choosing import choose
from nstar.predictions.distances import among, extrapolation, farther
from nstar.predictions.prediction import loss
from nstar.verdicts import Check, Status
from nstar.wording import count, flop

BY = {"regret": "saved", "variance": "variance", "entropy": "nats"}  # what a run lowers
STEPS = (1.0, 3.0, 10.0)  # times the largest run's FLOP
SIZES = (0.5, 1.0, 2.0)  # times the size of least expected loss
MOST = 0.3  # of the budget: beyond it a run is no preparation
DRAWS_A_RUN = 20  # that a covariance over draws needs at least


@dataclass(frozen=True)
class NextRun:
    """A run one could make first, and what it alone would be worth."""

    N: float
    D: float
    C: float  # FLOP it costs
    saved: float  # loss of the large run that it saves on average
    worth: float | None  # FLOP that would save as much; none where more buys nothing
    regret: float  # expected regret that is left on average
    expected: dict[str, float]  # its own loss, as it would be measured: an interval

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


@dataclass(frozen=True)
class NextRuns(Answer):
    """A batch of runs in the order of choosing, and what the choice at the target owes it."""

    fit: Posterior
    target: Target
    pilot: float  # FLOP that were there for it
    candidates: Candidates
    steps: tuple[Step, ...]
    by: str  # what was weighed: saved, variance or nats
    parallel: int  # runs, or profiles, of a round
    variance: float  # of the target run's loss, before
    log_N: float  # variance of log N* at the target, before
    draws: int  # that covariances come from
    seed: int
    bill: Bill | None = None  # where compute is spent

    @property
    def worth_it(self) -> int:
        """How many of the steps are made before the next costs more than it is worth."""
        return policies.stop(self.steps, self.target)

    def table(self, prob: float = 0.9) -> list[dict[str, Any]]:
        """One record a step: its runs, its cost, and what the batch is worth with it."""
        at = (
            np.concatenate([s.members for s in self.steps])
            if self.steps
            else np.empty(0, int)
        )
        own = self._expected(at, prob) if at.size else []
        found, had, spent, k = [], Value(0.0, 0.0, 0.0), 0.0, 0
        for number, step in enumerate(self.steps):
            spent += step.cost
            runs = own[k : k + len(step.members)]
            k += len(step.members)
            gain = Value(*(b - a for a, b in zip(had, step.value, strict=True)))
            found.append(
                {
                    "step": number + 1,
                    "round": number // self.parallel + 1,
                    "runs": runs,
                    "C": step.cost,
                    "spent": spent,
                    "saved": gain.saved,
                    "worth": self.target.worth(gain.saved),
                    "variance": gain.variance,
                    "nats": gain.nats,
                    "worth_per_cost": None
                    if self.target.falls is None
                    else (self.target.worth(gain.saved) or 0.0) / step.cost,
                    "regret_left": max(self.target.regret - step.value.saved, 0.0),
                    "sd_left": float(
                        np.sqrt(max(self.variance - step.value.variance, 0.0))
                    ),
                    "log_N_sd_left": float(
                        np.sqrt(self.log_N) * np.exp(-step.value.nats)
                    ),
                    "worth_it": number < self.worth_it,
                }
            )
            had = step.value
        return found

    def _expected(self, at: np.ndarray, prob: float) -> list[dict[str, Any]]:
        """Each run with the interval of what it would measure."""
        c = self.candidates
        law = self.fit.runs
        x = {n: v[at] for n, v in c.x.items()}
        said = (
            loss(self.fit, c.N[at], c.D[at], x=x, seed=self.seed)["measured"]
            if "L" in law and self.target.first is not None
            else None
        )
        return [
            {
                "N": float(c.N[i]),
                "D": float(c.D[i]),
                "C": float(c.C[i]),
                "x": {n: float(v[j]) for n, v in x.items()},
                "expected": None
                if said is None
                else interval(said[:, j], prob).as_json(),
            }
            for j, i in enumerate(at)
        ]

    def as_json(self, prob: float = 0.9) -> dict[str, Any]:
        """All of it as plain data."""
        action = self.target.first
        chosen = (
            None
            if action is None
            else {"N": float(self.target.N[action]), "D": float(self.target.D[action])}
        )
        rows = [step | self._takes(step, prob) for step in self.table(prob)]
        return {
            "target": self.target.C,
            "pilot_budget": self.pilot,
            "candidates": len(self.candidates),
            "by": next(name for name, weighed in BY.items() if weighed == self.by),
            "parallel": self.parallel,
            "action": chosen,
            "before": {
                "regret": self.target.regret,
                "sd": float(np.sqrt(self.variance)),
                "log_N_sd": float(np.sqrt(self.log_N)),
            },
            "steps": rows,
            "spent": rows[-1]["spent"] if rows else 0.0,
            "stop_after": self.worth_it,
            "sweep": rows_of(rows),
            "bill": self.bill.words() if self.bill else None,
            "currency": self.bill.currency if self.bill else None,
        }

    def _takes(self, step: dict[str, Any], prob: float) -> dict[str, Any]:
        """Hours and money of a step, and of the FLOP that it is worth."""
        each = {"takes": step["C"], "worth_takes": step["worth"]}
        return {
            name: self.bill.intervals(C, prob) if self.bill and C else None
            for name, C in each.items()
        }

    def headline(self, prob: float = 0.9) -> str:
        """The large run, and how much of its expected regret the steps leave."""
        return tables.headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Each step given those before it, when to stop, and the sweep to paste."""
        return tables.steps(self.as_json(prob), prob)

    def checks(self) -> list[Check]:
        """Say how far the covariances and the answers may be relied on."""
        fit, target = self.fit, self.target
        at = [i for s in self.steps for i in s.members]
        checks = extrapolation(fit, target.C)
        if target.first is not None:
            large = target.N[target.first], target.D[target.first]
            checks += among(fit.runs, {"the large run": large})
        checks += self._to_make(at) if at and "N" in fit.runs else []
        runs = len(at)
        enough = self.draws >= DRAWS_A_RUN * max(runs, 1)
        detail = f"covariances of {runs} runs come from {self.draws} draws"
        if not enough:
            detail += f", fewer than {DRAWS_A_RUN} a run: values of the last runs are partly chance; draw more, or take a smaller pilot budget"
        checks.append(
            Check(
                "draws behind the values",
                Status.PASS if enough else Status.REVIEW,
                detail,
            )
        )
        if self.target.first is None:
            checks.append(
                Check(
                    "value of runs",
                    Status.REVIEW,
                    "the law has no loss, so runs are valued by what they tell of N* alone and nothing says when to stop; fit a law with a loss to know",
                )
            )
        elif self.pilot > MOST * self.target.C:
            checks.append(
                Check(
                    "pilot budget",
                    Status.REVIEW,
                    f"{flop(self.pilot)} FLOP of pilot runs is more than {MOST:.0%} of the {flop(self.target.C)} they prepare for: is the target the large run's budget? Spend less on what prepares it",
                )
            )
        return checks

    def _to_make(self, at: list[int]) -> list[Check]:
        """Name runs to make that lie farther from those made than a grid would go."""
        runs, there = self.fit.runs, self.candidates
        N, D, C = (v[at].tolist() for v in (there.N, there.D, there.C))
        names = [f"{count(n)} on {count(d)} tokens" for n, d in zip(N, D, strict=True)]
        low, high = of_runs(runs["N"], runs["D"])
        pairs = zip(names, zip(N, D, strict=True), strict=True)
        odd = {name: run for name, run in pairs if not low <= run[1] / run[0] <= high}
        spent = dict(zip(names, C, strict=True))
        far = farther(runs, spent, self.target.C, "runs to make within reach")
        return [*(among(runs, odd, "runs to make among the runs") if odd else []), *far]


def next_runs(
    fit: Posterior,
    target: float,
    pilot: float,
    candidates: Candidates | None = None,
    *,
    by: str = "regret",
    parallel: int = 1,
    most: int = policies.MOST,
    limits: Limits = ANY,
    seed: int = 0,
    bill: Bill | None = None,
) -> NextRuns:
    """Choose the runs that do most for the target's decision within a pilot budget.

    The statistics are in `nstar.design.preposterior` and `nstar.design.updating`, the choosing in
    `nstar.design.policies`.

    Args:
        fit: a fit of a loss or of an allocation, or an average.
        target: the budget that is to be spent well, FLOP.
        pilot: FLOP of the runs to be made first, all together.
        candidates: what can be made; a grid of sizes and tokens unless given
            (`nstar.design.candidates`).
        by: "regret" (of the choice), "variance" (of its loss) or "entropy" (of log
            N*), each per FLOP.  A law without a loss knows the last alone.
        parallel: steps made at once before the fit is made again.
        most: steps in all.
        limits: on the target's run.
        seed: of the outcomes of candidates.
        bill: where compute turns into hours and money.

    Raises:
        ValueError: the pilot budget buys nothing, or something is not as it should be.
    """
    by = BY.get(by, by)
    if by not in WEIGHTS:
        msg = f"by {by!r}: expected one of {', '.join(BY)}"
        raise ValueError(msg)
    for name, amount in (("target", target), ("pilot", pilot)):
        if not (np.isfinite(amount) and amount > 0):
            msg = f"{name}: expected positive FLOP such as 1e22, got {amount}"
            raise ValueError(msg)
    there = (candidates or usual(fit, pilot)).affordable(pilot)
    decision = target_of(fit, target, limits)
    joint = joint_of(fit, there, decision, seed)
    by = "nats" if decision.first is None else by
    steps = policies.greedy(joint, decision, there, pilot, by, most)
    first, had = decision.first, np.square(joint.targets).sum(axis=0)
    variance = 0.0 if first is None else float(had[first])
    return NextRuns(
        fit,
        decision,
        pilot,
        there,
        tuple(steps),
        by,
        max(parallel, 1),
        variance,
        float(had[-1]),
        joint.draws or 0,
        seed,
        bill,
    )


def one_more(
    fit: Posterior,
    C: float,
    prob: float = 0.9,
    *,
    limits: Limits = ANY,
    seed: int = 0,
) -> list[NextRun]:
    """Weigh single runs of one to ten times the largest so far, most saved per FLOP first.

    Args:
        fit: a fit of a loss, or an average of such.
        C: the budget that is to be spent well, FLOP.
        prob: of the interval of each run's own loss.
        limits: on the large run.
        seed: of the outcomes.

    Returns:
        None that would cost more than three tenths of the budget.
    """
    cost = fit.runs.cost
    largest = float(fit.runs["C"].max())
    budgets = np.array([largest * step for step in STEPS if largest * step <= MOST * C])
    if not budgets.size:
        return []
    line = choose(fit, budgets, cost)
    small = [(n * by, c) for n, c in zip(line.N, budgets, strict=False) for by in SIZES]
    N, spent = (np.array(v) for v in zip(*small, strict=True))
    there = Candidates(N, cost.tokens(N, spent), spent, np.arange(len(N)))
    target = target_of(fit, C, limits)
    values = policies.singles(joint_of(fit, there, target, seed), target, there)
    said = loss(fit, there.N, there.D, seed=seed)["measured"]
    found = [
        NextRun(
            float(N[i]),
            float(there.D[i]),
            float(spent[i]),
            v.saved,
            target.worth(v.saved),
            max(target.regret - v.saved, 0.0),
            interval(said[:, i], prob).as_json(),
        )
        for i, v in enumerate(values)
    ]
    return sorted(found, key=lambda run: -run.saved / run.C)
