"""Which figures a page has, with their titles and what they say to those who cannot see them."""

from typing import Any, NamedTuple

from markupsafe import Markup

from nstar.plans.routes import Routes
from nstar.report import (
    buying_figure,
    figures,
    foretold,
    held_out,
    owed_figure,
    regret,
    spending,
    universes_figure,
)
from nstar.report.deciding import MIXTURE
from nstar.report.drawing import colour, svg
from nstar.report.facts import Facts
from nstar.report.tiles import density, tiles
from nstar.types import Surface, of_profiles
from nstar.validation.hindsight import decades_text
from nstar.wording import counts, digits, flop, numbers, percent

SHAPES = ("N", "D")  # of allocation figures, in this order
USUAL, SMALL, TALL = (5.8, 3.9), (5.0, 2.3), (5.8, 4.6)  # inches


class Picture(NamedTuple):
    """A figure on the page."""

    title: str
    alt: str  # what it shows, for those who cannot see it
    svg: Markup
    big: str = ""  # the number it stands for
    note: str = ""


class Album:
    """Figures by the place they have on the page."""

    def __init__(self) -> None:
        """Begin with every place empty."""
        places = (
            "tiles",
            "held_out",
            "forecasts",
            "line",
            "allocation",
            "target",
            "profiles",
            "universes",
            "owed",
        )
        self.drawn: dict[str, list[Picture]] = {place: [] for place in places}

    def add(
        self,
        place: str,
        title: str,
        alt: str,
        draw: Any,
        *args: Any,
        size: tuple[float, float] = USUAL,
        words: tuple[str, str] = ("", ""),
    ) -> None:
        """Draw one more figure for a place."""
        name = f"{place.replace('_', '-')}-{len(self.drawn[place])}"
        text = svg(name, title, alt, draw, *args, size=size)
        self.drawn[place].append(Picture(title, alt, Markup(text), *words))  # noqa: S704  our own


def pictures(routes: Routes, facts: Facts, C: float) -> dict[str, list[Picture]]:
    """Draw every figure of the page."""
    album = Album()
    _decision(album, facts)
    _trust(album, facts)
    _spending(album, routes, facts, C)
    if facts.line:
        runs = routes.runs["C"], routes.runs["L"]
        budgets = [float(budget) for budget in routes.primary.plan.budgets]
        bands = ", ".join(percent(p) for p in facts.line.bands)
        album.add(
            "line",
            "Loss of the recommended run against training compute",
            f"The median falls along compute inside bands of {bands} probability; runs as points, budgets as dots.",
            buying_figure.bands,
            facts.line,
            runs,
            budgets,
            facts.reach,
        )
    if any(u["N"] for u in facts.document["universes"]):
        rows = len(facts.document["universes"])
        album.add(
            "universes",
            "N* under other choices of law, prior, noise and runs",
            "One line an alternative, with N* and its interval; dashed the recommended size; mean regret at the right.",
            universes_figure.intervals,
            facts.document["universes"],
            facts.decision.N,
            size=(6.8, 1.1 + 0.42 * rows),
        )
    _owed(album, facts.document["owed_to_priors"]["scales"])
    return album.drawn


def _owed(album: Album, scales: list[dict[str, Any]]) -> None:
    """N* and L* under other priors, where any was tried."""
    if len(scales) < 2:
        return
    alt = "One line a prior made half or twice as wide; dotted the ends of the interval under the priors as they are."
    size = 5.8, 1.0 + 0.34 * len(scales)
    title = "N* with priors half and twice as wide"
    album.add("owed", title, alt, owed_figure.sizes, scales, size=size)
    if "L*" in scales[0]["intervals"]:
        title = "L* with priors half and twice as wide"
        album.add("owed", title, alt, owed_figure.losses, scales, size=size)


def _decision(album: Album, facts: Facts) -> None:
    prob = facts.document["prob"]
    target = facts.reach.target if facts.reach else None
    for tile in tiles(facts.decision, target):
        read = facts.document["decision"]
        said = {
            "Size": read["N_star"],
            "Tokens": read["D_star"],
            "Loss": read["loss"],
            "Given away": read["regret"],
        }.get(tile.title)
        write = counts if tile.title in {"Size", "Tokens"} else lambda i: numbers(i, 3)
        ends = f"; median [{percent(prob)} interval] {write(said)}" if said else ""
        mark = (
            "" if tile.mark is None else f", {tile.of_mark} at {digits(tile.mark, 3)}"
        )
        album.add(
            "tiles",
            f"{tile.title}: {tile.big} for {flop(facts.decision.C)} FLOP",
            f"Histogram of {tile.note}{ends}{mark}.",
            density,
            tile,
            prob,
            size=SMALL,
            words=(tile.big, tile.note),
        )


def _trust(album: Album, facts: Facts) -> None:
    for trial in facts.held:
        inside = percent(round(trial.scores["coverage"]["0.9"], 2))
        album.add(
            "held_out",
            f"{trial.route}: the top {decades_text(trial.decades)} held out",
            f"{trial.n_test} held-out runs about their prediction with 50% and 90% intervals, which hold {inside} of them.",
            held_out.alone,
            held_out.of_trial(trial),
            size=(5.0, 3.0),
        )
    if facts.record and facts.record.counted:
        said = foretold.held(facts.record)
        album.add(
            "forecasts",
            "What was forecast before its run, and what came",
            f"{len(said.came)} runs about their forecasts with 50% and 90% intervals, in the order they were frozen.",
            foretold.drawn,
            said,
            size=(5.0, 3.0),
        )


def _spending(album: Album, routes: Routes, facts: Facts, C: float) -> None:
    published = [held.published for held in facts.comparisons]
    prob = facts.document["prob"]
    lines = figures.lines(routes)
    words = ", ".join(route.title for route in routes.fitted)
    for what in SHAPES:
        name = figures.WORDS[what]
        album.add(
            "allocation",
            f"{name[0].upper()}{name[1:]} against training compute",
            f"{what}* against C by {words}, with {percent(prob)} bands, measured optima and published lines.",
            figures.allocation,
            routes,
            lines,
            published,
            prob,
            what,
        )
    if any(isinstance(route.fit.law, Surface) for route in routes.fitted):
        album.add(
            "target",
            f"Loss against parameters at {flop(C)} FLOP",
            f"Loss along the line of equal cost, with {percent(prob)} bands, recommended runs and draws of N*.",
            spending.target,
            routes,
            published,
            C,
            prob,
        )
    if facts.risks and facts.risks[0][1].draws.sizes["size"] > 1:
        of_route = {route.title: colour(route.name) for route in routes.fitted}
        album.add(
            "target",
            f"Loss given away by size at {flop(C)} FLOP",
            "Mean regret against model size by what is believed, what one draw in twenty exceeds, and the actions weighed.",
            regret.curve,
            facts.risks,
            of_route | {MIXTURE: colour(MIXTURE)},
        )
    for route in routes.fitted:
        if of_profiles(route.fit.law):
            album.add(
                "profiles",
                "Loss against tokens at every measured budget",
                f"Runs as points, fitted curves with {percent(prob)} bands, one a budget.",
                figures.profiles,
                route.fit,
                prob,
                size=TALL,
            )
