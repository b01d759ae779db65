"""Strategies to answer a problem: their accuracy and their cost, by draw.

A strategy maps a model, a problem set and an amount, of samples, tokens or streams, to a
distribution over accuracy and to the FLOP of a problem.  Those of this file spend samples
on problems with known success rates; `nstar.inference.curve_strategies` has the others.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import ndtr

from nstar.costs.inference import Serving
from nstar.inference.problem_sets import Problems, ProblemSet

NODES, RATES = 401, 400  # of the best score's quadrature, and rates that it is done at
GRID = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, RATES)])
ONCE = (1.0,)
SAMPLES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Outcome(NamedTuple):
    """Accuracy and cost of a strategy on a problem set."""

    accuracy: np.ndarray  # share of the problems answered rightly, (draw,)
    flop: float  # a problem


class Strategy(Protocol):
    """A way to answer a problem with a model."""

    @property
    def name(self) -> str:
        """Name of the strategy, as in records."""
        ...

    @property
    def unit(self) -> str:
        """What an amount counts: samples, tokens, streams."""
        ...

    @property
    def amounts(self) -> tuple[float, ...]:
        """Amounts usually tried."""
        ...

    def suits(self, problems: ProblemSet) -> bool:
        """Whether the strategy applies to this kind of problem set."""
        ...

    def answer(self, model: Serving, problems: ProblemSet, amount: float) -> Outcome:
        """Answer every problem with this amount."""
        ...


class OfSamples(Protocol):
    """A way to make one answer of several samples."""

    @property
    def name(self) -> str:
        """Name of the strategy, as in records."""
        ...

    def accuracy(self, problems: Problems, samples: int) -> np.ndarray:
        """Share of the problems answered rightly, (draw,)."""
        ...


@dataclass(frozen=True)
class Sampling:
    """Draw samples and make one answer of them: each costs its tokens, the prompt once."""

    how: OfSamples
    amounts: tuple[float, ...] = SAMPLES
    unit: str = "samples"

    @property
    def name(self) -> str:
        """Name of the way to make one answer."""
        return self.how.name

    def suits(self, problems: ProblemSet) -> bool:
        """Whether the problems are known by their success rates."""
        return isinstance(problems, Problems)

    def answer(self, model: Serving, problems: ProblemSet, amount: float) -> Outcome:
        """Draw so many samples of every problem."""
        assert isinstance(problems, Problems)  # noqa: S101  as `suits` says
        accuracy = self.how.accuracy(problems, int(amount))
        return Outcome(accuracy, float(model.flop(amount)))


@dataclass(frozen=True)
class Single:
    """One sample is the answer, however many there are."""

    name: str = "one sample"

    def accuracy(self, problems: Problems, samples: int) -> np.ndarray:
        """Return the mean rate."""
        return problems.rates.mean(axis=1)


@dataclass(frozen=True)
class Greedy:
    """The most probable answer: right where it is more likely than its rival.

    What majority voting tends to; greedy decoding, token by token, comes near it.
    """

    name: str = "greedy"

    def accuracy(self, problems: Problems, samples: int) -> np.ndarray:
        """Return the share of problems whose right answer is the mode."""
        p = problems.rates
        return (p > (1 - p) * problems.rival).mean(axis=1)


@dataclass(frozen=True)
class Oracle:
    """A verifier that is never wrong, as unit tests may be: pass@k."""

    name: str = "perfect verifier"

    def accuracy(self, problems: Problems, samples: int) -> np.ndarray:
        """Return the share of problems that one sample or more solves."""
        with np.errstate(divide="ignore"):
            return -np.expm1(samples * np.log1p(-problems.rates)).mean(axis=1)


@dataclass(frozen=True)
class Vote:
    """The answer of most samples; `weight` is what a right one counts, a wrong one 1.

    Problems whose wrong answers agree more than the right one get worse with votes, so
    accuracy saturates (Wu et al. 2024, arXiv:2408.00724) and, of easy and hard problems
    mixed, need not rise (Chen et al. 2024, arXiv:2403.02419).  A weight above one is
    that of a verifier which tells somewhat.
    """

    weight: float = 1.0

    @property
    def name(self) -> str:
        """Majority, or weighted."""
        return "majority vote" if self.weight == 1 else f"vote weighted {self.weight:g}"

    def accuracy(self, problems: Problems, samples: int) -> np.ndarray:
        """Sum over the right samples: ahead of the rival's, ties broken by a coin."""
        from scipy.stats import binom  # half a second nobody else pays

        right = np.arange(samples + 1)
        votes = self.weight * right
        ahead = binom.cdf(np.ceil(votes) - 1, samples - right, problems.rival)
        tied = binom.pmf(votes, samples - right, problems.rival) * (right > 0)
        wins = np.where(right == 0, 0.0, ahead + 0.5 * tied)
        p = np.union1d(GRID, np.linspace(0.0, 1.0, 2 * RATES + 1))
        curve = binom.pmf(right, samples, p[:, None]) @ wins
        return np.interp(problems.rates, p, curve).mean(axis=1)


@dataclass(frozen=True)
class BestOfN:
    r"""The sample that an imperfect verifier scores highest.

    Scores of wrong samples are Normal(0, s), of right ones Normal(d, 1), so that the best
    of n is right with probability
    $\int n\,p\,\varphi(x - d)\,[p\,\Phi(x - d) + (1 - p)\,\Phi(x / s)]^{n - 1} dx$.
    With s = 1 accuracy rises; with wrong scores of a wider spread, as of answers
    that exploit the verifier, it falls again beyond some n (Stroebl et al. 2024,
    arXiv:2411.17501; Gao et al. 2022, arXiv:2210.10760).
    """

    separation: float = 1.5  # d, in spreads of right samples' scores
    spread: float = 1.0  # s, of wrong samples' scores

    @property
    def name(self) -> str:
        """Best of n, with what the verifier is worth."""
        return f"best of n (d = {self.separation:g}, s = {self.spread:g})"

    def accuracy(self, problems: Problems, samples: int) -> np.ndarray:
        """Integrate over the best score on a grid of rates, then look each one up."""
        p = GRID
        wide = max(1.0, self.spread)
        x = np.linspace(-9 * wide, self.separation + 9 * wide, NODES)
        right = p[:, None] * ndtr(x - self.separation)
        any_below = right + (1 - p[:, None]) * ndtr(x / self.spread)
        step = np.diff(any_below)
        share = np.divide(np.diff(right), step, out=np.zeros_like(step), where=step > 0)
        curve = (share * np.diff(any_below**samples)).sum(axis=1)
        return np.interp(problems.rates, p, curve).mean(axis=1)


STRATEGIES: dict[str, Strategy] = {
    "single": Sampling(Single(), ONCE),
    "greedy": Sampling(Greedy(), ONCE),
    "majority": Sampling(Vote()),
    "weighted": Sampling(Vote(2.0)),
    "best_of_n": Sampling(BestOfN()),
    "oracle": Sampling(Oracle()),
}
