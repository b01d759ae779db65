"""The two quick trials that extrapolation has to beat: mode, curvature, importance.

`plain` is Hoffmann's surface with Student-t noise; `discrepancy` adds an isotropic
Matern-3/2 process over (log N, log D), marginalised exactly, with normal noise.  Both
centre their priors on the mean loss of the runs, a shortcut nstar does not take: a prior
that looks at the answers cannot be calibrated by simulation.

The posterior is drawn by importance sampling from the best of several mode searches: a
Student-t of 5 degrees of freedom with the curvature there, then rounds whose moments
match the weighted draws so far (weights tempered where few draws hold them), all draws
weighted against the mixture of all rounds (Cornuet et al. 2012, arXiv:0907.1254).
"""

import sys
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy import stats
from scipy.optimize import minimize
from scipy.special import logsumexp

from nstar.runs.observations import Observations
from nstar.types import Array

STARTS = 4  # prior draws from which the mode is sought, besides the prior's centre
PROPOSALS = 500  # a round
ROUNDS = 20  # at most
ENOUGH = 2000  # effective draws, and no further round is needed
DRAWS = 2000  # kept, with replacement
DF = 5.0  # of the proposal
JITTER = 1e-10  # on the diagonal of a covariance, in log loss squared

type Trial = tuple[np.ndarray, np.ndarray, Callable, Callable]


def plain(train: Observations, test: Observations, seed: int) -> np.ndarray:
    """Hoffmann's surface, Student-t noise."""
    x, new, y = _inputs(train, test)
    centre, scale = _surface_prior(y, exponent_sd=0.5)
    centre = np.r_[centre, np.log(0.01), np.log(20.0)]
    scale = np.r_[scale, 1.0, 0.7]  # of nu only for starts

    def log_density(theta: Array) -> Array:
        sigma, nu = jnp.exp(theta[5]), jnp.exp(theta[6])
        prior = jnp.sum(stats.norm.logpdf(theta[:6], centre[:6], scale[:6]))
        prior += stats.gamma.logpdf(nu, 2.0, scale=10.0) + theta[6]
        return prior + jnp.sum(stats.t.logpdf(y, nu, _mean(theta, x), sigma))

    def predict(theta: Array, key: Array) -> Array:
        noise = jax.random.t(key, jnp.exp(theta[6]), (len(new),))
        return _mean(theta, new) + jnp.exp(theta[5]) * noise

    return _draw(log_density, predict, centre, scale, seed)


def discrepancy(
    train: Observations, test: Observations, seed: int, *, coupled: bool
) -> np.ndarray:
    """The same surface, or the coupled one, and a process about it."""
    x, new, y = _inputs(train, test)
    centre, scale = _surface_prior(y, exponent_sd=0.3)
    centre = np.r_[centre, np.log([0.005, 0.02, 3.0])]  # sigma, tau, ell
    scale = np.r_[scale, 1.0, 0.7, 0.4]
    if coupled:
        centre, scale = np.r_[centre, np.log(0.7)], np.r_[scale, 0.4]
    mean = partial(_mean, k_at=8 if coupled else None)

    def cholesky(theta: Array) -> Array:
        noise = jnp.exp(2 * theta[5]) + JITTER
        return jnp.linalg.cholesky(_matern(theta, x, x) + noise * jnp.eye(len(x)))

    def log_density(theta: Array) -> Array:
        L = cholesky(theta)
        z = jax.scipy.linalg.solve_triangular(L, y - mean(theta, x), lower=True)
        fit = -jnp.sum(jnp.log(jnp.diag(L))) - jnp.sum(z**2) / 2
        return fit + jnp.sum(stats.norm.logpdf(theta, centre, scale))

    def predict(theta: Array, key: Array) -> Array:
        L = cholesky(theta)
        solve = partial(jax.scipy.linalg.solve_triangular, L, lower=True)
        across = solve(_matern(theta, x, new))
        location = mean(theta, new) + across.T @ solve(y - mean(theta, x))
        noise = jnp.exp(2 * theta[5]) + JITTER
        spread = _matern(theta, new, new) - across.T @ across
        root = jnp.linalg.cholesky(spread + noise * jnp.eye(len(new)))
        return location + root @ jax.random.normal(key, (len(new),))

    return _draw(log_density, predict, centre, scale, seed)


