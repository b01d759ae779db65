"""Forecasts frozen before their runs: scores by closed forms, and a chain that bites."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from scipy import stats

import nstar
from nstar.fits.mixture import Average
from nstar.ledger.chain import START, canonical, digest
from nstar.ledger.choices import Choice
from nstar.ledger.entries import Ledger
from nstar.ledger.frozen import PROBS, Frozen, interval
from nstar.ledger.records import Forecast
from nstar.ledger.verification import as_json, central, track_record
from nstar.plans.planning import plan
from nstar.predictions.prediction import log_density
from nstar.samplers.nuts import Settings
from nstar.scores import scores
from nstar.verdicts import Check, Status

WHEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 1, tzinfo=UTC)
MIDDLES = (np.arange(100_000) + 0.5) / 100_000


@cache
def normal(mean=0.8, sd=0.01):
    """A forecast whose log loss is normal, without any draw."""
    said = stats.norm(mean, sd)
    return Frozen.of(np.exp(said.ppf(MIDDLES)), lambda L: said.logpdf(np.log(L)))


def made(name="hero", mean=0.8, sd=0.01, **other):
    basis = {
        "data": "ladder.csv",
        "loss_unit": "nats per token",
        "laws": [
            {
                "law": "chinchilla",
                "weight": 1.0,
                "noise": "normal",
                "discrepancy": "none",
                "priors": {},
            }
        ],
    }
    said = normal(mean, sd)
    given = {
        "name": name,
        "frozen": "2026-01-31T12:00:00Z",
        "N": 7e9,
        "D": 1.4e11,
        "C": 5.88e21,
        "x": {},
        "budget": None,
        "decades_beyond_data": 1.5,
        "basis": basis,
        "measured": said,
        "law_loss": said.quantiles,
        "checks": (Check("convergence", Status.PASS, ""),),
        "among_data": (),
    }
    return Forecast(**given | other)


@pytest.fixture(scope="module")
def book():
    """Three forecasts, two of them scored, one of these twice."""
    ledger = Ledger()
    for name in ("hero", "small", "Größe \u2028 x"[:5]):
        ledger = ledger.freeze(made(name))
    ledger = ledger.score("hero", 2.234, when=LATER)
    ledger = ledger.score("small", 2.2, when=LATER, note="Ada")
    return ledger.score("hero", 2.236, when=LATER, again=True)


# Scores


@pytest.mark.parametrize("z", [-30.0, -2.2, -1.0, 0.0, 0.3, 1.7, 4.0, 80.0])
def test_scores_of_a_normal_forecast_are_its_closed_forms(z):
    """CRPS of a normal: Gneiting & Raftery (2007), eq. 21 ff."""
    mean, sd = 0.8, 0.01
    got = normal(mean, sd).score(float(np.exp(mean + sd * z)))
    exact = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    assert got.crps == pytest.approx(sd * exact, rel=2e-3)
    assert got.error == pytest.approx(-sd * z, abs=1e-7)
    assert got.log_density == pytest.approx(
        stats.norm.logpdf(z) - np.log(sd), abs=5e-3 * max(1, abs(z))
    )
    half = stats.norm.ppf(0.95)
    score = sd * (2 * half + 20 * max(abs(z) - half, 0))
    assert got.interval_score == pytest.approx(score, rel=1e-3)
    for level in (0.5, 0.8, 0.9, 0.95):
        assert got.covered[str(level)] == (abs(z) < stats.norm.ppf((1 + level) / 2))
    inside = PROBS[0] <= stats.norm.cdf(z) <= PROBS[-1]
    assert got.pit == (
        pytest.approx(stats.norm.cdf(z), abs=1e-4) if inside else float(z > 0)
    )


def test_a_density_is_held_where_nothing_was_kept():
    far = normal().score(1e9).log_density
    assert far == normal().score(1e12).log_density
    assert far < -4000


def test_intervals_are_those_of_the_draws(rng):
    draws = np.exp(0.8 + 0.01 * rng.standard_t(3, size=4000))
    said = Frozen.of(draws, np.zeros_like)
    for prob in (0.5, 0.8, 0.9, 0.95):
        exact = np.quantile(draws, [0.5, (1 - prob) / 2, (1 + prob) / 2])
        np.testing.assert_allclose(said.interval(prob), exact, rtol=1e-8)
    with pytest.raises(
        ValueError, match=r"prob 0.999: .* holds intervals of up to 0.995"
    ):
        said.interval(0.999)


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        (np.array([2.0, np.nan, -1.0]), "2 of 3 draws give no finite positive loss"),
        (np.full(10, 2.0), "every draw of the loss is 2"),
    ],
)
def test_what_cannot_be_scored_is_not_frozen(draws, said):
    with pytest.raises(ValueError, match=said):
        Frozen.of(draws, np.zeros_like)


# The chain


def test_a_ledger_comes_back_as_it_was(book, tmp_path):
    file = book.save(tmp_path / "deep" / "forecasts.jsonl")
    back = Ledger.read(file.parent)
    assert back.text == book.text == file.read_text(encoding="utf-8")
    assert [p.name for p in file.parent.iterdir()] == ["forecasts.jsonl"]
    assert back.head == book.head
    assert as_json(back, 0.9)["record"] == as_json(book, 0.9)["record"]
    hero, again = back.forecasts["hero"], book.forecasts["hero"]
    np.testing.assert_array_equal(hero.measured.quantiles, again.measured.quantiles)
    assert (hero.checks, hero.basis) == (again.checks, again.basis)
    assert json.loads(book.entries[0].text)["previous"] == START
    more = back.freeze(made("next"))
    more.save(file)
    assert Ledger.read(file).text.startswith(book.text)


def _rehashed(line, **change):
    """A line changed by someone who knows how hashes are made."""
    said = json.loads(line) | change
    said.pop("hash")
    return canonical(said | {"hash": digest(said)})


TAMPERED = {
    "a number": (
        lambda lines: [lines[0].replace('"C":5.88e+21', '"C":5.89e+21'), *lines[1:]],
        "line 1: its contents do not match its hash",
    ),
    "a date": (
        lambda lines: [
            *lines[:1],
            lines[1].replace("2026-01-31", "2026-01-30"),
            *lines[2:],
        ],
        "line 2: its contents do not match",
    ),
    "the loss": (
        lambda lines: [*lines[:3], lines[3].replace("2.234", "2.233"), *lines[4:]],
        "line 4: its contents",
    ),
    "the last": (
        lambda lines: [*lines[:5], lines[5].replace("2.236", "2.2")],
        "line 6: its contents",
    ),
    "a digit nobody reads": (
        lambda lines: [
            lines[0].replace("140000000000.0", "140000000000.00"),
            *lines[1:],
        ],
        "line 1: says what it said .* the file was edited",
    ),
    "the first dropped": (
        lambda lines: lines[1:],
        "line 1: was written after a line with hash .* but no line stands before it",
    ),
    "one dropped": (
        lambda lines: lines[:2] + lines[3:],
        "line 3: was written after a line with hash .*: lines were dropped",
    ),
    "reordered": (
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        "line 2: was written after",
    ),
    "one twice": (lambda lines: [*lines, lines[-1]], "line 7: was written after"),
    "a blank line": (
        lambda lines: [*lines[:2], "", *lines[2:]],
        "line 3: not a line of a ledger",
    ),
    "other words": (
        lambda lines: [*lines, "and so on"],
        "line 7: not a line of a ledger",
    ),
    "a name twice": (
        lambda lines: [lines[0].replace("{", '{"C":1,', 1), *lines[1:]],
        "line 1: not a line of a ledger",
    ),
    "a hash made anew": (
        lambda lines: [lines[0], _rehashed(lines[1], N=8e9), *lines[2:]],
        "line 3: was written after a line with hash",
    ),
    "another format": (
        lambda lines: [_rehashed(lines[0], format=2)],
        "line 1: of format 2, and this nstar reads 1",
    ),
    "another kind": (
        lambda lines: [_rehashed(lines[0], kind="guess")],
        "line 1: neither a forecast nor an outcome",
    ),
    "an outcome alone": (
        lambda lines: [_rehashed(lines[3], previous=START)],
        "line 1: an outcome of 'hero', but no such forecast",
    ),
}


@pytest.mark.parametrize(("change", "said"), TAMPERED.values(), ids=TAMPERED)
def test_the_chain_bites_on_every_kind_of_tampering(book, tmp_path, change, said):
    file = tmp_path / "forecasts.jsonl"
    lines = book.text.split("\n")[:-1]
    assert change(lines) != lines
    file.write_text("".join(f"{line}\n" for line in change(lines)), encoding="utf-8")
    with pytest.raises(ValueError, match=f"forecasts.jsonl, {said}"):
        Ledger.read(file)


def test_any_letter_that_changes_is_seen(book, rng):
    text = book.text
    for at in rng.choice(len(text), 150, replace=False):
        other = "7" if text[at] != "7" else "3"
        with pytest.raises(ValueError, match="line "):
            Ledger.parse(text[:at] + other + text[at + 1 :])


def test_a_file_cut_short_is_seen(book):
    with pytest.raises(ValueError, match="line 6: does not end"):
        Ledger.parse(book.text[:-1])
    with pytest.raises(ValueError, match="line 6: not a line"):
        Ledger.parse(book.text[:-40])


def test_a_hash_noted_elsewhere_shows_what_no_chain_can(book):
    """Last lines that are missing, and a ledger that was written anew."""
    noted = book.head
    book.require(noted)
    book.require(noted[:12])
    shorter = Ledger.parse("".join(f"{e.text}\n" for e in book.entries[:-1]))
    anew = Ledger().freeze(made("hero", mean=0.805)).score("hero", 2.236, when=LATER)
    for other in (shorter, anew):
        with pytest.raises(ValueError, match="no entry has the hash"):
            other.require(noted)
    with pytest.raises(ValueError, match="at least 12 digits"):
        book.require(noted[:11])


def test_a_ledger_is_only_added_to(book, tmp_path):
    """Two who read the same ledger and both add: the second is told, and nothing is lost."""
    file = book.save(tmp_path / "forecasts.jsonl")
    one, other = (Ledger.read(file).freeze(made(name)) for name in ("a", "b"))
    one.save(file)
    with pytest.raises(ValueError, match="changed since it was read"):
        other.save(file)
    with pytest.raises(ValueError, match="changed since it was read"):
        Ledger().save(file)
    assert Ledger.read(file).text == one.text


# What may be entered

REFUSED = {
    "unknown name": (
        lambda b: b.score("heros", 2.2),
        "no forecast named 'heros'; there are hero, small",
    ),
    "duplicate name": (
        lambda b: b.freeze(made("hero")),
        "'hero' was frozen on 2026-01-31T12:00:00Z",
    ),
    "zero": (
        lambda b: b.score("hero", 0.0, again=True),
        "the loss of 'hero': expected a positive number such as 2.234, got 0",
    ),
    "negative": (
        lambda b: b.score("hero", -1.0, again=True),
        "expected a positive number",
    ),
    "nan": (
        lambda b: b.score("hero", float("nan"), again=True),
        "expected a positive number",
    ),
    "twice": (
        lambda b: b.score("hero", 2.3),
        "'hero' was scored on .* with a loss of 2.236; .* --again",
    ),
    "nothing to correct": (
        lambda b: b.freeze(made("x")).score("x", 2.3, again=True),
        "'x' has no loss yet",
    ),
    "date": (
        lambda b: b.score("hero", 2.3, again=True, measured="yesterday"),
        "'yesterday': expected a day or a moment",
    ),
    "no name": (lambda b: b.freeze(made("")), "expected up to 80 letters on one line"),
    "two lines": (lambda b: b.freeze(made("a\nb")), "expected up to 80 letters"),
}


@pytest.mark.parametrize(("enter", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why(book, enter, said):
    with pytest.raises(ValueError, match=said):
        enter(book)


# The record of a project


def test_the_latest_measurement_counts_and_the_earlier_stays(book):
    record = track_record(book)
    assert [one.outcome.loss for one in record.scored] == [2.236, 2.2]
    assert book.outcomes["hero"].replaces == book.entries[3].hash
    assert "2.234" in book.entries[3].text
    assert record.open == ("Größe"[:5],)


def test_means_are_means_of_the_scores():
    ledger = Ledger()
    for name, loss in (("a", 2.2), ("b", 2.2673)):
        ledger = ledger.freeze(made(name)).score(name, loss, when=LATER)
    each = [normal().score(loss) for loss in (2.2, 2.2673)]
    told = track_record(ledger).as_json()
    for name in ("crps", "log_density"):
        assert told[name] == pytest.approx(np.mean([getattr(s, name) for s in each]))
    error = 0.8 - np.log([2.2, 2.2673])
    assert told["bias"] == pytest.approx(np.mean(error), abs=1e-8)
    assert told["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-8)
    held = {level: one["held"] for level, one in told["coverage"].items()}
    assert held == {"0.5": 0, "0.8": 1, "0.9": 1, "0.95": 2}  # 1.15 and 1.86 sd


@pytest.mark.parametrize("p", [0.5, 0.8, 0.9, 0.95])
def test_counts_that_chance_allows_are_binomial(p):
    for n in (1, 2, 7, 30, 400):
        assert central(n, p) == tuple(int(v) for v in stats.binom.interval(0.95, n, p))


def many(rng, spread):
    """Forty normal forecasts of runs that scatter `spread` times as much as they say."""
    ledger = Ledger()
    for i, z in enumerate(spread * rng.normal(size=40)):
        loss = float(np.exp(0.8 + 0.01 * z))
        ledger = ledger.freeze(made(f"run {i}")).score(f"run {i}", loss, when=LATER)
    return track_record(ledger)


def test_forecasts_that_hold_pass_and_others_do_not(rng):
    right, narrow, wide = (many(rng, spread) for spread in (1.0, 2.5, 0.3))
    assert (
        stats.kstest([one.scores.pit for one in right.scored], "uniform").pvalue > 1e-5
    )
    assert right.checks()[0].status is Status.PASS
    for record, word in ((narrow, "too narrow"), (wide, "too wide")):
        (check,) = record.checks()
        assert check.status is Status.REVIEW
        assert word in check.detail
        assert f"{record.coverage()['0.9'].covered} of 40" in check.detail


def test_what_was_no_forecast_does_not_count():
    ledger = Ledger().freeze(made("seen", among_data=(3, 8))).freeze(made("late"))
    ledger = ledger.freeze(made("same day")).freeze(made("true"))
    ledger = ledger.score("seen", 2.2, when=LATER)
    ledger = ledger.score("late", 2.2, measured="2026-01-30", when=LATER)
    ledger = ledger.score("same day", 2.2, measured="2026-01-31", when=LATER)
    ledger = ledger.score("true", 2.2, when=LATER)
    record = track_record(ledger)
    assert [one.forecast.name for one in record.counted] == ["same day", "true"]
    said = {c.name: c for c in record.checks()}
    assert (
        "the run is among the data it was fitted to (row 3, 8)"
        in said["forecast seen"].detail
    )
    assert "the loss was known on 2026-01-30" in said["forecast late"].detail
    assert said["forecast late"].status is Status.REVIEW
    alone = Ledger().freeze(made("late"))
    told = track_record(
        alone.score("late", 2.2, measured="2025-12-31", when=LATER)
    ).as_json()
    assert (told["scored"], told["counted"], told["crps"], told["coverage"]) == (
        1,
        0,
        None,
        None,
    )


def test_a_loss_in_another_unit_is_asked_after():
    book = Ledger().freeze(made("hero"))
    bits = float(np.exp(0.8) / np.log(2))
    _, check = track_record(book.score("hero", bits, when=LATER)).checks()
    assert (check.name, check.status) == ("loss of hero", Status.REVIEW)
    assert "is 1.44 times the median forecast: is it in the unit" in check.detail
    (only,) = track_record(book.score("hero", 2.5, when=LATER)).checks()
    assert only.name == "forecasts hold"


def test_the_record_has_the_scores_of_a_backtest(surface_fit, rng):
    """The same runs by quantiles that were kept, and by all draws."""
    draws, truth, book = [], [], Ledger()
    for i, N in enumerate(np.geomspace(1e9, 1e11, 12)):
        D = 20 * N
        said = np.log(nstar.predict(surface_fit, N, D)["measured"].to_numpy()[:, 0])
        came = float(rng.normal(np.mean(said), 1.5 * np.std(said)))
        draws.append(said)
        truth.append(came)
        book = book.freeze(freeze(surface_fit, N, D, name=f"run {i}"))
        book = book.score(f"run {i}", float(np.exp(came)), when=LATER)
    told, exact = (
        track_record(book).as_json(),
        scores(np.stack(draws, 1), np.array(truth)),
    )
    held = {level: one["held"] / 12 for level, one in told["coverage"].items()}
    assert held == exact["coverage"]
    for name in ("crps", "rmse", "bias"):
        assert told[name] == pytest.approx(exact[name], rel=2e-3)
    assert told["interval_score"] == pytest.approx(exact["interval_score"], rel=1e-6)


def test_a_forecast_frozen_on_a_failing_check_is_marked():
    bad = made("bold", checks=(Check("convergence", Status.FAIL, ""),))
    ledger = Ledger().freeze(bad).score("bold", 2.2, when=LATER)
    assert as_json(ledger, 0.9)["forecasts"][0]["status"] == "FAIL"
    checks = track_record(ledger).checks()
    assert "bold" in next(c for c in checks if c.name == "forecasts frozen").detail
    assert len(track_record(ledger).counted) == 1


# Choices between two recipes


def choice(name="switch", chance=0.9, **other):
    given = {
        "name": name,
        "frozen": "2026-01-31T12:00:00Z",
        "baseline": "adamw",
        "recipe": "muon",
        "C": 1e24,
        "chance": chance,
        "chance_of_law": 0.95,
        "prob": 0.9,
        "multiplier": {"median": 1.3, "lower": 1.1, "upper": None},
        "runs": {
            arm: {"N": 1e11, "D": 2e12, "loss": {"median": 2, "lower": 1, "upper": 3}}
            for arm in ("adamw", "muon")
        },
        "decades_beyond_data": 1.0,
        "basis": {"data": "ladders.csv", "loss_unit": "nats per token", "by": "recipe"},
        "checks": (Check("sampling", Status.PASS, ""),),
        "among_data": (),
    }
    return Choice(**given | other)


BETTER, WORSE = {"adamw": 2.3, "muon": 2.2}, {"muon": 2.2, "adamw": 2.2}


def test_a_chance_is_scored_by_what_both_runs_measured():
    better, worse = (choice(chance=0.8).score(came) for came in (BETTER, WORSE))
    assert (better.better, worse.better) == (True, False)
    assert better.brier == pytest.approx(0.04)
    assert worse.brier == pytest.approx(0.64)
    assert better.log_score == pytest.approx(-np.log(0.8))
    assert worse.log_score == pytest.approx(-np.log(0.2))


def test_a_choice_is_in_the_same_chain(tmp_path, rng):
    book = Ledger().freeze(made()).freeze(choice(note="Ada"))
    book = book.score("switch", BETTER, when=LATER).score("hero", 2.2, when=LATER)
    book = book.score("switch", WORSE, when=LATER, again=True)
    back = Ledger.read(book.save(tmp_path / "forecasts.jsonl"))
    assert back.text == book.text
    assert as_json(back, 0.9) == as_json(book, 0.9) | {"ledger": back.source}
    assert back.choices["switch"].as_json() == choice(note="Ada").as_json()
    assert back.choice_outcomes["switch"].losses == WORSE
    assert back.choice_outcomes["switch"].replaces == back.entries[2].hash
    assert (list(back.forecasts), back.open) == (["hero"], [])
    line = back.entries[1].text
    for old, new in (('"chance":0.9', '"chance":0.8'), ("muon", "lion")):
        with pytest.raises(ValueError, match="line 2: its contents do not match"):
            Ledger.parse(back.text.replace(line, line.replace(old, new, 1)))
    cut = back.text.replace(f"{line}\n", "")
    with pytest.raises(ValueError, match="line 2: was written after"):
        Ledger.parse(cut)


CHOICES_REFUSED = {
    "name of a forecast": (lambda b: b.freeze(choice("hero")), "'hero' was frozen on"),
    "name of a choice": (lambda b: b.freeze(made("switch")), "'switch' was frozen on"),
    "one loss": (
        lambda b: b.score("switch", 2.2),
        "'switch' is a choice, which takes the loss of each recipe",
    ),
    "two losses": (
        lambda b: b.score("hero", BETTER),
        "'hero' is a forecast of one run, which takes one loss",
    ),
    "an arm": (
        lambda b: b.score("switch", {"adamw": 2.3, "moun": 2.2}),
        "muon missing; moun of neither.*--loss adamw=2.31 --loss muon=2.28",
    ),
    "zero": (
        lambda b: b.score("switch", BETTER | {"muon": 0.0}),
        "the loss of 'muon' for 'switch': expected a positive number",
    ),
    "twice": (
        lambda b: b.score("switch", BETTER).score("switch", BETTER),
        "'switch' was scored on .* with adamw = 2.3 and muon = 2.2; .* --again",
    ),
}


@pytest.mark.parametrize(
    ("enter", "said"), CHOICES_REFUSED.values(), ids=CHOICES_REFUSED
)
def test_what_is_refused_of_a_choice_says_why(enter, said):
    with pytest.raises(ValueError, match=said):
        enter(Ledger().freeze(made()).freeze(choice()))


def chances(rng, stated, true, count=60):
    """Choices of a stated chance that come with a true one."""
    ledger = Ledger()
    for i in range(count):
        came = BETTER if rng.random() < true else WORSE
        name = f"choice {i}"
        ledger = ledger.freeze(choice(name, stated)).score(name, came, when=LATER)
    return track_record(ledger)


def test_chances_that_hold_pass_and_others_do_not(rng):
    right = chances(rng, 0.8, 0.8)
    scores = right.as_json()["chances"]
    share = scores["decided"]
    assert scores["brier"] == pytest.approx(0.04 * share + 0.64 * (1 - share))
    assert scores["brier_expected"] == pytest.approx(0.16)
    log_score = -share * np.log(0.8) - (1 - share) * np.log(0.2)
    assert scores["log_score"] == pytest.approx(log_score)
    assert scores["even"] == {"brier": 0.25, "log_score": pytest.approx(np.log(2))}
    for record, status, words in (
        (right, Status.PASS, "would be no surprise"),
        (chances(rng, 0.95, 0.6), Status.REVIEW, "have been too sure"),
        (chances(rng, 0.6, 1.0), Status.REVIEW, "have been not sure enough"),
    ):
        check = next(c for c in record.checks() if c.name == "chances hold")
        assert check.status is status
        assert words in check.detail


def test_a_choice_that_was_no_forecast_does_not_count():
    book = Ledger().freeze(choice("seen", among_data=(3, 9))).freeze(choice("late"))
    book = book.score("seen", BETTER, when=LATER)
    book = book.score("late", BETTER, measured="2025-12-31", when=LATER)
    record = track_record(book)
    assert record.chances.counted == []
    assert record.as_json()["chances"]["brier"] is None
    reasons = {c.name: c.detail for c in record.checks()}
    assert "among the data it was fitted to (row 3, 9)" in reasons["choice seen"]
    assert "the loss was known on 2025-12-31" in reasons["choice late"]


# From a fit


def freeze(fit, *run, **given):
    """What was checked of the fit itself takes seconds, and is tested elsewhere."""
    return nstar.forecast(
        fit, *run, **{"name": "hero", "checks": (), "when": WHEN} | given
    )


def test_what_is_frozen_is_what_is_predicted(surface_fit):
    said = freeze(surface_fit, 7e9, 1.4e11, note="Ada", checks=None)
    draws = nstar.predict(surface_fit, 7e9, 1.4e11)
    for name, quantiles in (
        ("measured", said.measured.quantiles),
        ("loss", said.law_loss),
    ):
        exact = np.quantile(draws[name], [0.05, 0.5, 0.95])
        middle, low, high = interval(quantiles, 0.9)
        np.testing.assert_allclose([low, middle, high], exact, rtol=1e-8)
    assert (said.frozen, said.note, said.C) == (
        "2026-01-31T12:00:00Z",
        "Ada",
        pytest.approx(5.88e21),
    )
    assert said.decades_beyond_data == pytest.approx(np.log10(5.88e21 / 1e22))
    assert said.basis["data_sha256"] == surface_fit.runs.sha256
    (law,) = said.basis["laws"]
    assert (law["law"], law["discrepancy"], law["weight"]) == ("chinchilla", "none", 1)
    assert "alpha1" in law["priors"]
    assert {"convergence", "extrapolation", "not seen before"} <= {
        c.name for c in said.checks
    }
    again = freeze(surface_fit, 7e9, 1.4e11, note="Ada", checks=said.checks)
    assert again.as_json() == said.as_json()


def mixed(surface_fit, isoflop_fit):
    both, how = (surface_fit, isoflop_fit), Check("weights", Status.PASS, "")
    return Average(both, ("chinchilla", "isoflop"), (0.3, 0.7), how)


@pytest.mark.parametrize("which", ["surface", "isoflop", "average"])
def test_the_density_is_one_and_that_of_the_draws(surface_fit, isoflop_fit, which):
    fits = {"surface": surface_fit, "isoflop": isoflop_fit}
    fit = mixed(surface_fit, isoflop_fit) if which == "average" else fits[which]
    N, D = 1e10, 4e11
    said = freeze(fit, N, D).measured
    at = np.log(said.quantiles)
    fine = np.linspace(2 * at[0] - at[-1], 2 * at[-1] - at[0], 4001)
    density = np.exp([said.score(float(L)).log_density for L in np.exp(fine)])
    steps = (density[1:] + density[:-1]) / 2 * np.diff(fine)
    assert np.sum(steps) == pytest.approx(1, abs=5e-3)
    below = np.interp(at, fine[1:], np.cumsum(steps))
    np.testing.assert_allclose(below, PROBS, atol=0.03)  # 4,000 draws, joint
    if which == "surface":
        column = {
            n: np.array([v])
            for n, v in (("N", N), ("D", D), ("L", said.quantiles[200]))
        }
        one = nstar.Observations(column, np.arange(1), "", "", fit.runs.cost)
        exact = log_density(fit, one)[0]
        assert said.score(float(said.quantiles[200])).log_density == pytest.approx(
            exact, abs=1e-3
        )


def test_a_budget_freezes_the_run_that_a_plan_recommends(surface_fit):
    said = freeze(surface_fit, budget=1e23)
    run = plan(surface_fit, 1e23).table()[0]["recommended"]
    assert (said.N, said.D, said.budget) == (run["N"], run["D"], 1e23)
    assert pytest.approx(1e23) == said.C
    laws = freeze(surface_fit, run["N"], run["D"])
    np.testing.assert_array_equal(laws.measured.quantiles, said.measured.quantiles)


def test_a_run_that_was_fitted_is_no_forecast(surface_fit):
    runs = surface_fit.runs
    N, D = float(runs["N"][5]) * 1.005, float(runs["D"][5]) * 0.995
    said = freeze(surface_fit, N, D)
    assert int(runs.rows[5]) in said.among_data
    check = next(c for c in said.checks if c.name == "not seen before")
    assert check.status is Status.REVIEW
    assert "not a forecast: the run is among the data" in check.detail
    near = freeze(surface_fit, N * 1.03, D * 1.03)
    assert int(runs.rows[5]) not in near.among_data


def test_a_law_of_compute_alone_is_forecast_too(rng):
    """Its runs may have no N and D to be recognised by, which is said."""
    C = np.geomspace(1e18, 1e21, 20)
    L = 1.7 + 1.5 * (C / 1e18) ** -0.1 + 0.003 * rng.normal(size=20)
    brief = Settings(chains=2, warmup=200, draws=200)
    fit = nstar.fit({"C": C, "L": L}, "compute", "normal", settings=brief)
    said = freeze(fit, 1e9, 1e12)
    exact = np.quantile(nstar.predict(fit, 1e9, 1e12)["measured"], [0.5, 0.05, 0.95])
    np.testing.assert_allclose(said.measured.interval(0.9), exact, rtol=1e-8)
    check = next(c for c in said.checks if c.name == "not seen before")
    assert check.status is Status.REVIEW
    assert "the data have no N and D" in check.detail


def test_an_average_says_its_laws_and_weights(surface_fit, isoflop_fit):
    said = freeze(mixed(surface_fit, isoflop_fit), 1e10, 4e11)
    laws = [(one["law"], one["weight"]) for one in said.basis["laws"]]
    assert laws == [("chinchilla", 0.3), ("isoflop", 0.7)]
    one, two = (freeze(f, 1e10, 4e11).measured for f in (surface_fit, isoflop_fit))
    ends = sorted((one.interval(0.5).median, two.interval(0.5).median))
    assert ends[0] <= said.measured.interval(0.5).median <= ends[1]


def test_what_is_no_loss_is_refused(allocation_fit, surface_fit):
    with pytest.raises(
        ValueError,
        match="the Allocation law predicts log tokens, and a forecast is of a loss",
    ):
        freeze(allocation_fit, 7e9, 1.4e11)
    vocabulary = nstar.laws.LAWS["vocabulary"]()
    with pytest.raises(ValueError, match="predicts normalised loss"):
        freeze(replace(surface_fit, law=vocabulary), 7e9, 1.4e11)
    for given in ({}, {"N": 7e9}, {"N": 7e9, "D": 1e11, "budget": 1e23}):
        with pytest.raises(
            ValueError, match="either a run, N and D, or the run that a budget"
        ):
            freeze(surface_fit, **given)
