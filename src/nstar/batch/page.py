"""A batch as one HTML page that needs nothing else: what to look at, and every interval."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from jinja2 import ChoiceLoader, FileSystemLoader

from nstar.batch.estimates import interval, number
from nstar.batch.table import Record, choice_words, varying
from nstar.report.drawing import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SOFT,
    count_ticks,
    svg,
)
from nstar.report.markup import environment
from nstar.wording import digits, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MOST = 60  # rows of a figure
MARKS = "osD^v<>"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK)
WIDE = 38  # characters of a line of a ladder's name
MOVES, LINES = 30, 40  # rows of a table on the page; the JSON has all


def page(document: Record) -> str:
    """Write the page of a batch.

    Args:
        document: as `nstar.batch.summary.summary` returns it.
    """
    rows = _rows(document)
    templates = environment()
    ours = FileSystemLoader(Path(__file__).parent)
    theirs = [templates.loader] if templates.loader else []
    templates.loader = ChoiceLoader([ours, *theirs])
    templates.filters |= {
        "interval": interval,
        "number": number,
        "words": choice_words,
        "shown": shown,
    }
    drift = document["drift"] or {"moves": []}
    return templates.get_template("batch.html.j2").render(
        facts=document,
        figures=_figures(document, varying(rows) or ["law"]),
        spreads=_spreads(document),
        bent=any(r["discrepancy"] != "none" for r in rows),
        moves=drift["moves"][:MOVES],
        lines=LINES,
    )


def _rows(document: Record) -> list[Record]:
    """Every ladder and choice of every quantity."""
    return [r for q in document["quantities"] for r in q["rows"]]


def _figures(document: Record, names: Sequence[str]) -> list[dict[str, str]]:
    """A figure for each quantity, or several where there are many rows."""
    figures = []
    for i, q in enumerate(document["quantities"]):
        for j, (suffix, rows) in enumerate(_panels(q)):
            title = f"{q['title']}{suffix}"
            alt = f"{title}: medians and {100 * document['prob']:.3g} % intervals of {len(rows)} fits, by ladder; summary.json has each."
            size = 7.2, 1.4 + 0.21 * (len(rows) + len({r["ladder"] for r in rows}))
            parameters = rows, q["log"], names, document
            art = svg(f"f{i}-{j}", title, alt, forest, *parameters, size=size)
            figures.append({"title": title, "svg": art})
    return figures


def _panels(q: Record) -> Iterator[tuple[str, list[Record]]]:
    """Rows of each figure and what it is of; losses in other units are not set side by side."""
    by_unit: dict[str, list[Record]] = {}
    for row in q["rows"]:
        if None not in (row["lo"], row["median"], row["hi"]):
            unit = row["loss_unit"] if q["key"].startswith(("L[", "loss[")) else ""
            by_unit.setdefault(unit or "", []).append(row)
    for unit, rows in by_unit.items():
        parts = _cut(rows)
        for i, part in enumerate(parts, 1):
            number = f", part {i} of {len(parts)}" if len(parts) > 1 else ""
            yield (f", {unit}" if unit else "") + number, part


def _cut(rows: Sequence[Record]) -> list[list[Record]]:
    """Cut rows between ladders, so that no figure has too many."""
    parts: list[list[Record]] = []
    for of_ladder in _by_ladder(rows).values():
        if not parts or len(parts[-1]) + len(of_ladder) > MOST:
            parts.append([])
        parts[-1] += of_ladder
    return parts


def _by_ladder(rows: Sequence[Record]) -> Mapping[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for row in rows:
        groups.setdefault(row["ladder"], []).append(row)
    return groups


def forest(
    ax: "Axes",
    rows: Sequence[Record],
    log: bool,  # noqa: FBT001  a quantity is a count or not
    names: Sequence[str],
    document: Record,
) -> "Axes":
    """Draw intervals by ladder: colour is the law, the mark its noise, hollow pooled.

    What else varies in a choice is written at the end of its line.
    A thin bar below one is the interval of the posterior means of bootstrap replicates,
    which is another thing than the posterior's own.

    Args:
        ax: to draw on.
        rows: of one quantity of a summary.
        log: whether the axis is logarithmic.
        names: parts of a choice that vary.
        document: the summary, which tells the laws and noises there are.
    """
    laws, noises = (
        list(dict.fromkeys(r[n] for r in _rows(document))) for n in ("law", "noise")
    )
    colours = {law: COLOURS[i % len(COLOURS)] for i, law in enumerate(laws)}
    marks = {noise: MARKS[i % len(MARKS)] for i, noise in enumerate(noises)}
    other = [n for n in names if n not in ("law", "noise")]
    y, ticks = 0.0, {}
    for ladder, of_ladder in _by_ladder(rows).items():
        ticks[y] = _plain(ladder)
        for row in of_ladder:
            words = choice_words(row, other) if other else ""
            _draw(ax, y, row, colours[row["law"]], marks[row["noise"]], words)
            y += 1
        y += 0.6
    if log:
        ax.set_xscale("log")
        ends = [r[n] for r in rows for n in ("lo", "hi")]
        count_ticks(ax.xaxis, min(ends), max(ends))
    ax.set_yticks([*ticks], [*ticks.values()], fontsize=9)
    ax.set_ylim(y, -0.8)
    ax.figure.legend(
        handles=_legend(rows, colours, marks),
        fontsize=8,
        ncols=4,
        loc="outside upper left",
        frameon=False,
    )
    return ax


def _draw(
    ax: "Axes", y: float, row: Record, colour: str, mark: str, words: str
) -> None:
    """Draw one interval, and below it those of its bootstraps."""
    fill = "none" if row["pooled"] else colour
    ends = [row["lo"], row["hi"]]
    ax.plot(ends, [y, y], color=colour, lw=2, solid_capstyle="butt")
    ax.plot(row["median"], y, mark, color=colour, ms=5, mfc=fill)
    if words:
        ax.annotate(
            words,
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
            color=SOFT,
            annotation_clip=False,
        )
    for b in row["bootstraps"]:
        ax.plot([b["lo"], b["hi"]], [y + 0.36] * 2, color=SOFT, lw=1)


def _legend(
    rows: Sequence[Record], colours: Mapping[str, str], marks: Mapping[str, str]
) -> list["Line2D"]:
    """Say what colours, marks and thin bars mean, where there is more than one."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=c, lw=2, label=law) for law, c in colours.items()]
    if len(marks) > 1:
        lines += [
            Line2D([], [], color=SOFT, marker=mark, lw=0, label=n.replace("_", "-"))
            for n, mark in marks.items()
        ]
    if any(r["pooled"] for r in rows):
        lines.append(
            Line2D([], [], color=SOFT, marker="o", mfc="none", lw=0, label="pooled")
        )
    if any(r["bootstraps"] for r in rows):
        label = "posterior means of bootstrap replicates"
        lines.append(Line2D([], [], color=SOFT, lw=1, label=label))
    return lines


def _plain(name: str) -> str:
    """Break or cut a long name, and keep Matplotlib from reading formulas in it."""
    text = shown(name)
    lines = wrap(text, WIDE)
    if len(lines) > 2:
        lines = [text[:WIDE], f"…{text[1 - WIDE :]}"]
    return "\n".join(lines).replace("$", r"\$")


def _spreads(document: Record) -> list[Record]:
    """Rows of the table that sets bootstrap spreads beside posterior sds."""
    return [
        {
            "title": q["title"],
            "ladder": r["ladder"],
            "choice": choice_words(r),
            **b,
            "ratio": "–" if b["ratio"] is None else digits(b["ratio"], 2),
        }
        for q in document["quantities"]
        for r in q["rows"]
        for b in r["bootstraps"]
    ]
