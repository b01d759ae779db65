"""The sampler against distributions that are known: priors, with runs that count nothing."""

import threading

import jax
import numpy as np
import pytest
from scipy import stats

import nstar
from conftest import FALSE_ALARM
from nstar.cores import side_by_side
from nstar.laws import LAWS
from nstar.noises.likelihoods import NOISES
from nstar.priors.stated import parse
from nstar.samplers import nuts
from nstar.samplers.density import Data
from nstar.samplers.nuts import Settings
from nstar.samplers.trajectories import _uniform

PRIORS = {
    "tokens_per_parameter": ("InverseGamma(5, 40)", stats.invgamma(5, scale=40)),
    "alpha1": ("Beta(2, 5)", stats.beta(2, 5)),
    "sigma": ("Gamma(3, 2)", stats.gamma(3, scale=0.5)),
}


@pytest.fixture(scope="module")
def draws():
    """Of skewed priors, by NUTS, where no run says anything."""
    C = np.geomspace(1e18, 1e21, 8)
    law, noise = LAWS["allocation"](), NOISES["normal"]
    data = Data({"C": C}, np.log(C), np.zeros(len(C)))
    chosen = {name: parse(text) for name, (text, _) in PRIORS.items()}
    with jax.enable_x64(True):
        made = nuts.sample(law, noise, chosen, data, 3, Settings(draws=6000))
    assert made.posterior["alpha1"].shape == (4, 6000)
    return made


@pytest.mark.parametrize("name", PRIORS)
def test_draws_are_of_the_density(draws, name):
    """Thinned to about independent draws; a step that favours one end would be seen."""
    known = PRIORS[name][1]
    thin = draws.posterior[name][:, ::8].ravel()
    assert stats.kstest(thin, known.cdf).pvalue > FALSE_ALARM
    assert draws.posterior[name].std() == pytest.approx(known.std(), rel=0.08)


def test_unknowns_of_independent_priors_are_independent(draws):
    z = np.stack([stats.rankdata(draws.posterior[n].ravel()) for n in PRIORS])
    assert np.abs(np.corrcoef(z) - np.eye(3)).max() < 0.05


def test_choices_within_a_transition_are_uniform_and_unlike():
    seeds = np.random.default_rng(0).integers(2**32, size=400, dtype=np.uint32)
    numbers = np.arange(50, dtype=np.int32)
    with jax.enable_x64(True):
        u = np.asarray(
            jax.vmap(lambda s: jax.vmap(lambda n: _uniform(s, n))(numbers))(seeds)
        )
    assert stats.kstest(u.ravel(), "uniform").pvalue > FALSE_ALARM
    lag = np.corrcoef(u[:, :-1].ravel(), u[:, 1:].ravel())[0, 1]
    across = np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]
    assert max(abs(lag), abs(across)) < 5 / np.sqrt(u.size)


def test_draws_do_not_depend_on_what_is_done_beside(optima):
    alone = nstar.fit(optima, "allocation", seed=5).tree["posterior"].dataset
    jobs = [lambda s=s: nstar.fit(optima, "allocation", seed=s) for s in (4, 5, 6)]
    beside = side_by_side(jobs)[1].tree["posterior"].dataset
    assert beside.equals(alone)


def test_jobs_come_back_in_their_order_and_a_failure_is_raised():
    late = threading.Event()

    def first():
        late.wait(5)
        return "first"

    def second():
        late.set()
        return "second"

    assert side_by_side([first, second]) == ["first", "second"]

    def broken():
        msg = "too few runs"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="too few runs"):
        side_by_side([second, broken])


def test_a_fit_ends_when_its_worst_unknown_has_enough(optima):
    """And not before: few draws where they are independent, all where they are not."""
    short = nstar.fit(optima, "allocation", discrepancy="none")
    whole = nstar.fit(
        optima, "allocation", discrepancy="none", settings=Settings(warmup=200)
    )
    assert short.tree["posterior"].sizes["draw"] < 1000
    assert whole.tree["posterior"].sizes["draw"] == 1000
    n = short.tree["posterior"].sizes["draw"]
    a, b = (f.tree["posterior"]["alpha1"].to_numpy() for f in (short, whole))
    np.testing.assert_array_equal(a, b[:, :n])
