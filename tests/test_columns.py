"""Columns by name, alias and meaning, their units, and all bad cells in one answer."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import nstar
from nstar.files.tables import from_columns
from nstar.runs.columns import (
    chart_series,
    name_columns,
    numbers_or_text,
    read_numbers,
)
from nstar.runs.filters import keep_rows
from nstar.runs.headers import read_meaning, read_unit, roles_of
from nstar.runs.problems import TableProblems
from nstar.verdicts import Status

N, D = np.array([1e8, 2e8, 4e8]), np.array([2e9, 4e9, 8e9])
C, L = 6 * N * D, np.array([3.1, 2.9, 2.7])
SIZES = {"N": N, "D": D}


def _name(columns, chosen=None):
    naming = name_columns(from_columns(columns), chosen)
    stops = [p for p in naming.problems if p.status is Status.FAIL]
    return naming.columns, stops, [p for p in naming.problems if p not in stops]


LOSSES = [
    *("eval/loss", "validation/loss", "val/loss", "loss/validation", "evalLoss"),
    *("train/loss", "summary.final_loss", "paloma_macro_loss", "test_nll", "trainLoss"),
    *(
        "train/CrossEntropyLoss",
        "metrics/eval/LanguageCrossEntropy",
        "lm loss validation",
    ),
    *("cross_entropy", "heldout.xent", "eval/lm_loss", "metrics/eval_loss"),
]
NO_LOSSES = [
    *(
        "eval/loss_std",
        "aux_loss",
        "router_z_loss",
        "loss_scale",
        "load_balancing_loss",
    ),
    *("lm loss validation ppl", "loss_spikes", "lr", "grad_norm", "perplexity"),
]
PARAMETERS = [
    *("config.model.params", "parameter_count", "nParams", "num_parameters"),
    *("N_active", "model/num_parameters"),
    *("model.n_parameters", "Non-embedding params", "activated_params", "total_params"),
]
TOKENS = [
    *("total_tokens", "tokens_seen", "consumed_train_tokens", "num_input_tokens_seen"),
    *("throughput/total_tokens", "consumed-tokens"),
    *("summary.train/tokens", "trainTokens", "training tokens"),
]
NO_TOKENS = [
    *("tokens_per_second", "batch_tokens", "max_tokens", "tokens_per_param"),
    *("throughput/tokens", "unique_tokens", "eval_tokens", "tokens/sec"),
]
COMPUTE = [
    *("achieved_flops", "total_flops", "totalFlops", "train/flop", "model_flops"),
    *("train/total_flos", "throughput/total_training_Gflops"),
    *("total_gflops", "TFLOPs", "training PFLOP", "petaflop_days", "PF-days"),
]
NO_COMPUTE = ["flops_per_token", "flops_per_second", "tflops/s", "peak_flops", "mfu"]


@pytest.mark.parametrize(
    ("ours", "headers"),
    [("L", LOSSES), ("N", PARAMETERS), ("D", TOKENS), ("C", COMPUTE)],
)
def test_a_header_is_read_by_what_it_means_and_that_is_noted(ours, headers):
    for header in headers:
        table = SIZES | {"L": L, header: L}
        table.pop(ours, None)
        named, stops, notes = _name(table)
        assert not stops
        assert named[ours] == header
        (note,) = [p for p in notes if p.name == f"column of {ours}"]
        assert repr(header) in note.sentence()
        assert f"read as {ours}" in note.sentence()


def test_rates_parts_and_penalties_are_none_of_ours():
    for header in (*NO_LOSSES, *NO_TOKENS, *NO_COMPUTE):
        assert read_meaning(header) is None, header
        named, _, _ = _name({header: L})
        assert not {"N", "D", "C", "L"}.intersection(named)


def test_a_validation_loss_goes_before_a_training_loss_and_the_other_is_named():
    for held_out in ("eval/loss", "val/loss", "loss/valid"):
        named, stops, (note,) = _name(SIZES | {"train/loss": L, held_out: L + 1})
        assert named["L"] == held_out
        assert not stops
        assert "rather than 'train/loss'" in note.detail
        assert "--columns L=train/loss" in note.remedy


AMBIGUOUS = {
    "two validation losses": (
        "L",
        {"eval/c4/loss": L, "eval/pile/loss": L + 1},
        "eval/c4/loss",
    ),
    "two aliases": ("L", {"loss": L, "val_loss": L + 1}, "val_loss"),
    "two totals of tokens": ("D", {"tokens_seen": D, "total_tokens": 2 * D}, None),
    "total and active": ("N", {"total_params": 9 * N, "active_params": N}, None),
    "total and not embedded": (
        "N",
        {"params_total": N, "params_non_embedding": N / 2},
        "params_total",
    ),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_columns_of_one_meaning_are_asked_about_and_the_option_decides(case):
    ours, columns, first = AMBIGUOUS[case]
    table = SIZES | {"C": C, "L": L} | columns
    del table[ours]
    _, (problem,), _ = _name(table)
    assert all(repr(name) in problem.sentence() for name in columns)
    chosen = dict(problem.repair.columns)
    assert chosen.keys() == {ours}
    assert first in {None, chosen[ours]}
    for name in columns:
        named, stops, _ = _name(table, {ours: name})
        assert (named[ours], stops) == (name, [])
    with pytest.raises(TableProblems, match=f"could each be {ours}"):
        nstar.read_runs(table)


def test_which_parameters_are_meant_is_explained_by_what_flop_say():
    table = {"D": D, "C": C, "L": L, "total_params": 8 * N, "active_params": N}
    _, (problem,), _ = _name(table)
    assert problem.repair.columns == {"N": "active_params"}
    assert "'active_params': those that a token meets" in problem.detail
    assert "with which C / (6 N D) is 1;" in problem.detail
    assert "with which C / (6 N D) is 0.12" in problem.detail
    assert "the experts law reads both" in problem.detail
    named, stops, _ = _name(table | {"params": N})
    assert not stops
    assert (named["N"], named["total_params"]) == ("params", "total_params")


def test_columns_that_hold_the_same_are_one():
    named, stops, (note,) = _name(SIZES | {"eval/loss": L, "val/loss": L.copy()})
    assert not stops
    assert named["L"] == "eval/loss"
    assert "rather than 'val/loss'" in note.detail


SIZED = {
    "text in a size column": {"size": ["62M", "0.15B", "350 M"]},
    "names that bear sizes": {"model": ["m-62M", "m-0.15B", "m-350M"]},
    "a label": {"params_label": ["62M", "150M", "0.35B"]},
}


@pytest.mark.parametrize("case", SIZED)
def test_sizes_as_text_are_read_for_N_with_a_note_to_review(case):
    table = {"D": D, "L": L} | SIZED[case]
    (header,) = SIZED[case]
    named, stops, notes = _name(table)
    assert (named["N"], stops) == (header, [])
    assert any(p.status is Status.REVIEW and "rounded" in p.detail for p in notes)
    values = read_numbers(from_columns(table), "N", header).values
    np.testing.assert_array_equal(values, [62e6, 150e6, 350e6])
    assert _name(table | {"params": N})[0]["N"] == "params"


@pytest.mark.parametrize("words", [["small", "base", "large"], ["1B", "x", "y"]])
def test_a_size_in_words_is_no_number_of_parameters(words):
    assert "N" not in _name({"D": D, "L": L, "size": words})[0]


HEADERS = {
    ("params (M)", "N"): 1e6,
    ("Params [millions]", "N"): 1e6,
    ("params_M", "N"): 1e6,
    ("N (1e6)", "N"): 1e6,
    ("tokens_B", "D"): 1e9,
    ("tokens (billions)", "D"): 1e9,
    ("tokens in billions", "D"): 1e9,
    ("train tokens (10^9)", "D"): 1e9,
    ("total_gflops", "C"): 1e9,
    ("TFLOPs", "C"): 1e12,
    ("petaFLOP", "C"): 1e15,
    ("petaflop_days", "C"): 8.64e19,
    ("flops (1e18)", "C"): 1e18,
    ("C [e21]", "C"): 1e21,
    ("M params", "N"): 1e6,
    ("Mparams", "N"): 1e6,
    ("BTokens", "D"): 1e9,
    ("billions of tokens", "D"): 1e9,
    ("D (B tokens)", "D"): 1e9,
}


@pytest.mark.parametrize(("header", "ours"), HEADERS)
def test_the_unit_of_a_header_is_read_with_a_note(header, ours):
    factor = HEADERS[header, ours]
    table = {"N": N, "D": D, "L": L}
    table.pop(ours, None)
    table |= {header: [1.5, 2.5, 4.0]}
    named, stops, notes = _name(table)
    assert (named[ours], stops) == (header, [])
    (note,) = [p for p in notes if p.name == f"unit of {ours}"]
    assert f"{factor:g}" in note.detail
    cells = read_numbers(from_columns(table), ours, header)
    np.testing.assert_allclose(cells.values, np.array([1.5, 2.5, 4.0]) * factor)
    stated = read_numbers(from_columns(table), ours, header, unit=7.0)
    np.testing.assert_allclose(stated.values, [10.5, 17.5, 28.0])
    spelt = from_columns({header: ["3M", "3e6", "3"]})
    assert read_numbers(spelt, ours, header).values[0] == 3e6


NO_UNIT = ["params", "tokens", "n_tokens", "flops", "train tokens", "num params", "D"]


@pytest.mark.parametrize("header", NO_UNIT)
def test_a_header_without_a_unit_has_none(header):
    for ours in "NDC":
        assert read_unit(header, ours) is None


def test_plain_flop_are_taken_rather_than_gigaflop_beside_them():
    table = SIZES | {"L": L, "total_gflops": C / 1e9, "achieved_flops": C}
    named, stops, notes = _name(table)
    assert (named["C"], stops) == ("achieved_flops", [])
    assert any("rather than 'total_gflops'" in p.detail for p in notes)
    alone = {n: c for n, c in table.items() if n != "achieved_flops"}
    np.testing.assert_allclose(nstar.read_runs(alone)["C"], C)


def test_the_map_wins_over_every_meaning():
    table = SIZES | {"eval/loss": L, "train/loss": L + 1, "params (M)": N}
    named, stops, _ = _name(table, {"L": "train/loss"})
    assert (named["L"], named["N"], stops) == ("train/loss", "N", [])


@pytest.mark.parametrize("chosen", [{"N": "parms"}, {"L": "eval/los"}])
def test_a_column_that_is_not_there_is_repaired_by_the_nearest(chosen):
    table = {"params": N, "D": D, "eval/loss": L}
    _, (problem,), _ = _name(table, chosen)
    assert _name(table, dict(problem.repair.columns))[1] == []


MADE = {
    "sequences": (
        {"step": [100, 200, 400], "batch_size": 256, "seq_len": 2048},
        "step x batch_size x seq_len would be tokens (100 x 256 x 2048 = 5.243e+07",
    ),
    "tokens": (
        {"_step": [100, 200, 400], "config.global_batch_size": 524288},
        "_step x config.global_batch_size would be tokens (100 x 524288 = 5.243e+07",
    ),
    "no length": (
        {"steps": [100, 200, 400], "bs": 64},
        "steps x bs are sequences: times the length",
    ),
}


@pytest.mark.parametrize("case", MADE)
def test_missing_tokens_are_said_with_what_makes_them(case):
    columns, text = MADE[case]
    table = pd.DataFrame({"params": N, "loss": L} | columns)
    _, stops, (note,) = _name(table)
    assert stops == []
    assert text in note.detail
    with pytest.raises(ValueError, match="Chinchilla law needs column 'D'") as caught:
        nstar.fit(table, "chinchilla")
    assert text in str(caught.value)


def test_a_missing_loss_is_said_with_what_is_nearly_one():
    _, _, (note,) = _name(SIZES | {"eval/ppl": np.exp(L)})
    assert "eval/ppl: its natural logarithm is a loss" in note.detail
    scores = {"results.arc.acc": L / 9, "results.arc.acc_norm": L / 8}
    _, _, (note,) = _name(SIZES | scores | {"results.arc.acc_stderr": L / 90})
    assert "--columns metric=results.arc.acc;" in note.detail
    assert "acc and acc_norm are two metrics" in note.detail
    assert "stderr" not in note.detail
    assert _name(SIZES | scores, {"metric": "results.arc.acc"})[2] == []


def test_a_trackers_columns_have_roles_and_keep_their_names():
    headers = ["Name", "State", "_step", "config.lr", "bs", "arm", "config.seq_len"]
    roles = roles_of(headers)
    assert list(roles) == ["run", "status", "step", "lr", "batch", "recipe", "length"]
    assert list(roles.values()) == headers
    assert "Name" in nstar.read_runs(SIZES | {"L": L, "Name": ["a", "b", "c"]})


def test_settings_that_few_laws_read_stop_no_table():
    table = SIZES | {
        "L": L,
        "batch_size": ["64k", "0.5M", "1M"],
        "bsz": 3,
        "lr": "cosine",
    }
    named, stops, (note,) = _name(pd.DataFrame(table))
    assert (named["batch"], stops) == ("batch_size", [])
    assert "read as batch, rather than 'bsz'" in note.detail
    assert "lr" not in named
    runs = nstar.read_runs(pd.DataFrame(table))
    np.testing.assert_array_equal(runs["batch"], [64e3, 0.5e6, 1e6])
    assert set(runs["lr"]) == {"cosine"}


CHARTS = {
    "as exported": [
        "Step",
        "a - eval/loss",
        "a - eval/loss__MIN",
        "a - eval/loss__MAX",
    ],
    "two runs": ["Step", "a - loss", "b - loss"],
    "runs with dashes": ["_step", "run-1 - x - loss", "run-2 - x - loss"],
}


@pytest.mark.parametrize("case", CHARTS)
def test_a_charts_export_is_recognised_and_nothing_taken_for_a_loss(case):
    table = from_columns({name: L for name in CHARTS[case]})
    (columns,) = chart_series(table).values()
    assert columns
    assert all(" - " in name and "__" not in name for name in columns)
    assert name_columns(table).columns == {}
    assert chart_series(from_columns(SIZES | {"eval - loss": L})) == {}


def test_all_bad_cells_of_a_column_are_one_problem():
    cells = ["1,300", "7X", "54B tokens", "1e9", "", "2.7b", "1e9", "3e9"]
    table = from_columns({"params": cells, "loss": ["2.5123"] * 8})
    read = read_numbers(table, "N", "params")
    (problem,) = read.problems
    assert problem.rows == (1, 2, 3)
    assert problem.values == ("1,300", "7X", "54B tokens")
    np.testing.assert_array_equal(read.values[3:], [1e9, np.nan, 2.7e9, 1e9, 3e9])
    assert np.isnan(read.values[:3]).all()
    assert problem.repair.decimal == "point"
    assert problem.repair.skip_rows == (2, 3)
    again = read_numbers(table, "N", "params", "point")
    assert again.values[0] == 1300
    assert again.problems[0].rows == (2, 3)


def test_infinities_stay_what_they_are_and_empty_cells_are_empty():
    cells = ["2.9", "NaN", "Infinity", "-Infinity", "None", "", "N/A", "null"]
    read = read_numbers(from_columns({"L": cells}), "L", "L")
    assert read.problems == []
    np.testing.assert_array_equal(
        read.values, [2.9, np.nan, np.inf, -np.inf, *[np.nan] * 4]
    )


EUROPEAN = {
    "all consistent": (["63.000.000", "151.500.000"], ["3,973", "3,403"], "comma"),
    "short sizes": (["63.000", "151.500"], ["3,97", "3,4"], "comma"),
    "points in losses": (["63.000.000", "151.500.000"], ["3.973", "3.403"], ""),
    "thousands by commas": (["1,300", "2,700"], ["3.9731", "3.4032"], "point"),
    "nothing to decide": (["1,300", "2,700"], ["3", "4"], ""),
    "sizes of one meaning": (
        ["63 000 000", "151 500 000"],
        ["3,973", "3,403"],
        "comma",
    ),
    "points in sizes": (["1.3B", "2.7B"], ["2,524", "2,341"], ""),
}


@pytest.mark.parametrize("case", EUROPEAN)
def test_the_decimal_sign_is_offered_where_the_table_shows_it(case):
    sizes, losses, sign = EUROPEAN[case]
    table = from_columns({"params": sizes, "loss": losses})
    problems = [
        problem
        for ours, theirs in (("N", "params"), ("L", "loss"))
        for problem in read_numbers(table, ours, theirs).problems
    ]
    assert problems
    assert {p.repair.decimal for p in problems} == {sign}
    if sign:
        for ours, theirs in (("N", "params"), ("L", "loss")):
            assert read_numbers(table, ours, theirs, sign).problems == []
    else:
        assert all("decimal point" in p.remedy and not p.repair for p in problems)


def test_other_columns_are_numbers_only_if_they_are_plain():
    table = from_columns(
        {"lr": ["1e-3", "2e-3"], "size": ["70M", "1B"], "n": ["1_0x", "2"]}
    )
    np.testing.assert_array_equal(numbers_or_text(table, "lr"), [1e-3, 2e-3])
    assert numbers_or_text(table, "size").tolist() == ["70M", "1B"]
    assert numbers_or_text(table, "n").tolist() == ["1_0x", "2"]


def test_filters_take_amounts_in_cells_and_in_conditions():
    table = from_columns(
        {"params": ["125M", "1.3B", "2700000000"], "size (M)": [1, 2, 3]}
    )
    named = {"N": "params"}
    for condition, rows in {
        "N<=1.3B": [1, 2],
        "N>1 billion": [2, 3],
        "params=1300000000": [2],
        "params=1.3B": [2],
        "N!=2.7b": [1, 2],
        "params<1,300,000,000": [1],
    }.items():
        assert keep_rows(table, [condition], named).rows.tolist() == rows
    scaled = from_columns({"params": [125, 1300, 2700]})
    remaining = keep_rows(scaled, ["N<=1.3B"], named, units={"N": 1e6})
    assert remaining.rows.tolist() == [1, 2]
    comma = from_columns({"loss": ["3,97", "2,5"]})
    remaining = keep_rows(comma, ["loss<3"], decimal="comma")
    assert remaining.rows.tolist() == [2]


def test_ten_thousand_rows_are_named_and_read_without_jax(tmp_path):
    rng = np.random.default_rng(0)
    n = 10_000
    pd.DataFrame(
        {
            "Name": [f"run-{i}" for i in range(n)],
            "params": [f"{x:.3f}M" for x in rng.uniform(1, 999, n)],
            "tokens": [f"{x:,.0f}" for x in rng.uniform(1e9, 1e10, n)],
            "eval/loss": rng.uniform(2, 3, n),
        }
    ).to_csv(tmp_path / "a.csv", index=False)
    code = (
        "import sys; from pathlib import Path; from nstar.files import table_files; "
        "from nstar.runs.columns import name_columns, read_numbers; "
        f"table = table_files.read(Path({str(tmp_path / 'a.csv')!r})); "
        "named = name_columns(table).columns; "
        "cells = [read_numbers(table, o, t) for o, t in named.items()]; "
        "assert not any(c.problems for c in cells) and sorted(named) == ['D', 'L', 'N']; "
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
