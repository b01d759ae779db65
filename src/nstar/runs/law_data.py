"""The inputs and the response of a law, taken from a table and checked."""

import numpy as np

from nstar.runs.columns import ALIASES
from nstar.runs.missing import explain_missing
from nstar.runs.observations import Observations
from nstar.runs.value_checks import (
    require_finite,
    require_questions,
    require_range,
    require_response,
    require_successes,
)
from nstar.types import Inputs, Kind, Law, Noise, Reads, Response, of_profiles
from nstar.verdicts import Check, Status

SIZES = ("N", "D", "C")
FLAT = 0.02  # range of a bounded metric up to which it is noted as constant
SCORED = (Kind.ACCURACY, Kind.TASK)  # shares of questions answered correctly


class TooFew(ValueError):
    """There are too few runs for the law."""


def prepare(
    runs: Observations, law: Law, noise: Noise | None = None
) -> tuple[Observations, Inputs, np.ndarray]:
    """Take the inputs and the response of a law and its noise from the runs, and check them.

    Returns:
        The runs used, with notes; their inputs, (run,) each; and the response on the
        law's scale, (run,), or (run, column) of several columns.

    Raises:
        ValueError: a column is missing, or a value is not allowed for this response.
        TooFew: there are too few runs for the law's unknowns.
    """
    response = law.response
    inputs = input_columns(law, noise)
    for name in (*inputs, *response.columns):
        if name not in runs:
            raise ValueError(_missing(runs, law, name))
    if of_profiles(law):
        runs = _with_budget(runs)
    for name in inputs:
        require_finite(runs, name)
        require_range(runs, name)
    for name in response.columns:
        require_response(runs, name, response.of(name))
    if response.kind is Kind.COUNTS:
        require_successes(runs)
    if response.kind in SCORED and "questions" in runs:
        require_questions(runs)
    _require_untied(runs, response)
    _require_enough(runs, law)
    runs = runs.noting(
        *_constant(runs, law), *_flat(runs, response), *_not_optima(runs, response)
    )
    x = {name: runs[name] for name in inputs}
    if "se" in runs and np.isfinite(runs["se"]).all() and not response.log_loss:
        x["se"] = runs["se"]
    if response.kind in SCORED and "questions" in runs:
        x["questions"] = runs["questions"]
    y = response.link(*(runs[name] for name in response.columns))
    return runs, x, np.asarray(y, dtype=float)


def input_columns(law: Law, noise: Noise | None) -> tuple[str, ...]:
    """List the columns that a law or its noise reads, each once."""
    noise_columns = noise.inputs if isinstance(noise, Reads) else ()
    return tuple(dict.fromkeys((*law.inputs, *noise_columns)))


def _require_untied(runs: Observations, response: Response) -> None:
    """Refuse N* and D* as two measurements where one follows from the other."""
    if (
        not (response.kind is Kind.OPTIMUM and len(response.columns) > 1)
        or "C" not in runs
    ):
        return
    product = np.log(runs["N"] * runs["D"] / runs["C"])
    if np.ptp(product) < 1e-3:
        msg = (
            f"{runs.source}: N, D and C are tied by {runs.cost} in every row, so N* and D* "
            "are one measurement, not two with a correlation; use the allocation law"
        )
        raise ValueError(msg)


def _missing(runs: Observations, law: Law, name: str) -> str:
    named = f"{runs.source}: the {type(law).__name__} law needs column {name!r}"
    if name == "budget":
        return (
            f"{named}, and C does not repeat in at least three budgets of three runs that "
            f"differ in D; name the budgets' column with --columns budget=..., or use a "
            f"loss surface"
        )
    headers = {runs.named.get(n, n): cells for n, cells in runs.columns.items()}
    if how := explain_missing(headers, name):
        return f"{named}; {how}"
    words = [word for word in (name, *ALIASES.get(name, ())) if len(word) > 1]
    columns = [column for column in runs.columns if column not in ALIASES]
    similar = [c for c in columns if any(word in c.lower() for word in words)][:3]
    hint = (
        f"did you mean {similar}?"
        if similar
        else f"the table has {', '.join(runs.columns)}."
    )
    present = [n for n in SIZES if n in runs]
    remedy = (
        f", or give another of N, D and C beside {present[0]}: any two give the third"
        if name in SIZES and present
        else ", or give two of N, D and C: the third follows"
        if name in SIZES
        else ""
    )
    return f"{named}; {hint} Name it with --columns {name}=...{remedy}"


