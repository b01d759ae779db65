"""NUTS in coordinates where the posterior is about a standard normal.

NumPyro's kernel inside programs of our own: a search finds the modes and their
curvature, `advance` runs a block of transitions of one chain, `unpack` turns
whitened positions into unknowns.  Each compiles once per shape of problem; chains run
side by side on the cores.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.hmc import hmc
from numpyro.infer.util import ParamInfo
from threadpoolctl import threadpool_limits

from nstar.samplers import density, modes, search
from nstar.samplers.density import Data, Skeleton
from nstar.samplers.telling import given_back, tell
from nstar.types import Array, Law, Noise, Prior, Summable

PRIOR_DRAWS = 1000  # kept beside the posterior, and where the mode search starts
BLOCK = 250  # transitions between two ticks of the progress bar
MISLED = 500  # pilot transitions where the curvature at the mode misleads
SHALLOW = 6  # depth of trees in pilots and warm-up: a bad scale is left soon


class Settings(NamedTuple):
    """How long and how carefully to sample."""

    chains: int = 4
    warmup: int = 500
    draws: int = 1000
    target_accept: float = 0.9
    max_tree_depth: int = 10  # of draws; warm-up grows no deeper than SHALLOW
    trusted: float = modes.TRUSTED  # mismatch up to which the mode's curvature guides
    pilot: int = 0  # transitions before; each block whitens anew by its curvature
    rows: int = 0  # that the table is filled up to at least, to share its programs


USUAL = Settings(warmup=250)  # only a step size is to be learned


class Compiled(NamedTuple):
    """What of the settings a program is compiled for."""

    warmup: int
    depth: int


class Draws(NamedTuple):
    """What came of it; the first two axes are chain and draw, the prior's is draw."""

    posterior: dict[str, np.ndarray]
    prior: dict[str, np.ndarray]
    log_likelihood: np.ndarray
    stats: dict[str, np.ndarray]  # also what was sampled in an unknown's place


