"""Which laws a table of runs can be fitted with, and which comes first."""

from dataclasses import replace

import numpy as np

from nstar.runs.observations import Observations
from nstar.runs.optima import measured_optima

NARROW = 0.2  # decades of D/N at like compute below which no surface is identified
CONSTANT = 0.05  # of log N or log D: they do not differ
SURFACE = "coupled"  # bent, it scores best: benchmarks/results/extrapolation.md


def assign_runs(runs: Observations) -> tuple[dict[str, Observations], dict[str, str]]:
    """Runs that each route's law can be fitted to, by law, and why others cannot be."""
    data: dict[str, Observations] = {}
    reasons: dict[str, str] = {}
    runs = _with_profiles(runs)
    profiles = "budget" in runs and "L" in runs and "D" in runs
    if profiles:
        try:
            data["allocation"] = measured_optima(runs)
            data["isoflop"] = runs
        except ValueError as error:
            reasons["allocation"] = reasons["isoflop"] = str(error)
    elif _are_optima(runs):
        data["allocation"] = runs
        reasons["isoflop"] = "the table holds one optimum a budget, not whole profiles"
    else:
        reasons["isoflop"] = reasons["allocation"] = (
            "C does not repeat in isoFLOP budgets"
        )
    if not all(name in runs for name in ("N", "D", "L")):
        reasons[SURFACE] = "the table lacks N, D or L"
    elif not profiles and _are_optima(runs):
        reasons[SURFACE] = (
            "the runs lie on one line in (N, D), where size and data cannot be told apart"
        )
    else:
        data[SURFACE] = runs
    return data, reasons


def _with_profiles(runs: Observations) -> Observations:
    """Drop the budgets of a table of optima: with one run each they are no profiles."""
    if "budget" not in runs:
        return runs
    budget = runs["budget"][~np.isnan(runs["budget"])]
    if len(np.unique(budget)) < len(budget):
        return runs
    columns = {name: v for name, v in runs.columns.items() if name != "budget"}
    return replace(runs, columns=columns)


def _are_optima(runs: Observations) -> bool:
    """Whether the runs look like one compute-optimal point a budget."""
    if "C" not in runs or "D" not in runs or "N" not in runs or len(runs) < 3:
        return False
    c, ratio = np.log10(runs["C"]), np.log10(runs["D"] / runs["N"])
    if len(np.unique(np.round(c, 3))) < len(c):
        return False
    if min(np.ptp(np.log(runs[name])) for name in ("N", "D")) < CONSTANT:
        return False  # of one size, or one length, none is the best of its budget
    residuals = ratio - np.polyval(np.polyfit(c, ratio, 1), c)
    return bool(np.std(residuals) < NARROW)
