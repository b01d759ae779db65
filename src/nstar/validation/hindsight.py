"""What each route would have said of these very runs, the largest held out: how far to believe it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from nstar.cores import side_by_side
from nstar.fits.fitting import Fit
from nstar.fits.kept import Kept, of_fit
from nstar.fits.refitting import again
from nstar.predictions.allocating import measured_optima
from nstar.predictions.prediction import log_density, loss
from nstar.runs.observations import Observations
from nstar.runs.splits import Split
from nstar.scores import quantiles, scores
from nstar.types import Surface, Varying
from nstar.validation.averaging import (
    LEAST,
    PRIOR_WEIGHT,
    evidence,
    inner_splits,
    shared,
    stack,
    worth,
)
from nstar.validation.optima import check_optima, held_out_optima
from nstar.verdicts import Check, Status

HOPELESS = -1e6  # log density of a run that no draw gives a loss
HELD = 0.75  # of the held-out runs that 90 % intervals hold at least, else for review


@dataclass(frozen=True)
class Trial:
    """One route fitted to the smaller runs, and what it said of the others; plain data."""

    route: str
    decades: float  # of compute held out
    n_train: int
    n_test: int
    levels: int  # distinct budgets among the held-out runs, five at most
    scores: Mapping[str, Any]  # as `scores.scores`, in the log of the response
    log_density: Sequence[float]  # of each held-out run
    runs: Mapping[str, Sequence[float]]  # row, C, what came, quantiles of what was said
    trouble: str | None  # of the sampler
    optima: Mapping[str, Any] | None = (
        None  # `Optima.record`, where held-out budgets have them
    )

    def as_json(self) -> dict[str, Any]:
        """Plain data, without the single runs."""
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


def trials(
    fits: Mapping[str, Fit],
    kept: Kept = Kept(),  # noqa: B008  nothing in it changes
    tick: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> list[Trial]:
    """Hold out the top decade of the fits' runs, or half of one, and predict it.

    Decades are counted from what all routes reach (`top_of`), so that each is held out of
    the same budgets.

    Args:
        fits: by route.
        kept: where answers lie that were made before.
        tick: progress of the sampling, by route.

    Returns:
        A trial a route; none where too few runs would be left to fit.
    """
    top = top_of(fits.values())

    def trial(name: str, fit: Fit) -> Trial | None:
        for part in splits(fit.runs, top):
            made_of = ["trial", of_fit(fit), name, part.decades, len(part.train)]

            def make(part: Split = part) -> Any:
                return _trial(fit, name, part, kept, lambda d, t: tick(name, d, t))

            try:
                return Trial(**kept.answer(made_of, make))
            except ValueError:  # the law cannot be fitted to so few runs, or budgets
                continue
        return None

    jobs = [partial(trial, name, fit) for name, fit in fits.items()]
    return [one for one in side_by_side(jobs) if one is not None]


def splits(runs: Observations, top: float | None = None) -> list[Split]:
    """Hold out the top decade of compute, or where that leaves too few half of one."""
    return inner_splits(runs, top)[::-1]


def top_of(fits: Iterable[Fit]) -> float | None:
    """Largest compute that the runs of every surface among these reach, or of every fit."""
    every = list(fits)
    surfaces = [fit for fit in every if isinstance(fit.law, Surface)] or every
    reach = [float(fit.runs["C"].max()) for fit in surfaces if "C" in fit.runs]
    return min(reach, default=None)


def smaller(
    fit: Fit,
    part: Split,
    kept: Kept,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Fit once more to the runs that a split leaves."""
    made_of = ["smaller", of_fit(fit), part.decades, len(part.train)]
    train = replace(part.train, notes=())
    return kept.fit(made_of, lambda: again(fit, runs=train, brief=True, tick=tick))


def _trial(
    fit: Fit, name: str, part: Split, kept: Kept, tick: Callable[[int, int], None]
) -> dict[str, Any]:
    learned = smaller(fit, part, kept, tick)
    test = part.test
    said, truth = _said(learned, test)
    low, high = quantiles(said, 0.9)
    inner = quantiles(said, 0.5)
    optima = held_out_optima(learned, part, said)
    return {
        "route": name,
        "decades": part.decades,
        "n_train": len(part.train),
        "n_test": len(test),
        "levels": evidence(test),
        "scores": scores(said, truth),
        "log_density": np.maximum(log_density(learned, test), HOPELESS),
        "runs": {
            "row": test.rows,
            "C": test["C"],
            "came": truth,
            "median": np.median(said, axis=0),
            "q0.05": low,
            "q0.25": inner[0],
            "q0.75": inner[1],
            "q0.95": high,
        },
        "trouble": learned.diagnosis.trouble or None,
        "optima": optima.record() if optima else None,
    }


