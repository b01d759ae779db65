r"""Unknowns of many tasks, each task's its own, about a population that they share.

$$ \psi_{tk} \sim \mathrm{Normal}(\mu_k, \tau_k), \qquad
   \mu_k \sim \mathrm{Normal}(c_k, w_k), \qquad
   \log \tau_k \sim \mathrm{Normal}(\log s_k, 1/2) $$

Two stages (Lunn et al. 2013, doi:10.1002/sim.5631): each task's unknowns are drawn by
importance sampling, a Student-t moved by its own weighted draws, as if the population were
known to be wide; then Gibbs picks among these draws and moves the population.  What the
population has become is the wide one of the next round, so that picks are many.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from nstar.fits import certificates
from nstar.fits.certificates import Certificate

type LogLikelihood = Callable[[np.ndarray], np.ndarray]  # (point, unknown) to (point,)

LOTS = (
    300,
    300,
    500,
    500,
    500,
    900,
)  # draws of a task, each lot about the weighted ones before
WIDENED = 1.15  # than the weighted draws, whose tails the proposal is to cover
OLD = 2  # draws' worth of the old width for each unknown
FREEDOM = 6.0  # degrees of freedom of the proposal
SWEEPS = (150, 250, 1000)  # of Gibbs, of each round
BURNT = 0.2  # share of the sweeps that are left out
WIDER = 1.3  # than the population: what the next round's draws are drawn under
SPREAD_SD = 0.5  # of the log of a population's spread
SPREADS = np.exp(np.linspace(-2.0, 2.0, 41))  # of the stated spread, that are tried
STEP = 0.05  # between points whose difference is a slope, in prior sds
FARTHEST = 6.0  # prior sds beyond which no density is worked out
IMPOSSIBLE = -1e10  # its log there


class Unknown(NamedTuple):
    """A number that each task has, and what is known before the runs."""

    centre: float
    width: (
        float  # sd of the population's centre, or of each task's where none is shared
    )
    spread: float = (
        0.0  # median sd of tasks about their population; zero: none is shared
    )


class Pooled(NamedTuple):
    """Draws of all tasks' unknowns together, each as likely as the next."""

    draws: Float[np.ndarray, "draw task unknown"]
    certificates: list[Certificate]  # of each task's draws


@threadpool_limits.wrap(limits=1, user_api="blas")  # small matrices
def sample(
    likelihoods: Sequence[LogLikelihood], unknowns: Sequence[Unknown], seed: int = 0
) -> Pooled:
    """Draw every task's unknowns and their population; the same seed gives the same draws."""
    random = np.random.default_rng([seed, len(likelihoods)])
    centre, width, spread = np.array(unknowns).T
    mean, sd = centre, np.sqrt(width**2 + spread**2)
    draws, verdicts = np.empty(0), []
    for sweeps in SWEEPS:
        lots = [_draw_task(each, mean, sd, random) for each in likelihoods]
        verdicts = [lot[2] for lot in lots]
        psi, weights = (np.stack([lot[i] for lot in lots]) for i in (0, 1))
        with np.errstate(divide="ignore"):
            log_base = np.log(weights) + _half_square(psi, mean, sd)
        draws, mu, tau = _gibbs(psi, log_base, unknowns, sweeps, random)
        pooled = spread > 0
        mean = np.where(pooled, mu.mean(axis=0), centre)
        between = np.sqrt(np.square(tau).mean(axis=0) + mu.var(axis=0))
        sd = np.where(pooled, WIDER * between, width)
    return Pooled(draws, verdicts)


