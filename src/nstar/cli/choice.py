"""The law a table is fitted with when none is named, and the reason."""

from typing import NamedTuple

import numpy as np

from nstar.cli import options as o
from nstar.laws import ROUTE_LAWS
from nstar.laws.parsing import parse_law
from nstar.plans.routes import SURFACE, assign_runs
from nstar.runs.observations import Observations
from nstar.types import Kind


class Choice(NamedTuple):
    """A law, the runs it is fitted to, and the reason in words."""

    law: str
    runs: Observations
    reason: str


def choose(runs: Observations, law: str | None, *, surface: bool = False) -> Choice:
    """Choose the law that was named, or the first that these runs allow."""
    tables, missing = assign_runs(runs)
    if law is not None:
        table = runs
        of_optima = all(
            parse_law(name).response.kind is Kind.OPTIMUM for name in o.laws(law)
        )
        if of_optima and "allocation" in tables:
            table = tables["allocation"]
        note = "" if table is runs else ", on the profiles' measured optima"
        return Choice(law, table, f"asked for{note}")
    order = (SURFACE, *ROUTE_LAWS) if surface else ROUTE_LAWS
    for name in order:
        if name in tables:
            return Choice(
                name, tables[name], _reason(name, tables[name], surface=surface)
            )
    reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
    msg = f"{runs.source}: no law fits such a table ({reasons}); name one with --law"
    raise ValueError(msg)


def _reason(law: str, runs: Observations, *, surface: bool) -> str:
    if law == "isoflop":
        n = len(np.unique(runs["budget"][~np.isnan(runs["budget"])]))
        return f"the runs are profiles of loss at {n} compute budgets"
    if law == "allocation":
        return "the runs are one compute-optimal point a budget"
    if surface:
        return (
            "a loss surface speaks of runs of any N and D, and this one predicts best"
        )
    return "the runs have N, D and L, and do not repeat compute budgets"
