"""Posteriors that are known: every draw the truth, or scattered about it a little."""

import numpy as np
import xarray as xr

import nstar
from nstar.fits.model import parse_model


def known(name, x, truth, draws=200, jitter=0.0):
    """A fit of these runs whose draws are given, not sampled."""
    model = parse_model(name, None)
    law, noise = model.law, model.noise
    runs = nstar.read_runs(x)
    law = law.at(runs.columns, runs.cost) if hasattr(law, "at") else law
    random = np.random.default_rng(0)
    posterior = {
        n: (
            ("chain", "draw", *(["size"] * np.ndim(v))),
            np.asarray(v)
            * (1 + jitter * random.standard_normal((1, draws, *np.shape(v)))),
        )
        for n, v in truth.items()
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(posterior)})
    return nstar.Fit(law, noise, runs, tree, 0)
