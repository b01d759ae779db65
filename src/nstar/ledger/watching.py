"""Freeze what an unfinished run says of its own end, beside the forecasts of its ladder."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from nstar.curves.watching import Watch
from nstar.ledger.forecasting import forecast
from nstar.ledger.frozen import Frozen, rounded_quantiles
from nstar.ledger.records import Forecast
from nstar.verdicts import Check
from nstar.wording import plainly, share


def forecast_of_run(
    watch: Watch,
    *,
    name: str,
    note: str = "",
    checks: Sequence[Check] | None = None,
    when: datetime | None = None,
) -> Forecast:
    """Freeze the forecast of a run's end that the run so far has changed.

    Put it into a ledger to make it binding: `Ledger.read(path).freeze(it).save(path)`.

    Args:
        watch: the run beside its ladder.
        name: by which its loss is entered later.
        note: who or why.
        checks: of the ladder's fit, where they were made before.
        when: the moment of freezing; now unless given.

    Raises:
        ValueError: what `forecast` refuses.
    """
    beside = watch.beside
    before = forecast(
        watch.fit,
        beside.N,
        beside.D,
        name=name,
        note=note,
        seed=watch.seed,
        checks=checks,
        when=when,
    )
    document = watch.as_json()
    seen = {
        "run": document["run"],
        "data": beside.source,
        "data_sha256": beside.sha256,
        "axis": beside.axis,
        "step": document["step"],
        "steps": beside.steps,
        "course_from": watch.source,
        "log_e": document["log_e"],
        "on_forecast": document["on_forecast"],
    }
    density = watch.after.log_density
    return replace(
        before,
        basis={**before.basis, "watched": seen},
        measured=Frozen.of(watch.ends(), lambda losses: density(np.log(losses))),
        law_loss=rounded_quantiles(watch.updated.law_loss),
        checks=tuple(plainly([*before.checks, *watch.checks()])),
        note=note or f"given {share(document['way'])} of run {document['run']}",
    )
