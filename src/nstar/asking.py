"""What a law asks of a table: its inputs and its response, by what the response allows."""

import numpy as np

from nstar.observations import Observations
from nstar.types import Inputs, Law, Response
from nstar.verdicts import Check, Status

BITS = 1 / np.log(2)  # bits per nat


def ask(runs: Observations, law: Law) -> tuple[Observations, Inputs, np.ndarray]:
    """Take from the runs what the law names.

    Returns:
        The runs that were used with what was noticed, their inputs, (run,) each, and
        the response on the law's scale.

    Raises:
        ValueError: a column is missing, a value is not allowed for this response, or
            there are too few runs for the law's unknowns.
    """
    response = law.response
    for name in (*law.inputs, *response.columns):
        if name not in runs:
            raise ValueError(_missing(runs, law, name))
    if "budget" in law.inputs:
        runs = _on_a_budget(runs)
    for name in law.inputs:
        _require_finite(runs, name)
    for name in response.columns:
        _allow(runs, name, response)
    _enough(runs, law)
    if response.columns == ("L",) and response.lower == 0:
        runs = _look_at_loss(runs)
    x = {name: runs[name] for name in law.inputs}
    if "se" in runs and np.isfinite(runs["se"]).all() and response.name != "log_loss":
        x["se"] = runs["se"]
    y = response.link(*(runs[name] for name in response.columns))
    return runs, x, np.asarray(y, dtype=float)


def _missing(runs: Observations, law: Law, name: str) -> str:
    have = ", ".join(runs.columns)
    named = f"{runs.source}: the {type(law).__name__} law needs column {name!r}"
    if name == "budget":
        return (
            f"{named}, and C does not repeat in at least three budgets of three runs; "
            f"name the budgets' column with --columns budget=..., or use a loss surface"
        )
    return f"{named}; the table has {have}. Name it with --columns {name}=..."


def _on_a_budget(runs: Observations) -> Observations:
    """Keep runs that belong to a budget, and name budgets that say little."""
    off = np.isnan(runs["budget"])
    if off.any():
        note = f"{off.sum()} runs belong to no isoFLOP budget and are left out"
        runs = runs.take(~off).noting(Check("budgets", Status.PASS, note))
    budgets, counts = np.unique(runs["budget"], return_counts=True)
    few = budgets[counts < 3]
    if few.size:
        detail = (
            f"budgets with fewer than three runs ({', '.join(f'{b:.3g}' for b in few)} FLOP) "
            "show no minimum of their own; theirs is inferred from the other budgets"
        )
        runs = runs.noting(Check("small budgets", Status.REVIEW, detail))
    if budgets.size < 3:
        msg = (
            f"{runs.source}: {budgets.size} isoFLOP budgets; the isoFLOP law needs at least "
            "three to tell a trend. Fit a loss surface, or add budgets"
        )
        raise ValueError(msg)
    return runs


def _require_finite(runs: Observations, name: str) -> None:
    values = runs[name]
    if values.dtype.kind not in "fiu":
        msg = f"{runs.source}, row {runs.rows[0]}, column {name!r}: expected numbers, got {values[0]!r}"
        raise ValueError(msg)
    bad = ~np.isfinite(values)
    if bad.any():
        msg = f"{runs.source}, row {runs.rows[np.argmax(bad)]}, column {name!r}: expected a finite number, got {values[np.argmax(bad)]} ({bad.sum()} such rows); filter them with --where"
        raise ValueError(msg)


def _allow(runs: Observations, name: str, response: Response) -> None:
    values = runs[name]
    _require_finite(runs, name)
    low, high = response.lower, response.upper
    ok = (
        (values >= low) & (values <= high)
        if response.closed
        else (values > low) & (values < high)
    )
    if response.whole:
        ok &= values == np.floor(values)
    if ok.all():
        return
    i = int(np.argmax(~ok))
    span = f"{'[' if response.closed else '('}{low:g}, {high:g}{']' if response.closed else ')'}"
    kind = "a whole number" if response.whole else "a number"
    hint = ""
    if response.name == "log_loss":
        hint = "; a normalised loss may be negative, but needs a law with response normalised_loss"
    msg = (
        f"{runs.source}, row {runs.rows[i]}, column {name!r}: expected {kind} in {span} "
        f"for {response.name}, got {values[i]:g}{hint}"
    )
    raise ValueError(msg)


