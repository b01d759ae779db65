"""Mixtures of data: laws are what papers say, posteriors are exact, choices are the best."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from typer.testing import CliRunner

import nstar
from conftest import FALSE_ALARM
from nstar.cli import app
from nstar.mixtures import fitting, kernels, sizes
from nstar.mixtures.fitting import fit_losses, fit_surfaces
from nstar.mixtures.laws import LAWS
from nstar.mixtures.limits import bounds
from nstar.mixtures.reading import read_mixtures
from nstar.mixtures.searching import distances
from nstar.mixtures.targets import parse_target
from nstar.runs.problems import TableProblems
from test_json import CHECKS, INTERVAL, hold

SHARES = {...: float}
MIX = {
    "data": str,
    "data_sha256": str,
    "runs": int,
    "seed": int,
    "prob": float,
    "interval": str,
    "target": str,
    "weights": SHARES,
    "worst": bool,
    "N": (float, None),
    "D": (float, None),
    "law": str,
    "regret": float,
    "regret_interval": INTERVAL,
    "run_noise": float,
    "distance": float,
    "within": float,
    "domains": [
        {
            "domain": str,
            "share": float,
            "credible": INTERVAL,
            "today": (float, None),
            "without": INTERVAL,
            "double": INTERVAL,
            "matters": bool,
            "least": float,
            "most": float,
            "repeats": (float, None),
        }
    ],
    "mixtures": {
        ...: {"shares": SHARES, "target": INTERVAL, "losses": {...: INTERVAL}}
    },
    "gains": {...: INTERVAL},
    "distance_from_today": (float, None),
    "next_runs": [{"N": (float, None), "shares": SHARES, "variance_left": float}],
    "points": [{"loss": str, "measured": float, "predicted": float}],
    "checks": CHECKS,
}
DOMAINS = ("code", "web", "books")
FORMS = {  # loss up to a factor, written anew
    "effective_data": lambda u, r: (np.exp(u[1]) + np.exp(u[2:]) @ r) ** -np.exp(u[0]),
    "exponential": lambda u, r: np.exp(u[0]) + np.exp(u[1:] @ r),
    "log_linear": lambda u, r: np.exp(u @ r),
    "bilinear": lambda u, r: np.exp(u[0]) + 1 / (1 + np.exp(u[1:]) @ r),
}


def mixtures(n, domains=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(domains, 0.7), n)


def table(n=24, sizes=("10M", "100M"), noise=0.003, seed=0):
    """Losses of code and web by the effective-data law, the same mixtures at each size."""
    rng = np.random.default_rng(seed)
    shares = np.round(mixtures(n, seed=seed), 3)
    shares[:, 2] = 1 - shares[:, :2].sum(axis=1)
    shares = np.tile(shares, (len(sizes), 1))
    N = np.repeat([nstar.amounts.read_size(s) for s in sizes], n)
    columns = {"size": np.repeat(sizes, n)}
    columns |= {f"mix_{d}": shares[:, i] for i, d in enumerate(DOMAINS)}
    for i, name in enumerate(("code", "web")):
        loss = 2.5 * (N / 1e7) ** -0.08 * (0.05 + shares[:, i]) ** -0.15
        columns[f"loss_{name}"] = loss * np.exp(noise * rng.standard_normal(len(N)))
    return columns


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_its_formula_and_its_slopes_are_its_own(name, rng):
    law, shares = LAWS[name], mixtures(7)
    u = law.centre(3, 1) + 0.3 * rng.standard_normal(len(law.spread(3)))
    expected = [np.log(FORMS[name](u, r)) for r in shares]
    np.testing.assert_allclose(law.log_loss(u, shares), expected, rtol=1e-12)
    steps = 1e-6 * np.eye(len(u))
    by_steps = [
        (law.log_loss(u + s, shares) - law.log_loss(u - s, shares)) / 2e-6
        for s in steps
    ]
    np.testing.assert_allclose(law.slopes(u, shares).T, by_steps, atol=1e-8)


def test_levels_vary_as_a_slope_that_wanders_summed_up():
    """By integrating the covariance of the slope, point by point."""
    path = sizes.Path((-0.1, 0.05), (0.0, 0.0), 0.3, 0.0)
    for a, b in ((1.5, 4.0), (-2.0, 3.0), (2.5, 2.5)):
        summed = integrate.dblquad(
            lambda u, v: 0.05**2 * np.exp(-abs(u - v) / sizes.LENGTH), 0, a, 0, b
        )[0]
        at, other = np.array([[a, 0.0]]), np.array([[b, 0.0]])
        total = path.covariance(at, other)[0, 0]
        assert total == pytest.approx(0.3**2 + summed, abs=1e-8)
        assert path.mean(at)[0] == pytest.approx(-0.1 * a)


def test_the_gradient_of_the_marginal_likelihood_is_its_own(monkeypatch):
    seen = []

    def stop(rows, start, mean, sd, rounds):
        seen.append((rows, mean, sd))
        return start

    monkeypatch.setattr(fitting, "_search", stop)
    runs = read_mixtures(table(n=12))
    at = np.column_stack([np.log(runs.N / 3e7), np.zeros(len(runs))])
    fit_surfaces(runs.shares, at, runs.values[:, 0], 0)
    rows, mean, sd = seen[0]
    v = mean + 0.3 * np.random.default_rng(0).standard_normal(len(mean))

    def value(u):
        K = kernels.covariance(rows, kernels.Hyperparameters.of(u))
        log = stats.multivariate_normal(cov=K).logpdf(rows.residual)
        return -log + np.sum(((u - mean) / sd) ** 2) / 2

    half, (minus_log, gradient) = (
        len(rows.residual) / 2 * np.log(2 * np.pi),
        kernels.negative_log_posterior(v, rows, mean, sd),
    )
    assert minus_log == pytest.approx(value(v) - half, rel=1e-9)
    steps = 1e-5 * np.eye(len(v))
    by_steps = [(value(v + s) - value(v - s)) / 2e-5 for s in steps]
    np.testing.assert_allclose(gradient, by_steps, rtol=1e-4, atol=1e-4)


def test_a_log_linear_laws_posterior_is_that_of_linear_regression():
    """With no discrepancy the model is conjugate; by the textbook's formula."""
    shares, rng = mixtures(15, seed=3), np.random.default_rng(4)
    y = 1 + shares @ [-0.4, 0.1, 0.3] + 0.01 * rng.standard_normal(15)
    at = np.zeros((15, 2))
    (first, *_) = fit_surfaces(shares, at, np.exp(y), 0, "log_linear")
    h = replace(first.hyperparameters, amplitude=-30.0, noise=np.log(0.01), growth=0.0)
    surface = fitting._given(first, fitting._rows(first, y), h)
    new = mixtures(6, seed=5)
    joint = surface.joint(new, np.zeros(2), smooth=True)

    law = LAWS["log_linear"]
    mean = np.concatenate([[0.0], law.centre(3, 0)])  # of the level, then of slopes
    sd = np.concatenate([[sizes.ANY_LEVEL], law.spread(3)])
    centre = shares.mean(axis=0)
    X, Z = (np.column_stack([np.ones(len(s)), s - centre]) for s in (shares, new))
    precision = np.diag(1 / sd**2) + X.T @ X / 0.01**2
    V = np.linalg.inv(precision)
    b = V @ (mean / sd**2 + X.T @ (y - y.mean()) / 0.01**2)
    near = sizes.ANY_SCALE * np.abs(Z[:, 1:] @ b[1:]).max()  # the scale's small freedom
    np.testing.assert_allclose(joint.mean, y.mean() + Z @ b, atol=near / 5)
    np.testing.assert_allclose(
        np.sqrt(np.diag(joint.covariance)),
        np.sqrt(np.einsum("ij,jk,ik->i", Z, V, Z)),
        rtol=0.02,
    )


