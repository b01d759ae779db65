"""What runs are worth before they are made, held to closed forms and to brute force."""

import csv
import importlib
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import nstar
from nstar.design import candidates as at
from nstar.design import piloting, policies, preposterior
from nstar.design.candidates import Candidates
from nstar.design.preposterior import Target
from nstar.design.sweep import write_sweep
from nstar.design.updating import Belief, Joint

REPO = Path(__file__).parent.parent


def made_up(rng):
    """Twelve unknowns, nine candidates, four targets, all normal."""
    runs, targets = rng.normal(size=(12, 9)), rng.normal(size=(12, 4))
    return Joint(runs, targets, rng.uniform(0.2, 2.0, 9))


def lone(C, N=None):
    """Candidates of a cost each, every one by itself."""
    C = np.asarray(C, float)
    N = np.full(len(C), 1e9) if N is None else N
    return Candidates(N, C / (6 * N), C, np.arange(len(C)))


# The update


def test_rows_one_by_one_are_the_update_of_all_at_once(rng):
    joint, chosen = made_up(rng), [2, 7, 7, 0]
    belief = Belief.initial(joint)
    for i in chosen:
        added = belief.rows()[i]
        belief = belief.measure(i)
        np.testing.assert_allclose(belief.targets[-1], added)
    K = joint.runs.T @ joint.runs
    K_SS = K[np.ix_(chosen, chosen)] + np.diag(joint.noise[chosen])
    K_tS = joint.targets.T @ joint.runs[:, chosen]
    fall = K_tS @ np.linalg.solve(K_SS, K_tS.T)
    np.testing.assert_allclose(belief.targets.T @ belief.targets, fall)
    whole = np.square(joint.targets).sum(axis=0)
    np.testing.assert_allclose(belief.variance(), whole - np.diag(fall))


def test_a_run_without_noise_is_known_and_adds_nothing_again(rng):
    joint = made_up(rng)
    joint = Joint(joint.runs, joint.targets, np.zeros(9))
    belief = Belief.initial(joint).measure(3)
    assert belief.response_variance()[3] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(belief.rows()[3], 0)
    np.testing.assert_allclose(belief.measure(3).variance(), belief.variance())


def test_what_has_nothing_to_do_with_the_target_explains_nothing(rng):
    """By chance each of 300 runs explains 1/n; shrunk, well under half of that."""
    n = 400
    joint = Joint.of_draws(
        rng.normal(size=(n, 300)), rng.normal(size=(n, 1)), np.full(300, 0.01)
    )
    bare = Joint(joint.runs, joint.targets, joint.noise)
    explained = np.square(Belief.initial(joint).rows()).mean() * n
    assert np.square(Belief.initial(bare).rows()).mean() * n == pytest.approx(
        1, rel=0.3
    )
    assert explained < 0.6
    linked = Joint.of_draws(
        rng.normal(size=(n, 1)) + 0.1 * rng.normal(size=(n, 2)),
        np.ones((n, 1)),
        np.ones(2),
    )
    assert np.all(np.isfinite(Belief.initial(linked).measure(0).rows()))


# Closed forms


@pytest.mark.parametrize("noise", [0.05, 0.5, 3.0])
def test_what_a_run_saves_is_the_closed_form(rng, noise):
    """Quadratic loss about a normal unknown: the variance explained is what is saved."""
    spread, count = 0.5, 4000
    theta = spread * stats.norm.ppf((np.arange(count) + 0.5) / count)
    rng.shuffle(theta)
    sizes = np.linspace(-2, 2, 161)
    target = Target(
        1e25, np.exp(sizes), np.ones(161), np.square(sizes - theta[:, None]), theta, 1.0
    )
    targets = np.column_stack([target.payoff, target.log_N])
    joint = Joint.of_draws(theta[:, None], targets, np.array([noise**2]))
    value = policies.single_values(joint, target, lone([1e20]))[0]
    kept = spread**2 / (spread**2 + noise**2)
    assert value.saved == pytest.approx(spread**2 * kept, rel=0.06)
    assert value.nats == pytest.approx(-0.5 * np.log(1 - kept), rel=0.01)
    assert value.saved <= target.regret


