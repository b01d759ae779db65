"""The tables of the design benchmark: columns, costs, laws, and what is held out."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from design_laws import Routed
from nstar.laws import LAWS
from nstar.types import Law

HELD = 0.2  # of the runs, those of largest cost, where a table has no split of its own
PARSCALE_TOKENS = 42e9  # of each of its runs
BILLION = 1e9

GROWTH = 0.3  # exponent of scatter toward small compute, by which local bends fade too
GROWTHS = {"vocab_scaling": 0.1}  # checkpoints of few runs; by holding out vocabularies

type Columns = dict[str, np.ndarray]


class Table(NamedTuple):
    """Runs of one pool, those of the pool first and then the target's."""

    x: Columns  # inputs by our names
    L: np.ndarray  # loss
    C: np.ndarray  # cost, FLOP
    pool: int  # how many are of the pool
    law: Law
    growth: float  # exponent by which its scatter grows toward small compute


def _number(values: list[str]) -> np.ndarray:
    return np.array(
        [float(v) if v not in ("", "nan", "NaN") else np.nan for v in values]
    )


def read(path: Path) -> dict[str, list[str]]:
    """Columns of a CSV as text."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _plain(t: dict[str, list[str]], names: dict[str, str]) -> Columns:
    return {ours: _number(t[theirs]) for ours, theirs in names.items()}


def farseer(t: dict[str, list[str]]) -> Columns:
    """Dense pre-training, loss per character."""
    return _plain(t, {"N": "params_nonembed", "D": "tokens", "C": "flops", "L": "loss"})


def datablations(t: dict[str, list[str]]) -> Columns:
    """Repeated data; the 182 runs that the paper fits, where they are marked."""
    x = _plain(
        t,
        {
            "N": "params",
            "D": "tokens",
            "unique_tokens": "unique_tokens",
            "C": "flops",
            "L": "loss",
        },
    )
    if "fit182" in t:
        x["L"] = np.where(_number(t["fit182"]) == 1, x["L"], np.nan)
    return x


def routing_moe(t: dict[str, list[str]]) -> Columns:
    """Routed models at the end of training."""
    x = _plain(
        t,
        {
            "N": "params_active",
            "D": "tokens",
            "total_params": "params_total",
            "k": "k",
            "C": "flops",
            "L": "loss",
        },
    )
    x["hashed"] = np.array([float(kind == "Hash") for kind in t["router_type"]])
    if "is_final" in t:
        x["L"] = np.where(_number(t["is_final"]) == 1, x["L"], np.nan)
    return x


def vocab_scaling(t: dict[str, list[str]]) -> Columns:
    """Vocabularies, on the normalised loss; data in characters as its authors have it."""
    return _plain(
        t,
        {
            "N": "params",
            "D": "characters",
            "vocabulary_params": "params_vocab",
            "C": "flops",
            "L": "loss_u",
        },
    )


def sparsity_upcycle(t: dict[str, list[str]]) -> Columns:
    """Upcycled mixtures; sizes and tokens are in billions there."""
    N, D1, D2 = (BILLION * _number(t[n]) for n in ("N_active", "D1", "D2"))
    C = 6 * BILLION * _number(t["N_dense"]) * D1 + 6 * N * D2
    return {
        "N": N,
        "D": D2,
        "dense_tokens": D1,
        "total_params": N * _number(t["active_ratio_P"]),
        "C": C,
        "L": _number(t["loss"]),
    }


def parscale(t: dict[str, list[str]]) -> Columns:
    """Parallel streams, each of which costs a pass."""
    N, P = _number(t["params"]), _number(t["parallel_streams"])
    return {"N": N, "P": P, "C": 6 * N * P * PARSCALE_TOKENS, "L": _number(t["loss"])}


def quest_precision(t: dict[str, list[str]]) -> Columns:
    """Weights and activations of few bits; FLOP as in full precision."""
    return _plain(
        t,
        {
            "N": "params_nonembed",
            "D": "tokens",
            "weight_bits": "w_bits",
            "activation_bits": "a_bits",
            "C": "flops",
            "L": "loss",
        },
    )


def ladder(**where: str) -> Callable[[dict[str, list[str]]], Columns]:
    """Runs of a ladder whose cells are these."""

    def columns(t: dict[str, list[str]]) -> Columns:
        x = _plain(t, {"N": "params", "D": "tokens", "C": "flops", "L": "loss"})
        for name, cell in where.items():
            x["L"] = np.where(np.array(t[name]) == cell, x["L"], np.nan)
        return x

    return columns


TABLES: dict[str, tuple[Callable[[dict[str, list[str]]], Columns], Law, str | None]] = {
    "farseer": (farseer, LAWS["farseer"](), None),
    "datablations": (datablations, LAWS["data_constrained"](), None),
    "routing_moe": (routing_moe, Routed(), None),
    "vocab_scaling": (vocab_scaling, LAWS["vocabulary"](), None),
    "sparsity_upcycle": (sparsity_upcycle, LAWS["upcycled"](), None),
    "parscale": (parscale, LAWS["parallel"](), "corpus"),
    "chinchilla_epoch": (ladder(outlier="0"), LAWS["chinchilla"](), None),
    "llama3_isoflop": (ladder(condition="raw_loss"), LAWS["chinchilla"](), None),
    "porian_isoflop": (
        ladder(corpus="rw", hparams="tuned", param_count="standard", split="val"),
        LAWS["chinchilla"](),
        None,
    ),
    "marin_isoflop": (
        ladder(validation_optimal="0"),
        LAWS["chinchilla"](),
        "corpus",
    ),
    "quest_precision": (quest_precision, LAWS["precision"](), None),
}


def tables(folder: Path, name: str) -> Iterator[Table]:
    """Pools of a table, one unless it has several corpora that are fitted apart.

    The split of the table is taken where it has runs of both; else the fifth of largest
    cost is the target.
    """
    columns, law, apart = TABLES[name]
    t = read(folder / f"{name}.csv")
    x = columns(t)
    split = np.array(t["split"]) if "split" in t else np.full(len(x["L"]), "")
    group = np.array(t[apart]) if apart else np.full(len(x["L"]), "")
    whole = np.isfinite(np.stack(list(x.values()))).all(axis=0)
    seen = np.unique(
        np.stack([*x.values(), split == "test"]), axis=1, return_index=True
    )[1]
    whole &= np.isin(np.arange(len(whole)), seen)  # exact repeats count once
    for one in np.unique(group):
        keep = np.flatnonzero(whole & (group == one))
        test = split[keep] == "test"
        if not test.any() or test.all():
            order = np.argsort(x["C"][keep], kind="stable")
            test = np.isin(np.arange(len(keep)), order[int(len(keep) * (1 - HELD)) :])
        at = np.r_[keep[~test], keep[test]]
        own = {n: v[at] for n, v in x.items()}
        yield Table(
            own, own["L"], own["C"], int((~test).sum()), law, GROWTHS.get(name, GROWTH)
        )