def test_a_posterior_is_the_conditional_of_the_joint_normal():
    """Against conditioning one large covariance, rows and places to predict together."""
    runs = read_mixtures(table(n=10))
    fit = fit_losses(
        runs.domains, runs.shares, runs.N, runs.D, runs.losses, runs.values
    )
    surface, new = fit.surfaces[0][3], mixtures(4, seed=9)
    new[0] = runs.shares[2]  # a mixture that was run, at a size that was not
    at = np.tile(fit.place(1e9), (4, 1))
    shares = np.concatenate([surface.shares, new])
    places = np.concatenate([surface.at, at])
    h, n = surface.hyperparameters, len(surface.shares)
    X = kernels.place(shares) / surface.axes / np.exp(h.lengths)
    q = np.sqrt(5) * np.linalg.norm(X[:, None] - X, axis=-1)
    k = (1 + q + q**2 / 3) * np.exp(-q)
    apart = np.abs(places[:, None, 0] - places[:, 0]) / np.log(10)
    alike = (1 - np.exp(h.change)) ** apart
    scale = np.exp(surface.scale(places))
    J = surface.slopes(shares) * surface.spread
    shape = surface.shape(shares) * scale
    scatter = h.scatter(surface.odd(shares), places[:, 0])
    same = np.all(np.abs(shares[:, None] - shares) < 1e-9, axis=-1)
    K = sizes.LEVEL.covariance(places, places)
    K += np.outer(shape, shape) * sizes.SCALE.covariance(places, places)
    K += alike * np.outer(scale, scale) * (J @ J.T + np.exp(2 * h.amplitude) * k)
    K += alike * same * h.own * np.outer(scatter, scatter)
    seen = K[:n, :n] + np.diag((1 - h.own) * scatter[:n] ** 2 + kernels.JITTER)
    prior = surface.prior_mean(shares, places)
    y = np.log(runs.values[:, 0])
    assert not surface.outliers.any()
    gain = np.linalg.solve(seen, K[:n, n:]).T
    joint = surface.joint(new, at)
    np.testing.assert_allclose(joint.mean, prior[n:] + gain @ (y - prior[:n]))
    np.testing.assert_allclose(
        joint.covariance, K[n:, n:] - gain @ K[:n, n:], atol=1e-9
    )
    np.testing.assert_allclose(joint.noise**2, (1 - h.own) * scatter[n:] ** 2)


