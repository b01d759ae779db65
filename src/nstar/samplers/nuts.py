"""NUTS in coordinates where the posterior is about a standard normal.

A search finds the modes and their curvature; chains walk from there side by side on the
cores, by the same compiled program (`trajectories`), in rounds, until every unknown has
as many effective draws as the answers need.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np
from threadpoolctl import threadpool_limits

from nstar.samplers import density, modes, search
from nstar.samplers.density import Data, Skeleton
from nstar.samplers.flat import unravel_of
from nstar.samplers.mixing import enough
from nstar.samplers.randomness import words
from nstar.samplers.targets import (
    MISLEADING,
    Model,
    Target,
    find_target,
    find_target_again,
    recover,
)
from nstar.samplers.trajectories import (
    BLOCK,
    DEEPEST,
    SCALARS,
    Order,
    Walk,
    explore,
    freeze_step,
    restart_walk,
    start_walk,
)
from nstar.types import Array, Law, Marginalisable, Noise, Prior

PRIOR_DRAWS = 1000  # kept beside the posterior, and where the mode search starts
MISLED_PILOT = 500  # pilot transitions where the curvature at the mode misleads
WARMUP_DEPTH = 6  # depth of trees in pilots and warm-up: a bad scale is left soon
SCALED_AFTER = 0.4  # part of the warm-up after which widths are taken from the chains
SHRINKAGE = 5  # draws' worth of unit width that those widths are shrunk toward
TOO_MANY_DIVERGENT = 0.02  # share of a round's transitions; no step would do there
LINEARISATIONS = 4  # further ones, while the mode misleads
PILOT_STEPS = 100  # transitions before each of them
STEP_REDUCTION = 0.6  # what a step becomes after a divergence


class Settings(NamedTuple):
    """Settings of the sampler: its length, and the care it takes."""

    chains: int = 4
    warmup: int = 500
    draws: int = 1000  # of each chain, at most
    target_accept: float = 0.9
    max_tree_depth: int = 10  # of draws; warm-up grows no deeper than SHALLOW
    trusted: float = modes.TRUSTED  # mismatch up to which the mode's curvature guides
    pilot: int = 0  # transitions before; each block whitens anew by its curvature
    rows: int = 0  # that the table is filled up to at least, to share its programs
    # effective draws of every unknown that end the sampling; none unless given
    enough: int = 0
    # how often a divergence makes the steps smaller and what was drawn a warm-up
    tighten: int = 0


ENOUGH = 800  # effective draws of the worst unknown; twice what the gates ask for
# only a step size is to be learned
USUAL = Settings(warmup=200, draws=2000, enough=ENOUGH, tighten=2)


class Draws(NamedTuple):
    """Draws of a fit; the first two axes are chain and draw, the prior's is draw."""

    posterior: dict[str, np.ndarray]
    prior: dict[str, np.ndarray]
    log_likelihood: np.ndarray
    stats: dict[str, np.ndarray]  # also unknowns of the marginalised law
    missed: np.ndarray  # shares of the mass of modes that no chain starts at, (mode,)


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
    runs = len(data.y)
    data = density.padded(data, density.size(max(runs, settings.rows)))
    seed = words(key)
    if prior is None:
        prior = density.prior_draws(law, noise, chosen, key, PRIOR_DRAWS)
    model = Model(law, noise, chosen, data, prior)
    skeleton, problem, peaks, mismatch, guided = _find_target(
        model, settings, seed, tick
    )
    misled = mismatch > settings.trusted and not guided
    if misled:
        settings = settings._replace(pilot=MISLED_PILOT)
    mode_of_chain = modes.assign(peaks, settings.chains)
    frames = [modes.scaled(peak.mode) if misled else peak.mode for peak in peaks]
    chains = Chains(skeleton, problem, frames, mode_of_chain, settings, seed, tick)
    for _ in range(-(-settings.pilot // BLOCK)):
        z = chains.walk(BLOCK, learning=True)["z"][:, BLOCK // 5 :]
        chains.whiten(z, anew=misled)
    before_scaling = round(SCALED_AFTER * settings.warmup)
    z = chains.walk(before_scaling, learning=True)["z"]
    chains.scale(z[:, before_scaling // 2 :])
    chains.walk(settings.warmup - before_scaling, learning=True)
    chains.freeze_steps()
    parts: list[dict[str, np.ndarray]] = []
    remaining, tighten = settings.draws, settings.tighten
    while remaining > 0:
        count = min(BLOCK, remaining)
        parts.append(chains.walk(count))
        remaining -= count
        divergent = parts[-1]["diverging"].mean()
        if settings.tighten and divergent > TOO_MANY_DIVERGENT:
            break  # the coordinates are wrong: smaller steps would walk for hours
        if tighten and divergent:
            chains.reduce_steps()
            tighten -= 1
            parts, remaining = [], settings.draws
        elif settings.enough and remaining:
            z = np.concatenate([part["z"] for part in parts], axis=1)
            if enough(z, settings.enough):
                break
    chains.finish()
    z, *statistics = (
        np.concatenate([part[name] for part in parts], axis=1)
        for name in ("z", *SCALARS)
    )
    stats = dict(zip(SCALARS, statistics, strict=True))
    stats["diverging"] = stats["diverging"].astype(bool)
    stats["n_steps"] = stats["n_steps"].astype(int)
    posterior, log_likelihood = chains.unpack(z)
    if isinstance(law, Marginalisable):
        sampled_law = skeleton.fill(problem[0])[0]
        random = np.random.default_rng([*seed, settings.chains])
        recovered = recover(law, sampled_law, random, posterior, data.x)
        stats |= {n: v for n, v in posterior.items() if n not in recovered}
        posterior = recovered
    missed = modes.missed(peaks, mode_of_chain)
    draws = (posterior, prior, log_likelihood[..., :runs], stats, np.array(missed))
    return Draws(*jax.tree.map(np.asarray, draws))


def _find_target(
    model: Model,
    settings: Settings,
    seed: list[int],
    tick: Callable[[int, int], None],
) -> Target:
    """Find the modes; where the best misleads, linearise again from where chains go."""
    target = find_target(model)
    for attempt in range(LINEARISATIONS):
        if not target.guided or target.mismatch <= MISLEADING:
            break
        frames, at = [target.peaks[0].mode], np.zeros(settings.chains, int)
        problem = target.skeleton, target.problem
        pilot = Chains(*problem, frames, at, settings, [*seed, attempt], tick)
        pilot.walk(PILOT_STEPS, learning=True)
        target = find_target_again(model, target, pilot.unknowns())
    return target


class Chains:
    """Chains that are sampled in parallel: where each is, and its mode's coordinates."""

    def __init__(
        self,
        skeleton: Skeleton,
        problem: Any,
        frames: list[modes.Mode],
        at: np.ndarray,
        settings: Settings,
        seed: list[int],
        tick: Callable[[int, int], None],
    ) -> None:
        """Start every chain from a draw of its mode's normal approximation."""
        self.skeleton, self.problem = skeleton, problem
        self.frames, self.at, self.settings = frames, at, settings
        self.size = frames[0].at.size
        self.random = [
            np.random.default_rng([*seed, i]) for i in range(settings.chains)
        ]
        self.walks = [
            start_walk(random.normal(size=self.size)) for random in self.random
        ]
        self.lock, self.tick, self.done = Lock(), tick, 0
        pilots = -(-settings.pilot // BLOCK)
        rounds = pilots + 2 + -(-settings.draws // BLOCK)
        self.total = settings.chains * rounds
        self._evaluate()

    def walk(self, count: int, *, learning: bool = False) -> dict[str, np.ndarray]:
        """Take transitions of every chain; records, (chain, transition, ...)."""
        deepest_warmup = min(WARMUP_DEPTH, self.settings.max_tree_depth)
        depth = (
            deepest_warmup if learning else min(self.settings.max_tree_depth, DEEPEST)
        )
        accept = self.settings.target_accept
        records: list[list[dict[str, np.ndarray]]] = []
        for done in range(0, count, BLOCK):
            order = Order(min(BLOCK, count - done), True, learning, depth, accept)
            parts = self._map_chains(partial(self._walk_chain, order))
            self.walks = [walk for walk, _ in parts]
            records.append([record for _, record in parts])
        return {
            name: np.concatenate(
                [np.stack([record[name] for record in block]) for block in records],
                axis=1,
            )
            for name in ("z", *SCALARS)
        }

    def whiten(self, z: np.ndarray, *, anew: bool) -> None:
        """Take new coordinates from draws, (chain, draw, unknown), for each mode.

        Anew: by their covariance; else by the mean curvature where they are.
        """
        at, frames = (
            [self._unknowns(i) for i in range(len(self.walks))],
            list(self.frames),
        )
        for i in np.unique(self.at):
            if anew:
                frames[i] = modes.from_covariance(frames[i], z[self.at == i])
            else:
                sample = np.concatenate(z[self.at == i, ::16])
                u = frames[i].at + sample @ frames[i].width.T
                slopes = search.slopes_of(self.skeleton, self.problem)
                frames[i] = modes.from_curvature(slopes, u)
        self._move(frames, at)

    def scale(self, z: np.ndarray) -> None:
        """Take the width of each coordinate from draws, (chain, draw, unknown)."""
        at, frames = (
            [self._unknowns(i) for i in range(len(self.walks))],
            list(self.frames),
        )
        for i in np.unique(self.at):
            sample = z[self.at == i].reshape(-1, self.size)
            count = len(sample)
            if count > 1:
                sd = np.sqrt(
                    (count * np.var(sample, axis=0) + SHRINKAGE) / (count + SHRINKAGE)
                )
                frames[i] = frames[i]._replace(width=frames[i].width * sd)
        self._move(frames, at)

    def unpack(self, z: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Unknowns and log likelihoods at positions z, (chain, draw, ...) each."""
        chains, draws = z.shape[:2]
        width = -(-draws // BLOCK) * BLOCK  # blocks, so that one program serves all
        full = np.concatenate([z, np.repeat(z[:, -1:], width - draws, axis=1)], axis=1)

        def unpack_block(at: tuple[int, int]) -> Any:
            chain, block = at
            frame, part = (
                self.frames[self.at[chain]],
                full[chain, block : block + BLOCK],
            )
            with jax.enable_x64(True):
                arrays = unpack(self.skeleton, self.problem, frame, part)
                return jax.tree.map(np.asarray, arrays)

        places = [(c, b) for c in range(chains) for b in range(0, width, BLOCK)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            parts = list(pool.map(unpack_block, places))
        joined = jax.tree.map(lambda *a: np.concatenate(a), *parts)
        return jax.tree.map(
            lambda a: a.reshape(chains, width, *a.shape[1:])[:, :draws], joined
        )

    def unknowns(self) -> np.ndarray:
        """Flat unknowns where the chains are, (chain, unknown)."""
        return np.stack([self._unknowns(i) for i in range(len(self.walks))])

    def freeze_steps(self) -> None:
        """End the warm-up: steps stay as they were learned."""
        self.walks = [freeze_step(walk) for walk in self.walks]

    def reduce_steps(self) -> None:
        """Make every chain's steps smaller, from where it is."""
        down = np.log(STEP_REDUCTION)
        self.walks = [w._replace(log_step=w.log_step + down) for w in self.walks]
        self.total += len(self.walks)  # rounds to come again

    def finish(self) -> None:
        """Report the progress as complete."""
        self.tick(self.total, self.total)

    def _unknowns(self, chain: int) -> np.ndarray:
        """Flat unknowns where a chain is."""
        frame = self.frames[self.at[chain]]
        return frame.at + frame.width @ np.asarray(self.walks[chain].z)

    def _move(self, frames: list[modes.Mode], at: list[np.ndarray]) -> None:
        """Take new coordinates, in which the chains stay where they are.

        Their steps are learned anew.
        """
        self.frames = frames
        for chain, u in enumerate(at):
            frame = frames[self.at[chain]]
            z = np.linalg.solve(frame.width, u - frame.at)
            self.walks[chain] = restart_walk(self.walks[chain])._replace(z=z)
        self._evaluate()

    def _evaluate(self) -> None:
        """Compute the energy and its gradient where each chain is."""
        order = Order(1, walking=False, learning=False, depth=1, target=0.0)

        def evaluate(chain: int) -> Walk:
            walk = self.walks[chain]
            points = np.zeros((BLOCK, self.size))
            points[0] = walk.z
            record = self._explore(order, walk, chain, points)[1]
            energy, slope = (np.asarray(record[n])[0] for n in ("energy", "slope"))
            return walk._replace(energy=energy, slope=slope)

        self.walks = self._map_chains(evaluate)

    def _walk_chain(
        self, order: Order, chain: int
    ) -> tuple[Walk, dict[str, np.ndarray]]:
        no_points = np.zeros((BLOCK, self.size))
        walk, record = self._explore(order, self.walks[chain], chain, no_points)
        with self.lock:
            self.done += 1
            self.tick(min(self.done, self.total - 1), self.total)
        return walk, {name: np.asarray(v)[: order.count] for name, v in record.items()}

    def _explore(
        self, order: Order, walk: Walk, chain: int, points: np.ndarray
    ) -> tuple[Walk, dict[str, Array]]:
        momenta, seeds = np.zeros((BLOCK, self.size)), np.zeros(BLOCK, np.uint32)
        if order.walking:
            random = self.random[chain]
            momenta[: order.count] = random.normal(size=(order.count, self.size))
            seeds[: order.count] = random.integers(2**32, size=order.count)
        frame = self.frames[self.at[chain]]
        with jax.enable_x64(True):  # the flag is a thread's own
            result = explore(
                self.skeleton, self.problem, frame, order, walk, points, momenta, seeds
            )
            return jax.block_until_ready(result)

    def _map_chains(self, function: Callable[[int], Any]) -> list[Any]:
        """Apply to every chain, as many at a time as there are cores."""
        count = len(self.walks)
        with ThreadPoolExecutor(min(count, os.cpu_count() or 1)) as pool:
            return list(pool.map(function, range(count)))


@partial(jax.jit, static_argnums=0, compiler_options=density.ONCE)
def unpack(
    skeleton: Skeleton, problem: Any, mode: modes.Mode, z: Array
) -> tuple[dict[str, Array], Array]:
    """Turn whitened positions, (draw, unknown), into unknowns and likelihoods."""
    numbers, priors, data = problem
    law, noise = skeleton.fill(numbers)
    unravel = unravel_of(skeleton, problem)

    def unpack_one(z: Array) -> tuple[dict[str, Array], Array]:
        u = unravel(mode.at + mode.width @ z)
        params = dict(density.constrain(law, noise, priors, data, u))
        return params, density.log_likelihood(law, noise, data, params)

    return jax.lax.map(unpack_one, z)
