"""Diverged runs: losses that smaller or shorter runs of the same table already beat."""

import numpy as np

from nstar.runs.alike import number_alike, other_inputs
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem, ReadOptions
from nstar.verdicts import Status

RATIO = 1.25  # of a loss to what its neighbours allow, from which a run has diverged
STEEPNESS = 3.0  # a run may lie on a slope this many times as steep as the median ...
STEEP, STEEPEST = 0.3, 0.5  # ... in powers of N and D; real ladders: 0.05 to 0.4
MOST = 0.34  # of the runs; more of them above the others are another recipe or unit
STARVED = (
    0.15  # power of N/D by which runs of fewer tokens than parameters may be worse
)
MOST_STARVED = 4.6  # of log N/D: beyond it one of the two is in another unit
LEAST_RUNS = 4
MOST_EPOCHS = 4.0  # from here on a loss may rise with length
REFERENCES = 150  # runs that others are compared with, at most


def check_diverged(runs: Observations, by: tuple[str, ...] = ()) -> list[Problem]:
    """Name the diverged runs, with the filter that leaves them out."""
    at = find_diverged(runs, by)
    if not at.any():
        return []
    L = runs["L"]
    bound = _round_number(float(np.nanmax(L[~at])), float(L[at].min()))
    repair = (
        ReadOptions(where=(f"L<{bound:g}",))
        if bound
        else ReadOptions(drop_diverged=True)
    )
    n = int(at.sum())
    detail = (
        f"{n} run{'s' if n > 1 else ''} diverged: the loss is far above what smaller or "
        "shorter runs of this table reach"
    )
    by_hand = f"--where 'L<{bound:g}' or " if bound else ""
    return [
        Problem(
            "diverged runs",
            Status.FAIL,
            detail,
            f"leave {'them' if n > 1 else 'it'} out with {by_hand}--drop-diverged",
            column=runs.named.get("L", "L"),
            ours="L",
            rows=tuple(runs.rows[at].tolist()),
            values=tuple(f"{value:g}" for value in L[at]),
            repair=repair,
        )
    ]


def _round_number(low: float, high: float) -> float | None:
    """Return a short number above the one and at most the other, where there is one."""
    if not low < high:
        return None
    scale = 10.0 ** np.floor(np.log10(low))
    for steps in ((1, 2, 5, 10), range(1, 101), range(1, 1001)):
        unit = scale * 10 / max(steps)
        for step in steps:
            if low * 1.01 < step * unit <= high:
                return float(step * unit)
    return None


def find_diverged(runs: Observations, by: tuple[str, ...] = ()) -> np.ndarray:
    """Mark the runs whose loss is far above what their neighbours allow, (run,).

    A run of as many parameters and tokens as another, or more, has no higher loss; one
    of fewer has at most a loss that is higher by a steep power of the difference. This
    asks no form of the runs, so a ladder that bends or starts steeply is not taken for
    diverged, and several diverged runs do not hide one another.

    Args:
        runs: named and complete.
        by: columns whose groups are compared with themselves alone.
    """
    marked = np.zeros(len(runs), dtype=bool)
    names = ["N", "D"] if "N" in runs and "D" in runs else ["C"]
    if "L" not in runs or names[0] not in runs:
        return marked
    sizes = np.log(np.stack([runs[name] for name in names]))
    usable = np.isfinite(runs["L"]) & np.all(np.isfinite(sizes), axis=0)
    usable &= runs["L"] > 0
    others = [runs[name] for name in (*other_inputs(runs), *by)]
    starved = np.clip(sizes[0] - sizes[-1], 0.0, MOST_STARVED)
    slack = STARVED * starved if len(names) > 1 else np.zeros(len(runs))
    group = number_alike(others) if others else np.zeros(len(runs), dtype=int)
    for g in np.unique(group):
        at = np.flatnonzero(usable & (group == g))
        marked[at] = _mark(sizes[:, at], np.log(runs["L"][at]), slack[at])
    if "unique_tokens" in runs and "D" in runs:  # repeated tokens are learned by heart
        marked &= runs["D"] <= MOST_EPOCHS * runs["unique_tokens"]
    return marked if marked.sum() <= MOST * len(runs) else np.zeros_like(marked)


def _mark(sizes: np.ndarray, log_L: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Mark the runs above the bound that the others set, and some slack of their own."""
    none = np.zeros(log_L.size, dtype=bool)
    if log_L.size < LEAST_RUNS:
        return none
    references = _references(sizes, log_L)
    apart = sizes[:, references][:, None, :] - sizes[:, :, None]  # (size, run, other)
    smaller = np.maximum(apart, 0.0).sum(0)  # how far a run lies below the other
    larger = np.maximum(-apart, 0.0).sum(0)
    rise = log_L[:, None] - log_L[references]
    ordered = (larger < 1e-9) & (smaller > 0.1)
    slope = np.median(rise[ordered] / smaller[ordered]) if ordered.any() else STEEPEST
    steepness = np.clip(STEEPNESS * slope, STEEP, STEEPEST)
    excess = rise - steepness * smaller
    above = excess > np.log(RATIO) + slack[:, None]
    too_low = above.mean(0) > 0.5  # a reference that most runs lie above is the odd one
    return above[:, ~too_low].any(1)


def _references(sizes: np.ndarray, log_L: np.ndarray) -> np.ndarray:
    """Choose the runs to compare with: all, or the least loss of each like size."""
    if log_L.size <= REFERENCES:
        return np.arange(log_L.size)
    bins = max(2, int(REFERENCES ** (1 / len(sizes))))
    edges = [np.quantile(row, np.linspace(0, 1, bins + 1)[1:-1]) for row in sizes]
    place = np.zeros(log_L.size, dtype=int)
    for row, edge in zip(sizes, edges, strict=True):
        place = place * bins + np.searchsorted(edge, row)
    order = np.lexsort((log_L, place))
    return order[np.unique(place[order], return_index=True)[1]]
