"""Kinds of trouble that tables have: what is said of each, and that its repair works."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

import nstar
from nstar.runs.problems import (
    Problem,
    ReadOptions,
    TableProblems,
    merge_repairs,
    read_names,
)
from nstar.runs.reading import Examination, examine
from nstar.runs.rewriting import rewrite
from nstar.runs.table_check import TableCheck
from nstar.verdicts import Status

# Tables


def loss(N, D, seed=0, noise=0.005):
    rng = np.random.default_rng(seed)
    return (1.69 + 406.4 / N**0.34 + 410.7 / D**0.28) * np.exp(
        rng.normal(0, noise, len(N))
    )


def grid(sizes=5, ratios=(5, 10, 20, 40, 80), least=1.2e8, most=2.7e9, seed=0):
    """A ladder of sizes, each at several tokens per parameter."""
    N = np.repeat(np.geomspace(least, most, sizes).round(-5), len(ratios))
    D = (N * np.tile(np.array(ratios, dtype=float), sizes)).round()
    return {"params": N, "tokens": D, "loss": loss(N, D, seed).round(4)}


def profiles(budgets=4, seed=0):
    """Profiles of loss at compute budgets."""
    C = np.repeat(np.geomspace(1e18, 3e19, budgets), 5)
    N = (np.sqrt(C / 120) * np.tile([0.3, 0.6, 1.1, 2.0, 3.7], budgets)).round()
    D = (C / (6 * N)).round()
    return {"params": N, "tokens": D, "loss": loss(N, D, seed).round(4)}


def line(n=12, seed=0):
    """Runs of twenty tokens per parameter."""
    N = np.geomspace(2e7, 4e9, n).round(-3)
    return {"params": N, "tokens": 20 * N, "loss": loss(N, 20 * N, seed).round(4)}


LADDERS = {"grid": grid, "profiles": profiles, "line": line}


def stopped(table, name, options=None) -> tuple[Problem, Examination]:
    """The one problem that stops a table."""
    examination = examine(table, options)
    (problem,) = examination.stops
    assert problem.name == name
    assert problem.remedy
    with pytest.raises(TableProblems) as caught:
        nstar.read_runs(table)
    assert problem in caught.value.problems
    return problem, examination


def repaired(table, examination) -> nstar.Observations:
    """The runs, read with the repair of what stopped the table."""
    again = examine(table, examination.options.with_more(examination.repair))
    assert again.stops == []
    return again.repaired.runs


def noted(runs) -> set[str]:
    return {note.name for note in runs.notes if note.status is Status.REVIEW}


# Sound tables are taken without a word

SOUND = {
    "steps in proportion to tokens": lambda t: (
        t | {"step": t["tokens"] / 1e6, "name": _names(t)}
    ),
    "a seed": lambda t: t | {"seed": np.arange(len(t["loss"])) % 3},
    "all finished": lambda t: t | {"State": ["finished"] * len(t["loss"])},
    "settings that follow size": lambda t: (
        t | {"lr": 0.1 / np.sqrt(t["params"]), "batch": np.full(len(t["loss"]), 512)}
    ),
    "notes": lambda t: t | {"comment": [f"note {i}" for i in range(len(t["loss"]))]},
    "exact FLOP": lambda t: t | {"flops": 6 * t["params"] * t["tokens"]},
    "times": lambda t: t | {"hours": t["tokens"] / 1e9 + 0.5, "created": _names(t)},
}


def _names(table):
    return [f"run-{i}" for i in range(len(table["loss"]))]


@pytest.mark.parametrize(("ladder", "sound"), [*itertools.product(LADDERS, SOUND)])
def test_a_sound_table_is_taken_without_a_word(ladder, sound):
    examination = examine(SOUND[sound](LADDERS[ladder]()))
    assert [p for p in examination.problems if p.status is not Status.PASS] == []


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ladder", LADDERS)
def test_a_ladder_that_bends_or_starts_steeply_has_not_diverged(ladder, seed):
    table = LADDERS[ladder](seed=seed)
    N, D = table["params"], table["tokens"]
    shapes = (
        1.2 + 3 * (1 + 6 * N * D / 1e18) ** -0.5 + 1.6 * (6 * N * D / 1e19) ** -0.05,
        1.5 + 3e3 / N**0.5 + 5e3 / D**0.45,
        (N / 8.8e13) ** -0.076 + (D / 5.4e13) ** -0.095,
    )
    for shape in shapes:
        scatter = np.random.default_rng(seed).normal(0, 0.01, len(N))
        examination = examine(table | {"loss": shape * np.exp(scatter)})
        assert examination.stops == []


# Diverged runs

WORSE = {"one": (7,), "the smallest": (0,), "three": (2, 5, 9), "the largest": (-1,)}


@pytest.mark.parametrize(("ladder", "which"), [*itertools.product(LADDERS, WORSE)])
def test_diverged_runs_stop_a_table_with_both_remedies(ladder, which):
    table = LADDERS[ladder]()
    at = np.array(WORSE[which]) % len(table["loss"])
    table["loss"][at] = [7.9, 11.2, 9.6][: len(at)]
    problem, examination = stopped(table, "diverged runs")
    assert problem.rows == tuple(sorted(at + 1))
    assert "--drop-diverged" in problem.remedy
    assert problem.repair.where[0].startswith("L<")
    assert len(repaired(table, examination)) == len(table["loss"]) - len(at)
    dropped = nstar.read_runs(table, drop_diverged=True)
    assert sorted({*range(1, len(table["loss"]) + 1)} - {*dropped.rows.tolist()}) == [
        *problem.rows
    ]


def test_a_run_that_diverged_below_the_small_runs_is_dropped_by_name_not_by_loss():
    table = grid()
    table["loss"][-1] = table["loss"][0] - 0.2
    problem, examination = stopped(table, "diverged runs")
    assert problem.repair == ReadOptions(drop_diverged=True)
    assert len(repaired(table, examination)) == 24


@pytest.mark.parametrize("ladder", ["grid", "profiles"])
def test_a_run_tuned_worse_is_named_for_review(ladder):
    table = LADDERS[ladder]()
    table["loss"][11] *= 1.08
    table |= {"lr": np.where(np.arange(len(table["loss"])) == 11, 3e-5, 1e-3)}
    examination = examine(table)
    assert examination.stops == []
    (review,) = [p for p in examination.problems if p.name == "under-tuned runs"]
    assert review.rows == (12,)
    assert "lr is 3e-05 there and 0.001 elsewhere" in review.detail


@pytest.mark.parametrize("value", [0.0, -2.9])
def test_a_loss_that_is_not_positive_is_no_loss(value):
    table = grid()
    table["loss"][6] = value
    problem, examination = stopped(table, "missing losses")
    assert problem.rows == (7,)
    assert len(repaired(table, examination)) == 24


@pytest.mark.parametrize("ladder", ["grid", "profiles"])
def test_a_loss_far_below_the_others_is_named_for_review(ladder):
    table = LADDERS[ladder]()
    table["loss"][8] /= 10
    examination = examine(table)
    assert examination.stops == []
    (review,) = examination.problems
    assert (review.name, review.rows) == ("low losses", (9,))


# Unfinished runs

STATES = {
    "a tracker": ("State", "finished", "crashed", "State=finished"),
    "another": ("run_status", "completed", "RUNNING", "run_status=completed"),
    "any column": ("outcome", "done", "failed", "outcome=done"),
}


@pytest.mark.parametrize("case", STATES)
def test_unfinished_runs_are_named_by_their_status(case):
    column, good, bad, where = STATES[case]
    state = np.array([good] * 25, dtype=object)
    state[[3, 8]] = bad
    table = grid() | {column: state}
    problem, examination = stopped(table, "unfinished runs")
    assert (problem.rows, problem.column) == ((4, 9), column)
    assert examination.repair.where == (where,)
    assert len(repaired(table, examination)) == 23


def test_several_words_for_finished_are_all_kept():
    state = np.array(["finished", "done"] * 12 + ["crashed"], dtype=object)
    table = grid() | {"state": state}
    _, examination = stopped(table, "unfinished runs")
    assert examination.repair.where == ("state!=crashed",)
    assert len(repaired(table, examination)) == 24


def test_one_filter_that_leaves_out_all_bad_rows_is_enough():
    state = np.array(["finished"] * 25, dtype=object)
    table = grid() | {"State": state}
    state[[3, 8]] = "crashed"
    table["loss"][3], table["loss"][8] = np.nan, 11.0
    examination = examine(table)
    assert {p.name for p in examination.stops} == {
        "missing losses",
        "diverged runs",
        "unfinished runs",
    }
    assert examination.repair == ReadOptions(where=("State=finished",))


# Checkpoints, one run, charts

STEPS = np.array([500, 1500, 3000, 6000, 9000, 12000.0])


def checkpoints(step="step", sizes=6):
    N = np.repeat(np.geomspace(5e7, 5e8, sizes).round(-5), len(STEPS))
    D = np.tile(STEPS, sizes) * 1e6
    return {"params": N, step: D / 1e6, "tokens": D, "loss": loss(N, D)}


LOGS = {
    "steps": checkpoints(),
    "a model's name": checkpoints("iteration")
    | {"model": np.repeat([f"m{i}" for i in range(6)], 6)},
    "each its own even steps": {
        "params": np.repeat([1e8, 2e8, 4e8, 8e8], 6),
        "trainer/global_step": (
            np.array([[1], [2], [3], [4]]) * np.arange(1, 7) * 1e3
        ).ravel(),
        "tokens": (np.array([[1], [2], [3], [4]]) * np.arange(1, 7) * 1e9).ravel(),
        "loss": loss(
            np.repeat([1e8, 2e8, 4e8, 8e8], 6),
            (np.array([[1], [2], [3], [4]]) * np.arange(1, 7) * 1e9).ravel(),
        ),
    },
    "shares of the way": checkpoints("pct_done"),
    "a run's name": {
        "run": np.repeat([f"r{i}" for i in range(8)], 5),
        "params": np.repeat(np.geomspace(1e8, 1e9, 8), 5),
        "tokens": np.repeat([2e9, 8e9] * 4, 5) * np.tile(np.arange(1, 6) / 5, 8),
        "loss": loss(
            np.repeat(np.geomspace(1e8, 1e9, 8), 5),
            np.repeat([2e9, 8e9] * 4, 5) * np.tile(np.arange(1, 6) / 5, 8),
        ),
    },
}


@pytest.mark.parametrize("case", LOGS)
def test_checkpoints_are_not_runs(case):
    table = LOGS[case]
    problem, examination = stopped(table, "checkpoints")
    number = len(np.unique(table["params"]))
    assert (
        f"checkpoints of {number} runs, not {len(table['loss'])} runs" in problem.detail
    )
    if case not in (
        "each its own even steps",
        "a run's name",
    ):  # all of one length: nothing but new runs
        assert "runs of one length" in problem.remedy
        assert examination.repaired.stops
        assert not examination.repair
    else:
        runs = repaired(table, examination)
        assert len(runs) == number
        for N in np.unique(table["params"]):
            longest = table["tokens"][table["params"] == N].max()
            assert runs["D"][runs["N"] == N] == longest
    taken = nstar.read_runs(table, accept=["checkpoints"])
    assert len(taken) == len(table["loss"])
    assert "checkpoints" in noted(taken)


@pytest.mark.parametrize("names", ["Name", "run_id", "id"])
def test_runs_with_names_of_their_own_are_no_checkpoints(names):
    table = checkpoints()
    assert examine(table | {names: _names(table)}).stops == []


@pytest.mark.parametrize("start", [0, 3])
def test_a_log_of_one_run_is_no_ladder(start):
    steps = np.array([0, 100, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 4e4])[start:]
    table = {
        "run": ["a"] * len(steps),
        "params": np.full(len(steps), 1.9e8),
        "_step": steps,
        "tokens": steps * 524288,
        "loss": 3 + 8 / (1 + steps / 100),
    }
    examination = examine(table)
    names = [p.name for p in examination.stops]
    assert names == (["impossible values", "one run"] if start == 0 else ["one run"])
    assert [p.name for p in examination.repaired.stops] == ["one run"]
    assert TableCheck(examination).next_command() is None
    assert "several runs" in examination.stops[-1].remedy


@pytest.mark.parametrize("metric", ["eval/loss", "train/loss", "val_ppl"])
def test_a_charts_export_is_recognised(metric):
    columns = {"Step": np.arange(1, 6) * 1e3}
    for run in ("a-62M", "b-150M"):
        for end in ("", "__MIN", "__MAX"):
            columns[f"{run} - {metric}{end}"] = np.linspace(4, 3, 5)
    problem, _ = stopped(columns, "chart export")
    assert f"{metric} of 2 runs" in problem.detail
    assert "one row a run" in problem.remedy


# Sweeps and recipes


def swept(table, **settings):
    """Every run of a table with every combination of settings."""
    rows = len(table["loss"])
    choices = list(itertools.product(*settings.values()))
    repeated = {n: np.repeat(c, len(choices)) for n, c in table.items()}
    for i, name in enumerate(settings):
        repeated[name] = np.tile([choice[i] for choice in choices], rows)
    penalty = np.tile(np.linspace(1.05, 1.0, len(choices)), rows)
    return repeated | {"loss": repeated["loss"] * penalty}


SWEEPS = {
    "learning rate and batch": swept(grid(), lr=(1e-4, 1e-3), batch_size=(64, 256)),
    "one setting": swept(line(), peak_lr=(1e-4, 3e-4, 1e-3)),
    "an unknown number": swept(profiles(), rho=(0.1, 0.2)),
}


@pytest.mark.parametrize("case", SWEEPS)
def test_the_best_of_each_design_of_a_sweep_is_offered(case):
    table = SWEEPS[case]
    problem, examination = stopped(table, "tuning sweep")
    designs = len({*zip(table["params"], table["tokens"], strict=True)})
    assert f"are {designs} designs" in problem.detail
    assert "5 %" in problem.detail  # the spread inside a design
    assert "--noise one_sided" in problem.remedy
    runs = repaired(table, examination)
    assert len(runs) == designs
    for N, D, L in zip(runs["N"], runs["D"], runs["L"], strict=True):
        same = (table["params"] == N) & (table["tokens"] == D)
        assert table["loss"][same].min() == L


def arms(*names, column="recipe", shift=0.02, table=None):
    table = table or grid()
    parts = [
        table
        | {column: [name] * len(table["loss"]), "loss": table["loss"] * (1 + i * shift)}
        for i, name in enumerate(names)
    ]
    return {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}


def unmatched(*names):
    """A line of runs under each name, each with tokens per parameter of its own."""
    sides = [line(5) for _ in names]
    for i, (side, name) in enumerate(zip(sides, names, strict=True)):
        side["tokens"] = side["params"] * (20 + 5 * i)
        side["recipe"] = np.array([name] * 5)
    return {n: np.concatenate([side[n] for side in sides]) for n in sides[0]}


RECIPES = {
    "an arm": (arms("baseline", "variant", column="arm"), "arm=baseline"),
    "optimisers": (arms("adamw", "muon", "sgd", column="optimizer"), "optimizer=adamw"),
    "text of any name": (arms("old", "new", column="what"), "what=new"),
    "tokens of their own": (
        arms("a", "b", column="tokenizer", shift=0.1)
        | {
            "tokens": np.concatenate([grid()["tokens"], grid()["tokens"] * 1.3]),
        },
        "tokenizer=a",
    ),
}


def test_arms_that_share_no_design_are_still_no_ladder():
    problem, examination = stopped(unmatched("adamw", "muon"), "several recipes")
    assert "nothing tells what is theirs" in problem.detail
    assert examination.repair.where == ("recipe=adamw",)


def test_even_lengths_without_steps_are_asked_about():
    N = np.repeat([1e8, 3e8, 9e8], 6)
    D = np.tile(np.arange(1, 7) * 1e9, 3)
    examination = examine({"params": N, "tokens": D, "loss": loss(N, D)})
    assert examination.stops == []
    (review,) = examination.problems
    assert review.name == "checkpoints"


@pytest.mark.parametrize("case", RECIPES)
def test_several_recipes_are_not_one_ladder(case):
    table, where = RECIPES[case]
    column = where.partition("=")[0]
    problem, examination = stopped(table, "several recipes")
    assert problem.column == column
    offered = "a byte only" if column == "tokenizer" else f"--pool {column}"
    assert offered in problem.remedy
    assert examination.repair.where == (where,)
    assert len(repaired(table, examination)) == 25
    pooled = nstar.read_runs(table, by=column)
    assert len(pooled) == len(table["loss"])
    assert "several recipes" not in noted(pooled)


def test_a_diverged_run_of_one_arm_is_found_inside_its_arm():
    table = arms("a", "b", column="arm")
    table["loss"][30] = 9.0
    with pytest.raises(TableProblems) as caught:
        nstar.read_runs(table, by="arm")
    (problem,) = [p for p in caught.value.problems if p.status is Status.FAIL]
    assert (problem.name, problem.rows) == ("diverged runs", (31,))


# Units


@pytest.mark.parametrize(
    ("ours", "factor", "flop"),
    [
        ("N", 1e6, True),
        ("N", 1e9, True),
        ("D", 1e9, True),
        ("D", 1e6, True),
        ("C", 1e9, True),
        ("C", 1e15, True),
        ("N", 1e6, False),
        ("D", 1e9, False),
        ("N", 1e9, False),
    ],
)
@pytest.mark.parametrize("ladder", LADDERS)
def test_a_unit_is_settled_by_what_the_columns_say_of_one_another(
    ladder, ours, factor, flop
):
    table = LADDERS[ladder]()
    theirs = {"N": "params", "D": "tokens", "C": "flops"}
    if flop:
        table["flops"] = 6 * table["params"] * table["tokens"]
    plain = table[theirs[ours]]
    table[theirs[ours]] = plain / factor
    problem, examination = stopped(table, "units")
    assert problem.column == theirs[ours]
    assert examination.repair == ReadOptions(units={ours: factor})
    np.testing.assert_allclose(repaired(table, examination)[ours], plain)


@pytest.mark.parametrize("ladder", LADDERS)
def test_parameters_in_millions_and_tokens_in_billions_are_both_named(ladder):
    table = LADDERS[ladder]()
    scaled = table | {"params": table["params"] / 1e6, "tokens": table["tokens"] / 1e9}
    examination = examine(scaled)
    assert {p.column for p in examination.stops} == {"params", "tokens"}
    assert examination.repair == ReadOptions(units={"N": 1e6, "D": 1e9})
    np.testing.assert_allclose(repaired(scaled, examination)["D"], table["tokens"])


def test_where_nothing_decides_the_unit_all_are_offered_and_none_is_chosen():
    N = np.geomspace(100, 3000, 12)
    table = {"params": N, "tokens": N * 20e-3}
    examination = examine(table)
    (problem,) = examination.stops
    for way in ("N=1e6,D=1e9", "N=1e3,D=1e6", "tokens per parameter"):
        assert way in problem.sentence()
    assert not examination.repair


@pytest.mark.parametrize(("row", "factor"), [(4, 1e6), (9, 1e9), (20, 1e3)])
def test_one_row_in_another_unit_is_named(row, factor):
    table = grid()
    table["flops"] = 6 * table["params"] * table["tokens"]
    table["params"][row] /= factor
    problem, examination = stopped(table, "units")
    assert problem.rows == (row + 1,)
    assert len(repaired(table, examination)) == 24


def test_units_are_words_or_factors():
    table = grid()
    scaled = table | {"params": table["params"] / 1e6, "tokens": table["tokens"] / 1e9}
    runs = nstar.read_runs(scaled, units={"N": "millions", "D": 1e9})
    np.testing.assert_allclose(runs["N"], table["params"])
    np.testing.assert_allclose(runs["D"], table["tokens"])
    for units in ({"N": "heaps"}, {"N": 0}, {"N": "-1"}):
        with pytest.raises(ValueError, match="units of N: expected a factor"):
            nstar.read_runs(scaled, units=units)
    with pytest.raises(ValueError, match="units of C, which the table does not have"):
        nstar.read_runs(scaled, units={"C": 1e9})


# FLOP counted otherwise

COUNTERS = {
    "embeddings left out": lambda N, D: 6 * (N - 5e7) * D,
    "attention": lambda N, D: 6 * N * D * (1 + 0.2 * (1e8 / N) ** 0.3),
    "forward and backward at 5.1": lambda N, D: 5.1 * N * D,
}


@pytest.mark.parametrize("case", COUNTERS)
def test_another_counter_is_said_with_what_it_does(case):
    table = grid()
    N, D = table["params"], table["tokens"]
    C = COUNTERS[case](N, D)
    examination = examine(table | {"flops": C})
    assert examination.stops == []
    (review,) = [p for p in examination.problems if p.status is Status.REVIEW]
    factor = C / (6 * N * D)
    assert review.name == "FLOP convention"
    assert (
        f"about {factor[np.argmax(C)] * 1e23:.3g}".replace("e+", "e") in review.detail
    )
    if np.ptp(factor) > 1e-6:
        slope = np.polyfit(np.log(C), np.log(factor), 1)[0]
        assert (
            f"{factor[np.argmin(C)]:.3g} times 6 N D at the smallest" in review.detail
        )
        assert f"{factor[np.argmax(C)]:.3g} times at the largest" in review.detail
        assert f"{0.5 * (1 - slope):.3g} in this table's FLOP" in review.detail
    else:
        assert "0.85 times 6 N D all along" in review.detail


@pytest.mark.parametrize("seed", range(5))
def test_flop_that_scatter_about_the_convention_are_no_other_counter(seed):
    table = grid()
    scatter = np.random.default_rng(seed).uniform(0.95, 1.05, 25)
    flops = 6 * table["params"] * table["tokens"] * scatter
    assert examine(table | {"flops": flops}).problems == []


@pytest.mark.parametrize("names", [("total_params", "active_params")])
@pytest.mark.parametrize("expansion", [4.0, 8.0, 30.0])
def test_all_parameters_of_a_mixture_of_experts_are_not_n(names, expansion):
    total, active = names
    table = grid()
    N, D = table.pop("params"), table["tokens"]
    table |= {total: expansion * N, active: N, "flops": 6.2 * N * D}
    problem, examination = stopped_with(table, {"N": total})
    assert "--law experts" in problem.remedy
    assert examination.repair.columns == {"N": active}


def stopped_with(table, columns):
    examination = examine(table, ReadOptions(columns=columns))
    (problem,) = examination.stops
    assert problem.name == "which parameters"
    return problem, examination


# Options


def test_rows_are_left_out_by_their_number():
    runs = nstar.read_runs(grid(), skip_rows=[1, 25])
    assert runs.rows.tolist() == list(range(2, 25))
    with pytest.raises(
        ValueError, match=r"no row 77 to leave out; rows go from 1 to 25"
    ):
        nstar.read_runs(grid(), skip_rows=[77])
    with pytest.raises(ValueError, match="no row is left"):
        nstar.read_runs(grid(), skip_rows=range(1, 26))


def test_names_to_accept_are_known_or_the_nearest_is_named():
    assert read_names(["Diverged-Runs", "one run"]) == ("diverged runs", "one run")
    with pytest.raises(ValueError, match="did you mean checkpoints"):
        read_names(["chekpoints"])


def test_what_is_accepted_stays_for_review():
    table = grid()
    table["loss"][7] = 11.0
    runs = nstar.read_runs(table, accept=["diverged runs"])
    assert len(runs) == 25
    assert "diverged runs" in noted(runs)


def test_repairs_leave_no_row_out_twice():
    def problem(rows, **repair):
        return Problem("x", Status.FAIL, "d", rows=rows, repair=ReadOptions(**repair))

    few = problem((3,), where=("L<5",))
    many = problem((3, 4), where=("State=finished",))
    skip = problem((4,), skip_rows=(4,))
    assert merge_repairs([few, many, skip]) == ReadOptions(where=("State=finished",))
    assert merge_repairs([few, skip]) == ReadOptions(where=("L<5",), skip_rows=(4,))
    unit = problem((), units={"N": 1e6})
    assert merge_repairs([few, unit]).units == {"N": 1e6}


# The answer, and the repaired table


def test_a_ratio_that_was_chosen_is_no_optimum():
    (review,) = TableCheck(examine(line())).checks()
    assert (review.name, review.status) == ("one ratio", Status.REVIEW)
    assert "every run has 20 tokens per parameter" in review.detail
    table = line()
    table["tokens"] *= np.geomspace(1, 1.5, 12)
    assert TableCheck(examine(table)).checks() == []


def test_runs_that_no_law_takes_are_said_to_be_too_few():
    few = {n: c[:5] for n, c in grid().items()}
    answer = TableCheck(examine(few))
    assert [(c.name, c.status) for c in answer.checks()] == [
        ("enough runs", Status.FAIL)
    ]
    assert answer.next_command() is None
    six = TableCheck(examine({n: c[:6] for n, c in grid().items()}))
    assert "--law chinchilla" in six.next_command()
    (check,) = TableCheck(examine({"params": [1e9, 2e9], "loss": [3, 2.9]})).checks()[
        :1
    ]
    assert (check.name, check.status) == ("a law", Status.FAIL)


def test_small_budgets_are_said():
    table = {n: c[:-4] for n, c in profiles(6).items()}
    answer = TableCheck(
        examine(table | {"budget": np.repeat(np.geomspace(1e18, 3e19, 6), 5)[:-4]})
    )
    assert answer.law == "isoflop"
    (check,) = [c for c in answer.checks() if c.name == "small budgets"]
    assert "3e19 (1 run)" in check.detail


@pytest.fixture
def messy(tmp_path):
    """A tracker's export with every trouble at once, and the runs that are sound."""
    table = grid()
    N, D, L = table["params"], table["tokens"], table["loss"].astype(object)
    L[12], L[17] = 11.2, "NaN"
    state = ["finished"] * 25
    state[12], state[17] = "crashed", "running"
    lines = ["Name,State,params,tokens,flops,eval/loss"]
    lines += [
        f"run-{i},{state[i]},{N[i] / 1e6:g}M,{D[i] / 1e9:.12g},{5.1 * N[i] * D[i]:.6g},{L[i]}"
        for i in range(25)
    ]
    path = tmp_path / "export.csv"
    path.write_text("\n".join([*lines, lines[4], lines[4]]), encoding="utf-8")
    sound = np.delete(np.arange(25), [12, 17])
    return path, {n: c[sound] for n, c in table.items()}


