"""Loss to accuracy, in one step and in two: recovered, calibrated, composed, held out."""

import json
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

import nstar
from conftest import FALSE_ALARM
from nstar import cli
from nstar.downstream import fits as task_fits
from nstar.downstream import scoring as downstream
from nstar.downstream.fits import accuracy_at_loss, fit_task
from nstar.downstream.scoring import score
from nstar.laws.accuracy_by_nll import AccuracyByNll
from nstar.noises.bounded import Bounded, TwoSteps
from nstar.plans.targets import reach
from nstar.predictions.prediction import law_loss
from nstar.responses import sigmoid
from nstar.responses.scales import ACCURACY
from nstar.samplers.nuts import Settings
from nstar.validation.calibration import uniform
from nstar.verdicts import Status
from test_json import CHECKS, HEAD, INTERVAL, hold

CURVE = {"floor": 0.25, "rise": 0.3, "room": 0.8, "width": 0.12, "curve": 0.5}
TRUTH = CURVE | {
    "nll_level": 1.1,
    "nll_power": 1.4,
    "sigma_nll": 0.01,
    "sigma_accuracy": 0.01,
}
BUDGETS = np.array([1e22, 3.8e25])
PREDICTION = {
    "C": float,
    "N": float,
    "D": float,
    "loss": INTERVAL,
    "nll": (INTERVAL, None),
    "accuracy": INTERVAL,
    "measured": INTERVAL,
    "probability": (float, None),
    "probability_of_law": (float, None),
    "shares": dict.fromkeys(("loss", "task", "both", "scatter"), float),
}
SOMETIMES = {"median": (float, None), "lower": (float, None), "upper": (float, None)}
TASK = HEAD | {
    "task": {
        "data": str,
        "data_sha256": str,
        "runs": int,
        "chance_level": (float, None),
        "columns": {
            "accuracy": str,
            "L": str,
            "nll": (str, None),
            "questions": (str, None),
        },
        "unknowns": {...: INTERVAL},
    },
    "target_accuracy": (float, None),
    "chance": float,
    "up_to": float,
    "predictions": [PREDICTION],
    "budget": (float, None),
    "crossing": (SOMETIMES, None),
    "reached": (float, None),
    "checks": CHECKS,
}


def evaluated(seed=3):
    """Twenty-four runs with losses as the Llama 3 points have, a task's nll and accuracy."""
    L = np.geomspace(0.95, 0.66, 24)
    made = nstar.simulate(AccuracyByNll(chance=0.25), {"L": L}, TRUTH, seed=seed)
    return {"loss": L} | {n: made[n].to_numpy()[0] for n in ("nll", "accuracy")}


@pytest.fixture(scope="module")
def two_steps():
    return fit_task(evaluated(), loss="loss", nll="nll", chance_level=0.25)


@pytest.fixture(scope="module")
def one_step():
    return fit_task(evaluated(), loss="loss", chance_level=0.25, questions=5000)


@pytest.fixture(scope="module")
def scores(surface_fit, two_steps):
    return score(surface_fit, two_steps, BUDGETS, target=0.9)


def held(fit, *names, **values):
    """The same fit with unknowns held at a value, at their medians unless given."""
    posterior = fit.tree["posterior"].dataset.copy()
    values |= {n: float(posterior[n].median()) for n in names}
    for name, value in values.items():
        posterior[name] = xr.full_like(posterior[name], value)
    tree = fit.tree.copy()
    tree["posterior"] = xr.DataTree(posterior)
    return replace(fit, tree=tree)


def statuses(checks):
    return {check.name: check.status for check in checks}


# The laws and their scatter


def test_two_steps_are_recovered(two_steps):
    law = AccuracyByNll(chance=0.25).at({"L": evaluated()["loss"]}, two_steps.runs.cost)
    assert two_steps.law == law
    wanted = TRUTH | {n: float(v) for n, v in law.derived(TRUTH).items()}
    posterior = two_steps.tree["posterior"].dataset
    outside = {}
    for name, value in wanted.items():
        low, high = np.quantile(posterior[name].to_numpy(), [0.001, 0.999])
        if not low <= value <= high:
            outside[name] = (value, low, high)
    assert not outside
    assert Status.FAIL not in statuses(nstar.check_fit(two_steps)).values()


