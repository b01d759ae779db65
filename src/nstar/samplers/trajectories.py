"""NUTS with the gradient compiled once: walks of a chain, and slopes at any points.

The no-U-turn sampler with multinomial weights (Hoffman & Gelman 2014, arXiv:1111.4246;
Betancourt 2017, arXiv:1701.02434, appendix A), its trees grown leaf by leaf with the
checks of sub-trees from a few kept momenta (Phan et al. 2019, arXiv:1912.11554), in
coordinates where the posterior is about a standard normal.  A point is a tree of one
leaf and a step of no length, so that one program serves the search for modes and the
chains: compiling the gradient is what a first fit waits for.

Momenta and the seeds of a transition's choices come from NumPy's generator; the choices
within a transition are hashes of its seed (Jarzynski & Olano 2020, jcgt 9(3), pcg).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nstar.samplers import modes
from nstar.samplers.density import Skeleton
from nstar.samplers.flat import energy_of
from nstar.types import Array, Number

BLOCK = 250  # transitions, or points, that the program is called for
DEEPEST = 10  # doublings of a tree
DIVERGED = 1000.0  # nats of energy that a step may gain or lose
SCALARS = ("energy", "lp", "diverging", "n_steps", "acceptance_rate", "step_size")
START = 0.5  # step before anything is learned of it
SHRINK, DELAY, FORGET = 0.05, 10.0, 0.75  # of dual averaging: Hoffman & Gelman, 3.2


class Walk(NamedTuple):
    """State of a chain: its place, and the adaptation of its step size."""

    z: Array  # (unknown,)
    energy: Array  # minus log density there
    slope: Array  # its gradient, (unknown,)
    log_step: Array
    mean_log_step: Array  # averaged over the warm-up
    error: Array  # mean of target less acceptance
    count: Array  # of transitions that the step has learned from
    centre: Array  # that log steps are pulled toward


class Order(NamedTuple):
    """What a call of `explore` does: arguments of its compiled program."""

    count: int  # transitions or points, BLOCK at most
    walking: bool  # or points
    learning: bool  # the step
    depth: int  # doublings at most
    target: float  # acceptance


class End(NamedTuple):
    """One end of a trajectory."""

    z: Array  # position, (unknown,)
    r: Array  # momentum, (unknown,)
    slope: Array  # gradient of minus log density, (unknown,)


class Proposal(NamedTuple):
    """The state that a tree would move to."""

    z: Array
    energy: Array
    slope: Array


class Subtree(NamedTuple):
    """The new half of a tree that doubles: as many leaves again, from one of its ends."""

    leaves: Array
    end: End
    energy: Array  # at the end
    proposal: Proposal
    weight: Array  # log of the sum of the leaves' weights
    momentum: Array  # sum over the leaves
    momenta: Array  # checkpoints, (level, unknown)
    sums: Array  # sums of momenta at these, (level, unknown)
    turning: Array
    diverging: Array
    acceptance: Array  # sum over the leaves


class Tree(NamedTuple):
    """The trajectory of a transition so far."""

    depth: Array
    left: End
    right: End
    proposal: Proposal
    weight: Array
    momentum: Array
    turning: Array
    diverging: Array
    acceptance: Array
    leaves: Array
    last: Proposal  # its last leaf


def start_walk(z: np.ndarray) -> Walk:
    """A walk at z, (unknown,), whose energy is not known yet."""
    zero = np.zeros(())
    log_step = np.log(START) * np.ones(())
    count = np.zeros((), np.int32)
    return Walk(
        z,
        zero,
        np.zeros_like(z),
        log_step,
        log_step,
        zero,
        count,
        np.log(10) + log_step,
    )


def restart_walk(walk: Walk) -> Walk:
    """The walk at the same place, its step adapted anew from the average so far."""
    zero = np.zeros(())
    log_step = np.asarray(walk.mean_log_step)
    return walk._replace(
        log_step=log_step,
        error=zero,
        count=np.zeros((), np.int32),
        centre=np.log(10) + log_step,
    )


def freeze_step(walk: Walk) -> Walk:
    """The walk at the same place, its step fixed to the warm-up's average."""
    return walk._replace(log_step=np.asarray(walk.mean_log_step))


