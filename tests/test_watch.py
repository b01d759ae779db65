"""A live run beside its ladder: the test, the forecast of its end, the command, bad input."""

import json

import numpy as np
import pytest
from scipy.stats import binom, multivariate_normal, norm

import nstar as package
from nstar.curves.reading import Curve
from nstar.curves.schedules import named
from nstar.curves.watch_alarm import DEPARTS, STEP, End, end_of, follow
from nstar.curves.watch_reading import track
from nstar.curves.watch_schedules import expect_by_prior
from nstar.curves.watch_shapes import (
    BEGIN,
    PLACES,
    Course,
    Track,
    average,
    expect,
    full_bins,
    learn_shapes,
)
from nstar.curves.watch_update import NODES, Observed, observe, pool, refit, update
from nstar.ledger.entries import Ledger
from nstar.predictions.prediction import law_loss
from nstar.samplers.nuts import Settings
from test_json import CHECKS, HEAD, INTERVAL, hold

BOTH = {"before": INTERVAL, "after": INTERVAL}
WATCH = HEAD | {
    "run": str,
    "N": float,
    "D": float,
    "axis": str,
    "steps": float,
    "step": float,
    "way": float,
    "course_from": str,
    "alpha": float,
    "threshold": float,
    "log_e": float,
    "log_e_largest": float,
    "on_forecast": bool,
    "alarm": ({"step": float, "way": float}, None),
    "standing": {"loss": float, "forecast": INTERVAL, "sds": float},
    "departure": {
        "chance": float,
        "from_step": float,
        "loss": float,
        "forecast_sds": float,
    },
    "end": BOTH,
    "law_loss_after": INTERVAL,
    "budget": (float, None),
    "answers": ({...: BOTH}, None),
    "places": [
        {
            "step": float,
            "way": float,
            "loss": (float, None),
            "forecast": INTERVAL,
            "log_e": (float, None),
        }
    ],
    "checks": CHECKS,
}
FALSE_ALARM = 1e-5
ALPHA = 0.05
BRIEF = Settings(chains=2, warmup=200, draws=1000)
SIZES, LENGTHS = (2e8, 4e8, 8e8), (10, 20, 60)
POINTS = 80
HERO = 1.6e9, 3.2e10


def surface(N, D):
    return 1.7 + 400 / N**0.34 + 410 / D**0.28


def path(N, D, way):
    """A loss that falls with the tokens so far, and faster as a cosine decays."""
    late = 0.06 * (1 - np.cos(np.pi * way)) / 2
    return surface(N, D * way) + 0.06 - late


def curve(run, N, D, way, random, loss=None):
    loss = path(N, D, way) if loss is None else loss
    loss = loss * np.exp(4e-4 * random.standard_normal(len(way)))
    columns = {
        "run": run,
        "step": np.round(way * D / 1e6),
        "N": N,
        "tokens": way * D,
        "loss": loss,
        "other": 0.8 * loss,
    }
    return {n: np.broadcast_to(v, way.shape) for n, v in columns.items()}


