"""Released models compared with the published laws of their own family."""

from typing import Any, NamedTuple

import numpy as np

from nstar.published import fits as published
from nstar.published.models import Model

LLAMA = "a dense language model by its family's own line"
SIZED = "a dense language model by the law that it was sized by"
LATER = "a dense language model by a law that was not known, or not followed, when it was sized"
CONTRASTIVE = "zero-shot ImageNet-1k error against compute"
COMPARED = f"{CONTRASTIVE}, of runs on DataComp and others up to 3e21 training FLOP: for other data the level may differ"
DIFFUSION = "a law of text-to-image transformers up to 6e18 FLOP, beside a class-conditional model of ImageNet: the slope may be compared, hardly the level"
ADAPTED = "error by the language model's size and the visual tokens"
PAINTED = "TIFA score against compute, few models and no interval printed"


class Relative(NamedTuple):
    """A published law that models of a family are compared with."""

    models: str  # prefix of their names, or their modality
    fit: str
    quantity: str  # N, or a key of `Model.measured`
    note: str


RELATIVES = (
    Relative("llama3-", "llama3", "N", LLAMA),
    Relative("gpt3-", "kaplan_alloc", "N", SIZED),
    Relative("chinchilla-", "chinchilla_table3_A1", "N", SIZED),
    Relative("gopher-", "chinchilla_table3_A1", "N", LATER),
    Relative("palm-", "chinchilla_table3_A1", "N", LATER),
    Relative("llama1-", "chinchilla_table3_A1", "N", LATER),
    Relative("llama2-", "chinchilla_table3_A1", "N", LATER),
    Relative(
        "vision-language contrastive",
        "openclip_imagenet",
        "imagenet_error",
        CONTRASTIVE,
    ),
    Relative(
        "vision-language contrastive",
        "laion_cmp_imagenet_clip",
        "imagenet_error",
        COMPARED,
    ),
    Relative("dit-", "dit_fid", "fid", DIFFUSION),
    Relative("dit-", "dit_alloc", "N", DIFFUSION),
    Relative(
        "vision-language generative", "vlm_inference_llava", "mean_error", ADAPTED
    ),
    Relative("text-to-image", "sd_t2i_tifa_compute", "tifa", PAINTED),
)


def compare_with_family(model: Model) -> list[dict[str, Any]]:
    """Compare a model with every law of its family.

    Returns:
        A record a law: `fit`, `quantity`, `published` (what the law gives at the model's
        own compute), `measured`, their `ratio`, a `note`, and a `reason` where a number
        lacks.
    """
    relatives = [
        relative
        for relative in RELATIVES
        if model.name.startswith(relative.models) or model.modality == relative.models
    ]
    return [_compare(model, relative) for relative in relatives]


def _compare(model: Model, relative: Relative) -> dict[str, Any]:
    law = published.get(relative.fit)
    predicted = _predict(model, law, relative.quantity)
    measured = (
        model.N if relative.quantity == "N" else model.measured.get(relative.quantity)
    )
    reason = None
    if predicted is None:
        reason = f"the training compute of {model.name} is not in the sources read"
    elif measured is None:
        reason = f"no {relative.quantity} of {model.name} is in the catalogue"
    ratio = measured / predicted if predicted and measured else None
    note = relative.note + _outside(model, law)
    return {
        "fit": law.id,
        "quantity": relative.quantity,
        "published": predicted,
        "measured": measured,
        "ratio": ratio,
        "note": note,
        "reason": reason,
    }


def _predict(model: Model, law: Any, quantity: str) -> float | None:
    """Evaluate the law at the model's compute or shape; None where it does not say."""
    if quantity == "mean_error":
        shape, v = model.architecture, law.values
        size = shape["llm_params"] ** v["p"]
        return v["c"] * size * shape["visual_tokens"] ** v["q"]
    if model.C is None:
        return None
    if quantity == "tifa":
        return float(law.curve(model.C / 1e9))
    best = law.optimum(np.array(model.C))
    value = best.N if quantity == "N" else best.loss
    return None if value is None else float(value)


def _outside(model: Model, law: Any) -> str:
    """Write how far the model lies outside the compute the law was fitted to."""
    if model.C is None or law.C_range is None:
        return ""
    low, high = law.C_range
    beyond = np.log10(max(model.C / high, low / model.C))
    return (
        f"; {beyond:.1f} decades outside the compute it was fitted to"
        if beyond > 0.05
        else ""
    )
