"""Limits brought to bear on a fit: a supply of unique tokens, and what the law makes of it."""

from dataclasses import replace
from typing import Any

import numpy as np

from nstar.departures.discrepancy import Bent
from nstar.fits.mixture import Posterior
from nstar.plans.actions import Limits
from nstar.runs.observations import Observations
from nstar.types import Repeating
from nstar.verdicts import Check, Status
from nstar.wording import count

AS_GOOD = 4.0  # epochs of nearly fresh tokens, Muennighoff et al. (2023) sec. 6


def under(fit: Posterior, supply: float) -> Posterior:
    """Read a fit where there are only so many unique tokens.

    Laws that know of repetition take the tokens beyond for seen again; others are left
    as they are.  The draws are the same, and a fit is saved as it was.

    Args:
        fit: a fit, or an average; of one group where it is pooled.
        supply: unique tokens there are.
    """
    parts = [replace(p, law=_with(p.law, supply)) for p in fit.components]
    return fit.of_components(parts)


def held(fit: Posterior, limits: Limits) -> tuple[Posterior, Limits]:
    """Read a fit and limits under the supply of unique tokens that the limits name.

    Where a law takes repeated tokens for fresh ones, a run sees each token once, or as
    often as the limits allow.
    """
    if np.isinf(limits.unique_tokens):
        return fit, limits
    epochs = limits.max_epochs or (1.0 if _unaware(fit) else np.inf)
    most = min(limits.max_tokens, epochs * limits.unique_tokens)
    return under(fit, limits.unique_tokens), replace(limits, max_tokens=most)


def check_supply(fit: Posterior, limits: Limits, D: float) -> list[Check]:
    """Say what stands behind the repetitions of a run of D tokens, where there are some.

    Args:
        fit: what chose the run.
        limits: as they were asked for.
        D: the run's tokens, not a number where there is no run.
    """
    epochs = limits.epochs(D)
    if epochs is None or np.isnan(D):
        return []
    there = f"{count(limits.unique_tokens)} unique tokens"
    said, status = f"the run sees {count(D)} of {there}", Status.PASS
    unaware = _unaware(fit)
    if epochs > 1:
        said = f"the run sees its {there} {epochs:.3g} times"
    if unaware:
        status = Status.REVIEW if 0.99 * limits.unique_tokens < D else Status.PASS
        said += f"; the {', '.join(unaware)} law takes repeated tokens for fresh ones"
        if epochs > 1:
            near = (
                "which they nearly are" if epochs <= AS_GOOD else "which they are not"
            )
            said += f", {near}: up to {AS_GOOD:g} epochs little is lost (Muennighoff et al. 2023)"
        elif limits.max_epochs is None:
            said += ", so runs were held to one epoch: fit data_constrained, or allow more with --max-epochs"
    elif epochs > 1:
        most = _repeated(fit.runs)
        status = Status.REVIEW if epochs > most else Status.PASS
        said += f", the runs theirs up to {most:.3g} times"
    return [Check("repeated tokens", status, said)]


def _unaware(fit: Posterior) -> list[str]:
    """Names of the laws that know nothing of repetition."""
    laws = [part.straight for part in fit.components]
    return [type(law).__name__ for law in laws if not isinstance(law, Repeating)]


def _with(law: Any, supply: float) -> Any:
    if isinstance(law, Bent):
        return replace(law, law=_with(law.law, supply))
    return replace(law, supply=supply) if isinstance(law, Repeating) else law


def _repeated(runs: Observations) -> float:
    """Most epochs of a run."""
    return max(float(np.max(runs["D"] / runs["unique_tokens"])), 1.0)
