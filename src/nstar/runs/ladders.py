"""Whether rows with a loss are runs of one ladder, as a law of loss takes them."""

from dataclasses import replace

import numpy as np

from nstar.runs.alike import number_alike
from nstar.runs.checkpoints import check_checkpoints
from nstar.runs.column_kinds import as_text
from nstar.runs.diverged import check_diverged
from nstar.runs.loss_checks import MIXED, check_losses
from nstar.runs.observations import Observations
from nstar.runs.problems import Problem
from nstar.runs.recipes import check_recipes
from nstar.runs.sweeps import check_sweep
from nstar.runs.unfinished import check_finished, still_running
from nstar.verdicts import Status

ABOVE = ("under-tuned runs", "diverged runs", MIXED)


def examine(
    runs: Observations,
    by: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    *,
    registered: bool = False,
) -> list[Problem]:
    """Find rows that are not runs, and losses that are not those of the ladder.

    Args:
        runs: named and complete, with L.
        by: columns whose groups are fitted apart.
        reads: what the law reads besides N, D and C.
        registered: whether it is known what the rows are, as of a data set of the
            registry; then only the losses are looked at.
    """
    with_loss = runs.take(np.isfinite(runs["L"]))
    by = tuple(name for name in by if name in runs)
    if len(with_loss) == 0:
        return [] if registered else check_finished(runs)
    if registered or not (with_loss["L"] > 0).all():
        return _losses(with_loss, by)
    checkpoints = check_checkpoints(with_loss)
    recipes = check_recipes(with_loss, by)
    headers = {theirs: ours for ours, theirs in runs.named.items()}
    apart = (
        *by,
        *(headers.get(p.column, p.column) for p in recipes if p.status is Status.FAIL),
    )
    sweep = [] if checkpoints else check_sweep(with_loss, (*apart, *reads))
    unfinished = check_finished(runs)
    ongoing = [row for problem in unfinished for row in still_running(problem)]
    compared = with_loss.take(~np.isin(with_loss.rows, ongoing))
    losses = _losses(compared, by)
    mixed = any(p.name == MIXED and p.column for p in losses)
    diverged = [] if mixed or checkpoints else check_diverged(compared, apart)
    for problem in diverged:  # the others are judged without them
        losses = _losses(compared.take(~np.isin(compared.rows, problem.rows)), by)
    if (
        checkpoints or len(apart) > len(by) or sweep
    ):  # what lies above the others is explained
        losses = [p for p in losses if p.name not in ABOVE]
    return [*checkpoints, *recipes, *sweep, *diverged, *unfinished, *losses]


def _losses(runs: Observations, by: tuple[str, ...]) -> list[Problem]:
    """Check the losses of each group."""
    if not by:
        return check_losses(runs)
    number = number_alike([runs[name] for name in by])
    problems = []
    for g in np.unique(number):
        at = np.flatnonzero(number == g)
        title = ", ".join(f"{n} {as_text(runs[n])[at[0]]}" for n in by)
        problems += [
            replace(p, detail=f"of {title}: {p.detail}")
            for p in check_losses(runs.take(at))
        ]
    return problems