def test_check_says_all_and_its_commands_read_the_table(messy):
    path, sound = messy
    answer = TableCheck(examine(str(path)))
    names = [check.name for check in answer.checks() if check.status is Status.FAIL]
    assert names == ["missing losses", "units", "diverged runs", "unfinished runs"]
    assert (
        answer.command() == f"nstar check {path} --units D=1e9 --where State=finished"
    )
    assert answer.next_command() == (
        f"nstar report {path} --units D=1e9 --where State=finished --budget 3e22"
    )
    assert answer.law == "coupled"
    np.testing.assert_allclose(answer.runs["D"], sound["tokens"])
    document = answer.as_json()
    assert document["repaired"]
    assert document["next"] == answer.next_command()
    assert [p["name"] for p in document["problems"]][:4] == names


def test_a_repaired_table_reads_without_options(messy, tmp_path):
    path, sound = messy
    out = tmp_path / "out.csv"
    rewritten = rewrite(examine(str(path)), str(out))
    assert rewritten.left_out == (14, 19, 27, 28)
    assert str(rewritten.changes[0]) == "row 2, params: 120M is now 120000000"
    runs = nstar.read_runs(out)
    np.testing.assert_allclose(runs["N"], sound["params"])
    np.testing.assert_allclose(runs["D"], sound["tokens"])
    np.testing.assert_allclose(runs["L"], sound["loss"])
    header = out.read_text(encoding="utf-8").splitlines()[0]
    assert header == "Name,State,N,D,C,L"
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_a_table_that_nothing_repairs_is_not_rewritten(tmp_path):
    with pytest.raises(ValueError, match="no option repairs checkpoints"):
        rewrite(examine(checkpoints()), str(tmp_path / "out.csv"))
    assert list(tmp_path.iterdir()) == []


