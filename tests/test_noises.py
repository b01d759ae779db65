"""Each likelihood is the density it says, and finds what its runs were made with."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

import nstar
from conftest import BRIEF, FALSE_ALARM
from designs import DESIGNS, optima
from nstar.fits.model import parse_model
from nstar.fits.unknown_words import WORDS
from nstar.laws.examples import profiles
from nstar.noises.likelihoods import NOISES
from nstar.noises.one_sided import NormalPlusExponential
from nstar.noises.shared import Between, Repeated, SharedStudentT
from nstar.responses.scales import LOG_LOSS
from nstar.samplers.nuts import Settings
from nstar.validation.calibration import calibrate

QUICK = Settings(chains=2, warmup=200, draws=1000)
GROUP = np.array([2.0, 0.0, 2.0, 1.0, 0.0, 2.0, 7.0])
ONE_RESPONSE = [
    name
    for name in NOISES
    if name not in {"correlated", "bounded", "two_steps", "binomial", "mistuned"}
]


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("scale", "excess"), [(1.0, 1.0), (0.3, 2.0), (2.0, 0.05)])
def test_one_sided_density_is_that_of_an_exgaussian(scale, excess):
    y = np.linspace(-6, 12, 101)
    ours = NormalPlusExponential(0.4, scale, excess).log_prob(y)
    theirs = stats.exponnorm(excess / scale, 0.4, scale).logpdf(y)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 0.08, 1.0, 1e3, 1e6])
def test_one_sided_density_and_gradient_hold_wherever_scales_go(ratio):
    """Against quadrature of the convolution, and its limit, a plain normal."""

    def log_density(r, log_ratio):
        return NormalPlusExponential(0.0, 1.0, jnp.exp(log_ratio)).log_prob(r)

    for r in (-30.0, -3.0, 0.0, 2.0, 40.0):
        value, slopes = jax.value_and_grad(log_density, (0, 1))(r, np.log(ratio))
        assert np.isfinite([value, *slopes]).all()
        if 1e-3 <= ratio <= 1.0 and abs(r) < 10:
            ends = (0, 40 * ratio) if ratio < 0.1 else (0, max(r, 0) + 12)
            exact, _ = integrate.quad(
                lambda e, r=r: (
                    np.exp(-e / ratio - (r - e) ** 2 / 2) / ratio / np.sqrt(2 * np.pi)
                ),
                *ends,
                epsabs=0,
                limit=400,
            )
            assert value == pytest.approx(np.log(exact), abs=1e-6)
        if ratio == 1e-6 and abs(r) < 10:
            assert value == pytest.approx(stats.norm.logpdf(r), abs=1e-4)


@pytest.mark.parametrize("nu", [2.5, 30.0])
def test_shared_scatter_is_a_multivariate_t_within_groups(nu, rng):
    mu, y = rng.normal(size=(2, 7))
    within = rng.uniform(0.3, 1.0, 7)
    ours = SharedStudentT(mu, within, 0.8, nu, GROUP).log_prob(y)
    for g in np.unique(GROUP):
        at = g == GROUP
        cov = np.diag(within[at] ** 2) + 0.8**2
        theirs = stats.multivariate_t(mu[at], cov, nu).logpdf(y[at])
        assert float(ours[at].sum()) == pytest.approx(float(theirs), rel=1e-9)


def test_a_run_to_come_is_of_a_group_of_its_own(rng):
    mu, y = rng.normal(size=(2, 5))
    params = {"sigma": 0.3, "between": 0.4, "nu": 4.0}
    ours = Between().around(mu, params, {}).log_prob(y)
    np.testing.assert_allclose(ours, stats.t(4, mu, 0.5).logpdf(y), rtol=1e-9)
    scalar = Between().around(jnp.asarray(0.1), params, {}).log_prob(0.2)
    assert scalar == pytest.approx(stats.t(4, 0.1, 0.5).logpdf(0.2))


@pytest.mark.parametrize("name", ONE_RESPONSE)
def test_draws_have_the_density(name):
    """Each run's marginal, by Kolmogorov and Smirnov against the integrated density."""
    noise = NOISES[name]
    params = {"sigma": 0.3, "between": 0.4, "misfit": 0.4, "excess": 0.5, "nu": 4.0}
    params |= {n: 0.1 for n in noise.priors(LOG_LOSS) if n not in params}
    around = noise.around(jnp.zeros(3), params, {"C": np.full(3, 1e20)})
    drawn = np.asarray(around.sample(jax.random.key(0), (4000,)))
    assert drawn.shape == (4000, 3)
    grid = np.linspace(-40, 40, 160_001)
    one = noise.around(jnp.zeros(len(grid)), params, {"C": np.full(len(grid), 1e20)})
    density = np.exp(np.asarray(one.log_prob(grid)))
    cdf = integrate.cumulative_trapezoid(density, grid, initial=0)
    assert cdf[-1] == pytest.approx(1, abs=2e-4)
    for run in drawn.T:
        assert stats.kstest(run, lambda v: np.interp(v, grid, cdf)).pvalue > FALSE_ALARM


def test_shared_draws_are_as_alike_as_they_should_be():
    both = SharedStudentT(np.zeros(7), np.full(7, 0.6), 0.8, 50.0, GROUP)
    drawn = np.asarray(both.sample(jax.random.key(1), (20_000,)))
    same = (GROUP[:, None] == GROUP) * 0.64 + 0.36 * np.eye(7)
    np.testing.assert_allclose(np.cov(drawn.T), same * 50 / 48, atol=0.05)


