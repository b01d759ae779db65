"""The sampler's promises: same seed same draws, the user's settings left alone."""

import subprocess
import sys
from dataclasses import dataclass, replace

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

import nstar
from designs import DESIGNS
from nstar.fits.tree import MISSED
from nstar.responses.scales import LOG_LOSS
from nstar.samplers import density, modes, nuts, trajectories
from nstar.samplers.nuts import Settings
from test_recovery import NOISE, TRUTHS


def test_same_seed_same_draws_other_seed_others(optima):
    first, again, other = (nstar.fit(optima, "allocation", seed=s) for s in (7, 7, 8))
    first, again, other = (f.tree["posterior"].dataset for f in (first, again, other))
    assert first.equals(again)
    assert not first.equals(other)


def test_chains_do_not_depend_on_how_many_run_at_once(optima, monkeypatch):
    together = nstar.fit(optima, "allocation").tree["posterior"].dataset
    monkeypatch.setattr(nuts.os, "cpu_count", lambda: 1)
    assert nstar.fit(optima, "allocation").tree["posterior"].dataset.equals(together)


def test_draws_are_double_and_the_global_flag_is_left_alone(allocation_fit):
    assert allocation_fit.tree["posterior"]["alpha1"].dtype == np.float64
    assert jax.numpy.zeros(1).dtype == np.float32
    assert not jax.config.jax_enable_x64


def test_another_table_of_about_as_many_runs_does_not_recompile(optima):
    nstar.fit(optima, "allocation")
    before = trajectories.explore._cache_size()
    columns = {"C": 2 * optima["C"], "D": 3 * optima["D"], "se": optima["se"]}
    nstar.fit(nstar.read_runs(columns), "allocation")
    fewer = {name: values[1:] for name, values in columns.items()}
    assert len(fewer["C"]) < len(columns["C"]) <= density.size(len(fewer["C"]))
    nstar.fit(nstar.read_runs(fewer), "allocation")
    assert trajectories.explore._cache_size() == before


def two_peaks(masses=(0.5, 0.5)):
    """As many modes as masses, 10 apart, each of unit width."""
    return [
        modes.Peak(modes.Mode(np.array([10.0 * i, 0]), np.eye(2)), -np.log(m))
        for i, m in enumerate(masses)
    ]


def test_chains_start_at_modes_by_their_masses():
    assert list(modes.assign(two_peaks(), 4)) == [0, 0, 1, 1]
    assert list(modes.assign(two_peaks((0.95, 0.05)), 4)) == [0, 0, 0, 0]
    assert list(modes.assign(two_peaks((0.2, 0.8)), 4)) == [0, 1, 1, 1]


def test_a_mode_that_no_chain_starts_at_is_named(allocation_fit):
    peaks = two_peaks((0.9, 0.07, 0.03, 0.001))
    at = modes.assign(peaks, 4)
    assert modes.missed(peaks, at) == pytest.approx([0.07, 0.03], rel=0.01)
    assert modes.missed(two_peaks(), np.array([0, 0, 1, 1])) == []
    tree = allocation_fit.tree.copy()
    assert tree.attrs[MISSED] == "[]"
    assert "modes" not in {c.name for c in nstar.check_fit(allocation_fit)}
    tree.attrs[MISSED] = "[0.07, 0.03]"
    checks = nstar.check_fit(replace(allocation_fit, tree=tree))
    (check,) = (c for c in checks if c.name == "modes")
    assert check.status == "REVIEW"
    assert "2 other modes with about 10%" in check.detail


def test_a_mode_found_twice_is_one():
    first, second = two_peaks((0.3, 0.7))
    again = first._replace(mode=first.mode._replace(at=np.array([0.1, 0.2])))
    kept = modes.distinct([first, second, again])
    assert [f.energy for f in kept] == [second.energy, first.energy]


def test_a_spike_is_not_the_best_mode_however_deep():
    spike = modes.Peak(modes.Mode(np.zeros(3), 1e-3 * np.eye(3)), -10.0)
    broad = modes.Peak(modes.Mode(np.ones(3), np.eye(3)), 0.0)
    assert modes.distinct([spike, broad])[0] is broad
    assert modes.shares([spike, broad])[1] > 0.99


