"""The decision sheet: what stands on page one, as plain data and short sentences."""

import math

from nstar.answers import Document
from nstar.multipliers.tables import bounds
from nstar.plans.actions import ANY, Limits
from nstar.plans.bills import Bill
from nstar.plans.routes import Routes
from nstar.predictions.distances import decades_beyond, largest
from nstar.report.decision import Decision
from nstar.report.headline import weighted_doubts
from nstar.report.risks import largest_risks
from nstar.report.signature import Signature
from nstar.report.verdict import Ruling
from nstar.verdicts import Status
from nstar.wording import (
    count,
    counts,
    digits,
    flop,
    money,
    numbers,
    percent,
    share,
    shown,
)

KNOWN = 0.25  # of the way to the end of the sizes as good: rounding moves no farther
LONGEST = (
    100.0  # days that a run may take before ten times as many accelerators are taken
)


def evidence(routes: Routes, C: float) -> Document:
    """How far the runs reach: their number, the largest, and how far the budget lies beyond."""
    runs = routes.learned_from
    ratios = runs["D"] / runs["N"] if "N" in runs and "D" in runs else None
    return {
        "runs": len(runs),
        "smallest": float(runs["C"].min()),
        "largest": largest(runs),
        "decades_beyond": decades_beyond(runs, C),
        "tokens_per_parameter": None
        if ratios is None
        else [float(ratios.min()), float(ratios.max())],
    }


def sheet(
    document: Document, decision: Decision, bill: Bill | None, signature: Signature
) -> Document:
    """Return the sheet: each line as numbers, and as the words that are printed.

    Args:
        document: of the report, all but this.
        decision: the run to train.
        bill: where compute turns into hours and money.
        signature: author, date and number of accelerators.
    """
    risk = document["risk"][0] if document["risk"] else None
    limits = decision.plan.limits
    as_good = risk and risk["as_good"] and risk["as_good"]["N"]
    N, D = _rounded(decision, as_good, limits)
    takes = _takes(document, decision, bill, signature)
    return {
        "sentence": _sentence(
            f"{'about ' * (limits == ANY)}{count(N)} parameters on {count(D)} tokens",
            Ruling(document["verdict"]["ruling"]),
            risk,
        ),
        "N": N,
        "D": D,
        "as_good": as_good or None,
        "lines": {
            "Run": _run(decision, N, D, document["decision"]["N_star"]),
            **_recipe(document["recipes"]),
            "Loss": _loss(document),
            "Target": _target(document),
            "Cost": _cost(takes, bill),
            "Rests on": _weights(document),
            "Evidence": _evidence(document),
            "Checks": _checks(document),
        }
        | _known(document),
        "cost": takes,
        "risks": largest_risks(document),
        "data": f"{shown(document['data'])}, {document['provenance']['runs']} runs, sha256 {document['provenance']['data_sha256'][:12]}",
        "date": signature.date,
        "author": signature.author,
        "version": document["provenance"]["nstar"],
    }


def _rounded(
    decision: Decision, as_good: list[float] | None, limits: Limits
) -> tuple[float, float]:
    """Round the run to the digits that are known, two or three; not under limits, which it may break."""
    if limits != ANY:
        return decision.N, decision.D
    room = min(
        (abs(math.log(end / decision.N)) for end in as_good or ()), default=math.inf
    )
    for n in (2, 3):
        N = float(f"{decision.N:.{n - 1}e}")
        if abs(math.log(N / decision.N)) <= KNOWN * room:
            break
    cost = decision.plan.fit.runs.cost
    scarce = decision.C - float(cost.flop(decision.N, decision.D)) > 0.01 * decision.C
    D = decision.D if scarce else float(cost.tokens(N, decision.C))
    return N, float(f"{D:.{n - 1}e}")


BY_RULING = {
    Ruling.GO: "Train {run}",
    Ruling.PILOT: "By what is known before the pilot, train {run}",
    Ruling.STOP: "Not to be acted on as it stands: {run}",
}


def _sentence(run: str, ruling: Ruling, risk: Document | None) -> str:
    """Say what to train, as the verdict lets it be said, and which sizes are as good."""
    sentence = BY_RULING[ruling].format(run=run)
    if risk is None:
        return f"{sentence}."
    if risk["as_good"] is None:
        return f"{sentence}, the only size allowed."
    low, high = risk["as_good"]["N"]
    return (
        f"{sentence}; anything from {count(low, 2)} to {count(high, 2)} gives away less than "
        f"{percent(risk['as_good']['within'])} of loss."
    )


def _run(decision: Decision, N: float, D: float, best: Document) -> str:
    spent = float(decision.plan.fit.runs.cost.flop(decision.N, decision.D))
    text = f"{count(N)} parameters on {count(D)} tokens, {digits(decision.D / decision.N, 2)} tokens per parameter, with {flop(decision.C)} FLOP"
    if decision.plan.limits != ANY:
        limits = ", ".join(
            f"{name.replace('_', ' ')} {count(value)}"
            for name, value in decision.plan.limits.as_json().items()
        )
        text += f"; limits: {limits}"
    if spent < 0.99 * decision.C:
        text += f"; the run uses {flop(spent)} of them"
    return f"{text}; the best size is {counts(best)}."