def _half_square(psi: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    return 0.5 * np.square((psi - mean) / sd).sum(axis=-1)


def _draw_task(
    log_likelihood: LogLikelihood,
    mean: np.ndarray,
    sd: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, Certificate]:
    """Draws of one task's unknowns under a normal prior, their weights, a certificate."""
    size = len(mean)

    def log_density(z: np.ndarray) -> np.ndarray:
        inside = np.clip(z, -FARTHEST, FARTHEST)
        value = log_likelihood(mean + sd * inside) - 0.5 * np.square(z).sum(axis=-1)
        value = np.where(np.all(z == inside, axis=-1), value, -np.inf)
        return np.nan_to_num(value, nan=IMPOSSIBLE, neginf=IMPOSSIBLE)

    at = _mode(log_density, size)
    proposals, drawn, densities = [(at, _width(log_density, at))], [], []
    for count in LOTS:
        at, root = proposals[-1]
        shocks = random.standard_normal((count, size))
        shocks *= np.sqrt(FREEDOM / random.chisquare(FREEDOM, (count, 1)))
        drawn.append(at + shocks @ root.T)
        densities.append(log_density(drawn[-1]))
        z = np.concatenate(drawn)
        log_q = _log_mixture(z, proposals)
        certificate, weights = certificates.by_weights(
            np.concatenate(densities) - log_q
        )
        proposals.append(_moved(at, root, z, weights))
    return mean + sd * z, weights, certificate


def _log_mixture(
    z: np.ndarray, proposals: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Log density of draws from several Student-t, as many of each as its lot has."""
    parts = []
    for (at, root), count in zip(proposals, LOTS, strict=False):
        shocks = np.linalg.solve(root, (z - at).T)
        power = (FREEDOM + len(at)) / 2
        log_q = -power * np.log1p(np.square(shocks).sum(axis=0) / FREEDOM)
        parts.append(log_q - np.linalg.slogdet(root)[1] + np.log(count))
    return logsumexp(parts, axis=0)


def _moved(
    at: np.ndarray, root: np.ndarray, z: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centre and width of weighted draws, the fewer count the nearer to the old."""
    shocks = np.linalg.solve(root, (z - at).T).T
    effective, old = 1 / np.square(weights).sum(), float(OLD * len(at))
    centre = weights @ shocks
    about = shocks - centre
    covariance = effective * (about.T * weights) @ about + old * np.eye(len(at))
    further = root @ centre * effective / (effective + old)
    root = WIDENED * root @ np.linalg.cholesky(covariance / (effective + old))
    return at + further, root


def _mode(log_density: LogLikelihood, size: int) -> np.ndarray:
    steps = STEP * np.concatenate([np.zeros((1, size)), np.eye(size), -np.eye(size)])

    def slope(z: np.ndarray) -> tuple[float, np.ndarray]:
        value = -log_density(z + steps)
        up, down = np.split(value[1:], 2)
        return float(value[0]), (up - down) / (2 * STEP)

    bounds, options = [(-FARTHEST, FARTHEST)] * size, {"maxiter": 60, "ftol": 1e-6}
    return minimize(
        slope,
        np.zeros(size),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options=options,
    ).x


def _width(log_density: LogLikelihood, at: np.ndarray) -> np.ndarray:
    """Inverse square root of the curvature at the mode, no wider than the prior."""
    size, step = len(at), 2 * STEP
    axes = step * np.eye(size)
    i, j = np.triu_indices(size, 1)
    one_way = np.concatenate([axes, axes[i] + axes[j]])
    points = np.concatenate([np.zeros((1, size)), one_way, -one_way])
    value = -log_density(at + points)
    around = np.sum(np.split(value[1:], 2), axis=0) - 2 * value[0]
    hessian = np.diag(around[:size])
    hessian[i, j] = hessian[j, i] = (around[size:] - around[i] - around[j]) / 2
    curvature, axes = np.linalg.eigh(hessian / step**2)
    return axes * np.maximum(curvature, 0.7) ** -0.5


def _gibbs(
    psi: np.ndarray,
    log_base: np.ndarray,
    unknowns: Sequence[Unknown],
    sweeps: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pick every task's draw given the population, then the population given the picks.

    Args:
        psi: draws of every task, (task, draw, unknown).
        log_base: log of their weights over their prior's density, (task, draw).
        unknowns: their priors.
        sweeps: how often.
        random: source of randomness.

    Returns:
        Picks, (sweep, task, unknown); centres and spreads of the population, (sweep, unknown).
    """
    centre, width, spread = np.array(unknowns).T
    pooled, tasks = spread > 0, np.arange(len(psi))
    mu, tau = centre.copy(), np.where(pooled, spread, width)
    tried = np.where(pooled, spread, 1.0) * SPREADS[:, None]
    log_prior = -0.5 * np.square(np.log(SPREADS) / SPREAD_SD)[:, None]
    picked = np.empty((sweeps, len(psi), len(unknowns)))
    mus, taus = np.empty((2, sweeps, len(unknowns)))
    for sweep in range(sweeps):
        log_weight = log_base - _half_square(psi, mu, tau)
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        total = np.cumsum(weight, axis=1)
        at = (total < random.random((len(psi), 1)) * total[:, -1:]).sum(axis=1)
        picks = psi[tasks, at]
        precision = width**-2 + len(psi) / tau**2
        mean = (centre / width**2 + picks.sum(axis=0) / tau**2) / precision
        drawn = mean + random.standard_normal(len(mu)) / np.sqrt(precision)
        mu = np.where(pooled, drawn, centre)
        square = np.square(picks - mu).sum(axis=0)
        log_p = log_prior - len(psi) * np.log(tried) - 0.5 * square / tried**2
        gumbel = random.gumbel(size=log_p.shape)
        spreads = tried[np.argmax(log_p + gumbel, axis=0), np.arange(len(mu))]
        tau = np.where(pooled, spreads, width)
        picked[sweep], mus[sweep], taus[sweep] = picks, mu, tau
    burnt = int(BURNT * sweeps)
    return picked[burnt:], mus[burnt:], taus[burnt:]
