import dataclasses
import difflib
import fcntl
import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from lxml import html

import nstar
from drawings import clashes
from nstar.definitions import DEFINITIONS
from nstar.fits.mixture import Average
from nstar.fits.refit_cache import RefitCache
from nstar.fits.unknown_words import WORDS
from nstar.multipliers.tables import bounds
from nstar.plans.actions import Limits, parse_actions
from nstar.plans.bills import Bill
from nstar.plans.planning import plan
from nstar.plans.routes import Route, Routes, routes_of_saved
from nstar.published import hardware
from nstar.report import records
from nstar.report.facts import Question, gather
from nstar.report.page import page
from nstar.validation.hindsight import check_hold_outs, hold_out_routes
from nstar.verdicts import Check, Status
from nstar.wording import (
    beside,
    count,
    counts,
    digits,
    flop,
    money,
    numbers,
    share,
    shares,
    visible,
)

GOLDEN = Path(__file__).parent / "golden" / "llama3_report.txt"
COMMAND = "nstar report llama3 --budget 3.8e25"
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "\"'><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}",
    "direction": "abc\u202egnp.exe\u2066\u200f\n\x00\x1b[31m",
    "long": "x" * 10_000,
    "long words": "ladder of runs " * 700,
}


@pytest.fixture(scope="module")
def taken(llama3, isoflop_fit, allocation_fit, surface_fit):
    """Three routes, the surface one that does not bend, which is quick to fit again."""

    def routes(budgets):
        fits = isoflop_fit, allocation_fit, surface_fit
        names = "isoflop", "allocation", "coupled"
        made = (
            Route(name, fit, plan(fit, budgets))
            for name, fit in zip(names, fits, strict=True)
        )
        return Routes(llama3, tuple(made), {})

    return routes