def _recipe(recipes: Document | None) -> dict[str, str]:
    """Say which recipe the run is of, and how sure that is, where several were compared."""
    if recipes is None:
        return {}
    at, base = recipes["budgets"][0], recipes["baseline"]
    chosen = next(r for r in at["recipes"] if r["recipe"] == at["choice"])
    text = f"{at['choice']}, of {len(at['recipes'])}, the best with probability {chosen['chance_best']:.2f}"
    if at["choice"] != base:
        text += f"; {base} would need {bounds(chosen['multiplier'])} times the compute for its loss"
    return {"Recipe": f"{text}."}


def _loss(document: Document) -> str:
    loss = document["decision"]["loss"]
    prob = percent(document["prob"])
    if loss is None:
        return f"not known: these runs say where the optimum lies, not what loss it has. Brackets of this page hold {prob}."
    return (
        f"{numbers(loss, 4)} (median [{prob} interval], as all brackets of this page)."
    )


def _target(document: Document) -> str:
    target, reach = document["verdict"]["target"], document["target"]
    if target is None or reach is None:
        return "none was given (--target-loss)."
    text = (
        f"loss {target['loss']:g} is reached with a chance of {share(target['chance'])}"
    )
    requested = percent(target["asked"])
    if reach["budget"] is None:
        return f"{text}; no budget up to {flop(reach['up_to'])} FLOP has {requested}."
    times = digits(reach["budget"] / document["decision"]["budget"], 2)
    return f"{text}; {requested} takes {flop(float(f'{reach["budget"]:.2g}'))} FLOP, {times} times this budget."


def _takes(
    document: Document, decision: Decision, bill: Bill | None, signature: Signature
) -> Document | None:
    """Hours, money and days of the run on a number of accelerators; null without hardware."""
    if bill is None:
        return None
    if document["risk"]:
        run = document["risk"][0]["actions"][0]
        takes = {name: run[name] for name in ("hours", "cost")}
    else:
        takes = bill.intervals(decision.C, document["prob"])
    hours = takes["hours"]
    days = hours["median"] / 24
    usual = 10.0 ** max(math.ceil(math.log10(days / LONGEST)), 0)
    accelerators = signature.accelerators or usual
    return takes | {
        "accelerators": accelerators,
        "stated": signature.accelerators is not None,
        "days": {name: value / 24 / accelerators for name, value in hours.items()},
        "currency": bill.currency,
    }


def _cost(takes: Document | None, bill: Bill | None) -> str:
    if takes is None or bill is None:
        return "no hardware was named (--hardware h100 --price 2.5)."
    days = takes["days"]
    example = "" if takes["stated"] else ", for example (--accelerators)"
    time = (
        f"{counts(takes['hours'])} {bill.hardware.title} hours; {numbers(days)} days on "
        f"{takes['accelerators']:,.0f} of them{example}"
    )
    if takes["cost"] is None:
        return f"{time}. No price was given (--price)."
    return f"{money(takes['cost'], bill.currency)}: {time}."


def _weights(document: Document) -> str:
    """What the recommended size owes to the weights of the mixture, or to its one route."""
    decision = document["decision"]
    alone = {entry["route"]: entry["actions"][0]["N"] for entry in document["risk"]}
    if not decision["weights"]:
        return f"the {decision['by']} alone."
    sizes = " and ".join(
        f"{count(alone[name], 2)} by the {name} alone (weight {share(round(weight, 2))})"
        for name, weight in decision["weights"].items()
        if name in alone
    )
    return f"a mixture of routes, {decision['weighted']}: it would be {sizes}."


def _evidence(document: Document) -> str:
    reach, trials = document["evidence"], document["held_out"]
    beyond = reach["decades_beyond"]
    text = f"{reach['runs']} runs of {shown(document['data'])} up to {flop(reach['largest'], 3)} FLOP; "
    text += (
        f"the budget lies {beyond:.1f} decades beyond"
        if beyond > 0
        else "the budget lies among them"
    )
    if not trials:
        return f"{text}; no hold-out was made."
    farthest = max(trial["hold_out_decades"] for trial in trials)
    tested = " and ".join(
        f"{share(t['coverage']['0.9'])} ({t['route']})" for t in trials
    )
    plural = "" if farthest == 1 else "s"
    return (
        f"{text}. Tested on these runs {farthest:g} decade{plural} beyond: there 90% intervals "
        f"contained {tested} of them."
    )


def _checks(document: Document) -> str:
    """Count the checks, and name what is to be reviewed of the routes that have a weight."""
    statuses = [check["status"] for check in document["checks"]]
    counted = ", ".join(f"{statuses.count(s)} {s}" for s in Status if s in statuses)
    doubts = weighted_doubts(document["decision"])
    return f"{counted}{f'; {doubts}' if doubts else ''}."


def _known(document: Document) -> dict[str, str]:
    """Set the run beside what everybody knows of about this budget, where that is anything."""
    record, parts = document["public_record"], []
    for model in record["models"][:1]:
        part = f"{model['name']}, {count(model['N'])} parameters on {count(model['D'])} tokens at {flop(model['C'])} FLOP"
        if model["given_away"]:
            part += f", gives away {numbers(model['given_away'], 2)} of loss"
        parts.append(part)
    sizes = [fit["N"] for fit in record["fits"] if fit["N"] is not None]
    if sizes:
        parts.append(
            f"{len(sizes)} published fits of these runs ask for {count(min(sizes))} to {count(max(sizes))} parameters"
        )
    return {"Publicly known": f"{'; '.join(parts)}."} if parts else {}
