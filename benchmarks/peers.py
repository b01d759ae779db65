"""What others would have said of the same held-out runs."""

from functools import lru_cache

import numpy as np
from scipy.optimize import minimize, nnls

from nstar.runs.observations import Observations

HUBER = 1e-3  # of a log residual, as Hoffmann et al. and Epoch
EXPONENTS = (
    0.05,
    0.15,
    0.25,
    0.35,
    0.5,
    0.75,
    1.2,
)  # of both terms, where searches start
POLISHED = 12  # best starts that are followed to their optimum
REFITS = 500  # bootstrap samples
REPEATS = 4  # runs drawn about each refit
FORMS = ("separable-power", "skaling-joint-power", "kaplan-joint-power")
SSL_DRAWS = 1000  # the package's default


# Epoch's pairs bootstrap (Besiroglu et al. 2024, arXiv:2404.10102)


def bootstrap(
    train: Observations, test: Observations, seed: int, *, noise: bool = True
) -> np.ndarray:
    """Pairs bootstrap of the log-Huber fit of Hoffmann's surface.

    Every refit starts from the optimum of all runs, as Epoch's starts from Hoffmann's.
    Epoch's intervals are of the law; a run's noise is added by drawing residuals of the
    optimum with replacement, independently for each held-out run.
    """
    (n, d, y), new = _centred(_columns(train), _columns(test))
    best, refits = _refits(_columns(train), seed)
    law = np.array([_surface(p, *new)[0] for p in refits])
    if not noise:
        return law
    law = np.repeat(law, REPEATS, axis=0)
    residuals = y - _surface(best, n, d)[0]
    return law + np.random.default_rng(seed).choice(residuals, size=law.shape)


def _columns(runs: Observations) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(runs[c].tolist()) for c in ("N", "D", "L"))


def _centred(train: tuple, test: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Log N and log D about their means over the training runs; log loss of those."""
    x, new = np.log(train), np.log(test[:2])
    middle = x[:2].mean(axis=1, keepdims=True)
    return np.concatenate([x[:2] - middle, x[2:]]), new - middle


@lru_cache(maxsize=2)
def _refits(train: tuple, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Optimum of all runs and of each resample, shared by both forecasts."""
    rng = np.random.default_rng(seed)
    data, _ = _centred(train, train)
    best = huber_fit(*data)
    samples = rng.integers(0, data.shape[1], (REFITS, data.shape[1]))
    return best, [_polish(best, *data[:, i])[0] for i in samples]


def huber_fit(n: np.ndarray, d: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Minimise the sum of Huber losses of log residuals over (a, b, e, alpha, beta).

    In place of Epoch's 4,500 starts: 49 pairs of exponents, each with the non-negative
    least-squares E, A and B that go with them; the best 12 are followed to their ends.
    """
    L = np.exp(y)
    starts = []
    for alpha in EXPONENTS:
        for beta in EXPONENTS:
            terms = np.stack([np.exp(-alpha * n), np.exp(-beta * d), np.ones_like(n)])
            weights, _ = nnls((terms / L).T, np.ones_like(L))
            abe = np.log(np.maximum(weights, 1e-3 * L.min()))
            start = np.array([*abe, alpha, beta])
            starts.append((_objective(start, n, d, y)[0], start))
    starts.sort(key=lambda s: s[0])
    ends = [_polish(start, n, d, y) for _, start in starts[:POLISHED]]
    return min(ends, key=lambda e: e[1])[0]


def _surface(p: np.ndarray, n: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, ...]:
    """Log loss, and the three logs it is the sum of."""
    size, data = p[0] - p[3] * n, p[1] - p[4] * d
    return np.logaddexp(np.logaddexp(size, data), p[2]), size, data


def _objective(
    p: np.ndarray, n: np.ndarray, d: np.ndarray, y: np.ndarray
) -> tuple[float, np.ndarray]:
    """Sum of Huber losses in units of 1e-6, and its slope."""
    log_L, size, data = _surface(p, n, d)
    r = log_L - y
    pull = np.clip(r, -HUBER, HUBER)
    value = np.sum(pull * (r - pull / 2))
    shares = np.exp(np.stack([size, data, np.full_like(size, p[2])]) - log_L) * pull
    slope = [*shares.sum(axis=1), -shares[0] @ n, -shares[1] @ d]
    return 1e6 * float(value), 1e6 * np.array(slope)


def _polish(start: np.ndarray, *data: np.ndarray) -> tuple[np.ndarray, float]:
    """Follow L-BFGS to its end, and again until that no longer helps."""
    options = {
        "maxiter": 2000,
        "maxfun": 4000,
        "ftol": 1e-12,
        "gtol": 1e-8,
        "maxcor": 20,
    }
    at, value = start, _objective(start, *data)[0]
    for _ in range(5):
        with np.errstate(over="ignore", invalid="ignore"):
            end = minimize(_objective, at, data, "L-BFGS-B", jac=True, options=options)
        if not np.isfinite(end.fun) or end.fun >= value * (1 - 1e-6):
            break
        at, value = end.x, float(end.fun)
    return at, value


# simple-scaling-laws


def simple_scaling_laws(
    train: Observations, test: Observations, seed: int, *, forms: tuple[str, ...]
) -> np.ndarray:
    """Predictions of a new run by simple-scaling-laws: one form, or an equal-weight pool.

    The package predicts loss; draws of a loss below 1 % of the least one seen are set
    there, so that their log exists.
    """
    floor = 0.01 * train["L"].min()
    each = [_one_form(form, _columns(train), _columns(test), seed) for form in forms]
    return np.log(np.maximum(np.concatenate(each), floor))


@lru_cache(maxsize=6)
def _one_form(form: str, train: tuple, test: tuple, seed: int) -> np.ndarray:
    """Joint draws of the loss of new runs, (draw, run); the pool reuses the forms'."""
    import polars as pl
    import simple_scaling_laws as ssl

    names = ("model_size__N", "dataset_size__D", "test_loss__L")
    table = {n: list(v) for n, v in zip(names, train, strict=True)}
    runs = {"training_run_id": [f"r{i}" for i in range(len(train[0]))]}
    model = ssl.fit(pl.DataFrame(runs | table), law=form, n_draws=SSL_DRAWS, seed=seed)
    points = pl.DataFrame({names[0]: list(test[0]), names[1]: list(test[1])})
    log_x = model.fitting_predictors(model.prepare_points(points))
    rng = np.random.default_rng(seed)
    return model.target_draws(names[2], log_x, kind="new-run", rng=rng)
