"""The report of a ladder too small for any route: it says so, and what would do."""

from typing import Any

from nstar.report import tables
from nstar.report.markup import environment
from nstar.report.words import REMEDY, SECTIONS
from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status
from nstar.wording import flop, shown


def refusal(
    runs: Observations, why: str, budget: float, command: str, seed: int, prob: float
) -> dict[str, Any]:
    """Say why nothing is said; the document of a report without routes.

    Args:
        runs: the ladder.
        why: what each route lacks.
        budget: FLOP that was asked about.
        command: what the user typed.
        seed: that would have been used.
        prob: likewise.
    """
    headline = (
        f"FAIL: {len(runs)} runs cannot say what to train with {flop(budget)} FLOP; "
        "no number is given rather than one that rests on priors alone."
    )
    return {
        "headline": headline,
        "status": str(Status.FAIL),
        "data": runs.source,
        "seed": seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [check.as_json() for check in checks(runs, why)],
        "routes": [],
        "provenance": {
            "command": command,
            "data": runs.source,
            "data_sha256": runs.sha256,
            "runs": len(runs),
            "flop_convention": str(runs.cost),
            "derived": runs.derived or "nothing",
        },
    }


def checks(runs: Observations, why: str) -> list[Check]:
    """What is wrong with the ladder, then what was noticed of its runs."""
    return [Check("enough runs", Status.FAIL, why), *runs.notes]


def page(document: dict[str, Any]) -> str:
    """Write it as one HTML page that needs nothing else."""
    return (
        environment()
        .get_template("refusal.html.j2")
        .render(
            name=shown(document["data"]),
            facts=document,
            sections=SECTIONS,
            remedy=REMEDY,
            provenance=tables.provenance(document),
        )
    )
