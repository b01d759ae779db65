"""The decision of a report: the one run to train with the largest budget."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nstar.answers import Document
from nstar.fits.mixture import Average, Posterior
from nstar.intervals import interval
from nstar.plans.actions import ANY, Limits
from nstar.plans.planning import Plan, plan
from nstar.plans.routes import Routes

MIXTURE = "mixture"


@dataclass(frozen=True)
class Decision:
    """The run to train with the largest budget, and the posterior it is chosen under."""

    C: float  # FLOP
    N: float  # of the run to train
    D: float
    by: str  # name of the mixture, or of the only route
    plan: Plan  # of the mixture or the route
    draws: Mapping[str, np.ndarray]  # N, D of the optimum; loss and regret of the run
    weights: Mapping[str, float] = field(default_factory=dict)  # of a mixture
    weighted: str = ""  # how the weights were found, in words
    doubts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Status of each check of a fit that is not PASS, by the routes it rests on."""

    def as_json(self, prob: float) -> Document:
        """Plain data; loss and regret null where no route has a loss."""
        intervals = {
            n: interval(self.draws[n], prob).as_json() if n in self.draws else None
            for n in ("N", "D", "loss", "regret")
        }
        mean = float(self.draws["regret"].mean()) if "regret" in self.draws else None
        return {
            "by": self.by,
            "weights": dict(self.weights),
            "weighted": self.weighted,
            "doubts": {name: dict(checks) for name, checks in self.doubts.items()},
            "budget": self.C,
            "N": self.N,
            "D": self.D,
            "N_star": intervals["N"],
            "D_star": intervals["D"],
            "loss": intervals["loss"],
            "regret": intervals["regret"],
            "expected_regret": mean,
        }


def decide(
    routes: Routes,
    posterior: Posterior | None,
    limits: Limits = ANY,
    weighted: str = "",
) -> Decision:
    """Choose the run of least expected loss, or the lead's median optimum without a loss.

    Args:
        routes: the routes.
        posterior: the mixture, or the one fit that has a loss, where there is one.
        limits: on the run.
        weighted: how the weights of a mixture were found, in words.
    """
    C = float(routes.primary.plan.budgets[-1])
    chosen, weights = routes.primary.plan, {}
    by = routes.primary.title
    if isinstance(posterior, Average):
        by, weights = (
            MIXTURE,
            dict(zip(posterior.names, posterior.weights, strict=True)),
        )
        chosen = plan(posterior, C, limits=limits)
    elif posterior is not None:
        (by,) = (r.title for r in routes.fitted if r.fit is posterior)
        chosen = next(r.plan for r in routes.fitted if r.fit is posterior)
    at = chosen.draws.sel(budget=C)
    draws = {n: at[n].to_numpy() for n in ("N", "D", "loss", "regret") if n in at}
    return Decision(
        C,
        float(at["N_recommended"]),
        float(at["D_recommended"]),
        by,
        chosen,
        draws,
        weights,
        weighted,
    )
