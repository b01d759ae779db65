"""Learning rate and batch: the optimum of a simulated sweep, what settings cost, and bad input."""

import json

import jax
import numpy as np
import pytest
from scipy import stats

import nstar
from conftest import BRIEF, FALSE_ALARM
from nstar.cli.options import Request
from nstar.cli.source import _remark_on_bend, read
from nstar.cli.tuning import without_diverged
from nstar.fits.fitting import fit
from nstar.laws import LAWS
from nstar.noises.mistuned import Mistuned
from nstar.plans.divergence import LOG_ODDS, RISE, learn
from nstar.plans.tuning import tune
from test_json import CHECKS, HEAD, INTERVAL, hold

SETTING = {"lr": float, "batch": float, "regret": float, "diverges": float}
TUNED = {
    "N": float,
    "D": float,
    "lr": INTERVAL,
    "batch": INTERVAL,
    "loss": INTERVAL,
    "regret": float,
    "diverges": float,
    "settings": [SETTING],
}
TUNE = HEAD | {
    "runs": [TUNED],  # that are to be made, in place of how many there are
    "exponents": {...: INTERVAL},
    "tuning_cost": {"mean": float, "median": float, "largest": float, "row": int},
    "divergence": {
        "diverged": int,
        "stable": int,
        "log_odds": INTERVAL,
        "rise": INTERVAL,
    },
    "checks": CHECKS,
}
LR, BATCH = 2.0, 3e-5  # lr* = 2 N^-0.4 D^0.05, batch* = 3e-5 D^0.7


def best(N, D):
    return LR * N**-0.4 * D**0.05, BATCH * D**0.7


def sweep(noise=0.002, seed=0):
    """Three sizes and three lengths, each at four rates and three batches."""
    rng = np.random.default_rng(seed)
    N, D, rate, batch = (
        v.ravel()
        for v in np.meshgrid(
            [5e7, 1.5e8, 4e8],
            [1e9, 4e9, 1.6e10],
            [-1.2, -0.4, 0.5, 1.1],
            [-1.0, 0.1, 1.2],
        )
    )
    lr, b = best(N, D)
    tuned = 1.7 + 400 / N**0.34 + 410 / D**0.28
    loss = tuned + 0.03 * rate**2 + 0.02 * batch**2
    return {
        "N": N,
        "D": D,
        "lr": lr * np.exp(rate),
        "batch": b * np.exp(batch),
        "L": loss * np.exp(rng.normal(0, noise, len(N))),
    }


@pytest.fixture(scope="module")
def fitted():
    return fit(sweep(), "tuning", discrepancy="none", settings=BRIEF)


def test_the_optimum_of_a_larger_run_is_foretold(fitted):
    answer = tune(fitted, [(2e9, 4e10)])
    for draws, truth in zip((answer.lr, answer.batch), best(2e9, 4e10), strict=True):
        low, high = np.quantile(draws, [0.005, 0.995])
        assert low < truth < high
        assert high / low < 4
    exponents = answer.as_json()["exponents"]
    assert exponents["lr_by_size"]["lower"] < -0.4 < exponents["lr_by_size"]["upper"]
    assert (
        exponents["batch_by_data"]["lower"] < 0.7 < exponents["batch_by_data"]["upper"]
    )


def test_what_a_setting_costs_is_the_loss_it_adds(fitted):
    """Against the law's own expected loss, and the truth that was simulated."""
    N, D = 4e8, 1.6e10
    lr, batch = best(N, D)
    (run,) = tune(fitted, [(N, D)], [(3 * lr, batch), (lr, batch)]).as_json()["runs"]
    settings = {"lr": np.array([3 * lr]), "batch": np.array([batch])}
    at = nstar.predict(fitted, N, D, x=settings)["loss"].to_numpy()
    tuned = nstar.predict(fitted, N, D)["loss"].to_numpy()
    worse, near = (s["regret"] for s in run["settings"])
    assert worse == pytest.approx((at - tuned).mean(), rel=1e-6)
    assert worse == pytest.approx(0.03 * np.log(3) ** 2, rel=0.3)
    assert 0 <= run["regret"] <= near < 0.003


