"""Partial pooling: the hierarchy is the one it says, and a group borrows from the others."""

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import nstar
from conftest import BRIEF, FALSE_ALARM
from nstar.costs.training import SIX
from nstar.departures.discrepancy import bend
from nstar.departures.pooling import Pooled, pool_placed
from nstar.fits.groups import check_groups
from nstar.fits.model import parse_model
from nstar.laws import LAWS
from nstar.laws.chinchilla import Chinchilla
from nstar.laws.compute import Compute
from nstar.laws.examples import profiles
from nstar.responses.scales import NORMALISED_LOSS
from nstar.runs.observations import Observations
from nstar.samplers import density, search
from nstar.samplers.nuts import Settings
from nstar.samplers.targets import Model, find_target
from nstar.validation.calibration import calibrate
from test_json import PLAN, hold
from test_oracles import assert_moments

QUICK = Settings(chains=2, warmup=200, draws=1000, enough=400)
NAMES = ("a", "b", "c", "d", "e")
FAST = ("allocation_free", "chinchilla", "sparsity")
POOLABLE = [name for name in LAWS if name not in {"isoflop", "repeated_by_size"}]


def design(counts=(12, 12, 12, 12, 4)):
    """Ladders of 1e18 to 1e21 FLOP in five groups; the last has four runs, to 1e19."""
    tops = [1e21] * 4 + [1e19]
    C = np.concatenate(
        [np.geomspace(1e18, t, n) for t, n in zip(tops, counts, strict=True)]
    )
    return {"C": C, "recipe": np.repeat(np.arange(5.0), counts)}


def placed(law=None):
    x = design()
    return Pooled(law or Compute(), NAMES, "recipe").at(x, SIX), x


def prior_draws(law, count=3000, priors=None):
    noise = parse_model(law, "normal").noise
    with jax.enable_x64(True):
        return density.prior_draws(law, noise, priors or {}, jax.random.key(0), count)


def real(values):
    """Level and gamma by their logs, shares by their logits."""
    return {
        n: np.log(v) - (np.log1p(-v) if n == "floor_share" else 0)
        for n, v in values.items()
    }


@pytest.mark.parametrize("bent", [False, True])
def test_the_search_ends_at_a_mode(bent):
    """A pooled law leads its bend, or nothing; neither is left where a rough search ends."""
    law, x = placed()
    if bent:
        x = {name: values[::4] for name, values in profiles().items()}
        x["recipe"] = np.arange(len(x["N"])) % 2.0
        inner = Chinchilla().at(x, SIX)
        law = Pooled(bend(inner, x), NAMES[:2], "recipe")
        common = tuple(n for n in law.law.priors() if n not in inner.priors())
        law = replace(law, common=common).about(x)
    noise = parse_model(law, "student_t").noise
    with jax.enable_x64(True):
        prior = density.prior_draws(law, noise, {}, jax.random.key(0), 200)
        y = law.expected({n: v[0] for n, v in prior.items()}, x)
        y = np.asarray(y) + np.random.default_rng(0).normal(0, 0.003, len(y))
        target = find_target(Model(law, noise, {}, density.Data(x, y), prior))
        mode = target.peaks[0].mode
        slopes = search.slopes_of(target.skeleton, target.problem)
        slope = slopes(mode.at[None, None], search.ALL_REQUESTED)[1][0, 0]
    assert np.abs(mode.width.T @ slope).max() < 0.05


def test_groups_scatter_about_the_population_as_the_spread_says():
    """Whatever is centred: sd of a group's unknown about the population is the spread."""
    law, _ = placed()
    assert law.known[0, :4].min() > 0.9  # the level is pinned by twelve runs
    assert law.known.min() < 0.7
    for known in (law.known, np.zeros_like(law.known), np.ones_like(law.known)):
        drawn = prior_draws(replace(law, known=known))
        with jax.enable_x64(True):
            own = jax.vmap(law.__class__.values, (None, 0))(
                replace(law, known=known), drawn
            )
        own, centre = real(own), real({n: drawn[n] for n in own})
        for name in own:
            z = (own[name] - np.asarray(centre[name])[:, None]) / np.asarray(
                drawn[f"spread_{name}"]
            )[:, None]
            assert np.std(z, axis=0) == pytest.approx(np.ones(5), rel=0.06)
            assert np.abs(np.mean(z, axis=0)).max() < 0.08


