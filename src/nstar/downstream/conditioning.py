r"""What a curve with a wandering slope says of runs that were not made.

The curve's form is not exact: its slope wanders along x as a Wiener process does, so that
the misfit d has the covariance of an integrated one (Wahba 1978), zero with its slope at
an anchor,

$$ \mathrm{cov}(d(x), d(x')) = b^2\, m^2 (3 M - m) / 6, \qquad
   m = \min(|x - x_0|, |x' - x_0|) $$

on one side of the anchor, with M the larger, and zero across it.  Beyond the runs its sd grows with
the distance to the power 3/2: intervals widen as they should.
"""

import numpy as np
from jaxtyping import Float

ROUNDED = 1e-9  # of a variance, that arithmetic leaves


def wander(
    x: Float[np.ndarray, "*stack a"], other: Float[np.ndarray, "*stack b"]
) -> Float[np.ndarray, "*stack a b"]:
    """Covariance of the misfit at distances from the anchor, for a slope of unit pace."""
    here, there = x[..., :, None], other[..., None, :]
    least = np.minimum(np.abs(here), np.abs(there))
    most = np.maximum(np.abs(here), np.abs(there))
    return np.where(here * there > 0, least**2 * (3 * most - least) / 6, 0.0)


def log_normal_density(
    residual: Float[np.ndarray, "*stack runs"],
    covariance: Float[np.ndarray, "*stack runs runs"],
) -> Float[np.ndarray, " *stack"]:
    """Log density of residuals, up to a constant."""
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    correlation = covariance / (sd[..., :, None] * sd[..., None, :])
    correlation = correlation + ROUNDED * np.eye(sd.shape[-1])
    lower = np.linalg.cholesky(correlation)
    log_det = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)
    standard = residual / sd
    solved = np.linalg.solve(correlation, standard[..., None])[..., 0]
    square = np.sum(standard * solved, axis=-1)
    return -0.5 * square - log_det - np.log(sd).sum(axis=-1)


def draw_misfit(
    residual: Float[np.ndarray, "*stack runs"],
    covariance: Float[np.ndarray, "*stack runs runs"],
    across: Float[np.ndarray, "*stack new runs"],
    new: Float[np.ndarray, "*stack new new"],
    random: np.random.Generator,
) -> Float[np.ndarray, "*stack new"]:
    """Draw the misfit at new runs given the residuals of those that were made.

    Args:
        residual: of the runs from the curve's form.
        covariance: of these, with noise.
        across: of the misfit at new runs with the residuals.
        new: of the misfit at new runs.
        random: source of randomness.
    """
    gain = np.linalg.solve(covariance, np.swapaxes(across, -1, -2))
    mean = np.einsum("...rn,...r->...n", gain, residual)
    rest = new - across @ gain
    values, axes = np.linalg.eigh((rest + np.swapaxes(rest, -1, -2)) / 2)
    shocks = random.standard_normal(mean.shape) * np.sqrt(np.maximum(values, 0.0))
    return mean + np.einsum("...ij,...j->...i", axes, shocks)
