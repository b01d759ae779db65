"""The figures of the budget page, with their titles and alternative texts."""

from typing import Any

from nstar.answers import Document
from nstar.plans.actions import Action
from nstar.plans.routes import Routes
from nstar.report import (
    allocation_figures,
    forecasts,
    held_out_figure,
    loss_by_budget_figure,
    loss_by_size_figure,
    prior_scales_figure,
    recipes_figure,
    regret_figure,
    universes_figure,
)
from nstar.report.decision import MIXTURE
from nstar.report.drawing import colour
from nstar.report.facts import Facts
from nstar.report.sections import Picture, picture
from nstar.types import Surface, of_profiles
from nstar.validation.hindsight import decades_text
from nstar.wording import flop, percent

SHAPES = ("N", "D")  # of allocation figures, in this order
# inches; figures beside each other or on a narrow screen, and those across the page
HALF, SHORT, WIDE = (4.6, 3.5), (4.6, 2.9), (9.2, 3.9)


class Album:
    """Figures by their place on the page."""

    def __init__(self) -> None:
        """Begin with every place empty."""
        places = (
            "held_out",
            "forecasts",
            "recipes",
            "line",
            "regret",
            "allocation",
            "target",
            "profiles",
            "universes",
            "owed",
        )
        self.pictures: dict[str, list[Picture]] = {place: [] for place in places}

    def add(
        self,
        place: str,
        title: str,
        alt: str,
        draw: Any,
        *args: Any,
        size: tuple[float, float] = HALF,
        narrow: tuple[float, float] | None = None,
    ) -> None:
        """Draw one more figure for a place, and once more where it spans the page.

        Args:
            place: on the page.
            title: below the figure.
            alt: what it shows, for those who hear the page.
            draw: draws on axes.
            args: of `draw`.
            size: width and height, in inches.
            narrow: the same for a narrow screen, of a figure across the page.
        """
        name = f"{place.replace('_', '-')}-{len(self.pictures[place])}"
        added = picture(name, title, alt, draw, *args, size=size)
        if narrow is not None:
            small = picture(f"{name}-narrow", title, alt, draw, *args, size=narrow)
            added = added._replace(narrow=small.svg)
        self.pictures[place].append(added)


def draw_pictures(routes: Routes, facts: Facts, C: float) -> dict[str, list[Picture]]:
    """Draw every figure of the page."""
    album = Album()
    _trust(album, routes, facts)
    _recipes(album, facts)
    _spending(album, routes, facts, C)
    if facts.loss_by_budget:
        runs = routes.runs["C"], routes.runs["L"]
        budgets = [float(budget) for budget in routes.primary.plan.budgets]
        bands = ", ".join(percent(p) for p in facts.loss_by_budget.bands)
        album.add(
            "line",
            "Loss of the recommended run against training compute",
            f"The median falls along compute inside bands of {bands} probability; runs as points, budgets as dots.",
            loss_by_budget_figure.bands,
            facts.loss_by_budget,
            runs,
            budgets,
            facts.reach,
            size=SHORT,
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
            size=(WIDE[0], 1.0 + 0.34 * rows),
            narrow=(HALF[0], 1.1 + 0.42 * rows),
        )
    _prior_scales(album, facts.document["owed_to_priors"]["scales"])
    return album.pictures


def _prior_scales(album: Album, scales: list[Document]) -> None:
    """Add N* and L* under other priors, where any was tried."""
    if len(scales) < 2:
        return
    alt = "One line a prior made half or twice as wide; dotted the ends of the interval under the priors as they are."
    size = HALF[0], 1.0 + 0.34 * len(scales)
    title = "N* with priors half and twice as wide"
    album.add("owed", title, alt, prior_scales_figure.size_intervals, scales, size=size)
    if "L*" in scales[0]["intervals"]:
        title = "L* with priors half and twice as wide"
        album.add(
            "owed", title, alt, prior_scales_figure.loss_intervals, scales, size=size
        )


