"""The tables of the budget page, from its document."""

from math import exp

from nstar.answers import Document, Table
from nstar.report.prior_scales_figure import label
from nstar.report.verdict import worth_their_cost
from nstar.report.words import NOTHING_NEXT, PROVENANCE
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

NONE = "not in this law"


def optima_by_route(document: Document) -> Table:
    """Optimum of each budget by each route, and the loss and the regret of its own best run."""
    header = ["route", "budget (FLOP)", "N* (parameters)", "D* (tokens)"]
    header += ["tokens per parameter", "loss of its own run", "regret of that"]
    rows = [
        [
            route["route"],
            flop(b["C"]),
            counts(b["N"]),
            counts(b["D"]),
            numbers(b["tokens_per_parameter"]),
            numbers(b["loss"], 4) if b["loss"] else NONE,
            numbers(b["regret"], 2) if b["regret"] else NONE,
        ]
        for route in document["routes"]
        for b in route["budgets"]
    ]
    return Table("", header, rows)


def variance_shares(document: Document) -> str:
    """Say how much of a measured loss's variance is the law's, and how much is run noise."""
    parts = []
    for route in document["routes"]:
        for budget, variance in zip(
            route["budgets"], route["loss_from"] or (), strict=False
        ):
            noise = round(variance["noise"], 2)
            at = f" at {flop(budget['C'])} FLOP" * (len(route["budgets"]) > 1)
            parts.append(
                f"by the {route['route']}{at} {percent(round(1 - noise, 2))} and {percent(noise)}"
            )
    if not parts:
        return ""
    return (
        "Of the variance of the log loss that this run would be measured at, these parts are the law's, with its bend, "
        f"and run noise: {'; '.join(parts)}. Another law would add its own."
    )


def power_laws(document: Document) -> Table:
    """Exponents and coefficients of each route's N*(C) and D*(C)."""
    header = [
        "route",
        "α₁ of N*",
        "α₂ of D*",
        "of N* beyond the runs",
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
    return Table("", header, rows)


def candidates_by_route(document: Document) -> Table:
    """The runs that the user named by each route alone, and their place in its N*."""
    weighed = {
        (entry["route"], action["name"]): action
        for entry in document["risk"][len(document["decision"]["weights"]) > 0 :]
        for action in entry["actions"]
    }
    rows = []
    names = [placed["name"] for placed in document["placed"]]
    for placed in sorted(document["placed"], key=lambda p: names.index(p["name"])):
        action = weighed.get((placed["route"], placed["name"]))
        rows.append(
            [
                visible(placed["name"]),
                placed["route"],
                numbers(action["loss"], 4) if action else "no loss",
                digits(action["expected_regret"], 2) if action else "–",
                shares(action["wasted_share"]) if action else "–",
                share(placed["below"]),
            ]
        )
    header = ["candidate", "route", "loss", "mean regret", "compute wasted"]
    return Table("", [*header, "draws of N* below it"], rows)


def held_out(document: Document) -> Table:
    """Scores of each route on held-out runs, and on the measured optima among them."""
    header = ["route", "held out", "inside 50%", "inside 90%", "rms error", "bias"]
    header += ["width of 90%", "log density a run"]
    header += ["optima inside 90%", "log error of D*", "P(as many misses)"]
    rows = []
    for trial in document["held_out"]:
        tested, optima = trial["n_test"], trial["optima"]
        row = [
            trial["route"],
            f"{tested} of {trial['n_train'] + tested}",
            share(trial["coverage"]["0.5"]),
            share(trial["coverage"]["0.9"]),
            digits(trial["rmse"], 2),
            digits(trial["bias"], 2),
            digits(trial["width"]["0.9"], 2),
            digits(trial["log_density"], 3),
        ]
        if optima is None:
            rows.append([*row, "none measured", "–", "–"])
            continue
        count = len(optima["budgets"])
        rows.append(
            [
                *row,
                f"{count - optima['misses']} of {count}",
                ", ".join(f"{e:+.2f}" for e in optima["error"]),
                share(optima["chance"]),
            ]
        )
    return Table("", header, rows)


def universes(document: Document) -> Table:
    """The decision under other choices."""
    rows = []
    for universe in document["universes"]:
        name = f"{universe['kind']}: {visible(universe['name'])}"
        N, mean = universe["N"], universe["expected_regret"]
        if universe["trouble"]:
            name += f" (trouble: {visible(universe['trouble'])})"
        rows.append(
            [
                name,
                counts(N) if N else "–",
                NONE if mean is None else digits(mean, 2),
            ]
        )
    return Table("", ["another choice", "N*", "mean regret"], rows)


def prior_scales(document: Document) -> Table:
    """The decision under priors half and twice as wide."""
    rows = []
    for scale in document["owed_to_priors"]["scales"]:
        N = {n: exp(v) for n, v in scale["intervals"]["log N*"][0].items()}
        loss = scale["intervals"].get("L*")
        of_loss = numbers(loss[0], 4) if loss else NONE
        rows.append([label(scale), counts(N), of_loss, scale["how"]])
    return Table("", ["priors", "N*", "L*", "how"], rows)


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
        "",
        ["model", "FLOP", "N", "D", "our N*", "our D*", "N / N*", "its N lies"],
        rows,
    )


