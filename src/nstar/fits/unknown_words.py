"""What each unknown and each derived number is, in words."""

from nstar.departures import bent_lines, discrepancy
from nstar.laws import LAWS, priors
from nstar.noises import likelihoods

WORDS: dict[str, str] = {}
for _room in (priors, likelihoods, bent_lines, discrepancy):
    WORDS |= _room.WORDS
for _law in LAWS.values():
    WORDS |= _law().words


def describe_unknown(name: str) -> str:
    """Return what an unknown is, or nothing where no law or noise says it.

    A spread between groups is that of the unknown that it names.
    """
    if name.startswith("spread_"):
        return "its spread between groups (sd of a log or logit)"
    return WORDS.get(name, "")
