"""What every answer about a fit says first and last: data, law, seed, conventions."""

import json
from typing import Any

from nstar.cli import show
from nstar.cli.source import Fitted


def _named(found: Fitted, what: str) -> str:
    """Name the law or the noise; where laws are averaged, the laws and all their noises."""
    from nstar.fits.mixture import Average

    if what == "law" and isinstance(found.fit, Average):
        return ",".join(found.fit.names)
    trees = [part.tree for part in found.fit.components]
    return ",".join(dict.fromkeys(json.loads(t.attrs[what])["name"] for t in trees))


def _discrepancy(found: Fitted) -> str:
    """Say whether the law bends; where laws are averaged, whether any does."""
    kinds = {part.tree.attrs.get("discrepancy") for part in found.fit.components}
    return "waves" if "waves" in kinds else "none"


def _priors(found: Fitted) -> str:
    """Name the set of priors."""
    return found.fit.components[0].tree.attrs.get("prior_set", "weak")


def _weights(found: Fitted) -> dict[str, float]:
    """Weights by law where laws are averaged, else nothing."""
    from nstar.fits.mixture import Average

    if not isinstance(found.fit, Average):
        return {}
    return dict(zip(found.fit.names, found.fit.weights, strict=True))


def _pool(found: Fitted) -> dict[str, Any]:
    """The column and the groups a law is pooled over, where it is."""
    said = json.loads(found.fit.tree.attrs.get("pool", "{}"))
    return {name: said[name] for name in ("over", "groups") if said}


def head(found: Fitted, prob: float, group: str | None = None) -> dict[str, Any]:
    """What every JSON document about a fit starts with.

    An average adds its weights; a pooled fit its groups, and the one that is meant.
    """
    fit, weights, pool = found.fit, _weights(found), _pool(found)
    return (
        {
            "data": fit.runs.source,
            "data_sha256": fit.runs.sha256,
            "runs": len(fit.runs),
            "law": _named(found, "law"),
            "law_reason": found.reason,
            "noise": _named(found, "noise"),
            "discrepancy": _discrepancy(found),
            "priors": _priors(found),
            "seed": fit.seed,
            "prob": prob,
            "interval": "equal-tailed",
            "flop_convention": str(fit.runs.cost),
            "params_counted": fit.runs.params_counted,
            "loss_unit": fit.runs.loss_unit,
            "derived": fit.runs.derived or None,
        }
        | ({"weights": weights} if weights else {})
        | ({"pool": pool | {"group": group}} if pool else {})
    )


def title(found: Fitted, group: str | None = None) -> None:
    """Name data, law, noise and seed in a line; and of a pooled fit the group."""
    fit, weights, pool = found.fit, _weights(found), _pool(found)
    law, noise = (_named(found, name) for name in ("law", "noise"))
    bend = " and smooth discrepancy" if _discrepancy(found) == "waves" else ""
    show.line(
        f"{law} law with {noise} noise{bend}, {len(fit.runs)} runs of {fit.runs.source}, "
        f"seed {fit.seed}",
        bold=True,
    )
    if pool:
        known = group in pool["groups"]
        meant = "a group not seen yet" if not known else group
        of = f"; this is of {meant}" if group else ""
        show.line(f"pooled over {len(pool['groups'])} groups by {pool['over']}{of}")
    if weights:
        said = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
        show.line(f"weights: {said}; equal weights would be {1 / len(weights):.2f}")


def conventions(found: Fitted) -> None:
    """Say how compute and parameters were counted, and what the loss is."""
    runs = found.fit.runs
    derived = f" ({runs.derived})" if runs.derived else ""
    show.line(f"FLOP convention: {runs.cost}{derived}")
    show.line(f"parameters counted: {runs.params_counted}")
    show.line(f"loss unit: {runs.loss_unit}")
