import dataclasses
import difflib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import html

from nstar import hardware
from nstar.actions import read_all
from nstar.bills import Bill
from nstar.planning import plan
from nstar.report.facts import Question, gather
from nstar.report.page import page
from nstar.routes import Route, Routes
from nstar.verdicts import Status
from nstar.wording import (
    UNKNOWNS,
    beside,
    count,
    counts,
    digits,
    flop,
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
def taken(llama3, isoflop_fit, allocation_fit, bent_fit):
    def routes(budgets):
        fits = isoflop_fit, allocation_fit, bent_fit
        names = "isoflop", "allocation", "coupled"
        made = (
            Route(name, fit, plan(fit, budgets))
            for name, fit in zip(names, fits, strict=True)
        )
        return Routes(llama3, tuple(made), {})

    return routes


@pytest.fixture(scope="module")
def made(taken):
    """The facts and the text of the page that the README's command makes."""
    routes = taken([3.8e25])
    facts = gather(routes, None, 0.9, COMMAND)
    return facts, page(routes, facts)


@pytest.fixture(scope="module")
def tree(made):
    return html.document_fromstring(made[1])


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
    assert len(text) < 500_000
    assert text.startswith("<!doctype html>")


def test_ids_are_unique_and_what_is_named_exists(tree):
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    named = {address[1:] for address in tree.xpath("//@href")}
    named |= set(re.findall(r"url\(#([^)]*)\)", html.tostring(tree, encoding="unicode")))  # fmt: skip
    assert named <= set(ids)


def test_every_figure_has_a_title_and_a_text_alternative(tree):
    figures = tree.xpath("//figure")
    assert len(figures) == 5  # N*, D*, the loss at the budget, regret, the profiles
    for figure in figures:
        (drawing,) = figure.xpath("svg")
        assert drawing.get("role") == "img"
        said = [tree.get_element_by_id(i) for i in drawing.get("aria-labelledby").split()]  # fmt: skip
        assert [one.tag for one in said] == ["title", "desc"]
        assert all(len(one.text_content()) > 20 for one in said)
        assert figure.xpath("figcaption")[0].text_content().strip()


def test_checks_come_first_and_provenance_last(tree):
    sections = tree.xpath("//section/@id")
    assert sections[0] == "checks"
    assert sections[-1] == "provenance"
    order = [row[0] for row in cells(tree, "checks")]
    assert order == sorted(order, key=["FAIL", "REVIEW", "PASS"].index)


def test_every_check_is_on_the_page_once(made, tree):
    document = made[0].document
    rows = cells(tree, "checks", 0) + cells(tree, "checks", 1)
    assert rows == [[c["status"], c["name"], c["detail"]] for c in document["checks"]]
    assert len({tuple(row) for row in rows}) == len(rows)
    assert len({row[2] for row in rows if row[0] != "PASS"}) == sum(
        row[0] != "PASS" for row in rows
    )


def test_numbers_on_the_page_are_the_documents(made, tree):
    document = made[0].document
    answers = iter(cells(tree, "answer", 0))
    lines = iter(cells(tree, "answer", 1))
    none = "not in this law"
    for route in document["routes"]:
        for b in route["budgets"]:
            assert next(answers) == [
                route["route"], flop(b["C"]), counts(b["N"]), counts(b["D"]),
                counts(b["optimum"]["D"]) if b["optimum"] else none,
                numbers(b["tokens_per_parameter"]),
                numbers(b["loss"], 4) if b["loss"] else none,
                numbers(b["regret"], 2) if b["regret"] else none,
            ]  # fmt: skip
        power, level = route["exponents"], route["coefficients"]
        both = power["N"], power["D"], level["A1"], level["A2"]
        assert next(lines)[1:5] == [numbers(one) for one in both]
    assert not list(answers)
    risks = iter(cells(tree, "risk", 0))
    for entry in document["risk"]:
        for a in entry["actions"]:
            row = next(risks)
            assert row[:6] == [
                entry["route"], a["name"], count(a["N"]), count(a["D"]),
                numbers(a["loss"], 4), digits(a["expected_regret"], 2),
            ]  # fmt: skip
            assert row[6] == shares(a["wasted_share"])
    assert not list(risks)
    for i, entry in enumerate(document["published"]):
        rows = beside(entry["budgets"], entry["exponents"], entry["exponents_over"])
        assert cells(tree, "published", i) == rows
        text = " ".join(tree.xpath("//section[@id='published']")[0].text_content().split())  # fmt: skip
        assert entry["sentence"] in text
        for printed in entry["printed"]:
            assert f"{count(printed['N'], 4)} parameters" in text
    assert document["headline"] in tree.xpath("//p[contains(@class, 'headline')]")[0].text_content()  # fmt: skip
    told = [one.text_content() for one in tree.xpath("//dl/dd")]
    assert told == [visible(str(v)) for v in document["provenance"].values()]


def test_candidates_and_their_bill_are_on_the_page(surface_fit):
    route = Route("coupled", surface_fit, plan(surface_fit, [3.8e25]))
    routes = Routes(surface_fit.runs, (route,), {})
    named = read_all(["8B", "<b>ours</b>=405B@15.6T"])
    question = Question(named, target=0.6, bill=Bill(hardware.get("h100"), price=2.5))
    facts = gather(routes, None, 0.9, COMMAND, question)
    (told,) = facts.document["risk"]
    root = html.document_fromstring(page(routes, facts))
    rows, money = cells(root, "risk", 0), cells(root, "risk", 1)
    names = ["recommended", "half the size", "twice the size", "8B", "<b>ours</b>"]
    assert [row[1] for row in rows] == [row[1] for row in money] == names
    assert [row[-1] for row in rows] == [share(a["miss_probability"]) for a in told["actions"]]  # fmt: skip
    assert [row[3] for row in money] == [counts(a["hours"]) for a in told["actions"]]
    assert [row[4] for row in money] == [counts(a["cost"]) for a in told["actions"]]
    assert "The run of least expected loss by the loss surface" in facts.headline
    assert told["bill"] in root.xpath("//section[@id='risk']")[0].text_content()
    check = next(c for c in facts.checks if "actions among the runs" in c.name)
    assert "8B" in check.detail


def test_no_number_is_written_for_machines(tree):
    assert not re.search(r"\de\+\d", tree.text_content())


def test_the_headline_names_the_spread_and_the_distance(made):
    facts = made[0]
    assert facts.document["status"] == "REVIEW"
    assert "3.6 decades beyond the largest run" in facts.headline
    assert "the routes agree, with median tokens from" in facts.headline


def test_a_failing_check_changes_the_headline(allocation_fit):
    route = Route("allocation", allocation_fit, plan(allocation_fit, [1e40]))
    routes = Routes(allocation_fit.runs, (route,), {})
    facts = gather(routes, None, 0.9, COMMAND)
    assert facts.headline.startswith("FAIL: do not act on these numbers")
    assert facts.checks[0].status is Status.FAIL
    root = html.document_fromstring(page(routes, facts))
    assert "FAIL" in root.xpath("//p[contains(@class, 'headline')]/@class")[0]
    assert cells(root, "checks")[0][0] == "FAIL"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_text(allocation_fit, name, tmp_path):
    route = Route("allocation", allocation_fit, plan(allocation_fit, [1e22]))
    runs = dataclasses.replace(allocation_fit.runs, source=name)
    routes = Routes(runs, (route,), {"coupled": f"{name} has no loss"})
    facts = gather(routes, ["llama3"], 0.9, f"nstar report {name}")
    text = page(routes, facts)
    root = html.document_fromstring(text)
    assert not root.xpath("//script|//img|//@onerror")
    assert len(root.xpath("//h1")[0].text_content()) < 120
    assert "49" not in root.xpath("//h1")[0].text_content()
    for sign in "\u202e\u2066\u200f\x00\x1b":
        assert sign not in text
    told = [one.text_content() for one in root.xpath("//dl/dd")]
    assert visible(name) in told  # whole, where it can be read
    if chromium := shutil.which("chromium"):
        assert overflow(chromium, text, tmp_path) == "390 of 390"


CHAINS = re.compile(
    r": (convergence|effective draws|divergences|energy) \|"
)  # by route


def masked(root):
    """The page's words; figures are left out, digits masked: they move in the last places."""
    for figure in root.xpath("//svg|//style"):
        figure.drop_tree()
    blocks = root.xpath("//title|//h1|//h2|//p|//summary|//tr|//figcaption|//dt|//dd")
    lines = (
        " | ".join(" ".join(part.text_content().split()) for part in block.xpath("td|th"))
        if block.tag == "tr"
        else " ".join(block.text_content().split())
        for block in blocks
    )  # fmt: skip
    unknown = "|".join([*UNKNOWNS, "log_D", "curvature_z", "level_z", r"waves_\w+"])
    lines = (re.sub(rf"\((?:{unknown})\)", "(an unknown)", line) for line in lines)
    lines = (re.sub(r"\((?:isoFLOP profiles|measured optima|loss surface)\)", "(a route)", line) for line in lines)  # fmt: skip
    lines = (line for line in lines if not CHAINS.search(line))
    return "\n".join(re.sub(r"-?\d[\d.]*(e-?\d+)?[TBM]?|[0-9a-f]{64}", "#", line) for line in lines) + "\n"  # fmt: skip


def test_the_words_of_the_page_are_as_stored(made):
    found = masked(html.document_fromstring(made[1]))
    if os.environ.get("NSTAR_WRITE_GOLDEN"):
        GOLDEN.write_text(found, encoding="utf-8")
    stored = GOLDEN.read_text(encoding="utf-8")
    change = difflib.unified_diff(stored.splitlines(), found.splitlines(), lineterm="")
    assert found == stored, "\n".join(change)


def test_a_report_of_one_route_stands_alone(allocation_fit, llama3):
    route = Route("allocation", allocation_fit, plan(allocation_fit, [1e22, 1e21]))
    missing = {"coupled": "the table lacks L"}
    routes = Routes(allocation_fit.runs, (route,), missing)
    facts = gather(routes, ["chinchilla"], 0.8, COMMAND)
    root = html.document_fromstring(page(routes, facts))
    assert "no second route checks it" in facts.headline
    assert "80% equal-tailed" in root.text_content()
    assert len(root.xpath("//figure")) == 2
    assert "No coupled route: the table lacks L." in root.text_content()
    assert len(cells(root, "answer")) == 2


# In a browser, where there is one

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars",
)  # fmt: skip
MEASURE = """<iframe id="phone" style="width:390px;height:800px;border:0"></iframe><p id="told"></p><script>
const phone = document.getElementById("phone");
phone.onload = () => { const root = phone.contentDocument.documentElement;
  document.getElementById("told").textContent = root.scrollWidth + " of " + root.clientWidth; };
phone.srcdoc = atob("PAGE");
</script>"""


def overflow(chromium, text, folder):
    """How wide the page is on a phone's screen: a headless window is never that narrow."""
    import base64

    plain = text.encode("ascii", "xmlcharrefreplace")
    file = folder / "measure.html"
    file.write_text(MEASURE.replace("PAGE", base64.b64encode(plain).decode()))
    told = subprocess.run(
        [chromium, *QUIET, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000",
         "--dump-dom", f"file://{file}"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    return html.document_fromstring(told).get_element_by_id("told").text_content()


def test_the_page_in_a_browser(made, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here")
    assert overflow(chromium, made[1], tmp_path) == "390 of 390"
    file = tmp_path / "page.html"
    file.write_text(made[1], encoding="utf-8")
    log = subprocess.run(
        [chromium, *QUIET, f"--user-data-dir={tmp_path / 'other'}", "--enable-logging=stderr", "--v=0",
         f"--screenshot={tmp_path / 'page.png'}", "--window-size=1280,3000", f"file://{file}"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stderr  # fmt: skip
    assert "CONSOLE" not in log
    assert (tmp_path / "page.png").stat().st_size > 100_000
