"""The report's tables: every number of the document as the text of a cell."""

from math import exp
from typing import Any, NamedTuple

from nstar.plans.weighing import WRONG_SIZES
from nstar.report.owed_figure import label
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
        "route",
        "budget (FLOP)",
        "N* (parameters)",
        "D* (tokens)",
        "next measured D*",
        "tokens per parameter",
        "loss",
        "regret",
    ]
    rows = [
        [
            route["route"],
            flop(b["C"]),
            counts(b["N"]),
            counts(b["D"]),
            counts(b["optimum"]["D"]) if b["optimum"] else "not in this law",
            numbers(b["tokens_per_parameter"]),
            numbers(b["loss"], 4) if b["loss"] else "not in this law",
            numbers(b["regret"], 2) if b["regret"] else "not in this law",
        ]
        for route in document["routes"]
        for b in route["budgets"]
    ]
    return Table(header, rows)


def lines(document: dict[str, Any]) -> Table:
    """Exponents and coefficients of each route."""
    header = [
        "route",
        "α₁ of N*",
        "α₂ of D*",
        "of N*, from the largest run to the largest budget",
        "A₁",
        "A₂",
        "noise",
        "runs",
    ]
    rows = [
        [
            route["route"],
            numbers(route["exponents"]["N"]),
            numbers(route["exponents"]["D"]),
            numbers(beyond)
            if (beyond := route["budgets"][-1]["slope_beyond"])
            else "the same",
            numbers(route["coefficients"]["A1"]),
            numbers(route["coefficients"]["A2"]),
            route["noise"].replace("_", "-"),
            str(route["runs"]),
        ]
        for route in document["routes"]
    ]
    return Table(header, rows)


def shares(document: dict[str, Any]) -> Table:
    """Where the uncertainty of each surface's loss comes from."""
    said = [r for r in document["routes"] if r["loss_from"]]
    parts = [n for n in said[0]["loss_from"][0] if n != "law"] if said else []
    rows = [
        [route["route"], flop(b["C"]), *(percent(round(share[n], 2)) for n in parts)]
        for route in said
        for b, share in zip(route["budgets"], route["loss_from"], strict=True)
    ]
    return Table(["route", "budget (FLOP)", *parts], rows)


def candidates(document: dict[str, Any]) -> Table:
    """Every action under what the decision rests on."""
    said = document["risk"][:1]
    rivals = any(a["best_probability"] is not None for e in said for a in e["actions"])
    header = [
        "action",
        "N",
        "D",
        "FLOP",
        "loss",
        "mean regret",
        "regret",
        "compute wasted",
    ]
    header += ["P(best)"] if rivals else []
    rows = [
        [
            visible(a["name"]),
            count(a["N"]),
            count(a["D"]),
            flop(a["C"]),
            numbers(a["loss"], 4),
            digits(a["expected_regret"], 2),
            numbers(a["regret"], 2),
            parts(a["wasted_share"]),
            *([_best(a["best_probability"])] if rivals else []),
        ]
        for entry in said
        for a in entry["actions"]
    ]
    return Table(header, rows)


def by_route(document: dict[str, Any]) -> Table:
    """The same by each route alone: those that were named, and where they lie in its N*."""
    below = {(p["route"], p["name"]): part(p["below"]) for p in document["placed"]}
    weighed = {e["route"]: _rivals(e) for e in document["risk"][1:] or document["risk"]}
    without = dict.fromkeys(p["route"] for p in document["placed"])
    rows = [
        [
            route,
            visible(a["name"]),
            count(a["N"]),
            numbers(a["loss"], 4),
            numbers(a["regret"], 2),
            digits(a["expected_regret"], 2),
            parts(a["wasted_share"]),
            below.get((route, a["name"]), "–"),
        ]
        for route, actions in weighed.items()
        for a in actions
    ]
    none = "not in this law"
    rows += [
        [
            p["route"],
            visible(p["name"]),
            count(p["N"]),
            none,
            none,
            none,
            none,
            part(p["below"]),
        ]
        for p in document["placed"]
        if p["route"] in without and p["route"] not in weighed
    ]
    header = [
        "route",
        "action",
        "N",
        "loss",
        "regret",
        "mean regret",
        "compute wasted",
        "draws of N* below it",
    ]
    return Table(header, rows if document["placed"] or len(weighed) > 1 else [])