def test_the_next_group_is_one_of_the_population():
    law, _ = placed()
    drawn = prior_draws(law)
    keys = jax.random.split(jax.random.key(1), 3000)
    with jax.enable_x64(True):
        z = real(jax.vmap(law.draw_next_group)(keys, drawn))["gamma"] - np.log(
            drawn["gamma"]
        )
    assert np.std(z / np.asarray(drawn["spread_gamma"])) == pytest.approx(1, rel=0.06)


def test_usual_spreads_are_a_fifth_of_the_priors_own():
    law, _ = placed()
    assert law.differing == ("level", "floor_share", "gamma")
    assert law.typical_spread[0] == pytest.approx(0.2 * 1.0, rel=0.05)  # the log's sd
    assert law.typical_spread[2] == pytest.approx(0.2 * 0.5, rel=0.05)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in FAST else pytest.mark.slow) for n in POOLABLE],
)
def test_any_law_of_numbers_is_pooled(name):
    """Each run is told by its own group's law; numbers are arguments, not constants."""
    from designs import DESIGNS

    x = DESIGNS[name]()
    inner = LAWS[name]()
    n = len(x[inner.inputs[0]])
    x = {k: x[k] for k in inner.inputs} | {"recipe": np.resize([0.0, 1.0, 2.0], n)}
    law = Pooled(inner, ("a", "b", "c"), "recipe").at(x, SIX)
    noise = parse_model(law, None).noise
    with jax.enable_x64(True):
        one, two = (
            density.split(law, noise),
            density.split(replace(law, typical_spread=2 * law.typical_spread), noise),
        )
        assert one[0] == two[0]
        assert hash(one[0]) == hash(two[0])
        draws = density.prior_draws(law, noise, {}, jax.random.key(0), 3)
        params = {k: v[0] for k, v in draws.items()}
        y = np.asarray(law.expected(params, x))
        for g in range(3):
            at = x["recipe"] == g
            alone = law.law.expected(
                law.in_group(params, g), {k: v[at] for k, v in x.items()}
            )
            np.testing.assert_allclose(y[at], alone, rtol=1e-12)
    assert np.isfinite(y).all()


def test_what_cannot_be_pooled_is_said(llama3):
    with pytest.raises(ValueError, match="IsoFLOP law cannot be pooled: log_D"):
        nstar.fit(llama3, "isoflop", pool="budget")
    with pytest.raises(ValueError, match="no unknown of the Compute law; there are"):
        _ = Pooled(Compute(), NAMES, common=("alpha1",)).differing
    assert Pooled(Compute(), NAMES, common=("gamma",)).differing == (
        "level",
        "floor_share",
    )