def stack(*parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.fixture(scope="module")
def ladder():
    """The ends of nine runs, and their curves."""
    random, way = np.random.default_rng(0), np.linspace(0, 1, POINTS + 1)[1:]
    curves = [
        curve(f"{N:g}x{k}", N, k * N, way, random) for N in SIZES for k in LENGTHS
    ]
    ends = {n: np.array([c[n][-1] for c in curves]) for n in ("N", "tokens", "loss")}
    return {"N": ends["N"], "D": ends["tokens"], "L": ends["loss"]}, stack(*curves)


@pytest.fixture(scope="module")
def fit(ladder):
    return package.fit(
        ladder[0], "chinchilla", "normal", settings=BRIEF, discrepancy="none"
    )


@pytest.fixture(scope="module")
def files(fit, ladder, tmp_path_factory):
    """A saved fit, and tables of curves with a run at six tenths: on its law, and off it."""
    folder = tmp_path_factory.mktemp("watch")
    fit.save(folder / "ladder.nc")
    random, way = np.random.default_rng(1), np.linspace(0, 0.6, 49)[1:]
    usual = path(*HERO, way)
    for name, loss in (("on", usual), ("off", usual * np.where(way > 0.4, 1.03, 1.0))):
        table = stack(ladder[1], curve("hero", *HERO, way, random, loss))
        lines = [
            ",".join(table),
            *(",".join(map(str, row)) for row in zip(*table.values(), strict=True)),
        ]
        (folder / f"{name}.csv").write_text("\n".join(lines))
    return folder


def course(components=2, places=6):
    way = np.linspace(0.2, 1, places)
    random = np.random.default_rng(3)
    mean, covariance = [], []
    for _ in range(components):
        mean.append(0.2 * (way**-0.5 - 1) * random.uniform(0.8, 1.2))
        root = 0.01 * random.standard_normal((places, places))
        covariance.append(root @ root.T + 2e-5 * np.eye(places))
    weight = np.log(np.array([0.3, 0.7])) if components == 2 else np.zeros(1)
    return Course(way, np.array(mean), np.array(covariance), weight)


def by_densities(given, end, y):
    """E-value and mean of the end after all places, from densities of the two alternatives."""
    n, weights = len(y), np.exp(given.weight)
    expected = weights @ given.mean
    changes = []
    for j in range(n):
        later = np.arange(n) >= j
        changes += [(later * 1.0, 1.0, STEP * end.sd)]
        changes += [(later * (expected[j] - expected[:n]).clip(0), expected[j], 1.0)]
    null, other, mean = 0.0, 0.0, 0.0
    for w, m, S in zip(weights, given.mean, given.covariance, strict=True):
        S = S[:n, :n] + end.sd**2
        away = y - end.mean - m[:n]
        for along, at_end, sd in [(np.zeros(n), 0.0, 0.0), *changes]:
            both = S + sd**2 * np.outer(along, along)
            density = w * multivariate_normal.pdf(away, cov=both)
            cross = end.sd**2 + sd**2 * at_end * along
            after = end.mean + cross @ np.linalg.solve(both, away)
            if sd:
                other += density / len(changes)
                mean += DEPARTS * density / len(changes) * after
            else:
                null += density
                mean += (1 - DEPARTS) * density * after
    return other / null, mean / ((1 - DEPARTS) * null + DEPARTS * other)


@pytest.mark.parametrize("places", [1, 3, 6])
def test_the_e_value_and_the_end_are_those_of_densities(places):
    given, end = course(), End(0.7, 0.01)
    y = (
        end.mean
        + given.mean[0]
        + 0.01 * np.random.default_rng(places).standard_normal(6)
    )
    followed = follow(given, end, y[None, :places])
    e, mean = by_densities(given, end, y[:places])
    np.testing.assert_allclose(np.exp(followed.log_e[0, -1]), e, rtol=1e-8)
    ends = followed.ends
    np.testing.assert_allclose(np.sum(ends.weight * ends.mean), mean, rtol=1e-9)
    assert np.sum(ends.weight) == pytest.approx(1)


def test_false_alarms_over_a_run_are_at_most_as_stated():
    """Runs drawn from the course itself, checked at every place."""
    given, end, runs = course(components=1, places=30), End(0.7, 0.01), 4000
    random = np.random.default_rng(0)
    both = given.covariance[0] + end.sd**2
    paths = (
        end.mean
        + given.mean[0]
        + random.standard_normal((runs, 30)) @ np.linalg.cholesky(both).T
    )
    alarms = np.sum((follow(given, end, paths).log_e >= -np.log(ALPHA)).any(1))
    assert alarms <= binom.ppf(1 - FALSE_ALARM, runs, ALPHA)
    assert alarms > 0  # it does look
    departed = paths + 3 * end.sd * (given.way >= 0.5)
    assert np.mean((follow(given, end, departed).log_e >= -np.log(ALPHA)).any(1)) > 0.8


def tracks(random, scale=1.0):
    way = np.linspace(0, 1, 81)[9:]
    for N in SIZES:
        for k in LENGTHS:
            log = np.log(path(N, k * N, way)) + scale * 4e-4 * random.standard_normal(
                len(way)
            )
            yield Track(
                f"{N:g}", way, log, np.ones(len(way)), (np.log(N), np.log(k * N))
            )


def test_a_ladders_curves_teach_the_course_of_a_larger_run():
    shapes = learn_shapes(
        [*tracks(np.random.default_rng(0))], near=(np.log(HERO[0]), np.log(HERO[1]))
    )
    way = np.linspace(BEGIN, 1, 30)
    given = expect(shapes, (np.log(HERO[0]), np.log(HERO[1])), way, np.ones(30))
    truth = np.log(path(*HERO, way) / path(*HERO, 1.0))
    sd = np.sqrt(given.covariance.diagonal(axis1=1, axis2=2).mean(0))
    off = given.mean.mean(0) - truth
    assert np.abs(off).max() < 0.01  # of up to .2
    assert np.all(np.abs(off) < 4 * sd)
    assert np.all(np.diff(sd) < 1e-3)  # what is to come is less and less
    assert sd[0] < 0.05
    end = End(np.log(path(*HERO, 1.0)), 0.01)
    random = np.random.default_rng(1)
    off = end.sd * random.standard_normal((400, 1)) + 4e-4 * random.standard_normal(
        (400, 30)
    )
    log_e = follow(given, end, end.mean + truth + off).log_e
    assert np.mean((log_e >= -np.log(ALPHA)).any(1)) <= ALPHA
    step = 3 * end.sd * (way >= 0.3)
    alarms = follow(given, end, end.mean + truth + off + step).log_e >= -np.log(ALPHA)
    assert np.mean(alarms[:, way < 0.6].any(1)) > 0.8


def test_points_of_a_run_do_not_move_as_it_goes_on():
    random = np.random.default_rng(0)
    way = np.sort(random.uniform(BEGIN, 1, 500))
    full = Track("run", way, random.standard_normal(500), np.ones(500), (0.0, 0.0))
    part = Track("run", way[:300], full.log_loss[:300], np.ones(300), (0.0, 0.0))
    longer, shorter = average(full, 48), average(part, 48)
    n = len(shorter.way) - 1  # the last bin goes on filling
    np.testing.assert_array_equal(longer.log_loss[:n], shorter.log_loss[:n])
    np.testing.assert_array_equal(longer.way[:n], shorter.way[:n])


def test_a_bin_counts_once_it_is_full():
    """However far a run is, its bins are the first of the whole run's: none grows later."""
    way = np.linspace(0.01, 1.0, 500)
    loss = np.random.default_rng(5).normal(size=way.size)

    def binned(points):
        live = Track("a", way[:points], loss[:points], np.ones(points), (0.0, 0.0))
        return average(full_bins(live, PLACES), PLACES)

    complete, most = binned(500), 0
    for points in range(120, 500, 7):
        part = binned(points)
        n = len(part.way)
        np.testing.assert_array_equal(part.log_loss, complete.log_loss[:n])
        assert n >= most  # a run that goes on takes no bin back
        most = n
    assert most >= len(complete.way) - 1


def test_without_curves_the_prior_of_a_schedules_law_has_the_course():
    way = np.linspace(BEGIN, 1, 20)
    given = expect_by_prior(
        named("cosine", 1000, 1e-3, 10), 1000, 3.0, way, np.ones(20)
    )
    assert given.mean[0, -1] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(given.mean[0]) < 0)
    real = np.log(path(*HERO, way) / path(*HERO, 1.0))
    sd = np.sqrt(given.covariance[0].diagonal())
    assert np.all(np.abs(real - given.mean[0]) < 4 * sd)


