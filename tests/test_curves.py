"""Laws of an error, an accuracy or a FID under the same verbs as laws of a loss."""

import json

import numpy as np
import pytest
from scipy.optimize import brentq

import nstar
from known import known
from nstar.fits.model import parse_model
from nstar.laws.bounded_metric import BoundedMetric
from nstar.laws.parsing import parse_law
from nstar.laws.repeated_by_size import RepeatedBySize
from nstar.predictions.curves import predict_curve, reach_on_curve
from nstar.published import fits as published
from nstar.samplers.nuts import Settings
from nstar.validation.backtest import backtest, default_along
from nstar.validation.checks import check_fit
from nstar.validation.curve_checks import check_curve
from nstar.validation.curve_comparison import compare_curve, published_curve

C = np.geomspace(1e17, 1e21, 14)
TRUTH = {"error": 0.3, "error_floor_share": 0.3, "slope": 0.12, "sigma_accuracy": 0.01}
LAW = "bounded_metric(chance=0.001)"


def clip(jitter=0.0, **also):
    """Fourteen runs of a bounded metric, and draws about the truth."""
    law = BoundedMetric(chance=0.001, C0=1e19)
    return known(
        LAW,
        {"C": C, "metric": law.expected(TRUTH, {"C": C})} | also,
        TRUTH,
        jitter=jitter,
    )


def test_a_law_may_be_told_what_it_is_to_know():
    assert parse_law("fid") == parse_model("fid", None).law
    assert parse_law(LAW) == BoundedMetric(chance=0.001)
    assert parse_law("repeated_by_size( by = L )") == RepeatedBySize(by="L")
    for text, said in {
        "clip": "no law 'clip'; there are allocation",
        "fid(chance=0.1)": "fid has no setting 'chance'; it takes no settings",
        "bounded_metric(C0=1)": "bounded_metric has no setting 'C0'; it takes chance",
        "bounded_metric(chance=2)": "chance is the accuracy of guessing, between 0 and 1, got '2'",
        "bounded_metric(": "no law 'bounded_metric('",
    }.items():
        with pytest.raises(ValueError, match=said.replace("(", r"\(")):
            parse_law(text)


def test_the_best_runs_are_those_that_none_as_cheap_beats(rng):
    x, y = rng.integers(1, 30, 60).astype(float), rng.random(60)
    best = [
        not any((x[j] <= x[i]) and (y[j] < y[i]) for j in range(60)) for i in range(60)
    ]
    table = {"C": 10.0**x, "metric": y, "N": np.full(60, 1e9), "tag": np.arange(60)}
    found = nstar.read_runs(table, where=["least metric by C"])
    assert sorted(found["tag"]) == list(np.flatnonzero(best))
    most = nstar.read_runs(table | {"metric": 1 - y}, where=["most metric by C"])
    assert sorted(most["tag"]) == sorted(found["tag"])
    with pytest.raises(ValueError, match="no column 'loss'"):
        nstar.read_runs(table, where=["least loss by C"])


