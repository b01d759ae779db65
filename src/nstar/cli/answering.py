"""Print an answer about a fit, with its data, law, seed and conventions."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nstar.answers import Document
from nstar.cli import options as o
from nstar.cli import show
from nstar.cli.source import Fitted

if TYPE_CHECKING:
    from nstar.answers import Answer
    from nstar.verdicts import Check


def _named(fitted: Fitted, attribute: str) -> str:
    """Name the law or the noise; of an average, all of them, separated by commas."""
    if attribute == "law" and fitted.fit.mixture:
        return ",".join(fitted.fit.names)
    trees = [part.tree for part in fitted.fit.components]
    return ",".join(
        dict.fromkeys(json.loads(t.attrs[attribute])["name"] for t in trees)
    )


def _discrepancy(fitted: Fitted) -> str:
    """Name the discrepancy: waves where any averaged law has them, else none."""
    kinds = {part.tree.attrs.get("discrepancy") for part in fitted.fit.components}
    return "waves" if "waves" in kinds else "none"


def _priors(fitted: Fitted) -> str:
    """Name the set of priors."""
    return fitted.fit.components[0].tree.attrs.get("prior_set", "weak")


def _pool(fitted: Fitted) -> Document:
    """Return the column and the groups a law is pooled over; empty for other laws."""
    pool = json.loads(fitted.fit.tree.attrs.get("pool", "{}"))
    return {name: pool[name] for name in ("over", "groups") if pool}


def describe(fitted: Fitted, prob: float, group: str | None = None) -> Document:
    """Return the keys with which every JSON document about a fit starts.

    An average adds its weights; a pooled fit its groups, and `group`.
    """
    fit, weights, pool = fitted.fit, fitted.fit.mixture, _pool(fitted)
    return (
        {
            "data": fit.runs.source,
            "data_sha256": fit.runs.sha256,
            "runs": len(fit.runs),
            "law": _named(fitted, "law"),
            "law_reason": fitted.reason,
            "noise": _named(fitted, "noise"),
            "discrepancy": _discrepancy(fitted),
            "priors": _priors(fitted),
            "seed": fit.seed,
            "prob": prob,
            "interval": "equal-tailed",
            "flop_convention": str(fit.runs.cost),
            "params_counted": fit.runs.params_counted,
            "loss_unit": fit.runs.loss_unit,
            "derived": fit.runs.derived or None,
        }
        | ({"weights": weights} if weights else {})
        | ({"pool": pool | {"group": group}} if pool else {})
    )


def title(fitted: Fitted, group: str | None = None) -> None:
    """Print data, law, noise and seed in a line; of a pooled fit also the group."""
    fit, weights, pool = fitted.fit, fitted.fit.mixture, _pool(fitted)
    law, noise = (_named(fitted, name) for name in ("law", "noise"))
    bend = " and smooth discrepancy" if _discrepancy(fitted) == "waves" else ""
    show.line(
        f"{law} law with {noise} noise{bend}, {len(fit.runs)} runs of {fit.runs.source}, "
        f"seed {fit.seed}",
        bold=True,
    )
    if pool:
        seen = group in pool["groups"]
        subject = "a group not seen yet" if not seen else group
        suffix = f"; this is of {subject}" if group else ""
        show.line(f"pooled over {len(pool['groups'])} groups by {pool['over']}{suffix}")
    if weights:
        listing = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
        show.line(f"weights: {listing}; equal weights would be {1 / len(weights):.2f}")


def conventions(fitted: Fitted) -> None:
    """Print how compute, parameters and loss of training runs are counted."""
    runs = fitted.fit.runs
    if "C" not in runs and "N" not in runs:
        return
    derived = f" ({runs.derived})" if runs.derived else ""
    show.line(f"FLOP convention: {runs.cost}{derived}")
    show.line(f"parameters counted: {runs.params_counted}")
    show.line(f"loss unit: {runs.loss_unit}")


def print_answer(
    answer: "Answer",
    checks: "Sequence[Check]",
    output: o.Output,
    fitted: Fitted | None = None,
    group: str | None = None,
    about: Mapping[str, Any] | None = None,
    after: Sequence[str] = (),
) -> None:
    """Print an answer, or its document; exit with code 1 where a check failed.

    Args:
        answer: the numbers, tables and headline.
        checks: on the fit and on the answer.
        output: whether as JSON, and the probability of intervals.
        fitted: the fit it is about, where it is about one.
        group: of a pooled fit, the group that the answer is about.
        about: the first keys of the document where there is no fit.
        after: lines below the tables.
    """
    from nstar.wording import plainly

    plain_checks, prob = plainly([*checks]), output.prob
    if output.json:
        start = describe(fitted, prob, group) if fitted else dict(about or {})
        document = start | answer.as_json(prob)
        show.as_json(document | {"checks": [check.as_json() for check in plain_checks]})
    else:
        headline, parts = answer.headline(prob), list(answer.tables(prob))
        if fitted:  # and what could not be worked out has been refused by now
            title(fitted, group)
        show.answer(plain_checks, headline, [*parts, *after])
        if fitted:
            conventions(fitted)
    show.finish(plain_checks)
