"""The tables of the budget page, from its document."""

from math import exp
from typing import NamedTuple

from nstar.answers import Document
from nstar.plans.weighing import WRONG_SIZES
from nstar.report.prior_scales_figure import label
from nstar.report.words import PROVENANCE
from nstar.wording import (
    beside,
    count,
    counts,
    digits,
    flop,
    numbers,
    percent,
    share,
    shares,
    standing,
    visible,
)


class Table(NamedTuple):
    """A header and rows of text."""

    header: list[str]
    rows: list[list[str]]


def optima_by_route(document: Document) -> Table:
    """Optimum, loss and regret of each budget by each route."""
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


def power_laws(document: Document) -> Table:
    """Exponents and coefficients of each route's N*(C) and D*(C)."""
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


def loss_sources(document: Document) -> Table:
    """Shares of the variance of each surface's loss, by source."""
    routes = [r for r in document["routes"] if r["loss_from"]]
    sources = [n for n in routes[0]["loss_from"][0] if n != "law"] if routes else []
    rows = [
        [
            route["route"],
            flop(b["C"]),
            *(percent(round(variance[n], 2)) for n in sources),
        ]
        for route in routes
        for b, variance in zip(route["budgets"], route["loss_from"], strict=True)
    ]
    return Table(["route", "budget (FLOP)", *sources], rows)


def actions(document: Document) -> Table:
    """Every action under the mixture or route that the decision is made by."""
    risks = document["risk"][:1]
    rivals = any(
        action["best_probability"] is not None for e in risks for action in e["actions"]
    )
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
            visible(action["name"]),
            count(action["N"]),
            count(action["D"]),
            flop(action["C"]),
            numbers(action["loss"], 4),
            digits(action["expected_regret"], 2),
            numbers(action["regret"], 2),
            shares(action["wasted_share"]),
            *([_best(action["best_probability"])] if rivals else []),
        ]
        for entry in risks
        for action in entry["actions"]
    ]
    return Table(header, rows)


def actions_by_route(document: Document) -> Table:
    """The recommended and the named actions by each route alone, and their place in its N*."""
    below = {
        (placed["route"], placed["name"]): share(placed["below"])
        for placed in document["placed"]
    }
    actions_of = {
        e["route"]: _rivals(e) for e in document["risk"][1:] or document["risk"]
    }
    placed_routes = dict.fromkeys(placed["route"] for placed in document["placed"])
    rows = [
        [
            route,
            visible(action["name"]),
            count(action["N"]),
            numbers(action["loss"], 4),
            numbers(action["regret"], 2),
            digits(action["expected_regret"], 2),
            shares(action["wasted_share"]),
            below.get((route, action["name"]), "–"),
        ]
        for route, actions in actions_of.items()
        for action in actions
    ]
    none = "not in this law"
    rows += [
        [
            placed["route"],
            visible(placed["name"]),
            count(placed["N"]),
            none,
            none,
            none,
            none,
            share(placed["below"]),
        ]
        for placed in document["placed"]
        if placed["route"] in placed_routes and placed["route"] not in actions_of
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
    return Table(header, rows if document["placed"] or len(actions_of) > 1 else [])


def _rivals(entry: Document) -> list[Document]:
    """Return the recommended run and those the user named."""
    return [a for a in entry["actions"] if a["name"] not in WRONG_SIZES]


def _best(probability: float | None) -> str:
    return "not a rival" if probability is None else share(probability)


def tail_losses(document: Document) -> Table:
    """Value at risk and expected shortfall of each action's loss."""
    risks = document["risk"]
    level = percent(risks[0]["level"]) if risks else ""
    target = risks[0]["target_loss"] if risks else None
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
            visible(action["name"]),
            numbers(action["loss"], 4),
            digits(action["value_at_risk"], 4),
            digits(action["expected_shortfall"], 4),
            *([] if target is None else [share(action["miss_probability"])]),
        ]
        for i, entry in enumerate(risks)
        for action in (_rivals(entry) if i else entry["actions"])
    ]
    return Table(header, rows)


