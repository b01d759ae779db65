"""The same fit with sources left out of its priors, before it is held beside one of them."""

from dataclasses import replace

from nstar.fitting import Fit, fit
from nstar.mixture import Average, components
from nstar.pooling import Pooled
from nstar.prior_sets import of_fit
from nstar.record import of_published, sources
from nstar.verdicts import Check, Status


def without_published(
    given: Fit | Average, published_id: str
) -> tuple[Fit | Average, tuple[Check, ...]]:
    """Fit again where the priors had learned from a published fit or its re-fits.

    A fit under informed priors has seen the published figures it is to be compared with,
    so their whole source is left out and the posterior is drawn anew, seed and law as
    they were.  Weights of an average stay.

    Returns:
        The fit to compare, and a check that says what was done; the fit as it was, and
        nothing to say, where its priors were not informed.
    """
    source = of_published(published_id)
    used = {
        part.tree.attrs.get("prior_set", "weak") == "informed"
        for part in components(given)
    }
    if True not in used:
        return given, ()
    if source is None:
        detail = f"{published_id} is in no source that the informed priors were learned from; nothing had to be left out"
        return given, (Check("priors of the comparison", Status.PASS, detail),)
    ids = ", ".join(sources()[source].published)
    parts = [part if _has_left_out(part, source) else _again(part, source) for part in components(given)]  # fmt: skip
    how = "were already" if all(p is q for p, q in zip(parts, components(given), strict=True)) else "are, for this comparison,"  # fmt: skip
    detail = (
        f"the informed priors {how} without the source {source} ({ids}), so that ours has "
        "not seen what it is compared with"
    )
    note = Check("priors of the comparison", Status.PASS, detail)
    if isinstance(given, Average):
        return replace(given, components=tuple(parts)), (note,)
    return parts[0], (note,)


def _has_left_out(given: Fit, source: str) -> bool:
    priors = of_fit(given.tree.attrs, given.priors)
    return priors.name != "informed" or source in priors.without


def _again(given: Fit, source: str) -> Fit:
    priors = of_fit(given.tree.attrs, given.priors)
    law = given.straight
    if isinstance(given.law, Pooled):
        law = replace(given.law, law=law)
    made = fit(
        replace(given.runs, notes=()), law, given.noise,
        replace(priors, without=(*priors.without, source)), given.seed,
        discrepancy=given.tree.attrs["discrepancy"],
    )  # fmt: skip
    return replace(made, runs=given.runs)
