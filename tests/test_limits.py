"""Limits on a run: one size, memory, a supply of tokens that may be seen again."""

import json
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nstar as ns
from nstar.fits.mixture import Average
from nstar.plans.actions import ANY, Limits, parse_memory
from nstar.plans.choosing import choose
from nstar.plans.limiting import NEARLY_FRESH, apply_limits, with_supply
from nstar.plans.serving import serve
from nstar.plans.targets import reach
from nstar.plans.weighing import weigh
from nstar.predictions.allocating import optima
from nstar.predictions.prediction import law_loss
from nstar.verdicts import Check, Status

C = 1e22
U = 2e10  # unique tokens; the budget would be best spent on ten times as many
SCARCE = Limits(unique_tokens=U)


def status(checks, name):
    return {check.name: check.status for check in checks}[name]


def said(checks, name):
    return {check.name: check.detail for check in checks}[name]


@pytest.fixture(scope="module")
def params(repeated_fit):
    return {n: v[::400] for n, v in repeated_fit.draws.items()}


@pytest.fixture(scope="module")
def both(repeated_fit, once):
    """Two laws of the same runs, of which one knows what repetition does."""
    x = {n: repeated_fit.runs[n] for n in ("N", "D", "L")}
    runs = ns.read_runs(x, accept=["diverged runs"])  # many epochs, which x hides
    fresh = once("fresh", runs, "chinchilla", discrepancy="none")
    how = Check("weights", Status.PASS, "as told")
    return Average(
        (repeated_fit, fresh), ("data_constrained", "chinchilla"), (0.5, 0.5), how
    )


# The law under a supply


def test_the_law_takes_tokens_beyond_the_supply_for_repetitions(repeated_fit, params):
    law: Any = with_supply(repeated_fit, U).law
    N, D = np.full(3, 3e9), np.array([5e9, 2e10, 3e11])
    x = {"N": N, "D": D, "unique_tokens": np.minimum(D, U)}
    with jax.enable_x64(True):
        log_loss = jax.vmap(lambda p: repeated_fit.law.expected(p, x))(params)
        loss = jax.vmap(lambda p: law.loss(p, N, D))(params)
    np.testing.assert_allclose(loss, np.exp(log_loss), rtol=1e-12)
    told = ns.predict(with_supply(repeated_fit, U), N, D)["loss"]
    np.testing.assert_allclose(told[::400], loss, rtol=1e-12)


def test_an_endless_supply_changes_nothing(repeated_fit):
    free, endless = (
        ns.plan(repeated_fit, [1e21, C], limits=each).draws
        for each in (ANY, Limits(unique_tokens=1e30))
    )
    for name in free.data_vars:
        np.testing.assert_array_equal(free[name], endless[name])


@pytest.mark.parametrize("supply", [np.inf, 2e10, 1e5])
def test_slopes_are_finite_however_scarce_tokens_are(repeated_fit, params, supply):
    law: Any = with_supply(repeated_fit, supply).law
    one = {n: v[0] for n, v in params.items()}
    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(law.loss, (1, 2)))
        found = np.array(
            [slope(one, N, D) for N in (1e6, 1e9, 1e13) for D in (1e6, 2e10, 1e14)]
        )
    assert np.isfinite(found).all()
    assert (found <= 0).all()  # more of either never hurts


def test_optima_under_a_supply_are_those_of_brute_search(repeated_fit):
    fit = with_supply(repeated_fit, U)
    N, D = optima(fit, np.array([C]))
    assert (D > U).all()
    np.testing.assert_allclose(6 * N * D, C, rtol=1e-9)
    sizes = np.geomspace(1e8, 1e12, 20001)
    draws = slice(None, None, 500)
    with jax.enable_x64(True):
        some = {n: v[draws] for n, v in fit.draws.items()}
        table = np.asarray(
            jax.vmap(lambda p: fit.law.loss(p, sizes, C / 6 / sizes))(some)
        )
    best = sizes[table.argmin(axis=1)]
    np.testing.assert_allclose(N[draws, 0], best, rtol=2e-3)


def test_more_compute_on_the_same_tokens_goes_first_into_epochs(repeated_fit):
    """Muennighoff et al. (2023): data decays slower (15) than size (5), so epochs win."""
    alone = ns.plan(repeated_fit, [3e20]).draws
    first = Limits(unique_tokens=float(alone["D_recommended"][0]))
    told = ns.plan(repeated_fit, [3e20, 3e21], limits=first).table()
    (small, large) = (r["recommended"] for r in told)
    assert small["epochs"] == pytest.approx(1.0, abs=0.25)
    assert large["D"] / small["D"] > 1.2 * large["N"] / small["N"]
    free = ns.plan(repeated_fit, [3e21]).table()[0]["recommended"]
    assert large["N"] < free["N"]


