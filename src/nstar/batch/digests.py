"""Digests of a batch: what makes a fit the one it is, and what its files held when written.

A fit's name is a digest of its runs, its model and its sampler: the same name, the same draws.
"""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from nstar.batch.manifest import Sampler
from nstar.fits import attempts, batches, certificates, diagnostics
from nstar.fits.model import parse_model
from nstar.fits.tree import spec
from nstar.laws import LAWS
from nstar.noises.likelihoods import NOISES
from nstar.priors.learned import learned
from nstar.priors.record import sources_of_runs
from nstar.priors.sets import PriorSet
from nstar.priors.stated import describe
from nstar.runs.digest import digest_of_runs
from nstar.runs.observations import Observations
from nstar.samplers import importance

MODEL = 8  # raised when laws, priors or samplers change what a posterior is
DIGITS = 24  # of a name


def of(document: object) -> str:
    """Digest plain data."""
    text = json.dumps(document, sort_keys=True, allow_nan=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def of_runs(runs: Observations) -> str:
    """Digest what a law may learn from runs."""
    return digest_of_runs(runs)[:DIGITS]


def of_array(values: np.ndarray | None) -> str:
    """Digest which runs count, and how often."""
    if values is None:
        return ""
    raw = np.ascontiguousarray(values, float).tobytes()
    return hashlib.sha256(raw).hexdigest()[:DIGITS]


def of_model(
    law: str,
    noise: str,
    discrepancy: str,
    priors: PriorSet,
    seed: int,
    runs: Observations,
) -> str:
    """Digest a law with its noise, its discrepancy, its priors of these runs and the seed.

    `priors` are of this law's unknowns alone.
    """
    model = parse_model(law, noise)
    record = []
    if priors.name != "weak":
        sources = sources_of_runs(runs, learned().fingerprints)
        record = [learned().about.get("fits_sha256", ""), sources]
    bending = [discrepancy, attempts.BENT, attempts.RETRY_BENT]
    return of(
        {
            "model": MODEL,
            "law": spec(model.law, LAWS),
            "noise": spec(model.noise, {n: type(v) for n, v in NOISES.items()}),
            "discrepancy": discrepancy if discrepancy == "none" else bending,
            "priors": priors.name,
            "own": {
                n: p if isinstance(p, str) else describe(p)
                for n, p in priors.overrides.items()
            },
            "without": priors.without,
            "record": record,
            "seed": seed,
        }
    )


def of_sampler(sampler: Sampler) -> str:
    """Digest how draws are made and when they are believed."""
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


def of_draws(draws: Mapping[str, np.ndarray]) -> str:
    """Digest draws, (fit, draw, ...) each, whatever order they come in."""
    sha = hashlib.sha256()
    for name in sorted(draws):
        values = np.ascontiguousarray(draws[name], np.float32)
        if not np.isnan(values).all():
            sha.update(f"{name}{values.shape}".encode() + values.tobytes())
    return sha.hexdigest()


def of_table(table: pa.Table) -> str:
    """Digest what a table says."""
    sha = hashlib.sha256()
    for name in table.column_names:
        sha.update(f"{name}\0{table[name].to_pylist()!r}".encode())
    return sha.hexdigest()
