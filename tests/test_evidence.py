"""What a report finds out by other fits: hold-outs, other choices, runs to make next, and what it keeps."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from nstar.fits import refit_cache
from nstar.fits.mixture import Average
from nstar.fits.refit_cache import RefitCache, of_fit
from nstar.plans.actions import Action
from nstar.plans.planning import plan
from nstar.predictions.prediction import law_loss
from nstar.predictions.tiling import ROWS, map_tiles
from nstar.validation import hindsight, universes
from nstar.validation.backtest import backtest
from nstar.validation.hindsight import (
    RouteHoldOut,
    check_hold_outs,
    hold_out_routes,
    route_weights,
)
from nstar.validation.universes import Universe, evaluate_universe
from nstar.verdicts import Check, Status


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return RefitCache(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def held(surface_fit, cache):
    return hold_out_routes({"surface": surface_fit}, cache)


# Hold-outs


def test_a_trial_is_the_backtest_of_the_same_law(held, surface_fit):
    (one,) = held
    (outcome,) = backtest(
        surface_fit.runs, "chinchilla", discrepancy="none", hold_out=[1.0]
    )
    record = outcome.record()
    assert (one.n_train, one.n_test) == (record["n_train"], record["n_test"])
    for name in ("crps", "rmse", "bias"):
        assert one.scores[name] == pytest.approx(record[name], rel=1e-9)
    assert one.scores["coverage"] == record["coverage"]
    assert np.shape(one.log_density) == (one.n_test,)


def test_a_trial_is_found_again(held, surface_fit, cache, monkeypatch):
    monkeypatch.setattr(hindsight, "repeat_fit", None)  # nothing is fitted
    again = hold_out_routes({"surface": surface_fit}, cache)
    assert [t.as_json() for t in again] == [t.as_json() for t in held]


def test_weights_follow_what_was_said(held):
    (one,) = held
    worse = np.asarray(one.log_density) - 2.0
    other = dataclasses.replace(one, route="worse", log_density=worse.tolist())
    (good, bad), how = route_weights(["surface", "worse"], [one, other])
    assert good + bad == pytest.approx(1)
    assert good > 0.55 > bad > 0  # three levels, half of each by its losses
    losses = [dataclasses.replace(trial, optima=None) for trial in (one, other)]
    (better, worst), _ = route_weights(["surface", "worse"], losses)
    assert better > 0.6 > worst > 0
    assert better > good > 0.5  # optima are those of the same surface
    assert how.status is Status.PASS
    (same, also), how = route_weights(["a", "b"], [])
    assert same == also == 0.5
    assert how.status is Status.REVIEW


def test_weights_rest_on_optima_as_well(held):
    """Two routes alike in their losses: the one that misses the held-out optima has less."""
    (one,) = held
    assert one.optima["budgets"]
    missed = one.optima | {"log_density": [p - 4 for p in one.optima["log_density"]]}
    other = dataclasses.replace(one, route="off", optima=missed)
    (good, bad), how = route_weights(["surface", "off"], [one, other])
    assert good > 0.53
    assert good + bad == pytest.approx(1)
    assert "of them by measured optima" in how.detail
    elsewhere = dataclasses.replace(other, optima=missed | {"budgets": [1.0]})
    (same, also), how = route_weights(["surface", "off"], [one, elsewhere])
    assert same == also == 0.5
    assert "optima" not in how.detail


def test_optima_that_the_route_itself_calls_unlikely_are_for_review(held):
    (one,) = held
    rare = one.optima | {"misses": len(one.optima["budgets"]), "chance": 0.01}
    _, check = check_hold_outs([dataclasses.replace(one, optima=rare)], ["surface"])
    assert check.status is Status.REVIEW
    assert "decide by the other routes, or measure one budget" in check.detail


def test_intervals_that_miss_are_for_review(held):
    (one,) = held
    missed = dataclasses.replace(one, scores={**one.scores, "coverage": {"0.9": 0.3}})
    check, _ = check_hold_outs([missed], ["surface"])
    assert check.status is Status.REVIEW
    assert "too narrow" in check.detail


def test_a_route_of_too_few_budgets_is_not_held_out(llama3, isoflop_fit):
    """The law needs three budgets: where a decade leaves two, half of one is held out."""
    few = np.unique(llama3["budget"])[[0, 1, 2, 5]]
    runs = llama3.take(np.isin(llama3["budget"], few))
    fit = dataclasses.replace(isoflop_fit, runs=runs)
    kept_off = hindsight.hold_out_splits(runs)
    assert [part.decades for part in kept_off] == [1.0, 0.5]
    assert len(np.unique(kept_off[0].train["budget"])) == 2
    (one,) = hold_out_routes({"profiles": fit})
    assert one.decades == 0.5
    (check,) = check_hold_outs([], ["profiles"])
    assert check.status is Status.REVIEW
    assert "nothing shows how profiles extrapolates" in check.detail


# Other choices


def test_the_decision_in_another_universe(surface_fit, cache):
    action, C = Action("ours", 4e11, 3.8e25 / 6 / 4e11), 3.8e25
    one = Universe("law", "itself", lambda: surface_fit, ["x"])
    told = evaluate_universe(one, action, C, 0.9, cache)
    losses = law_loss(surface_fit, np.array([action.N]), np.array([action.D]))[:, 0]
    best = plan(surface_fit, C).draws["loss_oracle"].to_numpy()[:, 0]
    assert told["loss"]["median"] == pytest.approx(np.median(losses), rel=1e-12)
    assert told["expected_regret"] == pytest.approx(np.mean(losses - best), rel=1e-6)
    assert told["regret"]["lower"] >= 0


def test_choices_are_changed_one_at_a_time(surface_fit, cache):
    named = list(universes.universes({"surface": surface_fit}, "surface", cache))
    kinds = [one.kind for one in named]
    assert kinds == ["law", "prior", "noise", "runs"]
    by_kind = {one.kind: one.make() for one in named}
    assert by_kind["law"] is surface_fit
    assert by_kind["prior"].tree.attrs["prior_set"] == "informed"
    assert by_kind["noise"].draws["nu"].min() > 5e5  # by the Student-t's program
    assert len(by_kind["runs"].runs) < len(surface_fit.runs)
    for other in by_kind.values():
        assert type(other.law) is type(surface_fit.law)


def test_a_universe_that_cannot_be_fitted_says_why():
    def make():
        msg = "too few runs"
        raise ValueError(msg)

    told = evaluate_universe(
        Universe("runs", "few", make, []),
        Action("a", 1e9, 2e10),
        1e20,
        0.9,
        RefitCache(),
    )
    assert told["trouble"] == "too few runs"
    assert told["N"] is None


# What is kept


def test_a_fit_is_kept_by_all_it_is_made_of(allocation_fit, tmp_path):
    cache, made = RefitCache(tmp_path), []

    def make():
        made.append(1)
        return allocation_fit

    first = cache.fit(["a"], make)
    again = cache.fit(["a"], make)
    assert len(made) == 1
    assert first is allocation_fit
    assert again.tree["posterior"].dataset.identical(
        allocation_fit.tree["posterior"].dataset
    )
    assert of_fit(again) == of_fit(allocation_fit)
    cache.fit(["b"], make)
    assert len(made) == 2


def test_runs_that_are_told_otherwise_are_others(llama3):
    told = dataclasses.replace(llama3, params_counted="non-embedding")
    assert refit_cache.of_runs(told) != refit_cache.of_runs(llama3)
    assert refit_cache.of_runs(
        dataclasses.replace(llama3, sha256="0")
    ) != refit_cache.of_runs(llama3)


def test_a_damaged_file_is_made_again(allocation_fit, tmp_path):
    cache = RefitCache(tmp_path)
    cache.fit(["a"], lambda: allocation_fit)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:1000])
    assert len(cache.fit(["a"], lambda: allocation_fit).draws) == len(
        allocation_fit.draws
    )
    cache.answer(["b"], lambda: {"x": float("nan"), "y": 1})
    (told,) = tmp_path.glob("*.json")
    told.write_text("{")
    assert cache.answer(["b"], lambda: {"y": 2}) == {"y": 2}


def test_another_program_keeps_for_itself(tmp_path, monkeypatch):
    cache = RefitCache(tmp_path)
    assert cache.answer(["a"], lambda: 1) == 1
    assert cache.answer(["a"], lambda: 2) == 1
    monkeypatch.setattr(refit_cache, "_program", lambda: "another")
    assert cache.answer(["a"], lambda: 2) == 2
    assert RefitCache().answer(["a"], lambda: 3) == 3


def test_old_fits_make_room(allocation_fit, tmp_path, monkeypatch):
    monkeypatch.setattr(refit_cache, "MOST", 2)
    cache = RefitCache(tmp_path)
    for i in range(4):
        cache.fit([i], lambda: allocation_fit)
    assert len(list(tmp_path.glob("*.npz"))) == 2


# Tiles


@pytest.mark.parametrize("count", [1, ROWS, ROWS + 3])
@pytest.mark.parametrize("width", [1, 4, 9])
def test_tiles_are_the_whole(rng, count, width):
    draws = {"a": rng.normal(size=(count, 2)), "b": rng.normal(size=count)}
    x, each = rng.normal(size=width), rng.normal(size=(count, width))

    def program(part, x, each):
        both = part["a"].sum(axis=1)[:, None] * x + each, part["b"][:, None] - x
        return tuple(jnp.asarray(v) for v in both)

    found = map_tiles(program, draws, x, each, sizes=(2, 4))
    whole = draws["a"].sum(axis=1)[:, None] * x + each, draws["b"][:, None] - x
    for value, expected in zip(found, whole, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_losses_of_a_mixture_keep_their_order(surface_fit):
    """Draws of an average come law by law, whatever tiles they were worked out in."""
    both = Average(
        (surface_fit, surface_fit),
        ("a", "b"),
        (0.5, 0.5),
        Check("weights", Status.PASS, ""),
    )
    N, D = np.array([1e9, 2e9]), np.array([2e10, 3e10])
    found, alone = law_loss(both, N, D), law_loss(surface_fit, N, D)
    half = len(alone) // 2
    np.testing.assert_allclose(found[:half], found[half:], rtol=1e-12)
    assert np.isin(np.round(found, 12), np.round(alone, 12)).all()


def test_a_trial_is_plain_data(held):
    (one,) = held
    assert RouteHoldOut(**vars(one)) == one
    assert "runs" not in one.as_json()
