"""A decision under priors half and twice as wide, against fits made again with them."""

import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.distributions.transforms import ExpTransform, SigmoidTransform

import nstar
from nstar.validation.power_scaling import Row, Sensitivity, sensitivity
from nstar.validation.prior_scales import (
    FACTORS,
    ScaledPrior,
    check_scales,
    influential_priors,
    prior_scales,
    widen,
)
from nstar.verdicts import Check, Status


@pytest.fixture(scope="module")
def owed(allocation_fit):
    return sensitivity(allocation_fit, budgets=[3.8e25])


def test_answers_are_held_against_the_prior_too(owed):
    decisions = {row.quantity for row in owed.rows if row.decision}
    assert decisions == {"log N* at 3.8e+25 FLOP", "log D* at 3.8e+25 FLOP"}
    for row in owed.rows:
        assert row.by_prior[row.prior_of] == max(row.by_prior.values())


def test_a_prior_half_as_wide_is_the_fit_made_again_with_it(allocation_fit, owed):
    """Far beyond the runs N* owes to the prior of alpha1: narrower in, narrower out."""
    assert "alpha1" in influential_priors(owed)
    answers = prior_scales(allocation_fit, [3.8e25], owed)
    assert (answers[0].unknown, answers[0].how) == ("", "as is")
    rows = {(one.unknown, one.factor): one.intervals["log N*"][0] for one in answers}

    def width(row):
        return row["upper"] - row["lower"]

    usual = width(rows["", 1.0])
    assert width(rows["alpha1", 0.5]) < usual < width(rows["alpha1", 2.0])
    narrow = widen(allocation_fit.law.priors()["alpha1"], 0.5)
    refit = nstar.fit(allocation_fit.runs, "allocation", priors={"alpha1": narrow})
    again = np.log(nstar.plan(refit, 3.8e25).draws["N"].to_numpy())
    low, high = np.quantile(again, [0.05, 0.95])
    assert rows["alpha1", 0.5]["lower"] == pytest.approx(low, abs=0.15 * usual)
    assert rows["alpha1", 0.5]["upper"] == pytest.approx(high, abs=0.15 * usual)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    "prior",
    [
        dist.Normal(1.0, 0.3),
        dist.LogNormal(-1.0, 0.5),
        dist.StudentT(5.0, 0.2, 0.1),
        dist.HalfNormal(0.3),
        dist.Gamma(40.0, 10.0),
        dist.Beta(40.0, 60.0),
        dist.TransformedDistribution(dist.StudentT(5.0, 0.0, 0.2), SigmoidTransform()),
        dist.TransformedDistribution(dist.StudentT(5.0, 0.0, 0.2), ExpTransform()),
    ],
)
def test_a_prior_is_so_many_times_as_wide(prior, factor):
    """By its interquartile range where the family is a scale's, about the same middle."""

    def quartiles(one):
        draws = np.asarray(one.sample(nstar_key(), (40_000,)))
        if isinstance(one, dist.LogNormal):
            draws = np.log(draws)
        elif isinstance(one, dist.TransformedDistribution):
            draws = np.asarray(one.transforms[0].inv(draws))
        return np.quantile(draws, [0.25, 0.5, 0.75])

    before, after = quartiles(prior), quartiles(widen(prior, factor))
    assert np.ptp(after) / np.ptp(before) == pytest.approx(factor, rel=0.06)
    if not isinstance(prior, dist.HalfNormal):
        assert after[1] == pytest.approx(
            before[1], abs=0.12 * max(np.ptp(before), np.ptp(after))
        )


def nstar_key():
    import jax

    return jax.random.key(0)


def test_a_family_that_is_not_known_is_left_alone():
    assert widen(dist.Uniform(0.0, 1.0), 2.0) is None


def test_the_check_names_the_prior_that_moves_an_end_most():
    def row(unknown, factor, upper):
        each = {"log N*": [{"median": 0.0, "lower": -1.0, "upper": upper}]}
        return ScaledPrior(unknown, factor, (1e24,), each, "weighed anew")

    usual = row("", 1.0, 1.0)
    nothing = Sensitivity((), Check("prior sensitivity", Status.PASS, ""))
    small = check_scales([usual, row("alpha1", 2.0, 1.1)], nothing)
    assert small.status == "PASS"
    large = check_scales(
        [usual, row("alpha1", 0.5, 0.9), row("bend_along", 2.0, 2.0)], nothing
    )
    assert large.status == "REVIEW"
    assert "the prior of bend_along twice as wide" in large.detail
    assert "moves by 50%" in large.detail
    assert check_scales([usual], nothing).status == "PASS"
    alone = {"alpha1": 0.3}
    decision = Row("log N*", 0.3, 0.3, "alpha1", "both matter", alone, decision=True)
    moving = Sensitivity((decision,), nothing.check)
    untried = check_scales([usual], moving)
    assert untried.status == "REVIEW"
    assert "the priors of alpha1 move the decision" in untried.detail
    broken = row("alpha1", 0.5, 0.9)._replace(trouble="R-hat of alpha1 at 1.300")
    assert check_scales([usual, broken], moving).status == "REVIEW"
