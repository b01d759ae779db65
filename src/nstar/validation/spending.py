"""How to spend inference, as an answer: within a budget, to a target, one model against another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nstar.answers import Answer, Document, Table
from nstar.inference.contenders import Contender, check_contenders
from nstar.inference.problem_sets import Problems
from nstar.inference.repeated_checks import check_counts
from nstar.inference.spending import Spent
from nstar.inference.strategies import STRATEGIES
from nstar.validation.checks import check_fit
from nstar.validation.curve_checks import check_curve
from nstar.verdicts import Check
from nstar.wording import digits, flop, percent, share, shares

PERFECT = STRATEGIES["oracle"].name

type Pair = tuple[tuple[str, float], tuple[str, float]]  # models and their samples


@dataclass(frozen=True)
class Spending(Answer):
    """Every way to spend inference on a problem, and the questions put to them."""

    records_key = "frontier"

    contenders: Sequence[Contender]
    spent: Spent
    budget: float | None = None  # FLOP a problem
    target_accuracy: float | None = None
    chance: float = 0.9  # with which it is to be reached
    against: Pair | None = None
    prompt: float = 0.0  # tokens of a problem
    rival: float = 0.4  # share of wrong samples that give one and the same answer
    new: int | None = None  # new problems, in place of those counted
    seed: int = 0

    def as_json(self, prob: float = 0.9) -> Document:
        """Every number of the answer as plain data."""
        spent = self.spent
        return {
            "models": [_model(contender) for contender in self.contenders],
            "prompt": self.prompt,
            "rival": self.rival,
            "new": self.new,
            "seed": self.seed,
            "prob": prob,
            "interval": "equal-tailed",
            "budget": self.budget,
            "target_accuracy": self.target_accuracy,
            "chance": self.chance,
            "within": spent.at(self.budget, prob) if self.budget else [],
            "cheapest": self._cheapest(prob),
            "against": self._compared(prob),
            "frontier": spent.frontier(prob),
        }

    def _strategies(self) -> list[str]:
        """Names of the strategies that were tried."""
        return list(dict.fromkeys(way[1] for way in self.spent.ways))

    def _cheapest(self, prob: float) -> list[Document]:
        """The cheapest way of each strategy, cheapest first; those that do not reach it last."""
        if not self.target_accuracy:
            return []
        goal = self.target_accuracy, self.chance, prob
        rows = [
            {"strategy": name, "way": self.spent.of(name).reach(*goal)}
            for name in self._strategies()
        ]
        return sorted(rows, key=lambda r: r["way"]["flop"] if r["way"] else np.inf)

    def _compared(self, prob: float) -> list[Document]:
        """One model's samples against the other's, by every strategy that takes both."""
        if not self.against:
            return []
        spent, ((first, k1), (second, k2)) = self.spent, self.against
        pairs = [(n, (first, n, k1), (second, n, k2)) for n in self._strategies()]
        return [
            {
                "strategy": name,
                "one": spent.record(spent.way(left), prob),
                "other": spent.record(spent.way(right), prob),
                "probability": spent.better(left, right),
            }
            for name, left, right in pairs
            if {left, right} <= set(spent.ways)
        ]

    def checks(self) -> list[Check]:
        """Check the ways reported, then the fit of each model."""
        document = self.as_json()
        ways = [*document["within"]]
        ways += [r["way"] for r in document["cheapest"] if r["way"]]
        ways += [r[n] for r in document["against"] for n in ("one", "other")]
        checks = [
            *self.spent.checks(self.budget, self.target_accuracy, self.chance),
            *check_contenders(list(self.contenders)),
        ]
        for contender in self.contenders:
            amounts = {
                way["amount"]
                for way in ways or document["frontier"]
                if way["model"] == contender.name
            }
            checks += [
                check._replace(name=f"{contender.name}: {check.name}")
                for check in [
                    *check_fit(contender.fit),
                    *_reach(contender, sorted(amounts)),
                ]
            ]
        return checks

    def tables(self, prob: float = 0.9) -> Iterator[Table | str]:
        """Answers to the questions put, then the frontier."""
        return ways(self.as_json(prob), prob)


def ways(document: Document, prob: float) -> Iterator[Table | str]:
    """The ways within the budget, to the target, of the pair; then the frontier."""
    if document["budget"]:
        yield from _within(document, prob)
    if document["target_accuracy"]:
        yield from _cheapest(document, prob)
    if document["against"]:
        yield from _against(document, prob)
    yield Table(
        f"Ways that none as cheap is expected to beat; median [{percent(prob)} equal-tailed credible interval]",
        [
            "FLOP a problem",
            "model",
            "strategy",
            "amount",
            "accuracy",
            "probability that none as cheap is better",
        ],
        [
            [flop(r["flop"]), *_cells(r), shares(r["accuracy"]), share(r["best"])]
            for r in document["frontier"]
        ],
    )
    sizes = ", ".join(
        f"{m['name']} {digits(m['tokens'], 3)} tokens a sample"
        for m in document["models"]
    )
    yield (
        f"2 FLOP a parameter and token, attention left out; {sizes}; seed {document['seed']}"
    )
    yield (
        f"Votes assume that {share(document['rival'])} of a problem's wrong samples give one and the same answer (--rival)."
    )


def _reach(contender: Contender, amounts: list[float]) -> list[Check]:
    """Check how far amounts lie beyond those counted, or measured, of a model."""
    if isinstance(contender.problems, Problems):
        counts = np.stack([contender.fit.runs[n] for n in ("samples", "successes")])
        return check_counts(counts, np.array(amounts or [1.0]), None)
    if not amounts:
        return []
    return check_curve(
        contender.fit, dict.fromkeys(contender.problems.inputs, np.array(amounts))
    )


def _model(contender: Contender) -> Document:
    runs = contender.fit.runs
    return {
        "name": contender.name,
        "N": contender.serving.N,
        "tokens": contender.serving.tokens,
        "data": runs.source,
        "data_sha256": runs.sha256,
        "rows": len(runs),
        "law": "token_budget"
        if "T" in contender.fit.law.inputs
        else "repeated_sampling",
    }


def _cells(record: Document) -> list[str]:
    unit = record["unit"].removesuffix("s") if record["amount"] == 1 else record["unit"]
    return [record["model"], record["strategy"], f"{record['amount']:g} {unit}"]


def _sentence(record: Document) -> str:
    model, strategy, amount = _cells(record)
    return f"{model}, {strategy}, {amount}: {shares(record['accuracy'])} for {flop(record['flop'])} FLOP"


def _within(document: Document, prob: float) -> Iterator[Table | str]:
    ways = document["within"]
    yield (f"Within {flop(document['budget'])} FLOP a problem: {_sentence(ways[0])}")
    rest = [r for r in ways if r["strategy"] != PERFECT]
    if rest and rest[0] is not ways[0]:
        yield (f"Without a perfect verifier: {_sentence(rest[0])}")
    yield Table(
        f"Best amounts within {flop(document['budget'])} FLOP a problem; median [{percent(prob)} equal-tailed credible interval]",
        [
            "model",
            "strategy",
            "amount",
            "accuracy",
            "FLOP a problem",
            "probability of being the best",
        ],
        [
            [*_cells(r), shares(r["accuracy"]), flop(r["flop"]), share(r["best"])]
            for r in ways
        ],
    )


def _cheapest(document: Document, prob: float) -> Iterator[Table | str]:
    target, chance = share(document["target_accuracy"]), percent(document["chance"])
    first = document["cheapest"][0]["way"]
    way = _sentence(first) if first else "no way that was tried"
    yield (f"Accuracy {target} with probability {chance}: {way}")
    rows = [
        [*_cells(r["way"]), shares(r["way"]["accuracy"]), flop(r["way"]["flop"])]
        if r["way"]
        else ["none", r["strategy"], "–", "–", "–"]
        for r in document["cheapest"]
    ]
    yield Table(
        f"Cheapest way of each strategy to {target} with probability {chance}; median [{percent(prob)} equal-tailed credible interval]",
        ["model", "strategy", "amount", "accuracy", "FLOP a problem"],
        rows,
    )


def _against(document: Document, prob: float) -> Iterator[Table | str]:
    one, other = (document["against"][0][n] for n in ("one", "other"))
    pair = [f"{_cells(w)[0]}, {_cells(w)[2]}" for w in (one, other)]
    yield (
        f"{pair[0]} for {flop(one['flop'])} FLOP a problem, against {pair[1]} for {flop(other['flop'])}"
    )
    yield Table(
        f"Median accuracy [{percent(prob)} equal-tailed credible interval]",
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
