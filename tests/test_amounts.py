"""Amounts: of one meaning and read exactly, or refused; never something else."""

from decimal import Decimal
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from nstar.amounts import (
    FLOP,
    NUMBER,
    PARAMETERS,
    TOKENS,
    parse_amount,
    read_amount,
    read_size,
    split_amounts,
)
from nstar.files.tables import from_columns
from nstar.runs.columns import read_numbers

ONE_MEANING = {
    "125M": 125e6,
    "1.3B": 1.3e9,
    "350 M": 350e6,
    "2.7b": 2.7e9,
    "350m": 350e6,
    "7k": 7e3,
    "1.3G": 1.3e9,
    "1.3 billion": 1.3e9,
    "2.6 Trillion": 2.6e12,
    "15,200,000,000": 15.2e9,
    "15 200 000 000": 15.2e9,
    "15_200_000_000": 15.2e9,
    "15'200'000'000": 15.2e9,
    "15\u202f200\u202f000\u202f000": 15.2e9,
    "1,300.5": 1300.5,
    "1 300": 1300,
    "1e9": 1e9,
    "1.3e3M": 1.3e9,
    "10^9": 1e9,
    "1.3x10^9": 1.3e9,
    "6 × 10^23": 6e23,
    ".5": 0.5,
    "-3": -3,
}
TWO_MEANINGS = {
    "1,300": ("1300 or 1.3",),
    "3,973": ("3973 or 3.973",),
    "1,300M": ("1300 or 1.3",),
    "2,5e8": ("decimal comma", "2.5e+08"),
    "0,625": ("decimal comma", "0.625"),
    "2,7B": ("decimal comma", "2.7e+09"),
    "1.260.000.000": ("dots for thousands", "1.26e+09"),
    "1.234,5": ("decimal comma", "1234.5"),
    "1,52,000": ("at odds",),
    "45%": ("percent", "fraction"),
    "7X": ("suffix",),
    "125MM": ("suffix",),
    "~1.3B": ("no number",),
    "8B or so": ("suffix",),
    "1 3": ("at odds",),
    "2024-05-01": ("right column",),
}


@pytest.mark.parametrize("text", ONE_MEANING)
def test_one_meaning_is_read_to_the_last_digit(text):
    assert read_amount(text) == (ONE_MEANING[text], read_amount(text).scaled, "", False)


@pytest.mark.parametrize("text", TWO_MEANINGS)
def test_what_has_two_meanings_or_none_is_refused_with_both(text):
    amount = read_amount(text)
    assert np.isnan(amount.value)
    for fragment in TWO_MEANINGS[text]:
        assert fragment in amount.problem
    with pytest.raises(ValueError, match="budget: expected a positive number"):
        parse_amount(text, "budget")


UNITS = {
    ("2.6T tokens", TOKENS): 2.6e12,
    ("54B tokens", TOKENS): 54e9,
    ("3.0BT", TOKENS): 3e9,
    ("0.026T", TOKENS): 26e9,
    ("500 tok", TOKENS): 500,
    ("7B params", PARAMETERS): 7e9,
    ("7e9 parameters", PARAMETERS): 7e9,
    ("1e22 FLOP", FLOP): 1e22,
    ("3 ZFLOPs", FLOP): 3e21,
    ("38 yottaFLOP", FLOP): 38e24,
}


@pytest.mark.parametrize(("text", "unit"), UNITS)
def test_a_unit_is_read_where_it_is_asked_for_and_refused_elsewhere(text, unit):
    assert parse_amount(text, unit=unit) == UNITS[text, unit]
    assert parse_amount(text) == UNITS[text, unit]
    for other in {TOKENS, PARAMETERS, FLOP, NUMBER} - {unit}:
        if text != "0.026T" or other == NUMBER:
            assert read_amount(text, other).problem


@pytest.mark.parametrize("text", ["7B", "1.3 billion", "7B params", "5k"])
def test_a_loss_has_no_suffix(text):
    assert "suffix" in read_amount(text, NUMBER).problem


def test_the_decimal_sign_decides_once_it_is_stated():
    comma = {"3,973": 3.973, "63.000": 63e3, "1.234,5": 1234.5, "2,5e8": 2.5e8}
    for text, value in (comma | {"1.300.000": 1.3e6, "2,7B": 2.7e9, "70": 70}).items():
        assert read_amount(text, decimal="comma").value == value
    for text in ("3.97", "2.5e8", "1,300,000", "3.984e17"):
        assert read_amount(text, decimal="comma").problem
    point = {"1,300": 1300, "63.000": 63, "1,300,000.5": 1300000.5}
    for text, value in point.items():
        assert read_amount(text, decimal="point").value == value
    for text in ("2,5", "1.300.000"):
        assert read_amount(text, decimal="point").problem


