"""Priors of single unknowns as a table of numbers, so that another prior is no other program.

A scalar unknown is real, positive or in an interval; the sampler moves in u on the real
line with x = u, exp(u) or low + (high - low) sigmoid(u).  In u the families of the field
are four shapes whose parameters are numbers:

    normal     -((u - a) / b)^2 / 2               Normal, LogNormal
    student    -(c + 1) / 2 log(1 + ((u - a) / b)^2 / c)   StudentT, Cauchy, and of a log or a logit
    gamma      a u - b exp(c u)                   Gamma, Exponential, HalfNormal, InverseGamma
    beta       a log sigmoid(u) + b log sigmoid(-u)   Beta, Uniform

The constants are worked out once, outside of any compiled program.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions.transforms import ExpTransform, SigmoidTransform
from scipy.special import betaln, expit, gammaln, log_expit

from nstar.types import Array, Prior

NORMAL, STUDENT, GAMMA, BETA = range(4)  # shapes of a density in u
REAL, POSITIVE, INTERVAL = range(3)  # supports of x
LOG_ROOT_TWO_PI = math.log(2 * math.pi) / 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Priors:
    """Priors as a compiled program takes them: names and supports fixed, numbers not."""

    names: tuple[str, ...] = field(metadata={"static": True})  # of the table's rows
    supports: tuple[int, ...] = field(metadata={"static": True})
    shape: Array  # of each row's density in u, (row,)
    numbers: Array  # a, b, c, low and high, (row, 5)
    constants: Array  # logs of their normalising constants, (row,)
    others: Mapping[str, Prior]  # distributions given in place of a law's own

    def __contains__(self, name: str) -> bool:
        """Say whether an unknown is in the table."""
        return name in self.names

    def values(self, u: Array) -> tuple[Array, Array]:
        """Unknowns from the real line, (row,), and the log density of all rows there.

        The change of variables is included.
        """
        positive, interval = (self._supported(kind) for kind in (POSITIVE, INTERVAL))
        return _values(positive, interval, self, u)

    def real(self, x: Array) -> Array:
        """Unknowns, (..., row), mapped to the real line."""
        xp = np if isinstance(x, np.ndarray) else jnp
        positive, interval = (self._supported(kind) for kind in (POSITIVE, INTERVAL))
        low, high = self.numbers[:, 3], self.numbers[:, 4]
        share = xp.where(interval, (x - low) / (high - low), 0.5)
        log = xp.log(xp.where(positive, x, 1.0))
        within = xp.where(interval, xp.log(share / (1 - share)), x)
        return xp.where(positive, log, within)

    def log_densities(self, draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log density of each row's unknown on the real line at draws, (draw,) each."""
        densities = {}
        for row, name in enumerate(self.names):
            u = self._row(row).real(np.asarray(draws[name], float)[:, None])[:, 0]
            a, b, c, _, _ = (float(v) for v in np.asarray(self.numbers[row]))
            kind, constant = int(self.shape[row]), float(self.constants[row])
            if kind == NORMAL:
                log_density = -np.square((u - a) / b) / 2
            elif kind == STUDENT:
                log_density = -(c + 1) / 2 * np.log1p(np.square((u - a) / b) / c)
            elif kind == GAMMA:
                log_density = a * u - b * np.exp(c * u)
            else:
                log_density = a * log_expit(u) + b * log_expit(-u)
            densities[name] = log_density + constant
        return densities

    def _row(self, row: int) -> "Priors":
        """The table of one row alone."""
        at = slice(row, row + 1)
        arrays = self.shape[at], self.numbers[at], self.constants[at]
        return Priors(self.names[at], self.supports[at], *arrays, {})

    def draws(self, random: np.random.Generator, count: int) -> dict[str, np.ndarray]:
        """Draw every row's unknown, (draw,) each."""
        draws = {}
        for row, name in enumerate(self.names):
            a, b, c, low, high = (float(v) for v in np.asarray(self.numbers[row]))
            kind, support = int(self.shape[row]), self.supports[row]
            if kind == GAMMA:
                # exp(c u) is a gamma variable of shape a / c and rate b
                draws[name] = random.gamma(a / c, 1 / b, count) ** (1 / c)
            elif kind == BETA:
                draws[name] = low + (high - low) * random.beta(a, b, count)
            else:
                normal = kind == NORMAL
                z = random.normal(size=count) if normal else random.standard_t(c, count)
                u = a + b * z
                if support == INTERVAL:
                    u = low + (high - low) * expit(u)
                draws[name] = np.exp(u) if support == POSITIVE else u
        return draws

    def _supported(self, kind: int) -> np.ndarray:
        return np.array([support == kind for support in self.supports], dtype=bool)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _values(
    positive: np.ndarray, interval: np.ndarray, priors: Priors, u: Array
) -> tuple[Array, Array]:
    x, density, _, _ = _rows(positive, interval, priors, u)
    return x, density


