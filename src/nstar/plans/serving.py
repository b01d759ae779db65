r"""A model that is served: what training alone would choose, and what its lifetime does.

Training costs 6ND once, serving $2 N T$ for T tokens over the lifetime.  Among runs as good,

$$ \min_{N, D} \; 6 N D + 2 N\,E[T] \quad \text{where} \quad E[L(N, D)] = E[L_0] $$

(Sardana et al. 2024, arXiv:2401.00448, eq. 4, under a posterior.)  The cost is linear in
T, so the best run follows from the demand's mean; what is spent follows from every draw.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.answers import Answer, Document, Table
from nstar.fits.groups import in_group
from nstar.fits.mixture import Posterior
from nstar.intervals import interval
from nstar.plans import tables
from nstar.plans.actions import ANY, Limits
from nstar.plans.bills import Guess, draw_guess
from nstar.plans.choosing import choose, require_loss
from nstar.plans.limiting import apply_limits, check_supply
from nstar.predictions.distances import (
    check_extrapolation,
    check_farther,
    check_tokens_per_parameter,
)
from nstar.predictions.prediction import law_loss
from nstar.verdicts import Check, Status

PER_TOKEN = 2.0  # FLOP a parameter and served token, a forward pass without attention
SIZES = 33  # tried in each round, the next between the neighbours of the best
ROUNDS = 3
SMALLEST, LARGEST = 1 / 30, 1.5  # of the recommended size
TRIED = 40  # numbers of tokens, before bisection
FEWEST, MOST = 0.1, 1e3  # of the recommended tokens
STEPS = 30  # of the bisection


@dataclass(frozen=True)
class Served(Answer):
    """The run of least lifetime compute that is as good as training alone would buy."""

    fit: Posterior
    C: float  # FLOP of the training that sets the quality
    tokens: Float[np.ndarray, " draw"]  # served over the lifetime
    before: tuple[float, float]  # N, D that training alone recommends
    after: tuple[float, float]  # N, D for the lifetime
    loss: Float[np.ndarray, "draw 2"]  # of both
    limits: Limits = ANY  # as the user gave them

    def checks(self) -> list[Check]:
        """Check that the choice lies among the runs, and inside the search."""
        return [*check_extrapolation(self.fit, self.C), *self.check_choice()]

    def check_choice(self) -> list[Check]:
        """Check the choice alone, where the distance of the budget is checked elsewhere."""
        runs, (N, D), (N0, _) = self.fit.runs, self.after, self.before
        checks = check_tokens_per_parameter(
            runs, {"the choice": (N, D)}, "lifetime choice among the runs"
        )
        checks += check_farther(
            runs,
            {"the choice": float(runs.cost.flop(N, D))},
            self.C,
            "lifetime choice within reach of the runs",
        )
        if N < 1.01 * SMALLEST * N0:
            detail = f"a size still smaller than {N:.3g}, {SMALLEST:.2g} of the recommended, was not looked at: it may save more; check that so many tokens are served"
            checks.append(
                Check("lifetime choice inside the search", Status.REVIEW, detail)
            )
        return [*checks, *check_supply(self.fit, self.limits, D)]

    def as_json(self, prob: float = 0.9) -> Document:
        """Plain data."""
        cost = self.fit.runs.cost
        runs = {"training_alone": self.before, "lifetime": self.after}
        document: Document = {
            "budget": self.C,
            "limits": self.limits.as_json(),
            "served_tokens": interval(self.tokens, prob).as_json(),
            "expected_served_tokens": float(self.tokens.mean()),
        }
        spent = {}
        for i, (name, (N, D)) in enumerate(runs.items()):
            training = float(cost.flop(N, D))
            spent[name] = training + PER_TOKEN * N * self.tokens
            document[name] = {
                "N": N,
                "D": D,
                "epochs": self.limits.epochs(D),
                "training": training,
                "serving": interval(PER_TOKEN * N * self.tokens, prob).as_json(),
                "lifetime": interval(spent[name], prob).as_json(),
                "loss": interval(self.loss[:, i], prob).as_json(),
            }
        saved = 1 - spent["lifetime"] / spent["training_alone"]
        document["saved"] = interval(saved, prob).as_json()
        document["expected_saved"] = 1 - float(
            spent["lifetime"].mean() / spent["training_alone"].mean()
        )
        document["loss_given_up"] = interval(
            self.loss[:, 1] - self.loss[:, 0], prob
        ).as_json()
        return document

    def headline(self, prob: float = 0.9) -> str:
        """What to train for the lifetime, and what that saves."""
        return tables.serve_headline(self.as_json(prob))

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """The choice for training alone beside that for the lifetime."""
        return tables.serve(self.as_json(prob), prob)


def serve(
    fit: Posterior,
    C: float,
    tokens: Guess,
    *,
    limits: Limits = ANY,
    group: str | None = None,
    seed: int | None = None,
) -> Served:
    """Choose size and tokens for training and lifetime demand together.

    Args:
        fit: a fit of a loss, or an average of such.
        C: training FLOP whose recommended run sets the quality.
        tokens: served over the lifetime, a number or a distribution.
        limits: on both runs, that of training alone and that of the lifetime.
        group: of a pooled fit, one of its groups or "next".
        seed: of the demand's draws.

    Raises:
        ValueError: the law has no loss, or the demand is not positive and finite.
    """
    fit = in_group(fit, group, seed=seed)
    require_loss(fit)
    requested, (fit, limits) = limits, apply_limits(fit, limits)
    cost = fit.runs.cost
    run = choose(fit, np.array([C]), cost, limits)
    count, N0, D0 = len(run.loss), float(run.N[0]), float(run.D[0])
    demand = _demand(tokens, count, fit.seed if seed is None else seed)
    quality, ends = float(run.loss.mean()), (SMALLEST * N0, LARGEST * N0)
    for _ in range(ROUNDS):
        N = limits.sizes(np.geomspace(*ends, SIZES))
        D = tokens_for_loss(fit, N, D0, quality)
        D = np.where(limits.max_tokens < D, np.inf, D)
        spent = cost.flop(N, D) + PER_TOKEN * N * demand.mean()
        i = int(np.argmin(spent))
        ends = N[max(i - 1, 0)], N[min(i + 1, len(N) - 1)]
    alone = float(cost.flop(N0, D0) + PER_TOKEN * N0 * demand.mean())
    after = (float(N[i]), float(D[i])) if spent[i] < alone else (N0, D0)
    loss = law_loss(fit, np.array([N0, after[0]]), np.array([D0, after[1]]))
    return Served(fit, C, demand, (N0, D0), after, loss, requested)


def _demand(tokens: Guess, count: int, seed: int) -> np.ndarray:
    """Draws of the tokens served over the lifetime, (draw,)."""
    demand = draw_guess(tokens, np.random.default_rng(seed), count)
    if not (np.all(np.isfinite(demand)) and np.all(demand >= 0)):
        msg = "served tokens: expected a number of tokens or a distribution over such, none of them negative"
        raise ValueError(msg)
    return demand


def tokens_for_loss(
    fit: Posterior, N: np.ndarray, D0: float, quality: float
) -> np.ndarray:
    """Fewest tokens at which each size reaches an expected loss, (size,).

    Args:
        fit: a fit of a loss, or an average of such.
        N: sizes, parameters, (size,).
        D0: tokens about which to search, from a tenth to a thousand times as many.
        quality: expected loss to reach.

    Returns:
        Tokens, (size,); infinite where no number tried reaches it.
    """
    tried = D0 * np.geomspace(FEWEST, MOST, TRIED)
    sizes, tokens = (a.ravel() for a in np.meshgrid(N, tried, indexing="ij"))
    mean = law_loss(fit, sizes, tokens).mean(axis=0).reshape(len(N), TRIED)
    first = np.argmax(mean <= quality, axis=1)
    never = ~(mean <= quality).any(axis=1)
    low = np.log(tried[np.maximum(first - 1, 0)])
    high = np.log(tried[first])
    for _ in range(STEPS):
        middle = (low + high) / 2
        worse = law_loss(fit, N, np.exp(middle)).mean(axis=0) > quality
        low, high = np.where(worse, middle, low), np.where(worse, high, middle)
    return np.where(never, np.inf, np.exp(high))
