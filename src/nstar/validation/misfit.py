"""Posterior predictive misfit: is there structure in what the law leaves over?"""

import jax
import numpy as np

from nstar.fits.fitting import Fit
from nstar.samplers import density

DRAWS = 400  # thinned draws that are replicated
REPLICATES = 33  # of each run and draw: one is judged, the others say what is usual
NEIGHBOURS = 4  # of a run, nearest in log C and log D/N


def structure(fit: Fit) -> float:
    """Posterior predictive probability of residuals as much alike between neighbours.

    The statistic is the correlation of each run's residual with the mean of its
    neighbours' (Moran's I), for the data and for data simulated from the same draw
    (Gelman, Meng & Stern 1996); a law that bends away leaves neighbours alike.
    """
    x = {
        str(name): values.to_numpy()
        for name, values in fit.tree["constant_data"].data_vars.items()
    }
    y = fit.tree["observed_data"][fit.law.response.name].to_numpy()
    total = len(next(iter(fit.draws.values())))
    at = np.arange(min(DRAWS, total)) * total // min(DRAWS, total)
    draws = {name: values[at] for name, values in fit.draws.items()}
    with jax.enable_x64(True):
        skeleton, numbers = density.split(fit.law, fit.noise)
        key = jax.random.key(fit.seed)
        clean = density.expected(skeleton, numbers, draws, x)
        made = density.measured(fit.noise, clean, draws, x, key, REPLICATES)
    return _tail(y, np.asarray(made), _neighbours(fit))


def _neighbours(fit: Fit) -> np.ndarray:
    """Averaging weights of each run's neighbours, (run, run)."""
    from scipy.spatial import KDTree

    runs = fit.runs
    along = "L" if "L" in fit.law.inputs else "C"
    place = [
        np.log(runs[along]) if along in runs else np.arange(len(runs), dtype=float)
    ]
    if along == "C" and "N" in runs and "D" in runs:
        place.append(np.log(runs["D"] / runs["N"]))
    at = np.stack([p / max(np.std(p), 1e-12) for p in place], axis=1)
    count = max(min(NEIGHBOURS, len(runs) // 3), 1)
    _, nearest = KDTree(at).query(at, k=count + 1)
    weights = np.zeros((len(runs), len(runs)))
    for i, others in enumerate(nearest):
        others = [j for j in others if j != i][:count]
        weights[i, others] = 1 / count
    return weights


def _tail(y: np.ndarray, made: np.ndarray, near: np.ndarray) -> float:
    """Share of draws whose own replicate is as structured as y.

    Made is (draw, replicate, run), or (draw, replicate, run, part).
    """
    again, others = made[:, 0], made[:, 1:]
    centre = np.median(others, axis=1)  # a Student-t may have no mean
    scale = np.median(np.abs(others - centre[:, None]), axis=1)

    def statistic(y: np.ndarray) -> np.ndarray:
        left = np.clip((y - centre) / np.maximum(scale, 1e-12), -8, 8)
        alike = left * np.einsum("ij,dj...->di...", near, left)
        of_draw = tuple(range(1, left.ndim))
        return np.sum(alike, axis=of_draw) / np.sum(left**2, axis=of_draw)

    return float(np.mean(statistic(again) >= statistic(y)))
