"""Recipes compared: the model is what it says, multipliers are right, bad input is refused."""

import json
import shlex
from dataclasses import replace

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import nstar
from conftest import FALSE_ALARM, REPO
from nstar.cli.options import Request
from nstar.cli.recipes import remark_on_time
from nstar.cli.reporting import compare_for_report
from nstar.cli.source import read
from nstar.laws.coupled import Coupled
from nstar.ledger.choosing import forecast_choice
from nstar.ledger.entries import Ledger
from nstar.multipliers import arms, joint, sampling, simulating, surface
from nstar.multipliers.covariances import factorise
from nstar.multipliers.curves import follow
from nstar.multipliers.joint import Prior, Priors, place
from nstar.multipliers.ladders import gather
from nstar.multipliers.reading import ACCEPTED, find_ladders, read_tables
from nstar.report.recipes_figure import figure as draw
from nstar.verdicts import Status

NOTHING = Prior(1e-6, 0.1)
STRAIGHT = Priors(bend_common=NOTHING, bend_recipe=NOTHING)
POWER = replace(  # a pure power: one floor, one exponent
    STRAIGHT, floor=NOTHING, size_share=NOTHING, alpha1=NOTHING, slope=NOTHING
)
TOKENS = 20.0  # per parameter


def design(recipes=2, runs=8, C=(1e18, 1e21), shift=0.0):
    """Columns of ladders along a ray; `shift` keeps recipes' sizes apart, in log C."""
    parts = [np.geomspace(*C, runs) * np.exp(shift * g) for g in range(recipes)]
    C, recipe = np.concatenate(parts), np.repeat(np.arange(recipes), runs)
    N = np.sqrt(C / 6 / TOKENS)
    return recipe, N, TOKENS * N, C


def ladders_of(recipe, N, D, C, L, seed=None):
    names = tuple(f"r{g}" for g in range(recipe.max() + 1))
    return gather(names, recipe, N, D, C, L, seed)


def power_law(C, E=1.7, R=1.0, gamma=0.15):
    return E + R * (C / 1e19) ** -gamma


def frame(recipe, N, D, C, L, names=("adamw", "muon", "lion"), **more):
    columns = {"recipe": np.array(names)[recipe], "N": N, "D": D, "C": C, "L": L}
    return columns | more


def two(log_m=0.25, noise=0.002, seed=1, **kinds):
    """A table of two recipes, the second better by a constant multiplier."""
    recipe, N, D, C = design(**kinds)
    L = power_law(C * np.exp(log_m * recipe))
    L = L * np.exp(noise * np.random.default_rng(seed).normal(size=len(L)))
    return frame(recipe, N, D, C, L)


@pytest.fixture(scope="module")
def compared():
    return nstar.recipes(two(), baseline="adamw", budget=[1e21, 8e21])


# The model


def random_surface(seed=0):
    random = np.random.default_rng(seed)
    shape = joint.SHAPE_CENTRE + 0.5 * random.normal(size=(3, 5))
    offsets = 0.1 * random.normal(size=(3, 2, 5))
    return shape, offsets, *random.normal(size=(2, 2, 7))


def test_the_surface_is_the_coupled_law():
    shape, offsets, n, d = random_surface()
    log_loss = surface.of_runs(shape, offsets, n, d).log_loss
    law = Coupled(N0=1.0, D0=1.0)
    for i in range(len(shape)):
        for g in range(2):
            w, a = (surface.expit(shape[i, j] + offsets[i, g, j + 1]) for j in (1, 2))
            s, k = surface.expit(shape[i, 0]), np.exp(shape[i, 4])
            total = np.exp(shape[i, 3] + offsets[i, g, 4])
            total /= 2 * (w * (1 - a) + (1 - w) * a)
            floor = s * np.exp(offsets[i, g, 0])
            level = floor + (1 - s) * np.exp(offsets[i, g, 1])
            params = {
                "level": level,
                "floor_share": floor / level,
                "size_share": w,
                "alpha1": a,
                "exponent_sum": total,
                "coupling": k,
            }
            expected = law.loss(params, np.exp(n[g]), np.exp(d[g]))
            np.testing.assert_allclose(np.exp(log_loss[i, g]), expected, rtol=1e-5)


