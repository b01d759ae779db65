"""How the level and the scale of a domain's loss go with model size and tokens."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEVEL_SLOPE = (-0.09, 0.05)  # of log loss in log N: mean and sd before any table
LEVEL_BY_TOKENS = (-0.06, 0.04)  # of log loss in log D
SCALE_SLOPE = (0.03, 0.03)  # of the log of the scale of log losses, in log N
SCALE_BY_TOKENS = (0.0, 0.03)
LENGTH = 2.5  # in logs of N or D, over which such a slope changes
LEVEL_STEP = 0.01  # sd of a log loss that a step of size adds for no reason
ANY_LEVEL = 1.0  # sd of the level about the mean of what was measured
ANY_SCALE = 0.01  # sd of the scale at the middle of the sizes, where the law has it
SHARED_LEVEL = 0.7  # correlation, from domain to domain, of the level of a new size
DECADE = np.log(10)


@dataclass(frozen=True)
class Path:
    """A quantity along sizes: a line whose slope wanders, from the middle of the table."""

    by_size: tuple[float, float]  # slope in log N, mean and sd
    by_tokens: tuple[float, float]  # in log D
    start: float  # sd in the middle
    step: float  # sd that sizes add for no reason, per root of log N

    def mean(self, at: Float[np.ndarray, "row 2"]) -> Float[np.ndarray, " row"]:
        """Prior mean at (log N, log D), both from the middle."""
        return at @ np.array([self.by_size[0], self.by_tokens[0]])

    def covariance(
        self, at: Float[np.ndarray, "row 2"], other: Float[np.ndarray, "column 2"]
    ) -> Float[np.ndarray, "row column"]:
        """Prior covariance."""
        total = np.full((len(at), len(other)), self.start**2)
        for axis, (_, sd) in enumerate((self.by_size, self.by_tokens)):
            a, b = at[:, axis, None], other[None, :, axis]
            total += sd**2 * (_doubly(a) + _doubly(b) - _doubly(a - b))
            total += self.step**2 / 2 * (np.abs(a) + np.abs(b) - np.abs(a - b))
        return total


LEVEL = Path(LEVEL_SLOPE, LEVEL_BY_TOKENS, ANY_LEVEL, LEVEL_STEP)
SCALE = Path(SCALE_SLOPE, SCALE_BY_TOKENS, ANY_SCALE, 0.0)


def _doubly(d: np.ndarray) -> np.ndarray:
    """Integrate exp(-|d| / LENGTH) twice: slopes of a stationary kind, summed up."""
    far = np.abs(d) / LENGTH
    return LENGTH**2 * (far + np.expm1(-far))


def apart(
    at: Float[np.ndarray, "row 2"], other: Float[np.ndarray, "column 2"]
) -> Float[np.ndarray, "row column"]:
    """Decades of size and of tokens between two runs."""
    return np.abs(at[:, None] - other[None]).sum(axis=-1) / DECADE