def test_draws_have_the_moments_of_the_posterior():
    runs = read_mixtures(table(n=40, sizes=("10M",) * 6))  # one surface at its mode
    fit = fit_losses(
        runs.domains, runs.shares, runs.N, runs.D, runs.losses, runs.values
    )
    (surface,) = fit.surfaces[1]
    new, at = mixtures(3, seed=2), fit.place(1e7)
    drawn = np.log(fit.draw(new, at, 4000, ["web"], measured=True))[:, :, 0]
    joint = surface.joint(new, at)
    V = joint.covariance + np.diag(joint.noise**2)
    z = np.linalg.solve(np.linalg.cholesky(V), (drawn - joint.mean).T)
    assert stats.kstest(z.ravel(), "norm").pvalue > FALSE_ALARM
    assert np.abs(np.corrcoef(z) - np.eye(3)).max() < 0.09  # 5.6 standard errors


def test_intervals_hold_what_the_model_draws():
    """Sixty tables of the law with a bend, each with one new mixture.

    A right one has fewer than 43 inside in one of 100,000; intervals half as wide (59 %)
    would have 43 in one of 30.
    """
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shares = mixtures(25, seed=seed)
        law = LAWS["effective_data"]
        u = law.centre(3, 0) + 0.5 * law.spread(3) * rng.standard_normal(5)
        X = kernels.place(shares)
        k, _ = kernels.matern(X / X.std(axis=0), X / X.std(axis=0), np.full(3, 3.0))
        bend = np.linalg.cholesky(k + 1e-9 * np.eye(25)) @ rng.standard_normal(25)
        y = 1 + law.log_loss(u, shares) + 0.02 * bend
        y += 0.006 * rng.standard_normal(25)
        values = np.exp(y)[:, None]
        empty = np.full(24, np.nan)
        fit = fit_losses(
            DOMAINS, shares[:-1], empty, empty, ["code"], values[:-1], seed=seed
        )
        drawn = fit.draw(shares[-1:], np.zeros(2), 400, measured=True)[:, 0, 0]
        low, high = np.quantile(drawn, [0.05, 0.95])
        inside += low <= values[-1, 0] <= high
    assert stats.binomtest(inside, 60, 0.9).pvalue > FALSE_ALARM


