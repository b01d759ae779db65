"""A ladder's posterior given the forecast that an unfinished run makes of its own end."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from nstar.curves.watch_alarm import End
from nstar.fits import certificates
from nstar.fits.fitting import Fit
from nstar.fits.mixture import Posterior
from nstar.fits.refitting import repeat_fit
from nstar.plans.planning import plan
from nstar.predictions.prediction import law_loss, responses
from nstar.verdicts import Check, Status

NOISES = 8  # of a run's noise, for each draw of the law
QUANTITIES = ("N", "D", "loss")
NODES = (
    -(1.5**0.5),
    0.0,
    1.5**0.5,
)  # sds; of equal weight they have a normal's variance
WIDE = 20.0  # times the forecast's sd, from which an observation says nothing


class Observed(NamedTuple):
    """What the run's course adds to the forecast of its end: one observation of it."""

    log_loss: float
    sd: float  # known extra error, beside the run's noise


class Updated(NamedTuple):
    """The ladder's answers before and after, in draws."""

    law_loss: np.ndarray  # of the run after, (draw,)
    plans: dict[str, tuple[np.ndarray, np.ndarray]]  # by quantity, before and after
    how: Check


def observe(before: End, after: End) -> Observed | None:
    """Divide the forecast after by the one before; None where it is no narrower."""
    gained = after.sd**-2 - before.sd**-2
    if gained <= (WIDE * before.sd) ** -2:
        return None
    log_loss = (after.mean / after.sd**2 - before.mean / before.sd**2) / gained
    return Observed(float(log_loss), float(gained**-0.5))


def update(
    fit: Posterior,
    N: float,
    D: float,
    seen: Observed | None,
    after: End,
    budget: float | None,
    seed: int,
) -> Updated:
    """Weigh a ladder's draws by the observation, or fit again where weights fail.

    Args:
        fit: of a loss.
        N: parameters of the run; D: its tokens.
        D: likewise.
        seen: what the run says of its end; None where that is nothing.
        after: the forecast of its log loss there, given the run so far.
        budget: FLOP of which N*, D* and the loss are asked, if any.
        seed: of noise and of resampling.
    """
    planned = None if budget is None else plan(fit, budget, seed=seed)
    before = {} if planned is None else _answers(planned.draws)
    losses = _law_loss(fit, N, D)
    if seen is None:
        detail = "the run says less of its end than the ladder did: the ladder is left as it was"
        return Updated(losses, {n: (v, v) for n, v in before.items()}, _how(detail))
    with np.errstate(over="ignore"):  # weights so unequal that no Pareto tail fits them
        certificate, weights = certificates.by_weights(
            _log_weights(fit, N, D, seen, seed)
        )
    if certificate.passed:
        random = np.random.default_rng([seed, len(weights)])
        at = certificates.resampled(weights, len(weights), random)
        detail = f"the ladder's draws were weighed by the run's forecast of its own end: Pareto k-hat {certificate.k_hat:.2f}, {certificate.ess:.0f} effective draws"
        return Updated(
            losses[at], {n: (v, v[at]) for n, v in before.items()}, _how(detail)
        )
    again = [refit(fit, N, D, after.mean + z * after.sd) for z in NODES]
    plans = [_answers(plan(f, budget, seed=seed).draws) for f in again if budget]
    detail = f"the ladder was fitted again with the run at {len(NODES)} losses that its forecast of its own end holds likely, since weights on the ladder's draws would not do ({certificate.reason})"
    return Updated(
        pool([_law_loss(f, N, D) for f in again]),
        {n: (v, pool([p[n] for p in plans])) for n, v in before.items()},
        _how(detail),
    )


def pool(parts: Sequence[np.ndarray]) -> np.ndarray:
    """As many draws of each part, which may have more, evenly spaced: (draw,)."""
    count = min(map(len, parts))
    return np.concatenate([p[np.arange(count) * len(p) // count] for p in parts])


def _law_loss(fit: Posterior, N: float, D: float) -> np.ndarray:
    return law_loss(fit, np.array([N]), np.array([D]))[:, 0]


def _how(detail: str) -> Check:
    return Check("ladder given the run", Status.PASS, detail)


def _answers(draws: xr.Dataset) -> dict[str, np.ndarray]:
    """Draws of the optimum and of the loss there, by name."""
    return {n: draws[n].to_numpy()[:, 0] for n in QUANTITIES if n in draws}


def _log_weights(
    fit: Posterior, N: float, D: float, seen: Observed, seed: int
) -> np.ndarray:
    """Log likelihood of the observation at each draw, (draw,), over the run's noise."""
    where = np.array([N]), np.array([D])
    logs = []
    for i in range(NOISES):
        z = (responses(fit, *where, seed=seed + i)[1][:, 0] - seen.log_loss) / seen.sd
        logs.append(-(z**2) / 2)
    return logsumexp(logs, axis=0)


def refit(fit: Posterior, N: float, D: float, log_loss: float) -> Posterior:
    """Fit once more with a run beside the ladder, as if it had ended.

    Given the loss at its end its course says nothing more of the ladder, so that the
    mean of such fits over the forecast of the end is the ladder given the run so far.
    Other inputs of the law are taken at the ladder's medians.

    Args:
        fit: of a loss.
        N: parameters of the run; D: its tokens.
        D: likewise.
        log_loss: at its end.
    """

    def repeat(part: Fit) -> Fit:
        runs = part.runs
        C = float(runs.cost.flop(N, D))
        row = {"N": N, "D": D, "C": C, "L": float(np.exp(log_loss))}
        columns = {
            name: np.append(values, row.get(name, _middle(values)))
            for name, values in runs.columns.items()
        }
        rows = np.append(runs.rows, 0)
        return repeat_fit(part, runs=replace(runs, columns=columns, rows=rows))

    return fit.of_components([repeat(part) for part in fit.components])


def _middle(values: np.ndarray) -> float | str:
    """The median of numbers; the last of names."""
    return float(np.median(values)) if values.dtype.kind in "fiu" else str(values[-1])
