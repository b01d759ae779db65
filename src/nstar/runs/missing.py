"""What could stand for a column that a table lacks, with the numbers."""

from collections.abc import Mapping

import numpy as np

from nstar.runs.headers import roles_of, words_of

TOKENS_A_BATCH = 1e4  # a batch above it counts tokens, one below sequences
LOSSES = {  # words of headers that are nearly losses, and how they become one
    "perplexity": "its natural logarithm is a loss",
    "ppl": "its natural logarithm is a loss",
    "bits": "bits; times ln 2 they are a loss in nats, comparable only among themselves",
    "bpb": "bits a byte; times ln 2 they are a loss in nats a byte, comparable only among themselves",
    "accuracy": "an accuracy, which laws read as --columns metric={name}",
    "acc": "an accuracy, which laws read as --columns metric={name}",
}
NO_METRIC = {"stderr", "std", "se"}


def explain_missing(columns: Mapping[str, np.ndarray], ours: str) -> str:
    """Say which columns could make N, D, C or L; empty where none could.

    Args:
        columns: of the table, by its names or ours, numbers where they are numbers.
        ours: the one that is missing.
    """
    explain = {"N": _size, "D": _tokens, "C": _flop, "L": _loss}.get(ours)
    return explain(columns) if explain else ""


def _tokens(columns: Mapping[str, np.ndarray]) -> str:
    roles = roles_of(columns)
    if "step" not in roles or "batch" not in roles:
        return ""
    names = [roles["step"], roles["batch"]]
    batch = columns[roles["batch"]]
    if batch.dtype.kind not in "fiu" or np.nanmedian(batch) < TOKENS_A_BATCH:
        if "length" not in roles:
            return (
                f"{' x '.join(names)} are sequences: times the length of one they are "
                "tokens; write that product as a column tokens"
            )
        names.append(roles["length"])
    return _product(columns, names, "tokens")


def _flop(columns: Mapping[str, np.ndarray]) -> str:
    per_token = [n for n in columns if {"per", "token"} <= set(words_of(n))]
    flop = [n for n in per_token if {"flop", "flops"} & set(words_of(n))]
    tokens = [n for n in columns if n in {"D", "tokens"}]
    return _product(columns, [flop[0], tokens[0]], "flops") if flop and tokens else ""


def _size(columns: Mapping[str, np.ndarray]) -> str:
    layers = [n for n in columns if words_of(n)[-1:] in (["layers"], ["layer"])]
    widths = [n for n in columns if n.lower().split(".")[-1] in WIDTHS]
    if not layers or not widths:
        return ""
    place = _first(columns, [layers[0], widths[0]])
    if place is None:
        return ""
    depth, width = (columns[name][place] for name in (layers[0], widths[0]))
    return (
        f"12 x {layers[0]} x {widths[0]}^2 are about the parameters outside the "
        f"embeddings (12 x {depth:g} x {width:g}^2 = {12 * depth * width**2:.3g} in the "
        "first run); write them as a column params"
    )


WIDTHS = {"d_model", "width", "hidden_size", "n_embd", "embed_dim", "hidden_dim", "dim"}


def _loss(columns: Mapping[str, np.ndarray]) -> str:
    parts = []
    for word, text in LOSSES.items():
        names = [
            name
            for name, cells in columns.items()
            if word in (words := words_of(name))
            and cells.dtype.kind in "fiu"
            and not NO_METRIC.intersection(words)
        ]
        if names:
            listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            different = "; acc and acc_norm are two metrics" if "acc" in word else ""
            plural = " each" if len(names) > 1 else ""
            parts.append(f"{listed}{plural}: {text.format(name=names[0])}{different}")
    return "; ".join(parts)


def _product(columns: Mapping[str, np.ndarray], names: list[str], ours: str) -> str:
    place = _first(columns, names)
    if place is None:
        return ""
    values = [float(columns[name][place]) for name in names]
    numbers = " x ".join(f"{value:g}" for value in values)
    return (
        f"{' x '.join(names)} would be {ours} ({numbers} = {np.prod(values):.4g} in the "
        f"first run); write that product as a column {ours}"
    )


def _first(columns: Mapping[str, np.ndarray], names: list[str]) -> int | None:
    """Find the first row that has all of these numbers."""
    if any(columns[name].dtype.kind not in "fiu" for name in names):
        return None
    filled = np.all([np.isfinite(columns[name]) for name in names], axis=0)
    return int(np.argmax(filled)) if filled.any() else None
