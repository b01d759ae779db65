"""How far the truth may bend away from a law: smooth waves on its reducible loss."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

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
from nstar.waves import NOISE, Waves, over_line, over_plane

AMPLITUDE = 0.02  # usual sd of a bend, in log reducible loss
FADE = 0.3  # exponent by which a local bend fades toward large compute
LEAST_SHARE = 0.05  # reducible share of the loss below which no weights are led
DISCREPANCIES = ("waves", "none")
PARTS = ("along", "tokens", "across", "local")


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
    gain: Any = field(
        default=None, compare=False
    )  # (weight of any part, run): weights by what the runs lack

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
        return jnp.exp(FADE * (self.log_top - jnp.minimum(n + d, self.log_top)))

    def led(self, params: Params, x: Inputs, y: Array) -> dict[str, Array]:
        """Weights that fill what the law leaves of the runs, by ridge regression.

        Another floor or exponent asks for other weights; led by it, they follow at once
        and the sampler sees the law as it is seen with the waves integrated out.
        """
        straight = self.law.expected(params, x)
        share = 1 - self.law.floor(params) / jnp.exp(straight)
        lacks = (y - straight) / jnp.maximum(share, LEAST_SHARE)
        ends = np.cumsum([getattr(self, part).size for part in PARTS])
        each = zip(PARTS, jnp.split(self.gain @ lacks, ends[:-1]), strict=True)
        return {
            f"waves_{part}": w * getattr(self, part).taken(params[f"bend_{part}"])
            for part, w in each
        }

    def prepared(self, x: Inputs) -> "AtRuns":
        """Work out the waves' columns at runs, once for all draws."""
        n, d = jnp.log(x["N"]) - self.log_N0, jnp.log(x["D"]) - self.log_D0
        return AtRuns(self, n, d, {p: getattr(self, p).columns(n, d) for p in PARTS})

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
        coords = {f"wave_{p}": list(range(getattr(self, p).size)) for p in PARTS}
        return own[0] | coords, own[1] | {f"waves_{p}": [f"wave_{p}"] for p in PARTS}


@dataclass(frozen=True)
class AtRuns:
    """A bent law at runs that are known, for the sampler's inner loop."""

    bent: Bent
    n: Array  # log N and log D of the runs, (run,)
    d: Array
    columns: Mapping[str, Array]  # of each part, (run, weight)

    def expected(self, params: Params, x: Inputs) -> Array:
        """As the bent law's, for these runs only."""
        bent = self.bent

        def part(name: str) -> Array:
            waves: Waves = getattr(bent, name)
            tau, w = params[f"bend_{name}"], params[f"waves_{name}"]
            return self.columns[name] @ waves.scaled(tau, w)

        bend = part("local") * bent.faded(self.n, self.d)
        bend = sum((part(name) for name in PARTS if name != "local"), bend)
        straight = jnp.exp(bent.law.expected(params, x))
        return jnp.log(bent.applied(params, straight, bend))


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
    n, d = log_N - log_N.mean(), log_D - log_D.mean()
    top = float(np.max(n + d))
    wider = {"local": np.exp(FADE * (top - n - d))}
    parts = {
        name: waves.at(n, d, wider.get(name, 1.0)) for name, waves in _usual().items()
    }
    bent = Bent(law, float(log_N.mean()), float(log_D.mean()), top, **parts)
    return replace(bent, gain=_gain(bent, n, d))


def _gain(bent: Bent, n: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Ridge regression of the runs on all weights, at usual amplitudes and noise."""
    columns, scales = [], []
    with jax.enable_x64(True):
        for part in PARTS:
            waves: Waves = getattr(bent, part)
            wider = bent.faded(n, d) if part == "local" else np.ones(len(n))
            columns.append(waves.usual * wider[:, None] * waves.columns(n, d))
            scales.append(waves.scale(waves.usual))
        X, scale = np.concatenate(columns, axis=1), np.concatenate(scales)
    unseen = X.T @ X + NOISE**2 * np.eye(X.shape[1])
    return scale[:, None] * np.linalg.solve(unseen, X.T)


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
