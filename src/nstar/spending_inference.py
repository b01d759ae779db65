"""How to spend inference: which model, which strategy, how many samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.inference_costs import Serving
from nstar.intervals import interval
from nstar.strategies import Problems, Strategy
from nstar.verdicts import Check, Status

SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Option:
    """A model: its problems, and what a problem costs it."""

    problems: Problems
    serving: Serving


@dataclass(frozen=True)
class Spent:
    """Accuracy and FLOP a problem of every way to spend, under every draw."""

    ways: tuple[tuple[str, str, int], ...]  # model, strategy, samples
    accuracy: np.ndarray  # (draw, way)
    flop: np.ndarray  # a problem, (way,)

    def at(self, budget: float, prob: float = 0.9) -> list[dict[str, Any]]:
        """Ways within a budget of FLOP a problem, best expected accuracy first.

        One record for a model and strategy, at its best number of samples; `best` is
        the share of draws in which the way is the best of all that can be paid.

        Raises:
            ValueError: no way can be paid.
        """
        paid = np.flatnonzero(self.flop <= budget * (1 + 1e-9))
        if not paid.size:
            msg = f"no way to spend is within {budget:.3g} FLOP a problem; the cheapest takes {self.flop.min():.3g}"
            raise ValueError(msg)
        own = self.accuracy[:, paid]
        best = np.bincount(own.argmax(axis=1), minlength=len(paid)) / len(own)
        records, told = [], set()
        for i in np.argsort(-own.mean(axis=0), kind="stable"):
            model, strategy, _samples = self.ways[paid[i]]
            if (model, strategy) in told:
                continue
            told.add((model, strategy))
            alike = [j for j in range(len(paid)) if self.ways[paid[j]][:2] == (model, strategy)]  # fmt: skip
            records.append(self._record(paid[i], prob) | {"best": float(best[alike].sum())})  # fmt: skip
        return records

    def reach(self, target: float, chance: float = 0.9) -> dict[str, Any] | None:
        """Cheapest way whose accuracy reaches a target with a chance; None if none does."""
        sure = (self.accuracy >= target).mean(axis=0) >= chance
        if not sure.any():
            return None
        ways = np.flatnonzero(sure)
        return self._record(ways[np.argmin(self.flop[ways])], 0.9)

    def better(self, one: tuple[str, str, int], other: tuple[str, str, int]) -> float:
        """Probability that one way is more accurate than another.

        Raises:
            ValueError: a way was not tried.
        """
        for way in (one, other):
            if way not in self.ways:
                msg = f"no way {way}; there are {', '.join(map(str, self.ways[:4]))}, ..."  # fmt: skip
                raise ValueError(msg)
        first, second = (self.accuracy[:, self.ways.index(w)] for w in (one, other))
        return float((first > second).mean() + 0.5 * (first == second).mean())

    def _record(self, way: int, prob: float) -> dict[str, Any]:
        model, strategy, samples = self.ways[way]
        told = interval(self.accuracy[:, way], prob).as_json()
        return {"model": model, "strategy": strategy, "samples": samples, "flop": float(self.flop[way]), "accuracy": told}  # fmt: skip

    def checks(self) -> list[Check]:
        """Say what no public data vouch for."""
        detail = "no public set varies model size and strategy together: how samples become an answer follows from the strategy's own assumptions (agreement of wrong answers, the verifier's scores), proven on simulated problems alone"
        return [Check("strategies", Status.REVIEW, detail)]


def spend(
    models: Mapping[str, Option],
    strategies: Sequence[Strategy],
    samples: Sequence[int] = SAMPLES,
    *,
    seed: int = 0,
) -> Spent:
    """Work out every way to spend samples, under every draw.

    Draws of different models are paired as they come: fits of one table share theirs.

    Args:
        models: by name, their problems and costs; as many draws each.
        strategies: as in `nstar.strategies.STRATEGIES`.
        samples: of a problem, numbers that are tried.
        seed: of votes.

    Raises:
        ValueError: models have different numbers of draws, or nothing is to be tried.
    """
    counts = {name: len(option.problems.rates) for name, option in models.items()}
    if len(set(counts.values())) != 1 or not strategies or not samples:
        msg = f"expected models of as many draws each, a strategy and numbers of samples; got {counts}, {len(strategies)} and {len(samples)}"
        raise ValueError(msg)
    ways, accuracy, flop = [], [], []
    for name, option in models.items():
        for strategy in strategies:
            for k in samples:
                ways.append((name, strategy.name, int(k)))
                accuracy.append(strategy.accuracy(option.problems, int(k), seed))
                flop.append(float(option.serving.flop(k)))
    return Spent(tuple(ways), np.stack(accuracy, axis=1), np.array(flop))
