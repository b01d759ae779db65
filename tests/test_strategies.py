"""Strategies, what they cost, and which to choose."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

import nstar
import nstar.fits.fitting
from known import known
from nstar.costs.inference import Serving, diffusion
from nstar.costs.transformers import Transformer
from nstar.fits.model import parse_model
from nstar.inference.curve_strategies import LongerAnswers, Streams, VisualTokens
from nstar.inference.joint_budgets import joint
from nstar.inference.problem_sets import Curve, Problems, problems_of
from nstar.inference.spending import ALL, Option, spend
from nstar.inference.strategies import STRATEGIES, BestOfN, Greedy, Oracle, Vote
from nstar.laws.repeated_by_size import RepeatedBySize
from nstar.predictions.responding import respond
from nstar.published import fits as published
from nstar.runs.law_data import prepare
from nstar.samplers.nuts import Settings

MIX = Problems(
    np.tile([0.7, 0.15], (200, 30)), rival=0.4
)  # easy problems, and hard ones
K = (1, 2, 4, 16, 64, 512)


def along(strategy, problems=MIX, ks=K):
    return np.array([strategy.accuracy(problems, k).mean() for k in ks])


@pytest.mark.parametrize("name", [n for n in STRATEGIES if n != "greedy"])
def test_one_sample_is_right_as_often_as_a_sample_is(name):
    """Whatever is made of several, one answers at its rate."""
    found = STRATEGIES[name].answer(Serving(8e9, 500), MIX, 1)
    assert found.accuracy.mean() == pytest.approx(0.425, rel=2e-3)
    assert found.accuracy.shape == (200,)
    assert found.flop == 2 * 8e9 * 500


def test_a_perfect_verifier_is_pass_at_k():
    exact = [np.mean([1 - 0.3**k, 1 - 0.85**k]) for k in K]
    np.testing.assert_allclose(along(Oracle()), exact, rtol=1e-9)


def test_votes_against_the_trinomial():
    """Three votes: every outcome of right, rival and other, ties by a coin; 25, drawn."""
    p, q = 0.3, 0.35
    problems = Problems(np.full((4, 2), p), rival=q / (1 - p))
    exact = 0.0
    for right in range(4):
        for rival in range(4 - right):
            other = 3 - right - rival
            chance = stats.multinomial.pmf([right, rival, other], 3, [p, q, 1 - p - q])
            exact += chance * (
                1.0 if right > rival else 0.5 if right == rival and right else 0.0
            )
    np.testing.assert_allclose(along(Vote(), problems, (3,)), [exact], rtol=1e-4)
    draws = np.random.default_rng(0).multinomial(25, [p, q, 1 - p - q], 400_000)
    ahead = 1.5 * draws[:, 0] - draws[:, 1]
    counted = (ahead > 0).mean() + 0.5 * ((ahead == 0) & (draws[:, 0] > 0)).mean()
    np.testing.assert_allclose(along(Vote(1.5), problems, (25,)), [counted], atol=0.004)


def test_majority_saturates_where_the_answers_modes_are():
    """Easy problems come to one, those with a stronger rival to none: half of the mix."""
    found = along(Vote())
    np.testing.assert_allclose(found[-1], Greedy().accuracy(MIX, 1).mean(), atol=0.01)
    assert found[-1] == pytest.approx(0.5, abs=0.01)
    assert along(Vote(3.0))[-1] > 0.95  # a verifier that tells turns the hard ones


def test_voting_is_not_monotone_on_a_mix():
    """Chen et al. (2024): mostly hard problems lose slowly, the easy gain fast."""
    problems = Problems(np.tile([0.9, 0.3, 0.3], (200, 20)), rival=0.55)
    found = along(Vote(), problems, (1, 3, 9, 501))
    assert found.argmax() not in (0, 3)


def test_best_of_n_is_its_integral_and_bends_down():
    p, n, d, s = 0.2, 12, 1.0, 1.6
    exact, _ = integrate.quad(
        lambda x: (
            n
            * p
            * stats.norm.pdf(x - d)
            * (p * stats.norm.cdf(x - d) + (1 - p) * stats.norm.cdf(x / s)) ** (n - 1)
        ),
        -20,
        20,
        limit=400,
    )
    problems = Problems(np.full((5, 3), p))
    found = BestOfN(d, s).accuracy(problems, n)
    np.testing.assert_allclose(found, exact, rtol=2e-3)
    rising = along(BestOfN(1.5, 1.0), problems)
    assert (np.diff(rising) > 0).all()
    bent = along(BestOfN(1.5, 1.6), problems)
    assert bent.argmax() not in (0, len(K) - 1)
    perfect = along(BestOfN(60.0, 1.0), problems)
    np.testing.assert_allclose(perfect, along(Oracle(), problems), rtol=2e-3)


def test_what_a_problem_costs():
    plain = Serving(8e9, 500, prompt=1000)
    assert plain.flop(1) == pytest.approx(2 * 8e9 * 1500)
    assert plain.flop(10) == pytest.approx(2 * 8e9 * (1000 + 5000))  # one prefill
    np.testing.assert_array_equal(plain.samples(plain.flop([1, 7])), [1, 7])
    assert plain.samples(1.0) == 0
    shape = Transformer(32, 4096, 14336, 32, 128256, kv_heads=8)
    with_attention = Serving(8e9, 500, prompt=100000, shape=shape)
    scores = 4 * 32 * 4096 * (100000 + 250)
    assert with_attention.per_token(100250) - with_attention.per_token(0) == scores
    judged = Serving(8e9, 500, verifier=7e9)
    assert judged.sample - Serving(8e9, 500).sample == pytest.approx(2 * 7e9 * 500)
    assert diffusion(237e9, 250) == 2 * 250 * 237e9
    assert diffusion(237e9, 250, guided=False) == 250 * 237e9
    with pytest.raises(ValueError, match="tokens = 0"):
        Serving(8e9, 0)
    with pytest.raises(ValueError, match="rival is a share"):
        Problems(np.ones((1, 1)), 1.5)


@pytest.fixture(scope="module")
def spent():
    """A small model right in 15 %, one eight times as large in 45 %, of every problem."""
    random = np.random.default_rng(0)
    rates = {
        n: random.beta(400 * m, 400 * (1 - m), (300, 1)) * np.ones((1, 40))
        for n, m in (("small", 0.15), ("large", 0.45))
    }
    models = {
        n: Option(Problems(r), Serving(N, 100))
        for (n, r), N in zip(rates.items(), (1e9, 8e9), strict=True)
    }
    return spend(models, ["single", "oracle", "majority"], {"samples": (1, 8, 64)})


def test_a_cheap_model_many_times_against_a_large_one_once(spent):
    """With a perfect verifier the small one wins at equal FLOP, by votes it does not."""
    assert (
        spent.better(("small", "perfect verifier", 8), ("large", "one sample", 1))
        > 0.95
    )
    assert (
        spent.better(("small", "majority vote", 8), ("large", "one sample", 1)) < 0.05
    )
    records = spent.at(8 * 2e9 * 100)
    assert (records[0]["model"], records[0]["strategy"], records[0]["amount"]) == (
        "small",
        "perfect verifier",
        8,
    )
    assert all(r["flop"] <= 8 * 2e9 * 100 * 1.001 for r in records)
    assert sum(r["best"] for r in records) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"the cheapest takes 2e[+]11"):
        spent.at(1e9)


def test_the_cheapest_way_to_a_target(spent):
    found = spent.reach(0.6, 0.8)
    flop = {way: f for way, f in zip(spent.ways, spent.flop, strict=True)}
    good = (spent.accuracy >= 0.6).mean(axis=0) >= 0.8
    assert found["flop"] == min(
        f for f, ok in zip(flop.values(), good, strict=True) if ok
    )
    never = Problems(np.zeros((300, 4)))
    alone = spend({"none": Option(never, Serving(1e9, 100))}, ["oracle"])
    assert alone.reach(0.1) is None
    assert spent.checks()[0].status == "REVIEW"


def test_the_frontier_is_what_a_search_over_pairs_leaves(spent):
    """Brute force: a way stays where no way as cheap has a higher mean."""
    mean = spent.accuracy.mean(axis=0)
    left = {
        w
        for i, w in enumerate(spent.ways)
        if not any(
            spent.flop[j] <= spent.flop[i] and mean[j] > mean[i]
            for j in range(len(mean))
        )
    }
    found = spent.frontier()
    told = [(r["model"], r["strategy"], r["amount"]) for r in found]
    assert {
        spent.ways[
            np.flatnonzero(
                (spent.flop == r["flop"])
                & np.isclose(mean, mean.max(where=spent.flop <= r["flop"], initial=0))
            )[0]
        ]
        for r in found
    } <= left
    assert set(told) <= left
    assert [r["flop"] for r in found] == sorted(
        {spent.flop[spent.ways.index(w)] for w in left}
    )


def test_longer_answers_cost_by_the_token_and_follow_their_curve():
    truth = {
        "floor": 0.1,
        "rise": 0.4,
        "room": 0.5,
        "width": 0.8,
        "sigma_accuracy": 0.01,
    }
    x = {"T": np.geomspace(200, 60000, 16)}
    curve = Curve(known("token_budget", x, truth, jitter=0.02))
    own, model = LongerAnswers(), Serving(8e9, 1, prompt=100)
    found = [own.answer(model, curve, T) for T in (500, 5000, 50000)]
    assert [f.flop for f in found] == [2 * 8e9 * (100 + T) for T in (500, 5000, 50000)]
    exact = [float(curve.fit.law.expected(truth, {"T": T})) for T in (500, 5000, 50000)]
    np.testing.assert_allclose([f.accuracy.mean() for f in found], exact, atol=0.02)
    spent = spend({"one": Option(curve, model)})
    assert {w[1] for w in spent.ways} == {"token budget"}
    assert spent.reach(0.2)["unit"] == "tokens"
    with pytest.raises(ValueError, match="none of the strategies majority vote suits"):
        spend({"one": Option(curve, model)}, ["majority"])
    with pytest.raises(ValueError, match="no strategy 'dice'; there are single"):
        spend({"one": Option(curve, model)}, ["dice"])


def test_streams_are_a_larger_model_and_cost_a_pass_each():
    table = {
        "N": np.repeat([1e8, 1e9, 1e10], 2),
        "samples": np.full(6, 50),
        "successes": np.arange(6),
    }
    truth = {
        "ease": -0.5,
        "tail": 0.4,
        "tail_bend": 0.0,
        "zero_root": 0.3,
        "slope_ease": 0.3,
        "slope_tail": 0.05,
        "slope_zero": 0.0,
        "scatter_ease": 1e-6,
        "scatter_tail": 1e-6,
        "offset_ease": np.zeros(3),
        "offset_tail": np.zeros(3),
    }
    curve, model = Curve(known("repeated_by_size", table, truth)), Serving(1e9, 200)
    once, four = (Streams(0.5).answer(model, curve, P) for P in (1, 4))
    as_large = Streams(0.5).answer(Serving(1e9 * (0.5 * np.log(4) + 1), 200), curve, 1)
    np.testing.assert_allclose(four.accuracy, as_large.accuracy)
    assert four.flop == 4 * once.flop
    own = problems_of(curve.fit, N=1e9, new=4000).rates.mean()
    assert once.accuracy.mean() == pytest.approx(own, abs=0.01)
    assert (four.accuracy > once.accuracy).all()


def test_visual_tokens_are_read_with_the_prompt():
    truth = {
        "error": 0.5,
        "error_floor_share": 0.3,
        "alpha": 0.15,
        "beta": 0.05,
        "sigma_accuracy": 0.005,
    }
    x = {
        "N": np.repeat([5e8, 1.8e9, 4e9, 7e9], 7),
        "T": np.tile([1.0, 4, 16, 36, 64, 144, 576], 4),
    }
    curve = Curve(known("visual_tokens", x, truth))
    found = VisualTokens().answer(Serving(4e9, 10, prompt=50), curve, 144)
    assert found.flop == 2 * 4e9 * (50 + 144 + 10)
    exact = 1 - float(curve.fit.law.expected(truth, {"N": 4e9, "T": 144.0}))
    np.testing.assert_allclose(found.accuracy, exact, rtol=1e-6)


def test_every_strategy_keeps_the_one_protocol():
    for name, strategy in ALL.items():
        assert strategy.name, name
        assert strategy.unit in ("samples", "tokens", "streams", "visual tokens")
        assert list(strategy.amounts) == sorted(strategy.amounts)
        assert strategy.suits(MIX) == (name in STRATEGIES)


def test_a_curve_is_of_an_accuracy(surface_fit):
    with pytest.raises(ValueError, match="the Chinchilla law gives no accuracy"):
        Curve(surface_fit)


def test_rates_come_from_counts():
    random = np.random.default_rng(2)
    p = random.beta(0.5, 2.0, 80)
    table = {
        "problem": np.arange(80),
        "samples": np.full(80, 50),
        "successes": random.binomial(50, p),
    }
    fit = nstar.fit(
        table, "repeated_sampling", settings=Settings(chains=2, warmup=250, draws=250)
    )
    own = problems_of(fit)
    np.testing.assert_allclose(own.rates.mean(), p.mean(), atol=0.02)
    new = problems_of(fit, new=300)
    assert new.rates.shape == (len(own.rates), 300)
    assert Oracle().accuracy(own, 20).mean() == pytest.approx(
        float(nstar.pass_at_k(fit, [20]).draws["these"].mean()), abs=0.01
    )


def test_what_the_issue_names_is_in_the_registry():
    pairs = {
        "monkeys_llama3_8b_instruct_math": (-1.33, -0.43),
        "monkeys_llama3_70b_instruct_math": (-0.75, -0.46),
        "monkeys_llama3_8b_instruct_codecontests": (-3.88, -0.11),
        "monkeys_llama3_70b_instruct_codecontests": (-2.52, -0.11),
        "monkeys_pythia_70m_math": (-7.59, -0.18),
        "monkeys_pythia_12b_math": (-3.92, -0.35),
        "monkeys_gemma_2b_math": (-2.45, -0.38),
        "monkeys_llama3_8b_instruct_minif2f": (-1.33, -0.08),
    }
    for name, (a, b) in pairs.items():
        fit = published.get(name)
        assert (fit.values["a"], fit.values["b"]) == (a, b)
        assert fit.curve(100) == pytest.approx(np.exp(a * 100**b))
    others = (
        "schaeffer_powerlaw",
        "wu_inference",
        "laion_cmp_imagenet_clip",
        "laion_cmp_imagenet_mammut",
        "dit_alloc",
        "dit_loss",
        "dit_fid",
        "vlm_inference_llava",
        "sardana_inference",
        "t2_accuracy",
    )
    for name in others:
        assert published.get(name).citation.startswith("arXiv:")


@pytest.mark.slow
def test_training_and_samples_from_one_budget(surface_fit):
    """Simulated problems: the less is asked, the larger the model and the more samples."""
    random = np.random.default_rng(3)
    L = np.repeat([0.9, 0.8, 0.72, 0.66], 40)
    p = random.beta(0.4, 0.4 * np.exp(2.0 + 12 * np.log(L / 0.75)))
    table = {
        "L": L,
        "problem": np.tile(np.arange(40), 4),
        "samples": np.full(160, 100),
        "successes": random.binomial(100, p),
    }
    counts = nstar.fit(
        table,
        RepeatedBySize(by="L"),
        settings=Settings(chains=2, warmup=250, draws=500),
    )
    assert np.quantile(counts.draws["slope_ease"], 0.95) < 0
    found = {
        Q: joint(surface_fit, counts, 1e22, problems=Q, tokens=1000) for Q in (1e3, 1e8)
    }
    for Q, records in found.items():
        for r in records.choices:
            spent = 6 * r.N * r.D + Q * r.samples * 2 * r.N * 1000
            assert spent == pytest.approx(1e22)
        assert sum(r.best for r in records.choices) == pytest.approx(1)
    assert found[1e3].choices[0].samples == 256  # samples cost next to nothing
    same = {
        Q: {r.samples: r.N for r in records.choices} for Q, records in found.items()
    }
    assert same[1e8][16] <= same[1e3][16]
    said = {c.name: c.status for c in found[1e8].checks()}
    assert said["loss and problems"] == "REVIEW"
    assert "one loss in both tables" not in said
    other = counts.runs.columns | {
        "L": 3 * counts.runs["L"]
    }  # bits of another tokenizer
    elsewhere = replace(counts, runs=replace(counts.runs, columns=other))
    said = {c.name: c for c in replace(found[1e8], counts=elsewhere).checks()}
    assert said["one loss in both tables"].status == "FAIL"
    assert (
        "measure both on one set, in one unit" in said["one loss in both tables"].detail
    )
    with pytest.raises(ValueError, match="fit the counts with RepeatedBySize"):
        joint(surface_fit, surface_fit, 1e22, problems=1e6, tokens=1000)


def test_a_metric_that_hardly_differs_is_for_review():
    table = {
        "C": np.geomspace(1e16, 1e20, 12),
        "metric": 0.99 + 0.001 * np.arange(12) / 12,
    }
    law = parse_model("bounded_metric", None).law
    runs, _, _ = prepare(nstar.read_runs(table), law)
    assert [c.name for c in runs.notes] == ["varied metric"]
    with pytest.raises(ValueError, match="if these are percent, divide by 100"):
        prepare(nstar.read_runs(table | {"metric": 100 * table["metric"]}), law)


def test_responses_that_are_no_loss_are_predicted(clip_fit):
    """Ten times the compute of simulated CLIP runs: inside the interval, above the floor."""
    fit, truth = clip_fit, {"error": 0.3, "error_floor_share": 0.3, "slope": 0.12}
    found = respond(fit, {"C": [1e20, 1e22]})
    low, high = np.quantile(found["law"], [0.005, 0.995], axis=0)
    curve = fit.law.expected(truth, {"C": np.array([1e20, 1e22])})
    assert ((low < curve) & (curve < high)).all()
    assert (np.diff(found["law"], axis=1) < 0).all()
    assert found["measured"].std() > found["law"].std()
    with pytest.raises(ValueError, match="reads C; C lacks; it does not read N"):
        respond(fit, {"N": [1e9]})
    with pytest.raises(ValueError, match="C must be positive"):
        respond(fit, {"C": [-1.0]})
