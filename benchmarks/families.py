"""Parallel streams, CLIP, diffusion transformers and token budgets, beside what is printed.

    python benchmarks/families.py --data DIR --json

Reads parscale.csv, openclip.csv, clip_mammut.csv, dit_fid.csv and token_budget.csv where
they are in DIR; each part says which published fit it is held against.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nstar
from nstar.cache import use_cache
from nstar.fits.fitting import Fit
from nstar.intervals import credible_level, interval
from nstar.laws.bounded_metric import BoundedMetric
from nstar.published import fits as published
from nstar.verdicts import Status

BINS = 5  # of log compute, in Cherti's own notebook
CLIP_TASKS = {
    "openclip_imagenet": "imagenet1k",
    "openclip_imagenet_robustness_avg": "imagenet_robustness",
    "openclip_mscoco_retrieval_r5": "mscoco_captions",
    "openclip_flickr30k_retrieval_r5": "flickr30k",
    "openclip_vtab": "vtab",
    "openclip_vtab_plus": "vtab+",
    "openclip_imagenet_v2": "imagenetv2",
}
GMAC = 2e9  # FLOP of a forward GMAC; training is three times as much


def told(fit: Fit, names: tuple[str, ...]) -> dict[str, Any]:
    """Intervals of unknowns, and the checks that are not PASS."""
    posterior = fit.tree["posterior"].dataset
    found: dict[str, Any] = {
        n: interval(posterior[n].to_numpy(), 0.9).as_json() for n in names
    }
    checks = nstar.check_fit(fit)
    return found | {
        "runs": len(fit.runs),
        "not_pass": [
            f"{c.status} {c.name}" for c in checks if c.status is not Status.PASS
        ],
    }


def streams(folder: Path) -> list[dict[str, Any]]:
    """ParScale: k on P <= 4 beside the printed one; P = 4 from P <= 2; P = 8 predicted."""
    found = []
    for corpus, name in (("stack", "parscale_stack"), ("pile", "parscale_pile")):
        runs = nstar.read_runs(folder / "parscale.csv", where=[f"corpus={corpus}"])
        for top in (2, 4):
            fit = nstar.fit(runs.take(runs["P"] <= top), "parallel")
            k = float(published.get(name).coefficients["k"])
            posterior = fit.tree["posterior"]["stream_worth"].to_numpy()
            record = {
                "corpus": corpus,
                "P_at_most": top,
                "printed_k": k,
                "k_level": credible_level(posterior.ravel(), k),
            }
            record |= told(fit, ("stream_worth", "alpha", "E"))
            later = runs.take(runs["P"] > top)
            sizes = np.unique(np.round(runs["N"][runs["P"] == 1]))
            N = later["N"] if len(later) else sizes
            P = later["P"] if len(later) else np.full(len(sizes), 8.0)
            made = nstar.predict(fit, N=N, x={"P": P})["measured"].to_numpy()
            low, high = np.quantile(made, [0.05, 0.95], axis=0)
            record["predicted"] = [
                {"N": float(n), "P": float(p), "lower": float(a), "upper": float(b)}
                for n, p, a, b in zip(N, P, low, high, strict=True)
            ]
            if len(later):
                record["inside"] = float(
                    np.mean((low <= later["L"]) & (later["L"] <= high))
                )
            found.append(record)
    return found


def lowest(C: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pick the least error of each of five bins of log compute, at the bin's middle.

    As Cherti et al. do; empty bins are left out.
    """
    x = np.log10(C)
    edges = np.linspace(x.min(), x.max() + 0.1, BINS + 1)
    own = np.digitize(x, edges) - 1
    full = [i for i in range(BINS) if np.any(own == i)]
    middle = np.array([(edges[i] + edges[i + 1]) / 2 for i in full])
    return 10**middle, np.array([error[own == i].min() for i in full])