def test_a_list_is_split_at_commas_that_are_no_thousands():
    assert split_amounts("100M, 1B,7e9") == ["100M", "1B", "7e9"]
    assert split_amounts("7e9,140B") == ["7e9", "140B"]
    for text in ("15,200,000,000", "1,300", "7B,1,300"):
        with pytest.raises(ValueError, match="between amounts, not thousands"):
            split_amounts(text, "--sizes")


@pytest.mark.parametrize(
    ("label", "size"),
    [("pythia-1.4b", 1.4e9), ("ladder_62M", 62e6), ("m-0.15B", 0.15e9), ("70M", 70e6)],
)
def test_the_one_size_of_a_name_is_read(label, size):
    assert read_size(label) == size


@pytest.mark.parametrize("label", ["8B-on-1T", "small", "run-12", "7B4bit", "v1.4beta"])
def test_a_name_of_no_size_or_two_has_none(label):
    assert np.isnan(read_size(label))


WHOLE = st.integers(1, 10**15)
DECIMALS = st.decimals("0.001", 9999, places=3).filter(lambda d: d > 0)
SEPARATORS = st.sampled_from([",", " ", "_", "'", "\u00a0", "\u202f"])
SCALES = {"k": 3, "M": 6, "m": 6, "B": 9, "b": 9, "T": 12, " billion": 9, "G": 9}


@given(WHOLE, SEPARATORS)
def test_thousands_of_any_kind_are_read_exactly_or_refused(n, separator):
    amount = read_amount(f"{n:,}".replace(",", separator))
    assert amount.problem or amount.value == float(n)
    assert not amount.problem or (separator == "," and 1e3 <= n < 1e6)


@given(DECIMALS, st.sampled_from(list(SCALES)), st.sampled_from(["", " tokens"]))
def test_a_suffix_is_read_to_the_nearest_float(mantissa, suffix, unit):
    truth = float(Fraction(mantissa) * 10 ** SCALES[suffix])
    assert read_amount(f"{mantissa}{suffix}{unit}", TOKENS).value == truth
    comma = str(mantissa).replace(".", ",") + suffix
    assert read_amount(comma).problem
    assert read_amount(comma, decimal="comma").value == truth


@given(st.floats(1e-300, 1e300))
def test_what_python_writes_is_read_exactly(x):
    for text in (repr(x), f"{x:.17e}", f"{x:.17g}", f"+{x!r}"):
        assert read_amount(text).value == x
        assert read_amount(text, decimal="point").value == x


def _european(number):
    return f"{number:,}".translate(str.maketrans(",.", ".,"))


@given(
    st.lists(st.integers(10**3, 10**12), min_size=2, max_size=5),
    st.lists(st.decimals(1, 9, places=3), min_size=5, max_size=5),
)
def test_a_european_table_is_never_misread_and_its_remedy_reads_it(sizes, losses):
    cells = {"N": [_european(n) for n in sizes], "L": [_european(x) for x in losses]}
    truth = {"N": [float(n) for n in sizes], "L": [float(x) for x in losses]}
    table = from_columns({name: cells[name][: len(sizes)] for name in cells})
    for name in "NL":
        read = read_numbers(table, name, name)
        right = read.values == truth[name][: len(sizes)]
        assert np.all(right | np.isnan(read.values))
        assert right.all() or read.problems
        for problem in read.problems:
            assert problem.repair.decimal in {"", "comma"}
        stated = read_numbers(table, name, name, "comma")
        assert not stated.problems
        np.testing.assert_array_equal(stated.values, truth[name][: len(sizes)])


@given(st.lists(st.decimals(1, 9, places=3), min_size=2, max_size=6), st.data())
def test_losses_of_three_decimals_are_never_read_as_thousands(losses, data):
    written = data.draw(st.sampled_from([",", "."]))
    beside = data.draw(st.sampled_from(["63.000.000", "0,5", "1,300", "3.97", "12"]))
    cells = [str(x).replace(".", written) for x in losses]
    table = from_columns({"L": cells, "other": [beside] * len(cells)})
    values = read_numbers(table, "L", "L").values
    truth = [float(Decimal(x)) for x in losses]
    assert np.all(np.isnan(values) | (values == truth))
