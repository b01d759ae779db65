"""Bayesian scaling laws: from a ladder of runs to N*(C), D*(C) and a decision."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstar.batch.running import refit as refit
    from nstar.cache import use_cache as use_cache
    from nstar.design.piloting import NextRuns as NextRuns
    from nstar.design.piloting import next_runs as next_runs
    from nstar.downstream.fits import fit_task as fit_task
    from nstar.downstream.scoring import Scores as Scores
    from nstar.downstream.scoring import score as score
    from nstar.fits.batches import Batch as Batch
    from nstar.fits.batches import fit_batch as fit_batch
    from nstar.fits.fitting import Fit as Fit
    from nstar.fits.fitting import fit as fit
    from nstar.fits.mixture import Average as Average
    from nstar.fits.resampling import bootstrap as bootstrap
    from nstar.inference.repeated import PassAtK as PassAtK
    from nstar.inference.repeated import fit_counts as fit_counts
    from nstar.inference.repeated import pass_at_k as pass_at_k
    from nstar.inference.repeated_backtest import hold_out_samples as hold_out_samples
    from nstar.inference.sample_worth import next_samples as next_samples
    from nstar.ledger.entries import Ledger as Ledger
    from nstar.ledger.forecasting import forecast as forecast
    from nstar.ledger.verification import track_record as track_record
    from nstar.plans.actions import Limits as Limits
    from nstar.plans.planning import Plan as Plan
    from nstar.plans.planning import plan as plan
    from nstar.plans.weighing import Risk as Risk
    from nstar.plans.weighing import weigh as weigh
    from nstar.predictions.distances import check_prediction as check_prediction
    from nstar.predictions.prediction import loss as predict  # noqa: F401  its public name
    from nstar.predictions.responding import respond as respond
    from nstar.predictions.simulation import simulate as simulate
    from nstar.priors.sets import informed as informed
    from nstar.runs.observations import Observations as Observations
    from nstar.runs.optima import measured_optima as measured_optima
    from nstar.runs.reading import read_runs as read_runs
    from nstar.types import Response as Response
    from nstar.validation.averaging import average as average
    from nstar.validation.checks import check_fit as check_fit
    from nstar.validation.checks import check_plan as check_plan
    from nstar.validation.comparison import Comparison as Comparison
    from nstar.validation.comparison import compare as compare
    from nstar.validation.power_scaling import sensitivity as sensitivity
    from nstar.validation.prior_check import prior_predictive as prior_predictive
    from nstar.validation.uncertainty import decompose as decompose

# name: room, and name there; loaded on first use, since JAX and ArviZ take seconds
_ROOMS = {
    "Average": ("fits.mixture", "Average"),
    "Batch": ("fits.batches", "Batch"),
    "Comparison": ("validation.comparison", "Comparison"),
    "Fit": ("fits.fitting", "Fit"),
    "Ledger": ("ledger.entries", "Ledger"),
    "Limits": ("plans.actions", "Limits"),
    "NextRuns": ("design.piloting", "NextRuns"),
    "Observations": ("runs.observations", "Observations"),
    "PassAtK": ("inference.repeated", "PassAtK"),
    "Plan": ("plans.planning", "Plan"),
    "Response": ("types", "Response"),
    "Risk": ("plans.weighing", "Risk"),
    "Scores": ("downstream.scoring", "Scores"),
    "average": ("validation.averaging", "average"),
    "bootstrap": ("fits.resampling", "bootstrap"),
    "check_fit": ("validation.checks", "check_fit"),
    "check_plan": ("validation.checks", "check_plan"),
    "check_prediction": ("predictions.distances", "check_prediction"),
    "decompose": ("validation.uncertainty", "decompose"),
    "compare": ("validation.comparison", "compare"),
    "fit": ("fits.fitting", "fit"),
    "fit_batch": ("fits.batches", "fit_batch"),
    "fit_counts": ("inference.repeated", "fit_counts"),
    "fit_task": ("downstream.fits", "fit_task"),
    "forecast": ("ledger.forecasting", "forecast"),
    "hold_out_samples": ("inference.repeated_backtest", "hold_out_samples"),
    "informed": ("priors.sets", "informed"),
    "load": ("fits.mixture", "load"),
    "measured_optima": ("runs.optima", "measured_optima"),
    "next_runs": ("design.piloting", "next_runs"),
    "next_samples": ("inference.sample_worth", "next_samples"),
    "pass_at_k": ("inference.repeated", "pass_at_k"),
    "plan": ("plans.planning", "plan"),
    "predict": ("predictions.prediction", "loss"),
    "prior_predictive": ("validation.prior_check", "prior_predictive"),
    "read_runs": ("runs.reading", "read_runs"),
    "refit": ("batch.running", "refit"),
    "respond": ("predictions.responding", "respond"),
    "score": ("downstream.scoring", "score"),
    "sensitivity": ("validation.power_scaling", "sensitivity"),
    "simulate": ("predictions.simulation", "simulate"),
    "track_record": ("ledger.verification", "track_record"),
    "use_cache": ("cache", "use_cache"),
    "weigh": ("plans.weighing", "weigh"),
}
__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    """Load a public name from its room."""
    if name not in _ROOMS:
        msg = f"module 'nstar' has no attribute {name!r}"
        raise AttributeError(msg)
    if lazy := sys.modules.get("numpyro"):
        lazy.__version__  # noqa: B018  ArviZ leaves it half-imported; this loads it whole
    room, inner = _ROOMS[name]
    return getattr(import_module(f"nstar.{room}"), inner)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
