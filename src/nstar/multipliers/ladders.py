"""Runs of several recipes as the joint model takes them: cells, pairs and a reference."""

from dataclasses import dataclass

import numpy as np

STEADY = 0.02  # sd of log C / (N D) that is rounding, not a trend
SAME = 5e-3  # runs of one size differ less in log N and in log D: whole steps


@dataclass(frozen=True)
class Ladders:
    """Cells of runs, those of one recipe, N and D together: a row of cells a recipe.

    Rows are filled up to the longest; what fills them is no cell.
    """

    names: tuple[str, ...]  # of the recipes
    cell: np.ndarray  # whether there is one, (recipe, cell)
    n: np.ndarray  # log N / N0
    d: np.ndarray  # log D / D0
    y: np.ndarray  # mean log loss of its runs
    count: np.ndarray  # its runs
    squares: np.ndarray  # of their log losses about the mean, summed
    # part of a cell's runs in each set of runs of several recipes that share scatter,
    # (recipe, cell, set); and the sum of squares of such parts that nobody shares,
    # (recipe, cell), zero where there are no sets
    member: np.ndarray
    alone: np.ndarray
    log_N0: float
    log_D0: float
    log_C: np.ndarray  # mean log FLOP of a cell's runs, (recipe, cell)
    # log N D of each recipe as a line in log C, its value at C = 1 and its slope, (recipe, 2):
    # a slope of one unless C / (N D) moves with compute
    budget: np.ndarray
    top: float  # n + d of the largest run

    @property
    def paired(self) -> bool:
        """Whether runs of several recipes are of the same size, and seed."""
        return bool(self.member.size)

    def of_recipe(self, g: int) -> "Ladders":
        """One recipe alone, which shares nothing."""
        cells = self.cell[g].sum()
        one = [
            values[[g], :cells]
            for values in (self.cell, self.n, self.d, self.y, self.count, self.squares)
        ]
        return Ladders(
            (self.names[g],),
            *one,
            np.zeros((1, cells, 0)),
            np.zeros((1, cells)),
            self.log_N0,
            self.log_D0,
            self.log_C[[g], :cells],
            self.budget[[g]],
            float((one[1] + one[2]).max()),
        )


def gather(
    names: tuple[str, ...],
    recipe: np.ndarray,
    N: np.ndarray,
    D: np.ndarray,
    C: np.ndarray,
    L: np.ndarray,
    seed: np.ndarray | None = None,
) -> Ladders:
    """Gather runs into cells.

    Args:
        names: of the recipes.
        recipe: number of each run's recipe, (run,).
        N: parameters, (run,).
        D: tokens.
        C: FLOP.
        L: loss.
        seed: what names runs of one seed or data order in every recipe.
    """
    log_N, log_D, y = np.log(N), np.log(D), np.log(L)
    size = number_sizes(log_N, log_D)
    sizes = np.stack([recipe, size])
    (of_recipe, _), cell, count = np.unique(
        sizes, axis=1, return_inverse=True, return_counts=True
    )
    cell = cell.ravel()
    row, width = of_recipe.astype(int), int(np.bincount(of_recipe.astype(int)).max())
    column = np.arange(len(row)) - np.searchsorted(row, row)
    log_N0, log_D0 = float(log_N.mean()), float(log_D.mean())

    def table(values: np.ndarray) -> np.ndarray:
        """Put values of cells, (cell, ...), into rows."""
        full = np.zeros((len(names), width, *values.shape[1:]))
        full[row, column] = values
        return full

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, values) / count

    keys = np.stack([size, np.zeros(len(size)) if seed is None else _number(seed)])
    shared = np.unique(keys, axis=1, return_inverse=True)[1].ravel()
    member = np.zeros((len(row), shared.max() + 1))
    np.add.at(member, (cell, shared), 1.0)
    member /= count[:, None]
    of_set = np.unique(np.stack([shared, recipe]), axis=1)[0]
    several = np.bincount(of_set) > 1
    alone = several.any() * np.square(member[:, ~several]).sum(axis=1)
    off = y - mean(y)[cell]
    log_C = np.log(C)
    n, d = mean(log_N) - log_N0, mean(log_D) - log_D0
    return Ladders(
        names,
        table(count).astype(bool),
        table(n),
        table(d),
        table(mean(y)),
        np.maximum(table(count), 1.0),
        table(np.bincount(cell, np.square(off))),
        table(member[:, several]),
        table(alone),
        log_N0,
        log_D0,
        table(mean(log_C)),
        _budget_lines(recipe, log_C, log_N + log_D),
        float((n + d).max()),
    )


def _budget_lines(
    recipe: np.ndarray, log_C: np.ndarray, product: np.ndarray
) -> np.ndarray:
    """Log N D as a line in log C for each recipe, with a slope of all."""
    count = np.bincount(recipe)

    def centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.bincount(recipe, values) / count
        return mean, values - mean[recipe]

    (mean_C, off_C), (mean_product, off) = centred(log_C), centred(product)
    steady = np.std(off - off_C) < STEADY
    slope = 1.0 if steady else float(off_C @ off / (off_C @ off_C))
    return np.stack([mean_product - slope * mean_C, np.full(len(count), slope)], axis=1)


def number_sizes(log_N: np.ndarray, log_D: np.ndarray) -> np.ndarray:
    """Number the distinct sizes of runs, (run,): N and D within half a percent."""
    sizes = np.stack([_steps(log_N), _steps(log_D)])
    return np.unique(sizes, axis=1, return_inverse=True)[1].ravel()


def _steps(log: np.ndarray) -> np.ndarray:
    """Number values that lie apart, (run,)."""
    order = np.argsort(log, kind="stable")
    number = np.empty(len(log), int)
    number[order] = np.cumsum(np.diff(log[order], prepend=-np.inf) > SAME)
    return number


def _number(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1].ravel()
