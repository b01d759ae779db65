"""Fits for thousands of re-fits: mode and linearised posterior of a law given some rows.

Student-t noise that grows toward small compute, by expectation and conditional
maximisation (Liu & Rubin 1995) about Gauss-Newton steps; the law's own priors, taken for
normal on the real line.  One small compiled program serves every selection from a table.
"""

from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.tree_util import register_dataclass
from numpyro.distributions import biject_to

from nstar.types import Law

DRAWS = 200  # of the prior, and of each posterior
NU = 4.0  # degrees of freedom: residuals of the public ladders have about 3
USUAL, COUNT = 0.01, 2.0  # sd of a run about its law, and the runs that this is worth
OF_LOSS = 4.0  # nats per token: a hundredth of a loss that is told by itself
STEPS = 40  # Gauss-Newton steps at most
NEAR = 1e-4  # a descent that gains less is at its end
WIDE = 8.0  # sds of the prior within which a mode is sought


@dataclass(frozen=True)
class Posed:
    """A law before a pool of runs and the target runs, whose responses it never sees."""

    law: Law
    x: dict[str, np.ndarray]  # inputs of the pool's runs and then the target's
    y: np.ndarray  # responses of the pool, (run,)
    smaller: np.ndarray  # log of the largest compute over that of each of all runs
    mean: np.ndarray  # of the prior on the real line, (unknown,)
    sd: np.ndarray
    growth: float  # exponent by which scatter grows toward small compute
    scale: float  # of the response where it is no logarithm, about
    link: Any  # of the response
    unlink: Any

    @property
    def pool(self) -> int:
        """Count the runs of the pool."""
        return len(self.y)


class Fitted(NamedTuple):
    """A mode, what is expected there of all runs, and how far it is off."""

    at: np.ndarray  # (unknown,)
    expected: np.ndarray  # (run,)
    slopes: np.ndarray  # (run, unknown)
    covariance: np.ndarray  # (unknown, unknown)
    noise: np.ndarray  # sd of each run about the law, (run,)


def pose(
    law: Law,
    x: dict[str, np.ndarray],
    y: np.ndarray,
    C: np.ndarray,
    cost: Any,
    growth: float,
    seed: int = 0,
) -> Posed:
    """Put a law at the centre of the pool; inputs are of the pool and then of the target."""
    n = len(y)
    mean, sd = _prior(law, seed)
    law = law.at({k: v[:n] for k, v in x.items()}, cost)
    x = {k: np.asarray(x[k], float) for k in law.inputs}
    smaller = np.maximum(np.log(C[:n].max() / C), 0.0)
    scale = 1.0 if law.response.name.startswith("log") else OF_LOSS
    return Posed(
        law,
        x,
        law.response.link(y),
        smaller,
        mean,
        sd,
        growth,
        scale,
        law.response.link,
        law.response.unlink,
    )