def test_tuning_that_cost_the_runs_is_named_with_its_row(fitted):
    answer = tune(fitted, [(4e8, 1.6e10)])
    x = sweep(noise=0)
    lr, batch = best(x["N"], x["D"])
    cost = 0.03 * np.log(x["lr"] / lr) ** 2 + 0.02 * np.log(x["batch"] / batch) ** 2
    excess = np.log(x["L"] / (x["L"] - cost))
    document = answer.as_json()["tuning_cost"]
    assert document["mean"] == pytest.approx(excess.mean(), rel=0.1)
    assert excess[document["row"] - 1] == pytest.approx(excess.max(), rel=0.1)
    (check,) = [c for c in answer.checks() if c.name == "what tuning cost the runs"]
    assert check.status == "REVIEW"


def test_an_optimum_beyond_the_settings_tried_is_for_review(fitted):
    statuses = {c.name: c.status for c in tune(fitted, [(5e11, 1e13)]).checks()}
    assert statuses["settings of batch tried"] == "REVIEW"
    inside = {c.name: c.status for c in tune(fitted, [(1.5e8, 4e9)]).checks()}
    assert inside["settings of batch tried"] == "PASS"


def test_runs_without_a_rate_are_tuned():
    law = LAWS["tuning"]()
    with jax.enable_x64(True):
        params = {n: np.asarray(0.3) for n in law.priors()}
        x = law.usual(np.array([1e9]), np.array([2e10]))
        assert law.excess(params, x).tolist() == [0.0]


def test_scatter_grows_with_what_tuning_costs():
    noise, law = Mistuned(), LAWS["tuning"]()
    with jax.enable_x64(True):
        params = {n: np.asarray(0.3) for n in law.priors()}
        params |= {"sigma": 0.01, "mistuned": 0.5, "nu": 5.0}
        x = {n: np.full(2, v) for n, v in (("N", 1e9), ("D", 2e10), ("batch", np.nan))}
        x["lr"] = law.lr0 * np.exp(0.3 + np.array([0.0, 1.0]))
        excess = np.asarray(law.excess(params, x))
        scale = np.asarray(noise.around(np.zeros(2), params, x).scale)
    np.testing.assert_allclose(scale, np.hypot(0.01, 0.5 * excess), rtol=1e-9)
    assert excess[0] == pytest.approx(0, abs=1e-12)
    assert excess[1] > 0.01


@pytest.mark.parametrize("column", ["lr", "batch"])
def test_a_setting_of_zero_is_refused_by_row(column):
    table = sweep()
    table[column] = np.where(np.arange(len(table["L"])) == 4, 0.0, table[column])
    with pytest.raises(ValueError, match=rf"row 5, column '{column}'.*got 0"):
        fit(table, "tuning", settings=BRIEF)


@pytest.mark.parametrize(
    ("runs", "settings", "words"),
    [
        ([(1e9, 0.0)], [], "parameters and tokens above zero"),
        ([], [], "parameters and tokens above zero"),
        ([(1e9, 2e10)], [(0.0, 256.0)], "learning rates and batches above zero"),
    ],
)
def test_runs_and_settings_that_cannot_be_are_refused(fitted, runs, settings, words):
    with pytest.raises(ValueError, match=words):
        tune(fitted, runs, settings)


def test_only_a_law_of_tuning_says_a_learning_rate(allocation_fit):
    with pytest.raises(ValueError, match="--law tuning"):
        tune(allocation_fit, [(1e9, 2e10)])


def test_the_command_reads_runs_as_people_write_them(fitted, tmp_path, nstar):
    file = tmp_path / "sweep.nc"
    fitted.save(file)
    _, out, _ = nstar("tune", file, "--at", "2B@40B", "--setting", "3e-4,256", "--json")
    answer = json.loads(out)
    hold(TUNE, answer)
    (run,) = answer["runs"]
    assert (run["N"], run["D"]) == (2e9, 4e10)
    assert run["settings"][0]["lr"] == 3e-4
    code, _, err = nstar("tune", file, "--at", "2B")
    assert code == 2
    assert "expected two numbers" in err


# Divergence


def outcomes(rng, log_odds, rise, count, reach=(-2.0, 3.5)):
    """Log rates over the best ones of runs that stayed and of runs that diverged, (1, run)."""
    u = rng.uniform(*reach, size=count)
    lost = rng.random(count) < 1 / (1 + np.exp(-log_odds - rise * u))
    return u[None, ~lost], u[None, lost]


