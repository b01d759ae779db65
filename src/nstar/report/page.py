"""The page: facts, figures and words put into the template; self-contained."""

from typing import Any

from nstar.plans.risk import LEVEL
from nstar.plans.routes import Routes
from nstar.report import foretold, tables
from nstar.report.facts import Facts
from nstar.report.markup import environment
from nstar.report.pictures import pictures
from nstar.report.words import LEADS, NO_LOSS, NO_MONEY, NOTHING_NEXT, SECTIONS
from nstar.wording import count, counts, flop, percent, shown

NOTES = {"next": NOTHING_NEXT, "money": NO_MONEY, "loss": NO_LOSS}


def page(routes: Routes, facts: Facts) -> str:
    """Write the report as one HTML page that needs nothing else."""
    document = facts.document
    budget = float(routes.primary.plan.budgets[-1])
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            name=shown(document["data"]),
            facts=document,
            sections=SECTIONS,
            leads=_leads(routes, document, budget),
            notes=NOTES | {"forecasts": foretold.words(document)},
            pictures=pictures(routes, facts, budget),
            open_checks=tables.checks(document, passed=False),
            passed_checks=tables.checks(document, passed=True),
            tables={
                "answer": tables.answer(document),
                "held_out": tables.held_out(document),
                "optima": tables.optima(document),
                "forecasts": foretold.table(document),
                "coverage": foretold.coverage(document),
                "target": tables.target(document),
                "shares": tables.shares(document),
                "candidates": tables.candidates(document),
                "by_route": tables.by_route(document),
                "lines": tables.lines(document),
                "serving": tables.serving(document),
                "wrong": tables.wrong(document),
                "universes": tables.universes(document),
                "owed": tables.owed(document),
                "money": tables.money(document),
                "released": tables.released(document),
                "next": tables.following(document),
            },
            provenance=tables.provenance(document),
        )
    )


def _leads(routes: Routes, document: dict[str, Any], budget: float) -> dict[str, str]:
    served = document["serving"]
    said = {
        "prob": percent(document["prob"]),
        "lead": routes.primary.title,
        "owed": document["owed_to_priors"]["route"],
        "at": f"{flop(document['owed_to_priors']['budget'])} FLOP",
        "by": document["decision"]["by"],
        "budget": flop(budget),
        "one_in": f"{1 / (1 - LEVEL):.3g}",
        "served": f"{_amount(served['served_tokens'])} tokens" if served else "",
    }
    return {name: text.format(**said) for name, text in LEADS.items()}


def _amount(one: dict[str, float]) -> str:
    """Write an interval, or the number it is where nothing is uncertain."""
    return count(one["median"]) if one["lower"] == one["upper"] else counts(one)
