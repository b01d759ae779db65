"""Inputs that do not belong together, through every command: REVIEW, FAIL or refused in words.

No posterior is drawn here but those the session shares; counts and tasks have known ones.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import nstar as door
from known import known
from nstar.batch.triage import look_first
from nstar.inference import contenders
from nstar.ledger import forecasting
from nstar.predictions.distances import check_prediction
from nstar.report import counts_facts, curve_facts, facts
from nstar.validation import backtest, prior_dependence, spending, summary
from nstar.verdicts import Status
from test_json import CHECKS, HEAD, INTERVAL, hold

# imported while every check is itself, which tests here replace for a while
JUDGES = forecasting, counts_facts, curve_facts, facts, backtest, summary

LIFETIME = HEAD | {
    "counts": {"data": str, "data_sha256": str, "rows": int},
    "budget": float,
    "problems": float,
    "tokens": float,
    "choices": [
        {
            "samples": int,
            "N": float,
            "D": float,
            "training": float,
            "expected": float,
            "loss": INTERVAL,
            "pass_at_k": INTERVAL,
            "best": float,
        }
    ],
    "checks": CHECKS,
}
FAIL, REVIEW, REFUSED = "FAIL", "REVIEW", "nstar:"
CURVE = {
    "floor": 0.25,
    "rise": 0.3,
    "room": 0.8,
    "width": 0.12,
    "curve": 0.5,
    "sigma_accuracy": 0.01,
}
POPULATION = {"ease": 0.4, "tail": 0.3, "tail_bend": 0.04, "zero_root": 0.6}
BY_SIZE = POPULATION | {
    "slope_ease": -3.0,
    "slope_tail": 0.0,
    "slope_zero": 0.0,
    "scatter_ease": 1e-6,
    "scatter_tail": 1e-6,
    "offset_ease": np.zeros(3),
    "offset_tail": np.zeros(3),
}
THOUGHT = {"floor": 0.1, "rise": 0.4, "room": 0.5, "width": 0.8, "sigma_accuracy": 0.01}
FAR = ("extrapolation", "these runs cannot support it; add runs nearer to it")


def few(fit):
    """A hundred draws of one chain: what is asked does not depend on how many there are."""
    return replace(fit, tree=fit.tree.isel(chain=[0], draw=slice(100)))


@pytest.fixture(scope="module")
def saved(surface_fit, allocation_fit, clip_fit, tmp_path_factory):
    """Fits in files by a name that stands for each in the words of a command."""
    folder = tmp_path_factory.mktemp("fits")
    fits = {"LADDER": surface_fit, "OPTIMA": allocation_fit, "CLIP": clip_fit}
    return {n: few(fit).save(folder / f"{n}.nc") for n, fit in fits.items()}


@pytest.fixture
def ask(nstar, saved, tmp_path, monkeypatch):
    """Run a command where tables are written: its exit code, and all that it printed.

    Chains are not judged: what is wrong here is what was asked.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nstar.validation.checks.check_fit", lambda fit: [])
    monkeypatch.setattr(spending, "check_fit", lambda fit: [])

    def run(words):
        code, out, err = nstar(*(saved.get(word, word) for word in words.split()))
        return code, " ".join((out + err).split())

    return run


def answered(answer, status, name="", words=""):
    """Hold that a command named what does not belong together, and exited accordingly."""
    code, words_out = answer
    assert f"{status} {name}".strip() in words_out
    assert words in words_out
    assert code == 2 if status == REFUSED else code == (f"{FAIL} " in words_out)


