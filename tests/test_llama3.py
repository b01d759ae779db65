"""The main job: the Llama 3 points beside the published law."""

import numpy as np
import pytest

import nstar
from nstar.runs.optima import line

BUDGET = 3.8e25


def test_least_squares_path_gives_the_published_coefficients(optima):
    A, alpha = line(optima["C"], optima["D"])
    assert abs(A - 0.2994) < 2e-4
    assert abs(alpha - 0.5368) < 5e-5


@pytest.mark.parametrize("route", ["allocation_fit", "isoflop_fit"])
def test_published_law_lies_inside_the_interval(route, request):
    fit = request.getfixturevalue(route)
    held = nstar.compare(fit, "llama3", [1e21, BUDGET])
    at = held.table(0.9)[-1]["D"]["posterior"]
    alpha2 = held.exponents(0.9)["D"]["posterior"]
    assert at["lower"] < 16.3e12 < at["upper"]
    assert alpha2["lower"] < 0.537 < alpha2["upper"]
    assert at["upper"] / at["lower"] < 15  # 3.6 decades beyond the runs, bend and all


def test_surface_says_something_else_and_noise_matters(surface_fit, llama3):
    heavy = np.median(nstar.plan(surface_fit, BUDGET).draws["D"])
    normal = nstar.fit(llama3, "chinchilla", noise="normal", discrepancy="none")
    light = np.median(nstar.plan(normal, BUDGET).draws["D"])
    assert 7.2e12 < heavy < 8.5e12  # 7.7T with Student-t noise
    assert 9.2e12 < light < 11e12  # 10T with normal noise


def test_printed_prediction_is_shown_as_such(allocation_fit):
    held = nstar.compare(allocation_fit, "llama3", BUDGET)
    printed = held.published.printed[0]
    assert printed["N"] == 402e9
    assert printed["D"] == 16.55e12


def test_a_posterior_far_from_the_published_law_is_told_apart(optima):
    """With twice the tokens measured, the published law must fall outside."""
    columns = {"C": optima["C"], "D": 2 * optima["D"], "se": optima["se"]}
    fit = nstar.fit(nstar.read_runs(columns), "allocation")
    at = nstar.compare(fit, "llama3", 1e21).table(0.9)[0]["D"]
    assert not at["posterior"]["lower"] < at["published"] < at["posterior"]["upper"]
    assert at["credible_level"] > 0.99


def test_a_table_of_optima_carries_no_surface():
    """One optimum a budget lies on a line, where size and data cannot be told apart."""
    from nstar.plans.routes import assign_runs

    on, why = assign_runs(nstar.read_runs("llama3_optima"))
    assert list(on) == ["allocation"]
    assert set(why) == {"isoflop", "coupled"}


def test_the_report_says_what_the_additive_law_would_have_said(bent_fit, surface_fit):
    from nstar.plans.routes import _check_form

    ours, additive = (nstar.plan(fit, BUDGET) for fit in (bent_fit, surface_fit))
    check = _check_form(ours, additive)
    medians = [np.median(p.draws["D"]) for p in (ours, additive)]
    far = max(medians) / min(medians) > 1.3
    assert check.status == ("REVIEW" if far else "PASS")
    assert "additive law alone" in check.detail
    assert _check_form(additive, additive).status == "PASS"