def shell(*words):
    code = "import sys; from nstar.cli import main\ntry: main()\nfinally: print('jax' in sys.modules, file=sys.stderr)"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_prints_the_next_command_and_imports_no_jax(messy):
    path, _ = messy
    done = shell("check", path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        f"nstar report {path} --units D=1e9 --where State=finished --budget 3e22"
    )
    assert done.stderr.split() == ["False"]


@pytest.mark.parametrize("command", ["report", "plan", "fit"])
def test_a_command_stops_with_every_problem_and_its_own_repaired_words(messy, command):
    path, _ = messy
    words = [
        command,
        path,
        "--where",
        "N>1e8",
        "--columns",
        "L=eval/loss",
        "--seed",
        "3",
    ]
    words += [] if command == "fit" else ["--budget", "1e22"]
    done = shell(*words)
    assert (done.returncode, done.stdout) == (2, "")
    *lines, last, jax = done.stderr.splitlines()
    assert jax == "False"
    assert len(lines) == 5
    assert all(line.startswith(f"nstar: {path}: ") for line in lines)
    assert "FAIL units" in lines[1]
    budget = "" if command == "fit" else " --budget 1e22"
    assert last == (
        f"nstar {command} {path} --where 'N>1e8' --columns L=eval/loss --seed 3{budget} "
        "--units D=1e9 --where State=finished"
    )


