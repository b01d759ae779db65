"""What every law must obey; a law joins by its line in LAWS."""

import json
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares

import nstar
from designs import DESIGNS
from nstar.costs.cost_line import optimum
from nstar.costs.training import SIX
from nstar.fits.model import parse_model
from nstar.fits.tree import spec
from nstar.laws import LAWS
from nstar.runs.law_data import prepare
from nstar.samplers import density, nuts, trajectories
from nstar.samplers.flat import flatten
from nstar.types import Allocation, Centred, Extended, Floored, Surface

WITH_LOSS = [name for name in LAWS if isinstance(LAWS[name](), Surface)]
WITH_FLOOR = [name for name in LAWS if isinstance(LAWS[name](), Floored)]
EXTENDED = [name for name in LAWS if isinstance(LAWS[name](), Extended)]
MOVES = {
    "N0": 1.6,
    "D0": 0.7,
    "C0": 1.5,
    "density": 0.8,
    "share": 1.3,
    "L0": 1.1,
    "T0": 1.2,
    "k0": 1.3,
    "G0": 0.7,
}
WITH_LINE = [name for name in LAWS if isinstance(LAWS[name](), Allocation)]


def placed(name):
    """A law at the centre of its design, its noise, and its inputs."""
    model = parse_model(name, None)
    law, noise = model.law, model.noise
    x = {n: v for n, v in DESIGNS[name]().items() if n in law.inputs}
    return law.at(x, SIX) if isinstance(law, Centred) else law, noise, x


@cache
def prior_draws(name, count, seed=0):
    law, noise, x = placed(name)
    return (
        law,
        noise,
        x,
        density.prior_draws(law, noise, {}, jax.random.key(seed), count),
    )


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", LAWS)
def test_an_example_has_what_the_law_reads(name):
    law, _, x = placed(name)
    assert set(x) == set(law.inputs)
    assert len({len(column) for column in DESIGNS[name]().values()}) == 1


@pytest.mark.parametrize("name", LAWS)
def test_spec_makes_the_same_law_again(name):
    law, _, _ = placed(name)
    said = json.loads(json.dumps(spec(law, LAWS)))
    fields = {
        k: tuple(v) if isinstance(v, list) else v for k, v in said["settings"].items()
    }
    assert LAWS[said["name"]](**fields) == law


@pytest.mark.parametrize("name", LAWS)
def test_numbers_of_a_law_are_arguments_not_constants(name):
    """Another reference run must not recompile: same skeleton, other numbers."""
    law, noise, x = placed(name)
    if not isinstance(law, Centred):
        return  # it has no reference run
    moved = law.at({n: v if n == "sparsity" else 3.0 * v for n, v in x.items()}, SIX)
    one, two = density.split(law, noise), density.split(moved, noise)
    assert one[0] == two[0]
    assert hash(one[0]) == hash(two[0])
    assert one[1] != two[1]
    assert two[0].fill(two[1])[0] == moved


@pytest.mark.parametrize("name", LAWS)
def test_density_and_gradient_are_finite_wherever_the_prior_reaches(name):
    """By the programs that calibration compiles for the same table."""
    law, noise, x, draws = prior_draws(name, nuts.PRIOR_DRAWS)
    skeleton, numbers = density.split(law, noise)
    y = np.asarray(density.expected(skeleton, numbers, draws, x))
    assert np.isfinite(y).all()
    if law.response.whole:  # what is expected of a count is its population
        y = density.measured(noise, y, draws, x, jax.random.key(1))[:, 0]
    data = density.padded(density.Data(x, np.asarray(y[0])), density.size(len(y[0])))
    problem = numbers, density.tabulated(law, noise, {}), data
    u = flatten(skeleton, problem, draws)
    energies, slopes = trajectories.slopes_at_points(skeleton, problem, u)
    assert np.isfinite(energies).all()
    for unknown, slope in zip(range(u.shape[1]), slopes.T, strict=True):
        assert np.isfinite(slope).all(), unknown


