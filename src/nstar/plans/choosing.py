"""The run of least expected loss that a budget buys: one action for all draws."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior, thinned
from nstar.plans.actions import ANY, Limits
from nstar.predictions.allocating import optima
from nstar.predictions.prediction import law_loss, loss_of_draws
from nstar.predictions.refusals import suggest_command
from nstar.types import Cost, Surface
from nstar.wording import count, share

SIZES = 65  # tried along each budget
TAIL = 0.005  # of the draws' optima that lies outside the sizes tried, at either end
BEYOND = 1.3  # how far the sizes tried go beyond those optima
GUIDES = 4  # budgets of a line whose optima are searched, straight between
FEW = 400  # draws of each law that say where those optima are


class BestRuns(NamedTuple):
    """The run of least expected loss of each budget, and its loss under every draw."""

    N: Float[np.ndarray, " budget"]  # parameters of the run of least expected loss
    D: Float[np.ndarray, " budget"]  # its tokens
    loss: Float[np.ndarray, "draw budget"]  # of that run
    least: Float[np.ndarray, "draw budget"]  # loss of each draw's own best run
    least_tried: Float[np.ndarray, "draw budget"]  # least among the sizes tried


def sizes_around(N: np.ndarray) -> np.ndarray:
    """Sizes to try, (size,), that span the optima of all draws, N (draw,)."""
    low, high = np.quantile(N, [TAIL, 1 - TAIL])
    return np.geomspace(low / BEYOND, high * BEYOND, SIZES)


def choose(
    fit: Posterior,
    C: Float[np.ndarray, " budget"],
    cost: Cost,
    limits: Limits = ANY,
    N: np.ndarray | None = None,
) -> BestRuns:
    """Find the run of least expected loss of each budget.

    Nobody can train at each draw's own optimum; the loss is not symmetrical about it, so
    neither its mean nor its median is the best size.

    Args:
        fit: a fit of a loss, or an average.
        C: budgets, FLOP, (budget,), rising.
        cost: what a run costs.
        limits: on size and tokens; under a limit on tokens a run may cost less than the budget.
        N: sizes of each draw's optimum, (draw, budget), where they are known.

    Raises:
        ValueError: some draws give no loss at the sizes tried, so that none is expected.
    """
    low, high = _size_range(fit, C, cost, N)
    scarce = np.empty((len(C), 0))
    if np.isfinite(
        limits.max_tokens
    ):  # the run that spends the budget on all tokens may be larger than any optimum
        scarce = cost.params(limits.max_tokens, C)[:, None]
        high = np.maximum(high, BEYOND * scarce[:, 0])
    grids = [
        limits.sizes([*np.geomspace(a, b, SIZES), *s])
        for a, b, s in zip(low, high, scarce, strict=True)
    ]
    tokens = [limits.tokens(n, c, cost) for n, c in zip(grids, C, strict=True)]
    edges = np.cumsum([len(n) for n in grids])[:-1]
    losses = law_loss(fit, np.concatenate(grids), np.concatenate(tokens))
    pairs = list(zip(grids, np.split(losses, edges, axis=1), strict=True))
    means = [_mean_loss(n, t, c) for (n, t), c in zip(pairs, C, strict=True)]
    any_size = limits.free
    best = np.array(
        [_best_size(n, m, free=any_size) for n, m in zip(grids, means, strict=True)]
    )
    least_tried = np.stack([t.min(axis=1) for _, t in pairs], axis=1)
    least = (
        np.stack([_least_loss(t) for _, t in pairs], axis=1)
        if any_size
        else least_tried
    )
    D = np.array(
        [float(limits.tokens(n, c, cost)) for n, c in zip(best, C, strict=True)]
    )
    loss = law_loss(fit, best, D)
    return BestRuns(best, D, loss, np.minimum(least, loss), least_tried)


def oracle_loss(
    fit: Posterior, N: np.ndarray, D: np.ndarray, run: BestRuns, limits: Limits
) -> np.ndarray:
    """Loss of each draw's own best run, (draw, budget): what every regret is against.

    Args:
        fit: a fit of a loss, or an average.
        N: sizes of each draw's optimum, (draw, budget).
        D: its tokens.
        run: the run of least expected loss, which no draw's best is worse than.
        limits: on the run; under them the best is the least of the sizes tried.
    """
    best = loss_of_draws(fit, N, D) if limits.free else run.least
    return np.minimum(np.minimum(best, run.least_tried), run.loss)


def _size_range(
    fit: Posterior, C: Float[np.ndarray, " budget"], cost: Cost, N: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest size to try at each budget."""
    guides = C if N is not None else np.geomspace(C[0], C[-1], min(GUIDES, len(C)))
    if N is None:
        thinned_parts = [
            thinned(part, min(FEW, _draws(part))) for part in fit.components
        ]
        N = np.concatenate([optima(part, guides, cost)[0] for part in thinned_parts])
    low, high = np.nanquantile(np.log(N), [TAIL, 1 - TAIL], axis=0)
    ends = (np.interp(np.log(C), np.log(guides), e) for e in (low, high))
    low, high = (np.exp(e) for e in ends)
    return low / BEYOND, high * BEYOND


