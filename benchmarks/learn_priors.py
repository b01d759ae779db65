"""Learn priors from the public record and write data/priors.toml.

    uv run python benchmarks/learn_priors.py

fits the ladders that `results/record_fits.json` does not hold yet (`record_fits.py`;
minutes for the straight laws, about a minute a ladder for the bent one), adds the
published fits that data/sources.toml says to learn from, and summarises each unknown
over sources (`nstar.priors.population`), once with all of them and once without each.
`--tables` skips the fits.

Each ladder's posterior has its weak prior taken out, as normals on the log or logit
scale; a ladder that hardly narrows its prior says nothing.  A published figure counts
with a standard error of its own where its source gives one worth having, which is
almost never: 0.1 on the logit of alpha1 (0.025 in alpha1) and 0.15 on logs stand for
what rounding and the choice of points do.
"""

import argparse
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import record_fits
from nstar.files.data_files import shipped
from nstar.priors.learned import FORMAT, Group
from nstar.priors.population import Estimate, likelihood
from nstar.priors.record import fingerprint, sources
from nstar.published import fits as published
from nstar.published.fits import PublishedFit

OUT = Path(__file__).parents[1] / "data" / "priors.toml"
PUBLISHED_SE = {
    "alpha1": 0.1,
    "exponent_sum": 0.15,
    "coupling": 0.1,
    "tokens_per_parameter": 0.3,
}
BUDGET = 1e21  # FLOP, where published tokens per parameter are read
COUNTED = ("total", "non-embedding")  # with a prior of alpha1 of their own
CONVERGED = 1.1  # largest R-hat of a fit whose means and sds are listened to
ANY = "any"
FEWEST = 4  # sources; what fewer speak of keeps its weak prior


class Statement(NamedTuple):
    """One figure, and where it belongs."""

    unknown: str
    condition: str
    estimate: Estimate
    prior: tuple[float, float]  # mean and sd of the weak prior; NaN where none was used


def of_ladders(fits: list[Mapping[str, Any]]) -> Iterator[Statement]:
    """What the fitted ladders say, less their priors."""
    for fit in fits:
        if fit["rhat"] > CONVERGED:
            continue
        for unknown, (mean, sd, prior_mean, prior_sd) in fit["learned"].items():
            found = likelihood(mean, sd, prior_mean, prior_sd)
            if found is not None:
                estimate = Estimate(fit["source"], *found)
                for c in conditions(unknown, fit["kind"], fit["params_counted"]):
                    yield Statement(unknown, c, estimate, (prior_mean, prior_sd))


def conditions(unknown: str, kind: str, counted: str) -> tuple[str, ...]:
    """Which groups a figure belongs to: by count, by law or by how flexible the law is."""
    if unknown == "alpha1":
        return ("unknown", counted) if counted in COUNTED else ("unknown",)
    law = kind.split()[0]
    if unknown in ("sigma", "nu"):
        return (
            "points"
            if law == "allocation"
            else "bent"
            if "bent" in kind
            else "straight",
        )
    return (law,) if unknown in ("exponent_sum", "floor_share") else (ANY,)


def of_published() -> Iterator[Statement]:
    """What the published fits say that are to be learned from."""
    none = (float("nan"), float("nan"))
    for source in sources().values():
        for id in source.learn:
            fit = published.get(id)
            kind = "coupled" if fit.form == "coupled" else "chinchilla"
            for unknown, value in figures(fit).items():
                estimate = Estimate(source.name, value, PUBLISHED_SE[unknown])
                for c in conditions(unknown, kind, fit.params_counted):
                    yield Statement(unknown, c, estimate, none)


def figures(fit: PublishedFit) -> dict[str, float]:
    """The shared unknowns a published fit gives, on their scales."""
    v, found = fit.values, {}
    a = fit.exponents()["N"]
    fixed = fit.form in ("overtrain", "ratio") or v.get("alpha") == v.get(
        "beta", np.inf
    )
    if a is not None and not fixed:
        found["alpha1"] = np.log(a / (1 - a))
    if fit.form == "overtrain":
        found["exponent_sum"] = np.log(4 * v["eta"])  # alpha = beta = 2 eta
    elif {"alpha", "beta"} <= v.keys():
        k = v.get("gamma", 1.0)  # ours are the exponents outside the bracket
        found["exponent_sum"] = np.log(k * (v["alpha"] + v["beta"]))
    if "gamma" in v and fit.form == "coupled":
        found["coupling"] = np.log(v["gamma"])
    best = fit.optimum(BUDGET)
    if (
        best.N is not None
        and best.D is not None
        and fit.params_counted != "flops-per-token"
    ):
        found["tokens_per_parameter"] = np.log(float(best.D) / float(best.N))
    return {name: float(value) for name, value in found.items()}


