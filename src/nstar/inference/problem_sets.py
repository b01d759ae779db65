"""Problem sets: how one model does on problems, under every draw of a fit."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np
from numpy.typing import ArrayLike

from nstar.fits.fitting import Fit
from nstar.inference.repeated import draw_new_rates, draw_rates, populations
from nstar.responses import rate_mixtures
from nstar.types import AcrossModels, Kind

DRAWS = 400  # of the posterior


@dataclass(frozen=True)
class Problems:
    """Problems by their success rates, and how much the wrong answers agree."""

    rates: np.ndarray  # chance that one sample is right, (draw, problem)
    rival: float = 0.4  # share of the wrong samples that give one and the same answer

    def __post_init__(self) -> None:
        """Refuse a `rival` that is not between zero and one."""
        if not 0 <= self.rival <= 1:
            msg = f"rival is a share of the wrong samples, between 0 and 1, got {self.rival:g}"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Count the draws."""
        return len(self.rates)


@dataclass(frozen=True)
class Curve:
    """Problems known by a fitted curve alone: accuracy by tokens or by size.

    A fit of a law of an accuracy or of an error between zero and one, or of counts by
    size (repeated_by_size), which then says how often one sample of a model is right.
    """

    fit: Fit
    seed: int = 0  # of a new model's scatter about the line of counts by size

    def __post_init__(self) -> None:
        """Refuse a law that gives no accuracy."""
        law = self.fit.law
        if law.response.kind not in (Kind.ACCURACY, Kind.METRIC) and not isinstance(
            law, AcrossModels
        ):
            msg = f"the {type(law).__name__} law gives no accuracy; a curve of problems is of an accuracy, of an error, or of counts by size"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Count the draws."""
        return min(DRAWS, len(next(iter(self.fit.draws.values()))))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that the accuracy is a curve of."""
        return tuple(n for n in self.fit.law.inputs if n != "samples")

    def accuracy(self, x: Mapping[str, ArrayLike]) -> np.ndarray:
        """Accuracy of one answer, (draw,), at inputs that are scalars or (draw,)."""
        law, params = (
            self.fit.law,
            {n: thin_draws(v) for n, v in self.fit.draws.items()},
        )
        inputs = {
            n: np.broadcast_to(np.asarray(v, float), len(self)) for n, v in x.items()
        }
        with jax.enable_x64(True):
            if isinstance(law, AcrossModels):
                scatter = np.random.default_rng(self.seed).standard_normal(
                    (2, len(self))
                )
                return np.asarray(
                    rate_mixtures.mean(law.around(params, inputs[law.by], *scatter))
                )
            values = np.asarray(jax.vmap(law.expected)(params, inputs))
        return 1 - values if law.response.kind is Kind.METRIC else values


type ProblemSet = Problems | Curve


def thin_draws(draws: np.ndarray) -> np.ndarray:
    """Take at most `DRAWS` of the draws, evenly, (draw, ...)."""
    return draws[np.linspace(0, len(draws) - 1, min(DRAWS, len(draws))).astype(int)]


def problems_of(
    counts: Fit,
    *,
    N: float | None = None,
    new: int | None = None,
    rival: float = 0.4,
    seed: int = 0,
) -> Problems:
    """Draw rates of problems from a fit of counts.

    Args:
        counts: what `fit_counts` gave.
        N: size of the model that is meant, for the repeated_by_size law.
        new: number of new problems; those fitted unless given, where there are any.
        rival: share of the wrong samples that agree, which counts cannot show.
        seed: of the rates.

    Raises:
        ValueError: the fit is not of counts, or `rival` is no share.
    """
    random = np.random.default_rng(seed)
    params = {name: thin_draws(values) for name, values in counts.draws.items()}
    populations_of_rows, new_population, rows = populations(counts, params, N, random)
    if new is None and rows.size:
        counted = np.stack([counts.runs[n][rows] for n in ("samples", "successes")])
        return Problems(draw_rates(populations_of_rows, counted, random), rival)
    return Problems(
        draw_new_rates(new_population, new or len(counts.runs), random), rival
    )
