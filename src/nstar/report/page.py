"""The budget page: facts, figures and words put into the template; self-contained."""

from nstar.answers import Document
from nstar.plans.risk import LEVEL
from nstar.plans.routes import Routes
from nstar.report import forecasts, tables
from nstar.report.facts import Facts
from nstar.report.markup import environment
from nstar.report.page_figures import draw_pictures
from nstar.report.words import (
    INTRODUCTIONS,
    NO_LOSS,
    NO_MONEY,
    NOTHING_NEXT,
    SECTIONS,
)
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
            public=facts.public,
            sections=SECTIONS,
            introductions=_introductions(routes, document, budget),
            notes=NOTES | {"forecasts": forecasts.summary(document)},
            pictures=draw_pictures(routes, facts, budget),
            open_checks=tables.checks(document, passed=False),
            passed_checks=tables.checks(document, passed=True),
            tables={
                "answer": tables.optima_by_route(document),
                "held_out": tables.held_out(document),
                "optima": tables.optima(document),
                "forecasts": forecasts.table(document),
                "coverage": forecasts.coverage(document),
                "target": tables.target(document),
                "shares": tables.loss_sources(document),
                "candidates": tables.actions(document),
                "by_route": tables.actions_by_route(document),
                "lines": tables.power_laws(document),
                "serving": tables.serving(document),
                "wrong": tables.tail_losses(document),
                "universes": tables.universes(document),
                "owed": tables.prior_scales(document),
                "money": tables.bills(document),
                "released": tables.released_models(document),
                "next": tables.next_runs(document),
            },
            provenance=tables.provenance(document),
        )
    )


def _introductions(routes: Routes, document: Document, budget: float) -> dict[str, str]:
    served = document["serving"]
    values = {
        "prob": percent(document["prob"]),
        "lead": routes.primary.title,
        "owed": document["owed_to_priors"]["route"],
        "at": f"{flop(document['owed_to_priors']['budget'])} FLOP",
        "by": document["decision"]["by"],
        "budget": flop(budget),
        "one_in": f"{1 / (1 - LEVEL):.3g}",
        "served": f"{_amount(served['served_tokens'])} tokens" if served else "",
    }
    return {name: text.format(**values) for name, text in INTRODUCTIONS.items()}


def _amount(interval: dict[str, float]) -> str:
    """Write an interval, or one number where it has no width."""
    return (
        count(interval["median"])
        if interval["lower"] == interval["upper"]
        else counts(interval)
    )
