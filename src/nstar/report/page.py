"""The page: facts, figures and words put into the template; self-contained."""

from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nstar.report import figures
from nstar.report.facts import Facts
from nstar.report.words import LEADS, SECTIONS
from nstar.routes import Routes
from nstar.types import Surface
from nstar.wording import count, counts, flop, numbers, three


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
        "count": count, "counts": counts, "flop": flop, "numbers": numbers, "three": three,
    }  # fmt: skip
    prob = facts.document["prob"]
    leads = {
        name: text.format(prob=prob, lead=routes.lead.words)
        for name, text in LEADS.items()
    }
    return environment.get_template("page.html.j2").render(
        facts=facts.document,
        sections=SECTIONS,
        leads=leads,
        pictures=_pictures(routes, facts, prob),
    )


def _pictures(routes: Routes, facts: Facts, prob: float) -> dict[str, list[Picture]]:
    published = [held.published for held in facts.comparisons]
    drawn: dict[str, list[Picture]] = {"allocation": [], "profiles": [], "target": []}

    def add(section: str, alt: str, draw: Any, *args: Any, height: float = 4.4) -> None:
        svg = Markup(figures.svg(draw, *args, height=height))  # noqa: S704  our own drawing
        drawn[section].append(Picture(SECTIONS[section], alt, svg))

    words = ", ".join(route.words for route in routes.taken)
    add(
        "allocation",
        f"D* against C by {words}, with {prob:.0%} bands, measured optima and the published line.",
        figures.allocation, routes, published, prob,
    )  # fmt: skip
    for route in routes.taken:
        if "budget" in route.fit.law.inputs:
            alt = "Loss against tokens for each isoFLOP budget: runs as points, fitted curves with bands."
            add("profiles", alt, figures.profiles, route.fit, prob, height=5.2)
        if isinstance(route.fit.law, Surface):
            C = float(route.plan.budgets[-1])
            alt = f"Loss against N at {flop(C)} FLOP by the {route.words}, with draws of N* below."
            add("target", alt, figures.target, route, C, prob, height=3.6)
    return drawn
