"""What makes a fit the one it is, as a hash: the same name, the same draws."""

import hashlib
import json
from typing import Any

import numpy as np

from nstar.batch.manifest import Sampler
from nstar.fits import attempts, batches, certificates, diagnostics
from nstar.fits.model import named
from nstar.fits.tree import spec
from nstar.laws import LAWS
from nstar.noises.likelihoods import NOISES
from nstar.priors.learned import learned
from nstar.priors.record import of_runs as of_sources
from nstar.priors.sets import PriorSet
from nstar.priors.stated import describe
from nstar.runs.observations import Observations
from nstar.samplers import importance

MODEL = 8  # raised when laws, priors or samplers change what a posterior is
DIGITS = 24  # of a name


def of(made_of: Any) -> str:
    """Hash plain data."""
    text = json.dumps(made_of, sort_keys=True, allow_nan=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def of_runs(runs: Observations) -> str:
    """Hash what a law may learn from runs: numbers and groups, not where they came from."""
    found = hashlib.sha256(repr((runs.cost, runs.params_counted)).encode())
    for name in sorted(runs.columns):
        values = runs[name]
        raw = (
            "\0".join(map(str, values)).encode()
            if values.dtype.kind in "OUS"
            else np.ascontiguousarray(values, float).tobytes()
        )
        found.update(f"{name}{len(raw)}".encode() + raw)
    return found.hexdigest()[:DIGITS]


def of_array(values: np.ndarray | None) -> str:
    """Hash which runs count, and how often."""
    if values is None:
        return ""
    return hashlib.sha256(np.ascontiguousarray(values, float).tobytes()).hexdigest()[
        :DIGITS
    ]


def of_model(
    law: str,
    noise: str,
    discrepancy: str,
    priors: PriorSet,
    seed: int,
    runs: Observations,
) -> str:
    """Hash a law with its noise, its discrepancy, its priors of these runs and the seed.

    `priors` are of this law's unknowns alone.
    """
    form, scatter = named(law, noise)
    own = {n: p if isinstance(p, str) else describe(p) for n, p in priors.own.items()}
    record = []
    if priors.name != "weak":
        record = [
            learned().about.get("fits_sha256", ""),
            of_sources(runs, learned().marks),
        ]
    return of(
        {
            "model": MODEL,
            "law": spec(form, LAWS),
            "noise": spec(scatter, {n: type(v) for n, v in NOISES.items()}),
            "discrepancy": discrepancy
            if discrepancy == "none"
            else [discrepancy, attempts.BENT, attempts.RETRY_BENT],
            "priors": priors.name,
            "own": own,
            "without": priors.without,
            "record": record,
            "seed": seed,
        }
    )


def of_sampler(sampler: Sampler) -> str:
    """Hash how draws are made and when they are believed."""
    return of(
        {
            "draws": sampler.draws,
            "precision": sampler.precision,
            "weights": [importance.FEW, importance.MANY, batches.MOST],
            "nuts": [
                *(attempts.USUAL, attempts.LINE, attempts.COUNTS, attempts.SIGMOID),
                *(attempts.RETRY, attempts.JUST_ENOUGH, attempts.DEPTH),
            ],
            "gates": [
                certificates.K_HAT,
                sorted(certificates.SKEW.values()),
                diagnostics.ESS,
                diagnostics.RHAT,
                diagnostics.TOLERATED,
            ],
        }
    )
