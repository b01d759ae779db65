r"""How a task's accuracy rises from chance to its ceiling as a loss falls.

$$ a = a_0 + (a_1 - a_0)\,\mathrm{sigmoid}(z_0 - z), \qquad
   z = \frac{(L/L_0)^\lambda - 1}{\lambda w} $$

At $\lambda = 1$ a sigmoid of the loss, as is published; `curve` leaves it open, so that
the form of the curve beyond the runs is not taken as known: at 0 it is one of log L, and
below it rises still faster at low losses.  Accuracy never falls as the loss falls.

The unknowns are defined where runs are: `rise` is the share of the way from the floor to one
that the reference run has come, and `room` the share of the rest that the ceiling a1 has
above it.  Runs far below the ceiling pin the floor, the rise and the width, and leave the
room alone to its prior; middle and ceiling would be almost perfectly correlated there.
"""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from nstar.types import Array, Number, Params, Prior

SURE = 400.0  # guesses that a stated chance level is worth: sd 0.02 about a quarter
CURVE = 1.5  # sd of lambda: scored with Gadre's twenty tasks, a decade held out
NEAR = 1e-6  # exponent below which a power is its tangent
WORDS = {
    "floor": "accuracy of a model that knows nothing",
    "rise": "share of the way from there to one come at the reference loss",
    "room": "share of the rest that the ceiling has above it",
    "width": "part of the reference loss, or nll, over which accuracy rises e-fold",
    "curve": "power of the loss, or nll, in the sigmoid",
    "ceiling": "accuracy where the loss is as low as can be",
    "middle": "loss, or nll, half way from floor to ceiling",
}


def priors(width: Number, chance: Number | None = None) -> dict[str, Prior]:
    """Priors of the curve.

    Args:
        width: typical width, as a part of the reference loss.
        chance: accuracy of guessing, where it is known: the floor's mode, since models
            that know nothing may prefer an answer.  Otherwise a floor is likely low.
    """
    floor = dist.Beta(0.5, 1.5)
    if chance is not None:
        floor = dist.Beta(1 + SURE * chance, 1 + SURE * (1 - chance))
    return {
        "floor": floor,
        "rise": dist.Beta(0.5, 1.0),
        "room": dist.Beta(2.0, 1.0),
        "width": dist.LogNormal(jnp.log(width), 0.6),
        "curve": dist.Normal(1.0, CURVE),
    }


def ceiling(params: Params) -> Array:
    """Accuracy where the loss is as low as can be."""
    floor, rise = params["floor"], params["rise"]
    return floor + (1 - floor) * (rise + (1 - rise) * params["room"])


def middle(params: Params) -> Array:
    """Loss at which half the way from floor to ceiling is done, over the reference loss.

    Zero where it lies below any loss.
    """
    t = params["curve"] * params["width"] * _start(params)
    small = jnp.abs(params["curve"]) < NEAR
    power = jnp.where(small, 1.0, params["curve"])
    log_ratio = jnp.log1p(jnp.maximum(t, -1.0)) / power
    return jnp.exp(jnp.where(small, params["width"] * _start(params), log_ratio))


def _start(params: Params) -> Array:
    """z0, by which the reference run has passed the middle, in widths."""
    rise = params["rise"]
    return jnp.log(rise) - jnp.log1p(-rise) - jnp.log(params["room"])


def distance(params: Params, log_ratio: Array) -> Array:
    """Return z of losses, given as logs of their ratio to the reference run's."""
    t = params["curve"] * log_ratio
    small = jnp.abs(t) < NEAR
    safe = jnp.where(small, 1.0, t)
    grown = jnp.where(small, 1 + t / 2, jnp.expm1(safe) / safe)
    return log_ratio * grown / params["width"]


def accuracy(params: Params, log_ratio: Array) -> Array:
    """Accuracy at losses, given as logs of their ratio to the reference run's: within 0 and 1."""
    floor, z = params["floor"], distance(params, log_ratio)
    done = jax.nn.sigmoid(_start(params) - z)
    return floor + (ceiling(params) - floor) * done