FITTED = {
    "plan far beyond": ("plan LADDER -C 1e36", FAIL, *FAR),
    "plan far below": (
        "plan LADDER -C 1e9",
        FAIL,
        FAR[0],
        "decades below the smallest run",
    ),
    "plan on few tokens": (
        "plan LADDER -C 1e22 --max-tokens 1M",
        REVIEW,
        "recommended among the runs",
        "where nothing was measured",
    ),
    "plan of no size": (
        "plan LADDER -C 1e22 --params 1T --memory 80GB",
        REFUSED,
        "",
        "no size is allowed",
    ),
    "plan of an error": ("plan CLIP -C 1e22", REFUSED, "", "nstar predict --at C="),
    "predict many tokens": (
        "predict LADDER --at 1e8,1e14",
        REVIEW,
        "tokens per parameter",
        "100M on 100T tokens (",
    ),
    "predict by name": (
        "predict LADDER --at N=1e8,D=1e14",
        REVIEW,
        "tokens per parameter",
        "add runs there",
    ),
    "predict below a token": (
        "predict LADDER --at 7e11,7e9",
        REVIEW,
        "tokens per parameter",
        "(0.01) lies outside",
    ),
    "predict far beyond": ("predict LADDER --at 1e16,1e18", FAIL, *FAR),
    "predict an error far": ("predict CLIP --at C=1e40", FAIL, *FAR),
    "predict what it reads not": (
        "predict CLIP --at N=1e9",
        REFUSED,
        "",
        "it does not read N",
    ),
    "compare other losses": (
        "compare LADDER --published chinchilla -C 1e22",
        REVIEW,
        "loss unit",
        "they are not put side by side",
    ),
    "compare far beyond": ("compare OPTIMA -C 1e36", FAIL, *FAR),
    "compare a curve with a line": (
        "compare CLIP --published llama3 --at C=1e20",
        REFUSED,
        "",
        "is no curve",
    ),
    "risk of a tiny run": (
        "risk LADDER -C 1e22 --candidates tiny=1M@20M",
        REVIEW,
        "actions within reach of the runs",
        "of tiny",
    ),
    "risk of many tokens": (
        "risk LADDER -C 1e22 --candidates 10M",
        REVIEW,
        "actions among the runs",
        "10M",
    ),
    "risk of another unit": (
        "risk LADDER -C 1e22 --target-loss 2.2",
        REVIEW,
        "target loss",
        "is it in their unit?",
    ),
    "risk far beyond": ("risk LADDER -C 1e36", FAIL, *FAR),
    "risk with no such chip": (
        "risk LADDER -C 1e22 --hardware abacus",
        REFUSED,
        "",
        "no hardware named 'abacus'",
    ),
    "target of another unit": (
        "target LADDER --loss 2.2",
        REVIEW,
        "target above the search",
        "in the unit of what was fitted?",
    ),
    "target below the floor": (
        "target LADDER --loss 0.2",
        FAIL,
        "target reached",
        "ask for a higher loss",
    ),
    "target far beyond": (
        "target LADDER --loss 0.63 --chance 0.3",
        REVIEW,
        "target within reach of the runs",
        "Add runs nearer",
    ),
    "target with an exact form": (
        "target LADDER --loss 0.66",
        REVIEW,
        "exact form",
        "taken as exact",
    ),
    "target above all errors": (
        "target CLIP --value 0.9999",
        REVIEW,
        "target above the search",
        "ask for a harder one",
    ),
    "target below all errors": (
        "target CLIP --value 1e-9",
        REVIEW,
        "target",
        "ask for less",
    ),
    "serve all the world": (
        "serve LADDER -C 1e22 --tokens 1e20",
        REVIEW,
        "lifetime choice among the runs",
        "the choice (",
    ),
    "serve a run as costly": (
        "serve LADDER -C 3e22 --tokens 1e20",
        REVIEW,
        "lifetime choice within reach of the runs",
        "of the choice",
    ),
    "serve far beyond": ("serve LADDER -C 1e36 --tokens 1T", FAIL, *FAR),
    "next for far beyond": (
        "next OPTIMA --target 1e36 --pilot-budget 1e22",
        FAIL,
        *FAR,
    ),
    "next with the larger pilot": (
        "next LADDER --target 1e20 --pilot-budget 1e22 --most 1 --sizes 1B --tokens 1B",
        REVIEW,
        "pilot budget",
        "is the target the large run's budget?",
    ),
    "next of many tokens": (
        "next LADDER --target 1e23 --pilot-budget 1e22 --most 1 --sizes 1M --tokens 1T",
        REVIEW,
        "runs to make among the runs",
        "1M on 1T tokens",
    ),
    "next of a tiny run": (
        "next LADDER --target 1e22 --pilot-budget 1e21 --most 1 --sizes 5M --tokens 100M --by variance",
        REVIEW,
        "runs to make within reach",
        "of 5M on 100M tokens",
    ),
    "next for nothing": (
        "next LADDER --target 1e23 --pilot-budget 1e9",
        REFUSED,
        "",
        "buys none of the runs",
    ),
    "forecast far beyond": ("forecast LADDER --name hero --at 1e16,1e18", FAIL, *FAR),
    "forecast of an error": (
        "forecast CLIP --name hero --at 1e9,1e10",
        REFUSED,
        "",
        "a forecast is of a loss",
    ),
}


