"""Priors from the public record: the summary, the file, and who is left out."""

import hashlib
import importlib
import json
import sys

import numpy as np
import pytest
from scipy import stats

from conftest import FALSE_ALARM, REPO
from nstar.files.data_files import shipped
from nstar.priors.learned import Group, learned, read
from nstar.priors.population import DF, Estimate, likelihood, predictive
from nstar.priors.record import (
    fingerprint,
    source_of_published,
    sources,
    sources_of_runs,
)
from nstar.priors.stated import describe, parse
from nstar.published import fits as published
from nstar.published.forms import SURFACES
from nstar.runs import datasets

WEAK = (0.0, 1.0)
T90 = stats.t(DF).ppf(0.95)


def width(text: str) -> float:
    """Width of the middle 90 % on the scale of the Student-t."""
    return 2 * T90 * float(parse(text).base_dist.scale)


def centre(text: str) -> float:
    return float(parse(text).base_dist.loc)


def invented(rng, n, mu=0.7, tau=0.2, se=0.05):
    """Sources drawn from a known population."""
    theta = mu + tau * rng.standard_t(DF, n)
    values = theta + se * rng.normal(size=n)
    return [Estimate(f"s{i}", float(v), se) for i, v in enumerate(values)]


def test_many_sources_give_their_population_back(rng):
    loc, scale = predictive(invented(rng, 400), WEAK)
    assert loc == pytest.approx(0.7, abs=0.06)
    assert scale == pytest.approx(0.2, rel=0.2)


def test_a_new_source_falls_into_the_interval_as_often_as_said(rng):
    """Eight sources from a population the prior knows: what comes next is inside 90 %."""
    inside, n = 0, 200
    for _ in range(n):
        mu, tau = rng.normal(), abs(rng.normal()) / 2
        loc, scale = predictive(invented(rng, 8, mu, tau), WEAK)
        inside += abs(mu + tau * rng.standard_t(DF) - loc) < T90 * scale
    assert stats.binomtest(inside, n, 0.9).pvalue > FALSE_ALARM


def test_nothing_said_leaves_the_weak_prior_about_as_wide():
    loc, scale = predictive([], (0.3, 0.5))
    assert loc == pytest.approx(0.3, abs=1e-6)
    assert 1.0 < T90 * scale / (0.5 * stats.norm.ppf(0.95)) < 1.3


def test_a_source_is_one_observation_however_much_it_says(rng):
    few = invented(rng, 6)
    again = [*few, *[few[0]] * 30]
    np.testing.assert_allclose(
        predictive(few, WEAK), predictive(again, WEAK), rtol=1e-6
    )


def test_one_source_far_off_does_not_carry_the_others_away(rng):
    said = invented(rng, 12, se=0.02)
    far = [*said, Estimate("far", 8.0, 0.02)]
    loc, _ = predictive(far, WEAK)
    assert abs(loc - predictive(said, WEAK).loc) < 0.1


def test_the_prior_is_taken_out_of_a_posterior():
    """Normal prior times normal likelihood, and back."""
    prior, (y, se) = (0.2, 0.8), (1.1, 0.3)
    precision = 1 / prior[1] ** 2 + 1 / se**2
    mean = (prior[0] / prior[1] ** 2 + y / se**2) / precision
    assert likelihood(mean, precision**-0.5, *prior) == pytest.approx((y, se))
    assert likelihood(0.2, 0.79, *prior) is None


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(REPO / "benchmarks"))
    try:
        yield importlib.import_module("learn_priors")
    finally:
        sys.path.remove(str(REPO / "benchmarks"))


def fits(rng, mu, tau, n=60):
    """Fits of invented ladders: true posteriors under a normal prior."""
    made = []
    for i in range(n):
        theta, se, (m, s) = mu + tau * rng.standard_t(DF), 0.1, (0.03, 0.54)
        y = theta + se * rng.normal()
        precision = 1 / s**2 + 1 / se**2
        mean = (m / s**2 + y / se**2) / precision
        made.append(
            {
                "source": f"s{i}",
                "ladder": f"l{i}",
                "kind": "coupled",
                "params_counted": "total" if i % 2 else "unknown",
                "rhat": 1.0,
                "learned": {"alpha1": [mean, precision**-0.5, m, s]},
                "over": {"alpha1": "LogitStudentT(4, 0.04, 0.35)"},
            }
        )
    return made


