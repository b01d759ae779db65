"""Averages of laws: what the weights may see, and that all downstream takes them."""

import json
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy.special import logsumexp

import nstar
from nstar import cli
from nstar.fits import store
from nstar.fits.mixture import Average
from nstar.laws.examples import profiles
from nstar.predictions import prediction
from nstar.samplers.nuts import Settings
from nstar.validation import averaging
from nstar.validation.averaging import (
    Component,
    Evidence,
    describe_evidence,
    effective_runs,
    inner_splits,
    share_evidence,
    stack,
)
from nstar.validation.backtest import HeldOut, backtest, check_backtest
from nstar.validation.checks import check_plan
from nstar.verdicts import Check, Status

LAWS = ("chinchilla", "coupled")
FAST = Settings(chains=2, warmup=200, draws=250)
TRUTH = {
    "level": 2.6,
    "floor_share": 0.6,
    "size_share": 0.5,
    "alpha1": 0.5,
    "exponent_sum": 0.8,
    "coupling": 0.3,
    "sigma": 0.002,
    "nu": 6.0,
}
BUDGETS = [1e22, 1e23]
DESIGN = {name: column[:32] for name, column in profiles().items()}  # four budgets


@pytest.fixture(scope="module")
def ladder() -> nstar.Observations:
    """Runs whose two terms are strongly coupled, which the additive law cannot follow."""
    made = nstar.simulate("coupled", DESIGN, TRUTH, seed=3)
    return nstar.read_runs(DESIGN | {"L": made["L"].to_numpy()[0]})


@pytest.fixture(scope="module")
def outcome(ladder) -> HeldOut:
    (outcome,) = backtest(
        ladder, LAWS, hold_out=(0.5,), settings=FAST, discrepancy="none"
    )
    return outcome


@pytest.fixture(scope="module")
def averaged(outcome) -> Average:
    """Of 24 runs at three budgets: one can be held out in turn."""
    return outcome.fit


def test_stacking_finds_the_better_law_and_no_evidence_leaves_the_usual_weights():
    usual = np.array([0.5, 0.5])
    assert stack([], usual) == pytest.approx(usual)
    better = np.stack([np.zeros(20), np.full(20, -50.0)])
    # all the evidence on the first: (5 + 5 / 2) / (5 + 5), with PRIOR_WEIGHT 5
    assert stack([Evidence(better, 5)], usual) == pytest.approx([0.75, 0.25])
    same = np.full((2, 20), -3.0)
    assert stack([Evidence(same, 5)], np.array([0.2, 0.8])) == pytest.approx([0.2, 0.8])


def test_stacking_maximises_its_objective(rng):
    """Against a fine grid of weights of two laws."""
    p, usual, n = rng.normal(size=(2, 30)), np.array([0.5, 0.5]), 4
    w = np.linspace(0.001, 0.999, 9999)
    both = np.stack([w, 1 - w])
    score = n * np.mean(logsumexp(p[:, :, None], axis=0, b=both[:, None, :]), axis=0)
    grid = w[np.argmax(score + 5.0 * usual @ np.log(both))]
    assert stack([Evidence(p, n)], usual)[0] == pytest.approx(grid, abs=2e-4)


def test_a_budget_counts_once_half_by_its_losses_and_half_by_its_optimum(rng):
    usual = np.array([0.5, 0.5])
    alike, none = np.zeros((2, 40)), np.empty((2, 0))
    optima = np.array([[0.0, 0.0], [-50.0, -50.0]])
    pieces = share_evidence(alike, optima, 5)  # of five budgets two have a minimum
    assert [(p.count, p.of_optima) for p in pieces] == [(4.0, False), (1.0, True)]
    assert describe_evidence(pieces) == "(worth 5 runs, 1 of them by measured optima)"
    # losses that tell nothing apart are shared out as the weights are; optima all go to the first
    first = (5 * 0.5 + 1) / (5 + 1)
    assert stack(pieces, usual) == pytest.approx([first, 1 - first])
    assert stack(share_evidence(alike, none, 5), usual) == pytest.approx(usual)
    better = np.stack([np.zeros(40), np.full(40, -50.0)])
    against = np.array([[-50.0, -50.0], [0.0, 0.0]])
    assert stack(share_evidence(better, against, 2), usual) == pytest.approx(usual)
    assert stack(share_evidence(better, against, 3), usual)[0] == pytest.approx(
        (2.5 + 2) / 8
    )


def test_a_split_counts_for_few_runs(llama3):
    half, whole = inner_splits(llama3)
    assert (half.decades, whole.decades) == (0.5, 1.0)
    assert effective_runs(half.test) == 1  # budget
    assert effective_runs(whole.test) == 3
    assert effective_runs(llama3) == 5  # ten budgets, but one law's errors


