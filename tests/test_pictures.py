"""LLaVA and latent diffusion: the best size and visual tokens, and measured points."""

import json

import numpy as np
import pytest

import nstar
from known import known
from nstar.plans.pictures import choose_pictures
from nstar.published import models
from nstar.published.measured_families import predict_by_family
from nstar.runs import datasets
from test_json import CHECKS, HEAD, INTERVAL, hold

PUBLISHED = {"ours": INTERVAL, "published": float, "credible_level": float}
VISUAL = HEAD | {
    "budgets": [
        {
            "budget": float,
            "N": INTERVAL,
            "T": INTERVAL,
            "error": INTERVAL,
            "regret": float,
            "one_token": float,
            "every_token": float,
        }
    ],
    "exponents": {"alpha": PUBLISHED, "beta": PUBLISHED},
    "size_over_tokens": INTERVAL,
    "checks": CHECKS,
}
TRUTH = {
    "error": 0.54,
    "error_floor_share": 0.2,
    "alpha": 0.09,
    "beta": 0.02,
    "sigma_accuracy": 0.01,
}


def table(truth=TRUTH, seed=None, scatter=0.003):
    """Four sizes with one to 576 visual tokens, on the law as the paper writes it."""
    N, T = (
        v.ravel()
        for v in np.meshgrid([5e8, 1.8e9, 4e9, 7e9], [1.0, 4, 16, 64, 144, 576])
    )
    floor = truth["error"] * truth["error_floor_share"]
    A = (truth["error"] - floor) * 3e9 ** truth["alpha"] * 64 ** truth["beta"]
    error = A / (N ** truth["alpha"] * T ** truth["beta"]) + floor
    if seed is not None:
        error = error + np.random.default_rng(seed).normal(0, scatter, N.size)
    return {"N": N, "T": T, "metric": error}


def law_known(**changes):
    """A posterior of one law, of which the runs' own reference has the error."""
    truth = TRUTH | changes
    return known("visual_tokens", table(truth), truth)


def test_the_best_size_and_tokens_are_those_of_a_fine_grid():
    fit = law_known()
    for text in (10.0, 50.0, 200.0):
        answer = choose_pictures(fit, [1e11, 1e12], text=text)
        T = np.geomspace(1, 576, 20_001)
        for i, budget in enumerate(answer.budgets):
            N = budget / (2 * (text + T))
            error = np.asarray(fit.law.expected(TRUTH, {"N": N, "T": T}))
            best = int(np.argmin(error))
            assert answer.T[0, i] == pytest.approx(T[best], rel=0.01)
            assert answer.N[0, i] == pytest.approx(N[best], rel=0.01)
            assert answer.error[0, i] == pytest.approx(error[best], rel=1e-6)
            assert 2 * answer.N[0, i] * (text + answer.T[0, i]) == pytest.approx(budget)


def test_the_ends_decide_where_no_tokens_are_best_inside():
    """With the text cached one token is best; worth less than tokens, size gives way."""
    fit = law_known()
    cached = choose_pictures(fit, [1e12], text=0.0)
    assert np.all(cached.T == 1)
    assert {c.name: c.status for c in cached.checks()} == {
        "sizes measured": "REVIEW",
        "visual tokens at an end": "REVIEW",
    }
    ocr = law_known(alpha=0.03, beta=0.04)
    answer = choose_pictures(ocr, [8e12])
    assert np.all(answer.T == 576)
    assert answer.as_json()["budgets"][0]["every_token"] == 1


def test_regret_is_what_the_median_choice_gives_away():
    """Nothing where the law is known; under two laws in turn, half of each one's loss."""
    fit = law_known()
    assert choose_pictures(fit, [1e12]).regret[0] == pytest.approx(0, abs=1e-12)
    spread = known("visual_tokens", table(), TRUTH, jitter=0.1)
    unsure = choose_pictures(spread, [1e12])
    assert 0 < unsure.regret[0] < 1e-3
    settled = np.median(unsure.T[:, 0])
    draw = {name: values[3] for name, values in spread.draws.items()}

    def error(T):
        return float(spread.law.expected(draw, {"N": 1e12 / (2 * (50 + T)), "T": T}))

    assert error(unsure.T[3, 0]) <= error(settled)


@pytest.mark.parametrize(
    ("budgets", "options", "message"),
    [
        ([], {}, "FLOP of an answer above zero"),
        ([-1e12], {}, "FLOP of an answer above zero"),
        ([1e12], {"text": -1.0}, "tokens of text, zero or more, got -1"),
        ([1e12], {"most": 0.5}, "whole picture, one or more, got 0.5"),
    ],
)
def test_what_is_no_budget_is_refused(budgets, options, message):
    fit = law_known()
    with pytest.raises(ValueError, match=message):
        choose_pictures(fit, budgets, **options)