def test_a_second_size_is_ranked_by_the_first_and_its_level_is_the_priors():
    columns = table(n=60, noise=0.001)
    runs = read_mixtures(columns)
    small = runs.take(runs.N < 5e7)
    fit = fit_losses(
        small.domains, small.shares, small.N, small.D, small.losses, small.values
    )
    at = fit.place(1e8)
    truth = runs.values[runs.N > 5e7]
    for i, loss in enumerate(runs.losses):
        drawn = fit.draw(small.shares, at, 300, [loss])[:, :, 0]
        mean = np.log(drawn).mean(axis=0)
        assert stats.spearmanr(mean, truth[:, i])[0] > 0.995
        level = np.log(drawn).mean(axis=1).std()
        assert 0.05 < level < 0.2  # of one decade, that the table says nothing of
        together = np.log(drawn) - np.log(drawn).mean(axis=1, keepdims=True)
        assert together.std(axis=0).mean() < level / 2


def test_the_chosen_mixture_is_the_best_there_is():
    """The mean of two equal powers is least at equal shares of their domains."""
    runs = read_mixtures(table(n=60, sizes=("10M",)))
    answer = nstar.mix(runs, "mean", next_runs=2, within=0.3, seed=1)
    document = answer.as_json(0.99)
    share = {row["domain"]: row for row in document["domains"]}
    assert share["code"]["share"] == pytest.approx(0.5, abs=0.03)
    assert share["books"]["share"] < 0.03
    for name in ("code", "web"):
        assert share[name]["credible"]["lower"] < 0.5 < share[name]["credible"]["upper"]
        assert share[name]["matters"]

    def truth(r):
        return np.mean(2.5 * (0.05 + np.array(r)) ** -0.15)

    chosen = truth([share["code"]["share"], share["web"]["share"]])
    assert chosen - truth([0.5, 0.5]) < 0.005
    assert 0 <= document["regret"] < 0.02
    noise = 0.003 * chosen / np.sqrt(2)  # of the mean of two losses
    assert noise / 2 < document["run_noise"] < 2 * noise
    assert 0 < document["next_runs"][0]["variance_left"] < 1
    assert sum(document["next_runs"][0]["shares"].values()) == pytest.approx(1)
    assert "today" not in document["mixtures"]
    assert "best mixture that was run" in answer.headline()


def test_limits_and_tokens_bound_the_mixture():
    runs = read_mixtures(table(n=40, sizes=("10M",)))
    answer = nstar.mix(
        runs,
        "code",
        1e8,
        2e9,
        limit=["web>=20%"],
        available={"code": 1e8},
        max_repeats={"code": 5.0},
        today={"code": 0.1, "web": 0.9},
        next_runs=0,
    )
    share = {row["domain"]: row for row in answer.as_json()["domains"]}
    assert share["code"]["most"] == pytest.approx(0.25)
    assert share["code"]["share"] == pytest.approx(0.25, abs=1e-6)
    assert share["code"]["repeats"] == pytest.approx(5.0, abs=1e-4)
    assert share["web"]["share"] > 0.2 - 1e-9
    checks = {check.name: check for check in answer.checks()}
    assert checks["repeats"].status == "REVIEW"
    assert "15 to 20" in checks["repeats"].detail
    assert "one size" in checks["size"].detail
    assert checks["shares at a limit"].status == "REVIEW"
    assert answer.as_json()["distance_from_today"] > 0.1
    assert "lower than today's mixture" in answer.headline()
    tables = [*answer.tables()]
    assert tables[0].header[3] == "today"


