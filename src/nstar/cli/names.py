"""What a request names, looked at before JAX is imported: files, laws, noises, priors."""

from collections.abc import Sequence

from nstar.laws import ENTRIES
from nstar.laws.parsing import read_law, require_names
from nstar.noises import UNKNOWNS, read_noise
from nstar.priors.families import read_prior
from nstar.priors.sets import PriorSet
from nstar.wording import alternatives


def require_laws(texts: Sequence[str]) -> list[str]:
    """Refuse laws that there are not, or that are not averaged; return their names.

    Raises:
        ValueError: there is none of a name, one is named twice, or there are too many.
    """
    names = [read_law(text).name for text in texts]
    if texts:
        require_names(texts)
    return names


def require_priors(
    priors: PriorSet, laws: Sequence[str], noise: str | None, *, pooled: bool = False
) -> None:
    """Refuse a prior that is not read, or is of no unknown of these laws.

    Args:
        priors: a set with those chosen by name.
        laws: names; an unknown of any law will do where there are none.
        noise: its name; an unknown of any will do where there is none.
        pooled: whether groups have spreads, whose priors may be chosen too.

    Raises:
        ValueError: naming the nearest.
    """
    noises = [read_noise(noise)[0]] if noise else list(UNKNOWNS)
    known = [n for law in laws or ENTRIES for n in ENTRIES[law].unknowns.split()]
    known += [n for name in noises for n in UNKNOWNS[name]]
    if pooled:
        known += [f"spread_{name}" for name in known]
    for name, text in priors.overrides.items():
        if name not in known:
            subject = ", ".join(laws) or "any law"
            msg = f"--prior {name}: no unknown of {subject}; {alternatives(name, dict.fromkeys(known))}"
            raise ValueError(msg)
        read_prior(str(text))
