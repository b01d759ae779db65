"""Where the next samples help most: the variance of pass@k that they would remove."""

import numpy as np
from scipy.special import betaln, gammaln

from nstar.answers import Document
from nstar.fits.fitting import Fit
from nstar.inference.repeated import populations
from nstar.responses.rate_mixtures import Parts, given_counts

DRAWS = 100  # populations under which the worth of samples is averaged
MAX_SAMPLES = 2000  # further samples of a problem, whose outcomes are enumerated


def next_samples(
    counts: Fit, k: float, more: int = 100, *, N: float | None = None, seed: int = 0
) -> list[Document]:
    r"""Rank problems by how much variance of pass@k more samples would remove.

    What a problem adds to the variance of pass@k of these problems is that of
    $g = 1 - (1 - p)^k$ given its counts; `more` samples are expected to take away
    $\mathrm{Var}_y\,E[g \mid y]$ of it, worked out exactly over their outcomes y under
    each population of the posterior and averaged.  Populations are held as they are, so
    what the samples also tell of other problems is left out (dynamic allocation, after
    Kazdan et al. 2025, arXiv:2510.05197).

    Args:
        counts: what `fit_counts` gave.
        k: samples at which pass@k is wanted.
        more: further samples of a problem.
        N: size of the model that is meant, for the repeated_by_size law.
        seed: of the pick of draws.

    Returns:
        One record for problems of the same counts, most worth first: `samples`,
        `successes`, `problems` (how many), `variance` (of each one's g), `removed` (of
        that, by `more` samples) and `share` (of all problems' variance of pass@k).

    Raises:
        ValueError: the fit is not of counts, or `more` is no whole number up to MOST.
    """
    if not (1 <= more <= MAX_SAMPLES and more == int(more)):
        msg = f"more samples: expected a whole number from 1 to {MAX_SAMPLES}, got {more:g}"
        raise ValueError(msg)
    random = np.random.default_rng(seed)
    draw_indices = random.permutation(len(next(iter(counts.draws.values()))))[:DRAWS]
    params = {name: values[draw_indices] for name, values in counts.draws.items()}
    row_populations, _, rows = populations(counts, params, N, random)
    if not rows.size:
        msg = f"no problem of a model of size {N:g} was sampled"
        raise ValueError(msg)
    counted = np.stack([counts.runs[n][rows] for n in ("samples", "successes")], axis=1)
    distinct_counts, first_row, multiplicity = np.unique(
        counted, axis=0, return_index=True, return_counts=True
    )
    worth = [
        _variance_removed(row_populations[:, i], *kind, k, int(more))
        for i, kind in zip(first_row, distinct_counts, strict=True)
    ]
    total = sum(v * c for (v, _), c in zip(worth, multiplicity, strict=True)) or 1.0
    records = [
        {
            "samples": int(n),
            "successes": int(s),
            "problems": int(c),
            "variance": v,
            "removed": r,
            "share": float(v * c / total),
        }
        for (n, s), c, (v, r) in zip(distinct_counts, multiplicity, worth, strict=True)
    ]
    return sorted(records, key=lambda record: -record["removed"])


def _variance_removed(
    populations: np.ndarray, n: float, s: float, k: float, m: int
) -> tuple[float, float]:
    """Variance of g of a problem, and how much m samples remove, mean over populations."""
    posterior = given_counts(populations, n, s)
    mean, square = _moments(posterior, k)
    log_ways = (
        gammaln(m + 1)
        - gammaln(np.arange(m + 1) + 1)
        - gammaln(m - np.arange(m + 1) + 1)
    )
    normaliser = betaln(posterior.a, posterior.b)
    chances, then = np.zeros((2, len(populations), m + 1))
    for y in range(m + 1):
        log_p = log_ways[y] + betaln(posterior.a + y, posterior.b + m - y) - normaliser
        weight = posterior.weight * np.exp(log_p)
        never = posterior.never if y == 0 else 0.0
        chances[:, y] = weight.sum(-1) + never
        solved = -np.expm1(
            betaln(posterior.a + y, posterior.b + m - y + k)
            - betaln(posterior.a + y, posterior.b + m - y)
        )
        then[:, y] = (weight * solved).sum(-1) / np.maximum(chances[:, y], 1e-300)
    explained = (chances * then**2).sum(axis=1) - (chances * then).sum(axis=1) ** 2
    return float(np.mean(square - mean**2)), float(np.mean(np.maximum(explained, 0.0)))


def _moments(mixture: Parts, k: float) -> tuple[np.ndarray, np.ndarray]:
    """E g and E g^2 of rates of a mixture, by E (1 - p)^k and E (1 - p)^2k."""
    normaliser = betaln(mixture.a, mixture.b)
    first, second = (
        np.exp(betaln(mixture.a, mixture.b + j * k) - normaliser) for j in (1, 2)
    )
    return (mixture.weight * (1 - first)).sum(-1), (
        mixture.weight * (1 - 2 * first + second)
    ).sum(-1)
