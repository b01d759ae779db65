r"""Draws from the joint posterior: nested Laplace, weighed against the exact density.

Given the scales and the population's shape, level and offsets of the recipes are small
and about normal: Gauss and Newton find their centre in as many dimensions as there are
cells.  Scales and shape are drawn from a Student-t about the mode of their marginal
density (Rue et al. 2009, doi:10.1111/j.1467-9868.2008.00700.x), the rest from the normal
given them, and each draw is weighed by the exact density of all over the proposal's.
First lots move the Student-t; Pareto k-hat judges the last.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from nstar.fits import certificates
from nstar.fits.certificates import Certificate
from nstar.multipliers import joint
from nstar.multipliers.covariances import Covariance
from nstar.multipliers.joint import LEVEL, LEVEL_WIDTH, SCALES, Model, Scales
from nstar.multipliers.surface import OFFSETS

STEPS = 10  # of Gauss and Newton from the prior's centre
FURTHER_STEPS = 1  # from where the last had it
FARTHEST = 5.0  # spreads from the population at which the surface is linearised
LOTS = (300, 300, 600, 1500)  # draws: to move the proposal, and that are weighed
ATTEMPTS = 4  # lots that are weighed, until they may be trusted together
FREEDOM = 8.0  # degrees of freedom of the proposal
STEP = 0.05  # between points whose difference is a slope, in prior sds
LEAST_CURVATURE = 0.5  # of the log density; that of the prior is one
SHRINKAGE = 3  # draws' worth of the old width for each unknown
START, PACE = 4.0, 1e-5  # seconds, as measured on 32 to 160 runs
MEMORY = 2e6  # numbers of a stack of matrices
DRAWS = 1000  # draws


class Centre(NamedTuple):
    """Level and offsets given scales and shapes, about normal; a stack over points."""

    level: np.ndarray  # log, (point,)
    offsets: np.ndarray  # (point, recipe, 5)
    log_marginal: np.ndarray  # log density of the losses given the point, (point,)


class Proposal(NamedTuple):
    """A Student-t of scales and shape in prior sds, and offsets to start from."""

    at: np.ndarray  # (15,)
    width: np.ndarray  # (15, 15)
    start: Centre


class Draws(NamedTuple):
    """Draws of the joint posterior, each as likely as the next."""

    level: np.ndarray  # log, (draw,)
    shape: np.ndarray  # (draw, 5)
    offsets: np.ndarray  # (draw, recipe, 5)
    log_scales: np.ndarray  # (draw, 10)
    certificate: Certificate
    proposal: Proposal | None = None  # that they are of
    # log density of the losses, up to a constant of the model's size
    log_evidence: float = np.nan


@threadpool_limits.wrap(limits=1, user_api="blas")  # small matrices
def sample(
    model: Model, seed: int = 0, count: int = DRAWS, near: Proposal | None = None
) -> Draws:
    """Draw from the posterior; the same seed gives the same draws.

    Args:
        model: ladders and priors.
        seed: of everything.
        count: of draws.
        near: a proposal to start from, of a model with nearly these priors.
    """
    random = np.random.default_rng([seed, model.ladders.cell.sum()])
    proposal = near or find_mode(model)
    *first, last = LOTS
    for lot in first:
        z, _, log_weights = draw_lot(model, proposal, lot, random)
        proposal = _moved(proposal, z, log_weights)
    lots: list[tuple[np.ndarray, Centre, np.ndarray]] = []
    while True:
        lots.append(draw_lot(model, proposal, last, random))
        z, log_weights = (np.concatenate([lot[i] for lot in lots]) for i in (0, 2))
        certificate, weights = certificates.by_weights(log_weights)
        if certificate.passed or len(lots) == ATTEMPTS:
            break
        proposal = _moved(proposal, lots[-1][0], lots[-1][2])
    parts = zip(*(lot[1] for lot in lots), strict=True)
    centre = Centre(*(np.concatenate(values) for values in parts))
    at = certificates.resampled(weights, count, random)
    log_scales, shape = _unpack(model, z[at])
    drawn = centre.level[at], shape, centre.offsets[at], log_scales
    evidence = float(logsumexp(log_weights) - np.log(len(log_weights)))
    return Draws(*drawn, certificate, proposal, evidence)


def expected_seconds(model: Model) -> float:
    """About how many seconds of one core drawing takes: by the sizes of its matrices.

    Nearly all of it goes into covariances, whose directions in common are the bend's and
    one for each set of runs that share scatter.
    """
    recipes, cells, directions = model.common.shape
    directions += model.ladders.member.shape[-1]
    return START + PACE * recipes * cells * (directions**2 + cells**2)


def free(proposal: Proposal, unknown: int) -> Proposal:
    """The proposal with one unknown as its prior has it, and no part in the others."""
    at, width = proposal.at.copy(), proposal.width.copy()
    at[unknown], width[unknown], width[:, unknown] = 0.0, 0.0, 0.0
    width[unknown, unknown] = 1.0
    return Proposal(at, width, proposal.start)


def find_mode(model: Model) -> Proposal:
    """The mode of the marginal density of scales and shape, and its curvature there."""
    size = len(model.priors.means_and_sds()[0])
    start = centre_at(model, np.zeros((1, size)), None, STEPS)
    steps = STEP * np.concatenate([np.zeros((1, size)), np.eye(size), -np.eye(size)])

    def slope(z: np.ndarray) -> tuple[float, np.ndarray]:
        value = _energy(model, z + steps, start)
        up, down = np.split(value[1:], 2)
        return float(value[0]), (up - down) / (2 * STEP)

    bounds, options = [(-4.0, 4.0)] * size, {"maxiter": 25, "ftol": 1e-5}
    at = minimize(
        slope,
        np.zeros(size),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options=options,
    ).x
    start = centre_at(model, at[None], start, STEPS)
    return Proposal(at, _width(model, at, start), start)


def _energy(model: Model, z: np.ndarray, start: Centre) -> np.ndarray:
    """Minus log marginal density at points, (point, 15)."""
    log_marginal = centre_at(model, z, start, FURTHER_STEPS).log_marginal
    value = 0.5 * np.square(z).sum(axis=-1) - log_marginal
    return np.nan_to_num(value, nan=1e10, posinf=1e10)


def _width(model: Model, at: np.ndarray, start: Centre) -> np.ndarray:
    """Inverse square root of the curvature at the mode, (15, 15)."""
    size, step = len(at), 4 * STEP
    axes = step * np.eye(size)
    i, j = np.triu_indices(size, 1)
    one_way = np.concatenate([axes, axes[i] + axes[j]])
    value = _energy(
        model, at + np.concatenate([np.zeros((1, size)), one_way, -one_way]), start
    )
    around = np.sum(np.split(value[1:], 2), axis=0) - 2 * value[0]
    hessian = np.diag(around[:size])
    cross = (around[size:] - around[i] - around[j]) / 2
    hessian[i, j] = hessian[j, i] = cross
    curvature, axes = np.linalg.eigh(hessian / step**2)
    return axes * np.maximum(curvature, LEAST_CURVATURE) ** -0.5


def _moved(proposal: Proposal, z: np.ndarray, log_weights: np.ndarray) -> Proposal:
    """Take centre and width from weighted draws, the fewer count the less."""
    _, weights = certificates.by_weights(log_weights)
    x = np.linalg.solve(proposal.width, (z - proposal.at).T).T
    effective = 1 / np.square(weights).sum()
    old = SHRINKAGE * len(proposal.at)
    centre = weights @ x
    covariance = ((x - centre).T * weights) @ (x - centre)
    covariance = (effective * covariance + old * np.eye(len(centre))) / (
        effective + old
    )
    at = proposal.at + proposal.width @ centre * effective / (effective + old)
    return Proposal(at, proposal.width @ np.linalg.cholesky(covariance), proposal.start)


def draw_lot(
    model: Model, proposal: Proposal, count: int, random: np.random.Generator
) -> tuple[np.ndarray, Centre, np.ndarray]:
    """Draw from the proposal and weigh each draw.

    Returns:
        Scales and shapes in prior sds, (draw, 15); level and offsets; log weights, (draw,).
    """
    size = len(proposal.at)
    normal = random.standard_normal((count, size))
    x = normal * np.sqrt(FREEDOM / random.chisquare(FREEDOM, (count, 1)))
    z = proposal.at + x @ proposal.width.T
    log_q = -(FREEDOM + size) / 2 * np.log1p(np.square(x).sum(axis=1) / FREEDOM)
    log_q -= np.linalg.slogdet(proposal.width)[1]
    drawn = [
        _draw_given(model, z[part], proposal.start, random)
        for part in _parts(model, count)
    ]
    rest = Centre(*(np.concatenate(values) for values in zip(*drawn, strict=True)))
    log_p = rest.log_marginal - 0.5 * np.square(z).sum(axis=-1)
    return z, rest, np.nan_to_num(log_p - log_q, nan=-np.inf)


def centre_at(model: Model, z: np.ndarray, start: Centre | None, steps: int) -> Centre:
    """Centre of level and offsets given scales and shape, (point, 15)."""
    parts = [_centre(model, z[p], start, steps)[0] for p in _parts(model, len(z))]
    return Centre(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _parts(model: Model, count: int) -> list[slice]:
    """Stacks of matrices that memory holds."""
    rows = model.ladders.cell.shape[-1] + model.common.shape[-1]
    size = max(int(MEMORY / (model.ladders.cell.size * rows)), 1)
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


def _unpack(model: Model, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logs of the scales, (point, 10), and shapes, (point, 5)."""
    mean, sd = model.priors.means_and_sds()
    log_scales, shape = np.split(mean + sd * z, [len(SCALES)], axis=-1)
    return log_scales, shape


