"""Headlines and tables of plans, risks, targets and serving."""

from collections.abc import Iterator

from nstar.answers import Document, Table
from nstar.wording import (
    count,
    counts,
    digits,
    epochs,
    flop,
    money,
    numbers,
    percent,
    share,
    shares,
    visible,
)

NONE = "none in this law"


def plan_headline(document: Document) -> str:
    """The run to train with the largest budget."""
    last = document["budgets"][-1]
    run = last["recommended"]
    return f"At {flop(last['C'])} FLOP train {count(run['N'])} parameters on {count(run['D'])} tokens{epochs(run)}."


def plan(document: Document, prob: float) -> Iterator[Table | str]:
    """Compute-optimal runs, and the lines they lie on."""
    budgets, exponents = document["budgets"], document["exponents"]
    rows = [
        [
            flop(r["C"]),
            counts(r["N"]),
            counts(r["D"]),
            numbers(r["tokens_per_parameter"]),
            numbers(r["loss"], 4) if r["loss"] else NONE,
            numbers(r["regret"], 2) if r["regret"] else NONE,
        ]
        for r in budgets
    ]
    yield Table(
        f"Compute-optimal runs; median [{percent(prob)} equal-tailed credible interval] of the law's line",
        [
            "budget (FLOP)",
            "N* (parameters)",
            "D* (tokens)",
            "tokens per parameter",
            "loss of the recommended run",
            "regret",
        ],
        rows,
    )
    if any(r["regret"] for r in budgets):
        yield (
            "The recommended run is that of least expected loss; regret is the loss it gives "
            "away, draw by draw, to the run that would have been best."
        )
    for r in budgets:
        if r["N_law"]:
            yield (
                f"At {flop(r['C'])} FLOP the law without its discrepancy has N* "
                f"{counts(r['N_law'])} and D* {counts(r['D_law'])}."
            )
    over = document["exponents_over"]
    slopes = f"N* grows as C to the {numbers(exponents['N'])}, D* as C to the {numbers(exponents['D'])}"
    if over:
        slopes += f" between {flop(over[0])} and {flop(over[1])} FLOP"
    yield slopes
    for r in budgets:
        if r["slope_beyond"]:
            yield (
                f"From the largest run to {flop(r['C'])} FLOP N* grows as C to the "
                f"{numbers(r['slope_beyond'])}: beyond the runs the law bends as its prior lets it."
            )
    if document["limits"]:
        yield from _limited(budgets)


def _limited(budgets: list[Document]) -> Iterator[Table | str]:
    """The recommended runs under the limits; of the limits, N* and D* obey the supply alone."""
    for r in budgets:
        run, cost = r["recommended"], r["limits_cost"]
        sentence = f"At {flop(r['C'])} FLOP within the limits: {count(run['N'])} parameters on {count(run['D'])} tokens{epochs(run)}, loss {numbers(r['loss'], 4)}"
        sentence += (
            f"; the limits cost {digits(cost, 2)} of expected loss"
            if cost is not None
            else ""
        )
        yield sentence + "."


def target_headline(document: Document) -> str:
    """The least budget that reaches the loss, or that there is none."""
    chance = percent(document["chance"])
    if document["budget"] is None:
        return (
            f"No budget up to {flop(document['up_to'])} FLOP reaches loss {document['target']:g} with probability {chance}: "
            f"the chance there is {share(document['reached'])}, and with probability {share(document['below_floor'])} no run ever does."
        )
    return (
        f"Loss {document['target']:g} with probability {chance}: {flop(document['budget'])} FLOP, "
        f"{count(document['N'])} parameters on {count(document['D'])} tokens{epochs(document)}."
    )


def target(document: Document, prob: float) -> Iterator[Table | str]:
    """When the loss is first reached, by one run a budget and by each draw's own."""
    rows = [
        [
            name,
            *(
                flop(document[key][n])
                if document[key][n]
                else f"beyond {flop(document['up_to'])}"
                for n in ("lower", "median", "upper")
            ),
        ]
        for name, key in (
            ("the recommended run", "crossing"),
            ("each draw's own best run", "crossing_oracle"),
        )
    ]
    tail = (1 - prob) / 2
    yield Table(
        f"FLOP at which loss {document['target']:g} is first reached, quantiles of the law, without run noise",
        ["by", percent(round(tail, 6)), "50%", percent(round(1 - tail, 6))],
        rows,
    )
    if document["repaired"]:
        yield (
            f"In {share(document['repaired'])} of draws the loss rises somewhere with the budget; there it is held where it was."
        )


def serve_headline(document: Document) -> str:
    """What to train for the lifetime, and what that saves."""
    after = document["lifetime"]
    return (
        f"Serving {count(document['expected_served_tokens'])} tokens: train {count(after['N'])} parameters on {count(after['D'])} tokens{epochs(after)}, "
        f"which saves {share(document['expected_saved'])} of the lifetime's compute at the same expected loss."
    )