@pytest.mark.parametrize("case", FITTED.values(), ids=FITTED)
def test_what_is_asked_of_a_fit_belongs_to_its_runs(ask, case):
    words, *wanted = case
    answered(ask(words), *wanted)


def test_an_outcome_in_another_unit_is_asked_after(ask):
    assert ask("forecast LADDER --name hero --at 1e9,2e10")[0] == 0
    answered(
        ask("outcome --name hero --loss 2.2"),
        REVIEW,
        "loss of hero",
        "is it in the unit of the fitted losses",
    )


def test_a_budget_far_from_the_runs_is_named_by_sensitivity(ask, monkeypatch):
    monkeypatch.setattr(prior_dependence, "prior_scales", lambda *given: [])
    answered(ask("sensitivity OPTIMA -C 1e36"), FAIL, *FAR)


UNFITTED = {
    "fit in billions": ("fit billions.csv", REFUSED, "", "look like billions"),
    "prior far beyond": ("prior llama3 --law allocation -C 1e36", FAIL, *FAR),
    "backtest beyond the runs": (
        "backtest llama3 --hold-out 50",
        REFUSED,
        "",
        "decades",
    ),
    "simulate of half a law": (
        "simulate llama3 --set alpha1=0.5",
        REFUSED,
        "",
        "alpha1",
    ),
    "cost below a token": (
        "cost 8B --tokens 1M",
        REVIEW,
        "N and D",
        "0.000125 tokens per parameter",
    ),
    "cost at a negative price": (
        "cost 8B --tokens 15T --hardware h100 --price -2",
        REFUSED,
        "",
        "price: expected positive",
    ),
    "cost above the peak": (
        "cost 8B --tokens 15T --hardware h100 --mfu 40",
        REFUSED,
        "",
        "mfu: expected between 0 and 1",
    ),
    "cost in a precision it lacks": (
        "cost 8B --tokens 15T --hardware v100 --precision fp8",
        REFUSED,
        "",
        "v100",
    ),
    "passk of two tasks": (
        "passk tasks.csv --k 10",
        REFUSED,
        "",
        "one population is fitted; keep one with --where",
    ),
    "passk of a size": (
        "passk counts.csv --k 10 --size 8e9",
        REFUSED,
        "",
        "fit several with --law repeated_by_size",
    ),
    "passk of losses": ("passk llama3 --k 10", REFUSED, "", "needs column 'samples'"),
    "spend on another size": (
        "spend 8B=sized.csv --tokens 500",
        REFUSED,
        "",
        "said to be of 8B parameters, but its column 'N' has 70B to 70B",
    ),
    "task of losses": (
        "task llama3 --accuracy tokens --loss loss -C 1e22",
        REFUSED,
        "",
        "expected a number in [0, 1]",
    ),
    "models against no law": (
        "models llama3-405b --against llama33",
        REFUSED,
        "",
        "llama33",
    ),
    "published at no budget": (
        "published llama3 -C -1",
        REFUSED,
        "",
        "expected a positive number",
    ),
    "report of a negative budget": (
        "report llama3 -C -1",
        REFUSED,
        "",
        "expected a positive number",
    ),
    "refit of no ladder": ("refit none.toml", REFUSED, "", "none.toml"),
}


@pytest.fixture
def tables(tmp_path):
    rows = {
        "billions": "N,D,L\n0.1,2,3\n0.2,4,2.9\n0.4,8,2.8\n0.8,16,2.7\n",
        "counts": "problem,samples,successes\n0,10,1\n1,10,4\n",
        "other": "problem,samples,successes\n7,10,1\n8,10,4\n",
        "tasks": "task,problem,samples,successes\nmath,0,10,1\ncode,1,10,4\n",
        "sized": "N,samples,successes\n70000000000,10,1\n70000000000,10,4\n",
        "thought": "T,accuracy\n200,0.2\n800,0.3\n3200,0.4\n",
        "by_loss": "L,samples,successes\n3.0,10,1\n2.6,10,4\n2.2,10,9\n",
    }
    for name, text in rows.items():
        (tmp_path / f"{name}.csv").write_text(text)