TABLES = {
    "no such column": ({}, "no column 'recipe' to pool over; there are C, L"),
    "one group": ({"recipe": ["a"] * 12}, "has 1 values in 12 runs"),
    "a group a run": ({"recipe": list("abcdefghijkl")}, "has 12 values in 12 runs"),
    "a run without": (
        {"recipe": [*"ababababab", "", "a"]},
        "row 11: column 'recipe' names no group",
    ),
    "next": (
        {"recipe": ["next", "a"] * 6},
        "our word for a group not seen yet; rename",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_columns_that_name_no_groups_are_refused(case):
    extra, reason = TABLES[case]
    C = np.geomspace(1e18, 1e21, 12)
    with pytest.raises(ValueError, match=reason):
        nstar.fit({"C": C, "L": 2 + 1e3 * C**-0.16} | extra, "compute", pool="recipe")


@dataclass(frozen=True)
class Mean:
    """Runs scatter about one number."""

    inputs = ("C",)
    response = NORMALISED_LOSS

    def priors(self):
        return {"mu": dist.Normal(0.0, 2.0)}

    def expected(self, params, x):
        return params["mu"] + 0 * jnp.asarray(x["C"])


def tight(value):
    return dist.LogNormal(np.log(value), 1e-4)


@pytest.mark.parametrize("spread", [0.05, 0.5, 5.0])
def test_posterior_of_a_normal_hierarchy_is_its_closed_form(spread, rng):
    """Known spread s and noise: (mu, mu_1 ... mu_5) given runs is a joint normal."""
    counts, sigma = np.array([1, 2, 8, 8, 3]), 0.4
    group = np.repeat(NAMES, counts)
    y = rng.normal(size=5)[np.repeat(np.arange(5), counts)] + sigma * rng.normal(
        size=22
    )
    columns = {"C": np.full(22, 1e20), "L": y, "recipe": group}
    runs = Observations(columns, np.arange(22), "oracle", "", SIX)
    fixed = {"sigma": tight(sigma), "spread_mu": tight(spread)}
    fit = nstar.fit(runs, Mean(), "normal", fixed, pool="recipe", seed=2)
    one = np.repeat(np.eye(5), counts, axis=0)
    cov = 4.0 * np.ones((6, 6)) + spread**2 * np.diag([0.0, 1, 1, 1, 1, 1])
    X = np.hstack([np.zeros((22, 1)), one])
    gain = cov @ X.T @ np.linalg.inv(X @ cov @ X.T + sigma**2 * np.eye(22))
    mean, cov = gain @ y, cov - gain @ X @ cov
    posterior = fit.tree["posterior"]
    assert_moments(posterior["mu"].to_numpy(), mean[0], np.sqrt(cov[0, 0]))
    for i, name in enumerate(NAMES):
        own = posterior["mu_by_group"].sel(group=name).to_numpy()
        assert_moments(own, mean[i + 1], np.sqrt(cov[i + 1, i + 1]))


@pytest.mark.parametrize("runs_each", [(1, 2, 8, 8, 3), (30, 30, 30, 30, 2)])
def test_posterior_of_unknown_spread_and_noise_is_that_of_quadrature(runs_each, rng):
    """Given both, (mu, mu_1 ... mu_5) is a joint normal; they are a grid of two."""
    counts = np.array(runs_each)
    truths = rng.normal(size=5)
    y = np.repeat(truths, counts) + 0.4 * rng.normal(size=counts.sum())
    columns = {"C": np.full(len(y), 1e20), "L": y, "recipe": np.repeat(NAMES, counts)}
    runs = Observations(columns, np.arange(len(y)), "oracle", "", SIX)
    log_normal = dist.LogNormal(np.log(0.5), 0.7)
    unknown = {"sigma": log_normal, "spread_mu": log_normal}
    fit = nstar.fit(runs, Mean(), "normal", unknown, pool="recipe", seed=2)
    X = np.hstack([np.zeros((len(y), 1)), np.repeat(np.eye(5), counts, axis=0)])
    logs = np.log(0.5) + 0.7 * np.linspace(-5, 5, 101)
    prior = stats.norm.logpdf(logs, np.log(0.5), 0.7)
    spread, sigma = (v.ravel() for v in np.meshgrid(logs, logs))
    density = np.add.outer(prior, prior).ravel()
    moments = np.empty((len(spread), 6, 2))
    for i, (s, noise) in enumerate(np.exp(np.stack([spread, sigma], axis=1))):
        # by the six means, of which the runs are sums: Woodbury's small side
        precision = np.linalg.inv(4.0 + s**2 * np.diag([0.0, 1, 1, 1, 1, 1]))
        after = precision + X.T @ X / noise**2
        mean = np.linalg.solve(after, X.T @ y / noise**2)
        moments[i] = np.stack([mean, mean**2 + np.diag(np.linalg.inv(after))], axis=1)
        log_det = np.linalg.slogdet(precision)[1] - np.linalg.slogdet(after)[1]
        density[i] += log_det / 2 - len(y) * np.log(noise)
        density[i] += (mean @ after @ mean - y @ y / noise**2) / 2
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    posterior = fit.tree["posterior"]
    for name, values in (("spread_mu", spread), ("sigma", sigma)):
        mean = weight @ values
        sd = np.sqrt(weight @ (values - mean) ** 2)
        assert_moments(np.log(posterior[name].to_numpy()), mean, sd)
    first, second = np.einsum("i,ijk->kj", weight, moments)
    each = [posterior["mu"], *posterior["mu_by_group"].transpose("group", ...)]
    for draws, mean, square in zip(each, first, second, strict=True):
        assert_moments(draws.to_numpy(), mean, np.sqrt(square - mean**2))


def ladders(seed, counts=(12, 12, 12, 12, 4), spreads=0.1):
    """Groups about one population, each with its own level, floor and exponent."""
    rng, x = np.random.default_rng(seed), design(counts)
    z = spreads * rng.normal(size=(3, 5))
    level, gamma = 3.0 * np.exp(z[0]), 0.15 * np.exp(z[1])
    share = 1 / (1 + np.exp(-(0.6 + 2 * z[2])))
    g = x["recipe"].astype(int)

    def loss(C, g):
        return level[g] * (share[g] + (1 - share[g]) * (C / 1e19) ** -gamma[g])

    L = loss(x["C"], g) * np.exp(0.004 * rng.normal(size=len(g)))
    return {"C": x["C"], "L": L, "recipe": np.array(NAMES)[g]}, loss


def told(fit, C, group=None):
    draws = nstar.predict(fit, x={"C": np.array([C])}, group=group)["loss"]
    return np.quantile(np.log(draws.to_numpy()[:, 0]), [0.05, 0.5, 0.95])


@pytest.mark.slow
def test_a_family_of_four_runs_borrows_from_the_others():
    """A decade and a half beyond its runs: nearer, narrower, and as often right."""
    errors, widths, held = [], [], []
    for seed in range(16):
        table, loss = ladders(seed)
        truth = float(np.log(loss(3e20, 4)))
        small = {n: v[table["recipe"] == "e"] for n, v in table.items()}
        pooled = nstar.fit(table, "compute", pool="recipe", settings=QUICK)
        alone = nstar.fit(small, "compute", settings=QUICK)
        both = told(pooled, 3e20, "e"), told(alone, 3e20)
        errors.append([q[1] - truth for q in both])
        widths.append([q[2] - q[0] for q in both])
        held.append([q[0] <= truth <= q[2] for q in both])
    rms, width = np.sqrt(np.mean(np.square(errors), axis=0)), np.mean(widths, axis=0)
    assert rms[0] < 0.7 * rms[1]
    assert width[0] < 0.7 * width[1]
    assert np.mean(held, axis=0)[0] >= 12 / 16  # fewer has probability 0.02 at 90 %


@pytest.fixture(scope="module")
def pooled():
    table, _ = ladders(1)
    return nstar.fit(table, "compute", pool="recipe", settings=QUICK)


@pytest.mark.parametrize(
    ("spread", "like"), [(1e-3, "one law for all"), (30.0, "alone")]
)
def test_limits_are_complete_and_no_pooling(spread, like):
    """Spread to zero: the fit without groups.  Spread without bound: each group's own."""
    table, _ = ladders(3, counts=(8, 8, 8, 8, 8), spreads=0.0 if spread < 1 else 0.1)
    names = ("level", "floor_share", "gamma")
    fixed = {f"spread_{n}": tight(spread) for n in names}
    if spread > 1:  # a population that says nothing, but what priors say of one group
        table |= {"C": np.tile(np.geomspace(1e18, 1e21, 8), 5)}
        table["L"] = (
            3.0
            * np.repeat([0.8, 0.9, 1.0, 1.1, 1.2], 8)
            * (0.3 + 0.7 * (table["C"] / 1e19) ** -0.1)
        )
        fixed = {
            "spread_level": tight(spread),
            "spread_floor_share": tight(1e-3),
            "spread_gamma": tight(1e-3),
        }
    fit = nstar.fit(table, "compute", "normal", fixed, pool="recipe", settings=QUICK)
    own = fit.tree["posterior"]["level_by_group"]
    if like == "alone":
        for i, group in enumerate(NAMES):  # no shrinkage toward the middle
            level = float(own.sel(group=group).mean())
            assert level == pytest.approx(
                float(own.sel(group="c").mean()) * (0.8 + 0.1 * i), rel=2e-3
            )
        return
    whole = nstar.fit(table, "compute", "normal", settings=QUICK)
    for name in names:
        a, b = (f.tree["posterior"][name].to_numpy() for f in (fit, whole))
        assert a.mean() == pytest.approx(b.mean(), abs=0.25 * b.std())
        assert a.std() == pytest.approx(b.std(), rel=0.2)


def test_a_group_is_named_and_the_next_one_is_less_sure(pooled):
    rows = {g: told(pooled, 1e21, g) for g in (*NAMES, "next")}
    widths = {g: q[2] - q[0] for g, q in rows.items()}
    assert widths["next"] > widths["e"] > widths["a"]
    for call in (
        lambda g: told(pooled, 1e21, g),
        lambda g: nstar.plan(pooled, 1e21, group=g),
    ):
        with pytest.raises(
            ValueError,
            match="pooled over recipe: name a group, one of a, b, c, d, e, or 'next'",
        ):
            call(None)
        with pytest.raises(
            ValueError, match="no group 'f' among the runs; there are a, b, c, d, e"
        ):
            call("f")


def test_a_plain_fit_has_no_groups(allocation_fit):
    with pytest.raises(ValueError, match="this fit has no groups; fit with pool="):
        nstar.plan(allocation_fit, 1e24, group="a")


def test_a_pooled_fit_is_labelled_saved_and_loaded(pooled, tmp_path):
    posterior = pooled.tree["posterior"]
    assert posterior["gamma_by_group"].dims == ("chain", "draw", "group")
    assert list(posterior["group"].to_numpy()) == list(NAMES)
    assert "spread_gamma" in pooled.summary().index
    assert "offset_gamma[a]" not in pooled.summary().index
    assert str(pooled).startswith("Compute law, pooled over 5 groups by recipe")
    back = nstar.load(pooled.save(tmp_path / "pooled.nc"))
    assert back.law == pooled.law
    np.testing.assert_array_equal(back.law.known, pooled.law.known)
    assert back.tree.identical(pooled.tree)
    np.testing.assert_array_equal(told(back, 1e21, "next"), told(pooled, 1e21, "next"))
    one = nstar.fits.groups.in_group(pooled, "e")
    assert len(one.runs) == 4
    nstar.check_fit(one)
    with pytest.raises(ValueError, match="save the pooled fit, and name the group"):
        one.save(tmp_path / "one.nc")


def test_checks_say_who_leans_on_whom():
    table, _ = ladders(1, counts=(12, 12, 12, 12, 3))
    few = {n: v[np.isin(table["recipe"], ["a", "b", "e"])] for n, v in table.items()}
    fit = nstar.fit(few, "compute", pool="recipe", settings=QUICK)
    (said,) = [c for c in nstar.check_fit(fit) if c.name == "groups"]
    assert said.status.name == "REVIEW"
    assert "with fewer than 5 their spreads stay near the prior" in said.detail
    assert said.detail.endswith("the others speak for e (3 runs)")


def test_a_bend_is_common_to_all_groups():
    """Where waves are asked for the law's numbers differ between groups, the waves not."""
    x = profiles()
    recipe = np.resize(np.repeat(["a", "b"], 8), 48)
    runs = nstar.read_runs(x | {"L": 2 + 4e3 * x["C"] ** -0.2, "recipe": recipe})
    bent = bend(Chinchilla().at(x, SIX), x)
    law, x = pool_placed(Pooled(Chinchilla(), over="recipe"), bent, runs, x)
    assert law.differing == tuple(Chinchilla().priors())
    assert {"bend_along", "waves_across"} <= set(law.common)
    drawn = prior_draws(law, 1)
    params = {n: v[0] for n, v in drawn.items()}
    with jax.enable_x64(True):
        both = law.expected(params, x)
        one = bent.expected(law.in_group(params, 1), x)
    np.testing.assert_allclose(both[recipe == "b"], one[recipe == "b"], rtol=1e-12)
    checks = check_groups(SimpleNamespace(law=law, runs=runs))
    assert "form of the law" not in {c.name for c in checks}
    straight = replace(law, law=Chinchilla(), common=())
    checks = check_groups(SimpleNamespace(law=straight, runs=runs))
    (said,) = [c for c in checks if c.name == "form of the law"]
    assert "too narrow" in said.detail


def test_one_word_pools_on_the_command_line(tmp_path, nstar):
    """Fit, save, plan and compare one group; the JSON names the groups and the one meant."""
    rng, C = np.random.default_rng(0), np.tile(np.geomspace(6e18, 1e22, 8), 3)
    corpus = np.repeat(["web", "code", "books"], 8)
    D = 2.3 * C**0.5 * np.exp(0.1 * rng.normal(size=24))
    rows = [
        f"{c!r},{d!r},{name}"
        for c, d, name in zip(C.tolist(), D.tolist(), corpus, strict=True)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(["C,D,corpus", *rows]))

    saved = tmp_path / "pooled.nc"
    fitting = ("fit", tmp_path / "runs.csv", "--law", "allocation", "--pool", "corpus")
    code, out, _ = nstar(
        *fitting, "--out", saved, "--prior", "spread_alpha1=LogNormal(-3, 0.5)"
    )
    assert code == 0
    assert "pooled over 3 groups by corpus" in out
    assert "its spread between groups" in out
    assert "with fewer than 5 their spreads stay near the prior" in out
    plan = ("plan", saved, "--budget", "1e24")
    code, out, _ = nstar(*plan, "--group", "code", "--json")
    told = json.loads(out)
    hold(PLAN | {"pool": {"over": str, "groups": [str], "group": str}}, told)
    assert told["pool"] == {
        "over": "corpus",
        "groups": ["books", "code", "web"],
        "group": "code",
    }
    wide = json.loads(nstar(*plan, "--group", "next", "--json")[1])
    spans = [
        t["budgets"][0]["D"]["upper"] / t["budgets"][0]["D"]["lower"]
        for t in (told, wide)
    ]
    assert spans[0] < spans[1]
    for group in ((), ("--group", "wiki")):
        code, out, err = nstar(*plan, *group)
        assert (code, out) == (2, "")
        assert "books, code, web" in err
    code, out, _ = nstar("compare", saved, "--budget", "1e24", "--group", "web")
    assert code == 0
    assert "this is of web" in out
    code, _, err = nstar(
        "plan",
        tmp_path / "runs.csv",
        "--law",
        "allocation,isoflop",
        "--pool",
        "corpus",
        "--budget",
        "1e24",
    )
    assert code == 2
    assert "--pool is for one law" in err


@pytest.mark.slow
@pytest.mark.parametrize(("common", "replicates"), [((), 40), (("gamma",), 24)])
def test_a_pooled_law_is_calibrated(common, replicates):
    law = Pooled(Compute(), NAMES, "recipe", common)
    ranks = calibrate(law, design(), "normal", replicates=replicates, settings=BRIEF)
    p, name = ranks.worst()
    assert p > FALSE_ALARM, f"{name}: {np.sort(ranks.values[name])}"
    assert "offset_level[4]" in ranks.values
