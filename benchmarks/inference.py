"""Inference laws held against runs: pass@k far beyond the samples.

    python benchmarks/inference.py --data DIR --json > inference.json

DIR holds tables with columns family, model, params, task, problem, samples, successes.  Of
each (task, model) every problem is thinned to `--samples` by drawing without replacement,
and pass@k of all its samples is predicted, for k as large as they allow.  Two targets are
scored apart: `these`, the pass@k that all samples of the fitted problems show, and `new`,
that of the other half where one half was fitted.  What is left out, and why, is said on
stderr and under `left_out`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.csv

import nstar
from inference_sets import POPULATIONS
from nstar.cache import use_cache
from nstar.responses.pass_rates import unbiased
from nstar.samplers.nuts import Settings

NEEDED = ("family", "model", "params", "task", "problem", "samples", "successes")
KS = (1000, 10000)
QUICK = Settings(chains=2, warmup=250, draws=500)
SIZES = 3  # models of a family from which they are fitted together too
LEAST = 20  # problems of a set, below which it is left out
RESAMPLES = 400  # of problems, for the interval of the regression
Draws = dict[int, np.ndarray]  # predictive draws by k


class Counts(NamedTuple):
    """Counts of one model on one task."""

    task: str
    family: str
    model: str
    params: float
    n: np.ndarray  # samples, (problem,)
    s: np.ndarray  # successes among them

    def only(self, rows: Any) -> "Counts":
        """Keep some problems."""
        return self._replace(n=self.n[rows], s=self.s[rows])


def tables(folder: Path, left_out: list[str]) -> Iterator[Counts]:
    """Yield the counts of every model and task of every table of counts.

    Raises:
        ValueError: counts contradict each other, naming file, row, column and value.
    """
    for file in sorted(folder.glob("*.csv")):
        with open(file, encoding="utf-8") as lines:
            lacks = sorted(set(NEEDED) - set(lines.readline().strip().split(",")))
        if lacks:
            left_out.append(
                f"{file.name}: no table of counts, lacks {', '.join(lacks)}"
            )
            continue
        read = pyarrow.csv.read_csv(file).to_pydict()
        columns = {name: np.array(read[name], dtype=object) for name in NEEDED}
        known = np.array(
            [
                all(v is not None for v in row)
                for row in zip(*columns.values(), strict=True)
            ]
        )
        if not known.all():
            left_out.append(f"{file.name}: {np.sum(~known)} rows with an empty cell")
        columns = {name: values[known] for name, values in columns.items()}
        _agree(file, columns, np.flatnonzero(known) + 1)
        kinds = np.array(
            [
                f"{t}\t{m}"
                for t, m in zip(columns["task"], columns["model"], strict=True)
            ]
        )
        for kind in np.unique(kinds):
            own = {name: values[kinds == kind] for name, values in columns.items()}
            about = (str(own[name][0]) for name in ("task", "family", "model"))
            counts = (own[name].astype(int) for name in ("samples", "successes"))
            yield Counts(*about, float(own["params"][0]), *counts)


def _agree(file: Path, columns: dict[str, np.ndarray], rows: np.ndarray) -> None:
    """Refuse more successes than samples, and a problem that is counted twice."""
    seen: dict[tuple, int] = {}
    for i, row in enumerate(rows):
        n, s = columns["samples"][i], columns["successes"][i]
        if not 0 <= s <= n:
            msg = f"{file}, row {row}, column 'successes': expected 0 to the row's {n} samples, got {s}"
            raise ValueError(msg)
        key = tuple(str(columns[name][i]) for name in ("task", "model", "problem"))
        first = seen.setdefault(key, row)
        if first != row:
            msg = f"{file}, rows {first} and {row}, column 'problem': {key[2]} of {key[1]} on {key[0]} is counted twice"
            raise ValueError(msg)


def questions(
    c: Counts, keep: int, left_out: list[str]
) -> Iterator[tuple[Counts, tuple[int, ...]]]:
    """Yield the problems that can answer some k, and those k: most samples first.

    Where problems have differing samples, each k is asked of those that have as many.
    """
    name, few = f"{c.task}, {c.model}", int(np.sum(c.n <= keep))
    if few:
        left_out.append(
            f"{name}: {few} of {len(c.n)} problems have {keep} samples or fewer, of which none is left to predict"
        )
    c = c.only(c.n > keep)
    most = int(c.n.max(initial=0))
    by_rows: dict[bytes, list[int]] = {}
    for k in [k for k in KS if keep < k <= most] or ([most] if len(c.n) else []):
        by_rows.setdefault((c.n >= k).tobytes(), []).append(k)
        short = int(np.sum(c.n < k))
        if short:
            left_out.append(
                f"{name}: {short} of {len(c.n)} problems have fewer than {k} samples, left out at that k"
            )
    for beyond in [k for k in KS if k > most]:
        left_out.append(
            f"{name}: no problem has {beyond} samples, so that k is not asked"
        )
    for rows, ks in by_rows.items():
        own = c.only(np.frombuffer(rows, bool))
        if len(own.n) < LEAST:
            left_out.append(
                f"{name}: {len(own.n)} problems at k = {ks}, fewer than {LEAST}"
            )
            continue
        yield own, tuple(ks)


def by_law(law: str) -> Callable[..., tuple[Draws, Draws]]:
    """Forecast by a law: these problems, and as many new ones as are held out."""

    def forecast(
        c: Counts, ks: Any, shown: int, others: int, seed: int
    ) -> tuple[Draws, Draws]:
        rows = {"problem": np.arange(len(c.n)), "samples": c.n, "successes": c.s}
        fit = nstar.fit(rows, law, seed=seed, settings=QUICK, tick=lambda *_: None)
        made = nstar.pass_at_k(fit, ks, shown=shown, problems=others, seed=seed).draws
        each = (
            {int(k): made[t].sel(k=k).to_numpy() for k in ks}
            for t in ("these_measured", "new_measured")
        )
        return tuple(each)

    return forecast


def regression(
    c: Counts, ks: Any, shown: int, others: int, seed: int
) -> tuple[Draws, Draws]:
    """Forecast by a line through log(-log pass@k), problems resampled for its interval.

    The exponentiated power law c(k) = exp(a k^b) of Brown et al. (2024), fitted by least
    squares as is usual; it draws no line between these problems and new ones, but new
    ones scatter by their own resampling.
    """
    random = np.random.default_rng(seed)
    at = np.unique(np.geomspace(1, c.n.min(), 12).astype(int))
    each = unbiased(c.n[:, None], c.s[:, None], at)
    found = {int(k): [] for k in ks}
    for _ in range(RESAMPLES):
        pass_k = each[random.integers(0, len(each), len(each))].mean(axis=0)
        use = (pass_k > 0) & (pass_k < 1)
        if use.sum() < 2:
            continue
        b, a = np.polyfit(np.log(at[use]), np.log(-np.log(pass_k[use])), 1)
        for k in found:
            found[k].append(np.exp(-np.exp(a + b * np.log(k))))
    these = {k: np.array(v or [0.0, 1.0]) for k, v in found.items()}
    new = {k: random.binomial(others, v) / others for k, v in these.items()}
    return these, new


METHODS = {
    "repeated_sampling": by_law("repeated_sampling"),
    "beta_binomial": by_law("beta_binomial"),
    "regression on log pass@k": regression,
}


def score(draws: np.ndarray, truth: float) -> dict[str, float]:
    """Score one forecast: in or out at 90 %, interval score, width, bias."""
    low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
    outside = max(low - truth, 0.0) + max(truth - high, 0.0)
    return {
        "inside": float(low <= truth <= high),
        "interval_score": high - low + 20 * outside,
        "width": high - low,
        "bias": middle - truth,
    }


def across_sizes(
    each: list[Counts], ks: Any, shown: int, others: int, seed: int
) -> list[tuple[Draws, Draws]]:
    """Forecast by the repeated_by_size law, all models of a family fitted together."""
    rows = {
        "N": np.concatenate([np.full(len(c.s), c.params) for c in each]),
        "problem": np.concatenate([np.arange(len(c.s)) for c in each]),
        "samples": np.concatenate([c.n for c in each]),
        "successes": np.concatenate([c.s for c in each]),
    }
    fit = nstar.fit(rows, "repeated_by_size", seed=seed, tick=lambda *_: None)
    made = [
        nstar.pass_at_k(
            fit, ks, N=c.params, shown=shown, problems=others, seed=seed
        ).draws
        for c in each
    ]
    return [
        tuple(
            {int(k): m[t].sel(k=k).to_numpy() for k in ks}
            for t in ("these_measured", "new_measured")
        )
        for m in made
    ]


def simulated(sets: int, seed: int) -> Iterator[Counts]:
    """Yield sets of 140 problems from populations of many forms, 10,000 samples each."""
    for name, rates in POPULATIONS.items():
        for i in range(sets):
            random = np.random.default_rng([seed, i])
            s = random.binomial(10000, rates(random, 140))
            yield Counts(name, "simulated", f"set {i}", 1.0, np.full(140, 10000), s)


def passk(
    asked: list[tuple[Counts, tuple[int, ...]]],
    keep: int,
    thinnings: int,
    seed: int,
    *,
    across: bool,
) -> list[dict[str, Any]]:
    """Score every method on every thinning of every model."""
    records = []
    for kind in sorted({(c.task, c.family, ks) for c, ks in asked}):
        full, ks = [c for c, own in asked if (c.task, c.family, own) == kind], kind[2]
        shown = min(int(c.n.min()) for c in full)
        for i in range(thinnings):
            random = np.random.default_rng([seed, i])
            thin = [
                c._replace(
                    n=np.full(len(c.s), keep),
                    s=random.hypergeometric(c.s, c.n - c.s, keep),
                )
                for c in full
            ]
            halves = [np.array_split(random.permutation(len(c.s)), 2) for c in full]
            some = [c.only(own) for c, (own, _) in zip(thin, halves, strict=True)]
            made = {
                name: [
                    (m(c, ks, shown, len(o), i)[0], m(h, ks, shown, len(o), i)[1])
                    for c, h, (_, o) in zip(thin, some, halves, strict=True)
                ]
                for name, m in METHODS.items()
            }
            if across and len({c.params for c in full}) >= SIZES:
                both = (
                    across_sizes(c, ks, shown, len(halves[0][1]), i)
                    for c in (thin, some)
                )
                made["repeated_by_size"] = [
                    (a[0], b[1]) for a, b in zip(*both, strict=True)
                ]
            for name, forecasts in made.items():
                for c, (_, other), (these, new) in zip(
                    full, halves, forecasts, strict=True
                ):
                    for target, draws, rows in (
                        ("these", these, slice(None)),
                        ("new", new, other),
                    ):
                        for k in ks:
                            truth = float(unbiased(c.n[rows], c.s[rows], k).mean())
                            about = {
                                "task": c.task,
                                "model": c.model,
                                "thinning": i,
                                "method": name,
                                "target": target,
                                "k": k,
                                "truth": truth,
                            }
                            records.append(about | score(draws[k], truth))
            print(f"{kind[:2]}: thinning {i + 1} of {thinnings}", file=sys.stderr)
    return records


def summary(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean scores by task, target, k and method, and coverage's spread over models."""
    kinds = sorted({(r["task"], r["target"], r["k"], r["method"]) for r in records})
    found = []
    for task, target, k, method in kinds:
        own = [
            r
            for r in records
            if (r["task"], r["target"], r["k"], r["method"])
            == (task, target, k, method)
        ]
        models = sorted({r["model"] for r in own})
        each = {
            m: float(np.mean([r["inside"] for r in own if r["model"] == m]))
            for m in models
        }
        mean = {
            name: float(np.mean([r[name] for r in own]))
            for name in ("inside", "interval_score", "width", "bias")
        }
        found.append(
            {
                "task": task,
                "target": target,
                "k": k,
                "method": method,
                "forecasts": len(own),
                "coverage": mean.pop("inside"),
                **mean,
                "coverage_by_model": each,
                "coverage_sd_over_models": float(np.std(list(each.values()), ddof=1))
                if len(each) > 1
                else None,
            }
        )
    return found


