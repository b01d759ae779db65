r"""What an action may cost, as functions of draws.

A payoff table holds the loss of every action under every draw, (draw, action); what a
draw's own optimum would reach is its `least`, (draw,).  With $\ell_{sa}$ the loss of
action a under draw s and $\ell_s^*$ the least,

$$ r_{sa} = \ell_{sa} - \min(\ell_s^*, \min_a \ell_{sa}) \ge 0 $$

is the regret, and the action of least mean regret is the one of least mean loss: not the
median of the draws' optima, since losses are not symmetrical about them.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from nstar.types import Array

LEVEL = 0.9  # of value at risk and expected shortfall


def regret(
    losses: ArrayLike, least: ArrayLike | None = None
) -> Float[np.ndarray, "draw action"]:
    """Loss given away, (draw, action), against the best under each draw; never negative.

    Args:
        losses: (draw, action).
        least: loss of what would have been best under each draw, (draw,); the best of
            the actions unless given, and where one of them is better still.
    """
    table = np.asarray(losses, dtype=float)
    best = table.min(axis=1)
    if least is not None:
        best = np.minimum(best, np.asarray(least, dtype=float))
    return table - best[:, None]


def best(losses: ArrayLike) -> int:
    """Return the action of least expected loss, which is that of least expected regret."""
    return int(np.argmin(np.mean(np.asarray(losses, dtype=float), axis=0)))


def best_probability(losses: ArrayLike) -> Float[np.ndarray, " action"]:
    """Probability that each action is the best of them, (action,); ties are shared."""
    table = np.asarray(losses, dtype=float)
    wins = table == table.min(axis=1, keepdims=True)
    return (wins / wins.sum(axis=1, keepdims=True)).mean(axis=0)


def miss_probability(losses: ArrayLike, target: float) -> Float[Array, "..."]:
    """Probability that each action's loss stays above the target, (action,)."""
    return np.mean(np.asarray(losses, dtype=float) > target, axis=0)


def value_at_risk(values: ArrayLike, level: float = LEVEL) -> Float[Array, "..."]:
    """Least value that is not exceeded with probability `level`, over the first axis.

    Of losses and costs: more is worse.  The inverse of the draws' own distribution.

    Raises:
        ValueError: the level does not lie between 0 and 1.
    """
    _require(level)
    return np.quantile(
        np.asarray(values, dtype=float), level, axis=0, method="inverted_cdf"
    )


def expected_shortfall(values: ArrayLike, level: float = LEVEL) -> Float[Array, "..."]:
    r"""Mean of the worst part 1 - `level` of the draws (CVaR), over the first axis.

    $$ \mathrm{ES} = \mathrm{VaR} + \frac{E[\max(v - \mathrm{VaR}, 0)]}{1 - p} $$

    (Rockafellar & Uryasev 2002, doi:10.1016/S0378-4266(02)00271-6, eq. 20.)

    Raises:
        ValueError: the level does not lie between 0 and 1.
    """
    draws = np.asarray(values, dtype=float)
    at_risk = value_at_risk(draws, level)
    over = np.maximum(draws - at_risk, 0.0).mean(axis=0)
    return at_risk + over / (1 - level)


def perfect_information(losses: ArrayLike, least: ArrayLike | None = None) -> float:
    """Expected loss that knowing the truth before acting would save (EVPI).

    It is the expected regret of the best action (Raiffa & Schlaifer 1961, ch. 4).
    """
    return float(regret(losses, least)[:, best(losses)].mean())


def _require(level: float) -> None:
    if not 0 < level < 1:
        msg = f"level must lie between 0 and 1, got {level}"
        raise ValueError(msg)