def test_a_target_is_met_where_the_law_says():
    fit = clip()
    exact = brentq(
        lambda u: float(fit.law.expected(TRUTH, {"C": 10.0**u})) - 0.2, 15, 26
    )
    found = reach_on_curve(fit, 0.2, 0.9)
    assert np.log10(found.at) == pytest.approx(exact, abs=1e-3)
    told = found.as_json()
    assert told["along"] == "C"
    assert told["reached"] == 1
    never = reach_on_curve(fit, 0.05)  # the floor is 0.09
    assert never.as_json()["at"] is None
    assert never.checks()[0].status == "REVIEW"
    thought = {
        "floor": 0.1,
        "rise": 0.4,
        "room": 0.5,
        "width": 0.8,
        "sigma_accuracy": 0.01,
    }
    T = np.geomspace(200, 60000, 12)
    curve = known("token_budget", {"T": T, "accuracy": T / 60001}, thought)
    goal = float(curve.law.expected(thought, {"T": 3e3}))
    assert reach_on_curve(curve, goal).at == pytest.approx(3e3, rel=0.01)
    seen = {
        "error": 0.5,
        "error_floor_share": 0.2,
        "alpha": 0.15,
        "beta": 0.05,
        "sigma_accuracy": 0.01,
    }
    x = {
        "N": np.tile([1e9, 4e9, 7e9], 4),
        "T": np.repeat([1.0, 16.0, 144.0, 576.0], 3),
        "metric": np.linspace(0.4, 0.6, 12),
    }
    curve = known("visual_tokens", x, seen)
    goal = float(curve.law.expected(seen, {"N": 4e9, "T": 100.0}))
    assert reach_on_curve(curve, goal, fixed={"N": 4e9}).at == pytest.approx(
        100, rel=0.01
    )
    assert reach_on_curve(curve, goal, fixed={"T": 100.0}).at == pytest.approx(
        4e9, rel=0.01
    )
    with pytest.raises(ValueError, match="reads N, T; N lacks"):
        reach_on_curve(curve, goal)


def test_published_curves_are_read_in_our_units():
    """Cherti: 5.8581 (GMAC forward)^-0.1114; 6e9 training FLOP are one such GMAC."""
    cherti = published.get("openclip_imagenet")
    expected = 5.8581 * (1e22 / 6e9) ** -0.1114
    assert published_curve(cherti, {"C": 1e22}) == pytest.approx(expected)
    fit = clip()
    compared = compare_curve(fit, cherti, {"C": [1e21, 1e22]})
    records = compared.records()
    ours = float(fit.law.expected(TRUTH, {"C": 1e22}))
    assert records[1]["ratio"]["median"] == pytest.approx(ours / expected)
    assert records[1]["credible_level"] == pytest.approx(1)
    assert {c.name: c.status for c in compared.checks()}["compute"] == "PASS"
    forward = compare_curve(fit, cherti, {"C": [1e22]}, scope="forward").records()
    assert forward[0]["published"] == pytest.approx(expected * 3**-0.1114)
    assert "outside our 90% interval, at credible level 1.00" in compared.headline()
    monkeys = published.get("monkeys_pythia_12b_math")
    assert published_curve(monkeys, {"k": [100.0]}) == pytest.approx(
        np.exp(-3.92 * 100**-0.35)
    )
    llava = published.get("vlm_inference_llava")
    assert published_curve(llava, {"N": [7e9], "T": [144.0]}) == pytest.approx(
        0.5908 * 7**-0.0709 * 144**-0.0151, rel=1e-3
    )
    with pytest.raises(ValueError, match=r"is a curve of k .* is at C"):
        compare_curve(fit, monkeys, {"C": [1e22]})
    with pytest.raises(ValueError, match="is no curve that can be computed"):
        compare_curve(fit, published.get("sd_ldm_mei"), {"C": [1e22]})


def test_what_a_curve_rests_on_is_said(clip_fit):
    def told(fit, at):
        return {c.name: c for c in check_curve(fit, at)}

    near = told(clip_fit, {"C": [1e21]})
    assert near["extrapolation"].status == "PASS"
    assert told(clip_fit, {"C": [1e23]})["extrapolation"].status == "REVIEW"
    assert told(clip_fit, {"C": [1e30]})["extrapolation"].status == "FAIL"
    assert near["error that nothing removes"].detail.startswith("the runs ")
    law = BoundedMetric(chance=0.001, C0=1e19)
    for metric, name in (
        (np.full(14, 0.99), "chance level"),
        (law.expected(TRUTH, {"C": C}) / 100, "perfect models"),
    ):
        assert (
            told(known(LAW, {"C": C, "metric": metric}, TRUTH), {"C": [1e21]})[
                name
            ].status
            == "REVIEW"
        )
    wrong = told(
        known(
            "bounded_metric(chance=0.5)",
            {"C": C, "metric": np.linspace(0.9, 0.4, 14)},
            TRUTH,
        ),
        {"C": [1e21]},
    )
    assert "is the chance level stated of this task?" in wrong["chance level"].detail
    few = known(LAW, {"C": C[:4], "metric": np.linspace(0.9, 0.4, 4)}, TRUTH)
    assert told(few, {"C": [1e21]})["few runs"].status == "REVIEW"


