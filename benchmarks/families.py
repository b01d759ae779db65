"""Laws of other families on their measured points, beside what is printed.

    python benchmarks/families.py --data DIR --json
    python benchmarks/families.py --data DIR --part llava --part latent_diffusion --write

Parallel streams, CLIP, diffusion transformers, latent diffusion, LLaVA and token budgets:
reads parscale.csv, openclip.csv, clip_mammut.csv, dit_fid.csv, llava_tokens.csv and
token_budget.csv where they are in DIR; each part says which published fit it is held
against.  `--write` puts what the fits say of released models into data/families.toml,
which `nstar models` shows.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nstar
from nstar.cache import use_cache
from nstar.fits.fitting import Fit
from nstar.fits.groups import in_group
from nstar.intervals import credible_level, interval
from nstar.laws.bounded_metric import BoundedMetric
from nstar.plans.pictures import choose_pictures
from nstar.predictions.responding import respond
from nstar.published import fits as published
from nstar.published import models
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


def held_out(fit: Fit, x: dict[str, np.ndarray], seen: np.ndarray) -> dict[str, Any]:
    """90 % intervals of points that were not fitted, and the share inside."""
    drawn = respond(fit, x)["measured"].to_numpy()
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    points = [
        {"measured": float(y), "lower": float(a), "upper": float(b)}
        for y, a, b in zip(seen, low, high, strict=True)
    ]
    return {"points": points, "inside": float(np.mean((low <= seen) & (seen <= high)))}


def owed(data: dict[str, Any], law: str, flat: dict[str, str], at: dict[str, float]):
    """An answer under the law's priors, and with a flat prior of the floor."""
    priors = {"weak": None, "flat_floor": flat}
    answers = {
        name: respond(nstar.fit(data, law, priors=prior), at)["law"].to_numpy()[:, 0]
        for name, prior in priors.items()
    }
    return {"at": at} | {
        name: interval(draws, 0.9).as_json() for name, draws in answers.items()
    }


def diffusion(folder: Path) -> list[dict[str, Any]]:
    """FID of the twelve DiT against their forward pass; the XL from the smaller."""
    runs = nstar.read_runs(folder / "dit_fid.csv", {"fid": "fid50k"})
    flop, fid = GMAC * runs["gmacs_forward"], runs["fid"]
    small = runs["size"] != "XL"
    fit = nstar.fit({"forward_flop": flop, "fid": fid}, "fid")
    fewer = nstar.fit({"forward_flop": flop[small], "fid": fid[small]}, "fid")
    return [
        told(fit, ("gamma", "fid_floor_share"))
        | {"XL": held_out(fewer, {"forward_flop": flop[~small]}, fid[~small])}
    ]


def read_latent() -> tuple[np.ndarray, np.ndarray]:
    """FLOP of a forward pass and FID of Mei's eleven models."""
    runs = nstar.read_runs("latent_diffusion", ladder=False)
    return runs["forward_flop"], runs["fid"]


def latent_diffusion(folder: Path) -> list[dict[str, Any]]:
    """FID of latent diffusion (Mei 2024); the two largest from the nine smaller."""
    flop, fid = read_latent()
    data = {"forward_flop": flop, "fid": fid}
    small = slice(0, -2)
    fewer = nstar.fit({n: v[small] for n, v in data.items()}, "fid")
    ten = {"forward_flop": 10 * float(flop.max())}
    return [
        told(nstar.fit(data, "fid"), ("gamma", "fid_floor_share"))
        | {"2B_and_5B": held_out(fewer, {"forward_flop": flop[-2:]}, fid[-2:])}
        | {"owed": owed(data, "fid", {"fid_floor_share": "Beta(1, 1)"}, ten)}
    ]


def read_llava(folder: Path) -> Any:
    """Errors by task, size of the language model and visual tokens."""
    columns = {"N": "params", "T": "visual_tokens", "metric": "error"}
    return nstar.read_runs(folder / "llava_tokens.csv", columns, ladder=False)


def llava(folder: Path) -> list[dict[str, Any]]:
    """7B from the smaller three: each task by itself, and both pooled."""
    runs = read_llava(folder)
    small = runs.take(runs["N"] < runs["N"].max())
    pooled = nstar.fit(small, "visual_tokens", pool="task")
    records = []
    for task in np.unique(runs["task"]):
        rows = runs.take(runs["task"] == task)
        large = rows.take(rows["N"] == runs["N"].max())
        x = {"N": large["N"], "T": large["T"]}
        fit = nstar.fit(rows.take(rows["N"] < runs["N"].max()), "visual_tokens")
        every = nstar.fit(rows, "visual_tokens")
        data = {name: rows[name] for name in ("N", "T", "metric")}
        record = {"task": str(task)} | told(every, ("alpha", "beta"))
        record |= {
            "by_itself": held_out(fit, x, large["metric"]),
            "pooled": held_out(in_group(pooled, str(task)), x, large["metric"]),
            "budgets": choose_pictures(every, [1e11, 1e12, 1e13]).as_json(),
            "owed": owed(
                data,
                "visual_tokens",
                {"error_floor_share": "Beta(1, 1)"},
                {"N": 14e9, "T": 144.0},
            ),
        }
        records.append(record)
    return records