def slopes_at_points(
    skeleton: Skeleton, problem: Any, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Minus log density and its gradient at flat unknowns, (point, unknown)."""
    size = u.shape[1]
    frame = modes.Mode(np.zeros(size), np.eye(size))
    zeros, seeds = np.zeros((BLOCK, size)), np.zeros(BLOCK, np.uint32)
    energies, slopes = [], []
    for part in np.split(u, range(BLOCK, len(u), BLOCK)):
        order = Order(len(part), walking=False, learning=False, depth=1, target=0.0)
        points = np.concatenate([part, zeros[len(part) :]])
        start = start_walk(np.zeros(size))
        _, records = explore(
            skeleton, problem, frame, order, start, points, zeros, seeds
        )
        energies.append(np.asarray(records["energy"])[: len(part)])
        slopes.append(np.asarray(records["slope"])[: len(part)])
    return np.concatenate(energies), np.concatenate(slopes)


@partial(jax.jit, static_argnums=0)
def explore(
    skeleton: Skeleton,
    problem: Any,
    frame: modes.Mode,
    order: Order,
    walk: Walk,
    points: Array,
    momenta: Array,
    seeds: Array,
) -> tuple[Walk, dict[str, Array]]:
    """Take transitions from a walk, or slopes at points.

    Args:
        skeleton: the law and the noise.
        problem: numbers, priors and runs.
        frame: the coordinates: unknowns are at + width @ z.
        order: what is to be done.
        walk: where the chain is.
        points: z of points, (BLOCK, unknown).
        momenta: standard normal, (BLOCK, unknown).
        seeds: of the transitions' choices, (BLOCK,), 32 bits.

    Returns:
        The walk at its end, and (BLOCK, ...) each: `z`, `slope` of the last leaf,
        `energy` of it, `lp`, and statistics of the trees.
    """
    of_flat = energy_of(skeleton, problem)
    value_and_slope = jax.value_and_grad(of_flat)

    def gradient(z: Array) -> tuple[Array, Array]:
        value, slope = value_and_slope(frame.at + frame.width @ z)
        return value, frame.width.T @ slope

    def advance(i: Array, carry: tuple[Walk, Any]) -> tuple[Walk, Any]:
        walk, records = carry
        walk = walk._replace(
            z=jnp.where(order.walking, walk.z, points[i]),
            slope=jnp.where(order.walking, walk.slope, 0.0),
        )
        walk, record = _transition(gradient, order, walk, momenta[i], seeds[i])
        records = jax.tree.map(lambda all, new: all.at[i].set(new), records, record)
        return walk, records

    vector, scalar = jnp.zeros((BLOCK, walk.z.size)), jnp.zeros(BLOCK)
    records = {"z": vector, "slope": vector, **dict.fromkeys(SCALARS, scalar)}
    return jax.lax.fori_loop(0, order.count, advance, (walk, records))


def _transition(
    gradient: Callable[[Array], tuple[Array, Array]],
    order: Order,
    walk: Walk,
    r: Array,
    seed: Array,
) -> tuple[Walk, dict[str, Array]]:
    step = jnp.where(order.walking, jnp.exp(walk.log_step), 0.0)
    start = walk.energy + r @ r / 2
    here, zero, no = End(walk.z, r, walk.slope), jnp.zeros(()), jnp.zeros((), bool)
    proposal = Proposal(walk.z, walk.energy, walk.slope)
    first = Tree(
        jnp.zeros((), jnp.int32),
        here,
        here,
        proposal,
        zero,
        r,
        no,
        no,
        zero,
        jnp.zeros((), jnp.int32),
        proposal,
    )

    def growing(tree: Tree) -> Array:
        return (tree.depth < order.depth) & ~tree.turning & ~tree.diverging

    def double(tree: Tree) -> Tree:
        right = _uniform(seed, 3 * tree.depth) < 0.5
        end = jax.tree.map(lambda a, b: jnp.where(right, a, b), tree.right, tree.left)
        signed = jnp.where(right, step, -step)
        size = jnp.left_shift(1, tree.depth)
        grown = _subtree(gradient, end, signed, start, size, seed)
        odds = grown.weight - tree.weight  # biased toward the new half
        take = jnp.log(_uniform(seed, 3 * tree.depth + 1)) < odds
        take &= ~grown.turning & ~grown.diverging
        left, right_end = (
            jax.tree.map(lambda a, b, at=at: jnp.where(at, a, b), grown.end, old)
            for at, old in ((~right, tree.left), (right, tree.right))
        )
        momentum = tree.momentum + grown.momentum
        turning = _turning(left.r, right_end.r, momentum)
        return Tree(
            tree.depth + 1,
            left,
            right_end,
            jax.tree.map(
                lambda a, b: jnp.where(take, a, b), grown.proposal, tree.proposal
            ),
            jnp.logaddexp(tree.weight, grown.weight),
            momentum,
            grown.turning | turning,
            grown.diverging,
            tree.acceptance + grown.acceptance,
            tree.leaves + grown.leaves,
            Proposal(grown.end.z, grown.energy, grown.end.slope),
        )

    tree = jax.lax.while_loop(growing, double, first)
    accepted = tree.acceptance / tree.leaves
    moved = walk._replace(**tree.proposal._asdict())
    moved = _adapt_step(moved, order.target - accepted, order.learning)
    record = {
        "z": tree.proposal.z,
        "slope": tree.last.slope,
        "energy": jnp.where(order.walking, start, tree.last.energy),
        "lp": -tree.proposal.energy,
        "diverging": tree.diverging.astype(float),
        "n_steps": tree.leaves.astype(float),
        "acceptance_rate": accepted,
        "step_size": step,
    }
    return moved, record


def _subtree(
    gradient: Callable[[Array], tuple[Array, Array]],
    end: End,
    step: Array,
    start: Array,
    size: Array,
    seed: Array,
) -> Subtree:
    """Grow so many leaves from an end, until they turn back or diverge."""
    levels = jnp.zeros((DEEPEST, end.z.size), end.z.dtype)
    zero, no = jnp.zeros(()), jnp.zeros((), bool)
    first = Subtree(
        jnp.zeros((), jnp.int32),
        end,
        zero,
        Proposal(end.z, zero, end.slope),
        jnp.full((), -jnp.inf),
        jnp.zeros_like(end.r),
        levels,
        levels,
        no,
        no,
        zero,
    )

    def growing(tree: Subtree) -> Array:
        return (tree.leaves < size) & ~tree.turning & ~tree.diverging

    def grow(tree: Subtree) -> Subtree:
        half = tree.end.r - step / 2 * tree.end.slope
        z = tree.end.z + step * half
        energy, slope = gradient(z)
        r = half - step / 2 * slope
        gain = energy + r @ r / 2 - start
        gain = jnp.where(jnp.isnan(gain), jnp.inf, gain)
        weight = jnp.logaddexp(tree.weight, -gain)
        # seeds below 32 are those of the doublings; leaves have 2^depth + n of their own
        take = jnp.log(_uniform(seed, 32 + size + tree.leaves)) < -gain - weight
        proposal = jax.tree.map(
            lambda new, old: jnp.where(take, new, old),
            Proposal(z, energy, slope),
            tree.proposal,
        )
        momentum = tree.momentum + r
        highest = jax.lax.population_count(tree.leaves >> 1)
        ones = jax.lax.population_count((tree.leaves ^ (tree.leaves + 1)) >> 1)
        even, level = tree.leaves % 2 == 0, jnp.arange(DEEPEST)
        store = (level == highest) & even
        momenta = jnp.where(store[:, None], r, tree.momenta)
        sums = jnp.where(store[:, None], momentum, tree.sums)
        inner = momentum - sums + momenta  # of each sub-tree that ends here
        inner = inner - (momenta + r) / 2
        back = (jnp.sum(momenta * inner, 1) <= 0) | (inner @ r <= 0)
        checked = (level <= highest) & (level > highest - ones)
        return Subtree(
            tree.leaves + 1,
            End(z, r, slope),
            energy,
            proposal,
            weight,
            momentum,
            momenta,
            sums,
            jnp.any(back & checked),
            gain > DIVERGED,
            tree.acceptance + jnp.minimum(jnp.exp(-gain), 1.0),
        )

    return jax.lax.while_loop(growing, grow, first)


def _turning(left: Array, right: Array, momentum: Array) -> Array:
    """Say whether the two ends of a trajectory come back toward each other."""
    inner = momentum - (left + right) / 2
    return (left @ inner <= 0) | (right @ inner <= 0)


def _adapt_step(walk: Walk, error: Array, learning: Number) -> Walk:
    """Dual averaging of the log step, Hoffman & Gelman (2014), eq. 6."""
    count = walk.count + 1
    share = 1 / (count + DELAY)
    mean = (1 - share) * walk.error + share * error
    log_step = walk.centre - jnp.sqrt(count) / SHRINK * mean
    weight = jnp.power(count.astype(mean.dtype), -FORGET)
    average = (1 - weight) * walk.mean_log_step + weight * log_step
    new = walk._replace(
        log_step=log_step, mean_log_step=average, error=mean, count=count
    )
    return jax.tree.map(lambda a, b: jnp.where(learning, a, b), new, walk)


def _uniform(seed: Array, number: Array) -> Array:
    """The transition's uniform variate of this number, above zero and below one."""
    bits = _hashed(_hashed(jnp.asarray(number, jnp.uint32)) ^ seed)
    return (jnp.right_shift(bits, 8) + 0.5) * 2.0**-24


def _hashed(n: Array) -> Array:
    """The hash pcg of 32 bits."""
    n = n * jnp.uint32(747796405) + jnp.uint32(2891336453)
    shift = jnp.right_shift(n, 28) + jnp.uint32(4)
    word = (jnp.right_shift(n, shift) ^ n) * jnp.uint32(277803737)
    return jnp.right_shift(word, 22) ^ word