def test_what_a_run_adds_times_what_was_known_is_what_is_known_after():
    before, after = End(1.0, 0.02), End(1.01, 0.01)
    seen = observe(before, after)
    grid = np.linspace(0.9, 1.1, 20001)
    both = norm.pdf(grid, *before) * norm.pdf(grid, *seen)
    both /= both.sum()
    assert both @ grid == pytest.approx(after.mean)
    assert np.sqrt(both @ (grid - after.mean) ** 2) == pytest.approx(after.sd)
    assert observe(before, End(1.0, 0.021)) is None


def test_a_run_on_its_forecast(nstar, files, tmp_path):
    book = tmp_path / "forecasts.jsonl"
    words = ["watch", str(files / "ladder.nc"), str(files / "on.csv"), "--run", "hero"]
    words += ["--at", "1.6B,32B", "--budget", "1e22", "--json"]
    _, out, err = nstar(
        *words,
        "--ledger",
        str(book),
        "--name",
        "half",
        "--figure",
        str(tmp_path / "run.svg"),
    )
    answer = json.loads(out)
    hold(WATCH, answer)
    statuses = {c["name"]: c["status"] for c in answer["checks"]}
    assert statuses["on its forecast"] == statuses["course"] == "PASS", err
    assert answer["on_forecast"]
    assert answer["alarm"] is None
    assert 0.5 < answer["way"] < 0.6  # the last points wait for those after them
    truth, end = path(*HERO, 1.0), answer["end"]
    assert end["after"]["lower"] < truth < end["after"]["upper"]
    width = {when: end[when]["upper"] - end[when]["lower"] for when in end}
    assert width["after"] < width["before"]
    assert set(answer["answers"]) == {"N", "D", "loss"}
    assert (tmp_path / "run.svg").read_text().startswith("<?xml")
    frozen = Ledger.read(book).forecasts["half"]
    interval = frozen.measured.interval(0.9)
    assert interval.median == pytest.approx(end["after"]["median"], rel=1e-3)
    assert frozen.basis["watched"]["run"] == "hero"
    assert "half" in err


