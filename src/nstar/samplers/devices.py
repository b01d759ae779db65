"""How many fits are computed: after one another on a CPU, in parallel elsewhere."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from nstar.types import Array


def map_fits(function: Callable[[Any], Any], fits: Any, count: Array) -> Any:
    """Apply a function to the first fits, (fit, ...) each, within a compiled program.

    One gradient fills a CPU's vector units, so that it gains nothing from a batch: it takes
    one fit after another and stops at `count`, so that one program serves any number of
    fits.  An accelerator takes all at once.  Several devices share the fits where their
    number is a multiple of the devices'.

    Args:
        one: the function of one fit.
        fits: filled up to the size of the program.
        count: how many of them are computed; results of the others mean nothing.
    """
    devices = jax.devices()
    size = len(jax.tree.leaves(fits)[0])
    parts = len(devices) if size % len(devices) == 0 else 1
    if parts == 1:
        return (
            _in_turn(function, fits, count) if _on_cpu() else jax.vmap(function)(fits)
        )
    mesh, spec = Mesh(np.array(devices), ("fit",)), PartitionSpec("fit")

    def run(fits: Any) -> Any:
        before = jax.lax.axis_index("fit") * (size // parts)
        local_count = jnp.clip(count - before, 0, size // parts)
        return (
            _in_turn(function, fits, local_count)
            if _on_cpu()
            else jax.vmap(function)(fits)
        )

    return jax.shard_map(
        run, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
    )(fits)


def _on_cpu() -> bool:
    return jax.devices()[0].platform == "cpu"


def _in_turn(function: Callable[[Any], Any], fits: Any, count: Array) -> Any:
    size = len(jax.tree.leaves(fits)[0])

    def nth(i: Array) -> Any:
        return function(jax.tree.map(lambda a: a[i], fits))

    def add(i: Array, results: Any) -> Any:
        return jax.tree.map(lambda a, b: a.at[i].set(b), results, nth(i))

    shapes = jax.eval_shape(nth, jax.ShapeDtypeStruct((), np.int32))
    empty = jax.tree.map(lambda s: jnp.zeros((size, *s.shape), s.dtype), shapes)
    return jax.lax.fori_loop(0, count, add, empty)


def pad_fits(fits: Any, size: int) -> Any:
    """Repeat the last of the fits, (fit, ...) each, up to the size that a program takes."""
    return jax.tree.map(
        lambda a: np.asarray(a)[np.minimum(np.arange(size), len(a) - 1)], fits
    )