@lru_cache
def _prior(law: Law, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd on the real line of priors that do not depend on the reference run.

    The reference run becomes an argument of the compiled programs, one for all pools.
    """
    for kind in {type(v) for v in (law, *vars(law).values()) if is_dataclass(v)}:
        register_dataclass(kind, [f.name for f in fields(kind)], [])
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), len(law.priors()))
        each = [
            biject_to(d.support).inv(d.sample(key, (4000,)))
            for d, key in zip(law.priors().values(), keys, strict=True)
        ]
    u = np.stack([np.asarray(v) for v in each], axis=1)
    return u.mean(0), u.std(0)


def _response(law: Law, u: Any, x: Any) -> Any:
    told = {
        n: biject_to(d.support)(u[i]) for i, (n, d) in enumerate(law.priors().items())
    }
    return law.expected(told, x)


@jax.jit
def _both(law: Law, u: Any, x: Any) -> Any:
    return _response(law, u, x), jax.jacfwd(partial(_response, law), argnums=0)(u, x)


@jax.jit
def _many(law: Law, u: Any, x: Any) -> Any:
    return jax.lax.map(lambda u: _response(law, u, x), u, batch_size=50)


def both(p: Posed, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Responses of all runs and their slopes in the unknowns."""
    with jax.enable_x64(True):
        return tuple(
            np.nan_to_num(np.asarray(v), nan=1e3, posinf=1e3, neginf=-1e3)
            for v in _both(p.law, u, p.x)
        )


def many(p: Posed, u: np.ndarray) -> np.ndarray:
    """Responses of all runs under many unknowns, (draw, run)."""
    with jax.enable_x64(True):
        return np.asarray(_many(p.law, u, p.x))


def draws(p: Posed, fitted: Fitted | None, rng: np.random.Generator) -> np.ndarray:
    """Draw responses of all runs from the prior, or from a posterior about its mode."""
    z = rng.standard_normal((DRAWS, len(p.mean)))
    if fitted is None:
        u = p.mean + z * p.sd
    else:
        value, axes = np.linalg.eigh(fitted.covariance)
        u = fitted.at + (z * np.sqrt(np.maximum(value, 0.0))) @ axes.T
    made = many(p, np.clip(u, p.mean - WIDE * p.sd, p.mean + WIDE * p.sd))
    return made[np.isfinite(made).all(axis=1)]


def fit(p: Posed, rows: np.ndarray, starts: list[np.ndarray]) -> Fitted:
    """Find the mode given these rows of the pool, the best from several starts."""
    found = [_fit(p, rows, u) for u in starts]
    return min(found, key=lambda f: f[1])[0]


def _fit(p: Posed, rows: np.ndarray, u: np.ndarray) -> tuple[Fitted, float]:
    """One descent; alternates steps with the scale and the robust weights."""
    y, prior, wider = p.y[rows], p.sd**-2.0, np.exp(p.growth * p.smaller)
    f, J = both(p, u)
    sigma, weight, damping, last = 0.1, np.ones(len(rows)), 1e-3, np.inf
    for _ in range(STEPS):
        w = weight / np.square(sigma * wider[rows])
        u, f, J, damping, moved = _step(p, rows, w, (u, f, J, damping))
        r = (y - f[rows]) / wider[rows]
        sigma, weight = _noise(r, _free(J[rows], w, prior), USUAL * p.scale)
        far = np.sum((NU + 1) / 2 * np.log1p(np.square(r / sigma) / NU))
        value = float(
            len(r) * np.log(sigma) + far + 0.5 * prior @ np.square(u - p.mean)
        )
        if not moved or abs(last - value) < NEAR:
            break
        last = value
    w = (
        (NU + 1) / (NU + 3) / np.square(sigma * wider[rows])
    )  # information of a location
    covariance = np.linalg.inv((J[rows].T * w) @ J[rows] + np.diag(prior))
    sd = sigma * wider * np.sqrt((NU + 3) / (NU + 1))
    return Fitted(u, f, J, covariance, sd), value


def _step(p: Posed, rows: np.ndarray, w: np.ndarray, now: Any) -> Any:
    """A damped Gauss-Newton step, kept where it lowers the weighted squares."""
    u, f, J, damping = now
    y, prior = p.y[rows], p.sd**-2.0

    def energy(f: np.ndarray, u: np.ndarray) -> float:
        return float(w @ np.square(y - f[rows]) + prior @ np.square(u - p.mean))

    A = (J[rows].T * w) @ J[rows] + np.diag(prior)
    b = J[rows].T @ (w * (y - f[rows])) - prior * (u - p.mean)
    for _ in range(6):
        step = np.linalg.solve(A + damping * np.diag(np.diag(A)), b)
        new = np.clip(u + step, p.mean - WIDE * p.sd, p.mean + WIDE * p.sd)
        there, slopes = both(p, new)
        if energy(there, new) < energy(f, u):
            return new, there, slopes, max(damping / 8, 1e-9), True
        damping *= 8
    return u, f, J, damping, False


def _free(J: np.ndarray, w: np.ndarray, prior: np.ndarray) -> float:
    """Runs less the unknowns that they, not the prior, settle."""
    told = (J.T * w) @ J
    used = float(np.trace(np.linalg.solve(told + np.diag(prior), told)))
    return max(len(J) - used, 0.3 * len(J))


def _noise(r: np.ndarray, free: float, usual: float) -> tuple[float, np.ndarray]:
    """Scale and robust weights of what scatter is left."""
    sigma = max(float(np.median(np.abs(r))), 1e-4)
    for _ in range(10):
        weight = (NU + 1) / (NU + np.square(r / sigma))
        sigma = float(
            np.sqrt((weight @ np.square(r) + COUNT * usual**2) / (free + COUNT))
        )
    return sigma, weight
