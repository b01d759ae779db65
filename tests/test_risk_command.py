"""`nstar risk` and `nstar cost`: what they print, their JSON, and what they refuse."""

import json

import pytest

from nstar.wording import share
from test_json import CHECKS, HEAD, INTERVAL, REACHED, SERVED, WEIGHED, hold

RISK = HEAD | WEIGHED | {"N": INTERVAL, "checks": CHECKS}
TAKES = {"hours": INTERVAL, "cost": (INTERVAL, None)}
COST = {
    "model": str,
    "N": float,
    "D": float,
    "context": int,
    "prob": float,
    "interval": str,
    "flop": {...: float},
    "parts": ({...: float}, None),
    "bill": (str, None),
    "currency": (str, None),
    "takes": ({...: TAKES}, None),
    "published_hours": (float, None),
    "checks": CHECKS,
}
TARGET = HEAD | REACHED | {"checks": CHECKS}
SERVE = HEAD | SERVED | {"checks": CHECKS}
LLAMA = ("--candidates", "8B,70B", "--candidates", "llama3-405b")
H100 = ("--hardware", "h100", "--price", "Uniform(2, 3)")


@pytest.fixture(scope="module")
def saved(surface_fit, allocation_fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("risk")
    made = {"surface": surface_fit, "optima": allocation_fit}
    return {name: str(fit.save(folder / f"{name}.nc")) for name, fit in made.items()}


def test_risk_as_json(nstar, saved):
    asked = (
        "risk",
        saved["surface"],
        "-C",
        "3.8e25",
        *LLAMA,
        *H100,
        "--target-loss",
        "0.6",
        "--json",
    )
    code, out, _ = nstar(*asked)
    told = json.loads(out)
    assert code == 0
    hold(RISK, told)
    names = [a["name"] for a in told["actions"]]
    assert names == [
        "recommended",
        "half the size",
        "twice the size",
        "8B",
        "70B",
        "Llama 3.1 405B",
    ]
    regret = {a["name"]: a["expected_regret"] for a in told["actions"]}
    assert min(regret, key=regret.get) == "recommended"
    assert told["perfect_information"] == pytest.approx(regret["recommended"])
    rivals = [
        a["best_probability"]
        for a in told["actions"]
        if a["best_probability"] is not None
    ]
    assert sum(rivals) == pytest.approx(1.0)
    assert {c["name"]: c["status"] for c in told["checks"]}[
        "actions among the runs"
    ] == "REVIEW"


def test_risk_in_words_shows_regret_beside_the_interval_of_n(nstar, saved):
    code, out, _ = nstar("risk", saved["surface"], "-C", "3.8e25", *LLAMA, *H100)
    assert code == 0
    assert "Least expected loss at 3.8e25 FLOP" in out
    assert "and yet this run gives away" in out
    assert "cost (USD)" in out
    assert "Of it wasted: recommended USD " in out
    assert "Uniform(2, 3) USD an hour" in out
    assert "P(loss" not in out
    bare = nstar("risk", saved["surface"], "-C", "3.8e25")[1]
    assert "accelerator-hours" not in bare


def test_a_candidate_dearer_than_the_budget_is_named(nstar, saved):
    _, out, _ = nstar(
        "risk", saved["surface"], "-C", "1e24", "--candidates", "big=70B@15T"
    )
    assert "actions within the budget" in out
    assert "big (6.3 times)" in out


def test_target_as_json_and_in_words(nstar, saved):
    code, out, _ = nstar(
        "target", saved["surface"], "--loss", "0.65", "--chance", "0.8", "--json"
    )
    told = json.loads(out)
    assert code == 0
    hold(TARGET, told)
    assert told["crossing"]["lower"] < told["budget"] < told["crossing"]["upper"]
    words = nstar("target", saved["surface"], "--loss", "0.65", "--chance", "0.8")[1]
    assert "Loss 0.65 with probability 80%" in words


def test_a_target_that_is_not_reached_fails(nstar, saved):
    code, out, _ = nstar("target", saved["surface"], "--loss", "0.2", "--json")
    told = json.loads(out)
    hold(TARGET, told)
    assert (code, told["budget"], told["below_floor"]) == (1, None, 1.0)
    words = nstar("target", saved["surface"], "--loss", "0.2")[1]
    assert "with probability 100% no run ever does" in words
    assert "beyond 1e26" in words


def test_serve_as_json_and_in_words(nstar, saved):
    asked = ("serve", saved["surface"], "-C", "3.8e25", "--tokens")
    code, out, _ = nstar(*asked, "Uniform(2e13, 4e13)", "--json")
    told = json.loads(out)
    assert code == 0
    hold(SERVE, told)
    assert told["lifetime"]["N"] < told["training_alone"]["N"]
    assert "Serving 30T tokens: train" in nstar(*asked, "30T")[1]
    assert "expected a positive number" in nstar(*asked, "30x")[2]


def test_cost_as_json(nstar):
    code, out, _ = nstar("cost", "llama3-405b", *H100, "--json")
    told = json.loads(out)
    assert code == 0
    hold(COST, told)
    assert told["flop"]["6ND"] == pytest.approx(3.8e25, rel=1e-3)
    assert sum(told["parts"].values()) == pytest.approx(
        told["flop"]["exact, causal attention"]
    )
    hours = told["takes"]["6ND"]["hours"]
    assert hours["lower"] < told["published_hours"] < hours["upper"]


def test_cost_in_words(nstar):
    out = nstar("cost", "8B", "--tokens", "15T")[1]
    assert "7.2e23" in out
    assert "accelerator-hours" not in out
    assert "attention scores" in nstar("cost", "llama3-8b", "--context", "131072")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-C", "0"], "--budget 0: expected a positive number"),
        (
            ["-C", "1e24", "--candidates", "8X"],
            "candidate '8X': expected a positive number such as 8B",
        ),
        (["-C", "1e24", "--price", "3"], "--price 3: of which hardware?"),
        (["-C", "1e24", "--hardware", "h10"], "no hardware named 'h10'"),
        (
            ["-C", "1e24", "--hardware", "h100", "--mfu", "Unifrom(0.3, 0.4)"],
            "--mfu 'Unifrom(0.3, 0.4)': expected a number or a distribution",
        ),
        (
            ["-C", "1e24", "--hardware", "h100", "--mfu", "40"],
            "mfu: expected between 0 and 1, got 40",
        ),
        (["-C", "1e24", "--level", "90"], "--level 90: expected a probability"),
        (
            ["-C", "1e24", "--target-loss", "-1"],
            "--target-loss -1: expected a positive number",
        ),
        (
            ["-C", "1e24", "--multiple-of", "big"],
            "--multiple-of: expected a positive number",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_fitted(nstar, words, said):
    code, out, err = nstar("risk", "llama3", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_law_without_a_loss_says_what_to_do(nstar, saved):
    code, _, err = nstar("risk", saved["optima"], "-C", "1e24")
    assert code == 2
    assert "fit a loss surface or isoFLOP profiles" in err


def test_cost_says_what_it_lacks(nstar):
    assert "give --tokens" in nstar("cost", "8B")[2]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.322, "32%"),
        (0.00343, "0.3%"),
        (0.9996, "99.96%"),
        (0.0, "0%"),
        (1.0, "100%"),
        (1e-7, "<0.001%"),
        (1 - 1e-7, ">99.999%"),
        (0.9999, "99.99%"),
    ],
)
def test_shares_are_written_as_near_to_an_end_as_they_are(value, written):
    assert share(value) == written