QUESTION = Question(
    parse_actions(["8B", "llama3-405b"]),
    target=0.62,
    served=1.5e13,
    bill=Bill(hardware.get("h100"), price=2.5),
)
QUICK = Question(quick=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Re-fits that the workers share."""
    folder = tmp_path_factory.getbasetemp()
    return RefitCache(
        (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "kept"
    )


@pytest.fixture(scope="module")
def made(taken, kept):
    """The facts and the text of a page with everything on it."""
    routes = taken([3.8e25])
    kept.folder.mkdir(exist_ok=True)
    with open(kept.folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        facts = gather(routes, None, 0.9, COMMAND, QUESTION, kept)
    return facts, page(routes, facts)


@pytest.fixture(scope="module")
def tree(made):
    return html.document_fromstring(made[1])


@pytest.fixture(scope="module")
def compared():
    """Three recipes, the second of a name from outside and the best."""
    C = np.geomspace(1e18, 1e20, 5)
    names, gains = ("adamw", "<b>muon</b>\u202e", "lion"), (0.0, 0.3, 0.1)
    recipe, gain = np.repeat(names, len(C)), np.repeat(gains, len(C))
    C, N = np.tile(C, 3), np.sqrt(np.tile(C, 3) / 120)
    L = 1.7 + (C * np.exp(gain) / 1e19) ** -0.15
    table = {"recipe": recipe, "N": N, "D": 20 * N, "C": C, "L": L}
    return nstar.recipes(table, baseline="adamw", budget=3.8e21)


@pytest.fixture(scope="module")
def made_of_recipes(taken, kept, made, compared):
    """The same page where the table has several recipes."""
    routes, question = taken([3.8e25]), QUESTION._replace(recipes=compared)
    facts = gather(routes, None, 0.9, COMMAND, question, kept)
    return facts, page(routes, facts)


def cells(tree, section, number=0):
    table = tree.xpath(f"//section[@id='{section}']//table")[number]
    return [
        [" ".join(cell.text_content().split()) for cell in row.xpath("td")]
        for row in table.xpath(".//tbody/tr")
    ]


def test_the_page_needs_nothing_else(made, tree):
    text = made[1]
    assert "http" not in text
    assert "@import" not in text
    assert not tree.xpath("//script|//link|//iframe|//img|//object|//embed|//base")
    for address in tree.xpath("//@href|//@src|//@srcset|//@data|//@action"):
        assert address.startswith("#")
    for address in re.findall(r"url\(([^)]*)\)", text):
        assert address.startswith("#")
    assert len(text) < 1_000_000
    assert text.startswith("<!doctype html>")


def test_ids_are_unique_and_what_is_named_exists(tree):
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    named = {address[1:] for address in tree.xpath("//@href")}
    named |= set(
        re.findall(r"url\(#([^)]*)\)", html.tostring(tree, encoding="unicode"))
    )
    assert named <= set(ids)


def test_every_figure_has_a_title_and_a_text_alternative(tree):
    figures = tree.xpath("//figure")
    assert len(figures) == 2 + 2 + 2 + 2 + 1 + 2
    for figure in figures:
        for drawing in (shapes := figure.xpath("svg")):
            assert drawing.get("role") == "img"
            shown = [
                tree.get_element_by_id(i)
                for i in drawing.get("aria-labelledby").split()
            ]
            assert [one.tag for one in shown] == ["title", "desc"]
            assert all(len(one.text_content()) > 20 for one in shown)
        assert len(shapes) == (2 if figure.get("class") == "across" else 1)
        assert figure.xpath("figcaption")[0].text_content().strip()


def test_no_words_of_a_figure_lie_on_a_line_or_on_others(tree):
    figures = tree.xpath("//svg")
    assert [clash for one in figures for clash in clashes(one)] == []


def test_sections_come_in_the_order_a_reader_asks(tree):
    assert tree.xpath("//section/@id") == [
        "decision",
        "trust",
        "buys",
        "spend",
        "wrong",
        "money",
        "published",
        "next",
        "words",
        "provenance",
    ]
    assert 0 < len(tree.xpath("//section[@id='decision']//figure")) <= 3
    listed = [address[1:] for address in tree.xpath("//nav//a/@href")]
    assert listed == tree.xpath("//section/@id")[1:]
    order = [row[0] for row in cells(tree, "trust")]
    assert order == sorted(order, key=["FAIL", "REVIEW", "PASS"].index)


def test_every_check_is_on_the_page_once(made, tree):
    document = made[0].document
    rows = cells(tree, "trust", 0) + cells(tree, "trust", 1)
    assert rows == [[c["status"], c["name"], c["detail"]] for c in document["checks"]]
    assert len({tuple(row) for row in rows}) == len(rows)
    assert len({row[2] for row in rows if row[0] != "PASS"}) == sum(
        row[0] != "PASS" for row in rows
    )


def test_numbers_on_the_page_are_the_documents(made, tree):
    document = made[0].document
    answers = iter(cells(tree, "buys", 0))
    lines = iter(cells(tree, "spend", -1))
    none = "not in this law"
    for route in document["routes"]:
        for b in route["budgets"]:
            assert next(answers) == [
                route["route"],
                flop(b["C"]),
                counts(b["N"]),
                counts(b["D"]),
                numbers(b["tokens_per_parameter"]),
                numbers(b["loss"], 4) if b["loss"] else none,
                numbers(b["regret"], 2) if b["regret"] else none,
            ]
        power, level = route["exponents"], route["coefficients"]
        beyond = route["budgets"][-1]["slope_beyond"]
        assert next(lines)[1:6] == [
            numbers(power["N"]),
            numbers(power["D"]),
            numbers(beyond) if beyond else "the same",
            numbers(level["A1"]),
            numbers(level["A2"]),
        ]
    assert not list(answers)
    believed = document["risk"][0]
    assert believed["route"] == document["decision"]["by"] == "mixture"
    risks = cells(tree, "spend", 0)
    for row, a in zip(risks, believed["actions"], strict=True):
        assert row == [
            a["name"],
            count(a["N"]),
            count(a["D"]),
            flop(a["C"]),
            numbers(a["loss"], 4),
            digits(a["expected_regret"], 2),
            shares(a["wasted_share"]),
        ]
    for row, t in zip(cells(tree, "trust", 2), document["held_out"], strict=True):
        assert row[0] == t["route"]
        assert row[3:5] == [share(t["coverage"]["0.9"]), digits(t["rmse"], 2)]
        o = t["optima"]
        assert row[8] == f"{len(o['budgets']) - o['misses']} of {len(o['budgets'])}"
        assert row[9] == ", ".join(f"{e:+.2f}" for e in o["error"])
        assert row[10] == share(o["chance"])
    for row, u in zip(cells(tree, "wrong", 1), document["universes"], strict=True):
        assert row[0].startswith(f"{u['kind']}: {u['name']}")
        assert (u["trouble"] or "none") in f"{row[0]} none"
        assert row[1] == counts(u["N"])
        if u["loss"]:
            assert row[2] == digits(u["expected_regret"], 2)
    public = next(iter(made[0].public.tables())).rows
    for row, shown in zip(cells(tree, "published", 0), public, strict=True):
        assert row == [*shown]
    for row, m in zip(cells(tree, "published", 2), document["released"], strict=True):
        assert row[:3] == [m["name"], flop(m["C"]), count(m["N"])]
    worthy = [r for r in document["next_runs"] if r["worth"] > r["C"]]
    worthy.sort(key=lambda r: r["C"] - r["worth"])
    for row, r in zip(cells(tree, "next", 0), worthy, strict=True):
        assert row[:3] == [count(r["N"]), count(r["D"]), flop(r["C"])]
        assert row[5] == flop(float(f"{r['worth']:.2g}"))
    target, serving = cells(tree, "buys", 1), cells(tree, "spend", 2)
    assert target[0][1] == flop(document["target"]["crossing"]["lower"])
    assert [row[1] for row in serving] == [
        count(document["serving"][n]["N"]) for n in ("training_alone", "lifetime")
    ]
    for i, entry in enumerate(document["published"]):
        rows = beside(entry["budgets"], entry["exponents"], entry["exponents_over"])
        table = cells(tree, "published", i + 1)
        assert [row[1:] for row in table] == [row[2:] for row in rows]
        text = words_of(tree, "published")
        assert entry["sentence"] in text
        for printed in entry["printed"]:
            assert f"{count(printed['N'], 4)} parameters" in text
    (headline,) = tree.xpath("//p[contains(@class, 'headline')]")
    assert headline.text_content() == document["sheet"]["sentence"]
    assert document["headline"] in words_of(tree, "buys")
    provenance = [one.text_content() for one in tree.xpath(PROVENANCE)]
    assert provenance == [visible(str(v)) for v in document["provenance"].values()]


PROVENANCE = "//section[@id='provenance']//dd"


def words_of(tree, section):
    """The text of a section, on one line."""
    return " ".join(tree.xpath(f"//section[@id='{section}']")[0].text_content().split())


def test_candidates_and_their_bill_are_on_the_page(surface_fit):
    route = Route("coupled", surface_fit, plan(surface_fit, [3.8e25]))
    routes = Routes(surface_fit.runs, (route,), {})
    named = parse_actions(["8B", "<b>ours</b>=405B@15.6T"])
    bill = Bill(hardware.get("h100"), price=2.5)
    question = Question(named, target=0.6, bill=bill, quick=True)
    facts = gather(routes, None, 0.9, COMMAND, question)
    (provenance,) = facts.document["risk"]
    root = html.document_fromstring(page(routes, facts))
    rows, wrong, takes = (
        cells(root, place, 0) for place in ("spend", "wrong", "money")
    )
    names = ["recommended", "half the size", "twice the size", "8B", "<b>ours</b>"]
    assert [row[0] for row in rows] == names
    assert [row[0] for row in wrong] == names
    assert [row[-1] for row in wrong] == [
        share(a["miss_probability"]) for a in provenance["actions"]
    ]
    alike, dearer = ", ".join(names[:4]), names[4]  # as many FLOP, one row
    assert [row[0] for row in takes] == [alike, dearer]
    of_rows = provenance["actions"][0], provenance["actions"][4]
    assert [row[2] for row in takes] == [counts(a["hours"]) for a in of_rows]
    assert [row[3] for row in takes] == [money(a["cost"]) for a in of_rows]
    placed = cells(root, "spend", 1)
    assert [row[0] for row in placed] == ["8B", "<b>ours</b>"]
    assert [row[5] for row in placed] == [
        share(p["below"]) for p in facts.document["placed"]
    ]
    assert provenance["bill"] in root.xpath("//section[@id='money']")[0].text_content()
    check = next(c for c in facts.checks if "actions among the runs" in c.name)
    assert "8B" in check.detail


def test_recipes_are_compared_on_the_page(made_of_recipes, made, compared):
    facts, text = made_of_recipes
    root, document = html.document_fromstring(text), compared.as_json()
    assert facts.document["recipes"] == document
    assert made[0].document["recipes"] is None
    assert root.xpath("//section/@id")[1:4] == ["trust", "recipes", "buys"]
    assert [h.text for h in root.xpath("//h2")][2:5] == [
        "A Can it be trusted?",
        "B Which recipe",
        "C What the budget buys",
    ]
    best = "<b>muon</b>\ufffd"
    assert visible(compared.headline()) in words_of(root, "recipes")
    rows = cells(root, "recipes", 0)
    assert [row[0] for row in rows] == [best, "lion", "adamw"]
    record = document["budgets"][0]["recipes"][0]
    assert record["recipe"].startswith("<b>muon")
    assert rows[0][1:4] == [bounds(record["multiplier"]), "1.00", "1.00"]
    floors = next(
        table
        for table in (cells(root, "recipes", i) for i in range(1, 4))
        if table[0][0] == "as learned"
    )
    assert len(floors) == 2 + len(document["floors"])
    assert len(root.xpath("//section[@id='recipes']//figure")) == 1
    assert [
        c for one in root.xpath("//section[@id='recipes']//svg") for c in clashes(one)
    ] == []
    line = facts.document["sheet"]["lines"]["Recipe"]
    assert line.startswith(f"{record['recipe']}, of 3, the best with probability 1.00")
    assert f"adamw would need {bounds(record['multiplier'])} times" in line
    assert visible(line) in words_of(root, "decision")
    (check,) = [c for c in facts.checks if c.name == "recipes: extrapolation"]
    assert check.status is Status.REVIEW
    assert [check.status, check.name, check.detail] in cells(root, "trust")


def test_what_needs_other_fits_is_left_out_of_a_quick_page(surface_fit):
    route = Route("coupled", surface_fit, plan(surface_fit, [1e22]))
    routes = Routes(surface_fit.runs, (route,), {})
    facts = gather(routes, None, 0.9, COMMAND, QUICK)
    root = html.document_fromstring(page(routes, facts))
    assert facts.document["held_out"] == facts.document["universes"] == []
    assert "not tested" in root.xpath("//section[@id='wrong']")[0].text_content()
    assert "Not tested" in root.xpath("//section[@id='trust']")[0].text_content()
    check = next(c for c in facts.checks if c.name == "held-out runs")
    assert check.status is Status.REVIEW


@pytest.mark.parametrize(
    "limits", [Limits(params=7e10), Limits(max_params=8e9, max_tokens=1e12)], ids=str
)
def test_limits_are_said_where_the_run_is(surface_fit, limits):
    routes = routes_of_saved(surface_fit, [3.8e25], limits)
    facts = gather(routes, None, 0.9, COMMAND, QUICK._replace(limits=limits))
    root = html.document_fromstring(page(routes, facts))
    assert "within the limits" in facts.headline
    assert "they cost" in facts.headline
    provenance = facts.document["decision"]
    assert provenance["N"] <= (limits.params or limits.max_params)
    ours = facts.document["published"][0]["budgets"][0]["N"]["posterior"]["median"]
    assert ours > 2e11  # the comparison is of the law, not of the limits
    assert root.xpath("//section[@id='next']//p")


def test_released_models_are_held_against_the_mixture_as_weighted(surface_fit):
    """A law without weight says nothing of them."""
    other = dataclasses.replace(
        surface_fit, law=dataclasses.replace(surface_fit.law, N0=1e8)
    )
    both = Average(
        (surface_fit, other), ("a", "b"), (1.0, 0.0), Check("w", Status.PASS, "")
    )
    one, mixed = (
        records.released_models(fit, 3.8e25, 0.9) for fit in (surface_fit, both)
    )
    assert one
    for a, b in zip(one, mixed, strict=True):
        assert a["N_star"]["median"] == pytest.approx(b["N_star"]["median"], rel=0.02)


def test_the_decision_is_the_mixtures(made):
    """By hold-out scores, and its loss never below what each draw's own run reaches."""
    facts = made[0]
    provenance, risk = facts.document["decision"], dict(facts.risks)["mixture"]
    assert list(provenance["weights"]) == ["isoFLOP profiles", "loss surface"]
    assert sum(provenance["weights"].values()) == pytest.approx(1)
    assert provenance["expected_regret"] > 0
    run = risk.table()[0]
    assert (run["N"], run["D"]) == pytest.approx((provenance["N"], provenance["D"]))
    losses = facts.decision.plan.draws
    assert bool((losses["loss"] >= losses["loss_oracle"] - 1e-12).all())
    assert np.mean(facts.decision.draws["loss"]) == pytest.approx(
        float(risk.draws["loss"][:, 0].mean())
    )
    worse = {name: r.table()[0]["expected_regret"] for name, r in facts.risks}
    assert worse["mixture"] > min(worse.values())


def test_a_ladder_too_small_says_so(llama3):
    few = llama3.take(np.argsort(llama3["C"], kind="stable")[:9])
    few = dataclasses.replace(few, notes=())
    fit = nstar.fit(few, "chinchilla", discrepancy="none")
    written_lines = routes_of_saved(fit, [1e26])
    facts = gather(written_lines, None, 0.9, COMMAND, QUICK)
    assert facts.document["status"] == "FAIL"
    assert facts.headline.startswith("FAIL: do not act on these numbers")
    assert any("cannot support it" in c.detail for c in facts.checks)
    held = check_hold_outs(hold_out_routes({"a": fit}), ["a"])
    assert held[0].status is Status.REVIEW
    assert "nothing shows how a extrapolates" in held[0].detail


def test_no_number_is_written_for_machines(tree):
    assert not re.search(r"\de\+\d", tree.text_content())


def test_the_headline_names_the_spread_and_the_distance(made):
    facts = made[0]
    assert facts.document["status"] == "REVIEW"
    assert "3.6 decades beyond the largest run" in facts.headline
    assert "but the routes disagree: median tokens from" in facts.headline
    assert "the mixture of isoFLOP profiles" in facts.headline
    regrets = {name: risk.perfect_information for name, risk in facts.risks}
    alone = facts.document["decision"]["expected_regret_alone"]
    assert alone == {n: regrets[n] for n in ("isoFLOP profiles", "loss surface")}
    for name, regret in alone.items():
        assert f"{digits(regret, 2)} by the {name} alone" in facts.headline
    check = next(c for c in facts.checks if c.name == "routes agree")
    assert check.status is Status.REVIEW


def test_a_failing_check_changes_the_headline(allocation_fit):
    route = Route("allocation", allocation_fit, plan(allocation_fit, [1e40]))
    routes = Routes(allocation_fit.runs, (route,), {})
    facts = gather(routes, None, 0.9, COMMAND, QUICK)
    assert facts.headline.startswith("FAIL: do not act on these numbers")
    assert facts.checks[0].status is Status.FAIL
    root = html.document_fromstring(page(routes, facts))
    assert "FAIL" in root.xpath("//p[contains(@class, 'headline')]/@class")[0]
    assert facts.document["verdict"]["ruling"] == "do not"
    assert "Not to be acted on" in facts.document["sheet"]["sentence"]
    assert cells(root, "trust")[0][0] == "FAIL"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_text(allocation_fit, name, tmp_path):
    route = Route("allocation", allocation_fit, plan(allocation_fit, [1e22]))
    runs = dataclasses.replace(allocation_fit.runs, source=name)
    routes = Routes(runs, (route,), {"coupled": f"{name} has no loss"})
    facts = gather(routes, ["llama3"], 0.9, f"nstar report {name}", QUICK)
    text = page(routes, facts)
    root = html.document_fromstring(text)
    assert not root.xpath("//script|//img|//@onerror")
    assert len(root.xpath("//h1")[0].text_content()) < 120
    assert "49" not in root.xpath("//h1")[0].text_content()
    for sign in "\u202e\u2066\u200f\x00\x1b":
        assert sign not in text
    provenance = [one.text_content() for one in root.xpath(PROVENANCE)]
    assert visible(name) in provenance  # whole, where it can be read
    if chromium := shutil.which("chromium"):
        assert overflow(chromium, text, tmp_path) == "390 of 390"


CHAINS = re.compile(
    r": (convergence|effective draws|divergences|energy|draws of the decision) \|"
)  # by route


def lines_of(root):
    """The page's words and numbers, line by line; figures and what moves with a chain are left out."""
    for figure in root.xpath("//svg|//style"):
        figure.drop_tree()
    blocks = root.xpath(
        "//title|//h1|//h2|//p|//li|//summary|//tr|//figcaption|//dt|//dd"
    )
    lines = (
        " | ".join(
            " ".join(part.text_content().split()) for part in block.xpath("td|th")
        )
        if block.tag == "tr"
        else " ".join(block.text_content().split())
        for block in blocks
    )
    unknown = "|".join([*WORDS, "log_D", "curvature_z", "level_z", r"waves_\w+"])
    lines = (re.sub(rf"\((?:{unknown})\)", "(an unknown)", line) for line in lines)
    lines = (
        re.sub(
            r"\((?:isoFLOP profiles|measured optima|loss surface)\)", "(a route)", line
        )
        for line in lines
    )
    lines = (re.sub(r"\b[0-9a-f]{12}\b|[0-9a-f]{64}", "a hash", line) for line in lines)
    return [line for line in lines if not CHAINS.search(line)]


NUMBER = re.compile(r"(-?\d[\d.]*(?:e-?\d+)?[TBM%]?)")
LETTERS = {"T": 1e12, "B": 1e9, "M": 1e6, "%": 1.0}
NEAR = 0.2  # relative, between the numbers of two machines, whose chains differ
UNSURE = ("posterior predictive p", "P(as many misses)", "worth", "moves by")


def differ(line, stored):
    """Whether two lines differ in words, or in a number by more than chains of one model do."""
    ours, theirs = NUMBER.split(line), NUMBER.split(stored)
    if ours[::2] != theirs[::2]:
        return True
    if any(phrase in line for phrase in UNSURE):
        return False
    pairs = zip(ours[1::2], theirs[1::2], strict=True)
    return any(a != b and apart(a, b) for a, b in pairs)


def apart(a, b):
    """Whether two numbers as they are written differ by more than a fifth, or a few last places."""
    values = []
    for text in (a.rstrip("."), b.rstrip(".")):
        number = text.rstrip("TBM%")
        values.append(float(number) * LETTERS.get(text[len(number) :], 1.0))
    places = len(b.rstrip(".TBM%").partition(".")[2].partition("e")[0])
    last = 3 * 10.0**-places * (LETTERS.get(b[-1:], 1.0) if b[-1:] != "%" else 2.0)
    return abs(values[0] - values[1]) > max(
        NEAR * max(map(abs, values)), last if "e" not in b else 0.0
    )


def test_numbers_of_two_lines_are_held_to_a_tolerance():
    stored = "train 39B on 2.5T tokens: loss 1.927 [1.832, 1.975], chance 81%"
    assert not differ(stored.replace("1.927", "1.931").replace("81%", "84%"), stored)
    assert differ(stored.replace("39B", "39T"), stored)
    assert differ(stored.replace("39B", "54B"), stored)
    assert differ(stored.replace("81%", "40%"), stored)
    assert differ(stored.replace("train", "trains"), stored)


def test_the_words_and_numbers_of_the_page_are_as_stored(made):
    """Words to the letter, numbers to a tolerance."""
    written_lines = lines_of(html.document_fromstring(made[1]))
    if os.environ.get("NSTAR_WRITE_GOLDEN"):
        GOLDEN.write_text("\n".join(written_lines) + "\n", encoding="utf-8")
    stored = GOLDEN.read_text(encoding="utf-8").splitlines()
    change = "\n".join(difflib.unified_diff(stored, written_lines, lineterm=""))
    assert len(written_lines) == len(stored), change
    wrong = [pair for pair in zip(written_lines, stored, strict=True) if differ(*pair)]
    assert not wrong, "\n".join(f"{ours}\n  stored: {theirs}" for ours, theirs in wrong)


def test_a_report_of_one_route_stands_alone(allocation_fit, llama3):
    route = Route("allocation", allocation_fit, plan(allocation_fit, [1e22, 1e21]))
    missing = {"coupled": "the table lacks L"}
    routes = Routes(allocation_fit.runs, (route,), missing)
    facts = gather(routes, ["chinchilla"], 0.8, COMMAND, QUICK)
    root = html.document_fromstring(page(routes, facts))
    assert "no second route checks it" in facts.headline
    assert "80% equal-tailed" in root.text_content()
    assert len(root.xpath("//figure")) == 3
    assert "No coupled route: the table lacks L." in root.text_content()
    assert len(cells(root, "buys")) == 2


NUMBERS = r"[\d.e-]*\d(?:[TBMK%]\b|%)?"
INTERVAL = rf"{NUMBERS} \[{NUMBERS}, {NUMBERS}\]"
QUANTITIES = {  # everywhere that a page's text has a quantity of the decision
    "largest run": [r"largest run \((\S+) FLOP", r"runs of llama3 up to (\S+) FLOP"],
    "decades beyond": [
        rf"(?<!farthest )(?<!target's )budget lies ({NUMBERS}) decades beyond",
        rf"FLOP lies ({NUMBERS}) decades beyond the largest run",
    ],
    "mean regret": [
        rf"Not knowing the law costs ({NUMBERS}) of loss on average",
        rf"best size is not known, which gives away ({NUMBERS}) of loss on average",
    ],
    "chance of the target": [
        rf"is reached with a chance of ({NUMBERS})[;.]",
        rf"loss 0.62 has a chance of ({NUMBERS}),",
    ],
    "loss": [rf"loss ({INTERVAL}) \(median", rf"Loss ({INTERVAL}) \(median"],
    "best size": [rf"N\* is ({INTERVAL}), D\*", rf"best size is ({INTERVAL})\."],
    "cost": [rf"Cost USD ({INTERVAL})"],
    "hours": [rf"({INTERVAL}) \S+ H100 SXM 80 GB hours"],
    "value at risk": [r"the loss is above (\d[\d.]*\d)"],
    "shortfall": [r"and then (\d[\d.]*\d) on average"],
}


def test_a_quantity_has_one_value_wherever_it_stands(tree):
    """In the sheet, the sentences and the tables alike."""
    text = " ".join(tree.text_content().split())
    seen = {
        name: [value for pattern in patterns for value in re.findall(pattern, text)]
        for name, patterns in QUANTITIES.items()
    }
    run, tail, takes = (cells(tree, s, 0)[0] for s in ("spend", "wrong", "money"))
    seen["loss"].append(run[4])
    seen["mean regret"].append(run[5])
    seen["value at risk"].append(tail[1])
    seen["shortfall"].append(tail[2])
    missed = float(tail[-1].rstrip("%"))
    seen["chance of the target"].append(f"{100 - missed:g}%")
    seen["hours"].append(takes[2])
    seen["cost"].append(takes[3])
    for name, values in seen.items():
        assert len(values) >= 2, (name, values)
        assert len(set(values)) == 1, (name, values)


def test_the_sheet_rounds_the_run_of_the_headline(made):
    document = made[0].document
    for name in ("N", "D"):
        rounded, exact = document["sheet"][name], document["decision"][name]
        assert rounded == float(f"{rounded:.1e}")
        assert rounded == pytest.approx(exact, rel=0.06)


def test_every_word_that_is_marked_is_defined_once_on_the_page(tree):
    marked = tree.xpath("//dfn/a")
    assert len({link.get("href") for link in marked}) == len(marked)
    terms = tree.xpath("//section[@id='words']//dt")
    assert {f"#{term.get('id')}" for term in terms} >= {m.get("href") for m in marked}
    meanings = {term.text_content(): term.getnext().text_content() for term in terms}
    assert meanings == {term: DEFINITIONS[term] for term in meanings}
    for word in ("regret", "draw", "route", "value at risk", "expected shortfall"):
        assert word in meanings
    before, after = " ".join(tree.text_content().split()).split("Appendix", 1)
    for link in marked:  # where the text first has it
        assert link.text_content().lower() in (before + after).lower()


ACTION = re.compile(
    r"\b(add|ask|check|choose|compare|convert|count on|decide|draw|expect|fit|fill|give|leave|let|"
    r"measure|plan|read|run|sample|say|set|state|take|try)\b",
    re.IGNORECASE,
)


def test_what_is_to_be_reviewed_says_what_to_do(made):
    for check in made[0].checks:
        if check.status is not Status.PASS:
            assert ACTION.search(re.split(r"[;.:]", check.detail, maxsplit=1)[1]), check


def test_no_row_repeats_the_numbers_of_the_row_above(tree):
    for table in tree.xpath("//table[@class='figures']"):
        rows = [
            [" ".join(cell.text_content().split()) for cell in row.xpath("td")]
            for row in table.xpath(".//tbody/tr")
        ]
        for above, below in itertools.pairwise(rows):
            assert [c for c in above[1:] if re.search(r"\d", c)] != [
                c for c in below[1:] if re.search(r"\d", c)
            ], below


# In a browser, where there is one

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
)
MEASURE = """<iframe id="phone" style="width:390px;height:800px;border:0"></iframe><p id="told"></p><script>
const phone = document.getElementById("phone");
phone.onload = () => { const root = phone.contentDocument.documentElement;
  document.getElementById("told").textContent = root.scrollWidth + " of " + root.clientWidth; };
phone.srcdoc = atob("PAGE");
</script>"""