def test_a_few_epochs_are_nearly_as_good_as_fresh_tokens(repeated_fit):
    D = U * np.array([NEARLY_FRESH, 40.0])
    fresh, again = (
        law_loss(f, np.full(2, 1e9), D).mean(axis=0)
        for f in (repeated_fit, with_supply(repeated_fit, U))
    )
    few, many = again - fresh
    assert 0 < few < 0.02
    assert many > 5 * few


# A supply in a plan, of laws that know of repetition and of others


def test_a_plan_says_the_epochs_and_what_stands_behind_them(repeated_fit):
    plan = ns.plan(repeated_fit, [1e21, C], limits=SCARCE)
    for r in plan.table():
        run = r["recommended"]
        assert run["epochs"] == run["D"] / U > 1
        assert 6 * run["N"] * run["D"] == pytest.approx(r["C"])
    assert status(plan.checks(), "repeated tokens") is Status.PASS
    rare = ns.plan(repeated_fit, C, limits=Limits(unique_tokens=1e9))
    assert status(rare.checks(), "repeated tokens") is Status.REVIEW
    assert "the runs theirs up to 60 times" in said(rare.checks(), "repeated tokens")
    free = ns.plan(repeated_fit, C)
    assert free.table()[0]["recommended"]["epochs"] is None
    assert free.checks() == []
    fresh = free.draws
    np.testing.assert_array_equal(plan.draws["alpha1"], fresh["alpha1"])


def test_epochs_may_be_limited(repeated_fit):
    (row,) = ns.plan(repeated_fit, C, limits=replace(SCARCE, max_epochs=4.0)).table()
    assert row["recommended"]["D"] == pytest.approx(4 * U)
    assert row["limits_cost"] > 0


def test_a_law_that_knows_nothing_of_repetition_sees_each_token_once(surface_fit):
    budget, there = 3.8e25, Limits(unique_tokens=2e12)
    plan = ns.plan(surface_fit, budget, limits=there)
    run = plan.table()[0]["recommended"]
    assert run["epochs"] == 1.0
    assert run["D"] == pytest.approx(2e12)
    assert run["N"] == pytest.approx(budget / 6 / 2e12)
    (check,) = [c for c in plan.checks() if c.name == "repeated tokens"]
    assert check.status is Status.REVIEW
    assert "takes repeated tokens for fresh ones" in check.detail
    assert "held to one epoch" in check.detail
    four = ns.plan(surface_fit, budget, limits=replace(there, max_epochs=3.5))
    assert four.table()[0]["recommended"]["epochs"] == pytest.approx(3.5)
    assert four.table()[0]["limits_cost"] < plan.table()[0]["limits_cost"]
    assert "which they nearly are" in said(four.checks(), "repeated tokens")
    plenty = ns.plan(surface_fit, budget, limits=Limits(unique_tokens=1e15))
    assert status(plenty.checks(), "repeated tokens") is Status.PASS


def test_an_average_is_held_to_what_its_least_knowing_law_can_tell(both):
    fit, allowed = apply_limits(both, SCARCE)
    assert allowed.max_tokens == U
    laws = [part.law for part in fit.components]
    assert [getattr(law, "supply", None) for law in laws] == [U, None]
    checks = weigh(both, C, limits=SCARCE).checks()
    assert "the Chinchilla law takes" in said(checks, "repeated tokens")


def test_a_fit_under_a_supply_is_saved_as_it_was(repeated_fit, tmp_path):
    again = ns.load(with_supply(repeated_fit, U).save(tmp_path / "under.nc"))
    assert again.law == repeated_fit.law
    assert "Infinity" not in repeated_fit.tree.attrs["law"]


def test_risk_target_and_serving_work_under_a_supply(repeated_fit):
    limits = replace(SCARCE, max_epochs=8.0)
    weighed = weigh(repeated_fit, C, limits=limits)
    assert [r["epochs"] for r in weighed.table()] == [
        float(max(a.D / U, 1.0)) for a in weighed.actions
    ]
    assert max(r["epochs"] for r in weighed.table()) <= 8 * (1 + 1e-12)
    goal = float(weighed.draws["loss"].sel(action="recommended").mean())
    scarce, free = (
        reach(repeated_fit, goal, 0.8, limits=each) for each in (limits, ANY)
    )
    assert scarce.C > free.C
    assert scarce.as_json()["epochs"] <= 8 * (1 + 1e-12)
    assert free.as_json()["epochs"] is None
    served = serve(repeated_fit, 1e21, 1e12, limits=limits)
    told = served.as_json()
    assert told["lifetime"]["N"] < told["training_alone"]["N"]
    assert 1 < told["training_alone"]["epochs"] < told["lifetime"]["epochs"] <= 8
    assert served.loss.mean(axis=0)[1] == pytest.approx(
        served.loss.mean(axis=0)[0], abs=1e-6
    )


