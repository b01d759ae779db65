"""Posterior predictive check for structure in the residuals of a law."""

import jax
import numpy as np

from nstar.fits.fitting import Fit
from nstar.samplers import density

DRAWS = 400  # thinned draws that are replicated
REPLICATES = 33  # of each run and draw: the first is tested against the others
NEIGHBOURS = 4  # of a run, nearest in log C and log D/N


def structure(fit: Fit) -> float:
    """Posterior predictive p-value of the correlation of residuals between neighbours.

    The statistic is the correlation of each run's residual with the mean of its
    neighbours' (Moran's I), for the data and for data simulated from the same draw
    (Gelman, Meng & Stern 1996); where the law is misspecified neighbours correlate.
    """
    x = {
        str(name): values.to_numpy()
        for name, values in fit.tree["constant_data"].data_vars.items()
    }
    y = fit.tree["observed_data"][fit.law.response.name].to_numpy()
    total = len(next(iter(fit.draws.values())))
    thinned = np.arange(min(DRAWS, total)) * total // min(DRAWS, total)
    draws = {name: values[thinned] for name, values in fit.draws.items()}
    with jax.enable_x64(True):
        skeleton, numbers = density.split(fit.law, fit.noise)
        key = jax.random.key(fit.seed)
        clean = density.expected(skeleton, numbers, draws, x)
        replicates = density.measured(fit.noise, clean, draws, x, key, REPLICATES)
    return _tail(y, np.asarray(replicates), _neighbours(fit))


def _neighbours(fit: Fit) -> np.ndarray:
    """Averaging weights of each run's neighbours, (run, run)."""
    from scipy.spatial import KDTree

    runs = fit.runs
    along = "L" if "L" in fit.law.inputs else "C"
    coordinates = [
        np.log(runs[along]) if along in runs else np.arange(len(runs), dtype=float)
    ]
    if along == "C" and "N" in runs and "D" in runs:
        coordinates.append(np.log(runs["D"] / runs["N"]))
    standardised = np.stack([p / max(np.std(p), 1e-12) for p in coordinates], axis=1)
    count = max(min(NEIGHBOURS, len(runs) // 3), 1)
    _, nearest = KDTree(standardised).query(standardised, k=count + 1)
    weights = np.zeros((len(runs), len(runs)))
    for i, indices in enumerate(nearest):
        indices = [j for j in indices if j != i][:count]
        weights[i, indices] = 1 / count
    return weights


def _tail(y: np.ndarray, replicates: np.ndarray, weights: np.ndarray) -> float:
    """Share of draws under which the first replicate is as structured as y.

    Args:
        y: measured responses, (run,) or (run, part).
        replicates: simulated responses, (draw, replicate, run) or with a part.
        weights: averaging weights of neighbours, (run, run).
    """
    judged, reference = replicates[:, 0], replicates[:, 1:]
    centre = np.median(reference, axis=1)  # a Student-t may have no mean
    scale = np.median(np.abs(reference - centre[:, None]), axis=1)

    def statistic(y: np.ndarray) -> np.ndarray:
        standardised = np.clip((y - centre) / np.maximum(scale, 1e-12), -8, 8)
        products = standardised * np.einsum("ij,dj...->di...", weights, standardised)
        of_draw = tuple(range(1, standardised.ndim))
        return np.sum(products, axis=of_draw) / np.sum(standardised**2, axis=of_draw)

    return float(np.mean(statistic(judged) >= statistic(y)))
