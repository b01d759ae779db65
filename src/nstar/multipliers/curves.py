"""Losses of every recipe along compute, and of runs to come, under each draw."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from nstar.multipliers import joint, surface
from nstar.multipliers.joint import Model, Scales
from nstar.multipliers.sampling import Draws

JITTER = 1e-9  # of a kernel's diagonal
KNOTS = 1.0  # e-folds of compute between the knots of a bend
REACH = 14.0  # e-folds beyond and before the budgets over which curves are known
FINE = 0.1  # e-folds between the points of a curve

type Bender = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Curves:
    """Loss of what a budget buys under every draw, by recipe; falls with compute."""

    log_C: np.ndarray  # (point,)
    log_loss: np.ndarray  # (draw, recipe, point), never rising
    log_N: np.ndarray  # of the median path, (recipe, point)
    log_D: np.ndarray
    repaired: float  # share of draws whose loss rose somewhere

    def at(self, C: float) -> np.ndarray:
        """Log loss of every recipe with C FLOP, (draw, recipe)."""
        x = np.clip(np.log(C), self.log_C[0], self.log_C[-1])
        right = int(np.clip(np.searchsorted(self.log_C, x), 1, len(self.log_C) - 1))
        left, step = self.log_C[right - 1], self.log_C[right] - self.log_C[right - 1]
        share = (x - left) / step
        values = self.log_loss
        return (1 - share) * values[..., right - 1] + share * values[..., right]

    def path(self, C: float, recipe: int) -> tuple[float, float]:
        """Log N and log D of a recipe's run with C FLOP."""
        lines = self.log_N[recipe], self.log_D[recipe]
        log_N, log_D = (float(np.interp(np.log(C), self.log_C, y)) for y in lines)
        return log_N, log_D

    def log_compute(self, recipe: int, log_loss: np.ndarray) -> np.ndarray:
        """Log FLOP at which a recipe reaches losses, (draw, ...): infinite where it never does.

        Minus infinity where less than the least budget does.
        """
        curves = self.log_loss[:, recipe, ::-1]
        flat = log_loss.reshape(len(curves), -1)
        log_C = np.array(
            [
                np.interp(loss, curve, self.log_C[::-1], left=np.inf, right=-np.inf)
                for loss, curve in zip(flat, curves, strict=True)
            ]
        )
        return log_C.reshape(log_loss.shape)


def follow(
    model: Model,
    draws: Draws,
    C: np.ndarray,
    random: np.random.Generator,
    ratio: np.ndarray | None = None,
    bends: Bender | None = None,
) -> Curves:
    """Follow every recipe along compute, each spending it in its way.

    Args:
        model: the ladders.
        draws: of the posterior.
        C: budgets that the curves are to hold, FLOP.
        random: of the bends.
        ratio: log D/N by recipe as a line in log C, (recipe, 2), its value at C = 1 and
            its slope; along each recipe's own optimum unless given.
        bends: what bends them at log N / N0 and log D / D0, (recipe, point) each; what
            the losses say unless given.
    """
    ladders = model.ladders
    log_C = np.arange(np.log(np.min(C)) - REACH, np.log(np.max(C)) + REACH + FINE, FINE)
    shift = ladders.log_N0 + ladders.log_D0
    product = ladders.budget[:, :1] + ladders.budget[:, 1:] * log_C - shift
    if ratio is None:
        n, d = surface.optimum(draws.shape, draws.offsets, product)
        path_n, path_d = np.median(n, axis=0), np.median(d, axis=0)
    else:
        off = ratio[:, :1] + ratio[:, 1:] * log_C + ladders.log_N0 - ladders.log_D0
        path_n, path_d = (product - off) / 2, (product + off) / 2
        n, d = path_n[None], path_d[None]
    every = round(KNOTS / FINE)
    inside = slice(None, None, every)
    bends = bends or partial(draw_bends, model, draws, random=random)
    knots = bends(path_n[:, inside], path_d[:, inside])
    bend = _between(knots, every, len(log_C))
    f = surface.of_runs(draws.shape, draws.offsets, n, d)
    level = draws.level[:, None, None]
    log_loss = level + bent(f.log_loss, f.share, bend)
    fallen = np.minimum.accumulate(log_loss, axis=-1)
    rose = np.any(log_loss - fallen > 1e-6, axis=(-2, -1))
    return Curves(
        log_C,
        fallen,
        path_n + ladders.log_N0,
        path_d + ladders.log_D0,
        float(rose.mean()),
    )


