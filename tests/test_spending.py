"""nstar spend: which model, which strategy, how many samples."""

import json

import numpy as np
import pytest

from nstar.inference import contenders
from nstar.runs.reading import read_runs
from nstar.validation.spending import ways
from test_json import CHECKS, INTERVAL, hold

WAY = {
    "model": str,
    "strategy": str,
    "amount": float,
    "unit": str,
    "flop": float,
    "accuracy": INTERVAL,
}
CHOSEN = WAY | {"best": float}
SPEND = {
    "models": [
        {
            "name": str,
            "N": float,
            "tokens": float,
            "data": str,
            "data_sha256": str,
            "rows": int,
            "law": str,
        }
    ],
    "prompt": float,
    "rival": float,
    "new": (int, None),
    "seed": int,
    "prob": float,
    "interval": str,
    "budget": (float, None),
    "target_accuracy": (float, None),
    "chance": float,
    "within": [CHOSEN],
    "cheapest": [{"strategy": str, "way": (WAY, None)}],
    "against": [{"strategy": str, "one": WAY, "other": WAY, "probability": float}],
    "frontier": [CHOSEN],
    "checks": CHECKS,
}


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Two models of 40 problems, ten samples each; the larger solves twice as many."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, a in (("small", 0.5), ("large", 1.6)):
        solved = random.binomial(10, random.beta(a, 2.0, 40))
        rows = [f"{i},10,{s}" for i, s in enumerate(solved)]
        (tmp_path / f"{name}.csv").write_text(
            "problem,samples,successes\n" + "\n".join(rows) + "\n"
        )
    return tmp_path


def test_the_answer_is_that_of_the_draws(nstar, tables):
    code, out, err = nstar(
        "spend",
        "1B=small.csv",
        "large@8B=large.csv",
        "--tokens",
        "1B=100,large=50",
        "--prompt",
        "20",
        "--budget",
        "2e12",
        "--target-accuracy",
        "0.6",
        "--against",
        "1B@8,large@1",
        "--samples",
        "1,4,64",
        "--verifier",
        "2B",
        "--figure",
        "f.svg",
        "--json",
    )
    told = json.loads(out)
    assert code == 0
    hold(SPEND, told)
    assert "model large: 40 rows" in err
    assert [(m["name"], m["N"], m["tokens"]) for m in told["models"]] == [
        ("1B", 1e9, 100),
        ("large", 8e9, 50),
    ]
    cost = {
        "1B": lambda k: 2e9 * (20 + 100 * k) + 4e9 * 120 * k,
        "large": lambda k: 16e9 * (20 + 50 * k) + 4e9 * 70 * k,
    }
    for r in (*told["within"], *told["frontier"]):
        assert r["flop"] == pytest.approx(cost[r["model"]](r["amount"]))
    assert all(r["flop"] <= 2e12 for r in told["within"])
    assert sum(r["best"] for r in told["within"]) == pytest.approx(1)
    cheapest = {r["strategy"]: r["way"] for r in told["cheapest"]}
    assert cheapest["perfect verifier"]["accuracy"]["lower"] > 0.58
    assert {r["strategy"] for r in told["against"]} >= {
        "majority vote",
        "perfect verifier",
    }
    assert {w["amount"] for r in told["against"] for w in (r["one"],)} == {8}
    flops = [r["flop"] for r in told["frontier"]]
    assert flops == sorted(flops)
    names = {c["name"] for c in told["checks"]}
    assert "strategies" in names
    assert "large: samples" in names
    assert (tables / "f.svg").read_text().startswith("<?xml")
    said = "\n".join(part for part in ways(told, 0.9) if isinstance(part, str))
    assert "Within 2e12 FLOP a problem: " in said
    assert (
        "1B, 8 samples for 5.48e12 FLOP a problem, against large, 1 sample for 1.4e12"
        in said
    )
    assert "Accuracy 60% with probability 90%: " in said


WRONG = {
    "no size": (
        ["small.csv", "--tokens", "5"],
        "which model is it? say its size, as in 8B=small.csv",
    ),
    "no name": (
        ["big=small.csv", "--tokens", "5"],
        "the model of 'big=small.csv': expected a positive number such as 8B",
    ),
    "twice": (
        ["1B=small.csv", "1B=large.csv", "--tokens", "5"],
        "model 1B is given twice",
    ),
    "tokens": (
        ["1B=small.csv", "--tokens", "2B=5"],
        "expected one number, or one for each of 1B",
    ),
    "strategy": (
        ["1B=small.csv", "--tokens", "5", "--strategy", "dice"],
        "--strategy dice: there are single",
    ),
    "against": (
        ["1B=small.csv", "--tokens", "5", "--against", "1B@2"],
        "expected two models and their samples",
    ),
    "of no model": (
        ["1B=small.csv", "--tokens", "5", "--against", "1B@2,2B@1"],
        "no model '2B'; there are 1B",
    ),
    "target": (
        ["1B=small.csv", "--tokens", "5", "--target-accuracy", "80"],
        "--target-accuracy 80: expected a probability",
    ),
    "figure": (
        ["1B=small.csv", "--tokens", "5", "--figure", "f.gif"],
        "--figure f.gif: expected a name that ends in .svg",
    ),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_what_is_refused(nstar, tables, words, said):
    code, out, err = nstar("spend", *words)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]


def test_a_table_of_several_models_is_parted_by_size(tables):
    x = {"N": [1e9, 1e9, 8e9], "samples": [4, 4, 4], "successes": [1, 2, 3]}
    found = contenders.by_size(read_runs(x))
    assert {n: (size, len(runs)) for n, (size, runs) in found.items()} == {
        "1B": (1e9, 2),
        "8B": (8e9, 1),
    }
    runs = read_runs(x | {"model": ["a", "a", "a"]})
    with pytest.raises(ValueError, match="model 'a' has two sizes"):
        contenders.by_size(runs)
    with pytest.raises(ValueError, match="nothing is known of odd"):
        contenders.contender("odd", read_runs({"N": [1e9], "D": [1e9]}), None)
