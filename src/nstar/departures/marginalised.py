r"""A bent law with its waves marginalised, down to the bend that the runs can measure.

$$ \delta = U b, \qquad b = s R\,c, \qquad c \sim \mathrm{Normal}(0, I), \qquad
   s^2 R R^\top = K(\tau) = \textstyle\sum_p \tau_p^2 B_p B_p^\top $$

U spans the bends that the runs can measure, scaled so that each of its coordinates b is
measured with noise of the guide's scale; s is the noise's scale over that.  Given the
amplitudes and s, the law's unknowns (t, on the real line about the mode) and c are about
normal:

$$ c \mid t \approx A^{-1} R^\top h(t) + L^{-\top} z, \qquad A = I + R^\top R = L L^\top $$
$$ t \approx P^{-1} g + T^{-\top} z, \qquad
   P = \Lambda + J^\top W J / s^2 - V^\top V = T T^\top, \qquad V = L^{-1} R^\top U^\top W J / s $$

with h the runs' residuals from the law, projected on U, and J the derivatives of the law.
A bend changes a run's loss by the share of it that is reducible; the sampler's amplitudes
are on the scale of the log loss, as the noise is.  The sampler moves in z, which would be
standard normal were the law linear and the noise normal: no amplitude makes a funnel.  It
is a change of variables with its Jacobian, so the posterior is the same whatever the guide
(Rue et al. 2009, doi:10.1111/j.1467-9868.2008.00700.x, marginalise by the same normal).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float
from scipy.linalg import cho_solve

from nstar.departures.triangular import cholesky, pulled_back
from nstar.laws.priors import log_normal
from nstar.types import Array, Inputs, Number, Params, Prior, Response

BASIS = "basis"  # input of a marginalised law: each run's row of U
BEND_AT_RUNS = "bend_runs"  # its unknown c
LEAST_SHARE = 1e-3  # of a loss that is taken for reducible, where a law says it is not
JITTER = 1e3  # of machine precision, on the diagonal of K


class Linearisation(NamedTuple):
    """A law linearised about a mode, and how precisely each run measures it."""

    at: Array  # the law's unknowns there, on the real line, (unknown,)
    residual: Array  # log factors on the reducible losses, (run,)
    slopes: Array  # minus its derivatives by the unknowns, (run, unknown)
    share: Array  # of each run's loss that is reducible, (run,)
    precision: Array  # 1 / variance of each run's log factor, (run,)
    sigma: Array  # the noise's scale
    prior: Array  # mean and precision of the law's unknowns a priori, (2, unknown)


@dataclass(frozen=True)
class Guide:
    """A normal approximation of the law's unknowns and of the bend given the runs."""

    # U'W, residuals to coordinates of a bend
    to: Float[Array, "m runs"] = field(compare=False)
    share: Float[Array, " runs"] = field(compare=False)  # reducible part of each's loss
    sigma: float = field(compare=False)  # the noise's scale it was made for
    at: Float[Array, " unknowns"] = field(compare=False)  # the law's unknowns
    # their prior's mean and precision
    prior: Float[Array, "2 unknowns"] = field(compare=False)
    curvature: Float[Array, "unknowns unknowns"] = field(compare=False)  # J'WJ
    pull: Float[Array, " unknowns"] = field(compare=False)  # J'W rest
    # U'WJ, and U'W rest last
    slopes: Float[Array, "m unknowns+1"] = field(compare=False)


class Factors(NamedTuple):
    """Matrices that depend on the amplitudes and the noise's scale alone."""

    scale: Number  # s
    root: Array  # R, (m, m)
    lower: Array  # L, (m, m)


