"""Repeated sampling: counts to pass@k at any k, of these problems and of new ones."""

import json
from dataclasses import replace
from itertools import combinations, pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import nstar
from nstar.inference.repeated import draw_new_rates, draw_rates
from nstar.inference.repeated_backtest import hold_out_samples
from nstar.inference.sample_worth import next_samples
from nstar.laws.repeated_by_size import RepeatedBySize
from nstar.noises.counts import Binomial, Counts
from nstar.responses import pass_rates, rate_mixtures
from nstar.samplers.nuts import Settings
from nstar.verdicts import Status
from test_json import CHECKS, HEAD, INTERVAL, hold

QUICK = Settings(chains=2, warmup=200, draws=500)
TOLD = np.array([0.3, 8.0, 0.15])  # a, b, z
BENT = {"ease": 0.4, "tail": 0.3, "tail_bend": 0.04, "zero_root": 0.6}


def made(count=150, n=100, seed=0, told=TOLD):
    random = np.random.default_rng(seed)
    a, b, zero = told
    p = random.beta(a, b, count) * (random.random(count) >= zero)
    s = random.binomial(n, p)
    return {
        "problem": np.arange(count),
        "samples": np.full(count, n),
        "successes": s,
    }, p


@pytest.fixture(scope="module")
def fitted():
    table, rates = made()
    return nstar.fit(table, "repeated_sampling", settings=QUICK), rates


def test_unbiased_estimate_is_the_share_of_subsets_with_a_success():
    """Chen et al.'s estimator, by going through every subset, up to k = n."""
    n = 7
    for c in range(n + 1):
        for k in range(1, n + 1):
            subsets = list(combinations(range(n), k))
            exact = np.mean([min(s) < c for s in subsets])
            np.testing.assert_allclose(pass_rates.unbiased(n, c, k), exact, atol=1e-12)


def test_unbiased_estimate_at_all_samples_is_the_share_solved():
    c = np.array([0, 0, 1, 5000, 10000])
    np.testing.assert_array_equal(pass_rates.unbiased(10000, c, 10000), c > 0)
    np.testing.assert_allclose(pass_rates.unbiased(10000, c, 1), c / 10000, rtol=1e-9)


@pytest.mark.parametrize(
    ("n", "c", "k"), [(10, 11, 1), (10, 2, 11), (10, 2, 0), (10, -1, 1)]
)
def test_contradictory_counts_are_refused(n, c, k):
    with pytest.raises(ValueError, match="got"):
        pass_rates.unbiased(n, c, k)


def test_pass_at_k_of_a_population_is_its_integral():
    a, b, zero = TOLD
    for k in (1, 10, 1000):
        q = (np.arange(200000) + 0.5) / 200000
        exact = np.mean(1 - (1 - stats.beta.ppf(q, a, b)) ** k)
        found = rate_mixtures.pass_at_k(TOLD, k)
        np.testing.assert_allclose(found, (1 - zero) * exact, rtol=1e-4)


def told(**unknowns):
    with jax.enable_x64(True):
        return np.asarray(pass_rates.population_of({**BENT, **unknowns}))


def share_below(p, ease, tail, bend, zero):
    """The population's distribution function, by SciPy's incomplete beta."""
    c, x0, t = 2 * tail, pass_rates.REFERENCE, np.log(p)
    odds = np.exp(ease) * x0**c / (1 - x0**c)
    v = t - np.log(x0)
    bent = v if bend == 0 else np.expm1(bend * v) / bend
    q = np.where(v < 0, np.log(x0) + bent, t)
    return zero + (1 - zero) * special.betainc(0.5, 0.5 / odds, np.exp(c * q))


