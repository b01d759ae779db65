"""Predictions of responses that are no loss: an error, an accuracy, a FID."""

from collections.abc import Mapping

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy.typing import ArrayLike

from nstar.answers import Document
from nstar.fits.mixture import Posterior
from nstar.samplers import density
from nstar.types import Kind, Law

SCATTER = ("questions",)  # columns that the scatter depends on, and the law does not
MAIN_INPUTS = ("C", "T", "k", "forward_flop", "N", "L")  # in order of preference


def is_curve(law: Law) -> bool:
    """Whether a law predicts one number of a run that is neither a loss nor an optimum."""
    response = law.response
    one_column = len(response.columns) == 1 and not response.whole
    return one_column and response.kind not in (Kind.LOSS, Kind.OPTIMUM)


def main_input(law: Law) -> str:
    """Name of the input along which a law is drawn and searched: compute if it reads it."""
    return next((name for name in MAIN_INPUTS if name in law.inputs), law.inputs[0])


def respond(fit: Posterior, x: Mapping[str, ArrayLike], seed: int = 0) -> xr.Dataset:
    """Predict the response of a law at inputs of your choice.

    For laws of one column that is no loss, such as an error against compute
    (bounded_metric), an accuracy against tokens (token_budget) or FID; losses are
    `nstar.predict`'s, and counts `nstar.pass_at_k`'s.

    Args:
        fit: a fit of such a law.
        x: the law's inputs by name, (point,) each, in the fit's units; `questions`,
            where it is given, adds their scatter to an accuracy's.
        seed: of the scatter.

    Returns:
        `law`, without scatter, and `measured`, (draw, point).

    Raises:
        ValueError: an input is missing or not positive, or the response is not one column.
    """
    if fit.mixture:
        msg = "laws of what is no loss are not averaged; fit one of them"
        raise ValueError(msg)
    (fit,) = fit.components
    law = fit.law
    if len(law.response.columns) != 1 or law.response.whole:
        msg = f"the {type(law).__name__} law predicts {', '.join(law.response.columns)}, not one number of a run; counts are for nstar.pass_at_k, tasks of two steps for nstar.downstream.scoring.score"
        raise ValueError(msg)
    inputs = _inputs(law, x)
    with jax.enable_x64(True):
        skeleton, numbers = density.split(law, fit.noise)
        clean = density.expected(skeleton, numbers, fit.draws, inputs)
        key = jax.random.key(seed)
        measured = density.measured(fit.noise, clean, fit.draws, inputs, key)[:, 0]
    responses = {"law": clean, "measured": measured}
    data = {
        n: (("draw", "point"), law.response.unlink(np.asarray(v))[0])
        for n, v in responses.items()
    }
    coords = {name: ("point", values) for name, values in inputs.items()}
    return xr.Dataset(data, coords, attrs={"seed": seed, "unit": law.response.unit})


def _inputs(
    law: Law, x: Mapping[str, ArrayLike]
) -> dict[str, Float[np.ndarray, " point"]]:
    """Inputs of the law, checked and broadcast to one length, (point,) each."""
    missing = [name for name in law.inputs if name not in x]
    strange = [name for name in x if name not in (*law.inputs, *SCATTER)]
    if missing or strange:
        unread = f"; it does not read {', '.join(strange)}" if strange else ""
        absent = f"; {', '.join(missing)} lacks" if missing else ""
        msg = f"the {type(law).__name__} law reads {', '.join(law.inputs)}{absent}{unread}"
        raise ValueError(msg)
    values_by_name: Document = {
        n: np.atleast_1d(np.asarray(v, dtype=float)) for n, v in x.items()
    }
    for name, values in values_by_name.items():
        if not (np.isfinite(values).all() and (values > 0).all()):
            msg = f"{name} must be positive and finite, got {values.tolist()}"
            raise ValueError(msg)
    shape = np.broadcast_shapes(*(v.shape for v in values_by_name.values()))
    return {
        name: np.broadcast_to(values, shape) for name, values in values_by_name.items()
    }
