"""Recipes whose multipliers are known: drawn from the prior, with runs of a design."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nstar.fits.certificates import Certificate
from nstar.multipliers import joint
from nstar.multipliers.curves import (
    Curves,
    bent,
    draw_prior_bends,
    draw_scatter,
    follow,
)
from nstar.multipliers.joint import LEVEL, SCALES, Model
from nstar.multipliers.ladders import Ladders
from nstar.multipliers.sampling import Draws
from nstar.multipliers.surface import OFFSETS


class Truth(NamedTuple):
    """Recipes as they are, and what was measured of them."""

    curves: Curves  # of one draw
    ladders: Ladders


def draw_prior(model: Model, random: np.random.Generator, count: int = 1) -> Draws:
    """Draw scales, shape, level and offsets from the prior."""
    mean, sd = model.priors.means_and_sds()
    z = mean + sd * random.standard_normal((count, len(mean)))
    log_scales, shape = np.split(z, [len(SCALES)], axis=1)
    recipes = len(model.ladders.names)
    spreads = joint.unpack(log_scales).spreads
    offsets = spreads * random.standard_normal((count, recipes, len(OFFSETS)))
    level = np.full(count, LEVEL)  # a unit, which no answer depends on
    return Draws(level, shape, offsets, log_scales, Certificate("prior", passed=True))


def simulate(
    model: Model,
    C: np.ndarray,
    random: np.random.Generator,
    ratio: np.ndarray | None = None,
    truth: Draws | None = None,
) -> Truth:
    """Simulate losses of a design's cells, and the curves they are of.

    Args:
        model: ladders, whose losses are not read, and priors.
        C: budgets that the curves are to hold, FLOP.
        random: of everything.
        ratio: as `follow` takes it.
        truth: one draw; from the prior unless given.
    """
    ladders = model.ladders
    drawn = truth or draw_prior(model, random)
    scales, at_cells = joint.unpack(drawn.log_scales), []

    def bends(n: np.ndarray, d: np.ndarray) -> np.ndarray:
        prior = draw_prior_bends(model, scales, n, d, random, local=False)
        at_cells.append(prior.at_cells)
        return prior.at_points

    curves = follow(model, drawn, C, random, ratio, bends)
    f = joint.evaluate(model, drawn.shape, drawn.offsets)
    y = drawn.level[:, None, None] + bent(f.log_loss, f.share, at_cells[0])
    y = y + draw_scatter(model, scales, random)
    return Truth(curves, replace(ladders, y=np.where(ladders.cell, y[0], 0.0)))