@pytest.mark.parametrize("name", LAWS)
def test_priors_do_not_look_at_the_response(name, rng):
    """Permuting the losses leaves every prior as it was."""
    table = dict(DESIGNS[name]())
    made = nstar.simulate(name, table, seed=1)
    for column in made.data_vars:
        if made[column].dims == ("draw", "run"):
            table[str(column)] = made[column].to_numpy()[0]
    response = parse_model(name, None).law.response.columns[0]
    shuffled = table | {response: rng.permutation(table[response])}

    def priors(columns):
        model = parse_model(name, None)
        law, noise = model.law, model.noise
        rows = np.arange(len(columns[response]))
        used, x, _ = prepare(nstar.Observations(columns, rows, "simulated", ""), law)
        law = law.at(x, used.cost) if isinstance(law, Centred) else law
        return density.prior_draws(law, noise, {}, jax.random.key(0), 5)

    first, second = priors(table), priors(shuffled)
    for unknown in first:
        np.testing.assert_array_equal(first[unknown], second[unknown])


@pytest.mark.parametrize("name", WITH_LOSS)
@settings(max_examples=60, deadline=None)
@given(size=st.floats(7.5, 12), tokens=st.floats(9, 13.5), seed=st.integers(0, 199))
def test_more_size_or_data_never_raises_the_expected_loss(name, size, tokens, seed):
    if name == "isoflop":
        return  # profiles rise on both sides of their minimum; see a later test
    law, *_, draws = prior_draws(name, 200)
    params = {n: v[seed] for n, v in draws.items()}
    N, D = 10.0**size, 10.0**tokens
    here = law.loss(params, N, D)
    assert law.loss(params, N, 1.3 * D) <= here
    if name != "farseer":  # where data is short its size may hurt
        assert law.loss(params, 1.3 * N, D) <= here


@pytest.mark.parametrize("name", WITH_FLOOR)
def test_loss_stays_above_its_floor_and_comes_down_to_it(name):
    """`floor` is what `loss` tends to: a run past all need of size and data has it."""
    if name == "isoflop":
        return  # it is above its floor, but tends to it along its line alone
    law, *_, draws = prior_draws(name, 200, seed=3 if name == "kaplan" else 1)
    N, D = jnp.geomspace(1e7, 1e13, 9), jnp.geomspace(1e9, 1e14, 9)
    floor = np.asarray(jax.vmap(law.floor)(draws))
    assert (
        np.asarray(jax.vmap(lambda p: law.loss(p, N, D))(draws)) >= floor[:, None]
    ).all()
    if name == "farseer":
        return  # zero is below all of its bends, and it may not come down to it
    endless = np.asarray(jax.vmap(lambda p: law.loss(p, 1e300, 1e300 / 6))(draws))
    here = np.asarray(jax.vmap(lambda p: law.loss(p, 1e9, 2e10))(draws))
    np.testing.assert_allclose((endless - floor) / (here - floor), 0, atol=1e-3)


@pytest.mark.parametrize("name", EXTENDED)
def test_a_run_as_usual_is_the_surface(name):
    """`loss` of (N, D) is `expected` of the run that `usual` completes."""
    law, *_, draws = prior_draws(name, 200)
    N, D = jnp.geomspace(1e7, 1e12, 6), jnp.geomspace(1e9, 1e13, 6)
    x = law.usual(N, D)
    assert set(x) == set(law.inputs)
    surface = np.asarray(jax.vmap(lambda p: law.loss(p, N, D))(draws))
    expected = np.asarray(jax.vmap(lambda p: law.expected(p, x))(draws))
    np.testing.assert_allclose(law.response.link(surface), expected, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in LAWS if isinstance(LAWS[n](), Centred)])
