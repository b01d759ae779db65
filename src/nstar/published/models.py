"""Released models, and their comparison with a published law."""

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
    """One released model: its size, its data, its compute, and their source."""

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
    data_sets: tuple[str, ...] = ()  # of the ladder it was sized by
    why: str | None = None  # how its size was chosen
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
    field_names = {f.name for f in fields(Model)}
    registry = {}
    for entry in read_toml("models.toml")["model"]:
        values = {key: value for key, value in entry.items() if key in field_names}
        for name in ("stages", "notes", "data_sets"):
            values[name] = tuple(entry.get(name, ()))
        registry[entry["name"]] = Model(**values)
    return registry


def names() -> list[str]:
    """List the models."""
    return list(_registry())


def get(name: str) -> Model:
    """Find a model by its name.

    Raises:
        ValueError: when there is none; the message names the nearest.
    """
    return find_entry("model", name, _registry())


def compare(model: Model, fit: "PublishedFit") -> dict[str, Any]:
    """Compare a model with what a law recommends at the model's own compute.

    `N` is counted as the law counts it where the model gives that count.  What cannot
    be said is None, and `reason` says why; ratios are the model's over the law's.
    """
    N = model.N_total
    if fit.params_counted == "non-embedding" and model.N_non_embedding:
        N = model.N_non_embedding
    D = model.D if model.data_unit == "tokens" else None
    record = dict.fromkeys(
        ("N_star", "D_star", "tokens_per_parameter_star", "N_ratio", "D_ratio")
    )
    record |= {"loss": None, "loss_star": None, "loss_unit": fit.loss_unit}
    record |= {"model": model.name, "fit": fit.id, "C": model.C, "N": N, "D": model.D}
    record |= {"data_unit": model.data_unit, "params_counted": fit.params_counted}
    record["tokens_per_parameter"] = D / N if D and N else None
    record["reason"] = _obstacle(model, fit)
    if model.C is None or record["reason"]:
        return record
    best = fit.optimum(model.C)
    if best.loss is not None and not isnan(best.loss):
        record["loss_star"] = float(best.loss)
    if best.N is not None and best.D is not None and not isnan(best.N):
        record["N_star"], record["D_star"] = float(best.N), float(best.D)
        record["tokens_per_parameter_star"] = record["D_star"] / record["N_star"]
        record["N_ratio"] = N / record["N_star"] if N else None
        record["D_ratio"] = D / record["D_star"] if D else None
    if N and D and (loss := fit.loss(N, D)) is not None:
        record["loss"] = float(loss)
    if record["N_star"] is None and record["loss_star"] is None:
        record["reason"] = f"{fit.id} gives neither an optimum nor a loss at a compute"
    elif record["loss"] is None:
        record["reason"] = f"{fit.id} gives no loss for a run of this N and D"
    return record


def _obstacle(model: Model, fit: "PublishedFit") -> str | None:
    if model.C is None:
        return f"the training compute of {model.name} is not known"
    if model.modality != fit.modality:
        return f"{fit.id} is a law for {fit.modality}, {model.name} is {model.modality}"
    return None
