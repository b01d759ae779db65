"""Curves of training: laws of a schedule are the papers', ends follow, bad curves are refused."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nstar.curves.annealing_area import AnnealingArea
from nstar.curves.multi_power import MultiPower
from nstar.curves.progress import Scale, gather
from nstar.curves.reading import read_curves
from nstar.curves.schedules import Schedule, named
from nstar.runs.problems import TableProblems

BEGIN, STEPS, PEAK = 200, 4000, 3e-4
SCALE = Scale(float(STEPS), PEAK, float(BEGIN))
P = {
    "log_floor": np.log(2.8),
    "log_progress": np.log(0.3),
    "log_alpha": np.log(0.5),
    "log_warmup": 0.0,
    "log_decay": np.log(0.12),
    "log_reach": np.log(100.0),
    "log_beta": np.log(0.6),
    "gamma": 0.5,
    "fall_power": 1.0,
    "log_forgetting": np.log(40.0),
}


def law_at(law, schedule, at, **changed):
    paths = gather([schedule], [np.asarray(at, float)], SCALE)
    parts = law.parts(P | changed, paths)
    return np.asarray(parts.progress - parts.decay)[0, : len(at)]


def rates(schedule):
    """Learning rate of every step after the warm-up, which both papers sum over."""
    return schedule.at(np.arange(BEGIN, STEPS + 1.0)) / PEAK


def multi_power(eta, warmup):
    """Luo et al. (2025), eq. 1 to 4, summed step by step; learning rates of the peak."""
    total = (warmup + np.concatenate([[0], np.cumsum(eta[1:])])) / STEPS
    taken = np.zeros(len(eta))
    for k in range(1, len(eta)):
        area = np.cumsum(eta[k:]) / STEPS
        G = 1 - (1 + 100.0 * eta[k] ** -0.5 * area) ** -0.6
        taken[k:] += 0.12 * (eta[k - 1] - eta[k]) * G
    return 2.8 + 0.3 * total**-0.5 - taken


def annealing_area(eta, warmup):
    """Tissue et al. (2024), eq. 1, by its recursion for the momentum of falls."""
    lam = np.exp(-40.0 / STEPS)
    total = (warmup + np.concatenate([[0], np.cumsum(eta[1:])])) / STEPS
    momentum, area, areas = 0.0, 0.0, [0.0]
    for k in range(1, len(eta)):
        momentum = lam * momentum + (eta[k - 1] - eta[k])
        area += momentum
        areas.append(area)
    C = 0.12 * (1 - lam)
    return 2.8 + 0.3 * total**-0.5 - C * np.array(areas)


@pytest.mark.parametrize("shape", ["cosine", "linear", "wsd:0.3"])
@pytest.mark.parametrize(
    ("law", "formula"),
    [(MultiPower(paced=False), multi_power), (AnnealingArea(), annealing_area)],
)
def test_laws_are_the_papers_step_by_step(law, formula, shape):
    schedule = named(shape, STEPS, PEAK, BEGIN)
    at = np.array([300, 1000, 2500, 3500, 4000])
    expected = formula(rates(schedule), BEGIN / 2)[at - BEGIN]
    np.testing.assert_allclose(law_at(law, schedule, at), expected, atol=4e-4)


@pytest.mark.parametrize("law", [MultiPower(), AnnealingArea()])
def test_a_constant_rate_leaves_a_power_of_steps(law):
    schedule, at = named("constant", STEPS, PEAK, BEGIN), np.array([500.0, 4000.0])
    expected = 2.8 + 0.3 * ((at - BEGIN / 2) / STEPS) ** -0.5
    np.testing.assert_allclose(law_at(law, schedule, at, pace=1.0), expected, rtol=1e-5)


def test_a_full_decay_takes_off_its_depth_in_the_end():
    jump = Schedule(
        np.array([0.0, BEGIN, 2000, 2000, 4000]), PEAK * np.array([0, 1, 1, 0.1, 0.1])
    )
    at = np.array([4000.0])
    before = law_at(AnnealingArea(), jump, at, log_decay=-50.0)
    after = law_at(AnnealingArea(), jump, at, log_forgetting=9.0)
    np.testing.assert_allclose(before - after, 0.9 * 0.12, rtol=1e-4)


def test_a_slower_pace_learns_more_at_a_low_rate():
    schedule, at = named("cosine", STEPS, PEAK, BEGIN), np.array([4000.0])
    slow = law_at(MultiPower(), schedule, at, pace=0.4)
    assert slow < law_at(MultiPower(), schedule, at, pace=1.0)


@pytest.mark.parametrize("shape", ["constant", "cosine", "linear", "wsd", "wsd:0.5"])
def test_named_schedules_go_from_peak_to_their_end(shape):
    schedule = named(shape, 1000, PEAK, 100, 0.05)
    assert schedule.warm == 100
    assert schedule.end == 1000
    assert schedule.peak == pytest.approx(PEAK)
    end = PEAK if shape == "constant" else 0.05 * PEAK
    assert schedule.lr[-1] == pytest.approx(end)
    assert schedule.at(np.array([50.0]))[0] == pytest.approx(PEAK / 2)


def test_a_wsd_holds_its_peak_until_its_share_is_left():
    schedule = named("wsd:0.25", 1000, PEAK, 100)
    assert schedule.at(np.array([749.0]))[0] == pytest.approx(PEAK)
    assert schedule.at(np.array([875.0]))[0] == pytest.approx(0.55 * PEAK)


def table(**changed):
    """A run of forty rows after its warm-up."""
    step = np.arange(100.0, 4100, 100)
    loss = 2.8 + 0.3 * (step / 4000) ** -0.5
    lr = np.full(len(step), PEAK)
    return {"run": ["a"] * len(step), "step": step, "lr": lr, "loss": loss} | changed


def problems(columns):
    with pytest.raises(TableProblems) as refused:
        read_curves(columns)
    return str(refused.value)


def test_a_plain_table_is_read_as_it_is():
    (curve,) = read_curves(table()).curves
    np.testing.assert_array_equal(curve.step, table()["step"])
    assert not curve.extra.any()


def test_steps_without_a_schedule_are_refused_with_what_to_do():
    columns = table()
    del columns["lr"]
    text = problems(columns)
    assert "steps without a schedule" in text
    assert "--recorded" in text
    schedule = named("cosine", 4000, 1.0)
    (curve,) = read_curves(columns, schedule=schedule).curves
    assert curve.schedule is schedule
    (note,) = read_curves(table(), schedule=schedule).problems
    assert "taken in their place" in note.detail


def test_a_curve_that_goes_backwards_is_read_or_refused_by_row():
    turned = {name: np.asarray(cells)[::-1] for name, cells in table().items()}
    read = read_curves(turned)
    assert np.all(np.diff(read.curves[0].step) > 0)
    assert [p.name for p in read.problems] == ["order of steps"]
    step = table()["step"].copy()
    step[5::3] -= 250
    assert "[goes backwards] rows 6, 9" in problems(table(step=step))


def test_a_resumed_run_takes_the_later_of_its_steps():
    columns = {k: np.concatenate([v[:20], v[15:]]) for k, v in table().items()}
    columns["loss"][20:] += 0.01
    read = read_curves(columns)
    (curve,) = read.curves
    np.testing.assert_array_equal(curve.step, table()["step"])
    np.testing.assert_allclose(curve.loss[15:], table()["loss"][15:] + 0.01)
    assert "of 5 steps that come twice" in read.problems[0].detail


def test_tokens_that_restart_are_refused_at_their_row():
    step = np.concatenate([np.arange(1, 21.0), np.arange(1, 21.0)]) * 100
    text = problems(table(step=step))
    assert "[counting restarts] row 21" in text
    assert "add what was counted" in text


def test_a_learning_rate_of_zero_is_refused_noted_or_the_end():
    zero = np.zeros(40)
    assert "learning rates of zero throughout" in problems(table(lr=zero))
    lr = table()["lr"].copy()
    lr[-1] = 0
    assert "end of its decay" in read_curves(table(lr=lr)).problems[0].detail
    lr[20] = 0
    (note,) = read_curves(table(lr=lr)).problems
    assert note.rows == (21,)
    assert "middle of the run" in note.detail


def test_spikes_weigh_less_and_losses_that_are_no_numbers_are_set_aside():
    loss = table()["loss"].copy()
    loss[10], loss[20] = np.nan, 9.0
    read = read_curves(table(loss=loss))
    (curve,) = read.curves
    assert [p.name for p in read.problems] == ["losses set aside", "spikes"]
    assert [p.rows for p in read.problems] == [(11,), (21,)]
    assert len(curve.step) == 39
    assert curve.extra[19] > 1
    assert np.sum(curve.extra > 0) == 1


def test_a_warm_up_is_no_part_of_the_curve():
    lr = table()["lr"].copy()
    lr[:10] = PEAK * np.arange(1, 11) / 10
    (curve,) = read_curves(table(lr=lr)).curves
    assert curve.begin == 1000
    assert curve.schedule.step[0] == 100


def test_a_charts_export_is_read_by_its_runs():
    columns = table()
    chart = {"Step": columns["step"]}
    for run in "ab":
        chart[f"{run} - train/loss"] = columns["loss"]
        chart[f"{run} - lr"] = columns["lr"]
    assert [c.run for c in read_curves(chart).curves] == ["a", "b"]


def nested():
    """Rows of two runs as trackers nest them."""
    columns = table()
    rows = zip(columns["step"], columns["loss"], columns["lr"], strict=True)
    return [
        {"run": {"name": name}, "_step": s, "train": {"loss": y}, "optim": {"lr": lr}}
        for s, y, lr in rows
        for name in "ab"
    ]


def test_json_lines_are_read_by_the_ends_of_their_paths(tmp_path):
    path = tmp_path / "curves.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in nested()))
    read = read_curves(path)
    assert [c.run for c in read.curves] == ["a", "b"]
    assert read.axis == "_step"
    np.testing.assert_allclose(read.curves[1].loss, table()["loss"])


def test_parquet_with_nested_columns_is_read(tmp_path):
    path = tmp_path / "curves.parquet"
    parquet.write_table(pa.Table.from_pylist(nested()), path)
    read = read_curves(path)
    assert [c.run for c in read.curves] == ["a", "b"]
    np.testing.assert_allclose(read.curves[0].schedule.lr, PEAK)


def test_a_name_that_two_sizes_share_is_of_two_runs():
    columns = {k: np.tile(v, 2) for k, v in table().items()}
    read = read_curves(columns | {"params": [1e8] * 40 + [2e8] * 40})
    assert [c.run for c in read.curves] == ["a, 100M", "a, 200M"]
    assert [c.size for c in read.curves] == [1e8, 2e8]


def test_rows_without_a_size_are_refused():
    text = problems(table(params=[1e8] * 39 + [np.nan]))
    assert "row 40" in text
    assert "rows without a size" in text
