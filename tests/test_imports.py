"""What is imported is what is used: a process starts as fast as its libraries let it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from nstar.departures import waves
from nstar.priors import population

MAIN = "import sys; from nstar.cli import main; sys.argv = ['nstar', *{words!r}]\ntry:\n main()\nexcept SystemExit: pass"
# pandas is xarray's own import, scipy.special and scipy.fft NumPyro's: neither imports these
DRAWN = {
    "matplotlib",
    "scipy.stats",
    "scipy.optimize",
    "arviz_base",
    "arviz_stats",
    "arviz_plots",
}
HEAVY = DRAWN | {"jax", "numpyro", "numpy", "pandas", "xarray", "pyarrow", "h5py"}


def imported(code: str) -> set[str]:
    """Names of all modules that a process has imported once it has run some code."""
    told = f"{code}\nimport json, sys; print(json.dumps(list(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", [["--help"], ["models"], ["models", "--json"]])
def test_what_lists_needs_no_jax(words):
    assert not HEAVY & imported(MAIN.format(words=words))


@pytest.mark.parametrize(
    "words", [["models", "llama3-405b", "--against", "llama3"], ["published"], ["data"]]
)
def test_what_is_looked_up_needs_no_jax(words):
    found = imported(MAIN.format(words=words))
    assert not (DRAWN | {"jax", "numpyro", "pandas", "xarray"}) & found


def test_the_package_imports_next_to_nothing():
    assert not HEAVY & imported("import nstar")


@pytest.mark.parametrize(
    "room", ["fits.fitting", "fits.batches", "plans.planning", "validation.checks"]
)
def test_a_fit_and_what_reads_it_import_what_they_use(room):
    assert not DRAWN & imported(f"import nstar.{room}")


def test_pages_import_matplotlib_where_they_draw():
    found = imported("import nstar.report.page, nstar.report.refusal, nstar.batch.page")
    assert "matplotlib" not in found


# What took the place of scipy.stats says the same


@pytest.mark.parametrize("count", [1, 5, 24, 57])
def test_waves_lie_at_the_quantiles_of_scipy_stats(count):
    line = stats.t(3).ppf(0.5 + (np.arange(count) + 0.5) / (2 * count)) / 0.7
    np.testing.assert_allclose(waves.over_line(count, 0.7), line, rtol=1e-12)
    u = stats.qmc.Halton(3, scramble=False).random(count + 1)[1:]
    radius = np.sqrt(3 / stats.chi2(3).ppf(u[:, 2]))
    plane = stats.norm.ppf(u[:, :2]) * radius[:, None] / np.array([0.3, 2.0])
    found = waves.over_plane(count, (0.3, 2.0))
    np.testing.assert_allclose(found, plane, rtol=1e-12, atol=1e-12)


def test_with_nothing_said_the_predictive_is_the_weak_prior_a_little_wider():
    """Of theta = mu + tau t(4), drawn from the weak prior, by SciPy's own distributions."""
    random = np.random.default_rng(0)
    tau = 0.1 * stats.halfnorm.rvs(size=400_000, random_state=random)
    theta = stats.norm.rvs(0.5, 0.2, size=tau.size, random_state=random)
    theta += tau * stats.t.rvs(4, size=tau.size, random_state=random)
    width = np.subtract(*np.quantile(theta, [0.95, 0.05])) / 2 / stats.t(4).ppf(0.95)
    found = population.predictive([], (0.5, 0.2))
    assert found.loc == pytest.approx(0.5, abs=1e-6)
    assert found.scale == pytest.approx(width, rel=0.01)
