"""Do informed priors predict better than weak ones?  Each source scored without itself.

    uv run python benchmarks/score_priors.py

holds out the top decade of every ladder (`ladders.py`), fits the rest under informed
priors (which leave the ladder's own source out), sets the scores beside those of weak
priors on the same splits in `results/extrapolation.json`, and writes
`results/priors.json` and `results/priors.md`.  What the JSON holds is not run again;
`--kinds` and `--sources` name what is run, `--tables` only writes the page.
"""

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ladders import ladders
from nstar.cache import use_cache
from nstar.fits.diagnostics import diagnose
from nstar.fits.model import unknowns
from nstar.priors.learned import learned
from nstar.validation.backtest import backtest
from record_fits import BENT, QUICK
from record_fits import PORIAN_BENT as PORIAN  # three of its ten conditions

RESULTS = Path(__file__).parent / "results"
KINDS: Mapping[str, dict[str, Any]] = {
    "coupled": {"law": "coupled", "discrepancy": "none", "settings": QUICK},
    "chinchilla": {"law": "chinchilla", "discrepancy": "none", "settings": QUICK},
    "coupled bent": {"law": "coupled", "discrepancy": "waves", "settings": BENT},
}
PRIORS = ("weak", "informed")


def run(kinds: list[str], only: list[str], kept: list[dict[str, Any]]) -> None:
    """Score what is not there yet."""
    done = {(e["ladder"], e["kind"]) for e in kept}
    for kind in kinds:
        for ladder in ladders():
            if only and ladder.source not in only:
                continue
            if ladder.source == "porian" and not any(p in ladder.name for p in PORIAN):
                continue
            if (ladder.name, kind) in done:
                continue
            (outcome,) = backtest(
                replace(ladder.runs, notes=()),
                **KINDS[kind],
                priors="informed",
                tick=lambda done, total: None,
            )
            fit, record = outcome.fit, outcome.record()
            worst = diagnose(fit.tree, unknowns(fit.law, fit.noise))
            kept.append(
                {
                    "source": ladder.source,
                    "ladder": ladder.name,
                    "kind": kind,
                    "priors": "informed",
                    "left_out": json.loads(fit.tree.attrs.get("prior_left_out", "[]")),
                    "n_train": record["n_train"],
                    "n_test": record["n_test"],
                    "coverage": record["coverage"]["0.9"],
                    "interval_score": record["interval_score"]["0.9"],
                    "crps": record["crps"],
                    "rmse": record["rmse"],
                    "width": record["width"]["0.9"],
                    "rhat": round(worst.rhat, 3),
                    "divergences": worst.divergences,
                }
            )
            print(kept[-1], flush=True)
            _write(kept)


def _write(scores: list[dict[str, Any]]) -> None:
    about = {"record": learned().about["fits_sha256"]}
    text = ",\n".join(json.dumps(entry) for entry in scores)
    partial = RESULTS / "priors.part"
    partial.write_text(f'{{"about": {json.dumps(about)}, "scores": [\n{text}\n]}}\n')
    os.replace(partial, RESULTS / "priors.json")


WEAK = {  # forecasters of extrapolation.json
    "coupled": "nstar coupled",
    "chinchilla": "peer NUTS chinchilla",
    "coupled bent": "nstar coupled, waves",
}