def test_the_chance_to_diverge_is_that_of_a_regression(rng):
    """With many runs: the maximum of the likelihood, found by Newton's steps."""
    stable, lost = outcomes(rng, -5.0, 2.5, 4000)
    u = np.concatenate([stable, lost], axis=1)[0]
    y = np.r_[np.zeros(stable.shape[1]), np.ones(lost.shape[1])]
    X, w = np.stack([np.ones(len(u)), u], axis=1), np.zeros(2)
    for _ in range(30):
        p = 1 / (1 + np.exp(-X @ w))
        w += np.linalg.solve((X.T * (p * (1 - p))) @ X, X.T @ (y - p))
    many = [np.repeat(v, 300, axis=0) for v in (stable, lost)]
    learned = learn(*many, 0)
    for at in (1.0, 2.0, 3.0):
        exact = 1 / (1 + np.exp(-w @ [1, at]))
        assert learned.chance(np.full((300, 1), at))[0] == pytest.approx(exact, rel=0.1)
    assert (learned.stable, learned.diverged) == (stable.shape[1], lost.shape[1])


def test_runs_that_diverged_come_true_as_often_as_they_say():
    """Truths of the prior: chances and outcomes of 400 tables of 60 runs, at two e-folds above."""
    rng, chances, came = np.random.default_rng(3), [], []
    for seed in range(400):
        log_odds = rng.normal(*LOG_ODDS)
        rise = np.exp(rng.normal(*RISE))
        parts = outcomes(rng, log_odds, rise, 60, (-2.0, 2.0))
        learned = learn(*(np.repeat(v, 40, axis=0) for v in parts), seed)
        chances.append(learned.chance(np.full((40, 1), 2.0))[0])
        came.append(rng.random() < 1 / (1 + np.exp(-log_odds - rise * 2.0)))
    chances, came = np.array(chances), np.array(came)
    off, sd = np.sum(came - chances), np.sqrt(np.sum(chances * (1 - chances)))
    assert abs(off) < stats.norm.isf(FALSE_ALARM / 2) * sd
    above = chances > np.median(chances)
    assert came[above].mean() > 2 * came[~above].mean()


def test_a_rate_far_above_the_best_diverges(fitted):
    lr = best(2e9, 4e10)[0]
    settings = [(lr * np.exp(z), 256.0) for z in (-1.0, 2.0, 3.0)]
    alone = tune(fitted, [(2e9, 4e10)], settings)
    (run,) = alone.as_json()["runs"]
    chances = [s["diverges"] for s in run["settings"]]
    assert run["diverges"] < 0.03
    assert chances[0] < run["diverges"] < chances[1] < chances[2]
    table = sweep()
    at = np.arange(0, 36, 3)
    N, D = table["N"][at], table["D"][at]
    rate = np.linspace(1.0, 1.4, len(N))
    low = {"N": N, "D": D, "lr": best(N, D)[0] * np.exp(rate), "L": 9.0 + 0 * N}
    lost = nstar.read_runs(low, ladder=False)
    seen = tune(fitted, [(2e9, 4e10)], settings, lost)
    (after,) = seen.as_json()["runs"]
    assert after["settings"][1]["diverges"] > chances[1] + 0.1
    assert seen.as_json()["divergence"]["diverged"] == 12
    assert "12 of the 120 runs measured did" in seen.checks()[-1].detail


def test_diverged_runs_of_a_sweep_are_left_out_of_its_losses(tmp_path, capsys):
    table = sweep()
    table["L"][[3, 40]] = 3.0 * table["L"][3], 8.0
    rows = np.stack([table[n] for n in ("N", "D", "lr", "batch", "L")], axis=1)
    file = tmp_path / "sweep.csv"
    np.savetxt(file, rows, delimiter=",", header="N,data_size,lr,bsz,loss", comments="")
    request = Request(str(file), law="tuning", discrepancy="none")
    request, lost = without_diverged(request)
    assert lost.rows.tolist() == [5, 42]
    assert len(read(request)) == len(table["L"]) - 2
    assert "2 runs diverged (rows 5, 42)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("law", "discrepancy", "runs", "slow"),
    [
        ("tuning", None, 2438, True),
        ("tuning", "none", 2438, False),
        ("tuning", "waves", 108, False),
        ("coupled", None, 2438, False),
    ],
)
def test_a_bend_over_a_large_sweep_is_said_to_take_long(
    law, discrepancy, runs, slow, capsys
):
    _remark_on_bend(law, discrepancy, runs)
    assert ("tens of minutes" in capsys.readouterr().err) == slow
