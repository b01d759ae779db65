"""Good tables in odd clothes, and every registered data set."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nstar
from nstar.laws import LAWS
from nstar.runs import datasets
from nstar.runs.law_data import prepare
from nstar.verdicts import Status

N = np.repeat(np.geomspace(1e8, 1e10, 6), 5).round()
D = (N * np.tile(np.geomspace(5.0, 200.0, 5), 6)).round()
L = 1.8 + 482 / N**0.35 + 2085 / D**0.37
PLAIN = {"N": N, "D": D, "L": L}
pandas = pd.DataFrame({"params": N, "tokens": D, "loss": L})

CLOTHES: dict[str, Callable[[], Any]] = {
    "lists": lambda: {name: cells.tolist() for name, cells in PLAIN.items()},
    "aliases": lambda: {"n_params": N, "train_tokens": D, "val_loss": L},
    "aliases in capitals": lambda: {"Params": N, "Tokens": D, "Loss": L},
    "aliases with spaces": lambda: {"Model Size": N, "n tokens": D, "final-loss": L},
    "text": lambda: {
        "params": N.astype(str),
        "tokens": D.astype(str),
        "loss": L.astype(str),
    },
    "bytes": lambda: {"N": N.astype("S"), "D": D, "L": L},
    "whole numbers": lambda: {"N": N.astype(int), "D": D.astype(int), "L": L},
    "pandas": lambda: pandas,
    "pandas, nullable": lambda: pandas.astype(
        {"params": "Int64", "tokens": "Int64", "loss": "Float64"}
    ),
    "pandas, objects": lambda: pandas.astype(object),
    "pandas, arrow": lambda: pandas.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, an index of its own": lambda: pandas.set_index(np.arange(30) * 7 + 100),
    "a dict of pandas columns": lambda: {name: pandas[name] for name in pandas.columns},
    "polars": lambda: pl.DataFrame(pandas.to_dict("list")),
    "polars, whole numbers": lambda: pl.DataFrame(pandas.to_dict("list")).cast(
        {"params": pl.Int64}
    ),
    "arrow": lambda: pa.table(pandas.to_dict("list")),
    "arrow, in pieces": lambda: pa.concat_tables(
        [pa.table(pandas[:9].to_dict("list")), pa.table(pandas[9:].to_dict("list"))]
    ),
}


@pytest.mark.parametrize("clothes", CLOTHES)
def test_frames_of_every_kind_read_alike(clothes):
    runs = nstar.read_runs(CLOTHES[clothes]())
    assert list(runs.columns) == ["N", "D", "L", "C"]
    for name, cells in PLAIN.items():
        np.testing.assert_array_equal(runs[name], cells)
        assert runs[name].dtype == float
    np.testing.assert_allclose(runs["C"], 6 * N * D, rtol=1e-15)
    assert runs.derived == "C follows from N and D by C = 6 N D"
    assert runs.rows.tolist() == list(range(1, 31))
    assert runs.notes == ()


WRITERS: dict[str, Callable[[Any], Any]] = {
    "a.csv": lambda path: pandas.to_csv(path, index=False),
    "index.csv": lambda path: pandas.to_csv(path),
    "semicolons.csv": lambda path: pandas.to_csv(path, index=False, sep=";"),
    "tabs.tsv": lambda path: pandas.to_csv(path, index=False, sep="\t"),
    "mark.csv": lambda path: pandas.to_csv(path, index=False, encoding="utf-8-sig"),
    "quoted.csv": lambda path: pandas.astype(str).to_csv(path, index=False, quoting=1),
    "a.parquet": lambda path: pandas.to_parquet(path),
    "snappy.pq": lambda path: pq.write_table(pa.table(pandas.to_dict("list")), path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_every_kind_read_alike(name, tmp_path):
    WRITERS[name](tmp_path / name)
    runs = nstar.read_runs(tmp_path / name)
    for ours, cells in PLAIN.items():
        np.testing.assert_array_equal(runs[ours], cells)
    assert runs.notes == ()
    assert runs.rows[0] == (1 if "p" in name.split(".")[-1] else 2) or "tsv" in name


@pytest.mark.parametrize("third", ["N", "D", "C"])
def test_the_third_of_N_D_and_C_follows_from_any_two(third):
    whole = PLAIN | {"C": 7 * N * D}
    runs = nstar.read_runs({n: c for n, c in whole.items() if n != third}, k=7)
    np.testing.assert_allclose(runs[third], whole[third], rtol=1e-14)
    assert runs.derived.startswith(f"{third} follows from")
    assert runs.derived.endswith("C = 7 N D")


def test_a_map_wins_over_a_column_of_our_own_name():
    """Here N counts samples, and must not slip in under its own name."""
    table = {"N": np.arange(30), "total": N, "D": D, "L": L, "note": ["x"] * 30}
    runs = nstar.read_runs(table, {"N": "total", "epochs": "N", "why": "note"})
    np.testing.assert_array_equal(runs["N"], N)
    np.testing.assert_array_equal(runs["epochs"], np.arange(30))
    assert runs["why"][0] == "x"
    assert nstar.read_runs(table, {"N": "total"})["N"][0] == N[0]


def test_filters_take_our_names_theirs_and_text():
    table = {"params": N, "tokens": D, "loss": L, "set": ["a", "b"] * 15}
    kept = nstar.read_runs(table, where=["N<=1e9", "set=a"])
    assert kept["N"].max() <= 1e9
    assert set(kept["set"]) == {"a"}
    assert (kept.rows % 2 == 1).all()
    assert len(nstar.read_runs(table, where="set!=a")) == 15
    assert len(nstar.read_runs(table, where=f"params={N[0]:.9e}")) == 5


def test_exact_duplicates_are_dropped_and_counted():
    twice = {n: np.append(c, c[[3, 3, 7]]) for n, c in PLAIN.items()}
    runs = nstar.read_runs(twice)
    assert len(runs) == 30
    (note,) = runs.notes
    assert note.detail == "3 exact duplicates dropped (rows 31, 32, 33)"
    twice["seed"] = np.arange(33)
    assert len(nstar.read_runs(twice)) == 33


def test_standard_errors_in_decades_become_natural():
    table = {"C": 6 * N * D, "D": D, "log10_tokens_se": np.full(30, 0.1)}
    np.testing.assert_allclose(nstar.read_runs(table)["se"], 0.1 * np.log(10))


def test_budgets_are_named_where_whole_profiles_share_C():
    C = np.repeat([1e19, 1e20, 1e21], 5) * (1 + 0.002 * np.arange(15))
    tokens = np.sqrt(C) * np.tile(np.geomspace(1, 9, 5), 3)
    runs = nstar.read_runs({"C": C, "D": tokens})
    assert np.unique(runs["budget"]).size == 3
    same = nstar.read_runs({"C": C, "D": np.sqrt(C), "seed": np.arange(15)})
    assert "budget" not in same


CARRIES = {  # laws that must take each set, of those with N, D, C or L
    "llama3": ("chinchilla", "isoflop"),
    "llama3_optima": ("allocation", "chinchilla"),
    "chinchilla_epoch": ("chinchilla", "isoflop"),
    "llama3_isoflop": ("chinchilla", "isoflop"),
    "marin_isoflop": ("chinchilla", "isoflop"),
    "porian_isoflop": ("chinchilla", "isoflop"),
    "porian_optima": ("allocation",),
    "gadre_overtrain": ("chinchilla",),
    "datablations": ("chinchilla",),
    "farseer": ("chinchilla",),
    "sparsity_upcycle": (),
    "parscale": (),
    "vocab_scaling": (),
    "routing_moe": ("chinchilla",),
    "quest_precision": ("chinchilla",),
    "openclip": ("chinchilla",),
    "clip_mammut": ("chinchilla",),
    "passk_monkeys_10k": (),
    "token_budget": (),
    "dit_fid": ("chinchilla",),
    "latent_diffusion": ("fid",),
    "llava_tokens": ("visual_tokens",),
    "llama3_optima_bootstrap": ("allocation",),
}
REVIEWS = {  # what a careful reader would say of them, and no more
    "chinchilla_epoch": {"diverged runs"},
    "porian_isoflop": {"one ladder"},
    "porian_optima": {"one ladder", "optima"},
    "datablations": {"one ladder", "diverged runs"},
    "sparsity_upcycle": {"one ladder"},
    "parscale": {"one corpus"},
    "routing_moe": {"FLOP convention", "one ladder", "varied runs"},
    "openclip": {"FLOP convention", "one ladder", "one corpus", "repeated runs"},
    "clip_mammut": {"FLOP convention", "one ladder"},
    "token_budget": {"one ladder"},
}


def test_every_registered_set_is_held_here():
    assert sorted(CARRIES) == sorted(datasets.names())


@pytest.mark.parametrize("name", CARRIES)
def test_real_tables_are_taken_and_only_true_notes_made(name, data_dir, monkeypatch):
    monkeypatch.setenv("NSTAR_DATA_DIR", str(data_dir))
    runs = nstar.read_runs(name)
    notes = list(runs.notes)
    for law in CARRIES[name]:
        notes += prepare(runs, LAWS[law]())[0].notes
    seen = {note.name for note in notes if note.status is Status.REVIEW}
    assert seen == REVIEWS.get(name, set())
