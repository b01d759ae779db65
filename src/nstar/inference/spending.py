"""How to spend inference: which model, which strategy, how many samples or tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from nstar.answers import Document
from nstar.costs.inference import Serving
from nstar.inference.curve_strategies import CURVE_STRATEGIES
from nstar.inference.problem_sets import ProblemSet
from nstar.inference.strategies import STRATEGIES, Strategy
from nstar.intervals import interval
from nstar.verdicts import Check, Status

ALL = STRATEGIES | CURVE_STRATEGIES
USUAL: Mapping[str, Sequence[float]] = MappingProxyType({})
EQUAL = 1e-9  # of accuracy, which is no gain
type Way = tuple[str, str, float]  # model, strategy, amount


@dataclass(frozen=True)
class Option:
    """A model: how it does on the problems, and what a problem costs."""

    problems: ProblemSet
    serving: Serving


@dataclass(frozen=True)
class Spent:
    """Accuracy and FLOP per problem of every way to spend, under every draw."""

    ways: tuple[Way, ...]
    units: tuple[str, ...]  # what each way's amount counts
    accuracy: np.ndarray  # (draw, way)
    flop: np.ndarray  # a problem, (way,)

    def at(self, budget: float, prob: float = 0.9) -> list[Document]:
        """Ways within a budget of FLOP a problem, best expected accuracy first.

        One record for a model and strategy, at its best amount; `best` is the share of
        draws in which the way is the best of all that can be paid.

        Raises:
            ValueError: no way can be paid.
        """
        affordable = np.flatnonzero(self.flop <= budget * (1 + 1e-9))
        if not affordable.size:
            msg = f"no way to spend is within {budget:.3g} FLOP a problem; the cheapest takes {self.flop.min():.3g}"
            raise ValueError(msg)
        accuracy = self.accuracy[:, affordable]
        best = np.bincount(accuracy.argmax(axis=1), minlength=len(affordable)) / len(
            accuracy
        )
        records, reported = [], set()
        for i in np.argsort(-accuracy.mean(axis=0), kind="stable"):
            kind = self.ways[affordable[i]][:2]
            if kind in reported:
                continue
            reported.add(kind)
            same_kind = [
                j
                for j in range(len(affordable))
                if self.ways[affordable[j]][:2] == kind
            ]
            records.append(
                self.record(affordable[i], prob)
                | {"best": float(best[same_kind].sum())}
            )
        return records

    def reach(
        self, target: float, chance: float = 0.9, prob: float = 0.9
    ) -> Document | None:
        """Cheapest way whose accuracy reaches a target with a chance; None if none does."""
        reached = (self.accuracy >= target).mean(axis=0) >= chance
        if not reached.any():
            return None
        ways = np.flatnonzero(reached)
        return self.record(ways[np.argmin(self.flop[ways])], prob)

    def frontier(self, prob: float = 0.9) -> list[Document]:
        """Ways that none as cheap is expected to beat, cheapest first.

        `best` is the share of draws in which no way as cheap is more accurate.
        """
        mean, records, best_mean = self.accuracy.mean(axis=0), [], -np.inf
        for i in np.lexsort((-mean, self.flop)):
            if mean[i] <= best_mean + EQUAL:
                continue
            best_mean = mean[i]
            accuracy_affordable = self.accuracy[
                :, self.flop <= self.flop[i] * (1 + 1e-9)
            ]
            best = float(
                (self.accuracy[:, i] >= accuracy_affordable.max(axis=1)).mean()
            )
            records.append(self.record(i, prob) | {"best": best})
        return records

    def of(self, strategy: str) -> "Spent":
        """The ways of one strategy alone."""
        indices = [i for i, way in enumerate(self.ways) if way[1] == strategy]
        ways, units = (
            tuple(self.ways[i] for i in indices),
            tuple(self.units[i] for i in indices),
        )
        return Spent(ways, units, self.accuracy[:, indices], self.flop[indices])

    def better(self, way: Way, other_way: Way) -> float:
        """Probability that one way is more accurate than another.

        Raises:
            ValueError: a way was not tried.
        """
        accuracy_of_way, accuracy_of_other = (
            self.accuracy[:, self.way(w)] for w in (way, other_way)
        )
        return float(
            (accuracy_of_way > accuracy_of_other).mean()
            + 0.5 * (accuracy_of_way == accuracy_of_other).mean()
        )

    def way(self, way: Way) -> int:
        """Index of a way in `ways`.

        Raises:
            ValueError: it was not tried.
        """
        if way not in self.ways:
            msg = f"no way {way}; there are {', '.join(map(str, self.ways[:4]))}, ..."
            raise ValueError(msg)
        return self.ways.index(way)

    def record(self, way: int, prob: float) -> Document:
        """Describe a way by its index: the model, the strategy, its cost and accuracy."""
        model, strategy, amount = self.ways[way]
        accuracy = interval(self.accuracy[:, way], prob).as_json()
        return {
            "model": model,
            "strategy": strategy,
            "amount": amount,
            "unit": self.units[way],
            "flop": float(self.flop[way]),
            "accuracy": accuracy,
        }

    def checks(
        self,
        budget: float | None = None,
        target: float | None = None,
        chance: float = 0.9,
    ) -> list[Check]:
        """Check what no public data support, and budgets or targets beyond all ways.

        Args:
            budget: FLOP a problem that was asked for.
            target: accuracy that was asked for.
            chance: with which it is to be reached.
        """
        detail = "no public set varies model size and strategy together: how samples become an answer follows from the strategy's own assumptions (agreement of wrong answers, the verifier's scores), proven on simulated problems alone; try the one chosen on problems of yours"
        checks = [Check("strategies", Status.REVIEW, detail)]
        if budget is not None and budget > self.flop.max():
            detail = f"the dearest way that was tried takes {self.flop.max():.3g} FLOP a problem: what {budget:.3g} would buy was not tried; try more samples"
            checks.append(Check("budget beyond the ways", Status.REVIEW, detail))
        if target is not None and self.reach(target, chance) is None:
            detail = f"no way that was tried reaches {target:g} with probability {chance:g}; ask for less or for a smaller chance, or try more samples"
            checks.append(Check("target accuracy", Status.REVIEW, detail))
        return checks


def spend(
    models: Mapping[str, Option | Sequence[Option]],
    strategies: Sequence[str | Strategy] = tuple(ALL),
    amounts: Mapping[str, Sequence[float]] = USUAL,
) -> Spent:
    """Evaluate every way to spend on a problem, under every draw.

    A model is tried with every strategy that suits what is known of it; several options
    of one model are several kinds of knowledge, such as counts of samples and a curve of
    tokens.  Draws of different models are paired as they come: fits of one table share
    theirs.

    Args:
        models: by name, their problems and costs; as many draws each.
        strategies: names in `ALL`, or strategies; all unless given.
        amounts: by what they count (samples, tokens, streams, visual tokens), in place
            of those a strategy usually tries.

    Raises:
        ValueError: models have different numbers of draws, there is no such strategy, or
            none suits a model.
    """
    options = [
        (n, option)
        for n, option_or_several in models.items()
        for option in (
            [option_or_several]
            if isinstance(option_or_several, Option)
            else option_or_several
        )
    ]
    counts = {name: len(option.problems) for name, option in options}
    if len({len(option.problems) for _, option in options}) != 1:
        msg = f"expected models of as many draws each, got {counts}"
        raise ValueError(msg)
    chosen = [_strategy_named(s) if isinstance(s, str) else s for s in strategies]
    ways, units, outcomes = [], [], []
    for name, option in options:
        suitable = [s for s in chosen if s.suits(option.problems)]
        if not suitable:
            msg = f"none of the strategies {', '.join(s.name for s in chosen)} suits what is known of {name}: votes and verifiers need counts of samples, the others a fitted curve of tokens, sizes or visual tokens"
            raise ValueError(msg)
        for s in suitable:
            several = len(s.amounts) > 1
            for amount in amounts.get(s.unit, s.amounts) if several else s.amounts:
                ways.append((name, s.name, float(amount)))
                units.append(s.unit)
                outcomes.append(
                    s.answer(option.serving, option.problems, float(amount))
                )
    accuracy = np.stack([f.accuracy for f in outcomes], axis=1)
    return Spent(
        tuple(ways), tuple(units), accuracy, np.array([f.flop for f in outcomes])
    )


def _strategy_named(name: str) -> Strategy:
    if name not in ALL:
        msg = f"no strategy {name!r}; there are {', '.join(ALL)}"
        raise ValueError(msg)
    return ALL[name]
