"""Plans: identities every draw must obey, and what a law cannot give."""

import numpy as np
import pytest

import nstar

BUDGETS = [1e21, 3.8e25]


@pytest.fixture(scope="module", params=["isoflop_fit", "surface_fit"])
def plan(request):
    return nstar.plan(request.getfixturevalue(request.param), BUDGETS)


def test_budget_is_spent_under_every_draw(plan):
    spent = plan.fit.runs.cost.flop(plan.draws["N"], plan.draws["D"])
    np.testing.assert_allclose(
        spent, np.broadcast_to(plan.budgets, spent.shape), rtol=1e-9
    )


def test_regret_is_what_the_recommended_run_gives_away(plan):
    gap = plan.draws["loss"] - plan.draws["loss_oracle"]
    assert (plan.draws["regret"] >= 0).all()
    np.testing.assert_allclose(gap, plan.draws["regret"], atol=1e-12)
    assert (plan.draws["loss"] >= plan.draws["loss_oracle"]).all()


def test_loss_is_of_one_action(plan):
    """The recommended run is one (N, D) a budget, not each draw's own optimum."""
    for C in BUDGETS:
        at = plan.draws.sel(budget=C)
        N, D = float(at["N_recommended"]), float(at["D_recommended"])
        again = nstar.predict(plan.fit, N, D)["loss"][:, 0]
        np.testing.assert_allclose(np.sort(again), np.sort(at["loss"]), rtol=1e-9)


def test_exponents_reproduce_the_line(plan):
    line = plan.draws["A1"] * plan.draws["budget"] ** plan.draws["alpha1"]
    np.testing.assert_allclose(
        line.transpose("draw", "budget"), plan.draws["N"], rtol=1e-6
    )
    np.testing.assert_allclose(
        plan.draws["alpha1"] + plan.draws["alpha2"], 1.0, rtol=1e-9
    )


def test_allocation_law_has_no_loss(allocation_fit):
    record = nstar.plan(allocation_fit, BUDGETS).table()[0]
    assert record["loss"] is record["regret"] is record["loss_oracle"] is None
    with pytest.raises(ValueError, match="has no loss"):
        nstar.predict(allocation_fit, 1e9, 2e10)


def test_optimum_scatters_more_than_the_line(allocation_fit, isoflop_fit):
    for fit in (allocation_fit, isoflop_fit):
        draws = nstar.plan(fit, 1e21).draws
        line, optimum = (float(np.log(draws[n]).std()) for n in ("D", "D_optimum"))
        assert optimum > 2 * line


def test_surface_plan_is_hoffmanns_closed_form(surface_fit):
    draws = nstar.plan(surface_fit, 3.8e25).draws
    law = surface_fit.tree["posterior"].dataset.stack(sample=("chain", "draw"))
    A, B, alpha, beta = (law[n].to_numpy() for n in ("A", "B", "alpha", "beta"))
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    N = G * (3.8e25 / 6) ** (beta / (alpha + beta))
    np.testing.assert_allclose(draws["N"][:, 0], N, rtol=1e-6)


def test_run_noise_widens_a_prediction(surface_fit):
    draws = nstar.predict(surface_fit, 1e9, 2e10)
    assert float(draws["measured"].std()) > 2 * float(draws["loss"].std())


@pytest.mark.parametrize("bad", [0.0, -1e20, float("nan"), float("inf")])
def test_a_budget_must_be_positive_and_finite(allocation_fit, bad):
    with pytest.raises(ValueError, match="positive finite FLOP"):
        nstar.plan(allocation_fit, bad)


def test_simulated_runs_are_recovered():
    truth = {"level": 2.6, "floor_share": 0.65, "size_share": 0.5, "alpha1": 0.5,
             "exponent_sum": 0.7, "sigma": 0.004, "nu": 5.0}  # fmt: skip
    from designs import profiles

    made = nstar.simulate("chinchilla", profiles(), truth, seed=4)
    table = profiles() | {"L": made["L"].to_numpy()[0]}
    plan = nstar.plan(nstar.fit(table, "chinchilla"), 1e23)
    C0N, C0D = (np.exp(np.mean(np.log(profiles()[n]))) for n in ("N", "D"))
    reducible = 2.6 * 0.35 / 2
    A, B = reducible * C0N**0.35, reducible * C0D**0.35
    N = (A / B) ** (1 / 0.7) * (1e23 / 6) ** 0.5
    at = plan.table(0.999)[0]
    assert at["N"]["lower"] < N < at["N"]["upper"]
    assert at["N"]["upper"] / at["N"]["lower"] < 4