def _trust(album: Album, routes: Routes, facts: Facts) -> None:
    responses = {route.title: route.fit.law.response for route in routes.fitted}
    for trial in facts.hold_outs:
        inside = percent(round(trial.scores["coverage"]["0.9"], 2))
        album.add(
            "held_out",
            f"{trial.route}: the top {decades_text(trial.decades)} held out",
            f"{trial.n_test} held-out runs about their prediction with 50% and 90% intervals, which hold {inside} of them.",
            held_out_figure.labelled_panel,
            held_out_figure.from_trial(trial, responses[trial.route]),
            size=SHORT,
        )
    if facts.record and facts.record.counted:
        runs = forecasts.scored_forecasts(facts.record)
        album.add(
            "forecasts",
            "What was forecast before its run, and what came",
            f"{len(runs.measured)} runs about their forecasts with 50% and 90% intervals, in the order they were frozen.",
            held_out_figure.labelled_panel,
            runs,
            "forecasts, as they were frozen",
            size=SHORT,
        )


def _recipes(album: Album, facts: Facts) -> None:
    """Add the multipliers of recipes over compute."""
    document = facts.document["recipes"]
    if document:
        base, prob = document["baseline"], percent(document["prob"])
        album.add(
            "recipes",
            f"Multiplier of each recipe beside {base} against training compute",
            f"Medians of the multiplier with {prob} bands over compute, with medians under other floors at the budgets.",
            recipes_figure.panel,
            document,
        )


def _spending(album: Album, routes: Routes, facts: Facts, C: float) -> None:
    published = [comparison.published for comparison in facts.comparisons]
    prob = facts.document["prob"]
    lines = allocation_figures.lines(routes)
    names = ", ".join(route.title for route in routes.fitted)
    candidates = _candidates(routes, facts, C)
    for quantity in SHAPES:
        title = allocation_figures.WORDS[quantity]
        album.add(
            "allocation",
            f"{title[0].upper()}{title[1:]} against training compute",
            f"{quantity}* against C by {names}, with {percent(prob)} bands, measured optima and published lines.",
            allocation_figures.allocation,
            routes,
            lines,
            published,
            prob,
            quantity,
            candidates,
        )
    if any(isinstance(route.fit.law, Surface) for route in routes.fitted):
        album.add(
            "target",
            f"Loss against parameters at {flop(C)} FLOP",
            f"Loss along the line of equal cost, with {percent(prob)} bands, recommended runs and draws of N*.",
            loss_by_size_figure.target,
            routes,
            published,
            C,
            prob,
            candidates,
        )
    if facts.risks and facts.risks[0][1].draws.sizes["size"] > 1:
        colours = {route.title: colour(route.name) for route in routes.fitted}
        album.add(
            "regret",
            f"Loss given away by size at {flop(C)} FLOP",
            "Mean regret against model size by what is believed, what one draw in twenty exceeds, and the actions weighed.",
            regret_figure.curve,
            facts.risks,
            colours | {MIXTURE: colour(MIXTURE)},
            size=SHORT,
        )
    for route in routes.fitted:
        if of_profiles(route.fit.law):
            album.add(
                "profiles",
                "Loss against tokens at every measured budget",
                f"Runs as points, fitted curves with {percent(prob)} bands, one a budget.",
                allocation_figures.profiles,
                route.fit,
                prob,
                size=WIDE,
                narrow=(HALF[0], 4.6),
            )


def _candidates(routes: Routes, facts: Facts, C: float) -> list[Action]:
    """Return the runs that the user named, with their tokens."""
    if facts.risks:
        risk = facts.risks[0][1]
        return list(risk.actions[len(risk.actions) - risk.named :])
    placed = {p["name"]: p["N"] for p in facts.document["placed"]}
    limits = routes.primary.plan.limits
    return [Action(n, N).at(C, routes.runs.cost, limits) for n, N in placed.items()]