def test_the_derivatives_are_those_of_the_surface():
    shape, offsets, n, d = random_surface()
    slopes = surface.of_runs(shape, offsets, n, d).slopes
    for j in range(offsets.shape[-1]):
        step = 1e-6 * (np.arange(offsets.shape[-1]) == j)
        up, down = (
            surface.of_runs(shape, offsets + sign * step, n, d).log_loss
            for sign in (1, -1)
        )
        np.testing.assert_allclose((up - down) / 2e-6, slopes[..., j], atol=1e-8)


def test_no_other_split_of_a_budget_is_better_than_the_optimum():
    shape, offsets, *_ = random_surface()
    product = np.tile([-1.0, 2.0], (2, 1))
    n, d = surface.optimum(shape, offsets, product)
    least = surface.of_runs(shape, offsets, n, d).log_loss
    for step in (-0.1, 0.1):
        assert (
            surface.of_runs(shape, offsets, n + step, d - step).log_loss > least
        ).all()


def test_a_covariance_solves_and_draws_as_a_dense_one():
    random = np.random.default_rng(0)
    blocks = random.normal(size=(2, 3, 4, 4))
    blocks = blocks @ np.swapaxes(blocks, -1, -2) + np.eye(4)
    common, r = random.normal(size=(2, 3, 4, 2)), random.normal(size=(2, 3, 4))
    both = factorise(blocks, common)
    for i in range(2):
        U = common[i].reshape(12, 2)
        dense = U @ U.T
        for g in range(3):
            at = slice(4 * g, 4 * g + 4)
            dense[at, at] += blocks[i, g]
        x = np.linalg.solve(dense, r[i].ravel())
        np.testing.assert_allclose(both.solve(r)[i].ravel(), x)
        np.testing.assert_allclose(both.square(r)[i], r[i].ravel() @ x)
        np.testing.assert_allclose(
            2 * both.half_log_det[i], np.linalg.slogdet(dense)[1]
        )


def test_weights_say_that_the_proposal_is_near_the_posterior():
    """Nested Laplace and the exact density agree on nearly every draw."""
    recipe, N, D, C = design(3, 8)
    model = place(ladders_of(recipe, N, D, C, power_law(C)), Priors())
    truth = simulating.simulate(model, np.array([1e21]), np.random.default_rng(1))
    model = place(truth.ladders, Priors())
    draws = sampling.sample(model)
    assert draws.certificate.passed, draws.certificate
    point = draws.proposal._replace(width=1e-9 * np.eye(len(draws.proposal.at)))
    z, drawn, _ = sampling.draw_lot(model, point, 300, np.random.default_rng(0))
    laplace = sampling.centre_at(model, z[:1], point.start, 5).log_marginal
    assert np.std(drawn.log_marginal) < 0.7
    assert abs(np.mean(drawn.log_marginal) - laplace[0]) < 0.5
    # and the offsets that were drawn vary as the normal given the losses does
    centre, at = sampling._centre(model, z[:1], point.start, 5)
    scales = joint.unpack(sampling._unpack(model, z[:1])[0])
    for j in range(len(surface.OFFSETS)):
        prior = np.square(scales.spreads[0, 0, j])
        with_losses = np.zeros(at.residual.shape)
        with_losses[:, 0] = prior * at.slopes[:, 0, :, j]
        variance = prior - at.covariance.square(with_losses)[0]
        square = np.square(drawn.offsets[:, 0, j] - centre.offsets[0, 0, j]).sum()
        assert stats.chi2.sf(square / variance, 300) > FALSE_ALARM
        assert stats.chi2.cdf(square / variance, 300) > FALSE_ALARM


def test_runs_of_one_size_and_seed_are_pairs():
    recipe, N, D, C = design(2, 5)
    L = power_law(C)
    assert ladders_of(recipe, N, D, C, L).member.shape[-1] == 5
    apart = design(2, 5, shift=0.3)
    assert ladders_of(*apart, power_law(apart[3])).member.shape[-1] == 0
    other_seeds = np.arange(10)
    assert ladders_of(recipe, N, D, C, L, other_seeds).member.shape[-1] == 0
    same_seeds = np.tile(np.arange(5), 2)
    assert ladders_of(recipe, N, D, C, L, same_seeds).member.shape[-1] == 5


