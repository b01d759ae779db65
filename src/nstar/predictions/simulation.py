"""Simulated runs of a law and a noise: prior predictive checks, teaching, calibration."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from nstar.answers import Document
from nstar.costs.training import PerParamToken
from nstar.fits.model import parse_model, placed
from nstar.priors.resolving import resolve
from nstar.priors.sets import Priors
from nstar.runs.law_data import input_columns
from nstar.runs.observations import Observations
from nstar.samplers import density
from nstar.types import SHARED, Law, Noise, Sharing


def simulate(
    law: str | Law,
    design: Observations | Mapping[str, ArrayLike],
    params: Mapping[str, ArrayLike] | None = None,
    noise: str | Noise | None = None,
    *,
    priors: Priors = None,
    draws: int = 1,
    seed: int = 0,
) -> xr.Dataset:
    """Draw responses of a design from the law and its noise.

    Args:
        law: name of a law, or a law; it is put at the centre of the design.
        design: inputs by name, (run,) each, or observed runs whose inputs are taken.
        params: one value for every unknown of the law and the noise; drawn from the
            prior, anew for each draw, unless given.
        noise: name of a noise, or a noise; the response's usual one.
        priors: as `fit` takes them.
        draws: number of simulated tables.
        seed: the same seed gives the same tables.

    Returns:
        The response's columns and the unknowns, with dimensions (draw, run) and (draw).

    Raises:
        ValueError: the design lacks an input, or params an unknown.

    Examples:
        >>> nstar.simulate("chinchilla", {"N": [1e8, 1e9], "D": [2e9, 2e10]}, draws=3)["L"]
    """
    model = parse_model(law, noise)
    law, noise = model.law, model.noise
    cost = design.cost if isinstance(design, Observations) else PerParamToken()
    names = input_columns(law, noise)
    missing = [name for name in names if name not in design]
    if missing:
        msg = f"the design lacks {missing}; the {type(law).__name__} law reads {list(names)}"
        raise ValueError(msg)
    x = {name: np.asarray(design[name], dtype=float) for name in names}
    if isinstance(noise, Sharing):  # each run by itself where a design does not say
        if isinstance(design, Observations):
            x[SHARED] = noise.shared(design, law)
        elif SHARED in design:
            x[SHARED] = np.asarray(design[SHARED], dtype=float)
        elif noise.over in design:
            group = np.unique(design[noise.over], return_inverse=True)[1]
            x[SHARED] = group.astype(float)
    with jax.enable_x64(True):
        law, noise = placed(law, noise, x, cost)
        runs = design if isinstance(design, Observations) else None
        chosen = resolve(priors, law, noise, runs).priors
        skeleton, numbers = density.split(law, noise)
        key, noise_key = jax.random.split(jax.random.key(seed))
        if params is None:
            unknowns = density.prior_draws(law, noise, chosen, key, draws)
        else:
            unknowns = _repeat(law, noise, params, draws)
        clean = density.expected(skeleton, numbers, unknowns, x)
        y = np.asarray(density.measured(noise, clean, unknowns, x, noise_key))[:, 0]
    columns = zip(law.response.columns, law.response.unlink(y), strict=True)
    data: dict[str, Any] = {name: (("draw", "run"), value) for name, value in columns}
    for name, value in unknowns.items():
        extra = tuple(f"{name}_dim_{i}" for i in range(np.ndim(value) - 1))
        data[f"unknown_{name}" if name in data else name] = (
            ("draw", *extra),
            np.asarray(value),
        )
    coords = {name: ("run", values) for name, values in x.items() if name not in data}
    return xr.Dataset(data, coords, attrs={"seed": seed, "law": type(law).__name__})


def _repeat(
    law: Law, noise: Noise, params: Mapping[str, ArrayLike], draws: int
) -> Document:
    names = [*law.priors(), *noise.priors(law.response)]
    missing = [name for name in names if name not in params]
    unknown = [name for name in params if name not in names]
    if missing or unknown:
        msg = f"params: missing {missing}, not among the unknowns {unknown}; expected {names}"
        raise ValueError(msg)
    return {
        n: np.repeat(np.asarray(params[n], dtype=float)[None], draws, axis=0)
        for n in names
    }
