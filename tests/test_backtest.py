"""Hold-outs and their scores: closed forms, and what a split may see."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

import nstar
from nstar.laws import LAWS
from nstar.laws.examples import profiles
from nstar.report.held_out_figure import figure, from_outcome, panel
from nstar.responses.scales import LOG_LOSS
from nstar.runs.optima import minima
from nstar.runs.splits import Split
from nstar.scores import crps, scores
from nstar.validation import backtest as backtests
from nstar.validation.backtest import (
    HeldOut,
    backtest,
    check_backtest,
    split,
)
from nstar.validation.optima import (
    RARE,
    check_optima,
    held_out_optima,
    near_minimum,
)
from nstar.verdicts import Status


def fit_of(law, **more):
    """As much of a fit as is read of it."""
    fit = SimpleNamespace(law=law, mixture={}, how=None, **more)
    fit.components = fit.parts = (fit,)
    return fit


def test_scores_of_a_normal_forecast_are_its_closed_forms(rng):
    """CRPS of a standard normal at y (Gneiting & Raftery 2007, eq. 21 ff.)."""
    draws = rng.normal(size=(40_000, 3))
    y = np.array([-1.0, 0.3, 4.0])
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(crps(draws, y), exact, atol=0.02)
    got = scores(draws, y)
    half = stats.norm.ppf(0.95)
    assert got["coverage"]["0.9"] == pytest.approx(2 / 3)
    np.testing.assert_allclose(got["width"]["0.9"], 2 * half, rtol=0.02)
    np.testing.assert_allclose(
        got["interval_score"]["0.9"], 2 * half + 20 * (4 - half) / 3, rtol=0.02
    )
    np.testing.assert_allclose(got["bias"], -np.mean(y), atol=0.02)


def test_split_holds_out_the_largest_budgets(llama3):
    one = split(llama3, 1.0)
    assert one.test["C"].min() == 1e21
    assert one.train["C"].max() == 6e20
    assert len(one.train) + len(one.test) == len(llama3)
    with pytest.raises(ValueError, match="leaves no run"):
        split(llama3, 4.0)


def test_measured_optima_use_runs_near_the_minimum(llama3):
    kept = near_minimum(llama3)
    for budget in np.unique(kept["budget"]):
        at = kept["budget"] == budget
        assert np.ptp(np.log10(kept["D"][at])) <= 1.5


def test_the_answers_held_out_do_not_reach_the_fit(llama3):
    """Scrambled test losses leave every prediction as it was."""
    (whole,) = backtest(llama3, discrepancy="none")
    columns = dict(llama3.columns)
    held = np.log10(llama3["C"]) >= 21
    columns["L"] = np.where(held, columns["L"][::-1], columns["L"])
    (scrambled,) = backtest(
        nstar.Observations(columns, llama3.rows, llama3.source, ""), discrepancy="none"
    )
    np.testing.assert_array_equal(whole.draws, scrambled.draws)
    assert whole.record()["rmse"] != scrambled.record()["rmse"]


def test_llama3_surface_misses_one_decade_out_and_says_so(llama3):
    outcomes = backtest(llama3, "chinchilla", discrepancy="none")
    record = outcomes[0].record()
    assert record["n_train"] == 109
    assert record["n_test"] == 24
    assert 0.4 < record["coverage"]["0.9"] < 0.75  # 0.58 was measured
    assert record["width"]["0.9"] < 0.02  # 0.014 was measured
    assert record["interval_score"]["0.9"] < 0.07  # 0.047 was measured
    assert "REVIEW" in {str(c.status) for c in check_backtest(outcomes)}
    rows = outcomes[0].predictions()
    assert len(rows) == 24
    assert rows[0]["q0.05"] < rows[0]["q0.5"] < rows[0]["q0.95"]


def test_a_true_law_is_covered():
    """On runs simulated from the law itself, 90 % intervals hold about 90 %, and no wider.

    A run's noise alone makes an interval 0.0155 wide and so its score; what a decade
    beyond 32 runs adds makes it 0.025, with an sd of 0.0015 for eight tables.
    """
    from nstar.laws.examples import profiles

    truth = {
        "level": 2.6,
        "floor_share": 0.65,
        "size_share": 0.5,
        "alpha1": 0.5,
        "exponent_sum": 0.7,
        "sigma": 0.004,
        "nu": 6.0,
    }
    made = nstar.simulate("chinchilla", profiles(), truth, draws=8, seed=2)[
        "L"
    ].to_numpy()
    inside, widths, interval_scores = [], [], []
    for losses in made:
        runs = nstar.read_runs(profiles() | {"L": losses})
        (outcome,) = backtest(runs, discrepancy="none", hold_out=(1.0,))
        record = outcome.record()
        inside.append(record["coverage"]["0.9"])
        widths.append(record["width"]["0.9"])
        interval_scores.append(record["interval_score"]["0.9"])
    # 8 tables of 16 runs; errors inside a table are correlated: sd of the mean about 0.04
    assert 0.72 < np.mean(inside) <= 1.0
    noise = 2 * truth["sigma"] * stats.t(truth["nu"]).ppf(0.95)
    assert noise < np.mean(widths) < 2.2 * noise
    assert np.mean(interval_scores) < 2.5 * noise


def test_optima_of_held_out_budgets_are_scored(llama3):
    (outcome,) = backtest(llama3, "isoflop")
    optima = outcome.record()["optima"]
    assert optima["budgets"] == pytest.approx([1e21, 3e21, 1e22])
    assert set(optima["D"]["coverage"]) == {"0.5", "0.8", "0.9", "0.95"}
    assert optima["misses"] == round(3 * (1 - optima["D"]["coverage"]["0.9"]))
    assert optima["D"]["interval_score"]["0.9"] < 0.9  # 0.60 was measured


def test_a_table_of_optima_is_scored_as_a_route_too():
    """Measured optima have no loss: what is held out is their tokens, and so is the score."""
    (outcome,) = backtest(nstar.read_runs("llama3_optima"), "allocation")
    record = outcome.record()
    assert record["optima"]["D"] == {n: record[n] for n in record["optima"]["D"]}
    assert len(record["optima"]["error"]) == record["n_test"] >= 2
    assert record["interval_score"]["0.9"] < 0.9  # 0.60 was measured


def test_minima_of_draws_are_their_parabolas(rng):
    log_D = np.log(np.geomspace(1e9, 1e11, 7))
    L = 2.0 + 0.03 * np.square(log_D - log_D[3]) + 0.01 * rng.normal(size=(200, 7))
    L[0], L[1] = log_D, -log_D  # no minimum: the end with the lower loss
    places = minima(log_D, L)
    assert places[:2] == pytest.approx([log_D[0], log_D[-1]])
    for losses, place in zip(L[2:], places[2:], strict=True):
        a, b, _ = np.polyfit(log_D - log_D.mean(), losses, 2)
        if a > 0:
            inside = np.clip(-b / (2 * a) + log_D.mean(), log_D[0], log_D[-1])
            assert place == pytest.approx(inside)


def test_optima_of_a_surface_are_scored_as_they_are_measured(rng, monkeypatch):
    """Draws that are the truth with its noise hold the measured optima; shifted ones miss."""
    no_line = "nstar.validation.optima.predict_optima"  # this is of a fake fit's losses
    monkeypatch.setattr(no_line, lambda *given, **how: None)
    x = profiles()
    exact = np.log(1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28)
    sigma = 0.002
    test = nstar.read_runs(
        x | {"L": np.exp(exact + sigma * rng.normal(size=exact.size))}
    )
    draws = exact + sigma * rng.normal(size=(2000, exact.size))
    fit = fit_of(LAWS["chinchilla"](), seed=0)
    part = Split(1.0, test.take(np.zeros(len(test), dtype=bool)), test)
    right = HeldOut(part, fit, draws)._optima()
    assert len(right["budgets"]) >= 3
    assert right["chance"] > RARE
    assert check_optima("surface", right).status is Status.PASS
    assert right["D"]["coverage"]["0.95"] >= 0.75
    assert right["N"]["rmse"] == pytest.approx(right["D"]["rmse"], rel=1e-6)
    tilted = draws + 0.05 * (np.log(x["D"]) - np.log(x["D"]).mean())
    missed = HeldOut(part, fit, tilted)._optima()
    assert missed["D"]["coverage"]["0.9"] < 0.5
    assert missed["D"]["bias"] < -0.1
    assert sum(missed["log_density"]) < sum(right["log_density"]) - 10
    check = check_optima("surface", missed)
    assert check.status is Status.REVIEW
    assert "too few tokens" in check.detail
    # a budget of which a run was learned from is not held out
    known = test.take(test["budget"] == right["budgets"][0])
    partly = held_out_optima(fit, part._replace(train=known.take(np.arange(1))), draws)
    assert partly.budgets.tolist() == right["budgets"][1:]


def test_intervals_far_too_wide_are_for_review(monkeypatch):
    """A band that holds everything with room to spare is no better than it looks."""
    monkeypatch.setattr(backtests, "check_fit", lambda fit: [])
    rng = np.random.default_rng(1)
    C = np.geomspace(1e20, 1e22, 12)
    verdicts = []
    for width in (1.0, 10.0):
        table = {"C": C, "N": np.sqrt(C / 120), "L": np.full(12, 3.0)}
        test = nstar.read_runs(table, ladder=False)
        middle = np.log(3.0) + 0.01 * rng.normal(size=12)
        draws = middle + 0.01 * width * rng.normal(size=(4000, 12))
        fit = fit_of(SimpleNamespace(response=LOG_LOSS))
        part = SimpleNamespace(test=test, train=test, decades=1.0)
        (check,) = check_backtest([HeldOut(part, fit, draws)])
        verdicts.append((check.status, "wider than they need be" in check.detail))
    assert verdicts == [("PASS", False), ("REVIEW", True)]


def invented(misses):
    """What was said of eight runs, of which the first few came out far above."""
    test = nstar.read_runs(
        {"N": np.geomspace(1e8, 1e9, 8), "D": np.full(8, 1e10), "L": np.full(8, 3.0)},
        ladder=False,
    )
    draws = np.log(3.0) + 0.01 * np.random.default_rng(0).normal(size=(500, 8))
    draws[:, :misses] -= 0.05
    fit = fit_of(SimpleNamespace(response=LOG_LOSS))
    return HeldOut(split_of(test), fit, draws)


def split_of(test):
    return SimpleNamespace(test=test, decades=1.0)


def test_a_panel_counts_what_came_inside():
    ax = panel(Figure().subplots(), from_outcome("ladder", invented(3)))
    assert ax.get_title() == "ladder, 1 decades: 5 of 8 inside 90%"
    inside, outside = (line.get_xdata() for line in ax.lines[1:])
    assert list(outside) == [0, 1, 2]
    assert len(inside) == 5


@pytest.mark.parametrize(
    ("kind", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_a_figure_has_a_panel_for_each_hold_out(kind, start):
    held = [
        ("one", invented(0)),
        ("one", invented(1)),
        ("two", invented(2)),
        ("two", invented(8)),
    ]
    drawn = figure(held, kind)
    assert drawn.startswith(start)
    if kind == "svg":
        assert drawn == figure(held, kind)
        assert drawn.count(b'id="axes_') == 4
