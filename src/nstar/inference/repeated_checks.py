"""Checks of pass@k: extrapolation beyond the counts, and the form of the population."""

import numpy as np

from nstar.answers import Document
from nstar.fits.fitting import Fit
from nstar.runs.observations import Observations
from nstar.samplers import density
from nstar.verdicts import Check, Status

BEYOND = 10.0  # times the samples of a problem from which pass@k is for review
FEW_SOLVED = 30  # solved problems, below which the left tail is what the prior says
WIDE = 0.1  # of the zero mass's interval, from which both its ends are to be read
DRAWS = 400  # whose replicates of the counts are compared with those observed
UNLIKELY = 0.01  # posterior predictive p-value below which the law is for review
GROUPING_COLUMNS = ("model", "run", "task", "condition", "strategy", "family", "ladder")


def one_population(table: Observations, *, several: bool) -> None:
    """Refuse rows of several models or tasks where one population is fitted.

    Args:
        table: counts, one row a problem.
        several: whether the law tells models apart.

    Raises:
        ValueError: naming the column and its values, or a problem that is counted twice.
    """
    columns = [
        name
        for name in GROUPING_COLUMNS
        if name in table and not (several and name in ("model", "run", "family"))
    ]
    for name in columns:
        values = np.unique(table[name].astype(str))
        if len(values) > 1:
            shown = ", ".join(values[:4]) + ("" if len(values) < 5 else ", ...")
            hint = (
                ""
                if name in ("task", "condition", "strategy")
                else ", or tell models apart with the repeated_by_size law"
            )
            msg = f"{table.source}: column {name!r} has {len(values)} values ({shown}), and one population is fitted; keep one with --where '{name}={values[0]}'{hint}"
            raise ValueError(msg)
    if {"problem", "samples", "successes"} <= table.columns.keys():
        _require_distinct(table, several=several)


def _require_distinct(table: Observations, *, several: bool) -> None:
    """Refuse a problem that is counted twice."""
    by = [
        "problem",
        *(n for n in ("N", "L", *GROUPING_COLUMNS) if n in table and several),
    ]
    keys = list(zip(*(table[n].astype(str) for n in by), strict=True))
    first_row: dict[tuple, int] = {}
    for i, key in enumerate(keys):
        j = first_row.setdefault(key, i)
        if j != i:
            counts = ", ".join(
                f"{table['successes'][r]:g} of {table['samples'][r]:g}" for r in (j, i)
            )
            msg = f"{table.source}, rows {table.rows[j]} and {table.rows[i]}, column 'problem': {table['problem'][i]} is counted twice ({counts}); add the two up where they are different samples, or leave one out"
            raise ValueError(msg)


