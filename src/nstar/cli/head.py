"""What every answer about a fit says first and last: data, law, seed, conventions."""

import json
from typing import Any

from nstar.cli import show
from nstar.cli.source import Found


def head(found: Found, prob: float) -> dict[str, Any]:
    """What every JSON document about a fit starts with."""
    fit, attrs = found.fit, found.fit.tree.attrs
    return {
        "data": fit.runs.source,
        "data_sha256": fit.runs.sha256,
        "runs": len(fit.runs),
        "law": json.loads(attrs["law"])["name"],
        "law_reason": found.reason,
        "noise": json.loads(attrs["noise"])["name"],
        "discrepancy": attrs.get("discrepancy", "none"),
        "seed": fit.seed,
        "prob": prob,
        "interval": "equal-tailed",
        "flop_convention": str(fit.runs.cost),
        "params_counted": fit.runs.params_counted,
        "loss_unit": fit.runs.loss_unit,
        "derived": fit.runs.derived or None,
    }


def title(found: Found) -> None:
    """Name data, law, noise and seed in a line."""
    fit, attrs = found.fit, found.fit.tree.attrs
    law, noise = (json.loads(attrs[name])["name"] for name in ("law", "noise"))
    bend = " and smooth discrepancy" if attrs.get("discrepancy") == "waves" else ""
    show.line(
        f"{law} law with {noise} noise{bend}, {len(fit.runs)} runs of {fit.runs.source}, "
        f"seed {fit.seed}",
        bold=True,
    )


def conventions(found: Found) -> None:
    """Say how compute and parameters were counted, and what the loss is."""
    runs = found.fit.runs
    derived = f" ({runs.derived})" if runs.derived else ""
    show.line(f"FLOP convention: {runs.cost}{derived}")
    show.line(f"parameters counted: {runs.params_counted}")
    show.line(f"loss unit: {runs.loss_unit}")
