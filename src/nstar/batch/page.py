"""A batch as one HTML page that needs nothing else: what to look at, and every interval."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, FileSystemLoader

from nstar.batch.quantities import interval, number, varying, words
from nstar.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE, SOFT, counted, svg
from nstar.report.markup import environment
from nstar.wording import digits, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 60  # rows of a figure
MARKS = "osD^v<>"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK)
WIDE = 38  # characters of a line of a ladder's name
MOVES, LINES = 30, 40  # rows of a table on the page; the JSON has all


def page(document: dict[str, Any]) -> str:
    """Write the page of a batch.

    Args:
        document: as `nstar.batch.summary.summary` returns it.
    """
    found = environment()
    ours = FileSystemLoader(Path(__file__).parent)
    found.loader = ChoiceLoader([ours, *([found.loader] if found.loader else [])])
    found.filters |= {
        "interval": interval,
        "number": number,
        "words": words,
        "shown": shown,
    }
    names = varying(r for q in document["quantities"] for r in q["rows"]) or ["law"]
    return found.get_template("batch.html.j2").render(
        facts=document,
        figures=_figures(document, names),
        spreads=_spreads(document),
        bent=any(
            r["discrepancy"] != "none"
            for q in document["quantities"]
            for r in q["rows"]
        ),
        moves=(document["drift"] or {"moves": []})["moves"][:MOVES],
        lines=LINES,
        names=names,
    )


def _figures(document: dict[str, Any], names: Sequence[str]) -> list[dict[str, str]]:
    """A figure for each quantity, or several where there are many rows."""
    found = []
    for i, q in enumerate(document["quantities"]):
        rows = [r for r in q["rows"] if r["median"] is not None]
        for j, (of, part) in enumerate(_drawn(q, rows)):
            title = f"{q['title']}{of}"
            alt = f"{title}: medians and {100 * document['prob']:.3g} % intervals of {len(part)} fits, by ladder; summary.json has each."
            size = 7.2, 1.4 + 0.21 * (len(part) + len({r["ladder"] for r in part}))
            art = svg(
                f"f{i}-{j}",
                title,
                alt,
                forest,
                part,
                q["log"],
                names,
                document,
                size=size,
            )
            found.append({"title": title, "svg": art})
    return found


def _drawn(
    q: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows of each figure and what it is of; losses in other units are not set side by side."""
    own: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        unit = row["loss_unit"] if q["key"].startswith(("L[", "loss[")) else ""
        own.setdefault(unit or "", []).append(row)
    for unit, each in own.items():
        parts = _parts(each)
        for i, part in enumerate(parts, 1):
            of = f", part {i} of {len(parts)}" if len(parts) > 1 else ""
            yield (f", {unit}" if unit else "") + of, part


def _parts(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Cut rows between ladders, so that no figure has too many."""
    parts: list[list[dict[str, Any]]] = []
    for ladder in dict.fromkeys(r["ladder"] for r in rows):
        own = [r for r in rows if r["ladder"] == ladder]
        if not parts or len(parts[-1]) + len(own) > MOST:
            parts.append([])
        parts[-1] += own
    return parts


def forest(
    ax: "Axes",
    rows: Sequence[dict[str, Any]],
    log: bool,  # noqa: FBT001  a quantity is a count or not
    names: Sequence[str],
    document: dict[str, Any],
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
    from matplotlib.lines import Line2D

    each = [r for q in document["quantities"] for r in q["rows"]]
    laws, noises = (list(dict.fromkeys(r[n] for r in each)) for n in ("law", "noise"))
    colours = {law: COLOURS[i % len(COLOURS)] for i, law in enumerate(laws)}
    marks = {noise: MARKS[i % len(MARKS)] for i, noise in enumerate(noises)}
    at, ticks = 0.0, []
    again, other = False, [n for n in names if n not in ("law", "noise")]
    for ladder in dict.fromkeys(r["ladder"] for r in rows):
        own = [r for r in rows if r["ladder"] == ladder]
        ticks.append((at, _plain(ladder)))
        for row in own:
            colour = colours[row["law"]]
            ax.plot(
                [row["lo"], row["hi"]],
                [at, at],
                color=colour,
                lw=2,
                solid_capstyle="butt",
            )
            ax.plot(
                row["median"],
                at,
                marks[row["noise"]],
                color=colour,
                ms=5,
                mfc="none" if row["pooled"] else colour,
            )
            if other and (said := words(row, other)):
                ax.annotate(
                    said,
                    (1.01, at),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    fontsize=7,
                    color=SOFT,
                    annotation_clip=False,
                )
            for b in row["bootstraps"]:
                again = True
                ax.plot([b["lo"], b["hi"]], [at + 0.36] * 2, color=SOFT, lw=1)
            at += 1
        at += 0.6
    if log:
        ax.set_xscale("log")
        ends = [r[n] for r in rows for n in ("lo", "hi")]
        counted(ax.xaxis, min(ends), max(ends))
    ax.set_yticks([t for t, _ in ticks], [name for _, name in ticks], fontsize=9)
    ax.set_ylim(at, -0.8)
    shapes = [Line2D([], [], color=colours[n], lw=2, label=n) for n in laws]
    shapes += [
        Line2D([], [], color=SOFT, marker=marks[n], lw=0, label=n.replace("_", "-"))
        for n in noises
        if len(noises) > 1
    ]
    if any(r["pooled"] for r in rows):
        shapes.append(
            Line2D([], [], color=SOFT, marker="o", mfc="none", lw=0, label="pooled")
        )
    if again:
        shapes.append(
            Line2D(
                [],
                [],
                color=SOFT,
                lw=1,
                label="posterior means of bootstrap replicates",
            )
        )
    ax.figure.legend(
        handles=shapes, fontsize=8, ncols=4, loc="outside upper left", frameon=False
    )
    return ax


def _plain(name: str) -> str:
    """Break or cut a long name, and keep Matplotlib from reading formulas in it."""
    text = shown(name)
    lines = wrap(text, WIDE)
    if len(lines) > 2:
        lines = [text[:WIDE], f"…{text[1 - WIDE :]}"]
    return "\n".join(lines).replace("$", r"\$")


def _spreads(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table that sets bootstrap spreads beside posterior sds."""
    return [
        {
            "title": q["title"],
            "ladder": r["ladder"],
            "choice": words(r),
            **b,
            "ratio": "–" if b["ratio"] is None else digits(b["ratio"], 2),
        }
        for q in document["quantities"]
        for r in q["rows"]
        for b in r["bootstraps"]
    ]