def markdown(found: list[dict[str, Any]], keep: int) -> str:
    """Write the summary as a table."""
    lines = [
        f"90 % intervals from {keep} samples per problem",
        "",
        "| task | target | k | method | forecasts | coverage | by model, least to most | interval score | width | bias |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in found:
        each = sorted(r["coverage_by_model"].values())
        lines.append(
            f"| {r['task']} | {r['target']} | {r['k']} | {r['method']} | {r['forecasts']} | {r['coverage']:.2f} | {each[0]:.2f} to {each[-1]:.2f} | {r['interval_score']:.3f} | {r['width']:.3f} | {r['bias']:+.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument(
        "--simulated",
        type=int,
        default=0,
        help="sets of each simulated population in place of the tables",
    )
    parser.add_argument("--samples", type=int, default=100, help="kept of each problem")
    parser.add_argument("--thinnings", type=int, default=10, help="of each model")
    parser.add_argument(
        "--across",
        action="store_true",
        help="also all models of a family fitted together, a minute each",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--records", action="store_true", help="with every forecast")
    given = parser.parse_args()
    use_cache()
    left_out: list[str] = []
    sets = (
        simulated(given.simulated, given.seed)
        if given.simulated
        else tables(given.data, left_out)
    )
    asked = [one for c in sets for one in questions(c, given.samples, left_out)]
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    made = passk(asked, given.samples, given.thinnings, given.seed, across=given.across)
    told: dict[str, Any] = {
        "prob": 0.9,
        "samples": given.samples,
        "thinnings": given.thinnings,
        "pass_at_k": summary(made),
        "left_out": left_out,
    }
    if given.records:
        told["records"] = made
    print(
        json.dumps(told, indent=1)
        if given.json
        else markdown(told["pass_at_k"], given.samples)
    )
