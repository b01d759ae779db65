"""Amounts as people write them: 125M, 15,200,000,000, 2.6T tokens, 1e9."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

PARAMETERS, TOKENS, FLOP, NUMBER, ANY = "parameters", "tokens", "FLOP", "number", ""
EMPTY = {"", "na", "n/a", "#n/a", "nan", "<na>", "nat", "none", "null"}
POWERS = {"k": 3, "m": 6, "g": 9, "b": 9, "t": 12, "p": 15, "e": 18, "z": 21, "y": 24}
WORDS = {
    "thousand": 3,
    "mio": 6,
    "mn": 6,
    "million": 6,
    "bn": 9,
    "billion": 9,
    "tn": 12,
    "trillion": 12,
    "kilo": 3,
    "mega": 6,
    "giga": 9,
    "tera": 12,
    "peta": 15,
    "exa": 18,
    "zetta": 21,
    "yotta": 24,
}
NO_NUMBER = "is no number"
COMMA, POINT = "comma", "point"  # the decimal sign of a table, where it is stated

_AMOUNT = re.compile(
    r"([+-]?)((?:[0-9][0-9.,'’_\s]*)?[0-9]|[0-9]+[.,]|[.,][0-9]+)"
    r"(?:[eE]([+-]?[0-9]+))?\s*([A-Za-z%][A-Za-z %-]*)?"
)
_POWER_OF_TEN = re.compile(
    r"(?:(.*[0-9.,])\s*[x×*·]\s*)?10\s*(?:\^|\*\*)\s*([+-]?[0-9]+)(.*)"
)
_SCALE = (
    r"(?P<word>thousand|mio|mn|million|bn|billion|tn|trillion)s?|(?P<letter>[kmgbt])"
)
_UNITS = {
    TOKENS: r"tokens?|toks?",
    PARAMETERS: r"param(?:eter)?s?",
    FLOP: r"(?P<prefix>kilo|mega|giga|tera|peta|exa|zetta|yotta|[kmgtpezy])?-?flops?",
}
_SHORT_TOKENS = r"(?P<short>[kmbt])t"  # as in 3.0BT
_ENDINGS = {
    unit: re.compile(rf"(?:{_SCALE})?[\s-]*(?:{words})?", re.IGNORECASE)
    for unit, words in _UNITS.items()
} | {NUMBER: re.compile(r"(?P<word>)(?P<letter>)")}
_BT = re.compile(_SHORT_TOKENS, re.IGNORECASE)
_GROUPS = r"[1-9][0-9]{0,2}(?:%s[0-9]{3})+"
_SPACED = re.compile(_GROUPS % r"[ _'’\u00a0\u202f\u2009]")
_COMMAS = re.compile(_GROUPS % ",")
_GROUPED = re.compile(r"(?<![0-9.eE@])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9.A-Za-z])")
_DOTS = re.compile(_GROUPS % r"\.")
_PLAIN = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_SIZES = re.compile(
    r"(?<![A-Za-z0-9.,])([0-9]+(?:\.[0-9]+)?) ?([KMBT])(?![A-Za-z0-9])", re.I
)


class Amount(NamedTuple):
    """A text read as a number, or why it is not."""

    value: float  # NaN where it is not read
    scaled: bool = False  # whether a suffix says in what it counts
    problem: str = ""
    european: bool = False  # refused, but with a decimal comma it is a number


@dataclass(frozen=True)
class Habits:
    """How a table writes its numbers, by what its cells can only be."""

    dots_group: bool = False  # as in 1.260.000.000
    commas_divide: bool = False  # as in 0,625
    commas_group: bool = False  # as in 1,260,000,000
    points_divide: bool = False  # as in 0.625
    commas_either: bool = False  # as in 3,973, which alone says nothing

    @property
    def dots_unsure(self) -> bool:
        """Whether the dot of 3.973 may separate thousands."""
        points = self.points_divide or self.commas_group
        return (
            self.dots_group or self.commas_divide or (self.commas_either and not points)
        )

    @property
    def european(self) -> bool:
        """Whether commas divide, or dots group, and nothing says otherwise."""
        return (self.dots_group or self.commas_divide) and not self.commas_group

    @property
    def english(self) -> bool:
        """Whether points divide, or commas group, and nothing says otherwise."""
        otherwise = self.dots_group or self.commas_divide
        return (self.points_divide or self.commas_group) and not otherwise


def read_amount(
    text: str, unit: str = ANY, decimal: str = "", habits: Habits | None = None
) -> Amount:
    """Read a number with a suffix, a unit or separators of thousands.

    What has two meanings is not read: 1,300 is 1300 or 1.3, unless the decimal sign is
    stated; 3.973 likewise in a table whose dots separate thousands.

    Args:
        text: as in 1.3B, 350 M, 2.6T tokens, 15 200 000 000, 1e22 FLOP; G is 1e9, and
            m a million, never a thousandth.
        unit: what it counts, `PARAMETERS`, `TOKENS` or `FLOP`; `NUMBER` takes neither
            suffix nor unit, `ANY` takes all.
        decimal: "comma" or "point", where it is stated.
        habits: of the table that the text is from.
    """
    text = text.strip()
    if power := _POWER_OF_TEN.fullmatch(text):
        text = f"{power[1] or 1}e{power[2]}{power[3]}"
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return _special(text)
    sign, digits, exponent, ending = match.groups()
    scale = _scale(ending or "", unit)
    if scale.problem:
        return Amount(math.nan, problem=scale.problem)
    plain = _without_groups(digits, exponent or "", decimal, habits or Habits())
    power_of_ten = int(exponent or 0) + scale.power
    value = float(f"{sign}{plain.digits}e{power_of_ten}" if plain.digits else "nan")
    if plain.problem:
        meant = f", and would be {value:g}" if plain.digits else ""
        return Amount(math.nan, problem=plain.problem + meant, european=plain.european)
    return Amount(value, scale.scaled)


def parse_amount(text: str, what: str = "amount", unit: str = ANY) -> float:
    """Parse a positive number such as 8B, 15.6T or 3.8e25.

    Raises:
        ValueError: it is none, or has two meanings.
    """
    amount = read_amount(text, unit)
    if not (math.isfinite(amount.value) and amount.value > 0):
        reason = f": {amount.problem}" if amount.problem else ""
        msg = f"{what}: expected a positive number such as 8B, 15.6T or 1e9, got {text!r}{reason}"
        raise ValueError(msg)
    return amount.value


def split_amounts(text: str, what: str = "amounts") -> list[str]:
    """Split amounts at their commas, as in 100M,1B,7B.

    Raises:
        ValueError: the commas may be of one number, as in 15,200,000,000.
    """
    if _GROUPED.search(text):
        plain = re.sub(r"(?<=[0-9]),(?=[0-9]{3})", "", text)
        msg = f"{what}: the commas of {text!r} are between amounts, not thousands; write {plain!r} if it is one, and 1.3B for each that is large"
        raise ValueError(msg)
    return [part.strip() for part in text.split(",") if part.strip()]


def read_size(label: str) -> float:
    """Read the one size that a name bears, as in pythia-1.4b; NaN unless it is one."""
    sizes = {float(f"{n}e{POWERS[s.lower()]}") for n, s in _SIZES.findall(label)}
    return sizes.pop() if len(sizes) == 1 else math.nan


def observe_habits(
    columns: Iterable[Sequence[str]], *, semicolons: bool = False
) -> Habits:
    """Learn from its columns of cells how a table writes its numbers.

    A column counts if at least half of its cells are numbers of some kind.

    Args:
        columns: of text.
        semicolons: whether these separate the columns, as where commas divide.
    """
    observed = [_observe(set(cells)) for cells in columns]
    dots_group, commas_divide, commas_group, points_divide, commas_either = (
        any(getattr(habits, field.name) for habits in observed)
        for field in fields(Habits)
    )
    divides = commas_divide or (semicolons and commas_either and not commas_group)
    return Habits(dots_group, divides, commas_group, points_divide, commas_either)


def _observe(cells: set[str]) -> Habits:
    texts = [text for text in cells if text.lower() not in EMPTY]
    marked = [text for text in texts if "." in text or "," in text]
    if not marked or read_amount(marked[0]).problem == NO_NUMBER:
        return Habits()  # a column of words, seen at its first
    if not any("," in text or text.count(".") > 1 for text in marked):
        return Habits(points_divide=writes_points(marked))
    digits = [match[2] for text in texts if (match := _AMOUNT.fullmatch(text))]
    if 2 * len(digits) < len(texts):
        return Habits()
    return Habits(
        any(map(_groups_by_dots, digits)),
        any(map(_divides_by_comma, digits)),
        any(map(_groups_by_commas, digits)),
        writes_points(marked),
        any(map(_either, digits)),
    )


def writes_points(texts: Iterable[str]) -> bool:
    """Tell whether a dot in some of these can only be a decimal sign."""
    numbers = (_AMOUNT.fullmatch(text) for text in texts if "." in text)
    return any(
        match and match[2].count(".") == 1 and not _could_group(match)
        for match in numbers
        if match and "," not in match[2]
    )


def could_be_thousands(text: str) -> bool:
    """Tell whether a dot in a number could separate thousands, as in 3.973."""
    match = _AMOUNT.fullmatch(text)
    return bool(match and _could_group(match))


def _could_group(match: re.Match[str]) -> bool:
    return not match[3] and bool(_DOTS.fullmatch(match[2]))


class _Scale(NamedTuple):
    power: int = 0
    scaled: bool = False
    problem: str = ""


class _Digits(NamedTuple):
    digits: str = ""
    problem: str = ""
    european: bool = False


def _special(text: str) -> Amount:
    """Read what float reads besides: inf, Infinity, nan."""
    try:
        return Amount(float(text))
    except ValueError:
        hint = ""
        if re.match(r"\d{4}-\d\d-\d\d", text) or text in {"True", "False"}:
            hint = "; is this the right column? Name another with --columns"
        return Amount(math.nan, problem=f"{NO_NUMBER}{hint}")


def _scale(ending: str, unit: str) -> _Scale:
    ending = ending.strip()
    if not ending:
        return _Scale()
    if ending == "%":
        return _Scale(problem="is in percent; write it as a fraction of one")
    if unit in {TOKENS, ANY} and (short := _BT.fullmatch(ending)):
        return _Scale(POWERS[short["short"].lower()], scaled=True)
    units = _UNITS if unit == ANY else (unit,)
    for name in units:
        if match := _ENDINGS[name].fullmatch(ending):
            parts = [match.groupdict().get(n) for n in ("word", "letter", "prefix")]
            power = sum(_power(part.lower()) for part in parts if part)
            return _Scale(power, scaled=True)
    others = [n for n in _UNITS if n != unit and _ENDINGS[n].fullmatch(ending)]
    if others and unit != NUMBER:
        return _Scale(problem=f"counts {others[0]}, and {unit} are asked for")
    return _Scale(problem=f"is no number with a suffix such as 7B: {ending!r} is none")


def _power(part: str) -> int:
    return WORDS.get(part) or POWERS[part]


def _without_groups(
    digits: str, exponent: str, decimal: str, habits: Habits
) -> _Digits:
    """Write digits with a decimal point and without separators of thousands."""
    integer, sign, fraction = digits.partition("," if decimal == COMMA else ".")
    if _SPACED.fullmatch(integer) and (not sign or fraction.isdigit()):
        return _Digits(re.sub("[^0-9]", "", integer) + (f".{fraction}" if sign else ""))
    if decimal == COMMA:
        return _with_decimal_comma(digits, exponent)
    if _PLAIN.fullmatch(digits):
        ambiguous = not exponent and bool(_DOTS.fullmatch(digits))
        if ambiguous and not decimal and habits.dots_unsure:
            return _Digits(problem=_two(digits, "."), european=True)
        return _Digits(digits)
    if _COMMAS.fullmatch(integer) and (not sign or fraction.isdigit()) and not exponent:
        if integer.count(",") == 1 and not sign and not decimal:
            return _Digits(problem=_two(digits, ","), european=True)
        return _Digits(digits.replace(",", ""))
    european = _with_decimal_comma(digits, exponent)
    if european.problem:
        return _Digits(problem="is no number: its separators are at odds")
    seen = "a decimal comma" if "," in digits else "dots for thousands"
    return _Digits(european.digits, f"has {seen}", european=True)


def _with_decimal_comma(digits: str, exponent: str) -> _Digits:
    integer, sign, fraction = digits.partition(",")
    if "." in integer and not exponent and _DOTS.fullmatch(integer):
        integer = integer.replace(".", "")
    if not re.fullmatch("[0-9]*", integer) or not re.fullmatch("[0-9]*", fraction):
        return _Digits(problem="is no number with a decimal comma")
    return _Digits(f"{integer}.{fraction}" if sign else integer)


def _two(digits: str, sign: str) -> str:
    return f"is {digits.replace(sign, '')} or {float(digits.replace(sign, '.')):g}"


def _groups_by_dots(digits: str) -> bool:
    """Tell whether dots can only separate thousands."""
    integer = digits.partition(",")[0]
    return integer.count(".") > 1 and bool(_DOTS.fullmatch(integer))


def _groups_by_commas(digits: str) -> bool:
    """Tell whether commas can only separate thousands."""
    integer, point, _ = digits.partition(".")
    return bool(_COMMAS.fullmatch(integer)) and (integer.count(",") > 1 or bool(point))


def _either(digits: str) -> bool:
    return digits.count(",") == 1 and bool(_COMMAS.fullmatch(digits))


def _divides_by_comma(digits: str) -> bool:
    """Tell whether a comma can only be a decimal sign."""
    integer, sign, fraction = digits.partition(",")
    if not sign or "," in fraction or "." in fraction:
        return False
    return "." in integer or not _COMMAS.fullmatch(digits)
