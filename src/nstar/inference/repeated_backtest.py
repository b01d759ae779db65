"""Backtest along k: pass@k of all samples predicted from a tenth of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstar.answers import Document
from nstar.fits.fitting import fit
from nstar.fits.model import parse_model
from nstar.inference.repeated import pass_at_k
from nstar.inference.repeated_checks import one_population
from nstar.intervals import interval
from nstar.priors.sets import Priors
from nstar.responses import pass_rates
from nstar.runs.reading import read_runs
from nstar.samplers.nuts import Settings
from nstar.types import AcrossModels, Law
from nstar.verdicts import Check, Status

THINNED_SHARE = 0.1  # of the samples of each problem that is kept
LEAST = 20  # samples of each problem, so that a tenth shows how rates differ
THINNINGS = 5
UNDERCOVERAGE = (
    0.3  # below the intervals' probability, from which the law is for review
)


@dataclass(frozen=True)
class HeldOut:
    """Forecasts of pass@k from a tenth of the samples, beside what all of them show."""

    forecasts: list[
        dict[str, Any]
    ]  # thinning, k, counted, median, lower, upper, inside
    kept: float  # samples of a problem that were fitted, in the median
    prob: float

    def coverage(self) -> float:
        """Share of the intervals that hold what all samples show."""
        return float(np.mean([forecast["inside"] for forecast in self.forecasts]))

    def as_json(self) -> Document:
        """Every number as plain data."""
        return {
            "kept": self.kept,
            "coverage": self.coverage(),
            "forecasts": self.forecasts,
        }

    def check(self) -> Check:
        """Check the coverage of the intervals."""
        inside = sum(forecast["inside"] for forecast in self.forecasts)
        detail = f"fitted to {self.kept:g} samples of a problem, {inside} of {len(self.forecasts)} {100 * self.prob:g} % intervals hold the pass@k that all samples of these problems show; they share one truth, so a run of misses is one finding"
        bad = self.coverage() < self.prob - UNDERCOVERAGE
        if bad:
            detail += "; do not take intervals at larger k at their word"
        return Check("hold-out", Status.REVIEW if bad else Status.PASS, detail)


def hold_out_samples(
    runs: Any,
    law: str | Law = "repeated_sampling",
    k: Sequence[float] = (),
    *,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    priors: Priors = None,
    thinnings: int = THINNINGS,
    prob: float = 0.9,
    seed: int = 0,
    settings: Settings | None = None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> HeldOut:
    """Thin each problem to a tenth of its samples, and predict pass@k of all of them.

    Args:
        runs: counts of one model, as `nstar.fit_counts` takes them.
        law: repeated_sampling, beta_binomial, or a law of your own of such a response.
        k: samples at which pass@k is predicted, of which those beyond the tenth and
            within all samples are used; all samples, and the geometric middle between
            them and the tenth, where there are none.
        columns: our names to the table's.
        where: filters of rows.
        priors: as `nstar.fit` takes them.
        thinnings: fits, each of samples drawn without replacement.
        prob: of the intervals.
        seed: of thinnings and draws.
        settings: of each fit.
        tick: called with the thinnings done and their total.

    Raises:
        ValueError: the table is of several models, or a problem has too few samples.
    """
    if isinstance(parse_model(law).law, AcrossModels):
        msg = "samples are held out of one model at a time: keep one with --where, and take the repeated_sampling law"
        raise ValueError(msg)
    table = read_runs(runs, columns, where)
    one_population(table, several=False)
    if not {"samples", "successes"} <= table.columns.keys():
        msg = f"{table.source}: samples are held out of counts, columns samples and successes; it has {', '.join(table.columns)}"
        raise ValueError(msg)
    n, s = (table[name].astype(int) for name in ("samples", "successes"))
    if n.min() < LEAST:
        msg = f"{table.source}, row {table.rows[int(n.argmin())]}, column 'samples': a tenth of {n.min()} samples tells little; hold out of problems with {LEAST} or more, as with --where 'samples>={LEAST}'"
        raise ValueError(msg)
    thinned_samples = (THINNED_SHARE * n).astype(int)
    ks = [v for v in k if thinned_samples.max() < v <= n.min()] or [
        int(np.sqrt(float(n.min()) * thinned_samples.max())),
        int(n.min()),
    ]
    forecasts = []
    for i in range(thinnings):
        random = np.random.default_rng([seed, i])
        thinned_rows = {
            "problem": np.arange(len(n)),
            "samples": thinned_samples,
            "successes": random.hypergeometric(s, n - s, thinned_samples),
        }
        thinned_fit = fit(
            thinned_rows,
            law,
            priors=priors,
            seed=seed + i,
            settings=settings,
            tick=lambda *_: None,
        )
        predicted = pass_at_k(thinned_fit, ks, shown=int(n.min()), seed=seed + i).draws
        for k_value in predicted["k"].to_numpy():
            bounds = interval(
                predicted["these_measured"].sel(k=k_value).to_numpy(), prob
            ).as_json()
            truth = float(pass_rates.unbiased(n, s, k_value).mean())
            inside = bool(bounds["lower"] <= truth <= bounds["upper"])
            forecasts.append(
                {
                    "thinning": i,
                    "k": int(k_value),
                    "counted": truth,
                    **bounds,
                    "inside": inside,
                }
            )
        tick(i + 1, thinnings)
    return HeldOut(forecasts, float(np.median(thinned_samples)), prob)
