"""Fit every public ladder under weak priors and keep what each says of the shared unknowns.

    uv run python benchmarks/record_fits.py

writes `benchmarks/results/record_fits.json`: by ladder, law and unknown the posterior's
mean and sd and the weak prior's, on the scale where a prior is about normal (logs and
logits).  No run is in it.  What the file holds already is not fitted again, unless named
by `--again LADDER`.  `learn_priors.py` turns it into `data/priors.toml`.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nstar
from nstar.cache import use_cache
from nstar.fits.diagnostics import diagnose
from nstar.fits.fitting import Fit
from nstar.fits.model import unknowns
from nstar.runs import datasets
from nstar.runs.observations import Observations
from nstar.runs.optima import measured_optima
from nstar.samplers.nuts import Settings

OUT = Path(__file__).parent / "results" / "record_fits.json"
QUICK = Settings(chains=2, warmup=500, draws=500)
BENT = Settings(chains=2, warmup=250, draws=250, pilot=250, max_tree_depth=8)
FEWEST = 12  # runs of a ladder that a surface is fitted to
HEAD = "non-embedding and head"  # Porian's standard and attention counts


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.log(p) - np.log1p(-p)


SCALES: Mapping[str, Callable] = {
    "alpha1": _logit,
    "floor_share": _logit,
} | dict.fromkeys(
    (
        "exponent_sum",
        "coupling",
        "sigma",
        "nu",
        "tokens_per_parameter",
        "bend_along",
        "bend_tokens",
        "bend_across",
        "bend_local",
    ),
    np.log,
)

# source: data set, filters, the column whose values are ladders of their own
SURFACES: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    ("chinchilla", "chinchilla_epoch", ("outlier=0",), None),
    ("llama3", "llama3", (), None),
    ("marin", "marin_isoflop", ("validation_optimal=0",), "corpus"),
    ("farseer", "farseer", ("split=train",), None),
    ("gadre", "gadre_overtrain", (), "corpus"),
    ("muennighoff", "datablations", ("epochs<=1.01",), None),
    ("porian", "porian_isoflop", (), "ladder"),
)
OPTIMA = (("llama3", "llama3_optima", None), ("porian", "porian_optima", "ladder"))


class Ladder(NamedTuple):
    """Runs under one recipe, with the count of their parameters."""

    source: str
    name: str
    data: str
    counted: str
    runs: Observations


def surfaces() -> Iterator[Ladder]:
    """Every ladder with enough runs that vary N and D apart."""
    for source, data, where, by in SURFACES:
        for name, part in _parts(data, where, by):
            part = _distinct(part)
            if len(part) >= FEWEST:
                yield Ladder(source, name, data, _counted(part, name), part)


def optima() -> Iterator[Ladder]:
    """Compute-optimal points: published ones, else the minima of the ladder's profiles."""
    for source, data, by in OPTIMA:
        for name, part in _parts(data, (), by):
            yield Ladder(source, name, data, _counted(part, name), part)
    for ladder in surfaces():
        if ladder.source in ("chinchilla", "marin"):
            yield ladder._replace(runs=measured_optima(ladder.runs))


def _parts(
    data: str, where: tuple[str, ...], by: str | None
) -> Iterator[tuple[str, Observations]]:
    runs = nstar.read_runs(data, where=where)
    if by is None:
        yield data, runs
        return
    for value in np.unique(runs[by]):
        yield f"{data} {value}", runs.take(runs[by] == value)


def _counted(runs: Observations, name: str) -> str:
    """Count of the parameters; Porian's conditions name theirs."""
    if name.startswith("porian"):
        return "non-embedding" if name.split("/")[4] == "kaplan" else HEAD
    return runs.params_counted


def _distinct(runs: Observations) -> Observations:
    rows = np.stack([runs["N"], runs["D"], runs["L"]], axis=1)
    _, first = np.unique(rows, axis=0, return_index=True)
    return runs.take(np.isin(np.arange(len(runs)), first))


def learned(fit: Fit) -> dict[str, list[float]]:
    """Mean and sd of the posterior and of the prior, on each unknown's own scale."""
    found = {}
    prior = fit.tree["prior"].dataset
    for name, scale in SCALES.items():
        if name in fit.draws:
            after, before = scale(fit.draws[name]), scale(prior[name].to_numpy())
            numbers = (after.mean(), after.std(), before.mean(), before.std())
            found[name] = [round(float(v), 4) for v in numbers]
    return found


def over(fit: Fit) -> dict[str, str]:
    """Weak priors the fit was made under, as text."""
    said = json.loads(fit.tree.attrs["priors"])
    return {name: said[name] for name in SCALES if name in fit.draws}


def jobs(bent: set[str]) -> Iterator[tuple[str, Ladder, dict[str, Any]]]:
    """Every fit by its name: points, straight surfaces, then bent ones."""
    for ladder in optima():
        yield "allocation", ladder, {"law": "allocation", "settings": QUICK}
    every = list(surfaces())
    for law in ("coupled", "chinchilla"):
        for ladder in every:
            yield law, ladder, {"law": law, "discrepancy": "none", "settings": QUICK}
    for ladder in sorted(every, key=lambda ladder: len(ladder.runs)):
        if ladder.source != "porian" or any(part in ladder.name for part in bent):
            yield (
                "coupled bent",
                ladder,
                {"law": "coupled", "discrepancy": "waves", "settings": BENT},
            )


PORIAN_BENT = {
    "rw/base/long/kaplan/kaplan/train",
    "rw/base/short/chinchilla/standard/val",
    "rw/tuned/short/const/standard/val",
}  # three of ten: a bent fit takes minutes


def main(words: list[str] | None = None) -> None:
    """Fit what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="append", default=[], metavar="LADDER")
    again = set(parser.parse_args(words).again)
    kept = json.loads(OUT.read_text())["fits"] if OUT.is_file() else []
    kept = [entry for entry in kept if entry["ladder"] not in again]
    have = {(entry["ladder"], entry["kind"]) for entry in kept}
    use_cache()
    for kind, ladder, options in jobs(PORIAN_BENT):
        if (ladder.name, kind) in have:
            continue
        silent = lambda done, total: None  # noqa: E731
        fit = nstar.fit(ladder.runs, tick=silent, seed=0, **options)
        worst = diagnose(fit.tree, unknowns(fit.law, fit.noise))
        kept.append(
            {
                "source": ladder.source,
                "ladder": ladder.name,
                "data": ladder.data,
                "kind": kind,
                "sha256": datasets.get(ladder.data).sha256[:12],
                "params_counted": ladder.counted,
                "runs": len(fit.runs),
                "rhat": round(worst.rhat, 3),
                "divergences": worst.divergences,
                "learned": learned(fit),
                "over": over(fit),
            }
        )
        print(
            kind,
            ladder.name,
            kept[-1]["rhat"],
            kept[-1]["divergences"],
            kept[-1]["learned"],
            flush=True,
        )
        _write(kept)


def _write(fits: list[dict[str, Any]]) -> None:
    about = {
        "nstar": version("nstar"),
        "numbers": "mean and sd of the posterior, then of the weak prior, on the log or logit scale",
    }
    text = ",\n".join(json.dumps(entry) for entry in fits)
    whole = f'{{"about": {json.dumps(about)}, "fits": [\n{text}\n]}}\n'
    json.loads(whole)
    partial = OUT.with_suffix(".part")
    partial.write_text(whole)
    os.replace(partial, OUT)


def digest() -> str:
    """Fingerprint of the fits."""
    return hashlib.sha256(OUT.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
