r"""Accelerator-hours and money for compute, each input a number or a distribution.

$$ \mathrm{hours} = \frac{C}{\mathrm{peak} \cdot \mathrm{MFU} \cdot \mathrm{goodput} \cdot 3600},
   \qquad \mathrm{cost} = \mathrm{price} \cdot \mathrm{hours} $$

MFU is the share of the peak that model FLOP reach while a step runs (Chowdhery et al. 2022,
arXiv:2204.02311, app. B), goodput the share of the booked time in which steps count.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nstar.answers import Document
from nstar.intervals import interval
from nstar.priors.families import Stated, read_prior
from nstar.published.hardware import Hardware
from nstar.wording import flop

if TYPE_CHECKING:
    from numpyro.distributions import Distribution
else:  # NumPyro is not loaded to say so
    Distribution = Any

MFU = Stated(
    "Uniform", {"low": 0.38, "high": 0.43}
)  # Llama 3 405B: arXiv:2407.21783, table 4
GOODPUT = 0.9  # "higher than 90 %" of the time, ibid. sec. 3.3.4
HOUR = 3600.0
DRAWS = 4000  # of uncertain inputs, for intervals
CHECKED = 100_000  # draws that show whether a distribution stays within its bounds

type Guess = float | Stated | Distribution  # a number, or a distribution; NumPyro's too


class Billed(NamedTuple):
    """Draws of the accelerator-hours and the money that compute takes, of its shape."""

    hours: np.ndarray  # of accelerators
    money: np.ndarray | None  # in the price's currency; none without a price


@dataclass(frozen=True)
class Bill:
    """Where a budget is spent."""

    hardware: Hardware
    precision: str | None = None  # bfloat16 unless given
    mfu: Guess = MFU  # 0 to 1
    goodput: Guess = GOODPUT  # 0 to 1
    price: Guess | None = None  # of an accelerator-hour
    currency: str = "USD"

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            ValueError: a share outside 0 to 1, a negative price, no such precision.
        """
        self.hardware.flop_per_second(self.precision)
        for name, value, most in (
            ("mfu", self.mfu, 1),
            ("goodput", self.goodput, 1),
            ("price", self.price, np.inf),
        ):
            if value is None:
                continue
            draws = draw_guess(value, np.random.default_rng(0), CHECKED)
            if not np.all((draws > 0) & (draws <= most)):
                expected = "between 0 and 1" if most == 1 else "positive"
                msg = f"{name}: expected {expected}, got {format_guess(value)}"
                raise ValueError(msg)

    def charge(self, C: ArrayLike, seed: int = 0) -> Billed:
        """Draws of hours and money for C FLOP, (draw, ...); a row shares its uncertain inputs."""
        compute = np.asarray(C, dtype=float)
        rows = compute.shape[:1] or (1,)
        random = np.random.default_rng(seed).spawn(3)
        shape = rows + (1,) * max(compute.ndim - 1, 0)

        def draw(value: Guess, i: int) -> np.ndarray:
            return draw_guess(value, random[i], rows[0]).reshape(shape)

        rate = self.hardware.flop_per_second(self.precision)
        rate = rate * draw(self.mfu, 0) * draw(self.goodput, 1)
        hours = compute / rate / HOUR
        money = None if self.price is None else hours * draw(self.price, 2)
        return Billed(hours, money)

    def intervals(self, C: float, prob: float = 0.9) -> Document:
        """Intervals of the hours for C FLOP, and of the money where there is a price."""
        billed = self.charge(np.full(DRAWS, C))
        money = None if billed.money is None else interval(billed.money, prob).as_json()
        return {"hours": interval(billed.hours, prob).as_json(), "cost": money}

    def describe(self) -> str:
        """Describe the hardware, the shares and the price."""
        precision = self.hardware.usual(self.precision)
        text = (
            f"{self.hardware.title}, {precision} peak {flop(self.hardware.flop_per_second(self.precision))} FLOP/s, "
            f"MFU {format_guess(self.mfu)}, goodput {format_guess(self.goodput)}"
        )
        return (
            text
            if self.price is None
            else f"{text}, {format_guess(self.price)} {self.currency} an hour"
        )


def parse_guess(text: str, what: str) -> Guess:
    """Read 0.4 or Uniform(0.38, 0.43).

    Raises:
        ValueError: it is neither a number nor a distribution.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return read_prior(text)
    except ValueError as error:
        msg = f"{what} {text!r}: expected a number or a distribution such as Uniform(0.38, 0.43) ({error})"
        raise ValueError(msg) from None


def format_guess(value: Guess) -> str:
    """Format a number or a distribution."""
    match value:
        case float() | int():
            return f"{value:g}"
        case Stated():
            return str(value)
        case _:
            from nstar.priors.stated import describe

            return describe(value)


def draw_guess(value: Guess, random: np.random.Generator, count: int) -> np.ndarray:
    """Draw from a number or a distribution, (count,)."""
    match value:
        case float() | int():
            return np.full(count, float(value))
        case Stated():
            return value.draw(random, count)
        case _:
            import jax

            key = jax.random.key(int(random.integers(2**31)))
            return np.asarray(value.sample(key, (count,)), dtype=float)
