"""What each recipe's own runs show: their range, frontier, ratio and scatter, and checks."""

from collections.abc import Sequence

import numpy as np

from nstar.multipliers import joint, surface
from nstar.multipliers.ladders import Ladders
from nstar.multipliers.sampling import Draws
from nstar.predictions.distances import FAR
from nstar.runs.problems import list_some
from nstar.verdicts import Check, Status
from nstar.wording import flop

FEW = 4  # runs of an arm, below which its trend is mostly its neighbours'
COUNTED = np.log(1.15)  # difference of C / (N D) between arms that is worth a word
ODD_SCATTER = 3.0  # times the others' scatter
ONE_SIDED = 1.2  # skewness of an arm's residuals
ENOUGH_TO_JUDGE = 8  # runs whose skewness says something
SAME_RATIO = 1e-6  # of variance of log C, where there is no trend to fit


def largest_compute(ladders: Ladders) -> np.ndarray:
    """Largest compute of each recipe, FLOP."""
    return np.exp(np.where(ladders.cell, ladders.log_C, -np.inf).max(axis=1))


def least_compute(ladders: Ladders) -> np.ndarray:
    """Least compute of each recipe, FLOP."""
    return np.exp(np.where(ladders.cell, ladders.log_C, np.inf).min(axis=1))


def frontiers(ladders: Ladders) -> list[tuple[np.ndarray, np.ndarray]]:
    """Log FLOP and log loss of each recipe's runs that none with as little compute beats."""
    lines = []
    for g in range(len(ladders.names)):
        at = ladders.cell[g]
        lines.append(frontier(ladders.log_C[g, at], ladders.y[g, at]))
    return lines


