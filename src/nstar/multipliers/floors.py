"""What the floor decides: multipliers where it is otherwise, and the pocket formula."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nstar.multipliers import surface
from nstar.multipliers.arms import frontiers
from nstar.multipliers.joint import SCALES, SHAPE_CENTRE, SHAPE_WIDTH, Prior, Priors
from nstar.multipliers.ladders import Ladders
from nstar.multipliers.sampling import Draws
from nstar.predictions.crossings import finite

SPREAD, SHARE = SCALES.index("spread_floor"), len(SCALES)  # unknowns by number
TIGHT = 0.05  # sd of the logit of a floor share that is pinned
ENDS = 1.645  # sds from the prior's centre that are its ends


@dataclass(frozen=True)
class Floor:
    """Another prior of the floors, and what multipliers are under it."""

    name: str
    words: str
    of: Callable[[Priors], Priors]
    unknown: int  # that its prior changes, among scales and shape
    medians: tuple[dict[str, Any], ...] = ()  # by budget, of each recipe
    log_odds: float = 0.0  # of the losses under it, beside the usual prior's


def _pinned(sds: float) -> Callable[[Priors], Priors]:
    at = SHAPE_CENTRE[0] + sds * SHAPE_WIDTH[0]
    return lambda priors: replace(priors, floor_share=(at, TIGHT))


FLOORS = (
    Floor(
        "common",
        "one floor for all recipes",
        lambda priors: replace(priors, floor=Prior(1e-6, 0.1)),
        SPREAD,
    ),
    Floor(
        "apart",
        "floors that differ by three percent",
        lambda priors: replace(priors, floor=Prior(0.03, 0.3)),
        SPREAD,
    ),
    Floor("low", "the floor at the lower end of its prior", _pinned(-ENDS), SHARE),
    Floor("high", "the floor at the upper end of its prior", _pinned(ENDS), SHARE),
)


def pocket_multipliers(
    ladders: Ladders, draws: Draws, base: int
) -> dict[str, float | None]:
    r"""Multipliers by the pocket formula at the largest compute that both were measured at.

    $$ m = \left(\frac{L_{base} - L_\infty}{L_{recipe} - L_\infty}\right)^{1/\alpha} $$

    with the floor pinned at the posterior's median of the baseline's, and alpha the slope
    of its measured reducible losses.  None where a loss lies below the floor.
    """
    log_floor = draws.level[:, None] + surface.log_floors(draws.shape, draws.offsets)
    floor = float(np.exp(np.median(log_floor[:, base])))
    lines = frontiers(ladders)
    log_C, log_L = lines[base]
    reducible = np.exp(log_L) - floor
    multipliers: dict[str, float | None] = {}
    for name, (other_C, other_L) in zip(ladders.names, lines, strict=True):
        at = min(log_C[-1], other_C[-1])
        losses = [
            np.exp(np.interp(at, c, y)) - floor
            for c, y in ((log_C, log_L), (other_C, other_L))
        ]
        usable = min(*losses, *reducible) > 0 and len(log_C) > 1
        alpha = -np.polyfit(log_C, np.log(reducible), 1)[0] if usable else np.nan
        multipliers[name] = (
            finite((losses[0] / losses[1]) ** (1 / alpha)) if usable else None
        )
    return multipliers
