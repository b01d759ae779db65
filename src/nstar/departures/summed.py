r"""A law that bends, as its runs see it: the waves summed out, but for what bends the runs.

$$ \delta = U b, \qquad b = s R\,c, \qquad c \sim \mathrm{Normal}(0, I), \qquad
   s^2 R R^\top = K(\tau) = \textstyle\sum_p \tau_p^2 B_p B_p^\top $$

U spans what the runs can tell of a bend, scaled so that each of its coordinates b is seen
with noise of the guide's scale; s is the noise over that.  Given the amplitudes and s,
the law's unknowns (t, on the real line about the mode) and c are about normal:

$$ c \mid t \approx A^{-1} R^\top h(t) + L^{-\top} z, \qquad A = I + R^\top R = L L^\top $$
$$ t \approx P^{-1} g + T^{-\top} z, \qquad
   P = \Lambda + J^\top W J / s^2 - V^\top V = T T^\top, \qquad V = L^{-1} R^\top U^\top W J / s $$

with h what the law leaves of the runs and J its slopes.  Runs see a bend by the share of
their loss that is reducible; the sampler's amplitudes are of what is seen, as the noise
is.  The sampler moves in z, which would be standard normal were the law straight and the
noise normal: no amplitude makes a funnel.  A change of variables with its Jacobian, so the posterior is the same whatever the
guide (Rue et al. 2009, doi:10.1111/j.1467-9868.2008.00700.x, sum out by the same normal).
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
from scipy.linalg import cho_solve

from nstar.departures.triangular import cholesky, pulled_back
from nstar.laws.priors import log_normal
from nstar.types import Array, Inputs, Params, Prior, Response

BASIS = "basis"  # input of a summed law: each run's row of U
SUMMED = "bend_runs"  # its unknown c
LEAST_SHARE = 1e-3  # of a loss that is taken for reducible, where a law says it is not
JITTER = 1e3  # of machine precision, on the diagonal of K


class Look(NamedTuple):
    """What a guide is made of: a law about a mode, and how well it sees each run."""

    at: Array  # the law's unknowns there, on the real line, (unknown,)
    rest: Array  # what it leaves of the runs, as log factors, (run,)
    slopes: Array  # how that falls with the unknowns, (run, unknown)
    share: Array  # of each run's loss that is reducible, (run,)
    seen: Array  # 1 / variance of each run's log factor, (run,)
    sigma: Array  # the noise's scale
    prior: Array  # mean and precision of the law's unknowns a priori, (2, unknown)


@dataclass(frozen=True)
class Guide:
    """About where the law's unknowns are, and how the runs see them and the bend."""

    to: Any = field(compare=False)  # U'W, coordinates of what runs show, (m, run)
    share: Any = field(compare=False)  # reducible part of each run's loss, (run,)
    sigma: float = field(compare=False)  # the noise's scale it was made for
    at: Any = field(compare=False)  # the law's unknowns, (unknown,)
    prior: Any = field(compare=False)  # their prior's mean and precision, (2, unknown)
    curvature: Any = field(compare=False)  # J'WJ, (unknown, unknown)
    pull: Any = field(compare=False)  # J'W rest, (unknown,)
    slopes: Any = field(compare=False)  # U'WJ, and U'W rest last, (m, unknown + 1)


class Factors(NamedTuple):
    """What amplitudes and the noise's scale decide."""

    scale: Array  # s
    root: Array  # R, (m, m)
    lower: Array  # L, (m, m)


