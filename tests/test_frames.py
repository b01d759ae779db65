"""What Python shows of an answer: a line, a frame; candidates as people write them."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import nstar
from nstar.answers import Answer
from nstar.plans.actions import Action, parse_actions
from nstar.validation.predicting import Prediction
from nstar.validation.summary import Summary


@pytest.fixture(scope="module")
def answers(surface_fit):
    at = np.array([7e9, 7e10]), np.array([1.4e11, 1.4e12])
    return {
        "plan": nstar.plan(surface_fit, [1e22, 3.8e25]),
        "risk": nstar.weigh(surface_fit, 1e24, ["8B", "70B@1.4T"]),
        "comparison": nstar.compare(surface_fit, "llama3", budgets=[1e22]),
        "prediction": Prediction(surface_fit, *at, 0),
        "summary": Summary(surface_fit),
    }


def leaves(record, path=""):
    """Numbers of a record by their paths, as a reader of JSON finds them."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}_")
        else:
            yield path + key, value


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("plan", "budgets"),
        ("risk", "actions"),
        ("comparison", "budgets"),
        ("prediction", "predictions"),
        ("summary", "unknowns"),
    ],
)
def test_frames_have_the_numbers_of_the_document(name, key, answers):
    answer = answers[name]
    rows = answer.as_json(0.5)[key]
    rows = [{"name": n} | r for n, r in rows.items()] if name == "summary" else rows
    pandas, polars = answer.to_pandas(0.5), answer.to_polars(0.5)
    assert isinstance(pandas, pd.DataFrame)
    assert isinstance(polars, pl.DataFrame)
    assert list(pandas.columns) == polars.columns
    assert len(pandas) == len(polars) == len(rows) > 0
    for i, row in enumerate(rows):
        for column, value in leaves(row):
            cells = pandas[column].iloc[i], polars[column][i]
            if value is None:
                assert pd.isna(cells[0])
                assert cells[1] is None
            else:
                assert cells == (value, value), column


@pytest.mark.parametrize(
    "name", ["plan", "risk", "comparison", "prediction", "summary"]
)
def test_an_answer_is_a_line_or_two(name, answers):
    lines = repr(answers[name]).splitlines()
    assert 1 <= len(lines) <= 2
    assert lines[0].startswith(f"{type(answers[name]).__name__}: ")
    assert answers[name].headline() in lines[0]
    assert max(map(len, lines)) < 600
    doubts = [c.name for c in answers[name].checks() if c.status != "PASS"]
    assert len(lines) == (2 if doubts else 1)
    assert all(doubt in lines[-1] for doubt in doubts)


def test_every_answer_has_that_line():
    for answer in Answer.__subclasses__():
        assert vars(answer)["__repr__"] is Answer.__repr__, answer


def test_a_fit_is_a_line(surface_fit):
    line = "Fit: Chinchilla law, StudentT noise, 133 runs of llama3, seed 0"
    assert repr(surface_fit) == line


def test_runs_are_a_line_a_frame_and_a_page(llama3):
    assert repr(llama3).startswith("Observations: 133 runs of llama3; ")
    assert f"C {llama3['C'].min():.3g} to {llama3['C'].max():.3g}" in repr(llama3)
    for frame in (llama3.to_pandas(), llama3.to_polars()):
        assert frame["row"].to_list() == llama3.rows.tolist()
        assert frame["L"].to_list() == llama3["L"].tolist()
        assert set(frame.columns) == {"row", *llama3.columns}
        back = nstar.read_runs(frame)
        assert np.array_equal(back["D"], llama3["D"])
    page = llama3._repr_html_()
    assert page.count("<tr") == 6
    assert all(note.name in page for note in llama3.notes)


# Candidates


def test_candidates_are_text_numbers_pairs_or_actions():
    texts = parse_actions(["8B, 70B@1.4T", "ours=7e9", "llama3-8b"])
    assert [(a.name, a.N, a.D) for a in texts[:3]] == [
        ("8B", 8e9, None),
        ("70B@1.4T", 7e10, 1.4e12),
        ("ours", 7e9, None),
    ]
    plain = parse_actions([8e9, (7e10, 1.4e12), np.float64(7e9), Action("mine", 1e9)])
    assert [(a.name, a.N, a.D) for a in plain] == [
        ("8B", 8e9, None),
        ("70B@1.4T", 7e10, 1.4e12),
        ("7B", 7e9, None),
        ("mine", 1e9, None),
    ]


@pytest.mark.parametrize("wrong", [-1.0, 0, float("nan"), (7e9, -1.0), "8X"])
def test_what_is_no_candidate_is_refused(wrong):
    with pytest.raises(ValueError, match="candidate"):
        parse_actions([wrong])


def test_weighing_takes_candidates_as_written(answers, surface_fit):
    written = answers["risk"]
    actions = [Action("8B", 8e9), Action("70B@1.4T", 7e10, 1.4e12)]
    by_actions = nstar.weigh(surface_fit, 1e24, actions)
    assert json.dumps(written.as_json()) == json.dumps(by_actions.as_json())
    assert written.rivals == ["recommended", "8B", "70B@1.4T"]
