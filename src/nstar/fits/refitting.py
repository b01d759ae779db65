"""The same fit made again with one thing otherwise: its runs, its noise or its priors."""

from dataclasses import replace

from nstar.departures.discrepancy import Bent
from nstar.departures.pooling import Pooled
from nstar.fits.attempts import BENT
from nstar.fits.fitting import Fit, fit
from nstar.fits.mixture import Posterior
from nstar.fits.model import parse_model
from nstar.priors.record import source_of_published, sources
from nstar.priors.sets import Priors, set_of_fit
from nstar.progress import Tick
from nstar.runs.observations import Observations
from nstar.types import Noise
from nstar.verdicts import Check, Status

# of a bent surface that is only made for comparison
BRIEF = BENT._replace(draws=500, enough=400)


def without_published(
    given: Posterior, published_id: str
) -> tuple[Posterior, tuple[Check, ...]]:
    """Fit again where the priors had learned from a published fit or its re-fits.

    A fit under informed priors has seen the published figures it is to be compared with,
    so their whole source is left out and the posterior is drawn anew, seed and law as
    they were.  Weights of an average stay.

    Returns:
        The fit to compare, and a check that says what was done; the fit as it was, and
        nothing to say, where its priors were not informed.
    """
    source = source_of_published(published_id)
    used = {
        part.tree.attrs.get("prior_set", "weak") == "informed"
        for part in given.components
    }
    if True not in used:
        return given, ()
    if source is None:
        detail = f"{published_id} is in no source that the informed priors were learned from; nothing had to be left out"
        return given, (Check("priors of the comparison", Status.PASS, detail),)
    ids = ", ".join(sources()[source].published)
    parts = [
        part if _has_left_out(part, source) else _without(part, source)
        for part in given.components
    ]
    how = (
        "were already"
        if all(p is q for p, q in zip(parts, given.components, strict=True))
        else "are, for this comparison,"
    )
    detail = (
        f"the informed priors {how} without the source {source} ({ids}), so that ours has "
        "not seen what it is compared with"
    )
    note = Check("priors of the comparison", Status.PASS, detail)
    return given.of_components(parts), (note,)


def _has_left_out(given: Fit, source: str) -> bool:
    priors = set_of_fit(given.tree.attrs, given.priors)
    return priors.name != "informed" or source in priors.without


def _without(given: Fit, source: str) -> Fit:
    priors = set_of_fit(given.tree.attrs, given.priors)
    return repeat_fit(given, priors=replace(priors, without=(*priors.without, source)))


def repeat_fit(
    given: Fit,
    *,
    runs: Observations | None = None,
    noise: str | Noise | None = None,
    priors: Priors = None,
    brief: bool = False,
    tick: Tick | None = None,
) -> Fit:
    """Fit once more, with what is named otherwise and all else as it was.

    Args:
        given: the fit.
        runs: in place of its own, such as the smaller ones.
        noise: in place of its own.
        priors: likewise.
        brief: fewer draws of a surface that bends, and no second attempt.
        tick: progress of the sampling.

    Raises:
        ValueError: the runs do not carry the law.
    """
    law, table = given.straight, given.runs
    if isinstance(given.law, Pooled):
        law = replace(given.law, law=law)
    usual = set_of_fit(given.tree.attrs, given.priors)
    if noise is not None:
        usual = usual.only(parse_model(law, noise).prior_names)
    short = brief and isinstance(given.law, Bent)
    refitted = fit(
        replace(table if runs is None else runs, notes=()),
        law,
        noise or given.noise,
        usual if priors is None else priors,
        given.seed,
        BRIEF._replace(rows=len(table)) if short else None,
        tick,
        discrepancy=given.tree.attrs["discrepancy"],
    )
    return replace(refitted, runs=table) if runs is None else refitted