# One size


def test_one_size_gets_the_tokens_that_its_budget_buys(surface_fit):
    only = Limits(params=8e9)
    plan = ns.plan(surface_fit, [1e23, 1e24], limits=only)
    for r in plan.table():
        assert r["recommended"]["N"] == 8e9
        assert r["recommended"]["D"] == pytest.approx(r["C"] / 6 / 8e9)
        assert r["regret"]["upper"] == 0.0  # of the one run allowed
        free = ns.plan(surface_fit, r["C"]).draws["loss"].mean()
        mean = plan.draws["loss"].sel(budget=r["C"]).mean()
        assert r["limits_cost"] == pytest.approx(float(mean - free), abs=1e-9)
    assert status(plan.checks(), "recommended among the runs") is Status.REVIEW
    assert [a.name for a in weigh(surface_fit, 1e24, limits=only).actions] == [
        "recommended"
    ]


def test_one_size_reaches_a_loss_at_its_least_budget(surface_fit):
    found = reach(surface_fit, 0.72, 0.8, limits=Limits(params=7e9))
    assert found.N == 7e9
    assert pytest.approx(found.C) == 6 * found.N * found.D
    D = found.D * np.array([0.97, 1.0, 1.03])
    chance = (law_loss(surface_fit, np.full(3, 7e9), D) <= 0.72).mean(axis=0)
    assert chance[0] < 0.8 < chance[2]
    assert chance[1] == pytest.approx(0.8, abs=0.01)


def test_one_size_is_served_as_it_is(surface_fit):
    found = serve(surface_fit, 1e24, 1e14, limits=Limits(params=7e9))
    assert found.after == found.before == (7e9, pytest.approx(1e24 / 6 / 7e9))


def test_limits_hold_for_the_lifetime_too(surface_fit):
    free = serve(surface_fit, 3.8e25, 1e14)
    limits = Limits(multiple_of=1e10, max_tokens=free.before[1] * 1.2)
    found = serve(surface_fit, 3.8e25, 1e14, limits=limits)
    assert free.after[1] > limits.max_tokens >= found.after[1]
    assert found.after[0] % 1e10 == 0.0
    assert free.after[0] < found.after[0] < found.before[0]


# Memory


def test_memory_limits_the_size(surface_fit):
    limits = Limits(memory=parse_memory("80GB"))
    assert limits.most == 4e10
    assert replace(limits, bytes_per_param=16.0).most == 5e9
    run = ns.plan(surface_fit, 3.8e25, limits=limits).table()[0]["recommended"]
    assert run["N"] == 4e10
    assert replace(limits, multiple_of=3e9).sizes([1e12]) == [3.9e10]


@pytest.mark.parametrize(
    ("text", "size"),
    [("640GB", 6.4e11), ("80 GiB", 80 * 2**30), ("1.5TB", 1.5e12), ("1MiB", 2**20)],
)
def test_memory_is_read_in_tens_and_in_twos(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["80", "80G", "GB", "-3GB", "80gb", ""])
def test_what_is_no_memory_is_refused(text):
    with pytest.raises(ValueError, match="memory: expected"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"params": 8e9, "memory": 1e10},
            "8B parameters are at most 5B, which is what 1e",
        ),
        ({"multiple_of": 1e9, "memory": 1e9}, "no size is a multiple of 1B"),
        ({"memory": 1.0}, "no size is allowed"),
        ({"params": 8e9, "max_params": 7e9}, "at most 7B"),
        ({"params": 8e9, "multiple_of": 3e9}, "8B is no multiple of 3B"),
        ({"max_epochs": 4.0}, "of how many tokens"),
        ({"unique_tokens": -1.0}, "must be positive"),
        ({"params": float("nan")}, "must be positive"),
    ],
)
def test_limits_that_no_size_meets_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        Limits(**limits)


def test_limits_choose_by_loss_which_a_line_of_optima_has_not(allocation_fit):
    with pytest.raises(ValueError, match="has no loss to weigh"):
        ns.plan(allocation_fit, C, limits=Limits(params=8e9))