def overflow(chromium, text, folder, width=390):
    """How wide the page is on a phone's screen: a headless window is never that narrow."""
    import base64

    plain = text.encode("ascii", "xmlcharrefreplace")
    file = folder / "measure.html"
    measure = MEASURE.replace("width:390px", f"width:{width}px")
    file.write_text(measure.replace("PAGE", base64.b64encode(plain).decode()))
    provenance = subprocess.run(
        [
            chromium,
            *QUIET,
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            f"file://{file}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    return html.document_fromstring(provenance).get_element_by_id("told").text_content()


def printed(chromium, text, folder, paper):
    """Number of pages of an HTML page on paper of a size."""
    sized = text.replace("</head>", f"<style>@page {{ size: {paper} }}</style></head>")
    (folder / "print.html").write_text(sized, encoding="utf-8")
    out = folder / f"{paper}.pdf"
    subprocess.run(
        [
            chromium,
            *QUIET,
            f"--user-data-dir={folder / 'printer'}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={out}",
            f"file://{folder / 'print.html'}",
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    return len(re.findall(rb"/Type\s*/Page\b", out.read_bytes()))


@pytest.mark.parametrize("paper", ["A4", "letter"])
def test_the_sheet_of_a_recipe_is_one_page(made_of_recipes, tmp_path, paper):
    chromium = shutil.which("chromium")
    if chromium is None:  # which no project can install; its words are held without
        pytest.skip("no Chromium here")
    text = made_of_recipes[1]
    start, end = text.index('<nav id="contents">'), text.index("</body>")
    assert printed(chromium, text[:start] + text[end:], tmp_path, paper) == 1


@pytest.mark.parametrize("paper", ["A4", "letter"])
def test_the_sheet_is_one_page_and_all_of_it_eight_at_most(made, tmp_path, paper):
    chromium = shutil.which("chromium")
    if chromium is None:  # which no project can install; sizes are held below without
        pytest.skip("no Chromium here")
    text = made[1]
    start, end = text.index('<nav id="contents">'), text.index("</body>")
    assert printed(chromium, text[:start] + text[end:], tmp_path, paper) == 1
    assert 2 < printed(chromium, text, tmp_path, paper) <= 8
    on_paper = text.replace("@media print", "@media all")
    width = {"A4": 695, "letter": 717}[paper]  # pixels between the margins; not shrunk
    assert overflow(chromium, on_paper, tmp_path, width) == f"{width} of {width}"


def test_nothing_is_printed_smaller_than_ten_points(made):
    rules = made[1].rpartition("@media print")[2].partition("</style>")[0]
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)pt", rules)]
    assert len(sizes) > 3
    assert min(sizes) >= 10


def test_the_page_in_a_browser(made, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here")
    assert overflow(chromium, made[1], tmp_path) == "390 of 390"
    file = tmp_path / "page.html"
    file.write_text(made[1], encoding="utf-8")
    log = subprocess.run(
        [
            chromium,
            *QUIET,
            f"--user-data-dir={tmp_path / 'other'}",
            "--enable-logging=stderr",
            "--v=0",
            f"--screenshot={tmp_path / 'page.png'}",
            "--window-size=1280,3000",
            f"file://{file}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stderr
    assert "CONSOLE" not in log
    assert (tmp_path / "page.png").stat().st_size > 100_000