def test_the_script_gives_a_known_population_back(script, rng, tmp_path):
    """Fits of invented ladders, through the script's summary, its file and our reader."""
    ladders = fits(rng, mu=0.4, tau=0.15)
    statements = list(script.of_ladders(ladders))
    made = script.groups(statements, script.weak_priors(ladders))
    file = tmp_path / "priors.toml"
    file.write_text(script.text(made, {"fits_sha256": "none"}, {}), encoding="utf-8")
    back = read(file)
    assert set(back.groups["alpha1"]) == {"unknown", "total"}
    assert len(back.groups["alpha1"]["unknown"].estimates) == 60  # every count
    assert len(back.groups["alpha1"]["total"].estimates) == 30
    text = back.prior("alpha1", "unknown", ())
    assert centre(text) == pytest.approx(0.4, abs=0.12)
    assert width(text) == pytest.approx(2 * T90 * 0.15, rel=0.4)
    assert (
        back.prior("alpha1", "unknown", ["s3"])
        == back.left_out["s3"]["alpha1"]["unknown"]
    )


def test_a_fit_that_did_not_converge_says_nothing(script, rng):
    ladders = fits(rng, 0.4, 0.15, n=4)
    ladders[2]["rhat"] = 1.3
    assert {s.estimate.source for s in script.of_ladders(ladders)} == {"s0", "s1", "s3"}


def test_a_poisoned_source_does_not_move_the_prior_without_it(script, rng, tmp_path):
    files = []
    for poison in (0.0, 5.0):
        ladders = fits(np.random.default_rng(1), 0.4, 0.15, n=10)
        for ladder in ladders:
            if ladder["source"] == "s4":
                ladder["learned"]["alpha1"][0] += poison
        made = script.groups(
            list(script.of_ladders(ladders)), script.weak_priors(ladders)
        )
        file = tmp_path / f"{poison}.toml"
        file.write_text(script.text(made, {}, {}), encoding="utf-8")
        files.append(read(file))
    clean, poisoned = files
    assert clean.left_out["s4"] == poisoned.left_out["s4"]
    assert clean.prior("alpha1", "unknown", ["s4", "s5"]) == poisoned.prior(
        "alpha1", "unknown", ["s4", "s5"]
    )
    assert clean.from_all != poisoned.from_all
    assert clean.left_out["s5"] != poisoned.left_out["s5"]


def test_the_shipped_file_is_what_its_statements_say():
    """Stored priors, all and each left out, are the summary of what is said beside them."""
    record = learned()
    for unknown, condition in (("alpha1", "total"), ("coupling", "any")):
        group = record.groups[unknown][condition]
        assert record.from_all[unknown][condition] == group.summary()
        for source in sorted({s.source for s in group.estimates})[:4]:
            without = record.left_out[source][unknown][condition]
            assert without == group.without([source]).summary()