def tokens(folder: Path) -> list[dict[str, Any]]:
    """o1-mini's accuracy on thirty AIME problems against tokens."""
    where = ["model=o1-mini", "strategy=asked token budget, single sample"]
    runs = nstar.read_runs(
        folder / "token_budget.csv",
        {"T": "tokens_per_problem", "questions": "problems"},
        where,
    )
    return [told(nstar.fit(runs, "token_budget"), ("ceiling", "width", "floor"))]


class Family(NamedTuple):
    """A fit of a family's measured points, and what it says of released models."""

    table: str
    law: str
    quantity: str
    note: str
    fit: Fit
    at: Callable[[models.Model], dict[str, float] | None]


def families(folder: Path) -> list[Family]:
    """The families whose points are fitted for `nstar models`."""
    flop, fid = read_latent()
    latent = nstar.fit({"forward_flop": flop, "fid": fid}, "fid")
    runs = read_llava(folder)
    reasoning = nstar.fit(runs.take(runs["task"] == "reasoning"), "visual_tokens")
    dits = nstar.read_runs(folder / "dit_fid.csv", {"fid": "fid50k"})
    fewer = dits.take(dits["size"] != "XL")
    dit = nstar.fit(
        {"forward_flop": GMAC * fewer["gmacs_forward"], "fid": fewer["fid"]}, "fid"
    )

    def forward(key: str, unit: float) -> Callable[[models.Model], Any]:
        def at(model: models.Model) -> dict[str, float] | None:
            value = model.architecture.get(key)
            return None if value is None else {"forward_flop": unit * float(value)}

        return at

    def picture(model: models.Model) -> dict[str, float] | None:
        shape = model.architecture
        if "visual_tokens" not in shape:
            return None
        return {"N": float(shape["llm_params"]), "T": float(shape["visual_tokens"])}

    return [
        Family(
            "latent_diffusion",
            "fid",
            "fid",
            "FID on COCO of UNets trained alike on 1B images (Mei et al. 2024): another training set, sampler or set of captions moves the level",
            latent,
            forward("forward_gflops", 1e9),
        ),
        Family(
            "dit_fid",
            "fid",
            "fid",
            "FID after 400K steps without guidance, from the nine models smaller than XL (Peebles & Xie 2023)",
            dit,
            forward("gmacs_per_sample", GMAC),
        ),
        Family(
            "llava_tokens",
            "visual_tokens",
            "mean_error",
            "mean error over nine tasks of reasoning, of LLaVA-NeXT on Qwen-1.5 (Li et al. 2024): another language model or recipe moves the level",
            reasoning,
            picture,
        ),
    ]


def write(folder: Path) -> None:
    """Write what the fits say of released models, by benchmarks/families.py --write."""
    lines = [
        "# Written by benchmarks/families.py --write: nstar's fits of measured points."
    ]
    prefixes = {"latent_diffusion": ("stable-diffusion-",), "dit_fid": ("dit-",)}
    prefixes["llava_tokens"] = ("llava-",)
    for family in families(folder):
        for name in models.names():
            x = family.at(models.get(name))
            if x is None or not name.startswith(prefixes[family.table]):
                continue
            drawn = respond(family.fit, x)["measured"].to_numpy()[:, 0]
            bounds = interval(drawn, 0.9)
            largest = {n: float(family.fit.runs[n].max()) for n in x}
            lines += [
                "",
                "[[prediction]]",
                f"model = {json.dumps(name)}",
                f"table = {json.dumps(family.table)}",
                f"law = {json.dumps(family.law)}",
                f"quantity = {json.dumps(family.quantity)}",
                f"runs = {len(family.fit.runs)}",
                "prob = 0.9",
                *(f"{key} = {value:.4g}" for key, value in bounds.as_json().items()),
                f"at = {{ {', '.join(f'{n} = {v:.4g}' for n, v in x.items())} }}",
                f"largest = {{ {', '.join(f'{n} = {v:.4g}' for n, v in largest.items())} }}",
                f"note = {json.dumps(family.note)}",
            ]
    path = Path(__file__).parents[1] / "data" / "families.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


PARTS: dict[str, tuple[str, Callable[[Path], list[dict[str, Any]]]]] = {
    "parallel_streams": ("parscale.csv", streams),
    "clip": ("openclip.csv", clip),
    "clip_and_mammut": ("clip_mammut.csv", mammut),
    "diffusion": ("dit_fid.csv", diffusion),
    "latent_diffusion": ("", latent_diffusion),  # shipped with nstar
    "llava": ("llava_tokens.csv", llava),
    "token_budget": ("token_budget.csv", tokens),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument(
        "--write", action="store_true", help="write data/families.toml too"
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="only these")
    given = parser.parse_args()
    use_cache()
    document: dict[str, Any] = {"prob": 0.9}
    for part, (file, run) in PARTS.items():
        if part not in (given.part or PARTS) or not (given.data / file).exists():
            continue
        print(part, file=sys.stderr)
        document[part] = run(given.data)
    if given.write:
        write(given.data)
    print(json.dumps(document, indent=None if given.json else 1))