def test_projection_stays_on_the_simplex_and_inside(rng):
    runs = read_mixtures(table())
    box = bounds(runs, ["code<=0.2", "books>=0.3"], {}, {}, np.nan)
    inside = box.project(mixtures(200, seed=1))
    np.testing.assert_allclose(inside.sum(axis=1), 1, atol=1e-8)
    assert np.all(inside[:, 0] <= 0.2 + 1e-9)
    assert np.all(inside[:, 2] >= 0.3 - 1e-9)
    there = np.array([[0.1, 0.5, 0.4]])
    np.testing.assert_array_equal(box.project(there), there)
    assert distances(there, np.array([[0.3, 0.5, 0.2]]))[0, 0] == pytest.approx(0.2)


def test_targets_are_sums_a_mean_or_the_worst():
    losses = np.array([[1.0, 3.0], [2.0, 1.0]])
    target = parse_target("0.5*code + 2 * web", ["code", "web"])
    np.testing.assert_allclose(target.of(losses), [6.5, 3.0])
    for text, expected in (("mean", [2, 1.5]), ("worst", [3, 2])):
        got = parse_target(text, ["code", "web"]).of(losses)
        np.testing.assert_allclose(got, expected)
    assert parse_target("web", ["code", "web"]).losses == ("web",)


def refused(columns, **options):
    with pytest.raises(TableProblems) as error:
        read_mixtures(columns, **options)
    return str(error.value)


def test_shares_that_do_not_sum_to_one_are_refused_by_row():
    columns = table()
    columns["mix_web"] = columns["mix_web"].copy()
    columns["mix_web"][[2, 4]] += 0.3
    text = refused(columns)
    assert "[sum of shares] rows 3, 5: shares of a mixture must sum to one" in text
    assert "'1.3'" in text
    assert "--shares" in text


def test_percent_are_refused_unless_they_are_said():
    columns = table()
    for domain in DOMAINS:
        columns[f"mix_{domain}"] = 100 * columns[f"mix_{domain}"]
    assert "they are in percent; read them with --percent" in refused(columns)
    read = read_mixtures(columns, percent=True)
    np.testing.assert_allclose(read.shares, read_mixtures(table()).shares)


def test_every_problem_of_a_table_is_named_at_once():
    columns = table()
    columns["loss_code"] = columns["loss_code"].copy()
    columns["mix_books"] = columns["mix_books"].copy()
    columns["loss_code"][1] = -2.0
    columns["mix_books"][3] = np.nan
    text = refused(columns)
    assert "[losses] row 2, column 'loss_code': losses must be above zero" in text
    assert "[empty shares] row 4, column 'mix_books'" in text
    assert "no columns of shares" in refused({"loss_a": [1.0] * 9, "x": [1.0] * 9})
    same = {name: cells[:1].repeat(10) for name, cells in table().items()}
    assert "all runs have the same shares" in refused(same)


def test_a_domain_never_seen_is_named_and_stays_out():
    columns = table(n=20, sizes=("10M",)) | {"mix_law": np.zeros(20)}
    runs = read_mixtures(columns)
    (check,) = [c for c in runs.checks() if c.name == "domain never seen"]
    assert check.status == "REVIEW"
    assert "mix_law" in check.detail
    answer = nstar.mix(runs, "code", next_runs=0)
    assert answer.as_json()["domains"][3]["share"] == 0
    with pytest.raises(ValueError, match=r"at least 0\.1, at most 0 "):
        nstar.mix(runs, "code", limit=["law>=0.1"])


