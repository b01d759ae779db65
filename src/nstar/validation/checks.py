"""May this posterior be believed?  Named checks with a verdict and what to do."""

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
from nstar.predictions.distances import among, extrapolation
from nstar.types import Kind, Scattered, of_profiles
from nstar.validation.misfit import structure
from nstar.verdicts import Check, Status

UNLIKELY = 0.01  # posterior predictive probability below which a misfit is for review
FEW = 5  # budgets below which their scatter and their bend are what the priors say
DECIDED = {"N": "log N*", "D": "log D*", "loss_oracle": "L*"}  # of a plan's draws
EDGE = (
    0.05  # share of draws with their optimum at an end of the search that is for review
)


def check_fit(fit: Posterior) -> list[Check]:
    """Hold the sampler, the priors and the law against the runs; each law by its name."""
    notes = dict.fromkeys(note for part in fit.components for note in part.runs.notes)
    if not isinstance(fit, Average):
        return [*_own(fit), *notes]
    each = [
        check._replace(name=f"{name}: {check.name}")
        for name, part in zip(fit.names, fit.components, strict=True)
        for check in _own(part)
    ]
    return [fit.how, *each, *notes]


def _own(fit: Fit) -> list[Check]:
    """Checks of one law, without what was noticed of the runs."""
    return [
        *_sampler(fit),
        *_modes(fit),
        *fit.notes,
        *_priors(fit),
        population_fits(fit) if fit.law.response.kind is Kind.COUNTS else _misfit(fit),
        *_profiles(fit),
        *_budgets(fit),
        *check_groups(fit),
    ]


MODES = 1.5  # R-hat of chains whose widths no longer overlap, in the main
APART = (
    "do not use these draws: chains stay at different modes, which explain the runs "
    "about alike; exclude one by a prior with reasons, or add runs where they differ"
)
NECK = (
    "all where an amplitude of the bend is near zero; fit with another seed and see "
    "whether the answers stay"
)


def check_plan(plan: Plan) -> list[Check]:
    """Ask how far the plan leaves the runs behind, and whether its answers have mixed."""
    far = extrapolation(plan.fit, plan.budgets)
    return [*far, *_range(plan), *_edge(plan), *_decisions(plan)]


def _sampler(fit: Fit) -> Iterator[Check]:
    d = fit.diagnosis
    remedy = "do not use these draws: fit again with more warm-up, another seed, or tighter priors"
    ok = d.rhat <= RHAT
    yield Check(
        "convergence",
        Status.PASS if ok else Status.FAIL,
        f"R-hat at most {d.rhat:.3f} ({d.rhat_of}); the limit is {RHAT}"
        + ("" if ok else f"; {APART if d.rhat > MODES else remedy}"),
    )
    least = min(d.ess_bulk, d.ess_tail)
    ok = least >= ESS
    yield Check(
        "effective draws",
        Status.PASS if ok else Status.FAIL,
        f"at least {d.ess_bulk:.0f} in the bulk ({d.ess_bulk_of}) and {d.ess_tail:.0f} in the "
        f"tails ({d.ess_tail_of}); {ESS} are needed" + ("" if ok else f"; {remedy}"),
    )
    count = fit.tree["sample_stats"]["diverging"].size
    few = is_bent(fit.law) and d.divergences > 0
    draws = fit.tree["posterior"].data_vars
    diverging = fit.tree["sample_stats"]["diverging"]
    few = few and in_necks(draws, diverging)
    where = place(draws, diverging)
    yield Check(
        "divergences",
        Status.REVIEW if few else Status.FAIL if d.divergences else Status.PASS,
        f"{d.divergences} divergent transitions of {count}"
        + (f"; {NECK if few else f'{where}; {remedy}'}" if d.divergences else ""),
    )
    ok = d.e_bfmi >= E_BFMI
    yield Check(
        "energy",
        Status.PASS if ok else Status.REVIEW,
        f"E-BFMI {d.e_bfmi:.2f}; below {E_BFMI} the tails may be missed",
    )


def _modes(fit: Fit) -> Iterator[Check]:
    """Name modes of some mass that no chain started at: R-hat cannot see them."""
    missed = json.loads(fit.tree.attrs.get(MISSED, "[]"))
    if missed:
        count = "another mode" if len(missed) == 1 else f"{len(missed)} other modes"
        detail = (
            f"the search found {count} with about {sum(missed):.0%} of the posterior's mass, where "
            "no chain started: unless chains crossed over, intervals leave it out; sample with "
            "more chains (settings), or exclude it by a prior with reasons"
        )
        yield Check("modes", Status.REVIEW, detail)


