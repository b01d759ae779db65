r"""What a set of runs is worth before they are made: to the loss, to N*, to the choice.

At the target budget C a size $a$ must be chosen, of loss $\ell_a$.  The value of a set S of
runs is measured in three ways:

$$ \text{saved} = \min_a E[\ell_a] - E_{y_S} \min_a E[\ell_a \mid y_S], \quad
   \text{variance} = \mathrm{Var}(\ell) - \mathrm{Var}(\ell \mid y_S), \quad
   \text{nats} = \tfrac12 \log \frac{\mathrm{Var}(\log N^*)}{\mathrm{Var}(\log N^* \mid y_S)} $$

The first is the fall of the expected regret (preposterior analysis: Raiffa & Schlaifer
1961, ch. 4), the second that of the predictive variance of the chosen run's loss
(V-optimality), the third of the entropy of log N*, normal (Lindley 1956).  All three follow
from one covariance over the posterior's draws (`nstar.design.updating`): of the law's unknowns, the
discrepancy, the laws of an average.  So a run near the target informs its bend there, a run
on which laws differ discriminates between them, and a run much like one already chosen adds
little, without a term for diversity.  The mean losses after S are normal with the covariance
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
from nstar.plans.choosing import choose, sizes_around
from nstar.plans.limiting import apply_limits
from nstar.predictions.allocating import optima
from nstar.predictions.prediction import law_loss, responses
from nstar.types import Surface

NORMAL = 1.349  # interquartile range of a standard normal
OUTCOMES = 1024  # common normal numbers, half of them the others' negatives
ACTIONS = 33  # of the sizes that `choosing` tries, about every other
SEED = 0  # of those numbers
TINY = 1e-12  # of a prior variance: the least that a posterior variance is taken for
SLOPE = 1.05  # of the budget, between which the worth of loss in compute is read


class Value(NamedTuple):
    """Value of a set of runs, by the three criteria that runs may be chosen by."""

    saved: float  # expected loss saved at the target; zero where a law has no loss
    variance: float  # by which that of the target run's loss falls
    nats: float  # by which the entropy of log N* falls


@dataclass(frozen=True)
class Target:
    """The decision at a budget: the sizes that it could buy, and their losses by draw."""

    C: float  # FLOP
    N: np.ndarray  # sizes, (action,); none where a law has no loss
    D: np.ndarray  # tokens of each
    payoff: np.ndarray  # loss, (draw, action)
    log_N: np.ndarray  # of each draw's own optimum, (draw,)
    log_flop_per_loss: (
        float | None
    )  # that saves a unit of loss; none where no FLOP does

    @cached_property
    def best(self) -> int | None:
        """The action of least expected loss."""
        if not self.payoff.shape[1]:
            return None
        return int(np.argmin(self.means))

    @cached_property
    def regret(self) -> float:
        """Expected loss given away because the law is uncertain."""
        if self.best is None:
            return 0.0
        gap = self.payoff[:, self.best] - self.payoff.min(axis=1)
        return float(gap.mean())

    @cached_property
    def means(self) -> np.ndarray:
        """Expected loss of each action, (action,)."""
        return self.payoff.mean(axis=0)

    def worth(self, saved: float) -> float | None:
        """FLOP at the target that would save as much loss."""
        if self.log_flop_per_loss is None:
            return None
        return float(np.expm1(saved * self.log_flop_per_loss) * self.C)


def decision_target(fit: Posterior, C: float, limits: Limits = ANY) -> Target:
    """Compute the decision at a budget: the loss of each size under every draw."""
    cost = fit.runs.cost
    limited, limits = apply_limits(fit, limits)
    N = optima(limited, np.array([C]))[0][:, 0]
    empty = np.empty(0)
    if not all(isinstance(part.law, Surface) for part in fit.components):
        return Target(C, empty, empty, np.empty((len(N), 0)), np.log(N), None)
    mean = choose(limited, np.array([C, C * SLOPE]), cost, limits).loss.mean(axis=0)
    log_flop_per_loss = (
        float(np.log(SLOPE) / (mean[0] - mean[1])) if mean[1] < mean[0] else None
    )
    tried = sizes_around(N)
    sizes = limits.sizes(tried[:: -(-len(tried) // ACTIONS)])
    D = limits.tokens(sizes, C, cost)
    return Target(
        C, sizes, D, law_loss(limited, sizes, D), np.log(N), log_flop_per_loss
    )


def joint_covariance(
    fit: Posterior, candidates: Candidates, target: Target, seed: int = 0
) -> Joint:
    """Joint covariance of the candidates' responses, the actions' losses and log N*.

    The noise of each candidate is taken for normal with the quartiles of its measured
    response.  Draws under which anything is not finite are left out.

    Raises:
        ValueError: the law's response is not one number a run, or an input is missing.
    """
    law = fit.components[0].law
    if len(law.response.columns) > 1:
        msg = f"the {type(law).__name__} law reads {' and '.join(law.response.columns)} of each run; what runs are worth is told for laws of one"
        raise ValueError(msg)
    if "N" in law.inputs or isinstance(law, Surface):
        predictions = responses(
            fit, candidates.N, candidates.D, x=candidates.x, seed=seed
        )
    else:
        predictions = responses(fit, x={"C": candidates.C, **candidates.x}, seed=seed)
    expected, measured = predictions
    low, high = np.quantile(measured - expected, [0.25, 0.75], axis=0)
    targets = np.column_stack([target.payoff, target.log_N])
    finite = np.isfinite(expected).all(axis=1) & np.isfinite(targets).all(axis=1)
    return Joint.of_draws(
        expected[finite], targets[finite], np.square((high - low) / NORMAL)
    )


def initial_belief(joint: Joint, target: Target) -> Belief:
    """Belief before any of the candidates is measured."""
    if joint.targets.shape[1] != len(target.N) + 1:
        msg = f"expected the losses of {len(target.N)} actions and log N*, got {joint.targets.shape[1]} targets"
        raise ValueError(msg)
    return Belief.initial(joint)


def value_of(belief: Belief, target: Target) -> Value:
    """Value of all the runs that a belief has measured."""
    best, prior, posterior = (
        target.best,
        Belief.initial(belief.joint).variance(),
        belief.variance(),
    )
    variance = 0.0 if best is None else float(prior[best] - posterior[best])
    nats = 0.0
    if prior[-1] > 0:
        nats = 0.5 * float(np.log(prior[-1] / max(posterior[-1], TINY * prior[-1])))
    return Value(
        expected_saving(posterior_means(belief, target), target), variance, nats
    )


def posterior_means(belief: Belief, target: Target) -> np.ndarray:
    """Expected losses of the actions after each outcome, (outcome, action)."""
    rows = belief.targets[:, :-1]
    return target.means + common_normals(len(rows)) @ rows


def expected_saving(after: np.ndarray, target: Target) -> float:
    """Expected loss saved by choosing after the outcomes; at most the expected regret.

    It is relative to the present best action under the same outcomes, so that Monte-Carlo
    error cancels.
    """
    best = target.best
    if best is None:
        return 0.0
    saving = float((after[:, best] - after.min(axis=1)).mean())
    return min(max(saving, 0.0), target.regret)


@lru_cache(maxsize=8)
def common_normals(count: int) -> np.ndarray:
    """Standard normals and their negatives, the same for every set, (outcome, run)."""
    halves = [
        np.random.default_rng([SEED, k]).standard_normal(OUTCOMES // 2)
        for k in range(count)
    ]
    z = np.array(halves).reshape(count, OUTCOMES // 2)
    return np.concatenate([z, -z], axis=1).T
