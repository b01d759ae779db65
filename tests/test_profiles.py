"""IsoFLOP profiles of a surface: the law holds them exactly, and prices errors as it does."""

import jax
import numpy as np
import pytest

import nstar
from nstar.laws.isoflop import IsoFLOP
from nstar.plans.weighing import weigh
from nstar.samplers.nuts import Settings

E, A, ALPHA, B, BETA = 1.7, 480.0, 0.34, 1200.0, 0.29  # near Hoffmann's third approach
BUDGETS = np.geomspace(1e18, 1e21, 8)
FAR = 1e24  # three decades beyond


def surface(N, D):
    return E + A * N**-ALPHA + B * D**-BETA


def best(C):
    """N* where the two terms' slopes in log N cancel."""
    at = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
    return at * (C / 6) ** (BETA / (ALPHA + BETA))


def regret(C, times):
    """Loss given away by a model so many times the best size, at the same compute."""
    N = best(C)
    return surface(times * N, C / (6 * times * N)) - surface(N, C / (6 * N))


def test_profiles_of_a_surface_are_the_laws_own():
    C0, N0 = 1e21, best(1e21)
    level = surface(N0, C0 / (6 * N0))
    params = {
        "tokens_per_parameter": C0 / (6 * N0**2),
        "alpha1": BETA / (ALPHA + BETA),
        "level": level,
        "floor_share": E / level,
        "gamma": ALPHA * BETA / (ALPHA + BETA),
        "curvature": ALPHA * BETA,
        "curvature_slope": 0.0,
        "skew": (ALPHA - BETA) / 3,
    }
    N, D = np.meshgrid(np.geomspace(1e7, 1e12, 6), np.geomspace(1e8, 1e13, 6))
    with jax.enable_x64(True):
        rise = IsoFLOP(C0, budgets=(1e19, 1e22)).loss(params, N, D)
    np.testing.assert_allclose(rise, surface(N, D), rtol=1e-11)


@pytest.fixture(scope="module")
def fit():
    """Seven runs a budget within a decade of the best size, with noise of 0.1 %."""
    C = np.repeat(BUDGETS, 7)
    N = best(C) * np.tile(np.geomspace(0.1, 10, 7), len(BUDGETS))
    noise = np.random.default_rng(5).normal(scale=1e-3, size=len(C))
    L = surface(N, C / (6 * N)) * np.exp(noise)
    table = {"N": N, "D": C / (6 * N), "C": C, "budget": C, "L": L}
    settings = Settings(chains=2, warmup=300, draws=500)
    return nstar.fit(table, "isoflop", discrepancy="none", settings=settings)


def test_curvature_and_its_trend_are_the_surfaces(fit):
    for name, truth in {"curvature": ALPHA * BETA, "curvature_slope": 0.0}.items():
        low, high = np.quantile(fit.draws[name], [0.01, 0.99])
        assert low < truth < high, name
    assert (
        fit.draws["curvature_slope"].std() < 0.025
    )  # half its prior: runs speak of it


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_being_wrong_by_two_costs_what_it_costs_on_the_surface(fit, times):
    """Three decades beyond the runs, beside each draw's own best run."""
    line = nstar.plan(fit, FAR).draws
    N, D = (line[n].to_numpy()[:, 0] for n in ("N", "D"))
    draws = {n: v for n, v in fit.draws.items() if v.ndim == 1}
    rise = fit.law.loss(draws, times * N, D / times) - fit.law.loss(draws, N, D)
    low, middle, high = np.quantile(rise, [0.02, 0.5, 0.98])
    assert low < regret(FAR, times) < high
    assert middle == pytest.approx(regret(FAR, times), rel=0.25)


def test_what_not_knowing_costs_is_what_the_draws_give_away_on_the_surface(fit):
    """Expected regret of the run to train, against the surface's with the same N*."""
    weighed = weigh(fit, FAR)
    run = float(weighed.draws["N"].sel(action="recommended"))
    off = run / nstar.plan(fit, FAR).draws["N"].to_numpy()[:, 0]
    assert weighed.perfect_information == pytest.approx(
        np.mean(regret(FAR, off)), rel=0.3
    )