def test_weights_prefer_the_true_law(averaged):
    assert sum(averaged.weights) == pytest.approx(1.0)
    weights = dict(zip(averaged.names, averaged.weights, strict=True))
    # one budget, half by its optimum, against a prior of five: 0.58 at most
    assert weights["coupled"] > 0.52
    assert "top 0.5 decades held out" in averaged.how.detail
    assert "(worth 1 runs, 0.5 of them by measured optima)" in averaged.how.detail
    assert "equal weights would be 0.50" in str(averaged)
    assert [r["law"] for r in averaged.summary()] == list(LAWS)


def test_an_average_comes_back_from_one_file(averaged, tmp_path, capsys, monkeypatch):
    file = averaged.save(tmp_path / "average.nc")
    back = nstar.load(file)
    assert (back.names, back.weights, back.how) == (
        averaged.names,
        averaged.weights,
        averaged.how,
    )
    said = (prediction.loss(a, [1e9, 7e9], [2e10, 1e12]) for a in (averaged, back))
    first, second = said
    assert first.equals(second)
    with pytest.raises(ValueError, match="holds an average of 2 laws"):
        store.read(file, None, None)
    monkeypatch.setattr(sys, "argv", ["nstar", "summary", str(file), "--json"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    document = json.loads(capsys.readouterr().out)
    assert left.value.code == int("FAIL" in {c["status"] for c in document["checks"]})
    assert list(document["weights"]) == list(LAWS)
    assert {"chinchilla: alpha1", "coupled: coupling"} <= set(document["unknowns"])
    with h5py.File(file, "r+") as opened:
        opened.attrs["nstar_parts"] = opened.attrs["nstar_parts"].replace(
            "0.", "0.1", 1
        )
    with pytest.raises(ValueError, match="edited or damaged"):
        nstar.load(file)


def test_draws_carry_their_law_in_proportion(averaged):
    said = prediction.loss(averaged, [1e9, 7e9], [2e10, 1e12])
    assert said.sizes == {"draw": 500, "point": 2}
    for name, weight in zip(averaged.names, averaged.weights, strict=True):
        assert np.mean(said["law"] == name) == pytest.approx(weight, abs=1 / 500)


def test_log_density_is_that_of_the_mixture(averaged):
    runs = averaged.runs
    each = [prediction.log_density(f, runs) for f in averaged.components]
    mixed = np.log(averaged.weights @ np.exp(each))
    np.testing.assert_allclose(prediction.log_density(averaged, runs), mixed)
    # ArviZ's group holds the same density by draw, at the runs that were learned from
    own = averaged.components[1].tree["log_likelihood"]["log_loss"].to_numpy()
    joined = logsumexp(own.reshape(-1, len(runs)), axis=0) - np.log(500)
    np.testing.assert_allclose(each[1], joined, rtol=1e-4)


def test_plan_and_checks_take_an_average(averaged):
    made = nstar.plan(averaged, BUDGETS)
    assert made.draws["N"].shape == (500, 2)
    assert set(made.draws["law"].to_numpy()) == set(LAWS)
    assert np.all(made.draws["regret"] >= 0)
    assert set(made.tree.children) == {*LAWS, "derived"}
    assert set(made.tree["coupled"].children) >= {"posterior", "sample_stats"}
    assert json.loads(made.tree.attrs["weights"]).keys() == set(LAWS)
    names = [check.name for check in nstar.check_fit(averaged)]
    assert names[0] == "weights"
    assert {"chinchilla: convergence", "coupled: convergence"} <= set(names)
    assert {c.name for c in check_plan(made)} >= {"extrapolation"}
    held = nstar.compare(averaged, "chinchilla_A3_unrounded", BUDGETS)
    assert held.table()[0]["D"]["posterior"]["median"] > 0


def test_one_law_is_its_fit(averaged):
    fit = averaged.components[0]
    how = Check("weights", Status.PASS, "given")
    alone = Average((fit,), ("chinchilla",), (1.0,), how)
    ours, own = nstar.plan(alone, BUDGETS), nstar.plan(fit, BUDGETS)
    np.testing.assert_array_equal(ours.draws["loss"], own.draws["loss"])
    np.testing.assert_array_equal(ours.draws["D"], own.draws["D"])
    for name, values in prediction.loss(fit, [1e9], [1e11]).items():
        mixed = prediction.loss(alone, [1e9], [1e11])[name]
        np.testing.assert_array_equal(mixed, values)
    nothing = Average(averaged.components, LAWS, (1.0, 0.0), how)
    np.testing.assert_array_equal(
        nstar.plan(nothing, BUDGETS).draws["D"], own.draws["D"]
    )


def test_scrambled_answers_leave_the_weights_as_they_were(ladder, outcome):
    """Only runs that were not held out reach the weights."""
    columns = dict(ladder.columns)
    held = columns["C"] == columns["C"].max()
    columns["L"] = np.where(held, columns["L"][::-1] * 1.3, columns["L"])
    other = nstar.Observations(columns, ladder.rows, ladder.source, "")
    (scrambled,) = backtest(
        other, LAWS, hold_out=(0.5,), settings=FAST, discrepancy="none"
    )
    assert outcome.fit.weights == scrambled.fit.weights
    np.testing.assert_array_equal(outcome.draws, scrambled.draws)
    assert outcome.record()["crps"] != scrambled.record()["crps"]


def test_backtest_scores_equal_weights_and_each_law_beside(outcome):
    record = outcome.record()
    assert record["weights"] == dict(zip(LAWS, outcome.fit.weights, strict=True))
    assert record["laws"].keys() == set(LAWS)
    assert record["equal_weights"].keys() == record["laws"]["coupled"].keys()
    assert len({s["crps"] for s in [record, *record["laws"].values()]}) == 3
    names = [check.name for check in check_backtest([outcome])]
    assert "0.5 decades held out: weights" in names


def test_too_few_inner_runs_give_usual_weights_and_say_so(ladder):
    """And each component brings its own noise and options."""
    few = ladder.take(np.arange(16))  # two budgets: neither can be held out
    assert not inner_splits(few)
    sure = {"priors": {"alpha1": "Normal(0.5, 0.01)"}}
    light = Component("chinchilla", "normal", "light tails", sure)
    made = nstar.average(few, (light, "chinchilla"), settings=FAST, discrepancy="none")
    assert made.names == ("light tails", "chinchilla")
    assert [type(f.noise).__name__ for f in made.components] == ["Normal", "StudentT"]
    assert [list(f.priors) for f in made.components] == [["alpha1"], []]
    assert made.weights == (0.5, 0.5)
    assert made.how.status is Status.REVIEW
    assert "no inner split" in made.how.detail


@pytest.mark.parametrize(
    "laws",
    [
        (*LAWS, "kaplan", "tied", "broken", "farseer"),
        ("coupled", "coupled"),
        (Component("coupled", name="chinchilla"), "chinchilla"),
        (),
    ],
)
def test_what_cannot_be_averaged_is_refused(ladder, laws):
    with pytest.raises(ValueError, match="1 to 5 laws of different names"):
        nstar.average(ladder, laws)


def test_components_speak_of_the_same_runs(averaged):
    first, second = averaged.components
    fewer = replace(second, runs=second.runs.take(np.arange(20)))
    with pytest.raises(ValueError, match="the same runs, but coupled takes 20"):
        averaging._require_same_runs(LAWS, (first, fewer))
    elsewhere = replace(second, runs=replace(second.runs, source="another"))
    with pytest.raises(
        ValueError, match="runs of one source, but coupled takes another"
    ):
        Average((first, elsewhere), LAWS, (0.5, 0.5), averaged.how)
    with pytest.raises(ValueError, match="sum to 1"):
        Average((first, second), LAWS, (0.5, 0.4), averaged.how)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("plan llama3 --budget 1e25 --law chinchilla,,coupled", "expected a law"),
        ("plan llama3 --budget 1e25 --law chinchilla,nonsense", "no law 'nonsense'"),
        ("backtest llama3 --law chinchilla,chinchilla", "laws of different names"),
    ],
)
def test_commands_refuse_before_sampling(nstar, command, said):
    code, _, err = nstar(*command.split())
    assert code == 2
    assert said in err


def test_commands_print_an_average(capsys, monkeypatch, averaged, outcome):
    """What `plan --law chinchilla,coupled` says of it, without sampling it again."""
    from nstar.cli import answering, show
    from nstar.cli.source import Fitted
    from nstar.validation.held_out import HeldOutRuns

    fitted = Fitted(averaged, "asked for")
    document = answering.describe(fitted, 0.9)
    assert document["law"] == "chinchilla,coupled"
    assert document["noise"] == "student_t"
    assert document["weights"] == dict(zip(LAWS, averaged.weights, strict=True))
    answering.title(fitted)
    scored = HeldOutRuns({"ladder": [outcome]}, "runs", ",".join(LAWS), 0, "C")
    show.answer([], scored.headline(), list(scored.tables()))
    said = capsys.readouterr().out
    assert "equal weights would be 0.50" in said
    assert "coupled alone" in said