def frontier(log_C: np.ndarray, log_L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The runs that none with as little compute beats, by compute."""
    order = np.lexsort((log_L, log_C))
    log_C, log_L = log_C[order], log_L[order]
    before = np.minimum.accumulate(np.concatenate([[np.inf], log_L[:-1]]))
    return log_C[log_L < before], log_L[log_L < before]


def ratio_lines(ladders: Ladders) -> tuple[np.ndarray, np.ndarray]:
    """Log D/N of each recipe's runs as a line in log C, (recipe, 2), and scatter about it."""
    lines, spread = [], []
    for g in range(len(ladders.names)):
        at = ladders.cell[g]
        log_C = ladders.log_C[g, at]
        ratio = (ladders.d - ladders.n)[g, at] + ladders.log_D0 - ladders.log_N0
        trend = np.var(log_C) > SAME_RATIO
        slope = np.polyfit(log_C, ratio, 1)[0] if trend else 0.0
        lines.append([ratio.mean() - slope * log_C.mean(), slope])
        spread.append(np.std(ratio - slope * log_C))
    return np.array(lines), np.array(spread)


def check_arms(ladders: Ladders, draws: Draws, budgets: Sequence[float]) -> list[Check]:
    """Say what of the recipes' runs makes a comparison doubtful."""
    return [
        check
        for part in (
            _distance(ladders, budgets),
            _overlap(ladders),
            _count(ladders),
            _counting(ladders),
            _seeds(ladders, draws),
            _tuning(ladders, draws),
        )
        for check in part
    ]


def _distance(ladders: Ladders, budgets: Sequence[float]) -> list[Check]:
    largest = largest_compute(ladders)
    least = int(np.argmin(largest))
    beyond = float(np.log10(max(budgets) / largest[least]))
    detail = f"{flop(max(budgets))} FLOP lies {max(beyond, 0.0):.1f} decades beyond the largest run of {ladders.names[least]!r}, {flop(largest[least])} FLOP"
    if beyond <= FAR:
        return [Check("extrapolation", Status.PASS, detail)]
    detail += f"; the answer there owes much to the form of the law: make larger runs of {ladders.names[least]!r}, or decide at a smaller budget"
    return [Check("extrapolation", Status.REVIEW, detail)]


def _overlap(ladders: Ladders) -> list[Check]:
    least, largest = least_compute(ladders), largest_compute(ladders)
    low, high = int(np.argmin(largest)), int(np.argmax(least))
    if least[high] <= largest[low]:
        return []
    detail = f"all runs of {ladders.names[high]!r} have more compute than any of {ladders.names[low]!r} ({flop(least[high])} FLOP and more, {flop(largest[low])} and less): they are compared through the law alone; add runs of one in the range of the other"
    return [Check("ranges overlap", Status.REVIEW, detail)]


def _count(ladders: Ladders) -> list[Check]:
    counts = (ladders.count * ladders.cell).sum(axis=1).astype(int)
    few = [
        f"{name} ({n})"
        for name, n in zip(ladders.names, counts, strict=True)
        if n < FEW
    ]
    if not few:
        return []
    detail = f"fewer than {FEW} runs of {list_some(few)}: what is said of them is mostly what recipes have in common; add runs"
    return [Check("runs of a recipe", Status.REVIEW, detail)]


def _counting(ladders: Ladders) -> list[Check]:
    shift = ladders.log_N0 + ladders.log_D0
    each = np.where(ladders.cell, ladders.log_C - ladders.n - ladders.d - shift, 0.0)
    log_k = each.sum(axis=1) / ladders.cell.sum(axis=1)
    low, high = int(np.argmin(log_k)), int(np.argmax(log_k))
    if log_k[high] - log_k[low] < COUNTED:
        return []
    k = np.exp(log_k)
    detail = f"C / (N D) is {k[high]:.3g} for {ladders.names[high]!r} and {k[low]:.3g} for {ladders.names[low]!r}: if N is counted otherwise in one of them (with embeddings, active of a mixture of experts), count it alike; if FLOP per parameter and token do differ, they are compared at equal FLOP"
    return [Check("counting of N", Status.REVIEW, detail)]


def _seeds(ladders: Ladders, draws: Draws) -> list[Check]:
    """Repeats that scatter more than recipes differ."""
    freedom = ((ladders.count - 1) * ladders.cell).sum()
    if freedom < 1:
        return []
    seeds = float(np.sqrt((ladders.squares * ladders.cell).sum() / freedom))
    centre = np.zeros((len(ladders.names), 1))
    f = surface.of_runs(draws.shape, draws.offsets, centre, centre)
    apart = float(np.median(np.ptp(f.log_loss[..., 0], axis=1)))
    if seeds < apart:
        return []
    detail = f"runs of one recipe and size differ by {seeds:.2g} in log loss (sd), recipes by {apart:.2g} in all: seeds vary more than the recipes differ; more seeds narrow it"
    return [Check("seeds", Status.REVIEW, detail)]


def residuals(ladders: Ladders, draws: Draws) -> np.ndarray:
    """Log losses less the medians of the fitted surfaces, without bends, (recipe, cell)."""
    f = surface.of_runs(draws.shape, draws.offsets, ladders.n, ladders.d)
    expected = np.median(draws.level[:, None, None] + f.log_loss, axis=0)
    return np.where(ladders.cell, ladders.y - expected, 0.0)


def _tuning(ladders: Ladders, draws: Draws) -> list[Check]:
    """One arm whose runs lie oddly about its curve: tuning only ever hurts."""
    off, checks = residuals(ladders, draws), []
    growth = np.median(np.exp(draws.log_scales[:, joint.SCALES.index("growth")]))
    off = off * np.exp(-growth * (ladders.top - ladders.n - ladders.d))
    scatter = np.array(
        [np.std(row[cell]) for row, cell in zip(off, ladders.cell, strict=True)]
    )
    for g, name in enumerate(ladders.names):
        row = off[g, ladders.cell[g]]
        others = float(np.median(np.delete(scatter, g)))
        words = []
        if len(row) >= FEW and scatter[g] > ODD_SCATTER * max(others, 1e-4):
            words.append(f"scatter {scatter[g] / max(others, 1e-4):.1f} times as much")
        if len(row) >= ENOUGH_TO_JUDGE and scatter[g] > 0:
            skew = float(np.mean((row - row.mean()) ** 3) / scatter[g] ** 3)
            if skew > ONE_SIDED:
                words.append("lie below a few that are much worse")
        if words:
            detail = f"runs of {name!r} {' and '.join(words)} about their curve than those of the others: it may be tuned worse at some sizes, which only ever hurts; look at its worst runs, and compare recipes tuned alike"
            checks.append(Check("tuning", Status.REVIEW, detail))
    return checks