@pytest.fixture(scope="module")
def straight(optima):
    """Conjugate but for a sliver: normal priors of log rho and alpha1, sigma known."""
    priors = {
        "alpha1": "Normal(0.5, 0.1)",
        "tokens_per_parameter": "LogNormal(3.0, 1.0)",
        "sigma": "LogNormal(-2.3, 0.001)",
    }
    few = nstar.Observations(
        {n: optima[n][:5] for n in ("C", "D", "N")}, optima.rows[:5], "first five", ""
    )
    return nstar.fit(few, "allocation", priors=priors, discrepancy="none", seed=2)


def test_the_best_next_optimum_of_a_straight_line_is_found(straight):
    """log D* is a line in log C: the variance at the target after one at x is known."""
    target, sigma = 3.8e25, np.exp(-2.3)
    c = np.log(straight.runs["C"] / straight.law.C0)
    X = np.stack([np.full_like(c, 0.5), -c], axis=1)
    precision = np.diag([1.0, 100.0]) + X.T @ X / sigma**2
    there = at.optimum_candidates(straight, 7e22)
    own = np.log(there.x["C"] / straight.law.C0)
    far = np.array([0.5, -np.log(target / straight.law.C0)])
    had = far @ np.linalg.solve(precision, far)

    def left(which):
        new = np.stack([np.full(len(which), 0.5), -own[which]], axis=1)
        return far @ np.linalg.solve(precision + new.T @ new / sigma**2, far)

    truth = np.array([0.5 * np.log(had / left([i])) for i in range(len(own))])
    chosen = nstar.next_runs(straight, target, 2e23, there, by="nats", most=3)
    assert chosen.log_N == pytest.approx(had, rel=0.1)
    joint = preposterior.joint_covariance(straight, there, chosen.target)
    told = [v.nats for v in policies.single_values(joint, chosen.target, there)]
    np.testing.assert_allclose(told, truth, atol=0.03, rtol=0.05)
    first = policies.greedy(joint, chosen.target, there, 2e23, "nats", 1)[0].members[0]
    per_cost = truth / there.C**policies.POWER
    assert per_cost[first] > 0.9 * np.max(per_cost)
    set_of = np.concatenate([s.members for s in chosen.steps])
    assert chosen.steps[-1].value.nats == pytest.approx(
        0.5 * np.log(had / left(set_of)), rel=0.05
    )


# Policies


def test_the_greedy_batch_keeps_to_the_budget_and_buys_the_dear_run_that_tells_all(rng):
    """Cheap runs, which tell little, would tell more per FLOP."""
    theta = rng.normal(size=4000)
    runs = np.column_stack(
        [theta, *(0.1 * theta + rng.normal(size=4000) for _ in range(5))]
    )
    none = np.empty(0)
    target = Target(1e25, none, none, np.empty((4000, 0)), theta, None)
    joint = Joint.of_draws(runs, theta[:, None], np.full(6, 1e-4))
    there = lone([1e22, *[1e17] * 5])
    steps = policies.greedy(joint, target, there, 1e22, "nats")
    assert 0 in np.concatenate([s.members for s in steps])
    assert sum(s.cost for s in steps) <= 1e22
    cheap = policies.greedy(joint, target, there, 9e21, "nats")
    assert 0 not in np.concatenate([s.members for s in cheap])
    nats = [s.value.nats for s in steps]
    assert nats == sorted(nats)


def test_a_budget_is_filled_by_value_per_power_of_cost():
    """Independent runs: the order is known, what is too dear is passed over."""
    gain, cost = (
        np.array([1.0, 0.9, 0.6, 0.3, 0.0]),
        np.array([1e3, 1.0, 4.0, 1.0, 1.0]),
    )
    joint = Joint(np.eye(5), np.diag(np.sqrt(2 * gain)), np.ones(5))

    def explained(belief, units):
        rows = belief.rows()[np.concatenate(units)]
        return np.square(belief.targets).sum() + np.square(rows).sum(axis=1)

    def order(budget, most=9):
        units = [np.array([i]) for i in range(5)]
        belief = Belief.initial(joint)
        picks = policies.fill(belief, units, cost, budget, explained, most)
        return [p.unit for p in picks]

    ranked = np.argsort(-gain / cost**0.4)[:4].tolist()
    assert ranked == [1, 2, 3, 0]
    assert order(1006) == ranked  # the last says nothing and is left
    assert order(1005) == [1, 2, 3]
    assert order(4) == [1, 3]
    assert order(1006, most=2) == [1, 2]