def serve(document: Document, prob: float) -> Iterator[Table | str]:
    """The choice for training alone beside that for the lifetime."""
    after = document["lifetime"]
    rows = [
        [
            name,
            count(r["N"]),
            count(r["D"]),
            flop(r["training"]),
            *(_flops(r[n]) for n in ("serving", "lifetime")),
            numbers(r["loss"], 4),
        ]
        for name, r in (
            ("training alone", document["training_alone"]),
            ("lifetime", after),
        )
    ]
    yield Table(
        f"Median [{percent(prob)} equal-tailed interval of demand and law]",
        [
            "choice for",
            "N",
            "D",
            "training FLOP",
            "serving FLOP",
            "lifetime FLOP",
            "loss",
        ],
        rows,
    )
    gap = document["loss_given_up"]
    yield (
        f"The two are as good in expectation; draw by draw the lifetime choice is worse by {digits(gap['median'], 2)} "
        f"[{digits(gap['lower'], 2)}, {digits(gap['upper'], 2)}] of loss. Serving is counted as 2 FLOP a parameter and token."
    )


def _flops(interval: dict[str, float]) -> str:
    if interval["lower"] == interval["upper"]:
        return flop(interval["median"])
    return f"{flop(interval['median'])} [{flop(interval['lower'])}, {flop(interval['upper'])}]"


def risk_headline(document: Document) -> str:
    """The run of least expected loss, and what not knowing the law costs."""
    first = document["actions"][0]
    return (
        f"Least expected loss at {flop(document['budget'])} FLOP: {count(first['N'])} parameters on {count(first['D'])} tokens{epochs(first)}. "
        f"N* is {counts(document['N'])}, and yet this run gives away {digits(first['expected_regret'], 2)} of loss on average "
        f"[{digits(first['regret']['lower'], 2)}, {digits(first['regret']['upper'], 2)}]: what knowing the law would be worth."
    )


def risk(document: Document, prob: float) -> Iterator[Table | str]:
    """Every action: its loss, its regret, what can go wrong, and what it takes."""
    yield from actions(document, prob)
    yield from chances(document)
    yield from takes(document, prob)


def actions(document: Document, prob: float) -> Iterator[Table | str]:
    """Every action: its loss, and what it gives away of loss and of compute."""
    rows = [
        [
            visible(r["name"]),
            count(r["N"]),
            count(r["D"]),
            flop(r["C"]),
            numbers(r["loss"], 4),
            digits(r["expected_regret"], 2),
            shares(r["wasted_share"]),
        ]
        for r in document["actions"]
    ]
    yield Table(
        f"Runs weighed; median [{percent(prob)} equal-tailed credible interval of the law, without run noise]",
        ["action", "N", "D", "FLOP", "loss", "mean regret", "compute wasted"],
        rows,
    )
    yield (
        "Regret is loss given away against each draw's own best run of the budget; compute wasted is the part "
        "of an action's FLOP that the draw's best run would not need for the same loss."
    )


def chances(document: Document) -> Iterator[Table | str]:
    """What can go wrong with every action: the tail of its loss, and its chances."""
    level, target = percent(document["level"]), document["target_loss"]
    header = ["action", f"value at risk, {level}", f"expected shortfall, {level}"]
    rows = [
        [
            visible(r["name"]),
            digits(r["value_at_risk"], 4),
            digits(r["expected_shortfall"], 4),
        ]
        for r in document["actions"]
    ]
    best = [r["best_probability"] for r in document["actions"]]
    if any(chance is not None for chance in best):
        header.append("P(best of these)")
        rows = [
            [*row, "not a rival" if p is None else share(p)]
            for row, p in zip(rows, best, strict=True)
        ]
    if target is not None:
        header.append(f"P(loss > {target:g})")
        rows = [
            [*row, share(r["miss_probability"])]
            for row, r in zip(rows, document["actions"], strict=True)
        ]
    yield Table("The tail of each loss, and its chances", header, rows)
    yield (
        f"The loss exceeds its value at risk in one draw of {1 / (1 - document['level']):.3g}; the shortfall is its mean there."
    )


def takes(document: Document, prob: float) -> Iterator[Table | str]:
    """Hours and money, once for all actions of as many FLOP, and what each wastes of them."""
    if not document["bill"]:
        return
    of_compute: dict[str, list[Document]] = {}
    for action in document["actions"]:
        of_compute.setdefault(flop(action["C"]), []).append(action)
    currency, priced = document["currency"], document["actions"][0]["cost"] is not None
    header = ["action", "FLOP", "accelerator-hours"]
    header += [f"cost ({currency})", f"its expected shortfall ({currency})"] * priced
    rows = [
        [
            ", ".join(visible(action["name"]) for action in alike),
            compute,
            counts(alike[0]["hours"]),
            *(
                [money(alike[0]["cost"]), money(alike[0]["cost_shortfall"])]
                if priced
                else []
            ),
        ]
        for compute, alike in of_compute.items()
    ]
    yield Table(
        f"What it takes; median [{percent(prob)} equal-tailed interval]", header, rows
    )
    if priced:
        wasted = ", ".join(
            f"{visible(action['name'])} {money(action['wasted_cost'], currency)}"
            for action in document["actions"]
        )
        yield f"Of it wasted: {wasted}."
    yield f"{document['bill']}."