def test_two_modes_are_never_one_interval_that_passes():
    """A break the one way or the other explains these runs alike: said, not chosen."""
    design = DESIGNS["broken"]()
    truth = TRUTHS["broken"] | NOISE
    made = nstar.simulate("broken", design, truth, seed=1)["L"].to_numpy()[0]
    found = nstar.fit(
        design | {"L": made},
        "broken",
        settings=Settings(chains=4, draws=500),
        discrepancy="none",
    )
    ratio = found.tree["posterior"]["break_ratio"].mean("draw").to_numpy()
    assert ratio.min() < 0.8
    assert ratio.max() > 1.2
    (check,) = (c for c in nstar.check_fit(found) if c.name == "convergence")
    assert check.status == "FAIL"
    assert "mode" in check.detail


def test_progress_is_told_to_the_end(optima):
    seen = []
    nstar.fit(
        optima,
        "allocation",
        settings=Settings(),
        tick=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1][0] == seen[-1][1]
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)


def test_priors_by_name_take_effect(optima):
    fit = nstar.fit(optima, "allocation", priors={"alpha1": "Normal(0.3, 0.001)"})
    assert abs(fit.draws["alpha1"].mean() - 0.3) < 0.005
    assert "Normal(0.3, 0.001)" in fit.tree.attrs["priors"]


@pytest.mark.filterwarnings("ignore")
def test_few_draws_are_not_hidden(optima):
    """Settings of the user's own are kept, and the checks then fail."""
    fit = nstar.fit(
        optima, "allocation", settings=Settings(chains=2, warmup=250, draws=50)
    )
    assert fit.tree["posterior"].sizes["draw"] == 50
    failed = {c.name for c in nstar.check_fit(fit) if c.status == "FAIL"}
    assert "effective draws" in failed


def test_use_cache_never_overrules_the_user(tmp_path):
    code = (
        "import jax; from nstar.cache import use_cache; jax.config.update('jax_compilation_cache_dir', 'mine');"
        f"print(use_cache({str(tmp_path)!r}), jax.config.jax_compilation_cache_dir)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None", "mine"]


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_arviz_reads_the_tree(isoflop_fit):
    import arviz_stats

    table = arviz_stats.summary(isoflop_fit.tree, ci_prob=0.9)
    assert "log_D[1e+22]" in table.index
    loo = arviz_stats.loo(isoflop_fit.tree)
    assert loo.n_data_points == 133
    assert {
        "posterior",
        "prior",
        "log_likelihood",
        "sample_stats",
        "observed_data",
        "constant_data",
    } <= set(isoflop_fit.tree.children)


def test_arviz_may_be_imported_first():
    """It leaves a lazy NumPyro behind, which a submodule's import would half-load."""
    code = "import arviz_base, nstar; nstar.fit; import nstar.noises.likelihoods"
    subprocess.run([sys.executable, "-c", code], check=True)


@dataclass(frozen=True)
class Neck:
    """Four scattered levels whose scale one run says nothing of: its posterior is a funnel."""

    inputs: tuple[str, ...] = ("C",)
    response = LOG_LOSS

    def priors(self):
        return {
            "scatter": dist.LogNormal(0.0, 1.5),
            "levels": lambda p: dist.Normal(0.0, p["scatter"]).expand([4]),
        }

    def expected(self, params, x):
        return 0.01 * params["levels"].sum() + 0.0 * x["C"]


def test_a_divergence_makes_steps_smaller_and_what_was_drawn_a_warmup():
    table = {
        "C": np.geomspace(1e18, 1e20, 8),
        "L": np.exp(0.01 * np.array([4.0, 1, 3, 0, 2, -1, 1, -2])),
    }
    loose = Settings(chains=2, warmup=200, draws=500, target_accept=0.7)
    each = [
        [
            nstar.fit(table, Neck(), "normal", seed=seed, settings=settings)
            for seed in range(6)
        ]
        for settings in (loose, loose._replace(tighten=2))
    ]
    lost = [sum(fit.diagnosis.divergences for fit in fits) for fits in each]
    assert lost[1] < lost[0]
    given, tighter = (fits[0].tree["sample_stats"] for fits in each)
    assert given["diverging"].sum() > 0
    ratio = tighter["step_size"].to_numpy() / given["step_size"].to_numpy()
    assert ratio == pytest.approx(nuts.STEP_REDUCTION**2) or ratio == pytest.approx(
        nuts.STEP_REDUCTION
    )
    assert tighter.sizes["draw"] == 500