def test_runs_are_made_until_the_next_costs_more_than_it_is_worth():
    target = Target(1e25, np.ones(1), np.ones(1), np.zeros((2, 1)), np.zeros(2), 1.0)
    values = [(1e22, 0.01), (1e22, 0.012), (5e22, 0.0125), (1e21, 0.0126)]
    steps = [
        policies.Step(np.array([0]), c, preposterior.Value(s, 0, 0)) for c, s in values
    ]
    assert policies.stopping_step(steps, target) == 2
    assert policies.stopping_step([], target) == 0


def test_sequential_runs_obey_the_budget_and_learn(rng):
    truth, asked = rng.normal(size=20), []

    def believe(made, seen):
        np.testing.assert_array_equal(seen, truth[made])
        return made

    def choose(belief, left, room):
        assert not set(belief) & set(left)
        asked.append(room)
        return left[:3]

    rounds = policies.sequential(
        believe, choose, lambda i: truth[i], np.arange(1.0, 21), 30.0, [4]
    )
    made = np.concatenate([r.candidates for r in rounds])
    assert len(set(made)) == len(made)
    assert rounds[-1].spent == np.sum(made + 1.0) <= 30
    assert asked[0] == 25


# From a fit


@pytest.fixture(scope="module")
def chosen(surface_fit):
    return nstar.next_runs(surface_fit, 3.8e25, 1e23, most=4)


def test_diversity_in_tokens_per_parameter_comes_out_by_itself(chosen):
    ratio = np.concatenate(
        [
            chosen.candidates.D[s.members] / chosen.candidates.N[s.members]
            for s in chosen.steps
        ]
    )
    assert ratio.max() / ratio.min() > 30
    assert len(ratio) == 4


def test_the_first_run_is_of_most_value_per_power_of_cost(chosen):
    there, target = chosen.candidates, chosen.target
    joint = preposterior.joint_covariance(chosen.fit, there, target)
    values = policies.single_values(joint, target, there)
    per_cost = [v.saved / c**0.4 for v, c in zip(values, there.C, strict=True)]
    assert chosen.steps[0].members == [np.argmax(per_cost)]


def test_a_batch_saves_no_more_than_there_is(chosen):
    rows = chosen.table()
    assert all(0 <= r["regret_left"] <= chosen.target.regret for r in rows)
    left = [r["sd_left"] for r in rows]
    assert left == sorted(left, reverse=True)
    assert rows[-1]["spent"] <= 1e23 == chosen.pilot
    assert chosen.target.regret == pytest.approx(
        nstar.weigh(chosen.fit, 3.8e25).perfect_information, rel=0.15
    )


def test_candidates_are_those_that_can_be_bought(surface_fit, tmp_path):
    there = at.grid_candidates(surface_fit, 1e22, [1e9, 2e9], [1e10, 1e12, 1e14])
    assert there.C.max() <= 1e22
    assert set(zip(there.N, there.D, strict=True)) == {
        (1e9, 1e10),
        (2e9, 1e10),
        (1e9, 1e12),
    }
    whole = at.profile_candidates(surface_fit, 1e22)
    assert all(whole.C[u].sum() <= 1.001e22 and len(u) >= 3 for u in whole.units)
    assert all(np.ptp(np.log(whole.C[u])) < 1e-9 for u in whole.units)
    with pytest.raises(ValueError, match="buys none of the runs"):
        at.grid_candidates(surface_fit, 1e12, [1e9])
    file = tmp_path / "there.csv"
    file.write_text("params,tokens,profile\n1e9,2e10,a\n2e9,1e10,a\n4e9,8e10,b\n")
    read = at.read_candidates(file, surface_fit.runs.cost)
    assert [len(u) for u in read.units] == [2, 1]
    assert read.C.tolist() == pytest.approx([1.2e20, 1.2e20, 1.92e21])
    assert len(read.affordable(1e21)) == 2
    with pytest.raises(ValueError, match="no candidate can be bought"):
        read.affordable(1e19)