def _with_budget(runs: Observations) -> Observations:
    """Keep runs that belong to an isoFLOP budget; note budgets of fewer than three runs."""
    outside = np.isnan(runs["budget"])
    if outside.any():
        note = f"{outside.sum()} runs belong to no isoFLOP budget and are left out"
        runs = runs.take(~outside).noting(Check("budgets", Status.PASS, note))
    budgets, counts = np.unique(runs["budget"], return_counts=True)
    if budgets.size < 3:
        msg = (
            f"{runs.source}: {budgets.size} isoFLOP budgets; the isoFLOP law needs at least "
            "three to tell a trend. Fit a loss surface, or add budgets"
        )
        raise TooFew(msg)
    if counts.max() < 3:
        msg = (
            f"{runs.source}: no isoFLOP budget has three runs, so no profile shows a minimum; "
            "where each row is the optimum of its budget, fit the allocation law"
        )
        raise TooFew(msg)
    small = budgets[counts < 3]
    if small.size:
        detail = (
            f"budgets with fewer than three runs ({', '.join(f'{b:.3g}' for b in small)} FLOP) "
            "show no minimum of their own; theirs is inferred from the other budgets; add runs there, or leave them out"
        )
        runs = runs.noting(Check("small budgets", Status.REVIEW, detail))
    return runs


def _require_enough(runs: Observations, law: Law) -> None:
    priors = law.priors().items()
    unknowns = [n for n, p in priors if getattr(p, "batch_shape", None) == ()]
    needed = -(-len(unknowns) // len(law.response.columns)) + 1
    if of_profiles(law):
        needed = max(needed, 9)  # three budgets of three runs
    if len(runs) < needed:
        msg = (
            f"{runs.source}: {len(runs)} runs are too few for the {len(unknowns)} unknowns of "
            f"the {type(law).__name__} law ({', '.join(unknowns)}); it needs at least {needed}: "
            "add runs, or loosen --where"
        )
        raise TooFew(msg)


def _constant(runs: Observations, law: Law) -> list[Check]:
    constant = [
        n for n in law.inputs if n in (*SIZES, "L") and np.ptp(np.log(runs[n])) < 0.05
    ]
    if not constant:
        return []
    detail = (
        f"{' and '.join(constant)} {'differ' if len(constant) > 1 else 'differs'} too little between these runs, so what the law says of "
        f"{'their' if len(constant) > 1 else 'its'} effect is the prior; add runs that differ in it"
    )
    return [Check("varied runs", Status.REVIEW, detail)]


def _flat(runs: Observations, response: Response) -> list[Check]:
    """Note a bounded metric that hardly differs: at chance level, or at its ceiling."""
    if response.kind is not Kind.METRIC or np.ptp(runs["metric"]) > FLAT:
        return []
    detail = f"the metric differs by {np.ptp(runs['metric']):.2g} between these runs, which may all be at chance level, or all as good as the task can tell: what compute buys follows from the priors; add runs that differ, or take a harder or an easier task"
    return [Check("varied metric", Status.REVIEW, detail)]


def _not_optima(runs: Observations, response: Response) -> list[Check]:
    if response.kind is not Kind.OPTIMUM or "C" not in runs or "D" not in runs:
        return []
    budgets, index = np.unique(np.round(np.log10(runs["C"]), 3), return_inverse=True)
    spread_out = [
        np.ptp(np.log(runs["D"][index == b])) > 0.7 for b in range(len(budgets))
    ]  # a factor of two
    if sum(spread_out) < 2:
        return []
    detail = (
        f"{sum(spread_out)} budgets hold runs that differ more than twofold in tokens; the "
        "allocation law takes one compute-optimal run a budget: fit the isoFLOP law, or "
        "find the optima first with nstar.runs.optima.measured_optima"
    )
    return [Check("optima", Status.REVIEW, detail)]