def clip(folder: Path) -> list[dict[str, Any]]:
    """Cherti's seven lines from their points, and our bounded law of the same envelope."""
    found = []
    for name, task in CLIP_TASKS.items():
        runs = nstar.read_runs(
            folder / "openclip.csv", {"metric": "error"}, [f"downstream={task}"]
        )
        runs = runs.take(runs["corpus"] != "CLIP-WIT")
        C, error = lowest(runs["gmacs_total"], runs["metric"])
        slope, level = np.polyfit(np.log(C), np.log(error), 1)
        printed = published.get(name).values
        best = np.minimum.accumulate(runs["metric"][np.argsort(runs["C"])])
        order = np.argsort(runs["C"])
        front = runs.take(order[runs["metric"][order] <= best])
        fit = nstar.fit({"C": front["C"], "metric": front["metric"]}, "bounded_metric")
        record = {
            "task": task,
            "beta": float(np.exp(level)),
            "alpha": float(slope),
            "printed_beta": printed["c"],
            "printed_alpha": -printed["p"],
        }
        record |= told(fit, ("gamma", "error_floor"))
        ten = decade(fit, 10 * float(runs["C"].max()))
        record["error_at_ten_times"] = interval(ten, 0.9).as_json()
        record["line_at_ten_times"] = float(
            np.exp(level) * (10 * runs["gmacs_total"].max()) ** slope
        )
        found.append(record)
    return found


def decade(fit: Fit, C: float) -> np.ndarray:
    """Error of the law at one compute, (draw,)."""
    import jax

    law = fit.law
    with jax.enable_x64(True):
        return np.asarray(jax.vmap(lambda p: law.expected(p, {"C": C}))(fit.draws))


def mammut(folder: Path) -> list[dict[str, Any]]:
    """CLIP and MaMMUT on ImageNet: our law of the best runs beside LAION's curve."""
    found = []
    for method in ("clip", "mammut"):
        runs = nstar.read_runs(
            folder / "clip_mammut.csv",
            {"metric": "imagenet_error"},
            [f"method={method}"],
        )
        order = np.argsort(runs["C"])
        best = np.minimum.accumulate(runs["metric"][order])
        front = runs.take(order[runs["metric"][order] <= best])
        fit = nstar.fit(
            {"C": front["C"], "metric": front["metric"]}, BoundedMetric(chance=0.001)
        )
        curve = published.get(f"laion_cmp_imagenet_{method}")
        record: dict[str, Any] = {"method": method, "front": len(front)} | told(
            fit, ("gamma", "error_floor")
        )
        record["error"] = [
            {
                "C": C,
                **interval(decade(fit, C), 0.9).as_json(),
                "printed": float(curve.curve(C / 1e9)),
            }
            for C in (1e19, 1e20, 1e21, 1e22)
        ]
        found.append(record)
    return found


def diffusion(folder: Path) -> list[dict[str, Any]]:
    """FID of the twelve DiT against their forward pass."""
    runs = nstar.read_runs(folder / "dit_fid.csv", {"fid": "fid50k"})
    fit = nstar.fit(
        {"forward_flop": GMAC * runs["gmacs_forward"], "fid": runs["fid"]}, "fid"
    )
    return [told(fit, ("gamma", "fid_floor_share"))]


def tokens(folder: Path) -> list[dict[str, Any]]:
    """o1-mini's accuracy on thirty AIME problems against tokens."""
    where = ["model=o1-mini", "strategy=asked token budget, single sample"]
    runs = nstar.read_runs(
        folder / "token_budget.csv",
        {"T": "tokens_per_problem", "questions": "problems"},
        where,
    )
    return [told(nstar.fit(runs, "token_budget"), ("ceiling", "width", "floor"))]


PARTS: dict[str, tuple[str, Callable[[Path], list[dict[str, Any]]]]] = {
    "parallel_streams": ("parscale.csv", streams),
    "clip": ("openclip.csv", clip),
    "clip_and_mammut": ("clip_mammut.csv", mammut),
    "diffusion": ("dit_fid.csv", diffusion),
    "token_budget": ("token_budget.csv", tokens),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--part", choices=PARTS, action="append", help="only these")
    given = parser.parse_args()
    use_cache()
    document: dict[str, Any] = {"prob": 0.9}
    for part, (file, run) in PARTS.items():
        if part not in (given.part or PARTS) or not (given.data / file).is_file():
            continue
        print(part, file=sys.stderr)
        document[part] = run(given.data)
    print(json.dumps(document, indent=None if given.json else 1))
