from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

import nstar
from nstar.departures.discrepancy import PARTS, bend, bendable
from nstar.fits.mixture import Average, thinned
from nstar.laws.coupled import Coupled
from nstar.laws.examples import profiles
from nstar.laws.kaplan import Kaplan
from nstar.noises.likelihoods import StudentT
from nstar.plans.planning import _on_edge
from nstar.predictions import allocating
from nstar.predictions.allocating import search_window
from nstar.samplers import density, flat
from nstar.samplers.density import Data
from nstar.samplers.nuts import Settings
from nstar.samplers.targets import Model, find_target
from nstar.validation.checks import _check_edge
from nstar.verdicts import Check, Status

QUICK = Settings(chains=2, warmup=200, draws=1000)
LENGTHS = {
    "along": (5.0, np.inf),
    "tokens": (2.0, np.inf),
    "across": (6.0, 3.0),
    "local": (1.2, 1.2),
}


def design():
    x = profiles()
    return x | {"L": np.exp(-0.01 * np.log(x["N"] * x["D"] / 1e18))}


def matern(r):
    return (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r)


def distance(part, n, d):
    """In lengths, between all pairs of runs."""
    first, second = {"tokens": (d, n), "local": (n, d)}.get(part, (n + d, d - n))
    along = (first[:, None] - first) / LENGTHS[part][0]
    return np.hypot(along, (second[:, None] - second) / LENGTHS[part][1])


def pinned(K, pin):
    """Covariance of a process less its value at the centre, the last of the points."""
    return (K - K[:, -1:] - K[-1:] + K[-1, -1])[:-1, :-1] if pin else K[:-1, :-1]


def process(part, n, d, pin):
    """The exact process that waves stand for."""
    return pinned(matern(distance(part, np.r_[n, 0], np.r_[d, 0])), pin)


def covariance(waves, n, d):
    with jax.enable_x64(True):
        columns = np.asarray(waves.columns(n, d))
    return columns @ columns.T


@pytest.mark.parametrize(
    ("part", "error"),
    [("along", 0.06), ("tokens", 0.06), ("across", 0.2), ("local", 0.3)],
)
def test_waves_have_the_covariance_of_a_matern_process(part, error):
    x = profiles()
    n, d = np.log(x["N"] / 1e8), np.log(x["D"] / 1e10)
    waves = getattr(bend(Coupled(), x), part)
    r = distance(part, n, d)
    off = np.abs(covariance(waves, n, d) - process(part, n, d, waves.pin))
    assert off[r < 2].max() < (4 if waves.pin else 1) * error  # of four covariances


@pytest.mark.parametrize("part", PARTS)
def test_the_process_is_as_uncertain_far_away_as_at_the_runs(part):
    waves = getattr(bend(Coupled(), profiles()), part)
    far = np.array([0.0, 5.0, 40.0, -100.0])
    drawn = replace(waves, pin=0.0)  # as before its value at the centre is taken off
    assert np.diag(covariance(drawn, far, 2 * far)) == pytest.approx(np.ones(4))
    drawn = np.diag(covariance(waves, far, 2 * far))
    assert drawn[0] == pytest.approx(1.0 - waves.pin)
    assert drawn[1:] == pytest.approx(
        np.full(3, 1.0 + waves.pin), abs=0.6 * waves.pin + 1e-9
    )


def test_a_local_bend_is_wider_for_smaller_runs_and_no_narrower_beyond_the_largest():
    x = profiles()
    law = bend(Coupled(), x)
    n, d = np.log(x["N"]) - law.log_N0, np.log(x["D"]) - law.log_D0
    with jax.enable_x64(True):
        wider = np.asarray(law.faded(n, d))
        beyond = float(law.faded(n.max() + 5, d.max() + 5))
    assert wider == pytest.approx((x["C"] / x["C"].max()) ** -0.3)
    assert beyond == 1.0


@pytest.fixture(scope="module")
def marginalised():
    """A bent law, its runs, and the law told for the sampler before and after a look."""
    x, key = profiles(), jax.random.key(0)
    law = bend(Coupled().at(x, nstar.read_runs(design()).cost), x)
    rng = np.random.default_rng(0)
    y = np.log(1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28)
    data = Data(x, y + 0.004 * rng.standard_t(3, size=len(y)))
    with jax.enable_x64(True):
        prior = density.prior_draws(law, StudentT(), {}, key, 200)
        target = find_target(Model(law, StudentT(), {}, data, prior))
    unguided, x = law.marginalise(x)
    linearised = target.skeleton.fill(target.problem[0])[0], target.problem[2]
    return SimpleNamespace(
        law=law, y=y, both=((unguided, data._replace(x=x)), linearised)
    )


