"""Decisions under priors half and twice as wide.

The priors are those whose power-scaling moves a decision most (`power_scaling`).  Each is
made narrower and wider by itself: the draws are re-weighted where Pareto k-hat allows it,
and the law is fitted again where it does not.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpyro.distributions as dist
import xarray as xr

from nstar.answers import Document
from nstar.fits.fitting import Fit
from nstar.fits.refitting import repeat_fit
from nstar.fits.reweighting import pick
from nstar.intervals import interval
from nstar.plans.planning import plan
from nstar.priors.sets import set_of_fit
from nstar.types import Prior
from nstar.validation.power_scaling import Sensitivity
from nstar.verdicts import Check, Status

FACTORS = (0.5, 2.0)
MOST = 4  # priors that are tried, those that move a decision most
# power-scaling of a decision from which a prior is tried; small, since half and twice as
# wide are larger changes than those of power-scaling
LEAST = 0.01
MOVED = 0.25  # share of a decision's interval by which an end may move


class ScaledPrior(NamedTuple):
    """A decision under one prior made narrower or wider."""

    unknown: str  # "" as the priors are
    factor: float  # of the prior's scale
    budgets: tuple[float, ...]
    intervals: dict[str, list[dict[str, float]]]  # of log N* and L*, a budget each
    how: str  # "as is", "weighed anew" or "fitted again"
    trouble: str = ""  # of the sampler, where it was fitted again

    def as_json(self) -> Document:
        """Plain numbers and words."""
        return {n: v for n, v in self._asdict().items() if n != "trouble"}


def prior_scales(
    fit: Fit,
    budgets: Sequence[float],
    sensitivities: Sensitivity,
    prob: float = 0.9,
    *,
    refit: bool = True,
) -> list[ScaledPrior]:
    """Decisions under the influential priors, each half and twice as wide.

    Args:
        fit: a posterior of a law that has N*.
        budgets: FLOP.
        sensitivities: result of `sensitivity` with the same budgets.
        prob: of the intervals.
        refit: whether to fit again where re-weighting fails, or to leave that prior out.

    Returns:
        The decision under the priors as they are, then two for each influential prior.
    """
    draws_as_stated = plan(fit, budgets, brief=True).draws
    decisions = [_scale("", 1.0, draws_as_stated, prob, "as is")]
    stated = set_of_fit(fit.tree.attrs, fit.priors)
    priors = fit.law.priors() | fit.noise.priors(fit.law.response) | dict(fit.priors)
    for name in influential_priors(sensitivities):
        for factor in FACTORS:
            scaled = widen(priors[name], factor)
            if scaled is None:
                continue
            alternative = stated | {name: scaled}
            if selection := pick(fit, priors=alternative):
                draws = draws_as_stated.isel(draw=selection.at)
                decisions.append(_scale(name, factor, draws, prob, "weighed anew"))
            elif refit:
                refitted = repeat_fit(fit, priors=alternative, brief=True)
                trouble, how = refitted.diagnosis.trouble, "fitted again"
                how = f"{how}, with {trouble}" if trouble else how
                draws = plan(refitted, budgets, brief=True).draws
                decisions.append(
                    _scale(name, factor, draws, prob, how, trouble=trouble)
                )
    return decisions


def influential_priors(sensitivities: Sensitivity) -> list[str]:
    """Unknowns whose own prior moves a decision, the most influential first."""
    largest: dict[str, float] = {}
    for row in sensitivities.rows:
        if row.decision:
            for name, distance in row.by_prior.items():
                largest[name] = max(largest.get(name, 0.0), distance)
    influential = [name for name, distance in largest.items() if distance >= LEAST]
    return sorted(influential, key=lambda name: -largest[name])[:MOST]


def widen(prior: Prior, factor: float) -> dist.Distribution | None:
    """Scale the width of a prior about the same centre; None for a family not handled here.

    The scale of a log-normal, or of a Student-t on a logit or a log, is changed on that
    scale; a Beta and a Gamma keep their mean, and their sd changes by about the factor.
    """
    if isinstance(prior, dist.LogNormal):
        return dist.LogNormal(prior.loc, prior.scale * factor)
    if isinstance(prior, dist.TransformedDistribution):
        base = widen(prior.base_dist, factor)
        return base and dist.TransformedDistribution(base, prior.transforms)
    if isinstance(prior, dist.Normal):
        return dist.Normal(prior.loc, prior.scale * factor)
    if isinstance(prior, dist.StudentT):
        return dist.StudentT(prior.df, prior.loc, prior.scale * factor)
    if isinstance(prior, dist.HalfNormal):
        return dist.HalfNormal(prior.scale * factor)
    if isinstance(prior, dist.Gamma):
        return dist.Gamma(prior.concentration / factor**2, prior.rate / factor**2)
    if isinstance(prior, dist.Beta):
        a, b = prior.concentration1, prior.concentration0
        return dist.Beta(a / factor**2, b / factor**2)
    return None


def check_scales(answers: Sequence[ScaledPrior], sensitivities: Sensitivity) -> Check:
    """Check by how much of its interval a decision moves under other priors.

    Influential priors that could not be tried, and re-fits in trouble, are for review.
    """
    reference, others = (
        answers[0],
        [scaled for scaled in answers[1:] if not scaled.trouble],
    )
    tested = {scaled.unknown for scaled in others}
    if untested := [
        name for name in influential_priors(sensitivities) if name not in tested
    ]:
        detail = (
            f"the priors of {', '.join(untested)} move the decision, and could not be made half or twice "
            "as wide: of no family known here, or the fit under them had trouble or was left out (--quick); try others with --prior"
        )
        return Check("owed to priors", Status.REVIEW, detail)
    moves = sorted(_moves(reference, others), key=lambda move: -move[0])
    if not moves:
        detail = "no prior of a single unknown moves N* or L* much"
        return Check("owed to priors", Status.PASS, detail)
    share, quantity, C, scaled = moves[0]
    detail = (
        f"with the prior of {scaled.unknown} {'half' if scaled.factor < 1 else 'twice'} as wide, an end of "
        f"the interval of {quantity} at {C:.3g} FLOP moves by {share:.0%} of its width"
    )
    beyond = share > MOVED
    if beyond:
        detail += (
            "; say so beside it, or state the prior with reasons of your own (--prior)"
        )
    return Check("owed to priors", Status.REVIEW if beyond else Status.PASS, detail)


def _moves(
    reference: ScaledPrior, others: Sequence[ScaledPrior]
) -> Iterator[tuple[float, str, float, ScaledPrior]]:
    for scaled in others:
        for quantity, before in reference.intervals.items():
            rows = zip(
                reference.budgets, before, scaled.intervals[quantity], strict=True
            )
            for C, a, b in rows:
                width = a["upper"] - a["lower"]
                ends = (abs(a[n] - b[n]) for n in ("lower", "upper"))
                yield max(ends) / width, quantity, C, scaled


def _scale(
    name: str,
    factor: float,
    draws: xr.Dataset,
    prob: float,
    how: str,
    *,
    trouble: str = "",
) -> ScaledPrior:
    values = {"log N*": np.log(draws["N"].to_numpy())}
    if "loss_oracle" in draws:
        values["L*"] = draws["loss_oracle"].to_numpy()
    intervals = {
        what: [interval(each, prob).as_json() for each in rows.T]
        for what, rows in values.items()
    }
    budgets = tuple(draws["budget"].to_numpy().tolist())
    return ScaledPrior(name, factor, budgets, intervals, how, trouble)
