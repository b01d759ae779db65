"""Released models beside the published laws of their own family, or why there is none."""

from typing import Any, NamedTuple

import numpy as np

from nstar.published import fits as published
from nstar.published.models import Model

LLAMA = "a dense language model by its family's own line"
CONTRASTIVE = "zero-shot ImageNet-1k error against compute"
COMPARED = f"{CONTRASTIVE}, of runs on DataComp and others up to 3e21 training FLOP: for other data the level may differ"
DIFFUSION = "a law of text-to-image transformers up to 6e18 FLOP, beside a class-conditional model of ImageNet: the slope may be compared, hardly the level"
ADAPTED = "error by the language model's size and the visual tokens"
PAINTED = "TIFA score against compute, few models and no interval printed"


class Kin(NamedTuple):
    """A published law that models of a family are held against."""

    models: str  # what their names begin with, or their modality
    fit: str
    quantity: str  # N, or a key of `Model.measured`
    note: str


KIN = (
    Kin("llama3-", "llama3", "N", LLAMA),
    Kin(
        "vision-language contrastive",
        "openclip_imagenet",
        "imagenet_error",
        CONTRASTIVE,
    ),
    Kin(
        "vision-language contrastive",
        "laion_cmp_imagenet_clip",
        "imagenet_error",
        COMPARED,
    ),
    Kin("dit-", "dit_fid", "fid", DIFFUSION),
    Kin("dit-", "dit_alloc", "N", DIFFUSION),
    Kin("vision-language generative", "vlm_inference_llava", "mean_error", ADAPTED),
    Kin("text-to-image", "sd_t2i_tifa_compute", "tifa", PAINTED),
)


def beside_family(model: Model) -> list[dict[str, Any]]:
    """Set a model beside every law of its family.

    Returns:
        A record a law: `fit`, `quantity`, `published` (what the law gives at the model's
        own compute), `measured`, their `ratio`, a `note`, and a `reason` where a number
        lacks.
    """
    own = [
        k for k in KIN if model.name.startswith(k.models) or model.modality == k.models
    ]
    return [_beside(model, kin) for kin in own]


def _beside(model: Model, kin: Kin) -> dict[str, Any]:
    law = published.get(kin.fit)
    said = _said(model, law, kin.quantity)
    measured = model.N if kin.quantity == "N" else model.measured.get(kin.quantity)
    reason = None
    if said is None:
        lacks = (
            "size of its language model"
            if kin.quantity == "mean_error"
            else "training compute"
        )
        reason = f"the {lacks} of {model.name} is not in the sources read"
    elif measured is None:
        reason = f"no {kin.quantity} of {model.name} is in the catalogue"
    ratio = measured / said if said and measured else None
    note = kin.note + _outside(model, law)
    return {
        "fit": law.id,
        "quantity": kin.quantity,
        "published": said,
        "measured": measured,
        "ratio": ratio,
        "note": note,
        "reason": reason,
    }


def _said(model: Model, law: Any, quantity: str) -> float | None:
    """What the law gives at the model's compute, or nothing."""
    if model.C is None:
        return None
    if quantity == "tifa":
        return float(law.curve(model.C / 1e9))
    best = law.optimum(np.array(model.C))
    found = best.N if quantity == "N" else best.loss
    return None if found is None else float(found)


def _outside(model: Model, law: Any) -> str:
    """Say where the model lies beyond the compute the law was fitted to."""
    if model.C is None or law.C_range is None:
        return ""
    low, high = law.C_range
    beyond = np.log10(max(model.C / high, low / model.C))
    return (
        f"; {beyond:.1f} decades outside the compute it was fitted to"
        if beyond > 0.05
        else ""
    )
