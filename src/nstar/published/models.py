"""Released models, and where they sit against a published law."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from math import isnan
from typing import TYPE_CHECKING, Any

from nstar.files.data_files import find_entry, read_toml

if TYPE_CHECKING:
    from nstar.published.fits import PublishedFit


@dataclass(frozen=True)
class Model:
    """One released model: its size, its data, its compute, and where that is said."""

    name: str
    title: str
    modality: str
    citation: str
    data_unit: str  # of D: tokens, samples, images seen, ...
    N_total: float | None = None  # parameters
    N_non_embedding: float | None = None
    D: float | None = None
    C: float | None = None  # training FLOP
    C_counted: str | None = None  # how
    gpu_hours: float | None = None
    gpu: str | None = None
    measured: Mapping[str, float] = field(default_factory=dict)  # imagenet_error, fid
    architecture: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def N(self) -> float | None:
        """All parameters, embeddings included."""
        return self.N_total


@cache
def _registry() -> Mapping[str, Model]:
    known = {f.name for f in fields(Model)}
    found = {}
    for entry in read_toml("models.toml")["model"]:
        given = {key: value for key, value in entry.items() if key in known}
        for name in ("stages", "notes"):
            given[name] = tuple(entry.get(name, ()))
        found[entry["name"]] = Model(**given)
    return found


def names() -> list[str]:
    """List the models."""
    return list(_registry())


def get(name: str) -> Model:
    """Find a model by its name.

    Raises:
        ValueError: when there is none; the message names the nearest.
    """
    return find_entry("model", name, _registry())


def against(model: Model, fit: "PublishedFit") -> dict[str, Any]:
    """Set a model beside what a law recommends at the model's own compute.

    `N` is counted as the law counts it where the model gives that count.  What cannot
    be said is None, and `reason` says why; ratios are the model's over the law's.
    """
    N = model.N_total
    if fit.params_counted == "non-embedding" and model.N_non_embedding:
        N = model.N_non_embedding
    D = model.D if model.data_unit == "tokens" else None
    told = dict.fromkeys(
        ("N_star", "D_star", "tokens_per_parameter_star", "N_ratio", "D_ratio")
    )
    told |= {"loss": None, "loss_star": None, "loss_unit": fit.loss_unit}
    told |= {"model": model.name, "fit": fit.id, "C": model.C, "N": N, "D": model.D}
    told |= {"data_unit": model.data_unit, "params_counted": fit.params_counted}
    told["tokens_per_parameter"] = D / N if D and N else None
    told["reason"] = _obstacle(model, fit)
    if model.C is None or told["reason"]:
        return told
    best = fit.optimum(model.C)
    if best.loss is not None and not isnan(best.loss):
        told["loss_star"] = float(best.loss)
    if best.N is not None and best.D is not None and not isnan(best.N):
        told["N_star"], told["D_star"] = float(best.N), float(best.D)
        told["tokens_per_parameter_star"] = told["D_star"] / told["N_star"]
        told["N_ratio"] = N / told["N_star"] if N else None
        told["D_ratio"] = D / told["D_star"] if D else None
    if N and D and (loss := fit.loss(N, D)) is not None:
        told["loss"] = float(loss)
    if told["N_star"] is None and told["loss_star"] is None:
        told["reason"] = f"{fit.id} gives neither an optimum nor a loss at a compute"
    elif told["loss"] is None:
        told["reason"] = f"{fit.id} gives no loss for a run of this N and D"
    return told


def _obstacle(model: Model, fit: "PublishedFit") -> str | None:
    if model.C is None:
        return f"the training compute of {model.name} is not known"
    if model.modality != fit.modality:
        return f"{fit.id} is a law for {fit.modality}, {model.name} is {model.modality}"
    return None
