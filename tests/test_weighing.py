"""Choices under every draw: against closed forms of the additive law and brute search."""

from types import SimpleNamespace

import numpy as np
import numpyro.distributions as dist
import pytest

import nstar
from nstar.amounts import parse_amount
from nstar.fits.mixture import Average
from nstar.plans import risk
from nstar.plans.actions import (
    Action,
    Limits,
    parse_action,
    parse_actions,
)
from nstar.plans.bills import Bill
from nstar.plans.choosing import choose
from nstar.plans.weighing import weigh
from nstar.predictions.prediction import law_loss, loss_of_draws
from nstar.published import hardware
from nstar.verdicts import Check, Status

C = 3.8e25
CANDIDATES = parse_actions(["8B,70B", "405B@15.6T", "llama3-405b"])


@pytest.fixture(scope="module")
def weighed(surface_fit):
    return weigh(surface_fit, C, CANDIDATES, target=0.6)


@pytest.fixture(scope="module")
def closed(surface_fit):
    """L* = E + F C^-g of every draw, by Hoffmann's eq. 4."""
    p = surface_fit.tree["posterior"].dataset.stack(sample=("chain", "draw"))
    E, A, B, a, b = (p[n].to_numpy() for n in ("E", "A", "B", "alpha", "beta"))
    G = (a * A / (b * B)) ** (1 / (a + b))
    N = G * (C / 6) ** (b / (a + b))
    F = (A * G**-a + B * G**b) * 6 ** (a * b / (a + b))
    return SimpleNamespace(E=E, F=F, g=a * b / (a + b), N=N)


def test_regret_is_against_the_closed_form_of_the_best(weighed, closed):
    best = closed.E + closed.F * C**-closed.g
    losses = weighed.draws["loss"].to_numpy()
    assert weighed.draws["least"].to_numpy() == pytest.approx(best, rel=1e-9)
    assert weighed.draws["regret"].to_numpy() == pytest.approx(
        losses - best[:, None], abs=1e-9
    )
    assert (weighed.draws["regret"] >= 0).all()
    assert (losses >= best[:, None] - 1e-12).all()


def test_wasted_compute_is_what_the_closed_form_could_do_without(weighed, closed):
    """C - C' where E + F C'^-g is the action's loss."""
    for name in ("recommended", "twice the size", "70B"):
        at = weighed.draws.sel(action=name)
        need = ((at["loss"].to_numpy() - closed.E) / closed.F) ** (-1 / closed.g)
        share = (1 - need / float(at["C"]))[need > 1e-4 * C]
        found = (at["wasted"].to_numpy() / float(at["C"]))[need > 1e-4 * C]
        assert found == pytest.approx(share, abs=3e-3)


def test_the_recommended_size_has_the_least_expected_loss(weighed, surface_fit):
    N = np.geomspace(1e11, 1.5e12, 1500)
    mean = law_loss(surface_fit, N, C / 6 / N).mean(axis=0)
    run = weighed.draws.sel(action="recommended")
    assert float(run["loss"].mean()) <= mean.min() + 1e-9
    assert float(run["N"]) == pytest.approx(N[mean.argmin()], rel=0.01)
    assert float(run["N"] * run["D"]) == pytest.approx(C / 6)


def test_information_is_worth_the_regret_of_the_best_action(weighed):
    losses = weighed.draws["loss"].to_numpy()
    least = weighed.draws["least"].to_numpy()
    assert weighed.perfect_information == pytest.approx(
        risk.perfect_information(losses, least)
    )


def test_rivals_share_the_probability_of_being_best(weighed):
    found = weighed.best_probability
    assert list(found) == ["recommended", "8B", "70B", "405B@15.6T", "Llama 3.1 405B"]
    assert sum(found.values()) == pytest.approx(1.0)
    by_name = {r["name"]: r["best_probability"] for r in weighed.table()}
    assert by_name["half the size"] is None
    assert by_name["8B"] == found["8B"]


def test_being_wrong_by_two_costs_about_as_much_either_way(weighed):
    """The isoFLOP curve is flat: far less than being wrong by ten."""
    regret = {r["name"]: r["expected_regret"] for r in weighed.table()}
    assert regret["recommended"] < regret["half the size"] < 0.1 * regret["8B"]
    assert 0.5 < regret["half the size"] / regret["twice the size"] < 2


def test_a_table_says_what_was_asked_and_no_more(weighed, surface_fit):
    (first, *_) = weighed.table()
    assert first["miss_probability"] is not None
    assert first["cost"] is first["hours"] is None
    assert first["value_at_risk"] <= first["expected_shortfall"]
    bill = Bill(hardware.get("h100"), price=dist.Uniform(2, 3))
    priced = weigh(surface_fit, C, bill=bill).table()[0]
    assert priced["miss_probability"] is None
    assert priced["cost"]["lower"] == pytest.approx(
        2 * priced["hours"]["median"], rel=0.1
    )
    assert (
        priced["wasted_cost"]["upper"]
        < priced["cost"]["upper"]
        < priced["cost_shortfall"] * 1.05
    )
    assert priced["wasted_cost"]["median"] == pytest.approx(
        priced["wasted_share"]["median"] * priced["cost"]["median"], rel=0.1
    )