def bent(log_loss: np.ndarray, share: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Log loss once its reducible part has moved by a log factor."""
    return log_loss + np.log1p(share * np.expm1(bend))


def _between(knots: np.ndarray, every: int, count: int) -> np.ndarray:
    """Straight lines between knots, (draw, recipe, knot), at so many points."""
    at = np.arange(count) / every
    left = np.minimum(at.astype(int), knots.shape[-1] - 1)
    right = np.minimum(left + 1, knots.shape[-1] - 1)
    return knots[..., left] + (at - left) * (knots[..., right] - knots[..., left])


class Part(NamedTuple):
    """A part of the bends, which all recipes have in common or each its own."""

    size: np.ndarray  # (draw, 1, 1)
    kernel: np.ndarray  # of cells and points, (..., cell + point, cell + point)
    common: bool


class Bends(NamedTuple):
    """Bends of a stack of draws, by the prior."""

    at_cells: np.ndarray  # with the part at single runs, (draw, recipe, cell)
    at_points: np.ndarray  # (draw, recipe, point)
    parts: list[Part]  # that the bends at points have


def draw_prior_bends(
    model: Model,
    scales: Scales,
    n: np.ndarray,
    d: np.ndarray,
    random: np.random.Generator,
    *,
    local: bool,
) -> Bends:
    """Draw the bends of recipes before any losses are seen; takes what `draw_bends` takes."""
    ladders = model.ladders
    cell, count = ladders.cell, len(scales.sigma)
    axes = list(zip((ladders.n, ladders.d), (n, d), strict=True))
    flat = [np.concatenate([a[cell], b.ravel()]) for a, b in axes]
    by_row = [np.concatenate([a, b], axis=1) for a, b in axes]
    near = flat if ladders.paired else by_row
    parts = [
        Part(scales.bend_common, joint.smooth_kernel(*flat, *flat), common=True),
        Part(scales.bend_recipe, joint.smooth_kernel(*by_row, *by_row), common=False),
        Part(
            scales.bend_common,
            joint.local_kernel(*near, *near, ladders.top),
            common=ladders.paired,
        ),
    ]
    at_cells, at_points = np.zeros((count, *cell.shape)), np.zeros((count, *n.shape))
    for part in parts:
        root = _root(part.kernel)
        z = random.standard_normal((count, *root.shape[:-1]))
        drawn = part.size * np.einsum("...ij,p...j->p...i", root, z).reshape(
            count, -1, root.shape[-1]
        )
        if part.common:
            at_cells[:, cell] += drawn[:, 0, : cell.sum()]
            of_points = drawn[:, 0, cell.sum() :].reshape(at_points.shape)
        else:
            at_cells += drawn[..., : cell.shape[1]]
            of_points = drawn[..., cell.shape[1] :]
        if local or part is not parts[-1]:
            at_points += of_points
    return Bends(at_cells, at_points, parts if local else parts[:-1])


def draw_bends(
    model: Model,
    draws: Draws,
    n: np.ndarray,
    d: np.ndarray,
    random: np.random.Generator,
    *,
    local: bool = False,
) -> np.ndarray:
    """Draw the bends of recipes given the losses, under each draw.

    From the prior, then moved by what the losses say (Matheron's rule).

    Args:
        model: the ladders.
        draws: of the posterior.
        n: log N / N0 where they are wanted, (recipe, point).
        d: log D / D0.
        random: of the prior's draws.
        local: with the part at single runs.

    Returns:
        Log factors on the reducible loss, (draw, recipe, point).
    """
    ladders, scales = model.ladders, joint.unpack(draws.log_scales)
    cell, width = ladders.cell, ladders.cell.shape[1]
    prior = draw_prior_bends(model, scales, n, d, random, local=local)
    f = joint.evaluate(model, draws.shape, draws.offsets)
    off = ladders.y - draws.level[:, None, None] - f.log_loss
    off = off - f.share * prior.at_cells - draw_scatter(model, scales, random)
    about = joint.covariance(model, scales, f.share)
    w = f.share * about.solve(off * cell) * cell
    moved = np.zeros(prior.at_points.shape)
    for size, kernel, common in prior.parts:
        if common:
            across = kernel[cell.sum() :, : cell.sum()]
            moved += size**2 * (w[:, cell] @ across.T).reshape(moved.shape)
        else:
            across = kernel[:, width:, :width]
            moved += size**2 * np.einsum("rij,prj->pri", across, w)
    return prior.at_points + moved


def _root(kernel: np.ndarray) -> np.ndarray:
    size = kernel.shape[-1]
    return np.linalg.cholesky(kernel + JITTER * np.eye(size))


def draw_scatter(
    model: Model, scales: Scales, random: np.random.Generator
) -> np.ndarray:
    """Draw the scatter of cells, (draw, recipe, cell)."""
    ladders, count = model.ladders, len(scales.sigma)
    variance = scales.sigma**2 / ladders.count + scales.pair**2 * ladders.alone
    alone = np.sqrt(variance) * random.standard_normal((count, *ladders.cell.shape))
    sets = random.standard_normal((count, ladders.member.shape[-1]))
    shared = np.einsum("rcs,ps->prc", ladders.member, sets)
    return joint.grown(model, scales) * (alone + scales.pair * shared)


def draw_runs(
    model: Model,
    draws: Draws,
    runs: tuple[np.ndarray, np.ndarray],
    sets: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Draw log losses that runs to come would measure.

    Args:
        model: the ladders.
        draws: of the posterior.
        runs: log N and log D of a row of runs for each recipe, (recipe, run) each.
        sets: which runs share scatter, by number, (recipe, run).
        random: of bends and scatter.

    Returns:
        Log losses, (draw, recipe, run).
    """
    ladders, scales = model.ladders, joint.unpack(draws.log_scales)
    n, d = runs[0] - ladders.log_N0, runs[1] - ladders.log_D0
    bends = draw_bends(model, draws, n, d, random, local=True)
    f = surface.of_runs(draws.shape, draws.offsets, n, d)
    log_loss = draws.level[:, None, None] + bent(f.log_loss, f.share, bends)
    growth = scales.growth * (ladders.top - np.minimum(n + d, ladders.top))
    scatter = scales.sigma * random.standard_normal(log_loss.shape)
    if ladders.alone.any() or ladders.member.size:
        number = np.unique(sets, return_inverse=True)[1].reshape(sets.shape)
        shared = random.standard_normal((len(draws.level), number.max() + 1))
        scatter = scatter + scales.pair * shared[:, number]
    return log_loss + np.exp(growth) * scatter
