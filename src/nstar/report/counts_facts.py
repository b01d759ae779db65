"""The document of a counts page: pass@k of every model, its cost, the best use of a budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nstar.answers import Document
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
LINE = 25  # k of the curve in the figure
BEYOND = 10.0  # times the samples drawn: the largest k, unless given
MORE = 100  # samples, to say where they help
NOMINAL = Serving(1.0, 1.0)  # a cost, where sizes and lengths are not known


@dataclass(frozen=True)
class CountsFacts:
    """The document of the page, and the draws of its figures."""

    estimates: Mapping[str, PassAtK]  # pass@k by model, on the grid of the figure
    spent: Spent | None
    document: Document = field(default_factory=dict)


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
    """Compute the document and the figures' draws of a counts page.

    Args:
        runs: counts, one row a problem; several models have a column N.
        ks: samples at which pass@k is predicted; one, the samples and ten times them unless
            given.
        lengths: of names of models, their tokens a sample; None where not known.
        budgets: FLOP a problem to spend.
        prob: of the intervals.
        seed: of the fits.
        command: what the user typed.

    Raises:
        ValueError: the counts cannot be fitted.
    """
    tables = by_size(runs) if "N" in runs else {"the model": (0.0, runs)}
    tokens = lengths(list(tables)) if "N" in runs else None
    models = [_fit_model(name, table, tokens, seed) for name, table in tables.items()]
    median_samples = float(np.median(runs["samples"]))
    points = np.unique([*ks] or [1.0, median_samples, BEYOND * median_samples])
    grid = np.unique(np.round(np.geomspace(1, points.max(), LINE)))
    predictions = {c.name: pass_at_k(c.fit, points, seed=seed) for c in models}
    estimates = {c.name: pass_at_k(c.fit, grid, seed=seed) for c in models}
    spent = (
        spend({c.name: Option(c.problems, c.serving) for c in models})
        if tokens
        else None
    )
    checks = [
        c._replace(name=f"{m.name}: {c.name}")
        for m in models
        for c in (*predictions[m.name].checks(), *check_fit(m.fit))
    ]
    if spent:
        checks += [*spent.checks(*budgets[-1:]), *check_contenders(models)]
    checks = sorted(plainly(checks), key=lambda c: ORDER.index(c.status))
    document: Document = {
        "status": str(worst(checks)),
        "data": runs.source,
        "seed": seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [c.as_json() for c in checks],
        "models": [
            {
                "name": m.name,
                "N": m.serving.N if tokens else None,
                "tokens": m.serving.tokens if tokens else None,
                "flop_per_sample": m.serving.sample if tokens else None,
                "flop_per_token": PER_PARAM * m.serving.N if tokens else None,
            }
            | predictions[m.name].as_json(prob)
            | {
                "next_samples": next_samples(
                    m.fit, float(points.max()), MORE, seed=seed
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
    return CountsFacts(estimates, spent, {"headline": headline(document)} | document)


def _fit_model(
    name: str,
    table: tuple[float, Observations],
    lengths: Mapping[str, float] | None,
    seed: int,
) -> Contender:
    size, rows = table
    serving = Serving(size, lengths[name]) if lengths else NOMINAL
    return contender(name, rows, serving, seed=seed)


def headline(document: Document) -> str:
    """State pass@k at the largest k, and the best way within the last budget."""
    if document["status"] == "FAIL":
        return f"Do not rely on this page: {next(c['detail'] for c in document['checks'] if c['status'] == 'FAIL')}"
    parts = []
    for model in document["models"]:
        last = model["predictions"][-1]
        parts.append(
            f"{last['k']:,} samples of {model['name']} solve {shares(last['these'])} of these problems and {shares(last['new'])} of new ones"
        )
    sentence = f"{'; '.join(parts)} ({percent(document['prob'])} intervals)."
    if document["within"]:
        budget, way = (
            document["within"][-1]["budget"],
            document["within"][-1]["ways"][0],
        )
        sentence += f" {flop(budget)} FLOP a problem are best spent on {way['model']}, {way['strategy']}, {digits(way['amount'], 3)} {way['unit']}: {shares(way['accuracy'])}."
    return sentence[:1].upper() + sentence[1:]