@pytest.mark.parametrize("case", UNFITTED.values(), ids=UNFITTED)
def test_what_is_asked_without_a_fit_belongs_together(ask, tables, case):
    words, *wanted = case
    answered(ask(words), *wanted)


def test_cost_has_its_checks_in_json(nstar):
    document = json.loads(nstar("cost", "8B", "--tokens", "1M", "--json")[1])
    assert [c["status"] for c in document["checks"]] == [REVIEW]
    document = json.loads(nstar("cost", "8B", "--tokens", "15T", "--json")[1])
    assert document["checks"] == []


def given(law, runs, truth):
    """A fit whose draws are the truth, with what commands say of any fit."""
    runs = runs if isinstance(runs, door.Observations) else door.read_runs(runs)
    answer = replace(known(law, runs.columns, truth), runs=runs)
    tree = answer.tree
    wide = np.linspace(0.5, 1.5, tree["posterior"].sizes["draw"])
    tree["prior"] = xr.DataTree(
        tree["posterior"].to_dataset() * xr.DataArray(wide, dims="draw")
    )
    tree.attrs = {n: json.dumps({"name": n}) for n in ("law", "noise")}
    return replace(answer, tree=tree)


@pytest.fixture
def unsampled(monkeypatch, tables):
    """Posteriors of counts and of tasks are known."""

    def counted(runs, law, **how):
        truth = THOUGHT if law == "token_budget" else POPULATION
        return given(law, runs, truth)

    monkeypatch.setattr(contenders, "fit", counted)
    monkeypatch.setattr("nstar.inference.repeated.fit", counted)
    monkeypatch.setattr(
        "nstar.fits.fitting.fit", lambda runs, law, **how: given(law, runs, BY_SIZE)
    )


COUNTED = {
    "passk far beyond": (
        "passk counts.csv --k 1e6",
        REVIEW,
        "samples",
        "is beyond ten times the 10 samples",
    ),
    "spend on other problems": (
        "spend 1B=counts.csv 8B=other.csv --tokens 500 --samples 1,4",
        FAIL,
        "same problems",
        "sample both on one set",
    ),
    "spend on a size of eight": (
        "spend 8=counts.csv --tokens 500 --samples 1,4",
        REVIEW,
        "sizes",
        "write 8B for billions",
    ),
    "spend more than is tried": (
        "spend 8B=counts.csv --tokens 500 --samples 1,4 --budget 1e30",
        REVIEW,
        "budget beyond the ways",
        "try more samples",
    ),
    "spend less than any way": (
        "spend 8B=counts.csv --tokens 500 --samples 1,4 --budget 1",
        REFUSED,
        "",
        "the cheapest takes",
    ),
    "spend for all solved": (
        "spend 8B=counts.csv --tokens 500 --samples 1,4 --target-accuracy 0.9999",
        REVIEW,
        "target accuracy",
        "ask for less",
    ),
    "spend on long answers": (
        "spend 8B=thought.csv --tokens 500 --budget 1e16",
        REVIEW,
        "8B: extrapolation",
        "the farthest T lies 1.3 decades beyond",
    ),
    "lifetime of another unit": (
        "lifetime LADDER --counts by_loss.csv -C 1e22 --problems 1e6 --tokens 500",
        FAIL,
        "one loss in both tables",
        "measure both on one set, in one unit",
    ),
    "lifetime of few samples": (
        "lifetime LADDER --counts by_loss.csv -C 1e22 --problems 1 --tokens 1 --samples 256",
        REVIEW,
        "samples",
        "k = 256 is beyond ten times",
    ),
    "lifetime far beyond": (
        "lifetime LADDER --counts by_loss.csv -C 1e36 --problems 1e6 --tokens 500",
        FAIL,
        *FAR,
    ),
    "lifetime of no training": (
        "lifetime LADDER --counts by_loss.csv -C 1e22 --problems 1e20 --tokens 1e6",
        REFUSED,
        "",
        "pay no training",
    ),
}