@pytest.mark.parametrize("ease", [-2.0, 0.0, 4.0])
@pytest.mark.parametrize("bend", [-0.1, 0.0, 0.2])
@pytest.mark.parametrize("tail", [0.08, 0.4])
def test_a_population_is_told_as_its_distribution_function_says(ease, bend, tail):
    """Shares below a rate, on the basis of Betas, to the width of one of them."""
    found = told(ease=ease, tail=tail, tail_bend=bend, zero_root=0.6)
    assert found.sum() == pytest.approx(1)
    below = np.cumsum(found)[:-1]
    edges = special.expit(rate_mixtures.CENTRES - rate_mixtures.STEP / 2)
    wanted = share_below(edges, ease, tail, bend, 0.6**6)
    np.testing.assert_allclose(below, wanted, atol=0.004)
    for k in (1, 100, 10000):
        grid = special.expit(np.linspace(-40, 40, 40001))
        mass = np.diff(share_below(grid, ease, tail, bend, 0.6**6))
        exact = mass @ -np.expm1(k * np.log1p(-np.minimum(grid[1:], 1 - 1e-16)))
        assert rate_mixtures.pass_at_k(found, k) == pytest.approx(exact, abs=0.02)


def test_a_tail_of_no_bend_falls_as_its_power():
    found = told(tail=0.3, tail_bend=0.0, zero_root=0.0)
    lost = 1 - rate_mixtures.pass_at_k(found, np.array([1e4, 1e6]))
    assert np.log(lost[0] / lost[1]) / np.log(100) == pytest.approx(0.3, abs=0.01)


def test_beyond_reach_is_what_a_million_samples_do_not_solve():
    found = told(ease=0.0)
    share = share_below(1e-6, 0.0, 0.3, 0.04, 0.6**6)
    assert rate_mixtures.beyond_reach(found) == pytest.approx(share, abs=0.01)
    assert rate_mixtures.beyond_reach(TOLD) == TOLD[2]
    assert rate_mixtures.mean(TOLD) == pytest.approx(0.85 * 0.3 / 8.3)


def probabilities(s, n):
    """Of counts under each Beta of the basis, by SciPy, (..., 41)."""
    a, b, s = rate_mixtures.A, rate_mixtures.B, np.asarray(s)[..., None]
    ways = special.gammaln(n + 1) - special.gammaln(s + 1) - special.gammaln(n - s + 1)
    return np.exp(ways + special.betaln(a + s, b + n - s) - special.betaln(a, b))


def test_probabilities_of_counts_are_those_of_scipy():
    """Every Beta of the basis, weighed, against SciPy's; they sum to one."""
    with jax.enable_x64(True):
        for n in (1.0, 40.0, 10000.0):
            s = np.arange(41.0) if n < 100 else np.array([0.0, 1, 17, 4000, 10000])
            s = s[s <= n]
            found = np.exp(np.asarray(Counts(told(), np.full(len(s), n)).log_prob(s)))
            wanted = probabilities(s, n) @ told()[1:] + told()[0] * (s == 0)
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
            if n < 100:
                np.testing.assert_allclose(found.sum(), 1.0, rtol=1e-6)
        drawn = np.asarray(
            Counts(told(), np.asarray(40.0)).sample(jax.random.key(0), (4000,))
        )
    p = probabilities(np.arange(41.0), 40) @ told()[1:]
    p[0] += told()[0]
    bins = np.array([0, 1, 2, 4, 8, 16, 41])
    wanted = [p[low:high].sum() * 4000 for low, high in pairwise(bins)]
    assert stats.chisquare(np.histogram(drawn, bins)[0], wanted).pvalue > 1e-5


def test_counts_of_a_population_have_its_probabilities():
    """Against SciPy's beta-binomial; it sums to one, and samples are of it."""
    a, b, zero = TOLD
    s = np.arange(41.0)
    with jax.enable_x64(True):
        counts = Counts(np.tile(TOLD, (41, 1)), np.full(41, 40.0))
        p = np.exp(np.asarray(counts.log_prob(s)))
        drawn = np.asarray(
            Counts(TOLD, np.asarray(40.0)).sample(jax.random.key(0), (4000,))
        )
    exact = (1 - zero) * stats.betabinom.pmf(s, 40, a, b) + zero * (s == 0)
    np.testing.assert_allclose(p, exact, rtol=1e-8)
    np.testing.assert_allclose(p.sum(), 1.0, rtol=1e-9)
    bins = np.array([0, 1, 2, 4, 8, 16, 41])
    seen, _ = np.histogram(drawn, bins)
    wanted = [exact[low:high].sum() * 4000 for low, high in pairwise(bins)]
    assert stats.chisquare(seen, wanted).pvalue > 1e-5


