"""What a fit says of any response, a loss or not, where nothing was measured."""

from collections.abc import Mapping

import jax
import numpy as np
import xarray as xr

from nstar.fitting import Fit
from nstar.samplers import density
from nstar.types import Array


def respond(fit: Fit, x: Mapping[str, Array], seed: int = 0) -> xr.Dataset:
    """Predict the response of a law at inputs of your choice.

    For laws of one column that is no loss, such as an error against compute
    (bounded_metric), an accuracy against tokens (token_budget) or FID; losses are
    `nstar.predict`'s, and counts `nstar.pass_at_k`'s.

    Args:
        fit: a fit of such a law.
        x: the law's inputs by name, (point,) each, in the fit's units.
        seed: of the scatter.

    Returns:
        `law`, without scatter, and `measured`, (draw, point).

    Raises:
        ValueError: an input lacks or is not positive, or the response is not one column.
    """
    law = fit.law
    if len(law.response.columns) != 1 or law.response.whole:
        msg = f"the {type(law).__name__} law predicts {', '.join(law.response.columns)}, not one number of a run; counts are for nstar.pass_at_k, tasks of two steps for nstar.score"
        raise ValueError(msg)
    missing = [name for name in law.inputs if name not in x]
    if missing:
        msg = f"the {type(law).__name__} law reads {', '.join(law.inputs)}; {', '.join(missing)} lacks"
        raise ValueError(msg)
    given = {n: np.atleast_1d(np.asarray(x[n], dtype=float)) for n in law.inputs}
    for name, values in given.items():
        if not (np.isfinite(values).all() and (values > 0).all()):
            msg = f"{name} must be positive and finite, got {values.tolist()}"
            raise ValueError(msg)
    shape = np.broadcast_shapes(*(v.shape for v in given.values()))
    at = {name: np.broadcast_to(values, shape) for name, values in given.items()}
    with jax.enable_x64(True):
        skeleton, numbers = density.split(law, fit.noise)
        clean = density.expected(skeleton, numbers, fit.draws, at)
        key = jax.random.key(seed)
        made = density.measured(fit.noise, clean, fit.draws, at, key)[:, 0]
    both = {"law": clean, "measured": made}
    data = {n: (("draw", "point"), law.response.unlink(np.asarray(v))[0]) for n, v in both.items()}  # fmt: skip
    coords = {name: ("point", values) for name, values in at.items()}
    return xr.Dataset(data, coords, attrs={"seed": seed, "unit": law.response.unit})