def _inputs(
    train: Observations, test: Observations
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log N and log D about their means over the training runs, and log loss."""
    x, new = (np.log(np.stack([r["N"], r["D"]], axis=1)) for r in (train, test))
    return x - x.mean(axis=0), new - x.mean(axis=0), np.log(train["L"])


def _surface_prior(y: np.ndarray, exponent_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale of A, B, E, log alpha, log beta."""
    level, exponent = np.mean(y), np.log(0.35)
    centre = np.array([level - 1.5, level - 1.5, level - 0.3, exponent, exponent])
    return centre, np.array([1.5, 1.5, 0.5, exponent_sd, exponent_sd])


def _mean(theta: Array, x: Array, k_at: int | None = None) -> Array:
    a = theta[0] - jnp.exp(theta[3]) * x[:, 0]
    b = theta[1] - jnp.exp(theta[4]) * x[:, 1]
    k = 1.0 if k_at is None else jnp.exp(theta[k_at])
    return jnp.logaddexp(k * jnp.logaddexp(a / k, b / k), theta[2])


def _matern(theta: Array, x: Array, other: Array) -> Array:
    """Matern-3/2 of isotropic distance in natural logs."""
    square = jnp.sum((x[:, None] - other[None]) ** 2, axis=-1)
    r = jnp.sqrt(3.0) * jnp.sqrt(jnp.maximum(square, 1e-24)) / jnp.exp(theta[7])
    return jnp.exp(2 * theta[6]) * (1 + r) * jnp.exp(-r)


def _draw(
    log_density: Callable[[Array], Array],
    predict: Callable[[Array, Array], Array],
    centre: np.ndarray,
    scale: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Sample the posterior by importance and predict under every draw."""
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        values = jax.jit(lambda t: jax.lax.map(log_density, t, batch_size=50))
        mode, covariance = _mode(log_density, centre, scale, rng)
        proposals, thetas, targets = [], [], []
        for _ in range(ROUNDS):
            proposals.append((mode, np.linalg.cholesky(covariance)))
            z = rng.normal(size=(PROPOSALS, len(mode)))
            z *= np.sqrt(DF / rng.chisquare(DF, size=(PROPOSALS, 1)))
            thetas.append(mode + z @ proposals[-1][1].T)
            targets.append(np.asarray(values(thetas[-1])))
            theta, target = np.concatenate(thetas), np.concatenate(targets)
            log_weight = target - _log_mixture(theta, proposals)
            log_weight = np.where(np.isfinite(log_weight), log_weight, -np.inf)
            weight, size = _normalised(log_weight)
            if size > ENOUGH:
                break
            tempered, power = weight, 1.0
            while 1 / np.sum(tempered**2) < 15 * len(mode):
                power *= 0.8
                tempered, _ = _normalised(power * log_weight)
            mode = tempered @ theta
            covariance = np.cov(theta.T, aweights=tempered, ddof=0)
        if size < 200:
            print(f"  importance sampling: {size:.0f} effective draws", file=sys.stderr)
        chosen = theta[rng.choice(len(theta), DRAWS, p=weight)]
        keys = jax.random.split(jax.random.key(seed), DRAWS)
        run = jax.jit(
            lambda t, k: jax.lax.map(lambda a: predict(*a), (t, k), batch_size=25)
        )
        return np.asarray(run(chosen, keys))


def _log_mixture(
    theta: np.ndarray, proposals: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Log density of all rounds' proposals together, but for a constant."""
    each = []
    for middle, root in proposals:
        z = np.linalg.solve(root, (theta - middle).T)
        tail = np.log1p(np.sum(z**2, axis=0) / DF)
        each.append(-(DF + len(z)) / 2 * tail - np.sum(np.log(np.diag(root))))
    return logsumexp(each, axis=0) - np.log(len(proposals))


def _normalised(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights that sum to one, and how many draws they are worth."""
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight, float(1 / np.sum(weight**2))


def _mode(
    log_density: Callable[[Array], Array],
    centre: np.ndarray,
    scale: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the highest of the modes that searches reach, and its inverse curvature."""
    both = jax.jit(jax.value_and_grad(lambda t: -log_density(t)))

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = both(theta)
        if not np.isfinite(value):
            return 1e10, np.zeros_like(theta)
        return float(value), np.nan_to_num(np.asarray(slope))

    starts = [centre, *(centre + scale * rng.normal(size=(STARTS, len(centre))))]
    found = [minimize(objective, s, jac=True, method="L-BFGS-B") for s in starts]
    best = min(found, key=lambda f: f.fun).x
    curvature = np.asarray(jax.jit(jax.hessian(lambda t: -log_density(t)))(best))
    values, vectors = np.linalg.eigh(curvature)
    values = np.maximum(values, 0.1)  # flat or saddle: no wider than about three units
    return best, (vectors / values) @ vectors.T