@dataclass(frozen=True)
class Summed:
    """A bent law for the sampler; `Bent.drawn` gives the waves back."""

    law: Any
    names: tuple[str, ...]  # of the amplitudes
    usual: tuple[float, ...]  # medians of their priors
    spread: tuple[float, ...]  # sds of their logs
    shapes: Any = field(compare=False)  # BB' of each part, (part, m, m)
    guide: Guide
    factors: Any = field(default=None, compare=False)
    straight: Any = field(
        default=None, compare=False
    )  # losses of the runs, and the floor

    @property
    def inputs(self) -> tuple[str, ...]:
        """Those of the law, and each run's row of the basis."""
        return (*self.law.inputs, BASIS)

    @property
    def response(self) -> Response:
        """That of the law."""
        return self.law.response

    @property
    def leads(self) -> tuple[str, ...]:
        """All but amplitudes."""
        return (*self.law.priors(), SUMMED)

    def priors(self) -> dict[str, Prior]:
        """Those of the law, the amplitudes, and the bend at the runs."""
        each = zip(self.names, self.usual, self.spread, strict=True)
        found = dict(self.law.priors())
        found |= {n: log_normal(u, s) for n, u, s in each}
        m = jnp.shape(self.shapes)[-1]
        return found | {SUMMED: dist.Normal(0.0, 1.0).expand([m])}

    def expected(self, params: Params, x: Inputs) -> Array:
        """Log loss of each run."""
        made = self.factors or self.settled(params).factors
        bend = x[BASIS] @ (made.scale * (made.root @ params[SUMMED]))
        straight, floor = self.straight or self._straight(params, x)
        return jnp.log(floor + (straight - floor) * jnp.exp(bend))

    def _straight(self, params: Params, x: Inputs) -> tuple[Array, Array]:
        """Loss of each run under the law without its bend, and the floor."""
        return jnp.exp(self.law.expected(params, x)), self.law.floor(params)

    def settled(self, params: Params) -> "Summed":
        """Work out what amplitudes and the noise's scale decide, once for all uses."""
        scale = params.get("sigma", self.guide.sigma) / self.guide.sigma
        tau = jnp.stack([params[name] for name in self.names])
        return replace(
            self, factors=Factors(scale, *factorised(tau, scale, self.shapes))
        )

    def lead(
        self, u: Params, constrain: Callable[[Params], Params], x: Inputs, y: Array
    ) -> tuple["Summed", dict[str, Array], Array]:
        """Unknowns on the real line from the sampler's, and the log of their width."""
        u, width = self._law_led(u)
        straight = self._straight(constrain(u), x)
        off = self._off(*straight)
        u |= {name: u[name] - off for name in self.names}
        h = self.guide.to @ (self.lacks(*straight, y) * jnp.exp(off))
        c, narrow = self.bend_led(u, h)
        scale, root, lower = self.factors
        factors = Factors(scale / jnp.exp(off), root, lower)
        made = replace(self, factors=factors, straight=straight)
        return made, u | {SUMMED: c}, width + narrow

    def _off(self, straight: Array, floor: Array) -> Array:
        """Log of how much more of the losses is reducible than the guide has it."""
        ratio = jnp.maximum(1 - floor / straight, LEAST_SHARE) / self.guide.share
        return jnp.mean(jnp.log(ratio))

    def bend_led(self, u: Params, h: Array) -> tuple[Array, Array]:
        """The bend from the sampler's, and from what the runs show of it."""
        scale, root, lower = self.factors
        pulled = solve_triangular(lower, root.T @ h / scale, lower=True)
        c = solve_triangular(lower, pulled + u[SUMMED], lower=True, trans=1)
        return c, -jnp.sum(jnp.log(jnp.diag(lower)))

    def _law_led(self, u: Params) -> tuple[dict[str, Array], Array]:
        scale, root, lower = self.factors
        guide = self.guide
        z, named = ravel_pytree({name: u[name] for name in self.law.priors()})
        V = solve_triangular(lower, root.T @ guide.slopes, lower=True) / scale
        V, v = V[:, :-1], V[:, -1]
        mean, precision = guide.prior
        P = jnp.diag(precision) + guide.curvature / scale**2 - V.T @ V
        T = jnp.linalg.cholesky(P)
        pull = precision * (mean - guide.at) + guide.pull / scale**2 - V.T @ v
        pulled = solve_triangular(T, pull, lower=True)
        t = solve_triangular(T, pulled + z, lower=True, trans=1)
        return dict(u) | named(guide.at + t), -jnp.sum(jnp.log(jnp.diag(T)))

    def lacks(self, straight: Array, floor: Array, y: Array) -> Array:
        """Log factor on the reducible loss that each run asks for, (run,)."""
        loss = jnp.exp(y)
        asked = jnp.maximum(loss - floor, LEAST_SHARE * loss)
        return jnp.log(asked / jnp.maximum(straight - floor, LEAST_SHARE * straight))

    def looked(
        self,
        u: Params,
        constrain: Callable[[Params], Params],
        likelihood: Callable[[Array, Params], Array],
        x: Inputs,
        y: Array,
        draws: Params,
    ) -> Look:
        """Look at the runs from unknowns on the real line.

        `draws` are the law's unknowns from the prior, on the real line, (draw,) each.
        A run's noise is as wide as its pull on the answer says, so that one far off,
        which heavy-tailed noise ignores, is ignored.
        """
        at, named = ravel_pytree({name: u[name] for name in self.law.priors()})

        def rest(t: Array) -> Array:
            straight = self._straight(constrain({**u, **named(t)}), x)
            more = jnp.exp(self._off(*straight) - here)
            return self.lacks(*straight, y) * more

        params = constrain(u)
        straight, floor = self._straight(params, x)
        share = jnp.maximum(1 - floor / straight, LEAST_SHARE)
        here = self._off(straight, floor)
        expected = self.expected(params, x)
        pull = jax.grad(lambda f: jnp.sum(likelihood(f, params)))(expected)
        seen = pull / (y - expected) * jnp.square(share)
        sigma = params.get("sigma", jnp.asarray(self.guide.sigma))
        own = jnp.stack([draws[name] for name in sorted(self.law.priors())])
        prior = jnp.stack([own.mean(1), 1 / own.var(1)])
        return Look(at, rest(at), -jax.jacfwd(rest)(at), share, seen, sigma, prior)


