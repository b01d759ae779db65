"""What a mixture may be: least and largest shares, from limits and from tokens there are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nstar.mixtures.reading import Mixtures, require_name

LIMIT = re.compile(
    r"^(?P<domain>.+?)\s*(?P<sign><=|>=|=)\s*(?P<share>[\d.]+)\s*(?P<percent>%?)$"
)
REPEATS = (
    15.0  # times that scarce data in a mixture is repeated (arXiv:2605.12715: 15 to 20)
)
ONE_SOURCE = 4.0  # times that a single source is (arXiv:2305.16264)
ENOUGH = 1e-9


@dataclass(frozen=True, eq=False)
class Bounds:
    """Least and largest share of each domain."""

    low: Float[np.ndarray, " domain"]
    high: Float[np.ndarray, " domain"]
    available: Float[np.ndarray, " domain"]  # tokens; infinite where not said

    def project(
        self, shares: Float[np.ndarray, "row domain"]
    ) -> Float[np.ndarray, "row domain"]:
        """Move mixtures inside, keeping the proportions of what is free."""
        r = np.clip(shares, self.low, self.high)
        for _ in range(50):
            gap = 1 - r.sum(axis=1, keepdims=True)
            if np.abs(gap).max() < ENOUGH:
                break
            room = np.where(gap > 0, self.high - r, r - self.low)
            weight = np.where(gap > 0, np.minimum(room, r + 1e-4), room)
            total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
            r = np.clip(r + gap * weight / total, self.low, self.high)
        return r


def bounds(
    runs: Mixtures,
    limits: Sequence[str],
    available: Mapping[str, float],
    repeats: Mapping[str, float],
    D: float,
) -> Bounds:
    """Gather the bounds of every share.

    Args:
        runs: whose shares are not left: none above its largest, none below its least.
        limits: such as `github<=0.2`, `pile_cc>=10%`.
        available: tokens there are of a domain.
        repeats: times they may be repeated, by domain; `""` is all others.
        D: tokens that are trained on; NaN where not known.

    Raises:
        ValueError: a limit cannot be read, names no domain, or leaves no mixture.
    """
    low, high = runs.shares.min(axis=0), runs.shares.max(axis=0)
    for text in limits:
        match = LIMIT.match(text.strip())
        if match is None:
            msg = f"--limit {text!r}: expected a domain and its share, as in 'github<=0.2'"
            raise ValueError(msg)
        i = runs.domains.index(
            require_name(match["domain"].strip(), runs.domains, "--limit: domain")
        )
        share = float(match["share"]) / (100 if match["percent"] else 1)
        if not 0 <= share <= 1:
            msg = f"--limit {text!r}: a share lies between 0 and 1; write {share:g}% if it is in percent"
            raise ValueError(msg)
        if match["sign"] in ("<=", "="):
            high[i] = min(high[i], share)
        if match["sign"] in (">=", "="):
            low[i] = max(low[i], share)
    there = np.full(len(high), np.inf)
    for name, tokens in available.items():
        i = runs.domains.index(require_name(name, runs.domains, "--available: domain"))
        if not np.isfinite(D):
            msg = f"--available {name}: say the tokens trained on, as in --at 1B,20B"
            raise ValueError(msg)
        there[i] = tokens
        times = repeats.get(name, repeats.get("", REPEATS))
        high[i] = min(high[i], tokens * times / D)
    for name, times in repeats.items():
        if name:
            require_name(name, runs.domains, "--max-repeats: domain")
        if not (name in available if name else available):
            stated = f"{name}={times:g}" if name else f"{times:g}"
            msg = f"--max-repeats {stated}: of which tokens? say how many there are, as in --available {name or runs.domains[0]}=2B"
            raise ValueError(msg)
    crossed = [runs.domains[i] for i in np.flatnonzero(low > high + ENOUGH)]
    if crossed:
        i = runs.domains.index(crossed[0])
        msg = f"limits leave no share to {crossed[0]}: at least {low[i]:.3g}, at most {high[i]:.3g} (the runs have {runs.shares[:, i].min():.3g} to {runs.shares[:, i].max():.3g})"
        raise ValueError(msg)
    if low.sum() > 1 + ENOUGH or high.sum() < 1 - ENOUGH:
        msg = f"limits leave no mixture: least shares sum to {low.sum():.3g}, largest to {high.sum():.3g}"
        raise ValueError(msg)
    return Bounds(low, high, there)
