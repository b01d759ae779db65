"""Bayesian scaling laws: from a ladder of runs to N*(C), D*(C) and a decision."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstar.averaging import average as average
    from nstar.batch.running import refit as refit
    from nstar.batches import Batch as Batch
    from nstar.batches import fit_batch as fit_batch
    from nstar.cache import use_cache as use_cache
    from nstar.checks import check_fit as check_fit
    from nstar.checks import check_plan as check_plan
    from nstar.checks import check_prediction as check_prediction
    from nstar.comparison import Comparison as Comparison
    from nstar.comparison import compare as compare
    from nstar.downstream import Scores as Scores
    from nstar.downstream import score as score
    from nstar.fitting import Fit as Fit
    from nstar.fitting import fit as fit
    from nstar.forecasting import forecast as forecast
    from nstar.ledger import Ledger as Ledger
    from nstar.mixture import Average as Average
    from nstar.observations import Observations as Observations
    from nstar.optima import measured_optima as measured_optima
    from nstar.piloting import NextRuns as NextRuns
    from nstar.piloting import next_runs as next_runs
    from nstar.planning import Plan as Plan
    from nstar.planning import plan as plan
    from nstar.power_scaling import sensitivity as sensitivity
    from nstar.prediction import loss as predict  # noqa: F401  its public name
    from nstar.prior_check import prior_predictive as prior_predictive
    from nstar.prior_sets import informed as informed
    from nstar.reading import read_runs as read_runs
    from nstar.repeated import PassAtK as PassAtK
    from nstar.repeated import fit_counts as fit_counts
    from nstar.repeated import pass_at_k as pass_at_k
    from nstar.repeated_backtest import hold_out_samples as hold_out_samples
    from nstar.resampling import bootstrap as bootstrap
    from nstar.responding import respond as respond
    from nstar.sample_worth import next_samples as next_samples
    from nstar.simulation import simulate as simulate
    from nstar.task_fits import fit_task as fit_task
    from nstar.types import Response as Response
    from nstar.uncertainty import decompose as decompose
    from nstar.verification import track_record as track_record
    from nstar.weighing import Risk as Risk
    from nstar.weighing import weigh as weigh

# name: room, and name there; loaded on first use, since JAX and ArviZ take seconds
_ROOMS = {
    "Average": ("mixture", "Average"),
    "Batch": ("batches", "Batch"),
    "Comparison": ("comparison", "Comparison"),
    "Fit": ("fitting", "Fit"),
    "Ledger": ("ledger", "Ledger"),
    "NextRuns": ("piloting", "NextRuns"),
    "Observations": ("observations", "Observations"),
    "PassAtK": ("repeated", "PassAtK"),
    "Plan": ("planning", "Plan"),
    "Response": ("types", "Response"),
    "Risk": ("weighing", "Risk"),
    "Scores": ("downstream", "Scores"),
    "average": ("averaging", "average"),
    "bootstrap": ("resampling", "bootstrap"),
    "check_fit": ("checks", "check_fit"),
    "check_plan": ("checks", "check_plan"),
    "check_prediction": ("checks", "check_prediction"),
    "decompose": ("uncertainty", "decompose"),
    "compare": ("comparison", "compare"),
    "fit": ("fitting", "fit"),
    "fit_batch": ("batches", "fit_batch"),
    "fit_counts": ("repeated", "fit_counts"),
    "fit_task": ("task_fits", "fit_task"),
    "forecast": ("forecasting", "forecast"),
    "hold_out_samples": ("repeated_backtest", "hold_out_samples"),
    "informed": ("prior_sets", "informed"),
    "load": ("mixture", "load"),
    "measured_optima": ("optima", "measured_optima"),
    "next_runs": ("piloting", "next_runs"),
    "next_samples": ("sample_worth", "next_samples"),
    "pass_at_k": ("repeated", "pass_at_k"),
    "plan": ("planning", "plan"),
    "predict": ("prediction", "loss"),
    "prior_predictive": ("prior_check", "prior_predictive"),
    "read_runs": ("reading", "read_runs"),
    "refit": ("batch.running", "refit"),
    "respond": ("responding", "respond"),
    "score": ("downstream", "score"),
    "sensitivity": ("power_scaling", "sensitivity"),
    "simulate": ("simulation", "simulate"),
    "track_record": ("verification", "track_record"),
    "use_cache": ("cache", "use_cache"),
    "weigh": ("weighing", "weigh"),
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
