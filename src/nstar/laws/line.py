"""The line all allocation laws share: N* a power of C, and D* what is left."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Float

from nstar.types import Array, Derived, Number, Params, Prior

type Line = Callable[[Array], tuple[Array, Array]]  # log N* and log D* of budgets


@runtime_checkable
class Trend(Protocol):
    """How log D* may leave its power law, as a function of log compute."""

    def priors(self) -> dict[str, Prior]:
        """Priors of the unknowns this takes."""
        ...

    def bend(
        self, params: Params, c: Float[Array, "*#budgets"]
    ) -> Float[Array, "*budgets"]:
        """Departure of log D* from its power law, c = log(C / C0)."""
        ...

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Coordinates by dimension, and dimensions by unknown."""
        ...

    def derived(self, params: Params, optimum: Line, C0: Number) -> Derived:
        """Numbers of the line as it is read, from log N* and log D* of a budget."""
        ...


@runtime_checkable
class HiddenTrend(Trend, Protocol):
    """A trend of optima that are themselves unknown."""

    def scatter(
        self, params: Params, line: Float[Array, "*budgets"]
    ) -> dist.Distribution:
        """Prior of the budgets' own optima, log tokens, about the power law there."""
        ...


@dataclass(frozen=True)
class Straight:
    """No departure: the power law is exact."""

    def priors(self) -> dict[str, Prior]:
        """Nothing is unknown."""
        return {}

    def bend(
        self, params: Params, c: Float[Array, "*#budgets"]
    ) -> Float[Array, "*budgets"]:
        """Zero."""
        return jnp.zeros_like(c)

    def scatter(
        self, params: Params, line: Float[Array, "*budgets"]
    ) -> dist.Distribution:
        """Each budget scatters by itself."""
        return dist.Normal(line, params["scatter"])

    def labels(self) -> tuple[dict[str, list], dict[str, list[str]]]:
        """Nothing to label."""
        return {}, {}

    def derived(self, params: Params, optimum: Line, C0: Number) -> Derived:
        """Nothing besides the law's own unknowns."""
        return {}


STRAIGHT = Straight()


def tied(
    params: Params,
    C: Float[Array, "*#budgets"],
    C0: Number,
    k: Number,
    trend: Trend = STRAIGHT,
) -> tuple[Float[Array, "*budgets"], Float[Array, "*budgets"]]:
    r"""Return log N* and log D* of a budget under C = k N D.

    $$ \log N^* = \tfrac12 \log\frac{C_0}{k \rho} + \alpha_1 \log\frac{C}{C_0} - \delta $$

    with $\rho$ the tokens per parameter at C0 and $\delta(\log C)$ the trend's bend of
    log D*; $\log D^*$ is $\log(C/k)$ less log N*.
    """
    both = jnp.log(C0 / k)  # log N*(C0) + log D*(C0)
    c = jnp.log(C / C0)
    line = (both - jnp.log(params["tokens_per_parameter"])) / 2 + params["alpha1"] * c
    log_N = line - trend.bend(params, c)
    return log_N, both + c - log_N
