"""The page: facts, figures and words put into the template; self-contained."""

from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nstar.report import figures, regret, spending, tables
from nstar.report.drawing import svg
from nstar.report.facts import Facts
from nstar.report.words import LEADS, SECTIONS
from nstar.risk import LEVEL
from nstar.routes import Routes
from nstar.types import Surface
from nstar.wording import count, flop, percent, share, shown, visible

SHAPES = ("N", "D")  # of allocation figures, in this order


class Picture(NamedTuple):
    """A figure on the page."""

    title: str
    alt: str  # what it shows, for those who cannot see it
    svg: Markup


def page(routes: Routes, facts: Facts) -> str:
    """Write the report as one HTML page that needs nothing else."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count, "flop": flop, "visible": visible, "beside": tables.published,
    }  # fmt: skip
    document = facts.document
    budget = float(routes.lead.plan.budgets[-1])
    prob = percent(document["prob"])
    said = {"lead": routes.lead.words, "budget": flop(budget), "tail": share(1 - LEVEL)}
    leads = {name: text.format(prob=prob, **said) for name, text in LEADS.items()}
    return environment.get_template("page.html.j2").render(
        name=shown(document["data"]),
        facts=document,
        sections=SECTIONS,
        leads=leads,
        pictures=_pictures(routes, facts, budget),
        open_checks=tables.checks(document, passed=False),
        passed_checks=tables.checks(document, passed=True),
        answer=tables.answer(document),
        lines=tables.lines(document),
        shares=tables.shares(document),
        risk=tables.risk(document),
        money=tables.money(document),
        provenance=tables.provenance(document),
    )


def _pictures(routes: Routes, facts: Facts, C: float) -> dict[str, list[Picture]]:
    published = [held.published for held in facts.comparisons]
    prob = facts.document["prob"]
    drawn: dict[str, list[Picture]] = {
        "allocation": [],
        "target": [],
        "risk": [],
        "profiles": [],
    }

    def add(section: str, title: str, alt: str, draw: Any, *args: Any) -> None:
        name = f"{section}-{len(drawn[section])}"
        height = 4.6 if section == "profiles" else 3.9
        text = svg(name, title, alt, draw, *args, height=height)
        drawn[section].append(Picture(title, alt, Markup(text)))  # noqa: S704  our own

    lines = figures.lines(routes)
    words = ", ".join(route.words for route in routes.taken)
    for what in SHAPES:
        name = figures.WORDS[what]
        add(
            "allocation",
            f"{name[0].upper()}{name[1:]} against training compute",
            f"{what}* against C by {words}, with {percent(prob)} bands, measured optima and published lines.",
            figures.allocation, routes, lines, published, prob, what,
        )  # fmt: skip
    if any(isinstance(route.fit.law, Surface) for route in routes.taken):
        add(
            "target",
            f"Loss against parameters at {flop(C)} FLOP",
            f"Loss along the line of equal cost, with {percent(prob)} bands, recommended runs and draws of N*.",
            spending.target, routes, published, C, prob,
        )  # fmt: skip
    if facts.risks:
        add(
            "risk",
            f"Loss given away by size at {flop(C)} FLOP",
            "Mean regret against model size by each route, what one draw in twenty exceeds, and the actions weighed.",
            regret.curve, facts.risks,
        )  # fmt: skip
    for route in routes.taken:
        if "budget" in route.fit.law.inputs:
            add(
                "profiles",
                "Loss against tokens at every measured budget",
                f"Runs as points, fitted curves with {percent(prob)} bands, one a budget.",
                figures.profiles, route.fit, prob,
            )  # fmt: skip
    return drawn
