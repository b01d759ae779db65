"""Parts of a report's document: what is read off routes and published fits, as plain data."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior, thinned
from nstar.intervals import credible_level, interval
from nstar.plans.routes import Route, Routes
from nstar.predictions.allocating import optima
from nstar.published import models
from nstar.runs.observations import Observations
from nstar.types import Surface
from nstar.validation.comparison import Comparison
from nstar.validation.uncertainty import decompose
from nstar.wording import plain

DRAWS = 1000  # of a law that released models are held against
SHOWN = 8  # released models at most
NEAR = 1.5  # decades between a released model's compute and the budget at most


def route(one: Route, prob: float) -> dict[str, Any]:
    """What one route says of every budget."""
    return {
        "route": one.title,
        "law": one.name,
        "noise": json.loads(one.fit.tree.attrs["noise"])["name"],
        "runs": len(one.fit.runs),
        "budgets": one.plan.table(prob),
        "exponents": one.plan.exponents(prob),
        "exponents_over": one.plan.slope_over,
        "coefficients": one.plan.coefficients(prob),
        "loss_from": _shares(one),
    }


def unknowns(fit: Fit, prob: float) -> dict[str, dict[str, float]]:
    """Mean, sd and interval of every single unknown."""
    summary = fit.summary(prob)
    low, high = (n for n in summary.columns if str(n).startswith("eti"))
    return {
        str(name): {
            "mean": float(r["mean"]),
            "sd": float(r["sd"]),
            "lower": float(r[low]),
            "upper": float(r[high]),
        }
        for name, r in summary.iterrows()
        if "[" not in str(name)
    }


def _shares(one: Route) -> list[dict[str, float]] | None:
    """Where the variance of the recommended run's log loss comes from, by budget."""
    if not isinstance(one.fit.law, Surface):
        return None
    N, D = (one.plan.draws[f"{n}_recommended"].to_numpy() for n in ("N", "D"))
    shares = decompose(one.plan.fit, N, D, seed=one.fit.seed)
    return [
        {name: float(share[i]) for name, share in shares.items()}
        for i in range(len(one.plan.budgets))
    ]


def published(held: Comparison, prob: float) -> dict[str, Any]:
    """A published fit beside the lead."""
    theirs = held.published
    return {
        "id": theirs.id,
        "law_form": theirs.law_form,
        "citation": theirs.citation,
        "confidence": theirs.confidence,
        "notes": list(theirs.notes),
        "printed": [dict(p) for p in theirs.printed],
        "sentence": plain(held.sentence(prob)),
        "budgets": held.table(prob),
        "exponents": held.exponents(prob),
        "exponents_over": held.plan.slope_over,
    }


def released(fit: Posterior, C: float, prob: float) -> list[dict[str, Any]]:
    """Released language models of about the budget's compute, beside N* at their own.

    `level` is the probability of the smallest of our intervals of N* that holds the
    model's size; parameters are all of them, whatever the runs count.
    """
    each = [models.get(name) for name in models.names()]
    known = [
        m
        for m in each
        if m.modality == "text" and m.data_unit == "tokens" and m.N and m.D and m.C
    ]
    near = sorted(known, key=lambda m: abs(np.log10((m.C or C) / C)))[:SHOWN]
    near = [m for m in near if abs(np.log10((m.C or C) / C)) <= NEAR]
    if not near:
        return []
    near.sort(key=lambda m: m.C or 0.0)
    few = _fewer(fit)
    at = np.array([m.C for m in near])
    N, D = (np.concatenate(v) for v in zip(*(optima(f, at) for f in few), strict=True))
    return [
        {
            "name": m.title,
            "N": m.N,
            "D": m.D,
            "C": m.C,
            "citation": m.citation,
            "N_star": interval(N[:, i], prob).as_json(),
            "D_star": interval(D[:, i], prob).as_json(),
            "ratio": interval((m.N or np.nan) / N[:, i], prob).as_json(),
            "level": credible_level(N[:, i], m.N or np.nan),
        }
        for i, m in enumerate(near)
    ]


def _fewer(fit: Posterior) -> list[Fit]:
    """Each law with its share of a thousand draws."""
    parts = fit.parts
    counts = np.array([len(next(iter(part.draws.values()))) for part in parts])
    keep = np.maximum(counts * min(DRAWS / counts.sum(), 1.0), 1).astype(int)
    return [thinned(part, int(n)) for part, n in zip(parts, keep, strict=True)]


def placed(
    routes: Sequence[Route], named: Sequence[Any], C: float
) -> list[dict[str, Any]]:
    """Where each candidate's size lies among the draws of every route's N*."""
    return [
        {
            "route": r.title,
            "name": a.name,
            "N": a.N,
            "below": float((r.plan.draws["N"].sel(budget=C) < a.N).mean()),
        }
        for r in routes
        for a in named
    ]


def provenance(routes: Routes, command: str) -> dict[str, Any]:
    """Everything that is needed to make the report again."""
    return provenance_of(routes.primary.fit, routes.runs, command)


def provenance_of(fit: Fit, runs: Observations, command: str) -> dict[str, Any]:
    """What is needed to make a report of one fit again."""
    attrs = fit.tree.attrs
    return {
        "command": command,
        "data": runs.source,
        "data_sha256": runs.sha256,
        "runs": len(runs),
        "flop_convention": str(runs.cost),
        "derived": runs.derived or "nothing",
        "params_counted": runs.params_counted,
        "loss_unit": runs.loss_unit,
        "seed": fit.seed,
        "precision": attrs["precision"],
        "nstar": attrs["nstar_version"],
        "jax": attrs["jax_version"],
        "numpyro": attrs["numpyro_version"],
        "arviz_stats": version("arviz-stats"),
    }