def test_repeats_are_one_cell_that_remembers_their_scatter():
    recipe, N, D, C = (np.repeat(values, 3) for values in design(2, 5))
    noise = 0.01 * np.random.default_rng(0).normal(size=len(C))
    repeated = ladders_of(recipe, N, D, C, power_law(C) * np.exp(noise))
    assert repeated.cell.shape == (2, 5)
    assert (repeated.count == 3).all()
    spread = np.sqrt(repeated.squares.sum() / 20)
    np.testing.assert_allclose(
        spread, np.sqrt(np.mean(noise.reshape(-1, 3).var(1, ddof=1)))
    )


# What is right


def test_of_a_pure_power_the_multiplier_is_the_closed_form():
    """L = E + R (m C)^-gamma: log m is the log ratio of the reducible losses over gamma."""
    recipe, N, D, C = design(2, 10)
    noise = 5e-4 * np.random.default_rng(0).normal(size=len(C))
    L = power_law(C * np.exp(0.4 * recipe)) * np.exp(noise)
    model = place(ladders_of(recipe, N, D, C, L), POWER)
    draws = sampling.sample(model)
    assert draws.certificate.passed
    curves = follow(model, draws, np.array([1e21]), np.random.default_rng(0))
    log_m = curves.log_compute(0, curves.at(1e21)[:, 1]) - np.log(1e21)
    shape = draws.shape
    a, total = surface.expit(shape[:, 2]), np.exp(shape[:, 3])
    w = surface.expit(shape[:, 1])
    total = total / (2 * (w * (1 - a) + (1 - w) * a))
    gamma = a * (1 - a) * total
    closed = (draws.offsets[:, 0, 1] - draws.offsets[:, 1, 1]) / gamma
    np.testing.assert_allclose(log_m, closed, atol=2e-3)
    at_runs = follow(
        model,
        draws,
        np.array([1e20]),
        np.random.default_rng(0),
        np.tile([np.log(20.0), 0.0], (2, 1)),
    )
    log_m = at_runs.log_compute(0, at_runs.at(1e20)[:, 1]) - np.log(1e20)
    np.testing.assert_allclose(np.median(log_m), 0.4, atol=0.02)


def ranks(priors, count, recipes=2, runs=8):
    """Ranks of log m and of the losses' difference, chances that r1 is better, and outcomes."""
    recipe, N, D, C = design(recipes, runs, shift=0.1)
    ratio = np.tile([np.log(TOKENS), 0.0], (recipes, 1))
    budgets, results = np.array([1e20, 1e23]), []
    for seed in range(count):
        random = np.random.default_rng(seed)
        blank = place(ladders_of(recipe, N, D, C, power_law(C)), priors)
        truth = simulating.simulate(blank, budgets, random, ratio)
        model = place(truth.ladders, priors)
        draws = sampling.sample(model, seed)
        curves = follow(model, draws, budgets, random, ratio)
        for budget in budgets:
            true_loss, loss = truth.curves.at(budget)[0], curves.at(budget)
            off = loss[:, 1] - loss[:, 0] - (true_loss[1] - true_loss[0])
            log_m = curves.log_compute(0, loss[:, 1])
            true_m = truth.curves.log_compute(0, truth.curves.at(budget)[:, 1])[0]
            below = np.mean(log_m < true_m) + 0.5 * np.mean(log_m == true_m)
            better, before = loss[:, 1] < loss[:, 0], curves.at(1e20)
            crossed = better != (before[:, 1] < before[:, 0])
            was = truth.curves.at(1e20)[0]
            results.append(
                [
                    below,
                    np.mean(off < 0),
                    better.mean(),
                    true_loss[1] < true_loss[0],
                    crossed.mean(),
                    (true_loss[1] < true_loss[0]) != (was[1] < was[0]),
                ]
            )
    return np.array(results, float).reshape(count, len(budgets), 6)


def assert_calibrated(results):
    """Ranks as wide as they should be, and chances that come true as often as they say."""
    z = stats.norm.ppf(np.clip(results[..., :2], 5e-4, 1 - 5e-4))
    for square in np.sum(z**2, axis=0).ravel():
        assert stats.chi2.sf(square, len(results)) > FALSE_ALARM
        assert stats.chi2.cdf(square, len(results)) > FALSE_ALARM
    for chance, came in (
        (results[..., 2], results[..., 3]),
        (results[..., 4], results[..., 5]),
    ):
        off = np.sum(came - chance, axis=0)
        sd = np.sqrt(np.sum(chance * (1 - chance), axis=0))
        assert (
            np.abs(off) < stats.norm.isf(FALSE_ALARM / 2) * np.maximum(sd, 0.3)
        ).all()