@pytest.mark.parametrize("name", ["isoflop_fit", "bent_fit"])
def test_laws_that_bend_are_weighed_too(name, request):
    fit = request.getfixturevalue(name)
    found = weigh(fit, C, CANDIDATES)
    assert (found.draws["regret"] >= 0).all()
    assert (found.draws["wasted"] >= 0).all()
    assert (found.draws["wasted"] <= found.draws["C"]).all()
    plan = nstar.plan(fit, C)
    assert float(plan.draws["N_recommended"][0]) == pytest.approx(found.actions[0].N)
    oracle = loss_of_draws(fit, plan.draws["N"], plan.draws["D"])[:, 0]
    assert (found.draws["least"].to_numpy() <= oracle + 1e-12).all()
    assert "recommended" in found._repr_html_()


def test_a_hostile_name_is_text_in_a_notebook(surface_fit):
    shown = weigh(surface_fit, C, [Action("<script>x</script>", 8e9)])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_an_average_is_weighed_draw_by_draw_of_its_laws(surface_fit, bent_fit):
    how = Check("weights", Status.PASS, "as told")
    both = Average((surface_fit, bent_fit), ("chinchilla", "coupled"), (0.5, 0.5), how)
    found = weigh(both, C, CANDIDATES).draws
    apart = [weigh(part, C, CANDIDATES).draws for part in both.parts]
    for draws, law in zip(apart, both.names, strict=True):
        mine = found.sel(action="70B").isel(draw=found["law"].to_numpy() == law)
        assert mine["loss"].to_numpy() == pytest.approx(draws["loss"].sel(action="70B"))


def test_limits_are_kept(surface_fit):
    cost = surface_fit.runs.cost
    rounded = choose(surface_fit, np.array([C]), cost, Limits(multiple_of=3e10))
    assert rounded.N[0] % 3e10 == pytest.approx(0.0)
    assert cost.flop(rounded.N, rounded.D) == pytest.approx(C)
    scarce = choose(surface_fit, np.array([C]), cost, Limits(max_tokens=5e12))
    assert scarce.D[0] <= 5e12
    assert cost.flop(scarce.N, scarce.D)[0] <= C * (1 + 1e-9)
    small = choose(surface_fit, np.array([C]), cost, Limits(max_params=1e11))
    assert small.N[0] == 1e11
    free = choose(surface_fit, np.array([C]), cost)
    for limited in (rounded, scarce, small):
        assert limited.loss.mean() >= free.loss.mean() - 1e-12


def test_knowing_the_law_would_not_lift_a_limit(surface_fit):
    """Scarce tokens: regret is against the best run that has no more of them."""
    limits = Limits(max_tokens=2e12)
    found = weigh(surface_fit, C, limits=limits).draws
    assert float(found["D"].max()) <= 2e12
    N = np.geomspace(1e11, 2e13, 3000)
    D = np.minimum(C / 6 / N, 2e12)
    table = law_loss(surface_fit, N, D)
    assert float(found["loss"].sel(action="recommended").mean()) == pytest.approx(
        table.mean(axis=0).min(), rel=1e-4
    )
    regret = table.mean(axis=0).min() - table.min(axis=1).mean()
    assert float(found["regret"].sel(action="recommended").mean()) == pytest.approx(
        regret, abs=2e-5
    )


def test_a_law_without_a_loss_is_refused(allocation_fit):
    with pytest.raises(ValueError, match="has no loss to weigh"):
        weigh(allocation_fit, C)


def test_a_candidate_may_not_take_the_name_of_another(surface_fit):
    with pytest.raises(ValueError, match="give it a name of its own"):
        weigh(surface_fit, C, [Action("recommended", 1e9)])


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("8B", Action("8B", 8e9)),
        ("405B@15.6T", Action("405B@15.6T", 4.05e11, 1.56e13)),
        ("ours = 1.2e11 @ 3T", Action("ours", 1.2e11, 3e12)),
        ("llama3-70b", Action("Llama 3.1 70B", 7.0554e10, 1.56e13)),
    ],
)
def test_candidates_are_read_as_people_write_them(text, action):
    assert parse_action(text) == action


@pytest.mark.parametrize("text", ["8X", "B", "-3B", "8B@", "8B@x", "sdxl", "", "nan"])
def test_what_is_no_candidate_is_refused(text):
    with pytest.raises(ValueError, match="candidate"):
        parse_action(text)


def test_two_candidates_of_one_name_are_refused():
    with pytest.raises(ValueError, match="'8B' is given twice"):
        parse_actions(["8B", "8B"])


def test_amounts_are_read():
    assert [parse_amount(t) for t in ("1e24", "3.8e25", "7k", "1.5M", "2G")] == [
        1e24,
        3.8e25,
        7e3,
        1.5e6,
        2e9,
    ]


@pytest.mark.parametrize(
    "limits",
    [
        {"multiple_of": -1.0},
        {"max_tokens": 0.0},
        {"multiple_of": 2e9, "max_params": 1e9},
    ],
)
def test_limits_no_run_meets_are_refused(limits):
    with pytest.raises(ValueError, match=r"limits|no size"):
        Limits(**limits)
