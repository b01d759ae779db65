"""Joint scores: closed forms, and what marginal intervals do not see."""

import numpy as np
import pytest
from scipy import stats

from nstar.scores import crps, energy_score, joint_log_density, misses


def test_energy_score_of_one_run_is_its_crps(rng):
    draws, truth = rng.normal(size=(2000, 1)), np.array([0.7])
    assert energy_score(draws, truth) == pytest.approx(crps(draws, truth)[0], rel=1e-9)


def test_energy_score_of_a_standard_normal_is_its_closed_form(rng):
    """At the mean: E|X| - E|X - X'|/2 = (1 - 1/sqrt 2) E|X|, |X| chi-distributed."""
    runs = 5
    draws = rng.normal(size=(8000, runs))
    exact = (1 - 1 / np.sqrt(2)) * stats.chi.mean(runs) / np.sqrt(runs)
    assert energy_score(draws, np.zeros(runs)) == pytest.approx(exact, rel=0.02)


def test_energy_score_without_spread_is_the_rms_error():
    draws, truth = np.zeros((50, 2)), np.array([0.3, 0.4])
    assert energy_score(draws, truth) == pytest.approx(np.sqrt(0.125))


def test_energy_score_sees_dependence_that_marginals_do_not(rng):
    """The forecast whose errors go together as the truth's do scores better on average."""
    runs, n = 20, 400
    level = rng.normal(size=(n, 1))
    together = np.repeat(level, runs, axis=1)
    apart = rng.normal(size=(n, runs))
    truths = np.repeat(rng.normal(size=(200, 1)), runs, axis=1)
    right = np.mean([energy_score(together, y) for y in truths])
    wrong = np.mean([energy_score(apart, y) for y in truths])
    assert right < wrong


def test_joint_log_density_is_that_of_the_normal_whose_errors_agree(rng):
    S = np.array([[0.04, 0.05, 0.06], [0.05, 0.09, 0.10], [0.06, 0.10, 0.16]])
    m, y = np.array([1.0, 2.0, 3.0]), np.array([1.3, 2.5, 3.6])
    draws = rng.multivariate_normal(m, S, size=40_000)
    each = joint_log_density(draws, y)
    exact = stats.multivariate_normal(m, S)
    assert each.sum() == pytest.approx(exact.logpdf(y), abs=0.05)
    assert each[0] == pytest.approx(stats.norm.logpdf(1.3, 1.0, 0.2), abs=0.03)
    far = draws.copy()
    far[:40] *= 1e30  # as a Student-t may
    assert joint_log_density(far, y).sum() == pytest.approx(each.sum(), abs=0.05)
    same = np.repeat(draws[:, :1], 2, axis=1)  # one number twice: the second is known
    assert joint_log_density(same, y[[0, 0]])[1] > 5
    assert np.isfinite(joint_log_density(np.zeros((50, 2)), np.ones(2))).all()


def test_misses_of_independent_runs_are_binomial(rng):
    runs = 30
    found = misses(
        rng.normal(size=(20_000, runs)), np.r_[np.full(6, 9.0), np.zeros(24)]
    )
    assert found.observed == 6
    assert found.simulated.sum() == 20_000
    expected = stats.binom.sf(5, runs, 0.1)
    assert found.at_least == pytest.approx(expected, abs=0.01)
    assert found.probability == pytest.approx(2 * expected, abs=0.02)


def test_misses_of_runs_that_go_together_are_all_or_none(rng):
    """Missing every run has probability 10 %, where independence would say 1e-30."""
    draws = np.repeat(rng.normal(size=(5000, 1)), 30, axis=1)
    found = misses(draws, np.full(30, 2.0))
    assert found.observed == 30
    assert found.at_least == pytest.approx(0.1, abs=0.001)
    assert found.probability == pytest.approx(0.2, abs=0.002)


def test_no_miss_where_some_were_expected_counts_too(rng):
    """Intervals far too wide show in the other tail."""
    found = misses(rng.normal(size=(20_000, 100)), np.zeros(100))
    assert found.at_least == 1.0
    assert found.probability < 0.001