def test_simulated_recipes_are_covered_as_often_as_they_should():
    assert_calibrated(ranks(Priors(), 12))


@pytest.mark.slow
@pytest.mark.parametrize("priors", [Priors(), replace(Priors(), floor=NOTHING)])
def test_simulated_recipes_are_covered_as_often_as_they_should_by_many(priors):
    """A true sd 1.5 times the posterior's is seen in 64 with probability 0.78."""
    assert_calibrated(ranks(priors, 64))


def test_too_narrow_intervals_would_be_seen():
    random = np.random.default_rng(0)
    z = 1.5 * random.normal(size=(400, 2, 2))
    results = np.concatenate([stats.norm.cdf(z), np.zeros((400, 2, 4))], axis=-1)
    with pytest.raises(AssertionError):
        assert_calibrated(results)


def test_pairs_cancel_what_they_share():
    """Eight pairs whose shared noise is five times their own: nearly as if it were not there."""
    recipe, N, D, C = design(2, 8)
    random = np.random.default_rng(3)
    alone, shared = 0.001 * random.normal(size=16), 0.005 * random.normal(size=8)
    widths = []
    for noise in (alone, alone + np.tile(shared, 2)):
        L = power_law(C * np.exp(0.2 * recipe)) * np.exp(noise)
        model = place(ladders_of(recipe, N, D, C, L), Priors())
        draws = sampling.sample(model)
        line = np.tile([np.log(TOKENS), 0.0], (2, 1))
        curves = follow(model, draws, np.array([1e21]), np.random.default_rng(0), line)
        log_m = curves.log_compute(0, curves.at(1e21)[:, 1]) - np.log(1e21)
        widths.append(np.ptp(np.quantile(log_m, [0.05, 0.95])))
    assert widths[1] < 1.3 * widths[0]


def test_a_comparison_finds_the_multiplier(compared):
    low, high = compared.multiplier("muon")[1:]
    assert low < np.exp(0.25) < high
    assert compared.chance_better("muon") > 0.95
    assert compared.best() == "muon"
    assert compared.multiplier("adamw") == (1.0, 1.0, 1.0)
    assert compared.chance_better("adamw", than="muon") == pytest.approx(
        1 - compared.chance_better("muon")
    )
    assert sum(compared.chances_best(8e21).values()) == pytest.approx(1)
    far, near = (
        np.ptp(np.log(compared.multiplier("muon", C)[1:])) for C in (8e21, 1e21)
    )
    assert far > near


def test_the_other_baseline_turns_the_multiplier_round():
    turned = nstar.recipes(two(), baseline="muon", budget=1e20)
    straight = nstar.recipes(two(), baseline="adamw", budget=1e20)
    product = turned.multiplier("adamw").median * straight.multiplier("muon").median
    assert product == pytest.approx(1, abs=0.02)


def test_a_document_says_everything_once(compared):
    document = compared.as_json()
    json.dumps(document, allow_nan=False)
    (first, second) = document["budgets"]
    assert first["choice"] == "muon"
    record = first["recipes"][1]
    assert record["recipe"] == "muon"
    assert record["wall_clock"] is None
    assert second["recipes"][1]["decades_beyond_runs"] == pytest.approx(
        np.log10(8), abs=0.01
    )
    assert [floor["floor"] for floor in document["floors"]] == [
        "common",
        "apart",
        "low",
        "high",
    ]
    assert document["pocket"]["muon"] == pytest.approx(np.exp(0.25), rel=0.15)
    assert "better with probability" in compared.headline()
    frame = compared.to_pandas()
    assert list(frame["recipe"]) == ["adamw", "muon"] * 2
    assert list(frame["chance_better"][:2]) == [0.0, record["chance_better"]]
    assert len(list(compared.tables())) >= 5
    assert draw(document, "svg").count(b"<path") > 10