def test_the_shipped_file_says_where_it_is_from():
    record = learned()
    about = record.about
    assert about["sources"] == len(record.sources()) >= 15
    assert about["command"]
    assert about["method"]
    kept = REPO / "benchmarks" / "results" / "record_fits.json"
    assert about["fits_sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()
    for name in ("published", "sources"):
        now = hashlib.sha256(shipped(f"{name}.toml").read_bytes()).hexdigest()
        assert about[f"{name}_sha256"] == now, (
            f"{name}.toml changed: {about['command']}"
        )
    shas = {f"{n} {datasets.get(n).sha256[:12]}" for n in datasets.names()}
    assert set(about["data_sets"]) <= shas


def test_what_was_learned_holds_what_is_known():
    """Counting conventions apart, and narrower than the weak priors where much is said."""
    record = learned()

    def reach(unknown, condition, prob=0.95):
        text = record.prior(unknown, condition, ())
        half = width(text) / 2 * stats.t(DF).ppf((1 + prob) / 2) / T90
        return centre(text) - half, centre(text) + half

    def logit(p):
        return np.log(p / (1 - p))

    total, bare = reach("alpha1", "total"), reach("alpha1", "non-embedding")
    assert total[0] < logit(0.38) < logit(0.5) < total[1]  # Marin, Hoffmann
    assert total[1] < logit(0.835) < bare[1]  # Kaplan counting
    for unknown, condition in (
        ("alpha1", "total"),
        ("alpha1", "unknown"),
        ("exponent_sum", "chinchilla"),
        ("exponent_sum", "coupled"),
        ("coupling", "any"),
        ("floor_share", "coupled"),
        ("sigma", "straight"),
        ("tokens_per_parameter", "any"),
    ):
        group = record.groups[unknown][condition]
        weak = 2 * stats.norm.ppf(0.95) * group.weak[1]
        assert width(record.prior(unknown, condition, ())) < weak, unknown
    assert width(record.prior("alpha1", "non-embedding", ())) > width(
        record.prior("alpha1", "total", ())
    )


GOOD = """format = 1
[said.alpha1.total]
over = "LogitStudentT(4, 0.04, 0.35)"
scale = "logit"
weak = [0.0, 0.5]
by = [["a", 0.1, 0.05]]
[all]
alpha1.total = "LogitStudentT(4, 0.1, 0.2)"
[without.a]
alpha1.total = "LogitStudentT(4, 0.0, 0.5)"
"""
BAD = {
    "not TOML": ("format = 1", "format =", "not a TOML file"),
    "newer": ("format = 1", "format = 2", "format: expected 1, got 2"),
    "no group": (
        "[said.alpha1.total]",
        "[told.alpha1.total]",
        "said: expected a table",
    ),
    "scale": ('"logit"', '"sqrt"', r"said\.alpha1\.total: expected over, scale"),
    "statement": ("0.05]]", '"wide"]]', r"said\.alpha1\.total: expected over"),
    "no error": ("0.05]]", "0.0]]", r"said\.alpha1\.total: expected over"),
    "over": (
        "LogitStudentT(4, 0.04, 0.35)",
        "__import__('os')",
        r"said\.alpha1\.total\.over: prior .*expected a family",
    ),
    "family": (
        "LogitStudentT(4, 0.1, 0.2)",
        "Gauss(0, 1)",
        r"all\.alpha1\.total: prior 'Gauss\(0, 1\)': no family",
    ),
    "number": (
        'alpha1.total = "LogitStudentT(4, 0.1, 0.2)"',
        "alpha1.total = 0.5",
        r"all\.alpha1\.total: expected a prior .* got 0\.5",
    ),
    "scale below zero": ("0.1, 0.2)", "0.1, -0.2)", r"all\.alpha1\.total: prior"),
    "missing": (
        'alpha1.total = "LogitStudentT(4, 0.1, 0.2)"',
        "",
        r"all\.alpha1\.total: no prior",
    ),
    "left out": ("[without.a]", "[without.b]", "without: no priors for a left out"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_broken_file_is_refused_with_its_place(tmp_path, fault):
    old, new, message = BAD[fault]
    assert GOOD.count(old) == 1
    file = tmp_path / "priors.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert read(file).prior("alpha1", "total", ()) == "LogitStudentT(4, 0.1, 0.2)"
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        read(file)
    assert str(file) in str(refused.value)


def test_every_published_fit_of_text_has_one_source():
    """A new entry of the registry must say whose runs it speaks of."""
    for id in published.names():
        fit = published.get(id)
        speaks = fit.exponents()["N"] is not None or fit.form in SURFACES
        holders = [s.name for s in sources().values() if id in s.published]
        assert len(holders) <= 1, id
        if fit.modality == "text" and speaks:
            assert len(holders) == 1, f"{id}: in no source of data/sources.toml"
    known = set(published.names())
    for source in sources().values():
        assert set(source.published) <= known
        assert set(source.learn) <= set(source.published)
        assert set(source.datasets) <= set(datasets.names())
    assert source_of_published("besiroglu_epoch") == source_of_published(
        "chinchilla_A2"
    )
    assert source_of_published("porian_rw_attention:stage2") == "porian"
    assert source_of_published("openclip_imagenet") is None


def test_runs_are_recognised_by_name_by_file_and_by_their_points(llama3, optima):
    import nstar

    seen = learned().fingerprints
    assert sources_of_runs(llama3, seen) == ["llama3"]
    assert sources_of_runs(optima, {}) == ["llama3"]
    columns = {n: llama3[n][::4] for n in ("N", "D", "L")}
    own = nstar.read_runs(columns | {"N": columns["N"] * 1.01})
    assert sources_of_runs(own, {}) == []
    assert sources_of_runs(own, seen) == ["llama3"]
    other = nstar.read_runs(columns | {"L": columns["L"] * 1.1})
    assert sources_of_runs(other, seen) == []
    assert sources_of_runs(own, {"mine": fingerprint([own])}) == ["mine"]
    file = nstar.read_runs(
        str(shipped("llama3_figure2.csv")), {"C": "flops", "D": "tokens", "L": "loss"}
    )
    assert sources_of_runs(file, {}) == ["llama3"]


def test_families_are_read_as_they_are_written():
    for text in ("LogStudentT(4, -0.5, 0.3)", "LogitStudentT(4, 0.04, 0.35)"):
        assert describe(parse(text)) == text
    with pytest.raises(ValueError, match="LogStudentT"):
        parse("LogStudentT(4, 0)")


def test_group_without_sources_keeps_the_rest():
    group = Group(
        "LogNormal(0, 1)",
        "log",
        WEAK,
        (Estimate("a", 1.0, 0.1), Estimate("b", 2.0, 0.1)),
    )
    assert [s.source for s in group.without(["a"]).estimates] == ["b"]
    assert json.loads(json.dumps(group.summary())).startswith("LogStudentT(4, ")
