r"""What to run next: how much one more small run would improve the large one's choice.

The expected value of sample information (Raiffa & Schlaifer 1961, ch. 4) of a run whose
loss $y$ is not known yet,

$$ \mathrm{EVSI} = \min_a E[\ell_a] - E_y \min_a E[\ell_a \mid y] \ge 0 , $$

over the sizes $a$ that the budget could buy.  The run's loss under each draw is known to
the law, so $E[\ell_a \mid y]$ is the mean of draws weighted by how well they expected
$y$; no draw weighs in on the outcome it made itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.actions import ANY, Limits
from nstar.allocating import optima
from nstar.choosing import choose, tried
from nstar.fitting import Fit
from nstar.intervals import interval
from nstar.limiting import held
from nstar.mixture import Average, components
from nstar.prediction import law_loss, loss

STEPS = (1.0, 3.0, 10.0)  # times the largest run's FLOP
SIZES = (0.5, 1.0, 2.0)  # times the size of least expected loss
MOST = 0.3  # of the budget: beyond it a run is no preparation
OUTCOMES = 1000  # losses that each run might come out with
NORMAL = 1.349  # interquartile range of a standard normal
SLOPE = 1.05  # of the budget, between which the worth of loss in compute is read


@dataclass(frozen=True)
class NextRun:
    """A run one could make first, and what it would be worth."""

    N: float
    D: float
    C: float  # FLOP it costs
    saved: float  # loss of the large run that it saves on average
    worth: float | None  # FLOP that would save as much; none where more buys nothing
    regret: float  # expected regret that is left on average; before, see `next_runs`
    expected: dict[str, float]  # its own loss, as it would be measured: an interval

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


def next_runs(
    fit: Fit | Average,
    C: float,
    prob: float = 0.9,
    *,
    limits: Limits = ANY,
    seed: int = 0,
) -> list[NextRun]:
    """Weigh runs of one to ten times the largest so far, most saved per FLOP first.

    Args:
        fit: a fit of a loss, or an average of such.
        C: the budget that is to be spent well, FLOP.
        prob: of the interval of each run's own loss.
        limits: on the large run.
        seed: of the outcomes.

    Returns:
        None that would cost more than three tenths of the budget.
    """
    cost, link = fit.runs.cost, components(fit)[0].law.response.link
    largest = float(fit.runs["C"].max())
    budgets = np.array([largest * step for step in STEPS if largest * step <= MOST * C])
    if not budgets.size:
        return []
    under, limits = held(fit, limits)
    line = choose(fit, budgets, cost)
    mean = choose(under, np.array([C, C * SLOPE]), cost, limits).loss.mean(axis=0)
    falls = float(np.log(SLOPE) / (mean[0] - mean[1])) if mean[1] < mean[0] else None
    small = [(n * by, c) for n, c in zip(line.N, budgets, strict=False) for by in SIZES]
    N, spent = (np.array(v) for v in zip(*small, strict=True))
    D = cost.tokens(N, spent)
    sizes = limits.sizes(tried(optima(under, np.array([C]))[0][:, 0]))
    payoff = law_loss(under, sizes, limits.tokens(sizes, C, cost))
    before = float(payoff.mean(axis=0).min())
    known = float(payoff.min(axis=1).mean())
    said = loss(fit, N, D, seed=seed)
    clean, measured = (link(said[n].to_numpy()) for n in ("loss", "measured"))
    found = []
    for i in range(len(N)):
        saved = _saved(payoff, clean[:, i], measured[:, i])
        own = interval(said["measured"][:, i], prob).as_json()
        worth = None if falls is None else float(np.expm1(saved * falls) * C)
        found.append(NextRun(float(N[i]), float(D[i]), float(spent[i]), saved, worth, max(before - known - saved, 0.0), own))  # fmt: skip
    return sorted(found, key=lambda run: -run.saved / run.C)


def _saved(payoff: np.ndarray, clean: np.ndarray, measured: np.ndarray) -> float:
    """Expected loss that the run saves: what is best before less what is best after it.

    Both under the same outcomes, so that their chance cancels.

    Args:
        payoff: loss of the large run by size, (draw, size).
        clean: response of the small run under each draw, such as its log loss, (draw,).
        measured: likewise with its noise, taken for normal of the same quartiles.
    """
    low, high = np.quantile(measured - clean, [0.25, 0.75])
    noise = max((high - low) / NORMAL, 1e-6)
    at = np.linspace(0, len(clean) - 1, min(OUTCOMES, len(clean))).astype(int)
    came = measured[at]
    distance = (came[:, None] - clean) / noise
    distance[np.arange(len(at)), at] = np.inf  # a draw does not judge its own outcome
    nearest = np.min(np.square(distance), axis=1, keepdims=True)
    weight = np.exp(-0.5 * (np.square(distance) - nearest))
    weight /= weight.sum(axis=1, keepdims=True)
    after, first = weight @ payoff, int(np.argmin(payoff.mean(axis=0)))
    return float((after[:, first] - after.min(axis=1)).mean())
