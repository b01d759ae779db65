"""The bend of compute-optimal tokens about a power of compute."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import nstar
from designs import optima as design
from nstar.costs.training import SIX
from nstar.departures.bending import amplitudes, bend, bendable, is_bent, straight
from nstar.departures.bent_lines import LENGTH, UNKNOWN, WEIGHTS, bend_line, columns
from nstar.laws.allocation import Allocation
from nstar.laws.allocation_free import AllocationFree
from nstar.laws.examples import profiles
from nstar.laws.isoflop import IsoFLOP
from nstar.noises.likelihoods import NOISES
from nstar.samplers import density
from nstar.samplers.nuts import Settings

QUICK = Settings(chains=2, warmup=200, draws=2000, target_accept=0.95)
TINY = Settings(chains=2, warmup=200, draws=250, max_tree_depth=6)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def matern(a, b):
    r = np.sqrt(3) * np.abs(a[:, None] - b) / LENGTH
    return (1 + r) * np.exp(-r)


def placed(law, x):
    x = {name: x[name] for name in law.inputs}
    return bend_line(law.at(x, SIX), x)


def test_waves_have_the_covariance_of_a_matern_process_near_and_far():
    c = np.linspace(-12, 12, 25)
    phi = np.asarray(columns(c))
    near = np.abs(c[:, None] - c) < 2 * LENGTH
    assert np.abs(phi @ phi.T - matern(c, c))[near].max() < 0.035
    far = np.asarray(columns(np.array([0.0, 40.0, -90.0])))
    assert np.sum(far**2, axis=1) == pytest.approx(np.ones(3))


@pytest.mark.parametrize("kind", [Allocation, AllocationFree, IsoFLOP])
def test_the_prior_of_the_bend_is_the_process_whatever_its_coordinates(kind):
    """Its sd is the amplitude wherever one looks, and N* D* stays on the power law."""
    law = placed(kind(), profiles())
    noise = NOISES[law.response.noise]
    fixed = {UNKNOWN: dist.LogNormal(np.log(0.3), 1e-6)}
    C = law.C0 * np.exp(np.array([0.0, 6.0, 60.0]))

    def one(p):
        bent, line = law.log_optimum(p, C), straight(law).log_optimum(p, C)
        return bent[0] - line[0], bent[1] - line[1]

    of_N, of_D = (
        np.asarray(v)
        for v in jax.vmap(one)(density.prior_draws(law, noise, fixed, 1, 4000))
    )
    assert of_D.std(axis=0) == pytest.approx(np.full(3, 0.3), rel=0.06)
    assert np.abs(of_D.mean(axis=0)).max() < 0.02
    np.testing.assert_allclose(of_N, -of_D, atol=1e-9)
    near = np.corrcoef(of_D[:, 0], of_D[:, 1])[0, 1]
    assert near == pytest.approx(matern(np.zeros(1), np.full(1, 6.0))[0, 0], abs=0.06)


def test_profiles_tell_the_same_process_with_the_bend_summed_out():
    """Optima and bend are jointly as if weights were drawn first, and optima about them."""
    law, tau, s = placed(IsoFLOP(), profiles()), 0.3, 0.1
    fixed = {
        UNKNOWN: dist.LogNormal(np.log(tau), 1e-6),
        "scatter": dist.LogNormal(np.log(s), 1e-6),
    }
    budgets, new = np.array(law.budgets), law.C0 * np.exp(np.array([5.0, 9.0]))

    def one(p):
        line = straight(law).log_optimum(p, budgets)[1]
        return jnp.r_[p["log_D"] - line, law.trend.bend(p, jnp.log(new / law.C0))]

    draws = density.prior_draws(law, NOISES["student_t"], fixed, 0, 6000)
    drawn = np.cov(np.asarray(jax.vmap(one)(draws)).T)
    phi = np.asarray(columns(np.log(np.r_[budgets, new] / law.C0)))
    own = np.diag(np.r_[np.full(len(budgets), s**2), 0.0, 0.0])
    np.testing.assert_allclose(drawn, tau**2 * phi @ phi.T + own, atol=0.009)


def test_posterior_is_the_closed_form_given_the_scales(rng):
    """With amplitude and scatter known, log D* is a Gaussian linear model."""
    C, tau, sigma = design()["C"], 0.2, 0.05
    new = np.array([1e23, 1e25])
    c = np.log(C) - np.log(C).mean()
    both = np.r_[c, np.log(new) - np.log(C).mean()]
    X = np.stack([np.full_like(both, 0.5), -both], axis=1)
    mean = 0.5 * (np.log(C).mean() - np.log(6)) + both + X @ np.array([3.0, 0.5])
    phi = np.asarray(columns(both))
    m = len(C)

    def conditional(K):
        S = X @ np.diag([0.5**2, 0.05**2]) @ X.T + tau**2 * K
        gain = np.linalg.solve(S[:m, :m] + sigma**2 * np.eye(m), S[:m, m:])
        return mean[m:] + gain.T @ (y - mean[:m]), S[m:, m:] - S[m:, :m] @ gain

    y = mean[:m] + 0.2 * np.sin(c / 3) + sigma * rng.normal(size=m)
    priors = {
        "tokens_per_parameter": "LogNormal(3.0, 0.5)",
        "alpha1": "Normal(0.5, 0.05)",
        UNKNOWN: dist.LogNormal(np.log(tau), 1e-4),
        "sigma": dist.LogNormal(np.log(sigma), 1e-4),
    }
    table = {"C": C, "D": np.exp(y), "N": C / (6 * np.exp(y))}
    fit = nstar.fit(table, "allocation", priors=priors, settings=QUICK)
    drawn = np.log(nstar.plan(fit, new).draws["D"].to_numpy())
    centre, covariance = conditional(phi @ phi.T)
    sd = np.sqrt(np.diag(covariance))
    assert drawn.mean(axis=0) == pytest.approx(centre, abs=0.12 * sd.max())
    assert drawn.std(axis=0) == pytest.approx(sd, rel=0.1)
    centre, covariance = conditional(matern(both, both))  # the process itself
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(drawn.mean(axis=0) - centre) < 0.3 * sd)
    # ten waves are up to a fifth surer near the runs than the process they stand for
    assert drawn.std(axis=0) == pytest.approx(sd, rel=0.25)


@pytest.mark.parametrize("name", ["allocation", "isoflop"])
def test_it_is_on_by_default_and_comes_back_from_disk(name, request, tmp_path):
    fit = request.getfixturevalue(f"{name}_fit")
    assert is_bent(fit.law)
    assert not is_bent(fit.straight)
    assert fit.tree.attrs["discrepancy"] == "waves"
    assert {UNKNOWN, WEIGHTS} <= fit.draws.keys()
    back = nstar.load(fit.save(tmp_path / "bent.nc"))
    assert back.law == fit.law
    ours, theirs = (nstar.plan(f, [1e21, 3.8e25]) for f in (fit, back))
    assert ours.draws.identical(theirs.draws)
    at = ours.table()[0]
    assert at["on_edge"] is None  # nothing is searched
    assert at["N_law"] != at["N"]
    low, high = ours.slope_over
    assert (low, high) == pytest.approx((6e18, 1e22))
    D = nstar.plan(fit, [low, high]).draws["D"].to_numpy()
    slope = np.log(D[:, 1] / D[:, 0]) / np.log(high / low)
    np.testing.assert_allclose(ours.draws["alpha2"], slope, rtol=1e-9)


def test_it_is_off_by_name_and_its_prior_is_set_by_name(optima):
    fit = nstar.fit(optima, "allocation", discrepancy="none", settings=TINY)
    assert UNKNOWN not in fit.draws
    plan = nstar.plan(fit, 1e22)
    assert plan.slope_over is None
    assert plan.table()[0]["N_law"] is None
    tight = {UNKNOWN: "LogNormal(-9.0, 0.1)"}
    bent = nstar.fit(optima, "allocation", priors=tight, settings=TINY)
    assert np.median(bent.draws[UNKNOWN]) < 1e-3


def test_what_bends_and_what_it_adds():
    for law in (Allocation(), AllocationFree(), IsoFLOP()):
        assert bendable(law)
        assert amplitudes(law) == {UNKNOWN}
    law = bend(Allocation().at(design(), SIX), design())
    assert not bendable(law)
    assert straight(law) == Allocation().at(design(), SIX)


def test_a_measured_optimum_has_the_error_of_measuring_it():
    x = design() | {"se": np.full(12, 0.3)}
    law, params = Allocation().at(x, SIX), {"tokens_per_parameter": 20.0, "alpha1": 0.5}
    assert law.se == 0.3
    quiet = {n: np.full(400, v) for n, v in (params | {"sigma": 0.4}).items()}
    C, random = np.array([1e22]), np.random.default_rng(0)
    flat, at = np.zeros((400, 1)), law.probes(C)
    noise = density.measured(NOISES["normal"], flat, quiet, at, random)[:, 0]
    draws = law.off_line(quiet, C, noise, random)[1]
    assert np.std(draws) == pytest.approx(0.5, rel=0.12)


def test_a_profiles_minimum_errs_as_its_parabola_does():
    """Of an exact parabola with noise, the minimum scatters as the probe says."""
    x = profiles()
    law = IsoFLOP().at({n: x[n] for n in ("budget", "D")}, SIX)
    assert sum(law.probe) == pytest.approx(0.0, abs=1e-12)
    rng, kappa, sigma = np.random.default_rng(0), 0.05, 1e-4
    D = x["D"][x["budget"] == x["budget"][0]]
    q = np.log(D) - (np.log(D).min() + np.log(D).max()) / 2
    q = q[np.abs(q) <= 0.75 * np.log(10)]
    found = []
    for _ in range(4000):
        a, b, _ = np.polyfit(q, kappa * q**2 / 2 + sigma * rng.normal(size=len(q)), 2)
        found.append(-b / (2 * a))
    expected = sigma * np.linalg.norm(law.probe) / kappa
    assert np.std(found) == pytest.approx(expected, rel=0.05)


def test_levels_of_budgets_hold_nothing_straight_in_log_compute(rng):
    x = profiles()
    law = IsoFLOP().at({n: x[n] for n in ("budget", "D")}, SIX)
    c = np.log(np.array(law.budgets))
    z = rng.normal(size=len(c))
    left = np.asarray(law._off_trend(z))
    assert np.polyfit(c - c.mean(), left, 1) == pytest.approx(np.zeros(2), abs=1e-10)
    np.testing.assert_allclose(law._off_trend(z + 3 - 2 * c), left, atol=1e-9)


def test_fewer_than_five_budgets_are_said(optima):
    few = nstar.fit(optima.take(np.arange(10) < 4), "allocation", settings=TINY)
    (check,) = [c for c in nstar.check_fit(few) if c.name == "budgets"]
    assert check.status == "REVIEW"
    assert "4 budgets say little of the scatter of optima and the bend" in check.detail
