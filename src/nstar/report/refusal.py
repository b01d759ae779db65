"""The report of a ladder too small for any route: why, and which runs are missing."""

from nstar.answers import Document
from nstar.report import tables
from nstar.report.markup import environment
from nstar.report.verdict import rule
from nstar.report.words import REMEDY, SECTIONS
from nstar.runs.observations import Observations
from nstar.verdicts import Check, Status
from nstar.wording import flop, shown


def refusal(
    runs: Observations, why: str, budget: float, command: str, seed: int, prob: float
) -> Document:
    """Return the document of a report without routes, which says why it has none.

    Args:
        runs: the ladder.
        why: no route could be fitted.
        budget: FLOP.
        command: what the user typed.
        seed: of the fits, had there been any.
        prob: of the intervals, likewise.
    """
    headline = (
        f"FAIL: {len(runs)} runs cannot say what to train with {flop(budget)} FLOP; "
        "no number is given rather than one that rests on priors alone."
    )
    findings = checks(runs, why)
    return {
        "headline": headline,
        "verdict": rule(findings, None, None, None).as_json(prob),
        "status": str(Status.FAIL),
        "data": runs.source,
        "seed": seed,
        "prob": prob,
        "interval": "equal-tailed",
        "checks": [check.as_json() for check in findings],
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
    """Return why the ladder is too small, then the notes on its runs."""
    return [Check("enough runs", Status.FAIL, why), *runs.notes]


def page(document: Document) -> str:
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
