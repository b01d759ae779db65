"""What a training run costs in FLOP."""

from dataclasses import dataclass

from nstar.types import Array, Cost, Same

FLOP_PER_PARAM_TOKEN = 6.0  # forward and backward pass, Kaplan et al. (2020) sec. 2.1


@dataclass(frozen=True)
class PerParamToken:
    r"""A fixed number of FLOP for every parameter and token: $C = k N D$."""

    k: float = FLOP_PER_PARAM_TOKEN

    def flop(self, N: Array | float, D: Array | float) -> Same:
        """FLOP of a run of N parameters on D tokens."""
        return self.k * N * D

    def tokens(self, N: Array | float, C: Array | float) -> Same:
        """Tokens that C FLOP buy at N parameters."""
        return C / (self.k * N)

    def params(self, D: Array | float, C: Array | float) -> Same:
        """Parameters that C FLOP buy at D tokens."""
        return C / (self.k * D)

    def __str__(self) -> str:
        """Write the convention as people do."""
        return f"C = {self.k:g} N D"


SIX = PerParamToken()  # the usual convention, 6ND


def flop_per_param_token(cost: Cost) -> float:
    """Return k of C = k N D, for laws that tie N* to D*.

    Raises:
        ValueError: the cost is of another form.
    """
    if not isinstance(cost, PerParamToken):
        msg = f"a tied allocation law needs a cost C = k N D, got {cost}"
        raise ValueError(msg)
    return cost.k
