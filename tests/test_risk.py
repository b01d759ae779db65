"""Every risk measure against a closed form or a plain count."""

import numpy as np
import pytest
from scipy import stats

from nstar.plans import risk
from nstar.predictions.crossings import crossings, never_rising

DRAWS = 200_000


@pytest.fixture(scope="module")
def bowls():
    """Losses (x_a - theta)^2 of actions x_a where theta is standard normal."""
    theta = stats.norm.ppf((np.arange(DRAWS) + 0.5) / DRAWS)
    at = np.array([-1.0, 0.2, 1.5])
    return at, (at - theta[:, None]) ** 2, theta


def test_expected_regret_of_a_bowl_is_its_closed_form(bowls):
    """Against the draw's own optimum E[(x - theta)^2] = x^2 + 1."""
    at, losses, _ = bowls
    found = risk.regret(losses, np.zeros(DRAWS)).mean(axis=0)
    assert found == pytest.approx(at**2 + 1, rel=1e-3)


def test_the_best_action_is_not_the_median_of_the_optima():
    """Losses that rise steeper on one side: the best lies on the other."""
    theta = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    at = np.linspace(-2, 2, 81)
    off = at - theta[:, None]
    best = at[risk.best(np.where(off > 0, 4 * off, -off))]
    assert best == pytest.approx(stats.norm.ppf(1 / 5), abs=0.05)  # the newsvendor's


def test_probabilities_of_being_best_are_areas_and_add_up_to_one(bowls):
    at, losses, _ = bowls
    edges = stats.norm.cdf((at[1:] + at[:-1]) / 2)
    found = risk.best_probability(losses)
    assert found == pytest.approx(np.diff([0, *edges, 1]), abs=1e-4)
    tied = risk.best_probability(np.zeros((10, 4)))
    assert tied == pytest.approx(np.full(4, 0.25))
    assert found.sum() == pytest.approx(1.0)


def test_shortfall_of_a_normal_is_its_closed_form():
    x = stats.norm.ppf((np.arange(DRAWS) + 0.5) / DRAWS)
    for level in (0.5, 0.9, 0.99):
        q = stats.norm.ppf(level)
        assert risk.value_at_risk(x, level) == pytest.approx(q, abs=1e-3)
        tail = stats.norm.pdf(q) / (1 - level)
        assert risk.expected_shortfall(x, level) == pytest.approx(tail, abs=2e-3)


def test_shortfall_of_few_draws_is_the_mean_of_the_worst_part(rng):
    x = rng.normal(size=(40, 3))
    worst = np.sort(x, axis=0)[-4:].mean(axis=0)
    assert risk.expected_shortfall(x, 0.9) == pytest.approx(worst)
    assert (risk.expected_shortfall(x, 0.87) >= risk.value_at_risk(x, 0.87)).all()


def test_perfect_information_is_the_expected_regret_of_the_best_action(bowls):
    at, losses, theta = bowls
    found = risk.perfect_information(losses)
    by_hand = losses.mean(axis=0).min() - losses.min(axis=1).mean()
    assert found == pytest.approx(by_hand)
    with_oracle = risk.perfect_information(losses, np.zeros(DRAWS))
    assert with_oracle == pytest.approx(at[1] ** 2 + 1, rel=1e-3)
    assert risk.perfect_information((at[1] - theta[:, None]) ** 2) == 0.0


def test_regret_is_never_negative_and_zero_for_the_best(rng):
    losses = rng.normal(size=(100, 7))
    found = risk.regret(losses, losses.min(axis=1) + 0.3)  # an optimum badly searched
    assert found.min() == 0.0
    assert (found.min(axis=1) == 0.0).all()


def test_a_missed_target_is_counted(bowls):
    at, losses, _ = bowls
    chance = 1 - (stats.norm.cdf(at + 1) - stats.norm.cdf(at - 1))
    assert risk.miss_probability(losses, 1.0) == pytest.approx(chance, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0, np.nan, -1])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        risk.expected_shortfall([1.0, 2.0], level)


def test_power_laws_cross_where_they_say(rng):
    """L = E + a C^-g reaches E + d at (a / d)^(1/g)."""
    C = np.geomspace(1e20, 1e26, 400)
    g, a = rng.uniform(0.1, 0.2, 50), rng.uniform(50, 60, 50)
    found = crossings(C, 1.7 + a[:, None] * C ** -g[:, None], 1.75)
    exact = (a / 0.05) ** (1 / g)
    inside = (exact > C[0]) & (exact < C[-1])
    assert 0 < inside.sum() < 50
    assert np.log(found.C[inside]) == pytest.approx(np.log(exact[inside]), abs=1e-3)
    assert np.isinf(found.C[exact > C[-1]]).all()
    assert (found.C[exact < C[0]] == pytest.approx(C[0])) or not (exact < C[0]).any()
    assert found.reached == pytest.approx((exact <= C[-1]).mean())
    assert found.repaired == 0.0


def test_a_target_below_the_floor_is_never_reached():
    C = np.geomspace(1e20, 1e26, 10)
    found = crossings(C, 1.7 + 50 * C[None] ** -0.15 + np.zeros((4, 1)), 1.69)
    assert (found.reached, found.budget(0.5)) == (0.0, np.inf)


def test_draws_that_rise_are_repaired_and_counted():
    losses = np.array([[3.0, 2.0, 2.5, 1.0], [3.0, 2.5, 2.0, 1.5]])
    line, repaired = never_rising(losses)
    assert line.tolist() == [[3.0, 2.0, 2.0, 1.0], [3.0, 2.5, 2.0, 1.5]]
    assert repaired == 0.5
    found = crossings([1e20, 1e21, 1e22, 1e23], losses, 2.2)
    assert found.repaired == 0.5
    assert found.C[0] == pytest.approx(10**20.8)
    assert found.budget(1.0) == pytest.approx(10**21.6)


def test_the_budget_of_a_probability_is_one_that_reaches_it_so_often():
    C = np.geomspace(1e20, 1e24, 5)
    losses = np.array([[3, 2, 1, 1, 1], [3, 3, 2, 1, 1], [3, 3, 3, 2, 2.0]])
    found = crossings(C, losses, 1.0)
    assert found.budget(2 / 3) == pytest.approx(1e23)
    assert np.isinf(found.budget(0.7))
