"""The chance that a run diverges, which rises with its learning rate over the best one."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, log_expit

from nstar.runs.alike import number_alike
from nstar.runs.observations import Observations

RATIO = 1.25  # of a loss to the least of its N and D, from which a run has diverged
# of the log odds at the best rate: one run in 400, give or take a factor of 4.5; and of
# what an e-fold above it adds: even odds at eleven times the best rate, or at 5 to 27
LOG_ODDS, RISE = (-6.0, 1.5), (np.log(2.5), 0.5)
ODDS_GRID = np.linspace(-11.0, 2.0, 53)
RISE_GRID = np.exp(np.linspace(RISE[0] - 3 * RISE[1], RISE[0] + 3 * RISE[1], 31))
BIN, REACH = 0.1, 8.0  # of log rates over the best ones, which are counted
DRAWS = 300  # of the law's


class Divergence(NamedTuple):
    r"""Draws of what a Bernoulli outcome says of every run: it diverges or it does not.

    $$ \Pr(\text{diverged}) = \frac{1}{1 + e^{-(a + s u)}}, \quad u = \log lr - \log lr^*(N, D) $$
    """

    log_odds: Float[np.ndarray, " draw"]  # a, at the best rate
    rise: Float[np.ndarray, " draw"]  # s, an e-fold above it
    diverged: int  # runs that did
    stable: int  # and that did not

    def chance(self, u: Float[np.ndarray, "draw ..."]) -> Float[np.ndarray, "..."]:
        """Mean probability at log rates over the best ones, by draws of these."""
        picked = u[np.linspace(0, len(u) - 1, len(self.rise)).astype(int)]
        shape = (-1, *[1] * (picked.ndim - 1))
        a, s = self.log_odds.reshape(shape), self.rise.reshape(shape)
        return expit(a + s * picked).mean(axis=0)


def find_diverged(runs: Observations) -> Bool[np.ndarray, " run"]:
    """Mark runs of a sweep whose loss is far above the least of their N and D, (run,)."""
    design = number_alike([runs["N"], runs["D"]])
    least = np.full(design.max() + 1, np.inf)
    np.fmin.at(least, design, runs["L"])
    return runs["L"] > RATIO * least[design]


def learn(
    stable: Float[np.ndarray, "draw run"],
    diverged: Float[np.ndarray, "draw other"],
    seed: int,
) -> Divergence:
    """Learn the chance from runs that diverged and runs that did not, for each draw of the law.

    Args:
        stable: log rates over the best ones, by draws of the law.
        diverged: likewise of those that diverged.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    at = np.linspace(0, len(stable) - 1, min(DRAWS, len(stable))).astype(int)
    middle = np.arange(-REACH, REACH + BIN / 2, BIN)
    log_p = log_expit(ODDS_GRID[:, None, None] + RISE_GRID[:, None] * middle)
    log_not = log_expit(-ODDS_GRID[:, None, None] - RISE_GRID[:, None] * middle)
    fine, lost = (_counted(u[at], len(middle)) for u in (stable, diverged))
    log_density = np.tensordot(lost, log_p, ([1], [2]))
    log_density += np.tensordot(fine, log_not, ([1], [2]))
    log_density -= 0.5 * np.square((ODDS_GRID[:, None] - LOG_ODDS[0]) / LOG_ODDS[1])
    log_density -= 0.5 * np.square((np.log(RISE_GRID) - RISE[0]) / RISE[1])
    flat = log_density.reshape(len(at), -1)
    density = np.exp(flat - flat.max(axis=1, keepdims=True))
    share = np.cumsum(density, axis=1) / density.sum(axis=1, keepdims=True)
    picked = (share < random.random((len(at), 1))).sum(axis=1)
    i, j = np.unravel_index(picked, (len(ODDS_GRID), len(RISE_GRID)))
    return Divergence(ODDS_GRID[i], RISE_GRID[j], diverged.shape[1], stable.shape[1])


def _counted(u: np.ndarray, bins: int) -> np.ndarray:
    """Count log rates by bin, (draw, bin)."""
    counts = np.zeros((len(u), bins))
    number = np.clip(np.rint((u + REACH) / BIN).astype(int), 0, bins - 1)
    np.add.at(counts, (np.arange(len(u))[:, None], number), 1.0)
    return counts
