"""The formulas of published laws, and the compute-optimal run under each."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

type Values = Mapping[str, float]
type Array = NDArray[np.float64]

FLOP_PER = {"FLOP": 1.0, "PF-day": 8.64e19, "GMAC": 2e9, "GFLOP": 1e9}
FORWARD_TO_TRAINING = 3.0  # the backward pass costs twice the forward, Kaplan sec. 2.1
TOKENS_PER_PARAMETER = (1e-3, 1e7)  # where the search along C = k N D looks
WITHOUT_E = ("kaplan_joint", "farseer")

FORMS = {
    "tokens": "D* = A C^alpha",
    "allocation": "N* = N0 C^a, D* = D0 C^b (M0: FLOP per token); loss E + c C^-p",
    "exponents": "N* ~ C^a, D* ~ C^b, or alpha and beta; prefactors unpublished",
    "ratio": "D* = r N*",
    "table": "rows of optimal (N, C, D), interpolated in logs",
    "additive": "L = E + A/N^alpha + B/D^beta",
    "repeated": "additive for fresh tokens; R_D, R_N discount repetition",
    "coupled": "L = E + (A/N^alpha + B/D^beta)^gamma",
    "kaplan_joint": "L = ((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D",
    "overtrain": "L = E + (a M^eta + b M^-eta) C^-eta, M = D/N, C = 6 N D",
    "farseer": "L = exp(a3 N^g + b3) + exp(a2 N^b + b2) D^-exp(a1 N^a + b1)",
    "compute": "y = E + c C^-p",
    "compute_floor": "y = a (C + b)^c + d",
    "size": "L = E + (N_c/N)^alpha",
    "data": "L = E + (D_c/D)^beta",
    "context": "L = E + (T_c/T)^beta",
    "coverage": "pass@k = exp(a k^b)",
    "downstream": "error = eps - k exp(-gamma L)",
    "sigmoid": "accuracy = a / (1 + exp(-k (L - L0))) + b",
    "embedding": "total parameters = N + omega N^(1/3), N non-embedding",
    "power": "y = c x^p",
    "power_ND": "y = c N^p D^q",
    "none": "no machine-readable form: read law_form and coefficients",
}


def _additive(v: Values, N: Array, D: Array) -> Array:
    return v["E"] + v["A"] / N ** v["alpha"] + v["B"] / D ** v["beta"]


def _coupled(v: Values, N: Array, D: Array) -> Array:
    reducible = v["A"] / N ** v["alpha"] + v["B"] / D ** v["beta"]
    return v["E"] + reducible ** v["gamma"]


def _kaplan_joint(v: Values, N: Array, D: Array) -> Array:
    size = (v["N_c"] / N) ** (v["alpha_N"] / v["alpha_D"])
    return (size + v["D_c"] / D) ** v["alpha_D"]


def _overtrain(v: Values, N: Array, D: Array) -> Array:
    M, C = D / N, 6.0 * N * D
    return v["E"] + (v["a"] * M ** v["eta"] + v["b"] * M ** -v["eta"]) * C ** -v["eta"]


def _farseer(v: Values, N: Array, D: Array) -> Array:
    floor = np.exp(v["a3"] * N ** v["g"] + v["b3"])
    scale = np.exp(v["a2"] * N ** v["b"] + v["b2"])
    return floor + scale * D ** -np.exp(v["a1"] * N ** v["a"] + v["b1"])


def _sigmoid(v: Values, L: Array) -> Array:
    return v["a"] / (1.0 + np.exp(-v["k"] * (L - v["L0"]))) + v["b"]


SURFACES: dict[str, Callable[[Values, Array, Array], Array]] = {
    "additive": _additive,
    "repeated": _additive,
    "coupled": _coupled,
    "kaplan_joint": _kaplan_joint,
    "overtrain": _overtrain,
    "farseer": _farseer,
}
CURVES: dict[str, Callable[[Values, Array], Array]] = {
    "compute": lambda v, C: v.get("E", 0.0) + v["c"] * C ** -v["p"],
    "compute_floor": lambda v, C: v["a"] * (C + v["b"]) ** v["c"] + v["d"],
    "size": lambda v, N: v.get("E", 0.0) + (v["N_c"] / N) ** v["alpha"],
    "data": lambda v, D: v.get("E", 0.0) + (v["D_c"] / D) ** v["beta"],
    "context": lambda v, T: v["E"] + (v["T_c"] / T) ** v["beta"],
    "coverage": lambda v, k: np.exp(v["a"] * k ** v["b"]),
    "downstream": lambda v, L: v["eps"] - v["k"] * np.exp(-v["gamma"] * L),
    "sigmoid": _sigmoid,
    "embedding": lambda v, N: N + v["omega"] * N ** (1 / 3),
    "power": lambda v, x: v["c"] * x ** v["p"],
}


class Optimum(NamedTuple):
    """What a law recommends at each C; None where it does not say."""

    N: Array | None  # parameters, as the law counts them
    D: Array | None  # tokens
    loss: Array | None  # in the law's own unit


def along_cost(form: str, v: Values, C: Array, k: float) -> Optimum:
    r"""Minimise a surface along C = k N D.

    Additive and coupled laws have the closed form of Hoffmann et al. (2022) eq. 4,
    $N^* = G (C/k)^{\beta/(\alpha+\beta)}$ with
    $G = (\alpha A / \beta B)^{1/(\alpha+\beta)}$: the outer power gamma cancels.
    The others are searched for a minimum inside TOKENS_PER_PARAMETER; NaN where
    there is none.
    """
    if form in ("additive", "repeated", "coupled"):
        alpha, beta = v["alpha"], v["beta"]
        G = (alpha * v["A"] / (beta * v["B"])) ** (1.0 / (alpha + beta))
        N = G * (C / k) ** (beta / (alpha + beta))
    else:
        M = np.array([_best_ratio(form, v, c, k) for c in C.ravel()]).reshape(C.shape)
        N = np.sqrt(C / (k * M))
    D = C / (k * N)
    return Optimum(N, D, SURFACES[form](v, N, D) if has_loss(form, v) else None)


def _best_ratio(form: str, v: Values, C: float, k: float) -> float:
    from scipy.optimize import minimize_scalar  # slow to import

    def loss(log_M: Array) -> Array:
        N = np.sqrt(C / (k * np.exp(log_M)))
        return SURFACES[form](v, N, C / (k * N))

    grid = np.linspace(*np.log(TOKENS_PER_PARAMETER), 241)
    y = loss(grid)
    inside = np.flatnonzero((y[1:-1] < y[:-2]) & (y[1:-1] < y[2:])) + 1
    if not inside.size:  # far out, a nine-parameter law may fall without end
        return float("nan")
    best = inside[np.argmin(y[inside])]
    bounds = (grid[best - 1], grid[best + 1])
    result = minimize_scalar(
        loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    return float(np.exp(result.x))


def has_loss(form: str, v: Values) -> bool:
    """Tell whether the surface's loss can be computed: one fit has no usable E."""
    return form in SURFACES and bool(v) and ("E" in v or form in WITHOUT_E)


def allocate(
    v: Values, C: Array, x: Array, k: float
) -> tuple[Array | None, Array | None]:
    """Evaluate N* = N0 x^a and D* = D0 x^b, x being C (FLOP) in the law's unit.

    The one that is not published follows from C = k N D, unless its own published
    exponent contradicts that.
    """
    N = v["N0"] * x ** v["a"] if "N0" in v else None
    D = v["D0"] * x ** v["b"] if "D0" in v else None
    closes = not {"a", "b"} <= v.keys() or abs(v["a"] + v["b"] - 1.0) < 0.02
    if D is None and N is not None and closes:
        D = C / (k * N)
    if N is None and D is not None and closes:
        N = C / (k * D)
    return N, D


def interpolate(table: Sequence[tuple[float, float, float]], C: Array) -> Optimum:
    """Read a table of (N, C, D) between its rows, in logs; NaN outside them."""
    log_N, log_C, log_D = np.log(np.array(table)).T
    N, D = (
        np.exp(np.interp(np.log(C), log_C, y, left=np.nan, right=np.nan))
        for y in (log_N, log_D)
    )
    return Optimum(N, D, None)