@threadpool_limits.wrap(limits=1, user_api="blas")  # small matrices, and chains beside
def sample(
    law: Law,
    noise: Noise,
    chosen: Mapping[str, Prior],
    data: Data,
    key: Array,
    settings: Settings = USUAL,
    tick: Callable[[int, int], None] = lambda done, total: None,
    prior: Mapping[str, Array] | None = None,
) -> Draws:
    """Draw from the posterior; the same key gives the same draws.

    Tables are filled up to few sizes by runs that count for nothing, so that another of
    about as many runs is sampled by the same programs.

    Args:
        law: the law, at its reference run.
        noise: the likelihood of its response.
        chosen: priors that replace the law's or the noise's own, by name.
        data: inputs and responses of the runs.
        key: JAX random key.
        settings: number of chains, of draws, and the step's acceptance target.
        tick: called with the blocks done and their total.
        prior: draws from the priors, made before for another table of the same law.
    """
    runs, data = (
        len(data.y),
        density.padded(data, density.size(max(len(data.y), settings.rows))),
    )
    prior_key, apart_key, *chain_keys = jax.random.split(key, settings.chains + 2)
    if prior is None:
        prior = density.prior_draws(law, noise, chosen, prior_key, PRIOR_DRAWS)
    skeleton, problem, peaks, mismatch, led = tell(law, noise, chosen, data, prior)
    misled = mismatch > settings.trusted and not led
    if misled:
        settings = settings._replace(pilot=MISLED)
    at = modes.shared(peaks, settings.chains)
    frames = [modes.scaled(f.mode) if misled else f.mode for f in peaks]
    pilots, whole = -(-settings.pilot // BLOCK), sum(_blocks(settings))
    total = settings.chains * (pilots + whole)
    done, counting = 0, Lock()

    def counted() -> None:
        nonlocal done
        with counting:
            done += 1
            tick(done, total)

    how = Compiled(_blocks(settings)[0] * BLOCK, settings.max_tree_depth)

    def run(blocks: int) -> Any:
        asked = jnp.asarray(settings.target_accept)
        one = partial(_chain, skeleton, how, problem, asked, counted, blocks)
        with ThreadPoolExecutor(min(settings.chains, os.cpu_count() or 1)) as pool:
            chains = list(pool.map(one, [frames[i] for i in at], chain_keys))
        return jax.tree.map(lambda *a: np.stack(a), *chains)

    for _ in range(pilots):
        z = run(1)[0][:, BLOCK // 5 :]
        for i in np.unique(at):
            if misled:
                frames[i] = modes.spread(frames[i], z[at == i])
            else:
                u = frames[i].at + np.concatenate(z[at == i, ::16]) @ frames[i].width.T
                frames[i] = modes.about(search.slopes_of(skeleton, problem), u)
    warm = _blocks(settings)[0] * BLOCK
    z, stats = jax.tree.map(lambda a: a[:, warm : warm + settings.draws], run(whole))
    whitened = jax.tree.map(lambda *a: np.stack(a), *(frames[i] for i in at))
    posterior, log_likelihood = unpack(skeleton, problem, whitened, z)
    if isinstance(law, Summable):
        told = skeleton.fill(problem[0])[0]
        drawn = given_back(law, told, apart_key, posterior, data.x)
        stats |= {n: v for n, v in posterior.items() if n not in drawn}
        posterior = drawn
    found = (posterior, prior, log_likelihood[..., :runs], stats)
    return Draws(*jax.tree.map(np.asarray, found))


def _blocks(settings: Settings) -> tuple[int, int]:
    return -(-settings.warmup // BLOCK), -(-settings.draws // BLOCK)


def _chain(
    skeleton: Skeleton,
    how: Compiled,
    problem: Any,
    accept: Array,
    counted: Callable[[], None],
    blocks: int,
    mode: modes.Mode,
    key: Array,
) -> Any:
    """Run a chain from its start for some blocks, warm-up included."""
    with jax.enable_x64(True):  # the flag is a thread's own
        state, parts = begin(skeleton, how, problem, mode, accept, key), []
        for _ in range(blocks):
            state, part = advance(skeleton, how, problem, mode, accept, state)
            parts.append(jax.block_until_ready(part))
            counted()
        return jax.tree.map(lambda *a: np.concatenate(a), *parts)


def _kernel(
    energy: Callable[[Array], Array], how: Compiled, accept: Array
) -> tuple[Callable, Callable]:
    init, step = hmc(energy, algo="NUTS")
    begin = partial(
        init,
        num_warmup=how.warmup,
        step_size=0.5,
        target_accept_prob=accept,
        max_tree_depth=(min(SHALLOW, how.depth), how.depth),
    )
    return begin, step


def begin(
    skeleton: Skeleton,
    how: Compiled,
    problem: Any,
    mode: modes.Mode,
    accept: Array,
    key: Array,
) -> Any:
    """Start a chain from a draw of the normal approximation."""
    position, run = jax.random.split(key)
    z = np.asarray(jax.random.normal(position, mode.at.shape))
    at = (mode.at + mode.width @ z)[None, None]
    ((value,),), ((slope,),) = search.slopes_of(skeleton, problem)(at, search.ONE)
    return _begun(how, ParamInfo(z, value, mode.width.T @ slope), accept, run)


@partial(jax.jit, static_argnums=0)
def _begun(how: Compiled, start: ParamInfo, accept: Array, key: Array) -> Any:
    """State of a chain; all laws of as many unknowns share this program."""
    init, _ = _kernel(lambda z: z.sum(), how, accept)  # not called: `start` has it
    return init(start, rng_key=key)


@partial(jax.jit, static_argnums=(0, 1))
def advance(
    skeleton: Skeleton,
    how: Compiled,
    problem: Any,
    mode: modes.Mode,
    accept: Array,
    state: Any,
) -> tuple[Any, tuple[Array, dict[str, Array]]]:
    """Take a block of NUTS transitions."""
    energy, _ = search.energy(skeleton, problem)
    init, step = _kernel(lambda z: energy(mode.at + mode.width @ z), how, accept)
    at = ParamInfo(state.z, state.potential_energy, state.z_grad)
    init(at, rng_key=state.rng_key)  # tells the kernel its schedule

    def transition(state: Any, _: None) -> tuple[Any, tuple[Array, dict[str, Array]]]:
        state = step(state)
        return state, (
            state.z,
            {
                "diverging": state.diverging,
                "energy": state.energy,
                "lp": -state.potential_energy,
                "n_steps": state.num_steps,
                "acceptance_rate": state.accept_prob,
                "step_size": state.adapt_state.step_size,
            },
        )

    return jax.lax.scan(transition, state, length=BLOCK)


@partial(jax.jit, static_argnums=0)
def unpack(
    skeleton: Skeleton, problem: Any, mode: modes.Mode, z: Array
) -> tuple[dict[str, Array], Array]:
    """Turn whitened positions, (chain, draw, unknown), into unknowns and likelihoods.

    Each chain has its own mode.
    """
    numbers, chosen, data = problem
    law, noise = skeleton.fill(numbers)
    _, unravel = search.energy(skeleton, problem)

    def one(mode: modes.Mode, z: Array) -> tuple[dict[str, Array], Array]:
        u = unravel(mode.at + mode.width @ z)
        params = dict(density.constrain(law, noise, chosen, data, u))
        return params, density.log_likelihood(law, noise, data, params)

    return jax.vmap(jax.vmap(one, (None, 0)))(mode, z)
