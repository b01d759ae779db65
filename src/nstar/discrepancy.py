"""How far the truth may bend away from a law: smooth waves on its reducible loss."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import stats

from nstar.types import (
    Array,
    Extended,
    Floored,
    Inputs,
    Labelled,
    Params,
    Prior,
    Response,
)

MATERN = 3.0  # degrees of freedom of the spectrum of a Matern-3/2 process
AMPLITUDE = 0.02  # usual sd of a bend, in log reducible loss
SIGNAL = 1.6  # reducible share x usual amplitude / run noise, where weights meet runs
LEAST_SHARE = 0.05  # reducible share of the loss below which no weights are led
DISCREPANCIES = ("waves", "none")


@dataclass(frozen=True)
class Waves:
    r"""A Gaussian process over (log N, log D) told as waves of fixed frequencies.

    $$ \delta = \tau\,\Phi\,V \left(\tfrac{\tau}{\tau_0}\right)^{-c} w, \qquad
       w_j \sim \mathrm{Normal}\left(0, (\tau/\tau_0)^{c_j}\right) $$

    The columns of $\Phi$ are cosines and sines whose frequencies lie at even quantiles
    of the kernel's spectrum (Rahimi & Recht 2007), so that the process is as uncertain
    far from the runs as anywhere.  $V$ turns them so that each weight is one shape over
    the runs' design; $c_j$ says how much the runs will know of it: weights they pin are
    centred, the others are not (Papaspiliopoulos et al. 2007).  Same process, whatever c.
    """

    usual: float  # the prior's median of the amplitude, tau_0
    spread: float  # sd of its log
    frequency: Any  # (wave, 2), per e-fold of N and of D
    turn: Any = None  # V, (2 wave, 2 wave)
    known: Any = None  # c, (2 wave,)

    def at(self, n: np.ndarray, d: np.ndarray) -> "Waves":
        """Turn the waves to a design, log N and log D about their centre, (run,)."""
        phase = np.stack([n, d], axis=-1) @ self.frequency.T
        columns = np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)
        scale = np.sqrt(self.frequency.shape[0])
        _, size, turn = np.linalg.svd(columns / scale, full_matrices=True)
        size = np.concatenate([size, np.zeros(len(turn))])[: len(turn)]
        known = (SIGNAL * size) ** 2 / (1 + (SIGNAL * size) ** 2)
        return replace(self, turn=turn.T, known=known)

    def columns(self, n: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Values of the process by each weight at the usual amplitude, (run, weight)."""
        return self.usual * np.asarray(self._columns(n, d)) @ self.turn

    def _columns(self, n: Array, d: Array) -> Array:
        phase = jnp.stack([n, d], axis=-1) @ self.frequency.T
        scale = np.sqrt(self.frequency.shape[0])
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1) / scale

    def amplitude(self) -> Prior:
        """Prior of tau."""
        return dist.LogNormal(jnp.log(self.usual), self.spread)

    def weights(self, tau: Array) -> Prior:
        """Prior of w given tau."""
        return dist.Normal(0.0, (tau / self.usual) ** self.known)

    def bend(self, tau: Array, w: Array, n: Array, d: Array) -> Array:
        """Value of the process."""
        free = self.turn @ (w * (tau / self.usual) ** -self.known)
        return tau * (self._columns(n, d) @ free)