def test_what_no_limit_allows_is_not_weighed(surface_fit):
    found = weigh(surface_fit, 3.8e25, limits=Limits(memory=8e10))
    assert [a.name for a in found.actions] == ["recommended", "half the size"]
    assert found.perfect_information == 0.0  # the largest size allowed, by every draw


# Draws that give no loss


@dataclass(frozen=True)
class Walled:
    """A surface that has no finite loss beyond a size, under draws of a high level."""

    law: Any
    wall: float
    level: float

    def priors(self):
        return self.law.priors()

    inputs = ("N", "D")

    @property
    def response(self):
        return self.law.response

    def loss(self, params, N, D):
        hit = (self.wall < N) & (params["level"] > self.level)
        return jnp.where(hit, jnp.inf, self.law.loss(params, N, D))


def test_a_size_that_some_draw_cannot_bear_is_not_recommended(surface_fit):
    level = float(np.quantile(surface_fit.draws["level"], 0.9))
    free = choose(surface_fit, np.array([C]), surface_fit.runs.cost)
    wall = float(free.N[0]) * 0.9
    fit = replace(surface_fit, law=Walled(surface_fit.law, wall, level))
    line = choose(fit, np.array([C]), fit.runs.cost, N=np.full((9, 1), wall))
    assert 0.5 * wall < line.N[0] <= wall
    assert np.isfinite(line.loss).all()
    assert np.isfinite(line.least).all()


def test_draws_without_a_loss_are_not_passed_over(surface_fit):
    tree = surface_fit.tree.copy(deep=True)
    tree["posterior"]["level"][0, : tree["posterior"].sizes["draw"] // 250] = np.nan
    broken = replace(surface_fit, tree=tree)
    for ask in (
        lambda: ns.plan(broken, C),
        lambda: weigh(broken, C),
        lambda: reach(broken, 0.7),
    ):
        with pytest.raises(ValueError, match=r"0\.1% of draws give no finite loss"):
            ask()


# On the command line


@pytest.fixture(scope="module")
def saved(repeated_fit, allocation_fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    made = {"repeated": repeated_fit, "optima": allocation_fit}
    return {name: str(fit.save(folder / f"{name}.nc")) for name, fit in made.items()}


SCARCE_WORDS = ("--unique-tokens", "20B", "--max-epochs", "8")


def test_every_plan_takes_limits(nstar, saved):
    budget = (saved["repeated"], "-C", "1e22")
    for words in (
        ("plan", *budget),
        ("risk", *budget),
        ("serve", *budget, "--tokens", "1T"),
        ("target", saved["repeated"], "--loss", "2.2"),
    ):
        _, out, err = nstar(*words, *SCARCE_WORDS, "--memory", "64GB", "--json")
        told = json.loads(out)
        assert err == ""
        assert told["limits"] == {
            "memory": 6.4e10,
            "unique_tokens": 2e10,
            "max_epochs": 8.0,
        }
        assert "epochs" in nstar(*words, *SCARCE_WORDS)[1]


def test_a_plan_in_words_tells_the_run_that_is_allowed(nstar, saved):
    out = nstar("plan", saved["repeated"], "-C", "1e22", "--params", "8B")[1]
    assert "At 1e22 FLOP within the limits: 8B parameters on 208B tokens, loss" in out
    assert "the limits cost" in out
    assert "within the limits" not in nstar("plan", saved["repeated"], "-C", "1e22")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory", "80"], "--memory: expected bytes such as 640GB"),
        (["--bytes-per-param", "16"], "of which memory? give --memory"),
        (["--max-epochs", "4"], "give unique_tokens (--unique-tokens) too"),
        (["--params", "8X"], "--params: expected a positive number"),
        (["--params", "8B", "--memory", "10GB"], "no size is allowed"),
        (["--unique-tokens", "0"], "--unique-tokens: expected a positive number"),
    ],
)
def test_limits_are_refused_before_anything_is_fitted(nstar, words, message):
    for command in (
        ("plan", "llama3", "-C", "1e24"),
        ("risk", "llama3", "-C", "1e24"),
        ("target", "llama3", "--loss", "0.6"),
        ("serve", "llama3", "-C", "1e24", "--tokens", "1T"),
    ):
        code, out, err = nstar(*command, *words)
        assert (code, out) == (2, "")
        assert message in err


def test_limits_on_a_line_of_optima_are_refused_in_words(nstar, saved):
    code, _, err = nstar("plan", saved["optima"], "-C", "1e24", "--params", "8B")
    assert code == 2
    assert "fit a loss surface or isoFLOP profiles" in err
