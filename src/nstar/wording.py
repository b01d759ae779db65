"""Numbers as people read them."""

from nstar.intervals import Interval

SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"))


def count(value: float) -> str:
    """Write parameters or tokens with three digits: 406B, 15.6T."""
    for scale, letter in SCALES:
        if value >= scale * 0.9995:
            return f"{three(value / scale)}{letter}"
    return three(value)


def three(value: float) -> str:
    """Write three significant digits, plainly between 0.001 and 10,000."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        text = f"{value:.3g}"
        return f"{value:.0f}" if "e" in text else text
    return f"{value:.2e}"


def flop(value: float) -> str:
    """Write a budget: 3.8e25."""
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def counts(interval: Interval | dict[str, float]) -> str:
    """Write a median and its interval: 406B [278B, 602B]."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{count(i.median)} [{count(i.lower)}, {count(i.upper)}]"


def numbers(interval: Interval | dict[str, float], digits: int = 3) -> str:
    """Write a median and its interval with so many significant digits."""
    i = interval if isinstance(interval, Interval) else Interval(**interval)
    return f"{i.median:.{digits}g} [{i.lower:.{digits}g}, {i.upper:.{digits}g}]"
