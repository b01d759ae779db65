"""Fits that wait for their turn, and how they are put side by side in one program."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from nstar.departures.bending import is_bent
from nstar.fits import certificates
from nstar.fits.certificates import Certificate
from nstar.fits.model import Problem, problem
from nstar.priors.sets import Priors
from nstar.samplers import density
from nstar.samplers.density import Skeleton
from nstar.samplers.devices import pad_fits
from nstar.types import Labelled

SIZES = {
    "cpu": (16,)
}  # of chunks: fits that a program takes, of which any number is read
WIDE = (1, 16, 256, 4096)  # on accelerators
PRECISIONS = ("float64", "float32")


class BatchOptions(NamedTuple):
    """What is wanted of every fit."""

    seed: int
    draws: int
    C: np.ndarray  # FLOP
    quantiles: tuple[float, ...] | None
    precision: str  # of the weights
    at: np.ndarray  # N and D of runs, (2, run)
    sizes: tuple[int, ...]  # fits that programs take at a time, rising


def batch_options(
    seed: int,
    draws: int,
    budgets: Sequence[float],
    quantiles: Sequence[float] | None,
    precision: str,
    at: Sequence[tuple[float, float]] = (),
    sizes: Sequence[int] = (),
) -> BatchOptions:
    """Read what `fit_batch` takes.

    Raises:
        ValueError: a probability is not one, or there is no such precision.
    """
    if precision not in PRECISIONS:
        msg = f"no precision {precision!r}; there are {', '.join(PRECISIONS)}"
        raise ValueError(msg)
    chosen = None if quantiles is None else tuple(map(float, quantiles))
    if chosen is not None and not all(0 <= q <= 1 for q in chosen):
        msg = f"quantiles {list(chosen)}: each is a probability, between 0 and 1"
        raise ValueError(msg)
    runs = np.asarray(at, float).reshape(-1, 2).T
    C = np.asarray(budgets, float)
    return BatchOptions(
        seed, draws, C, chosen, precision, runs, tuple(sizes or usual_sizes())
    )


class Task(NamedTuple):
    """A fit that waits for its turn."""

    name: str
    problem: Problem
    skeleton: Skeleton
    given: Any  # numbers, priors and runs, as the compiled programs take them
    near: Any = (
        None  # modes to search from, (mode, unknown); from the prior unless given
    )

    @property
    def kind(self) -> tuple[Any, ...]:
        """What fits must share to be worked out together: program, cost and labels."""
        leaves, tree = jax.tree.flatten(self.given)
        shapes = tuple(np.shape(leaf) for leaf in leaves)
        law, cost = self.problem.law, self.problem.runs.cost
        labels = str(law.labels()) if isinstance(law, Labelled) else ""
        return self.skeleton, tree, shapes, cost, labels


def tasks_of(
    tables: Mapping[str, Any],
    law: Any,
    noise: Any,
    priors: Priors,
    discrepancy: str,
    rows: int = 0,
) -> tuple[list[Task], dict[str, Certificate]]:
    """Put each table before the law; those that cannot be get a certificate that says why.

    Tables of up to `rows` runs share programs.
    """
    tasks, certified = [], {}
    for name, runs in tables.items():
        try:
            p = problem(runs, law, noise, priors, discrepancy)
        except ValueError as error:
            certified[name] = certificates.failed(str(error))
            continue
        tasks.append(task_of(name, p, rows))
    return tasks, certified


def task_of(name: str, p: Problem, rows: int = 0) -> Task:
    """Fill a problem's table up, and part its numbers from what is compiled."""
    rows = max(len(p.data.y), rows)  # waves are known at the runs of their own table
    data = p.data if is_bent(p.law) else density.padded(p.data, density.size(rows))
    skeleton, numbers = density.split(p.law, p.noise)
    priors = density.tabulated(p.law, p.noise, p.priors)
    given = jax.tree.map(np.asarray, (numbers, priors, data))
    return Task(name, p, skeleton, given)


def chunks(tasks: list[Task], sizes: Sequence[int]) -> Iterator[list[Task]]:
    """Fits that share a program, a chunk at a time."""
    size, alike = sizes[-1], {}
    for task in tasks:
        alike.setdefault(task.kind, []).append(task)
    for group in alike.values():
        for i in range(0, len(group), size):
            yield group[i : i + size]


def size_of(count: int, sizes: Sequence[int]) -> int:
    """Fits that a program takes for so many: few sizes, so that few programs."""
    return next(n for n in sizes if n >= count)


def usual_sizes() -> tuple[int, ...]:
    """Sizes of chunks on this machine's device, rising."""
    return SIZES.get(jax.devices()[0].platform, WIDE)


def stacked(chunk: list[Task], sizes: Sequence[int]) -> Any:
    """Put the fits' numbers, priors and runs side by side, the last repeated to fill up."""
    side_by_side = jax.tree.map(lambda *a: np.stack(a), *(t.given for t in chunk))
    return pad_fits(side_by_side, size_of(len(chunk), sizes))


def number(task: Task, seed: int) -> int:
    """Seed of a fit, from the batch's seed and the runs' own numbers."""
    digest = hashlib.sha256(str(seed).encode())
    for values in jax.tree.leaves(task.given):
        digest.update(np.ascontiguousarray(values, dtype=float).tobytes())
    return int.from_bytes(digest.digest()[:4], "big")