@dataclass(frozen=True)
class Bent:
    r"""A law whose reducible loss may bend, smoothly and everywhere.

    $$ L = E + (f - E)\,e^{\delta}, \qquad
       \delta = \delta_1(\log C) + \delta_2(\log D) + \delta_3(\log C, \log D/N) $$

    (Kennedy & O'Hagan 2001.)  Acting on the reducible loss it cannot cross the floor.
    It is itself a law; `law` is the straight one.
    """

    law: Any
    log_N0: float  # where the waves' coordinates are zero
    log_D0: float
    along: Waves
    tokens: Waves
    across: Waves
    gain: Any = None  # (weight of any part, run): weights by what the runs lack

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
                f"waves_{part}": _weights(part, getattr(self, part)),
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
        floor = self.law.floor(params)
        return floor + (straight - floor) * jnp.exp(self.bend(params, N, D))

    def bend(self, params: Params, N: Array, D: Array) -> Array:
        """Log factor on the reducible loss."""
        n, d = jnp.log(N) - self.log_N0, jnp.log(D) - self.log_D0
        return sum(
            getattr(self, p).bend(params[f"bend_{p}"], params[f"waves_{p}"], n, d)
            for p in PARTS
        )

    def led(self, params: Params, x: Inputs, y: Array) -> dict[str, Array]:
        """Weights that fill what the law leaves of the runs, by ridge regression.

        Another floor or exponent asks for other weights; led by it, they follow at once
        and the sampler sees the law as it is seen with the waves integrated out.
        """
        straight = self.law.expected(params, x)
        share = 1 - self.law.floor(params) / jnp.exp(straight)
        lacks = (y - straight) / jnp.maximum(share, LEAST_SHARE)
        sizes = np.cumsum([len(getattr(self, part).known) for part in PARTS])
        each = jnp.split(self.gain @ lacks, sizes[:-1])
        return {f"waves_{part}": w for part, w in zip(PARTS, each, strict=True)}

    def held(self) -> dict[str, Array]:
        """Amplitudes, at their usual values."""
        return {f"bend_{part}": getattr(self, part).usual for part in PARTS}

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
        sizes = {part: len(getattr(self, part).known) for part in PARTS}
        coords = {f"wave_{part}": list(range(size)) for part, size in sizes.items()}
        return own[0] | coords, own[1] | {f"waves_{p}": [f"wave_{p}"] for p in PARTS}


PARTS = ("along", "tokens", "across")


def _weights(part: str, waves: Waves) -> Prior:
    return lambda params: waves.weights(params[f"bend_{part}"])


def bendable(law: Any) -> bool:
    """Say whether a law has what a discrepancy acts on: log loss of (N, D), and a floor."""
    return (
        isinstance(law, Floored)
        and not isinstance(law, Bent)  # once is enough
        and law.response.name == "log_loss"
        and {"N", "D"} <= set(law.inputs)
        and "budget" not in law.inputs
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
    n0, d0 = float(log_N.mean()), float(log_D.mean())
    parts = {name: waves.at(log_N - n0, log_D - d0) for name, waves in _usual().items()}
    columns = np.concatenate(
        [w.columns(log_N - n0, log_D - d0) for w in parts.values()], axis=1
    )
    noise = (AMPLITUDE / SIGNAL) ** 2 * np.eye(len(columns))
    gain = np.linalg.solve(columns @ columns.T + noise, columns).T
    return Bent(law, n0, d0, **parts, gain=gain)


@cache
def _usual() -> Mapping[Literal["along", "tokens", "across"], Waves]:
    """Lengths in e-folds: 5 along C, 2 along D; 6 in C and 3 in D/N across the plane."""
    line_C, line_D = _line(10, 5.0), _line(24, 2.0)
    plane = _plane(24, (6.0, 3.0))
    to_ND = np.array([[1.0, 1.0], [-1.0, 1.0]])  # log C = n + d, log D/N = d - n
    return {
        "along": Waves(AMPLITUDE, 0.5, line_C[:, None] * np.array([1.0, 1.0])),
        "tokens": Waves(0.03, 1.0, line_D[:, None] * np.array([0.0, 1.0])),
        "across": Waves(AMPLITUDE, 0.5, plane @ to_ND),
    }


def _line(waves: int, length: float) -> np.ndarray:
    """Even quantiles of the spectrum on a line, a Student-t with 3 degrees of freedom."""
    return stats.t(MATERN).ppf(0.5 + (np.arange(waves) + 0.5) / (2 * waves)) / length


def _plane(waves: int, lengths: tuple[float, float]) -> np.ndarray:
    """Points of the spectrum in the plane, spread evenly by a Halton sequence."""
    u = stats.qmc.Halton(3, scramble=False).random(waves + 1)[1:]
    radius = np.sqrt(MATERN / stats.chi2(MATERN).ppf(u[:, 2]))
    return stats.norm.ppf(u[:, :2]) * radius[:, None] / np.array(lengths)