def with_weak(scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Set beside each score that of the weak priors on the same split."""
    kept = json.loads((RESULTS / "extrapolation.json").read_text())["splits"]
    splits = {s["ladder"]: s for s in kept if s["hold_out"] == 1.0}
    weak = []
    for entry in scores:
        split = splits[entry["ladder"]]
        assert (split["train"], split["test"]) == (entry["n_train"], entry["n_test"])
        found = split["scores"][WEAK[entry["kind"]]]
        weak.append(
            entry
            | {
                "priors": "weak",
                "coverage": found["coverage"]["0.9"],
                "crps": found["crps"],
                "rmse": found["rmse"],
                "interval_score": found["interval_score"]["0.9"],
                "width": found["width"]["0.9"],
            }
        )
    return [*weak, *scores]


MEASURES = {
    "coverage": 1,
    "interval_score": 100,
    "crps": 100,
    "rmse": 100,
    "width": 100,
}


def means(scores: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, int, dict]]:
    """Average within each source, then over sources ("all")."""
    by: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for entry in scores:
        by[entry["kind"], entry["priors"]].setdefault(entry["source"], []).append(entry)
    for (kind, priors), sources in by.items():
        each = {
            s: {m: float(np.mean([e[m] for e in es])) for m in MEASURES}
            for s, es in sources.items()
        }
        for source, found in each.items():
            yield kind, priors, source, len(sources[source]), found
        over = {m: float(np.mean([v[m] for v in each.values()])) for m in MEASURES}
        yield kind, priors, "all", len(each), over


def page(scores: list[dict[str, Any]]) -> str:
    """Write the tables."""
    found = {(k, p, s): (n, m) for k, p, s, n, m in means(scores)}
    parts = []
    for kind in dict.fromkeys(e["kind"] for e in scores):
        parts.append(f"## {kind} law, one decade held out\n")
        parts.append(
            "| source (ladders) | coverage of 90 %: weak | informed | interval score: weak | informed | ratio | CRPS: weak | informed | rms: weak | informed | width: weak | informed |"
        )
        parts.append("|" + " --- |" * 12)
        names = [s for k, p, s in found if k == kind and p == "informed"]
        for source in sorted(names, key=lambda s: s == "all"):
            if (kind, "weak", source) not in found:
                continue
            (n, weak), (_, informed) = (found[kind, p, source] for p in PRIORS)
            cells = [
                f"**mean of {n} sources**" if source == "all" else f"{source} ({n})"
            ]
            for m, scale in MEASURES.items():
                digits = 3 if m == "coverage" else 2
                cells += [
                    f"{weak[m] * scale:.{digits}f}",
                    f"{informed[m] * scale:.{digits}f}",
                ]
                if m == "interval_score":
                    cells.append(f"{informed[m] / weak[m]:.2f}")
            parts.append("| " + " | ".join(cells) + " |")
        parts.append("")
    return "\n".join(parts)


def priors_table() -> str:
    """Weak and informed priors side by side, by their 90 % ranges."""
    import jax

    from nstar.priors.stated import parse

    rows = [
        "| unknown | of | weak | its 90 % | informed | its 90 % | sources |",
        "|" + " --- |" * 7,
    ]
    for unknown, groups in learned().groups.items():
        for condition, group in groups.items():
            cells = [f"`{unknown}`", condition]
            for text in (group.over, learned().prior(unknown, condition, ())):
                with jax.enable_x64(True):
                    draws = parse(text).sample(jax.random.key(0), (20000,))
                low, high = np.quantile(draws, [0.05, 0.95])
                cells += [text, f"{low:.3g} to {high:.3g}"]
            cells.append(str(len({s.source for s in group.estimates})))
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


MARK = "<!-- written by benchmarks/score_priors.py from here on -->"


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kinds", nargs="+", default=["coupled", "chinchilla"], choices=list(KINDS)
    )
    parser.add_argument("--sources", nargs="+", default=[])
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args()
    file = RESULTS / "priors.json"
    kept = json.loads(file.read_text())["scores"] if file.is_file() else []
    use_cache()
    if not asked.tables:
        run(asked.kinds, asked.sources, kept)
    whole = RESULTS / "priors.md"
    above = (
        whole.read_text().split(MARK)[0]
        if whole.is_file()
        else "# Priors from the public record\n\n"
    )
    about = learned().about
    said = f"Learned from {about['sources']} sources: {about['fits']} fits of {about['ladders']} ladders ({about['fits_left_out']} that had not converged left out) and {about['published_fits']} published fits.  Losses in 0.01 of log loss; ladders are averaged within a source, then over sources.\n"
    whole.write_text(
        f"{above}{MARK}\n\n{said}\n{page(with_weak(kept))}\n## The priors\n\n{priors_table()}\n"
    )


if __name__ == "__main__":
    main()
