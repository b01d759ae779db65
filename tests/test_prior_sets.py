"""Sets of priors by name: what a fit takes, keeps, leaves out and owes to them."""

import json
import re

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import nstar
from conftest import FALSE_ALARM
from designs import DESIGNS
from nstar.departures.discrepancy import PARTS, bend
from nstar.laws import LAWS
from nstar.noises.likelihoods import NOISES, Normal, StudentT
from nstar.priors import sets
from nstar.priors.learned import learned
from nstar.priors.resolving import resolve
from nstar.priors.sets import PriorSet, as_set
from nstar.priors.stated import describe
from nstar.samplers.nuts import Settings
from nstar.validation.calibration import calibrate
from nstar.validation.power_scaling import sensitivity
from nstar.validation.prior_check import prior_predictive
from nstar.verdicts import Status

SHORT = Settings(chains=2, warmup=200, draws=500)


def still(done, total):
    """Show no progress."""


@pytest.fixture(scope="module")
def informed(optima):
    return nstar.fit(
        optima,
        "allocation",
        priors="informed",
        settings=SHORT,
        tick=still,
        discrepancy="none",
    )


def test_weak_is_the_default_and_changes_nothing(optima):
    law, noise = LAWS["allocation"](), Normal()
    for with_one in (None, "weak", {}, PriorSet()):
        assert resolve(with_one, law, noise, optima).priors == {}
        assert resolve(with_one, law, noise, optima).notes == ()


def test_informed_priors_are_those_of_the_file_less_the_runs_own_source(informed):
    record = learned()
    out = ["llama3"]
    densities = json.loads(informed.tree.attrs["priors_chosen"])
    assert densities["alpha1"] == record.left_out["llama3"]["alpha1"]["unknown"]
    assert densities["alpha1"] != record.prior("alpha1", "unknown", ())
    assert densities["sigma"] == record.prior("sigma", "points", out)
    assert densities["tokens_per_parameter"] == record.prior(
        "tokens_per_parameter", "any", out
    )
    (note,) = [n for n in informed.notes if n.name == "priors"]
    assert "left out: llama3" in note.detail
    assert re.search(r"\b\d+ sources", note.detail)
    assert note.status is Status.PASS


def test_alpha1_depends_on_how_parameters_are_counted(llama3):
    law, noise = LAWS["chinchilla"](), StudentT()
    from dataclasses import replace

    texts = {
        how: describe(
            resolve("informed", law, noise, replace(llama3, params_counted=how)).priors[
                "alpha1"
            ]
        )
        for how in ("total", "non-embedding", "unknown", "active")
    }
    assert len(set(texts.values())) == 3
    assert texts["active"] == texts["unknown"]  # the record has no active count apart


def test_a_prior_of_another_meaning_is_left_alone(llama3):
    """Kaplan's exponents are of the whole loss; learned ones are of what lies above a floor."""
    chosen = resolve("informed", LAWS["kaplan"](), StudentT(), llama3).priors
    assert "exponent_sum" not in chosen
    assert {"alpha1", "sigma", "nu"} <= set(chosen)
    coupled = resolve("informed", LAWS["coupled"](), StudentT(), llama3).priors
    assert {"coupling", "exponent_sum", "floor_share"} <= set(coupled)
    assert "level" not in coupled  # it has the unit of the loss
    growing = resolve("informed", LAWS["coupled"](), NOISES["growing"], llama3).priors
    assert "sigma" not in growing  # there it is the scatter of the largest run alone
    assert "coupling" in growing


def test_a_bent_law_has_amplitudes_and_noise_of_its_own(llama3):
    x = {n: llama3[n] for n in ("N", "D")}
    law = LAWS["coupled"]().at(x, llama3.cost)
    straight = resolve("informed", law, StudentT(), llama3).priors
    bent = resolve("informed", bend(law, x), StudentT(), llama3).priors
    bends = {f"bend_{part}" for part in PARTS}
    assert bends & set(bent) == bends & set(learned().groups)
    assert ("sigma" in bent) == ("bent" in learned().groups["sigma"])
    if "sigma" in bent:  # never the straight law's, which holds its misfit too
        assert describe(bent["sigma"]) != describe(straight["sigma"])
    assert describe(bent["coupling"]) == describe(straight["coupling"])


