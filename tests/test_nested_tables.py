"""Tables in JSON, nested cells by path, trackers' exports and evaluations' results."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nstar
from nstar.files import table_files, tables
from nstar.runs.columns import name_columns

N, D = np.array([1e8, 2e8, 4e8, 8e8]), np.array([2e9, 4e9, 8e9, 1.6e10])
L = np.array([3.1, 2.9, 2.7, 2.6])
RUNS = [
    {
        "name": f"run-{i}",
        "state": "finished",
        "config": {"model": {"params": int(N[i])}, "lr": {"value": 1e-3, "desc": None}},
        "summary": {"eval/loss": float(L[i]), "tokens": float(D[i]), "_step": 10 * i},
        "tags": ["a", "b"],
    }
    for i in range(4)
]
FLAT = pd.DataFrame({"params": N, "tokens": D, "loss": L})
PATHS = ["config.model.params", "config.lr", "summary.eval/loss", "summary.tokens"]


def _csv(path, write):
    frame = pd.DataFrame(RUNS)
    for name in ("config", "summary"):
        frame[name] = [write(cell) for cell in frame[name]]
    frame.to_csv(path, index=False)


NESTED = {
    "runs.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, RUNS))),
    "runs.ndjson": lambda path: path.write_text(
        "\ufeff" + "\n\n".join(map(json.dumps, RUNS)) + "\n", encoding="utf-8"
    ),
    "runs.json": lambda path: path.write_text(json.dumps(RUNS, indent=1)),
    "data.json": lambda path: path.write_text(json.dumps({"data": RUNS})),
    "lines.json": lambda path: path.write_text("\n".join(map(json.dumps, RUNS))),
    "json_cells.csv": lambda path: _csv(path, json.dumps),
    "python_cells.csv": lambda path: _csv(path, str),
    "structs.parquet": lambda path: pq.write_table(pa.Table.from_pylist(RUNS), path),
    "json_cells.parquet": lambda path: pd.DataFrame(
        [r | {"config": json.dumps(r["config"]), "tags": "a"} for r in RUNS]
    ).to_parquet(path),
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_cells_are_columns_by_path_and_read_by_meaning(name, tmp_path):
    NESTED[name](tmp_path / name)
    table = table_files.read(tmp_path / name)
    assert set(PATHS) <= set(table.columns)
    assert name_columns(table).columns == {
        "L": "summary.eval/loss",
        "D": "summary.tokens",
        "N": "config.model.params",
    }
    runs = nstar.read_runs(tmp_path / name)
    for ours, values in (("N", N), ("D", D), ("L", L)):
        np.testing.assert_array_equal(runs[ours], values)
    np.testing.assert_array_equal(runs["config.lr"], [1e-3] * 4)
    chosen = nstar.read_runs(tmp_path / name, {"L": "summary.eval/loss"})
    np.testing.assert_array_equal(chosen["L"], L)


PLAIN = {
    "records": lambda: FLAT.to_json(orient="records"),
    "columns": lambda: FLAT.to_json(),
    "split": lambda: json.dumps(FLAT.to_dict("list")),
    "text": lambda: FLAT.astype(str).to_json(orient="records"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_json_of_every_form_reads_alike(case, tmp_path):
    (tmp_path / "a.json").write_text(PLAIN[case]())
    runs = nstar.read_runs(tmp_path / "a.json")
    for ours, values in (("N", N), ("D", D), ("L", L)):
        np.testing.assert_array_equal(runs[ours], values)
    assert runs.rows.tolist() == [1, 2, 3, 4]


def test_frames_with_objects_in_their_cells_are_read_by_path():
    assert set(PATHS) <= set(tables.from_columns(pd.DataFrame(RUNS)).columns)


def test_lines_are_numbered_and_what_is_not_there_is_empty(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"N": 1, "x": NaN}\n\n{"N": 2, "L": -Infinity}\n')
    table = table_files.read(path)
    assert table.rows.tolist() == [1, 3]
    assert table.columns["L"].tolist() == [None, -np.inf]
    assert table.columns["N"].tolist() == [1, 2]


@pytest.mark.parametrize("first", ["config", "config.lr"])
def test_a_path_that_is_a_column_already_is_left_to_it(first, tmp_path):
    path = tmp_path / "a.csv"
    frame = pd.DataFrame(
        {
            "config": ['{"lr": 1, "bs": 2}'] * 2,
            "config.lr": [7, 8],
            "note": ["{x", "{y"],
        }
    )
    frame.set_index(first).to_csv(path)
    columns = table_files.read(path).columns
    assert columns["config.lr"].tolist() == ["7", "8"]
    assert columns["config.bs"].tolist() == [2, 2]
    assert columns["note"].tolist() == ["{x", "{y"]


EVALUATIONS = [
    {
        "model_name": f"ladder-{size}",
        "size": size,
        "results": {
            "arc": {"alias": "arc", "acc,none": acc, "acc_norm,none": acc + 0.1},
            "gsm8k": {"exact_match,strict-match": acc, "acc_stderr,none": "N/A"},
        },
    }
    for size, acc in (("190M", 0.2), ("370M", 0.3), ("1.3B", 0.4))
]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_results_of_evaluations_are_read_by_path_and_metrics_kept_apart(
    suffix, tmp_path
):
    path = tmp_path / f"results{suffix}"
    lines = "\n".join(map(json.dumps, EVALUATIONS))
    path.write_text(lines if suffix == ".jsonl" else json.dumps(EVALUATIONS))
    runs = nstar.read_runs(path, {"metric": "results.arc.acc"})
    np.testing.assert_array_equal(runs["N"], [190e6, 370e6, 1.3e9])
    np.testing.assert_array_equal(runs["metric"], [0.2, 0.3, 0.4])
    np.testing.assert_allclose(runs["results.arc.acc_norm"], [0.3, 0.4, 0.5])
    assert "results.gsm8k.exact_match.strict-match" in runs
    assert (
        set(runs["results.gsm8k.acc_stderr"].tolist()) <= {""}
        or np.isnan(runs["results.gsm8k.acc_stderr"]).all()
    )
    assert not any("," in name for name in runs.columns)


def test_one_file_of_one_evaluation_is_one_run(tmp_path):
    path = tmp_path / "results.json"
    config = {"model_num_parameters": 162322944, "model_args": "pretrained=pythia-160m"}
    path.write_text(json.dumps(EVALUATIONS[0] | {"config": config}))
    naming = name_columns(table_files.read(path))
    assert naming.columns["N"] == "config.model_num_parameters"


BAD = {
    "broken lines": ('{"N": 1}\nxx\n[1]\n', ".jsonl", ("lines 2 (", "3 (no object")),
    "broken document": ('{"N": [1,2}', ".json", ("not readable as JSON",)),
    "numbers": ("[1, 2]", ".json", ("a list of JSON objects",)),
    "a number": ("3", ".json", ("a list of JSON objects",)),
    "no records": ("[]", ".json", ("no runs",)),
    "empty": (" \n", ".jsonl", ("the file is empty",)),
    "broken lines of one document": ('{"a": 1}\n{"a": 2\n', ".json", ("lines 2 (",)),
}


@pytest.mark.parametrize("case", BAD)
def test_json_that_is_no_table_is_refused_with_its_lines(case, tmp_path):
    text, suffix, fragments = BAD[case]
    path = tmp_path / f"a{suffix}"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.json") as caught:
        table_files.read(path)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_all_ragged_rows_are_named_at_once(tmp_path):
    path = tmp_path / "a.csv"
    rows = ["N,D,L", "1,2,3", "1,2", "1,000,2,3", "4,5,6", *["7"] * 9]
    path.write_text("\n".join(rows))
    with pytest.raises(ValueError, match="rows 3, 4, 6") as caught:
        table_files.read(path)
    assert "and 3 more: expected 3 cells as in the header, got 2, 4, 1" in str(
        caught.value
    )
