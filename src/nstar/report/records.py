"""Parts of a report's document: routes, published fits and models as plain data."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from nstar.answers import Document
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

DRAWS = 1000  # of N* and D* that released models are compared with
SHOWN = 8  # released models at most
NEAR = 1.5  # decades between a released model's compute and the budget at most


def route_record(route: Route, prob: float) -> Document:
    """Return one route's plan, exponents and sources of uncertainty."""
    return {
        "route": route.title,
        "law": route.name,
        "noise": json.loads(route.fit.tree.attrs["noise"])["name"],
        "runs": len(route.fit.runs),
        "budgets": route.plan.table(prob),
        "exponents": route.plan.exponents(prob),
        "exponents_over": route.plan.slope_over,
        "coefficients": route.plan.coefficients(prob),
        "loss_from": _variance_shares(route),
    }


def unknowns(fit: Fit, prob: float) -> dict[str, dict[str, float]]:
    """Return mean, sd and interval of every scalar unknown."""
    summary = fit.summary(prob)
    low, high = (n for n in summary.columns if str(n).startswith("eti"))
    return {
        str(name): {
            "mean": float(row["mean"]),
            "sd": float(row["sd"]),
            "lower": float(row[low]),
            "upper": float(row[high]),
        }
        for name, row in summary.iterrows()
        if "[" not in str(name)
    }


def _variance_shares(route: Route) -> list[dict[str, float]] | None:
    """Share the variance of the recommended run's log loss among its sources, by budget."""
    if not isinstance(route.fit.law, Surface):
        return None
    N, D = (route.plan.draws[f"{n}_recommended"].to_numpy() for n in ("N", "D"))
    shares = decompose(route.plan.fit, N, D, seed=route.fit.seed)
    return [
        {name: float(share[i]) for name, share in shares.items()}
        for i in range(len(route.plan.budgets))
    ]


def published_record(comparison: Comparison, prob: float) -> Document:
    """Return a published fit beside the leading route."""
    fit = comparison.published
    return {
        "id": fit.id,
        "law_form": fit.law_form,
        "citation": fit.citation,
        "confidence": fit.confidence,
        "notes": list(fit.notes),
        "printed": [dict(p) for p in fit.printed],
        "sentence": plain(comparison.sentence(prob)),
        "budgets": comparison.table(prob),
        "exponents": comparison.exponents(prob),
        "exponents_over": comparison.plan.slope_over,
    }


def released_models(fit: Posterior, C: float, prob: float) -> list[Document]:
    """Return released language models of about this compute, beside N* at their own.

    `level` is the probability of the smallest of our intervals of N* that holds the
    model's size; parameters are all of them, whatever the runs count.
    """
    candidates = [models.get(name) for name in models.names()]
    complete = [
        model
        for model in candidates
        if model.modality == "text"
        and model.data_unit == "tokens"
        and model.N
        and model.D
        and model.C
    ]
    near = sorted(complete, key=lambda model: abs(np.log10((model.C or C) / C)))[:SHOWN]
    near = [model for model in near if abs(np.log10((model.C or C) / C)) <= NEAR]
    if not near:
        return []
    near.sort(key=lambda model: model.C or 0.0)
    thinned_fits = _thin(fit)
    compute = np.array([model.C for model in near])
    N, D = (
        np.concatenate(v)
        for v in zip(*(optima(f, compute) for f in thinned_fits), strict=True)
    )
    return [
        {
            "name": model.title,
            "N": model.N,
            "D": model.D,
            "C": model.C,
            "citation": model.citation,
            "N_star": interval(N[:, i], prob).as_json(),
            "D_star": interval(D[:, i], prob).as_json(),
            "ratio": interval((model.N or np.nan) / N[:, i], prob).as_json(),
            "level": credible_level(N[:, i], model.N or np.nan),
        }
        for i, model in enumerate(near)
    ]


def _thin(fit: Posterior) -> list[Fit]:
    """Thin each averaged fit to its share of `DRAWS`."""
    parts = fit.parts
    counts = np.array([len(next(iter(part.draws.values()))) for part in parts])
    sizes = np.maximum(counts * min(DRAWS / counts.sum(), 1.0), 1).astype(int)
    return [thinned(part, int(n)) for part, n in zip(parts, sizes, strict=True)]


def place_candidates(
    routes: Sequence[Route], candidates: Sequence[Any], C: float
) -> list[Document]:
    """Return the share of every route's draws of N* below each candidate's size."""
    return [
        {
            "route": route.title,
            "name": action.name,
            "N": action.N,
            "below": float((route.plan.draws["N"].sel(budget=C) < action.N).mean()),
        }
        for route in routes
        for action in candidates
    ]


def provenance(routes: Routes, command: str) -> Document:
    """Return what is needed to repeat a report of routes."""
    return provenance_of(routes.primary.fit, routes.runs, command)


def provenance_of(fit: Fit, runs: Observations, command: str) -> Document:
    """Return what is needed to repeat a report of one fit."""
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
