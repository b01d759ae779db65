"""A ledger's forecasts and track record as tables of text, for terminal and report."""

import math

from nstar.answers import Document
from nstar.ledger.frozen import STEP
from nstar.multipliers.tables import bounds
from nstar.scores import LEVELS
from nstar.wording import count, digits, flop, numbers, percent, share, visible

NONE = "–"


def forecasts(document: Document) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the forecast of each run, its outcome and its scores.

    Args:
        document: from `verification.as_json`.
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
    return header, [_row(forecast) for forecast in document["forecasts"]]


def _row(forecast: Document) -> list[str]:
    outcome, failed = (
        forecast["outcome"],
        " (a check had failed)" * (forecast["status"] == "FAIL"),
    )
    decades = forecast["decades_beyond_data"]
    beyond = (
        NONE if decades is None else f"{decades:.1f} decades" if decades > 0 else "no"
    )
    cells = [
        visible(forecast["name"]) + failed,
        forecast["frozen"][:10],
        count(forecast["N"]),
        count(forecast["D"]),
        beyond,
        numbers(forecast["measured"], 4),
    ]
    if outcome is None:
        return [*cells, "open", NONE, NONE, NONE]
    where = inside(outcome["held"]) if outcome["counted"] else "not counted"
    return [
        *cells,
        digits(outcome["loss"], 4),
        error(outcome["error"]),
        where,
        digits(outcome["crps"], 2),
    ]


def choices(document: Document) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each choice between two recipes, its chance, and which was better.

    Args:
        document: from `verification.as_json`.
    """
    header = [
        *("choice", "frozen (UTC)", "budget", "is this recipe better", "than"),
        *("chance", "multiplier", "what came", "Brier", "log score"),
    ]
    return header, [_choice_row(choice) for choice in document["choices"]]


def _choice_row(choice: Document) -> list[str]:
    outcome, failed = (
        choice["outcome"],
        " (a check had failed)" * (choice["status"] == "FAIL"),
    )
    cells = [
        visible(choice["name"]) + failed,
        choice["frozen"][:10],
        flop(choice["C"]),
        visible(choice["recipe"]),
        visible(choice["baseline"]),
        digits(choice["chance"], 4),
        bounds(choice["multiplier"]),
    ]
    if outcome is None:
        return [*cells, "open", NONE, NONE]
    if not outcome["counted"]:
        return [*cells, losses(choice), "not counted", NONE]
    scores = (digits(outcome[n], 2) for n in ("brier", "log_score"))
    return [*cells, losses(choice), *scores]


def losses(choice: Document) -> str:
    """Write what both runs of a choice measured."""
    measured = choice["outcome"]["losses"].items()
    return ", ".join(f"{visible(arm)} {digits(loss, 5)}" for arm, loss in measured)


def chances(document: Document) -> str:
    """How the chances have fared, as a sentence; empty where none counts."""
    record = document["record"]["chances"]
    if not record or not record["counted"]:
        return ""
    of = f"{record['counted']} choice{'s' * (record['counted'] > 1)}"
    return (
        f"Over {of} between recipes: mean Brier score {digits(record['brier'], 2)} (the chances themselves expect {digits(record['brier_expected'], 2)}, "
        f"one half each time has 0.25), mean log score {digits(record['log_score'], 2)} (one half has 0.69), {share(record['decided'])} decided right."
    )


def coverage(document: Document) -> tuple[list[str], list[list[str]]]:
    """Header and rows: how many intervals contain the measured loss, and how many should."""
    header = ["interval", "held", "no surprise (central 95% of counts)"]
    levels = document["record"]["coverage"] or {}
    return header, [
        [
            percent(float(level)),
            f"{count_of['held']} of {count_of['of']}",
            f"{count_of['lower']} to {count_of['upper']}",
        ]
        for level, count_of in levels.items()
    ]


def means(document: Document) -> str:
    """Mean scores as a sentence; empty where no forecast counts."""
    record = document["record"]
    if not record["counted"]:
        return ""
    runs = "1 forecast" if record["counted"] == 1 else f"{record['counted']} forecasts"
    return (
        f"Over {runs}, in log loss, where 0.01 is one percent: mean CRPS {digits(record['crps'], 2)}, "
        f"bias {digits(record['bias'], 2)} (above zero: predicted too high), rms error {digits(record['rmse'], 2)}, "
        f"90% interval score {digits(record['interval_score']['0.9'], 2)}, mean log density {digits(record['log_density'], 3)}."
    )


def inside(covered: dict[str, bool]) -> str:
    """Name the narrowest interval that contains the measured loss."""
    inner = [level for level in LEVELS if covered[str(level)]]
    return f"inside {percent(inner[0])}" if inner else f"outside {percent(LEVELS[-1])}"


def pit(value: float) -> str:
    """Write a probability, known as far as the stored quantiles reach."""
    if STEP <= value <= 1 - STEP:
        return digits(value, 3)
    return f"below {STEP:g}" if value < STEP else f"above {1 - STEP:g}"


def error(log: float) -> str:
    """Write the error of the median as a signed percentage of the measured loss."""
    value = 100 * math.expm1(log)
    return f"{'+' if value > 0 else ''}{digits(value, 2)}%"