@pytest.mark.parametrize("name", ONE_RESPONSE)
def test_every_unknown_of_a_noise_has_words(name):
    assert set(NOISES[name].priors(LOG_LOSS)) <= set(WORDS)


def table(scatter):
    x = profiles()
    L = 1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28
    return x | {"L": L * np.exp(scatter)}


def inside(fit, **truths):
    posterior = fit.tree["posterior"]
    for name, truth in truths.items():
        low, high = np.quantile(posterior[name].to_numpy(), [0.001, 0.999])
        assert low < truth < high, name


def test_between_finds_both_scales_and_a_column_of_ones_own(rng):
    recipe = np.resize(np.arange(12), 48)
    off = 0.02 * rng.normal(size=12)[recipe] + 0.004 * rng.normal(size=48)
    runs = table(off) | {"recipe": recipe.astype(float)}
    fit = nstar.fit(
        runs, "chinchilla", "between:recipe", discrepancy="none", settings=QUICK
    )
    inside(fit, between=0.02, sigma=0.004, E=1.7)
    assert fit.noise == Between("recipe")


def test_between_noise_is_saved_by_its_column(optima, tmp_path):
    runs = {n: optima[n] for n in ("C", "D")} | {"paper": np.resize([1.0, 2.0], 10)}
    tiny = Settings(chains=2, warmup=100, draws=100)
    fit = nstar.fit(runs, "allocation", "between:paper", settings=tiny)
    back = nstar.load(fit.save(tmp_path / "fit.nc"))
    assert back.noise == Between("paper")
    nstar.plan(back, 1e24)


def test_repeated_tells_seeds_from_misfit(rng):
    x = {n: np.repeat(v, 3) for n, v in profiles().items()}
    scatter = 0.02 * np.repeat(rng.normal(size=48), 3) + 0.002 * rng.normal(size=144)
    L = 1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28
    runs = x | {"L": L * np.exp(scatter)}
    fit = nstar.fit(runs, "chinchilla", "repeated", discrepancy="none", settings=QUICK)
    inside(fit, misfit=0.02, sigma=0.002, E=1.7)


def test_one_sided_finds_the_law_of_well_tuned_runs(rng):
    excess = 0.03 * rng.exponential(size=48) + 0.003 * rng.normal(size=48)
    runs = table(excess)
    fit = nstar.fit(runs, "chinchilla", "one_sided", discrepancy="none", settings=QUICK)
    inside(fit, excess=0.03, sigma=0.003, E=1.7)
    said = nstar.predict(fit, [1e9], [2e10])
    assert float(np.mean(said["measured"] - said["loss"])) > 0.01
    plain = nstar.fit(runs, "chinchilla", "normal", discrepancy="none", settings=QUICK)
    truth = 1.7 + 400 / 1e9**0.34 + 410 / 2e10**0.28
    miss = [
        abs(float(np.median(nstar.predict(f, [1e9], [2e10])["loss"])) - truth)
        for f in (fit, plain)
    ]
    assert miss[0] < miss[1]


REFUSED = {
    "between": (lambda x: x, "needs column 'budget'"),
    "between:N": (lambda x: x, "no two runs share a value of 'N'"),
    "repeated": (lambda x: x, "no two runs have the same N, D"),
    "betwixt": (lambda x: x, "no noise 'betwixt'; there are student_t"),
    "normal:N": (lambda x: x, "no noise 'normal:N'"),
}


@pytest.mark.parametrize("noise", REFUSED)
def test_noises_that_runs_cannot_carry_are_refused(noise, rng):
    change, reason = REFUSED[noise]
    x = {
        n: v[::5] * np.exp(0.1 * rng.normal(size=10))
        for n, v in table(0.0).items()
        if n in "ND"
    }
    x["L"] = 1.7 + 400 / x["N"] ** 0.34 + 410 / x["D"] ** 0.28
    with pytest.raises(ValueError, match=reason):
        nstar.fit(change(x), "chinchilla", noise)


def test_shared_scatter_is_of_one_response(optima):
    free = {n: optima[n] * f for n, f in (("C", 1.0), ("D", 1.1), ("N", 1.0))}
    free["D"] = free["D"] * np.exp(np.linspace(0, 0.1, 10))
    with pytest.raises(ValueError, match="for laws of one response"):
        nstar.fit(
            free | {"paper": np.resize([1.0, 2.0], 10)},
            "allocation_free",
            "between:paper",
        )


DESIGN = optima() | {"shared": np.array([0.0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 5])}


@pytest.mark.slow
@pytest.mark.parametrize("noise", ONE_RESPONSE)
def test_one_law_with_every_noise_is_calibrated(noise):
    law, design = ("allocation", DESIGN)
    if noise == "one_sided":  # of losses only
        law, design = "compute", DESIGNS["compute"]()
    ranks = calibrate(law, design, noise, replicates=64, settings=BRIEF)
    p, name = ranks.worst()
    assert p > FALSE_ALARM, name


def test_repeats_are_runs_of_the_same_inputs():
    runs = nstar.read_runs(
        {"N": [1e8, 2e8, 1e8], "D": [1e9, 1e9, 1e9], "L": [3.0, 2.9, 3.1]}
    )
    law = parse_model("chinchilla", None).law
    assert Repeated().shared(runs, law).tolist() == [0.0, 1.0, 0.0]
    assert isinstance(NOISES["between"].priors(LOG_LOSS)["between"], dist.LogNormal)