def covariance(tau: Array, shapes: Array) -> tuple[Array, Array]:
    """K of amplitudes, (m, m), and what was added to its diagonal."""
    K = jnp.tensordot(jnp.square(tau), shapes, 1)
    jitter = JITTER * jnp.finfo(K.dtype).eps * jnp.trace(K)
    return K + jitter * jnp.eye(len(K)), jitter


@jax.custom_vjp
def factorised(tau: Array, scale: Array, shapes: Array) -> tuple[Array, Array]:
    """R and L of amplitudes and of the noise's scale, (m, m) each."""
    return _factorised(tau, scale, shapes)[0]


def _factorised(
    tau: Array, scale: Array, shapes: Array
) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    whole = cholesky(covariance(tau, shapes)[0])
    root = whole / scale
    lower = cholesky(jnp.eye(len(root)) + root.T @ root)
    return (root, lower), (tau, scale, shapes, whole, root, lower)


def _slopes(
    kept: tuple[Array, ...], slopes: tuple[Array, Array]
) -> tuple[Array, Array, None]:
    """Slopes by amplitudes and scale, each Cholesky factor pulled back by hand."""
    tau, scale, shapes, whole, root, lower = kept
    of_root = slopes[0] + 2 * root @ pulled_back(lower, slopes[1])
    of_scale = -jnp.sum(of_root * root) / scale
    of_K = pulled_back(whole, of_root / scale)
    of_K += JITTER * jnp.finfo(of_K.dtype).eps * jnp.trace(of_K) * jnp.eye(len(of_K))
    return 2 * tau * jnp.tensordot(shapes, of_K, 2), of_scale, None


factorised.defvjp(_factorised, _slopes)


def apart(
    random: np.random.Generator,
    tau: np.ndarray,
    c: np.ndarray,
    shapes: np.ndarray,
    shown: np.ndarray,
    part: np.ndarray,
) -> np.ndarray:
    """Draw weights that bend the runs as draws of the summed law do.

    Args:
        random: NumPy's generator.
        tau: amplitudes, (draw, part).
        c: the bend at the runs, (draw, m).
        shapes: of each part of the bend there, (part, m, m).
        shown: what the runs show of each weight at unit amplitude, (m, weight).
        part: number of the part of each weight, (weight,).

    Returns:
        The weights, (draw, weight): draws of the prior, moved to what bends the runs
        (Matheron's rule).
    """
    w = random.normal(size=(len(tau), len(part)))
    noise = random.normal(size=c.shape)
    for i, own in enumerate(tau):  # a matrix of each draw's own amplitudes
        K = np.tensordot(np.square(own), shapes, 1)
        jitter = JITTER * np.finfo(K.dtype).eps * np.trace(K)
        root = np.linalg.cholesky(K + jitter * np.eye(len(K)))
        seen = shown * own[part]
        b = seen @ w[i] + np.sqrt(jitter) * noise[i]
        w[i] += seen.T @ cho_solve((root, True), root @ c[i] - b, check_finite=False)
    return w
