import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nstar.files.writing import json_text, require_writable, write_atomically
from nstar.fits.unknown_words import WORDS
from nstar.intervals import Interval
from nstar.verdicts import Check, Status
from nstar.wording import (
    beside,
    count,
    digits,
    flop,
    money,
    percent,
    plain,
    plainly,
    shown,
    standing,
    three,
    visible,
)

NUMBERS = st.floats(min_value=1e-12, max_value=1e30)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.06e11, "406B"),
        (1.56e13, "15.6T"),
        (9.996e11, "1T"),
        (7e6, "7M"),
        (512, "512"),
    ],
)
def test_counts_are_read_as_people_say_them(value, text):
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9999, "10000"),
        (1e6, "1e6"),
        (4.3e-5, "4.3e-5"),
        (0.000405, "0.000405"),
        (-0.5, "-0.5"),
    ],
)
def test_three_digits(value, text):
    assert three(value) == text


@given(NUMBERS, st.integers(2, 5))
def test_numbers_keep_their_digits_and_show_no_plus(value, n):
    text = digits(value, n)
    assert "e+" not in text
    assert float(text) == pytest.approx(value, rel=0.51 * 10 ** (1 - n))


@given(NUMBERS)
def test_a_budget_reads_back(value):
    assert "+" not in flop(value)
    assert float(flop(value)) == pytest.approx(value, rel=1e-3)


def test_numbers_inside_sentences():
    said = "at 3.8e+25 FLOP from 8.01e+12 (surface) to 1.59e+13 tokens [1.06e+13, 2e+13]; 6e+18, 2e+15 FLOP"
    assert (
        plain(said)
        == "at 3.8e25 FLOP from 8.01T (surface) to 15.9T tokens [10.6T, 20T]; 6e18, 2e15 FLOP"
    )
    assert plain("run-1e+12.csv has 0.003 of it") == "run-1e+12.csv has 0.003 of it"


def test_no_check_is_said_twice():
    check = Check("extrapolation", Status.REVIEW, "beyond 1e+22 FLOP")
    assert plainly([check, check]) == [check._replace(detail="beyond 1e22 FLOP")]


def test_names_from_outside_are_tamed():
    assert shown("ladder.csv") == "ladder.csv"
    assert "\u202e" not in visible("a\u202eb\n\x1b[31m")
    assert "\n" not in visible("a\u202eb\n\x1b[31m")
    long = shown("x" * 10_000)
    assert len(long) == 81
    assert "…" in long


def test_percent():
    assert [percent(p) for p in (0.9, 0.995, 0.68)] == ["90%", "99.5%", "68%"]


def test_a_comparison_without_theirs():
    ours = {"median": 1e12, "lower": 9e11, "upper": 1.1e12}
    none = {
        "posterior": ours,
        "published": None,
        "ratio": None,
        "credible_level": None,
        "reason": "its law has no exponent",
    }
    record = {
        "C": 1e24,
        **dict.fromkeys(("N", "D", "tokens_per_parameter", "loss"), none),
    }
    rows = beside([record], {"N": none, "D": none})
    assert rows[0] == [
        "1e24",
        "N* (parameters)",
        "1T [900B, 1.1T]",
        "–",
        "–",
        "its law has no exponent",
    ]


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (0.01, "near the centre of ours"),
        (0.2, "inside our 90% interval"),
        (0.9, "inside our 90% interval"),
        (0.97, "outside our 90% interval, at credible level 0.97"),
    ],
)
def test_where_a_value_lies_among_draws(level, words):
    assert standing(level, 0.9) == words


def test_every_unknown_of_every_law_and_noise_has_words():
    from nstar.laws import LAWS
    from nstar.noises.likelihoods import NOISES

    names = {name for law in LAWS.values() for name in law().priors()}
    names |= {
        n
        for law in LAWS.values()
        for v in NOISES.values()
        for n in v.priors(law().response)
    }
    by_budget = {"log_D", "curvature_z", "level_z"}
    assert names - by_budget <= WORDS.keys()


def test_a_name_means_the_same_in_every_law():
    from nstar.laws import LAWS

    for law in LAWS.values():
        assert law().words.items() <= WORDS.items()


def test_json_is_strict():
    document = {
        "a": math.nan,
        "b": [math.inf, np.float64(1.5)],
        "c": np.array([1.0, np.nan]),
        "d": Status.PASS,
        "e": True,
        "f": np.int64(3),
        "g": (1, None),
        5: "x",
    }

    def refuse(text):
        raise AssertionError(text)

    read = json.loads(json_text(document), parse_constant=refuse)
    assert read == {
        "a": None,
        "b": [None, 1.5],
        "c": [1.0, None],
        "d": "PASS",
        "e": True,
        "f": 3,
        "g": [1, None],
        "5": "x",
    }


def test_files_are_whole_and_places_tried(tmp_path):
    file = write_atomically(tmp_path / "new" / "a.txt", "text")
    assert file.read_text(encoding="utf-8") == "text"
    assert [p.name for p in file.parent.iterdir()] == ["a.txt"]
    assert require_writable(tmp_path / "b.nc", ".nc") == tmp_path / "b.nc"
    assert not (tmp_path / "b.nc").exists()
    for bad, reason in (
        (tmp_path / "c.txt", "ends in .nc"),
        (file / "d.nc", "cannot be written"),
    ):
        with pytest.raises(ValueError, match=re.escape(reason)):
            require_writable(bad, ".nc")
    with pytest.raises(ValueError, match="folder"):
        require_writable(tmp_path)


def test_money_has_one_unit_from_end_to_end():
    ends = {"median": 1.114e6, "lower": 9.02e5, "upper": 1.33e6}
    assert money(ends, "USD") == "USD 1.11M [0.902M, 1.33M]"
    assert money(Interval(25_000.0, 999.0, 2.1e6)) == "25K [0.999K, 2100K]"
    assert [money(v, "EUR") for v in (7.03e9, 999_990.0, 312.0)] == [
        "EUR 7.03B",
        "EUR 1M",
        "EUR 312",
    ]
