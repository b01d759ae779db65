"""Mistakes of name, cell and value: what the door says of each, and to the user's face."""

import re
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest

import nstar
from nstar.laws import LAWS
from nstar.responses.scales import METRIC, NORMALISED_LOSS, SUCCESSES
from nstar.runs.law_data import TooFew, prepare
from nstar.runs.problems import TableProblems

N = np.repeat(np.geomspace(1e8, 1e10, 6), 5)
D = N * np.tile(np.geomspace(5.0, 200.0, 5), 6)
L = 1.8 + 482 / N**0.35 + 2085 / D**0.37
GOOD = {"params": N, "tokens": D, "loss": L}


def _with(**changes):
    """Good columns, some replaced; None leaves one out; a dict replaces cells by row."""
    columns: dict = dict(GOOD)
    for name, change in changes.items():
        if change is None:
            del columns[name]
        elif isinstance(change, dict):
            cells = np.array(columns[name], dtype=object)
            for row, value in change.items():
                cells[row - 1] = value
            columns[name] = cells
        else:
            columns[name] = change
    return columns


def _refused(call, *fragments, kind=ValueError):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) in {kind, TableProblems if kind is ValueError else kind}
    for fragment in fragments:
        assert re.search(fragment, str(caught.value)), (fragment, str(caught.value))


