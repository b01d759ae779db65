"""How far the truth may bend away from a law: smooth waves on its reducible loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from nstar.departures.marginalised import (
    BASIS,
    BEND_AT_RUNS,
    Guide,
    Linearisation,
    Marginalised,
    draw_weights,
)
from nstar.departures.waves import Waves, over_line, over_plane
from nstar.types import (
    Array,
    Derived,
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
WIDE_SDS = 2.0  # sds above its median up to which an amplitude's bends are resolved
UNSEEN = 0.5  # smallest singular value that is kept, over all runs' noise together
LEAST_SEEN = 0.01  # least precision of a run in that, over the median
RANKS = (16, 24, 40, 64, 96, 128)  # so that similar tables share a program
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
        """Columns that the law reads."""
        return self.law.inputs

    @property
    def response(self) -> Response:
        """Response of the law."""
        return self.law.response

    def priors(self) -> dict[str, Prior]:
        """The law's priors, and those of an amplitude and weights for each part of the bend."""
        priors = dict(self.law.priors())
        for part in PARTS:
            priors |= {
                f"bend_{part}": getattr(self, part).amplitude(),
                f"waves_{part}": getattr(self, part).weights(),
            }
        return priors

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run."""
        straight = jnp.exp(self.law.expected(params, x))
        return jnp.log(self._bent(params, straight, x["N"], x["D"]))

    def loss(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Loss of runs of N parameters on D tokens, with the bend."""
        return self._bent(params, self.law.loss(params, N, D), N, D)

    def _bent(
        self,
        params: Params,
        straight: Float[Array, "*#runs"],
        N: Float[Array, "*#runs"],
        D: Float[Array, "*#runs"],
    ) -> Float[Array, "*runs"]:
        return self.applied(params, straight, self.bend(params, N, D))

    def applied(
        self,
        params: Params,
        straight: Float[Array, "*#runs"],
        bend: Float[Array, "*#runs"],
    ) -> Float[Array, "*runs"]:
        """Loss of runs, from the law's own and the log factor on what is reducible of it."""
        floor = self.law.floor(params)
        return floor + (straight - floor) * jnp.exp(bend)

    def bend(
        self, params: Params, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]
    ) -> Float[Array, "*runs"]:
        """Log factor on the reducible loss."""
        n, d = jnp.log(N) - self.log_N0, jnp.log(D) - self.log_D0

        def part(name: str) -> Array:
            waves: Waves = getattr(self, name)
            return waves.bend(params[f"bend_{name}"], params[f"waves_{name}"], n, d)

        local = part("local") * self.faded(n, d)
        return sum((part(name) for name in PARTS if name != "local"), local)

    def faded(
        self, n: Float[Array, "*runs"], d: Float[Array, "*runs"]
    ) -> Float[Array, "*runs"]:
        """Ratio of the local part's sd at a run to that at the largest."""
        # NumPy's arrays stay NumPy's: no program is compiled for them
        xp = np if isinstance(n, np.ndarray) else jnp
        return xp.exp(FADE * (self.log_top - xp.minimum(n + d, self.log_top)))

    def columns(
        self, x: Inputs
    ) -> tuple[Float[np.ndarray, "run weight"], Int[np.ndarray, " weight"]]:
        """Log factor on the runs' reducible losses by each weight at unit amplitude.

        Returns:
            Log factors, (run, weight), and the number of each weight's part, (weight,).
        """
        n = np.log(np.asarray(x["N"])) - self.log_N0
        d = np.log(np.asarray(x["D"])) - self.log_D0
        blocks = [np.array(getattr(self, part).columns(n, d)) for part in PARTS]
        blocks[PARTS.index("local")] *= np.asarray(self.faded(n, d))[:, None]
        part = np.repeat(np.arange(len(PARTS)), [c.shape[1] for c in blocks])
        return np.concatenate(blocks, axis=1), part

    def marginalise(
        self, x: Inputs, linearisation: Linearisation | None = None, rank: int = 0
    ) -> tuple[Marginalised, Inputs]:
        """Marginalise the waves, down to the bends that the runs can measure.

        Args:
            x: inputs of the runs.
            linearisation: of the law about the mode, where there is one.
            rank: least number of coordinates of the bend, to share compiled programs.

        Returns:
            The law without its waves, and inputs with the basis of the bend.
        """
        columns, part = self.columns(x)
        waves = [getattr(self, name) for name in PARTS]
        large_amplitude = np.array(
            [w.median * np.exp(WIDE_SDS * w.spread) for w in waves]
        )[part]
        precision = np.full(len(columns), (SHARE / NOISE) ** 2)
        if linearisation is not None:
            precision = np.nan_to_num(np.asarray(linearisation.precision), posinf=0.0)
            middle = (
                np.median(precision[precision > 0]) if (precision > 0).any() else 1.0
            )
            precision = np.maximum(precision, LEAST_SEEN * middle)
        axes, size, _ = np.linalg.svd(
            np.sqrt(precision)[:, None] * columns * large_amplitude, full_matrices=False
        )
        rank_kept = _rank(max(int(np.sum(size > UNSEEN)), rank), len(size))
        to = axes[:, :rank_kept].T * np.sqrt(precision)
        basis = axes[:, :rank_kept] / np.sqrt(precision)[:, None]
        shown = to @ columns
        shapes = np.stack(
            [shown[:, part == p] @ shown[:, part == p].T for p in range(len(PARTS))]
        )
        medians, spread = zip(*((w.median, w.spread) for w in waves), strict=True)
        names = tuple(f"bend_{name}" for name in PARTS)
        guide = (
            _guide(to, precision, linearisation)
            if linearisation
            else _blank(to, len(self.law.priors()))
        )
        law = Marginalised(self.law, names, medians, spread, shapes, guide)
        return law, {**x, BASIS: basis}

    def draw_conditional(
        self,
        random: np.random.Generator,
        sampled_law: Marginalised,
        params: Params,
        x: Inputs,
    ) -> dict[str, Array]:
        """Draw this law's unknowns given draws of the marginalised law's, (draw, ...)."""
        columns, part = self.columns(x)
        shown = np.asarray(sampled_law.guide.to) @ columns
        tau = np.stack([params[name] for name in sampled_law.names], axis=1)
        w = draw_weights(
            random,
            tau,
            np.asarray(params[BEND_AT_RUNS]),
            np.asarray(sampled_law.shapes),
            shown,
            part,
        )
        ends = np.flatnonzero(np.diff(part)) + 1
        parts = zip(PARTS, np.split(w, ends, axis=1), strict=True)
        unknowns = {
            name: value for name, value in params.items() if name != BEND_AT_RUNS
        }
        return unknowns | {f"waves_{name}": value for name, value in parts}

    def floor(self, params: Params) -> Float[Array, "..."]:
        """Irreducible loss of the law."""
        return self.law.floor(params)

    def usual(self, N: Float[Array, "*#runs"], D: Float[Array, "*#runs"]) -> Inputs:
        """Further inputs at the law's reference, where it has any."""
        return self.law.usual(N, D) if isinstance(self.law, Extended) else {}

    def derived(self, params: Params) -> Derived:
        """Return the law's own numbers, before the bend."""
        return self.law.derived(params)

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Coordinates number the weights within each part."""
        law_labels = self.law.labels() if isinstance(self.law, Labelled) else ({}, {})
        coords = {f"wave_{p}": list(range(getattr(self, p).size)) for p in PARTS}
        return law_labels[0] | coords, law_labels[1] | {
            f"waves_{p}": [f"wave_{p}"] for p in PARTS
        }


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
    tried).

    Raises:
        ValueError: the law has no log loss of (N, D) with a floor below it.
    """
    if not bendable(law):
        msg = f"the {type(law).__name__} law has no log loss of N and D above a floor, so no discrepancy can act on it; take discrepancy='none'"
        raise ValueError(msg)
    log_N, log_D = np.log(x["N"]), np.log(x["D"])
    n, d = log_N - log_N.mean(), log_D - log_D.mean()
    log_top = float(np.max(n + d))
    return Bent(
        law, float(log_N.mean()), float(log_D.mean()), log_top, **_default_waves()
    )