@pytest.mark.parametrize("linearised", [0, 1])
def test_the_log_width_is_that_of_the_change_of_variables(marginalised, linearised):
    """Against the determinant of its derivatives: a change of variables, no other model."""
    law, data = marginalised.both[linearised]
    with jax.enable_x64(True):
        priors = density.tabulated(law, StudentT(), {})
        u, named = ravel_pytree(flat.origin(law, StudentT(), priors))
        amplitudes = {"across": -2.0, "along": -4.0, "local": -6.0, "tokens": -4.0}
        at = named(0.5 * jax.random.normal(jax.random.key(1), u.shape))
        at |= {f"bend_{p}": np.asarray(v) for p, v in amplitudes.items()}
        at |= {"sigma": np.asarray(-5.5)}

        def real(u):
            return ravel_pytree(
                density.reparameterise(law, StudentT(), priors, data, named(u))[1]
            )[0]

        u = ravel_pytree(at)[0]
        by_hand = np.linalg.slogdet(jax.jit(jax.jacrev(real))(u))[1]
        width = density.reparameterise(law, StudentT(), priors, data, at)[2]
    assert float(width) == pytest.approx(by_hand, abs=1e-6)


def test_the_bend_is_centred_on_the_residuals_of_the_law(marginalised):
    """Whatever the law says, the bend it leads to goes through the runs, about."""
    law, data = marginalised.both[1]
    with jax.enable_x64(True):
        priors = density.tabulated(law, StudentT(), {})
        u = flat.origin(law, StudentT(), priors)
        u |= {f"bend_{p}": np.log(0.1) for p in ("along", "across")}
        u |= {
            "bend_tokens": np.log(0.03),
            "bend_local": np.log(0.003),
            "sigma": np.log(0.003),
        }
        for name in Coupled().priors():
            conditioned, real, _ = density.reparameterise(
                law, StudentT(), priors, data, u | {name: 4.0 + 0 * u[name]}
            )
            params = density.on_support(law, StudentT(), priors, real)
            straight = np.asarray(law.law.expected(params, data.x))
            bent = np.asarray(conditioned.expected(params, data.x))
            assert np.std(marginalised.y - bent) < max(
                0.15 * np.std(marginalised.y - straight), 0.006
            )


@pytest.mark.parametrize("linearised", [0, 1])
def test_recovered_weights_bend_the_runs_as_the_marginalised_law_does(
    marginalised, linearised
):
    """And drawn from the prior they are the prior's: standard normal, none with another."""
    law, data = marginalised.both[linearised]
    with jax.enable_x64(True):
        key = jax.random.key(2)
        params = density.prior_draws(law, StudentT(), {}, key, 4000)
        weights = marginalised.law.draw_conditional(
            np.random.default_rng(2), law, params, data.x
        )
        few = (
            {n: v[:50] for n, v in weights.items()},
            {n: v[:50] for n, v in params.items()},
        )
        bent, bent_at_runs = (
            np.asarray(jax.vmap(lambda p, one=one: one.expected(p, data.x))(p))
            for one, p in zip((marginalised.law, law), few, strict=True)
        )
    usual = np.asarray(params["bend_across"][:50]) < 0.1
    assert np.abs(bent - bent_at_runs)[usual].max() < 2e-3
    w = np.concatenate([weights[f"waves_{p}"] for p in PARTS], axis=1)
    assert w.mean(axis=0) == pytest.approx(0, abs=0.08)
    assert w.std(axis=0) == pytest.approx(1, abs=0.06)
    assert np.abs(np.corrcoef(w.T) - np.eye(w.shape[1])).max() < 0.09


def test_the_bend_never_crosses_the_floor():
    law = bend(Coupled(), profiles())
    params = {n: 0.5 for n in Coupled().priors()} | {f"bend_{p}": 3.0 for p in PARTS}
    params |= {f"waves_{p}": -2 * np.ones(getattr(law, p).size) for p in PARTS}
    loss = law.loss(params, np.geomspace(1e6, 1e13, 50), np.geomspace(1e13, 1e6, 50))
    assert np.all(np.asarray(loss) >= float(law.floor(params)))