def next_runs(document: Document) -> Table:
    """Runs that are worth making first, and what they are worth."""
    rows = [
        [
            count(run["N"]),
            count(run["D"]),
            flop(run["C"]),
            numbers(run["expected"], 4),
            digits(run["saved"], 2),
            flop(float(f"{run['worth']:.2g}")),
            digits(run["worth"] / run["C"], 2),
        ]
        for run in worth_their_cost(document["next_runs"])
    ]
    header = ["N", "D", "FLOP it costs", "loss it would measure", "loss it saves"]
    return Table("", [*header, "worth (FLOP)", "worth / cost"], rows)


def none_worth_making(document: Document) -> str:
    """Say that no run is worth its cost, and which comes nearest."""
    valued = [run for run in document["next_runs"] if run["worth"]]
    if not valued:
        return NOTHING_NEXT
    best = max(valued, key=lambda run: run["worth"] / run["C"])
    return (
        f"None of the {len(document['next_runs'])} runs weighed is worth its cost. Nearest to it comes {count(best['N'])} parameters on "
        f"{count(best['D'])} tokens: it costs {flop(best['C'])} FLOP and would save as much as {flop(float(f'{best["worth"]:.2g}'))}."
    )


def published(entry: Document, prob: float) -> Table:
    """Our posterior beside a published fit."""
    rows = beside(entry["budgets"], entry["exponents"], entry["exponents_over"], prob)
    header = ["budget (FLOP)", "quantity", "ours", entry["id"], "ours / theirs"]
    header.append(f"{entry['id']} lies")
    if len(entry["budgets"]) > 1:
        return Table("", header, rows)
    budget = flop(entry["budgets"][0]["C"])  # which the sentence above names
    shorter = [
        [what if budget == C else f"{what}, {C}", *cells] for C, what, *cells in rows
    ]
    return Table("", header[1:], shorter)


def checks(document: Document, *, passed: bool) -> Table:
    """Checks that are PASS, or those that are not."""
    rows = [
        [c["status"], visible(c["name"]), visible(c["detail"])]
        for c in document["checks"]
        if (c["status"] == "PASS") == passed
    ]
    return Table("", ["verdict", "check", "what was seen, and what to do"], rows)


def names_of_passed(document: Document) -> str:
    """Name the checks that are PASS, those of one route together."""
    names: dict[str, list[str]] = {}
    for check in document["checks"]:
        if check["status"] == "PASS":
            owner, _, name = visible(check["name"]).rpartition(": ")
            names.setdefault(owner, []).append(name)
    return "; ".join(
        f"{f'{owner}: ' if owner else ''}{', '.join(each)}"
        for owner, each in names.items()
    )


def provenance(document: Document) -> list[tuple[str, str]]:
    """Names and values of the data, settings and versions behind the numbers."""
    recorded = document["provenance"]
    return [(PROVENANCE[name], visible(str(value))) for name, value in recorded.items()]
