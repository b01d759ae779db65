"""What is let in with a REVIEW: one table per mistake, and silence where there is none."""

import numpy as np
import pytest

import nstar
from nstar.laws import LAWS
from nstar.runs.law_data import prepare
from nstar.runs.problems import TableProblems
from nstar.verdicts import Status

RNG = np.random.default_rng(0)
N = np.repeat(np.geomspace(1e8, 1e10, 6), 5)
D = N * np.tile(np.geomspace(5.0, 200.0, 5), 6)
L = (1.8 + 482 / N**0.35 + 2085 / D**0.37) * np.exp(RNG.normal(0, 0.005, 30))
GOOD = {"N": N, "D": D, "L": L}
RUN = np.arange(30)
PROFILE = np.repeat([1e19, 1e20, 1e21, 1e22], [9, 9, 9, 2])
SPENT = np.sqrt(PROFILE) * RNG.uniform(1, 9, 29)


def _off(rows, factor):
    return np.where(np.isin(RUN, rows), factor, 1.0)


SEEN = {
    "C off the convention": (
        GOOD | {"C": 6 * N * D * _off([4, 9], 1.3)},
        "chinchilla",
        "FLOP convention",
        ("2 of 30 runs", "1.25 times", "factor 1.3", "median here is 6", "leave C out"),
    ),
    "C counted otherwise": (
        GOOD | {"C": 12 * N * D},
        "chinchilla",
        "FLOP convention",
        ("30 of 30", "median here is 12"),
    ),
    "N and D swapped": (
        {"N": D, "D": N, "L": L},
        "chinchilla",
        "N and D",
        ("tokens per parameter", "swapped", "--columns N=...,D=..."),
    ),
    "N in thousands": (
        GOOD | {"N": N / 1e5, "D": D / 1e3},
        "chinchilla",
        "size of N",
        ("largest run has 1e+05 parameters", "'N'", "multiply it"),
    ),
    "ladders pooled": (
        GOOD | {"ladder": ["a", "b"] * 15},
        "chinchilla",
        "one ladder",
        ("2 values of ladder ('a', 'b')", "--where 'ladder=b'"),
    ),
    "corpora pooled": (
        GOOD | {"dataset": ["c4", "pile"] * 15},
        "chinchilla",
        "one corpus",
        ("'c4', 'pile'", "--where 'dataset=pile'"),
    ),
    "runs measured twice": (
        {n: np.repeat(c, 2) for n, c in GOOD.items()}
        | {"run": np.repeat(RUN, 2), "eval": np.tile([0, 1], 30)},
        "chinchilla",
        "repeated runs",
        ("30 runs", "same N and D", "choose one"),
    ),
    "bits beside nats": (
        GOOD | {"L": L * _off([2, 3, 11, 20], 1 / np.log(2))},
        "chinchilla",
        "loss units",
        (
            "4 losses lie 1.4",
            "above",
            "rows 3, 4, 12, 21",
            "bits beside nats",
            "0.6931",
        ),
    ),
    "half in bits": (
        GOOD | {"L": L * _off(RUN[::2], 1 / np.log(2))},
        "chinchilla",
        "loss units",
        ("15 losses lie 1.4", "0.6931"),
    ),
    "per character beside nats": (
        GOOD | {"L": L * _off([2, 3, 11, 20], 0.23)},
        "chinchilla",
        "loss units",
        ("4 losses lie 4.", "below", "rows 3, 4, 12, 21", "per character"),
    ),
    "perplexities": (
        GOOD | {"L": np.exp(1.3 * L)},
        "chinchilla",
        "loss units",
        ("perplexities", "natural logarithms"),
    ),
    "one size": (
        {"N": np.full(30, 1e9), "D": D, "L": 2 + 2085 / D**0.37},
        "chinchilla",
        "varied runs",
        ("N differs too little", "is the prior"),
    ),
    "a small budget": (
        {
            "C": PROFILE,
            "budget": PROFILE,
            "D": SPENT,
            "L": 3 - 0.05 * np.log(PROFILE / 1e19) + 0.01 * RNG.normal(size=29),
        },
        "isoflop",
        "small budgets",
        ("fewer than three runs (1e+22 FLOP)", "no minimum of their own"),
    ),
    "profiles for optima": (
        {"C": PROFILE, "D": SPENT},
        "allocation",
        "optima",
        ("4 budgets", "measured_optima"),
    ),
    "a standard error missing": (
        {"C": PROFILE[::9], "D": SPENT[::9], "se": [0.1, np.nan, 0.1, 0.2]},
        "allocation",
        "standard errors",
        ("1 runs have no standard error (rows 2)", "not used"),
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_a_mistake_is_noted_for_review_with_its_remedy(case):
    columns, law, name, fragments = SEEN[case]
    used, _, _ = prepare(nstar.read_runs(columns), LAWS[law]())
    reviews = {n.name: n.detail for n in used.notes if n.status is Status.REVIEW}
    assert list(reviews) == [name], reviews
    for fragment in fragments:
        assert fragment in reviews[name], reviews[name]


REFUSED = {
    "checkpoints": (
        GOOD | {"run_id": RUN // 5},
        "checkpoints",
        (
            "6 runs appear more than once",
            "run '0': 5 rows",
            "keep the last of each with --where 'most D per run_id'",
        ),
    ),
    "a diverged run": (
        GOOD | {"L": L * _off([17], 2.0)},
        "diverged runs",
        ("row 18", "1 run diverged", "--where 'L<3.9' or --drop-diverged"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_that_are_no_runs_of_the_ladder_are_refused_with_their_remedy(case):
    columns, name, fragments = REFUSED[case]
    with pytest.raises(TableProblems) as caught:
        nstar.read_runs(columns)
    (problem,) = [p for p in caught.value.problems if p.status is Status.FAIL]
    assert problem.name == name
    for fragment in fragments:
        assert fragment in problem.sentence(), problem.sentence()
    repaired = nstar.read_runs(columns, where=caught.value.repair.where)
    assert len(repaired) == len(N) - len(problem.rows)
    assert repaired.notes == ()
    taken = nstar.read_runs(columns, accept=[name])
    assert [note.name for note in taken.notes][:1] == [name]
    assert taken.notes[0].status is Status.REVIEW


GROUPS = {
    "run": RUN,
    "corpus": ["c4"] * 30,
    "ladder": [""] * 30,
    "C": 6 * N * D * RNG.uniform(0.9, 1.1, 30),
}


@pytest.mark.parametrize("group", GROUPS)
def test_good_tables_raise_no_notes(group):
    used, _, _ = prepare(
        nstar.read_runs(GOOD | {group: GROUPS[group]}), LAWS["chinchilla"]()
    )
    assert used.notes == ()


def test_empty_run_names_are_no_run():
    runs = nstar.read_runs(GOOD | {"run": ["a", "b", *[""] * 28]})
    assert runs.notes == ()


def test_runs_off_every_budget_are_left_out_and_counted():
    budget = np.where(RUN[:29] == 4, np.nan, PROFILE)
    columns = {
        "C": PROFILE,
        "D": SPENT,
        "budget": budget,
        "L": 3 - 0.1 * np.log(PROFILE),
    }
    columns["L"] = columns["L"] - columns["L"].min() + 2
    used, _, _ = prepare(nstar.read_runs(columns), LAWS["isoflop"]())
    assert len(used) == 28
    assert 5 not in used.rows
    assert "1 runs belong to no isoFLOP budget" in used.notes[0].detail