def _rivals(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The recommended run and those that were named."""
    return [a for a in entry["actions"] if a["name"] not in WRONG_SIZES]


def _best(probability: float | None) -> str:
    return "not a rival" if probability is None else part(probability)


def wrong(document: dict[str, Any]) -> Table:
    """What each action may come to."""
    said = document["risk"]
    level = percent(said[0]["level"]) if said else ""
    target = said[0]["target_loss"] if said else None
    header = [
        "by",
        "action",
        "loss",
        f"value at risk, {level}",
        f"expected shortfall, {level}",
    ]
    header += [] if target is None else [f"P(loss > {target:g})"]
    rows = [
        [
            entry["route"],
            visible(a["name"]),
            numbers(a["loss"], 4),
            digits(a["value_at_risk"], 4),
            digits(a["expected_shortfall"], 4),
            *([] if target is None else [part(a["miss_probability"])]),
        ]
        for i, entry in enumerate(said)
        for a in (_rivals(entry) if i else entry["actions"])
    ]
    return Table(header, rows)


def held_out(document: dict[str, Any]) -> Table:
    """What each route said of runs it had not seen."""
    header = [
        "route",
        "decades held out",
        "runs",
        "held by 50%",
        "held by 90%",
        "rms error",
        "bias",
        "width of 90%",
        "log density a run",
    ]
    rows = [
        [
            t["route"],
            f"{t['hold_out_decades']:g}",
            f"{t['n_test']} of {t['n_train'] + t['n_test']}",
            part(t["coverage"]["0.5"]),
            part(t["coverage"]["0.9"]),
            digits(t["rmse"], 2),
            digits(t["bias"], 2),
            digits(t["width"]["0.9"], 2),
            digits(t["log_density"], 3),
        ]
        for t in document["held_out"]
    ]
    return Table(header, rows)


def optima(document: dict[str, Any]) -> Table:
    """What each route said of the measured optima of budgets it had not seen."""
    rows = []
    for t in document["held_out"]:
        if (o := t["optima"]) is None:
            continue
        count = len(o["budgets"])
        rows.append(
            [
                t["route"],
                f"{t['hold_out_decades']:g}",
                ", ".join(flop(C) for C in o["budgets"]),
                ", ".join(f"{e:+.2f}" for e in o["error"]),
                f"{count - o['misses']} of {count}",
                digits(o["D"]["interval_score"]["0.9"], 2),
                part(o["chance"]),
            ]
        )
    header = [
        "route",
        "decades held out",
        "budgets (FLOP)",
        "log error of D*",
        "held by 90%",
        "interval score of log D*",
        "P(as many misses)",
    ]
    return Table(header, rows)


def universes(document: dict[str, Any]) -> Table:
    """The decision under other choices."""
    rows = []
    for u in document["universes"]:
        row = [u["kind"], visible(u["name"])]
        if u["N"] is None:
            rows.append([*row, "–", "–", "–", "–", visible(u["trouble"])])
            continue
        loss = numbers(u["loss"], 4) if u["loss"] else "not in this law"
        mean = "–" if u["regret"] is None else digits(u["expected_regret"], 2)
        rows.append(
            [
                *row,
                counts(u["N"]),
                counts(u["D"]),
                loss,
                mean,
                visible(u["trouble"] or "none"),
            ]
        )
    return Table(
        [
            "choice",
            "universe",
            "N*",
            "D*",
            "loss of the recommended run",
            "its mean regret",
            "trouble of the fit",
        ],
        rows,
    )


def owed(document: dict[str, Any]) -> Table:
    """The decision under priors half and twice as wide."""
    rows = []
    for scaled in document["owed_to_priors"]["scales"]:
        N = {n: exp(v) for n, v in scaled["intervals"]["log N*"][0].items()}
        loss = scaled["intervals"].get("L*")
        of_loss = numbers(loss[0], 4) if loss else "not in this law"
        rows.append([label(scaled), counts(N), of_loss, scaled["how"]])
    return Table(["priors", "N*", "L*", "how"], rows)


def target(document: dict[str, Any]) -> Table:
    """When a target is reached."""
    t = document["target"]
    if t is None:
        return Table([], [])

    def at(found: dict[str, Any]) -> str:
        each = [
            "not reached" if found[n] is None else flop(found[n])
            for n in ("median", "lower", "upper")
        ]
        return f"{each[0]} [{each[1]}, {each[2]}]"

    reached = t["budget"] is not None
    rows = [
        [f"loss {t['target']:g}", "by one run a budget", at(t["crossing"])],
        [
            f"loss {t['target']:g}",
            "by each draw's own best run",
            at(t["crossing_oracle"]),
        ],
        [
            f"with probability {percent(t['chance'])}",
            "least budget",
            flop(t["budget"]) if reached else "no budget looked at",
        ],
        [
            "",
            "its run",
            f"{count(t['N'])} parameters on {count(t['D'])} tokens" if reached else "–",
        ],
        [f"by {flop(t['up_to'])} FLOP", "reached with probability", part(t["reached"])],
        ["", "below the irreducible loss with probability", part(t["below_floor"])],
        ["", "draws whose loss rose with compute and was held", part(t["repaired"])],
    ]
    return Table(["target", "what", "FLOP"], rows)


def serving(document: dict[str, Any]) -> Table:
    """Training alone beside the whole life."""
    s = document["serving"]
    if s is None:
        return Table([], [])
    names = {
        "training_alone": "best for training alone",
        "lifetime": "best for the lifetime",
    }
    rows = [
        [
            words,
            count(s[n]["N"]),
            count(s[n]["D"]),
            flop(s[n]["training"]),
            _flops(s[n]["serving"]),
            _flops(s[n]["lifetime"]),
            numbers(s[n]["loss"], 4),
        ]
        for n, words in names.items()
    ]
    rows.append(["saved over the lifetime", "", "", "", "", parts(s["saved"]), ""])
    return Table(
        ["choice", "N", "D", "training FLOP", "serving FLOP", "lifetime FLOP", "loss"],
        rows,
    )


def _flops(one: dict[str, float]) -> str:
    if one["lower"] == one["upper"]:
        return flop(one["median"])
    return f"{flop(one['median'])} [{flop(one['lower'])}, {flop(one['upper'])}]"


def released(document: dict[str, Any]) -> Table:
    """Released models beside the optimum of their compute."""
    rows = [
        [
            m["name"],
            flop(m["C"]),
            count(m["N"]),
            count(m["D"]),
            counts(m["N_star"]),
            counts(m["D_star"]),
            numbers(m["ratio"], 2),
            f"{m['level']:.2f}",
        ]
        for m in document["released"]
    ]
    return Table(
        ["model", "FLOP", "N", "D", "our N*", "our D*", "N / N*", "credible level"],
        rows,
    )


def following(document: dict[str, Any]) -> Table:
    """Runs one could make first."""
    rows = [
        [
            count(r["N"]),
            count(r["D"]),
            flop(r["C"]),
            numbers(r["expected"], 4),
            digits(r["saved"], 2),
            *(
                ("–", "–")
                if r["worth"] is None
                else (flop(r["worth"]), digits(r["worth"] / r["C"], 2))
            ),
        ]
        for r in document["next_runs"]
    ]
    return Table(
        [
            "N",
            "D",
            "FLOP it costs",
            "loss it would measure",
            "loss it saves",
            "worth (FLOP)",
            "worth / cost",
        ],
        rows,
    )


def money(document: dict[str, Any]) -> Table:
    """What each action takes, where a bill was asked for."""
    said = [entry for entry in document["risk"] if entry["bill"]]
    priced = bool(said) and said[0]["actions"][0]["cost"] is not None
    header = ["by", "action", "FLOP", "accelerator-hours"]
    header += (
        [f"cost ({said[0]['currency']})", "of it wasted", "cost shortfall"]
        if priced
        else []
    )
    rows = [
        [
            entry["route"],
            visible(a["name"]),
            flop(a["C"]),
            counts(a["hours"]),
            *(
                [
                    counts(a["cost"]),
                    counts(a["wasted_cost"]),
                    count(a["cost_shortfall"]),
                ]
                if priced
                else []
            ),
        ]
        for i, entry in enumerate(said)
        for a in (_rivals(entry) if i else entry["actions"])
    ]
    return Table(header, rows)


def published(entry: dict[str, Any]) -> Table:
    """Ours beside theirs."""
    header = [
        "budget (FLOP)",
        "quantity",
        "ours",
        entry["id"],
        "ours / theirs",
        "credible level of theirs",
    ]
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
