"""Freeze the forecast of a run that is not made yet, with all that it was made from."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from nstar.answers import Document
from nstar.fits.groups import in_group
from nstar.fits.mixture import Posterior
from nstar.ledger.frozen import Frozen, rounded_quantiles
from nstar.ledger.records import Forecast, require_name, same_run, stamp
from nstar.plans.planning import plan
from nstar.predictions.distances import check_prediction
from nstar.predictions.prediction import NOTHING_ELSE, log_density, loss
from nstar.runs.grouping import NEXT
from nstar.runs.observations import Observations
from nstar.validation.checks import check_fit, check_plan
from nstar.verdicts import Check, Status
from nstar.wording import count, plainly

LEAST = -1e6  # log density where that of every draw is zero


def forecast(
    fit: Posterior,
    N: float | None = None,
    D: float | None = None,
    *,
    name: str,
    budget: float | None = None,
    x: Mapping[str, float] = NOTHING_ELSE,
    note: str = "",
    seed: int | None = None,
    group: str | None = None,
    checks: Sequence[Check] | None = None,
    when: datetime | None = None,
) -> Forecast:
    """Freeze the predictive distribution of the loss that a run will measure.

    Put it into a ledger to make it binding: `Ledger.read(path).freeze(it).save(path)`.

    Args:
        fit: a fit of a loss, or an average of such.
        N: parameters of the run; D: its tokens.
        D: likewise.
        name: by which its loss is entered later.
        budget: in place of N and D: FLOP, for the run that `plan` recommends for them.
        x: what else the law reads of the run, as `predict` takes it.
        note: who or why.
        seed: of the run noise; the fit's own unless given.
        group: of a pooled fit, one of its groups or "next".
        checks: of the fit, where they were made before; `check_fit` unless given.
        when: the moment of freezing; now unless given.

    Returns:
        The forecast: 399 quantiles of the loss, its density, and what it rests on.

    Raises:
        ValueError: neither a run nor a budget or both, a law whose response is not the
            log of a loss, or what `predict` and `plan` refuse.

    Examples:
        >>> hero = nstar.forecast(fit, 7e9, 1.4e11, name="hero")
        >>> nstar.Ledger().freeze(hero)
    """
    require_name(name)
    require_loss(fit)
    if (budget is None) == (N is None or D is None):
        msg = "what is to be forecast? either a run, N and D, or the run that a budget recommends"
        raise ValueError(msg)
    seed = fit.seed if seed is None else seed
    group_fit = in_group(fit, group, seed=seed)
    all_checks = list(check_fit(fit) if checks is None else checks)
    if budget is not None:
        recommended = plan(group_fit, budget, seed=seed)
        N, D = (float(recommended.draws[f"{n}_recommended"][0]) for n in ("N", "D"))
        all_checks += [*check_plan(recommended), *recommended.checks()]
    if N is None or D is None:
        raise ValueError("a run has both N and D")
    draws = loss(group_fit, N, D, x={n: np.array(v) for n, v in x.items()}, seed=seed)
    rows = rows_of_run(group_fit.runs, N, D) if group != NEXT else ()
    all_checks += [
        *check_prediction(group_fit, np.array([N]), np.array([D])),
        _check_unseen(fit.runs, rows, N, D),
    ]
    C = float(fit.runs.cost.flop(N, D))
    measured = draws["measured"].to_numpy()[:, 0]
    return Forecast(
        name=name,
        frozen=stamp(when),
        N=float(N),
        D=float(D),
        C=C,
        x={name: float(value) for name, value in x.items()},
        budget=budget,
        decades_beyond_data=_decades_beyond(group_fit.runs, C),
        basis=_basis(fit, seed, group),
        measured=Frozen.of(measured, _density(group_fit, N, D, x, seed)),
        law_loss=rounded_quantiles(draws["loss"].to_numpy()[:, 0]),
        checks=tuple(plainly(all_checks)),
        among_data=rows,
        note=note,
    )


def rows_of_run(runs: Observations, N: float, D: float) -> tuple[int, ...]:
    """Rows of a table with N and D within 1 % of a run's."""
    if "N" not in runs or "D" not in runs:
        return ()
    near = same_run(runs["N"], runs["D"], N, D)
    return tuple(int(row) for row in runs.rows[near])


def require_loss(fit: Posterior) -> None:
    """Refuse a fit whose response is not the log of a loss.

    Raises:
        ValueError: naming the law.
    """
    for part in fit.components:
        if not part.law.response.log_loss:
            msg = f"the {type(part.law).__name__} law predicts {part.law.response.name.replace('_', ' ')}, and a forecast is of a loss: fit a loss surface or isoFLOP profiles"
            raise ValueError(msg)


def _check_unseen(
    runs: Observations, rows: tuple[int, ...], N: float, D: float
) -> Check:
    """Check that the run is none of those fitted."""
    name, run = "not seen before", f"{count(N)} parameters on {count(D)} tokens"
    if rows:
        detail = f"not a forecast: the run is among the data ({run}: row {', '.join(map(str, rows))}, N and D within 1 %), and its score will not count; forecast a run that is not made yet"
        return Check(name, Status.REVIEW, detail)
    if "N" not in runs or "D" not in runs:
        detail = f"the data have no N and D, so nothing tells whether {run} is among them; give a table with both"
        return Check(name, Status.REVIEW, detail)
    return Check(name, Status.PASS, f"no run of the data is {run}")


def _decades_beyond(runs: Observations, C: float) -> float | None:
    return float(np.log10(C / runs["C"].max())) if "C" in runs else None


def _density(
    fit: Posterior, N: float, D: float, x: Mapping[str, float], seed: int
) -> Any:
    """Log predictive density of the log of a loss, as a function of losses (point,)."""
    cost = fit.runs.cost

    def density(losses: np.ndarray) -> np.ndarray:
        run = {"N": N, "D": D, "C": float(cost.flop(N, D)), **x}
        columns = {n: np.full(len(losses), v) for n, v in run.items()}
        runs = Observations(
            {**columns, "L": losses}, np.arange(len(losses)), "", "", cost
        )
        return np.maximum(log_density(fit, runs, seed=seed), LEAST)

    return density


def _basis(fit: Posterior, seed: int, group: str | None) -> Document:
    """All that is needed to make the forecast again, for every law."""
    runs, parts = fit.runs, fit.components
    weights = fit.weights
    attrs = parts[0].tree.attrs
    return {
        "data": runs.source,
        "data_sha256": runs.sha256,
        "runs": len(runs),
        "laws": [
            {
                "law": json.loads(part.tree.attrs["law"])["name"],
                "weight": weight,
                "noise": json.loads(part.tree.attrs["noise"])["name"],
                "discrepancy": part.tree.attrs.get("discrepancy", "none"),
                "priors": json.loads(part.tree.attrs["priors"]),
            }
            for part, weight in zip(parts, weights, strict=True)
        ],
        "prior_set": attrs.get("prior_set", "weak"),
        "group": group,
        "seed": fit.seed,
        "noise_seed": seed,
        "flop_convention": str(runs.cost),
        "params_counted": runs.params_counted,
        "loss_unit": runs.loss_unit,
        "nstar": attrs["nstar_version"],
        "jax": attrs["jax_version"],
        "numpyro": attrs["numpyro_version"],
    }
