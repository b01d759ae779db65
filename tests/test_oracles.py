"""Posteriors against answers found another way: closed forms, quadrature, other samplers."""

import json
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

import nstar
from nstar.costs.training import SIX
from nstar.responses.scales import NORMALISED_LOSS
from nstar.runs.observations import Observations

GOLDEN = Path(__file__).parent / "golden"
MOST_MCSE = 4.5  # two-sided normal tail 7e-6, our false-alarm rate


def mcse(draws: np.ndarray) -> tuple[float, float]:
    """Monte-Carlo standard errors of mean and sd, from (chain, draw) arrays."""
    import arviz_stats

    return (
        float(arviz_stats.mcse(draws, method="mean")),
        float(arviz_stats.mcse(draws, method="sd")),
    )


def assert_moments(draws, mean, sd, mean_error=0.0, sd_error=0.0):
    """Mean and sd of draws lie within MOST_MCSE joint standard errors of the oracle's."""
    own_mean, own_sd = mcse(draws)
    assert abs(draws.mean() - mean) < MOST_MCSE * np.hypot(own_mean, mean_error)
    assert abs(draws.std() - sd) < MOST_MCSE * np.hypot(own_sd, sd_error)


def chains(fit, name):
    return fit.tree["posterior"][name].to_numpy()


def table(**columns):
    columns = {
        name: np.asarray(values, dtype=float) for name, values in columns.items()
    }
    rows = np.arange(len(next(iter(columns.values()))))
    return Observations(columns, rows, "oracle", "", SIX)


