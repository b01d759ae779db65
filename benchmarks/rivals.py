"""Other people's samplers on nstar's models: what a user would write, and our density.

*user*: reference scale, natural unknowns, the likelihood as each library's documentation
has it.  *whitened*: nstar's own coordinates and direct sums, so that only the engine
differs.  The priors are nstar's in both.  Each engine returns a function that samples
with a seed and gives draws by name, (chain, draw, ...), its divergences and its leapfrogs,
warm-up included; what the function does again at each call is charged to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nstar.fits.attempts import BENT
from nstar.fits.model import parse_model, placed, unknowns
from nstar.runs.law_data import prepare
from nstar.samplers import density, modes, nuts
from nstar.samplers.flat import energy_of, unravel_of
from nstar.samplers.targets import Model, find_target

UNKNOWNS = (
    "alpha1",
    "exponent_sum",
    "floor_share",
    "level",
    "nu",
    "sigma",
    "size_share",
)
CHAINS, WARMUP, DRAWS = 4, 1000, 1000  # of the peers: what each has unless told


@dataclass(frozen=True)
class Sampled:
    """Draws by name, and what they took; leapfrogs are unknown (0) where not told."""

    draws: dict[str, np.ndarray]
    divergences: int
    leapfrogs: int = 0


Engine = Callable[[int], Sampled]


class Problem:
    """A law, a noise and runs, as nstar samples them."""

    def __init__(self, runs: Any, law: str, discrepancy: str = "none") -> None:
        with jax.enable_x64(True):
            model = parse_model(law, discrepancy=discrepancy)
            used, x, y = prepare(runs, model.law, model.noise)
            self.law, self.noise = placed(
                model.law, model.noise, x, used.cost, discrepancy
            )
        self.data, self.runs, self.discrepancy = density.Data(x, y), used, discrepancy
        skeleton, numbers = density.split(self.law, self.noise)
        priors = density.tabulated(self.law, self.noise, {})
        self.skeleton, self.given = skeleton, (numbers, priors, self.data)

    def mode(self) -> modes.Mode:
        """Find the mode as nstar does."""
        prior = density.prior_draws(
            self.law, self.noise, {}, jax.random.key(0), nuts.PRIOR_DRAWS
        )
        told = find_target(Model(self.law, self.noise, {}, self.data, prior))
        self.skeleton, self.given = told.skeleton, told.problem
        return told.peaks[0].mode

    def energy(self, mode: modes.Mode, given: Any = None) -> tuple[Callable, Callable]:
        """Minus log density in whitened coordinates, and the map to named unknowns."""
        problem = given or self.given
        of_flat, unravel = (
            energy_of(self.skeleton, problem),
            unravel_of(self.skeleton, problem),
        )
        priors = density.tabulated(self.law, self.noise, {})

        def unknowns(z: Any) -> dict[str, Any]:
            u = unravel(mode.at + mode.width @ z)
            return density.constrain(self.law, self.noise, priors, self.data, u)

        return (lambda z: of_flat(mode.at + mode.width @ z)), unknowns


def ours(problem: Problem) -> Engine:
    """nstar, its mode search and its draws from the prior included."""
    settings = nuts.USUAL if problem.discrepancy == "none" else BENT

    def run(seed: int) -> Sampled:
        with jax.enable_x64(True):
            made = nuts.sample(
                problem.law,
                problem.noise,
                {},
                problem.data,
                jax.random.key(seed),
                settings,
            )
        stats = made.stats
        return Sampled(
            made.posterior, int(stats["diverging"].sum()), int(stats["n_steps"].sum())
        )

    return run


def logs(runs: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log N and log D about their means, and log loss."""
    n, d = np.log(runs["N"]), np.log(runs["D"])
    return n - n.mean(), d - d.mean(), np.log(runs["L"])


