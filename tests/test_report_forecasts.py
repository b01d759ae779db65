"""The project's frozen forecasts on the report's page, beside what came."""

import json
from datetime import UTC, datetime

import pytest
from lxml import html

import nstar
from nstar.files.writing import json_text
from nstar.fits.refit_cache import RefitCache
from nstar.ledger.entries import Ledger
from nstar.ledger.verification import as_json
from nstar.plans.routes import routes_of_saved
from nstar.report.facts import Question, gather
from nstar.report.forecasts import scored_forecasts
from nstar.report.page import page
from nstar.wording import count, digits, numbers, percent

RUNS = {"hero": (7e9, 1.4e11), "small <b>": (1e9, 3e10), "next": (4e10, 2e12)}


@pytest.fixture(scope="module")
def ledger(surface_fit):
    """One that held, one far off, one open."""
    when, book = datetime(2026, 1, 31, tzinfo=UTC), Ledger()
    for name, (N, D) in RUNS.items():
        said = nstar.forecast(surface_fit, N, D, name=name, checks=(), when=when)
        book = book.freeze(said)
    loss = book.forecasts["hero"].measured.interval(0.5).median * 1.001
    return book.score("hero", loss).score("small <b>", 0.9)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Answers that the pages share."""
    return RefitCache(tmp_path_factory.mktemp("kept"))


def made(fit, ledger, kept):
    routes = routes_of_saved(fit, [1e22])
    question = Question(quick=True, ledger=ledger)
    facts = gather(routes, None, 0.9, "nstar report", question, kept)
    text = page(routes, facts)
    return facts, text, html.document_fromstring(text)


@pytest.fixture(scope="module")
def told(surface_fit, ledger, kept):
    return made(surface_fit, ledger, kept)


def rows(table):
    return [
        [" ".join(cell.text_content().split()) for cell in row.xpath("td")]
        for row in table.xpath(".//tbody/tr")
    ]


def test_every_forecast_and_what_came_is_on_the_page(told, ledger):
    facts, _, tree = told
    document = facts.document["forecasts"]
    assert document == as_json(ledger, 0.9)
    assert json.loads(json_text(facts.document))["forecasts"] == document
    listed, counted = tree.xpath("//section[@id='trust']//table")[-2:]
    for row, one in zip(rows(listed), document["forecasts"], strict=True):
        assert row[:4] == [one["name"], "2026-01-31", count(one["N"]), count(one["D"])]
        assert row[5] == numbers(one["measured"], 4)
        came = one["outcome"]
        assert row[6] == (digits(came["loss"], 4) if came else "open")
    assert [row[8] for row in rows(listed)] == ["inside 50%", "outside 95%", "–"]
    for row, (level, one) in zip(
        rows(counted), document["record"]["coverage"].items(), strict=True
    ):
        assert row == [
            percent(float(level)),
            f"{one['held']} of 2",
            f"{one['lower']} to {one['upper']}",
        ]
    words = tree.xpath("//section[@id='trust']")[0].text_content()
    assert ledger.head[:12] in words
    assert f"mean CRPS {digits(document['record']['crps'], 2)}" in words


def test_its_figure_says_what_fell_outside(told):
    facts, _, tree = told
    (drawing,) = tree.xpath("//section[@id='trust']//figure/svg")
    assert "What was forecast before its run" in drawing.text_content()
    runs = scored_forecasts(facts.record)
    inside = (runs.measured >= runs.outer[0]) & (runs.measured <= runs.outer[1])
    assert inside.tolist() == [True, False]
    check = next(c for c in facts.checks if c.name == "forecasts hold")
    assert "1 of 2 scored forecasts lie in their 90% intervals" in check.detail


def test_a_page_without_a_ledger_says_nothing_of_forecasts(surface_fit, kept):
    facts, text, tree = made(surface_fit, None, kept)
    assert facts.document["forecasts"] is None
    assert "frozen" not in text
    assert not tree.xpath("//section[@id='trust']//figure")


def test_open_forecasts_alone_have_a_table_and_no_figure(surface_fit, ledger, kept):
    only = Ledger(ledger.entries[:3])
    facts, _, tree = made(surface_fit, only, kept)
    assert [
        row[6] for row in rows(tree.xpath("//section[@id='trust']//table")[-1])
    ] == ["open"] * 3
    assert not tree.xpath("//section[@id='trust']//figure")
    check = next(c for c in facts.checks if c.name == "forecasts hold")
    assert "open: hero" in check.detail