def _rank(count: int, limit: int) -> int:
    return min(next((rank for rank in RANKS if rank >= count), count), limit)


def _blank(to: np.ndarray, unknowns: int) -> Guide:
    """Guide of the bend alone, which leaves the law's unknowns as they are."""
    zeros = np.zeros(unknowns)
    flat_prior, slopes = np.stack([zeros, zeros + 1]), np.zeros((len(to), unknowns + 1))
    return Guide(
        to,
        np.full(to.shape[1], SHARE),
        NOISE,
        zeros,
        flat_prior,
        np.diag(zeros),
        zeros,
        slopes,
    )


def _guide(
    to: np.ndarray, precision: np.ndarray, linearisation: Linearisation
) -> Guide:
    slopes, residual = (
        np.asarray(linearisation.slopes),
        np.asarray(linearisation.residual),
    )
    weighted_slopes, shown = (
        slopes.T * precision,
        to @ np.column_stack([slopes, residual]),
    )
    at, prior = np.asarray(linearisation.at), np.asarray(linearisation.prior)
    return Guide(
        to,
        np.asarray(linearisation.share),
        float(linearisation.sigma),
        at,
        prior,
        weighted_slopes @ slopes,
        weighted_slopes @ residual,
        shown,
    )


@cache
def _default_waves() -> Mapping[Literal["along", "tokens", "across", "local"], Waves]:
    """Lengths in e-folds: 5 along C, 2 along D; 6 in C and 3 in D/N; 1.2 locally."""
    line_C, line_D = over_line(20, 5.0), over_line(24, 2.0)
    to_ND = np.array([[1.0, 1.0], [-1.0, 1.0]])  # log C = n + d, log D/N = d - n
    return {
        "along": Waves(AMPLITUDE, 0.5, line_C[:, None] * np.array([1.0, 1.0]), 1.0),
        "tokens": Waves(0.03, 1.0, line_D[:, None] * np.array([0.0, 1.0]), 1.0),
        "across": Waves(AMPLITUDE, 1.0, over_plane(24, (6.0, 3.0)) @ to_ND, 1.0),
        "local": Waves(0.003, 1.0, over_plane(40, (1.2, 1.2))),
    }
