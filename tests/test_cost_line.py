"""The search along a cost line against closed forms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nstar.costs.cost_line import optimum
from nstar.costs.training import PerParamToken

HOFFMANN = {"E": 1.6934, "A": 406.4, "B": 410.7, "alpha": 0.33917, "beta": 0.28491}


def surface(N, D, E, A, B, alpha, beta):
    return E + A * N**-alpha + B * D**-beta


@pytest.mark.parametrize("C", 10.0 ** np.arange(19, 28))
@pytest.mark.parametrize("k", [6.0, 9.59])
def test_finds_hoffmanns_closed_form(C, k):
    """Eq. 4 of Hoffmann et al. (2022): N* = G (C/k)^a."""
    A, B, alpha, beta = (HOFFMANN[n] for n in ("A", "B", "alpha", "beta"))
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    N = G * (C / k) ** (beta / (alpha + beta))
    with jax.enable_x64(True):
        log_N, log_D = optimum(
            partial(surface, **HOFFMANN), PerParamToken(k), jnp.asarray(C)
        )
        found_N, found_D = float(jnp.exp(log_N)), float(jnp.exp(log_D))
    np.testing.assert_allclose([found_N, found_D], [N, C / k / N], rtol=1e-6)


def test_any_cost_is_served():
    """With C = 2 N D^2 the optimum of N^-1 + D^-1 is where D = 2 N^-1 D^2 ... by calculus."""

    class Squared:
        def flop(self, N, D):
            return 2 * N * D**2

        def tokens(self, N, C):
            return jnp.sqrt(C / (2 * N))

        def params(self, D, C):
            return C / (2 * D**2)

    C = 1e21
    with jax.enable_x64(True):
        log_N, _ = optimum(lambda N, D: 1 / N + 1 / D, Squared(), jnp.asarray(C))
    # d/dlogN (1/N + 1/D) = -1/N + 1/(2 D) = 0, so D = N / 2 and 2 N (N/2)^2 = C
    np.testing.assert_allclose(np.exp(float(log_N)), (2 * C) ** (1 / 3), rtol=1e-6)


def test_an_optimum_past_the_end_is_returned_at_the_end():
    with jax.enable_x64(True):
        log_N, log_D = optimum(
            lambda N, D: 1 / N, PerParamToken(), jnp.asarray(1e21), (0.1, 1e3)
        )
    np.testing.assert_allclose(np.exp(float(log_D - log_N)), 0.1, rtol=1e-6)
