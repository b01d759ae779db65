"""The record on optima of every route, and of their mixture: budgets held out whole.

Each route is fitted to the smaller budgets of a ladder and says where the optima of the
larger ones will be measured.  The mixture is the report's: its weights come from hold-outs
inside what was learned from, so that nothing that is scored here has had a part in them.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import nstar
from nstar.fits.fitting import Fit
from nstar.fits.refit_cache import RefitCache
from nstar.predictions.allocating import measured_optima as predict_optima
from nstar.runs.observations import Observations
from nstar.runs.optima import measured_optima
from nstar.runs.splits import Split, split
from nstar.validation import hindsight
from nstar.validation.backtest import predict_held_out
from nstar.validation.optima import Optima, held_out_optima, near_minimum

DECADES = (1.0, 2.0)
SETS: dict[str, tuple[str, tuple[str, ...], str | None, tuple[float, ...]]] = {
    # data set: source, filters, the column whose values are ladders, decades held out
    "llama3": ("llama3", (), None, DECADES),
    "chinchilla_epoch": ("chinchilla", ("outlier=0",), None, DECADES),
    "porian_isoflop": ("porian", (), "ladder", (1.0,)),
}
MIXED = ("isoflop", "coupled")  # routes with a loss, which the report mixes
ROUTES = {
    "allocation": "measured optima",
    "isoflop": "isoFLOP profiles",
    "coupled": "loss surface",
}
MIXTURES = ("mixture", "mixture, by losses alone", "mixture, equal weights")


def record(store: RefitCache, only: str = "") -> dict[str, dict[str, dict[str, Any]]]:
    """Score every route on every ladder so named: {decades: {ladder: {source, routes}}}."""
    scored: dict[str, dict[str, dict[str, Any]]] = {}
    for name, source, runs, decades in ladders():
        for count in decades if only in name else ():
            print(f"{name}: {count:g} decades", file=sys.stderr, flush=True)
            top = float(
                runs["C"][runs["budget"] > 0].max()
            )  # runs without profile apart
            each = scored_on(name, split(runs, count, top=top), store)
            scored.setdefault(f"{count:g}", {})[name] = {"source": source} | each
    return scored


def ladders() -> Iterator[tuple[str, str, Observations, tuple[float, ...]]]:
    """Read every ladder: its name, source, runs and the decades to hold out."""
    for name, (source, where, by, decades) in SETS.items():
        runs = nstar.read_runs(name, where=where)
        for value in [None] if by is None else np.unique(runs[by]):
            part = runs if value is None else runs.take(runs[by] == value)
            yield str(value or name), source, part, decades


def scored_on(name: str, part: Split, store: RefitCache) -> dict[str, Any]:
    """Record of each route and mixture, with the weights of the mixtures."""
    train = replace(part.train, notes=())
    learned = {"allocation": measured_optima(near_minimum(train))} | dict.fromkeys(
        MIXED, train
    )

    def fitted(law: str) -> Fit:
        made_of = ["optima", name, part.decades, law, len(train)]
        return store.fit(made_of, lambda: nstar.fit(learned[law], law, seed=0))

    fits = {law: fitted(law) for law in ROUTES}
    by_law = {}
    for law in MIXED:
        draws = predict_held_out(fits[law], part.test, fits[law].seed)
        by_law[law] = held_out_optima(fits[law], part, draws)
    one = by_law["coupled"]
    N, D = predict_optima(fits["allocation"], one.budgets, seed=0)
    by_law["allocation"] = Optima(one.budgets, one.measured, (np.log(N), np.log(D)))

    inner = hindsight.hold_out_routes({law: fits[law] for law in MIXED}, store)
    by_loss = [replace(trial, optima=None) for trial in inner]
    weights = {
        mixture: hindsight.route_weights(MIXED, trials)[0]
        for mixture, trials in zip(MIXTURES, (inner, by_loss, []), strict=True)
    }
    routes = {ROUTES[law]: brief(by_law[law]) for law in ROUTES}
    for mixture, shares in weights.items():
        each = dict(zip(MIXED, shares, strict=True))
        routes[mixture] = brief(mixed(by_law, each))
        routes[mixture]["weights"] = {
            ROUTES[law]: round(w, 3) for law, w in each.items()
        }
    trouble = {
        ROUTES[law]: fit.diagnosis.trouble
        for law, fit in fits.items()
        if fit.diagnosis.trouble
    }
    return {"learned": len(train), "trouble": trouble, "routes": routes}


def brief(one: Optima) -> dict[str, Any]:
    """What is published of a record; N* has the scores of D*, since C = 6ND ties them."""
    full = one.record()
    return {
        "budgets": full["budgets"],
        "error": [round(e, 3) for e in full["error"]],
        "coverage": round(full["D"]["coverage"]["0.9"], 3),
        "interval_score": round(full["D"]["interval_score"]["0.9"], 3),
        "misses": full["misses"],
        "chance": round(full["chance"], 4),
    }


def mixed(by_law: dict[str, Optima], weights: dict[str, float]) -> Optima:
    """Joint draws of all routes, of each as many as its weight asks for."""
    total = min(len(by_law[law].draws[1]) for law in weights)
    taken = []
    for law, weight in weights.items():
        count, draws = round(weight * total), by_law[law].draws
        at = np.arange(count) * len(draws[1]) // max(count, 1)
        taken.append([values[at] for values in draws])
    N, D = (np.concatenate(values) for values in zip(*taken, strict=True))
    return replace(by_law["coupled"], draws=(N, D))


def summary(scored: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By route: coverage, interval score and error, averaged in sources, then over them.

    Beside the means stands the worst source's chance of as many misses, which is the mean
    over its ladders.
    """
    sources = dict.fromkeys(one["source"] for one in scored.values())
    totals = {}
    for route in (*ROUTES.values(), *MIXTURES):
        rows = {
            source: np.mean(
                [
                    _row(one["routes"][route])
                    for one in scored.values()
                    if one["source"] == source
                ],
                axis=0,
            )
            for source in sources
        }
        coverage, score, error, _ = np.mean(list(rows.values()), axis=0)
        worst = min(rows, key=lambda source: rows[source][3])
        totals[route] = {
            "coverage": float(coverage),
            "interval_score": float(score),
            "error": float(error),
            "chance": float(rows[worst][3]),
            "worst": worst,
        }
    return totals


