"""A fit's draws weighed anew under other priors or another noise, where that is enough.

Importance sampling from the posterior that is there (Gelman et al. 2013, BDA3, 10.4), its
tail smoothed by Pareto's (Vehtari et al. 2024, arXiv:1507.02646).  The weights answer only
where k-hat and the effective draws pass; elsewhere the fit has to be made again.
"""

import json
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from nstar.fits import certificates
from nstar.fits.diagnostics import ESS
from nstar.fits.fitting import Fit
from nstar.fits.model import parse_model, unknowns
from nstar.fits.tree import provenance
from nstar.priors import sets as prior_sets
from nstar.priors.resolving import resolve
from nstar.priors.sets import Priors
from nstar.samplers import density
from nstar.samplers.density import ONCE
from nstar.types import Law, Noise, Params, Prior
from nstar.verdicts import Check, Status

WEIGHED = "weighed_anew"  # attribute of a tree whose draws were weighed
NAME = "weighed anew"


class Picked(NamedTuple):
    """Draws of a fit that are another posterior's."""

    at: np.ndarray  # places among the fit's draws, (draw,)
    k_hat: float
    ess: float
    law: Law
    noise: Noise
    priors: dict[str, Prior]
    attrs: dict[str, Any]  # of the priors
    notes: tuple[Check, ...]  # likewise


def pick(
    given: Fit, *, noise: str | Noise | None = None, priors: Priors = None
) -> Picked | None:
    """Pick draws of a fit by their weights under other priors or another noise.

    Args:
        given: the fit.
        noise: in place of its own.
        priors: likewise.

    Returns:
        The draws' places; None where Pareto k-hat or effective draws fail their gate, or
        where what is asked has an unknown that the fit lacks.
    """
    law, new = (
        given.law,
        given.noise if noise is None else parse_model(given.straight, noise).noise,
    )
    stated = (
        prior_sets.set_of_fit(given.tree.attrs, given.priors)
        if priors is None
        else priors
    )
    if noise is not None:
        stated = prior_sets.as_set(stated).only({*unknowns(law, new)})
    if is_reweighted(given) or given.diagnosis.trouble:
        return None  # weights cannot mend chains that are not to be believed
    with jax.enable_x64(True):
        chosen, attrs, notes = resolve(stated, law, new, given.runs)
        if not set(unknowns(law, new)) <= set(unknowns(law, given.noise)):
            return None
        log_weights = _of_priors(given, new, chosen)
        if log_weights is None:
            return None
        if noise is not None:
            log_weights = log_weights + _of_noises(given, new)
    certificate, weights = certificates.by_weights(log_weights)
    effective = _efficiency(given) * certificate.ess
    if not certificate.k_hat < certificates.K_HAT or effective < ESS:
        return None
    random = np.random.default_rng([given.seed, len(weights)])
    at = certificates.resampled(weights, len(weights), random)
    return Picked(
        at, certificate.k_hat, effective, law, new, chosen, dict(attrs), tuple(notes)
    )


def reweighted(
    given: Fit, *, noise: str | Noise | None = None, priors: Priors = None
) -> Fit | None:
    """Draws of a fit under other priors or another noise, or None where weights fail.

    Takes what `pick` takes.

    Returns:
        A fit of draws picked by their weights, one chain of them, with a note of k-hat
        and effective draws, or None.
    """
    picked = pick(given, noise=noise, priors=priors)
    if picked is None:
        return None
    law, new = picked.law, picked.noise
    lost = set(unknowns(law, given.noise)) - set(unknowns(law, new))
    tree = _picked(given, picked.at, lost)
    tree.attrs = (
        provenance(law, new, picked.priors, given.runs, given.seed) | picked.attrs
    )
    tree.attrs[WEIGHED] = json.dumps({"k_hat": picked.k_hat, "ess": picked.ess})
    detail = (
        f"the draws of the fit were weighed anew rather than drawn again: Pareto k-hat "
        f"{picked.k_hat:.2f}, {picked.ess:.0f} effective draws"
    )
    note = Check(NAME, Status.PASS, detail)
    return Fit(
        law, new, given.runs, tree, given.seed, picked.priors, (*picked.notes, note)
    )


def is_reweighted(fit: Fit) -> bool:
    """Say whether a fit's draws are another's, weighed anew."""
    return WEIGHED in fit.tree.attrs


def _of_priors(given: Fit, new: Noise, chosen: dict[str, Prior]) -> np.ndarray | None:
    """Log ratio of the new priors to the fit's own at its draws, (draw,)."""
    before = density.tabulated(given.law, given.noise, given.priors)
    after = density.tabulated(given.law, new, chosen)
    if set(after.others) or set(given.priors) - set(before.names):
        return None  # priors of no family that is known by numbers
    draws = given.draws
    total = np.zeros(len(next(iter(draws.values()))))
    for table, sign in ((before, -1.0), (after, 1.0)):
        for name, log_density in table.log_densities(draws).items():
            if name in after or sign > 0:
                total += sign * log_density
    return total


def _of_noises(given: Fit, new: Noise) -> np.ndarray:
    """Log ratio of the new likelihood to the fit's own at its draws, (draw,).

    A Student-t's degrees of freedom, which the normal lacks, are given their own prior
    under the normal: it cancels, and what is drawn of them is dropped.
    """
    x = {str(n): v.to_numpy() for n, v in given.tree["constant_data"].data_vars.items()}
    y = given.tree["observed_data"][given.law.response.name].to_numpy()

    def of_noise(noise: Noise, params: Params) -> Any:
        expected = given.law.expected(params, x)
        return noise.around(expected, params, x).log_prob(y).sum()

    def ratio(params: Params) -> Any:
        return of_noise(new, params) - of_noise(given.noise, params)

    program = jax.jit(lambda draws: jax.lax.map(ratio, draws), compiler_options=ONCE)
    return np.asarray(program(given.draws))


def _efficiency(given: Fit) -> float:
    """Effective draws of the fit's worst unknown for each draw it has, one at most."""
    chains = given.diagnosis
    count = (
        given.tree["posterior"].sizes["chain"] * given.tree["posterior"].sizes["draw"]
    )
    return min(min(chains.ess_bulk, chains.ess_tail) / count, 1.0)


def _picked(given: Fit, at: np.ndarray, lost: set[str]) -> xr.DataTree:
    """The groups of a fit with these draws alone, in one chain."""
    joined = given.tree["posterior"].dataset.stack(sample=("chain", "draw"))
    part = joined.isel(sample=at).drop_vars(["sample", "chain", "draw", *lost])
    part = (
        part.rename(sample="draw").expand_dims("chain").transpose("chain", "draw", ...)
    )
    others = ("prior", "observed_data", "constant_data", "design")
    groups = {n: given.tree[n].dataset for n in others if n in given.tree.children}
    return xr.DataTree.from_dict({"posterior": part, **groups})
