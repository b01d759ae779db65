"""What to run next: candidates valued by how they improve the decision at the target."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.costs.cost_line import of_runs
from nstar.design import policies, tables
from nstar.design.candidates import Candidates, default_candidates
from nstar.design.policies import Step
from nstar.design.preposterior import (
    Target,
    Value,
    decision_target,
    joint_covariance,
)
from nstar.design.sweep import sweep_rows
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans.actions import ANY, Limits
from nstar.plans.bills import Bill
from nstar.plans.choosing import choose
from nstar.predictions.distances import (
    check_extrapolation,
    check_farther,
    check_tokens_per_parameter,
)
from nstar.predictions.prediction import loss
from nstar.verdicts import Check, Status
from nstar.wording import count, flop

CRITERIA = {  # what a run lowers, and the field of `Value` that says by how much
    "regret": "saved",
    "variance": "variance",
    "entropy": "nats",
}
STEPS = (1.0, 3.0, 10.0)  # times the largest run's FLOP
SIZES = (0.5, 1.0, 2.0)  # times the size of least expected loss
MOST = 0.3  # of the target's budget: more than that is no pilot
DRAWS_A_RUN = 20  # below which a covariance over draws is too noisy


@dataclass(frozen=True)
class NextRun:
    """A candidate run, and what it alone would be worth."""

    N: float
    D: float
    C: float  # FLOP it costs
    saved: float  # loss of the large run that it saves on average
    worth: (
        float | None
    )  # FLOP that would save as much; none where more compute saves nothing
    regret: float  # expected regret that is left on average
    expected: dict[str, float]  # interval of its loss as it would be measured

    def as_json(self) -> Document:
        """Plain data."""
        return dict(vars(self))


@dataclass(frozen=True)
class NextRuns(Answer):
    """A batch of runs in the order they were chosen, and its value to the target's decision."""

    records_key = "steps"

    fit: Posterior
    target: Target
    pilot: float  # FLOP, the pilot budget
    candidates: Candidates
    steps: tuple[Step, ...]
    by: str  # criterion: saved, variance or nats
    parallel: int  # runs, or profiles, in a round
    variance: float  # of the target run's loss, before any of them
    log_N: float  # variance of log N* at the target, before any of them
    draws: int  # that covariances come from
    seed: int
    bill: Bill | None = None  # where compute is spent

    @property
    def worth_it(self) -> int:
        """Number of steps to make before the next costs more than it is worth."""
        return policies.stopping_step(self.steps, self.target)

    def table(self, prob: float = 0.9) -> list[Document]:
        """One record a step: its runs, its cost, and what the batch is worth with it."""
        members = (
            np.concatenate([s.members for s in self.steps])
            if self.steps
            else np.empty(0, int)
        )
        runs_of_steps = self._expected(members, prob) if members.size else []
        records, previous, spent, start = [], Value(0.0, 0.0, 0.0), 0.0, 0
        for number, step in enumerate(self.steps):
            spent += step.cost
            runs = runs_of_steps[start : start + len(step.members)]
            start += len(step.members)
            gain = Value(*(b - a for a, b in zip(previous, step.value, strict=True)))
            records.append(
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
                    if self.target.log_flop_per_loss is None
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
            previous = step.value
        return records

    def _expected(self, members: np.ndarray, prob: float) -> list[Document]:
        """One record a run, with the interval of the loss that it would measure."""
        candidates = self.candidates
        runs = self.fit.runs
        x = {n: v[members] for n, v in candidates.x.items()}
        predicted = (
            loss(
                self.fit,
                candidates.N[members],
                candidates.D[members],
                x=x,
                seed=self.seed,
            )["measured"]
            if "L" in runs and self.target.best is not None
            else None
        )
        return [
            {
                "N": float(candidates.N[i]),
                "D": float(candidates.D[i]),
                "C": float(candidates.C[i]),
                "x": {n: float(v[j]) for n, v in x.items()},
                "expected": None
                if predicted is None
                else interval(predicted[:, j], prob).as_json(),
            }
            for j, i in enumerate(members)
        ]

    def as_json(self, prob: float = 0.9) -> Document:
        """All of it as plain data."""
        action = self.target.best
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
            "by": next(
                name for name, weighed in CRITERIA.items() if weighed == self.by
            ),
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
            "sweep": sweep_rows(rows),
            "bill": self.bill.describe() if self.bill else None,
            "currency": self.bill.currency if self.bill else None,
        }

    def _takes(self, step: Document, prob: float) -> Document:
        """Hours and money of a step, and of the FLOP that it is worth."""
        compute = {"takes": step["C"], "worth_takes": step["worth"]}
        return {
            name: self.bill.intervals(C, prob) if self.bill and C else None
            for name, C in compute.items()
        }

    def headline(self, prob: float = 0.9) -> str:
        """The large run, and how much of its expected regret the steps leave."""
        return tables.headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Each step given those before it, when to stop, and the sweep to paste."""
        return tables.steps(self.as_json(prob), prob)

    def checks(self) -> list[Check]:
        """Check the distance to the runs, the number of draws and the size of the pilot budget."""
        fit, target = self.fit, self.target
        members = [i for s in self.steps for i in s.members]
        checks = check_extrapolation(fit, target.C)
        if target.best is not None:
            run_at_target = target.N[target.best], target.D[target.best]
            checks += check_tokens_per_parameter(
                fit.runs, {"the large run": run_at_target}
            )
        checks += self._check_members(members) if members and "N" in fit.runs else []
        runs = len(members)
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
        if self.target.best is None:
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

    def _check_members(self, members: list[int]) -> list[Check]:
        """Warn of chosen runs that lie farther from the fitted runs than a grid would."""
        runs, candidates = self.fit.runs, self.candidates
        N, D, C = (
            v[members].tolist() for v in (candidates.N, candidates.D, candidates.C)
        )
        names = [f"{count(n)} on {count(d)} tokens" for n, d in zip(N, D, strict=True)]
        low, high = of_runs(runs["N"], runs["D"])
        pairs = zip(names, zip(N, D, strict=True), strict=True)
        outside = {
            name: run for name, run in pairs if not low <= run[1] / run[0] <= high
        }
        spent = dict(zip(names, C, strict=True))
        far = check_farther(runs, spent, self.target.C, "runs to make within reach")
        return [
            *(
                check_tokens_per_parameter(runs, outside, "runs to make among the runs")
                if outside
                else []
            ),
            *far,
        ]


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
        pilot: FLOP of the pilot runs, all together.
        candidates: runs that can be made; a grid of sizes and tokens unless given
            (`nstar.design.candidates`).
        by: "regret" (of the choice), "variance" (of its loss) or "entropy" (of log
            N*), each per FLOP to the power 0.4.  A law without a loss has the last alone.
        parallel: steps made at once before the law is fitted again.
        most: steps in all.
        limits: on the target's run.
        seed: of the outcomes of candidates.
        bill: where compute turns into hours and money.

    Returns:
        The runs in the order in which to make them, what each is worth, and when to stop.

    Raises:
        ValueError: the pilot budget buys no candidate, the criterion is unknown, or a
            budget is not positive.

    Examples:
        >>> nstar.next_runs(fit, 1e24, pilot=1e22).headline()
    """
    by = CRITERIA.get(by, by)
    if by not in Value._fields:
        msg = f"by {by!r}: expected one of {', '.join(CRITERIA)}"
        raise ValueError(msg)
    for name, amount in (("target", target), ("pilot", pilot)):
        if not (np.isfinite(amount) and amount > 0):
            msg = f"{name}: expected positive FLOP such as 1e22, got {amount}"
            raise ValueError(msg)
    affordable = (candidates or default_candidates(fit, pilot)).affordable(pilot)
    decision = decision_target(fit, target, limits)
    joint = joint_covariance(fit, affordable, decision, seed)
    by = "nats" if decision.best is None else by
    steps = policies.greedy(joint, decision, affordable, pilot, by, most)
    first, variances = decision.best, np.square(joint.targets).sum(axis=0)
    variance = 0.0 if first is None else float(variances[first])
    return NextRuns(
        fit,
        decision,
        pilot,
        affordable,
        tuple(steps),
        by,
        max(parallel, 1),
        variance,
        float(variances[-1]),
        joint.draws or 0,
        seed,
        bill,
    )