def check_counts(
    counts: np.ndarray, ks: np.ndarray, zero_mass: Document | None
) -> list[Check]:
    """Check whether the counts support pass@k at these k.

    Args:
        counts: samples and successes of each problem, (2, problem); none of a model
            that was not sampled.
        ks: numbers of samples at which pass@k is wanted.
        zero_mass: from `PassAtK.zero_mass`.
    """
    if not counts.size:
        detail = "no sample of this model was counted: its population follows from the other sizes, and nothing is known of single problems; take some samples of it"
        return [Check("samples", Status.REVIEW, detail)]
    (n, s), median_samples = counts, float(np.median(counts[0]))
    far = [f"{k:g}" for k in ks if k > BEYOND * median_samples]
    detail = f"{median_samples:g} samples of a problem reach k = {BEYOND * median_samples:g} with a tenth of them"
    if far:
        detail = f"k = {', '.join(far)} is beyond ten times the {median_samples:g} samples of a problem: problems solved once in more than {median_samples:g} samples decide it, and of those the form of the population speaks, not the counts; sample more"
    checks = [Check("samples", Status.REVIEW if far else Status.PASS, detail)]
    solved = int((s > 0).sum())
    detail_solved, status = (
        f"{solved} of {len(s)} problems were solved at least once",
        Status.PASS,
    )
    if n.max() == 1:
        detail_solved, status = (
            f"{detail_solved}, with one sample each, which tells the mean rate and nothing of how rates differ: pass@k beyond k = 1 follows from the priors; take several samples of each problem",
            Status.REVIEW,
        )
    elif solved == 0:
        detail_solved, status = (
            f"no problem was solved in {median_samples:g} samples: only an upper bound on pass@k is known, and how fast it rises follows from the priors",
            Status.REVIEW,
        )
    elif np.all(s == n):
        detail_solved, status = (
            "every sample of every problem succeeds: the task tells this model from no better one, and what fails it follows from the priors",
            Status.REVIEW,
        )
    elif solved < FEW_SOLVED:
        detail_solved, status = (
            f"{detail_solved}; with fewer than {FEW_SOLVED} the left tail, which decides large k, owes much to its prior (of published exponents)",
            Status.REVIEW,
        )
    checks.append(Check("solved problems", status, detail_solved))
    if zero_mass:
        low, high = zero_mass["lower"], zero_mass["upper"]
        wide = high - low > WIDE
        ends = "; ".join(
            f"k = {at_lower['k']}: new problems {at_lower['new']:.3f} with it at {low:.3f}, {at_upper['new']:.3f} at {high:.3f}"
            for at_lower, at_upper in zip(
                zero_mass["at_lower"], zero_mass["at_upper"], strict=True
            )
        )
        detail = f"a share {zero_mass['median']:.3f} [{low:.3f}, {high:.3f}] of problems (90 %) is beyond reach (never solved, or less than once in a million samples), which {median_samples:g} samples cannot tell from rates far below 1/{median_samples:g}; {ends}"
        checks.append(
            Check("zero mass", Status.REVIEW if wide else Status.PASS, detail)
        )
    return checks


def population_fits(fit: Fit) -> Check:
    """Compare the shares of problems by number of successes with replicates.

    Three posterior predictive checks (Gelman, Meng & Stern 1996), of the shares of
    problems with no success, with one or two, and with more than half; the smallest
    two-sided probability, times three.
    """
    import jax

    x = {str(n): v.to_numpy() for n, v in fit.tree["constant_data"].data_vars.items()}
    y = fit.tree["observed_data"][fit.law.response.name].to_numpy()
    step = max(len(next(iter(fit.draws.values()))) // DRAWS, 1)
    params = {name: values[::step] for name, values in fit.draws.items()}
    with jax.enable_x64(True):
        skeleton, numbers = density.split(fit.law, fit.noise)
        populations = density.expected(skeleton, numbers, params, x)
        key = jax.random.key(fit.seed)
        replicates = np.asarray(
            density.measured(fit.noise, populations, params, x, key)
        )[:, 0]
    tails = [
        _two_sided(f(replicates, x["samples"]), f(y, x["samples"])) for f in STATISTICS
    ]
    p = min(1.0, 3 * min(tails))
    detail = f"problems with no, one or two, and mostly successes: posterior predictive p = {p:.3f}"
    bad = p < UNLIKELY
    if bad:
        detail += "; the population is not of this form, so pass@k beyond the samples is too sure of itself"
    return Check("law fits the counts", Status.REVIEW if bad else Status.PASS, detail)


STATISTICS = (
    lambda s, n: (s == 0).mean(axis=-1),
    lambda s, n: ((s == 1) | (s == 2)).mean(axis=-1),
    lambda s, n: (s > n / 2).mean(axis=-1),
)


def _two_sided(replicates: np.ndarray, observed: float) -> float:
    """Two-sided p-value of an observed statistic; half of the ties on each side."""
    equal = (replicates == observed).mean() / 2
    return float(
        2
        * min(
            (replicates < observed).mean() + equal,
            (replicates > observed).mean() + equal,
        )
    )
