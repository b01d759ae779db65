r"""The loss surface of one recipe, in coordinates on the real line, with its derivatives.

$$ L(N, D) = \ell\,\left(s\,e^{u} + (1 - s)\,e^{v}\,Q^{k}\right), \qquad
   Q = w\,(N/N_0)^{-\alpha/k} + (1 - w)\,(D/D_0)^{-\beta/k} $$

the coupled law of `nstar.laws.coupled` at the reference run $(N_0, D_0)$: level, share of
it that is floor, share w of the rest that size removes, $\alpha_1 = \beta/(\alpha+\beta)$,
power k, and in place of $\alpha+\beta$ the slope $g = 2\,(w\alpha + (1-w)\beta)$ along the
ray of constant D/N, which a ladder on one ray determines whatever w and $\alpha_1$ are
($g = \alpha + \beta$ where either is a half).  A recipe's floor is $e^u$ times the
population's and its reducible loss $e^v$ times; its w, $\alpha_1$ and g differ likewise.
NumPy with derivatives by hand, so that a new table waits for no compiler.
"""

from typing import NamedTuple

import numpy as np

SHAPE = ("floor_share", "size_share", "alpha1", "slope", "coupling")
OFFSETS = ("floor", "reducible", "size_share", "alpha1", "slope")


class Surface(NamedTuple):
    """Log losses at level one, the parts of them that are reducible, and derivatives."""

    log_loss: np.ndarray  # (..., recipe, run)
    share: np.ndarray  # of the loss that is reducible, likewise
    slopes: np.ndarray  # of the log loss by the offsets, (..., recipe, run, 5)


class _Powers(NamedTuple):
    w: np.ndarray  # share of size
    alpha1: np.ndarray
    mix: np.ndarray  # g / (2 (alpha + beta))
    alpha: np.ndarray
    beta: np.ndarray
    k: np.ndarray


def of_runs(
    shape: np.ndarray, offsets: np.ndarray, n: np.ndarray, d: np.ndarray
) -> Surface:
    """Evaluate the surface at level one.

    Args:
        shape: of the population: three logits and two logs, (..., 5).
        offsets: of recipes from it, (..., recipe, 5).
        n: log N / N0 of each run, (..., recipe, run).
        d: log D / D0 likewise.
    """
    p = _powers(shape, offsets)
    s, u, v = expit(shape[..., :1, None]), offsets[..., 0:1], offsets[..., 1:2]
    log_size = np.log(p.w) - p.alpha / p.k * n
    log_data = np.log1p(-p.w) - p.beta / p.k * d
    log_q = np.logaddexp(log_size, log_data)
    by_size = np.exp(log_size - log_q)  # part of Q that size removes
    log_floor, log_rest = np.log(s) + u, np.log1p(-s) + v + p.k * log_q
    log_sum = np.logaddexp(log_floor, log_rest)
    share = np.exp(log_rest - log_sum)
    # derivatives of log Q^k
    by_sum = -(by_size * p.alpha * n + (1 - by_size) * p.beta * d)
    inner = p.w * (1 - p.w)
    by_w = p.k * (by_size - p.w) - by_sum * inner * (1 - 2 * p.alpha1) / p.mix
    inner = p.alpha1 * (1 - p.alpha1)
    by_alpha1 = (p.alpha + p.beta) * (by_size * n - (1 - by_size) * d)
    by_alpha1 = inner * (by_alpha1 - by_sum * (1 - 2 * p.w) / p.mix)
    slopes = [1 - share, share, share * by_w, share * by_alpha1, share * by_sum]
    return Surface(log_sum, share, np.stack(slopes, axis=-1))


def log_floors(shape: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Log of the floor at level one, (..., recipe)."""
    return np.log(expit(shape[..., :1])) + offsets[..., 0]


def optimum(
    shape: np.ndarray, offsets: np.ndarray, log_product: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log N / N0 and log D / D0 that are best for a product, where nothing bends.

    Args:
        shape: of the population, (..., 5).
        offsets: of recipes, (..., recipe, 5).
        log_product: log of N D / (N0 D0), (..., recipe, budget).
    """
    p = _powers(shape, offsets)
    odds = np.log(p.w) - np.log1p(-p.w) + np.log(p.alpha) - np.log(p.beta)
    n = p.k * odds / (p.alpha + p.beta) + p.alpha1 * log_product
    return n, log_product - n


def _powers(shape: np.ndarray, offsets: np.ndarray) -> _Powers:
    """Each (..., recipe, 1)."""

    def both(i: int) -> np.ndarray:
        return shape[..., i, None, None] + offsets[..., i + 1 : i + 2]

    w, alpha1 = expit(both(1)), expit(both(2))
    mix = w * (1 - alpha1) + (1 - w) * alpha1
    total = np.exp(both(3)) / (2 * mix)
    return _Powers(
        w,
        alpha1,
        mix,
        (1 - alpha1) * total,
        alpha1 * total,
        np.exp(shape[..., 4, None, None]),
    )


def expit(x: np.ndarray) -> np.ndarray:
    """The logistic function, short of its ends."""
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
