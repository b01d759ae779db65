"""Candidate runs: a user's list, a grid within a pilot budget, or isoFLOP profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from nstar.costs.cost_line import WIDENED, of_runs
from nstar.fits.mixture import Posterior
from nstar.predictions.allocating import optima
from nstar.runs.observations import Observations
from nstar.runs.reading import read_runs
from nstar.types import Cost, Surface
from nstar.wording import count, flop

SIZES, BUDGETS = 14, 14  # of a grid
DEEP = 1e-3  # of the pilot budget: smaller runs are not tried
SMALLER, LARGER = 2.0, 3.0  # factors by which a grid goes beyond the runs' sizes
OF_PROFILE = 7  # runs of an isoFLOP profile, as published ladders have
KNOWN = (
    "N",
    "D",
    "C",
    "L",
    "budget",
    "profile",
)  # all others are further inputs of a law


@dataclass(frozen=True)
class Candidates:
    """Runs that can be made; those with the same `unit` are made together or not at all."""

    N: np.ndarray  # parameters, (candidate,)
    D: np.ndarray  # tokens
    C: np.ndarray  # FLOP of each
    unit: np.ndarray  # number of the unit that each run belongs to
    x: Mapping[str, np.ndarray] = field(default_factory=dict)  # other inputs of a law

    def __len__(self) -> int:
        """Number of runs."""
        return len(self.N)

    @property
    def units(self) -> list[np.ndarray]:
        """Indices of the runs of each unit."""
        return [np.flatnonzero(self.unit == u) for u in np.unique(self.unit)]

    def affordable(self, pilot: float) -> "Candidates":
        """Keep the units that cost no more than the pilot budget.

        Raises:
            ValueError: none is left.
        """
        cost = {u: self.C[self.unit == u].sum() for u in np.unique(self.unit)}
        affordable = np.array([cost[u] <= pilot * (1 + 1e-9) for u in self.unit])
        if not affordable.any():
            msg = f"no candidate can be bought with a pilot budget of {flop(pilot)} FLOP: the cheapest costs {flop(min(cost.values()))}"
            raise ValueError(msg)
        x = {name: v[affordable] for name, v in self.x.items()}
        return Candidates(
            self.N[affordable],
            self.D[affordable],
            self.C[affordable],
            self.unit[affordable],
            x,
        )


def read_candidates(
    source: Any, cost: Cost, columns: Mapping[str, str] | None = None
) -> Candidates:
    """Read candidates from a table, as runs are read; no losses are needed.

    Any two of N, D and C say a run; C may be its cost where that is not k N D.  Runs of
    one value of the column `profile`, where there is one, are made together or not at
    all.  Other numeric columns are further inputs of the law.

    Raises:
        ValueError: the table lacks N or D, or a value in it is refused.
    """
    runs = read_runs(source, columns)
    if not ("N" in runs and "D" in runs):
        msg = (
            f"{runs.source}: candidates need N and D of each run, or one of them with C"
        )
        raise ValueError(msg)
    C = (
        runs["C"]
        if not runs.derived.startswith("C")
        else cost.flop(runs["N"], runs["D"])
    )
    profile = runs.columns.get("profile", np.arange(len(runs)))
    unit = np.unique(profile, return_inverse=True)[1]
    inputs = {
        n: v for n, v in runs.columns.items() if n not in KNOWN and v.dtype.kind == "f"
    }
    return Candidates(runs["N"], runs["D"], C, unit, inputs)


def grid_candidates(
    fit: Posterior,
    pilot: float,
    sizes: Sequence[float] = (),
    tokens: Sequence[float] = (),
) -> Candidates:
    """Runs of the sizes and tokens available, none above the pilot budget.

    Sizes not given go from half the runs' smallest to three times their largest, tokens
    not given are what budgets from a thousandth of the pilot to all of it buy.  Tokens
    per parameter stay within twice the runs' own where neither is given.

    Raises:
        ValueError: the budget is too small for any of them.
    """
    runs, cost = fit.components[0].runs, fit.runs.cost
    N = np.array(sizes or _default_sizes(runs, pilot, cost))
    if len(tokens):
        pairs = np.array(list(product(N, tokens)))
        n, d = pairs[:, 0], pairs[:, 1]
    else:
        budgets = np.geomspace(DEEP * pilot, pilot, BUDGETS)
        n, c = (v.ravel() for v in np.meshgrid(N, budgets, indexing="ij"))
        d = cost.tokens(n, c)
    C = cost.flop(n, d)
    allowed = np.asarray(pilot * (1 + 1e-9) >= C)
    if not (sizes and len(tokens)):
        low, high = of_runs(runs["N"], runs["D"])
        allowed &= (d / n >= low) & (d / n <= high)
    if not allowed.any():
        msg = f"a pilot budget of {flop(pilot)} FLOP buys none of the runs: the cheapest of {count(n.min())} parameters or more costs {flop(C.min())}"
        raise ValueError(msg)
    chosen = np.flatnonzero(allowed)
    return Candidates(n[chosen], d[chosen], C[chosen], np.arange(len(chosen)))


def profile_candidates(
    fit: Posterior, pilot: float, sizes: Sequence[float] = ()
) -> Candidates:
    """Whole isoFLOP profiles of seven runs, or of the sizes given, within the pilot budget.

    Runs of a profile spread over the runs' own tokens per parameter in equal ratios.

    Raises:
        ValueError: no size given fits into a profile.
    """
    runs, cost = fit.components[0].runs, fit.runs.cost
    size = len(sizes) or OF_PROFILE
    budgets = (
        np.geomspace(max(DEEP * pilot, runs["C"].min() * size), pilot, BUDGETS) / size
    )
    low, high = of_runs(runs["N"], runs["D"], 1.0)
    profiles = []
    for u, C in enumerate(budgets):
        N = (
            np.array(sizes)
            if sizes
            else np.sqrt(C / (cost.flop(1.0, 1.0) * np.geomspace(low, high, size)))
        )
        D = cost.tokens(N, C)
        ratio = D / N
        inside = (ratio >= low / WIDENED) & (ratio <= high * WIDENED)
        if inside.sum() >= 3:
            profiles.append((N[inside], D[inside], np.full(inside.sum(), u)))
    if not profiles:
        msg = f"no isoFLOP profile of three of these sizes lies within a pilot budget of {flop(pilot)} FLOP and the runs' tokens per parameter"
        raise ValueError(msg)
    N, D, unit = (np.concatenate(v) for v in zip(*profiles, strict=True))
    return Candidates(N, D, cost.flop(N, D), unit)


def default_candidates(fit: Posterior, pilot: float) -> Candidates:
    """Candidates of a fit where the user names none: a grid, or optima to be measured."""
    by_size = all(
        "N" in p.law.inputs or isinstance(p.law, Surface) for p in fit.components
    )
    return grid_candidates(fit, pilot) if by_size else optimum_candidates(fit, pilot)


def optimum_candidates(fit: Posterior, pilot: float) -> Candidates:
    """Compute-optimal points that could be measured, each by a profile of seven runs.

    N and D are the median of the law's optimum; C is the cost of all seven runs.
    """
    C = np.geomspace(DEEP * pilot, pilot, BUDGETS) / OF_PROFILE
    N, D = (np.median(v, axis=0) for v in optima(fit, C))
    return Candidates(N, D, C * OF_PROFILE, np.arange(len(C)), {"C": C})


def _default_sizes(runs: Observations, pilot: float, cost: Cost) -> np.ndarray:
    """Sizes to try where the user names none: those of the runs and somewhat beyond."""
    least, most = runs["N"].min() / SMALLER, runs["N"].max() * LARGER
    low, _ = of_runs(runs["N"], runs["D"])
    fits = float(np.sqrt(pilot / (cost.flop(1.0, 1.0) * low)))
    return np.geomspace(least, max(min(most, fits), least * SMALLER), SIZES)