def as_written(n: np.ndarray, d: np.ndarray, y: np.ndarray) -> None:
    """Say Hoffmann's surface with Student-t scatter as a NumPyro user writes it."""
    import numpyro
    import numpyro.distributions as dist

    level = numpyro.sample("level", dist.LogNormal(np.log(2.0), 1.0))
    floor = numpyro.sample("floor_share", dist.Beta(3.0, 2.0))
    size = numpyro.sample("size_share", dist.Beta(2.0, 2.0))
    logit = numpyro.sample("logit_alpha1", dist.StudentT(4.0, 0.04, 0.35))
    alpha1 = numpyro.deterministic("alpha1", jax.nn.sigmoid(logit))
    total = numpyro.sample("exponent_sum", dist.LogNormal(np.log(0.63), 0.5))
    sigma = numpyro.sample("sigma", dist.LogNormal(np.log(0.01), 1.0))
    nu = numpyro.sample("nu", dist.Gamma(2.0, 0.1))
    reducible = jnp.log(level) + jnp.log1p(-floor)
    a = reducible + jnp.log(size) - (1 - alpha1) * total * n
    b = reducible + jnp.log1p(-size) - alpha1 * total * d
    mean = jnp.logaddexp(jnp.log(level * floor), jnp.logaddexp(a, b))
    numpyro.sample("y", dist.StudentT(nu, mean, sigma), obs=y)


def numpyro_mcmc(problem: Problem, *, whitened: bool) -> Engine:
    """`numpyro.infer.MCMC`, dense mass, chains in turn."""
    from numpyro.infer import MCMC, NUTS

    options = {
        "num_warmup": WARMUP,
        "num_samples": DRAWS,
        "num_chains": CHAINS,
        "chain_method": "sequential",
        "progress_bar": False,
    }
    extra = ("diverging", "num_steps")

    def run(seed: int) -> Sampled:
        with jax.enable_x64(True):
            key = jax.random.key(seed)
            if whitened:
                energy, unknowns = problem.energy(mode := problem.mode())
                mcmc = MCMC(NUTS(potential_fn=energy, dense_mass=True), **options)
                start = jnp.zeros((CHAINS, mode.at.size))
                mcmc.run(key, init_params=start, extra_fields=extra)
                draws = jax.vmap(jax.vmap(unknowns))(
                    mcmc.get_samples(group_by_chain=True)
                )
            else:
                mcmc = MCMC(NUTS(as_written, dense_mass=True), **options)
                mcmc.run(key, *logs(problem.runs), extra_fields=extra)
                draws = mcmc.get_samples(group_by_chain=True)
        told = mcmc.get_extra_fields(group_by_chain=True)
        return Sampled(
            {n: np.asarray(draws[n]) for n in UNKNOWNS},
            int(told["diverging"].sum()),
            int(told["num_steps"].sum()),
        )

    return run


def blackjax_nuts(problem: Problem, *, whitened: bool) -> Engine:
    """BlackJAX: window adaptation with dense mass and NUTS, one jitted scan a chain."""
    import blackjax
    from numpyro.infer.util import constrain_fn, initialize_model

    with jax.enable_x64(True):
        if whitened:
            energy, unknowns = problem.energy(mode := problem.mode())
            start = jnp.zeros(mode.at.size)
        else:
            data = logs(problem.runs)
            info = initialize_model(jax.random.key(0), as_written, model_args=data)
            energy, start = info.potential_fn, info.param_info.z

            def unknowns(u: Any) -> dict[str, Any]:
                return constrain_fn(as_written, data, {}, u, return_deterministic=True)

        def density_(u: Any) -> Any:
            return -energy(u)

        adaptation = blackjax.window_adaptation(
            blackjax.nuts, density_, is_mass_matrix_diagonal=False
        )

        @jax.jit
        def chain(key: Any) -> Any:
            begin, key = jax.random.split(key)
            (state, tuned), _ = adaptation.run(begin, start, num_steps=WARMUP)
            step = blackjax.nuts(density_, **tuned).step

            def one(state: Any, key: Any) -> Any:
                state, info = step(key, state)
                told = info.is_divergent, info.num_integration_steps
                return state, (unknowns(state.position), told)

            return jax.lax.scan(one, state, jax.random.split(key, DRAWS))[1]

    def run(seed: int) -> Sampled:
        with jax.enable_x64(True):
            keys = jax.random.split(jax.random.key(seed), CHAINS)
            chains = [jax.block_until_ready(chain(key)) for key in keys]
        draws, told = jax.tree.map(lambda *a: np.stack(a), *chains)
        named = {n: draws[n] for n in UNKNOWNS}
        return Sampled(named, int(told[0].sum()), int(told[1].sum()))

    return run


def pymc_model(problem: Problem, law: str, *, whitened: bool) -> Any:
    """Write the model in PyMC: by its own unknowns, or by our whitened ones."""
    import reference_pymc

    runs = problem.runs
    if not whitened:
        return getattr(reference_pymc, law)(runs["N"], runs["D"], runs["L"])
    return _whitened(problem)


