"""Hold-outs of each route: fitted to the smaller runs, scored on the largest, and weighted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from nstar.answers import Document
from nstar.cores import side_by_side
from nstar.fits.fitting import Fit
from nstar.fits.refit_cache import RefitCache, of_fit
from nstar.fits.refitting import repeat_fit
from nstar.predictions.allocating import measured_optima
from nstar.predictions.prediction import log_density, loss
from nstar.runs.observations import Observations
from nstar.runs.splits import Split
from nstar.scores import quantiles, scores
from nstar.types import Surface, Varying
from nstar.validation.averaging import (
    LEAST,
    PRIOR_WEIGHT,
    describe_evidence,
    effective_runs,
    inner_splits,
    share_evidence,
    stack,
)
from nstar.validation.optima import check_optima, held_out_optima
from nstar.verdicts import Check, Status

HOPELESS = -1e6  # log density of a run for which no draw has a finite loss
COVERED = (
    0.75  # of the held-out runs that 90 % intervals hold at least, else for review
)


@dataclass(frozen=True)
class RouteHoldOut:
    """One route fitted to the smaller runs, and its scores on the others; plain data."""

    route: str
    decades: float  # of compute held out
    n_train: int
    n_test: int
    levels: int  # distinct budgets among the held-out runs, five at most
    scores: Mapping[str, Any]  # as `scores.scores`, in the log of the response
    log_density: Sequence[float]  # of each held-out run
    runs: Mapping[str, Sequence[float]]  # row, C, the truth `came`, predicted quantiles
    trouble: str | None  # of the sampler
    optima: Mapping[str, Any] | None = (
        None  # `Optima.record`, where held-out budgets have them
    )

    def as_json(self) -> Document:
        """Plain data, without the records of single runs."""
        return {
            "route": self.route,
            "hold_out_decades": self.decades,
            "n_train": self.n_train,
            "n_test": self.n_test,
            **self.scores,
            "log_density": float(np.mean(self.log_density)),
            "trouble": self.trouble,
            "optima": self.optima,
        }


def hold_out_routes(
    fits: Mapping[str, Fit],
    cache: RefitCache = RefitCache(),  # noqa: B008  nothing in it changes
    tick: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> list[RouteHoldOut]:
    """Hold out the top decade of the fits' runs, or half of one, and predict it.

    Decades are counted from the largest compute that all routes share (`common_top`), so
    that each is held out of the same budgets.

    Args:
        fits: by route.
        cache: of earlier answers.
        tick: progress of the sampling, by route.

    Returns:
        One record a route, without routes for which too few runs would remain.
    """
    top = common_top(fits.values())

    def hold_out(name: str, fit: Fit) -> RouteHoldOut | None:
        for part in hold_out_splits(fit.runs, top):
            key = ["trial", of_fit(fit), name, part.decades, len(part.train)]

            def compute(part: Split = part) -> Any:
                return _hold_out(fit, name, part, cache, lambda d, t: tick(name, d, t))

            try:
                return RouteHoldOut(**cache.answer(key, compute))
            except ValueError:  # the law cannot be fitted to so few runs, or budgets
                continue
        return None

    jobs = [partial(hold_out, name, fit) for name, fit in fits.items()]
    return [record for record in side_by_side(jobs) if record is not None]


def hold_out_splits(runs: Observations, top: float | None = None) -> list[Split]:
    """Splits that hold out the top decade of compute, then half of one, where enough remain."""
    return inner_splits(runs, top)[::-1]


def common_top(fits: Iterable[Fit]) -> float | None:
    """Largest compute that the runs of every surface reach, or of every fit without one."""
    all_fits = list(fits)
    surfaces = [fit for fit in all_fits if isinstance(fit.law, Surface)] or all_fits
    largest = [float(fit.runs["C"].max()) for fit in surfaces if "C" in fit.runs]
    return min(largest, default=None)


def fit_smaller(
    fit: Fit,
    part: Split,
    cache: RefitCache,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Fit the same law again to the training runs of a split."""
    key = ["smaller", of_fit(fit), part.decades, len(part.train)]
    train = replace(part.train, notes=())
    return cache.fit(key, lambda: repeat_fit(fit, runs=train, brief=True, tick=tick))


def _hold_out(
    fit: Fit,
    name: str,
    part: Split,
    cache: RefitCache,
    tick: Callable[[int, int], None],
) -> Document:
    smaller_fit = fit_smaller(fit, part, cache, tick)
    test = part.test
    draws, truth = _predict(smaller_fit, test)
    low, high = quantiles(draws, 0.9)
    middle = quantiles(draws, 0.5)
    optima = held_out_optima(smaller_fit, part, draws)
    return {
        "route": name,
        "decades": part.decades,
        "n_train": len(part.train),
        "n_test": len(test),
        "levels": effective_runs(test),
        "scores": scores(draws, truth),
        "log_density": np.maximum(log_density(smaller_fit, test), HOPELESS),
        "runs": {
            "row": test.rows,
            "C": test["C"],
            "came": truth,
            "median": np.median(draws, axis=0),
            "q0.05": low,
            "q0.25": middle[0],
            "q0.75": middle[1],
            "q0.95": high,
        },
        "trouble": smaller_fit.diagnosis.trouble or None,
        "optima": optima.record() if optima else None,
    }


