"""Importance sampling about the modes, the fastest method where its checks pass.

Draws come from Student-t at the modes with the posterior's curvature; their weights give
its mean and covariance, and a second lot is drawn from a Student-t there.  Both lots are
weighed against the mixture that they came from (Owen & Zhou 2000,
doi:10.1080/01621459.2000.10473909; Cornuet et al. 2012, arXiv:0907.1254).  Whether the
weights may be trusted is for the caller to check, by Pareto k-hat, effective draws and the
draws' skewness: a curved posterior is unlike any Student-t, and weights about one miss its
arms without a sign (kernels about earlier draws missed them too: of 24 bananas 19
passed with a 90 % interval a third too narrow).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from nstar.samplers import density, modes
from nstar.samplers.density import Skeleton
from nstar.samplers.devices import map_fits, pad_fits
from nstar.samplers.flat import unravel_of
from nstar.types import Array

FEW = 256, 512  # draws about the modes, and about the weighted draws' mean
MANY = 1024, 4096  # for a posterior whose first weights were not good enough
FREEDOM = 8  # degrees of freedom of the proposals


Energies = Callable[[np.ndarray], np.ndarray]
"""Minus log density, (fit, draw), of each fit's own flat unknowns, (fit, draw, unknown)."""


def draw_weighted(
    energies: Energies,
    counts: tuple[int, int],
    pair: modes.Mode,
    seeds: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Draw about the modes of each problem, and weigh the draws.

    Args:
        energies: of the problems.
        counts: draws about the modes, and about the mean of the weighted draws.
        pair: two modes of each, which may be the same, (fit, 2, ...).
        seeds: (fit,); a fit's draws depend on its seed alone.

    Returns:
        Flat unknowns, (fit, draw, unknown), and log weights, (fit, draw).
    """
    size = pair.at.shape[-1]
    standard = np.stack([_student_draws(seed, sum(counts), size) for seed in seeds])
    first_mode, second_mode = (
        modes.Mode(pair.at[:, i], pair.width[:, i]) for i in (0, 1)
    )
    half, count_about_modes = counts[0] // 2, counts[0]

    def log_density_about(u: np.ndarray) -> np.ndarray:
        """Log density of as many draws from each of the two."""
        return np.logaddexp(
            _log_student(first_mode, u), _log_student(second_mode, u)
        ) - np.log(2.0)

    u = np.concatenate(
        [
            _place(first_mode, standard[:, :half]),
            _place(second_mode, standard[:, half:count_about_modes]),
        ],
        axis=1,
    )
    energy = energies(u)
    proposal = proposal_from_weights(
        first_mode, u, _log_weights(energy, log_density_about(u))
    )
    second_draws = _place(proposal, standard[:, count_about_modes:])
    u = np.concatenate([u, second_draws], axis=1)
    energy = np.concatenate([energy, energies(second_draws)], axis=1)
    shares = np.log(np.array(counts) / sum(counts))
    log_q = np.logaddexp(
        log_density_about(u) + shares[0], _log_student(proposal, u) + shares[1]
    )
    return u, _log_weights(energy, log_q)


@partial(jax.jit, static_argnums=0)
def constrained(
    skeleton: Skeleton, problems: Any, u: Array, count: Array
) -> dict[str, Array]:
    """Turn flat unknowns, (fit, draw, unknown), into named ones, (fit, draw, ...)."""

    def constrain_one(args: Any) -> dict[str, Array]:
        problem, u = args
        numbers, priors, data = problem
        law, noise = skeleton.fill(numbers)
        unravel = unravel_of(skeleton, problem)
        to = partial(density.constrain, law, noise, priors, data)
        return dict(jax.vmap(lambda u: to(unravel(u)))(u))

    return map_fits(constrain_one, (problems, u), count)


def named(skeleton: Skeleton, problems: Any, u: np.ndarray) -> dict[str, np.ndarray]:
    """Named unknowns, (fit, draw, ...), of the first fits, as many as `u` has.

    One program of the problems' size serves any number of them.
    """
    full = pad_fits(u, len(jax.tree.leaves(problems)[0]))
    values = constrained(skeleton, problems, full, len(u))
    return {name: np.asarray(v)[: len(u)] for name, v in values.items()}


def _student_draws(seed: int, count: int, size: int) -> np.ndarray:
    """Draw from the standard multivariate Student-t, (draw, unknown).

    The number of draws is part of the seed, so that a large lot does not begin with the
    small one that it is to confirm.
    """
    random = np.random.default_rng([seed, count])
    z = random.standard_normal((count, size))
    return z * np.sqrt(FREEDOM / random.chisquare(FREEDOM, (count, 1)))


def _place(mode: modes.Mode, shocks: np.ndarray) -> np.ndarray:
    """Put standard draws, (fit, draw, unknown), about modes."""
    return mode.at[:, None] + shocks @ np.swapaxes(mode.width, 1, 2)


def _log_student(mode: modes.Mode, u: np.ndarray) -> np.ndarray:
    """Log density of the Student-t about modes, up to a constant of the dimension."""
    z = np.linalg.solve(mode.width, np.swapaxes(u - mode.at[:, None], 1, 2))
    spread = np.linalg.slogdet(mode.width)[1]
    size = u.shape[-1]
    far = np.log1p(np.square(z).sum(1) / FREEDOM)
    return -(FREEDOM + size) / 2 * far - spread[:, None]


def _log_weights(energy: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """Log density less the proposal's; a draw that has none counts for nothing."""
    values = -energy - log_q
    return np.where(np.isnan(values), -np.inf, values)


def proposal_from_weights(
    mode: modes.Mode, u: np.ndarray, log_weight: np.ndarray
) -> modes.Mode:
    """Mean and covariance from weighted draws, drawn toward the mode's where few count.

    Weights are truncated (Ionides 2008, doi:10.1198/106186008X320456).
    """
    largest_log = log_weight.max(axis=1, keepdims=True)
    log_weight = np.where(np.isfinite(largest_log), log_weight - largest_log, 0.0)
    weight = np.exp(log_weight)
    largest = weight.mean(1, keepdims=True) * np.sqrt(weight.shape[1])
    weight = np.minimum(weight, largest)
    weight /= weight.sum(1, keepdims=True)
    size = u.shape[-1]
    count = (1 / np.square(weight).sum(1))[:, None, None]
    z = np.linalg.solve(mode.width, np.swapaxes(u - mode.at[:, None], 1, 2))
    mean = z @ weight[..., None]  # (fit, unknown, 1)
    deviation = z - mean
    covariance = deviation * weight[:, None] @ np.swapaxes(deviation, 1, 2)
    covariance = (count * covariance + size * np.eye(size)) / (count + size)
    at = mode.at + (mode.width @ mean)[..., 0]
    return modes.Mode(at, mode.width @ np.linalg.cholesky(covariance))
