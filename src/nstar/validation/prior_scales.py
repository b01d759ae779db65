"""A decision under priors half and twice as wide: what it owes to them.

The priors are those whose power-scaling moves a decision most (`power_scaling`); each is made
narrower and wider by itself, the draws weighed anew where Pareto k-hat allows and the fit
made again where it does not.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpyro.distributions as dist
import xarray as xr

from nstar.fits.fitting import Fit
from nstar.fits.refitting import again
from nstar.fits.reweighting import pick
from nstar.intervals import interval
from nstar.plans.planning import plan
from nstar.priors.sets import set_of_fit
from nstar.types import Prior
from nstar.validation.power_scaling import Sensitivity
from nstar.verdicts import Check, Status

FACTORS = (0.5, 2.0)
MOST = 4  # priors that are tried, those that move a decision most
LEAST = (
    0.01  # power-scaling of a decision from which a prior is tried: half and twice as
)
# wide is farther than power-scaling looks
MOVED = 0.25  # share of a decision's interval by which an end may move


class Scaled(NamedTuple):
    """A decision under one prior made narrower or wider."""

    unknown: str  # "" as the priors are
    factor: float  # of the prior's scale
    budgets: tuple[float, ...]
    intervals: dict[str, list[dict[str, float]]]  # of log N* and L*, a budget each
    how: str  # "as is", "weighed anew" or "fitted again"
    trouble: str = ""  # of the sampler, where it was fitted again

    def as_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        return {n: v for n, v in self._asdict().items() if n != "trouble"}


def prior_scales(
    fit: Fit,
    budgets: Sequence[float],
    owed: Sensitivity,
    prob: float = 0.9,
    *,
    refit: bool = True,
) -> list[Scaled]:
    """Answers under the priors that matter, each half and twice as wide.

    Args:
        fit: a posterior of a law that says N*.
        budgets: FLOP.
        owed: what `sensitivity` found with the same budgets.
        prob: of the intervals.
        refit: whether to fit again where weights do not answer, or to leave that out.

    Returns:
        As the priors are, first; then two for each prior that matters.
    """
    usual = plan(fit, budgets, brief=True).draws
    answers = [_scaled("", 1.0, usual, prob, "as is")]
    chosen = set_of_fit(fit.tree.attrs, fit.priors)
    priors = fit.law.priors() | fit.noise.priors(fit.law.response) | dict(fit.priors)
    for name in mattering(owed):
        for factor in FACTORS:
            wider = widened(priors[name], factor)
            if wider is None:
                continue
            changed = chosen | {name: wider}
            if picked := pick(fit, priors=changed):
                draws = usual.isel(draw=picked.at)
                answers.append(_scaled(name, factor, draws, prob, "weighed anew"))
            elif refit:
                other = again(fit, priors=changed, brief=True)
                trouble, how = other.diagnosis.trouble, "fitted again"
                how = f"{how}, with {trouble}" if trouble else how
                draws = plan(other, budgets, brief=True).draws
                answers.append(_scaled(name, factor, draws, prob, how, trouble=trouble))
    return answers


def mattering(owed: Sensitivity) -> list[str]:
    """Unknowns whose own prior moves a decision at all, the most moving first."""
    most: dict[str, float] = {}
    for row in owed.rows:
        if row.decision:
            for name, moved in row.by_prior.items():
                most[name] = max(most.get(name, 0.0), moved)
    moving = [name for name, moved in most.items() if moved >= LEAST]
    return sorted(moving, key=lambda name: -most[name])[:MOST]


def widened(prior: Prior, factor: float) -> dist.Distribution | None:
    """A prior so many times as wide about the same middle; none for a family unknown here.

    Of a log-normal and of a Student-t on a logit or a log, the scale there; of a Beta and
    a Gamma the mean stays and the sd goes with the factor, about.
    """
    if isinstance(prior, dist.LogNormal):
        return dist.LogNormal(prior.loc, prior.scale * factor)
    if isinstance(prior, dist.TransformedDistribution):
        base = widened(prior.base_dist, factor)
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


def check_scales(answers: Sequence[Scaled], owed: Sensitivity) -> Check:
    """Say by how much of its interval a decision moves under other priors.

    Priors that matter and could not be tried, and re-fits in trouble, are for review.
    """
    usual, others = answers[0], [one for one in answers[1:] if not one.trouble]
    tried = {one.unknown for one in others}
    if left := [name for name in mattering(owed) if name not in tried]:
        detail = (
            f"the priors of {', '.join(left)} move the decision, and could not be made half or twice "
            "as wide: of no family known here, or the fit under them had trouble or was left out (--quick); try others with --prior"
        )
        return Check("owed to priors", Status.REVIEW, detail)
    moves = sorted(_moves(usual, others), key=lambda move: -move[0])
    if not moves:
        detail = "no prior of a single unknown moves N* or L* much"
        return Check("owed to priors", Status.PASS, detail)
    share, what, C, one = moves[0]
    detail = (
        f"with the prior of {one.unknown} {'half' if one.factor < 1 else 'twice'} as wide, an end of "
        f"the interval of {what} at {C:.3g} FLOP moves by {share:.0%} of its width"
    )
    bad = share > MOVED
    if bad:
        detail += (
            "; say so beside it, or state the prior with reasons of your own (--prior)"
        )
    return Check("owed to priors", Status.REVIEW if bad else Status.PASS, detail)


def _moves(
    usual: Scaled, others: Sequence[Scaled]
) -> Iterator[tuple[float, str, float, Scaled]]:
    for one in others:
        for what, before in usual.intervals.items():
            rows = zip(usual.budgets, before, one.intervals[what], strict=True)
            for C, a, b in rows:
                width = a["upper"] - a["lower"]
                ends = (abs(a[n] - b[n]) for n in ("lower", "upper"))
                yield max(ends) / width, what, C, one


def _scaled(
    name: str,
    factor: float,
    draws: xr.Dataset,
    prob: float,
    how: str,
    *,
    trouble: str = "",
) -> Scaled:
    values = {"log N*": np.log(draws["N"].to_numpy())}
    if "loss_oracle" in draws:
        values["L*"] = draws["loss_oracle"].to_numpy()
    intervals = {
        what: [interval(each, prob).as_json() for each in rows.T]
        for what, rows in values.items()
    }
    budgets = tuple(draws["budget"].to_numpy().tolist())
    return Scaled(name, factor, budgets, intervals, how, trouble)