def require_loss(fit: Posterior) -> None:
    """Refuse a fit, or an average, with a law that does not predict losses.

    Raises:
        ValueError: a law has no loss.
    """
    for part in fit.components:
        if not isinstance(part.law, Surface):
            msg = f"the {type(part.law).__name__} law has no loss to weigh; fit a loss surface or isoFLOP profiles{suggest_command(part.law)}"
            raise ValueError(msg)


def _draws(fit: Fit) -> int:
    return fit.tree["posterior"].sizes["chain"] * fit.tree["posterior"].sizes["draw"]


def _mean_loss(
    N: Float[np.ndarray, " size"], losses: Float[np.ndarray, "draw size"], C: float
) -> Float[np.ndarray, " size"]:
    """Mean loss of each size, (size,), infinite where a draw's is."""
    undefined = np.isnan(losses).any(axis=1)
    mean = losses.mean(axis=0)
    if undefined.any() or not np.isfinite(mean).any():
        undefined_share = (
            np.mean(undefined)
            if undefined.any()
            else np.mean(~np.isfinite(losses).any(axis=1))
        )
        msg = (
            f"at {C:.3g} FLOP {share(float(undefined_share))} of draws give no finite loss at sizes from {count(N[0])} to {count(N[-1])}, "
            "so no run has an expected loss: ask for a budget nearer the runs, or take another law"
        )
        raise ValueError(msg)
    return mean


def _best_size(
    N: Float[np.ndarray, " size"], mean: Float[np.ndarray, " size"], *, free: bool
) -> float:
    """Size of least mean loss; where any size is allowed, by the parabola about it."""
    i = int(np.argmin(mean))
    if not free or i in (0, len(N) - 1):
        return float(N[i])
    x, y = np.log(N[i - 1 : i + 2]), mean[i - 1 : i + 2]
    if not np.isfinite(y).all():
        return float(N[i])
    curvature, slope, _ = np.polyfit(x - x[1], y - y[1], 2)
    shift = -slope / (2 * curvature) if curvature > 0 else 0.0
    return float(N[i] * np.exp(np.clip(shift, x[0] - x[1], x[2] - x[1])))


def _least_loss(losses: Float[np.ndarray, "draw size"]) -> Float[np.ndarray, " draw"]:
    """Least loss of each draw, (draw,), by the parabola about the least of the sizes."""
    i = np.clip(np.argmin(losses, axis=1), 1, losses.shape[1] - 2)
    rows = np.arange(len(losses))
    left, middle, right = (losses[rows, i + k] for k in (-1, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        curvature, slope = left - 2 * middle + right, (right - left) / 2
        gain = np.where(curvature > 0, slope**2 / (2 * curvature), 0.0)
    inside = np.isfinite(gain) & (
        np.abs(slope) <= np.abs(curvature)
    )  # the vertex lies between the neighbours
    return np.minimum(losses.min(axis=1), np.where(inside, middle - gain, np.inf))
