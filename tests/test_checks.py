"""Each check says PASS on a sound fit, and can be made to say otherwise."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import nstar
from nstar.fits.diagnostics import in_necks, place
from nstar.predictions.distances import check_prediction
from nstar.validation.checks import check_plan
from nstar.verdicts import Check, Status, worst


def status(checks: list[Check], name: str) -> str:
    return str(next(c.status for c in checks if c.name == name))


def tampered(fit, **groups):
    """The fit with arrays of its tree replaced."""
    tree = fit.tree.copy(deep=True)
    for path, value in groups.items():
        group, name = path.split("__")
        dataset = tree[group].to_dataset()
        tree[group] = xr.DataTree(
            dataset.assign({name: dataset[name].copy(data=value)})
        )
    return replace(fit, tree=tree)


def test_a_sound_fit_passes(allocation_fit):
    found = nstar.check_fit(allocation_fit)
    assert worst(found) is Status.PASS, [c for c in found if c.status != "PASS"]


def test_chains_that_disagree_fail(allocation_fit):
    draws = allocation_fit.tree["posterior"]["alpha1"].to_numpy().copy()
    draws[0] += 0.1
    found = nstar.check_fit(tampered(allocation_fit, posterior__alpha1=draws))
    assert status(found, "convergence") == "FAIL"
    assert "alpha1" in next(c.detail for c in found if c.name == "convergence")


def test_a_chain_that_stands_still_fails(allocation_fit):
    draws = allocation_fit.tree["posterior"]["alpha1"].to_numpy().copy()
    draws[:] = draws[:, :1]
    assert (
        status(
            nstar.check_fit(tampered(allocation_fit, posterior__alpha1=draws)),
            "convergence",
        )
        == "FAIL"
    )


def test_a_bend_at_the_runs_that_stands_still_fails(bent_fit):
    """Weights of waves are drawn anew given it, and would hide it."""
    assert worst(nstar.check_fit(bent_fit)) is not Status.FAIL
    stats = bent_fit.tree["sample_stats"]["bend_runs"].to_numpy().copy()
    stats[..., 0] = stats[:, :1, 0]
    found = nstar.check_fit(tampered(bent_fit, sample_stats__bend_runs=stats))
    convergence = next(c for c in found if c.name == "convergence")
    assert (convergence.status, "bend_runs" in convergence.detail) == ("FAIL", True)


def test_sticky_chains_fail_on_effective_draws(allocation_fit):
    draws = allocation_fit.tree["posterior"]["alpha1"].to_numpy()
    sticky = np.repeat(draws[:, ::25], 25, axis=1)[:, : draws.shape[1]]
    found = nstar.check_fit(tampered(allocation_fit, posterior__alpha1=sticky))
    assert status(found, "effective draws") == "FAIL"


def test_one_divergence_fails(allocation_fit):
    diverging = np.zeros(allocation_fit.tree["sample_stats"]["diverging"].shape)
    diverging[0, 3] = True
    made = tampered(allocation_fit, sample_stats__diverging=diverging)
    found = nstar.check_fit(replace(made, law=made.straight))
    assert status(found, "divergences") == "FAIL"


def test_few_divergences_of_a_bent_law_are_for_review_and_many_fail(bent_fit):
    posterior = bent_fit.tree["posterior"].dataset
    bends = [
        v.to_numpy().ravel() for n, v in posterior.items() if n.startswith("bend_")
    ]
    ranks = np.array([np.argsort(np.argsort(b)) / b.size for b in bends])
    lowest, wide = int(np.argmin(bends[0])), int(np.argmax(ranks.min(axis=0)))
    many = np.argsort(bends[0])[: bends[0].size // 100]
    for at, expected in (([lowest], "REVIEW"), ([wide], "FAIL"), (many, "FAIL")):
        diverging = np.zeros(bent_fit.tree["sample_stats"]["diverging"].shape)
        diverging.flat[at] = 1
        found = nstar.check_fit(tampered(bent_fit, sample_stats__diverging=diverging))
        assert status(found, "divergences") == expected


def test_low_energy_information_is_for_review(allocation_fit):
    energy = allocation_fit.tree["sample_stats"]["energy"].to_numpy()
    drifting = np.cumsum(energy - energy.mean(), axis=1)
    assert (
        status(
            nstar.check_fit(tampered(allocation_fit, sample_stats__energy=drifting)),
            "energy",
        )
        == "REVIEW"
    )


def test_a_prior_against_the_runs_is_for_review(optima):
    fit = nstar.fit(
        optima,
        "allocation",
        priors={"alpha1": "Normal(0.8, 0.02)", "sigma": "LogNormal(-2, 0.3)"},
        discrepancy="none",  # a line that bends gives way to such a prior
    )
    assert status(nstar.check_fit(fit), "prior and runs agree") == "REVIEW"


def test_what_the_runs_do_not_tell_is_named():
    table = {"C": [1e20, 1.02e20, 1.04e20], "D": [1.6e10, 1.62e10, 1.63e10]}
    straight = nstar.fit(table, "allocation", discrepancy="none")
    assert status(nstar.check_fit(straight), "learned from runs") == "REVIEW"
    bent = nstar.check_fit(nstar.fit(table, "allocation"))
    assert status(bent, "learned from runs") == "REVIEW"
    (detail,) = [c.detail for c in bent if c.name == "learned from runs"]
    assert "alpha1_bent" in detail  # what is read of a line that bends
    assert status(bent, "budgets") == "REVIEW"


def test_a_narrow_prior_beside_the_runs_is_for_review_where_the_line_bends(optima):
    priors = {"alpha1": "Normal(0.8, 0.02)", "sigma": "LogNormal(-2, 0.3)"}
    priors |= {"bend_optimum": "LogNormal(-4, 0.1)"}
    fit = nstar.fit(optima, "allocation", priors=priors)
    assert status(nstar.check_fit(fit), "prior and runs agree") == "REVIEW"


def test_a_law_that_bends_away_is_for_review():
    """Runs of a bent surface: an additive law leaves structure behind."""
    from nstar.laws.examples import profiles

    design = profiles()
    n, d = np.log(design["N"] / 1e9), np.log(design["D"] / 2e10)
    loss = np.exp(
        0.9 - 0.06 * n - 0.06 * d + 0.02 * (n - d) ** 2 * np.exp(0.25 * (n + d))
    )
    loss *= np.exp(0.002 * np.random.default_rng(0).normal(size=n.size))
    bent = nstar.check_fit(
        nstar.fit(design | {"L": loss}, "chinchilla", discrepancy="none")
    )
    assert status(bent, "law fits the runs") == "REVIEW"
    truth = {
        "level": 2.6,
        "floor_share": 0.65,
        "size_share": 0.5,
        "alpha1": 0.5,
        "exponent_sum": 0.7,
        "sigma": 0.002,
        "nu": 8.0,
    }
    straight = nstar.simulate("chinchilla", design, truth)["L"].to_numpy()[0]
    found = nstar.check_fit(
        nstar.fit(design | {"L": straight}, "chinchilla", discrepancy="none")
    )
    assert status(found, "law fits the runs") == "PASS"


@pytest.mark.parametrize(
    ("budget", "verdict"),
    [
        (3e22, "PASS"),
        (3.8e25, "REVIEW"),
        (1e36, "FAIL"),
        (1e18, "PASS"),
        (1e16, "REVIEW"),
    ],
)
def test_extrapolation_is_counted_in_decades(allocation_fit, budget, verdict):
    assert (
        status(check_plan(nstar.plan(allocation_fit, budget)), "extrapolation")
        == verdict
    )


def test_an_optimum_outside_the_runs_is_for_review(allocation_fit):
    inside = check_plan(nstar.plan(allocation_fit, 1e21))
    outside = check_plan(nstar.plan(allocation_fit, 3.8e25))
    assert status(inside, "tokens per parameter") == "PASS"
    assert status(outside, "tokens per parameter") == "REVIEW"


def test_every_check_says_what_was_seen(surface_fit):
    for check in [
        *nstar.check_fit(surface_fit),
        *check_plan(nstar.plan(surface_fit, 3.8e25)),
    ]:
        assert set(check.as_json()) == {"name", "status", "detail"}
        assert len(check.detail) > 20


def test_profiles_on_one_side_of_their_minimum_and_of_two_runs_are_named(llama3):
    """The largest budget loses its right side, the next all but two runs."""
    side = (llama3["C"] == 1e22) & (llama3["D"] > 1.5e11)
    few = (llama3["C"] == 3e21) & (llama3["D"] > 1.01e11)
    runs = llama3.take(~side & ~few)
    fit = nstar.fit(runs, "isoflop")
    found = nstar.check_fit(fit)
    assert "1e+22" in next(
        c.detail for c in found if c.name == "minima inside their runs"
    )
    assert "3e+21" in next(c.detail for c in found if c.name == "small budgets")
    whole = nstar.plan(nstar.fit(llama3, "isoflop"), 1e22).table()[0]["D"]
    least = nstar.plan(fit, 1e22).table()[0]["D"]
    assert least["upper"] / least["lower"] > whole["upper"] / whole["lower"]


def test_skew_may_differ_between_budgets(llama3):
    from nstar.laws.isoflop import IsoFLOP

    fit = nstar.fit(llama3, IsoFLOP(skew_per_budget=True))
    assert fit.draws["skew_z"].shape[1] == 10
    assert worst(nstar.check_fit(fit)) is not Status.FAIL


def test_a_prediction_far_from_the_runs_is_for_review(surface_fit):
    near = check_prediction(surface_fit, 1e9, 2e10)
    far = check_prediction(surface_fit, np.array([4e11]), np.array([1.5e13]))
    aside = check_prediction(surface_fit, 1e7, 1e13)
    assert worst(near) is Status.PASS
    assert status(far, "extrapolation") == "REVIEW"
    assert status(aside, "tokens per parameter") == "REVIEW"


def test_a_law_of_two_responses_is_checked():
    C = np.geomspace(1e18, 1e22, 12)
    made = nstar.simulate("allocation_free", {"C": C}, seed=1)
    runs = {"C": C} | {n: made[n].to_numpy()[0] for n in ("N", "D")}
    found = nstar.fit(runs, "allocation_free", discrepancy="none")
    assert "law fits the runs" in {check.name for check in nstar.check_fit(found)}


def test_answers_are_judged_by_their_own_chains(allocation_fit):
    """Unknowns that mix may have an answer that does not; it is judged itself."""
    made = nstar.plan(allocation_fit, [1e22, 3.8e25])
    assert status(check_plan(made), "draws of the decision") == "PASS"
    draws = made.draws.copy(deep=True)
    count = allocation_fit.tree["posterior"].sizes["draw"]
    draws["N"][:count, 1] *= 1e3  # one chain is elsewhere
    (check,) = (
        c
        for c in check_plan(replace(made, draws=draws))
        if c.name == "draws of the decision"
    )
    assert check.status == "FAIL"
    assert "log N* at 3.8e+25 FLOP" in check.detail


def test_a_lone_divergence_passes_for_a_neck_one_time_in_ten(rng):
    """However many amplitudes there are: each has a tail of its own to be low in."""
    posterior = {f"bend_{n}": rng.lognormal(size=(4, 25_000)) for n in "abcd"}
    alone = []
    for i in range(2000):
        diverging = np.zeros((4, 25_000), bool)
        diverging[i % 4, i] = True
        alone.append(in_necks(posterior, diverging))
    assert np.mean(alone) == pytest.approx(0.1, abs=0.025)
    in_one = posterior["bend_a"] < np.quantile(posterior["bend_a"], 1e-4)
    assert in_necks(posterior, in_one)
    assert not in_necks(posterior, in_one | (posterior["bend_a"] > 20))


def test_a_form_taken_as_exact_is_for_review_beyond_the_runs(surface_fit, bent_fit):
    C = float(surface_fit.runs["C"].max())
    at = check_plan(nstar.plan(surface_fit, [C]))
    assert "exact form" not in {c.name for c in at}
    beyond = check_plan(nstar.plan(surface_fit, [2 * C]))
    (check,) = (c for c in beyond if c.name == "exact form")
    assert check.status == "REVIEW"
    assert "held 75 % of runs one decade" in check.detail
    N, D = (2 * float(bent_fit.runs[n].max()) for n in "ND")
    assert status(check_prediction(surface_fit, N, D), "exact form") == "REVIEW"
    assert "exact form" not in {c.name for c in check_prediction(bent_fit, N, D)}
    beyond = check_plan(nstar.plan(bent_fit, [2 * C]))
    assert "exact form" not in {c.name for c in beyond}


def test_divergences_are_named_where_they_lie(rng):
    """Twenty of two thousand draws at low sigma are; as many anywhere are in no one place."""
    posterior = {name: rng.normal(size=(4, 500)) for name in ("level", "sigma")}
    low = posterior["sigma"] <= np.sort(posterior["sigma"].ravel())[19]
    assert (
        place(posterior, low)
        == "they lie where sigma is low (on average at its 0% quantile)"
    )
    anywhere = np.zeros((4, 500), bool)
    anywhere.ravel()[rng.choice(2000, 20, replace=False)] = True
    assert place(posterior, anywhere) == "they lie in no one place"
    assert place(posterior, np.zeros((4, 500), bool)) == ""