def test_maps_that_were_given_are_merged_with_those_that_repair(tmp_path):
    table = grid()
    path = tmp_path / "t.csv"
    rows = zip(table["params"] / 1e6, table["tokens"] / 1e9, table["loss"], strict=True)
    lines = [f"{N!r},{D!r},{L!r}" for N, D, L in (map(float, row) for row in rows)]
    path.write_text("\n".join(["params,tokens,loss", *lines]), encoding="utf-8")
    done = shell("plan", path, "--units=N=1e6", "--skip-rows", "3", "--budget", "1e22")
    assert done.stderr.splitlines()[-2] == (
        f"nstar plan {path} --skip-rows 3 --budget 1e22 --units N=1e6,D=1e9"
    )


def test_a_table_that_is_not_there_comes_before_everything(tmp_path):
    done = shell("fit", tmp_path / "no.csv", "--law", "chinchila")
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert done.stderr.splitlines()[-1] == "False"


# What follows from a table though no column says it


@pytest.mark.parametrize("budget", [1e18, 3e19, 2e21])
def test_a_run_that_has_a_size_and_a_budget_has_tokens(budget):
    table = {"budget": [budget] * 3, "params": [1e8, 2e8, 4e8], "loss": [3.2, 3.1, 3.3]}
    runs = nstar.read_runs(table)
    np.testing.assert_allclose(runs["D"], budget / (6 * runs["N"]))
    assert "budget" in runs.derived


