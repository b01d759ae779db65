"""A digest of runs: the same numbers and groups have the same one, wherever they came from."""

import hashlib

import numpy as np

from nstar.runs.observations import Observations


def digest_of_runs(runs: Observations) -> str:
    """Hash what a law may learn from runs: columns by name, and how FLOP and sizes are counted."""
    sha = hashlib.sha256(repr((runs.cost, runs.params_counted)).encode())
    for name in sorted(runs.columns):
        values = runs[name]
        raw = (
            "\0".join(map(str, values)).encode()
            if values.dtype.kind in "OUS"
            else np.ascontiguousarray(values, float).tobytes()
        )
        sha.update(f"{name}{len(raw)}".encode() + raw)
    return sha.hexdigest()