def test_a_sentence_says_which_side_and_when_it_is_the_measured_mixture():
    runs = read_mixtures(table(n=24, sizes=("10M",)))
    settled = nstar.mix(runs, within=0, next_runs=0)
    chosen = settled.choice.pool[0]
    mixtures = settled.choice.mixtures | {"best measured": chosen}
    same = replace(settled.choice, mixtures=mixtures)
    assert (
        replace(settled, choice=same)
        .headline()
        .endswith("it is the best mixture that was run.")
    )
    today = dict(zip(runs.domains, chosen, strict=True))
    worse = nstar.mix(runs, limit=["code<=0.1"], today=today, next_runs=0)
    assert re.search(
        r"; 0\.\d+ \[.*\] higher than today's mixture\.$", worse.headline()
    )


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"target": "cod"}, r"loss 'cod' is none of the table's; did you mean \['code"),
        ({"target": "code+code"}, "name each loss once"),
        ({"limit": ["boks<=0.1"]}, r"did you mean \['books"),
        ({"limit": ["books<=20"]}, "write 20% if it is in percent"),
        ({"limit": ["books<0.2"]}, "as in 'github<=0.2'"),
        ({"limit": ["code<=0.1", "web<=0.1", "books<=0.1"]}, "largest to 0.3"),
        ({"available": {"code": 1e9}}, "say the tokens trained on"),
        ({"max_repeats": {"cde": 4.0}}, r"did you mean \['code"),
        ({"max_repeats": {"code": 4.0}}, "as in --available code=2B"),
        ({"max_repeats": {"": 4.0}}, "--max-repeats 4: of which tokens"),
        ({"today": {"code": 0.4, "web": 0.4}}, "these sum to 0.8"),
        ({"today": {"code": 40, "web": 60}}, "divide them by 100"),
        ({"law": "exponentail"}, r"did you mean \['exponential"),
    ],
)
def test_what_there_is_not_is_refused_with_the_nearest(options, part):
    runs = read_mixtures(table(n=12, sizes=("10M",)))
    with pytest.raises(ValueError, match=part):
        nstar.mix(runs, **options)


def test_a_row_that_is_empty_is_left_out_and_a_gap_is_no_trouble():
    columns = table(n=20, sizes=("10M",))
    for name in ("loss_code", "loss_web"):
        columns[name] = columns[name].copy()
        columns[name][5] = np.nan
    columns["loss_web"][:3] = np.nan
    runs = read_mixtures(columns)
    assert len(runs) == 19
    fit = fit_losses(
        runs.domains, runs.shares, runs.N, runs.D, runs.losses, runs.values
    )
    assert [len(s[0].shares) for s in fit.surfaces] == [19, 16]


def test_the_command_prints_its_answer_and_draws_it(tmp_path):
    columns = table(n=16)
    lines = [",".join(columns)]
    lines += [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    (tmp_path / "proxies.csv").write_text("\n".join(lines))
    (tmp_path / "today.csv").write_text("domain,share\ncode,0.5\nweb,0.5\n")
    words = ["mix", str(tmp_path / "proxies.csv"), "--target", "0.5*code+0.5*web"]
    words += ["--at", "1B,20B", "--today", str(tmp_path / "today.csv"), "--next", "1"]
    words += ["--available", "web=2B", "--max-repeats", "4"]
    words += ["--figure", str(tmp_path / "mix.svg"), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    hold(MIX, document)
    assert document["N"] == 1e9
    assert document["runs"] == 32
    assert document["domains"][1]["most"] == pytest.approx(0.4)
    assert set(document["mixtures"]) == {"chosen", "best measured", "today"}
    assert len(document["next_runs"]) <= 1
    assert (tmp_path / "mix.svg").read_text().startswith("<?xml")


def test_uneven_weights_of_hyperparameters_are_said(monkeypatch):
    """Of few rows they are drawn by weights, whose worth a check holds against the draws."""
    runs = read_mixtures(table())
    answer = nstar.mix(runs, next_runs=0)
    worth = [surfaces[0].effective for surfaces in answer.choice.fit.surfaces]
    assert all(1 <= w <= fitting.PROPOSALS for w in worth)
    named = {c.name for c in answer.checks()}
    assert ("draws" in named) == (min(worth) < fitting.SURFACES)
    narrow = np.linalg.eigh

    def too_narrow(matrix):
        values, vectors = narrow(matrix)
        return 400 * values, vectors

    monkeypatch.setattr(np.linalg, "eigh", too_narrow)
    poor = {c.name: c.status for c in nstar.mix(runs, next_runs=0).checks()}
    assert poor.get("draws") == "REVIEW"