def test_another_reference_run_tells_the_same_functions(name):
    """Whatever the reference, some unknowns give the function: it is not in the law."""
    law, _, x, draws = prior_draws(name, 200)
    if name in {"farseer", "isoflop", "repeated_by_size"}:
        return  # bent at its D0, which is part of it; one unknown for each budget or model
    names = [n for n in vars(law) if n in MOVES or n.endswith("0")]
    moved = replace(law, **{n: getattr(law, n) * MOVES.get(n, 1.3) for n in names})
    truth = {n: v[0] for n, v in draws.items() if n in law.priors()}
    start, unravel = ravel_pytree(truth)
    wanted = law.expected(truth, x)

    def miss(u):
        return jnp.ravel(moved.expected(unravel(u), x) - wanted)

    near = dict(xtol=1e-15, ftol=1e-15, gtol=1e-15)
    found = least_squares(
        jax.jit(miss), np.asarray(start), jax.jit(jax.jacfwd(miss)), **near
    )
    assert np.abs(miss(start)).max() > 1e-3
    assert np.abs(found.fun).max() < 1e-7


def test_isoflop_minima_lie_on_the_line_and_fall_with_compute():
    law, *_, draws = prior_draws("isoflop", 200)
    C = jnp.geomspace(1e18, 1e26, 9)

    def minimum(params):
        log_N, log_D = law.log_optimum(params, C)
        at = law.loss(params, jnp.exp(log_N), jnp.exp(log_D))
        aside = [
            law.loss(params, jnp.exp(log_N - s), jnp.exp(log_D + s))
            for s in (-0.3, 0.3)
        ]
        return at, jnp.stack(aside)

    at, aside = (np.asarray(v) for v in jax.vmap(minimum)(draws))
    assert (np.diff(at, axis=1) <= 0).all()
    assert (aside >= at[:, None]).all()


@pytest.mark.parametrize("name", WITH_LINE)
def test_lines_are_power_laws(name):
    law, *_, draws = prior_draws(name, 50)
    C = jnp.geomspace(1e18, 1e26, 5)
    log_N, log_D = jax.vmap(lambda p: law.log_optimum(p, C))(draws)
    steps = np.diff(np.asarray(log_N), axis=1) / np.diff(np.log(C))
    np.testing.assert_allclose(
        steps, np.repeat(np.asarray(draws["alpha1"])[:, None], 4, 1), rtol=1e-9
    )
    if "alpha2" not in parse_model(name, None).unknowns:
        np.testing.assert_allclose(
            np.exp(log_N + log_D), np.broadcast_to(C / 6, log_N.shape), rtol=1e-9
        )


def test_coupled_law_is_busbridges_formula_and_keeps_the_optimum():
    law, *_, draws = prior_draws("coupled", 60)
    N, D = jnp.geomspace(1e8, 1e11, 7), jnp.geomspace(1e9, 1e12, 7)

    def both(params):
        v, k = law.derived(params), params["coupling"]
        size, data = v["A"] * N ** (-v["alpha"] / k), v["B"] * D ** (-v["beta"] / k)
        return law.loss(params, N, D), v["E"] + (size + data) ** k

    ours, theirs = jax.vmap(both)(draws)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)

    def least(params):
        return optimum(lambda N, D: law.loss(params, N, D), SIX, jnp.asarray(1e21))[0]

    params = {n: v[0] for n, v in draws.items()} | {"alpha1": jnp.asarray(0.5)}
    step = np.diff(
        [
            float(optimum(lambda N, D: law.loss(params, N, D), SIX, jnp.asarray(c))[0])
            for c in (1e20, 1e22)
        ]
    )
    np.testing.assert_allclose(step / np.log(100), 0.5, rtol=1e-6)
    assert np.isfinite(jax.vmap(least)(draws)).all()


def test_chinchilla_is_hoffmanns_formula_by_its_derived_numbers():
    law, *_, draws = prior_draws("chinchilla", 100)
    N, D = jnp.geomspace(1e7, 1e12, 7), jnp.geomspace(1e9, 1e13, 7)

    def both(params):
        v = law.derived(params)
        return law.loss(params, N, D), v["E"] + v["A"] / N ** v["alpha"] + v[
            "B"
        ] / D ** v["beta"]

    ours, theirs = jax.vmap(both)(draws)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    np.testing.assert_allclose(
        jax.vmap(law.derived)(draws)["beta"] / draws["exponent_sum"],
        draws["alpha1"],
        rtol=1e-12,
    )
