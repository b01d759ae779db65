"""Which runs are of which recipe, and whether their losses can be compared at all."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nstar.costs.training import FLOP_PER_PARAM_TOKEN
from nstar.multipliers.ladders import Ladders, gather
from nstar.runs.columns import suggest
from nstar.runs.grouping import group_names
from nstar.runs.observations import Observations
from nstar.runs.problems import list_some
from nstar.runs.reading import read_runs

ACCEPTED = ("several recipes",)  # of a table: they are what is compared
RECIPE = "recipe"  # the column that several tables are joined by
SEEDS = ("seed", "data_seed", "data_order")  # columns that name paired runs
BYTES = "bytes_per_token"
# columns that say what a loss is a measurement of
METRICS = (
    *("tokenizer", "tokeniser", "vocabulary", "vocab_size"),
    *("validation", "validation_set", "eval_set", "metric", "loss_unit", "unit"),
)
OF_TOKENS = METRICS[:4]  # which make no difference to a loss per byte
LEAST = 2  # runs of a recipe


def read_tables(
    tables: Mapping[str, Any],
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    *,
    k: float = FLOP_PER_PARAM_TOKEN,
    params_counted: str | None = None,
) -> Observations:
    """Read one table a recipe, and join them.

    Args:
        tables: what `read_runs` reads, by recipe.
        columns: as `read_runs` takes them, of every table.
        where: likewise.
        k: likewise.
        params_counted: likewise.

    Raises:
        ValueError: as `read_runs` raises, or the losses are of columns of other names.
    """
    return join_tables(
        {
            name: read_runs(table, columns, where, k=k, params_counted=params_counted)
            for name, table in tables.items()
        }
    )


def join_tables(parts: Mapping[str, Observations]) -> Observations:
    """Join the runs of several recipes, by name.

    Raises:
        ValueError: the losses are of columns of other names, or in other units.
    """
    headers = {name: part.named.get("L", "L") for name, part in parts.items()}
    first, *others = parts.values()
    if len(set(headers.values())) > 1:
        listed = ", ".join(f"{header!r} of {name}" for name, header in headers.items())
        msg = f"no common metric: the losses are columns {listed}; if they are the same measurement, name it in every table, or with --columns L=..."
        raise ValueError(msg)
    units = {name: part.loss_unit for name, part in parts.items()}
    if len({*units.values()} - {"unknown"}) > 1:
        listed = ", ".join(f"{unit} in {name}" for name, unit in units.items())
        msg = (
            f"no common metric: losses are in {listed}; convert them to one unit first"
        )
        raise ValueError(msg)
    shared = [n for n in first.columns if all(n in part for part in others)]
    joined = {
        n: np.concatenate(
            [_alike(part[n], parts.values(), n) for part in parts.values()]
        )
        for n in shared
        if n != RECIPE
    }
    joined[RECIPE] = np.repeat(list(parts), [len(part) for part in parts.values()])
    return replace(
        first,
        columns=joined,
        rows=np.concatenate([part.rows for part in parts.values()]),
        source=", ".join(dict.fromkeys(part.source for part in parts.values())),
        notes=tuple(note for part in parts.values() for note in part.notes),
    )


def _alike(values: np.ndarray, parts: Any, name: str) -> np.ndarray:
    """A column as text where any of the tables has text there."""
    text = any(part[name].dtype.kind in "US" for part in parts)
    return values.astype(str) if text else values


def find_ladders(runs: Observations, by: str) -> tuple[Ladders, Observations]:
    """Gather the runs of every recipe.

    Args:
        runs: of all recipes, with N, D, C and L.
        by: the column that names a run's recipe, by our name or the table's.

    Returns:
        The ladders, and the runs with the loss that they have.

    Raises:
        ValueError: no such column, a column that a loss surface needs is missing, fewer
            than two recipes, a recipe of one run, one run in two recipes, or losses that
            cannot be compared.
    """
    over = _column_of(runs, by)
    if over not in runs:
        msg = f"{runs.source}: no column {by!r} that names recipes; {suggest(by, runs.columns)} Name it with --by"
        raise ValueError(msg)
    for name in ("N", "D", "C", "L"):
        if name not in runs:
            msg = f"{runs.source}: a comparison of recipes needs column {name!r}; the table has {', '.join(runs.columns)}. Name it with --columns {name}=..."
            raise ValueError(msg)
    _refuse_losses(runs)
    counted = np.unique(runs[over].astype(str), return_counts=True)
    names, counts = counted
    if len(names) < 2:
        msg = f"{runs.source}: column {runs.header(over)} names one recipe, {str(names[0])!r}; a comparison takes two at least"
        raise ValueError(msg)
    if (counts < LEAST).any():
        few = names[counts < LEAST]
        row = runs.rows[runs[over].astype(str) == few[0]][0]
        msg = f"{runs.source}, row {row}, column {runs.header(over)}: recipe {str(few[0])!r} has one run, which shows no trend{f' (and so have {list_some(few[1:].tolist())})' if len(few) > 1 else ''}; add runs of other sizes, or leave it out with --where '{by}!={few[0]}'"
        raise ValueError(msg)
    group = group_names(runs, over)
    runs = _comparable(runs, group)
    _refuse_twins(runs, group, over)
    names, recipe = np.unique(group, return_inverse=True)
    seed = next((runs[n].astype(str) for n in SEEDS if n in runs), None)
    columns = (runs[n] for n in ("N", "D", "C", "L"))
    return gather(tuple(map(str, names)), recipe, *columns, seed=seed), runs


def names_of_runs(runs: Observations, by: str) -> np.ndarray:
    """Name the recipe of each run that `find_ladders` has taken, (run,)."""
    return group_names(runs, _column_of(runs, by))


def _column_of(runs: Observations, by: str) -> str:
    """Our name of the column that names recipes, given by that or the table's."""
    return next((n for n, header in runs.named.items() if header == by), by)