def test_own_priors_lie_on_top_of_a_set(optima):
    law, noise = LAWS["allocation"](), Normal()
    with_one = sets.informed(without=["marin"]) | {"alpha1": "Normal(0.5, 0.01)"}
    resolved = resolve(with_one, law, noise, optima)
    assert describe(resolved.priors["alpha1"]) == "Normal(0.5, 0.01)"
    assert json.loads(resolved.attrs["prior_own"]) == ["alpha1"]
    assert json.loads(resolved.attrs["prior_left_out"]) == ["llama3", "marin"]
    record, out = learned(), ["llama3", "marin"]
    text = record.groups["tokens_per_parameter"]["any"].without(out).summary()
    assert describe(resolved.priors["tokens_per_parameter"]) == text
    assert "left out as asked: marin" in resolved.notes[0].detail
    assert as_set({"alpha1": "Normal(0.5, 0.01)"}).name == "weak"


def test_what_does_not_exist_is_refused(optima):
    with pytest.raises(
        ValueError, match="no set of priors 'strong'; there are weak, informed"
    ):
        nstar.fit(optima, "allocation", priors="strong")
    with pytest.raises(ValueError, match="no source 'marine' in the public record"):
        sets.informed(without=["marine"])
    with pytest.raises(ValueError, match="no such unknown"):
        nstar.fit(optima, "allocation", priors=sets.informed() | {"k": "Normal(0, 1)"})


def test_the_set_is_saved_and_restored(informed, tmp_path):
    back = nstar.load(informed.save(tmp_path / "fit.nc"))
    assert back.tree.attrs["prior_set"] == "informed"
    assert back.tree.identical(informed.tree)
    assert back.notes == informed.notes
    for name, prior in informed.priors.items():
        assert describe(back.priors[name]) == describe(prior)


def test_a_comparison_has_not_learned_from_what_it_compares(informed, optima):
    held = nstar.compare(informed, "besiroglu", [1e22])
    (note,) = [c for c in held.checks() if c.name == "priors of the comparison"]
    assert "without the source chinchilla" in note.detail
    assert "chinchilla_A2" in note.detail
    fair = held.plan.fit
    assert json.loads(fair.tree.attrs["prior_left_out"]) == ["chinchilla", "llama3"]
    text = (
        learned()
        .groups["alpha1"]["unknown"]
        .without(["chinchilla", "llama3"])
        .summary()
    )
    assert describe(fair.priors["alpha1"]) == text
    assert not np.array_equal(fair.draws["alpha1"], informed.draws["alpha1"])
    own = nstar.compare(informed, "llama3", [1e22])
    assert own.plan.fit is informed
    assert "already without the source llama3" in own.checks()[-1].detail
    weak = nstar.compare(
        nstar.fit(optima, "allocation", settings=SHORT, tick=still), "besiroglu", [1e22]
    )
    assert [c.name for c in weak.checks()] == ["parameter counting"]


@pytest.mark.parametrize("law", ["allocation", "coupled"])
def test_informed_priors_are_drawn_as_they_are_written(law):
    """Draws of the prior have the quantiles of the file's Student-t."""
    made = nstar.simulate(law, DESIGNS[law](), priors="informed", draws=2000, seed=3)
    record = learned()
    names = {
        "alpha1": ("unknown", lambda v: np.log(v / (1 - v))),
        "coupling": ("any", np.log),
    }
    for name, (condition, scale) in names.items():
        if name in made:
            base = record.groups[name][condition].summary()
            df, loc, width = (float(v) for v in base.split("(")[1][:-1].split(","))
            z = (scale(made[name].to_numpy()) - loc) / width
            assert stats.kstest(z, stats.t(df).cdf).pvalue > FALSE_ALARM


