"""How far the truth may bend away from a law: smooth waves on its reducible loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from nstar.departures.summed import BASIS, SUMMED, Guide, Look, Summed, apart
from nstar.departures.waves import Waves, over_line, over_plane
from nstar.types import (
    Array,
    Extended,
    Floored,
    Inputs,
    Labelled,
    Params,
    Prior,
    Response,
    of_profiles,
)

AMPLITUDE = 0.02  # usual sd of a bend, in log reducible loss
FADE = 0.3  # exponent by which a local bend fades toward large compute
NOISE = 0.003  # of a run's log loss, about: a guide for the search, no assumption
SHARE = 0.5  # of it that is reducible, likewise
WIDE = 2.0  # sds above its median up to which an amplitude's bends are told whole
UNSEEN = 0.5  # ... but for what is smaller than so much of all runs' noise together
LEAST_SEEN = 0.01  # weight of a run in that, over the median's
RANKS = (16, 24, 40, 64, 96, 128)  # so that similar tables share a program
DISCREPANCIES = ("waves", "none")
PARTS = ("along", "tokens", "across", "local")
WORDS = {
    "bend_along": "how far the log loss bends along compute",
    "bend_tokens": "how far it bends along tokens",
    "bend_across": "how far it bends across compute and D/N",
    "bend_local": "how far it bends at single runs, at the largest run",
}


@dataclass(frozen=True)
class Bent:
    r"""A law whose reducible loss may bend, smoothly and everywhere.

    $$ L = E + (f - E)\,e^{\delta}, \qquad \delta = \delta_1(\log C) + \delta_2(\log D)
       + \delta_3(\log C, \log D/N) + (\min(C, C_0)/C_0)^{-0.3}\,\delta_4(\log N, \log D) $$

    (Kennedy & O'Hagan 2001.)  Acting on the reducible loss it cannot cross the floor.
    The last part is local, and larger for smaller runs: what absurdly shaped or barely
    trained runs do wrong says little of large ones.  C0 is the largest run.  The other
    parts are zero at the centre of the runs, so that the law's level is the loss there and
    no amplitude pulls at it.  A bent law is itself a law; `law` is the straight one.
    """

    law: Any
    log_N0: float  # where the waves' coordinates are zero
    log_D0: float
    log_top: float  # log N D of the largest run, from there
    along: Waves
    tokens: Waves
    across: Waves
    local: Waves

    @property
    def inputs(self) -> tuple[str, ...]:
        """Those of the law."""
        return self.law.inputs

    @property
    def response(self) -> Response:
        """That of the law."""
        return self.law.response

    def priors(self) -> dict[str, Prior]:
        """Those of the law, and an amplitude and weights for each part of the bend."""
        found = dict(self.law.priors())
        for part in PARTS:
            found |= {
                f"bend_{part}": getattr(self, part).amplitude(),
                f"waves_{part}": getattr(self, part).weights(),
            }
        return found

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        straight = jnp.exp(self.law.expected(params, x))
        return jnp.log(self._bent(params, straight, x["N"], x["D"]))

    def loss(self, params: Params, N: Array, D: Array) -> Array:
        """Loss of a run under this draw's bend."""
        return self._bent(params, self.law.loss(params, N, D), N, D)

    def _bent(self, params: Params, straight: Array, N: Array, D: Array) -> Array:
        return self.applied(params, straight, self.bend(params, N, D))

    def applied(self, params: Params, straight: Array, bend: Array) -> Array:
        """Loss of runs, from the law's own and the log factor on what is reducible of it."""
        floor = self.law.floor(params)
        return floor + (straight - floor) * jnp.exp(bend)

    def bend(self, params: Params, N: Array, D: Array) -> Array:
        """Log factor on the reducible loss."""
        n, d = jnp.log(N) - self.log_N0, jnp.log(D) - self.log_D0

        def part(name: str) -> Array:
            waves: Waves = getattr(self, name)
            return waves.bend(params[f"bend_{name}"], params[f"waves_{name}"], n, d)

        local = part("local") * self.faded(n, d)
        return sum((part(name) for name in PARTS if name != "local"), local)

    def faded(self, n: Array, d: Array) -> Array:
        """How much wider the local part is at a run than at the largest."""
        xp = (
            np if isinstance(n, np.ndarray) else jnp
        )  # outside of a program without one
        return xp.exp(FADE * (self.log_top - xp.minimum(n + d, self.log_top)))

    def columns(self, x: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Log factor at runs of each weight at unit amplitude, and the weight's part.

        (run, weight) and (weight,).
        """
        n = np.log(np.asarray(x["N"])) - self.log_N0
        d = np.log(np.asarray(x["D"])) - self.log_D0
        each = [np.array(getattr(self, part).columns(n, d)) for part in PARTS]
        each[PARTS.index("local")] *= np.asarray(self.faded(n, d))[:, None]
        part = np.repeat(np.arange(len(PARTS)), [c.shape[1] for c in each])
        return np.concatenate(each, axis=1), part

    def summed(
        self, x: Inputs, look: Look | None = None, rank: int = 0
    ) -> tuple[Summed, Inputs]:
        """Tell this law for the sampler.

        Args:
            x: inputs of the runs.
            look: at the runs from about the mode, where one was taken.
            rank: coordinates of the bend at least, to share another's programs.

        Returns:
            The law with its waves summed out, and inputs with the basis of what is left.
        """
        columns, part = self.columns(x)
        waves = [getattr(self, name) for name in PARTS]
        wide = np.array([w.usual * np.exp(WIDE * w.spread) for w in waves])[part]
        seen = np.full(len(columns), (SHARE / NOISE) ** 2)
        if look is not None:
            seen = np.nan_to_num(np.asarray(look.seen), posinf=0.0)
            middle = np.median(seen[seen > 0]) if (seen > 0).any() else 1.0
            seen = np.maximum(seen, LEAST_SEEN * middle)
        axes, size, _ = np.linalg.svd(
            np.sqrt(seen)[:, None] * columns * wide, full_matrices=False
        )
        left = _rounded(max(int(np.sum(size > UNSEEN)), rank), len(size))
        to = axes[:, :left].T * np.sqrt(seen)
        basis = axes[:, :left] / np.sqrt(seen)[:, None]
        shown = to @ columns
        shapes = np.stack(
            [shown[:, part == p] @ shown[:, part == p].T for p in range(len(PARTS))]
        )
        usual, spread = zip(*((w.usual, w.spread) for w in waves), strict=True)
        names = tuple(f"bend_{name}" for name in PARTS)
        guide = _guide(to, seen, look) if look else _blank(to, len(self.law.priors()))
        made = Summed(self.law, names, usual, spread, shapes, guide)
        return made, {**x, BASIS: basis}

    def drawn(
        self, random: np.random.Generator, told: Summed, params: Params, x: Inputs
    ) -> dict[str, Array]:
        """Unknowns of this law from draws of the summed one, (draw, ...) each."""
        columns, part = self.columns(x)
        shown = np.asarray(told.guide.to) @ columns
        tau = np.stack([params[name] for name in told.names], axis=1)
        w = apart(random, tau, np.asarray(params[SUMMED]), told.shapes, shown, part)
        ends = np.flatnonzero(np.diff(part)) + 1
        each = zip(PARTS, np.split(w, ends, axis=1), strict=True)
        found = {name: value for name, value in params.items() if name != SUMMED}
        return found | {f"waves_{name}": value for name, value in each}

    def floor(self, params: Params) -> Array:
        """The law's floor."""
        return self.law.floor(params)

    def usual(self, N: Array, D: Array) -> Inputs:
        """Further inputs at the law's reference, where it has any."""
        return self.law.usual(N, D) if isinstance(self.law, Extended) else {}

    def derived(self, params: Params) -> dict[str, Array]:
        """Return the law's own numbers, before the bend."""
        return self.law.derived(params)

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Weights are numbered within their part."""
        own = self.law.labels() if isinstance(self.law, Labelled) else ({}, {})
        coords = {f"wave_{p}": list(range(getattr(self, p).size)) for p in PARTS}
        return own[0] | coords, own[1] | {f"waves_{p}": [f"wave_{p}"] for p in PARTS}


def bendable(law: Any) -> bool:
    """Say whether a law has what a discrepancy acts on: log loss of (N, D), and a floor."""
    return (
        isinstance(law, Floored)
        and not isinstance(law, Bent)  # once is enough
        and law.response.log_loss
        and {"N", "D"} <= set(law.inputs)
        and not of_profiles(law)
    )


def bend(law: Any, x: Inputs) -> Bent:
    """Let a law bend about the design of these runs.

    Amplitudes are a few percent of the reducible loss, lengths a few e-folds; both were
    set on the development ladders (benchmarks/results/extrapolation.md lists what was
    looked at).

    Raises:
        ValueError: the law has no log loss of (N, D) with a floor below it.
    """
    if not bendable(law):
        msg = f"the {type(law).__name__} law has no log loss of N and D above a floor, so no discrepancy can act on it; take discrepancy='none'"
        raise ValueError(msg)
    log_N, log_D = np.log(x["N"]), np.log(x["D"])
    n, d = log_N - log_N.mean(), log_D - log_D.mean()
    top = float(np.max(n + d))
    return Bent(law, float(log_N.mean()), float(log_D.mean()), top, **_usual())


def _rounded(seen: int, most: int) -> int:
    return min(next((rank for rank in RANKS if rank >= seen), seen), most)


def _blank(to: np.ndarray, unknowns: int) -> Guide:
    """Lead the bend alone: the law's unknowns stay as they are."""
    none = np.zeros(unknowns)
    still, slopes = np.stack([none, none + 1]), np.zeros((len(to), unknowns + 1))
    return Guide(
        to, np.full(to.shape[1], SHARE), NOISE, none, still, np.diag(none), none, slopes
    )


def _guide(to: np.ndarray, seen: np.ndarray, look: Look) -> Guide:
    slopes, rest = np.asarray(look.slopes), np.asarray(look.rest)
    pulled, shown = slopes.T * seen, to @ np.column_stack([slopes, rest])
    at, prior = np.asarray(look.at), np.asarray(look.prior)
    return Guide(
        to,
        np.asarray(look.share),
        float(look.sigma),
        at,
        prior,
        pulled @ slopes,
        pulled @ rest,
        shown,
    )


@cache
def _usual() -> Mapping[Literal["along", "tokens", "across", "local"], Waves]:
    """Lengths in e-folds: 5 along C, 2 along D; 6 in C and 3 in D/N; 1.2 locally."""
    line_C, line_D = over_line(20, 5.0), over_line(24, 2.0)
    to_ND = np.array([[1.0, 1.0], [-1.0, 1.0]])  # log C = n + d, log D/N = d - n
    return {
        "along": Waves(AMPLITUDE, 0.5, line_C[:, None] * np.array([1.0, 1.0]), 1.0),
        "tokens": Waves(0.03, 1.0, line_D[:, None] * np.array([0.0, 1.0]), 1.0),
        "across": Waves(AMPLITUDE, 1.0, over_plane(24, (6.0, 3.0)) @ to_ND, 1.0),
        "local": Waves(0.003, 1.0, over_plane(40, (1.2, 1.2))),
    }