def test_whole_profiles_are_chosen_whole(surface_fit):
    there = at.profile_candidates(surface_fit, 1e22)
    made = nstar.next_runs(surface_fit, 3.8e25, 1e22, there, most=2, parallel=2)
    assert all(len(s.members) >= 3 for s in made.steps)
    assert {r["round"] for r in made.table()} == {1}


def test_the_command_writes_a_sweep_that_reads_back(nstar, surface_fit, tmp_path):
    import nstar as library

    fit = surface_fit.save(tmp_path / "fit.nc")
    sweep, figure = tmp_path / "sweep.csv", tmp_path / "next.svg"
    ask = (
        "next",
        fit,
        "--target",
        "3.8e25",
        "--pilot-budget",
        "1e22",
        "--most",
        "3",
        "--parallel",
        "2",
    )
    code, out, _ = nstar(
        *ask,
        "--sweep",
        sweep,
        "--figure",
        figure,
        "--hardware",
        "h100",
        "--price",
        "2.5",
    )
    assert code == 0
    assert "expected regret" in out
    assert "run,round,N,D,C" in out
    assert "<svg" in figure.read_text()
    rows = list(csv.DictReader(sweep.read_text().splitlines()))
    assert [r["round"] for r in rows] == ["1", "1", "2"]
    there = at.read_candidates(sweep, library.read_runs("llama3").cost)
    assert there.C.sum() <= 1e22
    write_sweep(tmp_path / "sweep.toml", rows)
    runs = tomllib.loads((tmp_path / "sweep.toml").read_text())["run"]
    assert [r["N"] for r in runs] == [int(r["N"]) for r in rows]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "luck"], "--by luck: expected one of regret, variance, entropy"),
        (["--pilot-budget", "0"], "--pilot-budget 0: expected a positive number"),
        (
            ["--candidates", "a.csv", "--sizes", "1B"],
            "--candidates names the runs themselves",
        ),
        (["--profile", "--tokens", "1B"], "a profile's tokens follow"),
        (["--sizes", "x"], "--sizes"),
        (
            ["--sweep", "a.yaml"],
            "--sweep a.yaml: expected a name that ends in .csv or .toml",
        ),
    ],
)
def test_what_the_command_refuses(nstar, words, said):
    code, out, told = nstar(
        "next", "llama3", "--target", "3.8e25", "--pilot-budget", "1e22", *words
    )
    assert (code, out) == (2, "")
    assert said in told
    assert told.count("\n") == 1


# Beside nested Monte Carlo


@pytest.fixture(scope="module")
def nested():
    sys.path.insert(0, str(REPO / "benchmarks"))
    try:
        yield importlib.import_module("nested")
    finally:
        sys.path.remove(str(REPO / "benchmarks"))


def test_runs_rank_as_nested_monte_carlo_ranks_them(surface_fit, nested):
    there = at.grid_candidates(surface_fit, 1e23, list(np.geomspace(2e8, 4e10, 4)))
    target = preposterior.decision_target(surface_fit, 3.8e25)
    joint = preposterior.joint_covariance(surface_fit, there, target)
    linear = policies.single_values(joint, target, there)
    exact = nested.all_reweighted(surface_fit, there, target)
    for what in preposterior.Value._fields:
        told, true = ([getattr(v, what) for v in values] for values in (linear, exact))
        assert stats.spearmanr(told, true)[0] > 0.9, what


def test_one_more_run_for_the_report(surface_fit):
    found = piloting.single_runs(surface_fit, 3.8e25)
    losses = nstar.weigh(surface_fit, 3.8e25)
    for run in found:
        assert 0 <= run.saved <= losses.perfect_information * 1.1
        assert run.C <= 0.3 * 3.8e25
        assert pytest.approx(6 * run.N * run.D) == run.C
        assert run.expected["lower"] < run.expected["upper"]
    gains = [run.saved / run.C for run in found]
    assert gains == sorted(gains, reverse=True)
    assert piloting.single_runs(surface_fit, 1e22) == []
