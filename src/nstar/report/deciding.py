"""The decision of a report: one run, by what the routes together are worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nstar.fits.mixture import Average, Posterior
from nstar.intervals import interval
from nstar.plans.actions import ANY, Limits
from nstar.plans.planning import Plan, plan
from nstar.plans.routes import Routes

MIXTURE = "mixture"


@dataclass(frozen=True)
class Decision:
    """What to train with the largest budget, and what it rests on."""

    C: float  # FLOP
    N: float  # of the run to train
    D: float
    by: str  # the mixture, or the one route there is
    plan: Plan  # under what it rests on
    draws: Mapping[str, np.ndarray]  # N, D of the optimum; loss and regret of the run
    weights: Mapping[str, float] = field(default_factory=dict)  # of a mixture
    weighted: str = ""  # how they came about

    def as_json(self, prob: float) -> dict[str, Any]:
        """Plain data; loss and regret null where no route has a loss."""
        read = {
            n: interval(self.draws[n], prob).as_json() if n in self.draws else None
            for n in ("N", "D", "loss", "regret")
        }
        mean = float(self.draws["regret"].mean()) if "regret" in self.draws else None
        return {
            "by": self.by,
            "weights": dict(self.weights),
            "budget": self.C,
            "N": self.N,
            "D": self.D,
            "N_star": read["N"],
            "D_star": read["D"],
            "loss": read["loss"],
            "regret": read["regret"],
            "expected_regret": mean,
        }


def decided(
    routes: Routes,
    believed: Posterior | None,
    limits: Limits = ANY,
    weighted: str = "",
) -> Decision:
    """Choose the run of least expected loss under what is believed, or the lead's middle.

    Args:
        routes: the routes.
        believed: the mixture, or the one fit that has a loss, where there is one.
        limits: on the run.
        weighted: how the weights of a mixture came about, in words.
    """
    C = float(routes.primary.plan.budgets[-1])
    found, weights = routes.primary.plan, {}
    by = routes.primary.title
    if isinstance(believed, Average):
        by, weights = MIXTURE, dict(zip(believed.names, believed.weights, strict=True))
        found = plan(believed, C, limits=limits)
    elif believed is not None:
        (by,) = (r.title for r in routes.fitted if r.fit is believed)
        found = next(r.plan for r in routes.fitted if r.fit is believed)
    at = found.draws.sel(budget=C)
    draws = {n: at[n].to_numpy() for n in ("N", "D", "loss", "regret") if n in at}
    return Decision(
        C,
        float(at["N_recommended"]),
        float(at["D_recommended"]),
        by,
        found,
        draws,
        weights,
        weighted,
    )
