"""Numbers that people and programs read, against ones computed here from the draws."""

import json
import re

import arviz_stats
import numpy as np
import pytest
from lxml import html
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from by_hand import quantiles, surface
from nstar.plans.actions import parse_actions
from nstar.plans.bills import Bill
from nstar.plans.planning import plan
from nstar.plans.routes import Route, Routes
from nstar.published import hardware
from nstar.report.facts import Question, gather
from nstar.report.page import page
from nstar.wording import standing
from test_report import cells, words_of

C = 3.8e25
H100 = 9.894e14  # FLOP/s, dense bfloat16
TAILS = 0.89  # ArviZ's tails are its quantiles at 11 and 89 %


@pytest.fixture(scope="module")
def hand(surface_fit):
    return surface(surface_fit)


@pytest.fixture(scope="module")
def files(surface_fit, allocation_fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    fits = {"surface": surface_fit, "allocation": allocation_fit}
    return {name: str(fit.save(folder / f"{name}.nc")) for name, fit in fits.items()}


@pytest.fixture
def document(nstar):
    def run(*words):
        return json.loads(nstar(*words, "--json")[1])

    return run


WORDS = {"checks", "noise", "currency", "bill"}  # words, and lists of them
EXACT = 1e-6, 1e-12  # relative, and absolute


def agree(wanted, actual, loose=None, *, at="$", tolerance=EXACT):
    """Fail where a document has a number that differs, or one that nobody computed.

    `loose` has tolerances of numbers by name, for all that lies below the name too.
    """
    if isinstance(wanted, dict):
        assert isinstance(actual, dict), at
        numbers = {
            n for n, v in actual.items() if not isinstance(v, str) and n not in WORDS
        }
        assert numbers == set(wanted), at
        for name, value in wanted.items():
            closer = (loose or {}).get(name, tolerance)
            agree(value, actual[name], loose, at=f"{at}.{name}", tolerance=closer)
    elif isinstance(wanted, list):
        assert len(actual) == len(wanted), at
        for i, value in enumerate(wanted):
            agree(value, actual[i], loose, at=f"{at}[{i}]", tolerance=tolerance)
    elif wanted is None:
        assert actual is None, at
    else:
        rel, absolute = tolerance
        assert actual == pytest.approx(wanted, rel=rel, abs=absolute), at


OF_A_RUN = {  # its size is a parabola's lowest point, its waste read off a frontier
    **dict.fromkeys(("recommended", "actions"), (1e-5, 0.0)),
    "regret": (1e-3, 1e-9),
    "as_good": (5e-3, 0.0),  # read off 65 sizes
    "beyond_frontier": (0.0, 1e-3),
    **dict.fromkeys(
        ("wasted", "expected_wasted", "wasted_share", "wasted_cost"), (0.03, 0.0)
    ),
}
OF_A_TARGET = dict.fromkeys(  # read off 65 budgets
    ("budget", "N", "D", "crossing", "crossing_oracle", "decades_beyond_data"),
    (3e-3, 0.0),
)


def head(fit):
    return {"runs": len(fit.runs), "seed": fit.seed, "prob": 0.9}


def test_summary_of_a_fit(document, files, surface_fit, hand):
    answer = document("summary", files["surface"])
    draws = dict(surface_fit.tree["posterior"].data_vars)
    wanted = {name: one.to_numpy() for name, one in draws.items()}
    for name in ("E", "A", "B", "alpha", "beta"):
        wanted[name] = getattr(hand, name).reshape(wanted["level"].shape)
    unknowns = {}
    for name, each in wanted.items():
        ends = quantiles(each)
        unknowns[name] = {
            "mean": each.mean(),
            "sd": each.std(ddof=1),
            "lower": ends["lower"],
            "upper": ends["upper"],
            "r_hat": float(arviz_stats.rhat(each)),
            "ess_bulk": float(arviz_stats.ess(each, method="bulk")),
            "ess_tail": float(arviz_stats.ess(each, method="tail", prob=TAILS)),
        }
        if name in ("E", "A", "B", "alpha", "beta"):
            unknowns[name]["prior"] = None
    agree(head(surface_fit) | {"unknowns": unknowns, "saved": None}, answer)


def budget_by_hand(fit, hand, budget):
    """One budget of a plan."""
    N, run = hand.optimum(budget), hand.best(budget)
    D, loss = budget / 6 / N, hand.loss(run, budget / 6 / run)
    none = "optimum", "N_law", "D_law", "on_edge", "slope_beyond", "limits_cost"
    return dict.fromkeys(none) | {
        "C": budget,
        "N": quantiles(N),
        "D": quantiles(D),
        "tokens_per_parameter": quantiles(D / N),
        "recommended": {
            "N": run,
            "D": budget / 6 / run,
            "epochs": None,
        },
        "loss": quantiles(loss),
        "loss_oracle": quantiles(hand.least(budget)),
        "regret": quantiles(loss - hand.least(budget)),
        "decades_beyond_data": np.log10(budget / fit.runs["C"].max()),
    }


def line_by_hand(hand):
    """Exponents and coefficients of N* = A1 C^alpha1 and D* = A2 C^alpha2."""
    alpha1 = hand.beta / (hand.alpha + hand.beta)
    A1 = hand.optimum(1.0)
    return {
        "exponents": {"N": quantiles(alpha1), "D": quantiles(1 - alpha1)},
        "coefficients": {"A1": quantiles(A1), "A2": quantiles(1 / (6 * A1))},
        "exponents_over": None,
    }


def test_plan_of_a_surface(document, files, surface_fit, hand):
    answer = document("plan", files["surface"], "-C", "1e24", "-C", "3.8e25")
    budgets = [budget_by_hand(surface_fit, hand, budget) for budget in (1e24, C)]
    wanted = head(surface_fit) | line_by_hand(hand)
    agree(wanted | {"budgets": budgets, "limits": {}}, answer, OF_A_RUN)


def test_plan_of_measured_optima(document, files, allocation_fit):
    """The power law that its line bends about, and the run at the median of log N*."""
    answer = document("plan", files["allocation"], "-C", "1e22")["budgets"][0]
    draws, law = allocation_fit.draws, allocation_fit.law
    root = np.sqrt(law.C0 / 6 / draws["tokens_per_parameter"])
    N = root * (1e22 / law.C0) ** draws["alpha1"]
    agree(quantiles(N), answer["N_law"])
    agree(quantiles(1e22 / 6 / N), answer["D_law"])
    run = answer["recommended"]["N"]
    assert answer["recommended"]["D"] == pytest.approx(1e22 / 6 / run)
    assert run == pytest.approx(answer["N"]["median"], rel=1e-3)
    assert answer["D"]["upper"] == pytest.approx(1e22 / 6 / answer["N"]["lower"])


def test_compare_with_a_published_fit(document, files, surface_fit, hand):
    """D* = 0.299 C^0.537 of Llama 3 (2024), figure 3."""
    words = "--published", "llama3", "-C", "3.8e25"
    answer = document("compare", files["surface"], *words)
    tokens, N = 0.299 * C**0.537, hand.optimum(C)

    def beside(draws, theirs):
        below = np.mean(draws < theirs)
        return {
            "posterior": quantiles(draws),
            "published": theirs,
            "ratio": quantiles(draws / theirs),
            "credible_level": abs(2 * below - 1),
            "reason": None,
        }

    none = dict.fromkeys(("posterior", "published", "ratio", "credible_level"))
    size, D = C / 6 / tokens, C / 6 / N
    alpha1 = hand.beta / (hand.alpha + hand.beta)
    budget = {
        "C": C,
        "N": beside(N, size),
        "D": beside(D, tokens),
        "tokens_per_parameter": beside(D / N, tokens / size),
        "loss": none,  # of an unknown unit
    }
    exponents = {"N": beside(alpha1, 1 - 0.537), "D": beside(1 - alpha1, 0.537)}
    printed = {"C": 3.8e25, "N": 4.02e11, "D": 1.655e13}
    wanted = head(surface_fit) | {
        "published": {"printed": [printed]},
        "budgets": [budget],
        "exponents": exponents,
        "exponents_over": None,
    }
    agree(wanted, answer)


def test_predict_a_run(document, files, surface_fit, hand):
    answer = document("predict", files["surface"], "--at", "7e9,1.4e11")
    (one,) = answer["predictions"]
    measured, shares = one.pop("measured"), one.pop("shares")
    loss, FLOP = hand.loss(7e9, 1.4e11), 6 * 7e9 * 1.4e11
    far = np.log10(FLOP / surface_fit.runs["C"].max())
    run = {"N": 7e9, "D": 1.4e11, "C": FLOP, "decades_beyond_data": far}
    run["loss"] = quantiles(loss)
    agree(head(surface_fit) | {"noise_seed": 0, "predictions": [run]}, answer)
    # what is measured is drawn: its quantiles are those of the mixture of Student-t's
    draws = surface_fit.draws
    nu, sigma = draws["nu"], draws["sigma"]
    for name, p in (("lower", 0.05), ("median", 0.5), ("upper", 0.95)):
        z = (np.log(measured[name]) - np.log(loss)) / sigma
        error = np.sqrt(p * (1 - p) / len(loss))
        assert np.mean(stats.t.cdf(z, nu)) == pytest.approx(p, abs=4.5 * error), name
    noise = sigma * np.random.default_rng(0).standard_t(nu)
    parts = np.stack([np.log(loss), noise])
    parts = np.clip(parts, *np.quantile(parts, [0.005, 0.995], axis=1)[..., None])
    law, run_noise = parts.var(axis=1) / parts.var(axis=1).sum()
    assert shares == {
        "parameters": pytest.approx(law, abs=0.05),
        "discrepancy": 0,
        "law": 0,
        "noise": pytest.approx(run_noise, abs=0.05),
    }


NAMED = {"8B": (8e9, C / 6 / 8e9), "ours": (405e9, 15.6e12)}
TARGET = 0.6


def actions_by_hand(hand, target=TARGET):
    """Runs a budget could buy and those named: a record each, and the regret of the first."""
    best = hand.best(C)
    runs = {
        "recommended": (best, C / 6 / best),
        "half the size": (best / 2, C / 3 / best),
        "twice the size": (best * 2, C / 12 / best),
    } | NAMED
    losses = {name: hand.loss(*run) for name, run in runs.items()}
    rivals = np.stack([losses[name] for name in ("recommended", *NAMED)])
    wins = dict(
        zip(
            ("recommended", *NAMED),
            np.bincount(rivals.argmin(axis=0), minlength=3) / rivals.shape[1],
            strict=True,
        )
    )
    bottom = 1e-4 * max(6 * N * D for N, D in runs.values())
    records = []
    for name, (N, D) in runs.items():
        spent, loss = 6 * N * D, losses[name]
        regret = np.maximum(loss - hand.least(C), 0.0)
        need = np.clip(hand.compute(loss), bottom, spent)
        wasted, hour = spent - need, H100 * 0.4 * 0.9 * 3600
        worst = np.sort(loss)[-len(loss) // 10 - 1 :]
        hours = quantiles(np.full(1, spent / hour))
        cost = quantiles(np.full(1, 2 * spent / hour))
        record = {
            "N": N,
            "D": D,
            "epochs": None,
            "C": spent,
            "loss": quantiles(loss),
            "regret": quantiles(regret),
            "expected_regret": regret.mean(),
            "wasted": quantiles(wasted),
            "expected_wasted": wasted.mean(),
            "wasted_share": quantiles(wasted / spent),
            "beyond_frontier": np.mean(hand.compute(loss) < bottom),
            "value_at_risk": worst[0],
            "expected_shortfall": worst[1:].mean(),
            "best_probability": wins.get(name),
            "miss_probability": np.mean(loss > target),
            "hours": hours,
            "cost": cost,
            "cost_shortfall": cost["median"],
            "wasted_cost": quantiles(2 * wasted / hour),
        }
        records.append(record)
    return dict(zip(runs, records, strict=True))


def test_risk_of_runs(document, files, surface_fit, hand):
    words = "risk", files["surface"], "-C", "3.8e25", "--target-loss", TARGET
    words += "--candidates", "8B", "--candidates", "ours=405e9@15.6e12"
    bill = "--hardware", "h100", "--mfu", "0.4", "--goodput", "0.9", "--price", "2"
    answer = document(*words, *bill)
    actions = actions_by_hand(hand)
    assert [one["name"] for one in answer["actions"]] == list(actions)
    wanted = head(surface_fit) | {
        "budget": C,
        "target_loss": TARGET,
        "level": 0.9,
        "perfect_information": actions["recommended"]["expected_regret"],
        "repaired": 0.0,
        "limits": {},
        "as_good": {"within": 0.005, "N": as_good_by_hand(hand)},
        "N": quantiles(hand.optimum(C)),
        "actions": list(actions.values()),
    }
    agree(wanted, answer, OF_A_RUN)


def as_good_by_hand(hand, within=0.005):
    """The sizes whose mean loss is half a percent above the least."""
    best = hand.best(C)
    least = hand.loss(best, C / 6 / best).mean()

    def extra(n):
        return hand.loss(np.exp(n), C / 6 / np.exp(n)).mean() / least - 1 - within

    middle = np.log(best)
    ends = (middle - 5, middle), (middle, middle + 5)
    return [float(np.exp(brentq(extra, *pair))) for pair in ends]


def served_by_hand(hand, tokens):
    """Size and tokens of least 6ND + 2NT with the mean loss of the budget's own run."""
    size = hand.best(C)
    quality = hand.loss(size, C / 6 / size).mean()

    def fed(N):
        return brentq(lambda d: hand.loss(N, np.exp(d)).mean() - quality, 20, 45)

    def spent(n):
        N = np.exp(n)
        return 6 * N * np.exp(fed(N)) + 2 * N * tokens

    ends = np.log(size / 4), np.log(size)
    n = minimize_scalar(spent, bounds=ends, method="bounded").x
    return np.exp(n), np.exp(fed(np.exp(n)))


def reach_by_hand(fit, hand, target, chance):
    """When the recommended run reaches a loss, along 400 budgets of a fine line."""
    most = fit.runs["C"].max()
    knots = np.geomspace(1e-3 * most, 1e4 * most, 15)
    curve = np.polyfit(np.log(knots), np.log([hand.best(c) for c in knots]), 4)
    line = np.geomspace(knots[0], knots[-1], 400)
    sizes = np.exp(np.polyval(curve, np.log(line)))
    losses = np.stack(
        [hand.loss(n, c / 6 / n) for n, c in zip(sizes, line, strict=True)]
    )
    losses = np.minimum.accumulate(losses)
    crossing = np.full(losses.shape[1], np.inf)
    for i, one in enumerate(losses.T):
        if one[-1] <= target:
            crossing[i] = np.exp(np.interp(-target, -one, np.log(line)))
    oracle = hand.compute(target)
    oracle = np.where(oracle > line[-1], np.inf, oracle)

    def ends(budgets):
        at = {"median": 0.5, "lower": 0.05, "upper": 0.95}
        levels = {
            n: np.quantile(budgets, p, method="inverted_cdf") for n, p in at.items()
        }
        return {n: v if np.isfinite(v) else None for n, v in levels.items()}

    budget = np.quantile(crossing, chance, method="inverted_cdf")
    run = hand.best(budget)
    return {
        "target": target,
        "chance": chance,
        "up_to": 1e4 * most,
        "budget": budget,
        "N": run,
        "D": budget / 6 / run,
        "epochs": None,
        "limits": {},
        "crossing": ends(crossing),
        "crossing_oracle": ends(oracle),
        "reached": np.mean(np.isfinite(crossing)),
        "below_floor": np.mean(target <= hand.E),
        "before": np.mean(losses[0] <= target),
        "repaired": 0.0,
        "decades_beyond_data": np.log10(budget / most),
    }


def test_target_of_a_loss(document, files, surface_fit, hand):
    answer = document("target", files["surface"], "--loss", "0.65", "--chance", "0.8")
    wanted = head(surface_fit) | reach_by_hand(surface_fit, hand, 0.65, 0.8)
    agree(wanted, answer, OF_A_TARGET)


# On the page


NUMBER = re.compile(r"(-?\d[\d.]*(?:e-?\d+)?)([TBMK%]?)")
SCALES = {"T": 1e12, "B": 1e9, "M": 1e6, "K": 1e3, "%": 0.01, "": 1.0}


def prints(text, *wanted, digits=3, rel=1e-5):
    """Fail where the numbers of a text are not these, rounded to so many digits."""
    numbers = NUMBER.findall(text)
    assert len(numbers) == len(wanted), text
    for (number, letter), value in zip(numbers, wanted, strict=True):
        places = len(number.partition(".")[2])
        if letter != "%":
            places = digits - 1 - np.floor(np.log10(value) + 1e-9)
        unit = 10.0**-places * (0.01 if letter == "%" else 1.0)
        off = abs(float(number) * SCALES[letter] - value)
        assert off <= 0.501 * unit + rel * abs(value), f"{text}: {value}"


def prints_interval(text, draws, **rounding):
    prints(text, *quantiles(draws).values(), **rounding)


@pytest.fixture(scope="module")
def tree(surface_fit):
    """A page of one route, with all that needs no other fit."""
    route = Route("coupled", surface_fit, plan(surface_fit, [C]))
    bill = Bill(hardware.get("h100"), mfu=0.4, goodput=0.9, price=2.0)
    runs = parse_actions(["8B", "ours=405e9@15.6e12"])
    question = Question(
        runs, target=0.65, chance=0.8, served=1e13, bill=bill, quick=True
    )
    routes = Routes(surface_fit.runs, (route,), {})
    return html.document_fromstring(
        page(routes, gather(routes, ["llama3"], 0.9, "nstar report", question))
    )


def test_the_headline(tree, surface_fit, hand):
    text = words_of(tree, "buys")
    size, N = hand.best(C), hand.optimum(C)
    loss = hand.loss(size, C / 6 / size)
    match = re.search(
        r"(\S+) FLOP lies (\S+) decades beyond the largest run \((\S+) FLOP\)"
        r".* For (\S+) FLOP train (\S+) parameters on (\S+) tokens: loss ([^(]*) \(median"
        r".* N\* is (.*\]), D\* (.*\]);"
        r".* costs (\S+) of loss on average, as if (\S+) of the compute",
        text,
    )
    most = surface_fit.runs["C"].max()
    prints(match[1], C, digits=4)
    prints(match[2], np.log10(C / most), digits=2)
    prints(match[3], most, digits=4)
    prints(match[4], C, digits=4)
    prints(match[5], size)
    prints(match[6], C / 6 / size)
    prints_interval(match[7], loss, digits=4)
    prints_interval(match[8], N)
    prints_interval(match[9], C / 6 / N)
    prints(match[10], (loss - hand.least(C)).mean(), digits=2)
    wasted = actions_by_hand(hand)["recommended"]["expected_wasted"]
    prints(match[11], wasted / C, rel=0.03)


def test_the_sheet(tree, surface_fit, hand):
    text = words_of(tree, "decision")
    size = hand.best(C)
    loss = hand.loss(size, C / 6 / size)
    match = re.search(
        r"about (\S+) parameters on (\S+) tokens; anything from (\S+) to (\S+) gives away less than (\S+) of loss"
        r".* the best size is (.*?\])\. Loss ([^(]*) \(median"
        r".* reached with a chance of ([\d.]+%); 80% takes (\S+) FLOP, (\S+) times this budget"
        r".* Cost USD (.*\]): (.*\]) \S+ H100.* hours; (.*\]) days on (\S+) of them"
        r".* up to (\S+) FLOP; the budget lies (\S+) decades beyond",
        text,
    )
    assert match, text
    rounded = float(f"{size:.1e}")
    prints(match[1], rounded, digits=2)
    prints(match[2], C / 6 / rounded, digits=2)
    for end, group in zip(as_good_by_hand(hand), (3, 4), strict=True):
        prints(match[group], end, digits=2, rel=5e-3)
    assert match[5] == "0.5%", text
    prints_interval(match[6], hand.optimum(C))
    prints_interval(match[7], loss, digits=4)
    prints(match[8], np.mean(loss <= 0.65))
    budget = reach_by_hand(surface_fit, hand, 0.65, 0.8)["budget"]
    prints(match[9], budget, digits=2, rel=3e-3)
    prints(match[10], budget / C, digits=2, rel=0.01)
    hours = C / (H100 * 0.4 * 0.9 * 3600)
    prints(match[11], *[2 * hours] * 3)
    prints(match[12], *[hours] * 3)
    prints(match[13], *[hours / 24 / 1e5] * 3)
    assert match[14] == "100,000"
    prints(match[15], surface_fit.runs["C"].max(), digits=4)
    prints(match[16], np.log10(C / surface_fit.runs["C"].max()), digits=2)
    worst = np.sort(loss)[-len(loss) // 10 - 1 :]
    tail = re.search(r"loss is above (\S+), and then (\S+) on average", text)
    prints(tail[1], worst[0], digits=4)
    prints(tail[2], worst[1:].mean(), digits=4)
    regret = re.search(r"which gives away (\S+) of loss on average", text)
    prints(regret[1], (loss - hand.least(C)).mean(), digits=2)


def test_what_the_budget_buys(tree, surface_fit, hand):
    (row,) = cells(tree, "buys", 0)
    size, N = hand.best(C), hand.optimum(C)
    loss = hand.loss(size, C / 6 / size)
    assert row[0] == "loss surface"
    prints(row[1], C, digits=4)
    prints_interval(row[2], N)
    prints_interval(row[3], C / 6 / N)
    prints_interval(row[4], C / 6 / N**2)
    prints_interval(row[5], loss, digits=4)
    prints_interval(row[6], loss - hand.least(C), digits=2, rel=1e-3)
    target = reach_by_hand(surface_fit, hand, 0.65, 0.8)
    ends = "lower", "median", "upper"
    for row, name in zip(
        cells(tree, "buys", 1), ("crossing", "crossing_oracle"), strict=True
    ):
        for cell, end in zip(row[1:], ends, strict=True):
            prints(cell, target[name][end], digits=4, rel=3e-3)


def test_how_to_spend_it_and_what_can_go_wrong(tree, hand):
    actions = actions_by_hand(hand, target=0.65)
    spend, wrong = (cells(tree, s, 0) for s in ("spend", "wrong"))
    alone = {row[0]: row for row in cells(tree, "spend", 1)}
    assert set(alone) == set(NAMED)
    for row, risk in zip(spend, wrong, strict=True):
        a = actions[row[0]]
        assert risk[0] == row[0]
        prints(row[1], a["N"])
        prints(row[2], a["D"])
        prints(row[3], a["C"], digits=4)
        prints(row[4], *a["loss"].values(), digits=4)
        prints(row[5], a["expected_regret"], digits=2)
        prints(row[6], *a["wasted_share"].values(), rel=0.03)
        prints(risk[1], a["value_at_risk"], digits=4)
        prints(risk[2], a["expected_shortfall"], digits=4)
        if a["best_probability"] is None:
            assert risk[3] == "not a rival"
        else:
            prints(risk[3], a["best_probability"])
        prints(risk[4], a["miss_probability"])
        if row[0] in NAMED:
            one = alone[row[0]]
            assert one[2:5] == row[4:7]
            prints(one[5], np.mean(hand.optimum(C) < a["N"]))
    money = cells(tree, "money", 0)
    assert [row[0] for row in money] == [
        "recommended, half the size, twice the size, 8B",
        "ours",
    ]
    for row, name in zip(money, ("recommended", "ours"), strict=True):
        a = actions[name]
        prints(row[1], a["C"], digits=4)
        prints(row[2], *a["hours"].values())
        prints(row[3], *a["cost"].values())
        prints(row[4], a["cost_shortfall"])
    wasted = re.search(r"Of it wasted: (.*?)\. ", words_of(tree, "money"))[1]
    amounts = re.findall(r"(.+?) USD (\S+ \[\S+ \S+\])(?:, |$)", wasted)
    assert [name for name, _ in amounts] == list(actions)
    for name, text in amounts:
        prints(text, *actions[name]["wasted_cost"].values(), rel=0.03)


def test_the_lifetime_and_the_line(tree, hand):
    trained, life = cells(tree, "spend", 2)
    size, served = hand.best(C), served_by_hand(hand, 1e13)
    total = []
    for row, (N, D) in ((trained, (size, C / 6 / size)), (life, served)):
        flop = 6 * N * D, 2 * N * 1e13
        total.append(sum(flop))
        for cell, value in zip(row[1:3], (N, D), strict=True):
            prints(cell, value, rel=3e-3)
        for cell, value in zip(row[3:6], (*flop, sum(flop)), strict=True):
            prints(cell, value, digits=4, rel=3e-3)
        prints_interval(row[6], hand.loss(N, D), digits=4)
    saved = re.search(r"which saves (\S+) of the lifetime", words_of(tree, "spend"))
    prints(saved[1], 1 - total[1] / total[0])
    (line,) = cells(tree, "spend", 3)
    alpha1, A1 = hand.beta / (hand.alpha + hand.beta), hand.optimum(1.0)
    for cell, draws in ((1, alpha1), (2, 1 - alpha1), (4, A1), (5, 1 / (6 * A1))):
        prints_interval(line[cell], draws)
    assert line[7] == "133"


def test_ours_beside_what_is_published(tree, hand):
    rows = cells(tree, "published", 1)
    N, tokens = hand.optimum(C), 0.299 * C**0.537
    D, alpha1 = C / 6 / N, hand.beta / (hand.alpha + hand.beta)
    pairs = {
        0: (N, C / 6 / tokens),
        1: (D, tokens),
        2: (D / N, 6 * tokens**2 / C),
        4: (alpha1, 0.463),
        5: (1 - alpha1, 0.537),
    }
    for i, (ours, theirs) in pairs.items():
        prints_interval(rows[i][1], ours)
        prints(rows[i][2], theirs)
        prints_interval(rows[i][3], ours / theirs)
        level = abs(2 * np.mean(ours < theirs) - 1)
        assert rows[i][4] == standing(level, 0.9)
    assert rows[4][0].startswith("exponent of N*, ")
    assert rows[3][4] == "its law has no loss"
    released = cells(tree, "published", 2)
    assert [row[0] for row in released] == [
        "PaLM 540B",
        "Llama 3.1 70B",
        "Llama 3.1 405B",
    ]
    few = 0.06  # of an interval's ends: released models are read off a quarter of the draws
    for row, (N, D) in zip(
        released[1:], ((70.6e9, 15.6e12), (405.9e9, 15.6e12)), strict=True
    ):
        ours = hand.optimum(6 * N * D)
        prints(row[1], 6 * N * D, digits=4, rel=2e-3)
        prints(row[2], N)
        prints(row[3], D)
        prints_interval(row[4], ours, rel=few)
        prints_interval(row[5], N * D / ours, rel=few)
        prints_interval(row[6], N / ours, digits=2, rel=few)
