"""Readers that turn verified upstream files into one table; none executes code.

A reader takes the files in the registry's order and gives rows in nstar's columns, to
be written as CSV.  To add one: a function here, a line in READERS, and
`access = "convert"` in data/datasets.toml.
"""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

type Row = dict[str, Any]

FORWARD_TO_TRAINING = 3.0  # the backward pass costs twice the forward
FLOP_PER_PARAM_TOKEN = 6.0  # forward and backward pass, Kaplan et al. (2020) sec. 2.1
ROUTING_TOKENS_PER_STEP = 524288  # Clark et al. (2022)
ROUTING_SAME = (
    *("hyper_id", "router_type", "num_experts", "k", "routing_frequency"),
    *("flop_increase", "model_size_label", "d_model", "num_blocks", "seed"),
    *("loss_c4", "loss_pile", "loss_lambada", "loss_wikitext103"),
    "loss_curation_corpus",
)
PROBLEMS = {"AIME 2025": 30, "MATH500": 500, "MMLU Pro-1K": 1000, "SuperGPQA-1K": 1000}


def _csv(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _parquet(file: Path) -> list[Row]:
    from pyarrow import parquet  # slow to import, and few sets need it

    return parquet.read_table(file).to_pylist()


def _splits(files: Sequence[Path]) -> Iterator[Row]:
    for file in files:
        for row in _parquet(file):
            yield {"split": file.name.split("-")[0]} | row


def marin_isoflop(files: Sequence[Path]) -> Iterator[Row]:
    """Read the ladders of one corpus a file.

    A run's name carries its budget in forward FLOP, so training takes three times
    that; the validation-optimal runs carry it in training FLOP.
    """
    for file in files:
        for row in _csv(file):
            run = row["Name"]
            optimal = "validation-optimal" in run
            name = re.search(r"(?:isoflop|optimal)-(\d+(?:\.\d+)?e\+?\d+)-", run)
            if name is None:
                raise ValueError(f"{file}: no budget in the run name {run!r}")
            N = float(row["parameter_count"])
            D = float(row["throughput/total_tokens"])
            yield {
                "corpus": file.stem.removeprefix("isoflop-"),
                "run": run,
                "budget_name": name[1],
                "validation_optimal": int(optimal),
                "params": N,
                "tokens": D,
                "flops": FLOP_PER_PARAM_TOKEN * N * D,
                "fwd_flops_logged": float(row["throughput/total_gflops"]) * 1e9,
                "loss": row["eval/paloma/macro_loss"],
                "batch": row["trainer.train_batch_size"],
                "steps": row["trainer.num_train_steps"],
                "lr": row["optimizer.learning_rate"],
                "width": row["model.hidden_dim"],
                "layers": row["model.num_layers"],
                "budget": float(name[1]) * (1.0 if optimal else FORWARD_TO_TRAINING),
            }


def vocab_scaling(files: Sequence[Path]) -> Iterator[Row]:
    """Read the checkpoints; tokens follow from FLOP = 6 N D, N with the vocabulary."""
    for row in _csv(files[0]):
        vocabulary, width = float(row["vocab_size"]), float(row["embed_dim"])
        inner = float(row["Non_vocab_parameters"])
        N, C = inner + vocabulary * width, float(row["FLOPs"])
        yield {
            "vocab_size": int(vocabulary),
            "embed_dim": int(width),
            "params_nonvocab": inner,
            "params_vocab": vocabulary * width,
            "params": N,
            "characters": row["num_characters"],
            "flops": C,
            "loss_u": row["Lossu"],
            "tokens": C / (FLOP_PER_PARAM_TOKEN * N),
        }


def routing_moe(files: Sequence[Path]) -> Iterator[Row]:
    """Read the last evaluation of each run that has a loss there."""
    with gzip.open(files[0], "rt", newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    last: dict[str, dict[str, str]] = {}
    for row in rows:
        earlier = last.get(row["hyper_id"])
        if earlier is None or float(row["step"]) > float(earlier["step"]):
            last[row["hyper_id"]] = row
    for row in last.values():
        if row["loss_validation"] in ("", "nan"):
            continue
        step, forward = float(row["step"]), float(row["flops_per_step"])
        yield {
            **{name: row[name] for name in ROUTING_SAME},
            "step": int(step),
            "is_final": 1,
            "params_active": row["dense_parameter_count"],
            "params_total": row["total_parameter_count"],
            "tokens": step * ROUTING_TOKENS_PER_STEP,
            "fwd_flops_per_step": forward,
            "flops": FORWARD_TO_TRAINING * forward * step,
            "loss": row["loss_validation"],
        }


def openclip(files: Sequence[Path]) -> Iterator[Row]:
    """Join results with architectures; error is one minus accuracy or recall at 5."""
    results, architectures = files
    size = {row["model"]: float(row["mparams"]) * 1e6 for row in _csv(architectures)}
    for row in _csv(results):
        metric = "acc1" if row["acc1"] else "image_retrieval_recall@5"
        if not row[metric]:
            continue
        seen, gmacs = float(row["samples_seen"]), float(row["gmacs"])
        yield {
            "run": row["name"],
            "arch": row["arch"],
            "corpus": row["upstream_dataset"],
            "downstream": row["downstream_dataset"],
            "metric": metric,
            "params": size[row["arch"]],
            "samples_seen": seen,
            "gmacs_per_sample": gmacs,
            "gmacs_total": row["gmacs_total"],
            "flops": 2e9 * FORWARD_TO_TRAINING * gmacs * seen,
            "value": row[metric],
            "error": 1.0 - float(row[metric]),
        }


def farseer(files: Sequence[Path]) -> Iterator[Row]:
    """Read the grid and its held-out giants."""
    for row in _splits(files):
        yield {
            "split": row["split"],
            "params_nonembed": row["N"],
            "tokens": row["D"],
            "flops": FLOP_PER_PARAM_TOKEN * row["N"] * row["D"],
            "loss": row["loss"],
        }


def parscale(files: Sequence[Path]) -> Iterator[Row]:
    """Read the loss by size and number of parallel streams."""
    for row in _splits(files):
        yield {
            "split": row["split"],
            "corpus": row["group"],
            "params": row["num_params"],
            "parallel_streams": row["parallel_size"],
            "loss": row["loss"],
        }


def sparsity_upcycle(files: Sequence[Path]) -> Iterator[Row]:
    """Read the upcycled runs, sizes and tokens in billions as upstream."""
    same = ("split", "group", "N_active", "N_dense", "D1", "D2", "loss")
    for row in _splits(files):
        yield {name: row[name] for name in same} | {"active_ratio_P": row["P"]}


def token_budget(files: Sequence[Path]) -> Iterator[Row]:
    """Read accuracy by thinking budget: o1-mini on AIME, and budget forcing."""
    voted, single, forced = files
    for file, strategy in (
        (single, "asked token budget, single sample"),
        (voted, "asked token budget / majority vote"),
    ):
        for row in json.loads(file.read_text(encoding="utf-8")):
            yield {
                "model": "o1-mini",
                "task": "AIME 2024 (30 problems)",
                "strategy": strategy,
                "token_limit": row["token_limit"],
                "tokens_per_problem": row["avg_tokens_used"],
                "accuracy": row["accuracy"],
                "problems": 30,
            }
    for row in _csv(forced):
        for task, problems in PROBLEMS.items():
            yield {
                "model": row["Model"],
                "task": task,
                "strategy": f"{row['Prompting']} {row['Keyword']}".strip(),
                "token_limit": row["Budget"],
                "tokens_per_problem": "",
                "accuracy": float(row[task]) / 100.0,
                "problems": problems,
            }


READERS: dict[str, Callable[[Sequence[Path]], Iterator[Row]]] = {
    "marin_isoflop": marin_isoflop,
    "vocab_scaling": vocab_scaling,
    "routing_moe": routing_moe,
    "openclip": openclip,
    "farseer": farseer,
    "parscale": parscale,
    "sparsity_upcycle": sparsity_upcycle,
    "token_budget": token_budget,
}