def _predict(fit: Fit, test: Any) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the response of held-out runs, (draw, run), and their measured values, (run,)."""
    law = fit.law
    if isinstance(law, Surface):
        reads = ("N", "D") if isinstance(law, Varying) else law.inputs
        x = {name: test[name] for name in reads}
        draws = loss(fit, x=x, seed=fit.seed)["measured"].to_numpy()
        return np.asarray(law.response.link(draws)), np.asarray(
            law.response.link(test["L"])
        )
    optima = measured_optima(fit, test["C"], seed=fit.seed)
    if optima is None:
        msg = (
            f"the {type(law).__name__} law says nothing of a run that could be held out"
        )
        raise ValueError(msg)
    return np.log(optima[1]), np.log(test["D"])


def route_weights(
    names: Sequence[str], hold_outs: Sequence[RouteHoldOut]
) -> tuple[tuple[float, ...], Check]:
    """Stacking weights of the routes by their densities of held-out losses and optima.

    They are those of `averaging.stack`, with a budget's evidence shared between both by
    `averaging.share_evidence`.  Routes held out of other budgets are compared by losses.

    Returns:
        The weights, equal where nothing was held out, and a check that explains them.
    """
    equal = np.full(len(names), 1 / len(names))
    by_route = [next((t for t in hold_outs if t.route == name), None) for name in names]
    records = [record for record in by_route if record is not None]
    if len(records) < len(names):
        detail = f"not all were held out, so nothing here tells {' and '.join(names)} apart: equal weights; read each route alone beside the mixture"
        return tuple(equal), Check("weights of the routes", Status.REVIEW, detail)
    densities, levels = _common_densities(records), records[0].levels
    if not densities.size:
        detail = f"no run was held out of {' and of '.join(names)} alike: equal weights; read each route alone beside the mixture"
        return tuple(equal), Check("weights of the routes", Status.REVIEW, detail)
    evidence = share_evidence(densities, _common_optima(records), levels)
    weights = stack(evidence, equal)
    text = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights, strict=True))
    detail = (
        f"{text}, from these runs' own top {decades_text(records[0].decades)} held out "
        f"{describe_evidence(evidence)} and equal weights worth {PRIOR_WEIGHT:g}"
    )
    return tuple(weights.tolist()), Check("weights of the routes", Status.PASS, detail)


def _common_densities(hold_outs: Sequence[RouteHoldOut]) -> np.ndarray:
    """Log densities of the runs that were held out of every route, (route, run)."""
    rows = set.intersection(*(set(record.runs["row"]) for record in hold_outs))
    return np.array(
        [
            [
                p
                for p, row in zip(record.log_density, record.runs["row"], strict=True)
                if row in rows
            ]
            for record in hold_outs
        ]
    )


def _common_optima(hold_outs: Sequence[RouteHoldOut]) -> np.ndarray:
    """Log densities of optima, (route, budget); no budget unless all routes have the same."""
    all_optima = [record.optima for record in hold_outs]
    shared = [
        record
        for record in all_optima
        if record and all_optima[0] and record["budgets"] == all_optima[0]["budgets"]
    ]
    if len(shared) < len(hold_outs):
        return np.empty((len(hold_outs), 0))
    return np.array([record["log_density"] for record in shared])


def decades_text(decades: float) -> str:
    """Format a number of decades."""
    return "decade" if decades == 1 else f"{decades:g} decades"


def check_hold_outs(
    hold_outs: Sequence[RouteHoldOut], routes: Sequence[str]
) -> list[Check]:
    """Check coverage on the held-out runs, and name routes of which none could be held out."""
    checks = []
    held_out = {record.route for record in hold_outs}
    if missing := [name for name in routes if name not in held_out]:
        detail = (
            f"nothing shows how {' and '.join(missing)} extrapolates: holding out half a decade of these "
            f"runs' compute leaves fewer than {LEAST}, or too few for the law; add runs over more decades"
        )
        checks.append(Check("held-out runs", Status.REVIEW, detail))
    for record in hold_outs:
        coverage = record.scores["coverage"]["0.9"]
        detail = f"90 % intervals of a measured run held {coverage:.0%} of {record.n_test} runs"
        low_coverage = coverage < COVERED
        if low_coverage:
            detail += "; farther out they are too narrow by as much: count on wider ones, or measure a run nearer the budget"
        if record.trouble:
            detail += f"; the fit to {record.n_train} runs had {record.trouble}: read its record with care, or hold out again with another --seed"
        status = Status.REVIEW if low_coverage or record.trouble else Status.PASS
        name = f"{record.route}: top {decades_text(record.decades)} held out"
        checks.append(Check(name, status, detail))
        if record.optima:
            checks.append(check_optima(f"{name}, optima", record.optima))
    return checks
