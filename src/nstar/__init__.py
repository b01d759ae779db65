"""Bayesian scaling laws: from a ladder of runs to N*(C), D*(C) and a decision.

What is here is what most people need; `docs/python.md` has the rest by its room.
"""

import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstar.batch.running import refit as refit
    from nstar.curves.finishing import finish as finish
    from nstar.curves.reading import read_curves as read_curves
    from nstar.curves.watching import watch as watch
    from nstar.design.piloting import next_runs as next_runs
    from nstar.downstream.fits import fit_task as fit_task
    from nstar.downstream.joint_tasks import fit_tasks as fit_tasks
    from nstar.downstream.task_scores import score_tasks as score_tasks
    from nstar.fits.batches import fit_batch as fit_batch
    from nstar.fits.fitting import Fit as Fit
    from nstar.fits.fitting import fit as fit
    from nstar.fits.mixture import load as load
    from nstar.inference.repeated import fit_counts as fit_counts
    from nstar.inference.repeated import pass_at_k as pass_at_k
    from nstar.ledger.entries import Ledger as Ledger
    from nstar.ledger.forecasting import forecast as forecast
    from nstar.ledger.verification import track_record as track_record
    from nstar.mixtures.mixing import mix as mix
    from nstar.mixtures.reading import read_mixtures as read_mixtures
    from nstar.multipliers.comparing import recipes as recipes
    from nstar.plans.actions import Limits as Limits
    from nstar.plans.planning import plan as plan
    from nstar.plans.weighing import weigh as weigh
    from nstar.predictions.prediction import loss as predict  # noqa: F401  its public name
    from nstar.predictions.simulation import simulate as simulate
    from nstar.runs.observations import Observations as Observations
    from nstar.runs.reading import read_runs as read_runs
    from nstar.validation.averaging import average as average
    from nstar.validation.checks import check_fit as check_fit
    from nstar.validation.comparison import compare as compare

# name: room, and name there; loaded on first use, since JAX and ArviZ take seconds
_ROOMS = {
    "average": ("validation.averaging", "average"),
    "check_fit": ("validation.checks", "check_fit"),
    "compare": ("validation.comparison", "compare"),
    "finish": ("curves.finishing", "finish"),
    "fit": ("fits.fitting", "fit"),
    "fit_batch": ("fits.batches", "fit_batch"),
    "fit_counts": ("inference.repeated", "fit_counts"),
    "fit_task": ("downstream.fits", "fit_task"),
    "fit_tasks": ("downstream.joint_tasks", "fit_tasks"),
    "forecast": ("ledger.forecasting", "forecast"),
    "Ledger": ("ledger.entries", "Ledger"),
    "load": ("fits.mixture", "load"),
    "mix": ("mixtures.mixing", "mix"),
    "next_runs": ("design.piloting", "next_runs"),
    "pass_at_k": ("inference.repeated", "pass_at_k"),
    "plan": ("plans.planning", "plan"),
    "predict": ("predictions.prediction", "loss"),
    "read_curves": ("curves.reading", "read_curves"),
    "read_mixtures": ("mixtures.reading", "read_mixtures"),
    "read_runs": ("runs.reading", "read_runs"),
    "recipes": ("multipliers.comparing", "recipes"),
    "refit": ("batch.running", "refit"),
    "score_tasks": ("downstream.task_scores", "score_tasks"),
    "simulate": ("predictions.simulation", "simulate"),
    "track_record": ("ledger.verification", "track_record"),
    "watch": ("curves.watching", "watch"),
    "weigh": ("plans.weighing", "weigh"),
    "Fit": ("fits.fitting", "Fit"),
    "Limits": ("plans.actions", "Limits"),
    "Observations": ("runs.observations", "Observations"),
}
_MOVED = {  # names of 0.1, with their rooms; they go in 0.2
    "Average": "fits.mixture",
    "Batch": "fits.batches",
    "Comparison": "validation.comparison",
    "NextRuns": "design.piloting",
    "PassAtK": "inference.repeated",
    "Plan": "plans.planning",
    "Response": "types",
    "Risk": "plans.weighing",
    "Scores": "downstream.scoring",
    "bootstrap": "fits.resampling",
    "check_plan": "validation.checks",
    "check_prediction": "predictions.distances",
    "decompose": "validation.uncertainty",
    "hold_out_samples": "inference.repeated_backtest",
    "informed": "priors.sets",
    "measured_optima": "runs.optima",
    "next_samples": "inference.sample_worth",
    "prior_predictive": "validation.prior_check",
    "respond": "predictions.responding",
    "score": "downstream.scoring",
    "sensitivity": "validation.power_scaling",
    "use_cache": "cache",
}
__all__ = [*_ROOMS]


def __getattr__(name: str) -> Any:
    """Load a public name from its room."""
    if name == "__version__":
        from importlib.metadata import version

        return version("nstar")
    if room := _MOVED.get(name):
        warnings.warn(
            f"nstar.{name} is now nstar.{room}.{name}, and goes from here in nstar 0.2",
            DeprecationWarning,
            stacklevel=2,
        )
    elif name not in _ROOMS:
        msg = f"module 'nstar' has no attribute {name!r}"
        raise AttributeError(msg)
    if lazy := sys.modules.get("numpyro"):
        lazy.__version__  # noqa: B018  ArviZ leaves it half-imported; this loads it whole
    room, inner = (room, name) if room else _ROOMS[name]
    return getattr(import_module(f"nstar.{room}"), inner)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])
