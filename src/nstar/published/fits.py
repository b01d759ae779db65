"""Published scaling-law fits, in nstar's units, to compare a posterior with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nstar.files.data_files import find_entry, read_toml
from nstar.published.forms import (
    CURVES,
    FLOP_PER,
    FORMS,
    FORWARD_TO_TRAINING,
    SURFACES,
    Array,
    Optimum,
    Values,
    allocate,
    along_cost,
    has_loss,
    interpolate,
)

ALIASES = {
    "llama3": "llama3_tokens_fig3",
    "chinchilla": "chinchilla_A3_unrounded",
    "hoffmann": "chinchilla_A3_unrounded",
    "besiroglu": "besiroglu_epoch",
    "epoch": "besiroglu_epoch",
    "kaplan": "kaplan_alloc",
    "muennighoff": "muennighoff_unique",
    "porian": "porian_rw_tuned",
    "deepseek": "deepseek_alloc",
    "gadre": "gadre_loss_c4",
    "busbridge": "busbridge_supervised",
    "marin": "marin_delphi_A2",
    "openclip": "openclip_imagenet",
}


@dataclass(frozen=True)
class PublishedFit:
    """One published law: its numbers as printed, and as nstar computes with them."""

    id: str
    family: str  # of models
    modality: str
    form: str  # a key of FORMS
    law_form: str  # as the source writes it
    citation: str
    confidence: str  # how sure the numbers are
    values: Values = field(default_factory=dict)  # FLOP, parameters, tokens
    coefficients: Mapping[str, Any] = field(default_factory=dict)  # as published
    unpublished: tuple[str, ...] = ()  # coefficients the source does not give
    uncertainties: Mapping[str, Any] | str | None = None
    units: Mapping[str, str] = field(default_factory=dict)  # of the coefficients
    compute_unit: str = "FLOP"  # of C in `values`: a key of FLOP_PER, or unknown
    compute_scope: str = "training"  # or forward: C counts the forward pass alone
    compute_range: str | None = None
    C_range: tuple[float, float] | None = None  # training FLOP
    params_counted: str = "unknown"
    loss_unit: str | None = None
    fit_method: str | None = None
    data_sets: tuple[str, ...] = ()  # that hold the runs it was fitted to
    why: str | None = None  # how it was fitted, so that ours of the same runs differs
    where_in_source: str | None = None
    relevance: str | None = None  # core: recommended to compare with
    notes: tuple[str, ...] = ()
    printed: tuple[Mapping[str, Any], ...] = ()  # the source's own predictions
    table: tuple[tuple[float, float, float], ...] = ()  # optimal (N, C, D)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    input: str | None = None  # of a curve
    output: str | None = None

    def exponents(self) -> dict[str, float | None]:
        """Return the exponents of N* and D* in C; None where the law has none.

        A law for M, the FLOP per token, counts as one for N.  A surface with alpha and
        beta gives N* ~ C^(beta / (alpha + beta)), Hoffmann et al. (2022) eq. 4.
        """
        v = self.values
        if self.form == "tokens":
            return {"N": 1.0 - v["alpha"], "D": v["alpha"]}
        if self.form in ("overtrain", "ratio"):
            return {"N": 0.5, "D": 0.5}
        if self.form == "kaplan_joint":
            a = v["alpha_D"] / (v["alpha_N"] + v["alpha_D"])
            return {"N": a, "D": 1.0 - a}
        if self.form in ("allocation", "exponents") and ("a" in v or "b" in v):
            return {"N": v.get("a"), "D": v.get("b")}
        if self.form not in CURVES and {"alpha", "beta"} <= v.keys():
            a = v["beta"] / (v["alpha"] + v["beta"])
            return {"N": a, "D": 1.0 - a}
        return {"N": None, "D": None}

    def optimum(self, C: ArrayLike, k: float = 6.0) -> Optimum:
        """Give N*, D* and the loss there at training compute C, in FLOP.

        A law for tokens alone leaves N = C / (k D), one for N alone D = C / (k N); a
        law for FLOP per token is read through its tokens, so that its N is M / k.
        Surfaces are minimised along C = k N D.  A table is interpolated and is NaN
        outside its rows.  A law of C alone gives the loss and nothing else.
        """
        values = self._optimum(np.asarray(C, float), k)
        return Optimum(*(None if y is None else np.asarray(y) for y in values))

    def loss(self, N: ArrayLike, D: ArrayLike) -> Array | None:
        """Give the loss of a run, in `loss_unit`; None where the law has no surface."""
        if not has_loss(self.form, self.values):
            return None
        N, D = np.asarray(N, float), np.asarray(D, float)
        return np.asarray(SURFACES[self.form](self.values, N, D))

    def curve(self, x: ArrayLike) -> Array:
        """Evaluate a law of one input (named by `input`, else by the form).

        A law of C takes it in `compute_unit` and `compute_scope`, as published.

        Raises:
            ValueError: when the law is no such curve, or only its variants are.
        """
        if self.form not in CURVES or not self.values:
            raise ValueError(
                f"{self.id} is no curve of one input ({FORMS[self.form]}); "
                f"variants: {', '.join(self.variants) or 'none'}"
            )
        return np.asarray(CURVES[self.form](self.values, np.asarray(x, float)))

    def _optimum(self, C: Array, k: float) -> Optimum:
        v = self.values
        if self.form == "table":
            return interpolate(self.table, C)
        if not v or self.compute_unit not in FLOP_PER:
            return Optimum(None, None, None)
        if self.form in SURFACES:
            return along_cost(self.form, v, C, k)
        if self.form == "ratio":
            N = np.sqrt(C / (k * v["r"]))
            return Optimum(N, v["r"] * N, None)
        scope = FORWARD_TO_TRAINING if self.compute_scope == "forward" else 1.0
        x = C / (FLOP_PER[self.compute_unit] * scope)
        if self.form in ("compute", "compute_floor"):
            return Optimum(None, None, CURVES[self.form](v, x))
        if self.form == "tokens":
            D = v["A"] * x ** v["alpha"]
            return Optimum(C / (k * D), D, None)
        if self.form in ("allocation", "exponents"):
            loss = CURVES["compute"](v, x) if {"c", "p"} <= v.keys() else None
            return Optimum(*allocate(v, C, x, k), loss)
        return Optimum(None, None, None)


@cache
def _registry() -> Mapping[str, PublishedFit]:
    fits = (_fit(entry) for entry in read_toml("published.toml")["fit"])
    return {fit.id: fit for fit in fits}


def _fit(entry: Mapping[str, Any]) -> PublishedFit:
    field_names = {f.name for f in fields(PublishedFit)}
    values = {key: value for key, value in entry.items() if key in field_names}
    for name in ("notes", "unpublished", "printed", "data_sets"):
        values[name] = tuple(entry.get(name, ()))
    values["table"] = tuple(tuple(map(float, row)) for row in entry.get("table", ()))
    values["coefficients"] = entry.get("coefficients", {}) | dict.fromkeys(
        values["unpublished"]
    )
    if "C_min" in entry:
        values["C_range"] = (entry["C_min"], entry["C_max"])
    return PublishedFit(**values)


def names(*, core: bool = False) -> list[str]:
    """List the fits, or only those recommended to compare with."""
    fits = _registry().values()
    return [fit.id for fit in fits if not core or fit.relevance == "core"]


def of_data_sets(data_sets: Collection[str]) -> list[PublishedFit]:
    """List the fits made of the runs of these data sets."""
    fits = _registry().values()
    return [fit for fit in fits if not set(fit.data_sets).isdisjoint(data_sets)]


def get(name: str) -> PublishedFit:
    """Find a fit by its id, an alias such as `llama3`, or as `id:variant`.

    Raises:
        ValueError: when there is none; the message names the nearest.
    """
    stem, _, variant = name.partition(":")
    by_name = {
        **_registry(),
        **{n: _registry()[fit_id] for n, fit_id in ALIASES.items()},
    }
    fit = find_entry("published fit", stem, by_name)
    return _variant(fit, variant) if variant else fit


def _variant(fit: PublishedFit, variant: str) -> PublishedFit:
    if variant not in fit.variants:
        known = ", ".join(fit.variants) or "none"
        raise ValueError(f"{fit.id} has no variant {variant!r}; variants: {known}")
    values = dict(fit.variants[variant])
    form = values.pop("form", fit.form)
    return replace(fit, id=f"{fit.id}:{variant}", form=form, values=values, variants={})


def traps() -> list[str]:
    """List misprints, roundings that move the answer, and clashes of units."""
    return read_toml("published.toml")["traps"]
