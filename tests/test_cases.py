"""The shared cases of tables as people have them, each answered as its README says."""

import contextlib
import json
from pathlib import Path

import pytest

from nstar.runs.problems import ReadOptions
from nstar.runs.reading import Examination, examine
from nstar.verdicts import Status


@pytest.fixture(scope="session")
def cases(data_dir: Path) -> Path:
    folder = data_dir.parent / "cases"
    if not folder.is_dir():
        # each kind is made in test_table_problems too, which needs no folder
        pytest.skip(f"no shared cases at {folder}, beside the measured runs")
    return folder


# stops: by name, the rows that it names (None where they are not the point), and words
# notes: names of what is for review; repair: words of the options, None where none helps
ANSWERS: dict[str, dict] = {
    "tracker_export_with_everything.csv": {
        "stops": {
            "missing losses": ((19,), "'NaN'"),
            "units": (None, "'tokens' (D)", "billions", "0.85 times with D=1e9"),
            "diverged runs": ((14,), "'11.2'", "'L<5'", "--drop-diverged"),
            "unfinished runs": ((14, 19), "crashed, running", "State=finished"),
        },
        "reviews": {"FLOP convention": ("0.85 times 6 N D", "8.5e22")},
        "repair": ["--units", "D=1e9", "--where", "State=finished"],
        "runs": 23,
        "law": "coupled",
    },
    "one_diverged_of_24.csv": {
        "stops": {
            "diverged runs": ((14,), "'11.2'", "--where 'L<5'", "--drop-diverged"),
            "unfinished runs": ((14,), "crashed"),
        },
        "repair": ["--where", "L<5"],
        "runs": 23,
        "law": "coupled",
    },
    "loss_named_eval_loss.csv": {
        "stops": {
            "diverged runs": ((14,), "'eval/loss' (L)"),
            "unfinished runs": ((14,),),
        },
        "repair": ["--where", "L<5"],
        "runs": 23,
        "law": "coupled",
    },
    "params_in_millions.csv": {
        "stops": {
            "units": (None, "'params' (N)", "millions", "0.85 times with N=1e6"),
            "diverged runs": ((14,),),
            "unfinished runs": ((14,),),
        },
        "repair": ["--units", "N=1e6", "--where", "L<5"],
        "runs": 23,
        "law": "coupled",
    },
    "millions_and_billions.csv": {
        "stops": {"units": (None, "0.025 tokens per parameter", "N=1e9,D=1e12")},
        "repair": ["--units", "N=1e6,D=1e9"],
        "runs": 10,
        "law": "coupled",
    },
    "suffix_strings.csv": {"stops": {}, "repair": [], "runs": 6},
    "european_numbers.csv": {
        "stops": {"unreadable cells": ((2, 3, 4, 5, 6, 7), "63.000.000")},
        "repair": ["--decimal", "comma"],
        "runs": 6,
    },
    "nan_infinity_strings.csv": {
        "stops": {
            "missing losses": (
                (3, 5, 6, 8, 10),
                "'NaN'",
                "'-Infinity'",
                "an empty cell",
            )
        },
        "repair": ["--skip-rows", "3,5,6,8,10"],
        "runs": 5,
    },
    "diverged_and_running.csv": {
        "stops": {
            "missing losses": ((16,), "'nan'"),
            "diverged runs": ((15,), "'7.4821'"),
            "unfinished runs": ((15, 16, 17), "--where 'status=finished'"),
        },
        "repair": ["--where", "status=finished"],
        "runs": 13,
        "law": "isoflop",
    },
    "checkpoints_same_tokens.csv": {
        "stops": {"checkpoints": (None, "checkpoints of 6 runs, not 36 runs")},
        "repair": None,
    },
    "one_run_from_step_zero.csv": {
        "stops": {"impossible values": ((2,), "'0'"), "one run": (None, "one run")},
        "repair": None,
    },
    "lr_batch_sweep.csv": {
        "stops": {"tuning sweep": (None, "12 designs", "lr, bs", "4.1 %", "one_sided")},
        "repair": ["--where", "least L per N,D"],
        "runs": 12,
        "law": "coupled",
    },
    "embeddings_counted_or_not.csv": {
        "stops": {"which N": (None, "params_non_embedding", "params_total")},
        "reviews": {
            "FLOP convention": ("0.623 times 6 N D at the smallest", "0.957", "0.474")
        },
        "repair": ["--columns", "N=params_total"],
        "runs": 12,
    },
    "moe_total_and_active.csv": {
        "stops": {"which N": (None, "active_params", "total_params", "0.12")},
        "reviews": {"mixture of experts": ("--law experts",)},
        "repair": ["--columns", "N=active_params"],
        "runs": 10,
    },
    "wandb_isoflop_gflops.csv": {
        "stops": {},
        "reviews": {"under-tuned runs": ("row 4", "5.6 %", "lr is 0.00035 there")},
        "repair": [],
        "runs": 12,
        "law": "coupled",  # the profile of the under-tuned run shows no minimum
    },
    "wandb_chart_export.csv": {
        "stops": {"chart export": (None, "column for each run", "one row a run")},
        "repair": None,
    },
    "two_recipes.csv": {
        "stops": {"several recipes": ((3, 5, 7), "baseline (4 runs)", "--pool arm")},
        "repair": ["--where", "arm=baseline"],
        "runs": 4,
    },
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_shared_case_is_answered_as_its_readme_says(name, cases):
    answer = ANSWERS[name]
    examination = examine(str(cases / name))
    stops = {p.name: p for p in reversed(examination.stops)}
    assert set(stops) == set(answer["stops"])
    for stop, (rows, *words) in answer["stops"].items():
        if rows is not None:
            assert stops[stop].rows == rows
        for word in words:
            assert word in stops[stop].sentence()
    answers = {
        p.name: p.sentence() for p in examination.problems if p.status is Status.REVIEW
    }
    for review, words in answer.get("reviews", {}).items():
        for word in words:
            assert word in answers[review], answers
    if answer["repair"] is None:
        assert examination.repaired.stops
        return
    assert examination.repair.as_words() == answer["repair"]
    _reads_as(examination, str(cases / name), answer)


def _reads_as(examination: Examination, source: str, answer: dict) -> None:
    """Read the table again with its repair: nothing stops, and the runs are those."""
    from nstar.runs.table_check import TableCheck

    again = examine(source, ReadOptions().with_more(examination.repair))
    assert again.stops == []
    assert len(again.repaired.runs) == answer["runs"]
    if "law" in answer:
        assert TableCheck(again).law == answer["law"]


def test_the_worst_is_named_first(cases):
    examination = examine(str(cases / "one_diverged_of_24.csv"))
    assert examination.problems[0].name == "diverged runs"


def test_gigaflop_taken_for_flop_are_refused(cases):
    table = str(cases / "wandb_isoflop_gflops.csv")
    (stop,) = examine(
        table, ReadOptions(columns={"C": "total_gflops"}, units={"C": 1})
    ).stops
    assert stop.name == "units"
    assert stop.repair.units == {"C": 1e9}


def test_all_parameters_of_a_mixture_are_refused_and_the_active_pointed_to(cases):
    table = str(cases / "moe_total_and_active.csv")
    (stop,) = examine(table, ReadOptions(columns={"N": "total_params"})).stops
    assert stop.name == "which parameters"
    assert "0.071 to 0.12 times 6 N D" in stop.detail
    assert "--law experts" in stop.remedy
    assert stop.repair.columns == {"N": "active_params"}


def test_every_case_has_an_answer(cases):
    there = {path.name for path in cases.iterdir()} - {"README.md"}
    assert there == {*ANSWERS, "lm_eval_results.jsonl"}


def test_results_of_an_evaluation_harness_are_read_or_refused_in_words(cases):
    path = cases / "lm_eval_results.jsonl"
    assert json.loads(path.read_text().splitlines()[0])["size"] == "190M"
    with contextlib.suppress(ValueError):  # until it is read
        for problem in examine(str(path)).stops:
            assert problem.remedy