@pytest.mark.parametrize("curve", [-2.0, -1e-9, 0.0, 1.0, 3.0])
def test_middle_is_half_way_and_accuracy_never_falls_with_the_loss(curve):
    with jax.enable_x64(True):
        params = {n: jnp.asarray(v) for n, v in (CURVE | {"curve": curve}).items()}
        line = np.asarray(sigmoid.accuracy(params, jnp.linspace(-1.5, 1.5, 101)))
        assert (np.diff(line) <= 0).all()
        assert (line >= 0.25).all()
        assert (line <= sigmoid.ceiling(params)).all()
        half = sigmoid.accuracy(params, jnp.log(sigmoid.middle(params)))
        assert half == pytest.approx((0.25 + sigmoid.ceiling(params)) / 2)
        at = sigmoid.accuracy(params, jnp.zeros(()))
        assert at == pytest.approx(0.25 + 0.75 * 0.3)


def test_a_curve_of_one_is_the_published_sigmoid():
    """Bhagia et al. (2024): a sigmoid of the loss itself with a floor and a ceiling."""
    with jax.enable_x64(True):
        params = {n: jnp.asarray(v) for n, v in (CURVE | {"curve": 1.0}).items()}
        L = np.linspace(1.5, 5.0, 30)
        ours = sigmoid.accuracy(params, jnp.log(L / 3.0))
        top, middle = (
            float(sigmoid.ceiling(params)),
            3.0 * float(sigmoid.middle(params)),
        )
    theirs = 0.25 + (top - 0.25) / (1 + np.exp((L - middle) / (3.0 * 0.12)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("questions", [np.inf, 400.0])
@pytest.mark.parametrize("p", [0.0, 0.02, 0.5, 0.97])
def test_scatter_is_a_cut_normal_of_runs_and_questions(p, questions):
    with jax.enable_x64(True):
        around = Bounded().around(
            jnp.asarray(p), {"sigma_accuracy": 0.05}, {"questions": questions}
        )
        a = np.linspace(0, 1, 2001)
        density = np.exp(np.asarray(around.log_prob(a)))
    sd = np.sqrt((p * (1 - p) + 0.0025) * (0.05**2 + 1 / questions))
    theirs = stats.truncnorm(-p / sd, (1 - p) / sd, p, sd).pdf(a)
    np.testing.assert_allclose(density, theirs, rtol=1e-6, atol=1e-12)


def test_what_is_off_in_the_first_step_is_carried_into_the_second():
    """The joint density integrates to one, and draws follow each run's own nll."""
    with jax.enable_x64(True):
        params = {n: jnp.asarray(v) for n, v in (TRUTH | {"sigma_nll": 0.1}).items()}
        expected = AccuracyByNll().expected(params, {"L": jnp.asarray([3.0, 2.6])})
        around = TwoSteps().around(expected, params, {})
        q = np.linspace(-0.8, 0.6, 281)[:, None, None]
        a = np.linspace(0, 1, 2001)[:, None]
        pairs = np.stack(np.broadcast_arrays(q, a, np.zeros(2))[:2], axis=-1)
        density = np.exp(np.asarray(around.log_prob(pairs)))
        inner = integrate.trapezoid(density, a[:, 0], axis=1)
        whole = integrate.trapezoid(inner, q[:, 0, 0], axis=0)
        drawn = np.asarray(around.sample(jax.random.key(0), (4000,)))
        ratio = drawn[:, 0, 0] - np.log(TRUTH["nll_level"])
        curve = np.asarray(jax.vmap(lambda r: sigmoid.accuracy(params, r))(ratio))
    np.testing.assert_allclose(whole, 1.0, atol=1e-3)
    assert np.std(drawn[:, 0, 1] - curve) == pytest.approx(0.0055, rel=0.15)
    assert np.std(drawn[:, 0, 1]) > 5 * np.std(drawn[:, 0, 1] - curve)


@pytest.mark.slow
def test_predicted_accuracies_are_calibrated():
    """Truths from the prior, tables of both steps, and their accuracy below all losses."""
    L, beyond, ranks = np.geomspace(4.4, 2.2, 16), 1.9, []
    law = AccuracyByNll(chance=0.25)
    made = nstar.simulate(law, {"L": L}, draws=24, seed=11)
    settings = Settings(chains=2, warmup=500, draws=500)
    random = np.random.default_rng(0)
    for i in range(made.sizes["draw"]):
        one = made.isel(draw=i)
        runs = nstar.read_runs(
            {
                "L": L,
                "nll": one["nll"].to_numpy(),
                "accuracy": one["accuracy"].to_numpy(),
            }
        )
        found = nstar.fit(runs, law, settings=settings)
        truth = {n: jnp.asarray(float(one[n])) for n in found.draws}
        with jax.enable_x64(True):
            wanted = float(found.law.expected(truth, {"L": jnp.asarray(beyond)})[1])
        draws = accuracy_at_loss(found, [beyond])["accuracy"].to_numpy()[::10, 0]
        ranks.append((np.sum(draws < wanted) + random.uniform()) / (len(draws) + 1))
    assert uniform(np.array(ranks)) > FALSE_ALARM


# Both fits together


def crossed(fit, task, N, D, count=2000):
    """Variance of the accuracy by every draw of the loss with every draw of the task."""
    losses = law_loss(fit, N, D)[:: max(len(N) // count, 1), 0]
    p = {n: v[:: max(len(v) // count, 1), None] for n, v in task.draws.items()}
    ratio = p["nll_power"] * np.log(losses / task.law.L0)
    z = np.expm1(p["curve"] * ratio) / (p["curve"] * p["width"])
    top = p["floor"] + (1 - p["floor"]) * (p["rise"] + (1 - p["rise"]) * p["room"])
    start = np.log(p["rise"] / (1 - p["rise"]) / p["room"])
    return (p["floor"] + (top - p["floor"]) / (1 + np.exp(z - start))).var()


def spread(fit, task):
    made = score(fit, task, [3.8e25]).draws
    wanted = crossed(fit, task, made["N"].to_numpy(), made["D"].to_numpy())
    return float(made["accuracy"].var()), wanted


def test_every_step_is_in_the_accuracy(surface_fit, two_steps):
    whole, wanted = spread(surface_fit, two_steps)
    assert whole == pytest.approx(wanted, rel=0.1)
    losses = held(surface_fit, *surface_fit.draws)
    first = held(two_steps, "nll_level", "nll_power")
    second = held(two_steps, "floor", "rise", "room", "width", "curve")
    for fit, task in ((losses, two_steps), (surface_fit, second)):
        assert spread(fit, task)[0] < 0.97 * whole
    assert accuracy_at_loss(first, [0.55])["nll"].var() == pytest.approx(0, abs=1e-12)
    assert (
        accuracy_at_loss(two_steps, [0.55])["accuracy"].var()
        > accuracy_at_loss(second, [0.55])["accuracy"].var()
        > 0
    )


@pytest.mark.parametrize("fault", ["loss at its median", "task at its median"])
def test_a_composition_that_drops_a_step_is_seen(
    fault, surface_fit, two_steps, monkeypatch
):
    whole = downstream.responses_at

    def broken(task, pairs, losses):
        if fault.startswith("loss"):
            losses = np.broadcast_to(np.median(losses, axis=0), losses.shape)
        else:
            task = held(task, *task.draws)
        return whole(task, pairs, losses)

    monkeypatch.setattr(downstream, "responses_at", broken)
    found, wanted = spread(surface_fit, two_steps)
    assert found != pytest.approx(wanted, rel=0.1)


def test_the_chance_is_that_of_a_loss_low_enough(surface_fit, one_step):
    """With the task's curve known, P(accuracy >= a) is P(L <= L(a)), in closed form."""
    known = held(one_step, **CURVE)
    a, L0 = 0.6, one_step.law.L0
    top = float(sigmoid.ceiling(CURVE))
    z = np.log(0.3 / 0.7 / 0.8) + np.log((top - a) / (a - 0.25))
    L = L0 * (1 + 0.5 * 0.12 * z) ** (1 / 0.5)
    found = score(surface_fit, known, BUDGETS, target=a, chance=0.8)
    losses = found.draws["loss"].to_numpy()
    told = [r["probability_of_law"] for r in found.table()]
    assert told == pytest.approx((losses <= L).mean(axis=0), abs=2e-3)
    theirs = reach(surface_fit, L, 0.8)
    assert np.log(found.as_json()["budget"]) == pytest.approx(
        np.log(theirs.C), abs=0.05
    )


def test_the_chance_as_measured_is_that_of_the_cut_normal(one_step):
    found = accuracy_at_loss(one_step, [0.7], seed=1)
    p, s = found["accuracy"].to_numpy()[:, 0], one_step.draws["sigma_accuracy"]
    sd = np.sqrt((p * (1 - p) + 0.0025) * (s**2 + 1 / 5000))
    goal = float(np.median(p)) + 0.01
    exact = stats.truncnorm(-p / sd, (1 - p) / sd, p, sd).sf(goal).mean()
    assert (found["measured"] >= goal).mean() == pytest.approx(exact, abs=0.03)


def test_more_compute_scores_more_and_all_of_it_is_told(scores):
    told = scores.as_json()
    low, high = told["predictions"]
    assert low["accuracy"]["median"] < high["accuracy"]["median"]
    assert low["nll"]["median"] > high["nll"]["median"]
    assert 0 <= low["probability"] <= high["probability"] <= 1
    assert sum(high["shares"].values()) == pytest.approx(1)
    assert high["C"] == pytest.approx(3.8e25)
    wide = [
        np.ptp([high[n]["lower"], high[n]["upper"]]) for n in ("accuracy", "measured")
    ]
    assert wide[0] < wide[1]


def test_where_the_runs_do_not_speak_is_said(scores, surface_fit):
    said = statuses(scores.checks())
    assert said["losses among the task's"] is Status.REVIEW
    assert said["risen from the floor"] is Status.PASS
    assert "floor learned" not in said  # it was stated
    flat = evaluated() | {"accuracy": np.full(24, 0.26) + np.tile([0.01, -0.01], 12)}
    task = fit_task(flat, loss="loss")
    said = statuses(score(surface_fit, task, [1e22]).checks())
    assert said["risen from the floor"] is Status.REVIEW
    assert said["ceiling learned"] is Status.REVIEW


def test_losses_of_another_set_are_noticed(surface_fit, one_step, llama3):
    some = llama3.take(np.arange(0, 133, 6))
    for scale, status in ((1.0, Status.PASS), (1.3, Status.REVIEW)):
        columns = some.columns | {"L": some["L"] * scale, "accuracy": 1 - some["L"]}
        task = replace(one_step, runs=replace(some, columns=columns))
        found = statuses(score(surface_fit, task, [1e22]).checks())
        assert found["one kind of loss"] is status


def test_it_is_saved_and_read_back(two_steps, tmp_path):
    back = nstar.load(two_steps.save(tmp_path / "task.nc"))
    assert (back.law, back.noise) == (two_steps.law, two_steps.noise)
    xr.testing.assert_identical(
        accuracy_at_loss(back, [0.6]), accuracy_at_loss(two_steps, [0.6])
    )


# Measured runs


def gadre(data_dir, accuracy, where, **options):
    return fit_task(
        str(data_dir / "gadre_overtrain.csv"),
        accuracy,
        loss="loss_c4_val",
        columns={"N": "params", "D": "tokens", "C": "flops"},
        where=[where],
        **options,
    )


def test_gadres_largest_runs_are_held(data_dir):
    """HellaSwag and CoQA of five runs up to 60 times larger, at their own losses."""
    inside = []
    for name, level in (("hellaswag", 0.25), ("coqa", 0.0)):
        task = gadre(data_dir, f"acc_{name}", "flops<=1e20", chance_level=level)
        test = nstar.read_runs(
            str(data_dir / "gadre_overtrain.csv"),
            {"L": "loss_c4_val", "accuracy": f"acc_{name}"},
            ["flops>1e20"],
        )
        made = accuracy_at_loss(task, test["L"])["measured"].to_numpy()
        low, high = np.quantile(made, [0.05, 0.95], axis=0)
        inside += [(low <= test["accuracy"]) & (test["accuracy"] <= high)]
        assert np.abs(np.median(made, axis=0) - test["accuracy"]).mean() < 0.06
    assert np.mean(inside) >= 0.8


# What cannot be meant

BAD = {
    "percent": (
        {"accuracy": np.linspace(25, 80, 24)},
        {},
        (r"row 1, column 'accuracy': expected a number in \[0, 1\]", "divide by 100"),
    ),
    "no accuracy": ({}, {"accuracy": "acc_x"}, ("no column 'acc_x' for accuracy",)),
    "empty": (
        {"accuracy": [np.nan] + [0.4] * 23},
        {},
        ("row 1, column 'accuracy'", "an empty cell"),
    ),
    "no loss": (
        {"loss": np.zeros(24)},
        {},
        (r"row 1, column 'loss' \(L\)", "a positive number, got 0"),
    ),
    "negative nll": (
        {"nll": np.full(24, -1.0)},
        {"nll": "nll"},
        ("row 1, column 'nll'", r"expected a number in \(0, inf\)", "got -1"),
    ),
    "chance in percent": ({}, {"chance_level": 25.0}, ("got 25; 25 % is 0.25",)),
    "no questions": (
        {},
        {"questions": 0},
        ("column 'questions': expected the number of questions", "got 0"),
    ),
    "one column twice": ({}, {"nll": "loss"}, ("'loss' cannot be the L and another",)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_is_refused_by_place_and_value(name):
    changed, options, words = BAD[name]
    with pytest.raises(ValueError, match=".*".join(words)):
        fit_task(evaluated() | changed, **({"loss": "loss"} | options))


def test_fits_that_do_not_go_together_are_refused(
    surface_fit, allocation_fit, one_step, two_steps
):
    with pytest.raises(ValueError, match="does not go from a loss to an accuracy"):
        score(surface_fit, surface_fit, [1e22])
    with pytest.raises(ValueError, match="has no loss"):
        score(allocation_fit, one_step, [1e22])
    with pytest.raises(
        ValueError, match=r"must lie between 0 and 1, got 70; 70 % is 0\.7"
    ):
        score(surface_fit, one_step, [1e22], target=70.0)
    with pytest.raises(ValueError, match="expected positive budgets"):
        score(surface_fit, one_step)
    with pytest.raises(
        ValueError,
        match="AccuracyByNll law takes two_steps noise and no other; got StudentT",
    ):
        nstar.fit(two_steps.runs, AccuracyByNll(), "student_t")
    with pytest.raises(ValueError, match="two_steps noise is for the accuracy_by_nll"):
        nstar.fit(evaluated(), "chinchilla", "two_steps")
    with pytest.raises(ValueError, match="bounded noise is of a fraction"):
        nstar.fit(evaluated(), "chinchilla", "bounded")
    assert ACCURACY.of("accuracy") is ACCURACY


# The command


@pytest.fixture
def command(monkeypatch, capsys, surface_fit, tmp_path):
    saved = surface_fit.save(tmp_path / "surface.nc")
    rows = zip(*evaluated().values(), strict=True)
    table = tmp_path / "evals.csv"
    lines = [",".join(map(str, row)) for row in rows]
    table.write_text("\n".join(["loss,nll,arc", *lines]) + "\n", encoding="utf-8")

    def run(*words):
        given = ["nstar", "task", str(saved), "--task", str(table), *map(str, words)]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as left:
            cli.main()
        told = capsys.readouterr()
        return left.value.code or 0, told.out, told.err

    return run


def test_the_command_tells_what_the_room_does(command, one_step, monkeypatch):
    asked = (
        "--accuracy",
        "arc",
        "--nll",
        "nll",
        "--chance-level",
        "0.25",
        "-C",
        "3.8e25",
        "--target-accuracy",
        "0.9",
    )
    code, out, _ = command(*asked, "--json")
    told = json.loads(out, parse_constant=pytest.fail)
    hold(TASK, told)
    assert code == 0
    assert told["task"]["columns"] == {
        "accuracy": "arc",
        "L": "loss",
        "nll": "nll",
        "questions": None,
    }
    monkeypatch.setattr(task_fits, "fit_task", lambda *a, **k: one_step)
    code, out, _ = command(
        "--accuracy", "arc", "--at", "4e11,1.6e13", "--target-accuracy", "0.9"
    )
    assert code == 0
    assert "accuracy at 3.84e25 FLOP: 0." in out
    assert "P(at least 0.9)" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--accuracy", "arc"), "expected a --budget, or a run with --at"),
        (
            ("--accuracy", "arc", "-C", "1e24", "--target-accuracy", "70"),
            "--target-accuracy 70: expected a fraction",
        ),
        (("--accuracy", "arc", "-C", "1e24", "--chance-level", "25"), "25 % is 0.25"),
        (
            ("--accuracy", "ark", "-C", "1e24"),
            "no column 'ark' for accuracy; did you mean ['arc']?",
        ),
        (
            ("--accuracy", "arc", "-C", "1e24", "--questions", "many"),
            "no column 'many' for questions",
        ),
    ],
)
def test_the_command_refuses_in_a_line(command, words, says):
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert says in err.splitlines()[-1]