@pytest.mark.slow
def test_informed_fits_are_calibrated():
    ranks = calibrate(
        "allocation", DESIGNS["allocation"](), priors="informed", replicates=200
    )
    found = ranks.tests()
    assert min(found.values()) * len(found) > FALSE_ALARM, found


def test_log_prior_is_the_density_of_the_prior(informed):
    densities = informed.tree["log_prior"].dataset
    assert set(densities.data_vars) == {"alpha1", "tokens_per_parameter", "sigma"}
    sigma = informed.tree["posterior"]["sigma"].to_numpy()
    base = informed.priors["sigma"].base_dist
    expected = stats.t(4, base.loc, base.scale).logpdf(np.log(sigma)) - np.log(sigma)
    np.testing.assert_allclose(densities["sigma"], expected, rtol=1e-6)


@pytest.mark.slow
def test_weights_of_a_discrepancy_are_not_scaled(llama3):
    few = llama3.take(np.arange(0, 133, 4))
    quick = Settings(chains=2, warmup=250, draws=250)
    fit = nstar.fit(few, "chinchilla", settings=quick, tick=still)
    names = set(fit.tree["log_prior"].data_vars)
    assert {"bend_along", "alpha1", "nu"} <= names
    assert not any(name.startswith("waves_") for name in names)


def test_sensitivity_names_the_prior_that_speaks_against_the_runs(optima):
    strong = {"alpha1": dist.Normal(0.6, 0.03)}
    bound = sensitivity(
        nstar.fit(
            optima,
            "allocation",
            priors=strong,
            settings=SHORT,
            tick=still,
            discrepancy="none",
        )
    )
    row = {r.quantity: r for r in bound.rows}["alpha1"]
    assert row.prior > 0.05
    assert row.prior_of == "alpha1"
    assert bound.check.status is Status.REVIEW
    assert "alpha1 (prior of alpha1)" in bound.check.detail
    loose = {
        "alpha1": "Normal(0.5, 1.0)",
        "sigma": "Uniform(0.001, 3)",
        "tokens_per_parameter": "Uniform(0.1, 300)",
    }
    free = sensitivity(
        nstar.fit(
            optima,
            "allocation",
            priors=loose,
            settings=SHORT,
            tick=still,
            discrepancy="none",
        )
    )
    assert free.check.status is Status.PASS
    assert {r.says for r in free.rows} == {"the runs decide"}
    with pytest.raises(ValueError, match="no single quantity 'beta'"):
        sensitivity(
            nstar.fit(optima, "allocation", settings=SHORT, tick=still), ["beta"]
        )


def test_the_prior_predictive_sees_a_wrong_unit(llama3):
    from dataclasses import replace

    fine = prior_predictive(llama3, "coupled", budgets=[1e21], draws=400)
    assert fine.check().status is Status.PASS
    assert {r["statistic"] for r in fine.table()} == {
        "median L",
        "least L",
        "largest L",
        "slope of log L on log C",
    }
    (at,) = fine.budgets()
    assert at["N"]["lower"] < 3e9 < at["N"]["upper"]
    percent = replace(llama3, columns=llama3.columns | {"L": llama3["L"] * 100})
    wrong = prior_predictive(percent, "coupled", draws=400)
    assert wrong.check().status is Status.REVIEW
    assert "median L is 81.4" in wrong.check().detail


def test_informed_priors_expect_less_of_n_star_than_weak_ones(llama3):
    def spread(priors):
        (at,) = prior_predictive(
            llama3, "coupled", priors=priors, budgets=[3.8e25], discrepancy="none"
        ).budgets()
        return np.log(at["N"]["upper"] / at["N"]["lower"])

    assert spread("informed") < 0.8 * spread("weak")
