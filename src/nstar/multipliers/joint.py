r"""One posterior over recipes: what they share, what is their own, and in what measure.

$$ y_i = \log L_{g(i)}(N_i, D_i) + q_i\,(\tau_c\,\delta + \tau_o\,\delta_{g(i)}
        + \tau_l\,\lambda_i) + h_i\,(\pi\,b_{pair(i)} + \sigma\,\epsilon_i), \qquad
   T(\theta_g) = T(\theta) + s \circ z_g $$

The second line is that of `nstar.departures.pooling`: every recipe's unknowns lie about a
population's, in a measure s that is learned.  Floor and reducible loss differ each by a
factor of their own, since what a recipe does to a loss is mostly a change of compute:
a factor e^v on the reducible loss is one of e^(v/gamma) in FLOP.  $\delta$ is a bend that
all recipes have in common and $\delta_g$ one of their own (Kennedy & O'Hagan 2001), with
the lengths of `nstar.departures.discrepancy`, $\lambda$ one at single runs, larger for
smaller ones, which recipes of the same sizes have in common; q is the part of a loss that
is reducible.
Runs of several recipes at the same N and D, and seed where it is known, are pairs: b is
theirs together, so that it cancels in what they say of the difference.  h grows toward
small compute.  All priors are normal on the real line.
"""

from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np

from nstar.multipliers import surface
from nstar.multipliers.covariances import Covariance, factorise
from nstar.multipliers.ladders import Ladders
from nstar.multipliers.surface import OFFSETS

SCALES = (
    *(f"spread_{name}" for name in OFFSETS),
    *("bend_common", "bend_recipe", "sigma", "pair", "growth"),
)
LEVEL, LEVEL_WIDTH = np.log(2.0), 1.0  # of the log of the loss at the reference run
# of the shape on the real line, as near as normals come to those of nstar.laws.priors
SHAPE_CENTRE = np.array([0.45, 0.0, 0.04, np.log(0.63), np.log(0.7)])
SHAPE_WIDTH = np.array([0.95, 1.1, 0.42, 0.5, 0.4])
FADE = 0.3  # exponent by which a local bend fades toward large compute
LOCAL = 0.15  # sd of the local bend at the largest run, over that of the others
ALONG, TOKENS, ACROSS, NEAR = 5.0, 2.0, (6.0, 3.0), 1.2  # lengths, e-folds
NEGLIGIBLE = 1e-4  # of a bend's variance, in directions left out of what is common
ROUNDED = 1e-5  # sd of what rounding does to a log loss
ROOT3 = np.sqrt(3.0)
LOG_SCALES = -30.0, 2.0  # beyond these nothing is a scale


@dataclass(frozen=True)
class Prior:
    """Log-normal prior of a scale."""

    median: float
    spread: float  # sd of its log


