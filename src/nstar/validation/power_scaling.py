"""Sensitivity of answers to the prior and to the likelihood, by power-scaling."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nstar.answers import Document
from nstar.departures.bent_lines import DERIVED, UNKNOWN
from nstar.fits.fitting import Fit
from nstar.plans.planning import plan
from nstar.verdicts import Check, Status

THRESHOLD = (
    0.05  # Kallioinen et al. (2024): about a mean shifted by 0.3 sd when doubled
)

FLAT = 1e-9  # range of a log prior that is the same everywhere: scaling changes nothing


class Row(NamedTuple):
    """Sensitivity of one quantity to the priors and to the likelihood."""

    quantity: str
    prior: float  # sensitivity to the prior of all unknowns together
    likelihood: float  # and to the runs
    prior_of: str  # the unknown whose prior alone moves it most
    says: str
    by_prior: dict[str, float]  # sensitivity to the prior of each unknown alone
    decision: bool  # N*, D*, L* or regret at a budget, not an unknown

    def as_json(self) -> Document:
        """Plain numbers and words."""
        names = ("quantity", "prior", "likelihood", "prior_of", "says")
        return {name: getattr(self, name) for name in names}


class Sensitivity(NamedTuple):
    """One row a quantity, the most prior-bound first, and a check on the whole."""

    rows: tuple[Row, ...]
    check: Check


def sensitivity(
    fit: Fit, quantities: Sequence[str] = (), budgets: Sequence[float] = ()
) -> Sensitivity:
    r"""Scale the prior, then the likelihood, by a power and see which answers move.

    The posterior is re-weighted to $p(\theta)^a\,p(y|\theta)$ and
    $p(\theta)\,p(y|\theta)^a$ for a just below and above one, by Pareto-smoothed
    importance sampling, and a quantity's sensitivity is the distance its distribution
    moves per doubling (Kallioinen et al. 2024, doi:10.1007/s11222-023-10366-5; ArviZ's
    `psense`).  Above 0.05 a quantity moves.  Nothing is sampled again.  Only priors of
    single unknowns are scaled: the weights of a discrepancy and the scatter of budgets
    belong to the model.

    Args:
        fit: a posterior.
        quantities: names in `fit.tree["posterior"]`; all single ones unless given, less
            those of a power law that bends, whose bent line stands for them.
        budgets: FLOP whose log N*, log D*, L* and regret are tested too.

    Raises:
        ValueError: there is no such quantity, or there are budgets and the law has no N*.
    """
    import arviz_stats

    posterior = fit.tree["posterior"].dataset
    single = [str(n) for n, v in posterior.data_vars.items() if v.ndim == 2]
    if unknown := [name for name in quantities if name not in single]:
        msg = f"no single quantity {unknown[0]!r} in this fit; there are {', '.join(single)}"
        raise ValueError(msg)
    bent = set(DERIVED) <= set(single)
    default = [
        n
        for n in single
        if not (bent and n in {"alpha1", "alpha2", "tokens_per_parameter", UNKNOWN})
    ]
    decisions = _decisions(fit, budgets) if len(budgets) else {}
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior[list(quantities or default)].assign(decisions),
            "log_likelihood": fit.tree["log_likelihood"].dataset.astype(float),
            "log_prior": fit.tree["log_prior"].dataset,
        }
    )

    def distances(group: str, of: list[str] | None = None) -> dict[str, float]:
        scaled = tree[f"log_{group}"].dataset[of] if of else tree[f"log_{group}"]
        if not any(np.ptp(v.to_numpy()) > FLAT for v in scaled.data_vars.values()):
            return dict.fromkeys(map(str, tree["posterior"].data_vars), 0.0)
        distances_by_name = arviz_stats.psense(tree, group=group, group_var_names=of)
        return {str(n): float(v) for n, v in distances_by_name.data_vars.items()}

    by_all_priors, by_likelihood = distances("prior"), distances("likelihood")
    by_prior = {
        str(n): distances("prior", [str(n)]) for n in tree["log_prior"].data_vars
    }
    rows = [
        Row(
            q,
            by_all_priors[q],
            by_likelihood[q],
            max(by_prior, key=lambda n: by_prior[n][q]),
            _verdict(by_all_priors[q], by_likelihood[q]),
            {n: by_prior[n][q] for n in by_prior},
            q in decisions,
        )
        for q in by_all_priors
    ]
    rows.sort(key=lambda row: -row.prior)
    return Sensitivity(tuple(rows), _check(rows))


def _decisions(fit: Fit, budgets: Sequence[float]) -> Document:
    """Quantities of the decisions at budgets by name, (chain, draw) each."""
    planned = plan(fit, budgets, brief=True)
    shape = tuple(fit.tree["posterior"].sizes[n] for n in ("chain", "draw"))
    answers = {}
    for C in planned.budgets:
        at = planned.draws.sel(budget=C)
        quantities = {f"log {n}*": np.log(at[n].to_numpy()) for n in ("N", "D")}
        if "loss_oracle" in at:
            quantities["L*"] = at["loss_oracle"].to_numpy()
            quantities["regret"] = at["regret"].to_numpy()
        for name, values in quantities.items():
            draws = values.reshape(shape)
            answers[f"{name} at {C:.3g} FLOP"] = (("chain", "draw"), draws)
    return answers


def _verdict(prior: float, runs: float) -> str:
    if not np.isfinite([prior, runs]).all():
        return "cannot be said: the weights have no finite variance"
    if prior < THRESHOLD:
        return "the runs decide" if runs >= THRESHOLD else "neither moves it much"
    if runs < THRESHOLD:
        return "mostly the prior: the runs hardly move it"
    return "both matter: prior and runs pull on it"


def _check(rows: Sequence[Row]) -> Check:
    dependent = [r for r in rows if not r.prior < THRESHOLD]
    if not dependent:
        detail = (
            "no quantity moves much when the prior is made a little stronger or weaker"
        )
        return Check("prior sensitivity", Status.PASS, detail)
    names = ", ".join(f"{r.quantity} (prior of {r.prior_of})" for r in dependent[:6])
    more = f" and {len(dependent) - 6} more" if len(dependent) > 6 else ""
    detail = (
        f"these depend on the prior as well as on the runs: {names}{more}; state the prior "
        "beside them, or try another with --prior and see whether the answer holds"
    )
    return Check("prior sensitivity", Status.REVIEW, detail)