@pytest.mark.parametrize("case", COUNTED.values(), ids=COUNTED)
def test_counts_belong_to_what_is_asked(ask, unsampled, case):
    words, *wanted = case
    answered(ask(words), *wanted)


@pytest.mark.usefixtures("ask", "unsampled")
def test_the_document_of_a_lifetime(nstar, saved):
    options = "--counts by_loss.csv -C 1e22 --problems 1e6 --tokens 500 --json"
    _, out, _ = nstar("lifetime", saved["LADDER"], *options.split())
    hold(LIFETIME, json.loads(out))


TASK = "task LADDER --task tasks.csv --accuracy accuracy"
EVALUATED = {
    "of another unit": (
        (2.2, 3.0),
        f"{TASK} -C 1e22",
        FAIL,
        "one loss in both tables",
        "no loss is in both",
    ),
    "of lower losses": (
        (0.4, 0.64),
        f"{TASK} -C 1e20",
        REVIEW,
        "losses among the task's",
        "above, ",
    ),
    "of higher losses": (
        (0.8, 0.95),
        f"{TASK} -C 1e22",
        REVIEW,
        "losses among the task's",
        "below, ",
    ),
    "a target never reached": (
        (0.65, 0.95),
        f"{TASK} -C 1e22 --target-accuracy 0.99",
        REVIEW,
        "target accuracy",
        "ask for a lower accuracy",
    ),
    "a target always reached": (
        (0.65, 0.95),
        f"{TASK} -C 1e22 --target-accuracy 0.1",
        REVIEW,
        "target above the search",
        "ask for a harder one",
    ),
    "far beyond": ((0.65, 0.95), f"{TASK} -C 1e36", FAIL, *FAR),
    "a run of many tokens": (
        (0.65, 0.95),
        f"{TASK} --at 1e8,1e14",
        REVIEW,
        "tokens per parameter",
        "lies outside",
    ),
}


@pytest.mark.parametrize("case", EVALUATED.values(), ids=EVALUATED)
def test_evaluated_runs_belong_to_the_ladder(ask, unsampled, monkeypatch, case):
    (low, high), words, *wanted = case
    L = np.linspace(low, high, 5)
    of_task = given("accuracy", {"L": L, "accuracy": np.linspace(0.8, 0.3, 5)}, CURVE)
    monkeypatch.setattr("nstar.downstream.fits.fit_task", lambda *given, **how: of_task)
    answered(ask(words), *wanted)


def test_runs_that_a_batch_predicts_far_away_are_named():
    """As budgets are; they may be all that is asked."""
    row = {
        "ladder": "a",
        "law": "coupled",
        "noise": "student_t",
        "discrepancy": "none",
        "priors": "weak",
        "seed": 0,
        "resample": "none",
        "passed": True,
        "method": "nuts",
        "k_hat": None,
        "ess": 900.0,
        "divergences": 0,
        "C_min": 1e19,
        "C_max": 1e22,
        "held_out_coverage_90": None,
        "edges": {},
    }

    def seen(key):
        document = [{"key": key, "title": key, "log": False, "rows": []}]
        return {f["what"]: f for f in look_first([row], [], document, None)}

    far = seen("loss[N=1e+16, D=1e+18]")
    assert far["extrapolation"]["status"] == Status.REVIEW
    assert "they cannot support it" in far["extrapolation"]["detail"]
    assert "exact form" in far
    assert not seen("loss[N=1e+09, D=1e+11]")


def test_what_belongs_together_passes(surface_fit, ask, unsampled):
    """The same checks on inputs as the runs have them."""
    C = float(surface_fit.runs["C"].max())
    weighed = door.weigh(surface_fit, C, target=0.71)
    answer = weighed.checks() + check_prediction(surface_fit, 1e9, 2e10)
    assert [c for c in answer if c.status is not Status.PASS] == []
    code, words_out = ask(
        "spend 1B=counts.csv 8B=counts.csv --tokens 500 --samples 1,4"
    )
    assert code == 0
    assert "same problems" not in words_out
    assert "sizes" not in words_out