def test_allocation_law_against_the_conjugate_closed_form(optima):
    """Given sigma the law is a Bayesian linear regression; sigma is one quadrature.

    With log D* = u + (1 - alpha1) c, u = (log(C0/6) + log rho)/2, normal priors on
    log rho and alpha1 are conjugate; the posterior is a mixture over sigma.
    """
    runs = table(C=optima["C"], D=optima["D"], N=optima["N"])
    priors = {
        "alpha1": "Normal(0.5, 0.1)",
        "tokens_per_parameter": "LogNormal(3.0, 1.0)",
    }
    fit = nstar.fit(runs, "allocation", priors=priors, seed=3, discrepancy="none")
    c = np.log(optima["C"]) - np.log(fit.law.C0)
    X = np.stack([np.full_like(c, 0.5), -c], axis=1)
    y = np.log(optima["D"]) - 0.5 * np.log(fit.law.C0 / 6) - c
    prior_mean, prior_precision = np.array([3.0, 0.5]), np.diag([1.0, 100.0])

    def given_sigma(sigma):
        precision = prior_precision + X.T @ X / sigma**2
        covariance = np.linalg.inv(precision)
        mean = covariance @ (prior_precision @ prior_mean + X.T @ y / sigma**2)
        marginal = stats.multivariate_normal(
            X @ prior_mean,
            sigma**2 * np.eye(len(y)) + X @ np.linalg.inv(prior_precision) @ X.T,
        )
        return mean, covariance, marginal.logpdf(y)

    grid = np.linspace(np.log(0.02), np.log(1.5), 801)
    parts = [given_sigma(np.exp(s)) for s in grid]
    log_weight = np.array([p[2] for p in parts]) + stats.norm.logpdf(
        grid, np.log(0.1), 1.0
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= integrate.trapezoid(weight, grid)

    def average(values):
        return integrate.trapezoid(weight * np.array(values), grid)

    for j, name in ((0, "tokens_per_parameter"), (1, "alpha1")):
        mean = average([p[0][j] for p in parts])
        square = average([p[0][j] ** 2 + p[1][j, j] for p in parts])
        draws = chains(fit, name)
        draws = np.log(draws) if j == 0 else draws
        assert_moments(draws, mean, np.sqrt(square - mean**2))
    sigma_mean = average(grid)
    assert_moments(
        np.log(chains(fit, "sigma")),
        sigma_mean,
        np.sqrt(average(grid**2) - sigma_mean**2),
    )


@dataclass(frozen=True)
class LinearSurface:
    """Hoffmann's form with normal priors on E, a and b, so that two unknowns remain."""

    N0: float
    D0: float

    inputs = ("N", "D")
    response = NORMALISED_LOSS

    def priors(self):
        weight = dist.Normal(1.0, 1.0)
        exponent = dist.Uniform(0.1, 0.7)
        return {
            "E": weight,
            "a": weight,
            "b": weight,
            "alpha": exponent,
            "beta": exponent,
        }

    def expected(self, p, x):
        size = p["a"] * (x["N"] / self.N0) ** -p["alpha"]
        return p["E"] + size + p["b"] * (x["D"] / self.D0) ** -p["beta"]


@dataclass(frozen=True)
class Known:
    """Normal noise of a known standard deviation."""

    sd: float

    def priors(self, response):
        return {}

    def around(self, expected, params, x):
        return dist.Normal(expected, self.sd)


def test_surface_against_two_dimensional_quadrature(rng):
    """E, a and b integrate out in closed form; alpha and beta by a grid (Golub-Pereyra form)."""
    N, D = (
        v.ravel()
        for v in np.meshgrid(np.geomspace(1e8, 1e10, 7), np.geomspace(2e9, 2e11, 7))
    )
    law, noise = LinearSurface(1e9, 2e10), Known(0.01)
    truth = {"E": 1.7, "a": 0.6, "b": 0.5, "alpha": 0.34, "beta": 0.37}
    L = np.asarray(law.expected(truth, {"N": N, "D": D})) + 0.01 * rng.normal(
        size=N.size
    )
    fit = nstar.fit(table(N=N, D=D, L=L), law, noise, seed=5, discrepancy="none")

    def posterior(grid):
        moments = np.zeros((grid.size, grid.size, 4))
        log_weight = np.zeros((grid.size, grid.size))
        for i, alpha in enumerate(grid):
            for j, beta in enumerate(grid):
                X = np.stack(
                    [np.ones_like(N), (N / 1e9) ** -alpha, (D / 2e10) ** -beta], 1
                )
                precision = np.eye(3) + X.T @ X / noise.sd**2
                right = np.ones(3) + X.T @ L / noise.sd**2
                mean = np.linalg.solve(precision, right)
                sign, log_det = np.linalg.slogdet(precision)
                assert sign > 0
                log_weight[i, j] = 0.5 * (right @ mean - log_det)
                moments[i, j] = (
                    alpha,
                    beta,
                    mean[0],
                    np.linalg.inv(precision)[0, 0] + mean[0] ** 2,
                )
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        first = np.einsum("ij,ijk->k", weight, moments)
        squares = np.einsum("ij,ijk->k", weight, moments[..., :2] ** 2)
        sd = np.sqrt([*(squares - first[:2] ** 2), first[3] - first[2] ** 2])
        return first[:3], sd

    mean, sd = posterior(np.linspace(0.2, 0.5, 121))
    for name, m, s in zip(("alpha", "beta", "E"), mean, sd, strict=True):
        assert_moments(chains(fit, name), m, s)


@pytest.mark.parametrize(
    ("law", "data"),
    [("chinchilla", "llama3"), ("allocation", "llama3_optima"), ("isoflop", "llama3")],
)
def test_posterior_against_pymc(law, data):
    """Reference summaries by PyMC from formulas written out by hand; see the file's settings."""
    reference = json.loads((GOLDEN / "reference_pymc.json").read_text())["laws"][law]
    assert reference["divergences"] == 0
    fit = nstar.fit(nstar.read_runs(data), law, seed=11, discrepancy="none")
    for name, r in reference["unknowns"].items():
        assert_moments(
            chains(fit, name), r["mean"], r["sd"], r["mcse_mean"], r["mcse_sd"]
        )


def test_the_moment_test_can_fail(optima):
    """A prior that pulls sigma aside is seen."""
    reference = json.loads((GOLDEN / "reference_pymc.json").read_text())["laws"][
        "allocation"
    ]
    fit = nstar.fit(
        nstar.read_runs("llama3_optima"),
        "allocation",
        seed=11,
        priors={"sigma": "LogNormal(-1.0, 0.3)"},
        discrepancy="none",
    )
    r = reference["unknowns"]["sigma"]
    with pytest.raises(AssertionError):
        assert_moments(
            chains(fit, "sigma"), r["mean"], r["sd"], r["mcse_mean"], r["mcse_sd"]
        )


def test_a_users_own_law_with_another_response(rng):
    """Ten lines in a notebook: successes of samples, with no loss, N or D anywhere."""
    from nstar.responses.scales import SUCCESSES

    @dataclass(frozen=True)
    class OneRate:
        inputs = ("samples",)
        response = SUCCESSES

        def priors(self):
            return {"rate": dist.Beta(1.0, 1.0)}

        def expected(self, params, x):
            return params["rate"] * jnp.ones_like(x["samples"])

    @dataclass(frozen=True)
    class Binomial:
        def priors(self, response):
            return {}

        def around(self, expected, params, x):
            return dist.Binomial(x["samples"].astype(int), expected)

    samples = np.array([20.0, 50, 100, 10])
    successes = np.array([3.0, 9, 22, 1])
    fit = nstar.fit(table(samples=samples, successes=successes), OneRate(), Binomial())
    exact = stats.beta(1 + successes.sum(), 1 + (samples - successes).sum())
    assert_moments(chains(fit, "rate"), exact.mean(), exact.std())