def groups(
    statements: list[Statement], over: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, Group]]:
    """Gather statements by unknown and condition."""
    by: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for statement in statements:
        by[statement.unknown, statement.condition].append(statement)
    groups_by_unknown: dict[str, dict[str, Group]] = {}
    for (unknown, condition), statements_of_group in by.items():
        if len({s.estimate.source for s in statements_of_group}) < FEWEST:
            continue
        priors = np.array([s.prior for s in statements_of_group])
        mean, sd = (float(round(v, 4)) for v in np.nanmean(priors, axis=0))
        scale = "logit" if unknown in ("alpha1", "floor_share") else "log"
        estimates = tuple(
            Estimate(
                s.estimate.source, round(s.estimate.value, 4), round(s.estimate.se, 4)
            )
            for s in statements_of_group
        )
        group = Group(over[unknown, condition], scale, (mean, sd), estimates)
        groups_by_unknown.setdefault(unknown, {})[condition] = group
    return groups_by_unknown


def weak_priors(fits: list[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """The prior, as text, that each group was learned under."""
    found = {}
    for fit in fits:
        for unknown, text in fit["over"].items():
            for c in conditions(unknown, fit["kind"], fit["params_counted"]):
                if found.setdefault((unknown, c), text) != text:
                    msg = f"{unknown} of {c} was learned under two priors: {found[unknown, c]} and {text}; fit the ladders again"
                    raise ValueError(msg)
    return found


def text(
    groups_by_unknown: Mapping[str, Mapping[str, Group]],
    about: Mapping[str, Any],
    fingerprints: Mapping[str, str],
) -> str:
    """Write the file."""
    lines = [
        "# Priors learned from the public record.  Written by benchmarks/learn_priors.py: do not edit.",
        "# said: by unknown and condition, [source, value, standard error] on the log or logit",
        "#   scale with the weak prior taken out.  all: the predictive for a ladder of a new source.",
        "# without: the same with one source left out.  marks: hashes of 32 bits by which runs of",
        "#   a source are recognised.",
        f"format = {FORMAT}",
        "",
        "[about]",
        *(f"{k} = {json.dumps(v)}" for k, v in about.items()),
        "",
        "[marks]",
        *(f"{k} = {json.dumps(v)}" for k, v in fingerprints.items()),
    ]
    for unknown, conditions in groups_by_unknown.items():
        for c, g in conditions.items():
            by = ", ".join(json.dumps(list(s)) for s in g.estimates)
            lines += [
                "",
                f'[said.{unknown}."{c}"]',
                f'over = "{g.over}"',
                f'scale = "{g.scale}"',
                f"weak = {list(g.weak)}",
                f"by = [{by}]",
            ]
    everyone = sorted(
        {
            s.source
            for cs in groups_by_unknown.values()
            for g in cs.values()
            for s in g.estimates
        }
    )
    for key, excluded in [("all", ()), *((f"without.{s}", (s,)) for s in everyone)]:
        lines += ["", f"[{key}]"]
        for unknown, cs in groups_by_unknown.items():
            for c, g in cs.items():
                lines.append(f'{unknown}.{c} = "{g.without(excluded).summary()}"')
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fit what is missing, summarise, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", action="store_true", help="only summarise")
    if not parser.parse_args().tables:
        record_fits.main([])
    kept = json.loads(record_fits.OUT.read_text())
    fits = kept["fits"]
    statements = [*of_ladders(fits), *of_published()]
    learned_groups = groups(statements, weak_priors(fits))
    runs = defaultdict(list)
    for ladder in (*record_fits.surfaces(), *record_fits.optima()):
        runs[ladder.source].append(ladder.runs)
    about = {
        "command": "python benchmarks/learn_priors.py",
        "method": "weak prior taken out of each posterior; random effects over sources with a Student-t population of 4 degrees of freedom, each source one observation; predictive for a ladder of a new source (nstar.priors.population)",
        "nstar": kept["about"]["nstar"],
        "sources": len({s.estimate.source for s in statements}),
        "ladders": len({f["ladder"] for f in fits}),
        "fits": len(fits),
        "fits_left_out": sum(f["rhat"] > CONVERGED for f in fits),
        "published_fits": sum(len(s.learn) for s in sources().values()),
        "fits_sha256": record_fits.digest(),
        "published_sha256": _sha("published.toml"),
        "sources_sha256": _sha("sources.toml"),
        "data_sets": sorted({f"{f['data']} {f['sha256']}" for f in fits}),
    }
    fingerprints = {
        source: fingerprint(tables) for source, tables in sorted(runs.items())
    }
    partial = OUT.with_suffix(".part")
    partial.write_text(text(learned_groups, about, fingerprints), encoding="utf-8")
    os.replace(partial, OUT)


def _sha(name: str) -> str:
    return hashlib.sha256(shipped(name).read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
