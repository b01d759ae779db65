"""The report's tables: every number of the document as the text of a cell."""

from typing import Any, NamedTuple

from nstar.report.words import PROVENANCE
from nstar.wording import (
    beside,
    count,
    counts,
    digits,
    flop,
    numbers,
    percent,
    visible,
)
from nstar.wording import share as part
from nstar.wording import shares as parts


class Table(NamedTuple):
    """A header and rows of text."""

    header: list[str]
    rows: list[list[str]]


def answer(document: dict[str, Any]) -> Table:
    """What each route says of each budget."""
    header = [
        "route", "budget (FLOP)", "N* (parameters)", "D* (tokens)", "next measured D*",
        "tokens per parameter", "loss", "regret",
    ]  # fmt: skip
    rows = [
        [
            route["route"], flop(b["C"]), counts(b["N"]), counts(b["D"]),
            counts(b["optimum"]["D"]) if b["optimum"] else "not in this law",
            numbers(b["tokens_per_parameter"]),
            numbers(b["loss"], 4) if b["loss"] else "not in this law",
            numbers(b["regret"], 2) if b["regret"] else "not in this law",
        ]
        for route in document["routes"] for b in route["budgets"]
    ]  # fmt: skip
    return Table(header, rows)


def lines(document: dict[str, Any]) -> Table:
    """Exponents and coefficients of each route."""
    header = ["route", "α₁ of N*", "α₂ of D*", "A₁", "A₂", "noise", "runs"]
    rows = [
        [
            route["route"], numbers(route["exponents"]["N"]), numbers(route["exponents"]["D"]),
            numbers(route["coefficients"]["A1"]), numbers(route["coefficients"]["A2"]),
            route["noise"].replace("_", "-"), str(route["runs"]),
        ]
        for route in document["routes"]
    ]  # fmt: skip
    return Table(header, rows)


def shares(document: dict[str, Any]) -> Table:
    """Where the uncertainty of each surface's loss comes from."""
    said = [r for r in document["routes"] if r["loss_from"]]
    parts = [n for n in said[0]["loss_from"][0] if n != "law"] if said else []
    rows = [
        [route["route"], flop(b["C"]), *(percent(round(share[n], 2)) for n in parts)]
        for route in said for b, share in zip(route["budgets"], route["loss_from"], strict=True)
    ]  # fmt: skip
    return Table(["route", "budget (FLOP)", *parts], rows)


def risk(document: dict[str, Any]) -> Table:
    """Every action of each route that has a loss."""
    said = document["risk"]
    target = said[0]["target_loss"] if said else None
    rivals = any(a["best_probability"] is not None for e in said for a in e["actions"])
    header = ["route", "action", "N", "D", "loss", "mean regret", "compute wasted", "shortfall"]  # fmt: skip
    header += ["P(best)"] if rivals else []
    header += [] if target is None else [f"P(loss > {target:g})"]
    rows = [
        [
            entry["route"], visible(a["name"]), count(a["N"]), count(a["D"]), numbers(a["loss"], 4),
            digits(a["expected_regret"], 2), parts(a["wasted_share"]),
            digits(a["expected_shortfall"], 4),
            *([_best(a["best_probability"])] if rivals else []),
            *([] if target is None else [part(a["miss_probability"])]),
        ]
        for entry in said for a in entry["actions"]
    ]  # fmt: skip
    return Table(header, rows)


def _best(probability: float | None) -> str:
    return "not a rival" if probability is None else part(probability)


def money(document: dict[str, Any]) -> Table:
    """What each action takes, where a bill was asked for."""
    said = [entry for entry in document["risk"] if entry["bill"]]
    priced = bool(said) and said[0]["actions"][0]["cost"] is not None
    header = ["route", "action", "FLOP", "accelerator-hours"]
    header += [f"cost ({said[0]['currency']})", "of it wasted", "cost shortfall"] if priced else []  # fmt: skip
    rows = [
        [
            entry["route"], visible(a["name"]), flop(a["C"]), counts(a["hours"]),
            *([counts(a["cost"]), counts(a["wasted_cost"]), count(a["cost_shortfall"])] if priced else []),
        ]
        for entry in said for a in entry["actions"]
    ]  # fmt: skip
    return Table(header, rows)


def published(entry: dict[str, Any]) -> Table:
    """Ours beside theirs."""
    header = ["budget (FLOP)", "quantity", "ours", entry["id"], "ours / theirs",
              "credible level of theirs"]  # fmt: skip
    return Table(
        header, beside(entry["budgets"], entry["exponents"], entry["exponents_over"])
    )


def checks(document: dict[str, Any], *, passed: bool) -> Table:
    """Verdicts that are PASS, or those that are not."""
    rows = [
        [c["status"], visible(c["name"]), visible(c["detail"])]
        for c in document["checks"]
        if (c["status"] == "PASS") == passed
    ]
    return Table(["verdict", "check", "what was seen, and what to do"], rows)


def provenance(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Where the numbers come from."""
    said = document["provenance"]
    return [(PROVENANCE[name], visible(str(value))) for name, value in said.items()]