def test_rates_given_counts_are_the_conjugate_posterior():
    random = np.random.default_rng(0)
    rates = draw_rates(
        np.tile(TOLD, (20000, 2, 1)), np.array([[50, 50], [0, 3]]), random
    )
    a, b, zero = TOLD
    alive = (1 - zero) * stats.betabinom.pmf(0, 50, a, b)
    never = zero / (zero + alive)
    np.testing.assert_allclose((rates[:, 0] == 0).mean(), never, atol=0.02)
    np.testing.assert_allclose(rates[:, 1].mean(), (a + 3) / (a + b + 50), rtol=0.02)
    p = special.expit(np.linspace(-25, 12, 20001))
    density = (
        sum(
            w * stats.beta.pdf(p, *ab)
            for w, *ab in zip(told()[1:], rate_mixtures.A, rate_mixtures.B, strict=True)
        )
        * p
        * (1 - p)
    )
    weight = density * stats.binom.pmf(2, 50, p)
    rates = draw_rates(np.tile(told(), (20000, 1, 1)), np.array([[50], [2]]), random)
    np.testing.assert_allclose(rates.mean(), weight @ p / weight.sum(), rtol=0.02)
    many = draw_rates(
        np.tile(told(), (200, 1, 1)), np.array([[100000], [60000]]), random
    )
    np.testing.assert_allclose(many, 0.6, atol=0.01)
    fresh = draw_new_rates(np.tile(told(), (20000, 1)), 1, random)
    np.testing.assert_allclose((fresh == 0).mean(), told()[0], atol=0.02)
    np.testing.assert_allclose(fresh.mean(), rate_mixtures.mean(told()), rtol=0.05)


def test_these_and_new_problems_are_told_apart(fitted):
    fit, rates = fitted
    found = nstar.pass_at_k(fit, [1, 100, 1000])
    table = found.table()
    for record, k in zip(table, (1, 100, 1000), strict=True):
        these = (1 - (1 - rates) ** k).mean()
        low, high = (
            np.quantile(found.draws["these"].sel(k=k), q) for q in (0.001, 0.999)
        )
        assert low <= these <= high
        new = float(rate_mixtures.pass_at_k(TOLD, k))
        low, high = (
            np.quantile(found.draws["new"].sel(k=k), q) for q in (0.001, 0.999)
        )
        assert low <= new <= high
        width = {t: record[t]["upper"] - record[t]["lower"] for t in ("these", "new")}
        assert width["these"] < width["new"]  # which also vary by which problems come
    assert table[1]["counted"] == pytest.approx(
        pass_rates.unbiased(100, fit.runs["successes"], 100).mean()
    )
    assert table[2]["counted"] is None
    assert table[2]["times_the_samples"] == 10


def test_zero_mass_is_shown_at_both_ends(fitted):
    fit, _ = fitted
    zero = nstar.pass_at_k(fit, [10000]).zero_mass()
    assert 0 <= zero["lower"] < zero["median"] < zero["upper"] < 1
    (low,), (high,) = zero["at_lower"], zero["at_upper"]
    assert low["new"] > high["new"]
    assert low["k"] == 10000


def test_far_beyond_the_samples_is_for_review(fitted):
    fit, _ = fitted
    status = {
        k: {c.name: c.status for c in nstar.pass_at_k(fit, [k]).checks()}["samples"]
        for k in (1000, 1001)
    }
    assert status == {1000: Status.PASS, 1001: Status.REVIEW}


