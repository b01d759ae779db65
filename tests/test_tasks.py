"""All tasks of a ladder in one posterior: formulas, calibration, and what is refused."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit
from typer.testing import CliRunner

from nstar.cli import app
from nstar.downstream import populations, second_step
from nstar.downstream.conditioning import draw_misfit, log_normal_density, wander
from nstar.downstream.first_step import FirstStep
from nstar.downstream.joint_tasks import JointTasks, fit_tasks
from nstar.downstream.known_tasks import known_task
from nstar.downstream.populations import Unknown
from nstar.downstream.second_step import SecondStep
from nstar.downstream.task_ladders import read_task_ladder
from nstar.downstream.task_scores import score_tasks
from nstar.downstream.through_loss import ThroughLoss
from nstar.fits.fitting import Fit
from nstar.plans.planning import plan
from nstar.plans.routes import Route, Routes
from nstar.report.facts import Question, gather
from nstar.report.page import page
from nstar.runs.problems import TableProblems
from nstar.verdicts import Status
from test_json import CHECKS, INTERVAL, hold

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import tasks as benchmark

FALSE_ALARM = 1e-4
TASKS = {
    "data": str,
    "data_sha256": str,
    "runs": int,
    "seed": int,
    "prob": float,
    "interval": str,
    "flop_convention": str,
    "params_counted": str,
    "target_accuracy": (float, None),
    "tasks": [
        {
            "task": str,
            "chance_level": float,
            "questions": (float, None),
            "follows": str,
            "runs": int,
            "risen": float,
        }
    ],
    "predictions": [
        {
            "task": str,
            "N": float,
            "D": float,
            "C": float,
            "accuracy": INTERVAL,
            "measured": INTERVAL,
            "probability": (float, None),
            "noise": float,
            "gain_of_twice_the_compute": float,
            "resolved_multiplier": (float, None),
        }
    ],
    "shared_noise": float,
    "verdicts": [{"task": str, "verdict": str}],
    "checks": CHECKS,
}


def ladder(seed: int = 0) -> dict[str, np.ndarray]:
    """Twelve runs, a task that rises, one at chance everywhere, and one of the loss."""
    random = np.random.default_rng(seed)
    N, D = np.meshgrid([1e8, 3e8, 1e9], [4e9, 1.2e10, 4e10, 1.2e11], indexing="ij")
    N, D = N.ravel(), D.ravel()
    bpb = 0.4 + 0.25 * (N / 3e8) ** -0.3 + 0.3 * (D / 2e10) ** -0.3
    bpb *= np.exp(0.004 * random.standard_normal(len(N)))
    rising = 0.25 + 0.72 * expit(-6 * np.log(bpb / 0.9))
    guessing = np.full(len(N), 0.25)
    return {
        "N": N,
        "D": D,
        "L": 1.7 + bpb,
        "acc_hellaswag": random.binomial(10042, rising) / 10042,
        "bpb_hellaswag": bpb,
        "acc_arc_challenge": random.binomial(1172, guessing) / 1172,
        "acc_piqa": random.binomial(1838, 0.5 + 0.45 * expit(-4 * np.log(bpb / 0.9)))
        / 1838,
    }


@pytest.fixture(scope="module")
def fitted() -> JointTasks:
    return fit_tasks(ladder())


def test_the_misfit_is_an_integrated_wiener_process() -> None:
    x = np.array([-0.8, -0.3, 0.4, 1.1])
    for i, a in enumerate(x):
        for j, b in enumerate(x):
            least = min(abs(a), abs(b)) if a * b > 0 else 0.0
            area, _ = integrate.quad(
                lambda u, a=a, b=b: (abs(a) - u) * (abs(b) - u), 0, least
            )
            assert wander(x, x)[i, j] == pytest.approx(area, abs=1e-12)


def test_log_density_is_that_of_a_normal() -> None:
    random = np.random.default_rng(1)
    root = random.standard_normal((2, 4, 4))
    covariance = root @ np.swapaxes(root, -1, -2) + 0.1 * np.eye(4)
    residual = random.standard_normal((2, 4))
    expected = [
        stats.multivariate_normal(cov=c).logpdf(r)
        for r, c in zip(residual, covariance, strict=True)
    ]
    density = log_normal_density(residual, covariance)
    assert np.diff(density) == pytest.approx(np.diff(expected), abs=1e-6)


def test_the_misfit_beyond_the_runs_follows_those_that_were_made() -> None:
    x, new = np.array([0.2, 0.5, 0.9]), np.array([1.0, 1.5])
    joint = wander(np.append(x, new), np.append(x, new))
    noise, residual = 0.05**2 * np.eye(3), np.array([0.02, 0.1, 0.35])
    gain = joint[3:, :3] @ np.linalg.inv(joint[:3, :3] + noise)
    count = 40_000
    draws = draw_misfit(
        np.tile(residual, (count, 1)),
        np.tile(joint[:3, :3] + noise, (count, 1, 1)),
        np.tile(joint[3:, :3], (count, 1, 1)),
        np.tile(joint[3:, 3:], (count, 1, 1)),
        np.random.default_rng(2),
    )
    covariance = joint[3:, 3:] - gain @ joint[:3, 3:]
    sd = np.sqrt(np.diag(covariance))
    limit = stats.norm.isf(FALSE_ALARM) * sd / np.sqrt(count)
    assert np.all(np.abs(draws.mean(axis=0) - gain @ residual) < limit)
    np.testing.assert_allclose(np.cov(draws.T), covariance, rtol=0.05)


def test_the_first_step_has_the_formula_of_a_loss_surface() -> None:
    """With no misfit, against the formula written anew."""
    table = ladder()
    N, D, q = table["N"], table["D"], table["bpb_hellaswag"]
    step = FirstStep(N, D, q)

    def by_hand(
        level: float, e: float, s: float, alpha: float, beta: float, sigma: float
    ) -> float:
        n, d = N / stats.gmean(N), D / stats.gmean(D)
        surface = e + (1 - e) * (s * n**-alpha + (1 - s) * d**-beta)
        y = np.log(q) - np.log(q).mean() - level - np.log(surface)
        return float(stats.norm(0, np.hypot(sigma, 1e-4)).logpdf(y).sum())

    points = [(0.01, 0.5, 0.4, 0.3, 0.25, 0.01), (-0.03, 0.3, 0.6, 0.4, 0.5, 0.02)]
    psi = np.array(
        [
            [
                lev,
                np.log(e / (1 - e)),
                np.log(s / (1 - s)),
                np.log(a),
                np.log(b),
                np.log(sd),
                -20.0,
                0.0,
            ]
            for lev, e, s, a, b, sd in points
        ]
    )
    expected = np.diff([by_hand(*p) for p in points])
    assert np.diff(step.log_likelihood(psi)) == pytest.approx(expected, rel=1e-5)


def test_the_second_step_has_the_formula_of_a_sigmoid() -> None:
    """With no misfit, against the formula written anew; questions scatter as a binomial."""
    log_q = np.log([0.8, 0.9, 1.0, 1.2])
    y = np.array([0.6, 0.5, 0.41, 0.33])
    step = SecondStep(log_q, log_q, y, 0.2, 0.25, 0.03, 1000)

    def by_hand(
        floor: float, top: float, best: float, slope: float, power: float
    ) -> float:
        bottom = 0.25 + 0.03 * floor
        x = (log_q - log_q.min()) / 0.2
        eta = best - slope * (np.exp(power * x) - 1) / power
        ceiling = bottom + (1 - bottom) * top
        mean = bottom + (ceiling - bottom) * expit(eta)
        pull = (ceiling - bottom) * expit(eta) * expit(-eta)
        p = (1000 * mean + 1) / 1002
        variance = (0.05 * pull) ** 2 + 0.004**2 + 0.5 * p * (1 - p) / 1000
        variance = variance + 1 / (12 * 1000**2) + 1e-4**2
        return float(stats.norm(mean, np.sqrt(variance)).logpdf(y).sum())

    points = [(0.5, 0.9, 0.1, 1.1, 0.2), (-0.5, 0.8, -0.3, 0.7, -0.1)]
    psi = np.array(
        [
            [
                f,
                np.log(t / (1 - t)),
                b,
                np.log(k),
                lam,
                np.log(0.05),
                np.log(0.004),
                -20.0,
                0.3,
                0.0,
            ]
            for f, t, b, k, lam in points
        ]
    )
    expected = np.diff([by_hand(*p) for p in points])
    assert np.diff(step.log_likelihood(psi)) == pytest.approx(expected, rel=1e-5)


def test_a_power_of_the_loss() -> None:
    L = np.array([2.2, 2.5, 3.0])
    route = ThroughLoss(L, 0.5 * (L / 2.2) ** 1.4)
    psi = np.tile([0.0, np.log(1.4), -12.0, -20.0], (2, 1))
    new = np.log(np.array([[2.0], [2.0]]))
    clean, measured = route.draw(
        psi, new, new, np.zeros((2, 1)), np.random.default_rng(0)
    )
    assert np.exp(clean) == pytest.approx(0.5 * (2.0 / 2.2) ** 1.4, rel=1e-4)
    assert measured == pytest.approx(clean)


def test_tasks_lie_about_a_population_as_by_quadrature() -> None:
    """Normal tasks of known noise: the two stages agree with sums over the population."""
    y, unknown = np.array([-1.2, -0.9, -1.1, 0.9]), Unknown(0.0, 1.0, 0.5)
    likelihoods = [lambda psi, v=v: stats.norm(v, 0.5).logpdf(psi[:, 0]) for v in y]
    draws = populations.sample(likelihoods, [unknown], 3).draws[:, :, 0]
    mu, tau = np.meshgrid(
        np.linspace(-4, 4, 401), 0.5 * np.exp(np.linspace(-2, 2, 201))
    )
    log_p = stats.norm(0, 1).logpdf(mu) + stats.norm(0, 0.5).logpdf(np.log(tau / 0.5))
    log_p += sum(stats.norm(mu, np.hypot(tau, 0.5)).logpdf(v) for v in y)
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    expected = [np.sum(weight * (mu * 0.25 + v * tau**2) / (tau**2 + 0.25)) for v in y]
    np.testing.assert_allclose(draws.mean(axis=0), expected, atol=0.08)


def test_a_ladder_speaks_of_the_task_that_rises(fitted: JointTasks) -> None:
    answer = score_tasks(fitted, N=[3e9], D=[3e11], target=0.7)
    true_bpb = 0.4 + 0.25 * 10**-0.3 + 0.3 * 15**-0.3
    truth = 0.25 + 0.72 * expit(-6 * np.log(true_bpb / 0.9))
    record = answer.as_json()["predictions"][0]
    assert record["task"] == "hellaswag"
    assert record["measured"]["lower"] < truth < record["measured"]["upper"]
    assert 0 < record["measured"]["upper"] - record["measured"]["lower"] < 0.2
    resolved = answer.resolved_multiplier()[:, 0]
    assert resolved[0] < resolved[1]  # a task at chance tells recipes apart worse
    assert re.match(
        r"(this ladder can tell|of) .* (within \d+ points?|say little more than \d+ to \d+ %).* \(90% credible intervals\)\.$",
        answer.headline(),
    )


def test_a_task_at_chance_everywhere_is_for_review(fitted: JointTasks) -> None:
    checks = {c.name: c for c in score_tasks(fitted, [1e21]).checks()}
    check = checks["risen from chance"]
    assert check.status is Status.REVIEW
    assert re.search(
        r"arc_challenge \(-?\d+%\): the best run has risen that far", check.detail
    )
    assert "hellaswag" not in check.detail
    verdicts = {
        v["task"]: v["verdict"]
        for v in score_tasks(fitted, [1e21]).as_json()["verdicts"]
    }
    assert verdicts["arc_challenge"].startswith("hardly left chance in these runs")


def test_intervals_widen_with_distance(fitted: JointTasks) -> None:
    answer = score_tasks(fitted, N=[2e9, 2e10, 2e11], D=[2e11, 2e12, 2e13])
    widths = [
        np.subtract(*np.quantile(answer.predicted.log_q[:, 0, i], [0.95, 0.05]))
        for i in range(3)
    ]
    assert widths[0] < widths[1] < widths[2]


def test_the_same_seed_gives_the_same_draws(fitted: JointTasks) -> None:
    again = fit_tasks(ladder())
    np.testing.assert_array_equal(
        fitted.predict(np.array([1e9]), np.array([1e11])).measured,
        again.predict(np.array([1e9]), np.array([1e11])).measured,
    )


@pytest.mark.parametrize(
    ("name", "chance", "questions"),
    [
        ("acc_hellaswag_val", 0.25, 10042),
        ("csqa_val", 0.2, 1221),
        ("socialiqa_val", 1 / 3, 1954),
        ("ARC-C", 0.25, 1172),
        ("winogrande_val", 0.5, 1267),
        ("winograd", 0.5, 273),
        ("acc_mmlu_pro", 0.11, 12032),
        ("mmlu_stem", None, None),
        ("acc_arc_easy_25shot_norm", 0.25, 2376),
        ("our_exam", None, None),
    ],
)
def test_what_is_known_of_a_task(
    name: str, chance: float | None, questions: int | None
) -> None:
    assert known_task(name)[:2] == (chance, questions)


def test_an_unknown_task_has_its_nearest_name() -> None:
    with pytest.raises(
        ValueError, match="no task 'helaswag': did you mean \\['hellaswag'\\]"
    ):
        read_task_ladder(ladder(), ["helaswag"])


def test_percent_is_noticed() -> None:
    table = ladder()
    read = read_task_ladder(table | {"acc_hellaswag": 100 * table["acc_hellaswag"]})
    np.testing.assert_allclose(read.tasks[0].accuracy, table["acc_hellaswag"])
    assert (
        read.notes[0].detail
        == "columns 'acc_hellaswag' have accuracies above 1 and are read as percent"
    )


def test_every_problem_is_named_at_once() -> None:
    table = ladder()
    accuracy, bpb = table["acc_piqa"].copy(), table["bpb_hellaswag"].copy()
    accuracy[3], bpb[5] = 61.0, -0.8
    without = {n: v for n, v in table.items() if n != "L"}
    with pytest.raises(TableProblems) as refused:
        read_task_ladder(without | {"acc_piqa": accuracy, "bpb_hellaswag": bpb})
    text = str(refused.value)
    for part in (
        "column 'acc_piqa': an accuracy lies between 0 and 1 ('61'); divide the column by 100 if it is in percent",
        "column 'bpb_hellaswag': a negative log-likelihood is positive ('-0.8'); change its sign",
        "column 'acc_arc_challenge': there is no bpb_arc_challenge or nll_arc_challenge beside it",
    ):
        assert part in text


def test_only_the_ends_of_runs_are_read() -> None:
    table = ladder()
    early = {n: np.append(v, v) for n, v in table.items()}
    early["D"] = np.append(table["D"], table["D"] / 2)
    early["run"] = np.array([f"r{i}" for i in range(12)] * 2)
    assert len(read_task_ladder(early).runs) == 12
    early["is_final"] = np.repeat([0.0, 1.0], 12)
    np.testing.assert_allclose(read_task_ladder(early).runs["D"], table["D"] / 2)


def test_the_command(tmp_path: Path) -> None:
    file, table = tmp_path / "ladder.csv", ladder()
    rows = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
    file.write_text("\n".join([",".join(table), *rows]), encoding="utf-8")
    run = CliRunner().invoke(
        app, ["task", str(file), "--tasks", "hellaswag", "--at", "3e9,3e11", "--json"]
    )
    document = json.loads(run.stdout)
    assert run.exit_code == 0, run.output
    hold(TASKS, document)
    assert [p["task"] for p in document["predictions"]] == ["hellaswag"]
    assert document["verdicts"][0]["verdict"]
    for options, words in (
        (["--tasks", "all", "--nll", "bpb_hellaswag"], "--nll: of one task alone"),
        ([], "say which tasks: --tasks all"),
        (["--tasks", "all", "--max-params", "7B"], "--max-params: of one task alone"),
        (["--tasks", "hellaswag", "--questions", "9"], "known by the name of every"),
        (["--tasks", "hellaswag", "--chance-level", "0"], "hellaswag 0.25"),
        (["--tasks", "all", "--chance", "0.5"], "--chance: of one task alone"),
        (["--tasks", "all", "--law", "chinchilla"], "--law: of one task alone"),
    ):
        refused = CliRunner().invoke(
            app, ["task", str(file), "--at", "3e9,3e11", *options]
        )
        assert refused.exit_code
        assert words in str(refused.exception)


def test_the_report_has_a_section_where_tasks_are_asked_for(
    fitted: JointTasks, allocation_fit: Fit
) -> None:
    """Its verdicts stand there; page one, the sheet, is as without it."""
    route = Route("allocation", allocation_fit, plan(allocation_fit, [1e22]))
    routes = Routes(allocation_fit.runs, (route,), {})
    pages = []
    for tasks in (None, fitted):
        question = Question(quick=True, tasks=tasks)
        facts = gather(routes, None, 0.9, "nstar report", question)
        pages.append(page(routes, facts))
    assert 'id="tasks"' not in pages[0]
    section = pages[1].split('<section id="tasks">')[1].split("</section>")[0]
    section = re.sub("<[^>]*>", "", section)  # words that are defined are marked
    for verdict in facts.document["tasks"]["verdicts"]:
        assert verdict["verdict"] in section
    assert "risen from chance" in section
    sheets = [text.split('<section id="decision">')[1] for text in pages]
    assert sheets[0].split("</section>")[0] == sheets[1].split("</section>")[0]


def test_the_benchmark_survives_a_method_that_fails(tmp_path: Path) -> None:
    table = ladder()
    columns = {"params": table["N"], "tokens": table["D"], "loss": table["L"]}
    columns |= {n: v for n, v in table.items() if n.startswith("acc")}
    rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    (tmp_path / "t.csv").write_text(
        "\n".join([",".join(columns), *rows]), encoding="utf-8"
    )

    def fail(split: benchmark.Split) -> np.ndarray:
        raise ArithmeticError(split.hold_out)

    records = benchmark.run(tmp_path, {"bad": fail, benchmark.LAST: benchmark.last})
    assert {r["failed"].split(":")[0] for r in records if r["method"] == "bad"} == {
        "ArithmeticError"
    }
    scored = benchmark.summarise(records, "method")
    assert [r["method"] for r in scored] == [benchmark.LAST]
    assert set(scored[0]["coverage"]) == {"0.5", "0.8", "0.9", "0.95"}


@pytest.mark.slow
def test_the_second_step_is_calibrated() -> None:
    """Runs beyond those fitted lie in their 90 % intervals 9 times in 10.

    Tasks and their accuracies are drawn from the priors. Of 75 tasks, 5 in one ladder,
    intervals that held 75 % would be seen with probability .9 at this limit.
    """
    random, inside = np.random.default_rng(5), []
    centre, width, spread = np.array([*second_step.UNKNOWNS.values()]).T
    log_q = np.log(np.linspace(0.8, 1.3, 16))
    for replicate in range(15):
        mu = centre + np.where(spread > 0, width, 0.0) * random.standard_normal(10)
        tau = np.where(
            spread > 0, spread * np.exp(0.5 * random.standard_normal(10)), width
        )
        steps, truths = [], []
        for psi in mu + tau * random.standard_normal((5, 10)):
            everywhere = SecondStep(
                log_q[4:], log_q[4:], np.full(12, 0.5), 0.15, 0.25, 0.03, 2000
            )
            y = _simulate(everywhere, psi, log_q, random)
            steps.append(
                SecondStep(log_q[4:], log_q[4:], y[4:], 0.15, 0.25, 0.03, 2000)
            )
            truths.append(y[0])
        pooled = populations.sample(
            [s.log_likelihood for s in steps],
            [*second_step.UNKNOWNS.values()],
            replicate,
        )
        for i, (step, truth) in enumerate(zip(steps, truths, strict=True)):
            x = np.full((len(pooled.draws), 1), log_q[0])
            drawn = step.draw(pooled.draws[:, i], x, x, random)[1][:, 0]
            low, high = np.quantile(drawn, [0.05, 0.95])
            inside.append(low <= truth <= high)
    assert stats.binomtest(int(np.sum(inside)), len(inside), 0.9).pvalue > 1e-3


def _simulate(
    step: SecondStep, psi: np.ndarray, log_q: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Accuracies at log q by the formula, with a misfit and scatter from psi."""
    floor, ceiling, best, slope, power, scatter, floor_scatter, bend, _, follows = psi
    x = (log_q - log_q[4]) / step.spread
    misfit = random.multivariate_normal(
        np.zeros(len(x)), np.exp(bend + slope) ** 2 / 1.4 * wander(x, x)
    )
    eta = best - np.exp(slope) * np.expm1(power * x) / power + misfit
    bottom = np.clip(0.25 + 0.03 * floor, 0, 0.9)
    mean = bottom + (1 - bottom) * expit(ceiling) * expit(
        eta + np.exp(scatter) * random.standard_normal(len(x))
    )
    mean = np.clip(mean + np.exp(floor_scatter) * random.standard_normal(len(x)), 0, 1)
    sd = np.sqrt(expit(follows) * mean * (1 - mean) / 2000)
    return np.clip(mean + sd * random.standard_normal(len(x)), 0, 1)
