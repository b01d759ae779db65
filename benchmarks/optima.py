"""Measured optima at larger budgets: does the 90 % interval of `optimum` hold?

    uv run python benchmarks/optima.py [--only trials] [--only laws] [--only routes]

takes ladders with measured optima (Llama 3, Porian's ten conditions, Marin), learns from
their smaller budgets in ordered hold-outs and predicts the measured optima of the next
decade: closed forms of many processes (`bends.py`), and nstar's own laws with and
without the bend.  Scores are averaged over the splits of a ladder, the ladders of a
source, the sources.  Then the record of every route and of the report's mixture at one
and two decades (`optima_routes.py`).  Writes benchmarks/results/optima.{json,md}.  Measured runs are read
from NSTAR_DATA_DIR (or ../shared/data) and never written.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import jax
import numpy as np

import nstar
import optima_routes
from bends import TRIED, forecast
from nstar.cache import use_cache
from nstar.fits.diagnostics import diagnose
from nstar.fits.model import unknowns
from nstar.fits.refit_cache import RefitCache
from optima_ladders import HoldOut, Ladder, hold_outs, ladders

FOLDER = Path(__file__).parent / "results"
FILE = FOLDER / "optima.json"
DECADES = {"one decade": (0.0, 1.0), "two decades": (1.0, 2.0)}
LAWS = {
    "allocation, straight": ("allocation", "none"),
    "allocation": ("allocation", "waves"),
    "isoflop, straight": ("isoflop", "none"),
    "isoflop": ("isoflop", "waves"),
}
ALL_SPLITS = ("llama3", "marin")  # of other sources, the split that ends at their top

type Row = list[float]  # coverage, interval score, span a decade (or two) out, |error|


def score(draws: np.ndarray, part: HoldOut) -> Row:
    """Scores of draws of log D* at the held-out budgets, then at the horizon itself."""
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    span, (low, high) = np.exp(high[-1] - low[-1]), (low[:-1], high[:-1])
    outside = np.maximum(low - part.D, 0) + np.maximum(part.D - high, 0)
    error = np.abs(np.median(draws, axis=0)[:-1] - part.D)
    return [
        float(np.mean(outside == 0)),
        float(np.mean(high - low + 20 * outside)),
        float(span),
        float(np.mean(error)),
    ]


def averaged(rows: dict[str, dict[str, list[Row]]]) -> dict[str, Row]:
    """Mean of each source and over sources, of {source: {ladder: [row, ...]}}."""
    found = {
        source: np.mean([np.mean(of, axis=0) for of in each.values()], axis=0)
        for source, each in rows.items()
    }
    found["mean"] = np.mean(list(found.values()), axis=0)
    return {name: [round(float(v), 3) for v in row] for name, row in found.items()}


def run(
    predict: Callable[[HoldOut, np.ndarray], np.ndarray],
    parts: Iterable[HoldOut],
    horizon: float,
) -> dict[str, Row]:
    """Score one forecaster on many hold-outs, `horizon` decades out at most."""
    rows: dict[str, dict[str, list[Row]]] = {}
    for part in parts:
        end = np.log(part.learned["C"].max()) + horizon * np.log(10)
        draws = predict(part, np.r_[part.C, end])
        of = rows.setdefault(part.ladder.source, {}).setdefault(part.ladder.name, [])
        of.append(score(draws, part))
    return averaged(rows)


def trials() -> dict[str, dict[str, dict[str, Row]]]:
    """Every process of `bends.TRIED` in closed form."""
    known, found = list(ladders()), {}
    for bend in TRIED:
        found[str(bend)] = {
            name: run(
                lambda p, new, b=bend: forecast(
                    b,
                    np.log(p.learned["C"]),
                    np.log(p.learned["D"]),
                    p.learned["se"],
                    new,
                    0,
                ),
                [h for ladder in known for h in hold_outs(ladder, span)],
                span[1],
            )
            for name, span in DECADES.items()
        }
        print(bend, found[str(bend)]["one decade"]["mean"], file=sys.stderr, flush=True)
    return found


def laws(names: Iterable[str]) -> dict[str, dict]:
    """Nstar's own laws, by NUTS, one decade out; with what the sampler's checks said."""
    found = {}
    for name in names:
        law, discrepancy = LAWS[name]
        failed, seconds, again = [], [], 0

        def predict(part: HoldOut, new: np.ndarray) -> np.ndarray:
            nonlocal again
            start = time.perf_counter()
            runs = part.train if law == "isoflop" else part.learned  # noqa: B023
            fit = nstar.fit(runs, law, discrepancy=discrepancy, seed=0)  # noqa: B023
            draws = nstar.plan(fit, np.exp(new)).draws["D_optimum"]
            seconds.append(time.perf_counter() - start)  # noqa: B023
            again += bool(fit.notes)
            if trouble := diagnose(fit.tree, unknowns(fit.law, fit.noise)).trouble:
                where = f"{part.ladder.name}, {len(part.learned)} budgets"
                failed.append(f"{where}: {trouble}")  # noqa: B023
            at = [
                float(np.argmin(np.abs(draws["budget"].to_numpy() / C - 1)))
                for C in np.exp(new)
            ]
            words = f"{name}: {part.ladder.name}, {len(part.learned)} budgets, {seconds[-1]:.0f} s"  # noqa: B023
            print(words, file=sys.stderr, flush=True)
            return np.log(draws.to_numpy()[:, np.array(at, dtype=int)])

        parts = [h for ladder in ladders() for h in chosen(ladder)]
        found[name] = run(predict, parts, 1.0) | {
            "splits": len(parts),
            "failed": failed,
            "second attempts": again,
            "median seconds": round(float(np.median(seconds)), 1),
        }
        jax.clear_caches()
    return found


def chosen(ladder: Ladder) -> list[HoldOut]:
    """All ordered hold-outs, or of a source of many ladders the one of the top decade."""
    parts = list(hold_outs(ladder, DECADES["one decade"]))
    if ladder.source in ALL_SPLITS:
        return parts
    return [
        next(p for p in parts if p.C[-1] >= np.log(ladder.optima["C"].max()) - 1e-6)
    ]


def page(document: dict) -> str:
    """Tables of everything."""
    parts = [HEAD, *optima_routes.page(document.get("routes", {}))]
    if "laws" in document:
        parts.append(LAWS_HEAD)
        parts += [
            _row(name, row)
            + f" {row['splits']} | {row['second attempts']} | {len(row['failed'])} | {row['median seconds']} |"
            for name, row in document["laws"].items()
        ]
    for name in DECADES if "trials" in document else ():
        parts.append(f"\n## Processes in closed form, {name} out\n\n{TABLE}")
        parts += [_row(bend, each[name]) for bend, each in document["trials"].items()]
    return "\n".join(parts) + "\n"


def _row(name: str, row: dict[str, Row]) -> str:
    sources = [s for s in ("llama3", "porian", "marin") if s in row]
    cells = [" / ".join(f"{v:.2f}" for v in row[s]) for s in (*sources, "mean")]
    if "marin" not in row:
        cells.insert(-1, "–")
    return f"| {name} | " + " | ".join(cells) + " |"


TABLE = """| process | Llama 3 | Porian | Marin | mean over sources |
| --- | --- | --- | --- | --- |"""
LAWS_HEAD = """
## nstar's laws, one decade out

| law | Llama 3 | Porian | Marin | mean over sources | splits | second attempts | failed checks | seconds a fit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""
HEAD = (Path(__file__).parent / "optima_head.md").read_text().rstrip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=["trials", "laws", "routes"])
    parser.add_argument("--law", action="append", choices=list(LAWS))
    parser.add_argument(
        "--ladder", help="of the routes, ladders with this in their name"
    )
    parser.add_argument("--keep", type=Path, help="folder that keeps the routes' fits")
    options = parser.parse_args()
    use_cache()
    what = options.only or ["trials", "laws", "routes"]
    document = json.loads(FILE.read_text()) if FILE.exists() else {}
    if "trials" in what:
        document["trials"] = trials()
    if "laws" in what:
        document["laws"] = document.get("laws", {}) | laws(options.law or LAWS)
    if "routes" in what:
        store = RefitCache(options.keep)
        for count, scored in optima_routes.record(store, options.ladder or "").items():
            document.setdefault("routes", {}).setdefault(count, {}).update(scored)
    FILE.write_text(json.dumps(document, indent=1) + "\n")
    (FOLDER / "optima.md").write_text(page(document))
