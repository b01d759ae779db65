"""The budget page: a sheet to decide by, and an appendix; self-contained."""

from string import ascii_uppercase

from nstar.answers import Answer, Document, Table
from nstar.definitions import DEFINITIONS, defined_in
from nstar.plans import tables as answers
from nstar.plans.routes import Routes
from nstar.report import forecasts, tables
from nstar.report.facts import Facts
from nstar.report.markup import environment, mark_first_uses, text_of
from nstar.report.page_figures import draw_pictures
from nstar.report.sections import Picture
from nstar.report.verdict import Ruling
from nstar.report.words import INTRODUCTIONS, NO_LOSS, NO_MONEY, SECTIONS
from nstar.wording import count, counts, flop, percent, shown, visible

CLASSES = {Ruling.GO: "PASS", Ruling.PILOT: "REVIEW", Ruling.STOP: "FAIL"}


def page(routes: Routes, facts: Facts) -> str:
    """Write the report as one HTML page that needs nothing else.

    The words that its text uses are defined at the end, and marked where they are first used.
    """
    document = facts.document
    budget = float(routes.primary.plan.budgets[-1])
    template = environment().get_template("page.html.j2")
    sections = _sections(facts)
    values = {
        "name": shown(document["data"]),
        "facts": document,
        "sheet": document["sheet"],
        "verdict_class": CLASSES[facts.verdict.ruling],
        "sections": sections,
        "letters": dict(zip(sections, ascii_uppercase, strict=False)),
        "introductions": _introductions(routes, document, budget),
        "notes": {
            "passed": tables.names_of_passed(document),
            "next": tables.none_worth_making(document),
            "money": NO_MONEY,
            "loss": NO_LOSS,
            "shares": tables.variance_shares(document),
            "forecasts": forecasts.summary(document),
        },
        "pictures": _arrange(draw_pictures(routes, facts, budget)),
        "open_checks": tables.checks(document, passed=False),
        "passed_checks": tables.checks(document, passed=True),
        "answers": _answers(facts),
        "tables": {
            "answer": tables.optima_by_route(document),
            "held_out": tables.held_out(document),
            "forecasts": forecasts.table(document),
            "choices": forecasts.choices(document),
            "coverage": forecasts.coverage(document),
            "by_route": tables.candidates_by_route(document),
            "lines": tables.power_laws(document),
            "universes": tables.universes(document),
            "owed": tables.prior_scales(document),
            "released": tables.released_models(document),
            "next": tables.next_runs(document),
        },
        "provenance": tables.provenance(document),
    }
    used = defined_in([text_of(template.render(words={}, **values))])
    words = {term: DEFINITIONS[term] for term in used}
    return mark_first_uses(template.render(words=words, **values), used)


def _sections(facts: Facts) -> dict[str, str]:
    """Places and titles of the sections that the page has."""
    optional = {"recipes": facts.recipes, "tasks": facts.tasks}
    return {
        place: title for place, title in SECTIONS.items() if optional.get(place, True)
    }


def _answers(facts: Facts) -> dict[str, list[Table | str]]:
    """Tables and sentences of the answers, as the commands print them."""
    prob, document = facts.document["prob"], facts.document
    parts: dict[str, list[Table | str]] = {
        "target": _shown(facts.reach, prob),
        "serving": _shown(facts.served, prob),
        "public": _shown(facts.public, prob),
        "recipes": [_visible(part) for part in _shown(facts.recipes, prob)],
        "tasks": _shown(facts.tasks, prob),
    }
    risk = document["risk"][0] if document["risk"] else None
    return parts | {
        "actions": list(answers.actions(risk, prob)) if risk else [],
        "chances": list(answers.chances(risk)) if risk else [],
        "takes": list(answers.takes(risk, prob)) if risk else [],
    }


def _shown(answer: Answer | None, prob: float) -> list[Table | str]:
    """Show an answer as its command does: its headline, then its tables."""
    return [answer.headline(prob), *answer.tables(prob)] if answer else []


def _visible(part: Table | str) -> Table | str:
    """Show what a recipe's name may hide."""
    if isinstance(part, str):
        return visible(part)
    rows = [[visible(cell) for cell in row] for row in part.rows]
    return Table(visible(part.title), [visible(n) for n in part.header], rows)


def _arrange(pictures: dict[str, list[Picture]]) -> dict[str, list[Picture]]:
    """Put the figures that decide onto the sheet: of losses and regret, else of the optima."""
    sheet = pictures["line"] + pictures["regret"]
    if not sheet:
        sheet, pictures = pictures["allocation"], pictures | {"allocation": []}
    return pictures | {
        "sheet": sheet,
        "shape": pictures["target"] + pictures["profiles"],
    }


def _introductions(routes: Routes, document: Document, budget: float) -> dict[str, str]:
    served, recipes = document["serving"], document["recipes"]
    values = {
        "prob": percent(document["prob"]),
        "owed": document["owed_to_priors"]["route"],
        "at": f"{flop(document['owed_to_priors']['budget'])} FLOP",
        "by": document["decision"]["by"],
        "recipe": recipes["budgets"][0]["choice"] if recipes else "",
        "baseline": recipes["baseline"] if recipes else "",
        "served": f"{_amount(served['served_tokens'])} tokens" if served else "",
    }
    written = {name: text.format(**values) for name, text in INTRODUCTIONS.items()}
    written["shape"] = (
        f"At {flop(budget)} FLOP: {written['target']} {written['profiles']}"
    )
    return written


def _amount(interval: dict[str, float]) -> str:
    """Write an interval, or one number where it has no width."""
    return (
        count(interval["median"])
        if interval["lower"] == interval["upper"]
        else counts(interval)
    )
