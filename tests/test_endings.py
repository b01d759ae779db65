"""Where runs end: the command from table to sentence, intervals that cover and shrink."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nstar.curves import scatter
from nstar.curves.finishing import finish
from nstar.curves.fitting import LAWS, draw_losses, fit_curves
from nstar.curves.reading import Curve, read_curves
from nstar.curves.schedules import named
from test_json import CHECKS, INTERVAL, hold

PEAK, WARM = 3e-4, 200.0
TRAIN = {"constant": 4000.0, "cosine": 4000.0}
NEW = "wsd:0.3", 8000.0
REPLICATES = 64
# Of 64 intervals of 90 %, 50 or fewer are inside with chance .004; intervals 1.5 times too
# narrow have 73 % inside and are seen with chance .87.
FEWEST_INSIDE = 51
FINISH = {
    "data": str,
    "data_sha256": str,
    "curves": int,
    "seed": int,
    "prob": float,
    "interval": str,
    "run": (str, None),
    "law": str,
    "axis": str,
    "schedules": [
        {
            "schedule": str,
            "steps": float,
            "loss": INTERVAL,
            "measured": INTERVAL,
            "regret": (float, None),
            "along": [{"step": float, "lr": float, "loss": INTERVAL}],
        }
    ],
    "checks": CHECKS,
}
TRUTH = {
    "log_floor": np.log(2.7),
    "log_progress": np.log(0.3),
    "log_alpha": np.log(0.45),
    "log_warmup": -0.1,
    "log_decay": np.log(0.12),
    "log_reach": np.log(600.0),
    "log_beta": 0.0,
    "gamma": 0.5,
    "pace": 0.5,
    "fall_power": 0.85,
    "log_forgetting": np.log(40.0),
    "log_white": np.log(3e-4),
}


def template(points):
    """Curves of the two schedules, and a new one of a third, for their losses to be drawn."""

    def curve(name, steps):
        at = np.geomspace(1.5 * WARM, steps, points)
        schedule = named(name, steps, PEAK, WARM)
        return Curve(name, at, 3 + 0 * at, schedule, 0 * at)

    return [curve(n, s) for n, s in TRAIN.items()], curve(*NEW)


def simulate(law, draws, points):
    """Draw losses of the curves and of the new one, under each draw of the unknowns."""
    train, new = template(points)
    fit = replace(fit_curves([*train, new], law), draws=draws)
    curves = [*train, new]
    drawn = draw_losses(
        fit, [c.schedule for c in curves], [c.step for c in curves], [None] * 3, seed=1
    )
    return curves, [measured for _, measured in drawn]


def from_prior(law, count):
    random = np.random.default_rng(5)
    priors = LAWS[law].priors(3.0) | scatter.priors()
    return {n: p.mean + p.sd * random.standard_normal(count) for n, p in priors.items()}


@pytest.fixture(scope="module")
def table():
    """A table of two runs whose truth is a law, and how a third would have ended."""
    law = "multi_power"
    draws = {n: np.full(1, TRUTH[n]) for n in from_prior(law, 1)}
    curves, losses = simulate(law, draws, 40)
    columns = {"run": [], "step": [], "lr": [], "loss": []}
    for curve, loss in zip(curves[:2], losses, strict=False):
        columns["run"] += [curve.run] * len(curve.step)
        columns["step"] += curve.step.tolist()
        columns["lr"] += curve.schedule.at(curve.step).tolist()
        columns["loss"] += loss[0].tolist()
    return columns, float(losses[2][0, -1])


@pytest.fixture(scope="module")
def file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("curves") / "curves.csv"
    columns, _ = table
    rows = zip(*columns.values(), strict=True)
    text = "\n".join(",".join(map(str, row)) for row in rows)
    path.write_text(",".join(columns) + "\n" + text + "\n")
    return path


def test_a_table_becomes_an_end_with_its_interval(table, file, nstar):
    code, out, _ = nstar(
        *("finish", file, "--schedule", "wsd:0.3", "--schedule", "constant"),
        *("--steps", 8000, "--warmup", 200, "--json"),
    )
    assert code == 0
    document = json.loads(out)
    decayed, constant = document["schedules"]
    low, high = decayed["measured"]["lower"], decayed["measured"]["upper"]
    assert low < table[1] < high
    assert high - low < 0.06
    assert decayed["regret"] == 0
    assert constant["regret"] == pytest.approx(0.05, abs=0.04)


def test_a_run_that_goes_on_is_compared_with_a_decay_now(file, nstar):
    _, out, _ = nstar(
        *("finish", file, "--run", "constant", "--schedule", "constant"),
        *("--steps", 8000, "--decay-now", 800),
    )
    assert "run constant ends at" in out
    assert "decay now" in out


def test_schedules_are_compared_with_those_of_as_many_steps(file, nstar):
    _, out, _ = nstar(
        *("finish", file, "--run", "constant", "--schedule", "constant"),
        *("--schedule", "wsd:0.2", "--steps", 8000, "--decay-now", 800, "--json"),
    )
    document = json.loads(out)
    hold(FINISH, document)
    constant, decayed, now = document["schedules"]
    assert constant["regret"] > 0
    assert decayed["regret"] == 0
    assert now["regret"] is None
    assert now["steps"] == 4800


def test_python_says_what_the_command_says(file, nstar):
    curves = read_curves(file)
    schedule = named("wsd:0.3", 8000, PEAK, 300.0)
    answer = finish(curves, {"wsd:0.3": schedule})
    options = ("--schedule", "wsd:0.3", "--steps", 8000, "--warmup", 300, "--json")
    document = json.loads(nstar("finish", file, *options)[1])
    at_end = answer.as_json()["schedules"][0]["loss"]
    assert document["schedules"][0]["loss"] == pytest.approx(at_end)


def test_a_schedule_that_ends_before_its_run_is_refused(file):
    curves = read_curves(file)
    with pytest.raises(ValueError, match="is at 4000 already"):
        finish(curves, {"short": named("cosine", 3000, PEAK, WARM)}, "constant")


def test_a_sentence_counts_schedules_of_one_length_alone(file):
    schedules = {
        f"{shape} {steps:g}": named(shape, steps, PEAK, WARM)
        for shape in ("wsd:0.3", "constant")
        for steps in (6000.0, 8000.0)
    }
    sentence = finish(read_curves(file), schedules).headline()
    assert "; of 2 schedules of 6000 wsd:0.3 6000 ends lowest" in sentence


@pytest.mark.parametrize(
    ("run", "message"),
    [("constant", "is of a new run, and run 'constant'"), (None, "no size that is")],
)
def test_a_size_of_which_the_curves_say_nothing_is_refused(file, run, message):
    schedule = {"constant": named("constant", 8000, PEAK, WARM)}
    with pytest.raises(ValueError, match=message):
        finish(read_curves(file), schedule, run, size=4e8)


def test_intervals_of_a_run_that_goes_on_shrink(table):
    columns, _ = table
    (curve,) = read_curves(columns, where=["run=cosine"]).curves
    widths = []
    for share in (0.4, 0.9):
        fit = fit_curves([curve.until(share)])
        at = [curve.step[[-1]]]
        ((_, measured),) = draw_losses(fit, [curve.schedule], at, [curve.run])
        widths.append(np.log(measured).std())
    assert widths[0] > 3 * widths[1]


def test_a_schedule_of_one_size_says_what_it_does_at_another(table):
    """Curves of a larger model lie lower by a constant; only one is given."""
    columns, _ = table
    rows = {k: np.array(v) for k, v in columns.items()}
    larger = {k: v[rows["run"] == "constant"] for k, v in rows.items()}
    larger["loss"] = larger["loss"] - 0.3
    both = {k: np.concatenate([rows[k], larger[k]]) for k in rows}
    both["params"] = np.repeat([25e6, 100e6], [len(rows["run"]), len(larger["run"])])
    curves = read_curves(both)
    cosine = {"cosine": named("cosine", 4000, PEAK, WARM)}
    end = rows["loss"][rows["run"] == "cosine"][-1] - 0.3
    seen = finish(curves, cosine, size=100e6).as_json()["schedules"][0]["measured"]
    assert seen["lower"] < end < seen["upper"]
    assert seen["upper"] - seen["lower"] < 0.1
    unseen = finish(curves, cosine, size=200e6)
    (row,) = unseen.as_json()["schedules"]
    assert row["loss"]["median"] < seen["median"]
    assert "REVIEW" in {c.status.name for c in unseen.checks() if c.name == "size"}
    with pytest.raises(ValueError, match="--params"):
        finish(curves, cosine)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["multi_power", "annealing_area"])
def test_intervals_of_ends_cover(law):
    """A law is fitted no finer than it is true, so that more than 90 % may be inside."""
    curves, losses = simulate(law, from_prior(law, REPLICATES), 25)
    inside = []
    for i in range(REPLICATES):
        seen = [
            replace(c, loss=y[i]) for c, y in zip(curves[:2], losses[:2], strict=True)
        ]
        fit = fit_curves(seen, law, seed=i)
        at, new = [curves[2].step], curves[2].schedule
        ((_, measured),) = draw_losses(fit, [new], at, [None])
        low, high = np.quantile(measured[:, -1], [0.05, 0.95])
        inside.append(low <= losses[2][i, -1] <= high)
    assert np.sum(inside) >= FEWEST_INSIDE


def test_options_of_a_named_schedule_are_refused_where_none_is_named(
    nstar, file, tmp_path
):
    """They would be ignored: a file has its own rates, and a decay begins at the run's."""
    rates = tmp_path / "schedule.csv"
    rates.write_text("step,lr\n0,3e-4\n8000,3e-5\n")
    for words, why in (
        (("--schedule", rates, "--warmup", 100), "schedule.csv has its own"),
        (("--decay-now", 800, "--peak", "3e-4"), "no --schedule"),
    ):
        code, out, err = nstar("finish", file, *words)
        assert (code, out) == (2, "")
        assert why in err