def _priors(fit: Fit) -> Iterator[Check]:
    """Name unknowns the data say nothing of, and those they pull out of their prior."""
    idle, torn = [], []
    prior = fit.tree["prior"].dataset
    for name, draws in _single(fit).items():
        before = prior[name].to_numpy().ravel()
        low, high = np.quantile(before, [0.005, 0.995])
        if not low <= np.median(draws) <= high:
            torn.append(
                f"{name} (posterior median {np.median(draws):.3g}, prior {low:.3g} to {high:.3g})"
            )
        spread, was = (
            float(np.diff(np.quantile(v, [0.25, 0.75]))[0]) for v in (draws, before)
        )
        if spread > 0.8 * was:
            idle.append(name)
    if torn:
        detail = (
            f"the runs pull {', '.join(torn)} out of the central 99 % of its prior; check "
            "the units, or set that prior yourself with --prior"
        )
        yield Check("prior and runs agree", Status.REVIEW, detail)
    read = DERIVED if set(DERIVED) <= set(prior) else ("alpha1", "tokens_per_parameter")
    known = [n for n in idle if n in {*read, "level"}]
    if idle:
        detail = (
            f"the runs say little of {', '.join(idle)}: there the posterior is the prior "
            "(its interquartile range shrank by less than a fifth)"
        )
        yield Check(
            "learned from runs", Status.REVIEW if known else Status.PASS, detail
        )
    else:
        detail = "no single unknown is as wide as its prior"
        yield Check("learned from runs", Status.PASS, detail)


def _single(fit: Fit) -> dict[str, np.ndarray]:
    """Draws of the single unknowns, and of what is read of a line that bends."""
    posterior = fit.tree["posterior"].dataset
    bent = {n: posterior[n].to_numpy().ravel() for n in DERIVED if n in posterior}
    return {n: v for n, v in fit.draws.items() if v.ndim == 1} | bent


def _misfit(fit: Fit) -> Check:
    p = structure(fit)
    bad = p < UNLIKELY
    detail = f"likeness of neighbouring residuals: posterior predictive p = {p:.3f}"
    if bad:
        detail += (
            "; the law bends away from the runs, so intervals beyond them are too narrow. "
            "Compare another law or route"
        )
    return Check("law fits the runs", Status.REVIEW if bad else Status.PASS, detail)


def _profiles(fit: Fit) -> Iterator[Check]:
    """Name the isoFLOP budgets whose minimum no run surrounds."""
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


def _budgets(fit: Fit) -> Iterator[Check]:
    """Say where budgets are too few to tell how their optima scatter and bend."""
    if of_profiles(fit.law):
        n, what = len(np.unique(fit.runs["budget"])), ["scatter of optima and levels"]
    elif isinstance(fit.law, Scattered):
        n, what = len(np.unique(fit.runs["C"])), ["scatter of optima"]
    else:
        return
    what += ["bend of log D*(C)"] * is_bent(fit.law)
    if n < FEW:
        detail = (
            f"{n} budgets say little of the {' and the '.join(what)}: there the posterior is "
            f"the prior, and so is much of the intervals; {FEW} or more would tell"
        )
        yield Check("budgets", Status.REVIEW, detail)


def _decisions(plan: Plan) -> Iterator[Check]:
    """Judge the chains by what is decided on: unknowns may mix and N* not, or the reverse."""
    fit = plan.fit
    if isinstance(fit, Average) or fit.tree["posterior"].sizes["chain"] < 2:
        return  # of an average each law is judged by itself
    from arviz_stats.base import array_stats

    where = {"chain_axis": 0, "draw_axis": 1}
    sizes = fit.tree["posterior"].sizes
    shape = sizes["chain"], sizes["draw"]
    rhat, ess, error = [], [], []
    for name, label in DECIDED.items():
        if name not in plan.draws or plan.draws[name].sizes["draw"] != np.prod(shape):
            continue
        for C in plan.budgets:
            x = plan.draws[name].sel(budget=C).to_numpy().reshape(shape)
            x = np.log(x) if label.startswith("log") else x
            if not np.isfinite(x).all() or np.ptp(x) == 0:
                continue
            what = f"{label} at {C:.3g} FLOP"
            rhat.append((float(array_stats.rhat(x, **where)), what))
            for method, prob in (("bulk", None), ("tail", (0.05, 0.95))):
                each = array_stats.ess(x, method=method, prob=prob, **where)
                ess.append((float(each), what))
            of_mean = array_stats.ess(x, method="mean", **where)
            error.append(1 / np.sqrt(float(of_mean)))
    if not rhat:
        return
    (worst, of), (least, least_of) = max(rhat), min(ess)
    ok = worst <= RHAT and least >= ESS
    detail = (
        f"R-hat at most {worst:.3f} ({of}), at least {least:.0f} effective draws ({least_of}); "
        f"means are good to {max(error):.1%} of their sd"
    )
    if not ok:
        detail += f"; the limits are {RHAT} and {ESS}: fit again with more draws or warm-up, or another seed"
    yield Check("draws of the decision", Status.PASS if ok else Status.FAIL, detail)


def _edge(plan: Plan) -> Iterator[Check]:
    """Say whether the search for N* ended where it was stopped, under how many draws."""
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


def _range(plan: Plan) -> list[Check]:
    """Say where the recommended run leaves the tokens per parameter that were run."""
    laws = [part.law for part in plan.fit.components]
    median = plan.draws["tokens_per_parameter"].median("draw").to_numpy()
    chosen = {
        f"the optimum of {C:.3g} FLOP": (1.0, r)
        for C, r in zip(plan.budgets, median, strict=True)
    }
    optima = all(isinstance(x, Scattered) and not of_profiles(x) for x in laws)
    return among(plan.fit.runs, chosen, kind="optima" if optima else "runs")
