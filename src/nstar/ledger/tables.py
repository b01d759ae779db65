"""A ledger's forecasts and record as the text of cells, for the terminal and the page."""

import math
from typing import Any

from nstar.ledger.frozen import STEP
from nstar.scores import LEVELS
from nstar.wording import count, digits, numbers, percent, visible

NONE = "–"


def forecasts(told: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what was said of each run and what came.

    Args:
        told: what `verification.as_json` made.
    """
    header = [
        "forecast",
        "frozen (UTC)",
        "N",
        "D",
        "beyond the data",
        "predicted loss",
        "what came",
        "error",
        "it fell",
        "CRPS",
    ]
    return header, [_row(one) for one in told["forecasts"]]


def _row(one: dict[str, Any]) -> list[str]:
    came, failed = one["outcome"], " (a check had failed)" * (one["status"] == "FAIL")
    far = one["decades_beyond_data"]
    beyond = NONE if far is None else f"{far:.1f} decades" if far > 0 else "no"
    said = [
        visible(one["name"]) + failed,
        one["frozen"][:10],
        count(one["N"]),
        count(one["D"]),
        beyond,
        numbers(one["measured"], 4),
    ]
    if came is None:
        return [*said, "open", NONE, NONE, NONE]
    where = inside(came["held"]) if came["counted"] else "not counted"
    return [
        *said,
        digits(came["loss"], 4),
        error(came["error"]),
        where,
        digits(came["crps"], 2),
    ]


def coverage(told: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: how many intervals held what came, and how many should."""
    header = ["interval", "held", "no surprise (central 95% of counts)"]
    each = told["record"]["coverage"] or {}
    return header, [
        [
            percent(float(level)),
            f"{held['held']} of {held['of']}",
            f"{held['lower']} to {held['upper']}",
        ]
        for level, held in each.items()
    ]


def means(told: dict[str, Any]) -> str:
    """Say the mean scores in a sentence; nothing where no forecast counts."""
    record = told["record"]
    if not record["counted"]:
        return ""
    runs = "1 forecast" if record["counted"] == 1 else f"{record['counted']} forecasts"
    return (
        f"Over {runs}, in log loss, where 0.01 is one percent: mean CRPS {digits(record['crps'], 2)}, "
        f"bias {digits(record['bias'], 2)} (above zero: predicted too high), rms error {digits(record['rmse'], 2)}, "
        f"90% interval score {digits(record['interval_score']['0.9'], 2)}, mean log density {digits(record['log_density'], 3)}."
    )


def inside(held: dict[str, bool]) -> str:
    """Name the narrowest interval that held what came."""
    inner = [level for level in LEVELS if held[str(level)]]
    return f"inside {percent(inner[0])}" if inner else f"outside {percent(LEVELS[-1])}"


def pit(value: float) -> str:
    """Write a probability that is known as far as the quantiles that were kept go."""
    if STEP <= value <= 1 - STEP:
        return digits(value, 3)
    return f"below {STEP:g}" if value < STEP else f"above {1 - STEP:g}"


def error(log: float) -> str:
    """Write the error of the median as a signed percentage of what came."""
    value = 100 * math.expm1(log)
    return f"{'+' if value > 0 else ''}{digits(value, 2)}%"
