"""Where many fits are worked out: after one another on a CPU, side by side elsewhere."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec


def each(one: Callable[[Any], Any], fits: Any) -> Any:
    """Apply a function to every fit, (fit, ...) each.

    One gradient fills a CPU's vector units, so that nothing is won side by side there;
    an accelerator takes all at once.  Several devices share the fits, where their number
    divides by that of the devices.
    """
    devices = jax.devices()
    count = len(jax.tree.leaves(fits)[0])
    parts = len(devices) if count % len(devices) == 0 else 1
    together = None if devices[0].platform == "cpu" else count // parts

    def run(fits: Any) -> Any:
        return jax.lax.map(one, fits, batch_size=together)

    if parts == 1:
        return run(fits)
    mesh, spec = Mesh(np.array(devices), ("fit",)), PartitionSpec("fit")
    return jax.shard_map(run, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)(fits)  # fmt: skip
