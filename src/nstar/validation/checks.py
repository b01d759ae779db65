"""Checks on a posterior and a plan: each a name, a verdict and a remedy."""

import json
from collections.abc import Iterator

import numpy as np

from nstar.departures.bending import is_bent
from nstar.departures.bent_lines import DERIVED
from nstar.fits.diagnostics import E_BFMI, ESS, RHAT, in_necks, place
from nstar.fits.fitting import Fit
from nstar.fits.groups import check_groups
from nstar.fits.mixture import Average, Posterior
from nstar.fits.tree import MISSED
from nstar.inference.repeated_checks import population_fits
from nstar.plans.planning import Plan
from nstar.predictions.distances import check_extrapolation, check_tokens_per_parameter
from nstar.types import Kind, Scattered, of_profiles
from nstar.validation.misfit import structure
from nstar.verdicts import Check, Status

UNLIKELY = 0.01  # posterior predictive probability below which a misfit is for review
FEW = 5  # budgets below which the priors alone determine their scatter and their bend
DECISIONS = {"N": "log N*", "D": "log D*", "loss_oracle": "L*"}  # of a plan's draws
EDGE = (
    0.05  # share of draws with their optimum at an end of the search that is for review
)


def check_fit(fit: Posterior) -> list[Check]:
    """Check the sampler, the priors and the law of a fit; of an average each law by name.

    Args:
        fit: the fit, or an average.

    Returns:
        A check for each thing looked at, and the notes on the runs.

    Examples:
        >>> [check.name for check in nstar.check_fit(fit) if check.status != "PASS"]
    """
    notes = dict.fromkeys(note for part in fit.components for note in part.runs.notes)
    if not isinstance(fit, Average):
        return [*_check_law(fit), *notes]
    checks = [
        check._replace(name=f"{name}: {check.name}")
        for name, part in zip(fit.names, fit.components, strict=True)
        for check in _check_law(part)
    ]
    return [fit.how, *checks, *notes]


def _check_law(fit: Fit) -> list[Check]:
    """Checks of one law, without the notes on the runs."""
    return [
        *_check_sampler(fit),
        *_check_modes(fit),
        *fit.notes,
        *_check_priors(fit),
        population_fits(fit)
        if fit.law.response.kind is Kind.COUNTS
        else _check_misfit(fit),
        *_check_profiles(fit),
        *_check_budgets(fit),
        *check_groups(fit),
    ]


MODES = 1.5  # R-hat of chains whose widths no longer overlap, in the main
MODES_REMEDY = (
    "do not use these draws: chains stay at different modes, which explain the runs "
    "about alike; exclude one by a prior with reasons, or add runs where they differ"
)
NECK_REMEDY = (
    "all where an amplitude of the bend is near zero; fit with another seed and see "
    "whether the answers stay"
)


def check_plan(plan: Plan) -> list[Check]:
    """Check how far a plan lies beyond the runs, and whether its quantities have mixed."""
    return [*check_extrapolation(plan.fit, plan.budgets), *check_optima(plan)]


def check_optima(plan: Plan) -> list[Check]:
    """Check a plan's quantities alone, where its distance is checked elsewhere."""
    return [*_check_range(plan), *_check_edge(plan), *_check_decisions(plan)]


def _check_sampler(fit: Fit) -> Iterator[Check]:
    d = fit.diagnosis
    remedy = "do not use these draws: fit again with more warm-up, another seed, or tighter priors"
    passed = d.rhat <= RHAT
    yield Check(
        "convergence",
        Status.PASS if passed else Status.FAIL,
        f"R-hat at most {d.rhat:.3f} ({d.rhat_of}); the limit is {RHAT}"
        + ("" if passed else f"; {MODES_REMEDY if d.rhat > MODES else remedy}"),
    )
    least = min(d.ess_bulk, d.ess_tail)
    passed = least >= ESS
    yield Check(
        "effective draws",
        Status.PASS if passed else Status.FAIL,
        f"at least {d.ess_bulk:.0f} in the bulk ({d.ess_bulk_of}) and {d.ess_tail:.0f} in the "
        f"tails ({d.ess_tail_of}); {ESS} are needed"
        + ("" if passed else f"; {remedy}"),
    )
    count = fit.tree["sample_stats"]["diverging"].size
    in_funnel = is_bent(fit.law) and d.divergences > 0
    draws = fit.tree["posterior"].data_vars
    diverging = fit.tree["sample_stats"]["diverging"]
    in_funnel = in_funnel and in_necks(draws, diverging)
    location = place(draws, diverging)
    yield Check(
        "divergences",
        Status.REVIEW if in_funnel else Status.FAIL if d.divergences else Status.PASS,
        f"{d.divergences} divergent transitions of {count}"
        + (
            f"; {NECK_REMEDY if in_funnel else f'{location}; {remedy}'}"
            if d.divergences
            else ""
        ),
    )
    passed = d.e_bfmi >= E_BFMI
    yield Check(
        "energy",
        Status.PASS if passed else Status.REVIEW,
        f"E-BFMI {d.e_bfmi:.2f}; below {E_BFMI} the tails may be missed"
        + ("" if passed else "; fit again with another --seed or tighter priors"),
    )