def held_out(document: Document) -> Table:
    """Scores of each route on held-out runs."""
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
            trial["route"],
            f"{trial['hold_out_decades']:g}",
            f"{trial['n_test']} of {trial['n_train'] + trial['n_test']}",
            share(trial["coverage"]["0.5"]),
            share(trial["coverage"]["0.9"]),
            digits(trial["rmse"], 2),
            digits(trial["bias"], 2),
            digits(trial["width"]["0.9"], 2),
            digits(trial["log_density"], 3),
        ]
        for trial in document["held_out"]
    ]
    return Table(header, rows)


def optima(document: Document) -> Table:
    """Scores of each route on the measured optima of held-out budgets."""
    rows = []
    for trial in document["held_out"]:
        if (measured := trial["optima"]) is None:
            continue
        count = len(measured["budgets"])
        rows.append(
            [
                trial["route"],
                f"{trial['hold_out_decades']:g}",
                ", ".join(flop(C) for C in measured["budgets"]),
                ", ".join(f"{e:+.2f}" for e in measured["error"]),
                f"{count - measured['misses']} of {count}",
                digits(measured["D"]["interval_score"]["0.9"], 2),
                share(measured["chance"]),
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


def universes(document: Document) -> Table:
    """The decision under other choices."""
    rows = []
    for universe in document["universes"]:
        row = [universe["kind"], visible(universe["name"])]
        if universe["N"] is None:
            rows.append([*row, "–", "–", "–", "–", visible(universe["trouble"])])
            continue
        loss = numbers(universe["loss"], 4) if universe["loss"] else "not in this law"
        mean = (
            "–"
            if universe["regret"] is None
            else digits(universe["expected_regret"], 2)
        )
        rows.append(
            [
                *row,
                counts(universe["N"]),
                counts(universe["D"]),
                loss,
                mean,
                visible(universe["trouble"] or "none"),
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


def prior_scales(document: Document) -> Table:
    """The decision under priors half and twice as wide."""
    rows = []
    for scale in document["owed_to_priors"]["scales"]:
        N = {n: exp(v) for n, v in scale["intervals"]["log N*"][0].items()}
        loss = scale["intervals"].get("L*")
        of_loss = numbers(loss[0], 4) if loss else "not in this law"
        rows.append([label(scale), counts(N), of_loss, scale["how"]])
    return Table(["priors", "N*", "L*", "how"], rows)


def target(document: Document) -> Table:
    """Compute at which the target loss is reached."""
    record = document["target"]
    if record is None:
        return Table([], [])

    def flop_interval(crossing: Document) -> str:
        ends = [
            "not reached" if crossing[n] is None else flop(crossing[n])
            for n in ("median", "lower", "upper")
        ]
        return f"{ends[0]} [{ends[1]}, {ends[2]}]"

    reached = record["budget"] is not None
    rows = [
        [
            f"loss {record['target']:g}",
            "by one run a budget",
            flop_interval(record["crossing"]),
        ],
        [
            f"loss {record['target']:g}",
            "by each draw's own best run",
            flop_interval(record["crossing_oracle"]),
        ],
        [
            f"with probability {percent(record['chance'])}",
            "least budget",
            flop(record["budget"]) if reached else "no budget looked at",
        ],
        [
            "",
            "its run",
            f"{count(record['N'])} parameters on {count(record['D'])} tokens"
            if reached
            else "–",
        ],
        [
            f"by {flop(record['up_to'])} FLOP",
            "reached with probability",
            share(record["reached"]),
        ],
        [
            "",
            "below the irreducible loss with probability",
            share(record["below_floor"]),
        ],
        [
            "",
            "draws whose loss rose with compute and was held",
            share(record["repaired"]),
        ],
    ]
    return Table(["target", "what", "FLOP"], rows)


def serving(document: Document) -> Table:
    """The run best for training alone beside the run best for the lifetime."""
    record = document["serving"]
    if record is None:
        return Table([], [])
    names = {
        "training_alone": "best for training alone",
        "lifetime": "best for the lifetime",
    }
    rows = [
        [
            choice,
            count(record[name]["N"]),
            count(record[name]["D"]),
            flop(record[name]["training"]),
            _flops(record[name]["serving"]),
            _flops(record[name]["lifetime"]),
            numbers(record[name]["loss"], 4),
        ]
        for name, choice in names.items()
    ]
    rows.append(
        ["saved over the lifetime", "", "", "", "", shares(record["saved"]), ""]
    )
    return Table(
        ["choice", "N", "D", "training FLOP", "serving FLOP", "lifetime FLOP", "loss"],
        rows,
    )


def _flops(interval: dict[str, float]) -> str:
    if interval["lower"] == interval["upper"]:
        return flop(interval["median"])
    return f"{flop(interval['median'])} [{flop(interval['lower'])}, {flop(interval['upper'])}]"


def released_models(document: Document) -> Table:
    """Released models beside the optimum of their compute."""
    rows = [
        [
            model["name"],
            flop(model["C"]),
            count(model["N"]),
            count(model["D"]),
            counts(model["N_star"]),
            counts(model["D_star"]),
            numbers(model["ratio"], 2),
            standing(model["level"], document["prob"]),
        ]
        for model in document["released"]
    ]
    return Table(
        ["model", "FLOP", "N", "D", "our N*", "our D*", "N / N*", "its N lies"],
        rows,
    )


def next_runs(document: Document) -> Table:
    """Runs to make first, and what they are worth."""
    rows = [
        [
            count(run["N"]),
            count(run["D"]),
            flop(run["C"]),
            numbers(run["expected"], 4),
            digits(run["saved"], 2),
            *(
                ("–", "–")
                if run["worth"] is None
                else (flop(run["worth"]), digits(run["worth"] / run["C"], 2))
            ),
        ]
        for run in document["next_runs"]
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


def bills(document: Document) -> Table:
    """Accelerator-hours and cost of each action, where hardware is named."""
    risks = [entry for entry in document["risk"] if entry["bill"]]
    priced = bool(risks) and risks[0]["actions"][0]["cost"] is not None
    header = ["by", "action", "FLOP", "accelerator-hours"]
    header += (
        [f"cost ({risks[0]['currency']})", "of it wasted", "cost shortfall"]
        if priced
        else []
    )
    rows = [
        [
            entry["route"],
            visible(action["name"]),
            flop(action["C"]),
            counts(action["hours"]),
            *(
                [
                    counts(action["cost"]),
                    counts(action["wasted_cost"]),
                    count(action["cost_shortfall"]),
                ]
                if priced
                else []
            ),
        ]
        for i, entry in enumerate(risks)
        for action in (_rivals(entry) if i else entry["actions"])
    ]
    return Table(header, rows)


def published(entry: Document, prob: float) -> Table:
    """Our posterior beside a published fit."""
    header = [
        "budget (FLOP)",
        "quantity",
        "ours",
        entry["id"],
        "ours / theirs",
        f"{entry['id']} lies",
    ]
    rows = beside(entry["budgets"], entry["exponents"], entry["exponents_over"], prob)
    return Table(header, rows)


def checks(document: Document, *, passed: bool) -> Table:
    """Checks that are PASS, or those that are not."""
    rows = [
        [c["status"], visible(c["name"]), visible(c["detail"])]
        for c in document["checks"]
        if (c["status"] == "PASS") == passed
    ]
    return Table(["verdict", "check", "what was seen, and what to do"], rows)


def provenance(document: Document) -> list[tuple[str, str]]:
    """Names and values of the data, settings and versions behind the numbers."""
    recorded = document["provenance"]
    return [(PROVENANCE[name], visible(str(value))) for name, value in recorded.items()]
