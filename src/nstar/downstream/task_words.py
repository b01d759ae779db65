"""Verdicts on tasks in words, and their tables, from the document of an answer."""

import math
from collections.abc import Iterator, Sequence

from nstar.answers import Document, Table
from nstar.wording import count, digits, percent, share

FEW = 3  # tasks that a sentence names


def headline(document: Document, narrow: float, prob: float) -> str:
    """What can be told at the first run, and of what little can be."""
    first = _of_first_run(document)
    ordered = sorted(first, key=_half)
    narrow_enough = [r for r in ordered if _half(r) <= narrow]
    parts = []
    if narrow_enough:
        listed = _listed([r["task"] for r in narrow_enough])
        points = math.ceil(100 * _half(narrow_enough[:FEW][-1]))
        parts.append(
            f"this ladder can tell {listed} at {_run(first[0])} within {_points(points)}"
        )
    if len(narrow_enough) < len(first):
        record = ordered[-1]
        parts.append(
            f"of {record['task']} it can say little more than {_range(record)}"
        )
    return f"{'; '.join(parts)} ({percent(prob)} credible intervals)."


def verdicts(document: Document, narrow: float, risen: float) -> list[Document]:
    """One sentence a task, of the first run."""
    low = {t["task"] for t in document["tasks"] if t["risen"] < risen}
    return [
        {"task": r["task"], "verdict": _verdict(r, narrow, at_chance=r["task"] in low)}
        for r in _of_first_run(document)
    ]


def _verdict(record: Document, narrow: float, *, at_chance: bool) -> str:
    """What a ladder can say of a task, and whether the task could choose a recipe."""
    middle = percent(round(record["measured"]["median"], 3))
    if at_chance:
        accuracy = f"hardly left chance in these runs, so the ladder cannot say when it rises; {_range(record)}"
    elif _half(record) <= narrow:
        points = math.ceil(100 * _half(record))
        accuracy = f"can be told within {_points(points)}, {middle}"
    else:
        accuracy = f"little more can be said than {_range(record)}"
    return f"{accuracy}; {_decides(record)}"


def _decides(record: Document) -> str:
    times = record["resolved_multiplier"]
    if times is None:
        return "decides between no two recipes"
    return f"decides between recipes that differ by {digits(times, 2)} times the compute or more"


def tables(document: Document, prob: float) -> Iterator[Table | str]:
    """Accuracies, verdicts, and what could decide between two recipes."""
    goal = document["target_accuracy"]
    yield Table(
        f"Accuracy, median [{percent(prob)} equal-tailed credible interval]",
        [
            "task",
            "N",
            "D",
            "of the curve",
            "as measured",
            *([f"P(at least {goal:g})"] if goal else []),
        ],
        [
            [
                r["task"],
                count(r["N"]),
                count(r["D"]),
                _interval(r["accuracy"]),
                _interval(r["measured"]),
                *([share(r["probability"])] if goal else []),
            ]
            for r in document["predictions"]
        ],
    )
    first = _of_first_run(document)
    sentence = {v["task"]: v["verdict"] for v in document["verdicts"]}
    yield Table(
        f"What this ladder can say of each task at {_run(first[0])}; {percent(prob)} credible intervals",
        ["task", "chance", "questions", "verdict"],
        [
            [
                t["task"],
                "learned"
                if t["chance_level"] is None
                else digits(t["chance_level"], 2),
                "unknown" if t["questions"] is None else str(t["questions"]),
                sentence[t["task"]],
            ]
            for t in document["tasks"]
        ],
    )
    ordered = sorted(first, key=lambda r: r["resolved_multiplier"] or math.inf)
    yield Table(
        "Which tasks could decide between two recipes there, by one run of each: signal against noise",
        [
            "task",
            "gain from twice the compute",
            "sd of a measurement",
            "signal / noise",
            "told 9 times in 10",
        ],
        [
            [
                r["task"],
                f"{100 * r['gain_of_twice_the_compute']:.1f} points",
                f"{100 * r['noise']:.1f} points",
                digits(r["gain_of_twice_the_compute"] / r["noise"], 2),
                "no difference"
                if r["resolved_multiplier"] is None
                else f"{digits(r['resolved_multiplier'], 2)} times the compute",
            ]
            for r in ordered
        ],
    )


def _of_first_run(document: Document) -> list[Document]:
    """Records of the first run, one a task."""
    first = document["predictions"][0]
    return [
        r
        for r in document["predictions"]
        if (r["N"], r["D"]) == (first["N"], first["D"])
    ]


def _half(record: Document) -> float:
    return (record["measured"]["upper"] - record["measured"]["lower"]) / 2


def _range(record: Document) -> str:
    low, high = (round(100 * record["measured"][end]) for end in ("lower", "upper"))
    return f"{low} to {high} %"


def _interval(values: Document) -> str:
    low, middle, high = (f"{values[n]:.3f}" for n in ("lower", "median", "upper"))
    return f"{middle} [{low}, {high}]"


def _run(record: Document) -> str:
    return f"{count(record['N'])} on {count(record['D'])} tokens"


def _points(points: int) -> str:
    return f"{points} point{'s' * (points != 1)}"


def _listed(names: Sequence[str]) -> str:
    *rest, end = names[:FEW]
    listed = f"{', '.join(rest)} and {end}" if rest else end
    return f"{listed} (and {len(names) - FEW} more)" if len(names) > FEW else listed
