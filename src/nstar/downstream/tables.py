"""The headline and the tables of a task's scores."""

from collections.abc import Iterator

from nstar.answers import Document, Table
from nstar.wording import count, flop, numbers, percent, share


def headline(document: Document) -> str:
    """The accuracy at the first budget, and the chance of the target."""
    first, goal = document["predictions"][0], document["target_accuracy"]
    name = document["task"]["columns"]["accuracy"]
    sentence = f"{name} at {flop(first['C'])} FLOP: {numbers(first['measured'], 3)}"
    if goal is not None:
        chance = share(first["probability"])
        sentence += f"; at least {goal:g} with probability {chance}"
    return f"{sentence}."


def scores(document: Document, prob: float) -> Iterator[Table | str]:
    """Loss and accuracy of every run, where their variance comes from, and the target."""
    records, goal = document["predictions"], document["target_accuracy"]
    two = records[0]["nll"] is not None
    yield Table(
        f"Median [{percent(prob)} equal-tailed credible interval]",
        [
            "C (FLOP)",
            "N",
            "D",
            "loss",
            *(["nll"] if two else []),
            "accuracy of the law",
            "as measured",
            *([f"P(at least {goal:g})"] if goal else []),
        ],
        [
            [
                flop(r["C"]),
                count(r["N"]),
                count(r["D"]),
                numbers(r["loss"], 4),
                *([numbers(r["nll"], 3)] if two else []),
                numbers(r["accuracy"], 3),
                numbers(r["measured"], 3),
                *([share(r["probability"])] if goal else []),
            ]
            for r in records
        ],
    )
    yield Table(
        "Where the variance of a measured accuracy comes from",
        ["C (FLOP)", "N", *records[0]["shares"]],
        [
            [flop(r["C"]), count(r["N"]), *(share(s) for s in r["shares"].values())]
            for r in records
        ],
    )
    if goal is None:
        return
    if document["budget"] is None:
        yield (
            f"No budget up to {flop(document['up_to'])} FLOP reaches {goal:g} with probability {percent(document['chance'])}: the chance there is {share(document['reached'])}."
        )
    else:
        yield (
            f"Least budget whose recommended run reaches {goal:g} with probability {percent(document['chance'])}, without scatter: {flop(document['budget'])} FLOP."
        )