@dataclass(frozen=True)
class Priors:
    """Priors of all scales; a tight one about next to nothing leaves a part out.

    The spreads are of logs and logits: a recipe's floor is off the population's by about
    half a percent, its reducible loss by six (a factor of 1.4 in FLOP at gamma = .17).
    They, the bends and the growth were set on the development tables
    (benchmarks/recipes.py).
    """

    floor: Prior = Prior(0.005, 1.0)
    reducible: Prior = Prior(0.06, 0.8)
    size_share: Prior = Prior(0.06, 0.7)
    alpha1: Prior = Prior(0.02, 0.7)
    slope: Prior = Prior(0.04, 0.7)
    bend_common: Prior = Prior(0.012, 0.7)
    bend_recipe: Prior = Prior(0.0045, 0.8)
    sigma: Prior = Prior(0.003, 0.8)
    pair: Prior = Prior(0.002, 0.8)
    growth: Prior = Prior(0.1, 0.8)
    # mean and sd of the logit of the population's floor share
    floor_share: tuple[float, float] = (SHAPE_CENTRE[0], SHAPE_WIDTH[0])

    def means_and_sds(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the logs of the scales and of the shape, (15,) each."""
        names = (*OFFSETS, *SCALES[len(OFFSETS) :])
        scales = np.array([astuple(getattr(self, name)) for name in names])
        mean = np.concatenate([np.log(scales[:, 0]), SHAPE_CENTRE])
        sd = np.concatenate([scales[:, 1], SHAPE_WIDTH])
        mean[len(SCALES)], sd[len(SCALES)] = self.floor_share
        return mean, sd


class Model(NamedTuple):
    """Ladders with all that does not change between draws."""

    ladders: Ladders
    priors: Priors
    smooth: np.ndarray  # kernel of a bend within a recipe, (recipe, cell, cell)
    local: (
        np.ndarray
    )  # kernel of a bend at single runs, likewise; zero where it is common
    common: np.ndarray  # directions of a bend of all, (recipe, cell, direction)
    rest: np.ndarray  # variance that those leave out, (recipe, cell)


class Scales(NamedTuple):
    """Scales of a stack of draws, each (..., 1, 1) but the spreads."""

    spreads: np.ndarray  # (..., 1, 5)
    bend_common: np.ndarray
    bend_recipe: np.ndarray
    sigma: np.ndarray
    pair: np.ndarray
    growth: np.ndarray


def unpack(log_scales: np.ndarray) -> Scales:
    """Scales of their logs, (..., 10)."""
    scales = np.exp(np.clip(log_scales, *LOG_SCALES))
    size = len(OFFSETS)
    others = (scales[..., i, None, None] for i in range(size, len(SCALES)))
    return Scales(scales[..., None, :size], *others)


def place(ladders: Ladders, priors: Priors) -> Model:
    """Put priors before ladders."""
    n, d, cell = ladders.n, ladders.d, ladders.cell
    within = cell[:, :, None] & cell[:, None, :]
    at = np.flatnonzero(cell.ravel())
    flat_n, flat_d = n.ravel()[at], d.ravel()[at]
    flat = flat_n, flat_d, flat_n, flat_d
    kernel = smooth_kernel(*flat)
    local = local_kernel(n, d, n, d, ladders.top) * within
    if ladders.paired:
        kernel, local = kernel + local_kernel(*flat, ladders.top), 0 * local
    variance, axes = np.linalg.eigh(kernel)
    large = variance > NEGLIGIBLE * variance.max()
    common, rest = np.zeros((cell.size, large.sum())), np.zeros(cell.size)
    common[at] = axes[:, large] * np.sqrt(variance[large])
    rest[at] = axes[:, ~large] ** 2 @ np.maximum(variance[~large], 0.0)
    return Model(
        ladders,
        priors,
        smooth_kernel(n, d, n, d) * within,
        local,
        common.reshape(*cell.shape, -1),
        rest.reshape(cell.shape),
    )


def smooth_kernel(
    n: np.ndarray, d: np.ndarray, m: np.ndarray, e: np.ndarray
) -> np.ndarray:
    """Covariance of a bend of unit size between runs (n, d) and runs (m, e).

    Along compute, along tokens, across compute and D/N: each zero at the centre.

    Args:
        n: log N / N0, (..., run).
        d: log D / D0.
        m: log N / N0 of the other runs, (..., other).
        e: log D / D0 of those.

    Returns:
        Covariances, (..., run, other).
    """
    parts = zip(_axes(n, d), _axes(m, e), strict=True)
    return np.sum([_pinned(a, b) for a, b in parts], axis=0)


def local_kernel(
    n: np.ndarray, d: np.ndarray, m: np.ndarray, e: np.ndarray, top: float
) -> np.ndarray:
    """The same of a bend at single runs, smaller than the other and larger for small runs.

    `top` is n + d of the largest run.
    """
    apart = np.hypot(n[..., None] - m[..., None, :], d[..., None] - e[..., None, :])
    fade = _faded(n + d, top)[..., None] * _faded(m + e, top)[..., None, :]
    return LOCAL**2 * fade * _matern(apart / NEAR)


def _axes(n: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, ...]:
    """Coordinates of each part of a bend, over its lengths, (..., run, axis)."""
    c, ratio = n + d, d - n
    plane = np.stack([c / ACROSS[0], ratio / ACROSS[1]], axis=-1)
    return c[..., None] / ALONG, d[..., None] / TOKENS, plane


def _pinned(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Covariance of a process that is zero at the centre."""
    from_centre = [_matern(np.linalg.norm(x, axis=-1)) for x in (a, b)]
    apart = np.linalg.norm(a[..., :, None, :] - b[..., None, :, :], axis=-1)
    return _matern(apart) - from_centre[0][..., None] - from_centre[1][..., None, :] + 1


def _faded(c: np.ndarray, top: float) -> np.ndarray:
    return np.exp(FADE * (top - np.minimum(c, top)))


def _matern(distance: np.ndarray) -> np.ndarray:
    return (1 + ROOT3 * distance) * np.exp(-ROOT3 * distance)


def grown(model: Model, scales: Scales) -> np.ndarray:
    """Size of the scatter at each cell, over that at the largest run."""
    ladders = model.ladders
    return np.exp(scales.growth * (ladders.top - ladders.n - ladders.d))


def covariance(
    model: Model,
    scales: Scales,
    share: np.ndarray,
    slopes: np.ndarray | None = None,
) -> Covariance:
    """Factorise the covariance of log losses about a surface.

    Args:
        model: the ladders.
        scales: of a stack of draws.
        share: of the losses that is reducible, (..., recipe, cell).
        slopes: of the log losses by the offsets, (..., recipe, cell, 5), where level and
            offsets are uncertain too.
    """
    ladders, size = model.ladders, grown(model, scales)
    single, local = (
        scales.bend_recipe[..., None] ** 2,
        scales.bend_common[..., None] ** 2,
    )
    blocks = single * model.smooth + local * model.local
    blocks = share[..., None] * share[..., None, :] * blocks
    alone = scales.sigma**2 / ladders.count + scales.pair**2 * ladders.alone
    diagonal = size**2 * alone + scales.bend_common**2 * share**2 * model.rest
    diagonal = diagonal + ROUNDED**2
    rows = np.arange(share.shape[-1])
    common = [
        (scales.bend_common * share)[..., None] * model.common,
        (scales.pair * size)[..., None] * ladders.member,
    ]
    if slopes is not None:
        by_offsets = slopes * (scales.spreads[..., None, :] * ladders.cell[..., None])
        blocks = blocks + by_offsets @ np.swapaxes(by_offsets, -1, -2)
        level = LEVEL_WIDTH * np.broadcast_to(ladders.cell, share.shape)
        common.append(level[..., None])
    blocks[..., rows, rows] += np.where(ladders.cell, diagonal, 1.0)
    return factorise(blocks, np.concatenate(common, axis=-1))


def log_repeats(model: Model, scales: Scales) -> np.ndarray:
    """Log density of the runs of each cell about their mean, up to a constant."""
    ladders = model.ladders
    freedom = ladders.count - 1
    shared = (ladders.alone + np.square(ladders.member).sum(axis=-1)) > 0
    log_variance = np.log(scales.sigma**2 + scales.pair**2 * shared)
    log_variance = log_variance + 2 * np.log(grown(model, scales))
    each = freedom * log_variance + ladders.squares * np.exp(-log_variance)
    return -0.5 * np.sum(each * ladders.cell, axis=(-2, -1))


def evaluate(model: Model, shape: np.ndarray, offsets: np.ndarray) -> surface.Surface:
    """Evaluate the surface at the cells; offsets are (..., recipe, 5)."""
    return surface.of_runs(shape, offsets, model.ladders.n, model.ladders.d)