def test_a_loss_below_the_floor_of_the_other_is_unbounded():
    """Floors .08 apart: the baseline never reaches what the other does at large budgets."""
    recipe, N, D, C = design(2, 10, C=(1e18, 1e23))
    L = power_law(C) - 0.2 * recipe
    far_apart = replace(STRAIGHT, floor=Prior(0.1, 0.3))
    answer = nstar.recipes(
        frame(recipe, N, D, C, L), budget=[1e19, 1e26], priors=far_apart
    )
    unbounded = [
        np.mean(answer.log_multiplier("muon", C) == np.inf) for C in (1e19, 1e26)
    ]
    assert unbounded[0] < 0.05
    assert unbounded[1] > 0.5
    assert answer.multiplier("muon", 1e26).median == np.inf
    assert answer.chance_better("muon", 1e26) > 0.99
    record = answer.records()[-1]
    assert record["multiplier"]["median"] is None
    assert record["unbounded"] == unbounded[1]


def test_speed_stands_beside_and_is_never_mixed_in():
    speed = {"muon": 0.5, "adamw": dist.Uniform(0.4, 0.6)}
    timed = nstar.recipes(two(), budget=1e20, speed=speed)
    baseline, record = timed.as_json()["budgets"][0]["recipes"]
    plain = nstar.recipes(two(), budget=1e20).multiplier("muon")
    assert record["multiplier"]["median"] == plain.median
    in_time = record["wall_clock"]["multiplier"]["median"]
    assert in_time == pytest.approx(0.5 * plain.median)
    assert baseline["multiplier"] == {"median": 1.0, "lower": 1.0, "upper": 1.0}
    wide = baseline["wall_clock"]["multiplier"]
    assert 0.4 < wide["lower"] < 0.42 < 0.58 < wide["upper"] < 0.6


def test_a_run_settles_what_is_open_and_not_what_is_decided(compared):
    """Two recipes all but alike, and two that differ: what one more run is worth."""
    open_one = nstar.recipes(two(log_m=0.0, noise=0.01, runs=5, seed=4), budget=1e24)
    runs, gain = open_one.settle(), open_one.log_multiplier("muon")
    known = np.mean(np.maximum(gain, 0)) - max(np.mean(gain), 0)
    assert 0.05 < max(run.saves for run in runs) < known
    assert runs[0].worth
    assert len(runs[0].recipes) == 2  # a pair says more of a difference
    assert max(run.saves for run in compared.settle()) < 0.002
    assert not any(run.worth for run in compared.settle())
    assert "would not change the choice" in compared.headline()


# Checks


def checks_of(columns, **kinds):
    answer = nstar.recipes(columns, budget=kinds.pop("budget", 1e21), **kinds)
    return {c.name: c for c in answer.checks() if c.status is not Status.PASS}


def test_good_runs_have_nothing_to_review(compared):
    assert {c.name for c in compared.checks() if c.status is not Status.PASS} == set()


def test_a_budget_far_beyond_the_smaller_arm_is_for_review():
    assert (
        "1.5 decades beyond"
        in checks_of(two(), budget=10**22.5)["extrapolation"].detail
    )


def test_arms_without_a_common_range_are_for_review():
    detail = checks_of(two(shift=8.0))["ranges overlap"].detail
    assert "'muon'" in detail


def test_an_arm_of_few_runs_is_for_review():
    columns = two()
    keep = np.arange(16) < 11
    few = {name: values[keep] for name, values in columns.items()}
    assert "muon (3)" in checks_of(few)["runs of a recipe"].detail


def test_an_arm_that_scatters_on_one_side_is_for_review():
    columns = two(runs=12)
    columns["L"][[15, 20]] *= 1.05
    assert "'muon'" in checks_of(columns)["tuning"].detail


def test_seeds_that_vary_more_than_recipes_differ_are_for_review():
    columns = {name: np.repeat(values, 3) for name, values in two(log_m=0.01).items()}
    noise = np.random.default_rng(0).normal(size=len(columns["L"]))
    columns["L"] = columns["L"] * np.exp(0.03 * noise)
    assert "more seeds" in checks_of(columns)["seeds"].detail


def test_parameters_counted_otherwise_are_for_review():
    columns = two()
    columns["N"] = columns["N"] * np.where(columns["recipe"] == "muon", 0.7, 1.0)
    assert "'muon'" in checks_of(columns)["counting of N"].detail


# Bad input


