"""May pass@k of so few samples be believed?  What the counts show, and what they cannot."""

from typing import Any

import numpy as np

from nstar.fits.fitting import Fit
from nstar.runs.observations import Observations
from nstar.samplers import density
from nstar.verdicts import Check, Status

BEYOND = 10.0  # times the samples of a problem from which pass@k is for review
FEW = 30  # solved problems, below which the left tail is what the prior says
WIDE = 0.1  # of the zero mass's interval, from which both its ends are to be read
DRAWS = 400  # whose replicates of the counts are held against those seen
UNLIKELY = (
    0.01  # probability of counts as odd as these, below which the law is for review
)
KINDS = ("model", "run", "task", "condition", "strategy", "family", "ladder")


def one_population(table: Observations, *, several: bool) -> None:
    """Refuse rows of several models or tasks where one population is fitted.

    Args:
        table: counts, one row a problem.
        several: whether the law tells models apart.

    Raises:
        ValueError: naming the column and its values, or a problem that is counted twice.
    """
    apart = [
        name
        for name in KINDS
        if name in table and not (several and name in ("model", "run", "family"))
    ]
    for name in apart:
        kinds = np.unique(table[name].astype(str))
        if len(kinds) > 1:
            shown = ", ".join(kinds[:4]) + ("" if len(kinds) < 5 else ", ...")
            hint = (
                ""
                if name in ("task", "condition", "strategy")
                else ", or tell models apart with the repeated_by_size law"
            )
            msg = f"{table.source}: column {name!r} has {len(kinds)} values ({shown}), and one population is fitted; keep one with --where '{name}={kinds[0]}'{hint}"
            raise ValueError(msg)
    if {"problem", "samples", "successes"} <= table.columns.keys():
        _once(table, several=several)


def _once(table: Observations, *, several: bool) -> None:
    """Refuse a problem that is counted twice."""
    by = ["problem", *(n for n in ("N", "L", *KINDS) if n in table and several)]
    keys = list(zip(*(table[n].astype(str) for n in by), strict=True))
    first: dict[tuple, int] = {}
    for i, key in enumerate(keys):
        j = first.setdefault(key, i)
        if j != i:
            seen = ", ".join(
                f"{table['successes'][r]:g} of {table['samples'][r]:g}" for r in (j, i)
            )
            msg = f"{table.source}, rows {table.rows[j]} and {table.rows[i]}, column 'problem': {table['problem'][i]} is counted twice ({seen}); add the two up where they are different samples, or leave one out"
            raise ValueError(msg)


def check_counts(
    counts: np.ndarray, ks: np.ndarray, zero_mass: dict[str, Any] | None
) -> list[Check]:
    """Hold what is asked against what the counts can tell.

    Args:
        counts: samples and successes of each problem, (2, problem); none of a model
            that was not sampled.
        ks: samples that are asked for.
        zero_mass: what `PassAtK.zero_mass` says.
    """
    if not counts.size:
        detail = "no sample of this model was counted: its population follows from the other sizes, and nothing is known of single problems; take some samples of it"
        return [Check("samples", Status.REVIEW, detail)]
    (n, s), usual = counts, float(np.median(counts[0]))
    far = [f"{k:g}" for k in ks if k > BEYOND * usual]
    detail = f"{usual:g} samples of a problem reach k = {BEYOND * usual:g} with a tenth of them"
    if far:
        detail = f"k = {', '.join(far)} is beyond ten times the {usual:g} samples of a problem: problems solved once in more than {usual:g} samples decide it, and of those the form of the population speaks, not the counts; sample more"
    found = [Check("samples", Status.REVIEW if far else Status.PASS, detail)]
    solved = int((s > 0).sum())
    words, status = (
        f"{solved} of {len(s)} problems were solved at least once",
        Status.PASS,
    )
    if n.max() == 1:
        words, status = (
            f"{words}, with one sample each, which tells the mean rate and nothing of how rates differ: pass@k beyond k = 1 follows from the priors; take several samples of each problem",
            Status.REVIEW,
        )
    elif solved == 0:
        words, status = (
            f"no problem was solved in {usual:g} samples: only an upper bound on pass@k is known, and how fast it rises follows from the priors",
            Status.REVIEW,
        )
    elif np.all(s == n):
        words, status = (
            "every sample of every problem succeeds: the task tells this model from no better one, and what fails it follows from the priors",
            Status.REVIEW,
        )
    elif solved < FEW:
        words, status = (
            f"{words}; with fewer than {FEW} the left tail, which decides large k, owes much to its prior (of published exponents)",
            Status.REVIEW,
        )
    found.append(Check("solved problems", status, words))
    if zero_mass:
        low, high = zero_mass["lower"], zero_mass["upper"]
        wide = high - low > WIDE
        ends = "; ".join(
            f"k = {a['k']}: new problems {a['new']:.3f} with it at {low:.3f}, {b['new']:.3f} at {high:.3f}"
            for a, b in zip(zero_mass["at_lower"], zero_mass["at_upper"], strict=True)
        )
        detail = f"a share {zero_mass['median']:.3f} [{low:.3f}, {high:.3f}] of problems (90 %) is beyond reach (never solved, or less than once in a million samples), which {usual:g} samples cannot tell from rates far below 1/{usual:g}; {ends}"
        found.append(Check("zero mass", Status.REVIEW if wide else Status.PASS, detail))
    return found


def population_fits(fit: Fit) -> Check:
    """Hold the number of problems of few, some and many successes against replicates.

    Three posterior predictive checks (Gelman, Meng & Stern 1996), of the shares of
    problems with no success, with one or two, and with more than half; the smallest
    two-sided probability, times three.
    """
    import jax

    x = {str(n): v.to_numpy() for n, v in fit.tree["constant_data"].data_vars.items()}
    y = fit.tree["observed_data"][fit.law.response.name].to_numpy()
    step = max(len(next(iter(fit.draws.values()))) // DRAWS, 1)
    own = {name: values[::step] for name, values in fit.draws.items()}
    with jax.enable_x64(True):
        skeleton, numbers = density.split(fit.law, fit.noise)
        told = density.expected(skeleton, numbers, own, x)
        key = jax.random.key(fit.seed)
        made = np.asarray(density.measured(fit.noise, told, own, x, key))[:, 0]
    tails = [_two_sided(f(made, x["samples"]), f(y, x["samples"])) for f in LOOKS]
    p = min(1.0, 3 * min(tails))
    detail = f"problems with no, one or two, and mostly successes: posterior predictive p = {p:.3f}"
    bad = p < UNLIKELY
    if bad:
        detail += "; the population is not of this form, so pass@k beyond the samples is too sure of itself"
    return Check("law fits the counts", Status.REVIEW if bad else Status.PASS, detail)


LOOKS = (
    lambda s, n: (s == 0).mean(axis=-1),
    lambda s, n: ((s == 1) | (s == 2)).mean(axis=-1),
    lambda s, n: (s > n / 2).mean(axis=-1),
)


def _two_sided(made: np.ndarray, seen: float) -> float:
    """Twice the smaller tail, half of what equals what was seen on each side."""
    same = (made == seen).mean() / 2
    return float(2 * min((made < seen).mean() + same, (made > seen).mean() + same))
