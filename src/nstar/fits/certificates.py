"""How far the draws of a fit may be trusted, and by which method they came."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from nstar.fits.diagnostics import ESS, RHAT, in_necks, sampled
from nstar.samplers import importance

K_HAT = 0.7  # Pareto shape of many weights: Vehtari et al. (2024, arXiv:1507.02646)


# third moments of whitened draws, from which a posterior bends too much for weights:
# bananas and funnels whose 5 or 95 % quantiles they put .1 sd off have more
SKEW = {sum(importance.FEW): 0.75, sum(importance.MANY): 0.9}


class Certificate(NamedTuple):
    """What says that a fit's draws are its posterior, or why they are not."""

    method: str  # importance, nuts, or none
    k_hat: float = np.nan  # of importance weights
    ess: float = np.nan  # Kish's of the weights; the least of bulk and tail of NUTS
    r_hat: float = np.nan
    divergences: int = 0
    passed: bool = False
    reason: str = ""  # where it did not pass


def failed(reason: str) -> Certificate:
    """There are no draws."""
    return Certificate("none", reason=reason)


def by_weights(log_weights: np.ndarray) -> tuple[Certificate, np.ndarray]:
    """Judge importance weights, (draw,), and smooth their tail.

    Args:
        log_weights: log of the posterior's density over the proposal's.

    Returns:
        The certificate, and smoothed weights that add up to one.
    """
    from arviz_stats.base import array_stats

    if not np.isfinite(log_weights).any():
        return Certificate("importance", reason="no draw has a density"), np.full(
            len(log_weights), 1 / len(log_weights)
        )
    least = np.min(log_weights, where=np.isfinite(log_weights), initial=np.inf) - 700
    bounded = np.maximum(log_weights, least)
    smooth, k_hat = array_stats.psislw(-bounded) if np.ptp(bounded) else (bounded, 0.0)
    weights = np.exp(smooth - smooth.max())
    weights /= weights.sum()
    ess = float(1 / np.square(weights).sum())
    most = min(K_HAT, 1 - 1 / np.log10(len(weights)))  # of so many, ibid. eq. 13
    reason = (
        f"k-hat {k_hat:.2f}"
        if not k_hat < most
        else f"{ess:.0f} effective draws"
        if ess < ESS
        else ""
    )
    return Certificate(
        "importance", float(k_hat), ess, passed=not reason, reason=reason
    ), weights


def of_lot(u: np.ndarray, log_weights: np.ndarray) -> tuple[Certificate, np.ndarray]:
    """Judge a lot of draws about the modes, (draw, unknown), by weights and by shape.

    Weights about a Student-t look good where draws missed the arms of a posterior that
    bends; what bends shows in the third moments of the draws there are.

    Returns:
        As `by_weights`.
    """
    certificate, weights = by_weights(log_weights)
    if certificate.passed and (bent := skewness(u, weights)) > SKEW[len(u)]:
        reason = f"skewness {bent:.2f} of whitened draws"
        certificate = certificate._replace(passed=False, reason=reason)
    return certificate, weights


def skewness(u: np.ndarray, weights: np.ndarray) -> float:
    """Largest third moment of whitened draws, (draw, unknown), in any direction.

    The largest singular value of E[z (z x z)], zero for a normal (Mardia 1970,
    doi:10.1093/biomet/57.3.519, sums what this takes the largest of).
    """
    off = u - weights @ u
    root = np.linalg.cholesky((off.T * weights) @ off)
    z = np.linalg.solve(root, off.T)
    pairs = (z[:, None] * z[None]).reshape(-1, z.shape[1])
    return float(np.linalg.norm((z * weights) @ pairs.T, 2))


def resampled(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws to keep, (count,): each about as often as its weight says.

    Systematic resampling (Kitagawa 1996, doi:10.1080/10618600.1996.10474692), in random
    order.
    """
    at = (rng.random() + np.arange(count)) / count
    picked = np.searchsorted(np.cumsum(weights) / weights.sum(), at)
    return rng.permutation(np.minimum(picked, len(weights) - 1))


def by_draws(
    posterior: Mapping[str, np.ndarray],
    stats: Mapping[str, Any],
    *,
    necks: bool = False,
) -> Certificate:
    """Judge chains, (chain, draw, ...) each, by R-hat, effective draws and divergences.

    Args:
        posterior: of every unknown.
        stats: of the sampler.
        necks: whether a few divergences where a bend's amplitude is near zero are let
            pass, as `nstar.validation.checks` does; the certificate counts them.
    """
    from arviz_stats.base import array_stats

    r_hat, ess, of = [], [], []
    for name, values in {**posterior, **sampled(stats)}.items():
        for one in np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0):
            of.append(name)
            r_hat.append(array_stats.rhat(one, chain_axis=0, draw_axis=1))
            for method, prob in (("bulk", None), ("tail", (0.05, 0.95))):
                ess.append(
                    array_stats.ess(
                        one, chain_axis=0, draw_axis=1, method=method, prob=prob
                    )
                )
    worst, least = float(np.max(r_hat)), float(np.min(ess))
    diverging = int(np.sum(stats["diverging"]))
    reason = (
        f"divergences: {diverging}"
        if diverging and not (necks and in_necks(posterior, stats["diverging"]))
        else f"R-hat {worst:.3f} of {of[int(np.argmax(r_hat))]}"
        if not worst <= RHAT
        else f"{least:.0f} effective draws"
        if not least >= ESS
        else ""
    )
    return Certificate("nuts", np.nan, least, worst, diverging, not reason, reason)


def table(certificates: Mapping[str, Certificate]) -> xr.Dataset:
    """Certificates by fit."""
    columns = zip(*certificates.values(), strict=True)
    data = {
        n: ("fit", np.array(c))
        for n, c in zip(Certificate._fields, columns, strict=True)
    }
    return xr.Dataset(data, {"fit": list(certificates)})