def _check_modes(fit: Fit) -> Iterator[Check]:
    """Warn of modes of some mass at which no chain started: R-hat cannot detect them."""
    missed = json.loads(fit.tree.attrs.get(MISSED, "[]"))
    if missed:
        count = "another mode" if len(missed) == 1 else f"{len(missed)} other modes"
        detail = (
            f"the search found {count} with about {sum(missed):.0%} of the posterior's mass, where "
            "no chain started: unless chains crossed over, intervals leave it out; sample with "
            "more chains (settings), or exclude it by a prior with reasons"
        )
        yield Check("modes", Status.REVIEW, detail)


def _check_priors(fit: Fit) -> Iterator[Check]:
    """Check for unknowns that the runs do not inform, or pull out of their prior."""
    uninformed, conflicting = [], []
    prior = fit.tree["prior"].dataset
    for name, draws in _single(fit).items():
        prior_draws = prior[name].to_numpy().ravel()
        low, high = np.quantile(prior_draws, [0.005, 0.995])
        if not low <= np.median(draws) <= high:
            conflicting.append(
                f"{name} (posterior median {np.median(draws):.3g}, prior {low:.3g} to {high:.3g})"
            )
        spread, prior_spread = (
            float(np.diff(np.quantile(v, [0.25, 0.75]))[0])
            for v in (draws, prior_draws)
        )
        if spread > 0.8 * prior_spread:
            uninformed.append(name)
    if conflicting:
        detail = (
            f"the runs pull {', '.join(conflicting)} out of the central 99 % of its prior; check "
            "the units, or set that prior yourself with --prior"
        )
        yield Check("prior and runs agree", Status.REVIEW, detail)
    read = DERIVED if set(DERIVED) <= set(prior) else ("alpha1", "tokens_per_parameter")
    relevant = [n for n in uninformed if n in {*read, "level"}]
    if uninformed:
        detail = (
            f"the runs say little of {', '.join(uninformed)}: there the posterior is the prior "
            "(its interquartile range shrank by less than a fifth)"
        )
        if relevant:
            detail += "; add runs that tell them, or state priors of your own (--prior)"
        yield Check(
            "learned from runs", Status.REVIEW if relevant else Status.PASS, detail
        )
    else:
        detail = "no single unknown is as wide as its prior"
        yield Check("learned from runs", Status.PASS, detail)


def _single(fit: Fit) -> dict[str, np.ndarray]:
    """Draws of the scalar unknowns, and of the quantities reported of a bent line."""
    posterior = fit.tree["posterior"].dataset
    bent = {n: posterior[n].to_numpy().ravel() for n in DERIVED if n in posterior}
    return {n: v for n, v in fit.draws.items() if v.ndim == 1} | bent


def _check_misfit(fit: Fit) -> Check:
    p = structure(fit)
    unlikely = p < UNLIKELY
    detail = f"likeness of neighbouring residuals: posterior predictive p = {p:.3f}"
    if unlikely:
        detail += (
            "; the law bends away from the runs, so intervals beyond them are too narrow. "
            "Compare another law or route"
        )
    return Check(
        "law fits the runs", Status.REVIEW if unlikely else Status.PASS, detail
    )


def _check_profiles(fit: Fit) -> Iterator[Check]:
    """Check that every isoFLOP budget has runs on both sides of its minimum."""
    if not of_profiles(fit.law) or "log_D" not in fit.draws:
        return
    runs = fit.runs
    outside = []
    for budget, draws in zip(
        np.unique(runs["budget"]), fit.draws["log_D"].T, strict=True
    ):
        D = runs["D"][runs["budget"] == budget]
        if not D.min() <= np.exp(np.median(draws)) <= D.max():
            outside.append(f"{budget:.3g}")
    if outside:
        detail = (
            f"the minimum of budgets {', '.join(outside)} FLOP lies outside their runs and is "
            "inferred from the other budgets; add runs on the side where the loss still falls"
        )
        yield Check("minima inside their runs", Status.REVIEW, detail)
    else:
        detail = "every isoFLOP budget has runs on both sides of its minimum"
        yield Check("minima inside their runs", Status.PASS, detail)