TAU = {"along": 0.03, "tokens": 0.02, "across": 0.05, "local": 0.002}
SIGMA = 0.01  # of a run
NEW = {"N": np.array([3e9, 1e11]), "D": np.array([1e11, 1e11])}  # beside and beyond


def covariances(law, x):
    """Of the bend at the runs and at new ones, as waves have it and as the process has."""
    both = {"N": np.r_[x["N"], NEW["N"]], "D": np.r_[x["D"], NEW["D"]]}
    n, d = np.log(both["N"]) - law.log_N0, np.log(both["D"]) - law.log_D0
    sd = {p: np.full(len(n), TAU[p]) for p in PARTS}
    sd["local"] *= np.asarray(law.faded(n, d))
    waves, exact = (
        sum(np.outer(s, s) * kernel(getattr(law, p), p) for p, s in sd.items())
        for kernel in (
            lambda w, p: covariance(w, n, d),
            lambda w, p: process(p, n, d, w.pin),
        )
    )
    return waves, exact


def conditional(K, y):
    """Mean and sd at the new runs, given what the runs have beside the law, (run, ...)."""
    m = len(y)
    gain = K[m:, :m] @ np.linalg.inv(K[:m, :m] + SIGMA**2 * np.eye(m))
    return gain @ y, np.sqrt(np.diag(K[m:, m:] - gain @ K[:m, m:]))


def made(K, rng, size):
    """Bends at the runs with their noise, (run, draw), of a process of covariance K."""
    m = len(K) - len(NEW["N"])
    root = np.linalg.cholesky(K[:m, :m] + SIGMA**2 * np.eye(m))
    return root @ rng.normal(size=(m, size))


@pytest.mark.parametrize(("each", "off_by", "surer"), [(8, 0.7, 0.65), (40, 1.1, 0.5)])
def test_waves_predict_about_as_the_process_they_stand_for(rng, each, off_by, surer):
    """Finitely many are surer beside the runs; the 24 pairs of `across` make most of it.

    48 and 240 runs; the more runs, the less the process leaves open, so in its sd's the
    difference grows.
    """
    x = profiles(each)
    waves, exact = covariances(bend(Kaplan(), x), x)
    y = made(exact, rng, 4000)
    (ours, narrow), (theirs, sd) = conditional(waves, y), conditional(exact, y)
    off = np.sqrt(np.mean(np.square(ours - theirs), axis=1)) / sd
    assert np.all(off < off_by), off
    assert np.all((narrow / sd > surer) & (narrow / sd < 1.05)), narrow / sd


@pytest.mark.slow
def test_posterior_is_that_of_the_waves_in_closed_form():
    """Kaplan's law has no floor, so its log loss is the law plus the process, exactly."""
    x = profiles()
    truth = {"level": 3.0, "size_share": 0.4, "alpha1": 0.5, "exponent_sum": 0.2}
    truth = {n: truth.get(n, 0.5) for n in Kaplan().priors()}
    law = bend(Kaplan().at(x, nstar.read_runs(design()).cost), x)
    waves, exact = covariances(law, x)
    left = made(exact, np.random.default_rng(3), 1)[:, 0]
    y = np.log(np.asarray(law.law.loss(truth, x["N"], x["D"]))) + left

    fixed = {k: dist.LogNormal(np.log(v), 1e-4) for k, v in truth.items()}
    fixed |= {f"bend_{p}": dist.LogNormal(np.log(t), 1e-4) for p, t in TAU.items()}
    fixed |= {"sigma": dist.LogNormal(np.log(SIGMA), 1e-4)}
    fit = nstar.fit(x | {"L": np.exp(y)}, "kaplan", "normal", fixed, settings=QUICK)
    drawn = np.log(nstar.predict(fit, NEW["N"], NEW["D"])["loss"].to_numpy())
    drawn -= np.log(np.asarray(law.law.loss(truth, NEW["N"], NEW["D"])))

    mean, sd = conditional(waves, left)
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.15 * sd.max())
    assert drawn.std(axis=0) == pytest.approx(sd, rel=0.12)


