"""Plans: identities every draw must obey, and what a law cannot give."""

import numpy as np
import pytest

import nstar
from nstar.predictions.allocating import optima
from nstar.samplers.nuts import Settings

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


def test_no_run_of_the_budget_does_better_than_the_oracle(plan):
    """Unclipped: the oracle is the least loss on a fine grid along the cost line."""
    from nstar.predictions.prediction import loss, loss_of_draws

    at = plan.draws.sel(budget=3.8e25)
    N, D = at["N"].to_numpy()[:, None], at["D"].to_numpy()[:, None]
    oracle = loss_of_draws(plan.fit, N, D)[:, 0]
    run, tokens = float(at["N_recommended"]), float(at["D_recommended"])
    assert (loss(plan.fit, run, tokens)["loss"][:, 0].to_numpy() - oracle).min() > -1e-9
    sizes = np.geomspace(N.min() / 2, N.max() * 2, 400)
    along = loss(plan.fit, sizes, 3.8e25 / 6 / sizes)["loss"].to_numpy().min(axis=1)
    assert (along - oracle).min() > -1e-9
    np.testing.assert_allclose(along, oracle, rtol=2e-4)
    np.testing.assert_allclose(at["loss_oracle"], oracle, rtol=1e-9)


def test_exponents_need_no_range_of_compute():
    """All runs at one budget: the slope is the law's, not rounding of log C."""
    D = np.geomspace(5e9, 2e11, 30)
    N = 1e21 / 6 / D
    L = 1.7 + 0.5 * (N / 1e9) ** -0.35 + 0.5 * (D / 2e10) ** -0.35
    few = Settings(chains=2, warmup=250, draws=250, max_tree_depth=6, pilot=250)
    noise = np.exp(0.003 * np.sin(7 * np.arange(30)))
    table = {"N": N, "D": D, "L": L * noise}
    fit = nstar.fit(table, settings=few, discrepancy="none")
    exponents = nstar.plan(fit, 1e22).exponents()
    assert 0.2 < exponents["N"]["lower"] < exponents["N"]["upper"] < 0.8
    assert exponents["N"]["upper"] - exponents["N"]["lower"] > 0.01


def test_a_measured_run_of_a_new_budget_has_its_scatter(isoflop_fit, llama3):
    """Beside the run's noise: with less of it, budgets still scatter."""
    draws = nstar.predict(isoflop_fit, 6e9, 2.8e11)
    sigma = np.median(isoflop_fit.draws["sigma"])
    extra = np.log(draws["measured"]).std() ** 2 - np.log(draws["loss"]).std() ** 2
    assert float(extra) > 1.5 * sigma**2


def test_a_surface_of_normalised_loss_is_predicted_on_its_own_scale(rng):
    from dataclasses import dataclass

    import numpyro.distributions as dist

    from nstar.responses.scales import NORMALISED_LOSS

    @dataclass(frozen=True)
    class Below:
        inputs = ("N",)
        response = NORMALISED_LOSS

        def priors(self):
            return {"level": dist.Normal(0.0, 5.0), "slope": dist.Normal(0.0, 1.0)}

        def expected(self, p, x):
            return p["level"] + p["slope"] * np.log10(1.0) - p["slope"] * (x["N"] / 1e9)

        def loss(self, p, N, D):
            return self.expected(p, {"N": N})

    N = np.linspace(1e9, 3e9, 40)
    L = -3.0 - 0.4 * N / 1e9 + 0.05 * rng.normal(size=40)
    fit = nstar.fit({"N": N, "D": 20 * N, "L": L}, Below(), "normal")
    draws = nstar.predict(fit, 2e9, 4e10)
    assert abs(float(draws["measured"].mean()) + 3.8) < 0.05
    assert 0.03 < float(draws["measured"].std()) < 0.08


def test_loss_is_of_one_action(plan):
    """The recommended run is one (N, D) a budget, not each draw's own optimum."""
    for C in BUDGETS:
        at = plan.draws.sel(budget=C)
        N, D = float(at["N_recommended"]), float(at["D_recommended"])
        again = nstar.predict(plan.fit, N, D)["loss"][:, 0]
        np.testing.assert_allclose(np.sort(again), np.sort(at["loss"]), rtol=1e-9)


def test_exponents_reproduce_the_line_where_they_are_its_slopes(plan):
    over = plan.slope_over
    at = nstar.plan(plan.fit, over).draws if over else plan.draws
    line = at["A1"] * at["budget"] ** at["alpha1"]
    np.testing.assert_allclose(line.transpose("draw", "budget"), at["N"], rtol=1e-6)
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
    truth = {
        "level": 2.6,
        "floor_share": 0.65,
        "size_share": 0.5,
        "alpha1": 0.5,
        "exponent_sum": 0.7,
        "sigma": 0.004,
        "nu": 5.0,
    }
    from nstar.laws.examples import profiles

    made = nstar.simulate("chinchilla", profiles(), truth, seed=4)
    table = profiles() | {"L": made["L"].to_numpy()[0]}
    plan = nstar.plan(nstar.fit(table, "chinchilla", discrepancy="none"), 1e23)
    C0N, C0D = (np.exp(np.mean(np.log(profiles()[n]))) for n in ("N", "D"))
    reducible = 2.6 * 0.35 / 2
    A, B = reducible * C0N**0.35, reducible * C0D**0.35
    N = (A / B) ** (1 / 0.7) * (1e23 / 6) ** 0.5
    at = plan.table(0.999)[0]
    assert at["N"]["lower"] < N < at["N"]["upper"]
    assert at["N"]["upper"] / at["N"]["lower"] < 4


def test_the_slope_that_extrapolates_stands_beside_that_over_the_runs(allocation_fit):
    """Beyond the runs a bent line is less sure of its exponent than over them."""
    top = float(allocation_fit.runs["C"].max())
    planned = nstar.plan(allocation_fit, [top / 2, 3.8e25])
    inside, beyond = planned.table()
    assert inside["slope_beyond"] is None
    N, _ = optima(allocation_fit, np.array([top, 3.8e25]))
    slope = np.log(N[:, 1] / N[:, 0]) / np.log(3.8e25 / top)
    low, middle, high = np.quantile(slope, [0.05, 0.5, 0.95])
    row = beyond["slope_beyond"]
    ends = [row["lower"], row["median"], row["upper"]]
    assert ends == pytest.approx([low, middle, high])
    over = planned.exponents()["N"]
    assert high - low > 2 * (over["upper"] - over["lower"])
