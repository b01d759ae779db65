"""Where the uncertainty of a predicted loss comes from."""

from dataclasses import replace

import numpy as np

from nstar.departures.bending import is_bent
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.predictions.prediction import loss
from nstar.types import Array

SOURCES = ("parameters", "discrepancy", "law", "noise")
TAIL = 0.005  # at either end of the draws that counts as its quantile


def decompose(
    fit: Posterior, N: Array, D: Array, *, seed: int = 0
) -> dict[str, np.ndarray]:
    r"""Share each source has in the variance of a run's log loss, (point,) each.

    A measured response is a sum over one draw, $y = \log f + \delta + \epsilon$ (a loss on
    the law's own scale where that is no log): the law under its parameters, the bend
    about it, the run's noise and the scatter of its budget.  A part's share is its
    covariance with the sum over the variance of the sum, so that shares add up to one; of
    an average, `law` is the variance between its laws' means (law of total variance).
    Near the runs the bend and the parameters are negatively correlated, and a share may be
    below zero.  Each part is winsorised by half a percent at either end, since heavy-tailed
    noise may have no variance.

    Args:
        fit: a fit of a loss, or an average.
        N: parameters, (point,).
        D: tokens, (point,).
        seed: of the run noise.

    Raises:
        ValueError: the law has no loss, or N and D are not positive.
    """
    parts_by_law = [_parts(part, N, D, seed) for part in fit.parts]
    parts = {
        name: np.concatenate([parts_of_law[name] for parts_of_law in parts_by_law])
        for name in parts_by_law[0]
    }
    if len(parts_by_law) > 1:
        means = [
            np.mean(sum(parts_of_law.values()), axis=0) for parts_of_law in parts_by_law
        ]
        parts["law"] = np.repeat(
            means, [len(parts_of_law["noise"]) for parts_of_law in parts_by_law], axis=0
        )
        parts["parameters"] = parts["parameters"] - parts["law"]
    shares = _shares(parts)
    return {name: shares.get(name, np.zeros_like(shares["noise"])) for name in SOURCES}


def _parts(fit: Fit, N: Array, D: Array, seed: int) -> dict[str, np.ndarray]:
    """Parts of the response under each draw, (draw, point)."""
    link = fit.law.response.link
    losses = link(loss(fit, N, D, seed=seed).to_array().to_numpy())
    clean, measured = losses
    straight = clean
    if is_bent(fit.law):
        unbent = replace(fit, law=fit.straight)
        straight = link(loss(unbent, N, D, seed=seed)["loss"].to_numpy())
    sources = (straight, clean - straight, measured - clean)
    return dict(
        zip(
            ("parameters", "discrepancy", "noise"),
            map(_winsorise, sources),
            strict=True,
        )
    )


def _winsorise(draws: np.ndarray) -> np.ndarray:
    return np.clip(draws, *np.quantile(draws, [TAIL, 1 - TAIL], axis=0))


def _shares(parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Covariance of each part with their sum over its variance, point by point."""
    total = np.sum(list(parts.values()), axis=0)
    total = total - total.mean(axis=0)
    size = np.mean(np.square(total), axis=0)
    return {name: np.mean(part * total, axis=0) / size for name, part in parts.items()}
