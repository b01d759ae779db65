"""Draws weighed anew: against the fit made again, and refused where weights do not carry."""

from dataclasses import replace

import numpy as np
import pytest

import nstar
from nstar.fits.refit_cache import RefitCache
from nstar.fits.reweighting import is_reweighted, reweighted
from nstar.samplers.nuts import Settings
from nstar.validation.universes import universes


@pytest.fixture(scope="module")
def ladder():
    rng = np.random.default_rng(2)
    N = np.geomspace(4e7, 4e9, 12).repeat(4)
    D = N * np.tile([5.0, 12.0, 30.0, 70.0], 12)
    L = (1.7 + 400 / N**0.34 + 410 / D**0.28) * np.exp(0.004 * rng.normal(size=N.size))
    return {"N": N, "D": D, "L": L}


@pytest.fixture(scope="module")
def fit(ladder):
    settings = Settings(warmup=200, draws=2000)
    return nstar.fit(ladder, "chinchilla", discrepancy="none", settings=settings)


def test_another_prior_is_the_fit_made_again(ladder, fit):
    priors = {"alpha1": "Normal(0.47, 0.02)", "exponent_sum": "LogNormal(-0.5, 0.3)"}
    weighed = reweighted(fit, priors=priors)
    again = nstar.fit(ladder, "chinchilla", priors=priors, discrepancy="none", seed=1)
    assert is_reweighted(weighed)
    (note,) = (n for n in weighed.notes if n.name == "weighed anew")
    assert "k-hat" in note.detail
    for name in ("alpha1", "exponent_sum", "floor_share", "sigma"):
        a, b = weighed.draws[name], again.draws[name]
        assert a.mean() == pytest.approx(b.mean(), abs=0.2 * b.std()), name
        assert a.std() == pytest.approx(b.std(), rel=0.12), name
        moved = abs(again.draws["alpha1"].mean() - fit.draws["alpha1"].mean())
    assert moved > 0 or again.draws["alpha1"].std() < fit.draws["alpha1"].std()


def test_another_noise_is_the_fit_made_again(ladder):
    table = ladder | {"L": ladder["L"] * np.exp(0.002 * np.sin(np.arange(48)))}
    given = nstar.fit(table, "chinchilla", discrepancy="none")
    weighed = reweighted(given, noise="normal")
    if weighed is None:
        pytest.fail("normal scatter, and its weights do not carry")
    again = nstar.fit(table, "chinchilla", "normal", discrepancy="none", seed=1)
    assert set(weighed.draws) == set(again.draws)
    for name in ("alpha1", "floor_share", "sigma"):
        a, b = weighed.draws[name], again.draws[name]
        assert a.mean() == pytest.approx(b.mean(), abs=0.25 * b.std()), name
        assert a.std() == pytest.approx(b.std(), rel=0.15), name


@pytest.mark.parametrize(
    "change",
    [
        {"priors": {"alpha1": "Normal(0.9, 0.005)"}},  # where no draw is
        {"priors": {"alpha1": "Laplace(0.5, 0.1)"}},  # of no known row
        {"noise": "growing"},  # an unknown that the fit lacks
    ],
)
def test_weights_that_do_not_carry_are_refused(fit, change):
    assert reweighted(fit, **change) is None


def test_universes_say_which_were_weighed(fit):
    found = {
        one.name: one for one in universes({"surface": fit}, "surface", RefitCache())
    }
    informed = found["surface, informed priors"].make()
    assert is_reweighted(informed)
    assert informed.tree.attrs["prior_set"] == "informed"


def test_a_weighed_fit_is_saved_and_loaded(fit, tmp_path):
    weighed = reweighted(fit, priors={"alpha1": "Normal(0.47, 0.05)"})
    for name in ("weighed.nc", "weighed.npz"):
        back = nstar.load(weighed.save(tmp_path / name))
        assert is_reweighted(back)
        assert back.tree["posterior"].dataset.equals(weighed.tree["posterior"].dataset)


def test_a_fit_in_trouble_is_never_weighed_anew(fit):
    """Weights would hide chains that do not agree behind a note of k-hat."""
    tree = fit.tree.copy(deep=True)
    tree["posterior"]["alpha1"][0] += 0.5
    broken = replace(fit, tree=tree)
    assert reweighted(broken, priors={"alpha1": "Normal(0.5, 0.5)"}) is None
