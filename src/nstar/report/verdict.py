"""The verdict of a report: go, pilot first or do not, by a rule that is printed with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nstar.answers import Answer, Document, Table
from nstar.plans.bills import Bill
from nstar.verdicts import Check, Status
from nstar.wording import count, flop, listed, money, share

SHOWN = 3  # failing checks that a reason names


class Ruling(StrEnum):
    """What to do with the budget."""

    GO = "go"
    PILOT = "pilot first"
    STOP = "do not"


@dataclass(frozen=True)
class Verdict(Answer):
    """A ruling on spending the budget, and what it rests on."""

    failed: tuple[str, ...]  # names of checks that FAIL
    target: Document | None  # loss, chance asked for, chance reached
    pilots: tuple[Document, ...] | None  # worth more than they cost, the best first
    bill: Bill | None = None

    @property
    def ruling(self) -> Ruling:
        """Read off the rule."""
        if self.failed or (
            self.target and self.target["chance"] < self.target["asked"]
        ):
            return Ruling.STOP
        return Ruling.PILOT if self.pilots else Ruling.GO

    def as_json(self, prob: float = 0.9) -> Document:
        """Ruling, rule, reasons, what it rests on, and the pilot, null where none is worth it."""
        return {
            "ruling": str(self.ruling),
            "reason": self._reason(prob),
            "rule": self._rule(),
            "rests_on": self._rests_on(),
            "failed": list(self.failed),
            "target": self.target,
            "pilot": self._pilot(prob),
        }

    def checks(self) -> list[Check]:
        """None of its own: it rests on those of the report."""
        return []

    def headline(self, prob: float = 0.9) -> str:
        """The ruling and its reason."""
        ruling = str(self.ruling)
        return f"{ruling[0].upper()}{ruling[1:]}: {self._reason(prob)}"

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """The rule, and what it rests on."""
        yield f"{self._rule()} {self._rests_on()}"

    def _rule(self) -> str:
        chance = (
            f"the target's chance is below the {share(self.target['asked'])} asked for"
            if self.target
            else "a target's chance is below what was asked for"
        )
        return (
            f"The rule: do not, where a check FAILs or {chance}; else pilot first, where a smaller run "
            "is worth more than it costs; else go."
        )

    def _rests_on(self) -> str:
        """Say what the rule could not see."""
        blind = []
        if self.target is None:
            blind.append("no target was given (--target-loss), so none can be missed")
        if self.pilots is None:
            blind.append("these runs have no loss, so no pilot can be valued")
        elif self.bill is None or self.bill.price is None:
            blind.append(
                "no price was given (--hardware, --price), so worth and cost are compared in FLOP"
            )
        return f"Here {'; '.join(blind)}." if blind else ""

    def _reason(self, prob: float) -> str:
        if self.failed:
            verb = "FAILs" if len(self.failed) == 1 else "FAIL"
            return f"{listed(self.failed, SHOWN)} {verb}."
        if self.ruling is Ruling.STOP and self.target:
            reason = f"loss {self.target['loss']:g} has a chance of {share(self.target['chance'])}, and {share(self.target['asked'])} was asked for."
            return (
                f"{reason} Before asking again: {self._describe(prob)}"
                if self.pilots
                else reason
            )
        if self.pilots:
            return self._describe(prob)
        passed = "no check FAILs"
        if self.target:
            passed += f", loss {self.target['loss']:g} has a chance of {share(self.target['chance'])}"
        return f"{passed}, and {NO_PILOT if self.pilots == () else 'no pilot can be valued'}."

    def _pilot(self, prob: float) -> Document | None:
        """The best pilot, with what it and its worth cost, null without a price."""
        if not self.pilots:
            return None
        run = self.pilots[0]
        cost, worth = (
            self.bill.intervals(run[name], prob)["cost"] if self.bill else None
            for name in ("C", "worth")
        )
        return run | {"cost": cost, "worth_cost": worth}

    def _describe(self, prob: float) -> str:
        run = self._pilot(prob)
        if run is None:
            return ""
        cost, worth = (
            f"{flop(float(f'{run[name]:.2g}'))} FLOP" for name in ("C", "worth")
        )
        if self.bill and run["cost"]:
            cost += f" ({money(run['cost']['median'], self.bill.currency)})"
            worth += f" ({money(run['worth_cost']['median'], self.bill.currency)})"
        return (
            f"a run of {count(run['N'])} parameters on {count(run['D'])} tokens costs {cost} and is worth {worth}, "
            "the compute that would lower the large run's loss by as much."
        )


NO_PILOT = "no smaller run is worth its cost"


def worth_their_cost(runs: Sequence[Document]) -> list[Document]:
    """Runs whose worth exceeds their cost, by how much, most first."""
    worthy = [
        run for run in runs if run["worth"] is not None and run["worth"] > run["C"]
    ]
    return sorted(worthy, key=lambda run: run["C"] - run["worth"])


def rule(
    checks: Sequence[Check],
    target: Document | None,
    next_runs: Sequence[Document] | None,
    bill: Bill | None,
) -> Verdict:
    """Rule on spending the budget.

    Args:
        checks: of the whole report.
        target: loss, chance asked for and chance reached, where there is a target.
        next_runs: records of runs that could be made first; None where none can be valued.
        bill: where compute turns into money.
    """
    return Verdict(
        tuple(check.name for check in checks if check.status is Status.FAIL),
        target,
        None if next_runs is None else tuple(worth_their_cost(next_runs)),
        bill,
    )
