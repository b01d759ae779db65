"""Budgets that reach a loss, and models that are served: against closed forms."""

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import brentq, minimize_scalar

from nstar.plans.actions import Limits
from nstar.plans.serving import PER_TOKEN, serve
from nstar.plans.targets import reach
from nstar.predictions.prediction import law_loss
from nstar.verdicts import Status


@pytest.fixture(scope="module")
def reached(surface_fit):
    return reach(surface_fit, 0.65, 0.8)


def statuses(found):
    return {check.name: check.status for check in found.checks()}


def test_the_best_runs_cross_where_the_closed_form_does(reached, surface_fit):
    """C = ((l - E) / F)^(-1/g) of every draw: Hoffmann's eq. 4 along the line."""
    p = surface_fit.tree["posterior"].dataset.stack(sample=("chain", "draw"))
    E, A, B, a, b = (p[n].to_numpy() for n in ("E", "A", "B", "alpha", "beta"))
    G = (a * A / (b * B)) ** (1 / (a + b))
    F = (A * G**-a + B * G**b) * 6 ** (a * b / (a + b))
    with np.errstate(invalid="ignore"):
        exact = ((0.65 - E) / F) ** (-(a + b) / (a * b))
    exact = np.where((E < 0.65) & (exact <= reached.up_to), exact, np.inf)
    both = np.isfinite(exact) & np.isfinite(reached.oracle_crossings.C)
    assert (
        np.isfinite(exact) == np.isfinite(reached.oracle_crossings.C)
    ).mean() > 0.999
    assert np.log(reached.oracle_crossings.C[both]) == pytest.approx(
        np.log(exact[both]), abs=0.02
    )
    assert reached.below_floor == pytest.approx((E >= 0.65).mean())


def test_the_budget_reaches_it_with_the_chance_asked_for(reached, surface_fit):
    losses = law_loss(surface_fit, np.array([reached.N]), np.array([reached.D]))
    assert (losses <= 0.65).mean() == pytest.approx(0.8, abs=0.01)
    assert pytest.approx(reached.C) == 6 * reached.N * reached.D
    assert reach(surface_fit, 0.65, 0.5).C < reached.C < reach(surface_fit, 0.65, 0.9).C


def test_it_is_the_recommended_run_that_must_reach_it(reached):
    """Not each draw's own best run, which nobody can make."""
    assert (reached.crossings.C >= reached.oracle_crossings.C * (1 - 1e-3)).all()
    told = reached.as_json()
    assert told["crossing"]["median"] >= told["crossing_oracle"]["median"] * (1 - 1e-3)


def test_a_target_below_the_floor_fails_with_its_probability(surface_fit):
    found = reach(surface_fit, 0.2)
    told = found.as_json()
    assert (told["budget"], told["N"], told["reached"]) == (None, None, 0.0)
    assert told["below_floor"] == 1.0
    assert statuses(found)["target reached"] is Status.FAIL
    assert "probability 1" in found.checks()[0].detail


def test_a_crossing_far_beyond_the_runs_is_for_review(surface_fit):
    far = reach(surface_fit, 0.62, 0.5)
    assert statuses(far)["target within reach of the runs"] is Status.REVIEW
    near = reach(surface_fit, 0.7)
    assert statuses(near)["target within reach of the runs"] is Status.PASS


def test_a_target_that_less_would_reach_says_so(surface_fit, reached):
    easy = reach(surface_fit, 2.0)
    assert statuses(easy)["target above the search"] is Status.REVIEW
    assert "target above the search" not in statuses(reached)


@pytest.mark.parametrize("name", ["isoflop_fit", "bent_fit"])
def test_draws_that_rise_are_counted(name, request):
    found = reach(request.getfixturevalue(name), 0.65, 0.5)
    assert 0 <= found.crossings.repaired < 0.2
    assert found.oracle_crossings.C.min() > 0


def test_limits_make_a_target_dearer(surface_fit, reached):
    small = reach(surface_fit, 0.65, 0.8, limits=Limits(max_params=5e10))
    assert small.C > reached.C


@pytest.mark.parametrize("chance", [0.0, 1.0, 1.5])
def test_a_chance_that_is_none_is_refused(surface_fit, chance):
    with pytest.raises(ValueError, match="chance must lie between 0 and 1"):
        reach(surface_fit, 0.65, chance)


def test_a_served_model_is_what_a_solver_finds(surface_fit):
    """Brent over size, and Brent over tokens inside it, on the mean loss."""
    C, T = 3.8e25, 4e13
    found = serve(surface_fit, C, T)
    (N0, D0), (N, D) = found.before, found.after

    def mean(N, D):
        return law_loss(surface_fit, np.array([N]), np.array([D])).mean()

    goal = mean(N0, D0)

    def spent(log_N):
        N = np.exp(log_N)
        D = np.exp(
            brentq(
                lambda d: mean(N, np.exp(d)) - goal, np.log(D0 / 10), np.log(D0 * 100)
            )
        )
        return 6 * N * D + PER_TOKEN * N * T

    exact = minimize_scalar(
        spent, bounds=(np.log(N0 / 3), np.log(N0)), method="bounded"
    )
    assert pytest.approx(exact.fun, rel=1e-4) == 6 * N * D + PER_TOKEN * N * T
    assert np.log(N) == pytest.approx(exact.x, abs=0.03)
    assert found.loss.mean(axis=0) == pytest.approx(np.full(2, goal), abs=1e-7)


def test_nothing_served_is_training_alone(surface_fit):
    found = serve(surface_fit, 3.8e25, 0.0)
    assert found.after == pytest.approx(found.before, rel=0.02)


def test_more_served_is_smaller_and_saves_more(surface_fit):
    few, many = (serve(surface_fit, 3.8e25, T).as_json() for T in (1e13, 1e14))
    assert many["lifetime"]["N"] < few["lifetime"]["N"] < few["training_alone"]["N"]
    assert many["lifetime"]["D"] > few["lifetime"]["D"]
    assert many["expected_saved"] > few["expected_saved"] > 0
    gap = many["loss_given_up"]
    assert gap["lower"] < 0 < gap["upper"]  # as good in expectation, not draw by draw


def test_uncertain_demand_is_billed_draw_by_draw(surface_fit):
    found = serve(surface_fit, 3.8e25, dist.LogNormal(np.log(3e13), 0.5)).as_json()
    sure = serve(surface_fit, 3.8e25, found["expected_served_tokens"])
    assert found["lifetime"]["N"] == pytest.approx(sure.after[0], rel=0.02)
    spread = found["lifetime"]["serving"]
    assert spread["upper"] / spread["lower"] == pytest.approx(
        np.exp(2 * 1.645 * 0.5), rel=0.1
    )


@pytest.mark.parametrize("tokens", [-1.0, np.inf, dist.Normal(1.0, 1.0)])
def test_demand_that_cannot_be_is_refused(surface_fit, tokens):
    with pytest.raises(ValueError, match="served tokens"):
        serve(surface_fit, 3.8e25, tokens)


def test_a_law_without_a_loss_is_refused(allocation_fit):
    for ask in (
        lambda: reach(allocation_fit, 0.6),
        lambda: serve(allocation_fit, 1e24, 1e13),
    ):
        with pytest.raises(ValueError, match="has no loss"):
            ask()