def test_posterior_is_that_of_quadrature():
    """Two unknowns of the plain beta-binomial, on a grid."""
    table, _ = made(40, 30, seed=5, told=(0.5, 2.0, 0.0))
    fit = nstar.fit(table, "beta_binomial", settings=QUICK)
    odds, log_a = np.meshgrid(
        np.linspace(-4, 2, 161), np.linspace(-4, 2, 161), indexing="ij"
    )
    a = np.exp(log_a)
    b = a * np.exp(-odds)
    log_p = stats.norm.logpdf(odds, -3, 3) + stats.norm.logpdf(log_a, np.log(0.25), 0.6)
    for s, c in zip(*np.unique(table["successes"], return_counts=True), strict=True):
        log_p += c * stats.betabinom.logpmf(s, 30, a, b)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    for name, values in (("log_odds", odds), ("tail", a)):
        mean = (p * values).sum()
        sd = np.sqrt((p * (values - mean) ** 2).sum())
        draws = fit.draws[name]
        assert abs(draws.mean() - mean) < 0.25 * sd
        np.testing.assert_allclose(draws.std(), sd, rtol=0.15)


def test_posterior_of_four_unknowns_is_that_of_importance_sampling():
    """The default law: 100,000 draws of its prior, weighed by SciPy's probabilities."""
    table, _ = made(40, 30, seed=5, told=(0.5, 2.0, 0.2))
    fit = nstar.fit(
        table, "repeated_sampling", settings=Settings(chains=2, warmup=400, draws=1500)
    )
    random = np.random.default_rng(0)
    count = 100000
    prior = {
        "ease": random.normal(0.0, 2.0, count),
        "tail": np.exp(random.normal(np.log(0.22), 0.6, count)),
        "tail_bend": 0.05 * random.standard_t(2, count),
        "zero_root": random.random(count),
    }
    with jax.enable_x64(True):
        weights = np.asarray(pass_rates.population_of(prior))
    log_p = np.zeros(count)
    for s, c in zip(*np.unique(table["successes"], return_counts=True), strict=True):
        p = weights[:, 1:] @ probabilities(s, 30)
        log_p += c * np.log(np.maximum(p + weights[:, 0] * (s == 0), 1e-300))
    w = np.exp(log_p - log_p.max())
    w /= w.sum()
    assert 1 / np.sum(w**2) > 1000
    for name, values in prior.items():
        for q in (0.1, 0.5, 0.9):
            order = np.argsort(values)
            at = values[order][np.searchsorted(np.cumsum(w[order]), q)]
            assert (fit.draws[name] < at).mean() == pytest.approx(q, abs=0.06), name


def test_next_samples_go_where_the_doubt_is(fitted):
    fit, _ = fitted
    ranked = next_samples(fit, 1000, 100)
    assert ranked[0]["successes"] == 0  # unsolved so far, and k reaches them
    assert sum(r["share"] for r in ranked) == pytest.approx(1)
    assert all(r["removed"] <= r["variance"] + 1e-12 for r in ranked)
    more = next_samples(fit, 1000, 400)
    assert more[0]["removed"] > ranked[0]["removed"]
    with pytest.raises(ValueError, match="whole number"):
        next_samples(fit, 1000, 0)


@pytest.mark.parametrize(
    ("n", "s", "words"),
    [
        (50, 0, "no problem was solved"),
        (1, None, "one sample each"),
        (50, 50, "every sample of every problem succeeds"),
    ],
)
def test_extreme_sets_are_answered_with_words(n, s, words):
    successes = np.arange(40) % 2 if s is None else np.full(40, s)
    table = {
        "problem": np.arange(40),
        "samples": np.full(40, n),
        "successes": successes,
    }
    fit = nstar.fit(table, "repeated_sampling", settings=QUICK)
    found = nstar.pass_at_k(fit, [n, 10 * n])
    checks = {c.name: c for c in found.checks()}
    assert checks["solved problems"].status is Status.REVIEW
    assert words in checks["solved problems"].detail
    for record in found.table():
        assert 0 <= record["new"]["lower"] <= record["new"]["upper"] <= 1
    if s == 0:
        assert found.table()[0]["these"]["lower"] < 0.02
    if s == 50:
        assert found.table()[0]["these"]["upper"] > 0.999