@_values.defjvp
def _slopes(
    positive: np.ndarray, interval: np.ndarray, priors: Priors, at: Any, moved: Any
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    x, density, slope, rise = _rows(positive, interval, priors, *at)
    return (x, density), (slope * moved[0], rise @ moved[0])


def _rows(
    positive: np.ndarray, interval: np.ndarray, priors: Priors, u: Array
) -> tuple[Array, Array, Array, Array]:
    """Unknowns, the log density of all, and the slopes of each and of its log density.

    RefitCache apart from what uses them, which would else work them out again each time.
    """
    a, b, c, low, high = priors.numbers.T
    normal, student, gamma = (priors.shape == k for k in (NORMAL, STUDENT, GAMMA))
    sigmoid, power = jax.nn.sigmoid(u), jnp.exp(jnp.where(positive, u, 0.0))
    x = jnp.where(positive, power, jnp.where(interval, low + (high - low) * sigmoid, u))
    width = (high - low) * sigmoid * (1 - sigmoid)
    slope = jnp.where(positive, power, jnp.where(interval, width, 1.0))

    z = (u - a) / jnp.where(normal | student, b, 1.0)
    df = jnp.where(student, c, 1.0)
    log_power = b * jnp.exp(jnp.where(gamma, c * u, 0.0))
    left = jax.nn.log_sigmoid(u)
    of_student = -(df + 1) / 2 * jnp.log1p(jnp.square(z) / df)
    of_either = jnp.where(gamma, a * u - log_power, a * left + b * (left - u))
    density = jnp.where(
        normal, -jnp.square(z) / 2, jnp.where(student, of_student, of_either)
    )
    to_student = -(df + 1) * z / (df + jnp.square(z)) / b
    to_either = jnp.where(gamma, a - c * log_power, a - (a + b) * sigmoid)
    rise = jnp.where(normal, -z / b, jnp.where(student, to_student, to_either))
    x, density, slope, rise = jax.lax.optimization_barrier((x, density, slope, rise))
    return x, jnp.sum(density + priors.constants), slope, rise


def tabulate(priors: Mapping[str, Prior], given: Mapping[str, Prior]) -> Priors:
    """Put priors into a table, those of no known family and of several numbers aside.

    Args:
        priors: of a law and its noise, by name of unknown.
        given: those that replace them.
    """
    rows = {
        name: row
        for name, prior in {**priors, **given}.items()
        if (row := _row(prior)) is not None
    }
    names = tuple(rows)
    table = np.array([row[2] for row in rows.values()], float).reshape(-1, 6)
    return Priors(
        names,
        tuple(row[0] for row in rows.values()),
        np.array([row[1] for row in rows.values()], int),
        table[:, :5],
        table[:, 5],
        {name: prior for name, prior in given.items() if name not in rows},
    )


type Row = tuple[int, int, tuple[float, ...]]  # support, shape, numbers and constant


def _row(prior: Any) -> Row | None:
    """One row of the table; None where the prior is of no known family."""
    kind = type(prior)
    if kind is dist.TransformedDistribution:
        return _transformed(prior)
    if kind not in ROWS or prior.batch_shape or prior.event_shape:
        return None
    return ROWS[kind](prior)


def _transformed(prior: Any) -> Row | None:
    """A Student-t of a log or of a logit."""
    transforms = [type(transform) for transform in prior.transforms]
    supports = {ExpTransform: POSITIVE, SigmoidTransform: INTERVAL}
    if len(transforms) != 1 or transforms[0] not in supports or prior.batch_shape:
        return None
    if type(prior.base_dist) is not dist.StudentT:
        return None
    return (supports[transforms[0]], *_student(prior.base_dist)[1:])


def _location(support: int) -> Callable[[Any], Row]:
    def row(prior: Any) -> Row:
        a, b = float(prior.loc), float(prior.scale)
        return support, NORMAL, (a, b, 0.0, 0.0, 1.0, -math.log(b) - LOG_ROOT_TWO_PI)

    return row


def _student(prior: Any) -> Row:
    df = 1.0 if isinstance(prior, dist.Cauchy) else float(prior.df)
    a, b = float(prior.loc), float(prior.scale)
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - math.log(df * math.pi) / 2
    return REAL, STUDENT, (a, b, df, 0.0, 1.0, float(constant) - math.log(b))


def _gamma(power: float) -> Callable[[Any], Row]:
    def row(prior: Any) -> Row:
        shape, rate = float(prior.concentration), float(prior.rate)
        constant = shape * math.log(rate) - float(gammaln(shape))
        return POSITIVE, GAMMA, (power * shape, rate, power, 0.0, 1.0, constant)

    return row


def _exponential(prior: Any) -> Row:
    rate = float(prior.rate)
    return POSITIVE, GAMMA, (1.0, rate, 1.0, 0.0, 1.0, math.log(rate))


def _half_normal(prior: Any) -> Row:
    scale = float(prior.scale)
    constant = math.log(2 / scale) - LOG_ROOT_TWO_PI
    return POSITIVE, GAMMA, (1.0, 0.5 / scale**2, 2.0, 0.0, 1.0, constant)


def _beta(prior: Any) -> Row:
    a, b = float(prior.concentration1), float(prior.concentration0)
    return INTERVAL, BETA, (a, b, 0.0, 0.0, 1.0, -float(betaln(a, b)))


def _uniform(prior: Any) -> Row:
    low, high = float(prior.low), float(prior.high)
    return INTERVAL, BETA, (1.0, 1.0, 0.0, low, high, 0.0)


ROWS: dict[type, Callable[[Any], Row]] = {
    dist.Normal: _location(REAL),
    dist.LogNormal: _location(POSITIVE),
    dist.StudentT: _student,
    dist.Cauchy: _student,
    dist.Gamma: _gamma(1.0),
    dist.InverseGamma: _gamma(-1.0),
    dist.Exponential: _exponential,
    dist.HalfNormal: _half_normal,
    dist.Beta: _beta,
    dist.Uniform: _uniform,
}