def _row(one: dict[str, Any]) -> list[float]:
    error = float(np.mean(np.abs(one["error"])))
    return [one["coverage"], one["interval_score"], error, one["chance"]]


def page(document: dict[str, dict[str, Any]]) -> list[str]:
    """Tables of the routes, means over sources first."""
    parts = []
    for count, scored in document.items():
        words = "one decade" if count == "1" else f"{count} decades"
        parts.append(f"\n## Every route, {words} of compute held out\n\n{MEANS}")
        parts += [
            f"| {route} | {m['coverage']:.2f} | {m['interval_score']:.2f} | {m['error']:.2f} | {m['chance']:.3f} ({m['worst']}) |"
            for route, m in summary(scored).items()
        ]
        parts.append(f"\n{EACH}")
        parts += [
            f"| {name} | {route} | {', '.join(f'{e:+.2f}' for e in r['error'])} "
            f"| {len(r['budgets']) - r['misses']} of {len(r['budgets'])} | {r['interval_score']:.2f} "
            f"| {r['chance']:.3f} | {_weights(r)} |"
            for name, one in scored.items()
            for route, r in one["routes"].items()
        ]
        trouble = [
            f"{name}, {route}: {t}"
            for name, one in scored.items()
            for route, t in one["trouble"].items()
        ]
        parts += (
            [f"\nThe sampler's checks failed for {'; '.join(trouble)}."]
            if trouble
            else []
        )
    return parts


def _weights(one: dict[str, Any]) -> str:
    return ", ".join(f"{name} {w:.2f}" for name, w in one.get("weights", {}).items())


MEANS = """| route | coverage of 90 % | interval score of log D* | mean absolute log error | P(as many misses), worst source |
| --- | --- | --- | --- | --- |"""
EACH = """| ladder | route | log error of D*, by budget | held by 90 % | interval score | P(as many misses) | weights |
| --- | --- | --- | --- | --- | --- | --- |"""