def test_a_run_that_left_its_forecast(nstar, files):
    words = [
        "watch",
        str(files / "ladder.nc"),
        str(files / "off.csv"),
        "--run",
        "hero",
        "--at",
        "1.6B,32B",
    ]
    code, out, _ = nstar(*words)
    assert code == 1
    assert "has left its forecast" in out
    assert "above where it would be" in " ".join(out.split())
    code, out, _ = nstar(*words, "--json")
    answer = json.loads(out)
    hold(WATCH, answer)
    steps = HERO[1] / 1e6
    assert not answer["on_forecast"]
    assert 0.4 * steps < answer["alarm"]["step"] < 0.5 * steps
    assert answer["departure"]["from_step"] == pytest.approx(0.41 * steps, rel=0.05)
    assert answer["departure"]["loss"] == pytest.approx(
        0.03 * answer["standing"]["loss"], rel=0.3
    )
    assert answer["departure"]["chance"] > 0.99
    how = {c["name"]: c["detail"] for c in answer["checks"]}["ladder given the run"]
    assert "left as it was" in how


def changed(files, tmp_path, change):
    """The table of the run on its law, with rows of the run changed."""
    lines = (files / "on.csv").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("hero"))
    table = [line.split(",") for line in lines[first:]]
    change(table)
    file = tmp_path / "curves.csv"
    file.write_text("\n".join([*lines[:first], *(",".join(row) for row in table)]))
    return str(file), first + 1


def beyond(table):
    table[-1][1] = "40000"


def backwards(table):
    for i in range(10, 40, 4):
        table[i][1], table[i + 1][1] = table[i + 1][1], table[i][1]


def restarts(table):
    for i, row in enumerate(table[24:]):
        row[1] = str(400 * (i + 1))


def negative(table):
    table[20][4] = "-1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (beyond, "points beyond its end: step 40000 to 40000 of 32000"),
        (backwards, "goes backwards 8 times"),
        (restarts, "counts step from its beginning again"),
        (negative, "losses of zero or less"),
    ],
)
def test_a_curve_that_cannot_be_is_refused(nstar, files, tmp_path, change, words):
    file, _ = changed(files, tmp_path, change)
    words_given = ["--run", "hero", "--at", "1.6B,32B", "--steps", "32000"]
    code, _, err = nstar("watch", str(files / "ladder.nc"), file, *words_given)
    assert code == 2
    assert words in err


def test_rows_are_named_as_the_file_has_them(nstar, files, tmp_path):
    file, first = changed(files, tmp_path, negative)
    _, _, err = nstar(
        "watch", str(files / "ladder.nc"), file, "--run", "hero", "--at", "1.6B,32B"
    )
    assert f"row {first + 20}" in err