def test_tables_of_several_models_or_no_counts_are_refused():
    table, _ = made(20)
    several = table | {"model": np.repeat(["one", "two"], 10)}
    with pytest.raises(
        ValueError, match=r"'model' has 2 values .one, two.*--where 'model=one'"
    ):
        nstar.fit_counts(several)
    twice = table | {"problem": np.arange(20) % 19, "successes": np.arange(20)}
    with pytest.raises(
        ValueError,
        match=r"rows 1 and 20, column 'problem': 0.0 is counted twice .0 of 100, 19 of 100",
    ):
        nstar.fit_counts(twice)
    with pytest.raises(
        ValueError,
        match="column 'successes': expected at most the 100 samples of the row, got 101",
    ):
        nstar.fit_counts(table | {"successes": np.full(20, 101)})
    with pytest.raises(ValueError, match="k counts samples"):
        nstar.pass_at_k(None, [0.5])  # ty: ignore


def test_problems_of_equal_counts_are_not_duplicates():
    rows = {"samples": [10, 10, 10, 10], "successes": [0, 0, 0, 3]}
    assert len(nstar.read_runs(rows)) == 4
    assert len(nstar.read_runs(rows | {"problem": [1, 1, 2, 3]})) == 3


@pytest.mark.slow
def test_across_sizes_a_model_not_sampled_is_predicted():
    random = np.random.default_rng(1)
    sizes = np.geomspace(1e8, 1e10, 4)
    N = np.repeat(sizes, 30)
    odds = -4.0 + 0.5 * np.log(N / 1e9)
    p = random.beta(0.4, 0.4 * np.exp(-odds))
    table = {
        "N": N,
        "problem": np.tile(np.arange(30), 4),
        "samples": np.full(120, 100),
        "successes": random.binomial(100, p),
    }
    fit = nstar.fit(table, RepeatedBySize(), settings=QUICK)
    seen = nstar.pass_at_k(fit, [100], N=1e10)
    assert {"these", "new"} <= set(seen.draws)
    assert seen.counts.shape == (2, 30)
    larger = nstar.pass_at_k(fit, [100], N=4e10)
    assert "these" not in larger.draws
    assert larger.checks()[0].status is Status.REVIEW
    truth = rate_mixtures.pass_at_k(
        np.array([0.4, 0.4 * np.exp(4.0 - 0.5 * np.log(40)), 0.0]), 100
    )
    low, high = (float(np.quantile(larger.draws["new"], q)) for q in (0.005, 0.995))
    assert low < truth < high
    with pytest.raises(ValueError, match="which model"):
        nstar.pass_at_k(fit, [100])


def test_measured_problems_thinned_to_a_hundred_samples(data_dir):
    """MATH by Pythia 2.8B, thinned: pass@1,000 of these very problems."""
    runs = nstar.read_runs(
        data_dir / "passk_monkeys_10k.csv", where=["model=Pythia 2.8B"]
    )
    full, s = 10000, runs["successes"].astype(int)
    thin = np.random.default_rng(2).hypergeometric(s, full - s, 100)
    table = {
        "problem": runs["problem"],
        "samples": np.full(len(s), 100),
        "successes": thin,
    }
    found = nstar.pass_at_k(
        nstar.fit(table, "repeated_sampling", settings=QUICK), [1000], shown=full
    )
    truth = pass_rates.unbiased(full, s, 1000).mean()
    low, high = (
        float(np.quantile(found.draws["these_measured"], q)) for q in (0.005, 0.995)
    )
    assert low < truth < high
    assert high - low < 0.35
    json.dumps(found.as_json())