def single_runs(
    fit: Posterior,
    C: float,
    prob: float = 0.9,
    *,
    limits: Limits = ANY,
    seed: int = 0,
) -> list[NextRun]:
    """Value single runs of one to ten times the largest so far, most saved per FLOP first.

    Args:
        fit: a fit of a loss, or an average of such.
        C: the budget that is to be spent well, FLOP.
        prob: of the interval of each run's loss.
        limits: on the large run.
        seed: of the outcomes.

    Returns:
        Runs that cost at most three tenths of the budget; an empty list where none does.
    """
    cost = fit.runs.cost
    largest = float(fit.runs["C"].max())
    budgets = np.array([largest * step for step in STEPS if largest * step <= MOST * C])
    if not budgets.size:
        return []
    line = choose(fit, budgets, cost)
    pairs = [(n * by, c) for n, c in zip(line.N, budgets, strict=False) for by in SIZES]
    N, spent = (np.array(v) for v in zip(*pairs, strict=True))
    candidates = Candidates(N, cost.tokens(N, spent), spent, np.arange(len(N)))
    target = decision_target(fit, C, limits)
    values = policies.single_values(
        joint_covariance(fit, candidates, target, seed), target, candidates
    )
    predicted = loss(fit, candidates.N, candidates.D, seed=seed)["measured"]
    runs = [
        NextRun(
            float(N[i]),
            float(candidates.D[i]),
            float(spent[i]),
            v.saved,
            target.worth(v.saved),
            max(target.regret - v.saved, 0.0),
            interval(predicted[:, i], prob).as_json(),
        )
        for i, v in enumerate(values)
    ]
    return sorted(runs, key=lambda run: -run.saved / run.C)