@pytest.mark.parametrize("above", ["# of May\n# by hand\n", "\n#\n", ""])
def test_lines_that_begin_with_a_hash_stand_above_the_header(above, tmp_path):
    file = tmp_path / "runs.csv"
    file.write_text(f"{above}params,tokens,loss\n1e8,2e9,3.5\n2e8,9e9,oops\n")
    (problem,) = examine(file).stops
    assert problem.rows == (above.count("\n") + 3,)


def test_a_header_that_begins_with_a_hash_is_read(tmp_path):
    file = tmp_path / "runs.csv"
    file.write_text("# params, tokens, loss\n1e8,2e9,3.5\n2e8,9e9,3.0\n")
    assert nstar.read_runs(file)["N"].tolist() == [1e8, 2e8]


@pytest.mark.parametrize(("column", "offered"), [("tokenizer", False), ("arm", True)])
def test_only_recipes_whose_losses_compare_are_compared(column, offered):
    table = grid(ratios=(10, 40))
    both = {name: np.repeat(values, 2) for name, values in table.items()}
    both["loss"] = both["loss"] * np.tile([1.0, 1.1], len(table["loss"]))
    examination = examine(both | {column: np.tile(["a", "b"], len(table["loss"]))})
    (problem,) = [p for p in examination.stops if p.name == "several recipes"]
    assert ("nstar recipes" in problem.remedy) is offered


def test_fewer_active_parameters_are_said_where_flop_are_few():
    table = grid()
    flops = 6 * table["params"] * table["tokens"] / 8
    notes = examine(table | {"flops": flops}).problems
    assert any("experts" in p.detail for p in notes if p.name == "FLOP convention")