AT_END = [{"k": int, "these": float, "new": float}]
PASSK = HEAD | {
    "problems": int,
    "solved": int,
    "samples": (float, None),
    "shown": int,
    "predictions": [
        {
            "k": int,
            "these": (INTERVAL, None),
            "these_measured": (INTERVAL, None),
            "new": INTERVAL,
            "new_measured": INTERVAL,
            "counted": (float, None),
            "times_the_samples": (float, None),
        }
    ],
    "zero_mass": (INTERVAL | {"at_lower": AT_END, "at_upper": AT_END}, None),
    "next_samples": {
        "more": int,
        "worth": [
            {
                "samples": int,
                "successes": int,
                "problems": int,
                "variance": float,
                "removed": float,
                "share": float,
            }
        ],
    },
    "held_out": (
        {
            "kept": float,
            "coverage": float,
            "forecasts": [
                INTERVAL
                | {"thinning": int, "k": int, "counted": float, "inside": bool},
            ],
        },
        None,
    ),
    "checks": CHECKS,
}


def test_a_tenth_of_the_samples_is_held_against_all(fitted):
    fit, _ = fitted
    rows = {name: fit.runs[name] for name in ("samples", "successes")}
    held = hold_out_samples(rows, thinnings=2, settings=QUICK)
    truth = {
        k: pass_rates.unbiased(100, rows["successes"], k).mean() for k in (31, 100)
    }
    assert held.kept == 10
    assert [(one["thinning"], one["k"]) for one in held.forecasts] == [
        (0, 31),
        (0, 100),
        (1, 31),
        (1, 100),
    ]
    for one in held.forecasts:
        assert one["counted"] == pytest.approx(truth[one["k"]])
        assert one["inside"] == (one["lower"] <= one["counted"] <= one["upper"])
        assert abs(one["median"] - one["counted"]) < 0.2
    missed = replace(
        held, forecasts=[one | {"inside": False} for one in held.forecasts]
    )
    assert (missed.coverage(), missed.check().status) == (0.0, Status.REVIEW)
    with pytest.raises(
        ValueError, match="row 1, column 'samples': a tenth of 10 samples tells little"
    ):
        hold_out_samples({"samples": [10, 30], "successes": [0, 1]})
    with pytest.raises(ValueError, match="one model at a time"):
        hold_out_samples(rows, "repeated_by_size")


def test_the_command_prints_one_document(nstar, tmp_path):
    table, _ = made(60)
    rows = zip(*(v.tolist() for v in table.values()), strict=True)
    lines = [",".join(table), *(",".join(map(str, row)) for row in rows)]
    file = tmp_path / "counts.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, err = nstar("passk", file, "--k", "100,2000", "--hold-out", "--json")
    told = json.loads(out, parse_constant=pytest.fail)
    hold(PASSK, told)
    assert code == 0
    assert [p["k"] for p in told["predictions"]] == [100, 2000]
    status = {c["name"]: c["status"] for c in told["checks"]}
    assert status["samples"] == "REVIEW"
    assert {c["name"] for c in told["checks"]} >= {"hold-out", "zero mass"}
    assert {one["k"] for one in told["held_out"]["forecasts"]} == {100}
    code, out, err = nstar("passk", file, "--k", "0.5")
    assert (code, out) == (2, "")
    assert "--k '0.5': expected whole numbers" in err


def test_counts_that_are_given_are_as_likely_as_any():
    """What is worked out once for the sampler is what the noise says of each count."""
    noise = Binomial()
    n = np.array([100.0, 100.0, 10_000.0, 7.0, 100.0])
    s = np.array([0.0, 100.0, 3.0, 2.0, 40.0])
    x = {"samples": n}
    with jax.enable_x64(True):
        told = pass_rates.population(*jnp.array([0.3, 0.4, -0.05, 0.1]))
        told = np.broadcast_to(np.asarray(told), (5, np.shape(told)[-1]))
        anew = noise.around(told, {}, x).log_prob(s)
        once = noise.prepared(x, s).around(told, {}, x).log_prob(s)
    np.testing.assert_allclose(once, anew, rtol=1e-12)
