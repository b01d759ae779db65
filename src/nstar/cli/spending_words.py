"""What `nstar spend` prints: the answers in sentences, then tables."""

from typing import Any

import numpy as np

from nstar.cli import show
from nstar.inference.contenders import Contender, check_contenders
from nstar.inference.problem_sets import Problems
from nstar.inference.repeated_checks import check_counts
from nstar.inference.spending import Spent
from nstar.inference.strategies import STRATEGIES
from nstar.validation.checks import check_fit
from nstar.validation.curve_checks import check_curve
from nstar.verdicts import Check
from nstar.wording import digits, flop, percent, plainly, share, shares

PERFECT = STRATEGIES["oracle"].name


def checks(
    document: dict[str, Any], made: list[Contender], spent: Spent
) -> list[Check]:
    """What cannot be vouched for, then each model's fit."""
    ways = [*document["within"], *(r["way"] for r in document["cheapest"] if r["way"])]
    ways += [r[n] for r in document["against"] for n in ("one", "other")]
    question = (document[n] for n in ("budget", "target_accuracy", "chance"))
    checks = [*spent.checks(*question), *check_contenders(made)]
    for one in made:
        own = check_fit(one.fit)
        amounts = {
            w["amount"] for w in ways or document["frontier"] if w["model"] == one.name
        }
        ks = np.array(sorted(amounts))
        if isinstance(one.problems, Problems):
            counts = np.stack([one.fit.runs[n] for n in ("samples", "successes")])
            own += check_counts(counts, ks if amounts else np.ones(1), None)
        elif amounts:
            own += check_curve(one.fit, dict.fromkeys(one.problems.inputs, ks))
        checks += [c._replace(name=f"{one.name}: {c.name}") for c in own]
    return plainly(checks)


def print_spent(document: dict[str, Any]) -> None:
    """Answer what was asked, then show the frontier."""
    prob = percent(document["prob"])
    if document["budget"]:
        _within(document, prob)
    if document["target_accuracy"]:
        _cheapest(document, prob)
    if document["against"]:
        _against(document, prob)
    show.table(
        f"Ways that none as cheap is expected to beat; median [{prob} equal-tailed credible interval]",
        [
            "FLOP a problem",
            "model",
            "strategy",
            "amount",
            "accuracy",
            "probability that none as cheap is better",
        ],
        [
            [flop(r["flop"]), *_named(r), shares(r["accuracy"]), share(r["best"])]
            for r in document["frontier"]
        ],
    )
    sizes = ", ".join(
        f"{m['name']} {digits(m['tokens'], 3)} tokens a sample"
        for m in document["models"]
    )
    show.line(
        f"2 FLOP a parameter and token, attention left out; {sizes}; seed {document['seed']}"
    )
    show.line(
        f"Votes assume that {share(document['rival'])} of a problem's wrong samples give one and the same answer (--rival)."
    )


def _named(record: dict[str, Any]) -> list[str]:
    unit = record["unit"].removesuffix("s") if record["amount"] == 1 else record["unit"]
    return [record["model"], record["strategy"], f"{record['amount']:g} {unit}"]


def _way(record: dict[str, Any]) -> str:
    model, strategy, amount = _named(record)
    return f"{model}, {strategy}, {amount}: {shares(record['accuracy'])} for {flop(record['flop'])} FLOP"


def _within(document: dict[str, Any], prob: str) -> None:
    ways = document["within"]
    show.line(
        f"Within {flop(document['budget'])} FLOP a problem: {_way(ways[0])}", bold=True
    )
    rest = [r for r in ways if r["strategy"] != PERFECT]
    if rest and rest[0] is not ways[0]:
        show.line(f"Without a perfect verifier: {_way(rest[0])}", bold=True)
    show.table(
        f"Best amounts within {flop(document['budget'])} FLOP a problem; median [{prob} equal-tailed credible interval]",
        [
            "model",
            "strategy",
            "amount",
            "accuracy",
            "FLOP a problem",
            "probability of being the best",
        ],
        [
            [*_named(r), shares(r["accuracy"]), flop(r["flop"]), share(r["best"])]
            for r in ways
        ],
    )


def _cheapest(document: dict[str, Any], prob: str) -> None:
    target, chance = share(document["target_accuracy"]), percent(document["chance"])
    first = document["cheapest"][0]["way"]
    said = _way(first) if first else "no way that was tried"
    show.line(f"Accuracy {target} with probability {chance}: {said}", bold=True)
    rows = [
        [*_named(r["way"]), shares(r["way"]["accuracy"]), flop(r["way"]["flop"])]
        if r["way"]
        else ["none", r["strategy"], "–", "–", "–"]
        for r in document["cheapest"]
    ]
    show.table(
        f"Cheapest way of each strategy to {target} with probability {chance}; median [{prob} equal-tailed credible interval]",
        ["model", "strategy", "amount", "accuracy", "FLOP a problem"],
        rows,
    )


def _against(document: dict[str, Any], prob: str) -> None:
    one, other = (document["against"][0][n] for n in ("one", "other"))
    pair = [f"{_named(w)[0]}, {_named(w)[2]}" for w in (one, other)]
    show.line(
        f"{pair[0]} for {flop(one['flop'])} FLOP a problem, against {pair[1]} for {flop(other['flop'])}",
        bold=True,
    )
    show.table(
        f"Median accuracy [{prob} equal-tailed credible interval]",
        ["strategy", *pair, "probability that the first is better"],
        [
            [
                r["strategy"],
                *(shares(r[n]["accuracy"]) for n in ("one", "other")),
                share(r["probability"]),
            ]
            for r in document["against"]
        ],
    )