def test_losses_that_are_no_numbers_are_set_aside(nstar, files, tmp_path):
    def spikes(table):
        table[20][4] = "nan"
        table[30][4] = str(1.5 * float(table[30][4]))

    file, _ = changed(files, tmp_path, spikes)
    words = [
        "watch",
        str(files / "ladder.nc"),
        file,
        "--run",
        "hero",
        "--at",
        "1.6B,32B",
        "--json",
    ]
    _, out, _ = nstar(*words)
    answer = json.loads(out)
    assert answer["on_forecast"]
    assert {"losses set aside", "spikes"} <= {c["name"] for c in answer["checks"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "hero"], "where does run 'hero' end?"),
        (["--at", "1.6B,32B"], "which run goes on?"),
        (["--run", "nobody", "--at", "1.6B,32B"], "no run 'nobody'"),
        (["--run", "2e+08x10", "--at", "2e8,2e9"], "is in the ladder that was fitted"),
        (
            ["--run", "hero", "--at", "1.6B,32B", "--columns", "L=other"],
            "no ladder for this loss",
        ),
        (["--run", "hero", "--at", "1.6B,32B", "--alpha", "0"], "alpha 0"),
        (["--run", "hero", "--at", "1.6B,32B", "--name", "x"], "go together"),
        (["--run", "hero", "--at", "1.6B,32B", "--note", "x"], "add --ledger and"),
        (["--run", "hero", "--at", "1.6B,32B", "--peak", "1e-3"], "no --schedule"),
        (["--run", "hero", "--at", "1.6B,3200B"], "from 15% of its way"),
        (
            ["--run", "hero", "--at", "1.6B,32B", "--where", "run=hero"],
            "steps without a schedule",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused(nstar, files, words, message):
    code, _, err = nstar(
        "watch", str(files / "ladder.nc"), str(files / "on.csv"), *words
    )
    assert code == 2
    assert message in err


def test_a_size_that_is_not_the_tables_is_said(nstar, files):
    on = str(files / "on.csv")
    words = ["watch", str(files / "ladder.nc"), on, "--run", "hero", "--json"]
    _, out, _ = nstar(*words, "--at", "3.2B,32B")
    checks = {c["name"]: c["detail"] for c in json.loads(out)["checks"]}
    assert "1.6B parameters by the table, 3.2B as stated" in checks["size of the run"]


def test_a_run_alone_is_watched_by_its_schedule(nstar, files):
    words = [
        "watch",
        str(files / "ladder.nc"),
        str(files / "on.csv"),
        "--run",
        "hero",
        "--at",
        "1.6B,32B",
    ]
    words += [
        "--where",
        "run=hero",
        "--schedule",
        "cosine",
        "--steps",
        "32000",
        "--json",
    ]
    _, out, _ = nstar(*words)
    answer = json.loads(out)
    assert answer["on_forecast"]
    assert {c["name"]: c["status"] for c in answer["checks"]}["course"] == "REVIEW"


def test_a_charts_export_is_read_and_its_other_runs_taken_for_ended(files, fit, ladder):
    random, steps = np.random.default_rng(2), np.arange(1.0, POINTS + 1) * 400
    way = steps / steps[-1]
    losses = {"hero": path(*HERO, way), "old": path(8e8, 1.6e10, way)}
    columns = {
        f"{run} - loss": loss * np.exp(4e-4 * random.standard_normal(POINTS))
        for run, loss in losses.items()
    }
    columns["hero - loss"][48:] = np.nan
    answer = package.watch(
        fit, {"step": steps, **columns}, run="hero", N=HERO[0], D=HERO[1], steps=32_000
    )
    assert answer.alarm is None
    status = {c.name: c.status for c in answer.checks()}
    assert status["other curves"] == status["course"] == "REVIEW"


def test_a_step_is_no_spike():
    random = np.random.default_rng(0)
    step = np.arange(1.0, 201.0)
    loss = 3 + 1 / step**0.5 + 2e-3 * random.standard_normal(200)
    loss[100:] += 0.05
    loss[150] += 0.05

    curve = Curve("run", step, loss, named("constant", 200, 1.0), np.zeros(200))
    done = track(curve, 200.0, None, None)
    assert 151 / 200 not in done.way
    assert {101 / 200, 100 / 200, 102 / 200} <= set(done.way.tolist())


def test_python_says_the_same(files, fit):
    answer = package.watch(fit, files / "on.csv", run="hero", N=HERO[0], D=HERO[1])
    assert "is on its forecast" in answer.headline()
    frame = answer.to_pandas()
    assert {"step", "loss", "log_e", "forecast_median"} <= set(frame.columns)
    assert len(frame) == len(answer.course.way)


def given_end(fit, quantile, sd):
    """An observation at a quantile of the law's draws, and the forecast of the end after it."""
    law = np.log(law_loss(fit, *(np.array([v]) for v in HERO))[:, 0])
    seen = Observed(float(np.quantile(law, quantile)), sd * float(law.std()))
    before = end_of(package.predict(fit, *HERO)["measured"].to_numpy()[:, 0])
    known = before.sd**-2 + seen.sd**-2
    mean = (before.mean / before.sd**2 + seen.log_loss / seen.sd**2) / known
    return law, seen, End(mean, known**-0.5)


def test_weights_and_new_fits_agree_on_what_a_run_adds(fit):
    law, seen, after = given_end(fit, 0.8, 0.5)
    weighed = update(fit, *HERO, seen, after, None, seed=0)
    assert "weighed" in weighed.how.detail
    fits = [refit(fit, *HERO, after.mean + z * after.sd) for z in NODES]
    hero = tuple(np.array([v]) for v in HERO)
    again = np.log(pool([law_loss(f, *hero)[:, 0] for f in fits]))
    log = np.log(weighed.law_loss)
    assert log.mean() == pytest.approx(again.mean(), abs=0.2 * again.std())
    assert log.std() == pytest.approx(again.std(), rel=0.2)
    assert again.std() < 0.7 * law.std()


def test_an_observation_beyond_every_draw_asks_for_new_fits(fit):
    law, seen, _ = given_end(fit, 0.5, 0.1)
    far = seen._replace(log_loss=float(law.mean() + 8 * law.std()))
    updated = update(fit, *HERO, far, End(*far), None, seed=0)
    assert "fitted again" in updated.how.detail
    assert np.log(np.median(updated.law_loss)) > law.mean() + law.std()
