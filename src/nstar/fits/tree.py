"""ArviZ's groups of a fit, with names, dimensions and provenance."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import xarray as xr

from nstar.departures.bending import is_bent, shapes, straight
from nstar.departures.pooling import Pooled
from nstar.laws import LAWS
from nstar.noises.likelihoods import NOISES
from nstar.priors.stated import describe
from nstar.runs.observations import Observations
from nstar.samplers.density import ONCE, Data, Skeleton, split
from nstar.samplers.nuts import Draws
from nstar.types import Array, Derives, Labelled, Law, Noise, Params, Prior

MISSED = "modes_without_chains"  # attribute: shares of the posterior's mass
ROWS = 1000  # draws whose derived quantities are worked out at a time


def build(
    law: Law,
    noise: Noise,
    chosen: Mapping[str, Prior],
    data: Data,
    draws: Draws,
    runs: Observations,
    seed: int,
) -> xr.DataTree:
    """Label the draws of a posterior and the prior's beside them."""
    import arviz_base  # slow to import, and a fit that is loaded needs it not

    coords: dict[str, Any] = {"run": runs.rows}
    dims: dict[str, list[str]] = {name: ["run"] for name in data.x}
    if isinstance(law, Labelled):
        own_coords, own_dims = law.labels()
        coords, dims = coords | own_coords, dims | own_dims
    response = law.response.name
    dims[response] = ["run", "part"][: data.y.ndim]
    posterior, prior = _with_derived(law, noise, draws.posterior, draws.prior)
    groups = {
        "posterior": posterior,
        "prior": {n: v[None] for n, v in prior.items()},
        "log_likelihood": {response: draws.log_likelihood.astype(np.float32)},
        "sample_stats": draws.stats,
        "observed_data": {response: data.y},
        "constant_data": dict(data.x),
    }
    likelihood = {**dims, response: ["run"]}
    tree = arviz_base.from_dict(
        {name: group for name, group in groups.items() if name != "log_likelihood"},
        coords=coords,
        dims=dims,
        save_warmup=False,
    )
    one = arviz_base.from_dict(
        {"log_likelihood": groups["log_likelihood"]}, coords=coords, dims=likelihood
    )
    tree["log_likelihood"] = one["log_likelihood"]
    if is_bent(law):
        tree["design"] = xr.DataTree(_shapes(law))
    tree.attrs = provenance(law, noise, chosen, runs, seed)
    tree.attrs[MISSED] = json.dumps(draws.missed.tolist())
    return tree


def _shapes(law: Law) -> xr.Dataset:
    """What the weights of the discrepancy multiply, each with dimensions of its own."""
    found = shapes(law).items()
    return xr.Dataset({n: ([f"{n}_{i}" for i in range(v.ndim)], v) for n, v in found})


@partial(jax.jit, static_argnums=0, compiler_options=ONCE)
def _derived(skeleton: Skeleton, numbers: Any, draws: Params) -> dict[str, Array]:
    law, _ = skeleton.fill(numbers)
    return jax.vmap(law.derived)(draws)


def _with_derived(
    law: Law, noise: Noise, posterior: Mapping[str, Any], prior: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Add what follows from the unknowns, (chain, draw, ...) and (draw, ...) each."""
    both = (
        {n: np.asarray(v) for n, v in posterior.items()},
        {n: np.asarray(v) for n, v in prior.items()},
    )
    if not isinstance(law, Derives):
        return both
    skeleton, numbers = split(law, noise)
    chains, draws = next(iter(both[0].values())).shape[:2]
    joined = {
        name: np.concatenate([v.reshape(-1, *v.shape[2:]), both[1][name]])
        for name, v in both[0].items()
    }
    count, total = chains * draws, chains * draws + len(next(iter(prior.values())))
    parts = [
        _derived(
            skeleton,
            numbers,
            {
                n: v[np.minimum(np.arange(i, i + ROWS), total - 1)]
                for n, v in joined.items()
            },
        )
        for i in range(0, total, ROWS)
    ]  # few sizes: one program
    found = {
        name: np.concatenate([np.asarray(part[name]) for part in parts])[:total]
        for name in parts[0]
    }
    of_posterior = {
        n: v[:count].reshape(chains, draws, *v.shape[1:]) for n, v in found.items()
    }
    return both[0] | of_posterior, both[1] | {n: v[count:] for n, v in found.items()}


def provenance(
    law: Law, noise: Noise, chosen: Mapping[str, Prior], runs: Observations, seed: int
) -> dict[str, Any]:
    """Everything needed to make the fit again, as plain attributes of the tree."""
    groups = pool_of(law)
    all_priors = law.priors() | noise.priors(law.response) | dict(chosen)
    law = law.law if isinstance(law, Pooled) else law
    return groups | {
        "nstar_version": version("nstar"),
        "law": json.dumps(spec(straight(law), LAWS)),
        "discrepancy": "waves" if is_bent(law) else "none",
        "noise": json.dumps(spec(noise, {n: type(v) for n, v in NOISES.items()})),
        "priors": json.dumps({name: describe(p) for name, p in all_priors.items()}),
        "priors_chosen": json.dumps({name: describe(p) for name, p in chosen.items()}),
        "seed": seed,
        "precision": "float64",
        "jax_version": version("jax"),
        "numpyro_version": version("numpyro"),
        "source": runs.source,
        "sha256": runs.sha256,
        "cost": str(runs.cost),
        "flop_per_param_token": runs.cost.k,
        "params_counted": runs.params_counted,
        "loss_unit": runs.loss_unit,
        "derived": runs.derived,
        "notes": json.dumps([note.as_json() for note in runs.notes]),
    }


def pool_of(law: Law) -> dict[str, str]:
    """Say over which groups a law is pooled, where it is."""
    if not isinstance(law, Pooled):
        return {}
    record = {"over": law.over, "groups": law.groups, "common": law.common}
    return {"pool": json.dumps(record)}


def spec(part: Law | Noise, known: Mapping[str, type]) -> dict[str, Any]:
    """Name a law or a noise and its settings, so that it can be made again."""
    names = [name for name, kind in known.items() if kind is type(part)]
    settings = asdict(part) if is_dataclass(part) and not isinstance(part, type) else {}
    settings.pop("trend", None)  # told as the discrepancy
    settings = {n: v for n, v in settings.items() if v != math.inf}  # no JSON
    return {
        "name": names[0] if names else type(part).__qualname__,
        "settings": settings,
    }