def _whitened(problem: Problem) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    with jax.enable_x64(True):
        mode = problem.mode()
    n, d, y = logs(problem.runs)
    priors = {
        "exponent_sum": pm.LogNormal.dist(np.log(0.63), 0.5),
        "floor_share": pm.Beta.dist(3.0, 2.0),
        "level": pm.LogNormal.dist(np.log(2.0), 1.0),
        "nu": pm.Gamma.dist(2.0, 0.1),
        "sigma": pm.LogNormal.dist(np.log(0.01), 1.0),
        "size_share": pm.Beta.dist(2.0, 2.0),
    }
    with pm.Model() as model:
        z = pm.Flat("z", shape=len(UNKNOWNS))
        u = pt.as_tensor(mode.at) + pt.as_tensor(mode.width) @ z
        p, log_prior = {}, 0.0
        for i, name in enumerate(UNKNOWNS):
            share = name in ("floor_share", "size_share", "alpha1")
            value = pm.math.sigmoid(u[i]) if share else pt.exp(u[i])
            slope = pt.log(value) + pt.log1p(-value) if share else u[i]
            p[name] = pm.Deterministic(name, value)
            if name == "alpha1":
                heavy = pm.StudentT.dist(nu=4.0, mu=0.04, sigma=0.35)
                log_prior = log_prior + pm.logp(heavy, u[i])
            else:
                log_prior = log_prior + pm.logp(priors[name], value) + slope
        size, floor = p["size_share"], p["floor_share"]
        left = size * pt.exp(-(1 - p["alpha1"]) * p["exponent_sum"] * n) + (
            1 - size
        ) * pt.exp(-p["alpha1"] * p["exponent_sum"] * d)
        mean = pt.log(p["level"] * (floor + (1 - floor) * left))
        scatter = pm.StudentT.dist(nu=p["nu"], mu=mean, sigma=p["sigma"])
        pm.Potential("density", log_prior + pm.logp(scatter, y).sum())
    return model


def pymc_nuts(model: Any, names: tuple[str, ...]) -> Engine:
    """PyMC's own NUTS, one core."""
    import pymc as pm

    def run(seed: int) -> Sampled:
        with model:
            trace = pm.sample(
                draws=DRAWS,
                tune=WARMUP,
                chains=CHAINS,
                cores=1,
                random_seed=seed,
                progressbar=False,
                nuts_sampler="pymc",
                compute_convergence_checks=False,
            )
        return _of_trace(trace, names, "n_steps")

    return run


def nutpie_nuts(model: Any, names: tuple[str, ...], *, low_rank: bool) -> Engine:
    """Run nutpie on PyMC's model compiled by numba, one core."""
    import nutpie

    compiled = nutpie.compile_pymc_model(model)

    def run(seed: int) -> Sampled:
        trace = nutpie.sample(
            compiled,
            draws=DRAWS,
            tune=WARMUP,
            chains=CHAINS,
            cores=1,
            seed=seed,
            progress_bar=False,
            adaptation="low_rank" if low_rank else "diag",
        )
        return _of_trace(trace, names, "n_steps")

    return run


def _of_trace(trace: Any, names: tuple[str, ...], steps: str) -> Sampled:
    draws = {n: trace.posterior[n].to_numpy() for n in names}
    stats = trace.sample_stats
    return Sampled(draws, int(stats["diverging"].sum()), int(stats[steps].sum()))


def engine(name: str, law: str, runs: Any, discrepancy: str) -> Engine:
    """Build an engine by name, as in "nutpie low-rank, whitened"."""
    problem = Problem(runs, law, discrepancy)
    kind, _, form = name.partition(", ")
    whitened = form == "whitened"
    if kind == "nstar":
        return ours(problem)
    if kind == "NumPyro MCMC":
        return numpyro_mcmc(problem, whitened=whitened)
    if kind == "BlackJAX":
        return blackjax_nuts(problem, whitened=whitened)
    if kind == "Stan":
        from rivals_stan import stan_nuts

        return stan_nuts(problem, whitened=whitened)
    model = pymc_model(problem, law, whitened=whitened)
    names = tuple(
        n for n in problem_names(problem) if n in {v.name for v in model.unobserved_RVs}
    )
    if kind == "PyMC":
        return pymc_nuts(model, names)
    return nutpie_nuts(model, names, low_rank=kind == "nutpie low-rank")


def problem_names(problem: Problem) -> list[str]:
    """Names of what nstar samples."""
    return unknowns(problem.law, problem.noise)