def changed(**columns):
    return two() | columns


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (two(), {"by": "recpie"}, "no column 'recpie'.*did you mean"),
        (two(), {"baseline": "adam"}, "baseline 'adam'.*did you mean 'adamw'"),
        (two(), {"budget": -1.0}, "budget: expected positive"),
        (two(), {"spend": "best"}, "spend 'best'"),
        (two(), {"speed": {"mion": 0.9}}, "speed of 'mion'.*did you mean"),
        (two(), {"speed": {"muon": -0.9}}, "speed of 'muon': expected a positive"),
        (
            {n: v[:9] for n, v in two().items()},
            {},
            "row 1?[0-9], column 'recipe': recipe 'muon' has one run.*--where",
        ),
        ({n: v[:8] for n, v in two().items()}, {}, "names one recipe, 'adamw'"),
        (
            changed(L=np.tile(two()["L"][:8], 2)),
            {},
            "rows . and .*: the same run .* stands in recipes 'adamw' and 'muon'",
        ),
        (
            changed(tokenizer=np.repeat(["gpt2", "llama"], 8)),
            {},
            "column 'tokenizer': the recipes' losses are not comparable .*bytes_per_token",
        ),
        (
            changed(loss_unit=np.repeat(["nats", "bits"], 8)),
            {},
            "column 'loss_unit': .*not comparable",
        ),
        (
            {n: v for n, v in two().items() if n not in "LC"},
            {},
            "needs column 'L'",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(columns, options, message):
    with pytest.raises(ValueError, match=message):
        nstar.recipes(columns, **options)


def test_losses_of_two_tokenizers_are_compared_per_byte():
    tokenizers = np.repeat(["gpt2", "llama"], 8)
    per_token = np.repeat([4.0, 5.0], 8)
    columns = changed(tokenizer=tokenizers, bytes_per_token=per_token)
    columns["L"] = columns["L"] * per_token
    ladders, runs = find_ladders(nstar.read_runs(columns, accept=ACCEPTED), "recipe")
    assert runs.loss_unit == "nats per byte"
    np.testing.assert_allclose(np.exp(ladders.y[0]), two()["L"][:8])


def test_tables_of_other_losses_are_not_joined():
    first, second = (
        {n: v[at] for n, v in two().items() if n != "recipe"}
        for at in (slice(8), slice(8, 16))
    )
    joined = read_tables({"adamw": first, "muon": second})
    assert list(joined["recipe"]) == ["adamw"] * 8 + ["muon"] * 8
    other = {"loss" if n == "L" else n: v for n, v in second.items()}
    with pytest.raises(ValueError, match="columns 'L' of adamw, 'loss' of muon"):
        read_tables({"adamw": first, "muon": other})


# The command


def write(columns, path):
    names = list(columns)
    rows = zip(*(columns[n] for n in names), strict=True)
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_the_command_answers_as_python_does(nstar, tmp_path):
    path = write(two(), tmp_path / "ladders.csv")
    options = ("--baseline", "adamw", "--budget", "1e21", "--speed", "muon=0.93")
    code, out, _ = nstar("recipes", path, *options, "--json")
    assert code == 0
    document = json.loads(out)
    assert (document["data"], document["runs"]) == (path, 16)
    assert document["budgets"][0]["choice"] == "muon"
    code, _, err = nstar("recipes", path, "--figure", "recipes.txt")
    assert code == 2
    assert "--figure" in err
    code, _, err = nstar("recipes", path, "--speed", "muon=fast")
    assert code == 2
    assert "expected a number or a distribution" in err


def test_a_comparison_that_takes_long_is_said_to(capsys):
    remark_on_time(nstar.read_runs(two(), by="recipe", accept=ACCEPTED), "recipe")
    assert capsys.readouterr().err == ""
    rng, recipe = np.random.default_rng(0), np.repeat([0, 1], 300)
    N, D = np.exp(rng.uniform(17, 21, size=(2, 600)))
    runs = frame(recipe, N, D, 6 * N * D, power_law(6 * N * D))
    remark_on_time(nstar.read_runs(runs, by="recipe", accept=ACCEPTED), "recipe")
    err = capsys.readouterr().err
    assert err.startswith("600 runs of 600 sizes: about ")
    assert "--where 'least L per recipe,C'" in err


def test_a_choice_is_frozen_and_scored(nstar, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = write(two(), tmp_path / "ladders.csv")
    words = ["recipes", table, "--baseline", "adamw", "-C", "1e21", "-C", "8e21"]
    words += ["--name", "near", "--name", "far", "--note", "Ada"]
    code, out, _ = nstar(*words, "--json")
    document = json.loads(out)
    assert code == 0
    near, far = document["frozen"]
    assert (near["recipe"], near["C"], far["C"]) == ("muon", 1e21, 8e21)
    multiplier = document["budgets"][1]["recipes"][1]["multiplier"]
    assert far["multiplier"] == multiplier | {"prob": 0.9}
    assert near["among_data"] == [9, 17]  # rows of the file, below its header
    assert far["among_data"] == []
    assert far["decades_beyond_data"] == pytest.approx(np.log10(8), abs=0.01)
    assert Ledger.read(".").choices["far"].note == "Ada"
    code, out, err = nstar(*words)
    assert (code, out) == (2, "")
    assert "'near' was frozen on" in err
    scored = ["outcome", "--name", "far", "--loss", "adamw=2.2", "--loss", "muon=2.1"]
    code, out, _ = nstar(*scored)
    assert code == 0
    assert "far: adamw 2.2, muon 2.1 at 8e21 FLOP: muon was better" in out
    assert "mean Brier score" in out
    assert "1 counted of 1 scored; open: near" in out
    measured = {
        "recipe": ["adamw", "muon", "lion"],
        "N": [1e10, 1e10, 1e10],
        "D": [1e21 / 6e10] * 3,
        "L": [2.4, 2.5, 2.5],
    }
    code, out, _ = nstar("outcome", "--runs", write(measured, tmp_path / "came.csv"))
    assert code == 0
    assert "near: adamw 2.4, muon 2.5 at 1e21 FLOP: muon was no better" in out
    assert "1 of the runs" in out
    assert "REVIEW choice near: not a forecast: the run is among the data" in out
    code, out, _ = nstar("ledger")
    assert code == 0
    assert "Choices between two recipes" in out


def test_the_chance_that_is_frozen_is_of_measured_losses(compared):
    """By normals: what the curves differ by, and the noise of a run of each."""
    frozen = forecast_choice(compared, 8e21, name="switch")
    loss = compared.curves.at(8e21)  # of the log
    assert frozen.chance_of_law == compared.chance_better("muon", 8e21)
    assert 0.5 < frozen.chance < 1
    sigma = np.exp(compared.draws.log_scales[:, joint.SCALES.index("sigma")])
    off = (loss[:, 0] - loss[:, 1]) / (np.sqrt(2) * sigma)
    assert frozen.chance == pytest.approx(np.mean(stats.norm.cdf(off)), abs=0.03)
    with pytest.raises(ValueError, match="'adamw' is the baseline"):
        forecast_choice(compared, recipe="adamw", name="switch")


NAMES_REFUSED = {
    "no name": (["--ledger", "a.jsonl"], "a choice that is frozen there has a name"),
    "two": (["--name", "a", "--name", "b"], "got 2 (a, b) for 1 of --budget"),
    "suffix": (["--name", "a", "--ledger", "a.csv"], "expected a name that ends in"),
}


@pytest.mark.parametrize(("words", "said"), NAMES_REFUSED.values(), ids=NAMES_REFUSED)
def test_a_choice_without_a_place_is_refused(nstar, tmp_path, words, said):
    table = write(two(), tmp_path / "ladders.csv")
    code, out, err = nstar("recipes", table, *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_report_is_of_the_recipe_to_choose(tmp_path):
    table = two() | {"recipe": np.where(two()["recipe"] == "muon", "a=b <c>", "adamw")}
    request = Request(write(table, tmp_path / "ladders.csv"), where=["N>1"])
    chosen, answer = compare_for_report(request, [1e20, 1e21], "recipe", "adamw")
    assert answer.best() == "a=b <c>"
    assert answer.budgets == (1e21, 1e20)
    assert chosen.where == ["N>1", "recipe=a=b <c>"]
    assert len(read(chosen)) == 8


REPORTS_REFUSED = {
    "no column": (["--baseline", "adamw"], "of which recipes? give the column"),
    "no baseline": (
        ["--recipes", "recipe", "--baseline", "adam"],
        "baseline 'adam': no recipe of that name; did you mean 'adamw'?",
    ),
    "one recipe": (
        ["--recipes", "recipe", "--where", "recipe=muon"],
        "names one recipe",
    ),
}


@pytest.mark.parametrize(
    ("words", "said"), REPORTS_REFUSED.values(), ids=REPORTS_REFUSED
)
def test_a_report_of_no_recipes_is_refused(nstar, tmp_path, words, said):
    table = write(two(), tmp_path / "ladders.csv")
    code, out, err = nstar("report", table, "-C", "1e21", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_several_tables_are_a_recipe_each(nstar, tmp_path):
    columns = {n: v for n, v in two().items() if n != "recipe"}
    paths = [
        write({n: v[at] for n, v in columns.items()}, tmp_path / f"{name}.csv")
        for name, at in (("a", slice(8)), ("b", slice(8, 16)))
    ]
    both = f"adamw={paths[0]}", f"muon={paths[1]}"
    code, out, _ = nstar("recipes", *both, "--speed", "muon=0.93")
    assert code == 0
    assert "muon is better with probability" in " ".join(out.split())
    assert "in wall-clock, not FLOP" in out
    assert arms.frontier(np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 2.0]))[
        0
    ].tolist() == [1, 3]


# The benchmark


def test_the_benchmark_measures_what_is_held_out(monkeypatch, tmp_path):
    """A table of a known multiplier, used as it is: measured there, and predicted."""
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    import recipes as bench
    import recipes_tables

    write(two(runs=12, noise=1e-4), tmp_path / "known.csv")
    write({"N": np.array([1.0]), "recipe": np.array(["a"])}, tmp_path / "odd.csv")
    (table,) = recipes_tables.of_folder(tmp_path)
    document = bench.run([table], 0, Priors(), others=False)
    json.dumps(document, allow_nan=False)
    pairs = document["pairs"]
    assert {p["hold_out_decades"] for p in pairs} == {0.5, 1.0, 2.0}
    for pair in pairs:
        assert (pair["a"], pair["b"]) == ("adamw", "muon")
        if pair["censored"] is None:
            np.testing.assert_allclose(pair["measured"], 0.25, atol=0.03)
            low, high = (pair["log_multiplier"][k] for k in ("lower", "upper"))
            assert low - 0.05 < pair["measured"] < high + 0.05
        assert pair["b_better"]
        assert pair["chance_b_better"] > 0.8
    assert document["scores"]["known"]["joint"]["count"] == len(pairs)


def test_a_part_of_the_benchmark_that_fails_is_reported(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    import recipes as bench
    import recipes_tables

    good = two(runs=6)
    bad = good | {"tokenizer": np.where(good["recipe"] == "muon", "new", "old")}
    write(bad, tmp_path / "bad.csv")
    write(good, tmp_path / "good.csv")
    monkeypatch.setattr(bench, "alone", lambda split, seed: 1 / 0)
    tables = list(recipes_tables.of_folder(tmp_path))
    document = bench.run(tables, 0, Priors(), others=True)
    json.dumps(document, allow_nan=False)
    failed = {(f["table"], f["method"]): f["reason"] for f in document["failed"]}
    assert set(failed) == {("bad", "hold-out"), ("good", "alone")}
    assert "not comparable" in failed["bad", "hold-out"]
    assert failed["good", "alone"].startswith("ZeroDivisionError")
    assert set(document["scores"]["good"]) == {"joint", "pooled", "ranking"}
    assert bench.run(tables[:1], 0, Priors(), others=True)["scores"] == {}


def test_the_benchmark_takes_a_split_as_it_is(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    import recipes as bench
    import recipes_tables

    columns = two(runs=10)
    largest = np.isin(columns["C"], np.sort(np.unique(columns["C"]))[-2:])
    columns["split"] = np.where(largest, "test", "train")
    runs = nstar.read_runs(columns, accept=ACCEPTED)
    table = recipes_tables.RecipeTable("t", "t", runs)
    (split,) = bench.splits(table)
    assert split.train.cell.sum() == 16
    assert split.new.sum() == 4
    assert len(bench.budgets_of(split, 0, 1)) == 2


def test_a_table_that_stops_the_command_is_repaired_by_what_it_prints(tmp_path, nstar):
    table = two()
    cells = {name: values.astype(object) for name, values in table.items()}
    cells["N"][3] = "x7"
    file = tmp_path / "two.csv"
    write(cells, file)
    code, _, err = nstar("recipes", file, "--budget", "1e22")
    *_, repaired = err.strip().splitlines()
    assert (code, "row 5, column 'N'" in err) == (2, True)
    assert repaired.endswith("--skip-rows 5")
    code, out, _ = nstar(*shlex.split(repaired)[1:], "--json")
    assert json.loads(out)["runs"] == len(table["N"]) - 1
