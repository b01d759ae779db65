"""nstar forecast, outcome and ledger: freeze, score, accumulate, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

import nstar as package
from nstar.laws.examples import profiles
from nstar.ledger.entries import Ledger
from nstar.samplers.nuts import Settings

BRIEF = Settings(chains=2, warmup=200, draws=1000)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    x, rng = profiles(), np.random.default_rng(0)
    L = 1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28
    table = x | {"L": L * np.exp(0.003 * rng.normal(size=len(L)))}
    fit = package.fit(table, "chinchilla", "normal", settings=BRIEF, discrepancy="none")
    return str(fit.save(tmp_path_factory.mktemp("fits") / "ladder.nc"))


@pytest.fixture(scope="module")
def frozen(saved):
    """Two forecasts of runs that are not made yet."""
    fit, book = package.load(saved), Ledger()
    for name, N, D in (("hero", 3e9, 6e10), ("small", 1e9, 2e10)):
        book = book.freeze(package.forecast(fit, N, D, name=name, checks=()))
    return book


@pytest.fixture
def file(frozen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return frozen.save(tmp_path / "forecasts.jsonl")


def test_freeze_score_accumulate(nstar, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        "forecast",
        saved,
        "--at",
        "3e9,6e10",
        "-C",
        "3e21",
        "--name",
        "hero",
        "--name",
        "next",
        "--note",
        "Ada",
    ]
    code, out, err = nstar(*words)
    assert (code, err) == (0, "")
    assert "90% equal-tailed credible interval" in out
    assert "FLOP convention: C = 6 N D" in out
    book = Ledger.read("forecasts.jsonl")
    assert book.head in out
    assert list(book.forecasts) == ["hero", "next"]
    assert book.forecasts["next"].budget == 3e21
    assert book.forecasts["hero"].note == "Ada"
    loss = book.forecasts["hero"].measured.interval(0.5).median
    before = Path("forecasts.jsonl").read_text(encoding="utf-8")

    code, out, _ = nstar("outcome", "--name", "hero", "--loss", loss * 1.0001)
    assert code == 0
    assert "hero: loss" in out
    assert "inside 50%" in out
    assert "1 counted of 1 scored; open: next" in out
    after = Path("forecasts.jsonl").read_text(encoding="utf-8")
    assert after.startswith(before)  # a forecast is never changed

    code, out, _ = nstar("outcome", ".", "--name", "next", "--loss", "3", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["record"]["counted"] == 2
    assert told["record"]["coverage"]["0.9"] == {
        "held": 1,
        "of": 2,
        "lower": 1,
        "upper": 2,
    }
    assert told["scored"][0]["outcome"]["held"]["0.95"] is False

    code, out, _ = nstar("ledger", "--holds", book.head[:16])
    assert code == 0
    assert "outside 95%" in out
    assert "1 of 2" in out

    code, out, err = nstar(*words)
    assert (code, out) == (2, "")
    assert "'hero' was frozen on" in err


def test_a_failing_check_freezes_all_the_same_and_is_marked(nstar, saved, tmp_path):
    file = tmp_path / "new" / "forecasts.jsonl"
    words = ["forecast", saved, "--at", "1e16,1e18", "--name", "far", "--ledger", file]
    code, out, _ = nstar(*words)
    assert code == 1
    assert "FAIL extrapolation" in out
    assert "far is frozen although a check FAILs" in out
    assert Ledger.read(file).forecasts["far"].decades_beyond_data > 10
    code, out, _ = nstar("ledger", file)
    assert code == 0  # to read it is no failure
    assert "REVIEW forecasts frozen: far" in out
    assert "far (a check had failed)" in out


def test_measured_runs_are_matched_by_what_they_are(nstar, file, tmp_path):
    table = tmp_path / "runs.csv"
    table.write_text("params,D,L\n2.99e9,6.02e10,2.21\n1e9,5e10,2.4\n")
    words = ["outcome", file, "--runs", table, "--columns", "N=params"]
    code, out, _ = nstar(*words)
    assert code == 0
    assert "hero: loss 2.21," in out
    assert "1 of the runs" in out
    assert "open: small" in out
    assert Ledger.read(file).outcomes["hero"].loss == 2.21
    code, out, _ = nstar(*words)  # a growing table is given again: nothing new
    assert code == 0
    assert len(Ledger.read(file).entries) == 3
    table.write_text("N,D,L\n1e9,2e10,2.4\n1.001e9,2e10,2.5\n")
    code, _, err = nstar("outcome", file, "--runs", table)
    assert code == 2
    assert (
        "rows 2, 3 are all within 1 %" in err or "rows 1, 2 are all within 1 %" in err
    )


def test_what_was_no_forecast_is_said(nstar, file):
    words = ["outcome", file, "--name", "hero", "--loss", "2.2"]
    code, out, _ = nstar(*words, "--measured", "2020-01-31")
    assert code == 0
    assert (
        "REVIEW forecast hero: not a forecast: the loss was known on 2020-01-31" in out
    )
    assert "0 counted of 1 scored" in out
    code, out, _ = nstar(
        *words[:-1], "2.21", "--again", "--note", "evaluated on all of it"
    )
    assert code == 0
    assert "1 counted of 1 scored" in out
    assert nstar("ledger", file, "--json")[0] == 0


WRONG = {
    "unknown": (
        ["outcome", "--name", "heros", "--loss", "2.2"],
        "forecasts.jsonl: no forecast named 'heros'; there are hero, small",
    ),
    "loss 0": (
        ["outcome", "--name", "hero", "--loss", "0"],
        "the loss of 'hero': expected a positive number such as 2.234, got 0",
    ),
    "loss nan": (
        ["outcome", "--name", "hero", "--loss", "nan"],
        "expected a positive number",
    ),
    "no loss": (
        ["outcome", "--name", "hero"],
        "which outcome? either --name hero --loss 2.234",
    ),
    "both": (
        ["outcome", "--name", "hero", "--loss", "2", "--runs", "a.csv"],
        "which outcome?",
    ),
    "date": (
        ["outcome", "--name", "hero", "--loss", "2.2", "--measured", "31.1.26"],
        "'31.1.26': expected a day or a moment",
    ),
    "not again": (
        ["outcome", "--name", "hero", "--loss", "2.2", "--again"],
        "'hero' has no loss yet",
    ),
    "no ledger": (
        ["ledger", "nosuch.jsonl"],
        "nosuch.jsonl: no ledger of forecasts there",
    ),
    "prob": (
        ["ledger", "--prob", "0.999"],
        "--prob 0.999: a frozen forecast holds intervals of up to 0.995",
    ),
    "hash": (
        ["ledger", "--holds", "0123456789ab"],
        "no entry has the hash 0123456789ab",
    ),
    "taken": (
        ["forecast", "LADDER", "--at", "1e9,1e10", "--name", "hero"],
        "'hero' was frozen on",
    ),
    "names": (
        ["forecast", "LADDER", "--at", "1e9,1e10", "--at", "2e9,1e10", "--name", "a"],
        "--name: expected a name of its own for each run, got 1 (a) for 2",
    ),
    "no run": (
        ["forecast", "LADDER", "--name", "a"],
        "got 1 (a) for 0 of --at and --budget",
    ),
    "name": (
        ["forecast", "LADDER", "--at", "1e9,1e10", "--name", " "],
        "name ' ': expected up to 80 letters",
    ),
    "at": (
        ["forecast", "LADDER", "--at", "1e9", "--name", "a"],
        "--at '1e9': expected N,D",
    ),
    "budget": (
        ["forecast", "LADDER", "-C", "0", "--name", "a"],
        "--budget 0: expected a positive number",
    ),
    "suffix": (
        ["forecast", "LADDER", "--at", "1e9,1e10", "--name", "a", "--ledger", "a.csv"],
        "--ledger a.csv: expected a name that ends in .jsonl",
    ),
    "report": (
        ["report", "llama3", "-C", "1e22", "--ledger", "nosuch.jsonl"],
        "nosuch.jsonl: no ledger of forecasts there",
    ),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_bad_usage_is_one_line_and_changes_nothing(nstar, file, saved, words, said):
    before = file.read_bytes()
    code, out, err = nstar(*(saved if word == "LADDER" else word for word in words))
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("nstar: ")
    assert said in line
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == ["forecasts.jsonl"]


@pytest.mark.parametrize(
    "words",
    [
        ["ledger"],
        ["outcome", "--name", "hero", "--loss", "2"],
        ["report", "llama3", "-C", "1e22", "--ledger", "."],
    ],
    ids=lambda w: w[0],
)
def test_a_tampered_ledger_is_refused_by_every_command(nstar, file, words):
    text = file.read_text(encoding="utf-8").replace(
        '"N":1000000000.0', '"N":1100000000.0'
    )
    file.write_text(text, encoding="utf-8")
    code, out, err = nstar(*words)
    assert (code, out) == (2, "")
    assert "forecasts.jsonl, line 2: its contents do not match its hash" in err
    assert file.read_text(encoding="utf-8") == text


def test_a_law_without_a_loss_is_refused(nstar, allocation_fit, tmp_path):
    fit = allocation_fit.save(tmp_path / "optima.nc")
    file = tmp_path / "forecasts.jsonl"
    code, out, err = nstar(
        "forecast", fit, "--at", "7e9,1.4e11", "--name", "a", "--ledger", file
    )
    assert (code, out) == (2, "")
    assert "predicts log tokens, and a forecast is of a loss" in err
    assert not file.exists()
