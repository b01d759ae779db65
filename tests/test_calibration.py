"""Simulation-based calibration of every law, and that it sees broken estimators."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from conftest import BRIEF, FALSE_ALARM
from designs import BENT, DESIGNS, bent
from nstar.laws import LAWS
from nstar.types import Allocation, Surface
from nstar.validation.calibration import DECISIVE, QUICK, calibrate, power, uniform

REPLICATES = 160  # a true sd 1.4 times the posterior's and a bias of .5 sd: `power`
FEWER = {  # a replicate of these costs .4 CPU-seconds and more
    "broken": 104,
    "farseer": 104,
    "precision": 104,
    "accuracy": 104,
    "accuracy_by_nll": 104,
    "tuning": 64,
    "beta_binomial": 64,
    "repeated_sampling": 64,
    "isoflop": 32,
    "repeated_by_size": 12,
}
FEWER_BENT = {"isoflop": 12, "allocation_free": 20}


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_law_is_calibrated(law):
    settings = QUICK if law == "isoflop" else BRIEF
    ranks = calibrate(
        law, DESIGNS[law](), replicates=FEWER.get(law, REPLICATES), settings=settings
    )
    p, name = ranks.worst()
    assert p > FALSE_ALARM, f"{name}: {np.sort(ranks.values[name])}"
    surface = isinstance(LAWS[law](), Surface)
    line = isinstance(LAWS[law](), Allocation)
    assert "log likelihood" in ranks.values
    assert ("N*" in ranks.values) == (surface or line)
    assert ("L*" in ranks.values) == surface


@pytest.mark.slow
@pytest.mark.parametrize("name", BENT)
def test_a_law_whose_line_bends_is_calibrated(name):
    ranks = calibrate(
        bent(name), DESIGNS[name](), replicates=FEWER_BENT.get(name, REPLICATES)
    )
    p, worst_of = ranks.worst()
    assert p > FALSE_ALARM, f"{worst_of}: {np.sort(ranks.values[worst_of])}"
    assert {"bend_optimum", "waves_optimum[0]", "N*"} <= ranks.values.keys()


class WithoutJacobian(dist.LogNormal):
    """The classic slip: a prior on log sigma used as if it were on sigma."""

    def log_prob(self, value, intermediates=None):
        return super().log_prob(value) + jnp.log(value)


def wider(posterior):
    return {n: v.mean(0) + 1.2 * (v - v.mean(0)) for n, v in posterior.items()}


FEW = {"C": np.geomspace(6e18, 1e22, 6)}  # few runs, so that a prior matters
SEEN = 500  # replicates that see each fault
BROKEN = {
    "wrong Jacobian": {"fitted_priors": {"sigma": WithoutJacobian(np.log(0.1), 1.0)}},
    "sd x 1.2": {"distort": wider},
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_variant_fails(fault):
    """The same law and design pass whole, and fail with the fault."""
    broken = BROKEN[fault]
    ranks = calibrate("allocation", FEW, replicates=SEEN, settings=BRIEF, **broken)
    p, name = ranks.worst()
    assert p < FALSE_ALARM, f"{fault} was not seen: p = {p:.2g} ({name})"


@pytest.mark.slow
def test_the_whole_law_passes_at_the_power_that_sees_the_faults():
    ranks = calibrate("allocation", FEW, replicates=SEEN, settings=BRIEF)
    p, name = ranks.worst()
    assert p > FALSE_ALARM, name


def test_uniformity_test_sees_shift_width_and_shape(rng):
    u = (np.arange(400) + 0.5) / 400
    assert uniform(u) > 0.5
    assert uniform(np.clip(u**1.5, 1e-6, 1 - 1e-6)) < 1e-5
    assert uniform(0.25 + u / 2) < 1e-5


def test_power_is_what_simulated_ranks_show(rng):
    """Of replicates at the stated fault nine of ten fail the test."""
    stated = power(100, len(DECISIVE), FALSE_ALARM)
    limit = FALSE_ALARM / len(DECISIVE)
    z = rng.normal(size=(400, 100))
    for faulty in (z * stated.wider, z + stated.bias):
        seen = np.mean(
            [
                uniform(np.clip(stats.norm.cdf(one), 1e-12, 1 - 1e-12)) < limit
                for one in faulty
            ]
        )
        assert 0.84 < seen < 0.97


def test_more_replicates_see_more():
    assert power(REPLICATES, len(DECISIVE), FALSE_ALARM).wider < 1.4
    assert power(REPLICATES, len(DECISIVE), FALSE_ALARM).bias < 0.5
    assert power(104, len(DECISIVE), FALSE_ALARM).wider < 1.5
    assert power(1000, len(DECISIVE), FALSE_ALARM).wider < 1.3
    assert power(20, len(DECISIVE), FALSE_ALARM).wider > 2