def _said(fit: Fit, test: Any) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the response of held-out runs, (draw, run), and what came."""
    law = fit.law
    if isinstance(law, Surface):
        reads = ("N", "D") if isinstance(law, Varying) else law.inputs
        x = {name: test[name] for name in reads}
        draws = loss(fit, x=x, seed=fit.seed)["measured"].to_numpy()
        return np.asarray(law.response.link(draws)), np.asarray(
            law.response.link(test["L"])
        )
    found = measured_optima(fit, test["C"], seed=fit.seed)
    if found is None:
        msg = (
            f"the {type(law).__name__} law says nothing of a run that could be held out"
        )
        raise ValueError(msg)
    return np.log(found[1]), np.log(test["D"])


def weights(
    names: Sequence[str], held: Sequence[Trial]
) -> tuple[tuple[float, ...], Check]:
    """Weights of the routes by what they said of held-out losses and optima.

    They are those of `averaging.stack`, with a budget's evidence shared between both as
    `averaging.shared` has it.  Routes held out of other budgets are told apart by losses.

    Returns:
        The weights, equal where nothing was held out, and a check that says how they came.
    """
    equal = np.full(len(names), 1 / len(names))
    row = [next((t for t in held if t.route == name), None) for name in names]
    known = [one for one in row if one is not None]
    if len(known) < len(names):
        detail = f"not all were held out, so nothing here tells {' and '.join(names)} apart: equal weights"
        return tuple(equal), Check("weights of the routes", Status.REVIEW, detail)
    table, levels = _common(known), known[0].levels
    if not table.size:
        detail = f"no run was held out of {' and of '.join(names)} alike: equal weights"
        return tuple(equal), Check("weights of the routes", Status.REVIEW, detail)
    pieces = shared(table, _common_optima(known), levels)
    stacked = stack(pieces, equal)
    each = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, stacked, strict=True))
    detail = (
        f"{each}, from these runs' own top {decades(known[0].decades)} held out "
        f"{worth(pieces)} and equal weights worth {PRIOR_WEIGHT:g}"
    )
    return tuple(stacked.tolist()), Check("weights of the routes", Status.PASS, detail)


def _common(held: Sequence[Trial]) -> np.ndarray:
    """Log density of the runs that were held out of every route, (route, run)."""
    rows = set.intersection(*(set(one.runs["row"]) for one in held))
    return np.array(
        [
            [
                p
                for p, row in zip(one.log_density, one.runs["row"], strict=True)
                if row in rows
            ]
            for one in held
        ]
    )


def _common_optima(held: Sequence[Trial]) -> np.ndarray:
    """Log density of optima, (route, budget); of none unless all have the same budgets."""
    each = [one.optima for one in held]
    known = [
        one for one in each if one and each[0] and one["budgets"] == each[0]["budgets"]
    ]
    if len(known) < len(held):
        return np.empty((len(held), 0))
    return np.array([one["log_density"] for one in known])


def decades(count: float) -> str:
    """Write a number of decades."""
    return "decade" if count == 1 else f"{count:g} decades"


def check_trials(held: Sequence[Trial], routes: Sequence[str]) -> list[Check]:
    """Say what the held-out runs showed, and of which routes nothing could be held out."""
    found = []
    tried = {one.route for one in held}
    if without := [name for name in routes if name not in tried]:
        detail = (
            f"nothing shows how {' and '.join(without)} extrapolates: holding out half a decade of these "
            f"runs' compute leaves fewer than {LEAST}, or too few for the law"
        )
        found.append(Check("held-out runs", Status.REVIEW, detail))
    for one in held:
        inside = one.scores["coverage"]["0.9"]
        detail = (
            f"90 % intervals of a measured run held {inside:.0%} of {one.n_test} runs"
        )
        bad = inside < HELD
        if bad:
            detail += "; farther out they are too narrow by as much"
        if one.trouble:
            detail += f"; the fit to {one.n_train} runs had {one.trouble}"
        status = Status.REVIEW if bad or one.trouble else Status.PASS
        name = f"{one.route}: top {decades(one.decades)} held out"
        found.append(Check(name, status, detail))
        if one.optima:
            found.append(check_optima(f"{name}, optima", one.optima))
    return found