@dataclass(frozen=True)
class Marginalised:
    """A bent law as it is sampled; `Bent.draw_conditional` draws the waves afterwards."""

    law: Any
    names: tuple[str, ...]  # of the amplitudes
    medians: tuple[float, ...]  # medians of their priors
    spread: tuple[float, ...]  # sds of their logs
    shapes: Float[Array, "part m m"] = field(compare=False)  # BB' of each part
    guide: Guide
    factors: Any = field(default=None, compare=False)  # Factors, once conditioned
    # losses of the runs without the bend, and the floor
    straight: tuple[Array, Array] | None = field(default=None, compare=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that the law reads, and each run's row of the basis."""
        return (*self.law.inputs, BASIS)

    @property
    def response(self) -> Response:
        """Response of the law."""
        return self.law.response

    @property
    def reparameterised(self) -> tuple[str, ...]:
        """All unknowns but the amplitudes."""
        return (*self.law.priors(), BEND_AT_RUNS)

    def priors(self) -> dict[str, Prior]:
        """The law's priors, and those of the amplitudes and of the bend at the runs."""
        amplitudes = zip(self.names, self.medians, self.spread, strict=True)
        priors = dict(self.law.priors())
        priors |= {n: log_normal(median, sd) for n, median, sd in amplitudes}
        m = jnp.shape(self.shapes)[-1]
        return priors | {BEND_AT_RUNS: dist.Normal(0.0, 1.0).expand([m])}

    def expected(self, params: Params, x: Inputs) -> Float[Array, "*runs"]:
        """Log loss of each run."""
        factors = self.factors or self.condition(params).factors
        bend = x[BASIS] @ (factors.scale * (factors.root @ params[BEND_AT_RUNS]))
        straight, floor = self.straight or self._straight(params, x)
        return jnp.log(floor + (straight - floor) * jnp.exp(bend))

    def _straight(
        self, params: Params, x: Inputs
    ) -> tuple[Float[Array, "*runs"], Float[Array, "..."]]:
        """Loss of each run under the law without its bend, and the floor."""
        return jnp.exp(self.law.expected(params, x)), self.law.floor(params)

    def condition(self, params: Params) -> "Marginalised":
        """Factorise the covariance for amplitudes and the noise's scale, once for all uses."""
        scale = params.get("sigma", self.guide.sigma) / self.guide.sigma
        tau = jnp.stack([params[name] for name in self.names])
        return replace(
            self, factors=Factors(scale, *factorised(tau, scale, self.shapes))
        )

    def reparameterise(
        self, u: Params, constrain: Callable[[Params], Params], x: Inputs, y: Array
    ) -> tuple["Marginalised", dict[str, Array], Array]:
        """Centre the law's unknowns and the bend on the runs; see `Reparameterised`."""
        u, width = self._reparameterise_law(u)
        straight = self._straight(constrain(u), x)
        log_ratio = self._log_share_ratio(*straight)
        u |= {name: u[name] - log_ratio for name in self.names}
        shown = self.guide.to @ (self.residual_bend(*straight, y) * jnp.exp(log_ratio))
        c, bend_width = self.reparameterise_bend(u, shown)
        scale, root, lower = self.factors
        factors = Factors(scale / jnp.exp(log_ratio), root, lower)
        law = replace(self, factors=factors, straight=straight)
        return law, u | {BEND_AT_RUNS: c}, width + bend_width

    def _log_share_ratio(self, straight: Array, floor: Array) -> Array:
        """Mean log ratio of the runs' reducible shares to the guide's."""
        ratio = jnp.maximum(1 - floor / straight, LEAST_SHARE) / self.guide.share
        return jnp.mean(jnp.log(ratio))

    def reparameterise_bend(self, u: Params, h: Array) -> tuple[Array, Array]:
        """Centre the bend on the runs.

        Args:
            u: the sampler's coordinates.
            h: residual bend of the runs in the basis, (m,).

        Returns:
            The bend c, (m,), and the log of the map's Jacobian determinant.
        """
        scale, root, lower = self.factors
        pulled = solve_triangular(lower, root.T @ h / scale, lower=True)
        c = solve_triangular(lower, pulled + u[BEND_AT_RUNS], lower=True, trans=1)
        return c, -jnp.sum(jnp.log(jnp.diag(lower)))

    def _reparameterise_law(self, u: Params) -> tuple[dict[str, Array], Array]:
        scale, root, lower = self.factors
        guide = self.guide
        z, unravel = ravel_pytree({name: u[name] for name in self.law.priors()})
        V = solve_triangular(lower, root.T @ guide.slopes, lower=True) / scale
        V, v = V[:, :-1], V[:, -1]
        mean, precision = guide.prior
        P = jnp.diag(precision) + guide.curvature / scale**2 - V.T @ V
        T = jnp.linalg.cholesky(P)
        pull = precision * (mean - guide.at) + guide.pull / scale**2 - V.T @ v
        pulled = solve_triangular(T, pull, lower=True)
        t = solve_triangular(T, pulled + z, lower=True, trans=1)
        return dict(u) | unravel(jnp.asarray(guide.at + t)), -jnp.sum(
            jnp.log(jnp.diag(T))
        )

    def residual_bend(self, straight: Array, floor: Array, y: Array) -> Array:
        """Log factor on the reducible loss that would fit each run exactly, (run,)."""
        loss = jnp.exp(y)
        measured = jnp.maximum(loss - floor, LEAST_SHARE * loss)
        return jnp.log(measured / jnp.maximum(straight - floor, LEAST_SHARE * straight))

    def linearise(
        self,
        u: Params,
        constrain: Callable[[Params], Params],
        likelihood: Callable[[Array, Params], Array],
        x: Inputs,
        y: Array,
        draws: Params,
    ) -> Linearisation:
        """Linearise the law about unknowns on the real line.

        `draws` are the law's unknowns from the prior, on the real line, (draw,) each.
        A run's precision is the score of its likelihood over its residual, so that an
        outlier, which heavy-tailed noise ignores, is ignored.
        """
        at, unravel = ravel_pytree({name: u[name] for name in self.law.priors()})

        def residual(t: jax.Array) -> Array:
            straight = self._straight(constrain({**u, **unravel(t)}), x)
            correction = jnp.exp(self._log_share_ratio(*straight) - log_ratio)
            return self.residual_bend(*straight, y) * correction

        params = constrain(u)
        straight, floor = self._straight(params, x)
        share = jnp.maximum(1 - floor / straight, LEAST_SHARE)
        log_ratio = self._log_share_ratio(straight, floor)
        expected = self.expected(params, x)
        pull = jax.grad(lambda f: jnp.sum(likelihood(f, params)))(expected)
        precision = pull / (y - expected) * jnp.square(share)
        sigma = params.get("sigma", jnp.asarray(self.guide.sigma))
        prior_draws = jnp.stack([draws[name] for name in sorted(self.law.priors())])
        prior = jnp.stack([prior_draws.mean(1), 1 / prior_draws.var(1)])
        return Linearisation(
            at, residual(at), -jax.jacfwd(residual)(at), share, precision, sigma, prior
        )


def covariance(
    tau: Float[Array, " part"], shapes: Float[Array, "part m m"]
) -> tuple[Float[jax.Array, "m m"], Float[jax.Array, ""]]:
    """K for amplitudes, (m, m), and what was added to its diagonal."""
    K = jnp.tensordot(jnp.square(tau), shapes, 1)
    jitter = JITTER * jnp.finfo(K.dtype).eps * jnp.trace(K)
    return K + jitter * jnp.eye(len(K)), jitter


@jax.custom_vjp
def factorised(
    tau: Float[Array, " part"], scale: Number, shapes: Float[Array, "part m m"]
) -> tuple[Float[jax.Array, "m m"], Float[jax.Array, "m m"]]:
    """R and L for amplitudes and the noise's scale, (m, m) each."""
    return _factorised(tau, scale, shapes)[0]


def _factorised(
    tau: Array, scale: Number, shapes: Array
) -> tuple[tuple[jax.Array, jax.Array], tuple[Array | float, ...]]:
    factor = cholesky(covariance(tau, shapes)[0])
    root = factor / scale
    lower = cholesky(jnp.eye(len(root)) + root.T @ root)
    return (root, lower), (tau, scale, shapes, factor, root, lower)


def _slopes(
    saved: tuple[Array, Array, Array, jax.Array, jax.Array, jax.Array],
    slopes: tuple[jax.Array, jax.Array],
) -> tuple[Array, Array, None]:
    """Derivatives by amplitudes and scale: the pull-back of each Cholesky factor."""
    tau, scale, shapes, factor, root, lower = saved
    of_root = slopes[0] + 2 * root @ pulled_back(lower, slopes[1])
    of_scale = -jnp.sum(of_root * root) / scale
    of_K = pulled_back(factor, of_root / scale)
    of_K += JITTER * jnp.finfo(of_K.dtype).eps * jnp.trace(of_K) * jnp.eye(len(of_K))
    return 2 * tau * jnp.tensordot(shapes, of_K, 2), of_scale, None


factorised.defvjp(_factorised, _slopes)


def draw_weights(
    random: np.random.Generator,
    tau: np.ndarray,
    c: np.ndarray,
    shapes: np.ndarray,
    shown: np.ndarray,
    part: np.ndarray,
) -> np.ndarray:
    """Draw the waves' weights given draws of the marginalised law.

    Args:
        random: NumPy's generator.
        tau: amplitudes, (draw, part).
        c: the bend at the runs, (draw, m).
        shapes: of each part of the bend there, (part, m, m).
        shown: bend of each weight at unit amplitude, in the basis, (m, weight).
        part: number of the part of each weight, (weight,).

    Returns:
        The weights, (draw, weight): draws of the prior, corrected to give the bend c
        (Matheron's rule).
    """
    w = random.normal(size=(len(tau), len(part)))
    noise = random.normal(size=c.shape)
    for i, amplitudes in enumerate(tau):  # a matrix of each draw's own amplitudes
        K = np.tensordot(np.square(amplitudes), shapes, 1)
        jitter = JITTER * np.finfo(K.dtype).eps * np.trace(K)
        root = np.linalg.cholesky(K + jitter * np.eye(len(K)))
        shown_by_weights = shown * amplitudes[part]
        b = shown_by_weights @ w[i] + np.sqrt(jitter) * noise[i]
        w[i] += shown_by_weights.T @ cho_solve(
            (root, True), root @ c[i] - b, check_finite=False
        )
    return w