def _check_budgets(fit: Fit) -> Iterator[Check]:
    """Warn where budgets are too few to inform the scatter and the bend of their optima."""
    if of_profiles(fit.law):
        count, informed = (
            len(np.unique(fit.runs["budget"])),
            ["scatter of optima and levels"],
        )
    elif isinstance(fit.law, Scattered):
        count, informed = len(np.unique(fit.runs["C"])), ["scatter of optima"]
    else:
        return
    informed += ["bend of log D*(C)"] * is_bent(fit.law)
    if count < FEW:
        detail = (
            f"{count} budgets say little of the {' and the '.join(informed)}: there the posterior is "
            f"the prior, and so is much of the intervals; add budgets: {FEW} or more would tell"
        )
        yield Check("budgets", Status.REVIEW, detail)


def _check_decisions(plan: Plan) -> Iterator[Check]:
    """Check mixing of the decision's quantities: unknowns may mix where N* does not."""
    fit = plan.fit
    if fit.mixture or fit.tree["posterior"].sizes["chain"] < 2:
        return  # of an average each law is judged by itself
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 0, "draw_axis": 1}
    sizes = fit.tree["posterior"].sizes
    shape = sizes["chain"], sizes["draw"]
    rhat, ess, error = [], [], []
    for name, label in DECISIONS.items():
        if name not in plan.draws or plan.draws[name].sizes["draw"] != np.prod(shape):
            continue
        for C in plan.budgets:
            x = plan.draws[name].sel(budget=C).to_numpy().reshape(shape)
            x = np.log(x) if label.startswith("log") else x
            if not np.isfinite(x).all() or np.ptp(x) == 0:
                continue
            what = f"{label} at {C:.3g} FLOP"
            rhat.append((float(array_stats.rhat(x, **axes)), what))
            for method, prob in (("bulk", None), ("tail", (0.05, 0.95))):
                each = array_stats.ess(x, method=method, prob=prob, **axes)
                ess.append((float(each), what))
            of_mean = array_stats.ess(x, method="mean", **axes)
            error.append(1 / np.sqrt(float(of_mean)))
    if not rhat:
        return
    (worst, worst_of), (least, least_of) = max(rhat), min(ess)
    ok = worst <= RHAT and least >= ESS
    detail = (
        f"R-hat at most {worst:.3f} ({worst_of}), at least {least:.0f} effective draws ({least_of}); "
        f"means are good to {max(error):.1%} of their sd"
    )
    if not ok:
        detail += f"; the limits are {RHAT} and {ESS}: fit again with more draws or warm-up, or another seed"
    yield Check("draws of the decision", Status.PASS if ok else Status.FAIL, detail)


def _check_edge(plan: Plan) -> Iterator[Check]:
    """Check the share of draws whose optimum lies at an end of the search for N*."""
    if "on_edge" not in plan.draws:
        return
    shares = plan.draws["on_edge"].to_numpy()
    worst = int(np.argmax(shares))
    detail = (
        f"{shares[worst]:.1%} of draws at {plan.budgets[worst]:.3g} FLOP have their optimum at an "
        "end of the search, twice as far as the runs' own tokens per parameter"
    )
    if shares[worst] > EDGE:
        detail += ": the interval of N* is one-sided there; add runs at more and fewer tokens per parameter"
    status = Status.REVIEW if shares[worst] > EDGE else Status.PASS
    yield Check("optimum inside the search", status, detail)


def _check_range(plan: Plan) -> list[Check]:
    """Check that the optimum lies among the tokens per parameter that were measured."""
    laws = [part.law for part in plan.fit.components]
    median = plan.draws["tokens_per_parameter"].median("draw").to_numpy()
    chosen = {
        f"the optimum of {C:.3g} FLOP": (1.0, r)
        for C, r in zip(plan.budgets, median, strict=True)
    }
    optima = all(isinstance(x, Scattered) and not of_profiles(x) for x in laws)
    return check_tokens_per_parameter(
        plan.fit.runs, chosen, kind="optima" if optima else "runs"
    )
