"""Figures of the report: nothing written lies on a line or on other words."""

import numpy as np
import pytest
from lxml import html
from matplotlib.figure import Figure

import drawings
import nstar
from nstar.plans.actions import parse_actions
from nstar.plans.planning import plan
from nstar.plans.routes import Route, Routes
from nstar.report.drawing import svg
from nstar.report.facts import Question, gather
from nstar.report.labels import Label, Mark, name_inside, write_names
from nstar.report.page import page
from nstar.runs.optima import measured_optima
from nstar.samplers.nuts import Settings

BUDGET = 5.76e23
FEW = Settings(chains=2, warmup=100, draws=100)  # what is drawn need not be right


@pytest.fixture(scope="module")
def tree(once, data_dir):
    """A page of other runs than those of the other tests, with what figures may show."""
    runs = nstar.read_runs("chinchilla_epoch")
    laws = {"isoflop": runs, "allocation": measured_optima(runs)}
    fits = {
        law: once(f"chinchilla-{law}", table, law, discrepancy="none", settings=FEW)
        for law, table in laws.items()
    }
    routes = Routes(
        runs, tuple(Route(law, f, plan(f, [BUDGET])) for law, f in fits.items()), {}
    )
    question = Question(parse_actions(["70B", "280B", "1B"]), target=1.9, quick=True)
    facts = gather(routes, None, 0.9, "nstar report", question)
    return html.document_fromstring(page(routes, facts))


def drawing(draw, size=(4.6, 3.5)):
    text = svg("one", "a title", "what it shows", draw, size=size)
    return html.fragment_fromstring(text)


def texts(tree, place):
    (picture,) = tree.xpath(f"//svg[starts-with(@aria-labelledby, '{place}-title')]")
    return [one.text for one in drawings.words(picture)]


def test_no_words_lie_on_a_line_or_on_others(tree):
    figures = tree.xpath("//svg")
    labels = [figure.get("aria-labelledby").split()[0] for figure in figures]
    names = [label.removesuffix("-title") for label in labels]
    assert names == [
        "line-0",
        "regret-0",
        "allocation-0",
        "allocation-1",
        "target-0",
        "profiles-0",
        "profiles-0-narrow",
    ]
    assert all(len(drawings.words(one)) > 2 for one in figures)
    assert all(len(drawings.strokes(one)) > 50 for one in figures)
    assert [clash for one in figures for clash in drawings.clashes(one)] == []


@pytest.mark.parametrize(
    "place", ["allocation-0", "allocation-1", "target-0", "regret-0"]
)
def test_every_candidate_is_in_the_figure_or_said_to_be_outside(tree, place):
    written = " ".join(texts(tree, place))
    assert all(name in written for name in ("70B", "280B", "1B"))
    if place == "target-0":
        assert "← 1B" in texts(tree, place)


def test_a_clash_is_seen():
    """The reader of drawings finds words on a line, and words on words."""

    def draw(ax):
        ax.plot([0, 1], [0, 1])
        ax.annotate("across", (0.5, 0.5), ha="center", va="center")
        ax.annotate("over", (0.2, 0.8))
        ax.annotate("under", (0.21, 0.8))
        ax.annotate("alone", (0.8, 0.2))

    seen = drawings.clashes(drawing(draw))
    assert seen == ["'under' on 'over'", "'across' across a line"]


def test_names_at_ends_move_apart_and_stay_in_order():
    heights = [0.5, 0.5, 0.51, 0.1, 0.0, 1.0, 7.0]

    def draw(ax):
        for height in heights:
            ax.plot([0, 1], [height, height])
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ends = [Label(1, y, f"height {y} of {i}", "k") for i, y in enumerate(heights)]
        write_names(
            ax, ends, [Mark(x, f"at {x}", "k") for x in (0.5, 0.5, 0.52, -3, 4)]
        )

    one = drawing(draw)
    assert drawings.clashes(one) == []
    written = {words.text: words for words in drawings.words(one)}
    assert {"← at -3", "at 4 →"} <= written.keys()
    placed = sorted(
        (words.low[1], float(text.split()[1]))
        for text, words in written.items()
        if text.startswith("height")
    )
    assert [height for _, height in placed] == sorted(heights, reverse=True)


def test_a_curve_among_others_is_named_where_there_is_room():
    ax = Figure().subplots()
    x = np.linspace(0, 1, 50)
    for shift in (0.0, 0.001, 0.5):
        ax.plot(x, shift + 0 * x)
    ax.set(xlim=(-0.3, 1.3), ylim=(-0.004, 1))
    places = [
        [Label(1, s, f"{s}", "k"), Label(0, s, f"{s}", "k")] for s in (0.5, 0.001)
    ]
    name_inside(ax, [*places, [Label(0.5, 0.5, "no room", "k")] * 2])
    named = [text.get_text() for text in ax.texts]
    assert named[0] == "0.5"
    assert "no room" in named  # above the line there is
    ax.fill_between(x, 0, 1)
    for y in np.linspace(0, 1, 60):
        ax.plot([-0.3, 1.3], [y, y])
    name_inside(ax, [[Label(0.5, 0.5, "now there is none", "k")]])
    assert "now there is none" not in [text.get_text() for text in ax.texts]
