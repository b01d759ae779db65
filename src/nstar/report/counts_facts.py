"""What the page of counts says: pass@k of every model, what it costs, how to spend it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nstar.costs.inference import PER_PARAM, Serving
from nstar.inference.contenders import (
    Contender,
    by_size,
    check_contenders,
    contender,
)
from nstar.inference.repeated import PassAtK, pass_at_k
from nstar.inference.sample_worth import next_samples
from nstar.inference.spending import Option, Spent, spend
from nstar.report.records import provenance_of
from nstar.runs.observations import Observations
from nstar.validation.checks import check_fit
from nstar.verdicts import Status, worst
from nstar.wording import digits, flop, percent, plainly, shares

ORDER = (Status.FAIL, Status.REVIEW, Status.PASS)
LINE = 25  # k of the curve that is drawn
BEYOND = 10.0  # times the samples that pass@k is told at most, unless asked
MORE = 100  # samples, to say where they help
NOMINAL = Serving(1.0, 1.0)  # a cost, where sizes and lengths are not known


@dataclass(frozen=True)
class CountsFacts:
    """Everything the page needs: the document, and draws for its figures."""

    made: Mapping[str, PassAtK]  # by model, on the grid of the figure
    spent: Spent | None
    document: dict[str, Any] = field(default_factory=dict)


def gather_counts(
    runs: Observations,
    ks: Sequence[float],
    lengths: Callable[[list[str]], dict[str, float] | None],
    budgets: Sequence[float],
    *,
    prob: float,
    seed: int,
    command: str,
) -> CountsFacts:
    """Work out what the page of counts says.

    Args:
        runs: counts, one row a problem; several models have a column N.
        ks: samples at which pass@k is told; one, the samples and ten times them unless
            given.
        lengths: of names of models, their tokens a sample; None where not known.
        budgets: FLOP a problem to spend.
        prob: of the intervals.
        seed: of the fits.
        command: what the user typed.

    Raises:
        ValueError: the counts are not as they should be.
    """
    tables = by_size(runs) if "N" in runs else {"the model": (0.0, runs)}
    told = lengths(list(tables)) if "N" in runs else None
    models = [_fitted(name, one, told, seed) for name, one in tables.items()]
    usual = float(np.median(runs["samples"]))
    asked = np.unique([*ks] or [1.0, usual, BEYOND * usual])
    grid = np.unique(np.round(np.geomspace(1, asked.max(), LINE)))
    at = {c.name: pass_at_k(c.fit, asked, seed=seed) for c in models}
    made = {c.name: pass_at_k(c.fit, grid, seed=seed) for c in models}
    spent = (
        spend({c.name: Option(c.problems, c.serving) for c in models}) if told else None
    )
    checks = [
        c._replace(name=f"{m.name}: {c.name}")
        for m in models
        for c in (*at[m.name].checks(), *check_fit(m.fit))
    ]
    if spent:
        checks += [*spent.checks(*budgets[-1:]), *check_contenders(models)]
    checks = sorted(plainly(checks), key=lambda c: ORDER.index(c.status))
    document: dict[str, Any] = {
        "status": str(worst(checks)),
        "data": runs.source,
        "seed": seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [c.as_json() for c in checks],
        "models": [
            {
                "name": m.name,
                "N": m.serving.N if told else None,
                "tokens": m.serving.tokens if told else None,
                "flop_per_sample": m.serving.sample if told else None,
                "flop_per_token": PER_PARAM * m.serving.N if told else None,
            }
            | at[m.name].as_json(prob)
            | {
                "next_samples": next_samples(
                    m.fit, float(asked.max()), MORE, seed=seed
                )[:5]
            }
            for m in models
        ],
        "within": [{"budget": C, "ways": spent.at(C, prob)} for C in budgets]
        if spent
        else [],
        "frontier": spent.frontier(prob) if spent else [],
        "provenance": provenance_of(models[0].fit, runs, command),
    }
    return CountsFacts(made, spent, {"headline": headline(document)} | document)


def _fitted(
    name: str,
    one: tuple[float, Observations],
    lengths: Mapping[str, float] | None,
    seed: int,
) -> Contender:
    size, rows = one
    serving = Serving(size, lengths[name]) if lengths else NOMINAL
    return contender(name, rows, serving, seed=seed)


def headline(document: dict[str, Any]) -> str:
    """Say what the largest k solves, and the best way within the last budget."""
    if document["status"] == "FAIL":
        return f"Do not rely on this page: {next(c['detail'] for c in document['checks'] if c['status'] == 'FAIL')}"
    parts = []
    for model in document["models"]:
        last = model["predictions"][-1]
        parts.append(
            f"{last['k']:,} samples of {model['name']} solve {shares(last['these'])} of these problems and {shares(last['new'])} of new ones"
        )
    said = f"{'; '.join(parts)} ({percent(document['prob'])} intervals)."
    if document["within"]:
        budget, way = (
            document["within"][-1]["budget"],
            document["within"][-1]["ways"][0],
        )
        said += f" {flop(budget)} FLOP a problem are best spent on {way['model']}, {way['strategy']}, {digits(way['amount'], 3)} {way['unit']}: {shares(way['accuracy'])}."
    return said[:1].upper() + said[1:]