CELLS = {
    "tokens": ("54B tokens", "counts tokens, and parameters are asked for"),
    "another suffix": ("7X", "suffix such as 7B: 'X' is none"),
    "a lone point": (".B", "expected a number"),
    "thousands or a decimal comma": ("1,300", "'1,300' is 1300 or 1.3"),
    "separators at odds": ("1,52,000", "separators are at odds"),
    "dots for thousands": ("1.000.000", r"dots for thousands, and would be 1e\+06"),
    "decimal comma": ("2,5e8", r"decimal comma, and would be 2\.5e\+08"),
    "percent": ("45%", "fraction of one"),
    "text": ("big", "expected a number such as 7e9 or 7B, but 'big'"),
    "boolean": (True, "'True' is no number", "right column"),
    "date": ("2024-05-01", "'2024-05-01' is no number", "right column"),
    "infinite": ("inf", "positive finite count, got inf"),
    "overflow": ("1e999", "positive finite count, got inf"),
    "not a number": ("nan", "got an empty cell", "leave them out"),
    "empty": ("", "got an empty cell", r"\(1 such row\)"),
    "none": (None, "got an empty cell"),
    "missing in pandas": (pd.NA, "got an empty cell"),
    "zero": (0, "positive finite count, got 0"),
    "negative": ("-1e9", r"got -1e\+09"),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_bad_cell_is_named_by_row_column_and_value(case):
    cell, *fragments = CELLS[case]
    runs = _with(params={4: cell})
    _refused(lambda: nstar.read_runs(runs), "row 4", r"'params':? \(N\)", *fragments)


READ_AS = {
    "7B": 7e9,
    "70 M": 7e7,
    "1.5 billion": 1.5e9,
    "1,000,000": 1e6,
    "1 000 000": 1e6,
    "1_000_000": 1e6,
    "2.7b": 2.7e9,
    "350m params": 3.5e8,
    "10^9": 1e9,
    "1.3x10^9": 1.3e9,
    "1.3G": 1.3e9,
}


@pytest.mark.parametrize("cell", READ_AS)
def test_a_cell_of_one_meaning_is_read(cell):
    assert nstar.read_runs(_with(params={4: cell}))["N"][3] == READ_AS[cell]


@pytest.mark.parametrize("cell", ["7X", "", "-1"])
def test_rows_of_a_file_are_counted_from_its_header(cell, tmp_path):
    path = tmp_path / "ladder.csv"
    pd.DataFrame(_with(tokens={4: cell})).to_csv(path, index=False)
    _refused(
        lambda: nstar.read_runs(path), r"ladder\.csv\b.* row 5, column 'tokens':? \(D\)"
    )


def test_whole_columns_of_another_type_are_refused():
    dates = pd.date_range("2024-01-01", periods=len(N))
    for cells in (N > 1e9, dates, pd.to_timedelta(np.arange(len(N)), "D"), N * 1j):
        _refused(
            lambda c=cells: nstar.read_runs(pd.DataFrame(_with(loss=c))),
            r"rows 1, .* column 'loss': \(L\) expected a number",
        )


READ = {
    "near a data set": (
        ("lama3",),
        ("lama3: neither a file nor a data set", "'llama3'"),
    ),
    "like nothing": (("zzzzzzzz",), ("neither a file nor a data set", "nstar data")),
    "a table as text": (("N,D,L\n1,2,3\n",), ("several lines", r"\.csv file")),
    "too long a name": (("x" * 5000,), ("no path",)),
    "current folder": ((".",), ("is a folder",)),
    "empty name": (("",), ("is a folder",)),
    "two losses": (
        (_with(val_loss=L),),
        (r"\['loss', 'val_loss'\] could each be L", r"--columns L=val_loss"),
    ),
    "two of one name": ((_with(Loss=L),), (r"could each be L",)),
    "a column not there": (
        (GOOD, {"N": "parms"}),
        ("no column 'parms' for N", "did you mean \\['params'\\]"),
    ),
    "a column like no other": (
        (GOOD, {"N": "qqq"}),
        ("no column 'qqq' for N", "there are \\['params'"),
    ),
    "our name in lower case": (
        (GOOD, {"n": "params"}),
        ("called 'n'", "N=params", "ours: N, D, C, L"),
    ),
    "an alias for our name": (
        (GOOD, {"tokens": "tokens"}),
        ("called 'tokens'", "D=tokens"),
    ),
    "a misspelt name of ours": (
        (GOOD, {"budgets": "params"}),
        ("called 'budgets'", "budget=params"),
    ),
    "one column twice": (
        (GOOD, {"N": "tokens", "D": "tokens"}),
        ("'tokens' cannot be both N and D",),
    ),
    "filter without column": (
        (GOOD, None, ["corpus=c4"]),
        (r"filter 'corpus=c4'", "no column 'corpus'"),
    ),
    "filter near a column": ((GOOD, None, ["parms>1"]), (r"did you mean \['params'",)),
    "filter that leaves nothing": (
        (_with(corpus=["c4"] * 30), None, ["corpus=pile"]),
        ("leaves no row", "values seen in 'corpus': 'c4'"),
    ),
    "unreadable filter": (
        (GOOD, None, ["params"]),
        ("filter 'params'", "expected col=value"),
    ),
    "filter with no bound": (
        (GOOD, None, ["params>"]),
        ("expected a number after >, got ''",),
    ),
    "text compared": (
        (_with(corpus=["c4"] * 30), None, ["corpus>3"]),
        (r"filter 'corpus>3'", "> compares numbers", "rows 1.*'c4'"),
    ),
    "compared with text": (
        (GOOD, None, ["loss<low"]),
        ("expected a number after <, got 'low'",),
    ),
    "billions of parameters": (
        (_with(params=N / 1e9),),
        (r"'params' \(N\)", "from 0.1 to 10", "look like billions", "by 1e9"),
    ),
    "billions of tokens": (
        (_with(tokens=D / 1e9),),
        (r"'tokens' \(D\)", "look like billions"),
    ),
    "millions of parameters": (
        (_with(params=N / 1e6, tokens=D),),
        (r"\(N\)|tokens per parameter", "multiply"),
    ),
    "billions beside millions": (
        (_with(params=N * 1e3, tokens=D / 1e7),),
        (r"'tokens' \(D\)", "tokens per parameter", "--units D=1e9"),
    ),
    "log10 parameters": (
        (_with(params=np.log10(N)),),
        ("from 8 to 10", "base-10 logarithms", r"10\*\*params"),
    ),
    "log10 tokens": (
        (_with(tokens=np.log10(D)),),
        ("base-10 logarithms", r"10\*\*tokens"),
    ),
    "log10 FLOP": (
        (_with(tokens=None, flops=np.log10(6 * N * D)),),
        (r"'flops' \(C\)", "base-10 logarithms"),
    ),
    "natural logs of parameters": (
        (_with(params=np.log(N)),),
        ("natural logarithms", r"exp\(params\)"),
    ),
    "natural logs of FLOP": (
        (_with(tokens=None, flops=np.log(6 * N * D)),),
        ("natural logarithms", r"exp\(flops\)"),
    ),
    "petaFLOP-days": (
        (_with(tokens=None, flops=6 * N * D / 8.64e19),),
        (r"\(C\)", "petaFLOP-days", "8.64e19"),
    ),
    "petaFLOP without tokens": (
        (_with(tokens=None, flops=6 * N * D / 1e10),),
        ("tokens per parameter", "D follows from N and C", "'flops'"),
    ),
    "C of another unit": (
        (_with(flops=6 * N * D / 1e3),),
        (r"'flops' \(C\)", "0.001 times 6 N D", "1 times with C=1e3", "--units C=1e3"),
    ),
    "one C mistyped": (
        (_with(flops=6 * N * D * np.where(np.arange(30) == 6, 100, 1)),),
        ("row 7", "100 times 6 N D", "1 row of 30"),
    ),
    "a budget of zero": (
        (_with(budget=np.where(N > 1e9, 1e20, 0)),),
        (r"'budget' \(budget\)", "got 0"),
    ),
    "a negative standard error": (
        (_with(se=-np.ones(30)),),
        (r"'se' \(se\)", "standard error, finite and not negative", "got -1"),
    ),
}


@pytest.mark.parametrize("case", READ)
def test_a_table_is_refused_with_a_reason(case):
    args, fragments = READ[case]
    _refused(lambda: nstar.read_runs(*args), *fragments)


def test_options_of_another_kind_are_refused():
    _refused(
        lambda: nstar.read_runs(GOOD, "N=params"),
        "columns: expected a map",
        kind=TypeError,
    )
    for k in (0, -6, np.nan, np.inf, "6"):
        _refused(lambda k=k: nstar.read_runs(GOOD, k=k), "positive finite number, got")
    _refused(
        lambda: nstar.read_runs(GOOD, params_counted="totl"),
        "one of total, non-embedding",
        "'totl'",
    )
    _refused(
        lambda: nstar.read_runs("no/such/ladder.csv"),
        "no such file",
        kind=FileNotFoundError,
    )


@dataclass(frozen=True)
class Binomial:
    """Successes out of samples, for pass@k counts; the ten-line law of a notebook."""

    inputs: tuple[str, ...] = ("N", "samples")
    response = SUCCESSES

    def priors(self):
        return {"level": dist.Normal(0.0, 2.0), "slope": dist.Normal(0.0, 1.0)}

    def expected(self, params, x):
        return params["level"] + params["slope"] * jnp.log(x["N"] / 1e9)


@dataclass(frozen=True)
class Counts:
    def priors(self, response):
        return {}

    def around(self, expected, params, x):
        return dist.Binomial(x["samples"].astype(int), logits=expected)


@dataclass(frozen=True)
class Accuracy(Binomial):
    inputs: tuple[str, ...] = ("N",)
    response = METRIC


@dataclass(frozen=True)
class Normalised(Accuracy):
    response = NORMALISED_LOSS


CHINCHILLA, ISOFLOP, ALLOCATION = (
    LAWS[n]() for n in ("chinchilla", "isoflop", "allocation")
)
K, OUT_OF = np.arange(30.0) % 10, np.full(30, 10)
PAIRS = {
    "N": [1e9, 2e9] * 3,
    "D": [2e10, 1e10] * 3,
    "budget": [1e20, 1e20, 2e20, 2e20, 4e20, 4e20],
    "L": [3.0, 2.9, 2.8, 2.7, 2.6, 2.5],
}
ASK = {
    "C missing": (
        _with(params=None, tokens=None),
        ALLOCATION,
        ("needs column 'C'", "two of N, D and C"),
    ),
    "only N": (
        _with(tokens=None),
        CHINCHILLA,
        ("needs column 'D'", "beside N: any two give the third", "--columns D="),
    ),
    "no size at all": (
        {"loss": L},
        CHINCHILLA,
        ("needs column 'N'", "the third follows"),
    ),
    "no loss": (
        _with(loss=None),
        CHINCHILLA,
        ("Chinchilla law needs column 'L'", "--columns L="),
    ),
    "another name for tokens": (
        _with(tokens=None, max_tokens=D),
        CHINCHILLA,
        (r"did you mean \['max_tokens'\]",),
    ),
    "no budgets": (
        GOOD,
        ISOFLOP,
        ("needs column 'budget'", "three budgets of three runs", "--columns budget="),
    ),
    "two budgets": (
        _with(budget=np.where(N > 1e9, 1e20, 1e21)),
        ISOFLOP,
        ("2 isoFLOP budgets", "at least three"),
    ),
    "budgets of two": (
        PAIRS,
        ISOFLOP,
        ("no isoFLOP budget has three runs", "allocation law"),
    ),
    "too few runs": (
        {k: v[:5] for k, v in GOOD.items()},
        CHINCHILLA,
        ("5 runs are too few for the 5 unknowns", "level, floor_share", "at least 6"),
    ),
    "an empty loss": (
        _with(loss={3: ""}),
        CHINCHILLA,
        (r"row 3, column 'loss' \(L\)", "an empty cell", "--where"),
    ),
    "an infinite loss": (
        _with(loss={3: "inf"}),
        CHINCHILLA,
        (r"row 3, column 'loss' \(L\)", "finite number, got inf"),
    ),
    "a normalised loss": (
        _with(loss=L - 5),
        CHINCHILLA,
        ("row ", r"\(0, inf\)", "got -", "normalised_loss"),
    ),
    "a loss of zero": (_with(loss={2: 0}), CHINCHILLA, ("row 2", "got 0")),
    "constant losses": (
        _with(loss=np.full(30, 2.0)),
        CHINCHILLA,
        ("every run has the same loss, 2",),
    ),
    "accuracy for loss": (
        _with(loss=1 / L),
        CHINCHILLA,
        ("loss rises with compute", "look like an accuracy", "1 - accuracy"),
    ),
    "percent for loss": (
        _with(loss=100 / L),
        CHINCHILLA,
        ("loss rises with compute", "accuracy in percent"),
    ),
    "counts not whole": (
        _with(successes=K + 0.5, samples=OUT_OF),
        Binomial(),
        ("row 1, column 'successes'", "a whole number in", "got 0.5"),
    ),
    "negative counts": (
        _with(successes=K - 1, samples=OUT_OF),
        Binomial(),
        ("row 1", "got -1"),
    ),
    "more successes than samples": (
        _with(successes=K + 2, samples=OUT_OF),
        Binomial(),
        ("row 10", "at most the 10 samples", "got 11", "swapped"),
    ),
    "empty count": (
        _with(successes=[None, *K[1:]], samples=OUT_OF),
        Binomial(),
        ("row 1", "empty cell"),
    ),
    "text in an input": (
        _with(successes=K, samples=["ten", *OUT_OF[1:]]),
        Binomial(),
        ("row 1, column 'samples'", "'ten'"),
    ),
    "no samples": (
        _with(successes=K),
        Binomial(),
        ("Binomial law needs column 'samples'",),
    ),
    "accuracy in percent": (
        _with(metric=K * 10),
        Accuracy(),
        ("row 2, column 'metric'", r"in \[0, 1\]", "got 10", "divide by 100"),
    ),
    "accuracy below zero": (
        _with(metric=-K / 20),
        Accuracy(),
        ("row 2", r"in \[0, 1\]", "got -0.05"),
    ),
    "no unique tokens": (
        GOOD,
        LAWS["data_constrained"](),
        ("DataConstrained law needs column 'unique_tokens'",),
    ),
    "no weights left": (
        _with(sparsity=np.full(30, 1.0)),
        LAWS["sparsity"](),
        ("row 1, column 'sparsity'", "from 0 to below 1, got 1", "30 such rows"),
    ),
    "no bits": (
        _with(w_bits=np.zeros(30), a_bits=np.full(30, 8)),
        LAWS["precision"](),
        (r"row 1, column 'w_bits' \(weight_bits\)", "a positive number, got 0"),
    ),
    "missing metric": (GOOD, Accuracy(), ("needs column 'metric'",)),
}


@pytest.mark.parametrize("case", ASK)
def test_a_law_says_what_it_cannot_take(case):
    columns, law, fragments = ASK[case]
    few = case in ("two budgets", "budgets of two", "too few runs")
    kind = TooFew if few else ValueError
    _refused(lambda: prepare(nstar.read_runs(columns), law), *fragments, kind=kind)


def test_a_law_of_ones_own_takes_counts_and_negative_losses():
    _, x, y = prepare(nstar.read_runs(_with(successes=K, samples=OUT_OF)), Binomial())
    assert set(x) == {"N", "samples"}
    np.testing.assert_array_equal(y, K)
    _, _, y = prepare(nstar.read_runs(_with(loss=L - 5)), Normalised())
    np.testing.assert_allclose(y, L - 5)
    _refused(
        lambda: nstar.fit(_with(successes=K, samples=OUT_OF), Binomial()),
        "binomial noise is of populations",
    )


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_a_binomial_law_is_fitted_with_its_own_noise():
    rng = np.random.default_rng(0)
    counts = rng.binomial(50, 1 / (1 + (N / 1e9) ** -0.7))
    runs = nstar.read_runs(_with(successes=counts, samples=np.full(30, 50)))
    slope = nstar.fit(runs, Binomial(), Counts()).draws["slope"]
    assert abs(slope.mean() - 0.7) < 4 * slope.std()
    assert slope.std() < 0.1


PRIORS = {
    "no such unknown": (
        {"alpha": "Normal(0, 1)"},
        ("prior for 'alpha'", "did you mean", "unknowns: tokens_per"),
    ),
    "no such family": ({"alpha1": "Norml(0, 1)"}, ("no family 'Norml'", "Normal")),
    "no family": ({"alpha1": "0.5"}, ("prior '0.5'", r"as in LogNormal\(-1.0, 0.5\)")),
    "not closed": ({"alpha1": "Normal(0.5, 0.1"}, ("expected a family and numbers",)),
    "code": (
        {"alpha1": "Normal(__import__('os').getpid(), 1)"},
        ("expected a family and numbers",),
    ),
    "negative scale": ({"alpha1": "Normal(0.5, -1)"}, (r"prior 'Normal\(0.5, -1\)'",)),
    "too many": ({"alpha1": "Normal(1, 2, 3, 4)"}, (r"prior 'Normal",)),
}


@pytest.mark.parametrize("case", PRIORS)
def test_a_bad_prior_is_refused(case, optima):
    chosen, fragments = PRIORS[case]
    _refused(lambda: nstar.fit(optima, "allocation", priors=chosen), *fragments)


@pytest.mark.parametrize("budget", [0, -1e21, np.nan, np.inf])
def test_a_bad_budget_is_refused(budget, allocation_fit):
    _refused(lambda: nstar.plan(allocation_fit, budget), "budget")


@pytest.mark.parametrize("prob", [0, 1, 1.5, -0.1, np.nan])
def test_a_bad_probability_is_refused(prob, allocation_fit):
    _refused(lambda: nstar.plan(allocation_fit, 1e22).table(prob), "between 0 and 1")


@pytest.mark.parametrize(
    ("law", "noise"), [("chinchila", None), ("chinchilla", "nromal")]
)
def test_unknown_laws_and_noises_are_refused(law, noise):
    _refused(
        lambda: nstar.fit(GOOD, law, noise), "no (law|noise) '", "chinchilla|normal"
    )


def test_tied_optima_are_no_pair_of_measurements(optima):
    with pytest.raises(ValueError, match="use the allocation law"):
        nstar.fit(optima, "allocation_free")
