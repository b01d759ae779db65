"""The kernel of what a mixture law leaves over, and the marginal likelihood that sizes it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, get_lapack_funcs
from scipy.special import expit

RESOLUTION = 0.003  # share below which mixtures are alike; tables are rounded to .001
FIRST = 6  # hyperparameters before the lengths
JITTER = 1e-9  # of the variance, so that equal rows can be factorised
LENGTH_PRIOR = (
    0.7,
    1.5,
)  # of log lengths, in sds of a domain's log share by root domains


def place(shares: Float[np.ndarray, "row domain"]) -> Float[np.ndarray, "row domain"]:
    """Return coordinates in which mixtures that are alike in data's worth are near."""
    return np.log(shares + RESOLUTION)


def matern(
    X: Float[np.ndarray, "row domain"],
    Z: Float[np.ndarray, "column domain"],
    lengths: Float[np.ndarray, " domain"],
) -> tuple[Float[np.ndarray, "row column"], Float[np.ndarray, "row column"]]:
    """Matern kernel of smoothness 5/2, and its derivative in a log length over d_j^2."""
    A, B = X / lengths, Z / lengths
    square = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
    q = np.sqrt(5 * np.maximum(square, 0))
    falling = np.exp(-q)
    return (1 + q + q**2 / 3) * falling, 5 / 3 * (1 + q) * falling


@dataclass(frozen=True, eq=False)
class Rows:
    """What the covariance of log losses is made of, row by row."""

    place: Float[np.ndarray, "row domain"]  # scaled
    apart: Float[np.ndarray, "row row"]  # decades between sizes
    paths: Float[np.ndarray, "row row"]  # covariance of levels and scales
    law: Float[np.ndarray, "row row"]  # covariance of the law's unknowns
    scale: Float[np.ndarray, " row"]  # of log losses at each row's size
    odd: Float[np.ndarray, " row"]  # how far above the usual its loss is, in sds
    size: Float[np.ndarray, " row"]  # log N from the middle
    extra: Float[np.ndarray, " row"]  # variance of rows that fit nothing
    residual: Float[np.ndarray, " row"]  # log loss less its prior mean
    alike: tuple[np.ndarray, np.ndarray]  # pairs of rows of one mixture, each twice

    def take(self, keep: Float[np.ndarray, " kept"]) -> "Rows":
        """Keep some rows."""
        square = np.ix_(keep, keep)
        where = np.full(len(self.odd), -1)
        where[keep] = np.arange(len(keep))
        pairs = where[np.stack(self.alike)]
        first, second = pairs[:, (pairs >= 0).all(axis=0)]
        return Rows(
            self.place[keep],
            self.apart[square],
            self.paths[square],
            self.law[square],
            *(
                v[keep]
                for v in (self.scale, self.odd, self.size, self.extra, self.residual)
            ),
            (first, second),
        )


@dataclass(frozen=True)
class Hyperparameters:
    """Logs of sizes: what the covariance is scaled by."""

    amplitude: float  # log sd of the discrepancy
    noise: float  # log sd of a measurement at a usual mixture
    growth: float  # of the log of that sd, by oddness
    by_size: float  # and by log N
    change: float  # log of 1 - correlation over a decade of size
    lasting: float  # logit of the share of that variance which is the mixture's own
    lengths: Float[np.ndarray, " domain"]  # logs

    def vector(self) -> Float[np.ndarray, " number"]:
        """All numbers in a row."""
        first = [self.amplitude, self.noise, self.growth, self.by_size]
        return np.concatenate([first, [self.change, self.lasting], self.lengths])

    @classmethod
    def of(cls, v: Float[np.ndarray, " number"]) -> "Hyperparameters":
        """Read them from a row."""
        return cls(*(float(value) for value in v[:FIRST]), v[FIRST:])

    @property
    def decay(self) -> float:
        """Minus the log of the correlation over a decade of size."""
        return float(-np.log1p(-np.exp(min(self.change, -1e-3))))

    @property
    def own(self) -> float:
        """Share of the scatter that a mixture has at every size; rounded shares hide it."""
        return float(expit(self.lasting))

    def scatter(
        self, odd: Float[np.ndarray, " row"], size: Float[np.ndarray, " row"]
    ) -> Float[np.ndarray, " row"]:
        """Sd of measurements about what is smooth in the shares."""
        return np.exp(self.noise + self.growth * odd + self.by_size * size)


