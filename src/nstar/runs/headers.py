"""What a column's header means: the quantity it names, which kind of it, and its unit."""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from nstar.amounts import ANY, FLOP, PARAMETERS, TOKENS

QUANTITIES = {  # our names, and what each counts
    "N": PARAMETERS,
    "total_params": PARAMETERS,
    "vocabulary_params": PARAMETERS,
    "D": TOKENS,
    "unique_tokens": TOKENS,
    "dense_tokens": TOKENS,
    "C": FLOP,
    "budget": FLOP,
    "batch": ANY,  # sequences or tokens
}
UNITS = (
    dict.fromkeys(("k", "thousand", "thousands"), 1e3)
    | dict.fromkeys(("m", "mn", "mio", "million", "millions"), 1e6)
    | dict.fromkeys(("b", "bn", "g", "billion", "billions"), 1e9)
    | dict.fromkeys(("t", "tn", "trillion", "trillions"), 1e12)
)
_STEPS = ("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
PREFIXES = {
    prefix: 10.0 ** (3 * step)
    for step, name in enumerate(_STEPS, 1)
    for prefix in (name, name[0])
}
SECONDS_OF_A_DAY = 86_400.0
_LONGEST_FIRST = "|".join(sorted(PREFIXES, key=len, reverse=True))
_FLOP = re.compile(rf"({_LONGEST_FIRST})?(flops?|flos)")  # total_flos: Hugging Face's
_PER_SECOND = re.compile(rf"({'|'.join(PREFIXES)})?f(?:lops?)?s?")  # of petaflop-days
_CAPITAL = re.compile(r"(?<![a-z])[KMGTPEZY]Flop")  # as in GFlops
_COUNTS = "params?|parameters?|tokens?|toks"
_GLUED = re.compile(rf"(?<![A-Za-z])([KMBTG])({_COUNTS})")  # as in Mparams
_LEADING = re.compile(
    rf"^\s*([A-Za-z]+?)(?:\s+of)?[\s_-]*(?:{_COUNTS})\b", re.IGNORECASE
)
_BRACKET = re.compile(r"[(\[]\s*(?:in\s+)?([^)\]]*?)\s*[)\]]\s*$")
_ENDING = re.compile(r"[A-Za-z](?:[_ ./-]+in)?[_ ./-]+([A-Za-z]+|1?e[0-9]+)\s*$")
_WORD = re.compile(
    r"[A-Z]{2,}s?(?![a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+(?![a-z])|[0-9]+(?:[e^][0-9]+)?"
)

MEASURED_ON = {  # words of losses that were measured on held-out text
    *("eval", "evaluation", "val", "valid", "validation", "test", "heldout", "dev"),
    *("paloma", "c4", "pile", "wikitext", "lambada", "holdout"),
}
TRAINED_ON = {"train", "training", "trn"}
NO_LOSS = {
    *(
        "std",
        "stderr",
        "se",
        "sd",
        "var",
        "variance",
        "min",
        "max",
        "aux",
        "z",
        "zloss",
    ),
    *("balance", "balancing", "load", "router", "scale", "scaling", "weight", "target"),
    *(
        "delta",
        "diff",
        "step",
        "lr",
        "time",
        "spike",
        "spikes",
        "contrastive",
        "caption",
    ),
    *("unit", "kind", "type", "function", "fn", "mask", "curvature", "threshold"),
    *("ppl", "perplexity", "bpb", "accuracy", "error"),
}
NO_PARAMETERS = {
    *("per", "ratio", "vocab", "vocabulary", "frac", "fraction", "label", "lr", "std"),
    *("norm", "group", "groups", "opt", "logstd", "bytes", "memory", "hash", "expert"),
}
NO_TOKENS = {
    *(
        "per",
        "second",
        "sec",
        "s",
        "rate",
        "throughput",
        "unique",
        "vocab",
        "eval",
        "val",
    ),
    *(
        "step",
        "ratio",
        "time",
        "cost",
        "price",
        "length",
        "prompt",
        "generated",
        "limit",
    ),
    *(
        "batch",
        "se",
        "image",
        "visual",
        "dense",
        "label",
        "budget",
        "max",
        "opt",
        "gpu",
        "device",
    ),
    *("validation", "test", "log", "log10", "special", "sequence", "seq", "context"),
}
NO_FLOP = {
    *("per", "second", "sec", "s", "rate", "util", "utilization", "utilisation", "mfu"),
    *(
        "token",
        "tokens",
        "forward",
        "fwd",
        "device",
        "gpu",
        "peak",
        "promised",
        "label",
    ),
    *(
        "step",
        "budget",
        "increase",
        "hour",
        "hours",
        "throughput",
        "ratio",
        "log",
        "log10",
    ),
    *("param", "params", "kind", "sample", "nominal"),
}
LOSS_WORDS = {"loss", "nll", "crossentropy", "xent"}
PARTS = {
    "total",
    "active",
    "activated",
    "trainable",
    "non",
    "embedding",
    "nonembedding",
}
COUNT_WORDS = {"params", "param", "parameters", "parameter", "nparams"}
TOKEN_WORDS = {"tokens", "token", "toks", "ntokens"}
LABELS = {"size", "model", "name", "run", "config"}  # their text may bear a size


class Unit(NamedTuple):
    """The unit of a header."""

    factor: float
    text: str  # as the header has it


class Meaning(NamedTuple):
    """What a header may be."""

    ours: str
    rank: int  # the least is meant where several are there
    kind: str = ""  # which parameters, or which loss


def words_of(header: str) -> list[str]:
    """Split a header such as config.model.nParams into its words, in lower case."""
    plain = _GLUED.sub(r"\1 \2", _CAPITAL.sub(lambda match: match[0].lower(), header))
    return [word.lower() for word in _WORD.findall(plain)]


def read_meaning(header: str) -> Meaning | None:
    """Say which of N, D, C and L a header names, if any."""
    if letter := re.match(r"([NDCL])\s*[(\[]", header):
        return Meaning(letter[1], 0)
    words = words_of(header)
    if "total" in words:
        words = [word for word in words if word != "throughput"]  # a tracker's folder
    return _loss(words) or _parameters(words) or _tokens(words) or _flop(words)


def read_unit(header: str, ours: str) -> Unit | None:
    """Read the unit of a header, as in `params (M)`, `tokens_B` or `total_gflops`."""
    quantity = QUANTITIES.get(ours)
    if quantity is None:
        return None
    if quantity == FLOP and (unit := _flop_unit(words_of(header))):
        return unit
    for match in (p.search(header) for p in (_BRACKET, _ENDING, _LEADING)):
        if match and (factor := _factor(match[1])):
            return Unit(factor, match[1])
    return None


def _factor(text: str) -> float | None:
    """Read millions, M, 1e6, x10^6; None where it is no unit of a count."""
    plain = re.sub(r"\s*\b(of|tokens?|params?|parameters)\b\s*", "", text.lower())
    power = re.fullmatch(r"[x×*]?\s*(?:1?e|10\^|10\*\*)([0-9]{1,2})", plain)
    return float(f"1e{power[1]}") if power else UNITS.get(plain)


def roles_of(headers: Iterable[str]) -> Mapping[str, str]:
    """Name the columns that say how a run was made and how it went.

    Returns:
        Some of run, status, step, batch, length, lr, recipe, to the table's own names.
    """
    roles: dict[str, str] = {}
    for header in headers:
        last = re.split(r"[./]", header)[-1]
        plain = re.sub(r"[\s-]+", "_", last.strip().strip("_").lower())
        for role, names in ROLES.items():
            if plain in names:
                roles.setdefault(role, header)
    return roles


ROLES = {
    "run": {"run", "run_id", "run_name", "name", "id", "experiment", "experiment_name"},
    "status": {"state", "status", "run_state", "run_status"},
    "step": {"step", "steps", "global_step", "train_steps", "num_steps", "n_steps"}
    | {"iteration", "iterations", "max_steps", "training_steps", "total_steps"},
    "batch": {"bs", "batch", "batch_size", "global_batch_size", "global_bs", "bsz"}
    | {"train_batch_size"},
    "length": {"seq_len", "sequence_length", "seq_length", "context_length", "seqlen"}
    | {"block_size", "context", "max_seq_len", "ctx_len", "n_ctx", "max_seq_length"},
    "lr": {"lr", "learning_rate", "max_lr", "peak_lr"},
    "recipe": {"arm", "recipe", "variant", "condition", "treatment", "config_name"},
}


def _loss(words: list[str]) -> Meaning | None:
    named = LOSS_WORDS.intersection(words) or {"cross", "entropy"} <= set(words)
    if not named or NO_LOSS.intersection(words):
        return None
    if MEASURED_ON.intersection(words):
        return Meaning("L", 0, "validation")
    if TRAINED_ON.intersection(words):
        return Meaning("L", 2, "training")
    return Meaning("L", 1)


def _parameters(words: list[str]) -> Meaning | None:
    text = " ".join(words)
    counted = COUNT_WORDS.intersection(words) or "model size" in text
    if words[0:1] == ["n"] and len(words) > 1:
        counted = counted or set(words[1:]) <= PARTS  # as in N_active
    if set(words) <= LABELS or ("label" in words and counted):
        return Meaning("N", 3 if words[-1] in {"model", "name"} else 2, "label")
    if not counted:
        return None
    if NO_PARAMETERS.intersection(words):
        return None
    without = {"non", "no", "without", "nonembedding", "nonembed", "excluding"}
    if "embed" in text:
        kind = "non-embedding" if without.intersection(words) else "embedding"
        return Meaning("N", 0, kind) if kind == "non-embedding" else None
    for kind in ("active", "total", "trainable"):
        if kind in words or (kind == "active" and "activated" in words):
            return Meaning("N", 0, kind)
    return Meaning("N", 0)


def _tokens(words: list[str]) -> Meaning | None:
    if not TOKEN_WORDS.intersection(words) or NO_TOKENS.intersection(words):
        return None
    return None if COUNT_WORDS.intersection(words) else Meaning("D", 0)


def _flop(words: list[str]) -> Meaning | None:
    if NO_FLOP.intersection(words):
        return None
    unit = _flop_unit(words)
    if unit or any(_FLOP.fullmatch(word) for word in words):
        return Meaning("C", 1 if unit else 0)
    return None


def _flop_unit(words: list[str]) -> Unit | None:
    if days := _flop_days(words):
        return days
    for before, word in pairwise(["", *words]):
        match = _FLOP.fullmatch(word)
        text = (match[1] or (before if before in _STEPS else "")) if match else ""
        if match and text:
            return Unit(PREFIXES[text], f"{text}{match[2]}")
    return None


def _flop_days(words: list[str]) -> Unit | None:
    for before, word in pairwise(["", *words]):
        phrase = before + word if word in {"day", "days"} else word
        match = re.fullmatch(rf"{_PER_SECOND.pattern}days?", phrase)
        if match:
            return Unit(PREFIXES.get(match[1], 1.0) * SECONDS_OF_A_DAY, phrase)
    return None
