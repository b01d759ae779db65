r"""What a set of runs is worth before they are made: to the loss, to N*, to the choice.

At the target budget C a size $a$ must be chosen, of loss $\ell_a$.  Three things a set S of
runs does to what is known there, each also told per FLOP:

$$ \text{saved} = \min_a E[\ell_a] - E_{y_S} \min_a E[\ell_a \mid y_S], \quad
   \text{variance} = \mathrm{Var}(\ell) - \mathrm{Var}(\ell \mid y_S), \quad
   \text{nats} = \tfrac12 \log \frac{\mathrm{Var}(\log N^*)}{\mathrm{Var}(\log N^* \mid y_S)} $$

The first is the fall of the expected regret (preposterior analysis: Raiffa & Schlaifer
1961, ch. 4), the second that of the predictive variance of the chosen run's loss
(V-optimality), the third of the entropy of log N*, normal (Lindley 1956).  All three follow
from one covariance over the posterior's draws (`nstar.design.updating`): of the law's unknowns, the
discrepancy, the laws of an average.  So a run near the target is worth its bend there, a run
on which laws differ tells them apart, and a run much like one already chosen adds little:
nothing has to ask for diversity.  The mean losses after S are normal with the covariance
that S moves, and $E \min_a$ is taken over common normal numbers for all sets.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from nstar.design.candidates import Candidates
from nstar.design.updating import Belief, Joint
from nstar.fits.mixture import Posterior
from nstar.plans.actions import ANY, Limits
from nstar.plans.choosing import choose, tried
from nstar.plans.limiting import held
from nstar.predictions.allocating import optima
from nstar.predictions.prediction import law_loss, responses
from nstar.types import Surface

NORMAL = 1.349  # interquartile range of a standard normal
OUTCOMES = 1024  # common normal numbers, half of them the others' negatives
ACTIONS = 33  # of the sizes that `choosing` tries, about every other
SEED = 0  # of those numbers
TINY = 1e-12  # of a variance: what is left of it is told as no less
SLOPE = 1.05  # of the budget, between which the worth of loss in compute is read
WEIGHTS = ("saved", "variance", "nats")  # by what runs may be chosen


class Value(NamedTuple):
    """What a set of runs does."""

    saved: float  # loss of the target run, on average; zero where a law has no loss
    variance: float  # of the target run's loss, taken away
    nats: float  # of log N*, gained


@dataclass(frozen=True)
class Target:
    """What is to be decided: sizes that the budget could buy, under every draw."""

    C: float  # FLOP
    N: np.ndarray  # sizes, (action,); none where a law has no loss
    D: np.ndarray  # tokens of each
    payoff: np.ndarray  # loss, (draw, action)
    log_N: np.ndarray  # of each draw's own optimum, (draw,)
    falls: float | None  # log FLOP that would save a unit of loss; none where none does

    @cached_property
    def first(self) -> int | None:
        """The action of least expected loss."""
        if not self.payoff.shape[1]:
            return None
        return int(np.argmin(self.means))

    @cached_property
    def regret(self) -> float:
        """Expected loss given away for not knowing the law."""
        if self.first is None:
            return 0.0
        gap = self.payoff[:, self.first] - self.payoff.min(axis=1)
        return float(gap.mean())

    @cached_property
    def means(self) -> np.ndarray:
        """Expected loss of each action, (action,)."""
        return self.payoff.mean(axis=0)

    def worth(self, saved: float) -> float | None:
        """FLOP at the target that would save as much loss."""
        if self.falls is None:
            return None
        return float(np.expm1(saved * self.falls) * self.C)


def target_of(fit: Posterior, C: float, limits: Limits = ANY) -> Target:
    """Work out the choice at a budget: what each size would reach under every draw."""
    cost = fit.runs.cost
    under, limits = held(fit, limits)
    N = optima(under, np.array([C]))[0][:, 0]
    none = np.empty(0)
    if not all(isinstance(part.law, Surface) for part in fit.components):
        return Target(C, none, none, np.empty((len(N), 0)), np.log(N), None)
    mean = choose(under, np.array([C, C * SLOPE]), cost, limits).loss.mean(axis=0)
    falls = float(np.log(SLOPE) / (mean[0] - mean[1])) if mean[1] < mean[0] else None
    along = tried(N)
    sizes = limits.sizes(along[:: -(-len(along) // ACTIONS)])
    D = limits.tokens(sizes, C, cost)
    return Target(C, sizes, D, law_loss(under, sizes, D), np.log(N), falls)


def joint_of(
    fit: Posterior, candidates: Candidates, target: Target, seed: int = 0
) -> Joint:
    """Covariances of what candidates would show with the actions' losses and log N*.

    Run noise is that of each candidate as measured, taken for normal of the same
    quartiles.  Draws under which anything is not finite are left out.

    Raises:
        ValueError: the law's response is not one number a run, or it lacks an input.
    """
    law = fit.components[0].law
    if len(law.response.columns) > 1:
        msg = f"the {type(law).__name__} law reads {' and '.join(law.response.columns)} of each run; what runs are worth is told for laws of one"
        raise ValueError(msg)
    if "N" in law.inputs or isinstance(law, Surface):
        said = responses(fit, candidates.N, candidates.D, x=candidates.x, seed=seed)
    else:
        said = responses(fit, x={"C": candidates.C, **candidates.x}, seed=seed)
    expected, measured = said
    low, high = np.quantile(measured - expected, [0.25, 0.75], axis=0)
    targets = np.column_stack([target.payoff, target.log_N])
    whole = np.isfinite(expected).all(axis=1) & np.isfinite(targets).all(axis=1)
    return Joint.of_draws(
        expected[whole], targets[whole], np.square((high - low) / NORMAL)
    )


def before(joint: Joint, target: Target) -> Belief:
    """What is known before any of the candidates is made."""
    if joint.targets.shape[1] != len(target.N) + 1:
        msg = f"expected the losses of {len(target.N)} actions and log N*, got {joint.targets.shape[1]} targets"
        raise ValueError(msg)
    return Belief.before(joint)


def value(belief: Belief, target: Target) -> Value:
    """Value of all that a belief has measured."""
    first, had, left = (
        target.first,
        Belief.before(belief.joint).variance(),
        belief.variance(),
    )
    variance = 0.0 if first is None else float(had[first] - left[first])
    nats = 0.0
    if had[-1] > 0:
        nats = 0.5 * float(np.log(had[-1] / max(left[-1], TINY * had[-1])))
    return Value(saved(moved(belief, target), target), variance, nats)


def moved(belief: Belief, target: Target) -> np.ndarray:
    """Expected losses of the actions after each outcome, (outcome, action)."""
    rows = belief.targets[:, :-1]
    return target.means + normals(len(rows)) @ rows


def saved(after: np.ndarray, target: Target) -> float:
    """Loss saved by choosing after the outcomes; never more than the regret there is.

    Against the first choice under the same outcomes, so that their chance cancels.
    """
    first = target.first
    if first is None:
        return 0.0
    gain = float((after[:, first] - after.min(axis=1)).mean())
    return min(max(gain, 0.0), target.regret)


@lru_cache(maxsize=8)
def normals(count: int) -> np.ndarray:
    """Standard normals and their negatives, the same for every set, (outcome, run)."""
    half = [
        np.random.default_rng([SEED, k]).standard_normal(OUTCOMES // 2)
        for k in range(count)
    ]
    z = np.array(half).reshape(count, OUTCOMES // 2)
    return np.concatenate([z, -z], axis=1).T
