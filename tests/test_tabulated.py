"""Priors as numbers: against NumPyro's densities, their slopes and SciPy's quantiles."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import potential_energy
from scipy import stats

from conftest import FALSE_ALARM
from nstar.noises.heavy_tailed import HeavyTailed, log_gamma_ratio
from nstar.priors.stated import parse
from nstar.samplers.tabulated import tabulate

PRIORS = {
    text: parse(text)
    for text in (
        "Normal(0.3, 0.2)",
        "LogNormal(-1, 0.5)",
        "StudentT(4, 0.1, 0.3)",
        "HalfNormal(0.3)",
        "Gamma(2, 0.1)",
        "InverseGamma(3, 2)",
        "Beta(2, 3)",
        "Uniform(-1, 3)",
        "Exponential(2)",
        "Cauchy(0, 1)",
        "LogStudentT(4, 0, 0.5)",
        "LogitStudentT(4, 0.04, 0.35)",
    )
}
QUANTILES = {
    "HalfNormal(0.3)": stats.halfnorm(scale=0.3),
    "Gamma(2, 0.1)": stats.gamma(2, scale=10),
    "InverseGamma(3, 2)": stats.invgamma(3, scale=2),
    "Beta(2, 3)": stats.beta(2, 3),
    "Uniform(-1, 3)": stats.uniform(-1, 4),
    "LogNormal(-1, 0.5)": stats.lognorm(0.5, scale=np.exp(-1)),
    "StudentT(4, 0.1, 0.3)": stats.t(4, 0.1, 0.3),
    "Exponential(2)": stats.expon(scale=0.5),
}


@pytest.mark.parametrize("text", PRIORS)
def test_density_and_slope_are_those_of_numpyro(text):
    def model():
        numpyro.sample("x", PRIORS[text])

    with jax.enable_x64(True):
        table = tabulate({"x": PRIORS[text]}, {})
        assert table.names == ("x",)
        for u in (-3.0, -0.4, 0.0, 1.7):
            theirs = jax.value_and_grad(
                lambda u: -potential_energy(model, (), {}, {"x": u})
            )
            ours = jax.value_and_grad(lambda u: table.values(u[None])[1])
            for a, b in zip(ours(jnp.asarray(u)), theirs(jnp.asarray(u)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
            (there,) = table.log_densities(
                {"x": np.asarray(table.values(jnp.array([u]))[0])}
            ).values()
            np.testing.assert_allclose(there, ours(jnp.asarray(u))[0], rtol=1e-6)


@pytest.mark.parametrize("text", QUANTILES)
def test_draws_are_of_the_distribution(text):
    drawn = tabulate({"x": PRIORS[text]}, {}).draws(np.random.default_rng(3), 20_000)
    assert stats.kstest(drawn["x"], QUANTILES[text].cdf).pvalue > FALSE_ALARM


def test_there_and_back():
    with jax.enable_x64(True):
        table = tabulate(PRIORS, {})
        u = np.linspace(-2, 2, len(PRIORS))
        x = np.asarray(table.values(jnp.asarray(u))[0])
        np.testing.assert_allclose(table.real(x), u, atol=1e-12)


def test_another_family_of_the_same_support_is_the_same_structure():
    one = tabulate({"x": PRIORS["LogNormal(-1, 0.5)"]}, {})
    other = tabulate(
        {"x": PRIORS["LogNormal(-1, 0.5)"]}, {"x": PRIORS["Gamma(2, 0.1)"]}
    )
    assert jax.tree.structure(one) == jax.tree.structure(other)


def test_what_has_no_row_stays_a_distribution():
    laplace = dist.Laplace(0.0, 1.0)
    table = tabulate({"x": PRIORS["Normal(0.3, 0.2)"]}, {"x": laplace})
    assert table.names == ()
    assert table.others == {"x": laplace}


def test_the_constant_of_a_student_t():
    from scipy.special import gammaln

    z = np.geomspace(1e-3, 1e4, 50)
    with jax.enable_x64(True):
        found = np.asarray(log_gamma_ratio(z))
        np.testing.assert_allclose(found, gammaln(z + 0.5) - gammaln(z), atol=5e-12)
        y = np.linspace(-4, 4, 9)
        ours = HeavyTailed(3.3, 0.2, 0.7).log_prob(y)
        np.testing.assert_allclose(ours, stats.t(3.3, 0.2, 0.7).logpdf(y), rtol=1e-11)