def usual(spread: float, domains: int) -> tuple[np.ndarray, np.ndarray]:
    """Prior means and sds of hyperparameters, for log losses that spread so much."""
    mean, sd = LENGTH_PRIOR
    first = [np.log(0.3 * spread), np.log(0.07 * spread), 0.0, 0.0, np.log(0.015), 0.7]
    return (
        np.concatenate([first, np.full(domains, mean)]),
        np.concatenate([[1.0, 1.0, 0.5, 0.1, 1.2, 1.5], np.full(domains, sd)]),
    )


def covariance(rows: Rows, h: Hyperparameters) -> Float[np.ndarray, "row row"]:
    """Covariance of measured log losses."""
    k, _ = matern(rows.place, rows.place, np.exp(h.lengths))
    scales = rows.scale[:, None] * rows.scale
    alike = np.exp(-h.decay * rows.apart)
    K = rows.paths + alike * scales * (rows.law + np.exp(2 * h.amplitude) * k)
    scatter = h.scatter(rows.odd, rows.size)
    K[np.diag_indices_from(K)] += scatter**2 + rows.extra + JITTER
    K[rows.alike] += (
        h.own * scatter[rows.alike[0]] * scatter[rows.alike[1]] * alike[rows.alike]
    )
    return K


def invert(root: Float[np.ndarray, "row row"]) -> Float[np.ndarray, "row row"]:
    """Invert a matrix from the lower triangle of its Cholesky factor."""
    (potri,) = get_lapack_funcs(("potri",), (root,))
    lower, _ = potri(root, lower=True)
    inverse = np.tril(lower)
    inverse += np.tril(lower, -1).T
    return inverse


def negative_log_posterior(
    v: Float[np.ndarray, " number"],
    rows: Rows,
    mean: Float[np.ndarray, " number"],
    sd: Float[np.ndarray, " number"],
) -> tuple[float, Float[np.ndarray, " number"]]:
    """Minus log of marginal likelihood and prior, and its gradient."""
    h = Hyperparameters.of(v)
    k, bend = matern(rows.place, rows.place, np.exp(h.lengths))
    a = np.exp(2 * h.amplitude)
    alike = np.exp(-h.decay * rows.apart)
    weight = rows.scale[:, None] * rows.scale * alike
    scatter = h.scatter(rows.odd, rows.size)
    i, j = rows.alike
    lasting = h.own * scatter[i] * scatter[j] * alike[i, j]
    signal = weight * (rows.law + a * k)
    K = rows.paths + signal
    K[np.diag_indices_from(K)] += scatter**2 + rows.extra + JITTER
    K[i, j] += lasting
    factor = cho_factor(K, lower=True, overwrite_a=True, check_finite=False)
    inverse = invert(factor[0])
    weights = inverse @ rows.residual
    value = rows.residual @ weights / 2 + np.log(np.diag(factor[0])).sum()
    G = (inverse - np.outer(weights, weights)) / 2
    by_scatter = 2 * np.diag(G) * scatter**2
    by_lasting = G[i, j] * lasting
    by_row = by_scatter + 2 * np.bincount(i, by_lasting, len(scatter))
    by_apart = np.sum(G * rows.apart * signal) + by_lasting @ rows.apart[i, j]
    correlation = -np.expm1(h.change)  # over a decade
    M = a * G * weight * bend
    Z = rows.place / np.exp(h.lengths)
    gradient = np.concatenate(
        [
            [
                2 * a * np.sum(G * weight * k),
                by_row.sum(),
                by_row @ rows.odd,
                by_row @ rows.size,
                -np.exp(h.change) / correlation * by_apart,
                (1 - h.own) * by_lasting.sum(),
            ],
            2 * (Z**2 * M.sum(axis=1)[:, None]).sum(axis=0)
            - 2 * (Z * (M @ Z)).sum(axis=0),
        ]
    )
    off = (v - mean) / sd
    return float(value + off @ off / 2), gradient + off / sd