def find_baseline(names: Sequence[str], baseline: str | None) -> int:
    """Number of the recipe that others are compared with; the first unless given.

    Raises:
        ValueError: there is none of that name.
    """
    if baseline is None:
        return 0
    if baseline not in names:
        near = difflib.get_close_matches(baseline, names, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}? " if near else ""
        msg = f"baseline {baseline!r}: no recipe of that name; {hint}there are {list_some(list(names))}"
        raise ValueError(msg)
    return list(names).index(baseline)


def _refuse_losses(runs: Observations) -> None:
    bad = ~(np.isfinite(runs["L"]) & (runs["L"] > 0))
    if bad.any():
        row = runs.rows[bad][0]
        value = runs["L"][bad][0]
        msg = f"{runs.source}, row {row}, column {runs.header('L')}: expected a positive finite loss, got {'an empty cell' if np.isnan(value) else f'{value:g}'} ({int(bad.sum())} such rows); leave such runs out with --where 'L>0'"
        raise ValueError(msg)


def _comparable(runs: Observations, group: np.ndarray) -> Observations:
    """Refuse losses of several measurements; turn those per token into per byte.

    Raises:
        ValueError: a column says that the losses of two recipes are of different things.
    """
    per_byte = BYTES in runs
    for name in METRICS:
        if name not in runs or (per_byte and name in OF_TOKENS):
            continue
        values = runs[name].astype(str)
        of_recipe = {g: {*values[group == g]} for g in np.unique(group)}
        if len({frozenset(of_one) for of_one in of_recipe.values()}) > 1:
            listed = "; ".join(
                f"{g}: {', '.join(sorted(of_one))}" for g, of_one in of_recipe.items()
            )
            remedy = (
                f"give {BYTES} for every run, and losses are compared per byte"
                if name in OF_TOKENS
                else "compare losses of one measurement, as in --where"
            )
            msg = f"{runs.source}, column {name!r}: the recipes' losses are not comparable ({listed}); {remedy}"
            raise ValueError(msg)
    if not per_byte:
        return runs
    factor = runs[BYTES]
    if factor.dtype.kind != "f" or not np.all(np.isfinite(factor) & (factor > 0)):
        msg = f"{runs.source}, column {BYTES!r}: expected positive numbers in every row, such as 4.3"
        raise ValueError(msg)
    columns = {**runs.columns, "L": runs["L"] / factor}
    return replace(runs, columns=columns, loss_unit="nats per byte")


def _refuse_twins(runs: Observations, group: np.ndarray, over: str) -> None:
    """Raise where one run stands in two recipes.

    Raises:
        ValueError: two recipes have a run of the same N, D, C and loss.
    """
    numbers = np.stack([runs[n] for n in ("N", "D", "C", "L")])
    _, number = np.unique(numbers, axis=1, return_inverse=True)
    number = number.ravel()
    for i in np.unique(number):
        at = np.flatnonzero(number == i)
        if len(np.unique(group[at])) > 1:
            a, b = at[0], next(j for j in at if group[j] != group[at[0]])
            msg = f"{runs.source}, rows {runs.rows[a]} and {runs.rows[b]}: the same run (N = {runs['N'][a]:g}, D = {runs['D'][a]:g}, L = {runs['L'][a]:g}) stands in recipes {str(group[a])!r} and {str(group[b])!r} of column {runs.header(over)}; keep it in one"
            raise ValueError(msg)
