"""Reference posteriors by PyMC, written out by hand from the formulas.

    uv run --with pymc --with nutpie python benchmarks/reference_pymc.py

writes tests/golden/reference_pymc.json: means and standard deviations of each unknown
of the laws without a discrepancy, with their Monte-Carlo errors, and the settings of the
run.  nstar's own density is not used: the point is that another person's sampler and
another formula agree.
"""

import csv
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm

REPO = Path(__file__).parent.parent
SETTINGS = {
    "draws": 4000,
    "tune": 2000,
    "chains": 4,
    "target_accept": 0.95,
    "random_seed": 1,
}


def points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return N, D and loss of the Llama 3 points."""
    with open(REPO / "data" / "llama3_figure2.csv") as file:
        rows = [[float(v) for v in row.values()] for row in csv.DictReader(file)]
    C, D, L = np.array(rows).T
    return C / (6 * D), D, L


def chinchilla(N: np.ndarray, D: np.ndarray, L: np.ndarray) -> pm.Model:
    """Hoffmann's surface, Student-t on log loss."""
    n, d = np.log(N) - np.log(N).mean(), np.log(D) - np.log(D).mean()
    with pm.Model() as model:
        level = pm.LogNormal("level", np.log(2.0), 1.0)
        floor = pm.Beta("floor_share", 3.0, 2.0)
        size = pm.Beta("size_share", 2.0, 2.0)
        logit = pm.StudentT("logit_alpha1", nu=4.0, mu=0.04, sigma=0.35)
        alpha1 = pm.Deterministic("alpha1", pm.math.sigmoid(logit))
        total = pm.LogNormal("exponent_sum", np.log(0.63), 0.5)
        sigma = pm.LogNormal("sigma", np.log(0.01), 1.0)
        nu = pm.Gamma("nu", 2.0, 0.1)
        a, b = level * (1 - floor) * size, level * (1 - floor) * (1 - size)
        E = level * floor
        loss = (
            E
            + a * pm.math.exp(-(1 - alpha1) * total * n)
            + b * pm.math.exp(-alpha1 * total * d)
        )
        pm.StudentT(
            "log_loss", nu=nu, mu=pm.math.log(loss), sigma=sigma, observed=np.log(L)
        )
    return model


def allocation() -> pm.Model:
    """The tied allocation law on the ten shipped optima, normal scatter plus known errors."""
    with open(REPO / "data" / "llama3_optima.csv") as file:
        rows = list(csv.DictReader(file))
    C, D, se = (
        np.array([float(r[n]) for r in rows])
        for n in ("flops", "tokens", "log10_tokens_se")
    )
    c = np.log(C) - np.log(C).mean()
    with pm.Model() as model:
        ratio = pm.LogNormal("tokens_per_parameter", np.log(20.0), 1.0)
        logit = pm.StudentT("logit_alpha1", nu=4.0, mu=0.04, sigma=0.35)
        alpha1 = pm.Deterministic("alpha1", pm.math.sigmoid(logit))
        sigma = pm.LogNormal("sigma", np.log(0.1), 1.0)
        line = (
            0.5 * (np.log(C).mean() - np.log(6.0) + pm.math.log(ratio))
            + (1 - alpha1) * c
        )
        spread = pm.math.sqrt(sigma**2 + (se * np.log(10)) ** 2)
        pm.Normal("log_tokens", line, spread, observed=np.log(D))
    return model


def isoflop(N: np.ndarray, D: np.ndarray, L: np.ndarray) -> pm.Model:
    """All profiles at once: a surface's profile for each budget, minima on a line."""
    C = np.round(6 * N * D / 1e18, 3) * 1e18
    budgets, b = np.unique(C, return_inverse=True)
    c = np.log(budgets) - np.log(budgets).mean()
    with pm.Model() as model:
        ratio = pm.LogNormal("tokens_per_parameter", np.log(20.0), 1.0)
        logit = pm.StudentT("logit_alpha1", nu=4.0, mu=0.04, sigma=0.35)
        alpha1 = pm.Deterministic("alpha1", pm.math.sigmoid(logit))
        scatter = pm.LogNormal("scatter", np.log(0.1), 1.0)
        level = pm.LogNormal("level", np.log(2.0), 1.0)
        floor = pm.Beta("floor_share", 3.0, 2.0)
        gamma = pm.LogNormal("gamma", np.log(0.15), 0.5)
        level_scatter = pm.LogNormal("level_scatter", np.log(0.003), 1.0)
        bowl = pm.LogNormal("curvature", np.log(0.1), 0.8)
        slope = pm.Normal("curvature_slope", 0.0, 0.05)
        bowl_scatter = pm.LogNormal("curvature_scatter", np.log(0.15), 0.7)
        skew = pm.Normal("skew", 0.0, 0.2)
        sigma = pm.LogNormal("sigma", np.log(0.01), 1.0)
        nu = pm.Gamma("nu", 2.0, 0.1)
        line = (
            0.5 * (np.log(budgets).mean() - np.log(6.0) + pm.math.log(ratio))
            + (1 - alpha1) * c
        )
        minimum = pm.Normal("logit_minimum", line, scatter)
        above = level * (1 - floor) * pm.math.exp(-gamma * c)
        own = pm.Normal("logit_level", shape=len(c))
        own = own - own.mean()  # levels are what is not straight in log C
        own = own - c * (c * own).sum() / (c**2).sum()
        kappa = bowl * pm.math.exp(
            slope * c + bowl_scatter * pm.Normal("logit_bowl", shape=len(c))
        )
        q = np.log(D) - minimum[b]
        # alpha beta = kappa and alpha - beta = 3 skew, of each budget
        beta = -1.5 * skew + pm.math.sqrt((1.5 * skew) ** 2 + kappa)
        alpha = kappa / beta
        falling = alpha[b] * pm.math.exp(-beta[b] * q)
        rising = beta[b] * pm.math.exp(alpha[b] * q)
        loss = level * floor + above[b] * (falling + rising) / (alpha + beta)[b]
        mean = level_scatter * own[b] + pm.math.log(loss)
        pm.StudentT("log_loss", nu=nu, mu=mean, sigma=sigma, observed=np.log(L))
    return model


def summary(model: pm.Model) -> dict[str, Any]:
    """Sample and reduce to means, sds and their Monte-Carlo errors."""
    import arviz as az

    with model:
        trace = pm.sample(**SETTINGS, cores=1, progressbar=False)
    table = az.summary(trace, round_to="none")
    names = [name for name in table.index if not name.startswith("logit")]
    columns = ["mean", "sd", "mcse_mean", "mcse_sd", "ess_bulk", "r_hat"]
    unknowns = {name: {c: float(table.loc[name, c]) for c in columns} for name in names}
    return {
        "unknowns": unknowns,
        "divergences": int(trace.sample_stats["diverging"].sum()),
    }


if __name__ == "__main__":
    document = {
        "sampler": f"PyMC {pm.__version__}, NUTS by nutpie {version('nutpie')}",
        "settings": SETTINGS,
        "laws": {
            "chinchilla": summary(chinchilla(*points())),
            "allocation": summary(allocation()),
            "isoflop": summary(isoflop(*points())),
        },
    }
    out = REPO / "tests" / "golden" / "reference_pymc.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))