def test_the_largest_are_held_out_along_what_the_law_reads():
    runs = clip().runs
    assert default_along(runs, LAW) == "C"
    assert default_along(runs, "token_budget") == "T"
    assert (
        default_along(nstar.read_runs({"N": [1e9], "P": [2], "L": [2.0]}), "parallel")
        == "N"
    )
    assert default_along(runs, "chinchilla") == "C"
    noisy = nstar.simulate(LAW, {"C": C}, TRUTH, seed=3)["metric"].to_numpy()[0]
    small = Settings(chains=2, warmup=300, draws=300)
    (out,) = backtest(
        nstar.read_runs({"C": C, "metric": noisy}), LAW, hold_out=(0.7,), settings=small
    )
    record = out.record()
    assert record["n_test"] == np.sum(np.log10(C) >= 21 - 0.7 - 1e-6)
    np.testing.assert_allclose(out.truth, noisy[-record["n_test"] :])
    assert record["rmse"] < 0.05
    assert record["crps"] < record["width"]["0.9"]
    rows = out.predictions()
    assert {"row", "C", "metric", "q0.05", "q0.95"} <= rows[0].keys()
    with pytest.raises(ValueError, match="no column 'k' to hold out along"):
        backtest(runs, LAW, along="k")


def test_the_verbs_of_the_command_line(nstar, clip_fit, tmp_path):
    file = str(clip_fit.save(tmp_path / "clip.nc"))
    code, out, _ = nstar("predict", file, "--at", "C=1e21", "--at", "C=1e22", "--json")
    told = json.loads(out)
    assert code == (1 if any(c["status"] == "FAIL" for c in told["checks"]) else 0)
    assert told["response"] == {"column": "metric", "unit": "fraction"}
    draws = predict_curve(clip_fit, {"C": [1e21, 1e22]})["law"]
    assert told["predictions"][1]["law"]["median"] == pytest.approx(
        np.median(draws[:, 1])
    )
    assert told["predictions"][1]["decades_beyond_data"] == pytest.approx(1)
    assert (
        "At C = 1e22 openclip_imagenet gives"
        in nstar("compare", file, "--published", "openclip_imagenet", "-C", "1e22")[1]
    )
    assert (
        "metric 0.25 with probability 50%: C = "
        in nstar("target", file, "--value", "0.25", "--chance", "0.5")[1]
    )
    for words, said in {
        (
            "plan",
            file,
            "-C",
            "1e22",
        ): "it says metric by C: ask nstar predict --at C=...",
        ("predict", file, "--at", "k=3"): "reads C; C lacks; it does not read k",
        (
            "predict",
            file,
            "--at",
            "C=0",
        ): "C: expected a positive number such as 8B, 15.6T or 1e9, got '0'",
        (
            "predict",
            file,
            "--at",
            "C=1e22",
            "--at",
            "N=1",
        ): "expected the inputs of the first, C",
        ("target", file): "--loss 1.9, or --value 0.15",
        ("compare", file): "--budget FLOP, or --at",
        (
            "compare",
            file,
            "--published",
            "dit_alloc",
            "-C",
            "1e22",
        ): "says no response at a compute",
        (
            "compare",
            file,
            "-C",
            "1e22",
            "--our-compute",
            "x",
        ): "expected training or forward",
    }.items():
        code, out, err = nstar(*words)
        assert (code, out) == (2, "")
        assert said in err


def test_no_check_of_a_plain_fit_fails(clip_fit):
    assert not [c for c in check_fit(clip_fit) if c.status == "FAIL"]