def test_another_law_is_refused():
    clip = known(
        "fid",
        {"forward_flop": [1e10, 1e11, 1e12], "fid": [60.0, 30.0, 20.0]},
        {"fid": 30.0, "fid_floor_share": 0.2, "gamma": 0.3, "nu": 10.0, "sigma": 0.05},
    )
    with pytest.raises(ValueError, match="reads no visual tokens"):
        choose_pictures(clip, [1e12])


def test_the_command_prints_the_choice_and_the_published_exponents(tmp_path, nstar):
    rows = table(seed=1)
    path = tmp_path / "llava.csv"
    lines = zip(rows["N"], rows["T"], rows["metric"], strict=True)
    path.write_text(
        "params,visual_tokens,error\n"
        + "\n".join(f"{n:.0f},{t:.0f},{e:.5f}" for n, t, e in lines)
    )
    words = ("visual", path, "--columns", "metric=error")
    code, out, _ = nstar(*words, "--budget", "1e12", "--json")
    document = json.loads(out)
    assert code == 0
    hold(VISUAL, document)
    (choice,) = document["budgets"]
    assert choice["T"]["lower"] < 50 * 0.02 / 0.07 < choice["T"]["upper"]
    assert document["exponents"]["alpha"]["published"] == 0.077
    code, out, err = nstar(*words)
    assert (code, out) == (2, "")
    assert "--budget 1e12" in err


def test_measured_points_of_families_stand_beside_released_models():
    (diffusion,) = predict_by_family(models.get("stable-diffusion-1.5"))
    predicted = diffusion["predicted"]
    assert predicted["lower"] < 21.55 < predicted["upper"]  # Mei's own 866M
    assert diffusion["runs"] == 11
    (dit,) = predict_by_family(models.get("dit-b-2"))
    assert dit["predicted"]["lower"] < dit["measured"] < dit["predicted"]["upper"]
    (llava,) = predict_by_family(models.get("llava-1.5-13b"))
    assert "0.3 decades beyond the points" in llava["note"]
    assert predict_by_family(models.get("llama3-8b")) == []


def test_the_table_of_latent_diffusion_is_as_printed():
    """Table 1 of arXiv:2404.01367: costs are relative to the model of 866M."""
    runs = nstar.read_runs("latent_diffusion", ladder=False)
    assert datasets.verify("latent_diffusion")
    base = runs["gflops_forward"][runs["N"] == 866e6].item()
    ratio = runs["gflops_forward"] / base
    np.testing.assert_allclose(ratio[1:], runs["normalised_cost"][1:], atol=0.006)
    assert abs(ratio[0] - runs["normalised_cost"][0]) > 0.03  # the misprint
    np.testing.assert_allclose(
        runs["forward_flop"] / 1e9 / base, runs["normalised_cost"], atol=0.006
    )


def test_the_largest_latent_diffusion_models_are_foretold_by_the_smaller():
    from nstar.predictions.responding import respond

    runs = nstar.read_runs("latent_diffusion", ladder=False)
    fit = nstar.fit({n: runs[n][:-2] for n in ("forward_flop", "fid")}, "fid")
    drawn = respond(fit, {"forward_flop": runs["forward_flop"][-2:]})["measured"]
    low, high = np.quantile(drawn.to_numpy(), [0.05, 0.95], axis=0)
    assert np.all((low < runs["fid"][-2:]) & (runs["fid"][-2:] < high))


def test_llava_of_7b_is_foretold_by_the_smaller_three(data_dir):
    """arXiv:2411.03312: 13 points of two tasks; at least 10 inside 90 % intervals."""
    from nstar.predictions.responding import respond

    columns = {"N": "params", "T": "visual_tokens", "metric": "error"}
    runs = nstar.read_runs(data_dir / "llava_tokens.csv", columns, ladder=False)
    inside = []
    for task in ("reasoning", "ocr"):
        rows = runs.take(runs["task"] == task)
        large = rows.take(rows["N"] > 6e9)
        fit = nstar.fit(rows.take(rows["N"] < 6e9), "visual_tokens")
        drawn = respond(fit, {"N": large["N"], "T": large["T"]})["measured"].to_numpy()
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        inside += list((low < large["metric"]) & (large["metric"] < high))
    assert len(inside) == 13
    assert sum(inside) >= 10  # below 10 of 13 has a chance of .034 at 90 %
