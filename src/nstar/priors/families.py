"""Distributions as people write them, `LogNormal(-1.0, 0.5)`, read and drawn without JAX."""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nstar.wording import alternatives

# parameters by family, in NumPyro's order; all but these must be positive
ANYWHERE = ("loc", "low", "high")
FAMILIES: dict[str, tuple[str, ...]] = {
    "Normal": ("loc", "scale"),
    "LogNormal": ("loc", "scale"),
    "StudentT": ("df", "loc", "scale"),
    "HalfNormal": ("scale",),
    "Gamma": ("concentration", "rate"),
    "InverseGamma": ("concentration", "rate"),
    "Beta": ("concentration1", "concentration0"),
    "Uniform": ("low", "high"),
    "Exponential": ("rate",),
    "Cauchy": ("loc", "scale"),
    "HalfCauchy": ("scale",),
    "Laplace": ("loc", "scale"),
    "LogStudentT": ("df", "loc", "scale"),
    "LogitStudentT": ("df", "loc", "scale"),
}
USUAL = {"loc": 0.0, "low": 0.0} | dict.fromkeys(("scale", "high", "rate"), 1.0)
NO_DEFAULT = ("LogStudentT", "LogitStudentT")  # nothing of these goes without saying


@dataclass(frozen=True)
class Stated:
    """A family and its parameters, every one of them."""

    family: str
    params: Mapping[str, float]

    def __str__(self) -> str:
        """Write it as it is read."""
        numbers = ", ".join(f"{value:.6g}" for value in self.params.values())
        return f"{self.family}({numbers})"

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Draw from it, (count,)."""
        p, n = self.params, count
        loc, scale, rate = (p.get(key, 0.0) for key in ("loc", "scale", "rate"))
        match self.family:
            case "Normal":
                return random.normal(loc, scale, n)
            case "LogNormal":
                return random.lognormal(loc, scale, n)
            case "StudentT":
                return loc + scale * random.standard_t(p["df"], n)
            case "LogStudentT":
                return np.exp(loc + scale * random.standard_t(p["df"], n))
            case "LogitStudentT":
                return 1 / (1 + np.exp(-loc - scale * random.standard_t(p["df"], n)))
            case "HalfNormal":
                return np.abs(random.normal(0.0, scale, n))
            case "Gamma":
                return random.gamma(p["concentration"], 1 / rate, n)
            case "InverseGamma":
                return rate / random.gamma(p["concentration"], 1.0, n)
            case "Beta":
                return random.beta(p["concentration1"], p["concentration0"], n)
            case "Uniform":
                return random.uniform(p["low"], p["high"], n)
            case "Exponential":
                return random.exponential(1 / rate, n)
            case "Cauchy":
                return loc + scale * random.standard_cauchy(n)
            case "HalfCauchy":
                return np.abs(scale * random.standard_cauchy(n))
            case _:
                return random.laplace(loc, scale, n)


def read_prior(text: str) -> Stated:
    """Read a prior such as `Normal(0.5, 0.1)` or `StudentT(4, 0, 1)`; no code is run.

    Raises:
        ValueError: unknown family, or arguments that are no numbers it accepts.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        args = [float(ast.literal_eval(arg)) for arg in call.args]
        by_name = {
            k.arg: float(ast.literal_eval(k.value)) for k in call.keywords if k.arg
        }
    except (SyntaxError, ValueError, TypeError):
        msg = (
            f"prior {text!r}: expected a family and numbers, as in LogNormal(-1.0, 0.5)"
        )
        raise ValueError(msg) from None
    family = call.func.id
    if family not in FAMILIES:
        msg = f"prior {text!r}: no family {family!r}; {alternatives(family, FAMILIES)}"
        raise ValueError(msg)
    names = FAMILIES[family]
    params = dict(zip(names, args, strict=False))
    usual = {} if family in NO_DEFAULT else USUAL
    missing = [n for n in names if n not in {*params, *by_name, *usual}]
    repeated = [n for n in by_name if n in params or n not in names]
    if len(args) > len(names) or missing or repeated:
        msg = f"prior {text!r}: {family} takes {', '.join(names)}"
        raise ValueError(msg)
    params = {n: params.get(n, by_name.get(n, usual.get(n, 0.0))) for n in names}
    for name, value in params.items():
        positive = name not in ANYWHERE
        if not math.isfinite(value) or (positive and value <= 0):
            kind = "positive and finite" if positive else "finite"
            msg = f"prior {text!r}: {name} must be {kind}, got {value:g}"
            raise ValueError(msg)
    if family == "Uniform" and params["low"] >= params["high"]:
        msg = f"prior {text!r}: low must be below high"
        raise ValueError(msg)
    return Stated(family, params)
