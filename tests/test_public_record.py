"""What everybody knows of a budget, and the published fits of the same runs, beside ours."""

import dataclasses

import numpy as np
import pytest

import nstar
from by_hand import quantiles, surface
from nstar.answers import Table
from nstar.plans.planning import plan
from nstar.priors.record import sources
from nstar.published import fits as published
from nstar.published import models
from nstar.runs import datasets
from nstar.validation.public_record import data_sets_of, public_record

C = 3.8e25
ELSEWHERE = {  # of a source's paper, but of other runs than its data sets hold
    "chinchilla_c4",
    "chinchilla_github",
    "marin_grug_moe",
}


@pytest.fixture(scope="module")
def record(surface_fit):
    planned = plan(surface_fit, [C])
    return public_record({"loss surface": planned}, surface_fit, C, (3.8e11, 1.67e13))


def test_every_fit_of_a_data_set_says_how_it_was_made():
    known = set(datasets.names())
    by_source = {n: s for s in sources().values() for n in s.published}
    for fit in map(published.get, published.names()):
        assert set(fit.data_sets) <= known
        assert bool(fit.data_sets) == bool(fit.why), fit.id
        if fit.data_sets and fit.id in by_source:
            assert set(fit.data_sets) <= set(by_source[fit.id].datasets)
    for name, source in by_source.items():
        text = bool(published.get(name).data_sets)
        assert text == (bool(source.datasets) and name not in ELSEWHERE), name
    for model in map(models.get, models.names()):
        assert set(model.data_sets) <= known
        assert model.why or model.modality != "text"


def test_the_model_of_these_runs_comes_first(record):
    document = record.as_json()
    (llama,) = document["models"]
    assert (llama["name"], llama["of_these_runs"]) == ("Llama 3.1 405B", True)
    chinchilla = public_record(record.plans, None, 5.76e23, (4e10, 2.4e12))
    names = [known.model.title for known in chinchilla.models]
    assert len(names) == 3
    assert set(names[:2]) == {"Gopher 280B", "Chinchilla 70B"}
    assert all(known.regret is None for known in chinchilla.models)
    assert not public_record(record.plans, None, 1e20, (1e8, 1e9)).models


def test_ours_is_held_against_every_fit_of_the_same_runs(record, surface_fit):
    hand = surface(surface_fit)
    document = record.as_json()
    assert [fit["id"] for fit in document["fits"]] == [
        "llama3_tokens_text",
        "llama3_tokens_fig3",
        "llama3_openathena_A2",
        "llama3_openathena_A3",
        "llama3_openathena_vpnls",
    ]
    N = hand.optimum(C)
    theirs = C / 6 / (0.299 * C**0.537)
    one = document["fits"][1]["routes"]["loss surface"]
    assert one["published"] == pytest.approx(theirs)
    for end, value in quantiles(N / theirs).items():
        assert one["ratio"][end] == pytest.approx(value, rel=1e-5)
    floor = document["fits"][3]["our_floors"]  # the figure's unit of loss is not known
    assert floor == {}
    text = record.headline()
    assert "5 published fits of these runs ask for" in text
    assert "Llama 3.1 405B, 406B parameters on 15.6T tokens at 3.8e25 FLOP" in text


def test_what_a_known_model_gives_away_is_the_loss_above_its_own_budgets_least(
    record, surface_fit
):
    hand = surface(surface_fit)
    model = models.get("llama3-405b")
    N = hand.optimum(3.8e25)
    away = hand.loss(model.N, model.D) - hand.loss(N, 3.8e25 / 6 / N)
    (llama,) = record.as_json()["models"]
    assert llama["given_away"]["median"] == pytest.approx(np.median(away), rel=0.15)
    assert llama["routes"]["loss surface"]["ratio"]["median"] == pytest.approx(
        np.median(N) / model.N, rel=0.06
    )


def test_the_table_has_the_same_numbers_and_a_reason_for_each_difference(record):
    table, *rest = record.tables()
    assert isinstance(table, Table)
    assert rest == []
    assert table.rows[2][5].endswith(" inside")
    assert [row[0] for row in table.rows[:2]] == ["recommended here", "Llama 3.1 405B"]
    assert table.rows[0][1:4] == ["3.8e25", "380B", "16.7T"]
    assert all(row[-1] for row in table.rows[1:])
    by_name = {row[0]: row for row in table.rows}
    words = by_name["llama3_openathena_A3"][-1]
    assert "Huber loss on log loss" in words
    assert "exponent of N* 0.503 (ours 0." in words


def test_a_fit_without_an_optimum_says_why(surface_fit):
    chinchilla = nstar.read_runs("chinchilla_epoch")
    assert data_sets_of(chinchilla) == ["chinchilla_epoch"]
    fit = plan(surface_fit, [C])
    record = public_record({"loss surface": fit}, None, C, (3.8e11, 1.67e13))
    one = record._fit(published.get("chinchilla_A1"), 0.9)["routes"]["loss surface"]
    assert one["ratio"] is None
    assert one["reason"] == "only its exponents are published"
    alone = dataclasses.replace(record, fits=(published.get("chinchilla_A1"),))
    table, sentence = alone.tables()
    assert len(table.rows) == 2
    assert sentence.startswith(
        "Without an N* at this budget: chinchilla_A1 (exponent 0.5); ours 0.519 by loss"
    )


def test_runs_are_recognised_by_their_file(llama3, optima, tmp_path):
    assert data_sets_of(llama3) == ["llama3"]
    assert data_sets_of(optima) == ["llama3"]
    copy = tmp_path / "mine.csv"
    copy.write_bytes(datasets.path("llama3").read_bytes())
    assert data_sets_of(nstar.read_runs(copy)) == ["llama3"]
    copy.write_text(copy.read_text() + "\n")
    assert data_sets_of(nstar.read_runs(copy)) == []