class _Linear(NamedTuple):
    """The model linearised at offsets, a stack over points."""

    share: np.ndarray  # of the losses that is reducible, (point, recipe, cell)
    slopes: np.ndarray  # (point, recipe, cell, 5)
    residual: np.ndarray  # of the losses where offsets are zero and the level its mean
    covariance: Covariance  # of the residuals


def _linearise(
    model: Model, scales: Scales, shape: np.ndarray, offsets: np.ndarray
) -> _Linear:
    f = joint.evaluate(model, shape, offsets)
    off = model.ladders.y - LEVEL - f.log_loss + _moved_by(f.slopes, offsets)
    every = joint.covariance(model, scales, f.share, f.slopes)
    return _Linear(f.share, f.slopes, off * model.ladders.cell, every)


def _moved_by(slopes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Change of log losses with offsets, (point, recipe, cell)."""
    return np.einsum("prco,pro->prc", slopes, offsets)


def _pulled(
    scales: Scales, slopes: np.ndarray, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Prior covariance of level and offsets with the losses, times w, (point, recipe, cell)."""
    offsets = scales.spreads**2 * np.einsum("prco,prc->pro", slopes, w)
    return LEVEL_WIDTH**2 * w.sum(axis=(-2, -1)), offsets


def _centre(
    model: Model, z: np.ndarray, start: Centre | None, steps: int
) -> tuple[Centre, _Linear]:
    """Centre of level and offsets, and the model linearised there."""
    log_scales, shape = _unpack(model, z)
    scales = joint.unpack(log_scales)
    offsets = np.zeros((len(z), len(model.ladders.names), len(OFFSETS)))
    if start is not None:
        offsets = offsets + start.offsets
    most = FARTHEST * scales.spreads
    for _ in range(steps + 1):
        at = _linearise(model, scales, shape, np.clip(offsets, -most, most))
        w = at.covariance.solve(at.residual) * model.ladders.cell
        level, offsets = _pulled(scales, at.slopes, w)
    log_marginal = -0.5 * np.sum(at.residual * w, axis=(-2, -1))
    log_marginal = log_marginal - at.covariance.half_log_det
    log_marginal = log_marginal + joint.log_repeats(model, scales)
    return Centre(LEVEL + level, offsets, log_marginal), at


def _draw_given(
    model: Model, z: np.ndarray, start: Centre, random: np.random.Generator
) -> Centre:
    """Draw level and offsets; log of the exact density over the proposal's beside."""
    log_scales, shape = _unpack(model, z)
    scales, cell = joint.unpack(log_scales), model.ladders.cell
    given, at = _centre(model, z, start, FURTHER_STEPS)
    scatter = joint.covariance(model, scales, at.share)
    # from the prior, then moved by what the losses say of it (Matheron's rule)
    level = LEVEL_WIDTH * random.standard_normal(len(z))
    offsets = scales.spreads * random.standard_normal(given.offsets.shape)
    drawn = level[:, None, None] + _moved_by(at.slopes, offsets) + scatter.draw(random)
    w = at.covariance.solve((at.residual - drawn) * cell) * cell
    to_level, to_offsets = _pulled(scales, at.slopes, w)
    level, offsets = LEVEL + level + to_level, offsets + to_offsets

    def log_density(
        level: np.ndarray, offsets: np.ndarray, about: Covariance, off: np.ndarray
    ) -> np.ndarray:
        square = np.square(level / LEVEL_WIDTH) + about.square(off * cell)
        square = square + np.square(offsets / scales.spreads).sum(axis=(-2, -1))
        return -0.5 * square - about.half_log_det

    off_level, off_offsets = level - given.level, offsets - given.offsets
    moved = off_level[:, None, None] + _moved_by(at.slopes, off_offsets)
    log_q = log_density(off_level, off_offsets, scatter, moved)
    log_q = log_q + at.covariance.half_log_det
    f = joint.evaluate(model, shape, offsets)
    about = joint.covariance(model, scales, f.share)
    off = model.ladders.y - level[:, None, None] - f.log_loss
    log_p = log_density(level - LEVEL, offsets, about, off)
    return Centre(level, offsets, log_p - log_q + joint.log_repeats(model, scales))
