from dataclasses import replace

import numpy as np
import pytest

import nstar
from nstar.fits.mixture import Average
from nstar.laws.examples import profiles
from nstar.samplers.nuts import Settings
from nstar.validation.uncertainty import SOURCES, _shares, decompose
from nstar.verdicts import Check, Status

TINY = Settings(chains=2, warmup=200, draws=1500)


@pytest.fixture(scope="module")
def fit():
    x, rng = profiles(), np.random.default_rng(0)
    L = 1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28
    table = x | {"L": L * np.exp(0.003 * rng.normal(size=len(L)))}
    return nstar.fit(table, "chinchilla", "normal", settings=TINY, discrepancy="none")


def test_shares_of_independent_parts_are_their_variances():
    rng = np.random.default_rng(1)
    sd = {"parameters": 3.0, "discrepancy": 4.0, "noise": 12.0}
    parts = {n: s * rng.normal(size=(200_000, 1)) for n, s in sd.items()}
    found = _shares(parts)
    assert {n: v[0] for n, v in found.items()} == pytest.approx(
        {"parameters": 9 / 169, "discrepancy": 16 / 169, "noise": 144 / 169}, abs=0.01
    )


def test_a_straight_law_has_no_discrepancy_and_noise_is_its_variance(fit):
    N, D = np.array([1e9, 3e11]), np.array([2e10, 6e12])
    shares = decompose(fit, N, D)
    assert list(shares) == list(SOURCES)
    assert sum(shares.values()) == pytest.approx(np.ones(2))
    assert np.all(shares["discrepancy"] == 0)
    draws = nstar.predict(fit, N, D)
    seen = np.log(draws["measured"].to_numpy())
    noise = np.mean(fit.draws["sigma"] ** 2) / np.var(seen, axis=0)
    assert shares["noise"] == pytest.approx(noise, abs=0.08)
    assert shares["noise"][1] < shares["noise"][0]  # far out, parameters weigh more


def test_laws_that_disagree_have_a_share(fit):
    high = fit.tree.copy()
    high["posterior"] = high["posterior"].assign(level=high["posterior"]["level"] * 1.1)
    other = replace(fit, tree=high)
    how = Check("weights", Status.PASS, "")
    both = Average((fit, other), ("one", "other"), (0.5, 0.5), how)
    at = np.array([1e9]), np.array([2e10])
    shares = decompose(both, *at)
    assert sum(shares.values()) == pytest.approx(np.ones(1))
    assert shares["law"] > 0.8
    assert decompose(fit, *at)["law"] == 0
