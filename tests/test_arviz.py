"""ArviZ's plots on a fit's tree, and the groups they read: worked out late, and right."""

import arviz_plots
import matplotlib.pyplot as plt
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

import nstar
from nstar.fits.later_groups import LATER, Later


def draw(name, tree, **options):
    """Draw one of ArviZ's plots; it has lines."""
    drawn = getattr(arviz_plots, name)(tree, backend="matplotlib", **options)
    figure = drawn.viz["figure"].item()
    assert any(axes.lines for axes in figure.axes)
    plt.close(figure)


@pytest.mark.parametrize("name", ["plot_ppc_dist", "plot_loo_pit"])
@pytest.mark.parametrize("which", ["allocation_fit", "surface_fit"])
def test_arviz_plots_a_fits_tree(name, which, request):
    draw(name, request.getfixturevalue(which).tree)


def test_arviz_scales_the_priors_of_a_fits_tree(allocation_fit):
    names = ["alpha1", "tokens_per_parameter", "sigma"]  # it has a bend's weights too
    draw("plot_psense_dist", allocation_fit.tree, var_names=names)


def test_scaled_priors_of_a_law_with_alpha_are_plotted_without_it(surface_fit):
    """ArviZ stacks scaled draws along a dimension of that very name."""
    tree = surface_fit.tree.copy()
    with pytest.raises(ValueError, match="alpha already exists"):
        draw("plot_psense_dist", tree)
    without = tree["posterior"].dataset.drop_vars("alpha")
    tree["posterior"] = xr.DataTree(without)
    draw("plot_psense_dist", tree)


def test_nothing_is_worked_out_until_it_is_read_and_then_once():
    calls = []

    def work_out():
        calls.append(1)
        return np.arange(24.0)

    later = Later((2, 3, 4), np.float64, work_out)
    lazy = xr.Dataset(
        {"a": (("i", "j", "k"), xr.core.indexing.LazilyIndexedArray(later))}
    )
    part = lazy["a"].isel(i=1, k=[0, 2])
    assert not calls
    np.testing.assert_array_equal(part, np.arange(24.0).reshape(2, 3, 4)[1][:, [0, 2]])
    np.testing.assert_array_equal(lazy["a"].isel(i=0, j=slice(1, 3), k=3), [7.0, 11.0])
    assert len(calls) == 1


def test_predictive_draws_scatter_as_the_noise_does(surface_fit):
    """Their ranks among what is observed, and their log density as the fit has it."""
    tree = surface_fit.tree
    predicted = tree["posterior_predictive"]["log_loss"]
    observed = tree["observed_data"]["log_loss"]
    assert predicted.dims == ("chain", "draw", *observed.dims)
    below = (predicted < observed).mean(("chain", "draw")).to_numpy()
    assert 0.3 < np.median(below) < 0.7
    draws, x = surface_fit.draws, tree["constant_data"]
    expected = np.log(
        surface_fit.law.loss(
            {n: v[:, None] for n, v in draws.items()},
            x["N"].to_numpy(),
            x["D"].to_numpy(),
        )
    )
    flat = predicted.stack(sample=("chain", "draw")).transpose("sample", ...)
    scaled = (flat.to_numpy() - expected) / draws["sigma"][:, None]
    theory = dist.StudentT(draws["nu"][:, None]).cdf(scaled)
    counts, _ = np.histogram(theory, bins=10, range=(0, 1))
    share = counts / counts.sum()
    assert np.abs(share - 0.1).max() < 0.002


def test_prior_densities_are_those_of_the_priors(surface_fit):
    group = surface_fit.tree["log_prior"]
    assert set(group.data_vars) == {*surface_fit.draws}
    prior = surface_fit.law.priors()["alpha1"]
    at = surface_fit.tree["posterior"]["alpha1"].to_numpy()
    np.testing.assert_allclose(group["alpha1"], prior.log_prob(at), rtol=1e-5)


def test_later_groups_are_not_saved_and_come_back(allocation_fit, tmp_path):
    read = nstar.load(allocation_fit.save(tmp_path / "fit.nc"))
    with xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as file:
        assert not set(LATER) & set(file.children)
    for name in LATER:
        xr.testing.assert_identical(
            read.tree[name].dataset.load(), allocation_fit.tree[name].dataset.load()
        )
