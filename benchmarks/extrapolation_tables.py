"""Averages, bars, tables and the figure of stored extrapolation scores."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

REPLICATES = 20_000  # of a ladder's number of misses, for the range of mean coverage
MARK = "<!-- written by benchmarks/extrapolation.py from here on -->\n"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
DEFAULT = "nstar coupled, waves"
LEVELS = ("0.5", "0.8", "0.9", "0.95")
MEASURES = ("coverage", "score", "rms", "crps", "energy", "bias", "width")

type Records = list[dict[str, Any]]


def numbers(found: dict[str, Any]) -> dict[str, float]:
    """What is averaged, losses in units of 0.01 in log loss."""
    return {
        "coverage": found["coverage"]["0.9"],
        "score": 100 * found["interval_score"]["0.9"],
        "rms": 100 * found["rmse"],
        "crps": 100 * found["crps"],
        "energy": 100 * found["energy"],
        "bias": 100 * found["bias"],
        "width": 100 * found["width"]["0.9"],
    }


def by_source(records: Records, name: str) -> dict[str, dict[str, float]]:
    """Scores of one forecaster averaged over the ladders of each source."""
    found: dict[str, list[dict[str, float]]] = {}
    for r in records:
        if name in r["scores"]:
            found.setdefault(r["source"], []).append(numbers(r["scores"][name]))
    return {
        s: {m: float(np.mean([v[m] for v in vs])) for m in MEASURES}
        for s, vs in found.items()
    }


def simulated_coverage(records: Records, name: str) -> tuple[float, float]:
    """Central 95 % of the mean coverage that the forecaster itself would have.

    Each ladder's number of misses is drawn from its joint forecast, ladders
    independently, then averaged within and over sources as the scores are.
    """
    rng = np.random.default_rng(0)
    drawn: dict[str, list[np.ndarray]] = {}
    for r in records:
        if name in r["scores"]:
            counts = np.array(r["scores"][name]["misses"]["simulated"])
            missed = rng.choice(len(counts), REPLICATES, p=counts / counts.sum())
            drawn.setdefault(r["source"], []).append(1 - missed / r["test"])
    mean = np.mean([np.mean(v, axis=0) for v in drawn.values()], axis=0)
    low, high = np.quantile(mean, [0.025, 0.975])
    return float(low), float(high)


def averages(records: Records) -> list[dict[str, Any]]:
    """One record a forecaster and hold-out: within sources, then over sources."""
    table = []
    for held in sorted({r["hold_out"] for r in records}):
        part = [r for r in records if r["hold_out"] == held]
        for name in dict.fromkeys(n for r in part for n in r["scores"]):
            mine = [r for r in part if name in r["scores"]]
            sources = by_source(part, name)
            low, high = simulated_coverage(part, name)
            rarest = min(mine, key=lambda r: r["scores"][name]["misses"]["probability"])
            tail = min(mine, key=lambda r: r["scores"][name]["misses"]["at_least"])
            table.append(
                {
                    "hold_out": held,
                    "forecaster": name,
                    "complete": len(mine) == len(part),
                    "ladders": len(mine),
                    "sources": len(sources),
                    **{
                        m: float(np.mean([v[m] for v in sources.values()]))
                        for m in MEASURES
                    },
                    "simulated_coverage": [low, high],
                    "rarest": rarest["scores"][name]["misses"]["probability"],
                    "rarest_ladder": rarest["ladder"],
                    "too_many": tail["scores"][name]["misses"]["at_least"],
                    "below_1_percent": sum(
                        r["scores"][name]["misses"]["at_least"] < 0.01 for r in mine
                    ),
                    "below_1_percent_two_sided": sum(
                        r["scores"][name]["misses"]["probability"] < 0.01 for r in mine
                    ),
                }
            )
    return table


def best(rows: list[dict[str, Any]], kind: str, measure: str) -> dict[str, Any] | None:
    """Lowest mean among the complete forecasters of a kind."""
    mine = [r for r in rows if r["forecaster"].startswith(kind) and r["complete"]]
    return min(mine, key=lambda r: r[measure], default=None)


def averages_table(records: Records) -> str:
    """Markdown of the averages."""
    lines = []
    rows = averages(records)
    for held in dict.fromkeys(r["hold_out"] for r in rows):
        mine = [r for r in rows if r["hold_out"] == held]
        full = max(mine, key=lambda r: r["ladders"])
        lines += [
            f"\n**{held:g} decade{'s' * (held != 1)} held out** ({full['ladders']} ladders, {full['sources']} sources; losses in 0.01 of log loss)\n",
            "| forecaster | coverage of 90 % | simulated range | interval score | rms | CRPS | energy | bias | width | ladders with P(as many misses or more) < 1 % | two-sided < 1 % |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for r in mine:
            low, high = r["simulated_coverage"]
            partly = "" if r["complete"] else f" ({r['ladders']} ladders only)"
            cells = " | ".join(f"{r[m]:.2f}" for m in MEASURES[1:])
            lines.append(
                f"| {r['forecaster']}{partly} | {r['coverage']:.3f} | {low:.3f} to {high:.3f} | {cells} | {r['below_1_percent']} | {r['below_1_percent_two_sided']} |"
            )
    return "\n".join(lines) + "\n"


def bars_table(records: Records) -> str:
    """Markdown of nstar's forecasters against the bars."""
    rows = averages(records)
    lines = [
        "\n| nstar's | held out | coverage in its range | score / best trial (≤ 0.7) | score / best peer (≤ 0.5) | rms / best trial (≤ 0.85) | least P(misses) (≥ 0.01) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for held in dict.fromkeys(r["hold_out"] for r in rows):
        mine = [r for r in rows if r["hold_out"] == held]
        for r in mine:
            if not r["forecaster"].startswith("nstar") or not r["complete"]:
                continue
            low, high = r["simulated_coverage"]
            ratios = []
            for kind, measure in (
                ("trial", "score"),
                ("peer", "score"),
                ("trial", "rms"),
            ):
                other = best(mine, kind, measure)
                ratios.append(
                    ""
                    if other is None
                    else f"{r[measure] / other[measure]:.2f} ({other['forecaster']})"
                )
            inside = "yes" if low <= r["coverage"] <= high else "no"
            lines.append(
                f"| {r['forecaster']} | {held:g} | {inside}: {r['coverage']:.3f} in [{low:.3f}, {high:.3f}] | {' | '.join(ratios)} | {r['rarest']:.4f} ({r['rarest_ladder']}) |"
            )
    return "\n".join(lines) + "\n"


def sources_table(records: Records, measure: str) -> str:
    """Markdown of one measure by source and forecaster."""
    lines = []
    for held in sorted({r["hold_out"] for r in records}):
        part = [r for r in records if r["hold_out"] == held]
        sources = list(dict.fromkeys(r["source"] for r in part))
        lines += [
            f"\n{held:g} decade{'s' * (held != 1)} held out\n",
            f"| forecaster | {' | '.join(sources)} |",
            "| --- " * (len(sources) + 1) + "|",
        ]
        for name in dict.fromkeys(n for r in part for n in r["scores"]):
            found = by_source(part, name)
            cells = [f"{found[s][measure]:.2f}" if s in found else "" for s in sources]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def levels_table(records: Records, name: str = DEFAULT) -> str:
    """Markdown of one forecaster's coverage at four levels, by source, lowest first."""
    lines = []
    for held in sorted({r["hold_out"] for r in records}):
        mine = [r for r in records if r["hold_out"] == held and name in r["scores"]]
        rows = [(r["source"], r["ladder"], r["scores"][name]) for r in mine]
        sources: dict[str, list[Any]] = {}
        for source, ladder, found in rows:
            sources.setdefault(source, []).append((ladder, found))
        table = []
        for source, found in sources.items():
            levels = [np.mean([f["coverage"][n] for _, f in found]) for n in LEVELS]
            worst = min(found, key=lambda one: one[1]["coverage"]["0.9"])
            score = 100 * np.mean([f["interval_score"]["0.9"] for _, f in found])
            table.append((source, levels, score, worst))
        table.sort(key=lambda row: row[1][2])
        mean = np.mean([row[1] for row in table], axis=0)
        lines += [
            f"\n{name}, {held:g} decade{'s' * (held != 1)} held out\n",
            f"| source | {' | '.join(f'{float(n):.0%}' for n in LEVELS)} | interval score of 90% | worst ladder, and what its 90% hold |",
            "| --- " * (len(LEVELS) + 3) + "|",
        ]
        for source, levels, score, (ladder, found) in table:
            cells = " | ".join(f"{v:.2f}" for v in levels)
            lines.append(
                f"| {source} | {cells} | {score:.2f} | {ladder}: {found['coverage']['0.9']:.2f} |"
            )
        cells = " | ".join(f"{v:.3f}" for v in mean)
        lines.append(
            f"| **mean of sources** | {cells} | {np.mean([row[2] for row in table]):.2f} | |"
        )
    return "\n".join(lines) + "\n"


def ladders_table(records: Records) -> str:
    """Markdown of every ladder: coverage, interval score, rms and P(misses)."""
    lines = []
    names = list(dict.fromkeys(n for r in records for n in r["scores"]))
    for r in records:
        lines += [
            f"\n{r['ladder']}, {r['hold_out']:g} held out: {r['train']} runs to learn from, {r['test']} to predict\n",
            "| forecaster | coverage | interval score | rms | bias | energy | misses | P(as many or more) | two-sided |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name in names:
            if name in r["scores"]:
                v, m = numbers(r["scores"][name]), r["scores"][name]["misses"]
                lines.append(
                    f"| {name} | {v['coverage']:.2f} | {v['score']:.2f} | {v['rms']:.2f} | {v['bias']:+.2f} | {v['energy']:.2f} | {m['observed']} | {m['at_least']:.3f} | {m['probability']:.3f} |"
                )
    return "\n".join(lines) + "\n"


def figure(records: Records) -> Figure:
    """Interval score of each source, and mean coverage with its simulated range."""
    held = sorted({r["hold_out"] for r in records})
    names = list(dict.fromkeys(n for r in records for n in r["scores"]))
    sources = list(dict.fromkeys(r["source"] for r in records))
    height = 1.2 + 0.26 * len(names)
    page = Figure(figsize=(11, height * len(held)), layout="constrained")
    grid = page.subplots(len(held), 2, width_ratios=(3, 2), sharey=True, squeeze=False)
    rows = {(r["hold_out"], r["forecaster"]): r for r in averages(records)}
    at = np.arange(len(names))
    for (left, right), h in zip(grid, held, strict=True):
        part = [r for r in records if r["hold_out"] == h]
        for colour, source in zip(COLOURS, sources, strict=False):
            scored = [
                by_source(part, n).get(source, {}).get("score", np.nan) for n in names
            ]
            left.plot(scored, at, "o", color=colour, ms=4, label=source)
        means = [rows[h, n]["score"] if (h, n) in rows else np.nan for n in names]
        left.plot(means, at, "|", color="black", ms=14, mew=2, label="mean of sources")
        left.set(xscale="log", yticks=at, yticklabels=names)
        left.set_xlabel(
            f"90 % interval score, 0.01 in log loss; {h:g} decade{'s' * (h != 1)} held out"
        )
        for y, n in zip(at, names, strict=True):
            if (h, n) in rows:
                right.plot(
                    rows[h, n]["simulated_coverage"], [y, y], color="#999999", lw=5
                )
                right.plot(rows[h, n]["coverage"], y, "o", color="#D55E00", ms=5)
        right.axvline(0.9, color="black", lw=0.8, ls=":")
        right.set_xlabel("mean coverage of 90 %; grey: simulated")
    grid[0, 0].invert_yaxis()
    page.legend(
        *grid[0, 0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=8,
        fontsize=8,
    )
    return page


def write(document: dict[str, Any], folder: Path) -> None:
    """Write the figure, and the tables below the mark of a page whose head is ours."""
    records = document["splits"]
    page = folder / "extrapolation.md"
    head = page.read_text().split(MARK)[0] if page.exists() else "# Extrapolation\n\n"
    versions = ", ".join(f"{k} {v}" for k, v in document["versions"].items())
    tail = "\n".join(
        [
            f"Versions: {versions}.",
            "\n## Averages within sources, then over sources",
            averages_table(records),
            "## nstar against the bars",
            bars_table(records),
            "![Interval score by source, and mean coverage with the range each forecast simulates](extrapolation.svg)",
            "\n## 90 % interval score by source",
            sources_table(records, "score"),
            "## Coverage of 90 % intervals by source",
            sources_table(records, "coverage"),
            "## Coverage at every level, lowest source first",
            levels_table(records),
            "## rms error by source",
            sources_table(records, "rms"),
            "## Every ladder",
            ladders_table(records),
        ]
    )
    page.write_text(head + MARK + "\n" + tail)
    with mpl.rc_context({"svg.hashsalt": "nstar"}):
        figure(records).savefig(folder / "extrapolation.svg", metadata={"Date": None})
