"""The benchmark of inference reads any table of counts, and says what it leaves out."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from conftest import REPO

HEAD = "family,model,params,task,problem,samples,successes"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    import inference

    return inference


def write(folder, rows, name="counts.csv"):
    lines = [HEAD, *(",".join(map(str, row)) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def counted(problem, n, s, model="one", task="code"):
    return ("any", model, 1e9, task, problem, n, s)


def test_problems_of_differing_samples_answer_what_they_can(bench, tmp_path):
    n = [10000] * 30 + [2000] * 25 + [500] * 3 + [100] * 2
    write(tmp_path, [counted(i, size, size // 50) for i, size in enumerate(n)])
    write(tmp_path, [counted(i, 300, 3) for i in range(25)], "short.csv")
    write(tmp_path, [counted(i, 5000, 3) for i in range(19)], "small.csv")
    (tmp_path / "other.csv").write_text("N,D,L\n1,2,3\n", encoding="utf-8")
    left = []
    each = list(bench.tables(tmp_path, left))
    assert left == [
        "other.csv: no table of counts, lacks family, model, params, problem, samples, successes, task"
    ]
    asked = [
        [(len(own.n), ks) for own, ks in bench.questions(c, 100, left)] for c in each
    ]
    assert asked == [[(55, (1000,)), (30, (10000,))], [(25, (300,))], []]
    said = "\n".join(left)
    for words in (
        "2 of 60 problems have 100 samples or fewer",
        "3 of 58 problems have fewer than 1000 samples",
        "28 of 58 problems have fewer than 10000 samples",
        "no problem has 10000 samples, so that k is not asked",
        "19 problems at k = [1000], fewer than 20",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [counted(1, 10, 3), counted(2, 10, 11)],
            "counts.csv, row 2, column 'successes': expected 0 to the row's 10 samples, got 11",
        ),
        (
            [counted(7, 10, 3), counted(7, 20, 3)],
            "counts.csv, rows 1 and 2, column 'problem': 7 of one on code is counted twice",
        ),
    ],
)
def test_contradictory_counts_are_refused_with_file_and_row(
    bench, tmp_path, rows, words
):
    write(tmp_path, rows)
    with pytest.raises(ValueError, match=words):
        list(bench.tables(tmp_path, []))


@pytest.mark.slow
def test_the_benchmark_prints_one_document(tmp_path):
    random = np.random.default_rng(0)
    p = random.beta(0.3, 8.0, 40)
    n = np.where(np.arange(40) < 25, 3000, 1500)
    write(tmp_path, [counted(i, n[i], random.binomial(n[i], p[i])) for i in range(40)])
    command = [
        sys.executable,
        REPO / "benchmarks" / "inference.py",
        "--data",
        tmp_path,
        "--thinnings",
        "1",
        "--json",
    ]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    told = json.loads(done.stdout)
    kinds = {(r["target"], r["k"], r["method"]) for r in told["pass_at_k"]}
    assert len(kinds) == 6  # two targets, k = 1,000, three methods
    assert all(r["forecasts"] == 1 for r in told["pass_at_k"])
    assert "left out: code, one: no problem has 10000 samples" in done.stderr
    assert told["left_out"]
