"""A limited supply of unique tokens: how it changes a fit's law and the limits on runs."""

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

NEARLY_FRESH = 4.0  # epochs of nearly fresh tokens, Muennighoff et al. (2023) sec. 6


def with_supply(fit: Posterior, supply: float) -> Posterior:
    """Give the laws of a fit a limited supply of unique tokens.

    Laws that model repetition count tokens beyond the supply as repeated; other laws are
    unchanged.  The draws are the same, and the tree that is saved is not touched.

    Args:
        fit: a fit, or an average; of one group where it is pooled.
        supply: number of unique tokens.
    """
    parts = [replace(p, law=_set_supply(p.law, supply)) for p in fit.components]
    return fit.of_components(parts)


def apply_limits(fit: Posterior, limits: Limits) -> tuple[Posterior, Limits]:
    """Apply the limits' supply of unique tokens to a fit and to the most tokens of a run.

    Where a law takes repeated tokens for fresh ones, a run sees each token once, or as
    often as the limits allow.

    Returns:
        The fit with that supply, and the limits with `max_tokens` lowered to match.
    """
    if np.isinf(limits.unique_tokens):
        return fit, limits
    epochs = limits.max_epochs or (1.0 if _laws_without_repetition(fit) else np.inf)
    most = min(limits.max_tokens, epochs * limits.unique_tokens)
    return with_supply(fit, limits.unique_tokens), replace(limits, max_tokens=most)


def check_supply(fit: Posterior, limits: Limits, D: float) -> list[Check]:
    """Check whether the runs and the law support the epochs of a run of D tokens.

    Args:
        fit: the posterior that recommends the run.
        limits: as the user gave them.
        D: the run's tokens, not a number where there is no run.
    """
    epochs = limits.epochs(D)
    if epochs is None or np.isnan(D):
        return []
    supply = f"{count(limits.unique_tokens)} unique tokens"
    detail, status = f"the run sees {count(D)} of {supply}", Status.PASS
    unaware = _laws_without_repetition(fit)
    if epochs > 1:
        detail = f"the run sees its {supply} {epochs:.3g} times"
    if unaware:
        status = Status.REVIEW if 0.99 * limits.unique_tokens < D else Status.PASS
        detail += f"; the {', '.join(unaware)} law takes repeated tokens for fresh ones"
        if epochs > 1:
            verdict = (
                "which they nearly are"
                if epochs <= NEARLY_FRESH
                else "which they are not"
            )
            detail += f", {verdict}: up to {NEARLY_FRESH:g} epochs little is lost (Muennighoff et al. 2023)"
        elif limits.max_epochs is None:
            detail += ", so runs were held to one epoch: fit data_constrained, or allow more with --max-epochs"
    elif epochs > 1:
        most = _most_epochs(fit.runs)
        status = Status.REVIEW if epochs > most else Status.PASS
        detail += f", the runs theirs up to {most:.3g} times"
    return [Check("repeated tokens", status, detail)]


def _laws_without_repetition(fit: Posterior) -> list[str]:
    """Names of the fitted laws that do not model repeated tokens."""
    laws = [part.straight for part in fit.components]
    return [type(law).__name__ for law in laws if not isinstance(law, Repeating)]


def _set_supply(law: Any, supply: float) -> Any:
    if isinstance(law, Bent):
        return replace(law, law=_set_supply(law.law, supply))
    return replace(law, supply=supply) if isinstance(law, Repeating) else law


def _most_epochs(runs: Observations) -> float:
    """Largest number of epochs among the runs."""
    return max(float(np.max(runs["D"] / runs["unique_tokens"])), 1.0)