def _enough(runs: Observations, law: Law) -> None:
    unknowns = [
        n
        for n, p in law.priors().items()
        if not callable(p) and not getattr(p, "batch_shape", ())
    ]
    needed = len(unknowns) + 1 if "budget" not in law.inputs else 9
    if len(runs) < needed:
        msg = (
            f"{runs.source}: {len(runs)} runs are too few for the {len(unknowns)} unknowns of "
            f"the {type(law).__name__} law ({', '.join(unknowns)}); it needs at least {needed}"
        )
        raise ValueError(msg)


def _look_at_loss(runs: Observations) -> Observations:
    """Note losses that rise with compute, mixed units and diverged runs."""
    if "N" not in runs or "D" not in runs or len(runs) < 8:
        return runs
    log_N, log_D, log_L = np.log(runs["N"]), np.log(runs["D"]), np.log(runs["L"])
    design = np.stack([np.ones_like(log_N), log_N, log_D, log_N**2, log_D**2], axis=1)
    if np.corrcoef(log_N + log_D, log_L)[0, 1] > 0.5 and np.ptp(log_N + log_D) > 1:
        kind = (
            "; values in [0, 1] look like an accuracy: give 1 - accuracy as an error, with a law for bounded metrics"
            if runs["L"].max() <= 1
            else ""
        )
        msg = f"{runs.source}, column 'L': the loss rises with compute (correlation {np.corrcoef(log_N + log_D, log_L)[0, 1]:.2f}); expected it to fall{kind}"
        raise ValueError(msg)
    residual = _robust_residuals(design, log_L)
    return runs.noting(*_mixed_units(runs, residual), *_diverged(runs, residual))


def _robust_residuals(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Residuals about a least-absolute-deviations surface, by reweighting."""
    weights = np.ones_like(y)
    residual = y
    for _ in range(30):
        root = np.sqrt(weights)[:, None]
        beta, *_ = np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)
        residual = y - design @ beta
        weights = 1 / np.maximum(np.abs(residual), 1e-4)
    return residual


def _mixed_units(runs: Observations, residual: np.ndarray) -> list[Check]:
    order = np.argsort(residual)
    gaps = np.diff(residual[order])
    at = int(np.argmax(gaps))
    part = order[at + 1 :] if at >= len(order) // 2 else order[: at + 1]
    rest = np.setdiff1d(order, part)
    shift = np.median(residual[part]) - np.median(residual[rest])
    tight = np.median(np.abs(residual[part] - np.median(residual[part]))) < 0.1
    if len(part) < 3 or gaps[at] < 0.2 or not tight:
        return []
    rows = ", ".join(str(r) for r in sorted(runs.rows[part])[:6].copy())
    factor = float(np.exp(abs(shift)))
    guess = (
        " (1.44 is bits beside nats: multiply by 0.6931)"
        if abs(factor - BITS) < 0.12
        else ""
    )
    detail = (
        f"{len(part)} losses lie {factor:.2f} times {'above' if shift > 0 else 'below'} the others "
        f"at like N and D (rows {rows}{', ...' if len(part) > 6 else ''}); are they in another "
        f"unit, bits or per character beside nats per token{guess}? Convert them or leave them out"
    )
    return [Check("loss units", Status.REVIEW, detail)]


def _diverged(runs: Observations, residual: np.ndarray) -> list[Check]:
    spread = 1.4826 * np.median(np.abs(residual))
    far = (residual > 10 * spread) & (residual > 0.15)
    if not far.any() or far.sum() > 0.2 * len(runs):
        return []
    rows = sorted(runs.rows[far].tolist())
    detail = (
        f"{len(rows)} runs lie far above the others at like N and D (rows "
        f"{', '.join(map(str, rows[:6]))}{', ...' if len(rows) > 6 else ''}): diverged, or far from "
        "their schedule's end? Student-t noise gives them little weight; leave them out if they failed"
    )
    return [Check("diverged runs", Status.REVIEW, detail)]