@contextmanager
def programs(name):
    """Count the programs of this name that are compiled or loaded meanwhile."""
    seen = []

    def listen(event, duration, fun_name=None, **kwargs):
        if event.endswith("backend_compile_duration") and name in str(fun_name):
            seen.append(fun_name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def test_it_is_on_by_default_and_off_by_name(tmp_path):
    tiny = Settings(chains=2, warmup=250, draws=250, max_tree_depth=6, pilot=250)
    x, rng = profiles(), np.random.default_rng(0)
    L = 1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28
    table = x | {"L": L * np.exp(0.003 * rng.normal(size=len(L)))}
    with programs("explore") as compiled:
        bent = nstar.fit(table, "chinchilla", settings=tiny)
    assert len(compiled) <= 1  # whatever asks for it, and none where another test has
    straight = nstar.fit(table, "chinchilla", settings=tiny, discrepancy="none")
    assert set(bent.draws) > set(straight.draws)
    back = nstar.load(bent.save(tmp_path / "bent.nc"))
    N, D = np.array([1e10]), np.array([3e11])
    assert np.array_equal(
        nstar.predict(back, N, D)["loss"], nstar.predict(bent, N, D)["loss"]
    )
    at = nstar.plan(bent, 1e22).table()[0]
    p = bent.tree["posterior"].dataset  # Hoffmann's eq. 4
    G = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    line = G * (1e22 / 6) ** (p["beta"] / (p["alpha"] + p["beta"]))
    assert at["N_law"]["median"] == pytest.approx(np.median(line), rel=1e-6)
    assert 0 <= at["on_edge"] <= 1
    C = np.array([1e22])
    usual, wide = (
        np.log(
            allocating._optima(bent, bent.law, C, allocating.search_window(bent, by))[0]
        )
        for by in (allocating.WIDENED, 2 * allocating.WIDENED)
    )
    low, high = np.quantile(usual, [0.05, 0.95])
    assert np.quantile(wide, [0.05, 0.95]) == pytest.approx(
        [low, high], abs=0.1 * (high - low)
    )


@pytest.mark.parametrize(
    ("name", "prior", "words"),
    [
        ("bend_local", "Uniform(0, 1)", "not over all positive numbers"),
        ("waves_local", "Normal(0, 1)", "give the amplitude bend_local another prior"),
    ],
)
def test_priors_that_the_sampler_of_a_bend_cannot_take_are_refused(name, prior, words):
    x = profiles()
    L = 1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28
    with pytest.raises(ValueError, match=words):
        nstar.fit(x | {"L": L}, "coupled", priors={name: prior})


def test_a_law_is_bent_once():
    x = profiles()
    law = bend(Coupled(), x)
    assert bendable(Coupled())
    assert not bendable(law)
    with pytest.raises(ValueError, match="no discrepancy can act on it"):
        bend(law, x)


def test_draws_at_the_ends_of_the_search_are_counted_where_the_law_bends(
    bent_fit, surface_fit
):
    low, high = search_window(bent_fit)
    middle = np.sqrt(low * high)
    ratio = np.array([[low], [middle], [middle], [high]])
    assert _on_edge(bent_fit, ratio) == pytest.approx([0.5])
    assert _on_edge(surface_fit, ratio) == pytest.approx([0.0])
    few = thinned(bent_fit, 4), thinned(surface_fit, 4)
    both = Average(few, ("a", "b"), (0.5, 0.5), Check("weights", Status.PASS, ""))
    assert _on_edge(both, ratio) == pytest.approx([0.25])  # the last two do not bend


@pytest.mark.parametrize(("share", "status"), [(0.04, "PASS"), (0.06, "REVIEW")])
def test_more_than_one_draw_in_twenty_on_the_edge_is_for_review(share, status):
    draws = xr.Dataset({"on_edge": ("budget", np.array([0.0, share]))})
    plan = SimpleNamespace(draws=draws, budgets=np.array([1e22, 1e23]))
    (check,) = _check_edge(plan)
    assert check.status.name == status
    assert ("one-sided" in check.detail) == (status == "REVIEW")


def test_a_law_that_cannot_bend_says_so():
    with pytest.raises(ValueError, match="no discrepancy can act on it"):
        nstar.fit("llama3", "compute", discrepancy="waves")
    with pytest.raises(ValueError, match="there are waves, none"):
        nstar.fit("llama3_optima", "allocation", discrepancy="gp")
