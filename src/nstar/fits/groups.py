"""One group of a pooled fit, read as a fit of its own."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr

from nstar.departures.bending import bendable
from nstar.departures.pooling import Pooled
from nstar.fits.fitting import Fit
from nstar.fits.model import unknowns
from nstar.runs.grouping import NEXT, group_names
from nstar.samplers.density import Skeleton, split
from nstar.types import Array, Derives, Labelled, Law, Params
from nstar.verdicts import Check, Status

FEW = 5  # groups below which their spread is mostly its prior


def in_group(fit: Any, group: str | None, *, seed: int | None = None) -> Any:
    """Read a pooled fit in one of its groups, or in the population's next one.

    Args:
        fit: a fit, or an average, which is returned as it is where it is not pooled.
        group: name of a group of the runs, or "next" for one not seen yet, whose
            unknowns are drawn from the population anew for each draw.
        seed: of those; the fit's own unless given.

    Returns:
        A fit of the law without its groups: this group's draws and this group's runs,
        so that distances beyond the data are from its own runs; "next" keeps all runs.

    Raises:
        ValueError: no such group, none is named of a pooled fit, or one of a plain fit.
    """
    law = getattr(fit, "law", None)
    if not isinstance(law, Pooled):
        if group is not None:
            msg = f"group {group!r}: this fit has no groups; fit with pool=, or --pool, to have them"
            raise ValueError(msg)
        return fit
    if group is None:
        msg = f"this fit is pooled over {law.over}: name a group, one of {', '.join(law.groups)}, or {NEXT!r} for one not seen yet"
        raise ValueError(msg)
    at = None if group == NEXT else int(law.number(np.array([group]))[0])
    keep = np.ones(len(fit.runs), dtype=bool)
    if at is not None:
        keep = group_names(fit.runs, law.over) == group
    runs = fit.runs.take(keep)
    tree = _tree(fit, at, fit.seed if seed is None else seed, keep)
    tree.attrs = {**fit.tree.attrs, "group": group}
    return replace(fit, law=law.law, runs=runs, tree=tree)


def _tree(fit: Fit, at: int | None, seed: int, keep: np.ndarray) -> xr.DataTree:
    """Groups of the fit with the unknowns of one group in place of the population's."""
    seen = ("observed_data", "constant_data", "log_likelihood")
    parts = {name: fit.tree[name].dataset.isel(run=keep) for name in seen}
    parts["sample_stats"] = fit.tree["sample_stats"].dataset
    for i, name in enumerate(("posterior", "prior")):
        draws = fit.tree[name].dataset
        parts[name] = _draws(fit, draws, at, jax.random.key(2 * seed + i))
    return xr.DataTree.from_dict(parts)


def _inner(fit: Fit) -> Law:
    return fit.law.law if isinstance(fit.law, Pooled) else fit.law


def _draws(fit: Fit, draws: xr.Dataset, at: int | None, key: Array) -> xr.Dataset:
    """Unknowns of a group with what follows from them, (chain, draw, ...) each."""
    names = unknowns(fit.law, fit.noise)
    values = {n: draws[n].to_numpy() for n in names}
    with jax.enable_x64(True):
        skeleton, numbers = split(fit.law, fit.noise)
        shape = next(iter(values.values())).shape[:2]
        keys = jax.random.split(key, shape)
        members = _group(skeleton, numbers, at, values, keys)
    law = _inner(fit)
    dims = law.labels()[1] if isinstance(law, Labelled) else {}
    data = {
        name: (("chain", "draw", *dims.get(name, ())), np.asarray(value))
        for name, value in members.items()
    }
    noise = {n: draws[n] for n in fit.noise.priors(fit.law.response)}
    coords = {n: c for n, c in draws.coords.items() if n != "group"}
    return xr.Dataset({**data, **noise}, coords)


@partial(jax.jit, static_argnums=(0, 2))
def _group(
    skeleton: Skeleton, numbers: Any, at: int | None, values: Any, keys: Array
) -> Mapping[str, Array]:
    pooled, _ = skeleton.fill(numbers)
    law = pooled.law

    def one(params: Params, key: Array) -> dict[str, Array]:
        group = (
            pooled.draw_next_group(key, params)
            if at is None
            else pooled.in_group(params, at)
        )
        return group | (law.derived(group) if isinstance(law, Derives) else {})

    return jax.vmap(jax.vmap(one))(values, keys)


def check_groups(fit: Fit) -> list[Check]:
    """Say which groups lean on the others, and whether there are enough of them."""
    law = fit.law
    if not isinstance(law, Pooled):
        return []
    names = group_names(fit.runs, law.over)
    counts = {group: int(np.sum(names == group)) for group in law.groups}
    few = [f"{g} ({n} runs)" for g, n in counts.items() if n <= len(law.differing)]
    status, detail = Status.PASS, f"{len(counts)} groups by {law.over}"
    if len(counts) < FEW:
        status = Status.REVIEW
        detail += (
            f": with fewer than {FEW} their spreads stay near the prior, which then says how much "
            "groups borrow and how far the next one may lie; set it with --prior spread_..."
        )
    if few:
        detail += (
            f"; no more runs than unknowns, so the others speak for {', '.join(few)}"
        )
    checks = [Check("groups", status, detail)]
    if bendable(law.law):
        detail = (
            "a pooled law takes its form as exact, so its intervals beyond the runs are too narrow "
            "where it is a little wrong; --discrepancy waves bends all groups alike, and takes long"
        )
        checks.append(Check("form of the law", Status.REVIEW, detail))
    return checks
