"""Targets resampled from a table: which runs are to be predicted, and which may be made.

Four kinds of target: the runs of largest cost, of largest size, of most data, and a block of
neighbouring runs anywhere.  Each split takes four fifths of the table's runs at random and
its own share of them for the target, so policies are judged over many targets of a kind;
a seed is a split, the same for all policies.
"""

import numpy as np

from design_tables import Columns, Table

SAMPLED = 0.8  # of the runs of a table, in each split
SHARES = (0.1, 0.3)  # of these that are the target, about
FEWEST = 4  # runs of a target
WIDEST = 0.5  # share of a target at most, where equal runs leave no other cut
KINDS = ("cost", "size", "data", "block")
AXES = {"cost": "C", "size": "N", "data": "D"}


def kinds(tables: list[Table]) -> list[str]:
    """Kinds of target that a table has: sizes or data that hardly vary are no axis."""
    return [
        k for k in KINDS if k == "block" or all(_bounds(t.x, AXES[k]) for t in tables)
    ]


def resample(tables: list[Table], kind: str, seed: int) -> list[Table]:
    """Split the runs of each pool of a table anew."""
    key = [seed, KINDS.index(kind)]
    return [_split(t, kind, np.random.default_rng(key)) for t in tables]


def _split(table: Table, kind: str, rng: np.random.Generator) -> Table:
    count = len(table.L)
    rows = rng.choice(count, round(SAMPLED * count), replace=False)
    x = {name: v[rows] for name, v in table.x.items()}
    share = rng.uniform(*SHARES)
    target = (
        _block(x, table.law.inputs, share, rng)
        if kind == "block"
        else _largest(x, AXES[kind], share)
    )
    order = np.r_[rows[~target], rows[target]]
    x = {name: v[order] for name, v in table.x.items()}
    return table._replace(x=x, L=x["L"], C=x["C"], pool=int((~target).sum()))


def _bounds(x: Columns, axis: str) -> dict[float, float]:
    """Values of an axis above which a target may lie, and its share of the runs."""
    values = x.get(axis, np.ones(1))
    shares = {float(b): float((values >= b).mean()) for b in np.unique(values)}
    return {b: s for b, s in shares.items() if WIDEST >= s >= FEWEST / len(values)}


def _largest(x: Columns, axis: str, share: float) -> np.ndarray:
    """The runs of largest value, equal ones together."""
    bounds = _bounds(x, axis)
    return x[axis] >= min(bounds, key=lambda b: abs(np.log(bounds[b] / share)))


def _block(
    x: Columns, inputs: tuple[str, ...], share: float, rng: np.random.Generator
) -> np.ndarray:
    """The runs nearest to one of them, by logs of the inputs that vary, each in its own sd."""
    logs = [np.log(x[n]) for n in inputs if np.all(x[n] > 0)]
    z = np.stack([v / v.std() for v in logs if np.ptp(v) > 0], axis=1)
    apart = np.square(z - z[rng.integers(len(z))]).sum(axis=1)
    target = np.zeros(len(z), bool)
    target[np.argsort(apart, kind="stable")[: max(FEWEST, int(share * len(z)))]] = True
    return target
